"""The candidates of a table's entities and what speaks for each of them: links, looks, marks, scores of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xproj import evidence
from xproj.core import candidates as spans
from xproj.core import extension, lengths, precedents, scores
from xproj.corpus_counts import UNKNOWN, traits
from xproj.recipe import COMPUTED

if TYPE_CHECKING:
    import pyarrow as pa

    from xproj.core.precedents import Precedents
    from xproj.corpus_counts import CorpusCounts
    from xproj.problems import Problem
    from xproj.recipe import Project

MIN_EDGE = 0.2
# room for candidates at first; when an average entity has more, they are counted and listed again
CANDIDATES_EACH = 16


def score_candidates(
    problem: Problem, settings: Project, table: pa.Table, corpus: CorpusCounts | None = None
) -> tuple[spans.Candidates, np.ndarray]:
    """The candidates of every entity and their weighted total scores, (candidates,) float32."""
    models = {name: weight for name, weight in settings.scores.items() if name not in COMPUTED}
    given, seen = None, NOTHING_SEEN
    if models or settings.candidates == "tagged":
        edges = problem.edge_allowed, problem.target.offsets
        given = evidence.read_candidates(table, problem.rows, problem.target.lengths, settings.max_words, *edges)
    marked = None
    if settings.candidates == "markers":
        edges = problem.edge_allowed, problem.target.offsets
        found, marked = evidence.read_marked(table, settings.markers, problem.rows, settings.max_words, *edges)
    elif given is not None:
        found = given.found
    else:
        seen = _growing(problem, settings, corpus)
        found = _aligned(problem, settings, seen)
    total = np.zeros(len(found.start), dtype=np.float32)
    if marked is not None:
        total += np.float32(settings.scores.get("markers", 0.0)) * marked
    if weight := settings.scores.get("alignment", 0.0):
        if given is None and marked is None:
            total += np.float32(weight) * _alignment(problem, settings, found, seen.traits)
        else:
            total += np.float32(weight) * _alignment_of_given(problem, settings, found, corpus)
    if weight := settings.scores.get("orthographic", 0.0):
        total += np.float32(weight) * evidence.orthographic(table, problem.entities, problem.rows, found)
    for name, weight in models.items():
        assert given is not None
        total += np.float32(weight) * evidence.model_score(table, name, given)
    return found, total


class Seen(NamedTuple):
    """The traits of the words that matter; how many letters entities lack that may grow over unlinked words for it,
    (entities,), the role in that of each target word (see `extension`), and its letters."""

    traits: scores.Traits
    lacks: np.ndarray
    role: np.ndarray
    letters: np.ndarray


NOTHING_SEEN = Seen(UNKNOWN, np.zeros(0), np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.int32))


def _growing(problem: Problem, settings: Project, corpus: CorpusCounts | None) -> Seen:
    """What words show before candidates are listed, if the posterior form of the alignment score asks for it."""
    entities, words = problem.entities, len(problem.edge_allowed)
    lacks, nothing = np.zeros(len(problem.rows)), np.zeros(words, dtype=np.int8)
    asked = settings.alignment_form == "posterior" and settings.scores.get("alignment", 0.0)
    if corpus is None or not asked:
        return NOTHING_SEEN._replace(lacks=lacks, role=nothing, letters=nothing.astype(np.int32))
    # an entity of a failed row is a placeholder that may point outside its sentence
    live = problem.live[problem.rows]
    at = problem.rows[live], entities.start[live], entities.end[live]
    links = problem.links.offsets, problem.links.source, problem.links.target, problem.links.score
    wanted, free = np.zeros(words, dtype=np.bool_), np.zeros(words, dtype=np.bool_)
    expected = _expected(problem, corpus.length_ratio)[live]
    sizes, short = problem.target.letters, np.zeros(len(expected))
    extension.surroundings(
        *at, *links, problem.target.lengths, problem.target.offsets, MIN_EDGE, settings.max_words, sizes, expected,
        wanted, free, short,
    )  # fmt: skip
    found = traits(problem.source, problem.target, corpus, at, wanted)
    if settings.grows:
        lacks[live] = short
    return Seen(found, lacks, extension.roles(free, found.target_common, found.target_case), sizes)


def _traits_of(problem: Problem, corpus: CorpusCounts | None, found: spans.Candidates) -> scores.Traits:
    """The traits of the words of the entities and of given candidates."""
    entities, rows = problem.entities, problem.rows
    live = problem.live[rows]
    words = found.end > found.start
    base = np.repeat(problem.target.offsets[rows], np.diff(found.offsets))[words]
    size = len(problem.edge_allowed) + 1
    begun, ended = (np.bincount(base + at[words], minlength=size)[:-1] for at in (found.start, found.end))
    wanted = np.cumsum(begun - ended) > 0
    spans_of = rows[live], entities.start[live], entities.end[live]
    return traits(problem.source, problem.target, corpus, spans_of, wanted)


def _alignment(problem: Problem, settings: Project, found: spans.Candidates, known: scores.Traits) -> np.ndarray:
    """The alignment score of each candidate, (candidates,) float32."""
    entities = problem.entities
    links = problem.links if settings.alignment_form == "posterior" else problem.strong()
    total = np.zeros(len(found.start), dtype=np.float32)
    scores.alignment(
        problem.rows, entities.start, entities.end, *found, links.offsets, links.source, links.target, links.score,
        problem.target.lengths, scores.FORMS.index(settings.alignment_form), known, total,
    )  # fmt: skip
    return total


def _alignment_of_given(
    problem: Problem, settings: Project, found: spans.Candidates, corpus: CorpusCounts | None
) -> np.ndarray:
    """The alignment score of candidates that may have unlinked words at their edges, (candidates,) float32.

    The posterior form was not made for those: there it is the score of the linked part, such words counting for the
    length only. Without a linked part it is 0.
    """
    posterior = settings.alignment_form == "posterior"
    entities = problem.entities
    links = problem.links if posterior else problem.strong()
    part = found._replace(start=np.empty_like(found.start), end=np.empty_like(found.end))
    spans.linked_part(
        problem.rows, entities.start, entities.end, *found, links.offsets, links.source, links.target, links.score,
        problem.target.lengths, MIN_EDGE, part.start, part.end,
    )  # fmt: skip
    scored = part if posterior else found
    total = _alignment(problem, settings, scored, _traits_of(problem, corpus, scored))
    words = np.repeat(entities.end - entities.start, np.diff(found.offsets))
    if posterior:
        total *= ((words + part.end - part.start) / (words + found.end - found.start)).astype(np.float32)
    total[part.start == part.end] = 0.0
    return total


def precedent_scores(problem: Problem, known: Precedents, found: spans.Candidates, voted: np.ndarray) -> np.ndarray:
    """What the corpus says for each candidate, (candidates,) float32; `voted` (entities,) is the candidate that each
    entity has without it, or -1."""
    source, target = problem.source, problem.target
    out = np.zeros(len(found.start), dtype=np.float32)
    precedents.evidence(
        problem.rows, problem.entities.start, problem.entities.end, *found, voted, source.ids, source.hashes,
        source.offsets, target.ids, target.hashes, target.offsets, *known.phrases, *known.pairs,
        known.word_odds(target.hashes, target.first_cases), out,
    )  # fmt: skip
    return out


def length_scores(problem: Problem, ratio: float, found: spans.Candidates) -> np.ndarray:
    """What the letters of each candidate say, (candidates,) float32; `ratio` is that of spans to entities."""
    out = np.zeros(len(found.start), dtype=np.float32)
    target = problem.target
    lengths.mismatch(problem.rows, _expected(problem, ratio), *found, target.letters, target.offsets, out)
    return out


def _expected(problem: Problem, ratio: float) -> np.ndarray:
    """The letters that the span of each entity should have, (entities,) float64."""
    entities, source = problem.entities, problem.source
    at = problem.rows, entities.start, entities.end
    return np.asarray(ratio * lengths.letters_of(*at, source.letters, source.offsets))


def _aligned(problem: Problem, settings: Project, seen: Seen) -> spans.Candidates:
    """Candidates from the links alone: n-grams in the aligned range, or the aligned runs themselves."""
    words = problem.target.lengths
    links = problem.links if settings.alignment_form == "posterior" else problem.strong()
    offsets = np.zeros(len(problem.rows) + 1, dtype=np.int64)
    common = (
        problem.rows, problem.entities.start, problem.entities.end, links.offsets, links.source, links.target,
        links.score, words, problem.edge_allowed, problem.target.offsets, settings.max_words,
        MIN_EDGE, settings.candidates == "aligned", seen.lacks, seen.role, seen.letters, offsets,
    )  # fmt: skip
    room = CANDIDATES_EACH * len(problem.rows)
    while True:
        start, end = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
        total = spans.ngrams(*common, start, end)
        if total <= room:
            return spans.Candidates(offsets, start[:total], end[:total])
        room = total
