"""Scores as arithmetic on counts that add up.

Each sentence contributes a few counts: (correct, predicted, gold) for spans. Every score is a function of their sums,
and sentences are interchangeable, so a `Tally` (how many sentences have which counts) is all that a score, its
confidence interval or a significance test needs. Tallies of shards add up in any order to the same bytes, and stay
small: a corpus of a million sentences has a few hundred distinct counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xproj.columns import Bool, EntityColumn, Int64, LinkColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Score = Callable[[np.ndarray], np.ndarray]

CORRECT, PREDICTED, GOLD = range(3)
LENGTHS = ("1", "2", "3", "4+")
SEEN = ("seen", "unseen")
CELLS = 4_000_000  # numbers that the resamples of one chunk may hold


def groups(*keys: np.ndarray) -> tuple[Int64, Int64]:
    """Equal keys get equal numbers: the group of each element (n,), and one member of each group (k,).

    Groups are numbered in the lexicographic order of the keys, which are arrays of (n,).
    """
    order = np.lexsort(keys[::-1])
    fresh = np.ones(len(order), dtype=bool)
    if len(order):
        fresh[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    ids = np.empty(len(order), dtype=np.int64)
    ids[order] = np.cumsum(fresh) - 1
    return ids, order[fresh]


@dataclass(frozen=True, eq=False)
class Tally:
    """How many sentences have which counts: distinct counts (k, d), sorted, and the sentences of each (k,)."""

    counts: np.ndarray
    sentences: Int64

    @classmethod
    def of(cls, counts: np.ndarray, sentences: Int64 | None = None) -> Tally:
        """Tally rows of counts (n, d), each standing for as many sentences as given (n,), else for one."""
        counts = np.asarray(counts, dtype=np.int64)
        weight = np.ones(len(counts), dtype=np.int64) if sentences is None else sentences
        counts, weight = counts[weight > 0], weight[weight > 0]
        ids, members = groups(*counts.T)
        total = np.zeros(len(members), dtype=np.int64)
        np.add.at(total, ids, weight)
        return cls(counts[members], total)

    @classmethod
    def zeros(cls, sentences: int, width: int = 3) -> Tally:
        """A tally of sentences that have nothing to count."""
        return cls.of(np.zeros((1, width)), np.array([sentences], dtype=np.int64))

    def __add__(self, other: Tally) -> Tally:
        return Tally.of(np.vstack([self.counts, other.counts]), np.concatenate([self.sentences, other.sentences]))

    def __len__(self) -> int:
        return int(self.sentences.sum())

    @property
    def totals(self) -> Int64:
        """The counts of all sentences together, (d,)."""
        return np.asarray(self.sentences @ self.counts, dtype=np.int64)


class Spans(NamedTuple):
    """The distinct labelled spans of a corpus, by row, start, end and label, and who has them. Arrays are (k,)."""

    row: Int64
    start: Int64
    end: Int64
    label: Int64
    predicted: Bool
    gold: Bool
    names: tuple[str, ...]

    def where(self, keep: Bool) -> Spans:
        """The spans where `keep`, (k,), is True."""
        row, start, end, label, predicted, gold, names = self
        return Spans(row[keep], start[keep], end[keep], label[keep], predicted[keep], gold[keep], names)


def match(predicted: EntityColumn, gold: EntityColumn) -> Spans:
    """Compare two columns as sets of (row, start, end, label): a span given twice counts once.

    Raises:
        ValueError: the columns have different numbers of rows.
    """
    if len(predicted) != len(gold):
        raise ValueError(f"{len(predicted)} predicted rows but {len(gold)} gold rows")
    names = tuple(sorted({*predicted.names, *gold.names}))
    sides = [predicted, gold]
    row = np.concatenate([np.repeat(np.arange(len(side)), np.diff(side.offsets)) for side in sides])
    start = np.concatenate([side.start for side in sides]).astype(np.int64)
    end = np.concatenate([side.end for side in sides]).astype(np.int64)
    label = np.concatenate([_renumber(side.names, names)[side.label] for side in sides])
    ids, members = groups(row, start, end, label)
    flags = np.zeros((2, len(members)), dtype=bool)
    flags[0, ids[: len(predicted.start)]] = True
    flags[1, ids[len(predicted.start) :]] = True
    return Spans(row[members], start[members], end[members], label[members], flags[0], flags[1], names)


def _renumber(old: tuple[str, ...], new: tuple[str, ...]) -> Int64:
    return np.array([new.index(name) for name in old], dtype=np.int64)


def sentence_counts(spans: Spans, rows: int) -> np.ndarray:
    """(correct, predicted, gold) of each row, (rows, 3)."""
    who = (spans.predicted & spans.gold, spans.predicted, spans.gold)
    return np.stack([np.bincount(spans.row[flag], minlength=rows) for flag in who], axis=1)


@dataclass(frozen=True, eq=False)
class SpanCounts:
    """The span counts of a corpus: over all labels, for each one, by length, and by whether training had them.

    `lengths` has "1", "2", "3" and "4+" words, `seen` has "seen" and "unseen", and is empty where training is not
    known. A span counts where it belongs by its own length and words, be it predicted or gold. Corpora add up.
    """

    overall: Tally
    labels: dict[str, Tally]
    lengths: dict[str, Tally] = field(default_factory=dict)
    seen: dict[str, Tally] = field(default_factory=dict)

    @classmethod
    def of(cls, predicted: EntityColumn, gold: EntityColumn, seen: Callable[[Spans], Bool] | None = None) -> SpanCounts:
        """Count the rows that have gold, null rows of `predicted` having predicted nothing.

        Args:
            predicted: what a system says.
            gold: what is true.
            seen: of which spans training had the words with the label, (k,).

        Raises:
            ValueError: the columns have different numbers of rows.
        """
        spans = match(predicted, gold)
        known = gold.valid[spans.row]
        kept = spans.where(known)
        number = np.cumsum(gold.valid) - 1
        kept = kept._replace(row=number[kept.row])
        rows = int(gold.valid.sum())
        overall = Tally.of(sentence_counts(kept, rows))
        length = np.minimum(kept.end - kept.start, len(LENGTHS)) - 1
        familiar = {} if seen is None else _places(SEEN, np.where(seen(spans)[known], 0, 1))
        parts = _places(kept.names, kept.label), _places(LENGTHS, length), familiar
        return cls(overall, *({name: _part(kept, keep, rows) for name, keep in part.items()} for part in parts))

    def __add__(self, other: SpanCounts) -> SpanCounts:
        mine, others = Tally.zeros(len(self.overall)), Tally.zeros(len(other.overall))

        def merged(one: dict[str, Tally], two: dict[str, Tally]) -> dict[str, Tally]:
            names = [*one, *(name for name in two if name not in one)]
            return {name: one.get(name, mine) + two.get(name, others) for name in names}

        labels = merged(self.labels, other.labels)
        return SpanCounts(
            self.overall + other.overall,
            {name: labels[name] for name in sorted(labels)},
            merged(self.lengths, other.lengths),
            merged(self.seen, other.seen),
        )


def _places(names: tuple[str, ...], number: np.ndarray) -> dict[str, Bool]:
    """For each name where its number stands."""
    return {name: number == i for i, name in enumerate(names)}


def _part(spans: Spans, keep: Bool, rows: int) -> Tally:
    """The tally of some spans; only the rows that have them are looked at, the others are all zeros."""
    chosen = spans.where(keep)
    present, compact = np.unique(chosen.row, return_inverse=True)
    tally = Tally.of(sentence_counts(chosen._replace(row=compact), len(present)))
    return tally + Tally.zeros(rows - len(present))


def precision_recall_f1(totals: np.ndarray) -> np.ndarray:
    """(..., 3) precision, recall and F1 from (..., 3) totals; 0 where there is nothing to divide by, like seqeval."""
    correct, predicted, gold = np.moveaxis(np.asarray(totals, dtype=np.float64), -1, 0)
    return np.stack([_ratio(correct, predicted), _ratio(correct, gold), _ratio(2 * correct, predicted + gold)], axis=-1)


def f1(totals: np.ndarray) -> np.ndarray:
    """F1 (...) from totals (..., 3)."""
    return np.asarray(precision_recall_f1(totals)[..., 2])


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`, 0 where there is no whole."""
    out = np.zeros(np.broadcast(part, whole).shape)
    return np.asarray(np.divide(part, whole, out=out, where=whole > 0))


