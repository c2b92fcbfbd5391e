"""Mixtures of teachers against sums that are written out word by word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import EntityColumn
from xproj.core import teachers
from xproj.core.labels import decode, label_space
from xproj.core.teachers import ALONE, NO_LABEL

LABELS = label_space(["LOC", "PER"])


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 12))
def test_mixture_equals_plain_python(seed, count, words):
    rng = np.random.default_rng(seed)
    given = [rng.dirichlet(np.ones(len(LABELS)), size=words).astype(np.float32) for _ in range(count)]
    shares = rng.integers(0, 4, size=count).astype(float)
    present = rng.random((count, words)) < 0.7
    mixed = teachers.mix(given, shares, present)
    for w in range(words):
        seen = [k for k in range(count) if present[k, w]]
        whole = sum(shares[k] for k in seen)
        assert mixed.known[w] == (whole > 0)
        expected = sum((shares[k] * given[k][w] for k in seen), np.zeros(len(LABELS))) / (whole or 1)
        assert mixed.probabilities[w] == pytest.approx(expected, abs=1e-6)
        best = {int(given[k][w].argmax()) for k in seen}
        assert mixed.agreed[w] == (best.pop() if len(best) == 1 else NO_LABEL)


def test_labels_are_mapped_by_name():
    theirs = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    columns = teachers.renumber(theirs, LABELS)
    assert [theirs[k] for k in columns] == list(LABELS)
    with pytest.raises(ValueError, match="lacks B-LOC, I-LOC and has B-ORG, I-ORG too"):
        teachers.renumber(label_space(["ORG", "PER"]), LABELS)


def test_a_projection_is_a_teacher():
    entities = EntityColumn.of([[(0, 2, "PER")], None, [(1, 2, "LOC"), (2, 3, "LOC")]])
    offsets = np.array([0, 3, 4, 7])
    rows = teachers.one_hot(entities, offsets, LABELS)
    assert [LABELS[k] for k in rows.argmax(axis=1)] == "B-PER I-PER O O O B-LOC B-LOC".split()
    assert rows.dtype == np.float32 and set(rows.ravel()) == {0, 1}
    again = decode(np.split(rows, offsets[1:-1]), LABELS)
    assert (again.start.tolist(), again.end.tolist()) == ([0, 1, 2], [2, 2, 3])
    smoothed = teachers.smooth(rows, 0.1)
    assert smoothed.sum(axis=1) == pytest.approx(np.ones(7))
    assert sorted(set(smoothed.ravel().round(4).tolist())) == pytest.approx([0.02, 0.92])


@given(st.lists(st.integers(0, 6), max_size=8), st.integers(0, 99))
def test_partners_are_others_of_the_same_sentence(lengths, seed):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    allowed = np.random.default_rng(seed).random(offsets[-1]) < 0.7
    partner = teachers.partners(offsets, allowed, seed)
    assert np.array_equal(partner, teachers.partners(offsets, allowed, seed))
    for low, high in zip(offsets[:-1], offsets[1:], strict=True):
        may = [w for w in range(low, high) if allowed[w]]
        for w in range(low, high):
            assert partner[w] in [v for v in may if v != w] if w in may and len(may) > 1 else partner[w] == ALONE


def test_partners_are_drawn_uniformly():
    offsets = np.arange(0, 4 * 3000 + 1, 4)
    partner = teachers.partners(offsets, np.ones(12000, dtype=bool), 1)
    counts = np.bincount(partner[::4] % 4, minlength=4)  # those of the first words
    assert counts[0] == 0 and (np.abs(counts[1:] - 1000) < 100).all()
