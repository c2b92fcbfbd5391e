"""What teachers say of words: label probabilities, agreement, and partners of a second task."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow.compute as pc

from xproj.columns import combine
from xproj.core.teachers import ALONE, NO_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from xproj.columns import Bool, Int32, Int64

COLUMN = "probabilities"


class Soft(NamedTuple):
    """Flat over words, in the order of the sentences.

    Attributes:
        labels: the IOB2 label of each column of the probabilities.
        taught: which words have a teacher and are learned from it; the others have labels of their own, (words,).
        probabilities: float16 (words, labels).
        agreed: the number of the label that all teachers give, NO_LABEL for none, (words,).
        partner: the word of the same sentence that each is compared with, counted from its first one, ALONE for none.
        similarity: how alike an evaluator finds the two, (words,) float16.
    """

    labels: tuple[str, ...]
    taught: Bool
    probabilities: np.ndarray
    agreed: Int64
    partner: Int32
    similarity: np.ndarray

    @classmethod
    def read(cls, table: pa.Table) -> Soft:
        """The columns of a table that `xproj.distillation` has made, whose sentences all have words."""
        metadata = table.schema.field(COLUMN).metadata or {}
        labels = tuple(metadata[b"labels"].decode().split("\n"))

        def flat(name: str) -> np.ndarray:
            return np.asarray(combine(pc.list_flatten(table[name])).to_numpy(zero_copy_only=False))

        found = combine(pc.list_flatten(pc.list_flatten(table[COLUMN]))).to_numpy(zero_copy_only=False)
        words = len(found) // len(labels)
        paired = "partner" in table.column_names
        return cls(
            labels,
            flat("taught").astype(bool),
            found.reshape(words, len(labels)),
            flat("agreed").astype(np.int64),
            flat("partner").astype(np.int32) if paired else np.full(words, ALONE, np.int32),
            flat("similarity") if paired else np.zeros(words, np.float16),
        )

    @classmethod
    def nothing(cls, words: int, labels: tuple[str, ...]) -> Soft:
        """Of words without teacher."""
        return cls(
            labels,
            np.zeros(words, dtype=bool),
            np.zeros((words, len(labels)), np.float16),
            np.full(words, NO_LABEL, dtype=np.int64),
            np.full(words, ALONE, dtype=np.int32),
            np.zeros(words, np.float16),
        )

    def take(self, index: np.ndarray) -> Soft:
        """Some of the words; whole sentences."""
        return Soft(self.labels, *(part[index] for part in self[1:]))

    def renumbered(self, known: Mapping[str, int]) -> Soft:
        """With the label ids of a model: a label that the teachers do not have gets probability 0."""
        place = np.array([known[label] for label in self.labels], dtype=np.int64)
        probabilities = np.zeros((len(self.probabilities), len(known)), np.float16)
        probabilities[:, place] = self.probabilities
        agreed = np.where(self.agreed == NO_LABEL, NO_LABEL, place[np.maximum(self.agreed, 0)])
        names = tuple(label for label, _ in sorted(known.items(), key=lambda item: item[1]))
        return self._replace(labels=names, probabilities=probabilities, agreed=agreed)


def joined(parts: Sequence[Soft | None], words: Sequence[int]) -> Soft | None:
    """Several parts as one; of parts without teachers only their number of words is known."""
    labels = next((part.labels for part in parts if part is not None), None)
    if labels is None:
        return None
    whole = [Soft.nothing(n, labels) if part is None else part for part, n in zip(parts, words, strict=True)]
    return Soft(labels, *(np.concatenate(columns) for columns in zip(*(part[1:] for part in whole), strict=True)))
