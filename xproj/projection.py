"""Projection of one table: from links, entities and scores to labelled target spans.

Arrow columns come in, are read as flat buffers, go through the kernels of `core`, and come out as Arrow columns. Every
source entity ends either as one target entity or as one `dropped` entry with its reason.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj import evidence
from xproj.columns import LINK, EntityColumn, LinkColumn, combine, flatten
from xproj.core import candidates as spans
from xproj.core import filters, heuristic, hull, ilp, matching, scores
from xproj.errors import SchemaError
from xproj.frequencies import commonness
from xproj.recipe import COMPUTED
from xproj.rows import only
from xproj.schema import STATUSES, status_codes
from xproj.solution import KEPT, LOW_SCORE, NO_LINK, OVERLAP, REJECTED, ROW_FAILED, Solution

if TYPE_CHECKING:
    from collections.abc import Callable

    from xproj.frequencies import Frequencies
    from xproj.recipe import Project

OK, UNLABELLED, FILTERED = (STATUSES.index(name) for name in ("ok", "unlabelled", "filtered"))
MIN_EDGE = 0.2
# room for candidates at first; when an average entity has more, they are counted and listed again
CANDIDATES_EACH = 16


class Projected(NamedTuple):
    """The columns that `project` adds, and the status of each row as indices into STATUSES."""

    target_entities: pa.Array
    dropped: pa.Array
    status: np.ndarray


class Problem(NamedTuple):
    """The matching problem of a table: its entities, their links and the target sentences, all flat.

    `rows` (entities,) is the row of each entity; `live` (rows,) marks the rows that are projected at all.
    """

    entities: EntityColumn
    rows: np.ndarray
    links: LinkColumn
    min_link: float
    target_words: np.ndarray
    target_offsets: np.ndarray
    edge_allowed: np.ndarray
    predicted: np.ndarray
    live: np.ndarray

    def strong(self) -> LinkColumn:
        """The links that methods on hard links see."""
        return self.links.at_least(self.min_link)


def project(table: pa.Table, settings: Project, frequencies: Frequencies | None = None) -> Projected:
    """Project the source entities of every row with status ok.

    `table` has the columns id, source_tokens, target_tokens, source_entities, source_predicted, status; links, if the
    settings need them; with model scores candidates and score_*; with candidates from markers marked_text. A row
    without source labels gets the status unlabelled. `frequencies` are those of the corpus (see frequencies.count);
    without them the posterior score cannot tell articles from names.

    Raises:
        SchemaError: links, entities or candidates outside their sentence, or scores that do not fit the candidates.
    """
    status = statuses(table)
    return conclude(*solve(table, settings, frequencies, status == OK), settings, status)


def statuses(table: pa.Table) -> np.ndarray:
    """The status of each row, (rows,) as indices into STATUSES; ok without source labels is unlabelled."""
    status = status_codes(table)
    unlabelled = np.asarray(pc.is_null(combine(table["source_entities"])).to_numpy(zero_copy_only=False))
    return np.where((status == OK) & unlabelled, UNLABELLED, status).astype(np.int32)


def solve(
    table: pa.Table, settings: Project, frequencies: Frequencies | None, live: np.ndarray
) -> tuple[Problem, Solution]:
    """The spans of the entities of the rows that are `live`, (rows,), and what became of each.

    Raises:
        SchemaError: see `project`.
    """
    problem = read_problem(table, settings, live)
    if settings.solver == "hull":
        # what the filter rejects must not be written over others
        solution = _write(problem, settings, _filter(problem, settings, _hulls(problem, settings)))
    elif settings.solver == "heuristic":
        solution = _filter(problem, settings, _heuristic(problem, settings))
    else:
        solution = _filter(problem, settings, _match(problem, settings, table, frequencies))
    return problem, solution


def conclude(problem: Problem, solution: Solution, settings: Project, status: np.ndarray) -> Projected:
    """The columns that a solution makes, rows that failed or are dropped as a whole considered."""
    reason = np.where(problem.live[problem.rows], solution.reason, ROW_FAILED)
    if settings.drop == "sentence":
        lost = np.bincount(problem.rows[reason >= 0], minlength=len(status)) > 0
        status = np.where(lost & (status == OK), FILTERED, status).astype(np.int32)
        reason[(reason == KEPT) & lost[problem.rows]] = REJECTED
    solution = solution._replace(reason=reason)
    entities = solution.target_entities(problem.entities, problem.rows, status == OK)
    return Projected(entities, solution.dropped(problem.entities, problem.rows), status)


def weak_links(table: pa.Table, settings: Project) -> dict[str, int]:
    """How many links of rows that are ok were read, and how many scored below `min_link`; empty if any score counts."""
    weighed = settings.scores.get("alignment") and settings.alignment_form != "posterior"
    hard = settings.solver in ("heuristic", "hull") or weighed or settings.filter not in ("auto", "none")
    if not hard and settings.filter == "auto":
        hard = bool(pc.any(combine(table["source_predicted"])).as_py())
    if not hard:
        return {}
    links = LinkColumn.read(only(status_codes(table) == OK, table["links"]))
    weak = np.count_nonzero(links.score < np.float32(settings.min_link))
    return {"links.read": len(links.score), "links.below_min_link": int(weak)}


def read_problem(table: pa.Table, settings: Project, live: np.ndarray) -> Problem:
    """The matching problem of a table; `live` (rows,) marks the rows that are projected at all."""
    entities = EntityColumn.read(table["source_entities"])
    links = LinkColumn.read(table["links"] if settings.needs_links else pa.nulls(table.num_rows, pa.list_(LINK)))
    _, source_words = _lengths(table["source_tokens"])
    target_offsets, target_words = _lengths(table["target_tokens"])
    check_links(table, "links", links, source_words, target_words)
    allowed = np.ones(target_offsets[-1], dtype=np.bool_)
    if not settings.boundary_punctuation:
        allowed = ~punctuation(flatten(table["target_tokens"])[1])
    predicted = pc.fill_null(combine(table["source_predicted"]), False).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(table.num_rows), np.diff(entities.offsets))
    # nobody looks at the entities of a failed row, but the kernels pass them
    start, end = (np.where(live[rows], side, place) for place, side in enumerate((entities.start, entities.end)))
    entities = replace(entities, start=start.astype(np.int32), end=end.astype(np.int32))
    _check_spans(table, "source_entities", rows, start, end, np.where(live, source_words, 1))
    return Problem(
        entities,
        rows,
        links,
        settings.min_link,
        target_words,
        target_offsets,
        allowed,
        np.asarray(predicted, dtype=np.bool_),
        live,
    )


def _lengths(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    lengths = pc.fill_null(pc.list_value_length(combine(column)), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]), lengths


def check_links(
    table: pa.Table, name: str, links: LinkColumn, source_words: np.ndarray, target_words: np.ndarray
) -> None:
    """Refuse links of the column `name` outside sentences of so many words, (rows,).

    Raises:
        SchemaError: names the row's id and the link.
    """
    at = spans.link_outside(links.offsets, links.source, links.target, source_words, target_words)
    if at >= 0:
        row = int(np.searchsorted(links.offsets, at, side="right")) - 1
        raise SchemaError(
            f"{name} of {table['id'][row].as_py()!r}: {links.source[at]}-{links.target[at]} is outside the sentences "
            f"of {source_words[row]} and {target_words[row]} words; links count words from 0"
        )


def _check_spans(
    table: pa.Table, column: str, rows: np.ndarray, start: np.ndarray, end: np.ndarray, words: np.ndarray
) -> None:
    outside = (start < 0) | (start >= end) | (end > words[rows])
    if outside.any():
        name = table["id"][int(rows[np.argmax(outside)])].as_py()
        raise SchemaError(f"{column} of {name!r}: a span outside the sentence; offsets are words, half-open")


def punctuation(words: pa.Array) -> np.ndarray:
    """Which words, (n,), consist of punctuation and symbols only."""
    encoded = words.dictionary_encode()
    distinct = pc.match_substring_regex(encoded.dictionary, r"^[\p{P}\p{S}]+$").to_numpy(zero_copy_only=False)
    return np.asarray(distinct[encoded.indices.to_numpy(zero_copy_only=False)], dtype=np.bool_)


def _match(problem: Problem, settings: Project, table: pa.Table, frequencies: Frequencies | None) -> Solution:
    """Candidates, their scores, and the solver."""
    found, total = score_candidates(problem, settings, table, frequencies)
    owner, chosen = _solve(problem, settings, table, found, total)
    usable = (total > 0.0) & (total >= np.float32(settings.min_score))
    counts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(usable)])
    any_usable = counts[found.offsets[1:]] > counts[found.offsets[:-1]]
    any_found = found.offsets[1:] > found.offsets[:-1]
    reason = np.where(any_usable, OVERLAP, np.where(any_found, LOW_SCORE, NO_LINK))
    reason[owner] = KEPT
    return Solution(owner, found.start[chosen], found.end[chosen], total[chosen], reason)


def _solve(
    problem: Problem, settings: Project, table: pa.Table, found: spans.Candidates, total: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The entities that have a span, and the candidate that it is; one entity may be named several times (ilp)."""
    # scores are float32: the floor is compared as one, here and in the kernels
    floor = float(np.float32(settings.min_score))
    offsets = problem.entities.offsets
    if settings.solver == "ilp":
        wanted = settings.constraint, settings.projections, settings.ilp_solver
        return ilp.solve(offsets, *found, total, floor, *wanted, ids=table["id"].to_pylist())
    chosen = np.full(len(problem.rows), -1, dtype=np.int64)
    if settings.solver == "greedy":
        matching.greedy(offsets, *found, total, floor, chosen)
    elif matching.exact(offsets, *found, total, floor, matching.MAX_ENTITIES, chosen):
        matching.exact_large(offsets, *found, total, floor, chosen)
    owner = np.flatnonzero(chosen >= 0)
    return owner, chosen[owner]


