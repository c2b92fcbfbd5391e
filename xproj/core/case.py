"""Capital letters as evidence of a span's edge: a name that is written with a capital stays one in most languages.

How far that holds is read from the links of the corpus itself. With p(b | a) the share of the link mass of source words
of case a that goes to target words of case b, the first word of each sentence left out on both sides,

    contrast = ln p(small | small) / p(small | capital)

is the log-likelihood ratio that speaks against a small letter where the source has a capital. It is small for German,
which writes adjectives of names without capitals, and 0 for scripts without them.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from xproj.core.bare_words import BREAKS, ENCLOSING, INVISIBLE, REMEMBERED, bare

if TYPE_CHECKING:
    from collections.abc import Sequence

# of words: punctuation; a mark that may join the words of a name; a letter without case, a digit or a symbol; a small
# letter; a capital
KINDS = 5
PUNCTUATION, JOINER, CASELESS, SMALL, CAPITAL = range(KINDS)
JOINERS = frozenset("-‐‑'’·・‧./")
# added to the kind of a word with a mark behind it that separates, as text cut at white space has them (“fish,”)
BEFORE_BREAK = 8
KIND = BEFORE_BREAK - 1  # the bits of the kind alone
_BREAKS, _AROUND = frozenset(BREAKS), ENCLOSING + INVISIBLE


def cases(words: Sequence[str]) -> np.ndarray:
    """The kind of each word, (n,) int8: that of its first letter or digit; without any, CASELESS for words that are
    signs (“%”), JOINER for one mark of JOINERS, or PUNCTUATION."""
    return np.fromiter(map(_case, words), np.int8, len(words))


def cases_with_breaks(words: Sequence[str]) -> np.ndarray:
    """The kind of each word, and BEFORE_BREAK where it is more than marks and ends with one of BREAKS, within brackets
    and quotes or without; (n,) int8."""
    kinds = cases(words)
    ends = np.fromiter(map(_ends_with_break, words), np.bool_, len(words))
    return kinds + np.int8(BEFORE_BREAK) * (ends & (kinds > JOINER))


def _ends_with_break(word: str) -> bool:
    return word.rstrip(_AROUND)[-1:] in _BREAKS


@lru_cache(maxsize=REMEMBERED)
def _case(word: str) -> int:
    for letter in bare(word):
        if letter.isalnum():
            return CAPITAL if letter.isupper() else SMALL if letter.islower() else CASELESS
    if any(map(_is_sign, word)):
        return CASELESS
    return JOINER if word in JOINERS else PUNCTUATION


def _is_sign(mark: str) -> bool:
    """Does it stand for a word? Accents without a letter are used as quotes."""
    return mark in "%‰§#&@*" or unicodedata.category(mark) in ("Sc", "Sm", "So")


@njit(cache=True)
def count_links(
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    source_case: np.ndarray,
    source_offsets: np.ndarray,
    target_case: np.ndarray,
    target_offsets: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Add the link mass between words that are SMALL and CAPITAL to `counts` (2, 2), source first."""
    for row in range(len(link_offsets) - 1):
        for k in range(link_offsets[row], link_offsets[row + 1]):
            i, j = link_source[k], link_target[k]
            if i == 0 or j == 0:
                continue
            a, b = source_case[source_offsets[row] + i], target_case[target_offsets[row] + j]
            if a >= SMALL and b >= SMALL:
                counts[a - SMALL, b - SMALL] += link_score[k]


def contrast(counts: np.ndarray) -> float:
    """The log-likelihood ratio of the module, at least 0, from link mass (2, 2), one link of each kind added."""
    shares = (counts + 1.0) / (counts + 1.0).sum(axis=1, keepdims=True)
    return max(0.0, float(np.log(shares[0, 0] / shares[1, 0])))
