"""Translation tables of the statistical aligner: sparse, with a floor, and small when saved.

A pair of words that was never linked has almost the same probability whatever the words are, exp(ψ(α)) over the mass of
the given word. So only pairs that are clearly above that floor, or that look alike, need a place in a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from xproj.core.capitals import UNSEEN
from xproj.core.digamma import digamma
from xproj.core.orthography import Spellings, similarities
from xproj.core.pairs import EMPTY, hashed, slots_of

ALPHA = 0.15
ALIKE = 10.0
# a pair is saved when its probability is this many times the floor
KEPT = 1.5
# the mass of a word that the fit has not seen: as if seen once, beside some 25 words
UNSEEN_MASS = 1.0 + 25 * ALPHA


@dataclass
class Tables:
    """Translation probabilities of one view, float32.

    `forward[slot]` is t(target word | source word) and `backward[slot]` is t(source word | target word) of the pair
    `keys[slot]`. A pair without a slot has the probability of a pair that was never linked: `floor_forward[source
    word]`, `floor_backward[target word]`, times `case_ratio` (5, 5) of the words' cases (see `capitals`), `source_case`
    and `target_case`. `null_forward` (target words,) and `null_backward` (source words,) are those of NULL. `tension`
    is that of the diagonal of model 1 (see `word_order`); an HMM has none.
    """

    keys: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    floor_forward: np.ndarray
    floor_backward: np.ndarray
    null_forward: np.ndarray
    null_backward: np.ndarray
    case_ratio: np.ndarray
    source_case: np.ndarray
    target_case: np.ndarray
    tension: float

    def arrays(self) -> tuple[np.ndarray, ...]:
        """The arrays in the order in which the kernels take them."""
        return (
            self.keys,
            self.forward,
            self.backward,
            self.floor_forward,
            self.floor_backward,
            self.null_forward,
            self.null_backward,
            self.case_ratio,
            self.source_case,
            self.target_case,
        )

    def resized(self, source_words: int, target_words: int) -> Tables:
        """The same tables for larger vocabularies: new words have the floor of an unseen word."""
        unseen = math.exp(digamma(ALPHA) - digamma(UNSEEN_MASS))
        return replace(
            self,
            floor_forward=_padded(self.floor_forward, source_words, unseen),
            floor_backward=_padded(self.floor_backward, target_words, unseen),
            null_forward=_padded(self.null_forward, target_words, float(self.null_forward.min(initial=1.0))),
            null_backward=_padded(self.null_backward, source_words, float(self.null_backward.min(initial=1.0))),
            source_case=_padded(self.source_case, source_words, UNSEEN),
            target_case=_padded(self.target_case, target_words, UNSEEN),
        )


def _padded(array: np.ndarray, size: int, value: float) -> np.ndarray:
    return np.concatenate([array, np.full(size - len(array), value, dtype=array.dtype)])


def alike_counts(keys: np.ndarray, live: np.ndarray, source: Spellings | None, target: Spellings | None) -> np.ndarray:
    """Extra pseudo-counts by slot of pairs that look alike: 10 · r⁴; zeros without spellings."""
    extra = np.zeros(len(keys), dtype=np.float32)
    if source is not None and target is not None:
        alike = similarities(keys[live] >> 32, keys[live] & 0xFFFFFFFF, source, target)
        extra[live] = ALIKE * alike**4
    return extra


def compact(tables: Tables, live: np.ndarray, extra: np.ndarray) -> dict[str, np.ndarray]:
    """The tables as plain arrays without the pairs that the floor describes as well: never linked and not alike."""
    source, target = tables.keys[live] >> 32, tables.keys[live] & 0xFFFFFFFF
    kept = KEPT * tables.case_ratio[tables.source_case[source], tables.target_case[target]]
    above = (tables.forward[live] > kept * tables.floor_forward[source]) | (
        tables.backward[live] > kept * tables.floor_backward[target]
    )
    slots = live[above | (extra[live] > 0.0)]
    arrays = {field.name: np.asarray(getattr(tables, field.name)) for field in fields(tables)}
    return arrays | {name: arrays[name][slots] for name in ("keys", "forward", "backward")}


def expand(arrays: dict[str, np.ndarray]) -> Tables:
    """The tables that `compact` wrote."""
    pairs = arrays["keys"]
    table = hashed(pairs)
    slots = slots_of(table, pairs)
    forward, backward = np.zeros(len(table), dtype=np.float32), np.zeros(len(table), dtype=np.float32)
    forward[slots], backward[slots] = arrays["forward"], arrays["backward"]
    learned = {"keys": table, "forward": forward, "backward": backward, "tension": float(arrays["tension"])}
    return Tables(**(arrays | learned))


def extend(tables: Tables, unseen: np.ndarray, source: Spellings, target: Spellings) -> Tables:
    """The tables with those `unseen` pairs (keys) that look alike, at the probability that their prior gives them."""
    alike = similarities(unseen >> 32, unseen & 0xFFFFFFFF, source, target)
    unseen, alike = unseen[alike > 0], alike[alike > 0]
    live = np.flatnonzero(tables.keys != EMPTY)
    keys = np.concatenate([tables.keys[live], unseen])
    # p = exp(ψ(α + 10 r⁴) − ψ(mass)), and the floor of a word is exp(ψ(α) − ψ(mass))
    gain = np.array([math.exp(digamma(ALPHA + ALIKE * r**4) - digamma(ALPHA)) for r in alike], dtype=np.float32)
    forward = np.minimum(1.0, gain * tables.floor_forward[unseen >> 32])
    backward = np.minimum(1.0, gain * tables.floor_backward[unseen & 0xFFFFFFFF])
    grown = {
        "keys": keys,
        "forward": np.concatenate([tables.forward[live], forward]),
        "backward": np.concatenate([tables.backward[live], backward]),
    }
    return expand({field.name: getattr(tables, field.name) for field in fields(tables)} | grown)
