"""How much link mass the words of a row have with a span of the other side."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def fill_linked_mass(
    first: int,
    last: int,
    links_from: int,
    links_to: int,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    words: int,
    inside: np.ndarray,
    outside: np.ndarray,
) -> tuple[int, int]:
    """Link mass of the `words` target words of one row, seen from the source span [first, last), into arrays that may
    be longer: the mass with the span, and that with other words.

    The links of the row are [links_from, links_to) of all. Returns the range [low, high) of the words that are linked
    to the span, low = high without any.
    """
    low, high = words, 0
    inside[:words], outside[:words] = 0.0, 0.0
    for k in range(links_from, links_to):
        t = link_target[k]
        if first <= link_source[k] < last:
            inside[t] += link_score[k]
            low, high = min(low, t), max(high, t + 1)
        else:
            outside[t] += link_score[k]
    return min(low, high), high


@njit(cache=True)
def fill_linked_edges(inside: np.ndarray, low: int, high: int, min_edge: float, edge: np.ndarray) -> None:
    """Mark in `edge`, of the words [low, high) of a row, which have so much link mass `inside` that a span may start or
    end with them; the best word always may."""
    most = 0.0
    for t in range(low, high):
        most = max(most, inside[t])
    floor = min(min_edge, most)
    for t in range(low, high):
        edge[t] = inside[t] > 0.0 and inside[t] >= floor


@njit(cache=True)
def longest(lengths: np.ndarray) -> int:
    """The largest of some lengths, 0 without any: the room that serves all rows."""
    return int(lengths.max()) if len(lengths) else 0


@njit(cache=True)
def joining_mass(
    rows: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
) -> np.ndarray:
    """The link mass between each entity and its span, (spans,) float64; spans and entities are parallel."""
    found = np.zeros(len(rows))
    for k in range(len(rows)):
        for x in range(link_offsets[rows[k]], link_offsets[rows[k] + 1]):
            if entity_start[k] <= link_source[x] < entity_end[k] and start[k] <= link_target[x] < end[k]:
                found[k] += link_score[x]
    return found
