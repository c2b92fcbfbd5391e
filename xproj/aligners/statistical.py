"""The embedded aligner: no weights, no compiler, deterministic; seconds for a thousand pairs.

IBM model 1 in variational Bayes with an orthographic prior (see `core.statistical`), run on whole words and on words
cut to their first letters. The posteriors of these *views* are averaged, so that inflected forms share what they learn;
links with support of their neighbours gain (see `core.neighbours`); on larger corpora models whose directions were
trained to agree and a hidden Markov model (see `core.hmm`) have a say; `core.symmetrize` chooses the links.
"""

from __future__ import annotations

import json
import math
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xproj.aligners.views import View, Vocabulary
from xproj.columns import LinkColumn, TokenColumn
from xproj.core import capitals, hmm, lexicon
from xproj.core import statistical as model
from xproj.core.neighbours import STRENGTH, support
from xproj.core.pairs import PairTable, contains
from xproj.core.symmetrize import Links, cell_offsets, symmetrize
from xproj.errors import BackendError, CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xproj.aligners import Pairs, Progress
    from xproj.recipe import Align, Runtime

MAX_CELLS = 4_000_000
# smallest posterior of a link, where the recipe names none
THRESHOLD = 0.2
FORMAT = 3
# with fewer pairs an HMM and models that agree cost more than they bring (docs/methods.md)
LARGE = 1000
# its say in the mean of both models: it helps short sentences and hurts long ones
HMM_SHARE = 0.35
# jumps are learned from the first rows of the corpus
HMM_ROWS = 500


class StatisticalAligner:
    """See the module. Settings read: prefixes, orthography, capitals, iterations, max_pairs, agreement, hmm,
    symmetrization, threshold, model and prime.
    """

    def __init__(self, settings: Align, fitted: Path | None = None, runtime: Runtime | None = None) -> None:
        self.settings = settings
        self.needs_fit = settings.model is None
        folder = Path(settings.model) if settings.model else fitted
        self._folder = folder
        self._loaded: _Fitted | None = None

    # fit ----------------------------------------------------------------------------------------------------------

    def fit(
        self, parts: Pairs, *, languages: tuple[str, str], output: Path, progress: Progress | None = None
    ) -> dict[str, int | float]:
        """Learn the tables of every view from `parts` (and `prime`) and save them in the folder `output`."""
        source, target = Vocabulary(), Vocabulary()
        stream = _Stream(parts, self.settings.prime, languages, source, target)
        pairs, cases = stream.count()
        if not self.settings.capitals:
            cases = np.zeros_like(cases[0]), np.zeros_like(cases[1])
        prefixes = (0, *self.settings.prefixes)
        agree, jump = _wanted(self.settings.agreement, pairs), _wanted(self.settings.hmm, pairs)
        step = _steps(progress, len(prefixes) * (_rounds(self.settings.iterations, agree) + 1))
        output.mkdir(parents=True, exist_ok=True)
        arrays = {"source_words": _pack(source.words), "target_words": _pack(target.words)}
        counts: dict[str, int | float] = {"sentence_pairs": pairs, "word_pairs": 0, "pruned_word_pairs": 0}
        for prefix in prefixes:
            view = View(prefix, source, target, self.settings.orthography)
            table = PairTable.empty(self.settings.max_pairs)
            for rows in stream:
                table.add(*view.encode(rows))
            counts["word_pairs"] += table.used
            counts["pruned_word_pairs"] += table.pruned
            live = table.live()
            extra = lexicon.alike_counts(table.keys, live, *view.spellings)
            learner = _Learner(stream, view, extra, live, step)
            first = model.start(table.keys, view.cases(*cases), extra)
            for number, tables in enumerate(learner.learn(first, self.settings.iterations, agree)):
                saved = lexicon.compact(tables, live, extra)
                if jump:
                    saved["jumps"] = _jumps(stream, view, tables)
                arrays |= {f"{prefix}.{number}.{name}": array for name, array in saved.items()}
            step()
        np.savez(output / "tables.npz", allow_pickle=False, **arrays)
        header = {"format": FORMAT, "prefixes": prefixes, "orthography": self.settings.orthography, **counts}
        (output / "aligner.json").write_text(json.dumps(header, sort_keys=True) + "\n")
        return counts

    # align --------------------------------------------------------------------------------------------------------

    def align(self, source: TokenColumn, target: TokenColumn, *, languages: tuple[str, str]) -> LinkColumn:
        """The links of every row from the fitted tables; unseen words align by their looks and their place."""
        fitted = self._load()
        words = fitted.source.encode(source), fitted.target.encode(target)
        rows = model.Rows(words[0], source.offsets, words[1], target.offsets)
        views = [self._fitting(view, tables, rows) for view, tables in fitted.views]
        pieces = [self._align_rows(_slice(rows, first, last), views, fitted.jumps) for first, last in _cuts(rows)]
        return _concatenate(pieces, source.valid & target.valid)

    def _fitting(self, view: View, tables: lexicon.Tables, rows: model.Rows) -> tuple[View, lexicon.Tables]:
        """View and tables for the vocabularies as they are after `rows` were encoded."""
        fitted = self._load()
        if len(view.source) < len(fitted.source.words) or len(view.target) < len(fitted.target.words):
            view = View(view.prefix, fitted.source, fitted.target, view.spellings[0] is not None)
            tables = tables.resized(*view.sizes)
        return view, tables if fitted.complete else _extended(view, tables, rows)

    def _align_rows(self, rows: model.Rows, views: list[tuple[View, lexicon.Tables]], jumps: list[np.ndarray]) -> Links:
        """Links of some rows: offsets, source, target, score."""
        cells = cell_offsets(rows.source_offsets, rows.target_offsets)
        forward, backward = np.zeros(cells[-1]), np.zeros(cells[-1])
        for view, tables in views:
            model.add_posteriors(view.encode(rows), tables, 1.0 / len(views), cells[:-1], forward, backward)
        support(forward, backward, rows.source_offsets, rows.target_offsets, cells, STRENGTH)
        if jumps:
            forward, backward = forward * (1.0 - HMM_SHARE), backward * (1.0 - HMM_SHARE)
            for (view, tables), jump in zip(views, jumps, strict=True):
                hmm.posteriors(view.encode(rows), tables, jump, HMM_SHARE / len(views), cells[:-1], forward, backward)
        settings = self.settings
        offsets = rows.source_offsets, rows.target_offsets
        threshold = THRESHOLD if settings.threshold is None else settings.threshold
        return symmetrize(forward, backward, *offsets, settings.symmetrization, threshold)

    def _load(self) -> _Fitted:
        if self._loaded is None:
            if self._folder is None:
                raise BackendError("[align] aligner = 'statistical': not fitted yet; run its fit, or set align.model")
            self._loaded = _read(self._folder, trust_floor=self.settings.model is None)
        return self._loaded


