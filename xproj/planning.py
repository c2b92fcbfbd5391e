"""From a recipe to its plan: the stages in order, what the fingerprint of each is made of, and what is left to do.

Pure: it sees hashes and file names and touches nothing but, in `raw_inputs`, the files that a recipe names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xproj import store
from xproj.errors import RecipeError
from xproj.fingerprints import Provenance
from xproj.languages import lookup
from xproj.recipe import PATH_KEYS, Recipe, is_model, paths, with_paths
from xproj.stages import STAGES, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xproj.fingerprints import FileHashes


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


def advice(recipe: Recipe) -> list[str]:
    """What a recipe leaves out and its language may need, a line each."""
    code = recipe.language
    if code is None or lookup(code).spaces or recipe.align.refine != "off":
        return []
    return [
        f"{code} has no spaces between words: back-translation may help (published: +5 to +14 F1 in ja, zh, th); "
        "set translate.back_translate=true, or add [back], and align.refine=fallback, or replace as published"
    ]
