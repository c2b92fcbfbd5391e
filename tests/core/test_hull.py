"""The hull against plain Python: labels written word by word, repaired, and read back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.columns import EntityColumn, LinkColumn
from xproj.core import hull

WORDS = 9


def hulls(entities, links, allowed=(True,) * WORDS, words=WORDS, cut=False):
    """The hull of each entity of one row, and its score."""
    column, links = EntityColumn.of([[(a, b, "X") for a, b in entities]]), LinkColumn.of([links])
    n = len(entities)
    start, end, score = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.float32)
    hull.hulls(
        np.zeros(n, np.int64), column.start, column.end, links.offsets, links.source, links.target, links.score,
        np.array([words]), np.array(allowed, dtype=np.bool_), np.array([0, words]), cut, start, end, score,
    )  # fmt: skip
    return [(int(a), int(b)) if b else None for a, b in zip(start, end, strict=True)], score


def write(entities, spans, *, skip=False, words=WORDS):
    """The spans (start, end, label, owner) that are left of the hulls of entities (start, label) of one row."""
    n = len(entities)
    column = EntityColumn.of([[(start, start + 1, label) for start, label in entities]])
    start, end = (np.array([span[k] if span else 0 for span in spans], dtype=np.int32) for k in (0, 1))
    owner, a, b = (np.full(2 * n, -7) for _ in range(3))
    count = hull.write(
        np.array([0, n]), column.start, column.label, start, end, np.array([span is not None for span in spans]),
        np.array([words]), skip, owner, a, b,
    )  # fmt: skip
    found = zip(a[:count].tolist(), b[:count].tolist(), owner[:count].tolist(), strict=True)
    return [(x, y, entities[k][1], k) for x, y, k in found]


def plain(entities, spans, skip):
    """IOB2 labels written over each other, I- without a start turned into B-, decoded."""
    labels, writer = ["O"] * WORDS, [None] * WORDS
    for k in sorted(range(len(entities)), key=lambda k: entities[k][0]):
        place = range(*spans[k]) if spans[k] else ()
        if skip and any(labels[t] != "O" for t in place):
            continue
        for t in place:
            labels[t], writer[t] = ("B-" if t == place[0] else "I-") + entities[k][1], k
    found = []
    for t, label in enumerate(labels):
        before = labels[t - 1][2:] if t else ""
        if label[:2] == "B-" or (label[:2] == "I-" and before != label[2:]):
            found.append([t, t + 1, label[2:], writer[t]])
        elif label != "O":
            found[-1][1] = t + 1
    return [tuple(span) for span in found]


spans_of_row = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["A", "B"]),
        st.one_of(st.none(), st.tuples(st.integers(0, 6), st.integers(1, 5)).map(lambda t: (t[0], min(9, sum(t))))),
    ),
    max_size=5,
)


@settings(max_examples=200)
@given(spans_of_row, st.booleans())
def test_writing_equals_plain_python(row, skip):
    entities, spans = [(start, label) for start, label, _ in row], [span for _, _, span in row]
    assert write(entities, spans, skip=skip) == plain(entities, spans, skip)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=4),
    st.sets(st.tuples(st.integers(0, 6), st.integers(0, WORDS - 1)), max_size=12),
    st.lists(st.booleans(), min_size=WORDS, max_size=WORDS),
    st.booleans(),
)
def test_hulls_equal_plain_python(places, links, allowed, cut):
    entities = [(start, start + size) for start, size in places]
    found, score = hulls(entities, sorted(links), allowed, cut=cut)
    for (first, last), span, mean in zip(entities, found, score, strict=True):
        targets = {j for i, j in links if first <= i < last}
        edges = sorted(j for j in targets if allowed[j])[: 1 if cut and last - first == 1 else None]
        assert span == ((min(edges), max(edges) + 1) if edges else None)
        assert mean == pytest.approx(len(targets & set(range(*span))) / (span[1] - span[0]) if span else 0.0)


def test_the_score_counts_a_word_at_most_once():
    assert hulls([(0, 2)], [(0, 2), (0, 4, 0.5), (1, 2)])[1] == pytest.approx([0.5])


@pytest.mark.parametrize(
    ("labels", "spans", "expected"),
    [
        ("AB", [(0, 5), (2, 3)], [(0, 2, "A", 0), (2, 3, "B", 1), (3, 5, "A", 0)]),
        ("AB", [(2, 4), (0, 5)], [(0, 5, "B", 1)]),
        ("AA", [(0, 5), (2, 3)], [(0, 2, "A", 0), (2, 5, "A", 1)]),
        ("AA", [(2, 5), (0, 3)], [(0, 5, "A", 1)]),
        ("AA", [(0, 2), (2, 4)], [(0, 2, "A", 0), (2, 4, "A", 1)]),
        ("AB", [(0, 3), (1, 5)], [(0, 1, "A", 0), (1, 5, "B", 1)]),
        ("AB", [None, (1, 5)], [(1, 5, "B", 1)]),
    ],
    ids=["two pieces", "overwritten", "goes on", "swallowed", "adjacent", "cut", "no hull"],
)
def test_later_over_earlier(labels, spans, expected):
    entities = list(enumerate(labels))
    assert write(entities, spans) == expected
    assert write(entities[::-1], spans[::-1]) == [(a, b, label, 1 - k) for a, b, label, k in expected]


def test_skip_leaves_the_earlier_one():
    assert write([(0, "A"), (1, "B"), (2, "A")], [(0, 3), (2, 5), (3, 5)], skip=True) == [
        (0, 3, "A", 0),
        (3, 5, "A", 2),
    ]


def test_nothing_to_write():
    assert write([], []) == [] and hulls([], [])[0] == []
    assert hulls([(0, 1)], [], (), 0)[0] == [None] and write([(0, "A")], [None], words=0) == []
