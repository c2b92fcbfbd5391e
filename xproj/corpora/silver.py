"""Silver datasets: the rows whose entities were projected, as Parquet that `datasets.load_dataset(folder)` opens."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xproj import store
from xproj.columns import ENTITY, SPAN, EntityColumn, LinkColumn, TokenColumn, build_list, combine, flatten
from xproj.core import lost
from xproj.core.spans import encode_column
from xproj.corpora.card import card
from xproj.corpora.ids import Digests, digests
from xproj.corpora.labelled import read_labelled
from xproj.corpora.rows import Where, checked
from xproj.corpora.selection import Selection, confidences
from xproj.corpora.writing import placing
from xproj.errors import CorpusError, RecipeError, SchemaError
from xproj.schema import STATUSES, check_spans, conform, status_codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xproj.languages import Language
    from xproj.recipe import Silver

SILVER = pa.schema(
    {
        "id": pa.string(),
        "tokens": pa.list_(pa.string()),
        "ner_tags": pa.list_(pa.string()),
        "entities": pa.list_(ENTITY),
        "confidence": pa.float32(),
        "language": pa.string(),
        "source_tokens": pa.list_(pa.string()),
        "source_entities": pa.list_(ENTITY),
        "lost_spans": pa.list_(SPAN),
    }
)
OURS = re.compile(r"\.?[A-Za-z0-9_.]+-\d{5}(-of-\d{5}\.parquet|\.tmp)")
READ = ("id", "target_tokens", "target_entities")
READ_TOO = ("source_tokens", "source_entities", "status", "dropped", "links")
LETTERS = re.compile(r"[\W_]+")


@dataclass
class SilverCounts:
    """What went in, what came out, and what became of the rest."""

    rows_in: int = 0
    rows: int = 0
    """Rows written."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Rows in, by status."""
    unprojected: int = 0
    """Rows that are ok but have no target entities (null): not labelled, so not written."""
    held_out: int = 0
    """Rows left out because their target sentence occurs in the hold-out corpus."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows that a filter left out, by reason; reasons of filters that are on are there, be it with 0."""
    language_unchecked: int = 0
    """Rows whose language the filter could not tell."""
    entities_left_out: int = 0
    """Projected entities of rows held out or left out."""
    source_entities: int = 0
    projected: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Source entities not projected, by reason."""
    entities: int = 0
    """Entities written."""
    labels: Counter[str] = field(default_factory=Counter)
    """Entities written, by label."""
    files: dict[str, int] = field(default_factory=dict)
    """Files written, by split."""
    splits: Counter[str] = field(default_factory=Counter)
    """Rows written, by split."""

    @property
    def projection_ratio(self) -> float:
        """Projected / source entities; 0 without any."""
        return self.projected / self.source_entities if self.source_entities else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        counters = {"statuses", "left_out", "dropped", "labels", "splits"}
        plain = {key: dict(sorted(value.items())) if key in counters else value for key, value in vars(self).items()}
        return {**plain, "projection_ratio": self.projection_ratio}


def write_silver(
    tables: Iterable[pa.Table],
    folder: Path,
    *,
    language: Language,
    settings: Silver,
    signature: str,
    licences: Sequence[str] = (),
    counts: Mapping[str, int | float | str] | None = None,
    source: Language | None = None,
) -> SilverCounts:
    """Write a silver dataset: `data/<split>-0000i-of-0000N.parquet`, then `README.md`, which marks it as whole.

    Holds one table at a time. Each table gives at most one file per split; a split without rows has no file.

    Args:
        tables: columns READ, and READ_TOO where they exist; read twice with `settings.max_unlabelled`.
        folder: the dataset; files of an earlier one in it are replaced.
        language: of the target tokens.
        settings: splits, the corpus to hold out, and filters.
        signature: what made the data; it goes into each file and the card.
        licences: of the texts and models, for the card.
        counts: more facts for the card, by name.
        source: the language of the source tokens; one with spaces between words when None.

    Raises:
        SchemaError: missing columns, wrong types, or entities outside their sentence.
        CorpusError: overlapping entities, or no row to write.
        RecipeError: impossible splits or filters.
        StoreError: a place that cannot be written.
    """
    shares = _shares(settings.split)
    held_out = _sentences(settings.hold_out, language) if settings.hold_out else np.zeros(0, dtype=np.uint64)
    totals, chosen = SilverCounts(), Selection(settings, language, source)
    chosen.survey(_candidates(table, held_out)[0] for table in tables)
    footer = {"language": language.code, "licences": sorted(set(licences)), "signature": signature}
    data = _emptied(folder)
    for table in tables:
        rows = _rows(table, totals, language, held_out, chosen)
        for split, part in _parts(rows, shares):
            _write(part, data / f".{split}-{totals.files.get(split, 0):05d}.tmp", footer)
            totals.files[split] = totals.files.get(split, 0) + 1
            totals.splits[split] += part.num_rows
    if not totals.rows:
        _emptied(folder)
        lost = {**totals.statuses, **chosen.left_out}
        why = ", ".join(f"{n} {reason}" for reason, n in lost.items() if n) or "no rows at all"
        unlabelled = totals.statuses["unlabelled"] and not totals.statuses["ok"]
        then = "label the source side: [tag], or `xproj tag`" if unlabelled else "look at the projection first"
        raise CorpusError(f"{folder}: no labelled sentence to write ({why}); {then}")
    text = card(language, totals, list(shares), signature=signature, licences=licences, counts=counts or {})
    with placing(folder):
        for split, number in totals.files.items():
            for i in range(number):
                os.replace(data / f".{split}-{i:05d}.tmp", data / f"{split}-{i:05d}-of-{number:05d}.parquet")
        with store.written(folder / "README.md") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return totals


def _emptied(folder: Path) -> Path:
    """The data folder, without the files of an earlier dataset."""
    data = folder / "data"
    with placing(folder):
        data.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").unlink(missing_ok=True)
        for file in data.iterdir():
            if OURS.fullmatch(file.name):
                file.unlink()
    return data


def _candidates(table: pa.Table, held_out: Digests) -> tuple[pa.Table, int, int]:
    """The rows that could be written, in their columns; how many had no labels, and how many are held out."""
    table = conform(table, READ, READ_TOO, where="silver")
    ok = status_codes(table) == STATUSES.index("ok")
    labelled = pc.is_valid(combine(table["target_entities"])).to_numpy(zero_copy_only=False)
    kept = ok & labelled
    if len(held_out):
        kept &= ~np.isin(_keys(combine(table["target_tokens"])), held_out)
    return table.filter(pa.array(kept)), int((ok & ~labelled).sum()), int((ok & labelled & ~kept).sum())


def _rows(table: pa.Table, totals: SilverCounts, language: Language, held_out: Digests, chosen: Selection) -> pa.Table:
    """The rows to write, in their columns; everything is counted."""
    _count(conform(table, READ, READ_TOO, where="silver"), totals)
    table, unprojected, outside = _candidates(table, held_out)
    totals.unprojected += unprojected
    totals.held_out += outside
    if chosen.active:
        table = table.filter(pa.array(~chosen.rejected(table)))
    totals.left_out, totals.language_unchecked = chosen.left_out, chosen.unchecked
    check_spans(table, "target_entities", "target_tokens", "silver")
    rows = _silver_table(table, language)
    totals.rows += rows.num_rows
    labels = pc.struct_field(combine(pc.list_flatten(rows["entities"])), "label")
    totals.labels.update(labels.to_pylist())
    totals.entities += len(labels)
    totals.entities_left_out = totals.projected - totals.entities
    return rows


def _count(table: pa.Table, totals: SilverCounts) -> None:
    totals.rows_in += table.num_rows
    totals.statuses.update(STATUSES[code] for code in status_codes(table).tolist())
    reasons = pc.struct_field(combine(pc.list_flatten(table["dropped"])), "reason")
    totals.dropped.update(reasons.to_pylist())
    totals.projected += len(pc.list_flatten(table["target_entities"]))
    totals.source_entities += len(pc.list_flatten(table["source_entities"]))


def _silver_table(table: pa.Table, language: Language) -> pa.Table:
    tokens, raw = TokenColumn.read(table["target_tokens"]), EntityColumn.read(table["target_entities"])
    where = Where(Path("silver"), list(range(1, table.num_rows + 1)))
    entities = checked(raw, tokens, where)
    columns = [
        combine(table["id"]),
        combine(table["target_tokens"]),
        build_list(tokens.offsets, encode_column(entities, tokens.offsets)),
        entities.write(),
        pa.array(confidences(table["target_entities"])),
        pa.array([language.code] * table.num_rows, type=pa.string()),
        combine(table["source_tokens"]),
        combine(table["source_entities"]),
        _lost_spans(table, tokens),
    ]
    return pa.table(columns, schema=SILVER)


def _lost_spans(table: pa.Table, tokens: TokenColumn) -> pa.ListArray:
    """The target words on which each row's dropped entities may lie; all of them where there are no links."""
    offsets, dropped, _ = flatten(table["dropped"])
    rows = np.repeat(np.arange(table.num_rows), np.diff(offsets))
    entities, links = EntityColumn.read(table["source_entities"]), LinkColumn.read(table["links"])
    number = pc.struct_field(dropped, "source_entity").to_numpy(zero_copy_only=False)
    outside = (number < 0) | (number >= np.diff(entities.offsets)[rows])
    if outside.any():
        at = int(np.argmax(outside))
        raise SchemaError(
            f"dropped of {table['id'][int(rows[at])].as_py()!r}: there is no source entity {number[at]}; project again"
        )
    at = entities.offsets[:-1][rows] + number
    unsure = lost.unsure_words(
        rows, entities.start[at], entities.end[at], links.offsets, links.source, links.target, tokens.offsets
    )
    bounds, start, end = lost.runs(unsure, tokens.offsets)
    spans = pa.StructArray.from_arrays([pa.array(start), pa.array(end)], fields=list(SPAN))
    return build_list(bounds, spans)


