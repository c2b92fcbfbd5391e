"""Which target spans may carry an entity.

Candidates are flat: those of entity k are `start[offsets[k]:offsets[k + 1]]` and `end[…]`, entities numbered through
all rows. n-grams are reduced to the range between the leftmost and the rightmost target word linked to the entity; the
alignment scores fall with every unlinked word at an edge. Entities that are too short reach beyond it (see extension).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from xproj.core.extension import REACH, moved
from xproj.core.link_mass import fill_linked_edges, fill_linked_mass, longest


class Candidates(NamedTuple):
    """Target spans of all entities: offsets (entities + 1,) int64, half-open word ranges int32."""

    offsets: np.ndarray
    start: np.ndarray
    end: np.ndarray


@njit(cache=True)
def link_outside(
    offsets: np.ndarray, source: np.ndarray, target: np.ndarray, source_words: np.ndarray, target_words: np.ndarray
) -> int:
    """The first link that points outside the sentences of its row, or -1."""
    for row in range(len(offsets) - 1):
        m, n = source_words[row], target_words[row]
        for k in range(offsets[row], offsets[row + 1]):
            if not (0 <= source[k] < m and 0 <= target[k] < n):
                return k
    return -1


@njit(cache=True)
def _fill_onward(
    edge: np.ndarray,
    low: int,
    high: int,
    base: int,
    words: int,
    role: np.ndarray,
    letters: np.ndarray,
    allowed: np.ndarray,
    lacks: float,
    onward: np.ndarray,
    steps: np.ndarray,
) -> None:
    """Where each edge word of [low, high) of a row may move on to, to the left and to the right: `steps` (2, words)
    places each into `onward`, (2, words, REACH). The row is `words` words from `base` of all."""
    steps[:, low:high] = 0
    if lacks <= 0.0:
        return
    for t in range(low, high):
        for side in range(2):
            at, gained = t, 0
            while edge[t] and gained < lacks:
                there = moved(base + at, 2 * side - 1, role, base, base + words) - base
                if there == at or abs(there - t) > REACH or not allowed[base + there]:
                    break
                onward[side, t, steps[side, t]] = there
                steps[side, t] += 1
                while at != there:
                    at += 2 * side - 1
                    gained += letters[base + at]


@njit(cache=True)
def ngrams(
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
    max_words: int,
    min_edge: float,
    runs_only: bool,
    lacks: np.ndarray,
    role: np.ndarray,
    letters: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
) -> int:
    """Every span of at most `max_words` words whose first and last word have at least `min_edge` mass with the entity.

    `rows` (entities,) is the row of each entity; `edge_allowed` marks, over all target words, those that may stand at
    an edge; with `runs_only` a span also starts where a run of words that may stand at an edge starts, and ends where
    one ends. Of an entity that `lacks` (entities,) so many letters also the spans of which one edge moves on to
    unlinked words, as `extension.moved` says by the `role` of all target words, until their `letters` are as many. Call
    with too little room in `start` and `end` to learn the total, then again.
    """
    count, room, words = 0, len(start), longest(target_words)
    inside, outside, edge = np.empty(words), np.empty(words), np.empty(words, dtype=np.bool_)
    onward, steps = np.empty((2, words, REACH), dtype=np.int64), np.empty((2, words), dtype=np.int64)
    for k in range(len(rows)):
        row, base = rows[k], edge_offsets[rows[k]]
        low, high = fill_linked_mass(
            entity_start[k], entity_end[k], link_offsets[row], link_offsets[row + 1], link_source, link_target,
            link_score, target_words[row], inside, outside,
        )  # fmt: skip
        fill_linked_edges(inside, low, high, min_edge, edge)
        edge[low:high] &= edge_allowed[base + low : base + high]
        _fill_onward(edge, low, high, base, target_words[row], role, letters, edge_allowed, lacks[k], onward, steps)
        for a in range(low, high):
            if not edge[a] or (runs_only and a > low and edge[a - 1]):
                continue
            for b in range(a + 1, min(high, a + max_words) + 1):
                if not edge[b - 1] or (runs_only and b < high and edge[b]):
                    continue
                if count < room:
                    start[count], end[count] = a, b
                count += 1
                for side in range(2):
                    for at in onward[side, b - 1 if side else a, : steps[side, b - 1 if side else a]]:
                        left, right = min(a, at), max(b - 1, at)
                        if right - left < max_words:
                            if count < room:
                                start[count], end[count] = left, right + 1
                            count += 1
        offsets[k + 1] = count
    return count


@njit(cache=True)
def aligned_range(
    first: int, last: int, link_source: np.ndarray, link_target: np.ndarray, words: int, margin: int
) -> tuple[int, int]:
    """The target words [low, high) from the leftmost to the rightmost one linked to the source span, and `margin` more
    on each side; the whole sentence when none is linked."""
    low, high = words, 0
    for k in range(len(link_source)):
        if first <= link_source[k] < last:
            low, high = min(low, link_target[k]), max(high, link_target[k] + 1)
    if high == 0:
        return 0, words
    return max(0, low - margin), min(words, high + margin)


@njit(cache=True)
def near(
    entity_offsets: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    target_words: np.ndarray,
    margin: int,
) -> tuple[np.ndarray, np.ndarray]:
    """`aligned_range` of every entity: low and high, (entities,) int64."""
    n = len(entity_start)
    low, high = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for row in range(len(entity_offsets) - 1):
        links = slice(link_offsets[row], link_offsets[row + 1])
        for k in range(entity_offsets[row], entity_offsets[row + 1]):
            low[k], high[k] = aligned_range(
                entity_start[k], entity_end[k], link_source[links], link_target[links], target_words[row], margin
            )
    return low, high


@njit(cache=True)
def reduced(
    entity_offsets: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    target_words: np.ndarray,
    max_words: int,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
) -> int:
    """The spans of each row that lie in the range [low, high) of one of its entities, at most `max_words` long.

    Sorted by start, then by end; each span once. Call with too little room to learn the total, then again.
    """
    count, room = 0, len(start)
    for row in range(len(entity_offsets) - 1):
        for a in range(target_words[row]):
            # a span from here fits the range that reaches farthest among those that have begun
            reach = 0
            for k in range(entity_offsets[row], entity_offsets[row + 1]):
                if low[k] <= a:
                    reach = max(reach, high[k])
            for b in range(a + 1, min(reach, a + max_words) + 1):
                if count < room:
                    start[count], end[count] = a, b
                count += 1
        offsets[row + 1] = count
    return count


@njit(cache=True)
def linked_part(
    rows: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    target_words: np.ndarray,
    min_edge: float,
    from_word: np.ndarray,
    to_word: np.ndarray,
) -> None:
    """Of each candidate the part [from_word, to_word) that `ngrams` would list: without the words at its edges that
    have less than `min_edge` mass with the entity. Empty where no word has as much. Both are (candidates,).
    """
    words = longest(target_words)
    inside, outside, edge = np.empty(words), np.empty(words), np.empty(words, dtype=np.bool_)
    for k in range(len(rows)):
        row = rows[k]
        low, high = fill_linked_mass(
            entity_start[k], entity_end[k], link_offsets[row], link_offsets[row + 1], link_source, link_target,
            link_score, target_words[row], inside, outside,
        )  # fmt: skip
        edge[: target_words[row]] = False
        fill_linked_edges(inside, low, high, min_edge, edge)
        for c in range(offsets[k], offsets[k + 1]):
            a, b = start[c], end[c]
            while a < b and not edge[a]:
                a += 1
            while a < b and not edge[b - 1]:
                b -= 1
            from_word[c], to_word[c] = a, b
