"""Which sentences of a training corpus are worth keeping: decisions on numbers of each sentence, without texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from xproj.columns import Bool, Int64

NOBODY = np.uint64(0)


def ratio_outside(source: Int64, target: Int64, low: float, high: float) -> Bool:
    """Which pairs, (n,), have a length ratio target / source outside [low, high].

    A pair without length on one side has no ratio and is not outside.
    """
    known = (source > 0) & (target > 0)
    ratio = target / np.maximum(source, 1)
    return np.asarray(known & ((ratio < low) | (ratio > high)), dtype=bool)


def share_above(part: Int64, whole: Int64, bound: float) -> Bool:
    """Which rows, (n,), have a larger share part / whole than `bound`; nothing of nothing is no share."""
    return np.asarray((whole > 0) & (part > bound * whole), dtype=bool)


def mean_of_lists(offsets: Int64, values: np.ndarray, empty: float) -> np.ndarray:
    """The mean of each list, (n,) float32; `empty` for one without elements."""
    lengths = np.diff(offsets)
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    total = sums[offsets[1:]] - sums[offsets[:-1]]
    return np.where(lengths > 0, total / np.maximum(lengths, 1), empty).astype(np.float32)


def bound_of_smallest(hashes: np.ndarray, number: int) -> np.uint64 | None:
    """The largest of the `number` smallest hashes, (n,) uint64; None when all of them are among these.

    Keeping those up to the bound keeps a fixed sample of `number`, whatever the order of the corpus.
    """
    if number >= len(hashes):
        return None
    return np.uint64(np.partition(hashes, number - 1)[number - 1]) if number > 0 else NOBODY
