"""The gap-merge heuristic: the target words linked to an entity, joined over small gaps.

For each entity the linked target words form runs; runs at most `max_gap` words apart are merged; the longest run is the
entity's span when its length exceeds `min_length_ratio` times that of the entity (arXiv 2501.18750, align_src). Longer
entities go first, and a span that overlaps an earlier one is not taken.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.candidates import linked_mass

KEPT, NO_LINK, LOW_SCORE, OVERLAP = -1, 0, 1, 2


@njit(cache=True)
def _longest_run(inside: np.ndarray, allowed: np.ndarray, max_gap: int) -> tuple[int, int]:
    """The longest merged run of linked words, its first and last one linked and allowed; (0, 0) without any."""
    best_a, best_b, a, b = 0, 0, -1, -1
    for t in range(len(inside) + 1):
        linked = t < len(inside) and inside[t] > 0.0
        if linked and a >= 0 and t - b <= max_gap:
            b = t + 1
        elif linked or t == len(inside):
            while a >= 0 and a < b and not (allowed[a] and inside[a] > 0.0):
                a += 1
            while a >= 0 and a < b and not (allowed[b - 1] and inside[b - 1] > 0.0):
                b -= 1
            if a >= 0 and b - a > best_b - best_a:
                best_a, best_b = a, b
            a, b = t, t + 1
    return best_a, best_b


@njit(cache=True)
def longest_runs(
    entity_offsets: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    target_words: np.ndarray,
    edge_allowed: np.ndarray,
    edge_offsets: np.ndarray,
    max_gap: int,
    min_length_ratio: float,
    start: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    reason: np.ndarray,
) -> None:
    """Fill `start`, `end`, `score` (mean link mass of the span's words, at most 1 each) and `reason`, (entities,)."""
    for row in range(len(entity_offsets) - 1):
        first, last = entity_offsets[row], entity_offsets[row + 1]
        lo, hi = link_offsets[row], link_offsets[row + 1]
        taken = np.zeros(target_words[row], dtype=np.bool_)
        order = np.argsort(entity_start[first:last] - entity_end[first:last], kind="mergesort")
        for k in order + first:
            n_s = entity_end[k] - entity_start[k]
            inside, _, _ = linked_mass(
                entity_start[k],
                entity_end[k],
                link_source[lo:hi],
                link_target[lo:hi],
                link_score[lo:hi],
                target_words[row],
            )
            a, b = _longest_run(inside, edge_allowed[edge_offsets[row] : edge_offsets[row + 1]], max_gap)
            if b == 0:
                reason[k] = NO_LINK
            elif (b - a) / n_s <= min_length_ratio:
                reason[k] = LOW_SCORE
            elif taken[a:b].any():
                reason[k] = OVERLAP
            else:
                taken[a:b] = True
                start[k], end[k], reason[k] = a, b, KEPT
                score[k] = np.minimum(inside[a:b], 1.0).sum() / (b - a)
