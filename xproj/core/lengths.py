"""How long a span is, in letters: it is about as long as its entity, whatever the number of words.

"Kohäsionsfonds" is "Cohesion Funds" and not "Cohesion", and "Baikal" is "Байкал" and not "озера Байкал". With L(E) and
L(C) the letters of an entity and a candidate, blanks left out, and r = letters of spans / letters of entities in the
corpus,

    − LENGTH · |ln((L(C) + 1) / (r · L(E) + 1))|

is added to the score by which spans are chosen. Gale and Church (1993), "A Program for Aligning Sentences in Bilingual
Corpora", find sentences so.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

LENGTH = 0.3


@njit(cache=True)
def letters_of(
    rows: np.ndarray, start: np.ndarray, end: np.ndarray, letters: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """The letters of spans of words, (spans,) int64; `letters` (total,) are those of all words, those of row r between
    its offsets."""
    found = np.zeros(len(rows), dtype=np.int64)
    for k in range(len(rows)):
        here = offsets[rows[k]]
        # an entity of a failed row may reach beyond its sentence
        for at in range(here + start[k], min(here + end[k], offsets[rows[k] + 1])):
            found[k] += letters[at]
    return found


@njit(cache=True)
def mismatch(
    rows: np.ndarray,
    expected: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    letters: np.ndarray,
    target_offsets: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` (candidates,) with what the length of each candidate costs, at most 0.

    Args:
        rows: of the entities, (entities,).
        expected: r · L(E), (entities,).
        offsets: of the candidates of each entity, (entities + 1,).
        start: first words of the candidates, (candidates,).
        end: past their last words.
        letters: of the target words of all rows, (total,).
        target_offsets: of the target words of each row.
        out: (candidates,) float32.
    """
    for k in range(len(rows)):
        here = target_offsets[rows[k]]
        for c in range(offsets[k], offsets[k + 1]):
            found = 0
            for at in range(here + start[c], here + end[c]):
                found += letters[at]
            out[c] = -LENGTH * abs(math.log((found + 1.0) / (expected[k] + 1.0)))
