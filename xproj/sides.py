"""The words of one side of a table as numbers: which distinct word each is, how long, how it is written, its hash.

What is asked of words is worked out once for each distinct one, and only when somebody asks.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import flatten
from xproj.core import case, precedents, word_ids
from xproj.core.bare_words import all_bare
from xproj.core.frequency import commonness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xproj.columns import Int64


class Side:
    """The words of a token column, plain or with a dictionary; null rows have none.

    Attributes:
        offsets: the words of row r are those from `offsets[r]` to `offsets[r + 1]`, (rows + 1,).
        ids: of each word which of `distinct` it is, (total,).
        distinct: the words, (words,); a dictionary that was read from a file has words that no row has, and one that
            was put together may have a word twice.
    """

    def __init__(self, column: pa.ChunkedArray | pa.Array) -> None:
        self.offsets, words, _ = flatten(column)
        if pa.types.is_dictionary(words.type) and words.dictionary.null_count:  # of no word, as nulls are refused
            words = words.dictionary_decode()
        if not pa.types.is_dictionary(words.type):
            words = words.dictionary_encode()
        self.ids: np.ndarray = words.indices.to_numpy(zero_copy_only=False)
        self.distinct: pa.Array = words.dictionary

    @cached_property
    def lengths(self) -> Int64:
        """Words per row, (rows,)."""
        return np.diff(self.offsets)

    @cached_property
    def letters(self) -> np.ndarray:
        """The number of letters of each word, (total,) int32."""
        sizes = pc.utf8_length(self.distinct).to_numpy(zero_copy_only=False)
        return np.asarray(sizes[self.ids])

    @cached_property
    def _bare(self) -> pa.Array:
        return all_bare(self.distinct.cast(pa.large_string()))

    @cached_property
    def hashes(self) -> np.ndarray:
        """The hash of each distinct word when bare (see `core.precedents`), (words,) uint64."""
        if not len(self._bare):
            return np.zeros(0, dtype=np.uint64)
        _, ends, letters = self._bare.buffers()
        at = np.frombuffer(ends, dtype=np.int64)[self._bare.offset : self._bare.offset + len(self._bare) + 1]
        return np.asarray(precedents.word_hashes(at, np.frombuffer(letters or b"", dtype=np.uint8)))

    @cached_property
    def first_cases(self) -> np.ndarray:
        """The kind of `core.case` of the first character of each distinct word when bare, (words,) int8.

        That is quicker than the first letter or digit, and as good a sign. Symbols are punctuation.
        """
        first = pc.utf8_slice_codeunits(self._bare, 0, 1)
        is_one = [pc.utf8_is_alnum(first), pc.utf8_is_lower(first), pc.utf8_is_upper(first)]
        letter, small, capital = (one.to_numpy(zero_copy_only=False) for one in is_one)
        kinds = np.select([capital, small, letter], [case.CAPITAL, case.SMALL, case.CASELESS], case.PUNCTUATION)
        return kinds.astype(np.int8)

    @cached_property
    def cases(self) -> np.ndarray:
        """The kind of `core.case` of each word, (total,) int8."""
        used = np.flatnonzero(self.counts())
        kinds = np.zeros(len(self.distinct), dtype=np.int8)
        kinds[used] = case.cases(self.written(used))
        return np.asarray(kinds[self.ids])

    def counts(self, wanted: np.ndarray | None = None) -> np.ndarray:
        """How often each distinct word stands in the rows, or among the `wanted` (total,) of their words; (words,)."""
        return np.bincount(self.ids if wanted is None else self.ids[wanted], minlength=len(self.distinct))

    def inside(self, rows: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Which words, (total,), are in one of the spans [start, end) of rows, (spans,) each."""
        return np.asarray(word_ids.inside(rows, start, end, self.offsets))

    def written(self, words: np.ndarray) -> list[str]:
        """Some of the distinct words by their ids."""
        found: list[str] = self.distinct.take(pa.array(words)).to_pylist()
        return found

    def look_up(self, wanted: np.ndarray, frequencies: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """The commonness and the kind, with breaks, of the `wanted` words, 0 of the others; (total,) float32 and int8.

        Args:
            wanted: over all words, those that are looked up.
            frequencies: as of `core.frequency`.
        """
        used = np.flatnonzero(word_ids.used(self.ids, wanted, len(self.distinct)))
        written = self.written(used)
        common, kinds = np.zeros(len(self.distinct), dtype=np.float32), np.zeros(len(self.distinct), dtype=np.int8)
        common[used], kinds[used] = commonness(written, frequencies), case.cases_with_breaks(written)
        found: tuple[np.ndarray, np.ndarray] = word_ids.spread(self.ids, wanted, common, kinds)
        return found
