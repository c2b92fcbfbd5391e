"""Several teachers of one student: their label probabilities on the same words become one, and where they agree.

A teacher is a model or a projection; a projection, like a tagger that only decides, has one-hot rows, which may be
smoothed. A teacher may lack sentences (a failed projection): there the others share its weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.core.spans import encode_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.columns import Bool, EntityColumn, Int64

NO_LABEL = -100
"""The label of a word that has none."""
ALONE = -1
"""The partner of a word that has none."""


class Mixture(NamedTuple):
    """What the teachers say together of n words.

    `probabilities` (n, labels) float32 are 0 where no teacher is `known` (n,); `agreed` (n,) is the label that every
    teacher of the word gives, NO_LABEL where two differ or none is known.
    """

    probabilities: np.ndarray
    agreed: Int64
    known: Bool


def mix(teachers: Sequence[np.ndarray], shares: Sequence[float], present: Sequence[Bool]) -> Mixture:
    """`Σ α_k p_k`, with α of the teachers that are present made to add up to 1.

    Args:
        teachers: the probabilities of each, (n, labels).
        shares: α of each; any scale.
        present: which words each teacher has seen, (n,). Its rows elsewhere are not read.
    """
    weight = np.array(shares, dtype=np.float64)[:, None] * np.array(present)
    whole = weight.sum(axis=0)
    known = whole > 0
    weight = np.divide(weight, whole, out=np.zeros_like(weight), where=known)
    mixed = np.zeros(teachers[0].shape)
    agreed = np.full(len(mixed), NO_LABEL, dtype=np.int64)
    differ = np.zeros(len(mixed), dtype=bool)
    for rows, share, seen in zip(teachers, weight, present, strict=True):
        mixed[seen] += share[seen, None] * rows[seen]
        best = rows[seen].argmax(axis=1)
        differ[seen] |= (agreed[seen] != NO_LABEL) & (agreed[seen] != best)
        agreed[seen] = best
    agreed[differ] = NO_LABEL
    return Mixture(mixed.astype(np.float32), agreed, known)


def renumber(theirs: Sequence[str], ours: Sequence[str]) -> Int64:
    """For each of our labels the column of the teacher that has it, by name.

    Raises:
        ValueError: the label sets differ; says in what.
    """
    if set(theirs) != set(ours):
        lacks, more = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
        parts = [f"lacks {', '.join(lacks)}"] * bool(lacks) + [f"has {', '.join(more)} too"] * bool(more)
        raise ValueError(" and ".join(parts))
    return np.array([list(theirs).index(name) for name in ours], dtype=np.int64)


def one_hot(entities: EntityColumn, offsets: Int64, labels: Sequence[str]) -> np.ndarray:
    """IOB2 labels of entities as probabilities, (words, labels) float32.

    Args:
        entities: inside their sentences, without overlaps, of labels that `labels` has.
        offsets: the words of row r are `offsets[r]` to `offsets[r + 1]`.
        labels: the IOB2 label of each column.
    """
    ids = pc.index_in(encode_column(entities, offsets), value_set=pa.array(labels, pa.string()))
    return np.asarray(np.eye(len(labels), dtype=np.float32)[ids.to_numpy(zero_copy_only=False)])


def smooth(probabilities: np.ndarray, smoothing: float) -> np.ndarray:
    """`(1 − ε)·p + ε/labels`: ε of the probability is spread over all labels."""
    return np.asarray((1 - smoothing) * probabilities + smoothing / probabilities.shape[1], dtype=np.float32)


def partners(offsets: Int64, allowed: Bool, seed: int | tuple[int, ...]) -> Int64:
    """For each word another word of its sentence, drawn uniformly; ALONE where there is none.

    Args:
        offsets: the words of row r are `offsets[r]` to `offsets[r + 1]`.
        allowed: which words may have and be partners, (words,).
        seed: of the random generator.

    Returns:
        Numbers of words from the start of the corpus, (words,).
    """
    words = np.flatnonzero(allowed)
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[words]
    size = np.bincount(row, minlength=len(offsets) - 1)[row]
    first = np.searchsorted(row, row)
    place = np.arange(len(words)) - first
    step = 1 + np.floor(np.random.default_rng(seed).random(len(words)) * (size - 1)).astype(np.int64)
    chosen = words[first + (place + step) % np.maximum(size, 1)]
    result = np.full(int(offsets[-1]), ALONE, dtype=np.int64)
    result[words] = np.where(size > 1, chosen, ALONE)
    return result


def similarity(vectors: np.ndarray, partner: Int64) -> np.ndarray:
    """`σ(cos(h_i, h_j))` of each word i and its partner j, (words,) float32; ½ for a word that has none.

    Args:
        vectors: h, (words, dim).
        partner: j, (words,); ALONE for none.
    """
    length = np.linalg.norm(vectors, axis=1)
    other = np.where(partner == ALONE, 0, partner)
    product = np.einsum("nd,nd->n", vectors, vectors[other]) if len(vectors) else np.zeros(0)
    cosine = product / np.maximum(length * length[other], 1e-12) if len(vectors) else product
    return np.where(partner == ALONE, 0.5, 1 / (1 + np.exp(-cosine))).astype(np.float32)
