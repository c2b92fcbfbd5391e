"""Training with only those rows of the word embeddings that the corpus needs.

A multilingual vocabulary has 250,000 sub-words, a corpus a few thousand of them. The other rows have no gradient, and
AdamW never moves them where embeddings do not decay. So they are set aside for the training and put back at the end:
the same result, without a gradient, two moments and a norm of 192 million zeros in every step, nor in checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from xproj.columns import Int32, Int64


@dataclass(frozen=True)
class Vocabulary:
    """Which rows of the embeddings are left, and the whole table.

    Attributes:
        kept: old ids of the rows that are left, sorted, (rows,).
        whole: the table as it was, (vocabulary, dim); None where nothing was set aside.
    """

    kept: Int64
    whole: torch.Tensor | None

    @classmethod
    def reduce(cls, model: Any, used: np.ndarray, pad: int) -> Vocabulary:
        """Leave the rows `used` in the model; ids up to that of the padding stay what they are, as models look for it.

        Args:
            model: a transformers model; changed in place.
            used: ids that occur, in any order.
            pad: the id of the padding.
        """
        table = model.get_input_embeddings()
        kept = np.union1d(used, np.arange(pad + 1)).astype(np.int64)
        rows = table.weight.shape[0] if type(table) is torch.nn.Embedding else 0
        # a table that another module looks up too (T5's) must stay what that one expects
        tied = sum(p is table.weight for _, p in model.named_parameters(remove_duplicate=False)) > 1
        if not rows or len(kept) >= rows or tied or kept[-1] >= rows:
            return cls(np.arange(max(rows, 1)), None)
        whole = table.weight.data
        _put(table, whole[torch.from_numpy(kept)], len(kept))
        return cls(kept, whole)

    def number(self, ids: Int32) -> Int32:
        """Old ids as ids of the rows that are left."""
        if self.whole is None:
            return ids
        return np.searchsorted(self.kept, ids).astype(np.int32)

    def restore(self, model: Any) -> None:
        """Put all rows back, those that were left as they are now."""
        if self.whole is None:
            return
        table = model.get_input_embeddings()
        self.whole[torch.from_numpy(self.kept)] = table.weight.data.to(self.whole.device)
        _put(table, self.whole, len(self.whole))


def _put(table: Any, weight: torch.Tensor, rows: int) -> None:
    table.weight = torch.nn.Parameter(weight, requires_grad=table.weight.requires_grad)
    table.num_embeddings = rows
