"""Which windows go through the model together: of like length, in another company and order in every epoch.

Windows are sorted by length, rounded up to a multiple of STEP, and cut into batches of at most so many sub-words with
padding. In every epoch windows of one rounded length are dealt anew among their batches, and the batches come in
another order. So each epoch has as many batches, which is what a schedule of the learning rate needs to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from xproj.training.examples import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xproj.columns import Int64

STEP = 4  # sub-words


class Batches(torch.utils.data.Sampler[Batch]):
    """The batches of one process: every `processes`-th one, from `process` on.

    Where they do not come out even, the last ones have no window of weight: an epoch is as long for all processes.

    Args:
        lengths: sub-words of each window, (windows,).
        tokens: sub-words of a batch with padding, at most; a longer window is a batch of its own.
        seed: of the order.
        process, processes: whose batches these are.
    """

    def __init__(self, lengths: Int64, tokens: int, seed: int, process: int = 0, processes: int = 1) -> None:
        self._rounded = -(-lengths // STEP) * STEP
        self._order = np.argsort(-self._rounded, kind="stable")
        self._bounds = _bounds(self._rounded[self._order], tokens)
        self._seed, self._process, self._processes = seed, process, processes
        self.epoch = 0

    def __len__(self) -> int:
        return -(-(len(self._bounds) - 1) // self._processes)

    def set_epoch(self, epoch: int) -> None:
        """The next pass is that of this epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng((self._seed, self.epoch, 0))
        mixed = self._order[np.lexsort((rng.random(len(self._order)), -self._rounded[self._order]))]
        places = rng.permutation(len(self._bounds) - 1)
        for k in range(self._process, len(self) * self._processes, self._processes):
            number = int(np.random.SeedSequence((self._seed, self.epoch, k)).generate_state(1, np.uint64)[0] >> 1)
            if k < len(places):
                yield Batch(mixed[self._bounds[places[k]] : self._bounds[places[k] + 1]], number)
            else:
                yield Batch(mixed[-1:], -1)


def _bounds(sorted_lengths: Int64, tokens: int) -> list[int]:
    """Where to cut rows that are sorted by falling length, so that width · rows ≤ tokens."""
    bounds = [0]
    while bounds[-1] < len(sorted_lengths):
        rows = max(1, tokens // int(sorted_lengths[bounds[-1]]))
        bounds.append(min(len(sorted_lengths), bounds[-1] + rows))
    return bounds


class Loader(torch.utils.data.DataLoader):  # type: ignore[type-arg]
    """A loader whose epoch can be set, as the loop of transformers does before each one."""

    def set_epoch(self, epoch: int) -> None:
        """Pass the epoch on."""
        sampler: Batches = self.batch_sampler  # type: ignore[assignment]
        sampler.set_epoch(epoch)


def loader(examples: torch.utils.data.Dataset[object], batches: Batches) -> Loader:
    """The batches as tensors, made in this process."""
    return Loader(examples, batch_sampler=batches, collate_fn=_as_it_is)  # type: ignore[arg-type]


def _as_it_is(batch: object) -> object:
    return batch
