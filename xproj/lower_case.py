"""Spans in small letters where the source has a name: it became an adjective, and is no entity any more.

"US president" is "amerikanske presidenten", "Japan's" is "japanischen". Whether that is so depends on the label and the
language: a European institution is MISC in English, and "europäische" is MISC in German. So the corpus decides. Of the
projected spans of a label whose entities have a capital letter, s are in small letters and c have a capital. Where

    (s + 1) / (s + c + 2) < MAX_SHARE

a span of one word in small letters is an exception, and the filter `capitals` drops it. Phrases of several words are
kept: they are names that the language writes so. The first word of a source sentence makes no name. Scripts without
capitals lose nothing but small Latin words among Latin names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xproj.problems import Problem
    from xproj.sides import Side
    from xproj.solution import Solution

MAX_SHARE = 0.15


def count(problem: Problem, found: Solution) -> dict[str, np.ndarray]:
    """By label how many spans are in small letters, and how many have a capital, where the entity has one; (2,) each.

    Args:
        problem: of a table.
        found: its spans, of live rows alone.
    """
    small, capital = _letters_of_spans(problem, found)
    named = _named(problem, found)
    labels = problem.entities.label[found.owner]
    of = np.stack(
        [
            np.bincount(labels[chosen], minlength=len(problem.entities.names))
            for chosen in (small & named, capital & named)
        ]
    )
    return dict(zip(problem.entities.names, of.T, strict=True))


def shares(counts: Iterable[dict[str, np.ndarray]]) -> dict[str, float]:
    """The smoothed share of spans in small letters by label, of the counts of several tables."""
    total: dict[str, np.ndarray] = {}
    for of in counts:
        for name, letters in of.items():
            total[name] = total.get(name, 0) + letters
    return {name: float((small + 1) / (small + capital + 2)) for name, (small, capital) in total.items()}


def exceptional(problem: Problem, found: Solution, shares: dict[str, float]) -> np.ndarray:
    """Which spans, (spans,), are one word in small letters where the entity has a capital letter and the spans of its
    label have, too; `shares` are those of a corpus by label."""
    rare = np.array([shares.get(name, 1.0) < MAX_SHARE for name in problem.entities.names], dtype=np.bool_)
    # an entity of a failed row is a placeholder that may point outside its sentence
    asked: np.ndarray = problem.live[problem.rows[found.owner]] & (found.end - found.start == 1)
    asked &= rare[problem.entities.label[found.owner]]
    small, _ = _letters_of_spans(problem, found.only(asked))
    asked[asked] = small
    # few are left, and the other side is looked at for those alone
    asked[asked] = _named(problem, found.only(asked))
    return asked


def _letters_of_spans(problem: Problem, found: Solution) -> tuple[np.ndarray, np.ndarray]:
    """Which spans are in small letters, and which have a capital, (spans,) bool each."""
    capital, letter = _letters(problem.target, problem.rows[found.owner], found.start, found.end)
    return letter & ~capital, capital


def _named(problem: Problem, found: Solution) -> np.ndarray:
    """Of which spans does the entity have a capital letter, (spans,)? The first word of a sentence does not count."""
    rows, entities = problem.rows[found.owner], problem.entities
    start, end = np.maximum(entities.start[found.owner], 1), entities.end[found.owner]
    capital = np.zeros(len(rows), dtype=np.bool_)
    inside = start < end
    capital[inside], _ = _letters(problem.source, rows[inside], start[inside], end[inside])
    return capital


def _letters(side: Side, rows: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which spans of words have a capital letter, and which a letter of a script with capitals, (spans,) each."""
    lengths = (end - start).astype(np.int64)
    first = np.cumsum(lengths) - lengths
    positions = np.repeat(side.offsets[rows] + start - first, lengths) + np.arange(lengths.sum())
    used, ids = np.unique(side.ids[positions], return_inverse=True)
    distinct = side.distinct.take(pa.array(used)).cast(pa.large_string())
    lower, upper = pc.utf8_lower(distinct), pc.utf8_upper(distinct)
    capital, cased = (
        np.asarray(pc.not_equal(one, other).to_numpy(zero_copy_only=False), dtype=np.bool_)[ids]
        for one, other in ((distinct, lower), (lower, upper))
    )
    return _any(capital, first, lengths), _any(cased, first, lengths)


def _any(flags: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Is any flag of each span set, (spans,)?"""
    counts = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(counts[first + lengths] > counts[first])
