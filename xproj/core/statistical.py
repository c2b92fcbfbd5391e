"""IBM model 1 with a diagonal prior, both directions at once, in variational Bayes.

For a source sentence of m words and a target sentence of n words, the forward direction explains target word j by
source word i (or by NULL, with probability `NULL_PROBABILITY`):

    p(i | j) ∝ (1 − p0) · d(i, j) / Σ_i' d(i', j) · t(target_j | source_i),     d(i, j) = exp(−tension · |i/m − j/n|)

(Brown et al. 1993, model 1; the diagonal is that of Dyer et al. 2013, fast_align; its tension is measured on the
corpus, see word_order). The M step is the mean-field update of a Dirichlet prior,
t = exp(ψ(c + α_ef)) / exp(ψ(Σ_f (c + α_ef))) (Riley and Gildea 2012), with one pseudo-count α_ef per word pair: that of
the words' cases (see capitals) + 10 · r⁴, r = how alike the words look (see orthography). The backward direction is the
same with the sides exchanged; both read the same slots of one pair table, so each pair is looked up once.

Both directions can also be trained to agree: then the counts of both are the geometric mean of their posteriors, after
Liang, Taskar and Klein (2006), who take the product.

Everything works on encoded rows: word ids (total,) int32 and offsets (rows + 1,) int64.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from xproj.core.capitals import expected_links, learn, neutral
from xproj.core.digamma import digamma
from xproj.core.lexicon import ALPHA, Tables
from xproj.core.pairs import find
from xproj.core.variational import maximise

NULL_PROBABILITY = 0.2


class Rows(NamedTuple):
    """Encoded sentence pairs: row r is `source[source_offsets[r]:…]` beside `target[target_offsets[r]:…]`."""

    source: np.ndarray
    source_offsets: np.ndarray
    target: np.ndarray
    target_offsets: np.ndarray


@njit(cache=True)
def lookup(keys: np.ndarray, source: np.ndarray, target: np.ndarray, slots: np.ndarray, transposed: np.ndarray) -> None:
    """Fill `slots` (m, n) and its transpose with the slot of each word pair of one sentence, -1 where there is none."""
    for i in range(len(source)):
        high = np.int64(source[i]) << 32
        for j in range(len(target)):
            slots[i, j] = transposed[j, i] = find(keys, high | np.int64(target[j]))


@njit(cache=True)
def diagonal(m: int, n: int, tension: float, prior: np.ndarray, transposed: np.ndarray) -> None:
    """Fill `prior` (m, n) and its transpose with exp(−tension · |i/m − j/n|): a product of two exponentials."""
    down, right = np.empty(m), np.empty(n)
    for i in range(m):
        down[i] = math.exp(-tension * i / m)
    for j in range(n):
        right[j] = math.exp(-tension * j / n)
    for i in range(m):
        for j in range(n):
            prior[i, j] = transposed[j, i] = down[i] / right[j] if i * n >= j * m else right[j] / down[i]


@njit(cache=True)
def responsibilities(
    slots: np.ndarray,
    prior: np.ndarray,
    table: np.ndarray,
    floor: np.ndarray,
    given: np.ndarray,
    null: np.ndarray,
    words: np.ndarray,
    case_ratio: np.ndarray,
    given_case: np.ndarray,
    word_case: np.ndarray,
    p0: float,
    out: np.ndarray,
    null_out: np.ndarray,
) -> float:
    """Posterior that word j comes from word i, (m, n), and from NULL, (n,); returns Σ_j log p(word j).

    `given` (m,) are the explaining words and `words` (n,) the explained ones; `table` is indexed by slot, `floor` and
    `given_case` by explaining, `null` and `word_case` by explained word.
    """
    m, n = slots.shape
    total = 0.0
    for j in range(n):
        mass, weight = 0.0, 0.0
        for i in range(m):
            mass += prior[i, j]
        for i in range(m):
            slot = slots[i, j]
            if slot >= 0:
                value = prior[i, j] * table[slot]
            else:
                value = prior[i, j] * floor[given[i]] * case_ratio[given_case[given[i]], word_case[words[j]]]
            out[i, j] = value
            weight += value
        scale = (1.0 - p0) / mass
        explained = weight * scale + p0 * null[words[j]]
        if explained <= 0.0:
            null_out[j] = 1.0
            for i in range(m):
                out[i, j] = 0.0
            continue
        total += math.log(explained)
        null_out[j] = p0 * null[words[j]] / explained
        for i in range(m):
            out[i, j] *= scale / explained
    return total


@njit(cache=True)
def agreement(posterior: np.ndarray, back: np.ndarray, null: np.ndarray, back_null: np.ndarray) -> None:
    """Replace both posteriors, (m, n) and (n, m), by their geometric mean; what a word lacks to 1 becomes NULL's."""
    m, n = posterior.shape
    null[:], back_null[:] = 1.0, 1.0
    for i in range(m):
        for j in range(n):
            both = math.sqrt(posterior[i, j] * back[j, i])
            posterior[i, j] = back[j, i] = both
            null[j] -= both
            back_null[i] -= both
    for j in range(n):
        null[j] = max(0.0, null[j])
    for i in range(m):
        back_null[i] = max(0.0, back_null[i])


