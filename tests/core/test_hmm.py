"""The hidden Markov model against the sum over all paths."""

from itertools import product

import numpy as np
import pytest

from xproj.core import hmm
from xproj.core import statistical as model
from xproj.core.lexicon import Tables
from xproj.core.pairs import EMPTY, PairTable
from xproj.core.symmetrize import cell_offsets

P0 = 0.2


def plain(emission, null, jumps):
    """Posterior (m, n) and expected jumps by summing over every path of explaining words and NULLs."""
    m, n = emission.shape
    limit = len(jumps) // 2

    def bucket(step):
        return min(limit, max(-limit, step)) + limit

    def jump(a, b):
        return jumps[bucket(b - a)] / sum(jumps[bucket(x - a)] for x in range(m))

    posterior, counts, total = np.zeros((m, n)), np.zeros(len(jumps)), 0.0
    # a state is a word, and whether NULL stands in for it
    for path in product(range(m), repeat=n):
        for nulls in product([False, True], repeat=n):
            p, steps = 1.0, []
            for j, (i, nothing) in enumerate(zip(path, nulls, strict=True)):
                if j == 0:
                    p /= m
                elif nothing:
                    p *= i == path[j - 1]
                else:
                    p *= jump(path[j - 1], i)
                    steps.append(bucket(i - path[j - 1]))
                p *= P0 * null[j] if nothing else (1 - P0) * emission[i, j]
            total += p
            for j in range(n):
                posterior[path[j], j] += 0 if nulls[j] else p
            np.add.at(counts, steps, p)
    return posterior / total, counts / total


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 3), (3, 1), (2, 4), (4, 3), (3, 4)])
def test_equals_the_sum_over_all_paths(m, n):
    rng = np.random.default_rng(m * 10 + n)
    emission, null = rng.dirichlet(np.full(9, 0.5), size=m)[:, :n].copy(), rng.uniform(0.01, 0.2, n)
    jumps = rng.dirichlet(np.ones(5))
    posterior, counts = np.empty((m, n)), np.zeros(5)
    hmm.forward_backward(emission, null, jumps, P0, posterior, counts)
    expected, expected_counts = plain(emission, null, jumps)
    assert posterior == pytest.approx(expected, abs=1e-9)
    # jumps from words that are hardly possible are left out
    assert counts == pytest.approx(expected_counts, abs=1e-4)


def test_jumps_begin_with_one_step_forward():
    jumps = hmm.first_jumps()
    assert jumps.shape == (2, 2 * hmm.MAX_JUMP + 1)
    assert jumps.sum(axis=1) == pytest.approx(1) and (jumps.argmax(axis=1) == hmm.MAX_JUMP + 1).all()


def monotone(rows, words, seed=0):
    """Sentences whose words keep their order, with tables that know nothing about half of them."""
    rng = np.random.default_rng(seed)
    source = rng.integers(0, 20, rows * words).astype(np.int32)
    offsets = np.arange(rows + 1) * words
    table = PairTable.empty(1 << 40)
    table.add(source, offsets, source, offsets)
    live = table.live()
    keys = table.keys[live]
    known = ((keys >> 32) == (keys & 0xFFFFFFFF)) & (keys >> 32 < 10)
    weights = np.full(len(table.keys), 0.01, dtype=np.float32)
    weights[live[known]] = 0.9
    floor = np.full(20, 0.01, dtype=np.float32)
    cases = np.ones((5, 5)), *[np.zeros(len(floor), dtype=np.uint8)] * 2
    return model.Rows(source, offsets, source, offsets), Tables(table.keys, weights, weights, *[floor] * 4, *cases, 4.0)


def test_learned_jumps_follow_the_corpus():
    rows, tables = monotone(30, 8)
    cells = cell_offsets(rows.source_offsets, rows.target_offsets)
    jumps = hmm.first_jumps()
    for _ in range(3):
        jumped, unused = hmm.no_counts(), (np.zeros(cells[-1]), np.zeros(cells[-1]))
        hmm.posteriors(rows, tables, jumps, 0.0, cells[:-1], *unused, jumped)
        jumps = hmm.learned_jumps(jumped)
    assert jumps.shape == (2, 2 * hmm.MAX_JUMP + 1)
    assert jumps.sum(axis=1) == pytest.approx(1)
    assert jumps[:, hmm.MAX_JUMP + 1].min() > 0.6
    forward, backward = np.zeros(cells[-1]), np.zeros(cells[-1])
    hmm.posteriors(rows, tables, jumps, 1.0, cells[:-1], forward, backward)
    for side in (forward, backward):
        best = side.reshape(30, 8, 8)
        assert np.diagonal(best, axis1=1, axis2=2).mean() > 0.7
        assert side.min() >= 0 and side.max() <= 1 + 1e-9