def link_counts(links: LinkColumn, sure: LinkColumn, possible: LinkColumn) -> np.ndarray:
    """(links that are sure, links that are sure or possible, links, sure links) of each row, (n, 4).

    Links are sets: one given twice counts once. Every sure link is possible too.

    Raises:
        ValueError: the columns have different numbers of rows.
    """
    sides = [links, sure, possible]
    if len({len(side) for side in sides}) != 1:
        raise ValueError(f"{len(links)} rows of links but {len(sure)} and {len(possible)} rows of gold links")
    row = np.concatenate([np.repeat(np.arange(len(side)), np.diff(side.offsets)) for side in sides])
    side = np.repeat(np.arange(3), [len(part.source) for part in sides])
    ids, members = groups(
        row, np.concatenate([part.source for part in sides]), np.concatenate([part.target for part in sides])
    )
    has = np.zeros((3, len(members)), dtype=bool)
    has[side, ids] = True
    flags = (has[0] & has[1], has[0] & (has[1] | has[2]), has[0], has[1])
    return np.stack([np.bincount(row[members][flag], minlength=len(links)) for flag in flags], axis=1)


def alignment_error_rate(totals: np.ndarray) -> np.ndarray:
    """Alignment error rate (...) of Och and Ney (2003) from totals (..., 4) of `link_counts`; 0 is perfect."""
    hit_sure, hit_possible, links, sure = np.moveaxis(np.asarray(totals, dtype=np.float64), -1, 0)
    return np.where(links + sure > 0, 1 - _ratio(hit_sure + hit_possible, links + sure), 0.0)


