"""The embedded aligner: no weights, no compiler, deterministic; seconds for a thousand pairs.

IBM model 1 in variational Bayes with an orthographic prior (see `core.statistical`), run on whole words and on words
cut to their first letters. The posteriors of these *views* are averaged, so that inflected forms share what they learn,
with those of models whose directions were trained to agree; links with support of their neighbours gain (see
`core.neighbours`); a hidden Markov model (see `core.hmm`) has a say; `core.symmetrize` chooses the links.
"""

from __future__ import annotations

from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xproj.aligners import fitted as files
from xproj.aligners.fitting import Learner, Stream
from xproj.aligners.views import View, Vocabulary
from xproj.columns import LinkColumn, TokenColumn
from xproj.core import hmm, lexicon, word_order
from xproj.core import statistical as model
from xproj.core.neighbours import STRENGTH, support
from xproj.core.pairs import PairTable, contains
from xproj.core.symmetrize import Links, cell_offsets, symmetrize
from xproj.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xproj.aligners import Pairs, Progress
    from xproj.aligners.fitted import Fitted, Model
    from xproj.recipe import Align, Runtime

MAX_CELLS = 4_000_000
# smallest posterior of a link, where the recipe names none
THRESHOLD = 0.2
# the say of the HMM in the mean of both models: it helps short sentences and hurts long ones
HMM_SHARE = 0.35


