"""Spans that reach over unlinked words: rare words are often left without a link on both sides, and what is one word in
one language may be several in the other.

A candidate may end at the nearest unlinked content word beside one of its edges, common words in between included,
where a content word of the entity has no link, or shares its partner with another one, or where entities are no names
but phrases: most of the corpus are in small letters, and so is this one ("specials" is "plats du jour"). Links below
LINKED in sum count as none.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.case import CAPITAL, PUNCTUATION, SMALL
from xproj.core.link_mass import fill_linked_mass, linked_edges, room

LINKED = 0.2
# words that an edge may move by
REACH = 4
# a word that is more common than this is no content word
MOST_COMMON = 0.2
# share of entities in small letters from which on they are phrases
PHRASES = 0.5
# what an unlinked word is to a span that grows: an obstacle, passed over, a new edge
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
    asked: np.ndarray,
    free: np.ndarray,
) -> None:
    """Mark, over all target words, those that may be an edge of a span (`asked`) and the unlinked ones among them
    (`free`): words with `min_edge` mass with an entity, and up to REACH unlinked ones beside them."""
    masses, of_source = room(target_words, entity_start, entity_end)
    for k in range(len(rows)):
        row, first, last = rows[k], entity_start[k], entity_end[k]
        lo, hi, base = link_offsets[row], link_offsets[row + 1], target_offsets[row]
        inside, outside = masses[0, : target_words[row]], masses[1, : target_words[row]]
        fill_linked_mass(
            first, last, link_source[lo:hi], link_target[lo:hi], link_score[lo:hi], inside, outside,
            of_source[: last - first],
        )  # fmt: skip
        edge = linked_edges(inside, min_edge)
        for t in range(len(edge)):
            if not edge[t]:
                continue
            asked[base + t] = True
            for step in (-1, 1):
                at = t + step
                while 0 <= at < len(edge) and abs(at - t) <= REACH and inside[at] + outside[at] < LINKED:
                    asked[base + at] = free[base + at] = True
                    at += step


@njit(cache=True)
def growing(
    rows: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    target_words: np.ndarray,
    source_common: np.ndarray,
    source_case: np.ndarray,
    source_offsets: np.ndarray,
    phrases: bool,
    found: np.ndarray,
) -> None:
    """Fill `found` (entities,): has the entity fewer linked target words than content words, or a content word without
    a link, or, where entities are `phrases`, small ones and no capital?"""
    masses, of_entity = room(target_words, entity_start, entity_end)
    for k in range(len(rows)):
        row, first, last = rows[k], entity_start[k], entity_end[k]
        lo, hi = link_offsets[row], link_offsets[row + 1]
        inside, outside = masses[0, : target_words[row]], masses[1, : target_words[row]]
        of_source = of_entity[: last - first]
        fill_linked_mass(
            first, last, link_source[lo:hi], link_target[lo:hi], link_score[lo:hi], inside, outside, of_source
        )
        content, unlinked, small, capital = 0, False, False, False
        for i in range(last - first):
            at = source_offsets[row] + first + i
            capital |= source_case[at] == CAPITAL
            if source_common[at] < MOST_COMMON and source_case[at] != PUNCTUATION:
                content += 1
                unlinked |= of_source[i] < LINKED
                small |= source_case[at] == SMALL
        fewer = np.count_nonzero(inside >= LINKED) < content
        found[k] = unlinked or fewer or (phrases and small and not capital)


def roles(free: np.ndarray, common: np.ndarray, case: np.ndarray) -> np.ndarray:
    """BLOCKS, PASSES or ENDS of each target word, (total,) int8."""
    kinds = np.where(common < MOST_COMMON, ENDS, PASSES)
    return np.where(free & (case != PUNCTUATION), kinds, BLOCKS).astype(np.int8)


@njit(cache=True)
def moved(edge: int, step: int, role: np.ndarray) -> int:
    """Where the edge word at `edge` of a row may move to in direction `step`; `edge` itself, where nowhere."""
    at = edge + step
    while 0 <= at < len(role) and abs(at - edge) <= REACH and role[at] != BLOCKS:
        if role[at] == ENDS:
            return at
        at += step
    return edge