def bootstrap(
    tally: Tally, score: Score, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of `score` over sentences; None without sentences or resamples.

    Drawing sentences with replacement is drawing how often each distinct row of counts occurs, so a resample costs a
    multinomial over a few hundred cells whatever the size of the corpus.

    Args:
        tally: the counts of the corpus.
        score: (b, d) totals to (b,) scores.
        resamples: how many resampled corpora.
        confidence: the share of resamples inside the interval.
        seed: of the random generator; the same seed gives the same interval.
    """
    if not resamples or not len(tally):
        return None
    values = np.concatenate([score(draws @ tally.counts) for draws in _resamples(tally, resamples, seed)])
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _resamples(tally: Tally, resamples: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    share = tally.sentences / tally.sentences.sum()
    for size in _chunks(resamples, len(tally.sentences)):
        yield rng.multinomial(len(tally), share, size=size)


def _chunks(resamples: int, width: int) -> list[int]:
    most = max(1, CELLS // max(width, 1))
    return [min(most, resamples - done) for done in range(0, resamples, most)]


class Difference(NamedTuple):
    """How much better the first of two systems is, with its bootstrap interval and a two-sided p-value."""

    value: float
    low: float
    high: float
    p_value: float


def compare(
    tally: Tally, score: Score, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Difference | None:
    """Compare two systems on the same sentences; None without sentences or resamples.

    The interval is a paired bootstrap; the p-value is that of approximate randomisation (Noreen 1989): how often
    swapping the two outputs of a random half of the sentences makes the difference as large as the one observed.

    Args:
        tally: rows of counts (k, 2 d), those of the first system beside those of the second.
        score: (b, d) totals to (b,) scores.
        resamples: how many resampled corpora, and how many random swaps.
        confidence: the share of resamples inside the interval.
        seed: of the random generators.
    """
    if not resamples or not len(tally):
        return None
    first, second = np.hsplit(tally.counts, 2)
    observed = float(score(tally.sentences @ first) - score(tally.sentences @ second))
    interval = bootstrap(
        tally,
        lambda totals: np.subtract(*(score(half) for half in np.split(totals, 2, axis=-1))),
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    rng = np.random.default_rng([seed, 1])
    extreme = 0
    for size in _chunks(resamples, len(tally.sentences)):
        swapped = rng.binomial(tally.sentences, 0.5, size=(size, len(tally.sentences)))
        stayed = tally.sentences - swapped
        shuffled = score(stayed @ first + swapped @ second) - score(stayed @ second + swapped @ first)
        extreme += int(np.sum(np.abs(shuffled) >= abs(observed) - 1e-12))
    low, high = interval if interval is not None else (observed, observed)
    return Difference(observed, low, high, (extreme + 1) / (resamples + 1))
