"""What speaks for a span beside the alignment: the columns of the stage `score`, and how the words look.

The candidates of a row and the scores of a model are read as flat buffers, one copy for each entity of the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import TokenColumn, flatten
from xproj.core import candidates as spans
from xproj.core import recovery
from xproj.core.orthography import transliterations
from xproj.core.phrase_similarity import phrase_similarities
from xproj.core.text_markers import STYLES
from xproj.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.columns import EntityColumn


class Given(NamedTuple):
    """The candidates of every entity from the column `candidates`.

    `cells` (rows + 1,) are the offsets of the scores that a row must have; `take` (candidates,) is where the score of
    each candidate lies among them.
    """

    found: spans.Candidates
    cells: np.ndarray
    take: np.ndarray


def read_candidates(
    table: pa.Table,
    rows: np.ndarray,
    target_words: np.ndarray,
    max_words: int,
    edge_allowed: np.ndarray,
    edge_offsets: np.ndarray,
) -> Given:
    """The candidates of at most `max_words` words whose edges are allowed, for each entity of their row.

    Args:
        table: has the column `candidates`, a null row having none.
        rows: the row of each entity, (entities,).
        target_words: words of each target sentence, (rows,).
        max_words: longer candidates are left out.
        edge_allowed: over all target words, which may stand at an edge of a span.
        edge_offsets: where the words of each row begin in it, (rows + 1,).

    Raises:
        SchemaError: a candidate outside its sentence, or no such column.
    """
    if "candidates" not in table.column_names:
        raise SchemaError("input: column 'candidates' is missing; run the stage `score` first")
    offsets, values, _ = flatten(table["candidates"])
    start = pc.struct_field(values, "start").to_numpy(zero_copy_only=False)
    end = pc.struct_field(values, "end").to_numpy(zero_copy_only=False)
    of_row = np.repeat(np.arange(table.num_rows), np.diff(offsets))
    outside = (start < 0) | (start >= end) | (end > target_words[of_row])
    if outside.any():
        name = table["id"][int(of_row[np.argmax(outside)])].as_py()
        raise SchemaError(f"candidates of {name!r}: a span outside the sentence; offsets are words, half-open")
    first = edge_offsets[of_row]
    fits = (end - start <= max_words) & edge_allowed[first + start] & edge_allowed[first + end - 1]
    sizes = np.diff(offsets)[rows]
    mine = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
    place = np.arange(mine[-1]) - np.repeat(mine[:-1] - offsets[rows], sizes)
    take = np.flatnonzero(fits[place])
    kept = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(fits[place])])
    found = spans.Candidates(kept[mine], start[place[take]].astype(np.int32), end[place[take]].astype(np.int32))
    entities = np.bincount(rows, minlength=table.num_rows)
    cells = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(entities * np.diff(offsets))])
    return Given(found, cells, take)


def read_marked(
    table: pa.Table, style: str, rows: np.ndarray, max_words: int, edge_allowed: np.ndarray, edge_offsets: np.ndarray
) -> tuple[spans.Candidates, np.ndarray]:
    """For each entity its place in `marked_text`, if it has one, and the score of it: likeness × share of marked words.

    Args:
        table: has the columns `marked_text` and `target_tokens`, `source_entities`, whose places are in the marks, and,
            for brackets and tags, source_tokens and `entity_translations`, with which marks are matched.
        style: how the marks are written, a key of text_markers.STYLES.
        rows: the row of each entity, (entities,).
        max_words: longer hulls are left out.
        edge_allowed: over all target words, which may stand at an edge; a hull ends at the first and the last such.
        edge_offsets: where the words of each row begin in it, (rows + 1,).

    Raises:
        SchemaError: a marked text that is not the one of `target_tokens`, or marks of another style.
    """
    _check_style(table, style)
    number = np.arange(len(rows)) - np.searchsorted(rows, rows, side="left")
    found: list[tuple[int, int, float]] = []
    counts = np.zeros(len(rows), dtype=np.int64)
    row, hulls = -1, dict[int, recovery.Place]()
    for entity, at in enumerate(rows.tolist()):
        if at != row:
            row, hulls = at, _places(table, style, at)
        hull = hulls.get(int(number[entity]))
        if hull is None:
            continue
        inside = np.flatnonzero(edge_allowed[edge_offsets[row] + hull.start : edge_offsets[row] + hull.end])
        if len(inside) and inside[-1] - inside[0] < max_words:
            start, end = hull.start + int(inside[0]), hull.start + int(inside[-1]) + 1
            found.append((start, end, hull.likeness * min(1.0, hull.marked / (end - start))))
            counts[entity] = 1
    starts, ends, shares = zip(*found, strict=True) if found else ((), (), ())
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    hull_spans = spans.Candidates(offsets, np.array(starts, dtype=np.int32), np.array(ends, dtype=np.int32))
    return hull_spans, np.array(shares, dtype=np.float32)


def _check_style(table: pa.Table, style: str) -> None:
    """Refuse texts that all lack marks of this style when most of them have marks of another."""
    texts = [text for text in table["marked_text"].to_pylist() if text]
    if any(STYLES[style].decode(text).pieces for text in texts):
        return
    for other, decoder in STYLES.items():
        if other != style and 2 * sum(bool(decoder.decode(text).pieces) for text in texts) > len(texts):
            raise SchemaError(
                f"marked_text has marks of the style {other}, not {style}; set project.markers = {other!r}"
            )


def _places(table: pa.Table, style: str, row: int) -> dict[int, recovery.Place]:
    raw = table["marked_text"][row].as_py()
    if raw is None:
        return {}
    names = ("source_tokens", "source_entities", "entity_translations")
    words, entities, alone = (table[name][row].as_py() or [] if name in table.column_names else [] for name in names)
    found = recovery.places(style, raw, table["target_tokens"][row].as_py() or [], mentions(words, entities, alone))
    if found is None:
        raise SchemaError(
            f"marked_text of {table['id'][row].as_py()!r}: its words are not those of target_tokens; both must come "
            "from the same `translate`"
        )
    return found


def mentions(words: list[str], entities: list[dict[str, Any]], alone: Sequence[str] = ()) -> list[recovery.Mention]:
    """The entities of a source sentence of these words, with their stand-alone translations as far as known."""
    texts = (" ".join(words[entity["start"] : entity["end"]]) for entity in entities)
    translations = [*alone, *[""] * len(entities)]
    return [
        recovery.Mention(text, translation or "", entity["label"])
        for text, translation, entity in zip(texts, translations, entities, strict=False)
    ]


def model_score(table: pa.Table, name: str, given: Given) -> np.ndarray:
    """The scores of the scorer `name` for these candidates, (candidates,) float32; null is no evidence.

    Raises:
        SchemaError: the column is missing, does not fit the candidates, or has a score that is not finite.
    """
    column = f"score_{name}"
    if column not in table.column_names:
        raise SchemaError(f"input: column {column!r} is missing; run the stage `score` with scorers = [{name!r}] first")
    offsets, values, _ = flatten(table[column])
    wrong = np.flatnonzero(np.diff(offsets) != np.diff(given.cells))
    if len(wrong):
        row = int(wrong[0])
        raise SchemaError(
            f"{column} of {table['id'][row].as_py()!r}: {np.diff(offsets)[row]} scores, but its entities × candidates "
            f"are {np.diff(given.cells)[row]}; run `score` again"
        )
    flat: np.ndarray = np.asarray(pc.fill_null(values, 0).to_numpy(zero_copy_only=False), dtype=np.float32)
    if not np.isfinite(flat).all():
        at = int(np.argmax(~np.isfinite(flat)))
        row = int(np.searchsorted(offsets, at, side="right")) - 1
        raise SchemaError(
            f"{column} of {table['id'][row].as_py()!r}: the score {flat[at]:g}; scores are finite, or null"
        )
    scores: np.ndarray = flat[given.take]
    return scores


def orthographic(table: pa.Table, entities: EntityColumn, rows: np.ndarray, found: spans.Candidates) -> np.ndarray:
    """How alike each candidate and its entity look once transliterated, (candidates,) float32."""
    out = np.zeros(len(found.start), dtype=np.float32)
    source, target = (TokenColumn.read(table[name]) for name in ("source_tokens", "target_tokens"))
    (source_ids, source_words), (target_ids, target_words) = source.encode(), target.encode()
    here, there = transliterations(source_words), transliterations(target_words)
    phrase_similarities(
        rows, entities.start, entities.end, *found, source_ids, source.offsets, *here,
        target_ids, target.offsets, *there, out,
    )  # fmt: skip
    return out
