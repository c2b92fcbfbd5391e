"""A small corpus and a recipe for it, and the command line as a test calls it."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sentences import labelled_sentences

from xproj import cli, pipeline
from xproj.columns import ENTITY
from xproj.translators.fake import FakeTranslator

RECIPE = """
route = "bitext"
language = "deu_Latn"
source = "eng_Latn"

[ingest]
path = "corpus.parquet"
shard_size = 8

[align]
iterations = 2
prefixes = [4]

[train]
epochs = 1

[evaluate]
gold = "gold.conll"
bootstrap = 50
"""
ROWS = 30


def corpus(rows: int = ROWS) -> pa.Table:
    """English with gold labels, and the same in a made-up language where names stay as they are."""
    table = labelled_sentences(rows)
    tokens = table["tokens"].to_pylist()
    translated = [
        t[0].text.split() for t in FakeTranslator().translate([" ".join(t) for t in tokens], source="en", target="de")
    ]
    entities = table["entities"].combine_chunks().cast(pa.list_(ENTITY))
    columns = {
        "id": [f"s-{i:03d}" for i in range(rows)],
        "source_tokens": tokens,
        "target_tokens": translated,
        "source_entities": entities,
        "target_gold": entities,
    }
    return pa.table(columns)


def write_project(folder: Path, recipe: str = RECIPE, table: pa.Table | None = None) -> Path:
    """A folder with a corpus, a gold file and a recipe; returns the recipe's path."""
    pq.write_table(corpus() if table is None else table, folder / "corpus.parquet")
    (folder / "gold.conll").write_text("Asha\tB-PER\nflew\tO\nto\tO\nBerlin\tB-LOC\n\nbad\tO\nweather\tO\n\n")
    path = folder / "recipe.toml"
    path.write_text(recipe)
    return path


def xproj(
    *arguments: object, cwd: Path, check: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    """The real command in a process of its own."""
    command = [sys.executable, "-m", "xproj", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=os.environ | (env or {}), timeout=300)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def here(*arguments: object) -> int:
    """The command in this process; returns its exit code."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def run_here(run: pipeline.Run) -> pipeline.Run:
    """Every stage of a run, in this process; gives the run back."""
    for name in run.steps:
        if name == "ingest":
            list(pipeline.run_ingest(run))
            continue
        task = run.task(name)
        if task.fit:
            pipeline.run_fit(run, name)
        if task.missing:
            list(pipeline.run_shards(run, name, task.missing))
    return run


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file of a run that must not differ between two runs."""
    diary = {"ledger.jsonl", ".hashes.json"}
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in diary and "recipes" not in p.parts)
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}
