"""The integer programme against brute force and against the dynamic programme."""

from importlib.util import find_spec
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.core import ilp, matching
from xproj.errors import BackendError, RecipeError

needs_highs = pytest.mark.skipif(find_spec("highspy") is None, reason="needs highspy")
BACK_ENDS = [pytest.param("highs", marks=needs_highs), "cbc"]
SCORES = [value / 8 for value in range(-2, 13)]


def flat(rows):
    """Flat arrays of rows of entities of candidates (start, end, score)."""
    entities = [entity for row in rows for entity in row]
    values = np.array([candidate for entity in entities for candidate in entity], dtype=np.float64).reshape(-1, 3)
    return (
        np.cumsum([0, *(len(row) for row in rows)]),
        np.cumsum([0, *(len(entity) for entity in entities)]),
        values[:, 0].astype(np.int32),
        values[:, 1].astype(np.int32),
        values[:, 2].astype(np.float32),
    )


def solve(row, constraint="<=", projections=1, back_end="auto", floor=0.0):
    """The candidates of one row that were chosen, as (entity, start, end, score)."""
    arrays = flat([row])
    owner, chosen = ilp.solve(*arrays, floor, constraint, projections, back_end, ids=["s7"])
    _, _, start, end, score = arrays
    return [(int(k), int(start[c]), int(end[c]), float(score[c])) for k, c in zip(owner, chosen, strict=True)]


def usable(row, floor=0.0):
    return [(k, *c) for k, entity in enumerate(row) for c in entity if c[2] > 0 and c[2] >= floor]


def legal(chosen, row, constraint, projections, floor=0.0):
    """No word twice, and every entity that has candidates meets the constraint."""
    words = [word for _, start, end, _ in chosen for word in range(start, end)]
    if len(words) != len(set(words)):
        return False
    counts = [sum(k == entity for k, *_ in chosen) for entity in {k for k, *_ in usable(row, floor)}]
    return all(ilp.COMPARE[constraint](count, projections) for count in counts)


def brute_force(row, constraint, projections, floor=0.0):
    """The largest total of a legal choice, None without any."""
    given = usable(row, floor)
    choices = (choice for size in range(len(given) + 1) for choice in combinations(given, size))
    return max(
        (sum(c[3] for c in choice) for choice in choices if legal(choice, row, constraint, projections, floor)),
        default=None,
    )


candidates = st.tuples(st.integers(0, 5), st.integers(1, 3), st.sampled_from(SCORES)).map(
    lambda t: (t[0], t[0] + t[1], t[2])
)
rows_of_entities = st.lists(st.lists(candidates, max_size=3).map(sorted), max_size=3)


@settings(max_examples=60)
@given(rows_of_entities, st.sampled_from(["<=", "=", ">="]), st.integers(0, 2), st.sampled_from([0.0, 0.5]))
def test_equals_brute_force(row, constraint, projections, floor):
    best = brute_force(row, constraint, projections, floor)
    if best is None:
        with pytest.raises(RecipeError):
            solve(row, constraint, projections, floor=floor)
        return
    chosen = solve(row, constraint, projections, floor=floor)
    assert legal(chosen, row, constraint, projections, floor)
    assert sum(c[3] for c in chosen) == pytest.approx(best)


def adversarial(rng, entities):
    """Entities that all want the same few words, with whole spans that are worth a little less than their parts."""
    row = []
    for _ in range(entities):
        whole = (0, 6, 1.0 + rng.random() / 10)
        parts = [(k, k + 1, 0.2 + rng.random() / 10) for k in range(6)]
        row.append(sorted([whole, *parts, (0, 3, 0.55), (3, 6, 0.55)]))
    return row


def scattered(rng, entities):
    row = []
    for _ in range(entities):
        starts, sizes = rng.integers(0, 20, 6), rng.integers(1, 7, 6)
        row.append(
            sorted((int(a), int(a + n), float(rng.normal(0.4, 0.4))) for a, n in zip(starts, sizes, strict=True))
        )
    return row


