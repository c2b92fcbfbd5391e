"""One side of the pairs that an encoder aligns: distinct sentences, and the vectors of their units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xproj.encoders.pieces import Pieces, ranges, sums

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from xproj.encoders.transformer import Encoder

# bytes of vectors kept for sentences that come again in a later block
KEPT = 256 << 20


class Side:
    """One side of a part: its sentences, and the vectors of those that come again.

    Attributes:
        pieces: the sub-words of each row.
        numbers: the number of the sentence of each row, equal for equal ones.
    """

    def __init__(self, encoder: Encoder, pieces: Pieces, language: str, *, as_tensors: bool) -> None:
        self.pieces = pieces
        self.numbers, self._first = pieces.distinct()
        self._encoder, self._language, self._as_tensors = encoder, language, as_tensors
        self._uses = np.zeros(len(self._first), dtype=np.int64)
        self._kept: dict[int, torch.Tensor] = {}
        self._room = KEPT

    def expect(self, rows: np.ndarray) -> None:
        """These rows will be asked for, once each."""
        self._uses = np.bincount(self.numbers[rows], minlength=len(self._first))

    def units(self, rows: np.ndarray, pool: Callable[..., Any] | None) -> tuple[Any, np.ndarray, np.ndarray]:
        """Vectors, offsets and words of the units of some rows.

        Units are sub-words, or what `pool` (`pooled_block`) makes of them. Vectors are tensors on the device of the
        encoder, or arrays. A sub-word whose vector is not finite is no unit.
        """
        wanted, place, counts = np.unique(self.numbers[rows], return_inverse=True, return_counts=True)
        sentences = self.pieces.take(self._first[wanted])
        vectors = self._vectors(wanted, sentences, counts)
        offsets, words = sentences.offsets, sentences.words
        finite = vectors.isfinite().all(1).cpu().numpy()
        if not finite.all():
            vectors, words = vectors[self._encoder.index(np.flatnonzero(finite))], words[finite]
            offsets = sums(finite)[offsets]
        found: Any = vectors if self._as_tensors else vectors.cpu().numpy()
        if pool is not None:
            found, offsets, words = pool(found, offsets, words)
        lengths = np.diff(offsets)[place]
        index = ranges(offsets[:-1][place], lengths)
        return found[self._encoder.index(index) if self._as_tensors else index], sums(lengths), words[index]

    def _vectors(self, wanted: np.ndarray, sentences: Pieces, counts: np.ndarray) -> torch.Tensor:
        """Vectors of distinct sentences; those that are used again later are kept, as far as there is room."""
        old = np.array([number in self._kept for number in wanted.tolist()], dtype=bool)
        new = np.flatnonzero(~old)
        vectors = self._encoder.tensor(sentences if not old.any() else sentences.take(new), language=self._language)
        if old.any():
            made, vectors = vectors, vectors.new_empty((len(sentences.ids), self._encoder.dim))
            vectors[self._encoder.index(ranges(sentences.offsets[:-1][new], sentences.lengths[new]))] = made
        self._uses[wanted] -= counts
        for k in np.flatnonzero(old | (self._uses[wanted] > 0)).tolist():
            number, place = int(wanted[k]), slice(sentences.offsets[k], sentences.offsets[k + 1])
            if old[k]:
                vectors[place] = self._kept[number]
            if self._uses[number] == 0:
                self._room += self._kept.pop(number).nbytes
            elif not old[k] and vectors[place].nbytes <= self._room:
                self._kept[number] = vectors[place].clone()
                self._room -= self._kept[number].nbytes
        return vectors
