"""Labelled sentences of one language: silver folders, CoNLL, Parquet, JSONL; text too, as unlabelled ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xproj.columns import ENTITY, SPAN, combine
from xproj.core.words import splitter_for
from xproj.corpora.files import natural
from xproj.corpora.notes import IngestNotes
from xproj.corpora.reading import Corpus
from xproj.corpora.rows import Options, Side, rebatch
from xproj.errors import CorpusError
from xproj.languages import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xproj.languages import Language

LABELLED = pa.schema(
    {
        "id": pa.string(),
        "tokens": pa.list_(pa.string()),
        "entities": pa.list_(ENTITY),
        "confidence": pa.float32(),
        "lost_spans": pa.list_(SPAN),
    }
)


def read_labelled(
    path: str | Path,
    *,
    format: str = "auto",
    labels: Mapping[str, str] | None = None,
    strict: bool = False,
    split: str | None = None,
    language: Language | None = None,
    splitter: str = "icu",
    rows: int = 5000,
    limit: int = 0,
    notes: IngestNotes | None = None,
) -> Iterator[pa.Table]:
    """The sentences of a labelled corpus, in tables of at most `rows` rows with the columns of LABELLED.

    Args:
        path: a silver folder, or a file, folder or glob of CoNLL, JSONL, Parquet or text.
        format: conll, jsonl, parquet, text, or auto.
        labels: renames; a value of `O` drops the entity.
        strict: refuse invalid tag sequences instead of repairing them.
        split: only this split of a silver folder; None: all of it.
        language: cuts text without words; English rules when None.
        splitter: how such text is cut.
        limit: only the first sentences; 0 = all.
        notes: filled as the corpus streams.

    Raises:
        CorpusError: a file that cannot be read, or no sentence at all.
    """
    notes = IngestNotes() if notes is None else notes
    side = Side("", splitter_for(language or lookup("eng_Latn"), splitter))
    corpus = _open(Path(path), format, split)
    count, rows = 0, min(rows, limit or rows)
    for table in rebatch(corpus.tables([side], Options(labels or {}, strict=strict, notes=notes, rows=rows)), rows):
        if limit:
            table = table.slice(0, limit - count)
        ids = corpus.named(table, count)
        count += table.num_rows
        entities = combine(table["entities"])
        notes.sentences += table.num_rows
        notes.labelled += len(entities) - entities.null_count
        notes.entities += pc.sum(pc.list_value_length(entities)).as_py() or 0
        columns = [ids, combine(table["tokens"]), entities]
        columns += [combine(table["confidence"]), combine(table["lost_spans"])]
        yield pa.table(columns, schema=LABELLED)
        if limit and count >= limit:
            return
    if not count:
        raise CorpusError(f"{path}: no sentence in it; correct the path or the format")


def _open(path: Path, format: str, split: str | None) -> Corpus:
    if split is None:
        return Corpus.open(str(path), "the path", format)
    found = sorted((path / "data").glob(f"{split}-*.parquet"), key=natural)
    if not found:
        raise CorpusError(f"{path}: no split {split!r}; it has {', '.join(splits(path)) or 'none'}")
    return Corpus(str(path), "the path", "parquet", tuple(found))


def made_by(folder: Path) -> dict[str, Any]:
    """What made a silver folder: language, licences, signature; empty for any other corpus."""
    first = next(iter(sorted((folder / "data").glob("*.parquet"))), None)
    if first is None:
        return {}
    found: dict[str, Any] = json.loads((pq.read_schema(first).metadata or {}).get(b"xproj", b"{}"))
    return found


def splits(folder: Path) -> list[str]:
    """The splits of a silver folder, sorted."""
    return sorted({file.name.rpartition("-of-")[0].rpartition("-")[0] for file in (folder / "data").glob("*.parquet")})