@pytest.mark.parametrize("make", [adversarial, scattered])
@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_the_same_objective_as_exact_and_greedy_below(make, back_end):
    rng = np.random.default_rng(14)
    arrays = flat([make(rng, entities) for entities in range(15) for _ in range(2)])
    score = arrays[4]
    _, chosen = ilp.solve(*arrays, 0.1, solver=back_end)
    picks = {}
    for solver in (matching.exact, matching.greedy):
        pick = picks[solver] = np.full(arrays[0][-1], -1, dtype=np.int64)
        extra = (matching.MAX_ENTITIES,) if solver is matching.exact else ()
        assert not solver(*arrays, 0.1, *extra, pick)
    row_of = np.repeat(np.arange(30), np.diff(arrays[0]))
    row_of = np.repeat(row_of, np.diff(arrays[1]))

    def totals(pick):
        return np.bincount(row_of[pick], weights=score[pick], minlength=30)

    exact, greedy = (totals(pick[pick >= 0]) for pick in picks.values())
    assert totals(chosen) == pytest.approx(exact, abs=1e-6)
    assert (greedy <= exact + 1e-6).all() and (greedy < exact - 0.01).any()


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_two_projections(back_end):
    row = [[(0, 2, 1.0), (0, 1, 0.75), (1, 2, 0.75)]]
    assert solve(row, "<=", 2, back_end) == [(0, 0, 1, 0.75), (0, 1, 2, 0.75)]
    assert solve(row, "<=", 1, back_end) == [(0, 0, 2, 1.0)]
    assert solve(row, ">=", 1, back_end) == [(0, 0, 1, 0.75), (0, 1, 2, 0.75)]


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_exactly_one_even_when_it_costs(back_end):
    row = [[(0, 3, 1.0), (0, 1, 0.125)], [(1, 2, 0.25)]]
    assert solve(row, "=", 1, back_end) == [(0, 0, 1, 0.125), (1, 1, 2, 0.25)]
    assert solve(row, "<=", 1, back_end) == [(0, 0, 3, 1.0)]


def test_an_entity_without_usable_candidates_is_left_out():
    row = [[(0, 1, 0.5)], [], [(1, 2, -1.0)], [(1, 2, 0.25)]]
    assert solve(row, "=", 1, floor=0.5) == [(0, 0, 1, 0.5)]


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_what_cannot_be_met_names_the_sentence(back_end):
    with pytest.raises(RecipeError, match="sentence 's7': its entities cannot have = 1 target spans each.*'<='"):
        solve([[(0, 1, 0.5)], [(0, 1, 0.5)]], "=", 1, back_end)
    with pytest.raises(RecipeError, match="cannot have >= 2"):
        solve([[(0, 1, 0.5)]], ">=", 2, back_end)


def test_a_solver_that_stops_early_is_an_error(monkeypatch):
    import pulp

    class Lazy(pulp.PULP_CBC_CMD):
        def actualSolve(self, lp, **_):  # noqa: N802
            lp.assignStatus(pulp.LpStatusOptimal, pulp.LpSolutionIntegerFeasible)
            return lp.status

    monkeypatch.setattr(ilp, "back_end", lambda name: Lazy(msg=False))
    with pytest.raises(BackendError, match="sentence 's7': .*not optimal"):
        solve([[(0, 1, 0.5)]])


def test_back_ends(monkeypatch):
    assert ilp.back_end("cbc").name == "PULP_CBC_CMD"
    monkeypatch.setattr(ilp, "find_spec", lambda name: None)
    assert ilp.back_end("auto").name == "PULP_CBC_CMD"
    with pytest.raises(BackendError, match=r"pip install 'xproj\[solvers\]'"):
        ilp.back_end("highs")


@needs_highs
def test_auto_prefers_highs():
    assert ilp.back_end("auto").name == "HiGHS"


def test_the_programme_reads_as_the_formulas():
    problem, x = ilp.programme([0, 0, 1], [0, 0, 1], [2, 1, 2], [1.0, 0.5, 0.25], "=", 1)
    assert str(problem.objective) == "x0 + 0.5*x1 + 0.25*x2"
    formulas = ["x0 + x1 = 1", "x2 = 1", "x0 + x1 <= 1", "x0 + x2 <= 1"]
    lines = (line.partition(": ")[2] for line in str(problem).splitlines() if line.startswith(("entity", "word")))
    assert [line.removesuffix(".0") for line in lines] == formulas
    assert [variable.cat for variable in x] == ["Integer"] * 3


@pytest.mark.parametrize("rows", [[], [[]], [[[]]], [[[], []], [], [[(0, 1, -1.0)], []]]])
def test_nothing_to_choose_from(rows):
    owner, chosen = ilp.solve(*flat(rows), 0.0, ">=", 1)
    assert not len(owner) and not len(chosen)