class StatisticalAligner:
    """See the module. Settings read: prefixes, orthography, capitals, iterations, max_pairs, agreement, hmm,
    names, dictionary, symmetrization, threshold, model and prime.
    """

    def __init__(self, settings: Align, fitted: Path | None = None, runtime: Runtime | None = None) -> None:
        self.settings = settings
        self.needs_fit = settings.model is None
        folder = Path(settings.model) if settings.model else fitted
        self._folder = folder
        self._loaded: Fitted | None = None

    # fit ----------------------------------------------------------------------------------------------------------

    def fit(
        self, parts: Pairs, *, languages: tuple[str, str], output: Path, progress: Progress | None = None
    ) -> dict[str, int | float]:
        """Learn the tables of every view from `parts`, `prime`, `names` and `dictionary`, and save them in `output`."""
        settings = self.settings
        source, target = Vocabulary(), Vocabulary()
        stream = Stream(parts, settings, languages, source, target)
        pairs, cases = stream.count()
        if not settings.capitals:
            cases = np.zeros_like(cases[0]), np.zeros_like(cases[1])
        prefixes = (0, *settings.prefixes)
        step = _steps(progress, len(prefixes) * (Learner.rounds(settings) + 1))
        output.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, np.ndarray] = {}
        counts: dict[str, int | float] = {"sentence_pairs": pairs, "word_pairs": 0, "pruned_word_pairs": 0}
        if stream.names is not None:
            counts["names"] = len(stream.names[0])
        if stream.entries is not None:
            counts["dictionary"] = len(stream.entries[0])
        for prefix in prefixes:
            view = View(prefix, source, target, settings.orthography)
            table = PairTable.empty(settings.max_pairs)
            for rows in stream:
                table.add(*view.encode(rows))
            counts["word_pairs"] += table.used
            counts["pruned_word_pairs"] += table.pruned
            live = table.live()
            extra = lexicon.alike_counts(table.keys, live, *view.spellings)
            if not prefix:
                counts["tension"] = tension = word_order.tension(
                    stream.sentences(), table.keys, live, extra, source.words
                )
            first = model.start(table.keys, view.cases(*cases), extra, tension)
            learner = Learner(stream, view, extra, live, step)
            for number, (tables, jumps) in enumerate(learner.learn(first, settings)):
                saved = lexicon.compact(tables, live, extra) | ({} if jumps is None else {"jumps": jumps})
                arrays |= files.name_arrays(prefix, number, saved)
            step()
        header = {"prefixes": prefixes, "orthography": settings.orthography, **counts}
        files.write(output, source, target, arrays, header)
        return counts

    # align --------------------------------------------------------------------------------------------------------

    def align(self, source: TokenColumn, target: TokenColumn, *, languages: tuple[str, str]) -> LinkColumn:
        """The links of every row from the fitted tables; unseen words align by their looks and their place."""
        fitted = self._load()
        words = fitted.source.encode(source), fitted.target.encode(target)
        rows = model.Rows(words[0], source.offsets, words[1], target.offsets)
        models = [self._fitting(one, rows) for one in fitted.models]
        return _concatenate([self._align_rows(piece, models) for piece in _pieces(rows)], source.valid & target.valid)

    def _fitting(self, one: Model, rows: model.Rows) -> Model:
        """The model for the vocabularies as they are after `rows` were encoded."""
        fitted = self._load()
        view, tables, _ = one
        if len(view.source) < len(fitted.source.words) or len(view.target) < len(fitted.target.words):
            view = View(view.prefix, fitted.source, fitted.target, view.spellings[0] is not None)
            tables = tables.resized(*view.sizes)
        return one._replace(view=view, tables=tables if fitted.complete else _extended(view, tables, rows))

    def _align_rows(self, rows: model.Rows, models: list[Model]) -> Links:
        """Links of some rows: offsets, source, target, score."""
        cells = cell_offsets(rows.source_offsets, rows.target_offsets)
        forward, backward = np.zeros(cells[-1]), np.zeros(cells[-1])
        plain = [(view, tables) for view, tables, jumps in models if jumps is None]
        for view, tables in plain:
            model.add_posteriors(view.encode(rows), tables, 1.0 / len(plain), cells[:-1], forward, backward)
        support(forward, backward, rows.source_offsets, rows.target_offsets, cells, STRENGTH)
        jumping = [(view, tables, jumps) for view, tables, jumps in models if jumps is not None]
        if jumping:
            forward, backward = forward * (1.0 - HMM_SHARE), backward * (1.0 - HMM_SHARE)
        for view, tables, jumps in jumping:
            share = HMM_SHARE / len(jumping)
            hmm.posteriors(view.encode(rows), tables, jumps, share, cells[:-1], forward, backward)
        settings = self.settings
        offsets = rows.source_offsets, rows.target_offsets
        threshold = THRESHOLD if settings.threshold is None else settings.threshold
        return symmetrize(forward, backward, *offsets, settings.symmetrization, threshold)

    def _load(self) -> Fitted:
        if self._loaded is None:
            if self._folder is None:
                raise BackendError("[align] aligner = 'statistical': not fitted yet; run its fit, or set align.model")
            self._loaded = files.read(self._folder, trust_floor=self.settings.model is None)
        return self._loaded


def _steps(progress: Progress | None, total: int) -> Callable[[], None]:
    """A function that tells of one step more."""
    done = count(1)
    return lambda: progress(next(done), total) if progress else None


def _extended(view: View, tables: lexicon.Tables, rows: model.Rows) -> lexicon.Tables:
    """The tables with the pairs of `rows` that are not in them but look alike."""
    if view.spellings[0] is None:
        return tables
    seen = PairTable.empty(1 << 40)
    seen.add(*view.encode(rows))
    keys = seen.keys[seen.live()]
    return lexicon.extend(tables, keys[~contains(tables.keys, keys)], *view.spellings)


def _pieces(rows: model.Rows) -> Iterator[model.Rows]:
    """The rows in pieces of at most MAX_CELLS cells each (one row may have more), so that memory stays flat."""
    cells = cell_offsets(rows.source_offsets, rows.target_offsets)
    bounds = [0]
    while bounds[-1] < len(cells) - 1:
        last = int(np.searchsorted(cells, cells[bounds[-1]] + MAX_CELLS, side="right")) - 1
        bounds.append(max(last, bounds[-1] + 1))
    for first, last in pairwise(bounds):
        yield _slice(rows, first, last)


def _slice(rows: model.Rows, first: int, last: int) -> model.Rows:
    """The rows from `first` up to `last`, offsets from 0."""
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
