"""Projection of one table with back-translation: the direct path, the path over the back-translation, and their sum.

The back-translation stands where the source sentence stands, so that every candidate, score and solver of `projection`
works on it unchanged. Which source entity a back entity is: its `source_entity`, or, where a row has none of those, its
place in the row, with as many back entities as source entities.

    replace     entities live on the back-translation, and its links count alone (arXiv 2501.18750, align_tgt)
    add         links of the back-translation join the direct ones as links of the source entity
    filter      a direct projection needs one of the same entity, over the back-translation, that shares a word with it
    fallback    an entity without a direct projection takes that over the back-translation, where words are free
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj import problems, projection, schema
from xproj.columns import EntityColumn, LinkColumn, TokenColumn, build_list, flatten
from xproj.core import refinement
from xproj.core.link_sets import either
from xproj.errors import SchemaError
from xproj.rows import only
from xproj.solution import KEPT, NOT_CONFIRMED, OVERLAP, Solution

if TYPE_CHECKING:
    from xproj.columns import Bool
    from xproj.corpus_counts import CorpusCounts
    from xproj.projection import Projected
    from xproj.recipe import Project

# published back-translations lose a quarter of the entities (arXiv 2501.18750): below this share of the direct path we
# warn
ENOUGH = 0.8


class Refined(NamedTuple):
    """What refinement projects, and what the direct links alone would have."""

    projected: Projected
    direct: Projected


class Back(NamedTuple):
    """The back-translation of a table: its words, its entities, which source entity each is, and its links."""

    tokens: TokenColumn
    entities: EntityColumn
    owner: np.ndarray
    links: LinkColumn


def project(table: pa.Table, settings: Project, corpus: CorpusCounts | None = None, *, mode: str) -> Refined:
    """Project the source entities of every row with status ok, in one of the modes of the module.

    `table` is as in projection.project, with back_tokens, back_entities and back_links. A row without back-translation
    has no evidence of it.

    Raises:
        SchemaError: as projection.project; or back entities that are outside their sentence or name no source entity.
        ValueError: an unknown mode.
    """
    if mode not in refinement.MODES[1:]:
        raise ValueError(f"unknown mode {mode!r}; known: {', '.join(refinement.MODES[1:])}")
    status = projection.statuses(table)
    live = status == projection.OK
    problem, direct = projection.solve(table, settings, corpus, live)
    back = read(table, live)
    if mode == "add":
        solution = projection.solve(_added(table, back), settings, corpus, live)[1]
    else:
        # both sides are of the target language now, and precedents are of phrases of the source language
        same = corpus and corpus._replace(source=corpus.target, length_ratio=1.0, precedents=None)
        solution = projection.solve(_replaced(table, back), settings, same, live)[1]
    if mode == "filter":
        agreeing = refinement.agreeing(*direct[:3], *solution[:3])
        solution = direct.without(~agreeing, NOT_CONFIRMED)
    elif mode == "fallback":
        solution = _fallen_back(problem, direct, solution)
    refined, alone = (projection.conclude(problem, found, settings, status) for found in (solution, direct))
    return Refined(refined, alone)


def compared(mode: str, entities: int, refined: int, direct: int) -> list[str]:
    """Both projection ratios in a line, and a warning when refinement loses many entities."""
    if not entities:
        return []
    lines = [
        f"projection ratio {refined / entities:.3f} with refine = {mode!r}, {direct / entities:.3f} by the direct "
        f"links alone ({refined} and {direct} of {entities} entities)"
    ]
    if refined < ENOUGH * direct:
        lines.append(
            f"warning: refine = {mode!r} projects less than {ENOUGH:.0%} of what the direct links project; "
            "set [align] refine = 'fallback' or 'off', or see what the back-translation lost"
        )
    return lines


def read(table: pa.Table, live: Bool) -> Back:
    """The back-translations of the rows that are projected, `live` (rows,); the others have none.

    Raises:
        SchemaError: an entity or a link outside its sentence, or an entity of which it is not clear which one it is.
    """
    columns = {name: only(live, table[name]) for name in ("back_tokens", "back_entities", "back_links")}
    tokens, links = TokenColumn.read(columns["back_tokens"]), LinkColumn.read(columns["back_links"])
    entities = EntityColumn.read(columns["back_entities"])
    mine = pa.table({"id": table["id"], **columns})
    schema.check_spans(mine, "back_entities", "back_tokens")
    target_words = np.diff(flatten(table["target_tokens"])[0])
    problems.check_links(table, "back_links", links, tokens.lengths, target_words)
    source_offsets = EntityColumn.read(table["source_entities"]).offsets
    number = pc.struct_field(flatten(columns["back_entities"])[1], "source_entity")
    numbers = _numbers(number, np.diff(entities.offsets), np.diff(source_offsets), table)
    return Back(tokens, entities, refinement.owners(source_offsets, entities.offsets, numbers), links)


def _numbers(column: pa.Array, sizes: np.ndarray, source_sizes: np.ndarray, table: pa.Table) -> np.ndarray:
    """The source entity of each back entity, -1 in rows where all go by their places."""
    named = pc.is_valid(column).to_numpy(zero_copy_only=False)
    numbers: np.ndarray = pc.fill_null(column, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    with_name = np.bincount(rows[named], minlength=len(sizes))
    outside = named & ((numbers < 0) | (numbers >= source_sizes[rows]))
    keys = rows[named] * (1 << 16) + numbers[named]
    twice = np.zeros(len(sizes), dtype=np.bool_)
    distinct, times = np.unique(keys, return_counts=True)
    twice[distinct[times > 1] >> 16] = True
    for what, bad in (
        ("a source_entity that is not there", np.bincount(rows[outside], minlength=len(sizes)) > 0),
        ("one source_entity twice", twice),
        ("some without source_entity", (with_name > 0) & (with_name < sizes)),
        (
            "no source_entity, and not as many as source_entities",
            (with_name == 0) & (sizes > 0) & (sizes != source_sizes),
        ),
    ):
        if bad.any():
            name = table["id"][int(np.argmax(bad))].as_py()
            raise SchemaError(
                f"back_entities of {name!r}: {what}; give each the number of its source entity in its row, from 0"
            )
    return numbers


def _replaced(table: pa.Table, back: Back) -> pa.Table:
    """The table with the back-translation as source sentence; an entity that is not in it is a word without links."""
    source = EntityColumn.read(table["source_entities"])
    rows = np.repeat(np.arange(table.num_rows), np.diff(source.offsets))
    start = back.tokens.lengths[rows].astype(np.int32)
    end = start + 1
    start[back.owner], end[back.owner] = back.entities.start, back.entities.end
    columns = {
        "source_tokens": _with_a_word(back.tokens),
        "source_entities": replace(source, start=start, end=end.astype(np.int32)).write(),
        "links": back.links.write(),
    }
    return _with(table, columns)


def _added(table: pa.Table, back: Back) -> pa.Table:
    """The table with the links of the back-translation beside its own, and a word for those that leave the entities."""
    source, own = EntityColumn.read(table["source_entities"]), LinkColumn.read(table["links"])
    tokens = TokenColumn.read(table["source_tokens"])
    mapped = refinement.mapped_links(
        back.links.offsets, back.links.source, back.links.target, back.links.score, back.entities.offsets,
        back.entities.start, back.entities.end, back.owner, source.start, source.end, tokens.lengths,
    )  # fmt: skip
    links = LinkColumn(
        *either([(own.offsets, own.source, own.target, own.score), mapped]), own.valid | back.links.valid
    )
    return _with(table, {"source_tokens": _with_a_word(tokens), "links": links.write()})


def _with_a_word(tokens: TokenColumn) -> pa.ListArray:
    """The sentences with one empty word more; none is null."""
    values = tokens.values
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    empty = len(values)
    take = np.insert(np.arange(empty), tokens.offsets[1:], empty)
    longer = pa.concat_arrays([values, pa.array([""], values.type)]).take(pa.array(take))
    return build_list(tokens.offsets + np.arange(len(tokens.offsets)), longer)


def _with(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _fallen_back(problem: problems.Problem, direct: Solution, other: Solution) -> Solution:
    """The direct spans, and those of the other path for entities without one whose words are still free."""
    first = problem.target.offsets[problem.rows]
    wanted = np.flatnonzero(direct.reason[other.owner] != KEPT)
    owner, start, end = other.owner[wanted], other.start[wanted], other.end[wanted]
    taken = direct.start + first[direct.owner], direct.end + first[direct.owner]
    words = int(problem.target.offsets[-1])
    clear = refinement.free(*taken, start + first[owner], end + first[owner], words)
    reason = direct.reason.copy()
    reason[owner] = OVERLAP
    reason[owner[clear]] = KEPT
    found = wanted[clear]
    spans = [np.concatenate([mine, theirs[found]]) for mine, theirs in zip(direct[:4], other[:4], strict=True)]
    return Solution(spans[0], spans[1], spans[2], spans[3], reason)
