"""Parquet files: tokens with entities or tags, as Hugging Face lays them out, or xproj's own columns."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xproj.columns import ENTITY, SPAN, EntityColumn, TokenColumn, combine, flatten
from xproj.corpora.files import open_seekable
from xproj.corpora.records import SPAN_KEYS, TAG_KEYS, TOKEN_KEYS, records_table, sides_in, tags_of
from xproj.corpora.rows import Where, batch_table, checked, entities_of_tags, relabelled, scheme_of
from xproj.errors import CorpusError
from xproj.schema import COLUMNS, cast, not_utf8, null_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xproj.core.spans import Scheme
    from xproj.corpora.rows import Options, Side

NAMES = (
    "id",
    "confidence",
    "lost_spans",
    "text",
    *TOKEN_KEYS,
    *TAG_KEYS,
    *SPAN_KEYS,
    *(f"{side}_{name}" for side in ("source", "target") for name in ("text", "tokens", "ner_tags", "tags")),
    "source_entities",
    "target_gold",
)
CONVERT = "convert the column first"


def open_parquet(path: Path) -> pq.ParquetFile:
    """An open Parquet file.

    Raises:
        CorpusError: it is none, or damaged.
    """
    try:
        return pq.ParquetFile(open_seekable(path), pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        detail = str(error).splitlines()[0].rstrip(".")
        raise CorpusError(f"{path}: not a Parquet file, or truncated ({detail}); copy or download it again") from error


def columns_of(path: Path) -> list[str]:
    """The names of its columns."""
    with open_parquet(path) as file:
        return list(file.schema_arrow.names)


def read(path: Path, sides: Sequence[Side], options: Options) -> Iterator[pa.Table]:
    """The rows of a file in batches; the number of a row, from 1, stands for its line.

    Raises:
        CorpusError: columns that are missing, of a wrong type or with impossible values.
    """
    with open_parquet(path) as file:
        schema = file.schema_arrow
        names = [name for name in (*NAMES, *options.extra) if name in schema.names]
        if twice := next((name for name in names if schema.names.count(name) > 1), None):
            raise CorpusError(f"{path}: there are two columns {twice!r}; drop one of them")
        class_names = {name: _class_names(schema, name) for name in names if name.endswith("tags")}
        scheme: Scheme | None = None
        start = 1
        for batch in _batches(file, path, names, options.batch):
            table = pa.table(batch)
            lines = list(range(start, start + table.num_rows))
            start += table.num_rows
            for name in names:
                if (row := not_utf8(combine(table[name]))) is not None:
                    what = f"column {name!r} is not UTF-8; write the table again as UTF-8"
                    raise CorpusError(f"{path}:{lines[row]}: {what}")
            table = _with_tag_names(table, class_names, path)
            if scheme is None:
                scheme = _scheme(table)
            made = _table(table, lines, path, sides, options, scheme or "IOB2")
            for name in options.extra:
                wanted = COLUMNS[name]
                column = _cast(table, name, wanted, path) if name in names else pa.nulls(table.num_rows, wanted)
                made = made.append_column(name, column)
            yield made


def _batches(file: pq.ParquetFile, path: Path, names: list[str], size: int) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(batch_size=size, columns=names)
    except (pa.ArrowInvalid, OSError) as error:
        detail = str(error).splitlines()[0].rstrip(".")
        raise CorpusError(f"{path}: damaged ({detail}); copy or download it again") from error


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of class ids, from the metadata that the `datasets` library writes."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return None
    return _names_in(features.get(column))


def _names_in(feature: Any) -> list[str] | None:
    if isinstance(feature, list):
        feature = feature[0] if feature else None
    if not isinstance(feature, dict):
        return None
    names = feature.get("names")
    return [str(name) for name in names] if isinstance(names, list) else _names_in(feature.get("feature"))


def _with_tag_names(table: pa.Table, class_names: dict[str, list[str] | None], path: Path) -> pa.Table:
    """Class ids replaced by the names of their classes."""
    for column, names in class_names.items():
        array = combine(table[column])
        if not _is_list(array.type) or not pa.types.is_integer(array.type.value_type):
            continue
        if names is None:
            what = f"column {column!r} has class ids without names"
            raise CorpusError(f"{path}: {what}; write it with datasets' ClassLabel, or as strings like B-PER")
        offsets, ids, valid = flatten(array)
        outside = pc.or_kleene(pc.less(ids, 0), pc.greater_equal(ids, len(names)))
        if pc.any(outside).as_py():
            bad = ids[pc.index(outside, True).as_py()].as_py()
            what = f"column {column!r} has the class id {bad}, but {len(names)} names"
            raise CorpusError(f"{path}: {what}; write the file again with the right names")
        tags = pa.array(names, type=pa.string()).take(ids.cast(pa.int64()))
        named = pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), tags, mask=None if valid.all() else pa.array(~valid)
        )
        table = table.set_column(table.column_names.index(column), column, named)
    return table


def _scheme(table: pa.Table) -> Scheme | None:
    tags = [name for name in table.column_names if name.endswith("tags")]
    rows = chain.from_iterable(table.select([name]).to_pylist() for name in tags)
    found = [tags for row in rows if (tags := tags_of(row))]
    return scheme_of(found) if found else None


def _table(
    table: pa.Table, lines: list[int], path: Path, sides: Sequence[Side], options: Options, scheme: Scheme
) -> pa.Table:
    own = sides_in(table.column_names)
    columns = {}
    for side in sides:
        prefix = side.prefix if own else ""
        tokens = next((prefix + key for key in TOKEN_KEYS if prefix + key in table.column_names), None)
        plain = tokens is not None and _is_list(table[tokens].type) and not table[tokens].null_count
        if tokens is None or not plain or (not own and _labels_elsewhere(table)):
            return records_table(table.to_pylist(), lines, path, sides, options, scheme)
        columns[side] = _arrays(table, prefix, tokens, Where(path, lines), side, options, scheme)
    ids = _cast(table, "id", pa.string(), path) if "id" in table.column_names else pa.nulls(len(lines), pa.string())
    confidence = _cast(table, "confidence", pa.float32(), path) if "confidence" in table.column_names else None
    lost = _cast(table, "lost_spans", pa.list_(SPAN), path) if "lost_spans" in table.column_names else None
    return batch_table(ids, lines, columns, confidence, lost)


def _labels_elsewhere(table: pa.Table) -> bool:
    """Are there labels in none but the columns that other tools call so?"""
    names, others = table.column_names, SPAN_KEYS[1:]
    usual = "entities" in names or any(name in names for name in TAG_KEYS)
    return not usual and any(name in names and _is_list(table[name].type) for name in others)


def _arrays(
    table: pa.Table, prefix: str, tokens: str, where: Where, side: Side, options: Options, scheme: Scheme
) -> list[pa.Array]:
    """Text, tokens and entities of one side, without a Python object per row."""
    path = where.path
    words = _strings(table, tokens, path)
    column = TokenColumn.read(words)
    if column.values.null_count:
        column = TokenColumn(column.offsets, pc.fill_null(column.values, ""), column.valid)
        words = pa.ListArray.from_arrays(pa.array(column.offsets.astype(np.int32)), column.values)
    text = _cast(table, f"{prefix}text", pa.string(), path) if f"{prefix}text" in table.column_names else None
    spans = side.labels_key if prefix else "entities"
    tags = next((prefix + key for key in TAG_KEYS if prefix + key in table.column_names), None)
    entities: pa.Array = pa.nulls(len(words), pa.list_(ENTITY))
    if spans in table.column_names and table[spans].null_count < len(words):
        given = _cast(table, spans, pa.list_(ENTITY), path)
        if missing := null_within(given):
            what, row = missing
            raise where.error(row, 0, f"an entity whose {what} is null", "fill it or leave the entity out")
        entities = relabelled(checked(EntityColumn.read(given), column, where), where, options).write()
    elif tags is not None and table[tags].null_count < len(words):
        found = _from_tags(_strings(table, tags, path), column, where, options, scheme)
        entities = relabelled(found, where, options).write()
    return [pa.nulls(len(words), pa.string()) if text is None else text, words, entities]


def _from_tags(tags: pa.ListArray, words: TokenColumn, where: Where, options: Options, scheme: Scheme) -> EntityColumn:
    offsets, values, valid = flatten(tags)
    lengths = np.diff(offsets)
    bad = np.flatnonzero((lengths != words.lengths) & valid)
    if len(bad):
        row = int(bad[0])
        what = f"{lengths[row]} tags for {words.lengths[row]} tokens"
        raise where.error(row, 0, what, "give one tag per token")
    return entities_of_tags(offsets, values, where, options, scheme, valid)


def _strings(table: pa.Table, name: str, path: Path) -> pa.ListArray:
    """A `list<string>` column; numbers are refused, they are ids of something."""
    kind, wanted = table[name].type, pa.list_(pa.string())
    if _is_list(kind) and (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)):
        raise CorpusError(f"{path}: column {name!r} has type {kind}, needed is {wanted}; {CONVERT}")
    return _cast(table, name, wanted, path)


def _cast(table: pa.Table, name: str, to: pa.DataType, path: Path) -> pa.Array:
    array = combine(table[name])
    try:
        number = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
        return array.cast(to) if number else cast(array, to)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise CorpusError(f"{path}: column {name!r} has type {array.type}, needed is {to}; {CONVERT}") from error


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
