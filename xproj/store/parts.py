"""Part files: Parquet with a footer that holds provenance and counts, nothing that differs from one run to the next."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xproj.columns import combine
from xproj.errors import StoreError
from xproj.fingerprints import canonical
from xproj.store.writing import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xproj.fingerprints import Provenance

    Counts = dict[str, int]

FOOTER_KEY = b"xproj"
# on lists of words and links, zstd at its lowest level is as fast as snappy and half the size
PARQUET: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "write_page_checksum": True}
UNIQUE = {"id", "source_text", "target_text", "marked_text"}  # columns whose strings hardly ever repeat
READ_ERRORS = (pa.ArrowException, OSError)


def canonical_table(table: pa.Table) -> pa.Table:
    """Every column as one chunk, and dictionaries unified in the order of their first chunks; no schema metadata."""
    return table.unify_dictionaries().combine_chunks().replace_schema_metadata(None)


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """How a table is written: dictionaries for words and labels, which repeat, not for numbers, ids and sentences."""
    words = [leaf for field in schema if field.name not in UNIQUE for leaf in _strings(field.name, field.type)]
    flat = [field.name for field in schema if not pa.types.is_nested(field.type)]
    return PARQUET | {"use_dictionary": words or False, "write_statistics": flat or False}


def word_leaves(file: pq.ParquetFile) -> list[str]:
    """The Parquet paths of the lists of words in an open file."""
    types = {field.name: field.type for field in file.schema_arrow}
    words = {name for name, type_ in types.items() if pa.types.is_list(type_) and pa.types.is_string(type_.value_type)}
    paths = (file.schema.column(i).path for i in range(len(file.schema)))
    return [path for path in paths if path.partition(".")[0] in words]


def _strings(path: str, type_: pa.DataType) -> list[str]:
    """The Parquet paths of the strings in a column."""
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return _strings(f"{path}.list.element", type_.value_type)
    if pa.types.is_struct(type_):
        return [leaf for field in type_ for leaf in _strings(f"{path}.{field.name}", field.type)]
    strings = pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_dictionary(type_)
    return [path] if strings else []


def write_table(path: Path, table: pa.Table, footer: Mapping[str, Any]) -> None:
    """Write one file of one row group with a footer, at `path` itself; the caller writes aside."""
    table = canonical_table(table).replace_schema_metadata({FOOTER_KEY: canonical(footer).encode()})
    pq.write_table(table, path, row_group_size=max(1, table.num_rows), **parquet_options(table.schema))


def part_footer(provenance: Provenance, table: pa.Table, counts: Counts) -> dict[str, Any]:
    """What stands in the footer of a part."""
    return {**asdict(provenance), "rows": table.num_rows, "counts": counts}


def write_part(path: Path, table: pa.Table, provenance: Provenance, counts: Counts) -> None:
    """Write a part file whole or not at all.

    Args:
        path: where, see `part_name`.
        table: `id` and the columns that the stage adds.
        provenance: what made it.
        counts: its share of the accounting, stored beside the row count.

    Raises:
        StoreError: the place cannot be written.
    """
    with written(path) as temporary:
        write_table(temporary, table, part_footer(provenance, table, counts))


def open_parquet(path: Path, *, checked: bool = False, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """An open Parquet file; `checked` verifies the checksum of every page that is read.

    The Parquet paths in `dictionaries` are read as dictionaries.

    Raises:
        StoreError: it is missing, truncated or no Parquet.
    """
    try:
        return pq.ParquetFile(path, page_checksum_verification=checked, read_dictionary=list(dictionaries))
    except READ_ERRORS as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> StoreError:
    """The error for a Parquet file that `error` says cannot be read."""
    if isinstance(error, FileNotFoundError):
        return StoreError(f"{path}: no such file; check the path, or make it again")
    if isinstance(error, PermissionError):
        return StoreError(f"{path}: permission denied; check its permissions")
    return StoreError(
        f"{path}: not a whole Parquet file ({str(error).splitlines()[0][:120]}); delete it and make it again"
    )


def read_columns(file: pq.ParquetFile, path: Path, columns: Sequence[str]) -> pa.Table:
    """The named columns of an open file.

    Raises:
        StoreError: the file is damaged.
    """
    try:
        return file.read(columns=list(columns))
    except READ_ERRORS as error:
        raise unreadable(path, error) from error


def footer(path: Path) -> dict[str, Any]:
    """The provenance, rows and counts in a part's footer; empty for a file that xproj has not written.

    Raises:
        StoreError: the file is missing or damaged.
    """
    with open_parquet(path) as file:
        return footer_of(file)


def footer_of(file: pq.ParquetFile) -> dict[str, Any]:
    """The same, of an open file."""
    value: dict[str, Any] = json.loads((file.schema_arrow.metadata or {}).get(FOOTER_KEY, b"{}"))
    return value


def column_names(path: Path) -> list[str]:
    """The columns of a file."""
    with open_parquet(path) as file:
        names: list[str] = file.schema_arrow.names
        return names


def ids(path: Path) -> pa.Array:
    """The ids of a part."""
    with open_parquet(path) as file:
        return combine(read_columns(file, path, ["id"])["id"])


def read_zipped(paths: Sequence[Path], columns: Sequence[str]) -> pa.Table:
    """The columns of one shard from the parts of several stages, `id` always first; words are left as dictionaries.

    Args:
        paths: the parts of one shard, in the order of the stages: a later part's column overrides an earlier one.
        columns: the names wanted; those that no part has are left out.

    Raises:
        StoreError: a part is missing or damaged, or the ids of two parts differ.
    """
    files = [_with_dictionaries(path) for path in paths]
    owner = {name: i for i, file in enumerate(files) for name in file.schema_arrow.names if name != "id"}
    wanted = [name for name in dict.fromkeys(columns) if name in owner]
    table = read_columns(files[0], paths[0], ["id", *(n for n in wanted if owner[n] == 0)])
    for i in range(1, len(files)):
        part = read_columns(files[i], paths[i], ["id", *(n for n in wanted if owner[n] == i)])
        _same_ids(table, part, paths[0], paths[i])
        for name in part.column_names[1:]:
            table = table.append_column(part.schema.field(name), part[name])
    for file in files:
        file.close()
    return table.select(["id", *wanted]).replace_schema_metadata(None)


def _with_dictionaries(path: Path) -> pq.ParquetFile:
    with open_parquet(path) as file:
        leaves = word_leaves(file)
    return open_parquet(path, dictionaries=leaves)


def _same_ids(first: pa.Table, other: pa.Table, path: Path, other_path: Path) -> None:
    a, b = combine(first["id"]), combine(other["id"])
    if a.equals(b):
        return
    if len(a) != len(b):
        what = f"{len(b)} rows, but {path} has {len(a)}"
    else:
        row = pc.index(pc.not_equal(a, b), True).as_py()
        what = f"row {row} is {b[row].as_py()!r}, but {a[row].as_py()!r} in {path}"
    raise StoreError(f"{other_path}: {what}; delete the part that is wrong and run again")
