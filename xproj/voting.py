"""`xproj vote`: several projections of the same rows become one table, the columns of the first with other labels.

Rows that the first table has not projected stay as they are. In any other row the voters are the tables that have
projected it. Tables are read slice by slice; `bea` reads them once more, to learn how each voter errs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import EntityColumn, TokenColumn, build_list, combine, flatten
from xproj.core import voting
from xproj.errors import RecipeError, SchemaError, unknown
from xproj.rows import OK, add_counts, count_rows, only, total
from xproj.schema import DROPPED, TARGET_ENTITY, check_spans, conform, status_array, status_codes
from xproj.tables import Source, check_place, sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xproj.columns import Bool
    from xproj.rows import Counts

    Progress = Callable[[int, int], None]

METHODS = ("majority", "bea")
VERSION = 1
SLICE = 50_000
MANY = 10
"""Voters from which on `bea` is worth its while."""
REQUIRED = ("id", "target_entities")
OPTIONAL = ("target_tokens", "source_entities", "dropped", "status")


@dataclass(frozen=True)
class Result:
    """What a vote has written, its counts, what was odd, and with `bea` what it learned of the voters."""

    output: Path
    counts: dict[str, Any]
    notes: list[str]
    voters: dict[str, Any] | None


class _Slice(NamedTuple):
    """Some rows: the first table as it is and conformed, the ballots on them, their labels, which rows have a vote."""

    table: pa.Table
    first: pa.Table
    ballots: voting.Ballots
    names: tuple[str, ...]
    voted: Bool


def vote(
    paths: Sequence[Path],
    output: Path,
    *,
    method: str = "majority",
    min_share: float = 0.5,
    rows: int = SLICE,
    progress: Progress | None = None,
) -> Result:
    """Write the first table with the labels that the voters elect.

    Args:
        paths: at least two projected tables with `id` and `target_entities`; Parquet files or folders of them.
        output: a .parquet file or a folder of parts.
        method: majority or bea.
        min_share: a span needs a larger share of the votes, or a larger posterior.
        rows: so many at a time.
        progress: called with the rows done and the rows there are.

    Raises:
        RecipeError: an unknown method, or less than two tables.
        SchemaError: tables of different rows, other target words, or spans outside their sentence.
        XprojError: a table cannot be read, or the place cannot be used.
    """
    if method not in METHODS:
        raise RecipeError(unknown("value", method, METHODS, "vote --method"))
    if len(paths) < 2:
        raise RecipeError("vote: one table is no vote; give two or more projections of the same rows")
    check_place(output)
    sources = [Source(path) for path in paths]
    _check(sources)
    learned = _learn(sources, rows) if method == "bea" else None
    counts: list[Counts] = []
    done = 0
    settings = {"method": method, "min_share": min_share, "voters": [path.name for path in paths]}
    with sink(output, {"stage": "vote", "version": VERSION, "settings": {"vote": settings}}) as write:
        for piece in _slices(sources, rows, None if learned is None else learned.names):
            columns, found = _elect(piece, learned, min_share)
            write(_with_columns(piece.table, columns))
            counts.append(found)
            done += piece.table.num_rows
            if progress:
                progress(done, sources[0].rows)
    few = learned is not None and len(paths) < MANY
    notes = [f"bea needs many voters ({MANY} or more); of {len(paths)}, majority is the safer choice"] if few else []
    sums = {"voters": len(paths), **add_counts(counts)}
    return Result(output, sums, notes, None if learned is None else learned.report(paths))


def _check(sources: Sequence[Source]) -> None:
    first = sources[0]
    first.check(REQUIRED)
    for other in sources[1:]:
        conform(other.schema.empty_table(), REQUIRED, where=str(other.path))
        row = 0
        for mine, theirs in zip_longest(
            *(_ids(source) for source in (first, other)), fillvalue=pa.array([], pa.string())
        ):
            both = min(len(mine), len(theirs))
            at = pc.index(pc.equal(mine.slice(0, both), theirs.slice(0, both)), False).as_py()
            if at < 0 and len(mine) == len(theirs):
                row += both
                continue
            at = both if at < 0 else at
            has, instead = (repr(ids[at].as_py()) if at < len(ids) else "no row" for ids in (theirs, mine))
            raise SchemaError(
                f"{other.path}: row {row + at} is {has}, but {instead} in {first.path}; "
                "give projections of the same rows in the same order"
            )


def _ids(source: Source) -> Iterator[pa.Array]:
    tables = source.slices(1 << 20, ["id"])
    return (combine(conform(table, ["id"], where=str(source.path))["id"]) for table in tables)


def _slices(sources: Sequence[Source], rows: int, names: tuple[str, ...] | None) -> Iterator[_Slice]:
    """The rows of all tables side by side; labels are those in the slice unless they are given."""
    wanted = [[name for name in (*REQUIRED, *OPTIONAL) if name in source.names] for source in sources]
    rest = (source.slices(rows, columns) for source, columns in zip(sources[1:], wanted[1:], strict=True))
    for table, *others in zip(sources[0].slices(rows), *rest, strict=True):
        yield _slice(table, [table, *others], [str(source.path) for source in sources], names)


def _slice(table: pa.Table, tables: list[pa.Table], where: list[str], names: tuple[str, ...] | None) -> _Slice:
    have = [conform(t, REQUIRED, OPTIONAL, where=place) for t, place in zip(tables, where, strict=True)]
    ok = np.stack([status_codes(t) == OK for t in have], axis=1)
    present = np.stack(
        [pc.is_valid(combine(t["target_entities"])).to_numpy(zero_copy_only=False) for t in have], axis=1
    )
    present &= ok & ok[:, :1]
    columns, origins = [], []
    mine = EntityColumn.read(have[0]["source_entities"])
    for j, (voter, place) in enumerate(zip(have, where, strict=True)):
        voter = voter.set_column(1, "target_entities", only(present[:, j], voter["target_entities"]))
        if "target_tokens" in table.column_names:
            _check_words(have[0], voter, present[:, j], where[0], place)
            words = voter.set_column(2, "target_tokens", have[0]["target_tokens"])
            check_spans(words, "target_entities", "target_tokens", place)
        columns.append(EntityColumn.read(voter["target_entities"]))
        origins.append(_origins(voter, mine))
    if names is None:
        names = tuple(sorted({name for column in columns for name in column.names}))
    ballots = voting.collect(columns, origins, present, names)
    return _Slice(table, have[0], ballots, names, np.asarray(present.any(axis=1)))


def _check_words(first: pa.Table, other: pa.Table, rows: Bool, where: str, place: str) -> None:
    """Refuse rows whose target words are known on both sides and differ."""
    mine, theirs = (TokenColumn.read(table["target_tokens"]) for table in (first, other))
    differ = _differ(mine.offsets, theirs.offsets, mine.valid & theirs.valid, [(mine.values, theirs.values)]) & rows
    if differ.any():
        name = first["id"][int(np.argmax(differ))].as_py()
        raise SchemaError(f"{place}: {name!r} has other target words than in {where}; vote on labels of the same words")


def _origins(voter: pa.Table, mine: EntityColumn) -> np.ndarray:
    """The source entity of each span of a voter, as a number of the first table's; -1 where it is not known."""
    offsets, values, _ = flatten(voter["target_entities"])
    index = pc.fill_null(pc.struct_field(values, "source_entity"), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    theirs = EntityColumn.read(voter["source_entities"])
    names = [pa.array(column.names, pa.string()).take(pa.array(column.label)) for column in (mine, theirs)]
    fields = [(mine.start, theirs.start), (mine.end, theirs.end), tuple(names)]
    other = _differ(mine.offsets, theirs.offsets, mine.valid & theirs.valid, fields)
    row = np.repeat(np.arange(len(mine)), np.diff(offsets))
    outside = mine.valid[row] & (index >= np.diff(mine.offsets)[row])
    return np.where(other[row] | outside | (index < 0), -1, index)


def _differ(mine: np.ndarray, theirs: np.ndarray, asked: Bool, fields: Sequence[tuple[Any, Any]]) -> Bool:
    """Which rows of those asked for, (n,), differ between two list columns of these offsets and flat values."""
    sizes, others = np.diff(mine), np.diff(theirs)
    alike = asked & (sizes == others)
    differ = asked & ~alike
    here, there = np.repeat(alike, sizes), np.repeat(alike, others)
    row = np.repeat(np.arange(len(sizes)), sizes)[here]
    for one, two in fields:
        pair = pa.array(one).filter(pa.array(here)), pa.array(two).filter(pa.array(there))
        differ[row[pc.not_equal(*pair).to_numpy(zero_copy_only=False)]] = True
    return np.asarray(differ, dtype=bool)


class _Learned(NamedTuple):
    """What `bea` has learned from the whole corpus."""

    names: tuple[str, ...]
    patterns: voting.Patterns
    confusions: voting.Confusions

    def report(self, paths: Sequence[Path]) -> dict[str, Any]:
        """Plain values for JSON: for each voter the probabilities of what it says, by true label."""
        labels = ("O", *self.names)
        prior, confusion, _, iterations, converged = self.confusions
        matrices = [
            {true: dict(zip(labels, row, strict=True)) for true, row in zip(labels, matrix, strict=True)}
            for matrix in confusion.tolist()
        ]
        return {
            "iterations": iterations,
            "converged": converged,
            "prior": dict(zip(labels, prior.tolist(), strict=True)),
            "confusions": [{"voter": str(path), "says": m} for path, m in zip(paths, matrices, strict=True)],
        }


def _learn(sources: Sequence[Source], rows: int) -> _Learned:
    """Read everything once; what is kept are the distinct patterns of votes."""
    found = [(piece.names, voting.patterns(piece.ballots.value)) for piece in _slices(sources, rows, None)]
    names = tuple(sorted({name for some, _ in found for name in some}))
    values = [
        np.array([voting.OUTSIDE, *(names.index(name) + 1 for name in some), voting.ABSENT], np.int32)[part.value]
        for some, part in found
    ]
    merged = voting.patterns(np.concatenate(values), np.concatenate([part.items for _, part in found]))
    return _Learned(names, merged, voting.infer(merged, len(names)))


def _elect(piece: _Slice, learned: _Learned | None, min_share: float) -> tuple[dict[str, pa.Array], Counts]:
    """The columns that replace those of the first table, and the counts of its rows and entities."""
    ballots = piece.ballots
    if learned is None:
        choices = voting.majority(ballots, len(piece.names), min_share)
    else:
        posterior = voting.posteriors(learned.patterns, learned.confusions, ballots.value)
        choices = voting.most_probable(posterior, min_share)
    choices = voting.without_overlaps(ballots, choices)
    source = voting.origins(ballots, choices)
    row, codes = ballots.row[choices.item], status_codes(piece.first)
    dropped, counts = _dropped(piece.first, codes == OK, row, source)
    columns = {
        "target_entities": _target_entities(piece, choices, source),
        "dropped": dropped,
        "status": status_array(codes),
    }
    spans = {"spans.proposed": len(ballots.row), "spans.elected": len(source)}
    return columns, count_rows(piece.first, codes) | spans | counts


def _target_entities(piece: _Slice, choices: voting.Choices, source: np.ndarray) -> pa.Array:
    item = choices.item
    names = pa.array(piece.names, type=pa.string())
    fields = [
        pa.array(piece.ballots.start[item].astype(np.int32)),
        pa.array(piece.ballots.end[item].astype(np.int32)),
        names.take(pa.array(choices.label - 1)),
        pa.array(choices.score.astype(np.float32)),
        pa.array(source.astype(np.int16), mask=source < 0),
    ]
    values = pa.StructArray.from_arrays(fields, fields=list(TARGET_ENTITY))
    return build_list(_offsets(piece.ballots.row[item], len(piece.voted)), values, piece.voted)


def _dropped(first: pa.Table, ok: Bool, row: np.ndarray, source: np.ndarray) -> tuple[pa.Array, Counts]:
    """The source entities without elected span: for the reason they had, else low_score, or row_failed.

    Args:
        first: the first table.
        ok: its rows that are ok, (n,).
        row: of each elected span.
        source: the source entity of each elected span, or -1.
    """
    sizes = np.diff(flatten(first["source_entities"])[0])
    base = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
    rows = np.repeat(np.arange(len(sizes)), sizes)
    elected = np.zeros(base[-1], dtype=bool)
    known = (source >= 0) & (source < sizes[row])
    elected[base[row[known]] + source[known]] = True
    offsets, values, _ = flatten(first["dropped"])
    earlier = pc.fill_null(pc.struct_field(values, "source_entity"), -1).to_numpy(zero_copy_only=False)
    given = pc.fill_null(pc.struct_field(values, "reason"), "low_score").dictionary_encode()
    names = ["low_score", "row_failed", *given.dictionary.to_pylist()]
    reason = np.where(ok[rows], 0, 1)
    there = np.repeat(np.arange(len(sizes)), np.diff(offsets))
    fits = (earlier >= 0) & (earlier < sizes[there])
    reason[(base[there] + earlier)[fits]] = given.indices.to_numpy(zero_copy_only=False)[fits] + 2
    lost = np.flatnonzero(~elected)
    reasons = pa.array(names, pa.string()).take(pa.array(reason[lost]))
    number = (lost - base[rows[lost]]).astype(np.int16)
    by_reason = Counter(reasons.to_pylist())
    counts = {"entities": total(first["source_entities"]), "entities.projected": int(elected.sum())}
    counts |= {f"entities.dropped.{name}": n for name, n in sorted(by_reason.items())}
    column = pa.StructArray.from_arrays([pa.array(number), reasons], fields=list(DROPPED))
    return build_list(_offsets(rows[lost], len(sizes)), column), counts


def _offsets(rows: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.bincount(rows, minlength=n))])


def _with_columns(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    for name, column in columns.items():
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, column)
        else:
            table = table.append_column(name, column)
    return table
