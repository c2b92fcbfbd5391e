"""Which cells of a similarity matrix are links: the extraction methods of SimAlign and of AWESoME.

All work on one matrix S (m, n), m source units in rows and n target units in columns, and ties go to the first unit.

    argmax    (i, j) where j is the best column of row i and i the best row of column j      SimAlign, "Argmax"
    itermax   argmax, then one more round where at least one side is free (see `_itermax`)   SimAlign, "Itermax"
    match     the assignment with the largest sum of S                                       SimAlign, "Match"
    forward   the best column of each row; reverse: the best row of each column              the two halves of argmax
    softmax   (i, j) where softmax over the row and over the column both exceed a threshold  AWESoME, softmax
    entmax    the same with 1.5-entmax, sparse, so that the threshold may be 0               AWESoME, α-entmax

SimAlign: Jalili Sabet et al. 2020 (arXiv 2004.08728), on cosine similarities. AWESoME: Dou and Neubig 2021 (arXiv
2101.08231), on dot products. 1.5-entmax: Peters, Niculae and Martins 2019 (arXiv 1905.05702), algorithm 2. The null
extension of the SimAlign paper (links of words whose similarities have a high entropy are dropped) is not
included; the `simalign` package has it neither.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.optimize import linear_sum_assignment

METHODS = ("argmax", "itermax", "match", "forward", "reverse", "softmax", "entmax")
# read as probabilities of dot products; the others read cosine similarities
PROBABILISTIC = ("softmax", "entmax")
# what a link weighs at least: a score is in (0, 1], and opposite vectors have the similarity 0
SMALLEST = np.float32(1e-6)
ITERMAX_DISCOUNT = 0.9


def code_of(method: str) -> int:
    """The number of a method, as the kernels know it.

    Raises:
        ValueError: an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"unknown extraction {method!r}; known: {', '.join(METHODS)}")
    return METHODS.index(method)


