"""The gap-merge heuristic: the vectors of the paper's code, and plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.columns import EntityColumn, LinkColumn
from xproj.core import heuristic

WORDS = 9
REASONS = {heuristic.NO_LINK: "no link", heuristic.LOW_SCORE: "low", heuristic.OVERLAP: "overlap"}


def runs(entities, links, *, gap=1, ratio=0.8, allowed=(True,) * WORDS, words=WORDS):
    """For each entity of one row its span, or why it has none; and the scores."""
    column, links = EntityColumn.of([[(a, b, "X") for a, b in entities]]), LinkColumn.of([links])
    n = len(entities)
    start, end, score = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.float32)
    reason = np.full(n, 99, dtype=np.int64)
    heuristic.longest_runs(
        column.offsets, column.start, column.end, links.offsets, links.source, links.target, links.score,
        np.array([words]), np.array(allowed, dtype=np.bool_), np.array([0, words]), gap, ratio, start, end, score,
        reason,
    )  # fmt: skip
    spans = [
        (int(a), int(b)) if r == heuristic.KEPT else REASONS[int(r)] for a, b, r in zip(start, end, reason, strict=True)
    ]
    return spans, score


def linked_to(targets, first=0):
    """Links of one entity's first word."""
    return [(first, target) for target in sorted(targets)]


def longest(targets, allowed, gap):
    """Merged runs of linked words without forbidden edges; the first longest one."""
    groups = []
    for target in sorted(targets):
        if groups and target - groups[-1][-1] <= gap + 1:
            groups[-1].append(target)
        else:
            groups.append([target])
    trimmed = [[t for t in group if allowed[t]] for group in groups]
    found = [(group[0], group[-1] + 1) for group in trimmed if group]
    return max(found, key=lambda span: span[1] - span[0], default=None)


@pytest.mark.parametrize(
    ("targets", "ratio", "expected"),
    [
        ({2, 3, 5}, 0.8, (2, 6)),
        ({2, 7}, 0.8, "low"),
        ({2, 7}, 0.0, (2, 3)),
        ({1, 2, 3}, 1.0, "low"),
        ({1, 2, 3, 4}, 1.0, (1, 5)),
        (set(), 0.8, "no link"),
    ],
)
def test_vectors(targets, ratio, expected):
    spans, _ = runs([(0, 3)], linked_to(targets), ratio=ratio)
    assert spans == [expected]


@pytest.mark.parametrize(("gap", "expected"), [(0, (4, 6)), (1, (4, 8)), (2, (1, 8))])
def test_gap(gap, expected):
    assert runs([(0, 2)], linked_to({1, 4, 5, 7}), gap=gap) == ([expected], pytest.approx([runs_score(expected)]))


def runs_score(span):
    return len({1, 4, 5, 7} & set(range(*span))) / (span[1] - span[0])


def test_the_longest_entity_goes_first_and_the_loser_is_an_overlap():
    spans, _ = runs([(0, 1), (0, 3)], linked_to({2, 3, 4}), ratio=0.5)
    assert spans == ["overlap", (2, 5)]
    spans, _ = runs([(0, 1), (1, 2)], [(0, 4), (1, 4)])
    assert spans == [(4, 5), "overlap"]


def test_the_score_is_the_mean_mass_and_never_above_one():
    assert runs([(0, 2)], [(0, 2), (0, 3), (1, 2), (1, 3)])[1] == pytest.approx([1])
    assert runs([(0, 2)], [(0, 2, 0.5), (1, 3, 1.0)])[1] == pytest.approx([0.75])


def test_punctuation_is_trimmed_from_the_edges_only():
    allowed = [word not in (1, 3, 6) for word in range(WORDS)]
    assert runs([(0, 1)], linked_to({1, 2, 3, 4}), allowed=allowed)[0] == [(2, 5)]
    assert runs([(0, 1)], linked_to({1}), allowed=allowed)[0] == ["no link"]


def test_trimming_leaves_no_unlinked_edge():
    allowed = [word != 4 for word in range(WORDS)]
    assert runs([(0, 1)], linked_to({2, 4}), allowed=allowed)[0] == [(2, 3)]
    assert runs([(0, 1)], linked_to({4, 6}), allowed=allowed)[0] == [(6, 7)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=4),
    st.sets(st.tuples(st.integers(0, 6), st.integers(0, WORDS - 1)), max_size=12),
    st.lists(st.booleans(), min_size=WORDS, max_size=WORDS),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.5, 0.8]),
)
def test_equals_plain_python(places, links, allowed, gap, ratio):
    entities = [(start, start + size) for start, size in places]
    expected, taken = ["no link"] * len(entities), set()
    for k in sorted(range(len(entities)), key=lambda k: entities[k][0] - entities[k][1]):
        first, last = entities[k]
        span = longest({j for i, j in links if first <= i < last}, allowed, gap)
        if span is not None:
            words = set(range(*span))
            if len(words) / (last - first) <= ratio:
                expected[k] = "low"
            elif words & taken:
                expected[k] = "overlap"
            else:
                expected[k], taken = span, taken | words
    assert runs(entities, sorted(links), gap=gap, ratio=ratio, allowed=allowed)[0] == expected


def test_empty_sides():
    assert runs([], [])[0] == []
    assert runs([(0, 2)], [], words=0, allowed=())[0] == ["no link"]
