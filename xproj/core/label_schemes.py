"""The label scheme of a token classifier, read from the names of its labels, and its probabilities as IOB2.

    IOB2, IOB1     B-X, I-X          a start, and a word inside; of IOB1, I-X starts where no X precedes
    IOB1 without B I-X               the same, where neighbours of one type are never told apart
    BIOES, BILOU   B-X, I-X, E-X, S-X (L for E, U for S, M for I)
    bare           X                 read as I-X

Names alone do not always tell IOB1 from IOB2, and need not: an I-X that continues nothing starts an entity in both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xproj.core.labels import OUTSIDE, label_space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.columns import Int64

STARTS, INSIDE = "BSU", "IELM"
PREFIXED = re.compile(rf"([{STARTS}{INSIDE}])[-_](.+)", re.DOTALL)
NAMELESS = re.compile(r"LABEL_\d+")


@dataclass(frozen=True)
class LabelScheme:
    """How the labels of a model become IOB2.

    `labels` is the IOB2 label space, `O` first, then B- and I- of each type; `columns`, (n_model_labels,), is the place
    in it of each of the model's labels.
    """

    labels: tuple[str, ...]
    columns: Int64

    @classmethod
    def read(cls, names: Sequence[str]) -> LabelScheme:
        """The scheme of a model's labels, in the order of its outputs.

        Raises:
            ValueError: labels without names, without `O` or without types, or of no scheme that is known.
        """
        nameless = [name for name in names if NAMELESS.fullmatch(name)]
        if nameless:
            raise ValueError(f"labels without names ({nameless[0]!r})")
        if names.count(OUTSIDE) != 1:
            raise ValueError(f"not one label {OUTSIDE!r} among {_some(names)}")
        others = [name for name in names if name != OUTSIDE]
        if not others:
            raise ValueError(f"no label beside {OUTSIDE!r}")
        found = [PREFIXED.fullmatch(name) for name in others]
        strange = [name for name, match in zip(others, found, strict=True) if match is None]
        if strange and len(strange) < len(others):
            raise ValueError(f"labels with B- or I- and without ({_some(strange)}), which is no known scheme")
        if len(set(names)) < len(names):
            raise ValueError("two labels of one name")
        parts = [("I", name) if match is None else match.groups() for name, match in zip(others, found, strict=True)]
        labels = label_space(kind for _, kind in parts)
        wanted = iter(f"{'B' if prefix in STARTS else 'I'}-{kind}" for prefix, kind in parts)
        columns = [labels.index(OUTSIDE if name == OUTSIDE else next(wanted)) for name in names]
        return cls(labels, np.array(columns, dtype=np.int64))

    def to_iob2(self, probabilities: np.ndarray, offsets: Int64) -> np.ndarray:
        """Probabilities over `labels`, (words, n_labels) float32.

        Labels that mean the same are added up (S-X and B-X, E-X and I-X). An I-X that is the best label of a word, and
        continues nothing, changes places with B-X, as it starts an entity. Where some type has no B-, the scheme is
        IOB1, and wherever X does not precede, the greater of the two is B-X. No word's best label becomes another one
        by that, but for the I-X that becomes B-X: labels decode to the same spans as by the rules of IOB1.

        Args:
            probabilities: over the model's labels, (words, n_model_labels), in sentences one after the other.
            offsets: the words of sentence s are `offsets[s]:offsets[s + 1]`.
        """
        found = np.zeros((len(probabilities), len(self.labels)), dtype=np.float32)
        for own, column in enumerate(self.columns.tolist()):
            found[:, column] += probabilities[:, own]
        # B- and I- of a type stand together behind O: 1 and 2 are of type 0, and -1 is no type
        kinds = (found.argmax(axis=1) + 1) // 2 - 1
        before = np.roll(kinds, 1)
        before[offsets[:-1][offsets[:-1] < len(kinds)]] = -1
        types = np.arange(len(self.labels) // 2)
        begin, inside = found[:, 1::2].copy(), found[:, 2::2].copy()
        swap = (before[:, None] != types) & (inside > begin)
        if set(self.columns.tolist()) >= set(1 + 2 * types):
            swap &= kinds[:, None] == types
        found[:, 1::2], found[:, 2::2] = np.where(swap, inside, begin), np.where(swap, begin, inside)
        return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:4])) + (", …" if len(names) > 4 else "")
