"""Label sets: the IOB2 label space of a tagger and its decoding, and renaming or dropping labels in a column."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xproj.columns import EntityColumn
from xproj.core import spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xproj.columns import Bool

OUTSIDE = "O"


def label_space(types: Iterable[str]) -> tuple[str, ...]:
    """The IOB2 labels of entity types: `O` first, then B- and I- of each type in sorted order."""
    return (OUTSIDE, *(f"{prefix}-{name}" for name in sorted(set(types)) for prefix in "BI"))


def relabel(column: EntityColumn, labels: Mapping[str, str]) -> EntityColumn:
    """Entities with their labels renamed; a label that becomes `O` is dropped, one that is not named stays."""
    if not labels:
        return column
    renamed = [labels.get(name, name) for name in column.names]
    names = tuple(sorted(set(renamed) - {OUTSIDE}))
    ids = np.array([names.index(name) if name != OUTSIDE else -1 for name in renamed], dtype=np.int32)
    label = ids[column.label]
    return select(replace(column, label=label, names=names), label >= 0)


def select(column: EntityColumn, keep: Bool) -> EntityColumn:
    """The entities where `keep`, (n_entities,), is True; every row stays."""
    kept = np.concatenate([[0], np.cumsum(keep)])
    return replace(
        column,
        offsets=kept[column.offsets],
        start=column.start[keep],
        end=column.end[keep],
        label=column.label[keep],
        score=column.score[keep],
    )


def decode(probabilities: Sequence[np.ndarray], labels: Sequence[str], valid: Bool | None = None) -> EntityColumn:
    """Entities from the best IOB2 label of each word; an I- that continues nothing starts an entity.

    Args:
        probabilities: of each sentence, (n_words, n_labels).
        labels: the name of each column of the probabilities, `O`, `B-…` or `I-…`.
        valid: which rows are not null, (n,); all of them by default.

    Returns:
        A column whose scores are the mean probability of the labels that make up the entity.
    """
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in probabilities])]).astype(np.int64)
    flat = np.concatenate([np.zeros((0, len(labels)), np.float32), *probabilities])
    tags = pa.array(labels, pa.string()).take(pa.array(flat.argmax(axis=1)))
    column = spans.decode_column(offsets, tags).entities
    first = np.repeat(offsets[:-1], np.diff(column.offsets))
    total = np.concatenate([[0.0], np.cumsum(flat.max(axis=1), dtype=np.float64)])
    score = (total[first + column.end] - total[first + column.start]) / (column.end - column.start)
    known = np.ones(len(probabilities), dtype=bool) if valid is None else valid
    return replace(column, score=score.astype(np.float32), valid=known)
