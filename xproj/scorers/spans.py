"""The candidate spans that the stage `score` scores, one set for each row, shared by its entities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xproj.columns import EntityColumn, Int32, Int64, LinkColumn, TokenColumn
from xproj.core import candidates
from xproj.core.labels import decode

if TYPE_CHECKING:
    from xproj.scorers import Setup

MARGIN = 1
Spans = tuple[Int64, Int32, Int32]


def spans(setup: Setup, target: TokenColumn, entities: EntityColumn, links: LinkColumn) -> Spans:
    """The candidates that `score.candidates` names: offsets (n + 1,), starts and ends, sorted in each row."""
    if setup.settings.candidates == "tagged":
        return _tagged(setup, target)
    return near_links(target, entities, links, setup.settings.max_words)


def near_links(target: TokenColumn, entities: EntityColumn, links: LinkColumn, max_words: int) -> Spans:
    """Spans of at most `max_words` words within the aligned range of an entity and one word on each side of it.

    An entity without links has the whole sentence for its range.
    """
    words = target.lengths
    low, high = ranges(target, entities, links)
    offsets = np.zeros(len(target) + 1, dtype=np.int64)
    nothing = np.empty(0, dtype=np.int32)
    total = candidates.reduced(entities.offsets, low, high, words, max_words, offsets, nothing, nothing)
    start, end = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
    candidates.reduced(entities.offsets, low, high, words, max_words, offsets, start, end)
    return offsets, start, end


def ranges(target: TokenColumn, entities: EntityColumn, links: LinkColumn) -> tuple[Int64, Int64]:
    """The target words [low, high) where the candidates of each entity lie, (entities,)."""
    low, high = candidates.near(
        entities.offsets, entities.start, entities.end, links.offsets, links.source, links.target, target.lengths,
        MARGIN,
    )  # fmt: skip
    return low, high


def _tagged(setup: Setup, target: TokenColumn) -> Spans:
    """The spans that the tagger finds, of any type; with `sub_spans` those inside them too."""
    flat = setup.tagger.probabilities(target)
    rows = np.split(flat, target.offsets[1:-1]) if len(target) else []
    found = decode(rows, setup.tagger.tagger.labels)
    longest = setup.settings.max_words
    distinct = [
        sorted(
            {
                (a, b)
                for k in range(found.offsets[row], found.offsets[row + 1])
                for a, b in _inside(int(found.start[k]), int(found.end[k]), setup.settings.sub_spans)
                if b - a <= longest
            }
        )
        for row in range(len(target))
    ]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in distinct])]).astype(np.int64)
    pairs = np.array([span for row in distinct for span in row], dtype=np.int32).reshape(-1, 2)
    return offsets, pairs[:, 0].copy(), pairs[:, 1].copy()


def _inside(start: int, end: int, sub_spans: bool) -> list[tuple[int, int]]:
    if not sub_spans:
        return [(start, end)]
    return [(a, b) for a in range(start, end) for b in range(a + 1, end + 1)]