def _shares(split: Mapping[str, float]) -> dict[str, float]:
    """The upper bound of each split in [0, 1]."""
    if not split:
        return {"train": 1.0}
    bad = [name for name in split if not re.fullmatch(r"[A-Za-z0-9_.]+", name)]
    if bad or any(share <= 0 for share in split.values()) or abs(sum(split.values()) - 1) > 1e-6:
        raise RecipeError(f"silver.split = {dict(split)}: shares must be positive and add up to 1; e.g. train = 0.9")
    bounds = np.cumsum(list(split.values())).tolist()
    return dict(zip(split, [*bounds[:-1], 1.0], strict=True))


def _parts(rows: pa.Table, shares: Mapping[str, float]) -> Iterable[tuple[str, pa.Table]]:
    """The rows of each split that has some; a row's split depends on its id alone."""
    if len(shares) == 1:
        parts = [(next(iter(shares)), rows)]
    else:
        position = digests(rows["id"].to_pylist()) / 2.0**64
        numbers = np.searchsorted(list(shares.values()), position, side="right").clip(max=len(shares) - 1)
        parts = [(name, rows.filter(pa.array(numbers == i))) for i, name in enumerate(shares)]
    return [(name, part) for name, part in parts if part.num_rows]


def _write(table: pa.Table, path: Path, footer: Mapping[str, Any]) -> None:
    metadata = {b"xproj": json.dumps(footer, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()}
    table = table.combine_chunks().replace_schema_metadata(metadata)
    with placing(path), path.open("wb") as file:
        pq.write_table(table, file, row_group_size=table.num_rows, compression="zstd")
        file.flush()
        os.fsync(file.fileno())


def _sentences(path: str, language: Language) -> Digests:
    """The distinct sentences of a corpus as sorted hashes."""
    tables = read_labelled(path, language=language)
    found = np.unique(np.concatenate([_keys(combine(table["tokens"])) for table in tables]))
    return np.setdiff1d(found, digests([""]))  # a sentence without letters and digits is nobody's copy


def _keys(tokens: pa.ListArray) -> Digests:
    """A hash of the letters and digits of each sentence, so that another word splitting does not hide a copy."""
    offsets, words, _ = flatten(tokens)
    flat, bounds = words.to_pylist(), offsets.tolist()
    texts = ("".join(flat[start:end]) for start, end in zip(bounds, bounds[1:], strict=False))
    return digests(LETTERS.sub("", unicodedata.normalize("NFC", text).casefold()) for text in texts)
