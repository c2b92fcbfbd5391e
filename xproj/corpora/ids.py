"""Names of sentences: generated where a corpus has none, and unique."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

Digests = np.ndarray[tuple[int], np.dtype[np.uint64]]


def digests(values: Iterable[str]) -> Digests:
    """A stable 8-byte hash of each string, (n,) uint64; the same on every machine."""
    data = b"".join(blake2b(value.encode(), digest_size=8).digest() for value in values)
    return np.frombuffer(data, dtype="<u8")


def generated(stem: str, number: int) -> str:
    """The name of sentence `number` (from 1) of a corpus whose file has none."""
    return f"{stem}-{number:08d}"


class Seen:
    """The ids met so far: 8 bytes each, as sorted runs of growing length, so that millions fit."""

    def __init__(self) -> None:
        self._runs: list[Digests] = []

    def add(self, values: list[str]) -> list[int]:
        """Remember a slice; returns the positions in it whose id may have been there before, or earlier in the slice.

        Equal digests are a suspicion (one in 10⁵ for ten million ids), to be checked against the ids themselves.
        """
        if not values:
            return []
        new = digests(values)
        order = np.argsort(new, kind="stable")
        ordered = new[order]
        suspects = set(order[1:][ordered[1:] == ordered[:-1]].tolist())
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, ordered), len(run) - 1)
            suspects.update(order[run[at] == ordered].tolist())
        self._runs.append(ordered)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 > len(self._runs[-2]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")
            self._runs.append(merged)
        return sorted(suspects)
