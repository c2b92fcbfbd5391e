"""What the corpus as a whole says for a span: how the same phrase, and the words at its edges, are projected elsewhere.

A first projection of the corpus, by links alone, is counted: which target phrase each source phrase was given, and how
often each target word stands inside a span and outside. For a candidate C of an entity with the phrase E,

    consensus   votes(E → C) / (votes(E) + 1),      without the vote of this entity
    boundary    ¼ · (odds(first word) + odds(last word) − odds(word before) − odds(word behind))

with odds(w) = ln((inside + p) / (outside + 1 − p)), one of each left out: the word that is judged is among them.
p is what words that begin as w does (with a capital, a small letter, another letter or digit, or none) lead to expect,
the word itself included:

    p / (1 − p) = odds of all words of this case / odds of all words

A word that was not counted has the odds of its case, the place beyond a sentence has 0. CONSENSUS · consensus +
BOUNDARY · boundary are added to the score by which spans are chosen. Small and capital letters from A to Z count as
equal in phrases.

Whose vote the entity's own is, is found anew: it is what the scores choose without precedents. That of a row past those
that were counted is left out too, where there is one like it: a span does not depend on the place of its row.

Words and phrases are known by 64-bit hashes: FNV-1a of the letters of a word, and of the hashes of a phrase's words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from xproj.core.case import KINDS

CONSENSUS = 0.7
BOUNDARY = 0.08
# added to the words of each case, standing inside spans as often as all words do: a rare case says little
EVERY_CASE = 5
_BASIS, _PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)
_SMALL, _FREE = np.uint64(0x20), np.uint64(0)


class HashTable(NamedTuple):
    """Hashes with a value each, by open addressing: keys (2^k,) uint64, 0 where free, and values (2^k,) float32."""

    keys: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, values: np.ndarray) -> HashTable:
        """A table, at most half full, of distinct keys, (n,) uint64."""
        size = 1 << (2 * len(keys)).bit_length()
        table = cls(np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.float32))
        _fill(keys, values.astype(np.float32), *table)
        return table

    def look_up(self, keys: np.ndarray) -> np.ndarray:
        """The value of each key, 0 where there is none; (n,) float32."""
        return np.asarray(_look_up(keys, *self))


class Precedents(NamedTuple):
    """Votes for each source phrase and for each pair of source and target phrase.

    `case_odds` (kinds,) float32 are the odds of a target word whose first character is of each kind of `core.case`,
    `odds` by how much those of each word that was counted differ from them.
    """

    phrases: HashTable
    pairs: HashTable
    odds: HashTable
    case_odds: np.ndarray

    def word_odds(self, hashes: np.ndarray, cases: np.ndarray) -> np.ndarray:
        """The odds of words by their hashes and cases, (words,) each; (words,) float32."""
        return np.asarray(self.case_odds[cases] + self.odds.look_up(with_case(hashes, cases)))


def with_case(hashes: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """Hashes of words that tell cases apart, (words,) uint64, never 0."""
    found = (hashes ^ cases.astype(np.uint64)) * _PRIME
    return np.where(found != _FREE, found, _BASIS)


def odds(inside: np.ndarray, outside: np.ndarray, cases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The odds of each case, (kinds,), and of words that stand inside spans and outside so often, (words,); float64."""
    within, without = (np.bincount(cases, weights=counts, minlength=KINDS) for counts in (inside, outside))
    share = (within.sum() + 0.5) / (within.sum() + without.sum() + 1)
    of_case = (within + EVERY_CASE * share) / (without + EVERY_CASE * (1 - share)) * (1 - share) / share
    expected = (of_case / (1 + of_case))[cases]
    left = np.maximum(inside - 1, 0) + expected, np.maximum(outside - 1, 0) + 1 - expected
    return np.log(of_case), np.log(left[0] / left[1])


@njit(cache=True)
def _place(keys: np.ndarray, key: np.uint64) -> int:
    """Where `key` is in a table, or would be."""
    mask = np.uint64(len(keys) - 1)
    at = (key ^ (key >> np.uint64(32))) & mask
    while keys[at] != key and keys[at] != _FREE:
        at = (at + np.uint64(1)) & mask
    return int(at)


@njit(cache=True)
def _fill(new: np.ndarray, given: np.ndarray, keys: np.ndarray, values: np.ndarray) -> None:
    for k in range(len(new)):
        at = _place(keys, new[k])
        keys[at], values[at] = new[k], given[k]


