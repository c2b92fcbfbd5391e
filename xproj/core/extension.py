"""Spans that reach over unlinked words: rare words are often left without a link on both sides, and what is one word in
one language may be several in the other ("Kohäsionsfonds" is "Cohesion Funds", "specials" is "plats du jour").

A candidate may end at the nearest unlinked content word beside one of its edges, common words in between included
(they may be linked: the "la" of "Shirika la Afya" is, to "the"), where the linked words of its entity have fewer
letters than a span of it should have (see `lengths`). Links below LINKED in sum count as none.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.case import JOINER
from xproj.core.link_mass import fill_linked_edges, fill_linked_mass, longest

LINKED = 0.2
# words that an edge may move by
REACH = 4
# a word that is more common than this is no content word
MOST_COMMON = 0.2
# what a word is to a span that grows: an obstacle, passed over, a new edge
BLOCKS, PASSES, ENDS = range(3)


@njit(cache=True)
def surroundings(
    rows: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    target_words: np.ndarray,
    target_offsets: np.ndarray,
    min_edge: float,
    max_words: int,
    letters: np.ndarray,
    expected: np.ndarray,
    asked: np.ndarray,
    free: np.ndarray,
    lacks: np.ndarray,
) -> None:
    """Mark which target words may stand in a span (`asked`), which of those beside it are unlinked (`free`), both
    (total,), and how many letters entities lack (`lacks`), (entities,), at least 0.

    A span ends at words with `min_edge` mass with its entity, at most `max_words` words apart, or at one of up to REACH
    words without any beside those. An entity lacks what its linked words have less in `letters`, those of each target
    word, than are `expected` of its span.
    """
    room = longest(target_words)
    inside, outside, edge = np.empty(room), np.empty(room), np.empty(room, dtype=np.bool_)
    for k in range(len(rows)):
        row, words, base = rows[k], target_words[rows[k]], target_offsets[rows[k]]
        low, high = fill_linked_mass(
            entity_start[k], entity_end[k], link_offsets[row], link_offsets[row + 1], link_source, link_target,
            link_score, words, inside, outside,
        )  # fmt: skip
        fill_linked_edges(inside, low, high, min_edge, edge)
        size = 0
        for t in range(low, high):
            if inside[t] >= LINKED:
                size += letters[base + t]
        lacks[k] = max(0.0, expected[k] - size)
        before = -max_words
        for t in range(low, high):
            if not edge[t]:
                continue
            asked[base + t] = True
            if t - before < max_words:  # none before the first
                asked[base + before : base + t] = True
            before = t
            for step in (-1, 1):
                at = t + step
                while 0 <= at < words and abs(at - t) <= REACH and inside[at] < LINKED:
                    asked[base + at] = True
                    free[base + at] |= outside[at] + inside[at] < LINKED
                    at += step


@njit(cache=True)
def roles(free: np.ndarray, common: np.ndarray, case: np.ndarray) -> np.ndarray:
    """BLOCKS, PASSES or ENDS of each target word, (total,) int8; `case` may be with breaks."""
    found = np.full(len(free), BLOCKS, dtype=np.int8)
    for at in range(len(free)):
        if case[at] > JOINER:
            if common[at] >= MOST_COMMON:
                found[at] = PASSES
            elif free[at]:
                found[at] = ENDS
    return found


@njit(cache=True)
def moved(edge: int, step: int, role: np.ndarray, low: int, high: int) -> int:
    """Where the word `edge` of a row that is [low, high) may move to in direction `step`; `edge` itself, if nowhere."""
    at = edge + step
    while low <= at < high and abs(at - edge) <= REACH and role[at] != BLOCKS:
        if role[at] == ENDS:
            return at
        at += step
    return edge
