"""Trainings of a small XLM-R on the silver corpus of the sample, in processes that may be killed on the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import small_models

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
# one pass over the 164 German sentences takes half a second on a core
SMALL = {
    "tagger": "transformers",
    "dtype": "float32",
    "learning_rate": 3e-3,
    "batch_tokens": 512,
    "dropout": 0.1,
}


def silver(folder: Path, language: str = "deu_Latn") -> Path:
    """The silver corpus of the sample: English labels projected over statistical links."""
    from small import run_here

    from xproj import pipeline, recipe

    text = Path(__file__).parents[1].joinpath("pipelines/demo.toml")
    made = recipe.load(text, ["project.solver=exact"], language=language)
    made = made.model_copy(update={"train": None, "evaluate": None})
    run = run_here(pipeline.Run.open(made, folder))
    return run.folder("silver")


def encoder(folder: Path) -> Path:
    """A small XLM-R with random weights."""
    return small_models.xlmr(folder, layers=2, dim=64)


def gold(language: str = "deu_Latn") -> Path:
    """Gold sentences that are not in the silver corpus."""
    return SAMPLE / language / "test.target.conll"


def in_a_process(function, *arguments: object) -> int:
    """Run a function in another process with torch imported already; returns its exit code, negative for a signal."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training_runs", "xproj.training.run", "xproj.plain", "numba"])
    process = context.Process(target=function, args=arguments)
    process.start()
    process.join(300)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def train_on(data: Path, output: Path, settings: dict, kill: tuple | None = None) -> None:
    """`xproj train`, with a checkpoint every few steps; the process is killed where `kill` says."""
    import torch

    from xproj import plain, recipe
    from xproj.training import trainer

    torch.set_num_threads(1)
    trainer.SAVE_SECONDS, trainer.SAVE_STEPS = 0.0, 3
    if kill is not None:
        _kill_at(*kill)
    made = recipe.parse(
        {"language": "deu_Latn", "ingest": {}, "train": SMALL | settings, "runtime": {"device": "cpu"}}, "x"
    )
    result = plain.train_on(data, output, made)
    output.with_suffix(".json").write_text(json.dumps(result.counts))


def _kill_at(where: str, number: int) -> None:
    from xproj.training import checkpoints, trainer

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    kind = trainer.WordTrainer
    if where == "step":
        step = kind.training_step

        def training_step(self, *arguments, **more):
            loss = step(self, *arguments, **more)
            return die() if self.state.global_step == number else loss

        kind.training_step = training_step
    elif where == "save":

        def finish(self, path, step):
            if step >= number:
                (path / "optimizer.pt").write_bytes(b"half of it")
                die()
            return done(self, path, step)

        done = checkpoints.Checkpoints.finish
        checkpoints.Checkpoints.finish = finish
    else:
        look = kind.evaluate

        def evaluate(self, *arguments, **more):
            metrics = look(self, *arguments, **more)
            if self.best_step == self.state.global_step and self.state.global_step >= number:
                die()
            return metrics

        kind.evaluate = evaluate


def curve(data: Path, output: Path, settings: dict, process: int = 0, processes: int = 1, port: int = 0) -> None:
    """Train as one of several processes, and write the loss of each step beside the output."""
    import torch

    from xproj.training import trainer

    if processes > 1:
        os.environ |= {"RANK": str(process), "LOCAL_RANK": str(process), "WORLD_SIZE": str(processes)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    run, curves = trainer.WordTrainer.run, []

    def kept(self):
        run(self)
        curves.extend(self.curve)

    trainer.WordTrainer.run = kept
    train_on(data, output, settings)
    output.with_name(f"{output.name}-{process}.curve").write_text(json.dumps(curves))
    if processes > 1:
        torch.distributed.destroy_process_group()
