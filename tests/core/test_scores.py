"""Candidates and their alignment scores: the vectors of the papers, and plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.columns import EntityColumn, LinkColumn
from xproj.core import candidates, scores
from xproj.core.case import BEFORE_BREAK, CAPITAL, CASELESS, JOINER, KINDS, PUNCTUATION, SMALL
from xproj.core.extension import BLOCKS, ENDS, PASSES, REACH
from xproj.corpus_counts import UNKNOWN

WORDS = 8
L1 = [(3, 4), (4, 5)]
L2 = [*L1, (3, 5), (4, 4)]

link_scores = st.sampled_from([0.0625, 0.125, 0.25, 0.5, 0.75, 1.0])
links_of_a_row = st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, WORDS - 1)), link_scores, max_size=12).map(
    lambda found: [(i, j, score) for (i, j), score in sorted(found.items())]
)
entity_spans = st.tuples(st.integers(0, 5), st.integers(1, 4)).map(lambda t: (t[0], min(6, t[0] + t[1])))


def columns(entities, links):
    """One row: its entity column, and the row of each entity."""
    column = EntityColumn.of([[(start, end, "X") for start, end in entities]])
    return np.zeros(len(entities), dtype=np.int64), column, LinkColumn.of([links])


def score(entity, spans, links, form, known=None):
    """The scores of candidate spans of one entity, (spans,); `known` are commonness and case of both sides' words."""
    rows, column, links = columns([entity], links)
    start, end = (np.array(side, dtype=np.int32) for side in zip(*spans, strict=True))
    out = np.zeros(len(spans), dtype=np.float32)
    scores.alignment(
        rows, column.start, column.end, np.array([0, len(spans)]), start, end, links.offsets, links.source,
        links.target, links.score, np.array([WORDS]), scores.FORMS.index(form), traits(known), out,
    )  # fmt: skip
    return out


CONTRAST = 1.5


def traits(known):
    if known is None:
        return UNKNOWN
    offsets = np.array([0, WORDS])
    (source, source_case), (target, target_case) = known
    sides = [np.array(side, dtype=np.float32) for side in (source, target)]
    cases = [np.array(side, dtype=np.int8) for side in (source_case, target_case)]
    return scores.Traits(sides[0], cases[0], offsets, sides[1], cases[1], offsets, CONTRAST)


def found(
    entities,
    links,
    allowed=(True,) * WORDS,
    max_words=WORDS,
    min_edge=0.2,
    runs_only=False,
    role=(BLOCKS,) * WORDS,
    lacks=1,
    letters=(1,) * WORDS,
):
    """The candidate spans of each entity of one row."""
    rows, column, links = columns(entities, links)
    offsets = np.zeros(len(entities) + 1, dtype=np.int64)
    arguments = (
        rows, column.start, column.end, links.offsets, links.source, links.target, links.score, np.array([WORDS]),
        np.array(allowed), np.array([0, WORDS]), max_words, min_edge, runs_only,
        np.full(len(entities), float(lacks)), np.array(role, dtype=np.int8), np.array(letters), offsets,
    )  # fmt: skip
    nothing = np.empty(0, dtype=np.int32)
    total = candidates.ngrams(*arguments, nothing, nothing)
    before = offsets.copy()
    start, end = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
    if total:
        assert candidates.ngrams(*arguments, start, end) == total
    assert offsets[-1] == total and np.array_equal(offsets, before)
    spans = list(zip(start.tolist(), end.tolist(), strict=True))
    return [spans[a:b] for a, b in zip(offsets, offsets[1:], strict=False)]


def all_spans(max_words=WORDS):
    return [(a, b) for a in range(WORDS) for b in range(a + 1, min(WORDS, a + max_words) + 1)]


def value(inside, outside):
    scale = max(1, inside + outside)
    inside, outside = inside / scale, outside / scale
    return inside + 0.95 * (1 - inside - outside) - 0.5 * outside


