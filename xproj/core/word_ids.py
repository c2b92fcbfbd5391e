"""Words of all rows by the ids of distinct words, and what is known of these spread over them."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def inside(rows: np.ndarray, start: np.ndarray, end: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which words, (total,), are in one of the spans [start, end) of rows, (spans,) each; the words of row r are those
    between its offsets."""
    found = np.zeros(offsets[-1], dtype=np.bool_)
    for k in range(len(rows)):
        found[offsets[rows[k]] + start[k] : offsets[rows[k]] + end[k]] = True
    return found


@njit(cache=True)
def used(ids: np.ndarray, wanted: np.ndarray, words: int) -> np.ndarray:
    """Which of so many distinct words, (words,), are among the `wanted` (total,) words with these ids."""
    found = np.zeros(words, dtype=np.bool_)
    for k in range(len(ids)):
        if wanted[k]:
            found[ids[k]] = True
    return found


@njit(cache=True)
def spread(ids: np.ndarray, wanted: np.ndarray, common: np.ndarray, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays over distinct words as arrays over all words, (total,) each; 0 for words that are not wanted."""
    common_of, kind_of = np.zeros(len(ids), dtype=common.dtype), np.zeros(len(ids), dtype=kinds.dtype)
    for k in range(len(ids)):
        if wanted[k]:
            common_of[k], kind_of[k] = common[ids[k]], kinds[ids[k]]
    return common_of, kind_of
