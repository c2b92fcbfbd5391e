"""Where a lost entity may lie: target words that are not known to be outside of entities.

An entity of the source sentence that was not projected is somewhere in the target sentence nevertheless, so a word of
the target that it may be on is no example of a word without an entity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from xproj.columns import Bool, Int32, Int64


def unsure_words(
    rows: Int64,
    start: Int32,
    end: Int32,
    link_offsets: Int64,
    link_source: Int32,
    link_target: Int32,
    target_offsets: Int64,
) -> Bool:
    """The target words on which lost entities may lie, (words,).

    Those are the words linked with the entity's, at any score, and a single word between two of them; of an entity
    without any link all words of the sentence.

    Args:
        rows: the sentence of each lost entity, (entities,).
        start, end: its source words, (entities,).
        link_offsets: the links of sentence r are `link_offsets[r]:link_offsets[r + 1]`.
        link_source, link_target: the words that each link joins.
        target_offsets: where the words of each target sentence begin, (sentences + 1,).
    """
    found = np.zeros(target_offsets[-1], dtype=bool)
    counts = np.diff(link_offsets)[rows]
    owner = np.repeat(np.arange(len(rows)), counts)
    link = np.arange(len(owner)) + np.repeat(link_offsets[:-1][rows] - (np.cumsum(counts) - counts), counts)
    inside = (link_source[link] >= start[owner]) & (link_source[link] < end[owner])
    inside &= (link_target[link] >= 0) & (link_target[link] < np.diff(target_offsets)[rows[owner]])
    found[target_offsets[:-1][rows[owner[inside]]] + link_target[link[inside]]] = True
    row = np.repeat(np.arange(len(target_offsets) - 1), np.diff(target_offsets))
    between = found[:-2] & found[2:] & (row[:-2] == row[2:])
    found[1:-1] |= between
    linked = np.zeros(len(rows), dtype=bool)
    linked[owner[inside]] = True
    whole = np.zeros(len(target_offsets) - 1, dtype=bool)
    whole[rows[~linked]] = True
    return np.asarray(found | whole[row])


def runs(words: Bool, offsets: Int64) -> tuple[Int64, Int32, Int32]:
    """The runs of marked words of each sentence, as offsets of a list column, first words, and ends.

    Args:
        words: which are marked, (words,).
        offsets: where the words of each sentence begin, (sentences + 1,).
    """
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    new = np.diff(row, prepend=-1) != 0
    last = np.diff(row, append=len(offsets)) != 0
    begins = np.flatnonzero(words & (new | ~np.roll(words, 1)))
    ends = np.flatnonzero(words & (last | ~np.roll(words, -1))) + 1
    owner = row[begins]
    counts = np.bincount(owner, minlength=len(offsets) - 1)
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    base = offsets[:-1][owner]
    return bounds, (begins - base).astype(np.int32), (ends - base).astype(np.int32)