def cost(t, entity, links, known):
    if known is None:
        return 0
    (source, source_case), (target, target_case) = known
    source_case, target_case = ([kind % BEFORE_BREAK for kind in side] for side in (source_case, target_case))
    partners = [i for i, j, _ in links if j == t and entity[0] <= i < entity[1]]
    unlinked = [
        i
        for i in range(*entity)
        if sum(s for x, _, s in links if x == i) < 0.2 and source[i] < 0.2 and source_case[i] > JOINER
    ]
    linked_to = max((source[i] for i in partners), default=0)
    common = 2.5 * max(0, target[t] - min(linked_to, max(source[entity[0]], source[entity[1] - 1])))
    common += 2 * (target_case[t] == JOINER and all(source_case[i] > JOINER for i in range(*entity)))
    capital = [source_case[i] == CAPITAL and i > 0 for i in partners or unlinked]
    wanted = all(capital) if partners else any(capital)
    if target_case[t] == SMALL and wanted:
        return common + 0.6 * CONTRAST
    return common


def breaks(kinds):
    """Words of punctuation, and words with a mark behind them that are not the last."""
    return kinds.count(PUNCTUATION) + sum(kind >= BEFORE_BREAK for kind in kinds[:-1])


def reference(entity, span, links, form, known=None):
    (first, last), (a, b) = entity, span
    n_s, n_t = last - first, b - a
    joining = [(i, j, s) for i, j, s in links if first <= i < last and a <= j < b]
    if form == "raw":
        return 2 * len(joining) / (n_s + n_t)
    if form == "bounded":
        linked = {j for i, j, _ in links if first <= i < last}
        covered = len({i for i, _, _ in joining}) / n_s
        return 2 * len(linked & set(range(a, b))) / (n_t + len(linked)) * covered
    total = -sum(cost(t, entity, links, known) for t in {a, b - 1})
    if known and not breaks(known[0][1][first:last]):
        total -= 2 * breaks(known[1][1][a:b])
    for t in range(a, b):
        inside = sum(s for i, j, s in links if j == t and first <= i < last)
        total += value(inside, sum(s for i, j, s in links if j == t and not first <= i < last))
    for i in range(first, last):
        inside = sum(s for x, j, s in links if x == i and a <= j < b)
        total += value(inside, sum(s for x, j, s in links if x == i and not a <= j < b))
    return total / (n_s + n_t)


@pytest.mark.parametrize(
    ("form", "links", "expected"),
    [
        ("raw", L1, [2 / 3, 1, 0.8, 2 / 3]),
        ("bounded", L1, [1 / 3, 1, 0.8, 1 / 3]),
        ("raw", L2, [4 / 3, 2, 1.6, 4 / 3]),
        ("bounded", L2, [2 / 3, 1, 0.8, 2 / 3]),
    ],
)
def test_vectors(form, links, expected):
    assert score((3, 5), [(4, 5), (4, 6), (4, 7), (5, 6)], links, form) == pytest.approx(expected)


shares = st.lists(st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.875]), min_size=WORDS, max_size=WORDS)
kinds = st.integers(0, KINDS - 1) | st.integers(CASELESS, KINDS - 1).map(lambda kind: kind + BEFORE_BREAK)
letters = st.lists(kinds, min_size=WORDS, max_size=WORDS)
sides = st.tuples(shares, letters)


@pytest.mark.parametrize("form", scores.FORMS)
@settings(max_examples=60)
@given(entity=entity_spans, links=links_of_a_row, known=st.none() | st.tuples(sides, sides))
def test_scores_equal_plain_python(form, entity, links, known):
    spans = all_spans()
    values = score(entity, spans, links, form, known)
    assert values == pytest.approx([reference(entity, span, links, form, known) for span in spans], abs=1e-5)
    if form == "bounded":
        assert values.min() >= 0 and values.max() <= 1


def test_an_article_without_a_partner_is_left_out():
    links = [(3, 4), (3, 5)]  # "service" and "el servicio"
    source, target, case = [0.0] * WORDS, [0.0] * WORDS, [CASELESS] * WORDS
    target[4] = 0.75
    known = (source, case), (target, case)
    spans = [(4, 6), (5, 6)]
    blind, seeing = (score((3, 4), spans, links, "posterior", given) for given in (None, known))
    assert blind[0] > blind[1] and seeing[0] < seeing[1]
    source[3] = 0.75  # the entity holds an article of its own
    assert score((3, 4), spans, links, "posterior", known) == pytest.approx(blind)


def test_an_article_within_the_entity_begins_no_span():
    links = [(2, 6), (3, 4), (4, 5)]  # "Politik der Union" and "the Union policy"
    source, target, case = [0.0] * WORDS, [0.0] * WORDS, [CASELESS] * WORDS
    source[3] = target[4] = 0.75
    spans = [(4, 7), (5, 7)]
    known = (source, case), (target, case)
    with_article, without = score((2, 5), spans, links, "posterior", known)
    assert with_article < without
    source[2] = 0.75  # "die Politik der Union"
    with_article, without = score((2, 5), spans, links, "posterior", known)
    assert with_article > without


