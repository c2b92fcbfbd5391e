"""Projection of one table: from links, entities and scores to labelled target spans.

Arrow columns come in, are read as flat buffers, go through the kernels of `core`, and come out as Arrow columns. Every
source entity ends either as one target entity or as one `dropped` entry with its reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj import lower_case
from xproj.columns import combine
from xproj.core import filters, heuristic, hull, ilp
from xproj.problems import read_problem
from xproj.schema import STATUSES, status_codes
from xproj.solution import (
    DOUBTFUL,
    IN_SMALL_LETTERS,
    INCOMPLETE,
    KEPT,
    LOW_SCORE,
    NO_LINK,
    OVERLAP,
    ROW_FAILED,
    TAKEN_ALONG,
    Solution,
)
from xproj.weighing import best, doubtful, weigh

if TYPE_CHECKING:
    from xproj.corpus_counts import CorpusCounts
    from xproj.problems import Problem
    from xproj.recipe import Project

OK, UNLABELLED, FILTERED, EMPTY_SOURCE, EMPTY_TARGET = (
    STATUSES.index(name) for name in ("ok", "unlabelled", "filtered", "empty_source", "empty_target")
)


class Projected(NamedTuple):
    """The columns that `project` adds, the status of each row as indices into STATUSES, and how many entities each
    filter rejected."""

    target_entities: pa.Array
    dropped: pa.Array
    status: np.ndarray
    filtered: dict[str, int]


def project(table: pa.Table, settings: Project, corpus: CorpusCounts | None = None) -> Projected:
    """Project the source entities of every row with status ok.

    `table` has the columns id, source_tokens, target_tokens, source_entities, source_predicted, status; links, if the
    settings need them; with model scores candidates and score_*; with candidates from markers marked_text. A row
    without source labels gets the status unlabelled, one without words empty_source or empty_target. `corpus` is
    what is known of the whole (see precedents.learn); without it the posterior score cannot tell articles from names.

    Raises:
        SchemaError: links, entities or candidates outside their sentence, or scores that do not fit the candidates.
    """
    status = statuses(table)
    return conclude(*solve(table, settings, corpus, status == OK), settings, status)


def statuses(table: pa.Table) -> np.ndarray:
    """The status of each row, (rows,) as indices into STATUSES; ok without words or source labels is not."""
    status = status_codes(table)
    for lacks, code in (
        (_is_empty(table["source_tokens"]), EMPTY_SOURCE),
        (_is_empty(table["target_tokens"]), EMPTY_TARGET),
        (pc.is_null(combine(table["source_entities"])), UNLABELLED),
    ):
        status = np.where((status == OK) & np.asarray(lacks.to_numpy(zero_copy_only=False)), code, status)
    return status.astype(np.int32)


def _is_empty(tokens: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Has a row no words, (rows,)?"""
    return pc.equal(pc.fill_null(pc.list_value_length(combine(tokens)), 0), 0)


def solve(
    table: pa.Table, settings: Project, corpus: CorpusCounts | None, live: np.ndarray
) -> tuple[Problem, Solution]:
    """The spans of the entities of the rows that are `live`, (rows,), and what became of each.

    Raises:
        SchemaError: see `project`.
    """
    problem = read_problem(table, settings, live)
    if settings.solver == "hull":
        # what the filter rejects must not be written over others
        kept = _filter(problem, settings, corpus, _hulls(problem, settings))
        return problem, _write(problem, settings, kept)
    if settings.solver == "heuristic":
        return problem, _filter(problem, settings, corpus, _heuristic(problem, settings))
    found, doubt = _match(problem, settings, table, corpus)
    found = _filter(problem, settings, corpus, found)
    return problem, found.without(doubt[found.owner], DOUBTFUL)


def conclude(problem: Problem, solution: Solution, settings: Project, status: np.ndarray) -> Projected:
    """The columns that a solution makes, rows that failed or are dropped as a whole considered."""
    reason = np.where(problem.live[problem.rows], solution.reason, ROW_FAILED)
    if settings.drop == "sentence":
        lost = np.bincount(problem.rows[reason >= 0], minlength=len(status)) > 0
        status = np.where(lost & (status == OK), FILTERED, status).astype(np.int32)
        reason[(reason == KEPT) & lost[problem.rows]] = TAKEN_ALONG
    solution = solution._replace(reason=reason)
    entities = solution.target_entities(problem.entities, problem.rows, status == OK)
    return Projected(entities, solution.dropped(problem.entities, problem.rows), status, solution.filtered())


