"""How much link mass the words of a row have with a span of the other side."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def fill_linked_mass(
    first: int,
    last: int,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    inside: np.ndarray,
    outside: np.ndarray,
    of_source: np.ndarray,
) -> None:
    """`linked_mass` into arrays that are there: (words,) twice, and (last - first,)."""
    inside[:], outside[:], of_source[:] = 0.0, 0.0, 0.0
    for k in range(len(link_source)):
        if first <= link_source[k] < last:
            inside[link_target[k]] += link_score[k]
            of_source[link_source[k] - first] += link_score[k]
        else:
            outside[link_target[k]] += link_score[k]


@njit(cache=True)
def room(target_words: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Arrays for `fill_linked_mass` that serve all entities: (2, longest target) and (longest entity,)."""
    longest = target_words.max() if len(target_words) else 0
    most = (end - start).max() if len(start) else 0
    return np.empty((2, longest)), np.empty(most)


@njit(cache=True)
def linked_mass(
    first: int, last: int, link_source: np.ndarray, link_target: np.ndarray, link_score: np.ndarray, words: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Link mass of the target words of one row, seen from the source span [first, last).

    Returns the mass inside the span and outside it, (words,), and that of each source word of it, (last - first,).
    """
    inside, outside, of_source = np.empty(words), np.empty(words), np.empty(last - first)
    fill_linked_mass(first, last, link_source, link_target, link_score, inside, outside, of_source)
    return inside, outside, of_source


@njit(cache=True)
def linked_edges(inside: np.ndarray, min_edge: float) -> np.ndarray:
    """Which words have so much link mass `inside` that a span may start or end with them; the best word always may."""
    floor = min(min_edge, inside.max()) if len(inside) else 0.0
    return (inside > 0.0) & (inside >= floor)
