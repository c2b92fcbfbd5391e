"""From a recipe to folders and parts: the chain of fingerprints, the plan, and the work on one shard.

`chain` and `plan` are pure: they see hashes and file names and touch nothing. `run_ingest`, `run_fit` and `run_shards`
each do one piece of work in this process; who calls them, and in which process, is the executor's business.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xproj import corpora, store
from xproj.errors import CorpusError, RecipeError, StoreError
from xproj.fingerprints import FileHashes, Provenance
from xproj.languages import lookup
from xproj.recipe import PATH_KEYS, Recipe, is_model, paths, with_paths
from xproj.rows import add_counts
from xproj.schema import conform
from xproj.stages import STAGES, Ingest, Inputs, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xproj.stages.base import Counts, Progress

HASHES = ".hashes.json"
NOTES = "notes.json"


@dataclass(frozen=True)
class Step:
    """A planned stage: what makes its result, and the stages whose parts it reads, in their order."""

    stage: Stage
    provenance: Provenance
    sources: tuple[str, ...]
    follows: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return self.provenance.folder

    @cached_property
    def columns(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The required and the optional columns that it reads."""
        return self.stage.reads()


@dataclass(frozen=True)
class Task:
    """What is left to do for a stage, and why."""

    stage: str
    folder: str
    fit: bool
    shards: int | None
    missing: tuple[int, ...]
    reason: str

    @property
    def done(self) -> bool:
        """Is there nothing left to do?"""
        return self.reason == "done"


def raw_inputs(recipe: Recipe, hashes: FileHashes) -> dict[str, str]:
    """The content hash of every file and folder that a recipe names, by `table.key`.

    Raises:
        RecipeError: a file that does not exist; a model that is no folder is taken for a name.
    """
    raw = {}
    for table in PATH_KEYS:
        settings = getattr(recipe, table)
        for key, value in paths(table, settings).items() if settings is not None else ():
            found = hashes.tree(value)
            if found is not None:
                raw[f"{table}.{key}"] = found
            elif not is_model(key):
                raise RecipeError(f"[{table}] {key}: {value}: no such file; correct the path or make the file")
    return raw


def chain(recipe: Recipe, raw: Mapping[str, str]) -> dict[str, Step]:
    """The planned stages in order, each with its provenance: its settings and the inputs that it really reads.

    Raises:
        RecipeError: a stage needs a column that no earlier stage makes.
    """
    steps: dict[str, Step] = {}
    makers: dict[str, str] = {}
    for name, kind in STAGES.items():
        if not kind.planned(recipe):
            continue
        stage = kind(recipe)
        required, optional = stage.reads()
        for column in required:
            if column not in makers:
                raise RecipeError(
                    f"[{name}] reads the column {column!r}, which no stage of this recipe makes; {stage.remedy(column)}"
                )
        read = {makers[column] for column in (*required, *optional) if column in makers}
        sources = tuple(other for other in steps if other in read)
        follows = tuple(other for other in kind.follows if other in steps)
        inputs = {other: steps[other].provenance.fingerprint for other in (*sources, *follows)}
        inputs |= {key: value for key, value in raw.items() if key.startswith(f"{name}.")}
        provenance = Provenance(name, kind.version, _settings(recipe, stage, raw), inputs)
        steps[name] = Step(stage, provenance, sources, follows)
        makers |= dict.fromkeys(stage.adding(), name)
    return steps


def _settings(recipe: Recipe, stage: Stage, raw: Mapping[str, str]) -> dict[str, Any]:
    """What a stage reads of the recipe; of a path only the last part, its content being an input."""
    settings = getattr(recipe, stage.name)
    named = paths(stage.name, settings).items()
    names = {key: Path(value).name for key, value in named if f"{stage.name}.{key}" in raw}
    table = with_paths(settings.model_dump(mode="json", exclude=set(stage.ignores)), names) | stage.resolved()
    runtime = {key: getattr(recipe.runtime, key) for key in stage.runtime_keys()}
    found = {stage.name: table, **{key: attrgetter(key)(recipe) for key in stage.keys}}
    return found | {"runtime": runtime} if runtime else found


def plan(steps: Mapping[str, Step], existing: Mapping[str, frozenset[str]]) -> list[Task]:
    """What is left to do, stage by stage.

    Args:
        steps: the chain of a recipe.
        existing: the folders of the language and the file names in each.
    """
    shards, _ = store.shards_of(existing.get(steps["ingest"].folder, ()))
    return [_task(name, step, existing.get(step.folder, frozenset()), shards) for name, step in steps.items()]


