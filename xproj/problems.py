"""The matching problem of a table: entities, links and target sentences as flat buffers, checked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import LINK, EntityColumn, LinkColumn, combine
from xproj.core import candidates as spans
from xproj.errors import SchemaError
from xproj.rows import only
from xproj.schema import STATUSES, status_codes
from xproj.sides import Side

if TYPE_CHECKING:
    from xproj.recipe import Project


OK = STATUSES.index("ok")


class Problem(NamedTuple):
    """The matching problem of a table: its entities, their links and the sentences of both sides, all flat.

    `rows` (entities,) is the row of each entity; `live` (rows,) marks the rows that are projected at all.
    """

    entities: EntityColumn
    rows: np.ndarray
    links: LinkColumn
    min_link: float
    source: Side
    target: Side
    edge_allowed: np.ndarray
    predicted: np.ndarray
    live: np.ndarray

    def strong(self) -> LinkColumn:
        """The links that methods on hard links see."""
        return self.links.at_least(self.min_link)


def read_problem(table: pa.Table, settings: Project, live: np.ndarray) -> Problem:
    """The matching problem of a table; `live` (rows,) marks the rows that are projected at all."""
    entities = EntityColumn.read(table["source_entities"])
    links = LinkColumn.read(table["links"] if settings.needs_links else pa.nulls(table.num_rows, pa.list_(LINK)))
    source, target = Side(table["source_tokens"]), Side(table["target_tokens"])
    check_links(table, "links", links, source.lengths, target.lengths)
    allowed = np.ones(len(target.ids), dtype=np.bool_)
    if not settings.boundary_punctuation:
        allowed = ~punctuation(target.distinct)[target.ids]
    predicted = pc.fill_null(combine(table["source_predicted"]), False).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(table.num_rows), np.diff(entities.offsets))
    # nobody looks at the entities of a failed row, but the kernels pass them
    start, end = (np.where(live[rows], side, place) for place, side in enumerate((entities.start, entities.end)))
    entities = replace(entities, start=start.astype(np.int32), end=end.astype(np.int32))
    _check_spans(table, "source_entities", rows, start, end, np.where(live, source.lengths, 1))
    return Problem(
        entities,
        rows,
        links,
        settings.min_link,
        source,
        target,
        allowed,
        np.asarray(predicted, dtype=np.bool_),
        live,
    )


def check_links(
    table: pa.Table, name: str, links: LinkColumn, source_words: np.ndarray, target_words: np.ndarray
) -> None:
    """Refuse links of the column `name` outside sentences of so many words, (rows,), or with impossible scores.

    Raises:
        SchemaError: names the row's id and the link.
    """
    impossible = ~((links.score >= 0) & np.isfinite(links.score))
    if impossible.any():
        at = int(np.argmax(impossible))
        row = int(np.searchsorted(links.offsets, at, side="right")) - 1
        raise SchemaError(
            f"{name} of {table['id'][row].as_py()!r}: {links.source[at]}-{links.target[at]} has the score "
            f"{links.score[at]:g}; scores of links are finite and not negative"
        )
    at = spans.link_outside(links.offsets, links.source, links.target, source_words, target_words)
    if at >= 0:
        row = int(np.searchsorted(links.offsets, at, side="right")) - 1
        raise SchemaError(
            f"{name} of {table['id'][row].as_py()!r}: {links.source[at]}-{links.target[at]} is outside the sentences "
            f"of {source_words[row]} and {target_words[row]} words; links count words from 0"
        )


def _check_spans(
    table: pa.Table, column: str, rows: np.ndarray, start: np.ndarray, end: np.ndarray, words: np.ndarray
) -> None:
    outside = (start < 0) | (start >= end) | (end > words[rows])
    if outside.any():
        name = table["id"][int(rows[np.argmax(outside)])].as_py()
        raise SchemaError(f"{column} of {name!r}: a span outside the sentence; offsets are words, half-open")


def punctuation(words: pa.Array) -> np.ndarray:
    """Which words, (n,), consist of punctuation and symbols only."""
    found = pc.match_substring_regex(words, r"^[\p{P}\p{S}]+$").to_numpy(zero_copy_only=False)
    return np.asarray(found, dtype=np.bool_)


def weak_links(table: pa.Table, settings: Project) -> dict[str, int]:
    """How many links of rows that are ok were read, and how many scored below `min_link`; empty if any score counts."""
    weighed = settings.scores.get("alignment") and settings.alignment_form != "posterior"
    hard = settings.solver in ("heuristic", "hull") or weighed or (settings.filter != "auto" and settings.completeness)
    if not hard and settings.filter == "auto":
        hard = bool(pc.any(combine(table["source_predicted"])).as_py())
    if not hard:
        return {}
    links = LinkColumn.read(only(status_codes(table) == OK, table["links"]))
    weak = np.count_nonzero(links.score < np.float32(settings.min_link))
    return {"links.read": len(links.score), "links.below_min_link": int(weak)}
