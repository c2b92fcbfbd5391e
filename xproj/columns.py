"""List columns as flat buffers, and back.

Every hot path of xproj works on *offsets and values*: row `r` of a list column is `values[offsets[r]:offsets[r + 1]]`.
The classes here are the only place where Arrow list arrays are taken apart and put together. A null row has length 0
in `offsets` and False in `valid`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Int32 = np.ndarray[tuple[int], np.dtype[np.int32]]
Int64 = np.ndarray[tuple[int], np.dtype[np.int64]]
Float32 = np.ndarray[tuple[int], np.dtype[np.float32]]
Bool = np.ndarray[tuple[int], np.dtype[np.bool_]]

SPAN = pa.struct([("start", pa.int32()), ("end", pa.int32())])
ENTITY = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("label", pa.string()), ("score", pa.float32())])
LINK = pa.struct([("source", pa.int32()), ("target", pa.int32()), ("score", pa.float32())])


class Span(NamedTuple):
    """A half-open range of words `[start, end)`."""

    start: int
    end: int


class Entity(NamedTuple):
    """A labelled span of words `[start, end)`; `score` is None for gold labels."""

    start: int
    end: int
    label: str
    score: float | None = None


class Link(NamedTuple):
    """An alignment link between source word and target word, both 0-based."""

    source: int
    target: int
    score: float = 1.0


def combine(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One contiguous array of a column."""
    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks == 1:
            return column.chunk(0)
        return column.combine_chunks() if column.num_chunks else pa.array([], type=column.type)
    return column


def flatten(column: pa.ChunkedArray | pa.Array) -> tuple[Int64, pa.Array, Bool]:
    """The buffers of a list column: offsets (n + 1,) from 0, values, and which rows are not null (n,)."""
    array = combine(column)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(array) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    valid = pc.is_valid(array).to_numpy(zero_copy_only=False)
    return offsets, combine(pc.list_flatten(array)), valid


def build_list(offsets: np.ndarray, values: pa.Array, valid: Bool | None = None) -> pa.ListArray:
    """A list array of `values` cut at `offsets`; rows where `valid` is False become null."""
    mask = None if valid is None or bool(valid.all()) else pa.array(~valid)
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32, copy=False)), values, mask=mask)


def _field(values: pa.StructArray, name: str, dtype: type, missing: float = 0) -> np.ndarray:
    field = pc.struct_field(values, name)
    if field.null_count:
        field = pc.fill_null(field, pa.scalar(missing, type=field.type))
    return np.asarray(field.to_numpy(zero_copy_only=False), dtype=dtype)


@dataclass(frozen=True)
class TokenColumn:
    """A `list<string>` column: the words of row r are `values[offsets[r]:offsets[r + 1]]`."""

    offsets: Int64
    values: pa.StringArray
    valid: Bool

    @classmethod
    def read(cls, column: pa.ChunkedArray | pa.Array) -> TokenColumn:
        """Take a `list<string>` column apart."""
        return cls(*flatten(column))

    @classmethod
    def of(cls, rows: list[list[str] | None]) -> TokenColumn:
        """A column of Python lists; None is a null row. For tests and small inputs."""
        return cls.read(pa.array(rows, type=pa.list_(pa.string())))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64:
        """Words per row, (n,)."""
        return np.diff(self.offsets)

    def encode(self) -> tuple[Int32, list[str]]:
        """Word ids of all words (total,), and the distinct words that they index."""
        encoded = self.values.dictionary_encode()
        return encoded.indices.to_numpy(zero_copy_only=False).astype(
            np.int32, copy=False
        ), encoded.dictionary.to_pylist()

    def rows(self) -> list[list[str] | None]:
        """Python lists. For tests and printing, never in a hot path."""
        rows: list[list[str] | None] = build_list(self.offsets, self.values, self.valid).to_pylist()
        return rows


@dataclass(frozen=True)
class LinkColumn:
    """A `list<link>` column; within a row, links are sorted by source word, then target word."""

    offsets: Int64
    source: Int32
    target: Int32
    score: Float32
    valid: Bool

    @classmethod
    def read(cls, column: pa.ChunkedArray | pa.Array) -> LinkColumn:
        """Take a `list<link>` column apart; a null score counts as 1.0."""
        offsets, values, valid = flatten(column)
        return cls(
            offsets,
            _field(values, "source", np.int32),
            _field(values, "target", np.int32),
            _field(values, "score", np.float32, missing=1.0),
            valid,
        )

    @classmethod
    def of(cls, rows: list[list[tuple[int, int] | tuple[int, int, float]] | None]) -> LinkColumn:
        """A column of Python lists of (source, target[, score]). For tests and small inputs."""
        full = [None if row is None else [Link(*link)._asdict() for link in row] for row in rows]
        return cls.read(pa.array(full, type=pa.list_(LINK)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def at_least(self, score: float) -> LinkColumn:
        """The links whose score is at least `score`."""
        keep = self.score >= score
        if keep.all():
            return self
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(keep)])
        return LinkColumn(before[self.offsets], self.source[keep], self.target[keep], self.score[keep], self.valid)

    def write(self) -> pa.ListArray:
        """The Arrow column."""
        values = pa.StructArray.from_arrays(
            [pa.array(self.source), pa.array(self.target), pa.array(self.score)], fields=list(LINK)
        )
        return build_list(self.offsets, values, self.valid)


@dataclass(frozen=True)
class EntityColumn:
    """A `list<entity>` column; a missing score is NaN, labels are ids of `names`."""

    offsets: Int64
    start: Int32
    end: Int32
    label: Int32
    score: Float32
    valid: Bool
    names: tuple[str, ...]

    @classmethod
    def read(cls, column: pa.ChunkedArray | pa.Array) -> EntityColumn:
        """Take a `list<entity>` column apart."""
        offsets, values, valid = flatten(column)
        labels = pc.struct_field(values, "label").dictionary_encode()
        return cls(
            offsets,
            _field(values, "start", np.int32),
            _field(values, "end", np.int32),
            labels.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False),
            _field(values, "score", np.float32, missing=float("nan")),
            valid,
            tuple(labels.dictionary.to_pylist()),
        )

    @classmethod
    def of(cls, rows: list[list[tuple[int, int, str]] | None]) -> EntityColumn:
        """A column of Python lists of (start, end, label). For tests and small inputs."""
        full = [None if row is None else [Entity(*entity)._asdict() for entity in row] for row in rows]
        return cls.read(pa.array(full, type=pa.list_(ENTITY)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def write(self) -> pa.ListArray:
        """The Arrow column; NaN scores become null."""
        labels = pa.DictionaryArray.from_arrays(pa.array(self.label), pa.array(self.names, type=pa.string()))
        score = pa.array(self.score, mask=np.isnan(self.score))
        values = pa.StructArray.from_arrays(
            [pa.array(self.start), pa.array(self.end), labels.cast(pa.string()), score], fields=list(ENTITY)
        )
        return build_list(self.offsets, values, self.valid)
