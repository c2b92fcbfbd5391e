"""Tables of the plain form: Parquet files and folders of parts, read in slices and written slice by slice."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xproj import store
from xproj.columns import LinkColumn
from xproj.errors import CorpusError, SchemaError, StoreError
from xproj.fingerprints import canonical
from xproj.schema import conform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    Write = Callable[[pa.Table], None]


class Source:
    """The rows of a Parquet file, or of the Parquet files of a folder in the order of their names.

    Raises:
        CorpusError: there is no such file, it is no Parquet, or it has no row.
        StoreError: a Parquet file that is damaged.
        SchemaError: files with different columns.
    """

    def __init__(self, path: Path, *, limit: int = 0) -> None:
        self.path = path
        self._files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not self._files or not path.exists():
            raise CorpusError(f"{path}: no such file, or no *.parquet in it; check the path")
        for file in self._files:
            _check_magic(file)
        self._limit = limit
        self.schema, self.rows = self._inspect()
        if not self.rows:
            raise CorpusError(f"{path}: has no row; give a table with at least one sentence")

    def _inspect(self) -> tuple[pa.Schema, int]:
        schema, rows = None, 0
        for path in self._files:
            with store.open_parquet(path) as file:
                found = file.schema_arrow.remove_metadata()
                twice = next((name for name in found.names if found.names.count(name) > 1), None)
                if twice is not None:
                    raise SchemaError(f"{path}: there are two columns {twice!r}; drop one of them")
                rows += file.metadata.num_rows
            if schema is not None and found != schema:
                raise SchemaError(f"{path}: other columns than {self._files[0]}; give files of one kind")
            schema = found
        return schema, min(rows, self._limit) if self._limit else rows

    def slices(self, size: int, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All rows in tables of `size` rows (the last may be shorter), with some columns or all.

        Words come as the dictionaries that they are in the file: to decode and to encode them again is most of the
        cost of copying a table.
        """
        pending: list[pa.RecordBatch] = []
        waiting, left = 0, self.rows
        for batch in self._batches(size, columns):
            batch = batch.slice(0, left)
            left -= batch.num_rows
            pending.append(batch)
            waiting += batch.num_rows
            while waiting >= size or (waiting and not left):
                table = pa.Table.from_batches(pending)
                yield table.slice(0, size).combine_chunks()
                pending = table.slice(size).to_batches()
                waiting -= min(size, waiting)
            if not left:
                return

    def _batches(self, size: int, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        for path in self._files:
            with store.open_parquet(path) as file:
                leaves = store.word_leaves(file)
            with store.open_parquet(path, dictionaries=leaves) as file:
                try:
                    # a batch over the border of two row groups cannot have nested dictionaries
                    for group in range(file.num_row_groups):
                        yield from file.iter_batches(batch_size=size, row_groups=[group], columns=columns)
                except store.READ_ERRORS as error:
                    raise store.unreadable(path, error) from error

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.schema.names)

    def has_any(self, columns: Sequence[str]) -> bool:
        """Is there one of these columns, with a value that is not null?"""
        present = [name for name in columns if name in self.names]
        # the first ones have mostly one
        tables = self.slices(1 << 12, present) if present else ()
        return any(table[name].null_count < table.num_rows for table in tables for name in present)

    def check(self, required: Sequence[str]) -> None:
        """Refuse a table that lacks a column, or whose ids are null or not unique.

        Raises:
            SchemaError: names the column, or the row and the id.
        """
        conform(self.schema.empty_table(), required, where=str(self.path))
        ids = pa.concat_tables(conform(t, ["id"], where=str(self.path)) for t in self.slices(1 << 20, ["id"]))["id"]
        ids = ids.combine_chunks()
        ascending = pc.all(pc.less(ids.slice(0, len(ids) - 1), ids.slice(1))).as_py()  # the rule, and quick to see
        if not ascending and pc.count_distinct(ids).as_py() < len(ids):
            counted = pc.value_counts(ids)
            twice = counted.field("values")[pc.index(pc.greater(counted.field("counts"), 1), True).as_py()]
            first = pc.index(ids, twice).as_py()
            second = first + 1 + pc.index(ids.slice(first + 1), twice).as_py()
            raise SchemaError(
                f"{self.path}: rows {first} and {second} have the same id {twice.as_py()!r}; every row needs its own"
            )