def _match(
    problem: Problem, settings: Project, table: pa.Table, corpus: CorpusCounts | None
) -> tuple[Solution, np.ndarray]:
    """Candidates, what they are worth, and the solver; also which entities have a doubtful span, (entities,)."""
    weighed = weigh(problem, settings, table, corpus)
    found, total = weighed.found, weighed.total
    if settings.solver == "ilp":
        wanted = settings.constraint, settings.projections, settings.ilp_solver
        ids = table["id"].to_pylist()
        owner, chosen = ilp.solve(problem.entities.offsets, *found, weighed.value, 0.0, *wanted, ids=ids)
    else:
        taken = best(problem, settings, found, weighed.value)
        owner = np.flatnonzero(taken >= 0)
        chosen = taken[owner]
    counts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(weighed.value > 0.0)])
    any_usable = counts[found.offsets[1:]] > counts[found.offsets[:-1]]
    any_found = found.offsets[1:] > found.offsets[:-1]
    reason = np.where(any_usable, OVERLAP, np.where(any_found, LOW_SCORE, NO_LINK))
    reason[owner] = KEPT
    solution = Solution(owner, found.start[chosen], found.end[chosen], total[chosen], reason)
    asked = settings.filters_doubtful
    return solution, doubtful(problem, settings, weighed, owner, chosen) if asked else np.zeros(len(reason), np.bool_)


def _heuristic(problem: Problem, settings: Project) -> Solution:
    """The merged runs of linked words."""
    links, entities = problem.strong(), problem.entities
    n = len(problem.rows)
    room = n if settings.max_runs == 1 else int(problem.target.lengths.sum())
    owner, start, end = (np.zeros(room, dtype=kind) for kind in (np.int64, np.int32, np.int32))
    score, reason = np.zeros(room, dtype=np.float32), np.full(n, NO_LINK, dtype=np.int64)
    count = heuristic.merged_runs(
        entities.offsets, entities.start, entities.end, links.offsets, links.source, links.target, links.score,
        problem.target.lengths, problem.edge_allowed, problem.target.offsets, settings.max_gap,
        settings.merge_inside_only, settings.min_length_ratio, settings.max_runs, owner, start, end, score, reason,
    )  # fmt: skip
    return Solution(owner[:count], start[:count], end[:count], score[:count], reason)


def _hulls(problem: Problem, settings: Project) -> Solution:
    """From the first to the last linked word of each entity; hulls may overlap."""
    cut = "restr_tgt" in settings.completeness
    links, entities = problem.strong(), problem.entities
    start, end = (np.zeros(len(problem.rows), dtype=np.int32) for _ in range(2))
    score = np.zeros(len(problem.rows), dtype=np.float32)
    hull.hulls(
        problem.rows, entities.start, entities.end, links.offsets, links.source, links.target, links.score,
        problem.target.lengths, problem.edge_allowed, problem.target.offsets, cut, start, end, score,
    )  # fmt: skip
    owner = np.arange(len(problem.rows))
    reason = np.full(len(owner), KEPT, dtype=np.int64)
    return Solution(owner, start, end, score, reason).without(end == 0, NO_LINK)


def _write(problem: Problem, settings: Project, hulls: Solution) -> Solution:
    """The spans that are left when hulls are written as labels, one entity after the other."""
    entities, n = problem.entities, len(problem.rows)
    start, end, score = (np.zeros(n, dtype=values.dtype) for values in hulls[1:4])
    for mine, given in zip((start, end, score), hulls[1:4], strict=True):
        mine[hulls.owner] = given
    owner, piece_start, piece_end = (np.zeros(2 * n, dtype=kind) for kind in (np.int64, np.int32, np.int32))
    count = hull.write(
        entities.offsets, entities.start, entities.label, start, end, hulls.reason == KEPT, problem.target.lengths,
        settings.overlap == "skip", owner, piece_start, piece_end,
    )  # fmt: skip
    owner = owner[:count]
    reason = np.where(hulls.reason == KEPT, OVERLAP, hulls.reason)
    reason[owner] = KEPT
    return Solution(owner, piece_start[:count], piece_end[:count], score[owner], reason)


def _filter(problem: Problem, settings: Project, corpus: CorpusCounts | None, solution: Solution) -> Solution:
    """Reject spans that are incomplete, and those in small letters where the corpus writes such names with capitals."""
    solution = _complete(problem, settings, solution)
    if not (settings.filters_capitals and corpus and corpus.small_spans):
        return solution
    return solution.without(lower_case.exceptional(problem, solution, corpus.small_spans), IN_SMALL_LETTERS)


def _complete(problem: Problem, settings: Project, solution: Solution) -> Solution:
    """Reject incomplete spans: of rows with predicted labels (auto), of all rows, or of none."""
    rules, auto = settings.completeness, settings.filter == "auto"
    if settings.candidates == "markers" and auto:
        rules = ()  # what is complete is said by links, which marks do not need
    if settings.solver == "hull":
        # it cuts spans to that rule, as its authors do
        rules = tuple(rule for rule in rules if rule != "restr_tgt")
    if not rules:
        return solution
    rows, entities = problem.rows[solution.owner], problem.entities
    asked = problem.predicted[rows] if auto else np.ones(len(rows), dtype=np.bool_)
    if not asked.any():
        return solution
    links = problem.strong()
    rejected = filters.incomplete(
        rows, entities.start[solution.owner], entities.end[solution.owner], solution.start, solution.end, asked,
        links.offsets, links.source, links.target, *(rule in rules for rule in filters.RULES), settings.grows,
    )  # fmt: skip
    return solution.without(rejected, INCOMPLETE)
