"""The completeness filters against plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.columns import EntityColumn, LinkColumn
from xproj.core import filters


def rejected(entities, spans, links, rules, asked=None, grown=False):
    """Which of the entities of one row break one of `rules` with their span."""
    column, links = EntityColumn.of([[(a, b, "X") for a, b in entities]]), LinkColumn.of([links])
    start, end = (np.array([span[side] for span in spans], dtype=np.int32) for side in (0, 1))
    asked = np.array([True] * len(spans) if asked is None else asked, dtype=np.bool_)
    return filters.incomplete(
        np.zeros(len(entities), dtype=np.int64), column.start, column.end, start, end, asked, links.offsets,
        links.source, links.target, *(rule in rules for rule in filters.RULES), grown,
    ).tolist()  # fmt: skip


def breaks(rule, entity, span, links, grown=False):
    first, last = entity
    hits = [j for i, j in links if first <= i < last and span[0] <= j < span[1]]
    if grown and hits:
        span = min(hits), max(hits) + 1
    mine = [(i, j) for i, j in links if first <= i < last]
    targets, words = {j for _, j in mine}, set(range(*span))
    if rule == "comp_src":
        return {i for i, _ in mine} != set(range(first, last))
    if rule == "comp_tgt":
        return not targets or len(targets) != max(targets) - min(targets) + 1
    if rule == "restr_tgt":
        return last - first == 1 and len(targets) > 1
    covered = len({i for i, j in mine if j in words}) / (last - first)
    return not 2 * len(targets & words) / (len(words) + len(targets)) * covered > 0.8


places = st.tuples(st.integers(0, 5), st.integers(1, 3)).map(lambda t: (t[0], t[0] + t[1]))


@settings(max_examples=150)
@given(
    st.lists(st.tuples(places, places, st.booleans()), max_size=4),
    st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12),
    st.sets(st.sampled_from(filters.RULES)),
    st.booleans(),
)
def test_equals_plain_python(cases, links, rules, grown):
    entities, spans, asked = [[case[k] for case in cases] for k in range(3)]
    expected = [ask and any(breaks(rule, entity, span, links, grown) for rule in rules) for entity, span, ask in cases]
    assert rejected(entities, spans, sorted(links), rules, asked, grown) == expected


@pytest.mark.parametrize(
    ("rule", "entity", "span", "links", "expected"),
    [
        ("strict", (0, 2), (0, 2), [(0, 0), (1, 1)], False),
        ("strict", (0, 2), (0, 3), [(0, 0), (1, 1)], True),
        ("strict", (0, 4), (0, 4), [(0, 0), (1, 1), (2, 2)], True),
        ("comp_src", (0, 2), (0, 1), [(0, 0)], True),
        ("comp_src", (0, 2), (0, 1), [(0, 0), (1, 5)], False),
        ("comp_tgt", (0, 2), (0, 1), [(0, 0), (1, 2)], True),
        ("comp_tgt", (0, 2), (0, 3), [(0, 0), (0, 1), (1, 2)], False),
        ("restr_tgt", (0, 1), (0, 2), [(0, 0), (0, 1)], True),
        ("restr_tgt", (0, 2), (0, 2), [(0, 0), (0, 1)], False),
    ],
)
def test_one_rule_at_a_time(rule, entity, span, links, expected):
    assert rejected([entity], [span], links, {rule}) == [expected]


def test_an_entity_without_links_is_incomplete_but_not_restricted():
    assert [rejected([(0, 1)], [(0, 1)], [], {rule})[0] for rule in filters.RULES] == [True, True, True, False]