@njit(cache=True)
def _look_up(wanted: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    found = np.empty(len(wanted), dtype=np.float32)
    for k in range(len(wanted)):
        found[k] = values[_place(keys, wanted[k])]
    return found


@njit(cache=True)
def word_hashes(offsets: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """The hash of each word, (n,) uint64, never 0; word w is `letters[offsets[w]:offsets[w + 1]]` in UTF-8."""
    found = np.empty(len(offsets) - 1, dtype=np.uint64)
    for w in range(len(found)):
        value = _BASIS
        for k in range(offsets[w], offsets[w + 1]):
            letter = np.uint64(letters[k])
            if 65 <= letters[k] <= 90:
                letter |= _SMALL
            value = (value ^ letter) * _PRIME
        found[w] = value if value != _FREE else _BASIS
    return found


@njit(cache=True)
def _phrase(start: np.uint64, words: np.ndarray, hashes: np.ndarray) -> np.uint64:
    """The hash of a phrase of word ids behind `start`, never 0."""
    value = start
    for k in range(len(words)):
        value = (value ^ hashes[words[k]]) * _PRIME
        value ^= value >> np.uint64(29)
    return value if value != _FREE else _BASIS


@njit(cache=True)
def _beside(phrase: np.uint64) -> np.uint64:
    """Where the hash of a target phrase beside this source phrase starts: not as if the source phrase went on."""
    return ~phrase


@njit(cache=True)
def span_hashes(
    rows: np.ndarray,
    source_start: np.ndarray,
    source_end: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    source_ids: np.ndarray,
    source_hashes: np.ndarray,
    source_offsets: np.ndarray,
    target_ids: np.ndarray,
    target_hashes: np.ndarray,
    target_offsets: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Of projected spans the hash of the source phrase, and that of it and the target phrase, (spans,) each.

    `ids` are the words of all rows, those of row r between its offsets, as indices into the hashes of the distinct
    words.
    """
    phrases, pairs = np.empty(len(rows), dtype=np.uint64), np.empty(len(rows), dtype=np.uint64)
    for k in range(len(rows)):
        here, there = source_offsets[rows[k]], target_offsets[rows[k]]
        phrases[k] = _phrase(_BASIS, source_ids[here + source_start[k] : here + source_end[k]], source_hashes)
        pairs[k] = _phrase(_beside(phrases[k]), target_ids[there + start[k] : there + end[k]], target_hashes)
    return phrases, pairs


@njit(cache=True)
def evidence(
    rows: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    voted: np.ndarray,
    source_ids: np.ndarray,
    source_hashes: np.ndarray,
    source_offsets: np.ndarray,
    target_ids: np.ndarray,
    target_hashes: np.ndarray,
    target_offsets: np.ndarray,
    phrases: np.ndarray,
    votes: np.ndarray,
    pairs: np.ndarray,
    pair_votes: np.ndarray,
    word_odds: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` (candidates,) with what precedents say for each candidate.

    Candidates are flat by entity, as everywhere; words are as in `span_hashes`, and `word_odds` are those of the
    distinct target words. `voted` (entities,) is the candidate that the first projection chose for the entity, or -1.
    """
    for k in range(len(rows)):
        low, high = offsets[k], offsets[k + 1]
        if low == high:
            continue
        here, there = source_offsets[rows[k]], target_offsets[rows[k]]
        words = target_ids[there : target_offsets[rows[k] + 1]]
        for c in range(low, high):
            out[c] = BOUNDARY * _boundary(start[c], end[c], words, word_odds)
        phrase = _phrase(_BASIS, source_ids[here + entity_start[k] : here + entity_end[k]], source_hashes)
        others = votes[_place(phrases, phrase)]
        own, mine = _FREE, 0.0
        if others > 0.0 and voted[k] >= 0:
            own = _phrase(_beside(phrase), words[start[voted[k]] : end[voted[k]]], target_hashes)
            mine = min(1.0, pair_votes[_place(pairs, own)])
        if others - mine == 0.0:
            continue
        for c in range(low, high):
            pair = _phrase(_beside(phrase), words[start[c] : end[c]], target_hashes)
            found = pair_votes[_place(pairs, pair)] - (mine if pair == own else 0.0)
            out[c] += CONSENSUS * found / (others - mine + 1.0)


@njit(cache=True)
def _boundary(a: int, b: int, words: np.ndarray, word_odds: np.ndarray) -> float:
    """What the words at the edges of [a, b) and beside them say; 0 for an empty span."""
    if a == b:
        return 0.0
    inner, outer = word_odds[words[a]] + word_odds[words[b - 1]], 0.0
    if a > 0:
        outer += word_odds[words[a - 1]]
    if b < len(words):
        outer += word_odds[words[b]]
    return float((inner - outer) / 4.0)
