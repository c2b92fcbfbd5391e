"""Support of a link by its diagonal neighbours.

IBM model 1 aligns each word alone. Names and phrases keep their order, so a link is more probable when the words before
it, or those after it, are linked too. With s = the geometric mean of both posteriors, each direction is re-weighted by

    w(i, j) = 1 + strength · (s(i − 1, j − 1) + s(i + 1, j + 1))

and normalised again together with NULL, whose weight stays 1. It does in one pass, and without transition tables to
estimate, what the jump distribution of an HMM does for neighbouring words.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

STRENGTH = 3.0


@njit(cache=True)
def _normalise(
    posterior: np.ndarray, weight: np.ndarray, given: int, explained: int, given_step: int, explained_step: int
) -> None:
    """Re-weight the posteriors of one sentence pair in place; what an explained word lacks to 1 belongs to NULL.

    `posterior` and `weight` (m · n,) are flat; the steps say how far apart the cells of neighbouring words are.
    """
    for j in range(explained):
        mass, total = 0.0, 0.0
        for i in range(given):
            cell = i * given_step + j * explained_step
            mass += posterior[cell]
            posterior[cell] *= weight[cell]
            total += posterior[cell]
        total += max(0.0, 1.0 - mass)
        if total > 0.0:
            for i in range(given):
                posterior[i * given_step + j * explained_step] /= total


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
        one, two = forward[cells[row] : cells[row + 1]], backward[cells[row] : cells[row + 1]]
        weight = np.ones(m * n)
        for i in range(m - 1):
            for j in range(n - 1):
                here, next_ = i * n + j, (i + 1) * n + j + 1
                weight[next_] += strength * math.sqrt(one[here] * two[here])
                weight[here] += strength * math.sqrt(one[next_] * two[next_])
        _normalise(one, weight, m, n, n, 1)
        _normalise(two, weight, n, m, 1, n)