@pytest.mark.parametrize(
    ("mark", "source", "charged"),
    [
        (PUNCTUATION, CASELESS, [1, 1, 2]),
        (PUNCTUATION, JOINER, [1, 1, 2]),
        (PUNCTUATION, PUNCTUATION, [0, 0, 0]),
        (JOINER, CASELESS, [0, 1, 1]),
        (JOINER, JOINER, [0, 0, 0]),
        (JOINER, PUNCTUATION, [0, 0, 0]),
        (CASELESS + BEFORE_BREAK, CASELESS, [1, 0, 1]),
        (CASELESS + BEFORE_BREAK, CASELESS + BEFORE_BREAK, [1, 0, 1]),
        (CASELESS + BEFORE_BREAK, PUNCTUATION, [0, 0, 0]),
    ],
)
def test_punctuation_in_a_span_is_for_entities_that_have_some(mark, source, charged):
    """Within the span, at its end, and both: marks that may join words cost at an edge only, those behind a word only
    before the last one; behind the last word of the entity they say nothing."""
    links = [(3, 4), (3, 5), (3, 6), (4, 7), (4, 5)]
    none, letters = [0.0] * WORDS, [CASELESS] * WORDS
    spans = [(4, 7), (5, 8), (4, 8)]
    within, at_end = [*letters[:5], mark, *letters[6:]], [*letters[:7], mark, *letters[8:]]
    both = [*letters[:5], mark, CASELESS, mark, *letters[8:]]
    entity = [*letters[:4], source, *letters[5:]]
    for target, span, times in zip((within, at_end, both), spans, charged, strict=True):
        plain, costly = (
            score((3, 5), [span], links, "posterior", ((none, entity), (none, kinds)))[0] for kinds in (letters, target)
        )
        assert plain - costly == pytest.approx(2 * times / (2 + span[1] - span[0]), abs=1e-6)


def test_a_small_letter_at_an_edge_speaks_against_a_span():
    links = [(3, 4), (4, 5, 0.4)]  # "North Sea" and "Nordsee braut"
    none = [0.0] * WORDS
    small, capitals = [SMALL] * WORDS, [SMALL] * WORDS
    capitals[3] = capitals[4] = CAPITAL
    target = list(small)
    target[4] = CAPITAL
    spans = [(4, 5), (4, 6)]
    alike = score((3, 5), spans, links, "posterior", ((none, small), (none, target)))
    names = score((3, 5), spans, links, "posterior", ((none, capitals), (none, target)))
    assert alike[0] < alike[1] and names[0] > names[1] and alike[0] == names[0]


def test_spans_grow_over_unlinked_words():
    role = [PASSES, ENDS, PASSES, BLOCKS, ENDS, BLOCKS, ENDS, ENDS]
    linked = [(0, 3), (1, 5)]
    assert found([(0, 2)], linked) == [[(3, 4), (3, 6), (5, 6)]]
    grown = {(1, 4), (3, 5), (1, 6), (3, 7), (4, 6), (5, 7)}
    spans = found([(0, 2)], linked, role=role)[0]
    assert len(spans) == len(set(spans)) and set(spans) == {(3, 4), (3, 6), (5, 6)} | grown
    assert set(found([(0, 2)], linked, role=role, max_words=3)[0]) == {
        (3, 4),
        (5, 6),
        (1, 4),
        (3, 5),
        (4, 6),
        (5, 7),
        (3, 6),
    }
    # until it has the letters that it lacks
    assert set(found([(0, 2)], linked, role=role, lacks=2)[0]) == set(spans) | {(3, 8), (5, 8)}
    assert set(found([(0, 2)], linked, role=role, lacks=0)[0]) == {(3, 4), (3, 6), (5, 6)}
    assert found([(0, 2)], linked, role=role, lacks=2, letters=(2,) * WORDS)[0] == spans
    allowed = [word != 1 for word in range(WORDS)]
    assert all(start != 1 for start, _ in found([(0, 2)], linked, allowed, role=role)[0])


