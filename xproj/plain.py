"""The plain form: one stage on one table, `xproj align --input A --output B`, without a recipe file or a store.

All columns of A come first, in A's order; those that the stage fills in place are replaced, the others follow.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from xproj import __version__, corpora, recipe, store
from xproj.errors import CorpusError, RecipeError, SchemaError
from xproj.fingerprints import Provenance
from xproj.languages import lookup
from xproj.recipe import Recipe
from xproj.rows import add_counts
from xproj.schema import conform
from xproj.stages import STAGES, Ingest, Inputs, Silver, Stage, TagTarget, train
from xproj.stages.base import TOKENS
from xproj.tables import Source, check_place, sink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xproj.stages.base import Counts, Progress

FITTED = "fitted"
SHARD_SIZE = 50_000
FORMS = ("parquet", "pharaoh")
# endings of files of i-j lines; a folder of parts has hardly such a name
LINK_FILES = (".txt", ".links", ".align", ".pharaoh", ".talp")
SIDES = ("source", "target")


@dataclass(frozen=True)
class Result:
    """What a plain stage has written, its counts, and what was odd on the way."""

    output: Path
    counts: dict[str, Any]
    notes: list[str]


@dataclass(frozen=True)
class Options:
    """How the plain form reads and writes."""

    shard_size: int | None = None
    limit: int = 0
    form: Literal["parquet", "pharaoh"] = "parquet"
    side: Literal["source", "target"] = "source"
    probabilities: bool = False

    @property
    def rows(self) -> int:
        """Rows at a time."""
        return self.shard_size or SHARD_SIZE


def settings(stage: str, overrides: Sequence[str], language: str | None = None, source: str | None = None) -> Recipe:
    """A recipe for one stage: its defaults and `table.key=value` overrides, paths relative to the working directory.

    Raises:
        RecipeError: an unknown key or language, an illegal value, or a table that the stage does not read.
    """
    data: dict[str, Any] = {"ingest": {}, stage: {}}
    recipe.apply_overrides(data, list(overrides))
    own = {"ingest", "runtime", stage}
    given = {table: values for table, values in data.items() if isinstance(values, dict) and table not in own}
    also = [key for key in STAGES[stage].keys if "." in key] if stage in STAGES else []
    foreign = [f"{table}.{key}" for table in sorted(given) for key in given[table] if f"{table}.{key}" not in also]
    if foreign:
        reads = ", ".join([f"[{stage}]", *also])
        raise RecipeError(f"--set {foreign[0]}: {stage} reads only {reads} and [runtime]; leave it out")
    if language is not None:
        data["language"] = lookup(language).code
    if source is not None:
        data["source"] = lookup(source).code
    return recipe.resolve(recipe.parse(data, "--set"), Path.cwd())


def run_stage(
    name: str, path: Path, output: Path, made: Recipe, options: Options, progress: Progress | None = None
) -> Result:
    """Run a stage on the table at `path` and write `output`, whole or not at all.

    Args:
        name: a stage; `ingest` reads any corpus, the others Parquet.
        path: the input.
        output: a .parquet file or a folder; a folder for silver.
        made: from `settings`.
        options: slices and forms.
        progress: called with the rows done and the rows there are (0: not known).

    Raises:
        XprojError: the input, the settings or the place cannot be used.
    """
    check_place(output)
    if name == "align" and options.form == "parquet" and output.suffix in LINK_FILES:
        raise RecipeError(
            f"--output {output} is the name of a text file, but tables are written; add --format pharaoh for i-j lines "
            "or name a .parquet file or a folder"
        )
    if name == "ingest":
        return _ingest(path, output, made, options, progress)
    source = Source(path, limit=options.limit)
    stage = _stage(name, made, source, options)
    if not stage.sharded:
        return _fit(stage, source, output, options)
    return _map(stage, source, output, options, progress)


def _stage(name: str, made: Recipe, source: Source, options: Options) -> Stage:
    if name == "tag" and options.side == "target":
        return TagTarget(made, probabilities=options.probabilities)
    if name == "translate" and _starts_with_target(made, source):
        made = made.model_copy(update={"route": "translate-test"})
    if name == "silver":
        return Silver(made, signature=f"plain|v:{__version__}")  # how the table was made is not known here
    return STAGES[name](made)


def _starts_with_target(made: Recipe, source: Source) -> bool:
    """Is the target side the one that is there to be translated, where nobody has named a route?"""
    here, there = (tuple(f"{side}_{kind}" for kind in ("text", "tokens")) for side in SIDES)
    return "route" not in made.model_fields_set and not source.has_any(here) and source.has_any(there)


def _ingest(path: Path, output: Path, made: Recipe, options: Options, progress: Progress | None) -> Result:
    where = {} if made.ingest.source_path else {"path": str(path.absolute())}
    limits = {"shard_size": options.shard_size or made.ingest.shard_size, "limit": options.limit or made.ingest.limit}
    stage = Ingest(made.model_copy(update={"ingest": made.ingest.model_copy(update=where | limits)}))
    notes, counts, rows = corpora.IngestNotes(), [], 0
    with sink(output, _footer(stage)) as write:
        for table in stage.tables(notes):
            write(table)
            counts.append(stage.counts(table))
            rows += table.num_rows
            if progress:
                progress(rows, 0)
        if not rows:
            raise CorpusError(f"{path}: has no sentence; check --input and ingest.format")
    return Result(output, dict(add_counts(counts)), notes.lines())


def _map(stage: Stage, source: Source, output: Path, options: Options, progress: Progress | None) -> Result:
    required, optional = stage.reads()
    _check(stage, source)
    stage.check()
    stage.check_machine()
    counts: list[Counts] = []
    rows = 0
    with sink(output, _footer(stage), options.form) as write, _fitted(stage, source, output, options) as opened:
        opened.begin(source.rows)
        for table in source.slices(options.rows):
            known = conform(table, required, optional, str(source.path), encoded=True, first_row=rows)
            mapped = opened.map(known, first_row=rows)
            write(_with_columns(table, opened, mapped.columns))
            counts.append(mapped.counts)
            rows += table.num_rows
            if progress:
                progress(rows, source.rows)
    sums = add_counts(counts)
    return Result(output, dict(sums), stage.remarks(sums))


def _check(stage: Stage, source: Source) -> None:
    """Refuse a table that lacks a column, with what can be done where a setting asks for it."""
    required = stage.reads()[0]
    for column in required:
        if column not in source.names and (column in TOKENS or column not in stage.required):
            raise SchemaError(f"{source.path}: column {column!r} is missing; {stage.remedy(column)}")
        if column in TOKENS and source.rows and not source.has_any((column,)):
            raise SchemaError(f"{source.path}: column {column!r} has no words in any row; {stage.remedy(column)}")
    if (names := stage.one_of()) and not (
        source.has_any(names) or (set(names) & set(source.names) and not source.rows)
    ):
        raise SchemaError(
            f"{source.path}: has neither {' nor '.join(map(repr, names))}, which {stage.name} needs one of; it has "
            f"{', '.join(source.names)}; rename one, or make the table with `xproj ingest`"
        )
    source.check(required)


def _with_columns(table: pa.Table, stage: Stage, columns: dict[str, pa.Array]) -> pa.Table:
    added = conform(pa.table(columns), list(columns), where=stage.name)
    for name in columns:
        field = stage.field(name, added.schema.field(name).type)
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), field, added[name])
        else:
            table = table.append_column(field, added[name])
    return table


@contextmanager
def _fitted(stage: Stage, source: Source, output: Path, options: Options) -> Iterator[Stage]:
    """The stage, fitted on the input when it needs it; what it learned goes when the block ends."""
    if not stage.needs_fit():
        yield stage
        return
    folder = store.aside(output.with_name(f"{output.name}.{FITTED}"))
    try:
        folder.mkdir()
        stage.fit(_inputs(stage, source, options.rows), folder)
        yield type(stage)(stage.recipe, folder)
    finally:
        store.remove(folder)


def _inputs(stage: Stage, source: Source, size: int) -> Inputs:
    required, optional = stage.reads()
    columns = [name for name in (*required, *optional) if name in source.names]
    where = str(source.path)
    size = min(size, stage.fit_rows or size)

    def read() -> Iterator[pa.Table]:
        first = 0
        for table in source.slices(size, columns):
            yield conform(table, required, optional, where, encoded=True, first_row=first)
            first += table.num_rows

    return Inputs(read, {})


def _fit(stage: Stage, source: Source, output: Path, options: Options) -> Result:
    _check(stage, source)
    with store.written(output, folder=True, replace=True) as temporary:
        counts = stage.fit(_inputs(stage, source, options.rows), temporary)
        store.write_provenance(temporary, _provenance(stage), counts)
    return Result(output, counts, [])


def train_on(data: Path, output: Path, made: Recipe, progress: Progress | None = None) -> Result:
    """Train a tagger on a labelled corpus (a silver folder, CoNLL, Parquet, JSONL) and write its model folder.

    A training that was killed goes on where its back end keeps checkpoints, beside `output`.

    Raises:
        XprojError: the corpus, the settings or the place cannot be used.
    """
    check_place(output)
    assert made.train is not None
    if output.parent.is_dir():
        store.remove_stale(output.parent)
    with store.written(output, folder=True, replace=True) as temporary:
        counts = train(data, made.train, made.language, temporary, progress, made.runtime)
        store.write_provenance(temporary, _provenance(STAGES["train"](made)), counts)
    return Result(output, counts, [])


def _provenance(stage: Stage) -> Provenance:
    return Provenance(stage.name, stage.version, {stage.name: _names_only(stage.recipe, stage.name)}, {})


def _footer(stage: Stage) -> dict[str, Any]:
    return {key: value for key, value in asdict(_provenance(stage)).items() if key != "inputs"}


def _names_only(made: Recipe, stage: str) -> dict[str, Any]:
    """The settings of a stage, of paths only the last part."""
    table: dict[str, Any] = getattr(made, stage).model_dump(mode="json")
    named = recipe.paths(stage, getattr(made, stage)).items()
    return recipe.with_paths(table, {key: Path(value).name for key, value in named})
