"""How parallel the two sentences of a pair look, from their links alone.

    pair score = mean score of the links · share of aligned words
               = (Σ score / links) · (aligned source words + aligned target words) / (m + n)

In [0, 1]; 0 without links. It compares pairs under one aligner and one setting: a posterior, a probability and a
similarity are not on one scale.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def pair_scores(
    offsets: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    score: np.ndarray,
    source_words: np.ndarray,
    target_words: np.ndarray,
) -> np.ndarray:
    """The pair score of each row, (rows,) float32; `source_words` and `target_words` (rows,) are the lengths m and n.

    Links must point inside their sentences.
    """
    out = np.zeros(len(offsets) - 1, dtype=np.float32)
    for row in range(len(out)):
        low, high = offsets[row], offsets[row + 1]
        if low == high:
            continue
        here = np.zeros(source_words[row], dtype=np.bool_)
        there = np.zeros(target_words[row], dtype=np.bool_)
        total = 0.0
        for k in range(low, high):
            here[source[k]] = True
            there[target[k]] = True
            total += score[k]
        aligned = (here.sum() + there.sum()) / (len(here) + len(there))
        out[row] = total / (high - low) * aligned
    return out
