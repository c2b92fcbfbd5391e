"""Windows: how a sentence that is longer than the model's limit is encoded in overlapping parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from xproj.columns import Int32, Int64

OVERLAP = 64


class Window(NamedTuple):
    """Sub-words `[start, end)` of a sentence, of which the vectors of `[first, last)` are kept."""

    start: int
    end: int
    first: int
    last: int


def windows(counts: Int32 | Int64, capacity: int, overlap: int = OVERLAP) -> list[Window]:
    """The windows of one sentence.

    Windows are cut at word borders and share at least `overlap` sub-words (half of the capacity, where that is less).
    A word's vectors come from the window in which its first sub-word is farthest from an edge, the earlier one of two.

    Args:
        counts: sub-words of each word, (words,), none above `capacity`.
        capacity: sub-words that fit into a window.
        overlap: see above.
    """
    borders = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])
    total = int(borders[-1])
    if total <= capacity:
        return [Window(0, total, 0, total)]
    spans = _spans(borders, capacity, min(overlap, capacity // 2))
    starts = borders[:-1][np.diff(borders) > 0]
    distance = np.full((len(spans), len(starts)), -1, dtype=np.int64)
    for k, (start, end) in enumerate(spans):
        inside = (starts >= start) & (starts < end)
        distance[k, inside] = np.minimum(starts[inside] - start, end - 1 - starts[inside])
    chosen = distance.argmax(axis=0)
    ends = np.append(starts[1:], total)
    found = []
    for k, (start, end) in enumerate(spans):
        mine = np.flatnonzero(chosen == k)
        if len(mine):
            found.append(Window(start, end, int(starts[mine[0]]), int(ends[mine[-1]])))
    return found


def _spans(borders: Int64, capacity: int, overlap: int) -> list[tuple[int, int]]:
    """First and last border of each window; the last window reaches back as far as it can."""
    total, words = int(borders[-1]), len(borders) - 1
    spans: list[tuple[int, int]] = []
    first = 0
    while True:
        last = int(np.searchsorted(borders, borders[first] + capacity, side="right")) - 1
        if borders[last] == total:
            start = int(borders[np.searchsorted(borders, total - capacity)])
            return [*spans, (start, total)]
        spans.append((int(borders[first]), int(borders[last])))
        back = max(0, int(np.searchsorted(borders, borders[last] - overlap, side="right")) - 1)
        # a word that fills its window leaves no room for an overlap
        first = back if borders[back] > borders[first] else min(first + 1, words - 1)
        while borders[first] == spans[-1][0]:
            first += 1
