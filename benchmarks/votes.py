"""A vote over five variants of the statistical aligner on Europarl-NER (XPROJ_DATA), beside each of its voters.

    python benchmarks/votes.py

Gold English labels, links and projection by the defaults but for the setting that is named. The five are the default
and those four of fourteen variants whose majority has the largest F1 on the German side; the Spanish side is only
reported. The last table counts both sides together.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import quality
from rich.console import Console
from rich.table import Table

from xproj import evaluation, precedents, projection, recipe, voting
from xproj.languages import lookup
from xproj.schema import status_array

VOTERS: dict[str, dict[str, Any]] = {
    "default": {},
    "prefixes = [3, 5]": {"prefixes": (3, 5)},
    "orthography = false": {"orthography": False},
    "capitals = false": {"capitals": False},
    "iterations = 4": {"iterations": 4},
}


def main() -> None:
    """Project with every variant, vote, and print a row for each."""
    data = Path(os.environ.get("XPROJ_DATA", ""))
    found = [corpus for corpus in quality.gold_corpora(data) if corpus.name.startswith("Europarl")]
    if not found:
        raise SystemExit("no Europarl-NER in the folder XPROJ_DATA; see data/README.md")
    together: dict[str, np.ndarray] = {}
    for corpus in found:
        printed = table_of(f"{corpus.name}, {'dev' if corpus.dev else 'report'}")
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}.parquet" for number in range(len(VOTERS))]
            for (name, settings), path in zip(VOTERS.items(), paths, strict=True):
                pq.write_table(projected(quality.read(corpus, data), settings, corpus.language), path)
                row(printed, name, counted(path, together, name))
            for method in voting.METHODS:
                path = Path(folder) / f"{method}.parquet"
                voting.vote(paths, path, method=method)
                row(printed, f"vote, {method}", counted(path, together, f"vote, {method}"))
        Console().print(printed)
    printed = table_of(" and ".join(corpus.name for corpus in found))
    for name, counts in together.items():
        row(printed, name, counts)
    Console().print(printed)


def projected(table: pa.Table, settings: dict[str, Any], language: str) -> pa.Table:
    """The table with links and target entities."""
    links, _ = quality.links(table, recipe.Align(**settings), lookup(language).code)
    table = table.append_column("links", links)
    found = projection.project(table, recipe.Project(), precedents.learn([table]))
    table = table.append_column("target_entities", found.target_entities).append_column("dropped", found.dropped)
    status = table.column_names.index("status")
    return table.set_column(status, "status", status_array(found.status))


def table_of(title: str) -> Table:
    """An empty table of voters."""
    return Table("voter", "P", "R", "F1", title=title)


def counted(path: Path, together: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Of a projected file the right, projected and gold spans, (3,); they are added to those of the voter so far."""
    spans = evaluation.projection([pq.read_table(path)], resamples=0).spans
    assert spans is not None
    counts = np.array([spans.micro.correct, spans.micro.predicted, spans.micro.support])
    together[name] = together.get(name, 0) + counts
    return counts


def row(printed: Table, name: str, counts: np.ndarray) -> None:
    """Add the scores that counts make."""
    correct, predicted, gold = counts.tolist()
    scores = correct / predicted, correct / gold, 2 * correct / (predicted + gold)
    printed.add_row(name, *(f"{score:.4f}" for score in scores))


if __name__ == "__main__":
    main()
