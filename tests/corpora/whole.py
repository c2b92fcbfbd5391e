"""Whole corpora as one table, for tests."""

import pyarrow as pa

from xproj import corpora
from xproj.languages import lookup
from xproj.recipe import Ingest

ENGLISH, SWAHILI = lookup("en"), lookup("sw")


def ingest(notes=None, side="both", source=ENGLISH, target=SWAHILI, **settings) -> pa.Table:
    """The whole corpus as one table; paths may be Path objects."""
    made = Ingest(**{key: str(value) if key.endswith("path") else value for key, value in settings.items()})
    return pa.concat_tables(corpora.ingest(made, source=source, target=target, side=side, notes=notes))


def labelled(path, **options) -> pa.Table:
    """The whole labelled corpus as one table."""
    return pa.concat_tables(corpora.read_labelled(path, **options))


def spans(column: pa.ChunkedArray) -> list:
    """Entities as (start, end, label)."""
    rows = column.to_pylist()
    return [None if row is None else [(e["start"], e["end"], e["label"]) for e in row] for row in rows]
