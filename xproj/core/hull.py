"""The hull: from the first to the last target word linked to an entity ("The Devil Is in the Word Alignment Details",
arXiv 2505.10507; TransAlign, arXiv 2510.27337).

Labels are written on the target words entity by entity, in source order, a later one over an earlier one, and what does
not start with B- is repaired. So an entity may end as two spans, and one that was written over has none.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.link_mass import fill_linked_mass, longest
from xproj.core.matching import sorted_by


@njit(cache=True)
def hulls(
    rows: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    target_words: np.ndarray,
    edge_allowed: np.ndarray,
    edge_offsets: np.ndarray,
    cut: bool,
    start: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
) -> None:
    """Fill `start`, `end` and `score`, (entities,): the mean link mass of the words, at most 1 each; [0, 0) unlinked.

    `edge_allowed` marks, over all target words, those that may stand at an edge. With `cut` an entity of one
    word has the first of its words only (the rule restr_tgt).
    """
    inside, outside = np.empty(longest(target_words)), np.empty(longest(target_words))
    for k in range(len(rows)):
        row = rows[k]
        low, high = fill_linked_mass(
            entity_start[k], entity_end[k], link_offsets[row], link_offsets[row + 1], link_source, link_target,
            link_score, target_words[row], inside, outside,
        )  # fmt: skip
        a, b = high, 0
        for t in range(low, high):
            if inside[t] > 0.0 and edge_allowed[edge_offsets[row] + t]:
                a, b = min(a, t), t + 1
        start[k], end[k], score[k] = 0, 0, 0.0
        if b > 0:
            b = a + 1 if cut and entity_end[k] - entity_start[k] == 1 else b
            start[k], end[k] = a, b
            score[k] = np.minimum(inside[a:b], 1.0).sum() / (b - a)


@njit(cache=True)
def write(
    entity_offsets: np.ndarray,
    entity_start: np.ndarray,
    label: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    asked: np.ndarray,
    target_words: np.ndarray,
    skip: bool,
    owner: np.ndarray,
    piece_start: np.ndarray,
    piece_end: np.ndarray,
) -> int:
    """Write the hulls [start, end) of the entities `asked` for as IOB2 labels and read them back; the number of spans.

    `owner` (2 · entities,) is the entity that wrote a span's first word, `piece_start` and `piece_end` its words. A
    span goes on over words of another entity of the same `label`, as its I- labels do. With `skip` a hull is not
    written where one of its words is taken.
    """
    count = 0
    for row in range(len(entity_offsets) - 1):
        first, last = entity_offsets[row], entity_offsets[row + 1]
        if first == last:
            continue
        writer = np.full(target_words[row], -1, dtype=np.int64)
        begins = np.zeros(target_words[row], dtype=np.bool_)
        for k in sorted_by(entity_start[first:last]) + first:
            a, b = start[k], end[k]
            if not asked[k] or (skip and (writer[a:b] >= 0).any()):
                continue
            writer[a:b], begins[a:b] = k, False
            begins[a] = True
        inside = False
        for t in range(len(writer)):
            if writer[t] < 0:
                inside = False
                continue
            if begins[t] or not inside or label[writer[t]] != label[writer[t - 1]]:
                owner[count], piece_start[count] = writer[t], t
                count += 1
            piece_end[count - 1] = t + 1
            inside = True
    return count
