"""Word frequencies of a parallel corpus, which the alignment score uses to see through articles.

`count` reads the first rows of a corpus, `save` and `load` keep the result, `commonness` looks words of a table up.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from xproj.columns import TokenColumn, flatten
from xproj.core import frequency
from xproj.core.scores import Commonness

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# enough to know the words that are frequent
ROWS = 20_000
FILE = "frequencies.json"
UNKNOWN = Commonness(*(np.empty(0, dtype=dtype) for dtype in (np.float32, np.int64, np.float32, np.int64)))


class Frequencies(NamedTuple):
    """Relative frequencies of the frequent words of both sides."""

    source: dict[str, float]
    target: dict[str, float]


def count(tables: Iterable[pa.Table]) -> Frequencies:
    """Count the words of the first ROWS rows; the tables have source_tokens and target_tokens."""
    counts = frequency.FrequencyCount(), frequency.FrequencyCount()
    left = ROWS
    for table in tables:
        for side, name in zip(counts, ("source_tokens", "target_tokens"), strict=True):
            side.add(TokenColumn.read(table[name].slice(0, left)))
        left -= min(left, table.num_rows)
        if not left:
            break
    return Frequencies(*(side.frequencies() for side in counts))


def save(frequencies: Frequencies, folder: Path) -> None:
    """Write the frequencies into a folder."""
    text = json.dumps(frequencies._asdict(), ensure_ascii=False, indent=0, sort_keys=True)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def load(folder: Path) -> Frequencies:
    """The frequencies that `save` wrote."""
    return Frequencies(**json.loads((folder / FILE).read_text(encoding="utf-8")))


def commonness(
    table: pa.Table,
    frequencies: Frequencies | None,
    source_spans: tuple[np.ndarray, np.ndarray, np.ndarray],
    target_spans: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> Commonness:
    """How common the words of entities and the edges of candidates are; `UNKNOWN` without frequencies.

    Args:
        table: with source_tokens and target_tokens.
        frequencies: of the corpus.
        source_spans: rows, starts and ends of the entities, (entities,) each.
        target_spans: rows, starts and ends of the candidates, (candidates,) each.
    """
    if frequencies is None:
        return UNKNOWN
    offsets, words, _ = flatten(table["source_tokens"])
    rows, start, end = source_spans
    inside = np.zeros(len(words), dtype=np.bool_)
    lengths = end - start
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    inside[np.repeat(offsets[rows] + start, lengths) + within] = True
    source = _look_up(words, inside, frequencies.source)
    target_offsets, words, _ = flatten(table["target_tokens"])
    rows, start, end = target_spans
    edges = np.zeros(len(words), dtype=np.bool_)
    edges[target_offsets[rows] + start] = True
    edges[target_offsets[rows] + end - 1] = True
    return Commonness(source, offsets, _look_up(words, edges, frequencies.target), target_offsets)


def _look_up(words: pa.Array, wanted: np.ndarray, frequencies: dict[str, float]) -> np.ndarray:
    """The commonness of the wanted words, 0 for the others; (total,) float32."""
    found = np.zeros(len(words), dtype=np.float32)
    positions = np.flatnonzero(wanted)
    encoded = words.take(pa.array(positions)).dictionary_encode()
    # a dictionary read from a file holds the words of the whole file
    used, place = np.unique(encoded.indices.to_numpy(zero_copy_only=False), return_inverse=True)
    found[positions] = frequency.commonness(encoded.dictionary.take(pa.array(used)).to_pylist(), frequencies)[place]
    return found
