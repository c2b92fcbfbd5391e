"""How the work of a plan gets done: `local` processes, a fresh one for every stage.

A worker's message is a command line and a frozen recipe, `python -m xproj align frozen.json --shard 3 --json`: it can
be read, and run again by hand. A worker writes one line of JSON per finished piece of work on its stdout and nothing
else; what it finished stays, whatever happens to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread, current_thread, main_thread
from typing import IO, TYPE_CHECKING, Any, Protocol

from xproj import store
from xproj.errors import RecipeError, StoreError, WorkerError, XprojError
from xproj.fingerprints import digest
from xproj.pipeline import notes, remarks
from xproj.rows import add_counts
from xproj.stages import Ingest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xproj.pipeline import Run
    from xproj.planning import Task

LEDGER = "ledger.jsonl"
RECIPES = "recipes"
PATIENCE = 5.0  # seconds that an ended worker has to go
PREFIX = "xproj: "


class Reporter(Protocol):
    """Who tells the user how it goes."""

    def stage(self, name: str, total: int | None, reason: str) -> None:
        """A stage begins: so many pieces of work, None when not known yet."""
        ...

    def advance(self, done: int, total: int | None, rows: int) -> None:
        """So many pieces of the stage are done, with so many rows since the last call."""
        ...

    def note(self, line: str) -> None:
        """Something that the user should know and that stops nothing."""
        ...

    def finish(self, name: str, counts: dict[str, Any], seconds: float) -> None:
        """The stage is done."""
        ...


class WorkerDefect(RuntimeError):
    """A worker failed by a defect of xproj; the message is its traceback."""


def run(run: Run, *, workers: int, reporter: Reporter, stages: Sequence[str] | None = None) -> None:
    """Do everything that is missing, stage after stage.

    Args:
        run: the recipe with its chain.
        workers: processes at a time.
        reporter: hears of every finished piece.
        stages: only these stages; all of the recipe by default.

    Raises:
        XprojError: the user's input cannot be used, or a worker was ended; what is finished stays.
        WorkerDefect: a worker failed by a defect.
    """
    names = list(stages or run.steps)
    check(run, names)
    with _terminated_is_interrupted():
        for name in names:
            if name != "ingest":
                run.ready(name)  # says which earlier stage is not done, before a worker is started in vain
            task = run.task(name)
            if not task.done:
                _run_stage(run, task, workers, reporter)
            if name == "ingest":
                _check_labels(run, names)  # now it is known


def check(run: Run, stages: Sequence[str] | None = None) -> None:
    """Refuse what would fail here after all, before any work; reads no corpus and loads no model.

    Args:
        run: the recipe with its chain.
        stages: only these stages; all of the recipe by default.

    Raises:
        XprojError: there is nothing to project, or this machine lacks what a stage needs that is not done.
    """
    names = list(stages or run.steps)
    for task in run.plan():
        if task.stage in names and not task.done:
            run.steps[task.stage].stage.check_machine()
    _check_sides(run, names)
    _check_labels(run, names)


def _check_sides(run: Run, stages: Sequence[str]) -> None:
    """The translator `bitext`, the default, passes on what is there; with one side it stops at the first row."""
    settings, step = run.recipe.translate, run.steps["ingest"].stage
    assert isinstance(step, Ingest)
    if settings is None or settings.translator != "bitext" or "translate" not in stages:
        return
    if not step.may_have_both_sides():
        raise RecipeError(
            "the corpus has one side, and [translate] translator = 'bitext' translates nothing; choose another one "
            "(apertium, nllb), or name the other side in [ingest] as well"
        )


def _check_labels(run: Run, stages: Sequence[str]) -> None:
    """Without labels of the source side every row would come to the silver corpus unlabelled."""
    if run.recipe.tag is not None or "silver" not in stages:
        return
    ingest, step = run.task("ingest"), run.steps["ingest"].stage
    assert isinstance(step, Ingest)
    if ingest.done and ingest.shards is not None:
        parts = (store.footer(run.part("ingest", shard, ingest.shards)) for shard in range(ingest.shards))
        labelled = any(part["counts"]["rows.labelled"] for part in parts)
    else:
        labelled = step.may_have_labels()
    if not labelled:
        raise RecipeError(
            f"the corpus has no labels of the source side, and the recipe no [tag]; add [tag] with a model that labels "
            f"{run.recipe.source}, or name a labelled corpus in [ingest]"
        )


def _run_stage(run: Run, task: Task, workers: int, reporter: Reporter) -> None:
    began = time.monotonic()
    message = [task.stage, str(freeze(run)), "--runs", str(run.runs)]
    models = run.steps[task.stage].stage.runs_model()
    counts: dict[str, Any] = {}
    if task.fit or (task.stage == "ingest" and task.shards is None):
        reporter.stage(task.stage, None, task.reason)
        counts = _work(task, [[*message, "--fit"]], threads(models, 1), reporter)
        task = run.task(task.stage)
    if task.missing:
        reporter.stage(task.stage, len(task.missing), task.reason)
        # a corpus is one stream: however many of its parts are missing, one worker reads it
        count = 1 if task.stage == "ingest" else min(workers, len(task.missing))
        groups = [task.missing[i::count] for i in range(count)]
        shards = [[*message, *(word for shard in group for word in ("--shard", str(shard)))] for group in groups]
        # those of `workers`, also where fewer shards are left: a part has the same bytes whenever it is made
        counts = _work(task, shards, threads(models, workers), reporter)
    if not (after := run.task(task.stage)).done:
        raise StoreError(
            f"{task.stage}: {after.reason} although its workers are done; an input changed meanwhile, run again"
        )
    for line in notes(run) if task.stage == "ingest" else remarks(run, after):
        reporter.note(line)
    seconds = time.monotonic() - began
    reporter.finish(task.stage, counts, seconds)
    _note(run, {"stage": task.stage, "folder": task.folder, "workers": workers, "seconds": round(seconds, 3)})


def freeze(run: Run) -> Path:
    """Write the recipe, all its paths absolute, to a file named after its content."""
    recipe = run.recipe.model_dump(mode="json", exclude_none=True)
    path = run.root / RECIPES / f"{digest(recipe)}.json"
    if not path.exists():
        store.write_json(path, recipe)
    return path


def _note(run: Run, entry: dict[str, Any]) -> None:
    """What happened when and where: the ledger is a diary, no result depends on it."""
    entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "host": os.uname().nodename, **entry}
    with store.placing(run.root), (run.root / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(entry) + "\n")


@dataclass
class _Worker:
    """A process that we started, and where its words go."""

    process: subprocess.Popen[str]
    message: list[str]
    errors: IO[str]

    def listen(self, events: SimpleQueue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        """Put every event of the worker into the queue, and None at its end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):  # a killed worker may leave half a line
                events.put((self, json.loads(line)))
        self.process.wait()
        events.put((self, None))

    def check(self) -> None:
        """Raise what ended the worker, if it was not its work."""
        code = self.process.returncode
        if code == 0:
            return
        self.errors.seek(0)
        text = self.errors.read().strip()
        if code == 2:
            raise XprojError(text.splitlines()[-1].removeprefix(PREFIX) if text else f"{self} failed without a word")
        if code < 0:
            name = signal.Signals(-code).name
            hint = " (out of memory?)" if -code == signal.SIGKILL else ""
            raise WorkerError(
                f"{self}: its worker was ended by {name}{hint}; finished parts are kept, run again to go on"
            )
        raise WorkerDefect(f"{self}\n{text}")

    def end(self) -> None:
        """End the process if it is still there."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __str__(self) -> str:
        shards = [word for before, word in zip(self.message, self.message[1:], strict=False) if before == "--shard"]
        what = f"shard{'s'[: len(shards) > 1]} {', '.join(shards)}" if shards else "whole corpus"
        return f"{self.message[0]}, {what}"


def threads(models: bool, workers: int) -> dict[str, str]:
    """How many threads a worker has, as its environment says it.

    One each: its bytes must not depend on how many cores a machine has. A model would leave the other cores idle, so
    the workers of a stage that runs one share the cores for it; the same number of threads gives the same bytes. What
    is computed outside of models (OpenBLAS) stays on one.

    Args:
        models: does the stage run a model?
        workers: how many workers there are at a time.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shared = str(max(1, cores // workers)) if models else "1"
    return {"OMP_NUM_THREADS": shared, "MKL_NUM_THREADS": shared, "OPENBLAS_NUM_THREADS": "1"}


def _work(task: Task, messages: list[list[str]], env: dict[str, str], reporter: Reporter) -> dict[str, Any]:
    """Run one worker per message at the same time; returns the sum of their counts.

    The environment of this process comes before `env`.
    """
    events: SimpleQueue[tuple[_Worker, dict[str, Any] | None]] = SimpleQueue()
    finished: list[dict[str, Any]] = []
    with ExitStack() as stack:
        workers = [_start(message, env, stack) for message in messages]
        for worker in workers:
            Thread(target=worker.listen, args=(events,), daemon=True).start()
        left = len(workers)
        while left:
            worker, event = events.get()
            if event is None:
                worker.check()
                left -= 1
            elif "done" in event:
                reporter.advance(event["done"], event["total"] or None, 0)
            else:
                finished.append(event["counts"])
                reporter.advance(len(finished), len(task.missing) or None, event["counts"].get("rows", 0))
    return finished[0] if len(finished) == 1 else add_counts(finished)


def _start(message: list[str], env: dict[str, str], stack: ExitStack) -> _Worker:
    errors = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
    process = subprocess.Popen(
        [sys.executable, "-m", "xproj", *message, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=env | os.environ,
        start_new_session=True,  # Ctrl-C reaches us, and we end the workers
    )
    worker = _Worker(process, message, errors)
    stack.callback(worker.end)
    return worker


@contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """A polite end (SIGTERM) is taken like Ctrl-C, so that the workers are ended too."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if current_thread() is not main_thread():  # only the main thread may handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
