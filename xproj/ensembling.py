"""`xproj ensemble`: labels of target sentences from two taggers, one of which has read their translation.

The input is a table of `translate-test` with links: target words, the words of their translation, and links between
them. The tagger of the source language labels the translation, its label probabilities come over the links, and are
averaged with those of the tagger of the target language; the best label of each word stands, and IOB2 is repaired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj import taggers
from xproj.columns import LinkColumn, TokenColumn, combine
from xproj.core.label_ensemble import carry, ensemble
from xproj.core.labels import decode
from xproj.core.teachers import renumber
from xproj.errors import RecipeError, SchemaError
from xproj.rows import add_counts, count_rows
from xproj.schema import STATUSES, TARGET_ENTITY, cast, conform, status_array
from xproj.tables import Source, check_place, sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xproj.rows import Counts
    from xproj.taggers import Tagger

    Progress = Callable[[int, int], None]

VERSION = 1
SLICE = 5_000
NEEDED = ("id", "source_tokens", "target_tokens", "links")
GONE = ("source_entities", "source_predicted", "dropped")
"""Columns on entities of the translation: none of them is projected here."""


@dataclass(frozen=True)
class Settings:
    """How two taggers are averaged: the share of what comes over links, and the weakest link that counts."""

    share: float = 0.5
    min_link: float = 0.0


@dataclass(frozen=True)
class Result:
    """What was written, and its counts."""

    output: Path
    counts: dict[str, Any]


def run(
    path: Path,
    output: Path,
    target: Tagger,
    source: Tagger,
    settings: Settings,
    *,
    rows: int = SLICE,
    progress: Progress | None = None,
) -> Result:
    """Write the table with the `target_entities` that both taggers find together.

    A sentence without translation or links has the labels of the target's tagger alone; only one without words fails.

    Args:
        path: a table with `id`, `source_tokens` (the translation), `target_tokens` and `links`.
        output: a .parquet file or a folder of parts.
        target: the tagger of the target language.
        source: that of the translation.
        settings: share and links.
        rows: so many at a time.
        progress: called with the rows done and the rows there are.

    Raises:
        RecipeError: the taggers have different labels.
        SchemaError: a column is missing, or a link leaves its sentence.
        XprojError: the table cannot be read, or the place cannot be used.
    """
    try:
        columns = renumber(source.labels, target.labels)
    except ValueError as error:
        raise RecipeError(
            f"ensemble: the labels of --source-model differ from those of --model: it {error}; "
            "take two taggers of the same labels"
        ) from error
    check_place(output)
    table = Source(path)
    table.check(NEEDED)
    counts: list[Counts] = []
    done = 0
    footer = {"stage": "ensemble", "version": VERSION, "settings": {"ensemble": vars(settings)}}
    with sink(output, footer) as write:
        for piece in table.slices(rows):
            known = conform(piece, NEEDED, where=str(path))
            made, found = _labelled(known, target, source, columns, settings, str(path))
            kept = piece.drop_columns([name for name in (*GONE, *made) if name in piece.column_names])
            for name, column in made.items():
                kept = kept.append_column(name, column)
            write(kept)
            counts.append(found)
            done += piece.num_rows
            if progress:
                progress(done, table.rows)
    return Result(output, dict(add_counts(counts)))


def _labelled(
    table: pa.Table, target: Tagger, source: Tagger, columns: np.ndarray, settings: Settings, where: str
) -> tuple[dict[str, pa.Array], Counts]:
    """The columns `target_entities` and `status` of some rows, and counts."""
    ours, theirs = TokenColumn.read(table["target_tokens"]), TokenColumn.read(table["source_tokens"])
    links = LinkColumn.read(table["links"]).at_least(settings.min_link)
    _check(links, theirs, ours, table, where)
    translated = _probabilities(source, theirs)[:, columns]
    carried = carry(translated, theirs.offsets, ours.offsets, links, target.labels)
    mixed = ensemble(carried, _probabilities(target, ours), settings.share)
    there = ours.lengths > 0
    entities = cast(decode(np.split(mixed, ours.offsets[1:-1]), target.labels, there).write(), pa.list_(TARGET_ENTITY))
    codes = np.where(there, STATUSES.index("ok"), STATUSES.index("empty_target"))
    counts = count_rows(table, codes) | {
        "words": len(ours.values),
        "words.linked": int(carried.linked.sum()),
        "entities.predicted": len(pc.list_flatten(entities)),
    }
    return {"target_entities": entities, "status": status_array(codes)}, counts


def _probabilities(tagger: Tagger, words: TokenColumn) -> np.ndarray:
    """Of all words, (words, labels)."""
    rows = tagger.probabilities([row or [] for row in words.rows()])
    return np.concatenate([np.zeros((0, len(tagger.labels)), np.float32), *rows])


def _check(links: LinkColumn, source: TokenColumn, target: TokenColumn, table: pa.Table, where: str) -> None:
    row = np.repeat(np.arange(len(links)), np.diff(links.offsets))
    inside = (links.source >= 0) & (links.source < source.lengths[row])
    inside &= (links.target >= 0) & (links.target < target.lengths[row])
    if not inside.all():
        k = int(np.argmin(inside))
        name = combine(table["id"])[int(row[k])].as_py()
        raise SchemaError(
            f"{where}: the link {links.source[k]}-{links.target[k]} of {name!r} leaves its sentence; "
            "align the table again"
        )


def opened(model: Path, tagger: str | None) -> Tagger:
    """The tagger in a model folder.

    Raises:
        XprojError: it cannot be read.
    """
    return taggers.open(tagger or taggers.of_folder(model) or "spacy", str(model))
