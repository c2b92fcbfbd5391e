"""The files of one path as one stream of tables, whatever their format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import combine
from xproj.corpora import conll, files, jsonl, tables, text
from xproj.corpora.ids import generated
from xproj.corpora.records import sides_in
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xproj.corpora.rows import Options, Side


@dataclass(frozen=True)
class Corpus:
    """A file, folder or glob, and how it is read."""

    path: str
    key: str
    """The key of the recipe that names it, for messages."""
    format: str
    files: tuple[Path, ...]

    @classmethod
    def open(cls, path: str, key: str, format: str = "auto") -> Corpus:
        """Find the files.

        Raises:
            CorpusError: there are none.
        """
        return cls(path, key, format, tuple(files.expand(path, key, format)))

    def format_of(self, file: Path) -> str:
        """The format of one of the files."""
        return files.detect(file) if self.format == "auto" else self.format

    def tables(self, sides: Sequence[Side], options: Options) -> Iterator[pa.Table]:
        """All rows, in batches, with the number of their file in column `file`.

        Raises:
            CorpusError: a file that cannot be read as what it is.
        """
        for number, file in enumerate(self.files):
            for table in self._tables(file, sides, options):
                column = pa.array([number], type=pa.int32()).take(pa.array([0] * table.num_rows, type=pa.int8()))
                yield table.append_column("file", column)

    def _tables(self, file: Path, sides: Sequence[Side], options: Options) -> Iterator[pa.Table]:
        kind = self.format_of(file)
        if kind == "parquet":
            return tables.read(file, sides, options)
        if kind == "jsonl":
            return jsonl.read(file, sides, options)
        if kind == "tsv":
            if len(sides) == 1:
                raise CorpusError(f"{file}: a bitext where labelled sentences are needed; give CoNLL, JSONL or Parquet")
            return text.read_pairs(file, (sides[0], sides[1]), options)
        if len(sides) > 1:
            raise CorpusError(f"{file}: {kind} holds one side only; name the files in source_path and target_path")
        return conll.read(file, sides[0], options) if kind == "conll" else text.read(file, sides[0], options)

    def columns(self) -> list[str]:
        """The columns of the first file; none where it is not Parquet."""
        return tables.columns_of(self.files[0]) if self.format_of(self.files[0]) == "parquet" else []

    def sides(self) -> frozenset[str]:
        """Which sides the first file says it holds (source, target); none where it is one-sided."""
        file = self.files[0]
        kind = self.format_of(file)
        if kind == "tsv":
            return frozenset(("source", "target"))
        if kind == "parquet":
            return sides_in(tables.columns_of(file))
        if kind == "jsonl":
            return next((sides_in(record) for _, record in jsonl.records(file)), frozenset())
        return frozenset()

    def place(self, table: pa.Table, row: int, prefix: str = "") -> str:
        """`file:line` of a row of one of its tables; `prefix` where its columns `file` and `line` were renamed."""
        return f"{self.files[table[f'{prefix}file'][row].as_py()]}:{table[f'{prefix}line'][row].as_py()}"

    def named(self, table: pa.Table, before: int) -> pa.Array:
        """The ids of a table that has `before` rows before it: its own, and generated ones where it has none."""
        ids = combine(table["id"])
        if not ids.null_count:
            return ids
        stems = [files.stem(file) for file in self.files]
        rows = enumerate(table["file"].to_pylist(), before + 1)
        return pc.coalesce(ids, pa.array([generated(stems[file], row) for row, file in rows], type=pa.string()))