def extract(similarity: np.ndarray, method: str, *, threshold: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The links of one matrix: selected (m, n) bool, and their scores (m, n) float32, 0 elsewhere.

    Args:
        similarity: (m, n) float32, or float64 where it was distorted; cosine similarities in [0, 1], or dot products
            for `softmax` and `entmax`.
        method: one of METHODS.
        threshold: what both probabilities have to exceed; the other methods drop links whose similarity does not
            exceed it, and 0 (as published) drops none.

    The score of a link is its similarity, or 2pq / (p + q) of its two probabilities (AWESoME), in (0, 1]. A cell that
    is NaN is no link.

    Raises:
        ValueError: an unknown method.
    """
    code = code_of(method)
    # one type for the kernels: the order of float32 numbers stays in float64
    similarity = np.ascontiguousarray(similarity, dtype=np.float64)
    selected = np.zeros(similarity.shape, dtype=np.bool_)
    score = np.zeros(similarity.shape, dtype=np.float32)
    if similarity.size:
        if method == "match":
            # scipy refuses NaN; such cells are dropped with their scores
            selected[linear_sum_assignment(np.nan_to_num(similarity, nan=-1.0), maximize=True)] = True
            keep_scores(similarity, float(threshold), selected, score)
        else:
            select(similarity, code, float(threshold), selected, score)
    return selected, score


@njit(cache=True)
def select(similarity: np.ndarray, code: int, threshold: float, selected: np.ndarray, score: np.ndarray) -> None:
    """Mark the links of every method but `match` in `selected` and `score` (m, n), which are zero before."""
    if code >= 5:
        _mutual_probability(similarity, code == 6, threshold, selected, score)
        return
    of_row, of_column = best(similarity)
    m, n = similarity.shape
    if code <= 1:
        for i in range(m):
            selected[i, of_row[i]] = of_column[of_row[i]] == i
    elif code == 3:
        for i in range(m):
            selected[i, of_row[i]] = True
    else:
        for j in range(n):
            selected[of_column[j], j] = True
    if code == 1 and min(m, n) > 2:
        _itermax(similarity, selected)
    keep_scores(similarity, threshold, selected, score)


@njit(cache=True)
def best(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best column of each row (m,), and the best row of each column (n,); the first one of equals."""
    m, n = similarity.shape
    of_row, of_column = np.zeros(m, dtype=np.int64), np.zeros(n, dtype=np.int64)
    of_columns = similarity[0].copy()
    for i in range(m):
        here, top = 0, similarity[i, 0]
        for j in range(n):
            value = similarity[i, j]
            if value > top:
                here, top = j, value
            if value > of_columns[j]:
                of_column[j] = i
                of_columns[j] = value
        of_row[i] = here
    return of_row, of_column


@njit(cache=True)
def _itermax(similarity: np.ndarray, selected: np.ndarray) -> None:
    """The second round: S counts 0.9 where one side is free and 0 where none is; mutual bests with a free side join.

    None where one side of the sentence has no free unit left. SimAlign, "Itermax", with n_max = 2 and alpha = 0.9.
    """
    m, n = similarity.shape
    rows, columns = np.ones(m, dtype=np.bool_), np.ones(n, dtype=np.bool_)
    for i in range(m):
        for j in range(n):
            if selected[i, j]:
                rows[i] = columns[j] = False
    if not rows.any() or not columns.any():
        return
    discounted = np.empty((m, n), dtype=np.float64)
    for i in range(m):
        for j in range(n):
            factor = 1.0 if rows[i] and columns[j] else ITERMAX_DISCOUNT if rows[i] or columns[j] else 0.0
            discounted[i, j] = factor * similarity[i, j]
    of_row, of_column = best(discounted)
    for i in range(m):
        j = of_row[i]
        if of_column[j] == i and (rows[i] or columns[j]):
            selected[i, j] = True


@njit(cache=True)
def keep_scores(similarity: np.ndarray, threshold: float, selected: np.ndarray, score: np.ndarray) -> None:
    """Write the scores of selected cells, in (0, 1]; unselect what does not exceed a threshold, and what is NaN."""
    m, n = similarity.shape
    for i in range(m):
        for j in range(n):
            if selected[i, j]:
                value = similarity[i, j]
                if np.isnan(value) or (threshold > 0.0 and not value > threshold):
                    selected[i, j] = False
                else:
                    score[i, j] = min(max(np.float32(value), SMALLEST), np.float32(1.0))


@njit(cache=True)
def _mutual_probability(
    similarity: np.ndarray, sparse: bool, threshold: float, selected: np.ndarray, score: np.ndarray
) -> None:
    """AWESoME, "probability thresholding": both probabilities exceed the threshold; the score is 2pq / (p + q)."""
    m, n = similarity.shape
    forward, backward = np.empty((m, n), dtype=np.float64), np.empty((n, m), dtype=np.float64)
    column = np.empty(m, dtype=np.float64)
    for i in range(m):
        distribution(similarity[i], sparse, forward[i])
    for j in range(n):
        for i in range(m):
            column[i] = similarity[i, j]
        distribution(column, sparse, backward[j])
    for i in range(m):
        for j in range(n):
            p, q = forward[i, j], backward[j, i]
            if p > threshold and q > threshold:
                selected[i, j] = True
                score[i, j] = min(max(np.float32(2.0 * p * q / (p + q)), SMALLEST), np.float32(1.0))


@njit(cache=True)
def distribution(values: np.ndarray, sparse: bool, out: np.ndarray) -> None:
    """Softmax of `values` (k,), or 1.5-entmax if `sparse`, into `out` (k,).

    1.5-entmax is max(z - t, 0) ** 2 with z = values / 2 and the t for which it sums to 1: over the k largest z it is
    their mean less sqrt((1 - k var) / k), and the support is the last k whose smallest z is at least its own t
    (Peters et al. 2019, algorithm 2).
    """
    top = values.max()
    if not sparse:
        total = 0.0
        for k in range(len(values)):
            out[k] = np.exp(values[k] - top)
            total += out[k]
        for k in range(len(values)):
            out[k] = out[k] / total
        return
    halves = np.empty(len(values), dtype=np.float64)
    for k in range(len(values)):
        halves[k] = (values[k] - top) / 2.0
    ordered = np.sort(halves)[::-1]
    bound, first, second = -1.0, 0.0, 0.0
    for k in range(len(ordered)):
        first += ordered[k]
        second += ordered[k] * ordered[k]
        mean = first / (k + 1)
        spread = (1.0 - (second - first * mean)) / (k + 1)
        candidate = mean - np.sqrt(max(spread, 0.0))
        if candidate > ordered[k]:
            break
        bound = candidate
    for k in range(len(values)):
        out[k] = max(halves[k] - bound, 0.0) ** 2