def score_candidates(
    problem: Problem, settings: Project, table: pa.Table, frequencies: Frequencies | None = None
) -> tuple[spans.Candidates, np.ndarray]:
    """The candidates of every entity and their weighted total scores, (candidates,) float32."""
    models = {name: weight for name, weight in settings.scores.items() if name not in COMPUTED}
    given = None
    if models or settings.candidates == "tagged":
        edges = problem.edge_allowed, problem.target_offsets
        given = evidence.read_candidates(table, problem.rows, problem.target_words, settings.max_words, *edges)
    marked = None
    if settings.candidates == "markers":
        edges = problem.edge_allowed, problem.target_offsets
        found, marked = evidence.read_marked(table, settings.markers, problem.rows, settings.max_words, *edges)
    else:
        found = _aligned(problem, settings) if given is None else given.found
    total = np.zeros(len(found.start), dtype=np.float32)
    if marked is not None:
        total += np.float32(settings.scores.get("markers", 0.0)) * marked
    if weight := settings.scores.get("alignment", 0.0):
        look_up = partial(_common, problem, table, frequencies)
        placed = given is not None or marked is not None
        total += np.float32(weight) * _alignment(problem, settings, found, placed, look_up)
    if weight := settings.scores.get("orthographic", 0.0):
        total += np.float32(weight) * evidence.orthographic(table, problem.entities, problem.rows, found)
    for name, weight in models.items():
        assert given is not None
        total += np.float32(weight) * evidence.model_score(table, name, given)
    return found, total


