"""How far words move from one language to the other: the tension of the diagonal of IBM model 1 (see `statistical`).

Where a corpus says little of a rare word, the diagonal says the rest. In a language that has its verbs at the end or at
the beginning it is wrong, and EM then learns what it got wrong. So the tension is measured on *anchors*: two words of a
sentence pair that look alike (r ≥ 0.75, see orthography), each like no other word of it, tell their link themselves.
With λ the rate that makes n anchors most probable, in both directions,

    p(i | j) = exp(−λ |i/m − j/n|) / Σ_i' exp(−λ |i'/m − j/n|),      x = min(2, 0.3 · max(0, λ − 3)),

the tension is (n · x + 10 · 1) / (n + 10). Anchors keep their place better than other words: less than λ is right. A
pair in which more than half of the words look alike is left out: it is no translation, or a list of names.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from xproj.core.lexicon import ALIKE
from xproj.core.pairs import find

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xproj.core.statistical import Rows

SIMILAR = 0.75
# of the rate: what of it counts, below what it is none; and the greatest tension
SHARE, LEAST_RATE, MOST_TENSION = 0.3, 3.0, 2.0
# the tension without anchors, and how many it counts for
PRIOR_TENSION, PRIOR_ANCHORS = 1.0, 10
# the first anchors are enough
MOST_ANCHORS = 5_000


def tension(
    rows: Iterable[Rows], keys: np.ndarray, live: np.ndarray, extra: np.ndarray, source_words: Sequence[str]
) -> float:
    """The tension for some sentence pairs, between 0 and 2.

    Args:
        rows: whole words (the view without a prefix), part by part; not read further than needed.
        keys: the pair table, (slots,) int64 (see pairs).
        live: its slots in use, (used,).
        extra: the pseudo-counts of looks by slot, (slots,) float32 (see lexicon.alike_counts).
        source_words: by id; words without a letter or a digit are no anchors.
    """
    alike = _alike(keys, live, extra, source_words)
    places, found = np.empty((MOST_ANCHORS, 4), dtype=np.int32), 0
    for part in rows:
        found = _add_anchors(*part, keys, alike, places, found)
        if found == MOST_ANCHORS:
            break
    measured = min(MOST_TENSION, SHARE * max(0.0, _most_probable(places[:found]) - LEAST_RATE))
    return (found * measured + PRIOR_ANCHORS * PRIOR_TENSION) / (found + PRIOR_ANCHORS)


def _alike(keys: np.ndarray, live: np.ndarray, extra: np.ndarray, source_words: Sequence[str]) -> np.ndarray:
    """Which slots are pairs of words that look alike, (slots,) bool."""
    alike = np.zeros(len(keys), dtype=np.bool_)
    slots = live[extra[live] >= ALIKE * SIMILAR**4]
    words, which = np.unique(keys[slots] >> 32, return_inverse=True)
    written = np.array([any(map(str.isalnum, source_words[word])) for word in words], dtype=np.bool_)
    alike[slots] = written[which]
    return alike


@njit(cache=True)
def _add_anchors(
    source: np.ndarray,
    source_offsets: np.ndarray,
    target: np.ndarray,
    target_offsets: np.ndarray,
    keys: np.ndarray,
    alike: np.ndarray,
    places: np.ndarray,
    found: int,
) -> int:
    """Write the anchors of some rows as (i, j, m, n) into `places` (room, 4), from `found` on while there is room; the
    number of anchors that are there then."""
    for row in range(len(source_offsets) - 1):
        e = source[source_offsets[row] : source_offsets[row + 1]]
        f = target[target_offsets[row] : target_offsets[row + 1]]
        if len(e) < 2 or len(f) < 2:
            continue  # one word has no order
        partner, partners, alike_words = np.full(len(e), -1), np.zeros(len(f), dtype=np.int64), 0
        for i in range(len(e)):
            several = False
            for j in range(len(f)):
                slot = find(keys, np.int64(e[i]) << 32 | np.int64(f[j]))
                if slot >= 0 and alike[slot]:
                    several |= partner[i] >= 0
                    partner[i] = j
                    partners[j] += 1
            alike_words += int(partner[i] >= 0)
            if several:
                partner[i] = -1
        reached = int(np.count_nonzero(partners))
        if 2 * min(alike_words, reached) > min(len(e), len(f)):
            continue
        for i in range(len(e)):
            if partner[i] >= 0 and partners[partner[i]] == 1 and found < len(places):
                places[found, 0], places[found, 1], places[found, 2], places[found, 3] = i, partner[i], len(e), len(f)
                found += 1
    return found


def _most_probable(places: np.ndarray) -> float:
    """The rate λ of anchors (n, 4), at most that of the greatest tension; 0 without anchors.

    At the maximum the mean distance |i/m − j/n| of the anchors is what the model expects, and that falls with λ.
    """
    i, j, m, n = places.T
    distance = float(np.abs(i / m - j / n).sum())
    low, high = 0.0, LEAST_RATE + MOST_TENSION / SHARE
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _expected_distance(places, middle) > distance else (low, middle)
    return low


@njit(cache=True)
def _expected_distance(places: np.ndarray, rate: float) -> float:
    """The sum over anchors of the distance that is expected, the mean of both directions."""
    total = 0.0
    for k in range(len(places)):
        i, j, m, n = places[k]
        total += (_expected(j / n, m, rate) + _expected(i / m, n, rate)) / 2
    return total


@njit(cache=True)
def _expected(place: float, words: int, rate: float) -> float:
    """The expected distance from a relative place of one of so many words."""
    mass, total = 0.0, 0.0
    for k in range(words):
        distance = abs(k / words - place)
        weight = math.exp(-rate * distance)
        mass += weight
        total += weight * distance
    return total / mass
