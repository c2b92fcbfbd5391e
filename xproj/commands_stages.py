"""What the commands of the stages do once their options are parsed: a stage of a recipe, or its plain form."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from xproj import console, executors, inspection, pipeline, plain
from xproj.commands import outcome_of, relative
from xproj.errors import RecipeError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.commands import Choice
    from xproj.pipeline import Run
    from xproj.recipe import Recipe


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
            outcome = outcome_of(one)
            console.emit(outcome, *console.outcome(outcome), as_json=how.json)
            return
        state = next(s for s in inspection.status(one) if s.stage == name)
        lines = f"{name}: {console.counts_text(state.counts)}\n{relative(Path(state.folder))}"
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
