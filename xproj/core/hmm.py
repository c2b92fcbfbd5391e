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
from xproj.core.statistical import NULL_PROBABILITY, Counts, Rows, add_links, agreement, lookup

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
def _of_pair(
    source: np.ndarray,
    target: np.ndarray,
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
    jumped: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slots (m, n) and both posteriors, (m, n) and (n, m), of one sentence pair; expected jumps go to `jumped`."""
    m, n = len(source), len(target)
    slots, transposed = np.empty((m, n), dtype=np.int64), np.empty((n, m), dtype=np.int64)
    lookup(keys, source, target, slots, transposed)
    one, two = np.empty((m, n)), np.empty((n, m))
    for i in range(m):
        for j in range(n):
            slot = slots[i, j]
            ratio = case_ratio[source_case[source[i]], target_case[target[j]]]
            one[i, j] = forward[slot] if slot >= 0 else floor_forward[source[i]] * ratio
            two[j, i] = backward[slot] if slot >= 0 else floor_backward[target[j]] * ratio
    null, back_null = np.empty(n), np.empty(m)
    for j in range(n):
        null[j] = null_forward[target[j]]
    for i in range(m):
        back_null[i] = null_backward[source[i]]
    posterior, back = np.empty((m, n)), np.empty((n, m))
    forward_backward(one, null, jumps[0], p0, posterior, jumped[0])
    forward_backward(two, back_null, jumps[1], p0, back, jumped[1])
    return slots, posterior, back


@njit(cache=True)
def _add_posteriors(
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
    jumped: np.ndarray,
    weight: float,
    cells: np.ndarray,
    forward_out: np.ndarray,
    backward_out: np.ndarray,
) -> None:
    for row in range(len(source_offsets) - 1):
        e = source[source_offsets[row] : source_offsets[row + 1]]
        f = target[target_offsets[row] : target_offsets[row + 1]]
        if len(e) == 0 or len(f) == 0:
            continue
        _, posterior, back = _of_pair(
            e, f, keys, forward, backward, floor_forward, floor_backward, null_forward, null_backward,
            case_ratio, source_case, target_case, jumps, p0, jumped,
        )  # fmt: skip
        cell = cells[row]
        for i in range(len(e)):
            for j in range(len(f)):
                forward_out[cell] += weight * posterior[i, j]
                backward_out[cell] += weight * back[j, i]
                cell += 1


@njit(cache=True)
def _add_counts(
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
    jumped: np.ndarray,
    counts_forward: np.ndarray,
    counts_backward: np.ndarray,
    counts_null_forward: np.ndarray,
    counts_null_backward: np.ndarray,
) -> None:
    for row in range(len(source_offsets) - 1):
        e = source[source_offsets[row] : source_offsets[row + 1]]
        f = target[target_offsets[row] : target_offsets[row + 1]]
        if len(e) == 0 or len(f) == 0:
            continue
        slots, posterior, back = _of_pair(
            e, f, keys, forward, backward, floor_forward, floor_backward, null_forward, null_backward,
            case_ratio, source_case, target_case, jumps, p0, jumped,
        )  # fmt: skip
        null, back_null = np.empty(len(f)), np.empty(len(e))
        agreement(posterior, back, null, back_null)
        add_links(
            e, f, slots, posterior, back, null, back_null,
            counts_forward, counts_backward, counts_null_forward, counts_null_backward,
        )  # fmt: skip


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
    """Add `weight` times both posteriors of every row, row-major (m, n), at `cells[row]` of the flat outputs.

    `jumps` (2, 2 · MAX_JUMP + 1) are those of the forward and the backward direction; expected jumps are added to
    `jumped`, of the same shape.
    """
    counts = no_counts() if jumped is None else jumped
    _add_posteriors(*rows, *tables.arrays(), jumps, NULL_PROBABILITY, counts, weight, cells, forward, backward)


def add_counts(rows: Rows, tables: Tables, jumps: np.ndarray, counts: Counts, jumped: np.ndarray) -> None:
    """Add the expected counts of some rows: the links on which both directions agree (see `statistical.agreement`), and
    jumps to `jumped`, as `posteriors` does."""
    _add_counts(*rows, *tables.arrays(), jumps, NULL_PROBABILITY, jumped, *counts)
