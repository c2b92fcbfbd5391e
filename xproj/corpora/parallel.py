"""The `ingest` stage: one corpus, or two sides of one, as tables of sentence pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import combine, flatten
from xproj.core.words import splitter_for
from xproj.corpora.ids import Seen
from xproj.corpora.notes import IngestNotes
from xproj.corpora.reading import Corpus
from xproj.corpora.rows import Options, Side, rebatch
from xproj.errors import CorpusError, RecipeError
from xproj.schema import COLUMNS, STATUSES, status_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xproj.languages import Language
    from xproj.recipe import Ingest

SideName = Literal["both", "source", "target"]
INGESTED = (
    "id",
    "source_text",
    "target_text",
    "source_tokens",
    "target_tokens",
    "source_entities",
    "source_predicted",
    "target_gold",
    "status",
)
# a back-translation that was made elsewhere
GIVEN_BACK = ("back_tokens", "back_entities")
UNLABELLED = ("text", "tsv")
"""Formats without labels."""
EMPTY_SOURCE, EMPTY_TARGET, TOO_LONG = (STATUSES.index(s) for s in ("empty_source", "empty_target", "too_long"))


def ingest(
    settings: Ingest,
    *,
    source: Language,
    target: Language,
    side: SideName = "both",
    notes: IngestNotes | None = None,
) -> Iterator[pa.Table]:
    """The sentences of a corpus as tables of `settings.shard_size` rows, the last one shorter; holds one at a time.

    Args:
        settings: paths, format, labels and limits.
        source: the language of the labelled side; its splitter cuts raw text.
        target: the language to label.
        side: which sides must exist; the other one may, and is null where it does not.
        notes: filled as the corpus streams; complete when the last table has been taken.

    Returns:
        Tables with the columns INGESTED and `extra_columns`, in the types of `schema.COLUMNS`.

    Raises:
        CorpusError: a file that cannot be read as it is said to be, sides of unequal length, a repeated id, no
            sentence at all; names file and line.
        RecipeError: no path.
    """
    notes = IngestNotes() if notes is None else notes
    size = min(settings.shard_size, settings.limit or settings.shard_size)
    labels = settings.labels, settings.labels_allowed, settings.strict_labels
    options = Options(*labels, notes, size, extra_columns(settings))
    sides = {
        name: Side(f"{name}_", splitter_for(language, settings.splitter))
        for name, language in (("source", source), ("target", target))
    }
    needed = ("source", "target") if side == "both" else (side,)
    pairs = _Pairs(_corpora(settings, side, needed), sides, needed, options, settings.limit)
    seen = Seen()
    rows = 0
    for table in pairs.tables():
        result = _finished(table, pairs, settings.max_words, rows)
        for row in seen.add(result["id"].to_pylist()):
            _refuse_repeated(result["id"][row].as_py(), rows + row, pairs)
        rows += result.num_rows
        _note(result, notes)
        yield result
    if not rows:
        raise CorpusError(f"{pairs.name}: no sentence in it; correct [ingest] path or format")
    if notes.labelled and not notes.entities:
        notes.warnings.append(f"{pairs.name}: not a single entity in {notes.labelled} labelled sentences")


def extra_columns(settings: Ingest) -> tuple[str, ...]:
    """The columns of a back-translation, if the first file of the source side is Parquet and has both of them."""
    path = settings.path or settings.source_path
    if path is None:
        return ()
    try:
        corpus = Corpus.open(path, "[ingest] path", settings.format)
    except CorpusError:
        return ()  # said when it is read
    return GIVEN_BACK if set(GIVEN_BACK) <= set(corpus.columns()) else ()


def may_have_labels(settings: Ingest, side: SideName) -> bool:
    """May there be labels of the source side, as far as the names and first lines of the files tell?

    Args:
        settings: paths and format.
        side: which sides must exist; a corpus of one side is that one.
    """
    path = settings.source_path or settings.path
    if path is None:
        return settings.target_path is None  # no path at all is said when it is read, like a missing file
    try:
        corpus = Corpus.open(path, "[ingest] path", settings.format)
        if all(corpus.format_of(file) in UNLABELLED for file in corpus.files):
            return False
        return side != "target" or path == settings.source_path or "source" in corpus.sides()
    except CorpusError:
        return True


def may_have_both_sides(settings: Ingest) -> bool:
    """May there be rows with both sides, as far as the names and first lines of the files tell?"""
    if settings.path is None:
        return (settings.source_path is None) == (settings.target_path is None)  # none at all is said when it is read
    try:
        return bool(Corpus.open(settings.path, "[ingest] path", settings.format).sides())
    except CorpusError:
        return True


@dataclass(frozen=True)
class _Pairs:
    """The raw rows of both sides, zipped; can be read again."""

    corpora: dict[str, Corpus]
    """By side, or one under `both`."""
    sides: dict[str, Side]
    needed: tuple[str, ...]
    """The sides that must have words; a null of the other one is no failure."""
    options: Options
    limit: int

    @property
    def name(self) -> str:
        return " and ".join(dict.fromkeys(corpus.path for corpus in self.corpora.values()))

    @property
    def main(self) -> Corpus:
        """The corpus that rows are named after: the source side where there are two."""
        return next(iter(self.corpora.values()))

    def place(self, table: pa.Table, row: int, side: str = "source") -> str:
        """Where a side of a row stands."""
        if side == "target" and len(self.corpora) > 1:
            return self.corpora["target"].place(table, row, "target_")
        return self.main.place(table, row)

    def tables(self) -> Iterator[pa.Table]:
        """Slices of at most `options.rows` rows, up to the limit."""
        rows = 0
        for table in self._zipped():
            if self.limit:
                table = table.slice(0, self.limit - rows)
            rows += table.num_rows
            yield table
            if rows == self.limit:
                return

    def _zipped(self) -> Iterator[pa.Table]:
        size = self.options.rows
        if "both" in self.corpora:
            yield from rebatch(self.main.tables(list(self.sides.values()), self.options), size)
            return
        streams = {n: rebatch(c.tables([self.sides[n]], self.options), size) for n, c in self.corpora.items()}
        if len(streams) == 1:
            yield from next(iter(streams.values()))
            return
        rows = 0
        while True:
            left, right = next(streams["source"], None), next(streams["target"], None)
            if left is None and right is None:
                return
            if left is None or right is None or left.num_rows != right.num_rows:
                raise self._unequal(left, right, rows, streams)
            rows += left.num_rows
            yield self._merged(left, right)

    def _merged(self, left: pa.Table, right: pa.Table) -> pa.Table:
        differ = pc.fill_null(pc.not_equal(left["id"], right["id"]), False)
        if pc.any(differ).as_py():
            row = pc.index(differ, True).as_py()
            here, there = self.corpora["source"].place(left, row), self.corpora["target"].place(right, row)
            names = f"{left['id'][row].as_py()!r}, but its partner at {there} is {right['id'][row].as_py()!r}"
            raise CorpusError(f"{here}: the sentence is {names}; the two files must have the same order")
        ids = pc.coalesce(combine(left["id"]), combine(right["id"]))
        left = left.set_column(left.column_names.index("id"), "id", ids)
        for field in self.sides["target"].schema():
            left = left.append_column(field, right[field.name])
        return left.append_column("target_file", right["file"]).append_column("target_line", right["line"])

    def _unequal(
        self, left: pa.Table | None, right: pa.Table | None, rows: int, streams: dict[str, Iterator[pa.Table]]
    ) -> CorpusError:
        tables = {name: table for name, table in (("source", left), ("target", right)) if table is not None}
        have = {name: tables[name].num_rows if name in tables else 0 for name in streams}
        longer = max(have, key=lambda name: have[name])
        place = self.corpora[longer].place(tables[longer], min(have.values()))
        counts = {name: rows + have[name] + sum(rest.num_rows for rest in streams[name]) for name in have}
        both = ", ".join(f"{self.corpora[name].path} has {counts[name]} sentences" for name in have)
        return CorpusError(f"{place}: this sentence has no partner: {both}; the two sides must be parallel")


def _corpora(settings: Ingest, side: SideName, needed: tuple[str, ...]) -> dict[str, Corpus]:
    """The corpus of each side; `both` where one holds both sides."""
    given = {"source": settings.source_path, "target": settings.target_path}
    named = {name: path for name, path in given.items() if path is not None}
    if settings.path is not None:
        if named:
            raise RecipeError("[ingest]: path and source_path or target_path are both given; leave one out")
        corpus = Corpus.open(settings.path, "[ingest] path", settings.format)
        if held := corpus.sides():
            if missing := [name for name in needed if name not in held]:
                what = f"has no {missing[0]}_text and no {missing[0]}_tokens"
                other = "train" if "source" in held else "test"
                then = f"name two files, or --set route=translate-{other}, where translate makes that side"
                raise CorpusError(f"{settings.path}: {what}; this route needs them: {then}")
            return {"both": corpus}
        if side == "both":
            raise CorpusError(
                f"{settings.path}: holds one side only; name the two files in [ingest] source_path and target_path, or "
                "--set route=translate-train (it is the source side) or translate-test (the target) to translate it"
            )
        return {side: corpus}
    for name in needed:
        if name not in named:
            key = f"{name}_path" if named else "path"
            raise RecipeError(f"[ingest]: {key} is missing; say where the {name} sentences are")
    return {name: Corpus.open(path, f"[ingest] {name}_path", settings.format) for name, path in named.items()}


def _finished(table: pa.Table, pairs: _Pairs, max_words: int, before: int) -> pa.Table:
    """The columns of the stage, for rows that have `before` rows before them."""
    rename = {"target_entities": "target_gold"}
    columns = {rename.get(name, name): combine(table[name]) for name in table.column_names}
    columns["id"] = pairs.main.named(table, before)
    columns["source_predicted"] = pa.array(np.zeros(table.num_rows, dtype=bool))
    columns["status"] = _statuses(table, pairs, max_words)
    names = (*INGESTED, *pairs.options.extra)
    return pa.table({n: columns.get(n, pa.nulls(table.num_rows, COLUMNS[n])) for n in names})


def _statuses(table: pa.Table, pairs: _Pairs, max_words: int) -> pa.DictionaryArray:
    """`ok`, or what is wrong with a row: an empty source first, then an empty target, then its length."""
    codes = np.zeros(table.num_rows, dtype=np.int32)
    for side, empty in (("target", EMPTY_TARGET), ("source", EMPTY_SOURCE)):
        if f"{side}_tokens" not in table.column_names:
            continue
        offsets, words, valid = flatten(table[f"{side}_tokens"])
        lengths = np.diff(offsets)
        without = np.flatnonzero((lengths == 0) & (valid | (side in pairs.needed)))
        codes[(lengths > max_words) & (codes == 0)] = TOO_LONG
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(words)), 0).to_numpy(zero_copy_only=False)
        at = np.searchsorted(offsets, np.flatnonzero(blank), side="right") - 1
        codes[np.concatenate([without, at])] = empty
    for code in np.unique(codes[codes > 0]).tolist():
        rows = np.flatnonzero(codes == code)
        place = pairs.place(table, int(rows[0]), "target" if code == EMPTY_TARGET else "source")
        pairs.options.notes.add(STATUSES[code], place, len(rows))
    return status_array(codes)


def _note(table: pa.Table, notes: IngestNotes) -> None:
    entities = combine(table["source_entities"])
    if entities.null_count == len(entities):
        entities = combine(table["target_gold"])
    notes.sentences += table.num_rows
    notes.labelled += len(entities) - entities.null_count
    notes.entities += pc.sum(pc.list_value_length(entities)).as_py() or 0


def _refuse_repeated(name: str, row: int, pairs: _Pairs) -> None:
    """Read again to find the first sentence of that name; an equal digest alone is no repetition."""
    again = replace(pairs, options=replace(pairs.options, notes=IngestNotes()))
    before = 0
    places: list[str] = []
    for table in again.tables():
        found = pc.indices_nonzero(pc.equal(again.main.named(table, before), name)).to_pylist()
        places += [again.place(table, position) for position in found if before + position <= row]
        before += table.num_rows
        if before > row:
            break
    if len(places) > 1:
        what = f"the id {name!r} was given before, at {places[0]}"
        raise CorpusError(f"{places[-1]}: {what}; make it unique, or remove the ids to have them generated")
