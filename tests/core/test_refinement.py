"""Back-translation in the pure core, against plain references."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xproj.core import refinement


def test_owners_by_place_and_by_number():
    source, back = np.array([0, 2, 2, 5]), np.array([0, 2, 2, 4])
    assert refinement.owners(source, back, np.array([-1, -1, 2, 0])).tolist() == [0, 1, 4, 2]


@st.composite
def one_row(draw):
    """A row: source entities, a back entity for some of them, links of the back-translation."""
    spans = st.tuples(st.integers(0, 4), st.integers(1, 3)).map(lambda s: (s[0], s[0] + s[1]))
    entities = draw(st.lists(spans, max_size=3))
    owner = sorted(draw(st.sets(st.integers(0, len(entities) - 1)))) if entities else []
    back = [draw(spans) for _ in owner]
    cells = st.tuples(st.integers(0, 7), st.integers(0, 4))
    links = sorted(draw(st.dictionaries(cells, st.sampled_from([0.25, 0.5, 1.0]), max_size=8)).items())
    return entities, owner, back, links


@given(st.lists(one_row(), max_size=4))
def test_mapped_links(rows):
    source_offsets = np.concatenate([[0], np.cumsum([len(row[0]) for row in rows])]).astype(np.int64)
    back_offsets = np.concatenate([[0], np.cumsum([len(row[1]) for row in rows])]).astype(np.int64)
    link_offsets = np.concatenate([[0], np.cumsum([len(row[3]) for row in rows])]).astype(np.int64)
    spans = [np.array([s[side] for row in rows for s in row[0]], np.int32) for side in (0, 1)]
    back = [np.array([s[side] for row in rows for s in row[2]], np.int32) for side in (0, 1)]
    links = [np.array([cell[side] for row in rows for cell, _ in row[3]], np.int32) for side in (0, 1)]
    scores = np.array([score for row in rows for _, score in row[3]], np.float32)
    owner = refinement.owners(
        source_offsets, back_offsets, np.array([k for row in rows for k in row[1]], dtype=np.int64)
    )
    words = np.full(len(rows), 8)
    offsets, source, target, score = refinement.mapped_links(
        link_offsets, *links, scores, back_offsets, *back, owner, *spans, words
    )
    for row, (entities, mine, found, pairs) in enumerate(rows):
        wanted = {}
        for (b, t), value in pairs:
            places = []
            for number, (start, end) in zip(mine, found, strict=True):
                if start <= b < end:
                    low, high = entities[number]
                    places.append(low + (b - start) * (high - low) // (end - start))
            for place in places or [8]:
                wanted[place, t] = max(value, wanted.get((place, t), 0))
        here = slice(offsets[row], offsets[row + 1])
        cells = list(zip(source[here].tolist(), target[here].tolist(), strict=True))
        assert cells == sorted(wanted)
        assert score[here].tolist() == [wanted[cell] for cell in cells]


SPANS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 3)).map(lambda s: (s[0], s[1], s[1] + s[2])),
    max_size=6,
)


def columns(spans):
    return [np.array([span[side] for span in spans], dtype=np.int64) for side in range(3)]


@given(SPANS, SPANS)
def test_agreeing(mine, theirs):
    found = refinement.agreeing(*columns(mine), *columns(theirs))
    assert found.tolist() == [any(o == p and a < d and c < b for p, c, d in theirs) for o, a, b in mine]


@given(SPANS, SPANS)
def test_free(taken, spans):
    used = {word for _, start, end in taken for word in range(start, end)}
    found = refinement.free(*columns(taken)[1:], *columns(spans)[1:], 9)
    assert found.tolist() == [used.isdisjoint(range(start, end)) for _, start, end in spans]
