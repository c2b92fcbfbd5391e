"""Back-translation refinement: evidence from a labelled sentence in the target language itself (arXiv 2501.18750).

A *back-translation* is the labelled source sentence translated into the target language. Its words are aligned with
the target sentence, same language on both sides, and its *back entities* are the source entities found in it. Arrays
are flat over all rows; the source entities of a row are numbered through the whole table.
"""

from __future__ import annotations

import numpy as np
from numba import njit

MODES = ("off", "replace", "add", "filter", "fallback")


def owners(source_offsets: np.ndarray, back_offsets: np.ndarray, number: np.ndarray) -> np.ndarray:
    """The source entity, (back entities,) int64, that each back entity is, numbered through all rows.

    `number` (back entities,) is the source entity's number in its row; where it is negative, the k-th back entity of a
    row is its k-th source entity. `source_offsets` and `back_offsets` (rows + 1,) cut both into rows.
    """
    rows = np.repeat(np.arange(len(back_offsets) - 1), np.diff(back_offsets))
    place = np.arange(len(number)) - back_offsets[rows]
    mine: np.ndarray = source_offsets[rows] + np.where(number < 0, place, number)
    return mine


@njit(cache=True)
def mapped_links(
    link_offsets: np.ndarray,
    link_back: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    back_offsets: np.ndarray,
    back_start: np.ndarray,
    back_end: np.ndarray,
    owner: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    source_words: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Links between back-translation and target as links of the source sentence: offsets, source, target, score.

    Word b of a back entity of n_b words stands for word ⌊(b − start) · n_s / n_b⌋ of its source entity of n_s words. A
    word of no entity stands for one word behind the sentence, number `source_words[row]`: it speaks for the target
    word being elsewhere. Where several links become one, the strongest counts. Sorted by source, then target.

    Args:
        link_offsets, link_back, link_target, link_score: the links of each row.
        back_offsets, back_start, back_end: the back entities of each row, and their words.
        owner: from `owners`.
        entity_start, entity_end: the words of the source entities.
        source_words: words of each source sentence, (rows,).
    """
    room = 0
    for row in range(len(link_offsets) - 1):
        room += (link_offsets[row + 1] - link_offsets[row]) * max(1, back_offsets[row + 1] - back_offsets[row])
    offsets = np.zeros(len(link_offsets), dtype=np.int64)
    source, target = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
    score = np.empty(room, dtype=np.float32)
    count = 0
    for row in range(len(link_offsets) - 1):
        first = count
        for x in range(link_offsets[row], link_offsets[row + 1]):
            b, inside = link_back[x], False
            for e in range(back_offsets[row], back_offsets[row + 1]):
                if back_start[e] <= b < back_end[e]:
                    k, inside = owner[e], True
                    step = (b - back_start[e]) * (entity_end[k] - entity_start[k]) // (back_end[e] - back_start[e])
                    count = _put(
                        source, target, score, first, count, entity_start[k] + step, link_target[x], link_score[x]
                    )
            if not inside:
                count = _put(source, target, score, first, count, source_words[row], link_target[x], link_score[x])
        offsets[row + 1] = count
    return offsets, source[:count], target[:count], score[:count]


@njit(cache=True)
def _put(
    source: np.ndarray, target: np.ndarray, score: np.ndarray, first: int, count: int, i: int, j: int, value: float
) -> int:
    """Insert a link into the sorted links `[first, count)` of a row, or raise its score; returns the new count."""
    at = count
    while at > first and (source[at - 1] > i or (source[at - 1] == i and target[at - 1] > j)):
        at -= 1
    if at > first and source[at - 1] == i and target[at - 1] == j:
        score[at - 1] = max(score[at - 1], value)
        return count
    for k in range(count, at, -1):
        source[k], target[k], score[k] = source[k - 1], target[k - 1], score[k - 1]
    source[at], target[at], score[at] = i, j, value
    return count + 1


def agreeing(
    owner: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    other_owner: np.ndarray,
    other_start: np.ndarray,
    other_end: np.ndarray,
) -> np.ndarray:
    """Which spans, (spans,) bool, share a word with a span that the other path gives to the same entity."""
    order = np.argsort(other_owner, kind="stable")
    low, high = (np.searchsorted(other_owner[order], owner, side=side) for side in ("left", "right"))
    return _overlaps(start, end, low, high, other_start[order], other_end[order])


@njit(cache=True)
def _overlaps(
    start: np.ndarray,
    end: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    other_start: np.ndarray,
    other_end: np.ndarray,
) -> np.ndarray:
    """Which spans overlap one of the others from `low` to `high`, (spans,)."""
    found = np.zeros(len(start), dtype=np.bool_)
    for k in range(len(start)):
        for x in range(low[k], high[k]):
            if start[k] < other_end[x] and other_start[x] < end[k]:
                found[k] = True
    return found


def free(taken_start: np.ndarray, taken_end: np.ndarray, start: np.ndarray, end: np.ndarray, words: int) -> np.ndarray:
    """Which spans, (spans,) bool, have no word of a taken one; places are numbered through all `words` of a table."""
    steps = np.zeros(words + 1, dtype=np.int64)
    np.add.at(steps, taken_start, 1)
    np.add.at(steps, taken_end, -1)
    used = np.concatenate([[0], np.cumsum(np.cumsum(steps[:-1]) > 0)])
    clear: np.ndarray = used[end] == used[start]
    return clear
