"""A hash table of word pairs in flat arrays, for tables that must not be vocabulary × vocabulary.

A pair (source word id, target word id) is one 64-bit key in an open-addressing table; its *slot* indexes whatever
arrays the caller keeps beside the table. Counting is bounded: when more than `max_pairs` distinct pairs are held, the
rarest are pruned and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

EMPTY = -1


@njit(cache=True, inline="always")
def _home(key: int, mask: int) -> int:
    # multiplicative hashing (Knuth): the high bits of the product are well mixed
    return ((key * -7046029254386353131) >> 20) & mask


@njit(cache=True)
def find(keys: np.ndarray, key: int) -> int:
    """The slot of `key`, or -1."""
    mask = len(keys) - 1
    slot = _home(key, mask)
    while keys[slot] != EMPTY:
        if keys[slot] == key:
            return slot
        slot = (slot + 1) & mask
    return -1


@njit(cache=True)
def slots_of(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The slots of `wanted`, (n,) int64; -1 where the table has none."""
    slots = np.empty(len(wanted), dtype=np.int64)
    for k in range(len(wanted)):
        slots[k] = find(keys, wanted[k])
    return slots


def contains(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which of `wanted`, (n,) int64, are in the table."""
    return np.asarray(slots_of(keys, wanted) >= 0)


@njit(cache=True)
def _insert(keys: np.ndarray, counts: np.ndarray, key: int, count: int) -> int:
    """Add `count` to `key`; returns 1 when the key is new."""
    mask = len(keys) - 1
    slot = _home(key, mask)
    while keys[slot] != EMPTY:
        if keys[slot] == key:
            counts[slot] += count
            return 0
        slot = (slot + 1) & mask
    keys[slot] = key
    counts[slot] = count
    return 1


@njit(cache=True)
def _insert_all(keys: np.ndarray, counts: np.ndarray, new: np.ndarray, new_counts: np.ndarray) -> None:
    for k in range(len(new)):
        _insert(keys, counts, new[k], new_counts[k])


@njit(cache=True)
def _count_rows(
    keys: np.ndarray,
    counts: np.ndarray,
    used: int,
    row: int,
    source: np.ndarray,
    source_offsets: np.ndarray,
    target: np.ndarray,
    target_offsets: np.ndarray,
) -> tuple[int, int]:
    """Count the pairs of rows from `row` on until the table is half full; returns (used, next row)."""
    limit = len(keys) // 2
    rows = len(source_offsets) - 1
    while row < rows:
        m = source_offsets[row + 1] - source_offsets[row]
        n = target_offsets[row + 1] - target_offsets[row]
        if used + m * n > limit:
            break
        for i in range(source_offsets[row], source_offsets[row + 1]):
            high = np.int64(source[i]) << 32
            for j in range(target_offsets[row], target_offsets[row + 1]):
                used += _insert(keys, counts, high | np.int64(target[j]), 1)
        row += 1
    return used, row


def _capacity(pairs: int) -> int:
    return 1 << max(10, int(2 * pairs - 1).bit_length())


@dataclass
class PairTable:
    """Distinct word pairs and how often each occurs together; grows by doubling, shrinks by pruning."""

    max_pairs: int
    keys: np.ndarray
    counts: np.ndarray
    used: int = 0
    pruned: int = 0

    @classmethod
    def empty(cls, max_pairs: int) -> PairTable:
        """A table for at most `max_pairs` distinct pairs."""
        size = _capacity(1 << 16)
        return cls(max_pairs, np.full(size, EMPTY, dtype=np.int64), np.zeros(size, dtype=np.int32))

    def add(
        self, source: np.ndarray, source_offsets: np.ndarray, target: np.ndarray, target_offsets: np.ndarray
    ) -> None:
        """Count every pair of words that stand in the same row."""
        row, rows = 0, len(source_offsets) - 1
        while row < rows:
            self.used, row = _count_rows(
                self.keys, self.counts, self.used, row, source, source_offsets, target, target_offsets
            )
            if row == rows:
                break
            if self.used > self.max_pairs:
                self._prune()
            cells = int(np.diff(source_offsets)[row] * np.diff(target_offsets)[row])
            self._resize(max(self.used + cells, 2 * self.used))
        if self.used > self.max_pairs:
            self._prune()

    def live(self) -> np.ndarray:
        """The slots that hold a pair, by ascending key: an order that does not depend on the size of the table."""
        slots = np.flatnonzero(self.keys != EMPTY)
        return slots[np.argsort(self.keys[slots], kind="stable")]

    def _resize(self, pairs: int) -> None:
        if _capacity(pairs) > len(self.keys):
            held = self.keys != EMPTY
            self.keys, self.counts = _rebuilt(self.keys[held], self.counts[held], pairs)

    def _prune(self) -> None:
        """Drop the rarest pairs until at most three quarters of `max_pairs` are left (all ties of a count go)."""
        held = self.keys != EMPTY
        counts = self.counts[held]
        histogram = np.bincount(np.minimum(counts, 1 << 16))
        survivors = len(counts) - np.cumsum(histogram)
        threshold = int(np.argmax(survivors <= self.max_pairs * 3 // 4))
        keep = counts > threshold
        self.pruned += int((~keep).sum())
        self.used = int(keep.sum())
        self.keys, self.counts = _rebuilt(self.keys[held][keep], counts[keep])


def _rebuilt(keys: np.ndarray, counts: np.ndarray, pairs: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    size = _capacity(max(len(keys), pairs or 0) + 1)
    new_keys, new_counts = np.full(size, EMPTY, dtype=np.int64), np.zeros(size, dtype=np.int32)
    _insert_all(new_keys, new_counts, keys, counts)
    return new_keys, new_counts


def hashed(keys: np.ndarray) -> np.ndarray:
    """An open-addressing table that holds exactly these distinct keys, (n,) int64."""
    return _rebuilt(keys, np.ones(len(keys), dtype=np.int32))[0]
