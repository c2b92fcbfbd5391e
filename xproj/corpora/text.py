"""Plain text, one sentence per line, and bitext as source<TAB>target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from xproj.columns import ENTITY
from xproj.corpora.files import read_blocks
from xproj.corpora.rows import batch_table, split_column
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xproj.corpora.rows import Options, Side


def read(path: Path, side: Side, options: Options) -> Iterator[pa.Table]:
    """The lines of a text in batches; an empty line is an empty sentence."""
    for start, lines in _batches(path, options.batch):
        yield batch_table(*_unnamed(start, len(lines)), {side: _columns(lines, side)})


def read_pairs(path: Path, sides: tuple[Side, Side], options: Options) -> Iterator[pa.Table]:
    """The pairs of a TSV in batches; an empty line is a pair of empty sentences.

    Raises:
        CorpusError: a line without exactly one tab.
    """
    for start, lines in _batches(path, options.batch):
        pairs = [line.split("\t") for line in lines]
        for number, pair in enumerate(pairs, start):
            if len(pair) != 2:
                if pair == [""]:
                    pair.append("")
                    continue
                what = f"{len(pair)} column{'s' * (len(pair) != 1)} instead of 2"
                raise CorpusError.at(path, number, what, "a bitext line is source<TAB>target")
        columns = {side: _columns([pair[i] for pair in pairs], side) for i, side in enumerate(sides)}
        yield batch_table(*_unnamed(start, len(lines)), columns)


def _unnamed(start: int, rows: int) -> tuple[list[str | None], list[int]]:
    return [None] * rows, list(range(start, start + rows))


def _columns(texts: list[str], side: Side) -> list[pa.Array]:
    """Text, its words, and no labels."""
    return [pa.array(texts, pa.string()), split_column(texts, side.splitter), pa.nulls(len(texts), pa.list_(ENTITY))]


def _batches(path: Path, size: int) -> Iterator[tuple[int, list[str]]]:
    """Line number of the first, and at most `size` lines."""
    number, held = 1, list[str]()
    for lines in read_blocks(path):
        held += lines
        whole = len(held) - len(held) % size
        for start in range(0, whole, size):
            yield number + start, held[start : start + size]
        number += whole
        held = held[whole:]
    if held:
        yield number, held
