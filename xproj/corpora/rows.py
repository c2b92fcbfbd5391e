"""The rows that every reader makes: one Arrow table per batch, and what is checked and renamed on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from xproj.columns import ENTITY, SPAN, EntityColumn, TokenColumn, build_list
from xproj.core.spans import TagError, decode_column, detect_scheme, not_allowed
from xproj.corpora.notes import IngestNotes
from xproj.errors import CorpusError
from xproj.schema import unfit_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from xproj.columns import Bool, Entity, Int64
    from xproj.core.spans import Scheme
    from xproj.core.words import Splitter

MAX_BATCH = 10_000
"""Rows that a reader holds at most, however large a slice is."""


@dataclass(frozen=True)
class Options:
    """What all readers need to know beside the file."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Renames; a value of `O` drops the entity."""
    allowed: tuple[str, ...] = ()
    strict: bool = False
    notes: IngestNotes = field(default_factory=IngestNotes)
    rows: int = 5000
    """Rows in one table."""
    extra: tuple[str, ...] = ()
    """Columns of a Parquet file that are taken over as they are; null in one that lacks them."""

    @property
    def batch(self) -> int:
        """Rows that a reader collects before it makes a table."""
        return min(self.rows, MAX_BATCH)


class Side(NamedTuple):
    """One language of a corpus: the prefix of its columns (`source_`, `target_` or none), and who cuts its text."""

    prefix: str
    splitter: Splitter

    @property
    def labels_key(self) -> str:
        """The name of its entities in files that hold both sides."""
        return "target_gold" if self.prefix == "target_" else f"{self.prefix}entities"

    def schema(self) -> list[pa.Field]:
        """The columns that a reader makes for this side."""
        return [
            pa.field(f"{self.prefix}text", pa.string()),
            pa.field(f"{self.prefix}tokens", pa.list_(pa.string())),
            pa.field(f"{self.prefix}entities", pa.list_(ENTITY)),
        ]


@dataclass(frozen=True)
class Where:
    """Where rows, and on request their words, stand in a file."""

    path: Path
    lines: Sequence[int]
    """Line of each row, (n,)."""
    offsets: Sequence[int] | Int64 = ()
    word_lines: Sequence[int] = ()
    """Line of each word, flat; empty when a row is one line."""

    def line(self, row: int, word: int = 0) -> int:
        """The line of a word of a row."""
        return self.word_lines[self.offsets[row] + word] if len(self.word_lines) else self.lines[row]

    def error(self, row: int, word: int, what: str, then: str) -> CorpusError:
        """An error at a word of a row."""
        return CorpusError.at(self.path, self.line(row, word), what, then)

    def place(self, row: int, word: int = 0) -> str:
        """`file:line`, for the notes."""
        return f"{self.path}:{self.line(row, word)}"


def batch_table(
    ids: Sequence[str | None],
    lines: Sequence[int],
    sides: Mapping[Side, Sequence[pa.Array]],
    confidence: pa.Array | None = None,
    lost_spans: pa.Array | None = None,
) -> pa.Table:
    """The table of one batch: id, line, confidence, lost spans, and per side text, tokens and entities."""
    columns = [pa.array(ids, type=pa.string()), pa.array(lines, type=pa.int64())]
    columns.append(pa.nulls(len(lines), pa.float32()) if confidence is None else confidence)
    columns.append(pa.nulls(len(lines), pa.list_(SPAN)) if lost_spans is None else lost_spans)
    fields = [pa.field("id", pa.string()), pa.field("line", pa.int64())]
    fields += [pa.field("confidence", pa.float32()), pa.field("lost_spans", pa.list_(SPAN))]
    for side, arrays in sides.items():
        columns += arrays
        fields += side.schema()
    return pa.table(columns, schema=pa.schema(fields))


def token_array(words: list[str], ends: list[int], valid: Sequence[bool] | None = None) -> pa.ListArray:
    """A `list<string>` column from flat words and the end of each row."""
    offsets = np.array([0, *ends], dtype=np.int64)
    mask = None if valid is None else np.array(valid, dtype=bool)
    return build_list(offsets, pa.array(words, type=pa.string()), mask)


def split_column(texts: Sequence[str | None], splitter: Splitter) -> pa.ListArray:
    """The words of each text; null where the text is null."""
    words: list[str] = []
    ends = []
    for text in texts:
        if text:
            words += splitter.words(text)
        ends.append(len(words))
    return token_array(words, ends, [text is not None for text in texts])


def entity_column(rows: Sequence[Sequence[Entity] | None]) -> EntityColumn:
    """Entities of rows; None is a row without labels."""
    flat = [entity for row in rows for entity in row or ()]
    numbers: dict[str, int] = {}
    labels = [numbers.setdefault(entity.label, len(numbers)) for entity in flat]
    counts = np.array([len(row or ()) for row in rows], dtype=np.int64)
    return EntityColumn(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        start=np.array([entity.start for entity in flat], dtype=np.int32),
        end=np.array([entity.end for entity in flat], dtype=np.int32),
        label=np.array(labels, dtype=np.int32),
        score=np.array([np.nan if e.score is None else e.score for e in flat], dtype=np.float32),
        valid=np.array([row is not None for row in rows], dtype=bool),
        names=tuple(numbers),
    )


