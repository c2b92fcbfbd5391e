"""Runs that are killed, repeated, split over workers or lose a file end with the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pyarrow as pa
import pytest
from small import RECIPE, corpus, files, write_project, xproj

# a worker of the stage that $KILL names ends itself, without a word, just before a file that it has written gets its
# name; a fit and its shards are two workers, and each stage dies in each of them once
KILLER = """
import os, signal, sys
stage, _, kind = os.environ.get("KILL", "").partition(":")
command = sys.orig_argv
if stage in command[:4] and (kind == "fit") == ("--fit" in command):
    from xproj import store
    publish, seen = store.publish, []
    def killed(temporary, path, **options):
        if path.name.startswith((stage, "fit", "part")):
            seen.append(path)
            if len(seen) == (2 if kind == "shards" or stage == "ingest" else 1):
                os.kill(os.getpid(), signal.SIGKILL)
        publish(temporary, path, **options)
    store.publish = store.writing.publish = killed
"""
KILLS = [
    "ingest:fit",
    "tag:shards",
    "align:fit",
    "align:shards",
    "project:shards",
    "silver:fit",
    "train:fit",
    "evaluate:fit",
]


def project(folder, spacy_model):
    """Every second sentence has no labels, so that `tag` has something to do."""
    folder.mkdir()
    table = corpus()
    rows = [None if i % 2 else entities for i, entities in enumerate(table["source_entities"].to_pylist())]
    table = table.set_column(3, "source_entities", pa.array(rows, table.schema.field("source_entities").type))
    return write_project(folder, RECIPE + f'[tag]\nmodel = "{spacy_model}"\n', table)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, spacy_model):
    """The files of a run with two workers, and its folder."""
    folder = tmp_path_factory.mktemp("resume") / "undisturbed"
    project(folder, spacy_model)
    xproj("run", "recipe.toml", "--workers", 2, "--quiet", cwd=folder)
    return folder, files(folder / "runs")


def test_killed_in_every_stage_and_one_worker_instead_of_two(tmp_path, undisturbed, spacy_model):
    folder = tmp_path / "killed"
    project(folder, spacy_model)
    (tmp_path / "sitecustomize.py").write_text(KILLER)
    for kill in KILLS:
        path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
        env = {"KILL": kill, "PYTHONPATH": path}
        done = xproj("run", "recipe.toml", "--workers", 1, "--quiet", cwd=folder, env=env, check=False)
        assert done.returncode == 2, (kill, done.stderr)
        line = done.stderr.splitlines()
        assert len(line) == 1 and kill.partition(":")[0] in line[0] and "SIGKILL" in line[0], done.stderr
        assert "finished parts are kept" in line[0]
        assert list((folder / "runs").rglob(".tmp-*")), f"{kill} was too late"
    xproj("run", "recipe.toml", "--quiet", cwd=folder)
    assert files(folder / "runs") == undisturbed[1]  # no leftovers either


def test_the_second_run_does_nothing(undisturbed):
    folder, _ = undisturbed
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*") if path.is_file()}
    done = xproj("run", "recipe.toml", "--json", cwd=folder)
    assert done.stderr == "" and json.loads(done.stdout)[0]["language"] == "deu_Latn"
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*") if path.is_file()} == before
    plan = json.loads(xproj("plan", "recipe.toml", "--json", cwd=folder).stdout)
    assert {task["reason"] for task in plan} == {"done"}


@pytest.mark.parametrize("stage", ["ingest", "align"])
def test_a_deleted_part_is_one_shard_of_work(undisturbed, stage):
    folder, content = undisturbed
    gone = next((folder / "runs").rglob(f"{stage}-*/part-00002-of-00004.parquet"))
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*.parquet")}
    gone.unlink()
    tasks = json.loads(xproj("plan", "recipe.toml", "--json", cwd=folder).stdout)
    plan = {task["stage"]: task["reason"] for task in tasks}
    assert plan.pop(stage) == "missing 1 of 4 parts" and set(plan.values()) == {"done"}
    xproj("run", "recipe.toml", "--quiet", cwd=folder)
    after = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*.parquet")}
    assert {path for path in after if after[path] != before[path]} == {gone}
    assert files(folder / "runs") == content


def test_runtime_and_place_are_in_no_file(undisturbed):
    folder, content = undisturbed
    for name, data in content.items():
        assert str(folder).encode() not in data and b'"batch_tokens": 16384' not in data and b"workers" not in data, (
            name
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_workers_and_can_go_on(tmp_path, number):
    path = write_project(tmp_path, RECIPE.replace("iterations = 2", "iterations = 100000"))
    command = [sys.executable, "-m", "xproj", "align", path.name]
    xproj("ingest", path.name, "--quiet", cwd=tmp_path)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # a shell ignores SIGINT in what it starts with &, and so would the program if the tests were started so
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=tmp_path, preexec_fn=heed, **streams)
    worker = None
    while worker is None:  # its temporary folder names the worker
        worker = next((int(p.name.split("-")[2]) for p in (tmp_path / "runs").rglob(".tmp-*-fit")), None)
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines() == ["xproj: interrupted; what is finished is kept, run again to go on"]
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    reasons = [task["reason"] for task in json.loads(xproj("plan", path.name, "--json", cwd=tmp_path).stdout)]
    assert reasons[:2] == ["done", "not fitted, missing 4 of 4 parts"]
