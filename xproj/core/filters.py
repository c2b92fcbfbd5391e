"""Completeness filters: is the whole entity found in the chosen span, and nothing else?

An entity that the source tagger made up tends to align badly, so a filter of completeness filters by confidence.

    strict      bounded alignment score of the chosen span > 0.8 (see scores), without words that it has grown by
    comp_src    every source word of the entity has a link                                    ("The Devil Is in the Word
    comp_tgt    the target words linked to the entity are contiguous                           Alignment Details",
    restr_tgt   a one-word entity is linked to one target word only                            arXiv 2505.10507)
"""

from __future__ import annotations

import numpy as np
from numba import njit

RULES = ("strict", "comp_src", "comp_tgt", "restr_tgt")
MIN_BOUNDED = 0.8


@njit(cache=True)
def incomplete(
    rows: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    asked: np.ndarray,
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    strict: bool,
    comp_src: bool,
    comp_tgt: bool,
    restr_tgt: bool,
    grown: bool,
) -> np.ndarray:
    """Which entities, (entities,), of those `asked` for break a rule with their span [start, end).

    Where spans may have `grown` over unlinked words beside them (see extension), those do not count as words of it.
    """
    rejected = np.zeros(len(rows), dtype=np.bool_)
    for k in range(len(rows)):
        if not asked[k]:
            continue
        n_s, n_t = entity_end[k] - entity_start[k], end[k] - start[k]
        first_hit, last_hit = end[k], start[k] - 1
        linked, joined = np.zeros(n_s, dtype=np.bool_), np.zeros(n_s, dtype=np.bool_)
        low, high = 1 << 30, -1
        targets = set([np.int64(-1)])
        hits = set([np.int64(-1)])
        for x in range(link_offsets[rows[k]], link_offsets[rows[k] + 1]):
            i, j = link_source[x], link_target[x]
            if entity_start[k] <= i < entity_end[k]:
                linked[i - entity_start[k]] = True
                low, high = min(low, j), max(high, j)
                targets.add(np.int64(j))
                if start[k] <= j < end[k]:
                    joined[i - entity_start[k]] = True
                    first_hit, last_hit = min(first_hit, j), max(last_hit, j)
                    hits.add(np.int64(j))
        if grown and first_hit <= last_hit:
            n_t = last_hit + 1 - first_hit
        n_linked, n_hits = len(targets) - 1, len(hits) - 1
        bounded = 2.0 * n_hits / (n_t + n_linked) * joined.sum() / n_s
        rejected[k] = (
            (strict and bounded <= MIN_BOUNDED)
            or (comp_src and not linked.all())
            or (comp_tgt and high - low + 1 != n_linked)
            or (restr_tgt and n_s == 1 and n_linked > 1)
        )
    return rejected
