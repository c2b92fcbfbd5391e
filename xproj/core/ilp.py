"""The matching problem as an integer programme, written as its formulas; PuLP hands it to HiGHS or to CBC.

    maximise    Σ c[s, t] · x[s, t]                x[s, t] ∈ {0, 1}
    subject to  Σ_t x[s, t]  ≤ n  (or = n, ≥ n)    for every entity s that has a usable candidate
                Σ x[s, t] over spans t that cover word w  ≤ 1    for every target word w

`matching.exact` solves it for ≤ 1, thousands of times as fast. This module is there for the other constraints, and as
the plain statement that the fast solvers are tested against. Among equal optima the choice is the solver's.
"""

from __future__ import annotations

import operator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from xproj.errors import BackendError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulp

COMPARE: dict[str, Any] = {"<=": operator.le, "=": operator.eq, ">=": operator.ge}


def programme(
    owner: Sequence[int],
    start: Sequence[int],
    end: Sequence[int],
    score: Sequence[float],
    constraint: str = "<=",
    projections: int = 1,
) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    """The programme of one sentence and its variables, one for each candidate.

    Args:
        owner: the entity of each candidate, (candidates,).
        start: the first target word of each candidate; `end` the word after its last one.
        end: see `start`.
        score: c[s, t] of each candidate.
        constraint: how many candidates of an entity are chosen: `<=`, `=` or `>=` `projections`.
        projections: n.
    """
    import pulp

    candidates = range(len(owner))
    problem = pulp.LpProblem("matching", pulp.LpMaximize)
    x = [pulp.LpVariable(f"x{c}", cat=pulp.LpBinary) for c in candidates]
    problem += pulp.lpSum(score[c] * x[c] for c in candidates)
    for entity in sorted(set(owner)):
        chosen = pulp.lpSum(x[c] for c in candidates if owner[c] == entity)
        problem += COMPARE[constraint](chosen, projections), f"entity_{entity}"
    for word in range(min(start), max(end)):
        covering = [x[c] for c in candidates if start[c] <= word < end[c]]
        if len(covering) > 1:
            problem += pulp.lpSum(covering) <= 1, f"word_{word}"
    return problem, x


def back_end(name: str) -> pulp.LpSolver:
    """The solver `highs`, `cbc`, or `auto`: HiGHS where it is installed, else CBC, which comes with PuLP.

    Raises:
        BackendError: HiGHS is asked for and not installed.
    """
    import pulp

    if name == "cbc" or (name == "auto" and find_spec("highspy") is None):
        return pulp.PULP_CBC_CMD(msg=False, gapRel=0.0, gapAbs=0.0)
    if find_spec("highspy") is None:
        raise BackendError(
            "[project] ilp_solver = 'highs': the package 'highspy' is missing; pip install 'xproj[solvers]', or use cbc"
        )
    return pulp.HiGHS(msg=False, gapRel=0.0, gapAbs=0.0, threads=1)


def solve(
    entity_offsets: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    floor: float,
    constraint: str = "<=",
    projections: int = 1,
    solver: str = "auto",
    ids: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The chosen candidates of all rows and their entities, (chosen,) each, sorted by entity, then candidate.

    Entities of row r are `entity_offsets[r]:entity_offsets[r + 1]`, candidates of entity k `offsets[k]:offsets[k + 1]`.
    Usable are those with a score above 0 and of at least `floor`. `ids` names the rows in messages.

    Raises:
        RecipeError: a sentence whose spans cannot meet the constraint.
        BackendError: the solver is missing, or ended without an optimum.
    """
    engine = back_end(solver)
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    usable = (score > 0.0) & (score >= floor)
    found: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
    for row in range(len(entity_offsets) - 1):
        first, last = offsets[entity_offsets[row]], offsets[entity_offsets[row + 1]]
        mine = first + np.flatnonzero(usable[first:last])
        if not len(mine):
            continue
        columns = (values[mine].tolist() for values in (owner, start, end, score))
        problem, x = programme(*columns, constraint, projections)
        problem.solve(engine)
        _check(problem, f"sentence {ids[row]!r}" if ids is not None else f"row {row}", f"{constraint} {projections}")
        found.append(mine[[variable.varValue > 0.5 for variable in x]])
    chosen = np.concatenate(found)
    return owner[chosen], chosen


def _check(problem: pulp.LpProblem, where: str, wanted: str) -> None:
    import pulp

    if problem.status == pulp.LpStatusInfeasible:
        raise RecipeError(
            f"{where}: its entities cannot have {wanted} target spans each without sharing a word; "
            "use project.constraint = '<='"
        )
    if problem.status != pulp.LpStatusOptimal or problem.sol_status != pulp.LpSolutionOptimal:
        raise BackendError(
            f"{where}: the integer programme ended as {pulp.LpStatus[problem.status]!r}, not optimal; "
            "try the other project.ilp_solver, or solver = 'exact'"
        )
