"""Words as sub-words: each distinct word is tokenised once, and columns are put together from the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xproj.core.normalization import nfc

if TYPE_CHECKING:
    from xproj.columns import Int32, Int64, TokenColumn

# distinct words that are remembered; a corpus has fewer between two looks at its frequent ones
MAX_WORDS = 1_000_000


@dataclass(frozen=True)
class Pieces:
    """The sub-words of each row, without special ones: row r has `offsets[r]:offsets[r + 1]` of `ids` and `words`."""

    offsets: Int64
    ids: Int32
    words: Int32
    """The index in its sentence of the word that a sub-word belongs to."""
    wordless: int
    """Words without any sub-word."""
    cut: int
    """Words that had more sub-words than fit into the model."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64:
        """Sub-words per row, (rows,)."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> Pieces:
        """Some rows in another order."""
        lengths = self.lengths[rows]
        index = ranges(self.offsets[:-1][rows], lengths)
        return Pieces(sums(lengths), self.ids[index], self.words[index], self.wordless, self.cut)

    def distinct(self) -> tuple[Int64, Int64]:
        """A number for each row, equal for equal rows, and the first row of each number."""
        numbers: dict[bytes, int] = {}
        rows = np.zeros(len(self), dtype=np.int64)
        first: list[int] = []
        # sub-word and word in one integer: rows are equal when both are
        keys = self.ids.astype(np.int64) << 32 | self.words
        for row in range(len(self)):
            key = keys[self.offsets[row] : self.offsets[row + 1]].tobytes()
            number = numbers.setdefault(key, len(first))
            if number == len(first):
                first.append(row)
            rows[row] = number
        return rows, np.array(first, dtype=np.int64)


class WordPieces:
    """The sub-words of words, as a tokenizer splits them.

    A word is tokenised alone, as SimAlign and AWESoME do it, so its sub-words do not depend on its neighbours; and in
    NFC, which vocabularies are made of, and not all tokenizers make themselves.
    """

    def __init__(self, tokenizer: Any, longest: int) -> None:
        self._tokenizer = tokenizer
        self._longest = longest
        self._forget()

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}
        self._ids: list[int] = []
        self._counts: list[int] = []
        self._cut: list[bool] = []

    def encode(self, tokens: TokenColumn) -> Pieces:
        """The sub-words of all rows."""
        indices, distinct = tokens.encode()
        if len(self._numbers) + len(distinct) > MAX_WORDS:
            self._forget()
        self._learn([word for word in distinct if word not in self._numbers])
        numbers = np.fromiter((self._numbers[word] for word in distinct), dtype=np.int64, count=len(distinct))[indices]
        table = np.array(self._counts, dtype=np.int64)
        starts, counts = sums(table)[:-1][numbers], table[numbers]
        ids = np.array(self._ids, dtype=np.int32)[ranges(starts, counts)]
        place = np.arange(len(numbers)) - np.repeat(tokens.offsets[:-1], tokens.lengths)
        words = np.repeat(place, counts).astype(np.int32)
        cut = int(np.count_nonzero(np.array(self._cut, dtype=bool)[numbers]))
        return Pieces(sums(counts)[tokens.offsets], ids, words, int(np.count_nonzero(counts == 0)), cut)

    def _learn(self, words: list[str]) -> None:
        if not words:
            return
        # every word is a sentence of one word, already split: no special sub-words, no limit
        found = self._tokenizer(
            [[nfc(word)] for word in words],
            is_split_into_words=True,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        for word, ids in zip(words, found, strict=True):
            self._numbers[word] = len(self._numbers)
            kept = ids[: self._longest]
            self._ids += kept
            self._counts.append(len(kept))
            self._cut.append(len(kept) < len(ids))


def sums(counts: np.ndarray) -> Int64:
    """Offsets of groups of these sizes, from 0."""
    found = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=found[1:])
    return found


def ranges(starts: np.ndarray, counts: np.ndarray) -> Int64:
    """The integers `starts[k] … starts[k] + counts[k] - 1` of all k, one after the other."""
    before = sums(counts)
    return np.repeat(starts - before[:-1], counts) + np.arange(before[-1])
