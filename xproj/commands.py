"""What each command does once its options are parsed: call the right function, and print what it returns. Those of the
stages are in `commands_stages`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xproj import console, executors, inspection, pipeline, planning, recipe, store
from xproj.errors import RecipeError, StoreError, XprojError
from xproj.pipeline import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Choice:
    """Which recipe, with which overrides, in which languages, and where its runs are."""

    recipe: Path | None
    languages: Sequence[str] | None
    overrides: Sequence[str] | None
    limit: int | None
    runs: Path

    def open(self) -> Iterator[Run]:
        """The run of each language, in the order given."""
        if self.recipe is None:
            raise RecipeError("no RECIPE and no --input and --output given; see `xproj --help`")
        limit = [] if self.limit is None else [f"ingest.limit={self.limit}"]
        for language in self.languages or (None,):
            made = recipe.load(self.recipe, [*(self.overrides or []), *limit], language)
            yield Run.open(made, self.runs.absolute())

    def one(self) -> Run:
        """The run of the only language."""
        return next(self.open())


def run(choice: Choice, workers: int | None, as_json: bool, quiet: bool) -> None:
    """`xproj run`."""
    runs = list(choice.open())
    results = []
    for one in runs:
        with console.reporter(quiet=quiet) as reporter:
            if not quiet and len(runs) > 1:
                console.say(str(one.recipe.language))
            executors.run(one, workers=workers or one.recipe.runtime.workers, reporter=reporter)
        results.append(outcome_of(one))
        if not as_json:
            console.emit(None, *console.outcome(results[-1]), as_json=False)
    if as_json:
        console.emit(results, as_json=True)


def outcome_of(one: Run) -> dict[str, Any]:
    """Where the results of a run are, and its scores."""
    scores = store.read_provenance(one.folder("evaluate"))["counts"] if "evaluate" in one.steps else {}
    folders = {name: relative(one.folder(name)) for name in ("silver", "train", "evaluate") if name in one.steps}
    counts = {state.stage: state.counts for state in inspection.status(one) if state.stage in ("ingest", "project")}
    return {"language": one.recipe.language, "folders": folders, "counts": counts, "scores": scores}


def relative(path: Path) -> str:
    """A path as one would type it here; one that does not lie here, whole."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def plan(choice: Choice, as_json: bool) -> None:
    """`xproj plan`."""
    runs = list(choice.open())
    for one in runs:
        executors.check(one)
    tasks = [{"language": one.recipe.language} | asdict(task) for one in runs for task in one.plan()]
    made = console.table(None, "language", "stage", "folder", "state")
    for task in tasks:
        made.add_row(task["language"], task["stage"], task["folder"], task["reason"])
    console.emit(tasks, made, as_json=as_json)
    for one in runs:
        for line in planning.advice(one.recipe):
            console.say(line)


def status(choice: Choice, as_json: bool) -> None:
    """`xproj status`."""
    results, tables = [], []
    for one in choice.open():
        states = inspection.status(one)
        notes = pipeline.notes(one)
        results.append({"language": one.recipe.language, "stages": [asdict(s) for s in states], "notes": notes})
        made = console.table(one.recipe.language, "stage", "state", "counts", "folder")
        for state in states:
            made.add_row(state.stage, state.state, console.counts_text(state.counts), relative(Path(state.folder)))
        made.caption = "\n".join(notes) or None
        tables.append(made)
    console.emit(results, *tables, as_json=as_json)


def show(choice: Choice, id_: str, as_json: bool) -> None:
    """`xproj show`."""
    row = inspection.show(choice.one(), id_)
    console.emit(row, "\n".join(console.sentence_lines(row)), as_json=as_json)


def verify(runs: Path, languages: Sequence[str] | None, as_json: bool) -> None:
    """`xproj verify`.

    Raises:
        StoreError: something is damaged; the details are on stdout.
    """
    from xproj.languages import lookup

    if not runs.is_dir():
        raise StoreError(f"{runs}: no such folder; give --runs")
    wanted = [lookup(code).code for code in languages or ()]
    roots = [runs / code for code in wanted] or sorted(p for p in runs.iterdir() if p.is_dir())
    checked = 0
    problems: list[inspection.Problem] = []
    for root in roots:
        if not root.is_dir():
            raise StoreError(f"{root}: no such folder; run a recipe in that language first")
        number, found = inspection.verify(root)
        checked, problems = checked + number, problems + found
    made = console.table(None, "file", "problem")
    for problem in problems:
        made.add_row(problem.path, problem.what)
    tables = [made] if problems else []
    result = {"checked": checked, "problems": [asdict(p) for p in problems]}
    console.emit(result, *tables, f"{checked} files and folders read, {len(problems)} problems", as_json=as_json)
    if problems:
        raise StoreError(f"{problems[0].path}: {problems[0].what} ({len(problems)} in all); delete them and run again")


def clean(choices: Sequence[Choice], runs: Path, really: bool, as_json: bool) -> None:
    """`xproj clean`."""
    paths = inspection.removable(runs.absolute(), [one for choice in choices for one in choice.open()])
    found = [{"path": str(path), "bytes": inspection.size(path)} for path in paths]
    made = console.table(None, "bytes", "path", right=("bytes",))
    for entry in found:
        made.add_row(f"{entry['bytes']:,}", relative(Path(str(entry["path"]))))
    if really:
        for path in paths:
            with store.placing(path):
                store.remove(path)
    end = "removed" if really else "would be removed; --yes removes them"
    console.emit(
        {"removed": really, "paths": found}, *([made] if found else []), f"{len(found)} {end}", as_json=as_json
    )


def doctor(runs: Path, as_json: bool, quiet: bool) -> None:
    """`xproj doctor`.

    Raises:
        XprojError: something is wrong; names it.
    """
    from xproj.doctor import examine

    checks = examine(runs)
    made = console.table(None, "what", "", "detail")
    for check in checks:
        made.add_row(check.what, {True: "ok", False: "BAD", None: "-"}[check.ok], check.detail)
    if not quiet:
        console.emit([asdict(check) for check in checks], made, as_json=as_json)
    if bad := [check for check in checks if check.ok is False]:
        raise XprojError("; ".join(f"{check.what}: {check.detail}" for check in bad))


def languages(query: str, as_json: bool) -> None:
    """`xproj languages`."""
    from xproj.languages import all_languages

    wanted = query.strip().lower()
    found = [
        language
        for language in all_languages()
        if not wanted or any(wanted in text.lower() for text in (language.code, language.bcp47, language.name))
    ]
    made = console.table(None, "code", "BCP-47", "name", "script", "spaces between words")
    for language in found:
        made.add_row(language.code, language.bcp47, language.name, language.script, "yes" if language.spaces else "no")
    console.emit([asdict(language) for language in found], made, f"{len(found)} languages", as_json=as_json)
