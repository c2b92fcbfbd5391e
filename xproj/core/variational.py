"""The M step of the statistical aligner: the mean-field update of a Dirichlet prior (Riley and Gildea 2012)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from xproj.core.digamma import digamma
from xproj.core.lexicon import ALPHA, UNSEEN_MASS

# below this count exp(ψ(α + c)) = exp(ψ(α)) · (1 + ψ'(α) · c) to 1e-5
NEGLIGIBLE = 1e-4


@njit(cache=True)
def maximise(
    counts: np.ndarray,
    extra: np.ndarray,
    live: np.ndarray,
    given: np.ndarray,
    other: np.ndarray,
    given_case: np.ndarray,
    other_case: np.ndarray,
    alpha: np.ndarray,
    ratio: np.ndarray,
    slope: np.ndarray,
    words: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The mean-field update: `counts` and `extra` pseudo-counts by slot, `given` and `other` the words of live slots.

    `alpha`, `ratio` and `slope` (5, 5) are those of `CasePrior`, given case first. Returns the probabilities by slot
    and, by conditioning word, that of a pair never linked. The support of a word is the words that it occurs with.
    """
    totals = np.zeros(words)
    for k in range(len(live)):
        totals[given[k]] += counts[live[k]] + extra[live[k]] + alpha[given_case[given[k]], other_case[other[k]]]
    floor = np.zeros(words, dtype=np.float32)
    for w in range(words):
        totals[w] = digamma(totals[w] if totals[w] > 0.0 else UNSEEN_MASS)
        floor[w] = math.exp(digamma(ALPHA) - totals[w])
    table = np.zeros(len(counts), dtype=np.float32)
    for k in range(len(live)):
        slot, count = live[k], counts[live[k]]
        a, b = given_case[given[k]], other_case[other[k]]
        if count < NEGLIGIBLE and extra[slot] == 0.0:
            # most pairs are hardly ever linked; there ψ is a straight line
            table[slot] = floor[given[k]] * ratio[a, b] * (1.0 + count * slope[a, b])
        else:
            table[slot] = math.exp(digamma(count + extra[slot] + alpha[a, b]) - totals[given[k]])
    return table, floor
