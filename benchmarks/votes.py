"""A vote over five variants of the statistical aligner on Europarl-NER (XPROJ_DATA), beside each of its voters.

    python benchmarks/votes.py

Gold English labels, links and projection by the defaults but for the setting that is named. The five were chosen on the
German side; the Spanish side is only reported.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

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
    "intersection": {"symmetrization": "intersection"},
    "grow-diag": {"symmetrization": "grow-diag"},
}


def main() -> None:
    """Project with every variant, vote, and print a row for each."""
    data = Path(os.environ.get("XPROJ_DATA", ""))
    found = [corpus for corpus in quality.gold_corpora(data) if corpus.name.startswith("Europarl")]
    if not found:
        raise SystemExit("no Europarl-NER in the folder XPROJ_DATA; see data/README.md")
    for corpus in found:
        printed = Table("voter", "P", "R", "F1", title=f"{corpus.name}, {'dev' if corpus.dev else 'report'}")
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}.parquet" for number in range(len(VOTERS))]
            for (name, settings), path in zip(VOTERS.items(), paths, strict=True):
                pq.write_table(projected(quality.read(corpus, data), settings, corpus.language), path)
                row(printed, name, path)
            for method in voting.METHODS:
                path = Path(folder) / f"{method}.parquet"
                voting.vote(paths, path, method=method)
                row(printed, f"vote, {method}", path)
        Console().print(printed)


def projected(table: pa.Table, settings: dict[str, Any], language: str) -> pa.Table:
    """The table with links and target entities."""
    links, _ = quality.links(table, recipe.Align(**settings), lookup(language).code)
    table = table.append_column("links", links)
    found = projection.project(table, recipe.Project(), precedents.learn([table]))
    table = table.append_column("target_entities", found.target_entities).append_column("dropped", found.dropped)
    status = table.column_names.index("status")
    return table.set_column(status, "status", status_array(found.status))


def row(printed: Table, name: str, path: Path) -> None:
    """Add the scores of a projected file."""
    spans = evaluation.projection([pq.read_table(path)], resamples=0).spans
    assert spans is not None
    scores = spans.micro
    printed.add_row(name, f"{scores.precision:.4f}", f"{scores.recall:.4f}", f"{scores.f1:.4f}")


if __name__ == "__main__":
    main()