def test_weights_add_up_and_empty_sides_are_passed():
    rows, tables = monotone(2, 3)
    rows = rows._replace(source_offsets=np.array([0, 0, 3, 6]), target_offsets=np.array([0, 3, 6, 6]))
    cells = cell_offsets(rows.source_offsets, rows.target_offsets)
    jumps = hmm.first_jumps()
    whole, halves = ([np.zeros(cells[-1]), np.zeros(cells[-1])] for _ in range(2))
    hmm.posteriors(rows, tables, jumps, 1.0, cells[:-1], *whole)
    for _ in range(2):
        hmm.posteriors(rows, tables, jumps, 0.5, cells[:-1], *halves)
    assert whole[0] == pytest.approx(halves[0]) and whole[1] == pytest.approx(halves[1])
    assert whole[0].any()


def test_counts_are_the_links_on_which_both_directions_agree():
    rows, tables = monotone(3, 4)
    rows = rows._replace(source_offsets=np.array([0, 0, 5, 12]), target_offsets=np.array([0, 3, 9, 12]))
    cells = cell_offsets(rows.source_offsets, rows.target_offsets)
    jumps = hmm.first_jumps()
    forward, backward = np.zeros(cells[-1]), np.zeros(cells[-1])
    hmm.posteriors(rows, tables, jumps, 1.0, cells[:-1], forward, backward)
    links = np.sqrt(forward * backward)
    expected = model.Counts.zeros(tables)
    for row in (1, 2):
        source = rows.source[slice(*rows.source_offsets[row : row + 2])]
        target = rows.target[slice(*rows.target_offsets[row : row + 2])]
        mass = links[cells[row] : cells[row + 1]].reshape(len(source), len(target))
        for i, e in enumerate(source):
            expected.null_backward[e] += max(0.0, 1 - mass[i].sum())
            for j, f in enumerate(target):
                slot = np.flatnonzero(tables.keys == (int(e) << 32 | int(f)))
                expected.forward[slot] += mass[i, j]
        for j, f in enumerate(target):
            expected.null_forward[f] += max(0.0, 1 - mass[:, j].sum())
    counts = model.Counts.zeros(tables)
    jumped, expected_jumps = hmm.no_counts(), hmm.no_counts()
    hmm.add_counts(rows, tables, jumps, counts, jumped)
    hmm.posteriors(rows, tables, jumps, 0.0, cells[:-1], forward, backward, expected_jumps)
    assert jumped == pytest.approx(expected_jumps) and jumped.sum() > 0
    assert counts.forward == pytest.approx(expected.forward) and counts.backward == pytest.approx(expected.forward)
    assert counts.null_forward == pytest.approx(expected.null_forward)
    assert counts.null_backward == pytest.approx(expected.null_backward)
    assert 0 < counts.forward.sum() < counts.forward.sum() + counts.null_forward.sum() <= 9 + 1e-9


def test_learning_finds_partners_that_model_1_cannot_tell():
    rows, tables = monotone(60, 8)
    live = np.flatnonzero(tables.keys != EMPTY)
    same = live[(tables.keys[live] >> 32) == (tables.keys[live] & 0xFFFFFFFF)]
    unknown = same[tables.keys[same] >> 32 >= 10]
    others = np.setdiff1d(live, same)
    learned, jumps = tables, hmm.first_jumps()
    for _ in range(2):
        counts, jumped = model.Counts.zeros(learned), hmm.no_counts()
        hmm.add_counts(rows, learned, jumps, counts, jumped)
        jumps = hmm.learned_jumps(jumped)
        learned = model.update(learned, counts, np.zeros(len(tables.keys), dtype=np.float32), live)
    assert tables.forward[unknown].max() == tables.forward[others].max()
    assert learned.forward[unknown].min() > 5 * np.median(learned.forward[others])