def onward(edge, step, role, letters, lacks):
    """Where an edge may move on to, word by word."""
    places, at, gained = [], edge, 0
    while gained < lacks:
        there = at + step
        while 0 <= there < WORDS and abs(there - at) <= REACH and role[there] == PASSES:
            there += step
        if not 0 <= there < WORDS or role[there] != ENDS or abs(there - edge) > REACH or abs(there - at) > REACH:
            return places
        gained += sum(letters[min(at + 1, there) : max(at, there + 1)])
        at = there
        places.append(at)
    return places


@given(
    links=links_of_a_row,
    role=st.lists(st.sampled_from([BLOCKS, PASSES, ENDS, ENDS]), min_size=WORDS, max_size=WORDS),
    letters=st.lists(st.integers(1, 5), min_size=WORDS, max_size=WORDS),
    lacks=st.integers(0, 12),
    max_words=st.integers(1, WORDS),
)
def test_growing_equals_plain_python(links, role, letters, lacks, max_words):
    plain = found([(0, 3)], links, max_words=max_words)[0]
    grown = found([(0, 3)], links, max_words=max_words, role=role, letters=letters, lacks=lacks)[0]
    moved = [(left, b) for a, b in plain for left in onward(a, -1, role, letters, lacks)]
    moved += [(a, right + 1) for a, b in plain for right in onward(b - 1, 1, role, letters, lacks)]
    assert sorted(grown) == sorted([*plain, *(span for span in moved if span[1] - span[0] <= max_words)])


def test_a_word_aligned_elsewhere_speaks_against_a_span():
    spans = [(4, 6), (4, 7)]
    free = score((3, 5), spans, L1, "posterior")
    taken = score((3, 5), spans, [(0, 6), *L1], "posterior")
    assert free[0] == taken[0] > free[1] > taken[1]


@pytest.mark.parametrize("form", ["raw", "bounded"])
@pytest.mark.parametrize("max_words", [3, WORDS])
@settings(max_examples=60)
@given(entity=entity_spans, links=links_of_a_row)
def test_the_reduced_range_loses_nothing(form, max_words, entity, links):
    links = [(i, j, 1.0) for i, j, _ in links]
    best = score(entity, all_spans(max_words), links, form).max()
    (reduced,) = found([entity], links, max_words=max_words)
    assert best == (score(entity, reduced, links, form).max() if reduced else 0)


@settings(max_examples=80)
@given(
    st.lists(entity_spans, max_size=3), links_of_a_row, st.lists(st.booleans(), min_size=WORDS, max_size=WORDS),
    st.integers(1, WORDS), st.booleans(),
)  # fmt: skip
def test_candidates_equal_plain_python(entities, links, allowed, max_words, runs_only):
    expected = []
    for first, last in entities:
        mass = [sum(s for i, j, s in links if j == t and first <= i < last) for t in range(WORDS)]
        edge = [m > 0 and m >= min(0.2, max(mass)) and ok for m, ok in zip(mass, allowed, strict=True)]
        spans = [(a, b) for a, b in all_spans(max_words) if edge[a] and edge[b - 1]]
        if runs_only:
            spans = [(a, b) for a, b in spans if not (a and edge[a - 1]) and not (b < WORDS and edge[b])]
        expected.append(spans)
    assert found(entities, links, allowed, max_words, runs_only=runs_only) == expected


def test_runs_and_edges():
    links = [(0, 1), (0, 2), (1, 4), (1, 5)]
    assert found([(0, 2)], links, runs_only=True) == [[(1, 3), (1, 6), (4, 6)]]
    assert found([(0, 2)], links, max_words=2, runs_only=True) == [[(1, 3), (4, 6)]]
    bracket = [word != 1 for word in range(WORDS)]
    assert found([(0, 1)], links, bracket) == [[(2, 3)]]
    assert found([(0, 1)], links, bracket, runs_only=True) == [[(2, 3)]]
    assert found([(0, 1)], [(0, 1, 0.1), (0, 2, 0.9)], runs_only=True) == [[(2, 3)]]


def test_a_weak_link_is_an_edge_when_there_is_no_better():
    assert found([(0, 1)], [(0, 3, 0.1)]) == [[(3, 4)]]
    assert found([(0, 1)], [(0, 3, 0.1), (0, 5, 0.6)]) == [[(5, 6)]]
    assert found([(0, 1), (2, 3)], [(0, 3)]) == [[(3, 4)], []]
