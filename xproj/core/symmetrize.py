"""From the posteriors of two directions to one set of links.

All functions work on the flat cells of many sentence pairs: row r has m × n cells, row-major, from `cells[r]` on.
`threshold` keeps a link when the geometric mean of both posteriors reaches a bound (Liang et al. 2006 use the product).
The other methods start from each direction's best links and follow Och and Ney (2003) and Koehn et al. (2005).
"""

from __future__ import annotations

import numpy as np
from numba import njit

METHODS = ("threshold", "intersection", "union", "grow-diag", "grow-diag-final-and")
Links = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def cell_offsets(source_offsets: np.ndarray, target_offsets: np.ndarray) -> np.ndarray:
    """Where the cells of each row start, (rows + 1,) int64."""
    sizes = np.diff(source_offsets) * np.diff(target_offsets)
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes, dtype=np.int64)])


def symmetrize(
    forward: np.ndarray,
    backward: np.ndarray,
    source_offsets: np.ndarray,
    target_offsets: np.ndarray,
    method: str = "threshold",
    threshold: float = 0.1,
) -> Links:
    """Links of all rows: offsets (rows + 1,), source words, target words, scores.

    `forward` and `backward` are flat posterior cells; forward: which source word explains each target word. The score
    of a link is the geometric mean of its two posteriors. Within a row links are sorted by source, then target.

    Raises:
        ValueError: an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"unknown symmetrization {method!r}; known: {', '.join(METHODS)}")
    cells = cell_offsets(source_offsets, target_offsets)
    score = np.sqrt(forward * backward).astype(np.float32)
    if method == "threshold":
        chosen = score >= max(threshold, np.finfo(np.float32).tiny)
    else:
        chosen = np.zeros(len(score), dtype=np.bool_)
        code = METHODS.index(method)
        _combine_rows(forward, backward, source_offsets, target_offsets, cells, code, chosen)
    return _collect(chosen, score, source_offsets, target_offsets, cells)


@njit(cache=True)
def _best(posterior: np.ndarray, out: np.ndarray) -> None:
    """Mark in `out` (m, n) the best source word of each target word, unless NULL explains it better."""
    m, n = posterior.shape
    for j in range(n):
        best, mass = 0, 0.0
        for i in range(m):
            mass += posterior[i, j]
            if posterior[i, j] > posterior[best, j]:
                best = i
        if posterior[best, j] > 0.0 and posterior[best, j] >= 1.0 - mass:
            out[best, j] = True


@njit(cache=True)
def _touches(links: np.ndarray, i: int, j: int) -> bool:
    m, n = links.shape
    for di in range(-1, 2):
        for dj in range(-1, 2):
            if (di != 0 or dj != 0) and 0 <= i + di < m and 0 <= j + dj < n and links[i + di, j + dj]:
                return True
    return False


@njit(cache=True)
def _grow(links: np.ndarray, union: np.ndarray) -> None:
    """grow-diag: add neighbouring links of the union while a word of theirs is still free."""
    m, n = links.shape
    added = True
    while added:
        added = False
        for i in range(m):
            for j in range(n):
                if union[i, j] and not links[i, j] and _touches(links, i, j):
                    if not links[i, :].any() or not links[:, j].any():
                        links[i, j] = True
                        added = True


@njit(cache=True)
def _combine_rows(
    forward: np.ndarray,
    backward: np.ndarray,
    source_offsets: np.ndarray,
    target_offsets: np.ndarray,
    cells: np.ndarray,
    method: int,
    chosen: np.ndarray,
) -> None:
    """Mark the chosen cells; `method` indexes METHODS."""
    for row in range(len(cells) - 1):
        m = source_offsets[row + 1] - source_offsets[row]
        n = target_offsets[row + 1] - target_offsets[row]
        if m == 0 or n == 0:
            continue
        one, two = np.zeros((m, n), dtype=np.bool_), np.zeros((n, m), dtype=np.bool_)
        _best(forward[cells[row] : cells[row + 1]].reshape((m, n)), one)
        _best(backward[cells[row] : cells[row + 1]].reshape((m, n)).T, two)
        both, union = one & two.T, one | two.T
        links = union if method == 2 else both.copy()
        if method >= 3:
            _grow(links, union)
        if method == 4:
            for i in range(m):
                for j in range(n):
                    if union[i, j] and not links[i, :].any() and not links[:, j].any():
                        links[i, j] = True
        chosen[cells[row] : cells[row + 1]] = links.copy().reshape(m * n)


@njit(cache=True)
def _collect(
    chosen: np.ndarray, score: np.ndarray, source_offsets: np.ndarray, target_offsets: np.ndarray, cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    total = chosen.sum()
    offsets = np.zeros(len(cells), dtype=np.int64)
    source, target = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
    scores = np.empty(total, dtype=np.float32)
    link = 0
    for row in range(len(cells) - 1):
        n = target_offsets[row + 1] - target_offsets[row]
        for cell in range(cells[row], cells[row + 1]):
            if chosen[cell]:
                source[link] = (cell - cells[row]) // n
                target[link] = (cell - cells[row]) % n
                scores[link] = score[cell]
                link += 1
        offsets[row + 1] = link
    return offsets, source, target, scores
