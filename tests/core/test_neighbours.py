"""Support by diagonal neighbours against plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core import neighbours
from xproj.core.symmetrize import cell_offsets

shapes = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=4)


def posteriors(shapes, seed):
    """Flat random posteriors of both directions and their layout."""
    rng = np.random.default_rng(seed)
    source = np.cumsum([0, *(m for m, _ in shapes)])
    target = np.cumsum([0, *(n for _, n in shapes)])
    forward, backward = [np.zeros(0)], [np.zeros(0)]
    for m, n in shapes:
        # what a distribution lacks to 1 is NULL's
        forward.append(rng.dirichlet(np.full(m + 1, 0.3), size=n)[:, :m].T.ravel())
        backward.append(rng.dirichlet(np.full(n + 1, 0.3), size=m)[:, :n].ravel())
    return np.concatenate(forward), np.concatenate(backward), source, target, cell_offsets(source, target)


def reference(forward, backward, strength):
    """One sentence pair, both (m, n)."""
    m, n = forward.shape
    score = np.zeros((m + 2, n + 2))
    score[1:-1, 1:-1] = np.sqrt(forward * backward)
    weight = 1 + strength * (score[:-2, :-2] + score[2:, 2:])
    new = [side * weight for side in (forward, backward)]
    null = [1 - side.sum(axis=axis, keepdims=True) for axis, side in enumerate((forward, backward))]
    return [side / (side.sum(axis=axis, keepdims=True) + null[axis]) for axis, side in enumerate(new)]


@given(shapes, st.integers(0, 99), st.sampled_from([0.0, 1.0, neighbours.STRENGTH]))
def test_equals_plain_numpy(shapes, seed, strength):
    forward, backward, source, target, cells = posteriors(shapes, seed)
    before = forward.copy(), backward.copy()
    neighbours.support(forward, backward, source, target, cells, strength)
    for (m, n), first, last in zip(shapes, cells, cells[1:], strict=False):
        if m and n:
            old = [side[first:last].reshape(m, n) for side in before]
            expected = reference(*old, strength)
            for new, want in zip((forward, backward), expected, strict=True):
                assert new[first:last].reshape(m, n) == pytest.approx(want, abs=1e-12)
    if strength == 0:
        assert forward == pytest.approx(before[0]) and backward == pytest.approx(before[1])
    assert (forward >= 0).all() and (forward <= 1 + 1e-12).all()


def test_a_link_beside_a_link_gains():
    half = np.array([0.9, 0.0, 0.0, 0.0, 0.4, 0.4, 0.0, 0.0, 0.0])
    forward, backward = half.copy(), half.copy()
    neighbours.support(forward, backward, np.array([0, 3]), np.array([0, 3]), np.array([0, 9]), 4.0)
    assert forward[4] > 0.5 > 0.4 == half[4]
    assert backward[4] > backward[5]


def test_a_word_that_nothing_explains_stays_so():
    forward, backward = np.zeros(4), np.zeros(4)
    neighbours.support(forward, backward, np.array([0, 2]), np.array([0, 2]), np.array([0, 4]), 4.0)
    assert not forward.any() and not backward.any()
