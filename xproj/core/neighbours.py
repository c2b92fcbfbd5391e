"""Support of a link by its diagonal neighbours.

IBM model 1 aligns each word alone. Names and phrases keep their order, so a link is more probable when the words before
it, or those after it, are linked too. With s = the geometric mean of both posteriors, each direction is re-weighted by

    w(i, j) = 1 + strength · (s(i − 1, j − 1) + s(i + 1, j + 1))

and normalised again together with NULL, whose weight stays 1. It does in one pass, and without transition tables to
estimate, what the jump distribution of an HMM does for neighbouring words.
"""

from __future__ import annotations

import numpy as np
from numba import njit

STRENGTH = 4.0


@njit(cache=True)
def _normalise(posterior: np.ndarray, weight: np.ndarray) -> None:
    """Re-weight the columns of `posterior` (m, n) in place; what a column lacks to 1 belongs to NULL."""
    m, n = posterior.shape
    for j in range(n):
        mass, total = 0.0, 0.0
        for i in range(m):
            mass += posterior[i, j]
            posterior[i, j] *= weight[i, j]
            total += posterior[i, j]
        total += max(0.0, 1.0 - mass)
        if total > 0.0:
            for i in range(m):
                posterior[i, j] /= total


@njit(cache=True)
def support(
    forward: np.ndarray,
    backward: np.ndarray,
    source_offsets: np.ndarray,
    target_offsets: np.ndarray,
    cells: np.ndarray,
    strength: float,
) -> None:
    """Re-weight the flat posterior cells of many sentence pairs in place (layout: see symmetrize)."""
    for row in range(len(cells) - 1):
        m = source_offsets[row + 1] - source_offsets[row]
        n = target_offsets[row + 1] - target_offsets[row]
        if m == 0 or n == 0:
            continue
        one = forward[cells[row] : cells[row + 1]].reshape((m, n))
        two = backward[cells[row] : cells[row + 1]].reshape((m, n))
        score = np.sqrt(one * two)
        weight = np.ones((m, n))
        for i in range(m):
            for j in range(n):
                if i > 0 and j > 0:
                    weight[i, j] += strength * score[i - 1, j - 1]
                if i + 1 < m and j + 1 < n:
                    weight[i, j] += strength * score[i + 1, j + 1]
        _normalise(one, weight)
        _normalise(two.T, weight.T)