@njit(cache=True)
def add_links(
    source: np.ndarray,
    target: np.ndarray,
    slots: np.ndarray,
    posterior: np.ndarray,
    back: np.ndarray,
    null: np.ndarray,
    back_null: np.ndarray,
    forward: np.ndarray,
    backward: np.ndarray,
    null_forward: np.ndarray,
    null_backward: np.ndarray,
) -> None:
    """Add the posteriors of one sentence pair, (m, n) and (n, m), and those of NULL to the counts of `Counts`."""
    for i in range(len(source)):
        null_backward[source[i]] += back_null[i]
        for j in range(len(target)):
            slot = slots[i, j]
            if slot >= 0:
                forward[slot] += posterior[i, j]
                backward[slot] += back[j, i]
    for j in range(len(target)):
        null_forward[target[j]] += null[j]


@njit(cache=True)
def expectation(
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
    p0: float,
    tension: float,
    agree: bool,
    counts_forward: np.ndarray,
    counts_backward: np.ndarray,
    counts_null_forward: np.ndarray,
    counts_null_backward: np.ndarray,
) -> float:
    """Add the expected counts of all rows to the four count arrays; returns the log-likelihood of both directions.

    With `agree` the counts are those of `agreement`.
    """
    total = 0.0
    back_ratio = np.ascontiguousarray(case_ratio.T)
    for row in range(len(source_offsets) - 1):
        e = source[source_offsets[row] : source_offsets[row + 1]]
        f = target[target_offsets[row] : target_offsets[row + 1]]
        m, n = len(e), len(f)
        if m == 0 or n == 0:
            continue
        slots, prior, posterior = np.empty((m, n), dtype=np.int64), np.empty((m, n)), np.empty((m, n))
        back_slots, back_prior, back = np.empty((n, m), dtype=np.int64), np.empty((n, m)), np.empty((n, m))
        null_f, null_e = np.empty(n), np.empty(m)
        lookup(keys, e, f, slots, back_slots)
        diagonal(m, n, tension, prior, back_prior)
        total += responsibilities(
            slots, prior, forward, floor_forward, e, null_forward, f,
            case_ratio, source_case, target_case, p0, posterior, null_f,
        )  # fmt: skip
        total += responsibilities(
            back_slots, back_prior, backward, floor_backward, f, null_backward, e,
            back_ratio, target_case, source_case, p0, back, null_e,
        )  # fmt: skip
        if agree:
            agreement(posterior, back, null_f, null_e)
        add_links(
            e, f, slots, posterior, back, null_f, null_e,
            counts_forward, counts_backward, counts_null_forward, counts_null_backward,
        )  # fmt: skip
    return total


def start(keys: np.ndarray, cases: tuple[np.ndarray, np.ndarray], extra: np.ndarray, tension: float) -> Tables:
    """Tables before the first iteration: every pair as probable as its looks make it; `cases` of both vocabularies,
    `tension` of the diagonal."""
    weights = (1.0 + extra / ALPHA).astype(np.float32)
    source, target = map(len, cases)
    ones = [np.ones(size, dtype=np.float32) for size in (source, target, target, source)]
    return Tables(keys, weights, weights, *ones, neutral(ALPHA).ratio, *cases, tension)


