"""CoNLL files: one word per line, columns by tabs or spaces, an empty line after each sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from xproj.columns import ENTITY
from xproj.core.spans import is_tag
from xproj.corpora.files import read_lines
from xproj.corpora.rows import Where, batch_table, entities_of_tags, relabelled, scheme_of, token_array
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xproj.core.spans import Scheme
    from xproj.corpora.rows import Options, Side

META = re.compile(r"#\s*(sent_id|text)\s*=\s*(.*)")
DOCUMENT = "-DOCSTART-"
CONLLU_COLUMNS = 10
NO_WORD = re.compile(r"\d+[-.]\d+")
PEEKED = 20
"""Sentences that decide what the columns are."""


class Sentence(NamedTuple):
    """A sentence as it stands in the file."""

    line: int
    id: str | None
    text: str | None
    words: list[str]
    tags: list[str]
    lines: list[int]


@dataclass(frozen=True)
class Layout:
    """Which column is what."""

    columns: int
    word: int
    label: int | None
    numbered: bool
    """The first column numbers the words; ranges (`3-4`) and empty nodes (`3.1`) are no words."""


def read(path: Path, side: Side, options: Options) -> Iterator[pa.Table]:
    """The sentences of a file in batches; the scheme is that of the whole file.

    Raises:
        CorpusError: lines that cannot be read, with their number.
    """
    scheme = scheme_of(sentence.tags for sentence in sentences(path))
    held: list[Sentence] = []
    for sentence in sentences(path):
        held.append(sentence)
        if len(held) == options.batch:
            yield _table(held, path, side, options, scheme)
            held = []
    if held:
        yield _table(held, path, side, options, scheme)


def _table(held: list[Sentence], path: Path, side: Side, options: Options, scheme: Scheme) -> pa.Table:
    words: list[str] = []
    tags: list[str] = []
    lines: list[int] = []
    ends = []
    for sentence in held:
        words += sentence.words
        tags += sentence.tags
        lines += sentence.lines
        ends.append(len(words))
    starts = [sentence.line for sentence in held]
    if tags or not words:
        offsets = np.array([0, *ends], dtype=np.int64)
        where = Where(path, starts, offsets, lines)
        found = entities_of_tags(offsets, pa.array(tags, type=pa.string()), where, options, scheme)
        entities = relabelled(found, where, options).write()
    else:
        entities = pa.nulls(len(held), pa.list_(ENTITY))
    texts = pa.array([sentence.text for sentence in held], type=pa.string())
    return batch_table([s.id for s in held], starts, {side: [texts, token_array(words, ends), entities]})


def sentences(path: Path) -> Iterator[Sentence]:
    """The sentences of a file; a block with a `# sent_id` and no words is an empty sentence.

    Raises:
        CorpusError: a line with more or fewer columns than the first one, or with a carriage return within.
    """
    layout = _layout([block.rows for block in islice(_blocks(path, 0), PEEKED)])
    for block in _blocks(path, layout.columns):
        yield _sentence(path, block, layout)


class _Block(NamedTuple):
    line: int
    meta: dict[str, str]
    rows: list[list[str]]
    lines: list[int]


def _blocks(path: Path, columns: int) -> Iterator[_Block]:
    """The blocks between empty lines that have words or a sentence id; `columns` = 0 when not yet known."""
    block = _Block(1, {}, [], [])
    for number, line in read_lines(path):
        if "\r" in line:
            raise CorpusError.at(path, number, "a carriage return within a line", "end lines with LF or CR LF")
        if not line or line.isspace() or line.startswith(DOCUMENT):
            if block.rows or "sent_id" in block.meta:
                yield block
            block = _Block(number + 1, {}, [], [])
        elif line[0] == "#" and _is_comment(line, columns):
            if match := META.match(line):
                block.meta[match[1]] = match[2].strip()
        else:
            block.rows.append(line.split("\t") if "\t" in line else line.split())
            block.lines.append(number)
    if block.rows or "sent_id" in block.meta:
        yield block


def _is_comment(line: str, columns: int) -> bool:
    """A line that begins with `#`: a comment, unless it has the shape of a word and its tag."""
    fields = line.split("\t") if "\t" in line else line.split()
    if "\t" in line and " " not in fields[0]:
        return False
    return not (len(fields) == columns > 1 and is_tag(fields[-1].strip()))


def _layout(first: list[list[list[str]]]) -> Layout:
    """What the columns are, from the rows of the first sentences."""
    first = [rows for rows in first if rows]
    columns = len(first[0][0]) if first else 0
    same = [[row for row in rows if len(row) == columns] for rows in first]
    if columns < 3 or not _numbered(same):
        return Layout(columns, 0, columns - 1 if columns > 1 else None, False)
    words = [row for rows in same for row in rows if row[0].isdigit()]
    tagged = [i for i in range(2, columns) if all(is_tag(row[i].strip()) for row in words)]
    if not tagged and columns == CONLLU_COLUMNS:
        return Layout(columns, 1, None, True)
    return Layout(columns, 1, tagged[0] if tagged else columns - 1, True)


def _numbered(sentences: list[list[list[str]]]) -> bool:
    """Does the first column count 1, 2, 3 in each sentence?"""
    numbers = [[row[0] for row in rows if row[0].isdigit()] for rows in sentences]
    others = [row[0] for rows in sentences for row in rows if not row[0].isdigit()]
    counted = all(found == [str(i) for i in range(1, len(found) + 1)] for found in numbers)
    return counted and any(len(found) > 1 for found in numbers) and all(map(NO_WORD.fullmatch, others))


def _sentence(path: Path, block: _Block, layout: Layout) -> Sentence:
    rows, lines = block.rows, block.lines
    for row, line in zip(rows, lines, strict=True):
        if len(row) != layout.columns:
            found = f"{len(row)} column{'s' * (len(row) != 1)} where the first sentence has {layout.columns}"
            raise CorpusError.at(path, line, found, "every line is a word and its columns, by tabs or by spaces")
    if layout.numbered:
        kept = [i for i, row in enumerate(rows) if row[0].isdigit()]
        if len(kept) < len(rows):
            rows, lines = [rows[i] for i in kept], [lines[i] for i in kept]
    words = [row[layout.word] for row in rows]
    tags = [] if layout.label is None else [row[layout.label].strip() for row in rows]
    return Sentence(block.line, block.meta.get("sent_id") or None, block.meta.get("text"), words, tags, lines)