def _task(name: str, step: Step, names: frozenset[str], shards: int | None) -> Task:
    if not step.stage.sharded:
        done = store.PROVENANCE in names
        return Task(name, step.folder, not done, None, (), "done" if done else "not fitted")
    _, there = store.shards_of(names)
    missing = tuple(shard for shard in range(shards or 0) if shard not in there)
    if shards is not None and not missing:
        return Task(name, step.folder, False, shards, (), "done")
    what = "missing all parts" if shards is None else f"missing {len(missing)} of {shards} parts"
    fit = store.FIT not in names and step.stage.needs_fit()
    return Task(name, step.folder, fit, shards, missing, f"not fitted, {what}" if fit else what)


@dataclass(frozen=True)
class Run:
    """A recipe with its chain, and the folder of its language."""

    recipe: Recipe
    runs: Path
    steps: dict[str, Step]

    @classmethod
    def open(cls, recipe: Recipe, runs: Path) -> Run:
        """Hash what the recipe names, and chain its stages.

        Raises:
            RecipeError: no language, a missing file, or stages that do not fit together.
        """
        if recipe.language is None:
            raise RecipeError('the recipe names no language; add `language = "swh_Latn"` or --language swh_Latn')
        if recipe.evaluate is not None and recipe.evaluate.gold is not None and recipe.train is None:
            raise RecipeError(
                "[evaluate] gold scores the trained tagger, but there is no [train]; add it or remove gold"
            )
        hashes = FileHashes(runs / HASHES)
        raw = raw_inputs(recipe, hashes)
        for kind in STAGES.values():
            if kind.planned(recipe):
                kind(recipe).check()
        steps = chain(recipe, raw)
        store.save_hashes(hashes, runs / HASHES)
        return cls(recipe, runs, steps)

    @property
    def root(self) -> Path:
        """`runs/<language>`."""
        return self.runs / str(self.recipe.language)

    def folder(self, stage: str) -> Path:
        """The folder of a stage."""
        return self.root / self.steps[stage].folder

    def plan(self) -> list[Task]:
        """What is left to do now."""
        return plan(self.steps, store.listing(self.root))

    def task(self, stage: str) -> Task:
        """What is left to do for one stage now.

        Raises:
            RecipeError: the stage is not part of this recipe.
        """
        if stage not in self.steps:
            raise RecipeError(
                f"stage {stage!r} is not in this recipe ({', '.join(self.steps)}); add the table [{stage}]"
            )
        return next(task for task in self.plan() if task.stage == stage)

    def part(self, stage: str, shard: int, shards: int) -> Path:
        """The path of a part."""
        return self.folder(stage) / store.part_name(shard, shards)

    def read(self, stage: str, shard: int, shards: int) -> pa.Table:
        """The columns that a stage reads, of one shard."""
        step = self.steps[stage]
        required, optional = step.columns
        table = store.read_zipped([self.part(s, shard, shards) for s in step.sources], [*required, *optional])
        return conform(table, required, optional, where=f"{stage}, shard {shard}", encoded=True)

    def ready(self, stage: str) -> int:
        """The number of shards of the corpus, once everything that a stage reads is there.

        Raises:
            StoreError: an earlier stage is not done.
        """
        tasks = {task.stage: task for task in self.plan()}
        step = self.steps[stage]
        for source in (*step.sources, *step.follows):
            if not tasks[source].done:
                raise StoreError(
                    f"{stage} needs {source}, which is not done ({tasks[source].reason}); run `xproj run` first"
                )
        return tasks["ingest"].shards or 0


def run_ingest(run: Run, shards: Sequence[int] | None = None, progress: Progress | None = None) -> Iterator[Counts]:
    """Read the whole corpus and write the parts asked for, all by default; yields the counts of each part written.

    Parts are named only when the whole corpus has been read without an error.

    Raises:
        CorpusError: the corpus cannot be read, or has no sentence.
        StoreError: the place cannot be written, or the corpus changed while it was read.
    """
    step, folder = run.steps["ingest"], run.folder("ingest")
    assert isinstance(step.stage, Ingest)
    found, written, count = corpora.IngestNotes(), {}, 0
    store.prepare(folder)
    try:
        for shard, table in enumerate(step.stage.tables(found)):
            count += 1
            if shards is None or shard in shards:
                counts = step.stage.counts(table)
                written[shard] = store.aside(folder / f"{shard:05d}")
                with store.placing(folder):
                    store.write_table(written[shard], table, store.part_footer(step.provenance, table, counts))
                yield counts
            if progress:
                progress(count, 0)
        _check_corpus(run, count, shards or ())
        store.write_json(
            folder / NOTES, {"counts": dict(found.counts), "first": dict(found.first), "lines": found.lines()}
        )
        for shard, temporary in written.items():
            store.publish(temporary, folder / store.part_name(shard, count))
    finally:
        for temporary in written.values():
            store.remove(temporary)
        if not any(folder.iterdir()):
            folder.rmdir()