def _wanted(setting: str, pairs: int) -> bool:
    """Is something to be used for a corpus of so many sentence pairs? The setting is auto, on or off."""
    return pairs >= {"on": 1, "auto": LARGE}.get(setting, math.inf)


def _rounds(iterations: int, agree: bool) -> int:
    """Rounds of EM of a view: those that agree begin half-way."""
    return iterations + agree * (iterations - iterations // 2)


def _steps(progress: Progress | None, total: int) -> Callable[[], None]:
    """A function that tells of one step more."""
    done = count(1)
    return lambda: progress(next(done), total) if progress else None


class _Learner(NamedTuple):
    """EM on one view; `extra` and `live` as in `model.update`."""

    stream: _Stream
    view: View
    extra: np.ndarray
    live: np.ndarray
    step: Callable[[], None]

    def learn(self, tables: lexicon.Tables, iterations: int, agree: bool) -> Iterator[lexicon.Tables]:
        """The tables after all iterations, then those of directions that agree from half of the iterations on."""
        middle = self._run(tables, iterations // 2, agree=False)
        yield self._run(middle, iterations - iterations // 2, agree=False)
        if agree:
            yield self._run(middle, iterations - iterations // 2, agree=True)

    def _run(self, tables: lexicon.Tables, iterations: int, *, agree: bool) -> lexicon.Tables:
        for _ in range(iterations):
            expected = model.Counts.zeros(tables)
            for rows in self.stream:
                expected.add(self.view.encode(rows), tables, agree=agree)
            tables = model.update(tables, expected, self.extra, self.live)
            self.step()
        return tables


class _Fitted(NamedTuple):
    """What a fit left: vocabularies, views with tables (one or two of each view), their jumps (empty without HMM), and
    whether no pair of the corpus can be missing from the tables unless it was never linked."""

    source: Vocabulary
    target: Vocabulary
    views: list[tuple[View, lexicon.Tables]]
    jumps: list[np.ndarray]
    complete: bool


def _read(folder: Path, trust_floor: bool) -> _Fitted:
    try:
        header = json.loads((folder / "aligner.json").read_text())
        arrays = dict(np.load(folder / "tables.npz"))
        if header["format"] != FORMAT:
            raise ValueError(f"they are of format {header['format']}, this version reads {FORMAT}")
    except (OSError, ValueError) as error:
        raise BackendError(
            f"{folder}: no tables of the statistical aligner ({error}); "
            "give the folder `fit` of an align stage, or leave align.model out"
        ) from error
    source, target = (Vocabulary(_unpack(arrays[f"{side}_words"])) for side in ("source", "target"))
    views, jumps = [], []
    for prefix in header["prefixes"]:
        view = View(prefix, source, target, header["orthography"])
        for start in (f"{prefix}.{number}." for number in range(2)):
            mine = {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
            if "jumps" in mine:
                jumps.append(mine.pop("jumps"))
            if mine:
                views.append((view, lexicon.expand(mine)))
    return _Fitted(source, target, views, jumps, trust_floor and not header["pruned_word_pairs"])


def _jumps(stream: _Stream, view: View, tables: lexicon.Tables) -> np.ndarray:
    """The jumps of both directions, learned from the first rows of the corpus."""
    rows = next(iter(stream))
    rows = view.encode(_slice(rows, 0, min(HMM_ROWS, len(rows.source_offsets) - 1)))
    return hmm.learn_jumps(rows, tables, cell_offsets(rows.source_offsets, rows.target_offsets))


class _Stream:
    """The parts of a fit as encoded rows, `prime` first; can be read again and again."""

    def __init__(
        self, parts: Pairs, prime: str | None, languages: tuple[str, str], source: Vocabulary, target: Vocabulary
    ) -> None:
        self.parts, self.prime, self.languages = parts, prime, languages
        self.source, self.target = source, target

    def __iter__(self) -> Iterator[model.Rows]:
        for source, target in self._pairs():
            yield model.Rows(self.source.encode(source), source.offsets, self.target.encode(target), target.offsets)

    def count(self) -> tuple[int, tuple[np.ndarray, np.ndarray]]:
        """Sentence pairs with two sides; and in which case each source and target word is written, (words, CASES)."""
        pairs, counts = 0, [np.zeros((0, capitals.CASES), dtype=np.int64) for _ in range(2)]
        for part in self._pairs():
            pairs += int(np.count_nonzero(np.diff(cell_offsets(part[0].offsets, part[1].offsets))))
            for side, (tokens, vocabulary) in enumerate(zip(part, (self.source, self.target), strict=True)):
                words = vocabulary.encode(tokens)
                grown = np.zeros((len(vocabulary.words) - len(counts[side]), capitals.CASES), dtype=np.int64)
                counts[side] = np.concatenate([counts[side], grown])
                capitals.count_cases(tokens, words, counts[side])
        return pairs, (counts[0], counts[1])

    def _pairs(self) -> Iterator[tuple[TokenColumn, TokenColumn]]:
        if self.prime:
            from xproj.corpora import read_bitext

            yield from read_bitext(Path(self.prime), *self.languages)
        yield from self.parts


def _extended(view: View, tables: lexicon.Tables, rows: model.Rows) -> lexicon.Tables:
    """The tables with the pairs of `rows` that are not in them but look alike."""
    if view.spellings[0] is None:
        return tables
    seen = PairTable.empty(1 << 40)
    seen.add(*view.encode(rows))
    keys = seen.keys[seen.live()]
    return lexicon.extend(tables, keys[~contains(tables.keys, keys)], *view.spellings)


def _cuts(rows: model.Rows) -> Iterator[tuple[int, int]]:
    """Ranges of rows with at most MAX_CELLS cells each (one row may have more), so that memory stays flat."""
    cells = cell_offsets(rows.source_offsets, rows.target_offsets)
    bounds = [0]
    while bounds[-1] < len(cells) - 1:
        last = int(np.searchsorted(cells, cells[bounds[-1]] + MAX_CELLS, side="right")) - 1
        bounds.append(max(last, bounds[-1] + 1))
    return pairwise(bounds)


def _slice(rows: model.Rows, first: int, last: int) -> model.Rows:
    (s0, s1), (t0, t1) = rows.source_offsets[[first, last]], rows.target_offsets[[first, last]]
    return model.Rows(
        rows.source[s0:s1],
        rows.source_offsets[first : last + 1] - s0,
        rows.target[t0:t1],
        rows.target_offsets[first : last + 1] - t0,
    )


def _concatenate(pieces: Sequence[Links], valid: np.ndarray) -> LinkColumn:
    offsets = [np.zeros(1, dtype=np.int64)]
    for piece in pieces:
        offsets.append(piece[0][1:] + offsets[-1][-1])
    source = np.concatenate([np.empty(0, dtype=np.int32), *(piece[1] for piece in pieces)])
    target = np.concatenate([np.empty(0, dtype=np.int32), *(piece[2] for piece in pieces)])
    score = np.concatenate([np.empty(0, dtype=np.float32), *(piece[3] for piece in pieces)])
    return LinkColumn(np.concatenate(offsets), source, target, score, valid)


def _pack(words: list[str]) -> np.ndarray:
    """Words as bytes, one per line; a normalised word holds no line break."""
    for word in words:
        if "\n" in word:
            raise CorpusError(f"the word {word!r} holds a line break; words are split at white space")
    return np.frombuffer("\n".join(words).encode("utf-8"), dtype=np.uint8)


def _unpack(packed: np.ndarray) -> list[str]:
    return packed.tobytes().decode("utf-8").split("\n") if len(packed) else []
