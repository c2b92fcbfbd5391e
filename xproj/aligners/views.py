"""The words of a corpus as the statistical aligner counts them, whole or cut to their first letters (*views*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xproj.core import capitals
from xproj.core.bare_words import counted
from xproj.core.orthography import spellings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xproj.columns import TokenColumn
    from xproj.core.statistical import Rows


class Vocabulary:
    """Normalised words and their ids; grows while it encodes."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.words: list[str] = []
        self.ids: dict[str, int] = {}
        self._seen: dict[str, int] = {}  # words as they are written, so that each is normalised once
        for word in words:
            self._add(word)

    def _add(self, word: str) -> int:
        found = self.ids.get(word)
        if found is None:
            found = self.ids[word] = len(self.words)
            self.words.append(word)
        return found

    def encode(self, tokens: TokenColumn) -> np.ndarray:
        """Word ids of all words of a column, (total,) int32."""
        ids, distinct = tokens.encode()
        seen = self._seen
        for word in distinct:
            if word not in seen:
                seen[word] = self._add(counted(word))
        mapping = np.fromiter((seen[word] for word in distinct), dtype=np.int32, count=len(distinct))
        return mapping[ids] if len(ids) else ids

    def knows(self, tokens: TokenColumn) -> np.ndarray:
        """Which words of a column it has, (total,) bool; new ones stay unknown."""
        ids, distinct = tokens.encode()
        known = np.fromiter((counted(word) in self.ids for word in distinct), dtype=np.bool_, count=len(distinct))
        return known[ids]

    def view(self, prefix: int) -> tuple[np.ndarray, list[str]]:
        """The id in a view of each word, and the forms of the view; prefix 0 is the whole word."""
        if not prefix:
            return np.arange(len(self.words), dtype=np.int32), self.words
        cut = Vocabulary()
        return np.fromiter((cut._add(w[:prefix]) for w in self.words), np.int32, len(self.words)), cut.words


class View:
    """One view of both vocabularies: how words become forms, and how forms are spelt."""

    def __init__(self, prefix: int, source: Vocabulary, target: Vocabulary, orthography: bool) -> None:
        self.prefix = prefix
        self.source, source_forms = source.view(prefix)
        self.target, target_forms = target.view(prefix)
        self.sizes = (len(source_forms), len(target_forms))
        self.spellings = spellings(source_forms, target_forms) if orthography else (None, None)

    def cases(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The case of each form, from those counted of each word, (words, CASES)."""
        forms = [np.zeros((size, capitals.CASES), dtype=np.int64) for size in self.sizes]
        np.add.at(forms[0], self.source, source)
        np.add.at(forms[1], self.target, target)
        return capitals.decide(forms[0]), capitals.decide(forms[1])

    def encode(self, rows: Rows) -> Rows:
        """Rows of word ids as rows of form ids."""
        return rows._replace(source=self.source[rows.source], target=self.target[rows.target])
