"""What each candidate is worth when spans are chosen: its scores, and what the corpus as a whole says for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xproj.core import matching
from xproj.core.confidence import LEAST as LEAST_CONFIDENCE
from xproj.core.confidence import probability
from xproj.core.link_mass import joining_mass
from xproj.span_scores import length_scores, precedent_scores, score_candidates

if TYPE_CHECKING:
    import pyarrow as pa

    from xproj.core.candidates import Candidates
    from xproj.corpus_counts import CorpusCounts
    from xproj.problems import Problem
    from xproj.recipe import Project

# below it a candidate that the scores allow, and lengths or precedents speak against, is worth ever less, but something
LEAST = np.float32(1e-4)
# exp of less is 0 in float32, and would exclude it
LOWEST = np.float32(-60.0)


class Weighed(NamedTuple):
    """Candidates, their total scores, and their values, 0 where scores exclude them; what lengths and precedents say
    where they count, all (candidates,) float32."""

    found: Candidates
    total: np.ndarray
    value: np.ndarray
    lengths: np.ndarray | None
    precedents: np.ndarray | None


def weigh(problem: Problem, settings: Project, table: pa.Table, corpus: CorpusCounts | None) -> Weighed:
    """The candidates of a problem and what they are worth; lengths and precedents choose among them, and exclude none.

    Raises:
        SchemaError: candidates or scores that do not fit the table.
    """
    found, total = score_candidates(problem, settings, table, corpus)
    # scores are float32: the floor is compared as one
    usable = (total > 0.0) & (total >= np.float32(settings.min_score))
    value = np.where(usable, total, np.float32(0.0))
    if not (corpus and settings.weighs_corpus):
        return Weighed(found, total, value, None, None)
    weight, length, precedent = np.float32(settings.scores["alignment"]), None, None
    said = np.zeros(len(value), dtype=np.float32)
    if settings.weighs_lengths:
        length = length_scores(problem, corpus.length_ratio, found)
        said += length
    if corpus.precedents and settings.weighs_precedents:
        voted = best(problem, settings, found, _with(value, weight * said))
        precedent = precedent_scores(problem, corpus.precedents, found, voted)
        said += precedent
    return Weighed(found, total, _with(value, weight * said), length, precedent)


def _with(value: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Values with what is said of them; those that all speaks against stay in order, or the longest would win."""
    wanted = value + said
    least = LEAST * np.exp(np.clip(wanted - LEAST, LOWEST, np.float32(0.0)))
    return np.where(value > 0.0, np.maximum(wanted, least), np.float32(0.0))


def best(problem: Problem, settings: Project, found: Candidates, value: np.ndarray) -> np.ndarray:
    """The candidate that each entity is given, (entities,), or -1; values (candidates,) above 0 may be chosen."""
    offsets = problem.entities.offsets
    chosen = np.full(len(problem.rows), -1, dtype=np.int64)
    if settings.solver == "greedy":
        matching.greedy(offsets, *found, value, 0.0, chosen)
    elif matching.exact(offsets, *found, value, 0.0, matching.MAX_ENTITIES, chosen):
        matching.exact_large(offsets, *found, value, 0.0, chosen)
    return chosen


def traits(
    problem: Problem, settings: Project, weighed: Weighed, owner: np.ndarray, chosen: np.ndarray
) -> np.ndarray | None:
    """What `core.confidence` asks of candidates that are `chosen` for the entities `owner`, (spans, 6) float64; None
    where lengths or precedents are not known."""
    if weighed.lengths is None or weighed.precedents is None:
        return None
    rows, links = problem.rows[owner], problem.links
    entity = problem.entities.start[owner], problem.entities.end[owner]
    span = weighed.found.start[chosen], weighed.found.end[chosen]
    mass = joining_mass(rows, *entity, *span, links.offsets, links.source, links.target, links.score)
    source_words, words = entity[1] - entity[0], span[1] - span[0]
    columns = (
        weighed.total[chosen] / np.float32(settings.scores["alignment"]),
        weighed.lengths[chosen],
        weighed.precedents[chosen],
        np.minimum(mass / source_words, 1.0),
        np.log(words),
        np.log(source_words),
    )
    return np.column_stack(columns).astype(np.float64)


def doubtful(
    problem: Problem, settings: Project, weighed: Weighed, owner: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Which entities, (entities,), are given a span that is hardly right; `owner` and `chosen` as in `traits`."""
    found = np.zeros(len(problem.rows), dtype=np.bool_)
    seen = traits(problem, settings, weighed, owner, chosen)
    if seen is not None:
        found[owner] = probability(seen) < LEAST_CONFIDENCE
    return found
