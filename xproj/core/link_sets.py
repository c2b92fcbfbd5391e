"""Several sets of links of the same sentence pairs, put together: ensembles and back-translation share this.

A set is flat: offsets (rows + 1,), source words, target words and scores, as in `columns.LinkColumn`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Links = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Stack(NamedTuple):
    """All links of all sets, those of the same pair of words together, in the order of the sets.

    `rows`, `source`, `target` (pairs,): the distinct pairs, sorted. `first` (pairs,): where the links of each pair
    begin in `score` (links,). `length`: the number of rows.
    """

    rows: np.ndarray
    source: np.ndarray
    target: np.ndarray
    first: np.ndarray
    score: np.ndarray
    length: int

    @property
    def sizes(self) -> np.ndarray:
        """How many sets have each pair, (pairs,)."""
        return np.diff(np.append(self.first, len(self.score)))

    def links(self, score: np.ndarray, keep: np.ndarray) -> Links:
        """The pairs that `keep` (pairs,) marks, with these scores (pairs,)."""
        offsets = np.concatenate([[0], np.cumsum(np.bincount(self.rows[keep], minlength=self.length))])
        chosen = (self.source[keep].astype(np.int32), self.target[keep].astype(np.int32))
        return offsets.astype(np.int64), *chosen, score[keep].astype(np.float32)


def stack(sets: Sequence[Links]) -> Stack:
    """Put at least one set of links of the same rows together. No set has a pair of words twice in a row."""
    length = len(sets[0][0]) - 1
    rows = np.concatenate([np.repeat(np.arange(length), np.diff(links[0])) for links in sets])
    source, target = (np.concatenate([links[side] for links in sets]).astype(np.int64) for side in (1, 2))
    score = np.concatenate([links[3] for links in sets]).astype(np.float64)
    order = np.lexsort((target, source, rows))  # stable, so sums are taken in the order of the sets
    rows, source, target = rows[order], source[order], target[order]
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (rows[1:] != rows[:-1]) | (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    first = np.flatnonzero(new)
    return Stack(rows[first], source[first], target[first], first, score[order], length)


def either(sets: Sequence[Links]) -> Links:
    """The union of the sets; the score of a pair is 1 − Π (1 − score), the chance that one of them is right.

    The sets count as independent witnesses (noisy or); a pair that only one has keeps its score.
    """
    found = stack(sets)
    if not len(found.first):
        return sets[0]
    missed = np.multiply.reduceat(1.0 - found.score, found.first)
    # 1 − (1 − s) is not s in floating point
    score = np.where(found.sizes == 1, found.score[found.first], 1.0 - missed)
    return found.links(score, np.ones(len(score), dtype=np.bool_))