def entities_of_tags(
    offsets: Int64, tags: pa.StringArray, where: Where, options: Options, scheme: Scheme, valid: Bool | None = None
) -> EntityColumn:
    """The entities of tagged sentences; repairs are counted, or refused when `options.strict`.

    Raises:
        CorpusError: something that is no tag.
    """
    try:
        decoded = decode_column(offsets, tags, scheme)
    except TagError as error:
        row = int(np.searchsorted(offsets, error.word, side="right") - 1)
        then = "tags are O, or B- or I- (E-, S-, L-, U- in IOBES and BILOU) and a type"
        raise where.error(row, int(error.word - offsets[row]), error.what, then) from error
    if len(decoded.repaired):
        word = int(decoded.repaired[0])
        row = int(np.searchsorted(offsets, word, side="right") - 1)
        if options.strict:
            then = "correct it, or set strict_labels = false to have it repaired"
            raise where.error(row, int(word - offsets[row]), not_allowed(tags[word].as_py(), scheme), then)
        options.notes.add("tags_repaired", where.place(row, int(word - offsets[row])), len(decoded.repaired))
    return decoded.entities if valid is None else replace(decoded.entities, valid=valid)


def scheme_of(tags: Iterable[Sequence[str]]) -> Scheme:
    """The scheme of the sentences of a file, those with something else than O."""
    return detect_scheme(row for row in tags if row.count("O") != len(row))


def checked(entities: EntityColumn, tokens: TokenColumn, where: Where) -> EntityColumn:
    """The entities of each row in order.

    Raises:
        CorpusError: an entity that leaves its sentence or overlaps another one; names the line.
    """
    rows = np.repeat(np.arange(len(entities)), np.diff(entities.offsets))
    bad = np.flatnonzero(
        ~((entities.start >= 0) & (entities.start < entities.end) & (entities.end <= tokens.lengths[rows]))
    )
    if len(bad):
        at, row = int(bad[0]), int(rows[bad[0]])
        span, words = f"[{entities.start[at]}, {entities.end[at]})", tokens.lengths[row]
        what = f"the span {span} is not in its sentence of {words} words"
        raise where.error(row, 0, what, "offsets are words, half-open, from 0")
    order = np.lexsort((entities.end, entities.start, rows))
    start, end = entities.start[order], entities.end[order]
    clash = np.flatnonzero((rows[1:] == rows[:-1]) & (start[1:] < end[:-1]))
    if len(clash):
        at = int(clash[0])
        what = f"the spans [{start[at]}, {end[at]}) and [{start[at + 1]}, {end[at + 1]}) overlap"
        raise where.error(int(rows[at]), 0, what, "xproj projects flat spans; keep one of them")
    return replace(entities, start=start, end=end, label=entities.label[order], score=entities.score[order])


def relabelled(entities: EntityColumn, where: Where, options: Options) -> EntityColumn:
    """Labels renamed and dropped as `options.labels` says.

    Raises:
        CorpusError: a label that no tag can have, or that is not among `options.allowed`; names the line.
    """
    if not options.labels and not options.allowed:
        return _with_fit_labels(entities, where)
    renamed = [options.labels.get(name, name) for name in entities.names]
    names = tuple(dict.fromkeys(name for name in renamed if name != "O"))
    number = np.array([names.index(name) if name != "O" else -1 for name in renamed], dtype=np.int32)
    labels = number[entities.label] if len(entities.label) else entities.label
    rows = np.repeat(np.arange(len(entities)), np.diff(entities.offsets))
    if options.allowed:
        legal = np.array([name in options.allowed for name in names], dtype=bool)
        bad = np.flatnonzero((labels >= 0) & ~legal[labels]) if len(names) else np.zeros(0, dtype=np.int64)
        if len(bad):
            at = int(bad[0])
            what = f"the label {names[labels[at]]!r} is not in labels_allowed ({', '.join(options.allowed)})"
            raise where.error(int(rows[at]), int(entities.start[at]), what, "rename or drop it with [ingest] labels")
    kept = labels >= 0
    if not kept.all():
        first = int(np.flatnonzero(~kept)[0])
        place = where.place(int(rows[first]), int(entities.start[first]))
        options.notes.add("labels_dropped", place, int((~kept).sum()))
    counts = np.bincount(rows[kept], minlength=len(entities))
    left = EntityColumn(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        start=entities.start[kept],
        end=entities.end[kept],
        label=labels[kept],
        score=entities.score[kept],
        valid=entities.valid,
        names=names,
    )
    return _with_fit_labels(left, where)


def _with_fit_labels(entities: EntityColumn, where: Where) -> EntityColumn:
    """The entities, unless there is a label that no tag can have."""
    unfit = np.array([unfit_label(name) for name in entities.names], dtype=np.bool_)
    bad = np.flatnonzero(unfit[entities.label]) if unfit.any() else np.zeros(0, dtype=np.int64)
    if len(bad):
        at = int(bad[0])
        row = int(np.searchsorted(entities.offsets, at, side="right")) - 1
        what = f"a span has the label {entities.names[entities.label[at]]!r}"
        raise where.error(row, int(entities.start[at]), what, "give it a name that a tag can have, or drop it")
    return entities


def rebatch(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly `size` rows, the last one shorter; holds one such table."""
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        start = 0
        while table.num_rows - start >= size - rows:
            held.append(table.slice(start, size - rows))
            start += size - rows
            yield pa.concat_tables(held).combine_chunks()
            held, rows = [], 0
        if start < table.num_rows:
            held.append(table.slice(start))
            rows += table.num_rows - start
    if rows:
        yield pa.concat_tables(held).combine_chunks()
