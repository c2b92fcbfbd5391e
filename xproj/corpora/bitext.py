"""Unlabelled pairs of sentences, for aligners that learn from more text than is projected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xproj.columns import TokenColumn
from xproj.core.words import splitter_for
from xproj.corpora.reading import Corpus
from xproj.corpora.rows import Options, Side
from xproj.errors import CorpusError
from xproj.languages import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_bitext(
    path: str | Path, source: str, target: str, *, splitter: str = "icu", rows: int = 5000
) -> Iterator[tuple[TokenColumn, TokenColumn]]:
    """The words of both sides of a bitext (TSV, or JSONL or Parquet with both sides), at most `rows` pairs at a time.

    Args:
        path: a file, folder or glob.
        source: code of the source language; an empty or undetermined (`und`) one is cut by English rules.
        target: the same of the target language.

    Raises:
        CorpusError: a file that cannot be read or holds one side only.
    """
    corpus = Corpus.open(str(path), "the path")
    if len(corpus.sides()) < 2:
        raise CorpusError(f"{path}: holds one side only; a bitext is source<TAB>target")
    codes = {"source_": source, "target_": target}
    sides = [Side(prefix, splitter_for(lookup(_known(code)), splitter)) for prefix, code in codes.items()]
    for table in corpus.tables(sides, Options(rows=rows)):
        yield TokenColumn.read(table["source_tokens"]), TokenColumn.read(table["target_tokens"])


def _known(code: str) -> str:
    return code if code not in ("", "und") else "eng_Latn"
