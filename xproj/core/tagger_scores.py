"""How well a target span carries an entity type, from the label probabilities of a tagger.

For a span of n words and the type l,

    c_l = α^(n − 1) · ( p[B-l] of the first word + Σ p[I-l] of the others ) / n

A mean punishes long spans, so α = 1.15 raises them; it applies only where the best labels of the words are exactly
B-l, I-l, …. Values of at most 0.05 become 0. It is the NER score of Politov et al. 2025, arXiv 2501.18750.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

GROWTH = 1.15
FLOOR = 0.05


class Evidence(NamedTuple):
    """Per word: the probabilities of B- and of I- of each type, (words, types) float32, and the best label, (words,).

    Labels are 2 · type + 1 for B-, 2 · type + 2 for I-, and 0 for anything else.
    """

    begin: np.ndarray
    inside: np.ndarray
    best: np.ndarray


def evidence(probabilities: np.ndarray, labels: Sequence[str], types: Sequence[str]) -> Evidence:
    """What the (words, labels) probabilities of IOB2 `labels` say about `types`; unknown types have probability 0."""
    number = {label: column for column, label in enumerate(labels)}
    codes = np.zeros(len(labels), dtype=np.int64)
    sides = np.zeros((2, len(probabilities), len(types)), dtype=np.float32)
    for kind, name in enumerate(types):
        for side, prefix in enumerate("BI"):
            column = number.get(f"{prefix}-{name}")
            if column is not None:
                codes[column] = 2 * kind + side + 1
                sides[side, :, kind] = probabilities[:, column]
    best = codes[probabilities.argmax(axis=1)] if len(probabilities) else np.zeros(0, dtype=np.int64)
    return Evidence(sides[0], sides[1], best)


@njit(cache=True)
def _row(
    begin: np.ndarray, inside: np.ndarray, best: np.ndarray, start: np.ndarray, end: np.ndarray, of: np.ndarray
) -> None:
    """Fill `of` (candidates, types) with the scores of one sentence."""
    words, types = begin.shape
    total, goes_on = np.zeros(words + 1), np.zeros(words + 1, dtype=np.int64)
    for kind in range(types):
        for w in range(words):
            total[w + 1] = total[w] + inside[w, kind]
            goes_on[w + 1] = goes_on[w] + (best[w] == 2 * kind + 2)
        for c in range(len(start)):
            a, b = start[c], end[c]
            score = (begin[a, kind] + total[b] - total[a + 1]) / (b - a)
            if best[a] == 2 * kind + 1 and goes_on[b] - goes_on[a + 1] == b - a - 1:
                score *= GROWTH ** (b - a - 1)
            of[c, kind] = score if np.float32(score) > np.float32(FLOOR) else 0.0


@njit(cache=True)
def tagger_scores(
    entity_offsets: np.ndarray,
    entity_type: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    word_offsets: np.ndarray,
    begin: np.ndarray,
    inside: np.ndarray,
    best: np.ndarray,
    any_type: bool,
    out: np.ndarray,
) -> None:
    """Fill `out` (cells,) float32, entity-major in each row, with the score of each candidate for each entity.

    `entity_type` (entities,) indexes the types of the evidence; with `any_type` the best type counts instead.
    """
    cell = 0
    for row in range(len(entity_offsets) - 1):
        first, last = entity_offsets[row], entity_offsets[row + 1]
        low, high = offsets[row], offsets[row + 1]
        if first == last or low == high:
            continue
        words = slice(word_offsets[row], word_offsets[row + 1])
        of = np.zeros((high - low, begin.shape[1]), dtype=np.float32)
        _row(begin[words], inside[words], best[words], start[low:high], end[low:high], of)
        for k in range(first, last):
            for c in range(high - low):
                if any_type:
                    out[cell] = of[c].max() if of.shape[1] else 0.0
                else:
                    out[cell] = of[c, entity_type[k]]
                cell += 1
