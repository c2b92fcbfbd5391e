"""How the statistical aligner learns: the corpus as a stream of encoded rows, and the models of one view."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xproj.aligners.dictionary import read_entries
from xproj.aligners.names import name_pairs
from xproj.core import capitals, hmm
from xproj.core import statistical as model
from xproj.core.symmetrize import cell_offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xproj.aligners import Pairs
    from xproj.aligners.views import View, Vocabulary
    from xproj.columns import TokenColumn
    from xproj.core.lexicon import Tables
    from xproj.recipe import Align

HMM_ROUNDS = 3


class Stream:
    """The parts of a fit as encoded rows, names, `dictionary` and `prime` first; can be read again and again."""

    def __init__(
        self, parts: Pairs, settings: Align, languages: tuple[str, str], source: Vocabulary, target: Vocabulary
    ) -> None:
        self.parts, self.settings, self.languages = parts, settings, languages
        self.names = name_pairs(*languages) if settings.names else None
        self.entries: tuple[TokenColumn, TokenColumn] | None = None
        self.source, self.target = source, target

    def __iter__(self) -> Iterator[model.Rows]:
        yield from map(self._encoded, self._pairs())

    def sentences(self) -> Iterator[model.Rows]:
        """The rows of the corpus, and behind them those of `prime`."""
        return map(self._encoded, chain(self.parts, self._prime()))

    def _encoded(self, pair: tuple[TokenColumn, TokenColumn]) -> model.Rows:
        source, target = pair
        return model.Rows(self.source.encode(source), source.offsets, self.target.encode(target), target.offsets)

    def count(self) -> tuple[int, tuple[np.ndarray, np.ndarray]]:
        """Sentence pairs with two sides, names and dictionary left out; and in which case each source and target word
        is written, (words, CASES). To be called first: the dictionary is read by the words that are met here."""
        pairs, cases = 0, (np.zeros((0, capitals.CASES), np.int64), np.zeros((0, capitals.CASES), np.int64))
        for part in self._pairs():
            if part is not self.names:
                pairs += int(np.count_nonzero(np.diff(cell_offsets(part[0].offsets, part[1].offsets))))
            cases = self._with_cases(part, cases)
        if self.settings.dictionary is not None:
            self.entries = read_entries(self.settings.dictionary, self.languages, self.source, self.target)
            cases = self._with_cases(self.entries, cases)
        return pairs, cases

    def _with_cases(
        self, part: tuple[TokenColumn, TokenColumn], cases: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The counts with those of a part, and with a row for each new word."""
        grown = []
        for tokens, vocabulary, counts in zip(part, (self.source, self.target), cases, strict=True):
            words = vocabulary.encode(tokens)
            more = np.zeros((len(vocabulary.words) - len(counts), capitals.CASES), dtype=np.int64)
            grown.append(np.concatenate([counts, more]))
            capitals.count_cases(tokens, words, grown[-1])
        return grown[0], grown[1]

    def _pairs(self) -> Iterator[tuple[TokenColumn, TokenColumn]]:
        yield from (part for part in (self.names, self.entries) if part is not None)
        yield from self._prime()
        yield from self.parts

    def _prime(self) -> Iterator[tuple[TokenColumn, TokenColumn]]:
        if self.settings.prime:
            from xproj.corpora import read_bitext

            yield from read_bitext(Path(self.settings.prime), *self.languages)


class Learner(NamedTuple):
    """The models of one view; `extra` and `live` as in `model.update`, `step` tells of one round more."""

    stream: Stream
    view: View
    extra: np.ndarray
    live: np.ndarray
    step: Callable[[], None]

    @staticmethod
    def rounds(settings: Align) -> int:
        """How often `learn` reads the corpus."""
        again = settings.iterations - settings.iterations // 2
        return settings.iterations + settings.agreement * again + settings.hmm * HMM_ROUNDS

    def learn(self, tables: Tables, settings: Align) -> Iterator[tuple[Tables, np.ndarray | None]]:
        """Tables of model 1, of model 1 with directions that agree, and of the HMM, which alone has jumps.

        Those that agree go their own way from half of the iterations on; the HMM goes on from them, or else from model
        1, and its directions always agree.
        """
        middle = self._rounds(tables, settings.iterations // 2)
        rest = settings.iterations - settings.iterations // 2
        last = self._rounds(middle, rest)
        yield last, None
        if settings.agreement:
            last = self._rounds(middle, rest, agree=True)
            yield last, None
        if settings.hmm:
            yield self._jumping(last)

    def _rounds(self, tables: Tables, count: int, *, agree: bool = False) -> Tables:
        for _ in range(count):
            expected = model.Counts.zeros(tables)
            for rows in self.stream:
                expected.add(self.view.encode(rows), tables, agree=agree)
            tables = self._maximised(tables, expected)
        return tables

    def _maximised(self, tables: Tables, expected: model.Counts) -> Tables:
        self.step()
        return model.update(tables, expected, self.extra, self.live)

    def _jumping(self, tables: Tables) -> tuple[Tables, np.ndarray]:
        """The HMM: tables and jumps, both learned from its own posteriors."""
        jumps = hmm.first_jumps()
        for _ in range(HMM_ROUNDS):
            expected, jumped = model.Counts.zeros(tables), hmm.no_counts()
            for rows in self.stream:
                hmm.add_counts(self.view.encode(rows), tables, jumps, expected, jumped)
            tables, jumps = self._maximised(tables, expected), hmm.learned_jumps(jumped)
        return tables, jumps
