"""Labelled sentences in the formats of other tools: CoNLL, spaCy's DocBin, JSONL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow.compute as pc

from xproj import store
from xproj.columns import Entity
from xproj.core.detokenize import spaces_after
from xproj.core.spans import encode
from xproj.corpora.files import expand, suffix
from xproj.corpora.labelled import read_labelled
from xproj.corpora.tables import open_parquet
from xproj.corpora.writing import compressed, placing
from xproj.errors import RecipeError, unknown
from xproj.languages import lookup
from xproj.schema import BREAKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from xproj.languages import Language


def export(
    path: str | Path, format: str, output: Path, *, split: str | None = None, language: Language | None = None
) -> dict[str, int]:
    """Write the labelled sentences of `path` to the file `output`; returns the counts of rows and entities.

    Args:
        path: a silver folder, or any labelled corpus that `read_labelled` opens.
        format: conll (word and IOB2 tag by a tab), spacy (a DocBin) or jsonl (tokens, ner_tags, entities).
        output: the file; with .gz or .zst at its end conll and jsonl are compressed.
        split: only this split of a silver folder; None: all.
        language: says where spaces go in a DocBin; by default the one that the data name, else English.

    Raises:
        RecipeError: an unknown format.
        CorpusError: the corpus cannot be read.
        StoreError: the place cannot be written.
    """
    if format not in WRITERS:
        raise RecipeError(unknown("format", format, WRITERS, "--format"))
    language = language or _language(path)
    counts = {"rows": 0, "entities": 0, "unlabelled": 0}
    tables = _counted(read_labelled(path, split=split, language=language), counts)
    with placing(output), store.written(output) as temporary, compressed(temporary, output.suffix) as file:
        WRITERS[format](tables, file, language)
    return counts


def _language(path: str | Path) -> Language:
    """The language that a silver corpus names."""
    first = expand(path, "the path")[0]
    if suffix(first) == ".parquet":
        with open_parquet(first) as file:
            if "language" in file.schema_arrow.names and file.metadata.num_rows:
                table = next(file.iter_batches(batch_size=1, columns=["language"]))
                return lookup(table["language"][0].as_py() or "eng_Latn")
    return lookup("eng_Latn")


def _counted(tables: Iterable[pa.Table], counts: dict[str, int]) -> Iterator[pa.Table]:
    for table in tables:
        counts["rows"] += table.num_rows
        counts["unlabelled"] += table["entities"].null_count
        counts["entities"] += pc.sum(pc.list_value_length(table["entities"])).as_py() or 0
        yield table


def _sentences(tables: Iterable[pa.Table]) -> Iterator[tuple[str, list[str], list[Entity] | None, float | None]]:
    for table in tables:
        for row in table.to_pylist():
            raw = row["entities"]
            entities = None if raw is None else [Entity(e["start"], e["end"], e["label"], e["score"]) for e in raw]
            yield row["id"], row["tokens"], entities, row["confidence"]


def _conll(tables: Iterable[pa.Table], file: BinaryIO, language: Language) -> None:
    """A `# sent_id`, then word and tag; a line break or tab inside a word becomes a space.

    CoNLL cannot say that a sentence has no labels yet, so those sentences are left out.
    """
    for name, tokens, entities, _ in _sentences(tables):
        if entities is None:
            continue
        lines = [f"# sent_id = {BREAKS.sub(' ', name)}"]
        for token, tag in zip(tokens, encode(entities, len(tokens)), strict=True):
            lines.append(f"{BREAKS.sub(' ', token)}\t{tag}")
        file.write(("\n".join(lines) + "\n\n").encode())


def _jsonl(tables: Iterable[pa.Table], file: BinaryIO, language: Language) -> None:
    for name, tokens, entities, confidence in _sentences(tables):
        record = {
            "id": name,
            "tokens": tokens,
            "ner_tags": None if entities is None else encode(entities, len(tokens)),
            "entities": None if entities is None else [entity._asdict() for entity in entities],
            "confidence": confidence,
        }
        file.write((json.dumps(record, ensure_ascii=False) + "\n").encode())


def _spacy(tables: Iterable[pa.Table], file: BinaryIO, language: Language) -> None:
    """A DocBin, for `spacy train`; sentences without labels have missing entity values, as spaCy calls it.

    Ids are left out: a DocBin keeps them as user data only, which halves the speed.
    """
    import spacy
    from spacy.tokens import Doc, DocBin, Span

    vocab = spacy.blank("xx").vocab
    docs = DocBin(attrs=["ENT_IOB", "ENT_TYPE"])
    for _, tokens, entities, _ in _sentences(tables):
        doc = Doc(vocab, words=tokens, spaces=spaces_after(tokens, language))
        if entities is not None:
            doc.set_ents([Span(doc, e.start, e.end, label=e.label) for e in entities])
        docs.add(doc)
    file.write(docs.to_bytes())


WRITERS: dict[str, Callable[[Iterable[pa.Table], BinaryIO, Language], None]] = {
    "conll": _conll,
    "spacy": _spacy,
    "jsonl": _jsonl,
}