def _check_magic(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    if not magic:
        raise CorpusError(f"{path}: the file is empty, no Parquet; write it again")
    if magic != b"PAR1":
        if path.suffix == ".parquet":
            raise CorpusError(
                f"{path}: not Parquet, though its name says so; write it again, or name its format: `xproj ingest "
                f"--input {path} --output A.parquet --set ingest.format=conll` (or jsonl, text, tsv)"
            )
        raise CorpusError(
            f"{path}: not Parquet; `xproj ingest --input {path} --output A.parquet` reads other formats (a corpus of "
            "one side with --set route=translate-train or translate-test)"
        )


@contextmanager
def sink(output: Path, footer: Mapping[str, Any], form: str = "parquet") -> Iterator[Write]:
    """A function that takes table after table; they become `output` when the block ends well.

    `form` pharaoh is a text file of links. Otherwise an output that ends in .parquet is that one file, with a row group
    per table, and any other a folder of parts.

    Raises:
        StoreError: the place cannot be written, or has something that xproj would not replace.
    """
    check_place(output)
    kind = _pharaoh if form == "pharaoh" else _file if output.suffix == ".parquet" else _folder
    with kind(output, {store.FOOTER_KEY: canonical(footer).encode()}) as write:
        yield write


def check_place(output: Path) -> None:
    """Refuse a place before any work is done: one that cannot be written, or somebody else's folder at its name.

    Folders that are not there yet are made when something is written.

    Raises:
        StoreError: says which.
    """
    with store.placing(output):
        # a root has no parent
        folder = next((folder for folder in output.absolute().parents if folder.exists()), output)
        if folder.is_file():
            raise StoreError(f"{output}: {folder} is a file; choose another place")
        probe = store.aside(folder / output.name)
        probe.touch()
        probe.unlink()
    if not output.is_dir():
        return
    names = {p.name for p in output.iterdir()}
    ours = store.PROVENANCE in names or all(store.PART.fullmatch(name) for name in names)
    if output.suffix == ".parquet" or not ours:
        raise StoreError(f"{output}: is a folder that xproj has not made; choose another --output")


@contextmanager
def _file(output: Path, metadata: dict[bytes, bytes]) -> Iterator[Write]:
    writer: pq.ParquetWriter | None = None

    def write(table: pa.Table) -> None:
        nonlocal writer
        table = store.canonical_table(table)
        if writer is None:
            writer = _writer(temporary, table.schema, metadata)
        writer.write_table(table, row_group_size=max(1, table.num_rows))

    with store.written(output) as temporary:
        try:
            yield write
        finally:
            if writer is not None:
                writer.close()


def _writer(path: Path, schema: pa.Schema, metadata: dict[bytes, bytes]) -> pq.ParquetWriter:
    """A writer that declares dictionaries of words as the lists of strings they stand for."""
    declared = pa.schema([field.with_type(_declared(field.type)) for field in schema], metadata=metadata)
    arrow = base64.b64encode(declared.serialize().to_pybytes())
    writer = pq.ParquetWriter(path, schema, store_schema=False, **store.parquet_options(schema))
    writer.add_key_value_metadata({b"ARROW:schema": arrow, **metadata})
    return writer


def _declared(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_list(type_) and pa.types.is_dictionary(type_.value_type):
        return pa.list_(type_.value_field.with_type(type_.value_type.value_type))
    return type_


@contextmanager
def _folder(output: Path, metadata: dict[bytes, bytes]) -> Iterator[Write]:
    pieces: list[Path] = []

    def write(table: pa.Table) -> None:
        pieces.append(temporary / f"{len(pieces):05d}")
        table = store.canonical_table(table)
        with _writer(pieces[-1], table.schema, metadata) as writer:
            writer.write_table(table, row_group_size=max(1, table.num_rows))

    with store.written(output, folder=True, replace=True) as temporary:
        yield write
        for shard, piece in enumerate(pieces):
            piece.rename(temporary / store.part_name(shard, len(pieces)))


@contextmanager
def _pharaoh(output: Path, metadata: dict[bytes, bytes]) -> Iterator[Write]:
    with store.written(output) as temporary, temporary.open("w", encoding="utf-8") as stream:

        def write(table: pa.Table) -> None:
            stream.writelines(line + "\n" for line in pharaoh(LinkColumn.read(table["links"])))

        yield write


def pharaoh(links: LinkColumn) -> Iterator[str]:
    """The links of each row as `i-j i-j …`; an empty line where there are none."""
    words = [f"{i}-{j}" for i, j in zip(links.source.tolist(), links.target.tolist(), strict=True)]
    return (" ".join(words[low:high]) for low, high in zip(links.offsets[:-1], links.offsets[1:], strict=True))
