"""The gap-merge heuristic: the vectors of the paper's code, and plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.columns import EntityColumn, LinkColumn
from xproj.core import heuristic

WORDS = 9
REASONS = {heuristic.NO_LINK: "no link", heuristic.LOW_SCORE: "low", heuristic.OVERLAP: "overlap"}


def runs(entities, links, *, gap=1, ratio=0.8, allowed=(True,) * WORDS, words=WORDS, **options):
    """For each entity of one row its span, or why it has none; and the scores."""
    spans, reason, score = all_runs(entities, links, gap=gap, ratio=ratio, allowed=allowed, words=words, **options)
    assert all(len(mine) == (r == heuristic.KEPT) for mine, r in zip(spans, reason, strict=True))
    return [mine[0] if mine else REASONS[r] for mine, r in zip(spans, reason, strict=True)], score


def all_runs(entities, links, *, gap=1, ratio=0.8, allowed=(True,) * WORDS, words=WORDS, k=1, inside_only=False):
    """For each entity of one row its spans as they were taken, its reason, and the scores of the spans by entity."""
    column, links = EntityColumn.of([[(a, b, "X") for a, b in entities]]), LinkColumn.of([links])
    n = len(entities)
    owner, start, end = (np.zeros(n if k == 1 else words, np.int64) for _ in range(3))
    score, reason = np.zeros(len(owner), np.float32), np.full(n, 99, dtype=np.int64)
    count = heuristic.merged_runs(
        column.offsets, column.start, column.end, links.offsets, links.source, links.target, links.score,
        np.array([words]), np.array(allowed, dtype=np.bool_), np.array([0, words]), gap, inside_only, ratio, k, owner,
        start, end, score, reason,
    )  # fmt: skip
    taken = list(zip(owner[:count].tolist(), start[:count].tolist(), end[:count].tolist(), strict=True))
    spans = [[(a, b) for owner, a, b in taken if owner == k] for k in range(n)]
    return spans, reason.tolist(), score[np.argsort(owner[:count], kind="stable")]


def linked_to(targets, first=0):
    """Links of one entity's first word."""
    return [(first, target) for target in sorted(targets)]


def plain_runs(links, entity, allowed, gap, inside_only=False):
    """Merged runs of linked words without forbidden edges."""
    first, last = entity
    of_first = {j for i, j in links if i == first}
    groups = []
    for target in sorted({j for i, j in links if first <= i < last}):
        near = groups and target - groups[-1][-1] <= gap + 1
        if near and (target - groups[-1][-1] == 1 or not (inside_only and target in of_first)):
            groups[-1].append(target)
        else:
            groups.append([target])
    trimmed = [[t for t in group if allowed[t]] for group in groups]
    return [(group[0], group[-1] + 1) for group in trimmed if group]


def plain(entities, links, allowed, gap, ratio, k, inside_only):
    """Longest entities first, of each its longest runs first, no word twice."""
    spans, reason, taken = [[] for _ in entities], [heuristic.NO_LINK] * len(entities), set()
    for e in sorted(range(len(entities)), key=lambda e: entities[e][0] - entities[e][1]):
        size = entities[e][1] - entities[e][0]
        found = sorted(plain_runs(links, entities[e], allowed, gap, inside_only), key=lambda s: (s[0] - s[1], s[0]))
        long = [span for span in found if (span[1] - span[0]) / size > ratio][: k or None]
        for span in long:
            if not taken & set(range(*span)):
                spans[e].append(span)
                taken |= set(range(*span))
        if found:
            reason[e] = heuristic.KEPT if spans[e] else heuristic.OVERLAP if long else heuristic.LOW_SCORE
    return spans, reason


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


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=4),
    st.sets(st.tuples(st.integers(0, 6), st.integers(0, WORDS - 1)), max_size=12),
    st.lists(st.booleans(), min_size=WORDS, max_size=WORDS),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.5, 0.8]),
    st.integers(0, 3),
    st.booleans(),
)
def test_equals_plain_python(places, links, allowed, gap, ratio, k, inside_only):
    entities = [(start, start + size) for start, size in places]
    options = {"gap": gap, "ratio": ratio, "k": k, "inside_only": inside_only, "allowed": allowed}
    assert all_runs(entities, sorted(links), **options)[:2] == plain(entities, links, **options)


@pytest.mark.parametrize(("k", "expected"), [(1, [(5, 8)]), (2, [(5, 8), (0, 2)]), (0, [(5, 8), (0, 2), (3, 4)])])
def test_the_longest_runs_first(k, expected):
    spans, _, score = all_runs([(0, 2)], linked_to({0, 1, 3, 5, 6, 7}), gap=0, ratio=0.0, k=k)
    assert spans == [expected] and score == pytest.approx([1.0] * len(expected))


def test_all_runs_above_the_ratio():
    spans, reason, _ = all_runs([(0, 2)], linked_to({0, 1, 4, 6, 7}), gap=0, ratio=0.8, k=0)
    assert spans == [[(0, 2), (6, 8)]] and reason == [heuristic.KEPT]


def test_a_run_of_the_first_word_joins_none_before():
    links = [(0, 4), (1, 2), (1, 5)]
    assert runs([(0, 2)], links)[0] == [(2, 6)]
    assert runs([(0, 2)], links, inside_only=True)[0] == [(4, 6)]
    assert all_runs([(0, 2)], links, inside_only=True, k=0, ratio=0.0)[0] == [[(4, 6), (2, 3)]]
    assert runs([(0, 2)], [(0, 2), (1, 4)], inside_only=True)[0] == [(2, 5)]


def test_empty_sides():
    assert runs([], [])[0] == []
    assert runs([(0, 2)], [], words=0, allowed=())[0] == ["no link"]
