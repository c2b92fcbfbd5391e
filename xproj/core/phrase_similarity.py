"""How alike two phrases look: the indel similarity of `orthography` for strings of any length."""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.orthography import MIN_LETTERS, MIN_SIMILARITY, equal


@njit(cache=True)
def _phrase(ids: np.ndarray, letters: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The letters of the words `ids`, one after the other."""
    size = 0
    for word in ids:
        size += offsets[word + 1] - offsets[word]
    joined = np.empty(size, dtype=np.uint8)
    at = 0
    for word in ids:
        for k in range(offsets[word], offsets[word + 1]):
            joined[at] = letters[k]
            at += 1
    return joined


@njit(cache=True)
def _common_blocks(size: int, masks: np.ndarray, b: np.ndarray, state: np.ndarray) -> int:
    """`_common` for a string of any length, whose `size` letters are in `masks` (256, blocks); `state` is scratch."""
    one = np.uint64(1)
    blocks = masks.shape[1]
    state[:] = ~np.uint64(0)
    for letter in b:
        carry = np.uint64(0)
        for block in range(blocks):
            old = state[block]
            matched = old & masks[letter, block]
            total = old + matched
            over = total < old
            total += carry
            carry = one if over or total < carry else np.uint64(0)
            state[block] = total | (old - matched)
    length = 0
    for k in range(size):
        if not (state[k >> 6] >> np.uint64(k & 63)) & one:
            length += 1
    return length


@njit(cache=True)
def _by_equality(letters: np.ndarray) -> bool:
    """Too short, or without a letter from a to z: only an equal phrase is like it."""
    if len(letters) < MIN_LETTERS:
        return True
    for letter in letters:
        if 97 <= letter <= 122:
            return False
    return True


@njit(cache=True)
def phrase_similarities(
    rows: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    source_ids: np.ndarray,
    source_offsets: np.ndarray,
    source_letters: np.ndarray,
    source_spelt: np.ndarray,
    target_ids: np.ndarray,
    target_offsets: np.ndarray,
    target_letters: np.ndarray,
    target_spelt: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` (candidates,) with the indel ratio of each candidate and its entity; 0 below MIN_SIMILARITY.

    Candidates are flat by entity, as everywhere. `source_ids` are the word ids of all source words, the words of a row
    between its `source_offsets`; word w is spelt `source_letters[source_spelt[w]:source_spelt[w + 1]]`. Phrases of
    fewer than MIN_LETTERS letters, or without any, are like equal ones only.
    """
    for k in range(len(rows)):
        if offsets[k] == offsets[k + 1]:
            continue
        at = source_offsets[rows[k]]
        a = _phrase(source_ids[at + entity_start[k] : at + entity_end[k]], source_letters, source_spelt)
        masks = np.zeros((256, (len(a) + 63) // 64), dtype=np.uint64)
        for i in range(len(a)):
            masks[a[i], i >> 6] |= np.uint64(1) << np.uint64(i & 63)
        state = np.zeros(masks.shape[1], dtype=np.uint64)
        exact = _by_equality(a)
        at = target_offsets[rows[k]]
        for c in range(offsets[k], offsets[k + 1]):
            b = _phrase(target_ids[at + start[c] : at + end[c]], target_letters, target_spelt)
            out[c] = 0.0
            shorter, total = min(len(a), len(b)), len(a) + len(b)
            if shorter == 0 or 2 * shorter < MIN_SIMILARITY * total:
                continue
            if exact or _by_equality(b):
                out[c] = equal(a, b)
                continue
            score = 2 * _common_blocks(len(a), masks, b, state) / total
            out[c] = score if score >= MIN_SIMILARITY else 0.0
