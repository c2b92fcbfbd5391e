"""The solvers against brute force: objective, constraints, ties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core import matching

# scores that float32 holds exactly, so that sums tie exactly
SCORES = [value / 8 for value in range(-2, 13)]


def problem(rows):
    """Flat arrays of rows of entities of candidates (start, end, score)."""
    entities = [entity for row in rows for entity in row]
    flat = np.array([candidate for entity in entities for candidate in entity], dtype=np.float64).reshape(-1, 3)
    return (
        np.cumsum([0, *(len(row) for row in rows)]),
        np.cumsum([0, *(len(entity) for entity in entities)]),
        flat[:, 0].astype(np.int32),
        flat[:, 1].astype(np.int32),
        flat[:, 2].astype(np.float32),
    )


def solve(rows, solver="exact", floor=0.0, max_entities=matching.MAX_ENTITIES):
    """The candidates (start, end, score) or None that each entity of each row got."""
    arrays = problem(rows)
    chosen = np.full(arrays[0][-1], -7, dtype=np.int64)
    if solver == "greedy":
        matching.greedy(*arrays, floor, chosen)
    elif matching.exact(*arrays, floor, max_entities, chosen):
        matching.exact_large(*arrays, floor, chosen)
    assert (chosen >= -1).all()
    entity_offsets, offsets = arrays[0], arrays[1]
    solved = []
    for row, first in zip(rows, entity_offsets, strict=False):
        picks = chosen[first : first + len(row)]
        for k, pick in enumerate(picks):
            assert pick == -1 or offsets[first + k] <= pick < offsets[first + k + 1]
        solved.append([row[k][p - offsets[first + k]] if p >= 0 else None for k, p in enumerate(picks)])
    return solved


def total(picks):
    return sum(pick[2] for pick in picks if pick)


def check(picks, floor=0.0):
    """No word twice, and nothing below the floor."""
    words = [word for pick in picks if pick for word in range(pick[0], pick[1])]
    assert len(words) == len(set(words))
    assert all(pick[2] > 0 and pick[2] >= floor for pick in picks if pick)


def brute_force(row, floor=0.0, used=0):
    """The largest total score of a row, and the most words that go with it."""
    if not row:
        return 0.0, 0
    best = brute_force(row[1:], floor, used)
    for start, end, score in row[0]:
        mask = (1 << end) - (1 << start)
        if score > 0 and score >= floor and not mask & used:
            rest, words = brute_force(row[1:], floor, used | mask)
            best = max(best, (score + rest, end - start + words))
    return best


def words_of(picks):
    return sum(pick[1] - pick[0] for pick in picks if pick)


def plain_greedy(row, floor=0.0):
    picks = [None] * len(row)
    while True:
        free = [
            (-score, start - end, k, start, end)
            for k, entity in enumerate(row)
            for start, end, score in entity
            if picks[k] is None
            and score > 0
            and score >= floor
            and all(p is None or end <= p[0] or p[1] <= start for p in picks)
        ]
        if not free:
            return picks
        negative, _, k, start, end = min(free)
        picks[k] = (start, end, -negative)


def random_row(rng, entities, candidates, words=9, scores=SCORES):
    row = []
    for _ in range(rng.integers(entities + 1)):
        drawn = []
        for _ in range(rng.integers(candidates + 1)):
            start = int(rng.integers(words))
            end = int(rng.integers(start + 1, min(words, start + 4) + 1))
            drawn.append((start, end, float(rng.choice(scores))))
        row.append(sorted(drawn))
    return row


spans = st.tuples(st.integers(0, 7), st.integers(1, 4), st.sampled_from(SCORES)).map(
    lambda t: (t[0], t[0] + t[1], t[2])
)
rows_of_entities = st.lists(st.lists(spans, max_size=4).map(sorted), max_size=5)


@given(st.lists(rows_of_entities, max_size=3), st.sampled_from([0.0, 0.5, 1.0]))
def test_exact_equals_brute_force(rows, floor):
    for row, picks in zip(rows, solve(rows, floor=floor), strict=True):
        check(picks, floor)
        assert (total(picks), words_of(picks)) == brute_force(row, floor)


@given(st.lists(rows_of_entities, max_size=3), st.sampled_from([0.0, 0.5]))
def test_greedy_equals_plain_python(rows, floor):
    assert solve(rows, "greedy", floor) == [plain_greedy(row, floor) for row in rows]


@pytest.mark.parametrize("floor", [0.0, 0.375])
def test_thousands_of_random_rows(floor):
    rng = np.random.default_rng(11)
    rows = [random_row(rng, entities=5, candidates=5) for _ in range(2000)]
    exact, greedy = solve(rows, floor=floor), solve(rows, "greedy", floor)
    lower = 0
    for row, best, fast in zip(rows, exact, greedy, strict=True):
        check(best, floor)
        check(fast, floor)
        assert (total(best), words_of(best)) == brute_force(row, floor)
        assert total(fast) <= total(best)
        lower += total(fast) < total(best)
    assert lower > 50


def test_scores_that_are_no_round_numbers():
    rng = np.random.default_rng(5)
    rows = [random_row(rng, 4, 4, scores=rng.normal(0.4, 0.5, size=40)) for _ in range(300)]
    for row, picks in zip(rows, solve(rows), strict=True):
        assert total(picks) == pytest.approx(brute_force(row)[0], abs=1e-6)


def test_the_integer_programme_has_the_same_objective():
    rng = np.random.default_rng(2)
    rows = [random_row(rng, entities=6, candidates=5) for _ in range(150)]
    arrays = problem(rows)
    chosen = np.empty(arrays[0][-1], dtype=np.int64)
    left = matching.exact(*arrays, 0.25, 2, chosen)
    assert left == (chosen == -2).sum() > 100
    for picks, programme in zip(solve(rows, floor=0.25), solve(rows, floor=0.25, max_entities=2), strict=True):
        check(programme, 0.25)
        assert total(programme) == pytest.approx(total(picks))


def test_greedy_is_not_exact():
    row = [[(0, 1, 0.9), (0, 2, 1.0)], [(1, 2, 0.9)]]
    assert solve([row], "greedy") == [[(0, 2, 1.0), None]]
    assert solve([row]) == [[(0, 1, 0.9), (1, 2, 0.9)]]


def test_fourteen_entities_that_all_touch():
    rng = np.random.default_rng(14)
    row = []
    for k in range(14):
        starts = rng.integers(max(0, k - 3), k + 4, size=8)
        row.append(
            sorted(
                (int(a), int(a + n), float(rng.choice(SCORES)))
                for a, n in zip(starts, rng.integers(1, 5, 8), strict=True)
            )
        )
    (picks,) = solve([row])
    check(picks)
    assert total(picks) == pytest.approx(total(solve([row], max_entities=1)[0]))
    assert total(picks) >= total(solve([row], "greedy")[0])


def test_more_entities_than_subsets_can_hold():
    count = matching.MAX_ENTITIES + 4
    row = [[(k, k + 1, 0.5), (k, k + 2, 0.75)] for k in range(count)]
    (picks,) = solve([row])
    check(picks)
    assert total(picks) == 0.5 * (count - 1) + 0.75


def test_a_long_sentence_with_many_entities():
    rng = np.random.default_rng(8)
    row = []
    for _ in range(matching.MAX_ENTITIES):
        starts, sizes = rng.integers(0, 290, size=30), rng.integers(1, 9, size=30)
        row.append(sorted((int(a), int(a + n), float(rng.random())) for a, n in zip(starts, sizes, strict=True)))
    arrays = problem([row])
    chosen = np.empty(matching.MAX_ENTITIES, dtype=np.int64)
    assert matching.exact(*arrays, 0.0, matching.MAX_ENTITIES, chosen) == matching.MAX_ENTITIES
    (picks,) = solve([row])
    check(picks)
    assert all(picks) and total(picks) >= total(solve([row], "greedy")[0])


@pytest.mark.parametrize("solver", ["exact", "greedy"])
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([[(0, 1, 0.5), (0, 2, 0.5)]], [(0, 2)]),
        ([[(0, 1, 0.5), (0, 2, 0.5)], [(1, 2, 0.25)]], None),
        ([[(0, 2, 0.5), (3, 5, 0.5)]], [(0, 2)]),
        ([[(3, 5, 0.5), (0, 2, 0.5)]], [(0, 2)]),
        ([[(3, 5, 0.5), (0, 2, 0.5)], [(5, 6, 0.25)]], [(0, 2), (5, 6)]),
        ([[(0, 1, 0.5), (2, 3, 0.5)], [(1, 2, 0.5)]], [(0, 1), (1, 2)]),
        ([[(1, 2, 0.5)], [(1, 2, 0.5)]], [(1, 2), None]),
        ([[(0, 1, 0.5), (3, 4, 0.5)], [(0, 1, 0.5), (3, 4, 0.5)]], [(0, 1), (3, 4)]),
        ([[(1, 2, 0.5)], [(1, 2, 0.5), (0, 2, 0.5)]], [None, (0, 2)]),
    ],
    ids=[
        "longer",
        "longer or more",
        "leftmost",
        "leftmost, listed later",
        "leftmost, listed later, beside another entity",
        "leftmost of two",
        "earlier entity",
        "in order",
        "longer before earlier",
    ],
)
def test_ties_are_broken_by_rule(solver, row, expected):
    if expected is None:
        expected = [(0, 1), (1, 2)] if solver == "exact" else [(0, 2), None]
    (picks,) = solve([row], solver)
    assert [pick and pick[:2] for pick in picks] == expected


@pytest.mark.parametrize("solver", ["exact", "greedy"])
def test_rows_are_independent(solver):
    rng = np.random.default_rng(3)
    rows = [random_row(rng, 4, 4) for _ in range(60)]
    together = solve(rows, solver)
    assert solve(rows[::-1], solver)[::-1] == together
    assert [solve([row], solver)[0] for row in rows] == together


@pytest.mark.parametrize("solver", ["exact", "greedy"])
@pytest.mark.parametrize("rows", [[], [[]], [[[]]], [[[], []], [], [[(0, 1, -1.0)], []]]])
def test_nothing_to_choose_from(solver, rows):
    assert solve(rows, solver) == [[None] * len(row) for row in rows]
