"""Translate-train and translate-test together: two taggers on the same target words, one of them through links.

In translate-test a target sentence is translated and the tagger of the source language labels the translation; its
label probabilities come back over word links. In translate-train a tagger of the target language reads the sentence
itself. The mean of the two is better than either (Ebing and Glavaš 2025, arXiv 2505.10507).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.columns import Bool, Int64, LinkColumn


class Carried(NamedTuple):
    """Label probabilities of target words that came over links, (words, labels), and which words have any, (words,)."""

    probabilities: np.ndarray
    linked: Bool


def carry(
    source: np.ndarray, source_offsets: Int64, target_offsets: Int64, links: LinkColumn, labels: Sequence[str]
) -> Carried:
    """The probabilities of source words on the target words that are linked to them.

    A word with several links has their mean, weighted by their scores. A word whose source words are all linked to the
    word before it too goes on with what that one began: what is B- of it becomes I-.

    Args:
        source: of all source words, (source words, labels).
        source_offsets: the words of row r are `source_offsets[r]` to `source_offsets[r + 1]`.
        target_offsets: the same of the target words.
        links: inside their sentences; those with score 0 count for nothing.
        labels: the IOB2 label of each column.
    """
    row = np.repeat(np.arange(len(links)), np.diff(links.offsets))
    counts = links.score > 0
    score = links.score[counts].astype(np.float64)
    s = (source_offsets[row] + links.source)[counts]
    t = (target_offsets[row] + links.target)[counts]
    words = int(target_offsets[-1])
    total = np.bincount(t, weights=score, minlength=words)
    summed = np.zeros((words, len(labels)))
    np.add.at(summed, t, score[:, None] * source[s])
    linked = total > 0
    mapped = np.divide(summed, total[:, None], out=np.zeros_like(summed), where=linked[:, None])
    goes_on = linked & _shared(s, t, int(source_offsets[-1]), words)
    for column, label in enumerate(labels):
        if label.startswith("B-"):
            inside = labels.index(f"I-{label[2:]}")
            mapped[goes_on, inside] += mapped[goes_on, column]
            mapped[goes_on, column] = 0.0
    return Carried(mapped.astype(np.float32), linked)


def _shared(s: np.ndarray, t: np.ndarray, sources: int, words: int) -> Bool:
    """Which target words, (words,), have no source word that the word before them lacks.

    Source words are numbered over all sentences, so the first word of a sentence shares none with the last before it.
    """
    keys = t * np.int64(sources) + s
    before = np.isin(keys - sources, keys)
    shared = np.ones(words, dtype=bool)
    np.logical_and.at(shared, t, before)
    return shared


def ensemble(carried: Carried, target: np.ndarray, share: float = 0.5) -> np.ndarray:
    """`share · carried + (1 − share) · target` on linked words, `target` on the others, (words, labels).

    Args:
        carried: from `carry`.
        target: the probabilities of the tagger of the target language, (words, labels).
        share: of what came over links.
    """
    mixed = share * carried.probabilities + (1 - share) * target
    return np.asarray(np.where(carried.linked[:, None], mixed, target), dtype=np.float32)