def notes(run: Run) -> list[str]:
    """What was odd about the corpus, a line for each kind of trouble with its first place."""
    try:
        lines: list[str] = json.loads((run.folder("ingest") / NOTES).read_text(encoding="utf-8"))["lines"]
    except FileNotFoundError:
        return []
    return lines


def remarks(run: Run, task: Task) -> list[str]:
    """What a stage that is done has to say about the counts of all its parts."""
    if task.shards is None:
        return []
    parts = (store.footer(run.part(task.stage, shard, task.shards)) for shard in range(task.shards))
    return run.steps[task.stage].stage.remarks(add_counts(part["counts"] for part in parts))


def advice(recipe: Recipe) -> list[str]:
    """What a recipe leaves out and its language may need, a line each."""
    code = recipe.language
    if code is None or lookup(code).spaces or recipe.align.refine != "off":
        return []
    return [
        f"{code} has no spaces between words: back-translation may help (published: +5 to +14 F1 in ja, zh, th); "
        "set translate.back_translate=true, or add [back], and align.refine=fallback, or replace as published"
    ]


def _check_corpus(run: Run, count: int, shards: Sequence[int]) -> None:
    if not count:
        raise CorpusError("the corpus has no sentence; check [ingest] path and format")
    if shards and max(shards) >= count:
        raise StoreError(f"ingest: there is no shard {max(shards)}; the corpus has {count}, counted from 0")
    raw = raw_inputs(run.recipe, FileHashes(run.runs / HASHES))
    read = run.steps["ingest"].provenance.inputs
    if {key: value for key, value in raw.items() if key in read} != read:
        raise StoreError("the corpus changed while it was read; run again")


def run_fit(run: Run, stage: str, progress: Progress | None = None) -> dict[str, Any]:
    """Fit a stage on the whole corpus and leave its folder; returns its counts and figures.

    Raises:
        StoreError: an earlier stage is not done, or the place cannot be written.
    """
    shards, step = run.ready(stage), run.steps[stage]
    folder = run.folder(stage) / store.FIT if step.stage.sharded else run.folder(stage)
    store.prepare(folder.parent)
    inputs = Inputs(
        read=lambda: (run.read(stage, shard, shards) for shard in range(shards)),
        folders={other: run.folder(other) for other in step.follows},
    )
    with store.written(folder, folder=True) as temporary:
        counts = step.stage.fit(inputs, temporary, progress)
        store.write_provenance(temporary, step.provenance, counts)
    return counts


def run_shards(run: Run, stage: str, shards: Sequence[int]) -> Iterator[Counts]:
    """Map shards of a stage, in this process and one after the other; yields the counts of each.

    Raises:
        StoreError: an earlier stage is not done, there is no such shard, or the place cannot be written.
    """
    total, step = run.ready(stage), run.steps[stage]
    folder = run.folder(stage)
    store.prepare(folder)
    fitted = folder / store.FIT
    if step.stage.needs_fit() and not fitted.is_dir():
        raise StoreError(f"{stage} is not fitted yet; run `xproj run` first")
    opened = type(step.stage)(run.recipe, fitted if fitted.is_dir() else None)
    opened.begin(sum(store.footer(run.part("ingest", shard, total))["rows"] for shard in range(total)))
    for shard in shards:
        if not 0 <= shard < total:
            raise StoreError(f"{stage}: there is no shard {shard}; the corpus has {total}, counted from 0")
        table = run.read(stage, shard, total)
        mapped = opened.map(table, first_row=shard * run.recipe.ingest.shard_size)
        added = conform(pa.table({"id": table["id"], **mapped.columns}), ["id", *opened.adding()], where=stage)
        store.write_part(run.part(stage, shard, total), added, step.provenance, mapped.counts)
        yield mapped.counts
