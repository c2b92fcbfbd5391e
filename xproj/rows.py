"""What stages ask of the rows of a table: which are ok, their words, and what there is to count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import Bool, TokenColumn, combine, flatten
from xproj.schema import STATUSES, status_codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Counts = dict[str, int]

OK = STATUSES.index("ok")
# enough to know the words of a corpus that are frequent, and how its phrases are projected
FIRST_ROWS = 20_000


def ok_rows(table: pa.Table) -> Bool:
    """Which rows have failed nowhere yet, (n,)."""
    ok: Bool = status_codes(table) == OK
    return ok


def only(wanted: Bool, column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column with nulls in all rows but the wanted ones."""
    array = combine(column)
    return array if wanted.all() else pc.if_else(pa.array(wanted), array, pa.scalar(None, array.type))


def pair(table: pa.Table, side: str = "source_tokens") -> tuple[TokenColumn, TokenColumn]:
    """The words of both sides, `side` the first of them; null where the row is not ok."""
    ok = ok_rows(table)
    source, target = (TokenColumn.read(only(ok, table[name])) for name in (side, "target_tokens"))
    return source, target


def total(column: pa.ChunkedArray | pa.Array) -> int:
    """How many elements the lists of a column have together."""
    return int(pc.sum(pc.list_value_length(column)).as_py() or 0)


def with_span(source_entities: pa.ChunkedArray | pa.Array, target_entities: pa.Array) -> int:
    """How many source entities have a target span; some solvers give one entity several."""
    first, _, _ = flatten(source_entities)
    offsets, spans, _ = flatten(target_entities)
    number = pc.struct_field(spans, "source_entity").to_numpy(zero_copy_only=False)
    has_one = np.zeros(first[-1], dtype=np.bool_)
    has_one[np.repeat(first[:-1], np.diff(offsets)) + number] = True
    return int(has_one.sum())


def count_rows(table: pa.Table, codes: np.ndarray | None = None) -> Counts:
    """Rows, and rows by status; `codes` (n,) stands for the table's own status."""
    codes = status_codes(table) if codes is None else codes
    statuses = np.bincount(codes, minlength=len(STATUSES))
    by_status = {f"status.{name}": int(n) for name, n in zip(STATUSES, statuses, strict=True) if n}
    return {"rows": table.num_rows, **by_status}


def add_counts(parts: Iterable[Mapping[str, int]]) -> Counts:
    """The sums of counts, key by key; keys stay in the order in which they first occur."""
    sums: Counts = {}
    for counts in parts:
        for key, n in counts.items():
            sums[key] = sums.get(key, 0) + n
    return sums
