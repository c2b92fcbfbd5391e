"""Looking at what a run has left: its state, one sentence through all stages, damage, and what can go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from xproj import store
from xproj.columns import combine
from xproj.errors import StoreError
from xproj.fingerprints import Provenance
from xproj.rows import add_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xproj.pipeline import Run


@dataclass(frozen=True)
class StageState:
    """How far a stage is, and the sums of its counts."""

    stage: str
    folder: str
    state: str
    counts: dict[str, Any]


def status(run: Run) -> list[StageState]:
    """The state of every stage of a recipe."""
    states = []
    for task in run.plan():
        folder = run.root / task.folder
        if run.steps[task.stage].stage.sharded:
            parts = sorted(p for p in folder.glob("part-*") if store.PART.fullmatch(p.name))
            counts: dict[str, Any] = dict(add_counts(store.footer(part)["counts"] for part in parts))
        else:
            counts = store.read_provenance(folder)["counts"] if task.done else {}
        states.append(StageState(task.stage, str(folder), task.reason, counts))
    return states


def show(run: Run, id_: str) -> dict[str, Any]:
    """All columns of the sentence `id_`, from every stage that has come so far.

    Raises:
        StoreError: the corpus is not ingested yet, or has no such sentence.
    """
    shards = run.task("ingest").shards
    if shards is None:
        raise StoreError("the corpus is not ingested yet; run `xproj run` first")
    sharded = [name for name, step in run.steps.items() if step.stage.sharded]
    for shard in range(shards):
        parts = [path for name in sharded if (path := run.part(name, shard, shards)).exists()]
        if not parts or not parts[0].parent.name.startswith("ingest-"):
            continue
        row = pc.index(store.read_zipped(parts[:1], [])["id"], pa.scalar(id_, pa.string())).as_py()
        if row >= 0:
            names = dict.fromkeys(name for part in parts for name in store.column_names(part))
            found: dict[str, Any] = store.read_zipped(parts, list(names)).slice(row, 1).to_pylist()[0]
            return found
    raise StoreError(f"{run.folder('ingest')}: no sentence has the id {id_!r}; ids are those of the column `id`")


@dataclass(frozen=True)
class Problem:
    """A file or folder of the store that is not what it should be."""

    path: str
    what: str


def verify(root: Path) -> tuple[int, list[Problem]]:
    """Read everything in a language's folder: how many files were read, and which are damaged or do not belong."""
    folders = sorted(p for p in root.iterdir() if p.is_dir() and "-" in p.name and not p.name.startswith("."))
    checked, problems = 0, []
    for folder in folders:
        for path, provenance in _files(folder):
            checked += 1
            try:
                problems += [Problem(str(path), what) for what in provenance(path)]
            except (StoreError, KeyError, TypeError, ValueError) as error:
                problems.append(Problem(str(path), str(error)))
    return checked, problems


def _files(folder: Path) -> Iterator[tuple[Path, Any]]:
    for path in sorted(folder.glob("**/*.parquet")):
        if not any(part.startswith(".tmp-") for part in path.relative_to(folder).parts):
            yield path, (_part_problems if store.PART.fullmatch(path.name) else _dataset_problems)
    for fitted in (folder, folder / store.FIT):
        if (fitted / store.PROVENANCE).exists():
            yield fitted, _fit_problems


def _part_problems(path: Path) -> list[str]:
    with store.open_parquet(path, checked=True) as file:
        table = store.read_columns(file, path, file.schema_arrow.names)
        footer = store.footer_of(file)
    problems = _provenance_problems(footer, path.parent.name)
    if footer["rows"] != table.num_rows:
        problems.append(f"the footer says {footer['rows']} rows, but there are {table.num_rows}")
    for stage, fingerprint in footer["inputs"].items():
        other = path.parent.parent / f"{stage}-{fingerprint}" / path.name
        if other.exists() and not _same_ids(other, table["id"]):
            problems.append(f"other ids than in {other}")
    return problems


def _same_ids(path: Path, ids: pa.ChunkedArray) -> bool:
    """A part that cannot be read is a problem of its own, reported at its own place."""
    try:
        return bool(store.ids(path).equals(combine(ids)))
    except StoreError:
        return True


def _dataset_problems(path: Path) -> list[str]:
    with store.open_parquet(path, checked=True) as file:
        store.read_columns(file, path, file.schema_arrow.names)
    return []


def _fit_problems(folder: Path) -> list[str]:
    stage = folder.parent if folder.name == store.FIT else folder
    return _provenance_problems(store.read_provenance(folder), stage.name)


def _provenance_problems(entry: dict[str, Any], folder: str) -> list[str]:
    made = Provenance(entry["stage"], entry["version"], entry["settings"], entry["inputs"])
    return [] if made.folder == folder else [f"its provenance belongs to {made.folder}"]


def removable(runs: Path, recipes: Sequence[Run]) -> list[Path]:
    """What can go: leftovers of killed processes, and in the languages of the recipes all that they do not use.

    States of trainings stay while a training of one of the recipes is not done: it may go on from one of them.
    """
    paths = [path for root in _languages(runs) for folder in (root, *_folders(root)) for path in store.stale(folder)]
    keep: dict[Path, set[str]] = {}
    for run in recipes:
        keep.setdefault(run.root, set()).update(step.folder for step in run.steps.values())
    for root, names in keep.items():
        paths += [p for p in _folders(root) if "-" in p.name and p.name not in names]
        if all(task.done for run in recipes if run.root == root for task in run.plan() if task.stage == "train"):
            paths += [p for pattern in store.UNFINISHED for p in root.glob(pattern)]
    return sorted(set(paths))


def _languages(runs: Path) -> list[Path]:
    return sorted(p for p in runs.iterdir() if p.is_dir()) if runs.is_dir() else []


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []


def size(path: Path) -> int:
    """The bytes of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
