"""Edges that move on to unlinked words."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import EntityColumn, LinkColumn
from xproj.core import extension
from xproj.core.case import CAPITAL, CASELESS, PUNCTUATION, SMALL
from xproj.core.extension import BLOCKS, ENDS, LINKED, PASSES, REACH

WORDS = 9
links_of_a_row = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, WORDS - 1)), st.sampled_from([0.0625, 0.125, 0.25, 1.0]), max_size=8
).map(lambda found: [(i, j, score) for (i, j), score in sorted(found.items())])
entities = st.tuples(st.integers(0, 4), st.integers(1, 3)).map(lambda t: (t[0], min(5, t[0] + t[1])))


def mass(links, side, word, inside=(0, 99)):
    return sum(link[2] for link in links if link[side] == word and inside[0] <= link[0] < inside[1])


@given(entity=entities, links=links_of_a_row)
def test_surroundings_equal_plain_python(entity, links):
    column, rows = LinkColumn.of([[], links]), np.ones(1, dtype=np.int64)
    spans = EntityColumn.of([[], [(*entity, "X")]])
    asked, free = np.zeros(2 * WORDS, dtype=bool), np.zeros(2 * WORDS, dtype=bool)
    extension.surroundings(
        rows, spans.start, spans.end, column.offsets, column.source, column.target, column.score,
        np.full(2, WORDS), np.arange(3) * WORDS, 0.2, asked, free,
    )  # fmt: skip
    inside = [mass(links, 1, t, entity) for t in range(WORDS)]
    edges = {t for t in range(WORDS) if inside[t] > 0 and inside[t] >= min(0.2, max(inside))}
    unlinked = {t for t in range(WORDS) if mass(links, 1, t) < LINKED}
    near = {
        t
        for t in unlinked
        for e in edges
        if t != e and abs(t - e) <= REACH and set(range(min(t, e + 1), max(t + 1, e))) <= unlinked
    }
    assert not asked[:WORDS].any() and not free[:WORDS].any()
    assert set(np.flatnonzero(free[WORDS:])) == near and set(np.flatnonzero(asked[WORDS:])) == edges | near


@given(
    entity=entities,
    links=links_of_a_row,
    common=st.lists(st.sampled_from([0.0, 0.5]), min_size=5, max_size=5),
    phrases=st.booleans(),
    case=st.lists(st.sampled_from([PUNCTUATION, CASELESS, SMALL, CAPITAL]), min_size=5, max_size=5),
)
def test_growing_equals_plain_python(entity, links, common, case, phrases):
    column, spans, found = LinkColumn.of([links]), EntityColumn.of([[(*entity, "X")]]), np.ones(1, dtype=bool)
    extension.growing(
        np.zeros(1, dtype=np.int64), spans.start, spans.end, column.offsets, column.source, column.target, column.score,
        np.array([WORDS]), np.array(common, dtype=np.float32), np.array(case, dtype=np.int8), np.array([0, 5]),
        phrases, found,
    )  # fmt: skip
    words = range(*entity)
    content = [i for i in words if common[i] == 0 and case[i] != PUNCTUATION]
    incomplete = any(mass(links, 0, i) < LINKED for i in content)
    no_name = any(case[i] == SMALL for i in content) and all(case[i] != CAPITAL for i in words)
    shared = sum(mass(links, 1, t, entity) >= LINKED for t in range(WORDS)) < len(content)
    assert found[0] == (incomplete or shared or (phrases and no_name))


def test_an_edge_moves_to_the_nearest_content_word():
    role = np.array([ENDS, PASSES, BLOCKS, ENDS, PASSES, BLOCKS, PASSES, PASSES, PASSES, PASSES, PASSES, ENDS])
    places = [(5, -1, 3), (5, 1, 5), (2, -1, 0), (2, 1, 3), (10, 1, 11), (6, 1, 6), (7, 1, 11), (0, -1, 0), (11, 1, 11)]
    assert [extension.moved(edge, step, role) for edge, step, _ in places] == [to for *_, to in places]


def test_roles():
    free = np.array([True, True, True, False])
    common, case = np.array([0.0, 0.5, 0.0, 0.0]), np.array([CASELESS, SMALL, PUNCTUATION, SMALL])
    assert extension.roles(free, common, case).tolist() == [ENDS, PASSES, BLOCKS, BLOCKS]