class Counts(NamedTuple):
    """Expected counts of one iteration, float64, in the layout of `Tables`."""

    forward: np.ndarray
    backward: np.ndarray
    null_forward: np.ndarray
    null_backward: np.ndarray

    @classmethod
    def zeros(cls, tables: Tables) -> Counts:
        """No counts yet."""
        sizes = (tables.forward, tables.backward, tables.null_forward, tables.null_backward)
        return cls(*(np.zeros(len(size)) for size in sizes))

    def add(self, rows: Rows, tables: Tables, *, agree: bool = False) -> float:
        """Add the expected counts of some rows, or those on which both directions agree; their log-likelihood."""
        return float(expectation(*rows, *tables.arrays(), NULL_PROBABILITY, tables.tension, agree, *self))


def update(tables: Tables, counts: Counts, extra: np.ndarray, live: np.ndarray) -> Tables:
    """The M step of both directions."""
    cases = tables.source_case, tables.target_case
    prior = learn(expected_links(counts.forward, counts.backward, tables.keys, live, *cases), ALPHA)
    source, target = tables.keys[live] >> 32, tables.keys[live] & 0xFFFFFFFF
    forward, floor_forward = maximise(counts.forward, extra, live, source, target, *cases, *prior, len(cases[0]))
    backward, floor_backward = maximise(
        counts.backward, extra, live, target, source, *cases[::-1], *prior.transposed(), len(cases[1])
    )
    null_forward, null_backward = _null(counts.null_forward), _null(counts.null_backward)
    learned = forward, backward, floor_forward, floor_backward, null_forward, null_backward
    return Tables(tables.keys, *learned, prior.ratio, *cases, tables.tension)


def _null(counts: np.ndarray) -> np.ndarray:
    """What NULL generates, (words,): the same update with plain α."""
    total = digamma(float(np.sum(counts + ALPHA))) if len(counts) else 0.0
    return np.array([math.exp(digamma(count + ALPHA) - total) for count in counts], dtype=np.float32)


@njit(cache=True)
def _posteriors(
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
    p0: float,
    tension: float,
    weight: float,
    cells: np.ndarray,
    forward_out: np.ndarray,
    backward_out: np.ndarray,
) -> None:
    """Add `weight` times both posteriors of every row, row-major (m, n), at `cells[row]` of the flat outputs."""
    back_ratio = np.ascontiguousarray(case_ratio.T)
    for row in range(len(source_offsets) - 1):
        e = source[source_offsets[row] : source_offsets[row + 1]]
        f = target[target_offsets[row] : target_offsets[row + 1]]
        m, n = len(e), len(f)
        if m == 0 or n == 0:
            continue
        slots, prior, posterior = np.empty((m, n), dtype=np.int64), np.empty((m, n)), np.empty((m, n))
        back_slots, back_prior, back = np.empty((n, m), dtype=np.int64), np.empty((n, m)), np.empty((n, m))
        null_f, null_e = np.empty(n), np.empty(m)
        lookup(keys, e, f, slots, back_slots)
        diagonal(m, n, tension, prior, back_prior)
        responsibilities(
            slots, prior, forward, floor_forward, e, null_forward, f,
            case_ratio, source_case, target_case, p0, posterior, null_f,
        )  # fmt: skip
        responsibilities(
            back_slots, back_prior, backward, floor_backward, f, null_backward, e,
            back_ratio, target_case, source_case, p0, back, null_e,
        )  # fmt: skip
        cell = cells[row]
        for i in range(m):
            for j in range(n):
                forward_out[cell] += weight * posterior[i, j]
                backward_out[cell] += weight * back[j, i]
                cell += 1


def add_posteriors(
    rows: Rows, tables: Tables, weight: float, cells: np.ndarray, forward: np.ndarray, backward: np.ndarray
) -> None:
    """Add `weight` times both posteriors of every row, row-major (m, n), at `cells[row]` of the flat outputs."""
    _posteriors(*rows, *tables.arrays(), NULL_PROBABILITY, tables.tension, weight, cells, forward, backward)
