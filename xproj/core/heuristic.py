"""The gap-merge heuristic: the target words linked to an entity, joined over small gaps.

For each entity the linked target words form runs; runs at most `max_gap` words apart are merged; the longest run is the
entity's span when its length exceeds `min_length_ratio` times that of the entity (arXiv 2501.18750, align_src). Longer
entities go first, and a span that overlaps an earlier one is not taken. Of an entity's runs the longest `max_runs` are
taken, longest first, or all of them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.link_mass import fill_linked_mass, longest
from xproj.core.matching import sorted_by

KEPT, NO_LINK, LOW_SCORE, OVERLAP = -1, 0, 1, 2


@njit(cache=True)
def _runs(
    inside: np.ndarray,
    of_first: np.ndarray,
    allowed: np.ndarray,
    max_gap: int,
    inside_only: bool,
    start: np.ndarray,
    end: np.ndarray,
) -> int:
    """Fill `start` and `end` with the merged runs of linked words, edges linked and allowed; how many there are.

    With `inside_only` a run that begins with a word `of_first`, linked to the entity's first word, joins none before.
    """
    count, a, b = 0, -1, -1
    for t in range(len(inside) + 1):
        linked = t < len(inside) and inside[t] > 0.0
        if linked and a >= 0 and (t == b or (t - b <= max_gap and not (inside_only and of_first[t]))):
            b = t + 1
        elif linked or t == len(inside):
            while a >= 0 and a < b and not (allowed[a] and inside[a] > 0.0):
                a += 1
            while a >= 0 and a < b and not (allowed[b - 1] and inside[b - 1] > 0.0):
                b -= 1
            if a >= 0 and a < b:
                start[count], end[count] = a, b
                count += 1
            a, b = t, t + 1
    return count


@njit(cache=True)
def merged_runs(
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
    inside_only: bool,
    min_length_ratio: float,
    max_runs: int,
    owner: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    reason: np.ndarray,
) -> int:
    """Fill `owner` (the entity), `start`, `end` and `score` of the spans, and `reason` (entities,); how many spans.

    The score is the mean link mass of the span's words, at most 1 each. `max_runs` = 0 takes all runs that are long
    enough; there must be room for one span of each entity, and unless `max_runs` is 1 for one in each target word.
    """
    count, most = 0, longest(target_words)
    run_start, run_end = np.zeros(most, dtype=np.int64), np.zeros(most, dtype=np.int64)
    masses, of_first = np.empty((2, most)), np.zeros(most, dtype=np.bool_)
    for row in range(len(entity_offsets) - 1):
        first, last = entity_offsets[row], entity_offsets[row + 1]
        if first == last:
            continue
        lo, hi, words = link_offsets[row], link_offsets[row + 1], target_words[row]
        inside, outside = masses[0, :words], masses[1, :words]
        allowed = edge_allowed[edge_offsets[row] : edge_offsets[row + 1]]
        taken = np.zeros(words, dtype=np.bool_)
        order = sorted_by(entity_start[first:last] - entity_end[first:last])
        for k in order + first:
            fill_linked_mass(
                entity_start[k], entity_end[k], lo, hi, link_source, link_target, link_score, words, inside, outside
            )
            if inside_only:
                of_first[:words] = False
                of_first[link_target[lo:hi][link_source[lo:hi] == entity_start[k]]] = True
            runs = _runs(inside, of_first, allowed, max_gap, inside_only, run_start, run_end)
            reason[k] = NO_LINK
            for place in range(runs if max_runs == 0 else min(runs, max_runs)):
                r = 0
                for other in range(1, runs):
                    if run_end[other] - run_start[other] > run_end[r] - run_start[r]:
                        r = other
                a, b = run_start[r], run_end[r]
                run_end[r] = a  # so that it is not the longest again
                if b == a or (b - a) / (entity_end[k] - entity_start[k]) <= min_length_ratio:
                    reason[k] = LOW_SCORE if place == 0 else reason[k]
                    break
                if taken[a:b].any():
                    reason[k] = OVERLAP if reason[k] != KEPT else KEPT
                    continue
                taken[a:b] = True
                owner[count], start[count], end[count], reason[k] = k, a, b, KEPT
                score[count] = np.minimum(inside[a:b], 1.0).sum() / (b - a)
                count += 1
    return count
