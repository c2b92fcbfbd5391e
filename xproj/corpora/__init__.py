"""Corpora: every format in, silver datasets out.

`ingest` reads what a recipe names as sentence pairs, `read_labelled` labelled sentences of one language, `read_bitext`
bare pairs; `write_silver` writes datasets with their card, `export.export` the formats of other tools.
"""

from xproj.corpora.bitext import read_bitext
from xproj.corpora.labelled import LABELLED, made_by, read_labelled, splits
from xproj.corpora.notes import IngestNotes
from xproj.corpora.parallel import INGESTED, extra_columns, ingest, may_have_both_sides, may_have_labels
from xproj.corpora.silver import SILVER, SilverCounts, write_silver

__all__ = [
    "INGESTED",
    "LABELLED",
    "SILVER",
    "IngestNotes",
    "SilverCounts",
    "extra_columns",
    "ingest",
    "made_by",
    "may_have_both_sides",
    "may_have_labels",
    "read_bitext",
    "read_labelled",
    "splits",
    "write_silver",
]
