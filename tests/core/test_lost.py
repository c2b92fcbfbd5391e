"""Where a lost entity may lie, against plain Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import LinkColumn
from xproj.core import lost


@st.composite
def sentences(draw):
    """Target lengths, links and lost entities of a few sentences of five source words."""
    found = []
    for _ in range(draw(st.integers(0, 4))):
        words = draw(st.integers(0, 6))
        pairs = st.tuples(st.integers(0, 4), st.integers(0, max(0, words - 1)))
        links = sorted(draw(st.sets(pairs, max_size=6))) if words else []
        start = st.integers(0, 4)
        entities = draw(st.lists(start.flatmap(lambda s: st.tuples(st.just(s), st.integers(s + 1, 5))), max_size=3))
        found.append((words, links, entities))
    return found


def plain(words, links, entities):
    marked = [False] * words
    whole = False
    for start, end in entities:
        mine = [t for s, t in links if start <= s < end]
        whole |= not mine
        for t in mine:
            marked[t] = True
    marked = [here or (0 < i < words - 1 and marked[i - 1] and marked[i + 1]) or whole for i, here in enumerate(marked)]
    spans, begin = [], None
    for i, here in enumerate([*marked, False]):
        if here and begin is None:
            begin = i
        elif not here and begin is not None:
            spans.append((begin, i))
            begin = None
    return spans


@given(sentences())
def test_lost_spans_equal_plain_python(given_):
    offsets = np.concatenate([[0], np.cumsum([words for words, _, _ in given_])]).astype(np.int64)
    links = LinkColumn.of([pairs for _, pairs, _ in given_])
    flat = [(row, *entity) for row, (_, _, entities) in enumerate(given_) for entity in entities]
    rows, start, end = (np.array([one[k] for one in flat], dtype=np.int64) for k in range(3))
    unsure = lost.unsure_words(rows, start, end, links.offsets, links.source, links.target, offsets)
    bounds, begins, ends = lost.runs(unsure, offsets)
    found = [
        list(zip(begins[a:b].tolist(), ends[a:b].tolist(), strict=True))
        for a, b in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    assert found == [plain(*one) for one in given_]
