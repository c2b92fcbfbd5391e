"""Edges that move on to unlinked words."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import EntityColumn, LinkColumn
from xproj.core import extension
from xproj.core.case import CASELESS, JOINER, PUNCTUATION, SMALL
from xproj.core.extension import BLOCKS, ENDS, LINKED, MOST_COMMON, PASSES, REACH

WORDS = 9
links_of_a_row = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, WORDS - 1)), st.sampled_from([0.0625, 0.125, 0.25, 1.0]), max_size=8
).map(lambda found: [(i, j, score) for (i, j), score in sorted(found.items())])
entities = st.tuples(st.integers(0, 4), st.integers(1, 3)).map(lambda t: (t[0], min(5, t[0] + t[1])))


def mass(links, side, word, inside=(0, 99)):
    return sum(link[2] for link in links if link[side] == word and inside[0] <= link[0] < inside[1])


@given(
    entity=entities,
    links=links_of_a_row,
    letters=st.lists(st.integers(1, 9), min_size=WORDS, max_size=WORDS),
    expected=st.sampled_from([0.0, 4.0, 9.0]),
    longest=st.integers(1, WORDS),
)
def test_surroundings_equal_plain_python(entity, links, letters, expected, longest):
    column, rows = LinkColumn.of([[], links]), np.ones(1, dtype=np.int64)
    spans = EntityColumn.of([[], [(*entity, "X")]])
    asked, free, lacks = np.zeros(2 * WORDS, dtype=bool), np.zeros(2 * WORDS, dtype=bool), np.zeros(1)
    extension.surroundings(
        rows, spans.start, spans.end, column.offsets, column.source, column.target, column.score,
        np.full(2, WORDS), np.arange(3) * WORDS, 0.2, longest, np.array([1] * WORDS + letters),
        np.array([expected]), asked, free, lacks,
    )  # fmt: skip
    inside = [mass(links, 1, t, entity) for t in range(WORDS)]
    edges = {t for t in range(WORDS) if inside[t] > 0 and inside[t] >= min(0.2, max(inside))}
    outer = {t for t in range(WORDS) if inside[t] < LINKED}
    near = {
        t
        for t in outer
        for e in edges
        if t != e and abs(t - e) <= REACH and set(range(min(t, e + 1), max(t + 1, e))) <= outer
    }
    unlinked = {t for t in near if mass(links, 1, t) < LINKED}
    assert lacks[0] == max(0, expected - sum(size for t, size in enumerate(letters) if inside[t] >= LINKED))
    assert not asked[:WORDS].any() and not free[:WORDS].any()
    between = {t for a, b in pairwise(sorted(edges)) if b - a < longest for t in range(a, b)}
    assert set(np.flatnonzero(free[WORDS:])) == unlinked
    assert set(np.flatnonzero(asked[WORDS:])) == edges | near | between


def test_an_edge_moves_to_the_nearest_content_word():
    role = np.array([ENDS, PASSES, BLOCKS, ENDS, PASSES, BLOCKS, PASSES, PASSES, PASSES, PASSES, PASSES, ENDS])
    places = [(5, -1, 3), (5, 1, 5), (2, -1, 0), (2, 1, 3), (10, 1, 11), (6, 1, 6), (7, 1, 11), (0, -1, 0), (11, 1, 11)]
    assert [extension.moved(edge, step, role, 0, len(role)) for edge, step, _ in places] == [to for *_, to in places]


def test_roles():
    free, common = np.array([True] * 4 + [False] * 2), np.array([0.0, 0.5, 0.0, 0.0, 0.0, 0.5])
    case = np.array([CASELESS, SMALL, PUNCTUATION, JOINER, SMALL, SMALL])
    assert extension.roles(free, common, case).tolist() == [ENDS, PASSES, BLOCKS, BLOCKS, BLOCKS, PASSES]
    # MOST_COMMON itself is common
    edge = np.array([MOST_COMMON, np.nextafter(MOST_COMMON, 0.0)])
    assert extension.roles(np.array([True, True]), edge, np.array([SMALL, SMALL])).tolist() == [PASSES, ENDS]
