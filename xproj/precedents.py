"""What the stage `project` learns from a corpus before it projects it: how common words are, what capitals say, and the
spans of a first projection, which are precedents for all rows (see `core.precedents`) and show how labels are written
(see `lower_case`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xproj import corpus_counts, lower_case, projection
from xproj.core import precedents
from xproj.core.lengths import letters_of
from xproj.recipe import Project

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from xproj.corpus_counts import CorpusCounts
    from xproj.problems import Problem
    from xproj.solution import Solution


# enough to know how long spans are
ROWS = 2_000


class _Votes(NamedTuple):
    """Of the projected spans of a table the cases by label (see lower_case), the letters of all entities and spans,
    (2,), and the hashes of source phrases, and of source and target phrases, (spans,); of its distinct target words
    the hashes and the cases, and how often each stands in the rows and inside a span, (words,)."""

    cases: dict[str, np.ndarray]
    lengths: np.ndarray
    phrases: np.ndarray
    pairs: np.ndarray
    words: np.ndarray
    word_cases: np.ndarray
    counts: np.ndarray
    inside: np.ndarray


def learn(tables: Iterable[pa.Table]) -> CorpusCounts:
    """Word frequencies, capitals, precedents and letters of spans of the first rows of `tables`.

    The tables are as projection.project takes them, with links. The first projection has default settings.

    Raises:
        SchemaError: see projection.project.
    """
    parts = list(corpus_counts.first_rows(tables))
    counted = corpus_counts.count(parts)
    if not parts:
        return counted
    few = corpus_counts.first_rows(parts, ROWS)
    counted = _with_ratio(counted, [_letters(*_first(part, counted, Project(lengths=False))) for part in few])
    votes = [_votes(part, counted) for part in parts]
    cases, lengths, *arrays = zip(*votes, strict=True)
    phrases, pairs, *words = map(np.concatenate, arrays)
    of_phrases, of_pairs = (precedents.HashTable.of(*np.unique(one, return_counts=True)) for one in (phrases, pairs))
    known = precedents.Precedents(of_phrases, of_pairs, *_word_odds(*words))
    counted = _with_ratio(counted, lengths)
    return counted._replace(small_spans=lower_case.shares(cases), precedents=known)


def _word_odds(
    words: np.ndarray, cases: np.ndarray, counts: np.ndarray, inside: np.ndarray
) -> tuple[precedents.HashTable, np.ndarray]:
    """Odds of words that some tables hold so often, (words,) each: those of Precedents."""
    known, at, which = np.unique(precedents.with_case(words, cases), return_index=True, return_inverse=True)
    counts, inside = (np.bincount(which, weights=values) for values in (counts, inside))
    of_case, of_words = precedents.odds(inside, counts - inside, cases[at])
    return precedents.HashTable.of(known, of_words - of_case[cases[at]]), of_case.astype(np.float32)


def _with_ratio(counted: CorpusCounts, lengths: Iterable[np.ndarray]) -> CorpusCounts:
    """The counts with the ratio of letters of spans and of their entities, (2,) for each table, entities first."""
    of_entities, of_spans = np.sum(list(lengths), axis=0)
    return counted._replace(length_ratio=float(of_spans / of_entities)) if of_spans and of_entities else counted


def _first(table: pa.Table, counted: CorpusCounts, settings: Project) -> tuple[Problem, Solution]:
    """The problem of a table, and the spans that a first projection finds in rows that are projected."""
    live = projection.statuses(table) == projection.OK
    problem, found = projection.solve(table, settings, counted, live)
    return problem, found.only(live[problem.rows[found.owner]])


def _letters(problem: Problem, found: Solution) -> np.ndarray:
    """The letters of all spans' entities and of all spans, (2,) int64."""
    rows, entities = problem.rows[found.owner], problem.entities
    of_entities = entities.start[found.owner], entities.end[found.owner]
    sides = (problem.source, *of_entities), (problem.target, found.start, found.end)
    return np.array([letters_of(rows, start, end, side.letters, side.offsets).sum() for side, start, end in sides])


def _votes(table: pa.Table, counted: CorpusCounts) -> _Votes:
    """What the first projection of a table finds; rows that are not projected have no say."""
    problem, found = _first(table, counted, Project())
    source, target, rows = problem.source, problem.target, problem.rows[found.owner]
    entities = problem.entities.start[found.owner], problem.entities.end[found.owner]
    phrases, pairs = precedents.span_hashes(
        rows, *entities, found.start, found.end, source.ids, source.hashes, source.offsets, target.ids, target.hashes,
        target.offsets,
    )  # fmt: skip
    live = target.counts(np.repeat(problem.live, target.lengths))
    within = target.counts(target.inside(rows, found.start, found.end))
    seen = lower_case.count(problem, found), _letters(problem, found)
    return _Votes(*seen, phrases, pairs, target.hashes, target.first_cases, live, within)
