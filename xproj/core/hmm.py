"""A hidden Markov model of jumps on top of the translation tables (Vogel, Ney and Tillmann 1996).

The explained words are emitted one after another; the hidden state is the explaining word, or NULL, which remembers the
word before it (Och and Ney 2003). The jump distribution p(i − i') is learned over 21 buckets by forward-backward. The
emissions begin as the tables of IBM model 1 and are learned from the links on which both directions agree (see
`add_counts`). Cost: O(n · m²) for each direction.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.lexicon import Tables
from xproj.core.statistical import NULL_PROBABILITY, Counts, Rows, lookup
from xproj.core.symmetrize import cell_offsets

MAX_JUMP = 10
SMOOTHING = 0.5


def first_jumps() -> np.ndarray:
    """Jumps of both directions to begin with, (2, 2 · MAX_JUMP + 1): a step of one word is the most probable."""
    weights = np.exp(-0.5 * np.abs(np.arange(-MAX_JUMP, MAX_JUMP + 1) - 1))
    return np.stack([weights / weights.sum()] * 2)


def no_counts() -> np.ndarray:
    """Jump counts of both directions to add to, (2, 2 · MAX_JUMP + 1)."""
    return np.zeros((2, 2 * MAX_JUMP + 1))


def learned_jumps(counts: np.ndarray) -> np.ndarray:
    """The jump distributions of both directions from their counts, each with SMOOTHING added."""
    counts = counts + SMOOTHING
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


@njit(cache=True)
def _transitions(jumps: np.ndarray, m: int) -> np.ndarray:
    """p(next explaining word | this one), (m, m)."""
    limit = (len(jumps) - 1) // 2
    table = np.empty((m, m))
    for a in range(m):
        total = 0.0
        for b in range(m):
            table[a, b] = jumps[min(limit, max(-limit, b - a)) + limit]
            total += table[a, b]
        table[a, :] /= total
    return table


@njit(cache=True)
def _count_jumps(before: np.ndarray, step: np.ndarray, ahead: np.ndarray, counts: np.ndarray) -> None:
    """Add before[a] · step[a, b] · ahead[b] to the bucket of b − a, for all a, b (m,)."""
    m, limit = len(before), (len(counts) - 1) // 2
    # all jumps of `limit` and more are one bucket, with one probability for each a
    passed = np.zeros(m + 1)
    passed[1:] = np.cumsum(ahead)
    for a in range(m):
        if before[a] <= 1e-6:
            continue
        low, high = a - limit, a + limit
        if low >= 0:
            counts[0] += before[a] * step[a, low] * passed[low + 1]
        if high < m:
            counts[2 * limit] += before[a] * step[a, high] * (passed[m] - passed[high])
        for b in range(max(0, low + 1), min(m, high)):
            counts[b - low] += before[a] * step[a, b] * ahead[b]


@njit(cache=True)
def forward_backward(
    emission: np.ndarray, null: np.ndarray, jumps: np.ndarray, p0: float, posterior: np.ndarray, counts: np.ndarray
) -> None:
    """Fill `posterior` (m, n), p(word j comes from word i), and add the expected jumps to `counts`.

    `emission` (m, n) is t(word j | word i), `null` (n,) is t(word j | NULL).
    """
    m, n = emission.shape
    step = _transitions(jumps, m)
    alpha, alpha_null = np.zeros((n, m)), np.zeros((n, m))
    scale = np.zeros(n)
    for j in range(n):
        before = np.full(m, 1.0 / m) if j == 0 else alpha[j - 1] + alpha_null[j - 1]
        reached = before if j == 0 else np.dot(before, step)
        alpha[j] = (1.0 - p0) * reached * emission[:, j]
        alpha_null[j] = p0 * before * null[j]
        scale[j] = max(alpha[j].sum() + alpha_null[j].sum(), 1e-300)
        alpha[j] /= scale[j]
        alpha_null[j] /= scale[j]
    beta = np.ones(m)
    for j in range(n - 1, -1, -1):
        # both kinds of state continue alike, so one backward vector serves them
        posterior[:, j] = alpha[j] * beta
        total = posterior[:, j].sum() + (alpha_null[j] * beta).sum()
        if total > 0.0:
            posterior[:, j] /= total
        if j == 0:
            break
        ahead = (1.0 - p0) * emission[:, j] * beta / scale[j]
        before = alpha[j - 1] + alpha_null[j - 1]
        _count_jumps(before, step, ahead, counts)
        beta = np.dot(step, ahead) + p0 * null[j] * beta / scale[j]


@njit(cache=True)
def _add_rows(
    source: np.ndarray,
    source_offsets: np.ndarray,
    target: np.ndarray,
    target_offsets: np.ndarray,
    keys: np.ndarray,
    forward: np.ndarray,
    backward: np.ndarray,
    floor_forward: np.ndarray,
    floor_backward: np.ndarray,
    null_forward: np.ndarray,
    null_backward: np.ndarray,
    case_ratio: np.ndarray,
    source_case: np.ndarray,
    target_case: np.ndarray,
    jumps: np.ndarray,
    p0: float,
    weight: float,
    cells: np.ndarray,
    forward_out: np.ndarray,
    backward_out: np.ndarray,
    counts: np.ndarray,
) -> None:
    for row in range(len(source_offsets) - 1):
        e = source[source_offsets[row] : source_offsets[row + 1]]
        f = target[target_offsets[row] : target_offsets[row + 1]]
        m, n = len(e), len(f)
        if m == 0 or n == 0:
            continue
        slots, transposed = np.empty((m, n), dtype=np.int64), np.empty((n, m), dtype=np.int64)
        lookup(keys, e, f, slots, transposed)
        one, two = np.empty((m, n)), np.empty((n, m))
        for i in range(m):
            for j in range(n):
                slot = slots[i, j]
                ratio = case_ratio[source_case[e[i]], target_case[f[j]]]
                one[i, j] = forward[slot] if slot >= 0 else floor_forward[e[i]] * ratio
                two[j, i] = backward[slot] if slot >= 0 else floor_backward[f[j]] * ratio
        posterior, back = np.empty((m, n)), np.empty((n, m))
        null_f, null_e = np.empty(n), np.empty(m)
        for j in range(n):
            null_f[j] = null_forward[f[j]]
        for i in range(m):
            null_e[i] = null_backward[e[i]]
        forward_backward(one, null_f, jumps[0], p0, posterior, counts[0])
        forward_backward(two, null_e, jumps[1], p0, back, counts[1])
        cell = cells[row]
        for i in range(m):
            for j in range(n):
                forward_out[cell] += weight * posterior[i, j]
                backward_out[cell] += weight * back[j, i]
                cell += 1


def posteriors(
    rows: Rows,
    tables: Tables,
    jumps: np.ndarray,
    weight: float,
    cells: np.ndarray,
    forward: np.ndarray,
    backward: np.ndarray,
    jumped: np.ndarray | None = None,
) -> None:
    """Add `weight` times both posteriors of every row at `cells[row]` of the flat outputs.

    `jumps` (2, 2 · MAX_JUMP + 1) are those of the forward and the backward direction; expected jumps are added to
    `jumped`, of the same shape.
    """
    counts = no_counts() if jumped is None else jumped
    _add_rows(*rows, *tables.arrays(), jumps, NULL_PROBABILITY, weight, cells, forward, backward, counts)


def add_counts(rows: Rows, tables: Tables, jumps: np.ndarray, counts: Counts, jumped: np.ndarray) -> None:
    """Add the expected counts of some rows: jumps, and the geometric mean of both posteriors.

    See `statistical.agreement` for the mean, `posteriors` for the jumps.
    """
    cells = cell_offsets(rows.source_offsets, rows.target_offsets)
    forward, backward = np.zeros(cells[-1]), np.zeros(cells[-1])
    posteriors(rows, tables, jumps, 1.0, cells[:-1], forward, backward, jumped)
    _add_links(*rows, tables.keys, cells, np.sqrt(forward * backward), *counts)


@njit(cache=True)
def _add_links(
    source: np.ndarray,
    source_offsets: np.ndarray,
    target: np.ndarray,
    target_offsets: np.ndarray,
    keys: np.ndarray,
    cells: np.ndarray,
    links: np.ndarray,
    forward: np.ndarray,
    backward: np.ndarray,
    null_forward: np.ndarray,
    null_backward: np.ndarray,
) -> None:
    """Add the flat cells `links` to the counts of both directions; what a word lacks to 1 is NULL's."""
    for row in range(len(source_offsets) - 1):
        e = source[source_offsets[row] : source_offsets[row + 1]]
        f = target[target_offsets[row] : target_offsets[row + 1]]
        m, n = len(e), len(f)
        if m == 0 or n == 0:
            continue
        slots, transposed = np.empty((m, n), dtype=np.int64), np.empty((n, m), dtype=np.int64)
        lookup(keys, e, f, slots, transposed)
        here = links[cells[row] : cells[row + 1]].reshape((m, n))
        for i in range(m):
            null_backward[e[i]] += max(0.0, 1.0 - here[i].sum())
            for j in range(n):
                slot = slots[i, j]
                if slot >= 0:
                    forward[slot] += here[i, j]
                    backward[slot] += here[i, j]
        for j in range(n):
            null_forward[f[j]] += max(0.0, 1.0 - here[:, j].sum())