def _common(
    problem: Problem, table: pa.Table, frequencies: Frequencies | None, found: spans.Candidates
) -> scores.Commonness:
    """How common the words of the entities and the edges of the candidates are."""
    entities, rows = problem.entities, problem.rows
    candidate_rows = np.repeat(rows, np.diff(found.offsets))
    entity_spans = rows, entities.start, entities.end
    # an entity of a failed row is a placeholder that may point outside its sentence, and has no candidate
    live = problem.live[rows]
    kept = tuple(column[live] for column in entity_spans)
    words = found.end > found.start
    return commonness(table, frequencies, kept, (candidate_rows[words], found.start[words], found.end[words]))


def _alignment(
    problem: Problem,
    settings: Project,
    found: spans.Candidates,
    given: bool,
    look_up: Callable[[spans.Candidates], scores.Commonness],
) -> np.ndarray:
    """The alignment score of each candidate, (candidates,) float32.

    Candidates that were given may have unlinked words at their edges, for which the posterior form was not made: there
    it is the score of the linked part, such words counting for the length only. Without a linked part it is 0.
    """
    entities = problem.entities
    links = problem.links if settings.alignment_form == "posterior" else problem.strong()
    at = problem.rows, entities.start, entities.end
    flat = links.offsets, links.source, links.target, links.score
    total, part = np.zeros(len(found.start), dtype=np.float32), found
    if given:
        part = found._replace(start=np.empty_like(found.start), end=np.empty_like(found.end))
        spans.linked_part(*at, *found, *flat, problem.target_words, MIN_EDGE, part.start, part.end)
    scored = found if settings.alignment_form != "posterior" else part
    scores.alignment(
        *at, *scored, *flat, problem.target_words, scores.FORMS.index(settings.alignment_form),
        *look_up(scored), total,
    )  # fmt: skip
    if given:
        words = np.repeat(entities.end - entities.start, np.diff(found.offsets))
        if settings.alignment_form == "posterior":
            total *= ((words + part.end - part.start) / (words + found.end - found.start)).astype(np.float32)
        total[part.start == part.end] = 0.0
    return total


