"""The words of spans, as text, and which of them training data have with the same label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import build_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.columns import Bool, EntityColumn, TokenColumn
    from xproj.core.metrics import Spans

BETWEEN = "\t"  # no word has one


def surfaces(words: TokenColumn, row: np.ndarray, start: np.ndarray, end: np.ndarray) -> pa.Array:
    """The words of each span, joined by spaces, (k,) strings.

    Args:
        words: of all rows.
        row, start, end: the spans, (k,), inside their rows.
    """
    lengths = (end - start).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    index = np.repeat(words.offsets[row] + start - offsets[:-1], lengths) + np.arange(offsets[-1])
    return pc.binary_join(build_list(offsets, words.values.take(pa.array(index))), " ")


def labelled_surfaces(words: TokenColumn, entities: EntityColumn) -> pa.Array:
    """The distinct surface forms of entities with their labels, as strings that `had` reads."""
    row = np.repeat(np.arange(len(entities)), np.diff(entities.offsets))
    return pc.unique(_keys(surfaces(words, row, entities.start, entities.end), entities.names, entities.label))


def had(spans: Spans, words: TokenColumn, training: pa.Array) -> Bool:
    """Which spans, (k,), the training data have: the same words with the same label.

    Args:
        spans: of rows of `words`.
        words: all words of the corpus that is scored; a span outside its row is not had.
        training: from `labelled_surfaces`.
    """
    inside = spans.end <= words.lengths[spans.row]
    kept = spans.where(inside)
    keys = _keys(surfaces(words, kept.row, kept.start, kept.end), kept.names, kept.label)
    found = np.zeros(len(inside), dtype=bool)
    found[inside] = pc.is_in(keys, value_set=training).to_numpy(zero_copy_only=False)
    return found


def _keys(texts: pa.Array, names: Sequence[str], labels: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(pa.array(names, pa.string()).take(pa.array(labels)), texts, BETWEEN)
