"""Symmetrization against plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.core.symmetrize import METHODS, cell_offsets, symmetrize

shapes = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4)


def flat(shapes, seed):
    """Random posteriors of sentence pairs, a list of (m, n) pairs, and the flat arguments."""
    rng = np.random.default_rng(seed)
    tables = []
    for m, n in shapes:
        forward = rng.dirichlet(np.full(m + 1, 0.4), size=n)[:, :m].T
        backward = rng.dirichlet(np.full(n + 1, 0.4), size=m)[:, :n]
        tables.append((forward.reshape(m, n), backward.reshape(m, n)))
    source = np.cumsum([0, *(m for m, _ in shapes)])
    target = np.cumsum([0, *(n for _, n in shapes)])
    cells = [np.concatenate([np.zeros(0), *(table[side].ravel() for table in tables)]) for side in (0, 1)]
    return tables, (*cells, source, target)


def best(posterior):
    """The best explaining word, by row, of each column; unless NULL is better."""
    links = set()
    for j, column in enumerate(posterior.T):
        if len(column) and column.max() > 0 and column.max() >= 1 - column.sum():
            links.add((int(column.argmax()), j))
    return links


def plain(forward, backward, method):
    m, n = forward.shape
    one, two = best(forward), {(i, j) for j, i in best(backward.T)}
    union = one | two
    if method == "union":
        return union
    links = one & two
    if method == "intersection":
        return links
    cells = [(i, j) for i in range(m) for j in range(n)]

    def free(i, j, both):
        taken = [any(x == i for x, _ in links), any(y == j for _, y in links)]
        return not any(taken) if both else not all(taken)

    grown = True
    while grown:
        grown = False
        for i, j in cells:
            touches = any(max(abs(i - x), abs(j - y)) == 1 for x, y in links)
            if (i, j) in union - links and touches and free(i, j, both=False):
                links.add((i, j))
                grown = True
    if method == "grow-diag-final-and":
        for i, j in cells:
            if (i, j) in union and free(i, j, both=True):
                links.add((i, j))
    return links


@pytest.mark.parametrize("method", METHODS[1:])
@settings(max_examples=60)
@given(shapes, st.integers(0, 999))
def test_equals_plain_python(method, shapes, seed):
    tables, arguments = flat(shapes, seed)
    offsets, source, target, score = symmetrize(*arguments, method)
    assert len(offsets) == len(shapes) + 1
    for k, (forward, backward) in enumerate(tables):
        row = slice(offsets[k], offsets[k + 1])
        links = list(zip(source[row].tolist(), target[row].tolist(), strict=True))
        assert links == sorted(plain(forward, backward, method))
        mean = np.sqrt(forward * backward)
        assert score[row] == pytest.approx(np.array([mean[link] for link in links]), abs=1e-6)


@settings(max_examples=60)
@given(shapes, st.integers(0, 999), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_threshold_equals_numpy(shapes, seed, threshold):
    tables, arguments = flat(shapes, seed)
    offsets, source, target, score = symmetrize(*arguments, threshold=threshold)
    for k, (forward, backward) in enumerate(tables):
        row = slice(offsets[k], offsets[k + 1])
        mean = np.sqrt(forward * backward).astype(np.float32)
        expected = np.argwhere((mean >= np.float32(threshold)) & (mean > 0)).tolist()
        assert list(map(list, zip(source[row].tolist(), target[row].tolist(), strict=True))) == expected
    assert (score > 0).all() and (score <= 1).all()


def test_methods_are_nested():
    _, arguments = flat([(12, 12)] * 20, 4)
    found = {}
    for method in METHODS[1:]:
        offsets, source, target, _ = symmetrize(*arguments, method)
        rows = np.repeat(np.arange(20), np.diff(offsets))
        found[method] = set(zip(rows.tolist(), source.tolist(), target.tolist(), strict=True))
    assert found["intersection"] < found["grow-diag"] < found["grow-diag-final-and"] < found["union"]


def test_null_takes_words():
    forward, backward = np.array([0.3]), np.array([0.9])
    one_word = (np.array([0, 1]), np.array([0, 1]))
    assert len(symmetrize(forward, backward, *one_word, "intersection")[1]) == 0
    assert len(symmetrize(forward, backward, *one_word, "union")[1]) == 1


def test_cells():
    assert cell_offsets(np.array([0, 2, 2, 5]), np.array([0, 3, 7, 8])).tolist() == [0, 6, 6, 9]


def test_an_unknown_method_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown symmetrization 'gdf'; known: threshold, intersection"):
        symmetrize(np.zeros(0), np.zeros(0), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), "gdf")
