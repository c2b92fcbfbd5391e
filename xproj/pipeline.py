"""A recipe at work: the folders and parts of its stages, and the work on one of them.

`run_ingest`, `run_fit` and `run_shards` each do one piece of work in this process; who calls them, and in which
process, is the executor's business. What there is to do is said by `planning`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xproj import corpora, planning, store
from xproj.errors import CorpusError, RecipeError, StoreError
from xproj.fingerprints import FileHashes
from xproj.rows import add_counts
from xproj.schema import conform
from xproj.stages import STAGES, Ingest, Inputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xproj.planning import Step, Task
    from xproj.recipe import Recipe
    from xproj.stages.base import Counts, Progress

HASHES = ".hashes.json"
NOTES = "notes.json"


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
        raw = planning.raw_inputs(recipe, hashes)
        for kind in STAGES.values():
            if kind.planned(recipe):
                kind(recipe).check()
        steps = planning.chain(recipe, raw)
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
        return planning.plan(self.steps, store.listing(self.root))

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


def _check_corpus(run: Run, count: int, shards: Sequence[int]) -> None:
    if not count:
        raise CorpusError("the corpus has no sentence; check [ingest] path and format")
    if shards and max(shards) >= count:
        raise StoreError(f"ingest: there is no shard {max(shards)}; the corpus has {count}, counted from 0")
    raw = planning.raw_inputs(run.recipe, FileHashes(run.runs / HASHES))
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
