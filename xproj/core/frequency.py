"""Which words are common: relative frequencies on each side of a corpus.

Articles, prepositions and conjunctions are frequent in every language, names and content words are not; no list of
stop words is needed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from xproj.core.bare_words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# a word of this relative frequency is half common
HALF = 0.015
# rarer words are not kept: their commonness is under 0.04
RAREST = 0.0005


class FrequencyCount:
    """Counts the words of one side, table by table."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, words: Iterable[str], times: Iterable[int]) -> None:
        """Add words and how often each is there, by their normalised form."""
        for word, count in zip(words, times, strict=True):
            self._counts[counted(word)] += count

    def frequencies(self) -> dict[str, float]:
        """Relative frequency of every word that is not rare, sorted by word."""
        total = max(1, self._counts.total())
        return {word: count / total for word, count in sorted(self._counts.items()) if count >= RAREST * total}


def commonness(words: Sequence[str], frequencies: Mapping[str, float]) -> np.ndarray:
    """g = f / (f + HALF) of each word, (n,) float32 in [0, 1); 0 for a word that is not in `frequencies`."""
    found = np.fromiter((frequencies.get(counted(word), 0.0) for word in words), np.float64, len(words))
    return (found / (found + HALF)).astype(np.float32)
