"""Peak memory of each stage at 1 and at 20 shards of 1,000 sentence pairs, as `make bench-memory` prints it.

The text is `lafand/en-swa.tsv` of XPROJ_DATA, or the Swahili sample repeated when it is not there; labels are gold
entities of the sample, or whatever `--tagger MODEL` finds. The last row, where torch is installed: the plain form of
`align` with a model of 64 dimensions, on sample pairs that a running word makes distinct, as many rows at a time.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from xproj import corpora
from xproj.languages import lookup
from xproj.recipe import Ingest

SAMPLE = Path(__file__).parent.parent / "data" / "sample" / "swh_Latn"
SHARD = 1000
SHARDS = (1, 20)
STAGES = ("ingest", "tag", "align", "project", "silver")


def bitext(folder: Path, pairs: int) -> Path:
    """A TSV of so many pairs."""
    given = Path(os.environ.get("XPROJ_DATA", "")) / "lafand" / "en-swa.tsv"
    if given.exists():
        return given
    settings = Ingest(source_path=str(SAMPLE / "*.source.conll"), target_path=str(SAMPLE / "*.target.conll"))
    rows = [
        f"{' '.join(source)}\t{' '.join(target)}\n"
        for table in corpora.ingest(settings, source=lookup("eng_Latn"), target=lookup("swh_Latn"))
        for source, target in zip(table["source_tokens"].to_pylist(), table["target_tokens"].to_pylist(), strict=True)
    ]
    path = folder / "sample.tsv"
    path.write_text("".join(rows[k % len(rows)] for k in range(pairs)), encoding="utf-8")
    return path


def recipe(folder: Path, pairs: int, tagger: str | None) -> Path:
    """A recipe for the first `pairs` of the text."""
    path = folder / f"memory-{pairs}.toml"
    lines = [
        'route = "bitext"',
        'language = "swh_Latn"',
        "[ingest]",
        f'path = "{bitext(folder, pairs)}"',
        f"limit = {pairs}",
        f"shard_size = {SHARD}",
        'format = "tsv"',
    ]
    if tagger:
        lines += ["[tag]", f'model = "{Path(tagger).absolute()}"']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def peak(command: list[str]) -> float:
    """The peak resident memory of a command and its workers in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(errors.decode())
    return usage.ru_maxrss / 1024


def distinct(folder: Path, pairs: int) -> Path:
    """A table of so many pairs of the sample, no two of them equal."""
    settings = Ingest(source_path=str(SAMPLE / "*.source.conll"), target_path=str(SAMPLE / "*.target.conll"))
    tables = list(corpora.ingest(settings, source=lookup("eng_Latn"), target=lookup("swh_Latn")))
    columns: dict[str, list[object]] = {"id": [f"{k:06d}" for k in range(pairs)]}
    for name in ("source_tokens", "target_tokens"):
        rows = [row for table in tables for row in table[name].to_pylist()]
        columns[name] = [[*rows[k % len(rows)], str(k)] for k in range(pairs)]
    path = folder / f"distinct-{pairs}.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def neural(folder: Path) -> list[float]:
    """Peaks of `align` with an encoder, plain form."""
    model = folder / "model"
    # in a process of its own: the peak of a process begins with what the one had that started it
    build = [sys.executable, str(Path(__file__).with_name("align.py")), "--build", "64", "--model", str(model)]
    subprocess.run(build, check=True, capture_output=True)
    command = [sys.executable, "-m", "xproj", "align", "--shard-size", str(SHARD), "--language", "swh_Latn"]
    chosen = {"align.aligner": "simalign", "align.model": model, "align.layer": 2, "runtime.device": "cpu"}
    for key, value in chosen.items():
        command += ["--set", f"{key}={value}"]
    paths = [distinct(folder, shards * SHARD) for shards in SHARDS]
    return [peak([*command, "--input", str(path), "--output", str(path.with_suffix(".links"))]) for path in paths]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tagger", help="a source tagger; without it rows have no labels and nothing is projected")
    tagger = parser.parse_args().tagger
    printed = Table("stage", *(f"{shards} × {SHARD} pairs, MB" for shards in SHARDS))
    with tempfile.TemporaryDirectory() as folder:
        recipes = [recipe(Path(folder), shards * SHARD, tagger) for shards in SHARDS]
        runs = ["--runs", str(Path(folder) / "runs")]
        for stage in STAGES:
            if stage in ("tag", "silver") and not tagger:
                continue
            command = [sys.executable, "-m", "xproj", stage]
            if stage == "align":  # the fit over all shards, then the shards
                fits = [peak([*command, str(path), "--fit", *runs]) for path in recipes]
                printed.add_row("align, fit", *(f"{value:.0f}" for value in fits))
            printed.add_row(stage, *(f"{peak([*command, str(path), *runs]):.0f}" for path in recipes))
        if importlib.util.find_spec("torch") and importlib.util.find_spec("transformers"):
            printed.add_row("align, encoder of 64 dimensions", *(f"{value:.0f}" for value in neural(Path(folder))))
    Console().print(printed)


if __name__ == "__main__":
    main()
