"""Scores of labelled spans against gold, and the comparison of two systems."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import EntityColumn, TokenColumn, combine
from xproj.core import metrics
from xproj.core.labels import relabel, select
from xproj.core.metrics import CORRECT, GOLD, PREDICTED, SpanCounts, Tally
from xproj.core.surfaces import had, labelled_surfaces
from xproj.errors import SchemaError
from xproj.schema import STATUSES, conform, status_codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Column: TypeAlias = pa.ChunkedArray | pa.Array

Interval = tuple[float, float]


@dataclass(frozen=True)
class SpanScore:
    """Precision, recall and F1 of exact spans with their labels; `interval` is that of F1."""

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int
    correct: int
    interval: Interval | None

    @classmethod
    def of(cls, tally: Tally, resamples: int, seed: int) -> SpanScore:
        """The score of a tally of (correct, predicted, gold)."""
        totals = tally.totals
        precision, recall, f_score = (float(value) for value in metrics.precision_recall_f1(totals))
        support, predicted, correct = (int(totals[i]) for i in (GOLD, PREDICTED, CORRECT))
        interval = metrics.bootstrap(tally, metrics.f1, resamples=resamples, seed=seed)
        return cls(precision, recall, f_score, support, predicted, correct, interval)


@dataclass(frozen=True)
class TaggingScores:
    """Scores of labels against gold labels: over all of them (micro), by label, and the mean over labels (macro).

    `lengths` are those of entities of 1, 2, 3 and more words; `seen` those of entities that training data have with the
    same words and label, and of the others; empty where training data are not known.
    """

    sentences: int
    micro: SpanScore
    macro_f1: float
    labels: dict[str, SpanScore]
    lengths: dict[str, SpanScore]
    seen: dict[str, SpanScore]

    @classmethod
    def of(cls, counts: SpanCounts, *, resamples: int = 1000, seed: int = 0) -> TaggingScores:
        """The scores of counts. Labels that occur in gold nowhere have no share in the macro mean."""
        labels, lengths, seen = (
            {name: SpanScore.of(tally, resamples, seed) for name, tally in part.items()}
            for part in (dict(sorted(counts.labels.items())), counts.lengths, counts.seen)
        )
        supported = [score.f1 for score in labels.values() if score.support]
        macro = float(np.mean(supported)) if supported else 0.0
        micro = SpanScore.of(counts.overall, resamples, seed)
        return cls(len(counts.overall), micro, macro, labels, lengths, seen)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Familiar:
    """The surface forms of entities in training data, with their labels; they tell seen entities from unseen ones."""

    forms: pa.Array

    @classmethod
    def of(cls, tables: Iterable[pa.Table], labels: Mapping[str, str] | None = None) -> Familiar:
        """The distinct ones in tables with `tokens` and `entities`, labels renamed or dropped."""
        found: pa.Array = pa.array([], pa.string())
        for table in tables:
            entities = relabel(EntityColumn.read(table["entities"]), labels or {})
            forms = labelled_surfaces(TokenColumn.read(table["tokens"]), entities)
            found = pc.unique(pa.concat_arrays([found, forms]))
        return cls(found)


def tagging(
    parts: Iterable[tuple[Column, Column, Column]],
    *,
    labels: Mapping[str, str] | None = None,
    familiar: Familiar | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> TaggingScores:
    """Score predicted entities against gold ones. Null gold is not scored.

    Args:
        parts: columns of the same rows: predicted entities, gold ones, and words.
        labels: renames labels on both sides; `O` drops them.
        familiar: tells seen entities from unseen ones.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    counts = (count_spans(predicted, gold, labels or {}, words, familiar) for predicted, gold, words in parts)
    return TaggingScores.of(reduce(add, counts, NO_SPANS), resamples=resamples, seed=seed)


NO_SPANS = SpanCounts(Tally.zeros(0), {})


def count_spans(
    predicted: Column,
    gold: Column,
    labels: Mapping[str, str],
    words: Column | None = None,
    familiar: Familiar | None = None,
) -> SpanCounts:
    """The span counts of two `list<entity>` columns, labels renamed or dropped on both sides.

    With the words of the sentences and what is familiar from training, seen and unseen entities are counted apart.
    """
    system, truth = (relabel(EntityColumn.read(column), labels) for column in (predicted, gold))
    if words is None or familiar is None:
        return SpanCounts.of(system, truth)
    tokens = TokenColumn.read(words)
    return SpanCounts.of(system, truth, lambda spans: had(spans, tokens, familiar.forms))


@dataclass(frozen=True)
class ComparisonScores:
    """Two systems on the same sentences: the F1 of each, how much better the first is, and whether that is chance.

    `interval` is the paired bootstrap interval of `difference`, `p_value` that of approximate randomisation.
    """

    sentences: int
    first: SpanScore
    second: SpanScore
    difference: float
    interval: Interval | None
    p_value: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare(
    first: Iterable[pa.Table],
    second: Iterable[pa.Table],
    *,
    predicted: str = "target_entities",
    gold: str = "target_gold",
    labels: Mapping[str, str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> ComparisonScores:
    """Compare two systems on the same rows, which may be cut into tables differently.

    Only ids and three numbers per sentence are kept in memory.

    Args:
        first: tables of one system, with `id`, its entities and gold.
        second: tables of the other.
        predicted: the column of the systems' entities; a row that is not ok has predicted nothing.
        gold: the column of gold entities; rows where it is null are not scored.
        labels: renames labels on both sides; `O` drops them.
        resamples: of the bootstrap and the randomisation.
        seed: of both.

    Raises:
        SchemaError: a column is missing, or the two differ in their ids or in which gold they have.
    """
    (ids, counts), (other_ids, others) = (
        _sentences(tables, predicted, gold, labels or {}, where)
        for tables, where in ((first, "first input"), (second, "second input"))
    )
    if not ids.equals(other_ids):
        raise SchemaError(
            f"the two inputs have {len(ids)} and {len(other_ids)} rows with gold and differ in their ids; "
            "compare two results of the same corpus"
        )
    if not np.array_equal(counts[:, GOLD], others[:, GOLD]):
        row = int(np.flatnonzero(counts[:, GOLD] != others[:, GOLD])[0])
        raise SchemaError(f"row {ids[row].as_py()!r} has other gold in the second input; compare on the same gold")
    result = metrics.compare(Tally.of(np.hstack([counts, others])), metrics.f1, resamples=resamples, seed=seed)
    one, two = (SpanScore.of(Tally.of(part), resamples, seed) for part in (counts, others))
    if result is None:
        return ComparisonScores(len(ids), one, two, one.f1 - two.f1, None, None)
    return ComparisonScores(len(ids), one, two, result.value, (result.low, result.high), result.p_value)


def _sentences(
    tables: Iterable[pa.Table], predicted: str, gold: str, labels: Mapping[str, str], where: str
) -> tuple[pa.Array, np.ndarray]:
    """The ids and counts (n, 3) of the rows that have gold."""
    ids, counts = [pa.array([], pa.string())], [np.zeros((0, 3), dtype=np.int64)]
    for table in tables:
        columns = conform(table, ["id", predicted, gold], where=where)
        ok = status_codes(table) == STATUSES.index("ok")
        system, truth = (relabel(EntityColumn.read(columns[name]), labels) for name in (predicted, gold))
        system = select(system, np.repeat(ok, np.diff(system.offsets)))
        ids.append(combine(columns["id"]).filter(pa.array(truth.valid)))
        counts.append(metrics.sentence_counts(metrics.match(system, truth), len(truth))[truth.valid])
    return pa.concat_arrays(ids), np.concatenate(counts)