def _aligned(problem: Problem, settings: Project) -> spans.Candidates:
    """Candidates from the links alone: n-grams in the aligned range, or the aligned runs themselves."""
    words = problem.target_words
    links = problem.links if settings.alignment_form == "posterior" else problem.strong()
    offsets = np.zeros(len(problem.rows) + 1, dtype=np.int64)
    common = (
        problem.rows, problem.entities.start, problem.entities.end, links.offsets, links.source, links.target,
        links.score, words, problem.edge_allowed, problem.target_offsets, settings.max_words,
        MIN_EDGE, settings.candidates == "aligned", offsets,
    )  # fmt: skip
    room = CANDIDATES_EACH * len(problem.rows)
    while True:
        start, end = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
        total = spans.ngrams(*common, start, end)
        if total <= room:
            return spans.Candidates(offsets, start[:total], end[:total])
        room = total


def _heuristic(problem: Problem, settings: Project) -> Solution:
    """The merged runs of linked words."""
    links, entities = problem.strong(), problem.entities
    n = len(problem.rows)
    room = n if settings.max_runs == 1 else int(problem.target_words.sum())
    owner, start, end = (np.zeros(room, dtype=kind) for kind in (np.int64, np.int32, np.int32))
    score, reason = np.zeros(room, dtype=np.float32), np.full(n, NO_LINK, dtype=np.int64)
    count = heuristic.merged_runs(
        entities.offsets, entities.start, entities.end, links.offsets, links.source, links.target, links.score,
        problem.target_words, problem.edge_allowed, problem.target_offsets, settings.max_gap,
        settings.merge_inside_only, settings.min_length_ratio, settings.max_runs, owner, start, end, score, reason,
    )  # fmt: skip
    return Solution(owner[:count], start[:count], end[:count], score[:count], reason)


def _hulls(problem: Problem, settings: Project) -> Solution:
    """From the first to the last linked word of each entity; hulls may overlap."""
    cut = settings.filter not in ("auto", "none", "strict") and "restr_tgt" in settings.filter
    links, entities = problem.strong(), problem.entities
    start, end = (np.zeros(len(problem.rows), dtype=np.int32) for _ in range(2))
    score = np.zeros(len(problem.rows), dtype=np.float32)
    hull.hulls(
        problem.rows, entities.start, entities.end, links.offsets, links.source, links.target, links.score,
        problem.target_words, problem.edge_allowed, problem.target_offsets, cut, start, end, score,
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
        entities.offsets, entities.start, entities.label, start, end, hulls.reason == KEPT, problem.target_words,
        settings.overlap == "skip", owner, piece_start, piece_end,
    )  # fmt: skip
    owner = owner[:count]
    reason = np.where(hulls.reason == KEPT, OVERLAP, hulls.reason)
    reason[owner] = KEPT
    return Solution(owner, piece_start[:count], piece_end[:count], score[owner], reason)


def _filter(problem: Problem, settings: Project, solution: Solution) -> Solution:
    """Reject incomplete spans: of rows with predicted labels (auto), of all rows, or of none."""
    names = settings.filter
    rules: tuple[str, ...] = ("strict",) if names in ("auto", "strict") else () if names == "none" else tuple(names)
    if settings.candidates == "markers" and names == "auto":
        rules = ()  # what is complete is said by links, which marks do not need
    if settings.solver == "hull":
        # it cuts spans to that rule, as its authors do
        rules = tuple(rule for rule in rules if rule != "restr_tgt")
    if not rules:
        return solution
    rows, entities = problem.rows[solution.owner], problem.entities
    asked = problem.predicted[rows] if names == "auto" else np.ones(len(rows), dtype=np.bool_)
    if not asked.any():
        return solution
    links = problem.strong()
    rejected = filters.incomplete(
        rows, entities.start[solution.owner], entities.end[solution.owner], solution.start, solution.end, asked,
        links.offsets, links.source, links.target, *(rule in rules for rule in filters.RULES),
    )  # fmt: skip
    return solution.without(rejected, REJECTED)
