"""What each command does once its options are parsed: call the right function, and print what it returns."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from xproj import console, executors, inspection, pipeline, plain, planning, recipe, store
from xproj.errors import RecipeError, StoreError, XprojError, unknown
from xproj.pipeline import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xproj.recipe import Recipe


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


@dataclass(frozen=True)
class How:
    """How a command works: which pieces here and now, how many processes, how loud."""

    shards: Sequence[int] | None
    fit: bool
    workers: int | None
    json: bool
    quiet: bool


@dataclass(frozen=True)
class Place:
    """The options of the plain form."""

    input: Path | None
    output: Path | None
    source: str | None
    shard_size: int | None
    form: str = "parquet"
    side: str = "source"
    probabilities: bool = False


@dataclass(frozen=True)
class Evaluation:
    """What a plain `evaluate` scores."""

    input: Path | None
    model: Path | None
    tagger: str | None
    links: Path | None
    gold: Path | None
    compare: tuple[Path, Path] | None


def run(choice: Choice, workers: int | None, as_json: bool, quiet: bool) -> None:
    """`xproj run`."""
    runs = list(choice.open())
    results = []
    for one in runs:
        with console.reporter(quiet=quiet) as reporter:
            if not quiet and len(runs) > 1:
                console.say(str(one.recipe.language))
            executors.run(one, workers=workers or one.recipe.runtime.workers, reporter=reporter)
        results.append(_outcome(one))
        if not as_json:
            console.emit(None, *console.outcome(results[-1]), as_json=False)
    if as_json:
        console.emit(results, as_json=True)


def _outcome(one: Run) -> dict[str, Any]:
    """Where the results of a run are, and its scores."""
    scores = store.read_provenance(one.folder("evaluate"))["counts"] if "evaluate" in one.steps else {}
    folders = {name: _relative(one.folder(name)) for name in ("silver", "train", "evaluate") if name in one.steps}
    counts = {state.stage: state.counts for state in inspection.status(one) if state.stage in ("ingest", "project")}
    return {"language": one.recipe.language, "folders": folders, "counts": counts, "scores": scores}


def _relative(path: Path) -> str:
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
            made.add_row(state.stage, state.state, console.counts_text(state.counts), _relative(Path(state.folder)))
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
        made.add_row(f"{entry['bytes']:,}", _relative(Path(str(entry["path"]))))
    if really:
        for path in paths:
            with store.placing(path):
                store.remove(path)
    end = "removed" if really else "would be removed; --yes removes them"
    console.emit(
        {"removed": really, "paths": found}, *([made] if found else []), f"{len(found)} {end}", as_json=as_json
    )


def stage(name: str, choice: Choice, place: Place, how: How) -> None:
    """`xproj STAGE`: the plain form when there is an --output, else a stage of a recipe."""
    if place.output is not None:
        _plain(name, choice, place, how)
    elif place.input is not None:
        raise RecipeError(f"{name}: --input needs --output; e.g. --output {name}.parquet")
    elif how.shards or how.fit:
        _pieces(name, choice.one(), how)
    else:
        one = choice.one()
        workers = how.workers or one.recipe.runtime.workers
        with console.reporter(quiet=how.quiet) as reporter:
            executors.run(one, workers=workers, reporter=reporter, stages=[name])
        if name == "evaluate":
            outcome = _outcome(one)
            console.emit(outcome, *console.outcome(outcome), as_json=how.json)
            return
        state = next(s for s in inspection.status(one) if s.stage == name)
        lines = f"{name}: {console.counts_text(state.counts)}\n{_relative(Path(state.folder))}"
        console.emit(asdict(state), lines, as_json=how.json)


def _pieces(name: str, one: Run, how: How) -> None:
    """Work on some shards, or the fit, in this process; a line for each finished piece."""
    one.task(name)
    # libraries may write to stdout; the one line per piece goes to where stdout was
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(event: dict[str, Any]) -> None:
        text = json.dumps(event) if how.json else console.event_text(event)
        results.write(text + "\n")
        results.flush()

    def progress(done: int, total: int) -> None:
        if how.json:
            tell({"stage": name, "done": done, "total": total})

    shards = None if how.fit else list(how.shards or ())
    if name == "ingest":
        for counts in pipeline.run_ingest(one, shards):
            tell({"stage": name, "counts": counts})
    elif how.fit:
        tell({"stage": name, "counts": pipeline.run_fit(one, name, progress)})
    else:
        for shard, counts in zip(shards or (), pipeline.run_shards(one, name, shards or ()), strict=True):
            tell({"stage": name, "shard": shard, "counts": counts})


def _plain(name: str, choice: Choice, place: Place, how: How) -> None:
    if choice.recipe is not None:
        raise RecipeError(f"{name}: give a RECIPE, or --input and --output, not both")
    made = plain.settings(name, choice.overrides or (), _only(choice.languages), place.source)
    if place.input is None and not (name == "ingest" and (made.ingest.source_path or made.ingest.path)):
        raise RecipeError(f"{name}: --output needs --input; e.g. --input corpus.parquet")
    path = place.input or Path(str(made.ingest.source_path or made.ingest.path))
    with console.row_progress(name, quiet=how.quiet) as progress:
        result = plain.run_stage(name, path, cast("Path", place.output), made, _options(name, place, choice), progress)
    _report(name, result, how)


def _options(name: str, place: Place, choice: Choice) -> plain.Options:
    for option, value, legal in (("--side", place.side, plain.SIDES), ("--format", place.form, plain.FORMS)):
        if value not in legal:
            raise RecipeError(unknown("value", value, legal, f"{name} {option}"))
    return plain.Options(
        shard_size=place.shard_size,
        limit=choice.limit or 0,
        form=cast("Any", place.form),
        side=cast("Any", place.side),
        probabilities=place.probabilities,
    )


def _only(languages: Sequence[str] | None) -> str | None:
    return languages[0] if languages else None


def _report(name: str, result: plain.Result, how: How) -> None:
    if not how.quiet:
        for note in result.notes:
            console.say(note)
    value = {"stage": name, "output": str(result.output), "counts": result.counts, "notes": result.notes}
    console.emit(value, f"{result.output}: {console.counts_text(result.counts)}", as_json=how.json)


def train(choice: Choice, output: Path | None, how: How) -> None:
    """`xproj train`: on a corpus when there is an --output, else the stage of a recipe."""
    if output is None:
        stage("train", choice, Place(None, None, None, None), how)
        return
    _check_no_limit("train", choice)
    made = plain.settings("train", choice.overrides or (), _only(choice.languages))
    with console.row_progress("train", quiet=how.quiet) as progress:
        result = plain.train_on(cast("Path", choice.recipe), output, made, progress)
    _report("train", result, how)


def _check_no_limit(name: str, choice: Choice) -> None:
    if choice.limit is not None:
        raise RecipeError(f"{name}: --limit is of recipes and tables, a labelled corpus is read whole; leave it out")


def evaluate(choice: Choice, what: Evaluation, how: How) -> None:
    """`xproj evaluate`: one of the plain forms, else the stage of a recipe."""
    from xproj import evaluation

    if what == Evaluation(None, None, None, None, None, None):
        stage("evaluate", choice, Place(None, None, None, None), how)
        return
    if what.links is not None or what.model is not None or what.compare is not None:
        _check_no_limit("evaluate", choice)
    made = plain.settings("evaluate", choice.overrides or ())
    scores = _scores(what, made, choice.limit or 0)
    console.emit(scores.as_dict(), evaluation.table(scores), as_json=how.json)


def _scores(what: Evaluation, made: Recipe, limit: int) -> Any:
    from xproj import scoring

    assert made.evaluate is not None
    if what.compare is not None:
        return scoring.compared(*what.compare, what.input, made.evaluate, what.tagger, made.runtime)
    if what.links is not None:
        if what.gold is None:
            raise RecipeError("evaluate: --links needs --gold, a file of manual links")
        return scoring.links(what.links, what.gold, made.evaluate)
    if what.input is None:
        raise RecipeError("evaluate: --input is missing; give a projected table, or a gold corpus for --model")
    if what.model is not None:
        return scoring.model(what.model, what.tagger, what.input, made.evaluate, made.runtime)
    return scoring.projected(what.input, made.evaluate, limit=limit)


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
