"""Both routes through Apertium, scored on Spanish gold, as `make bench-translation` prints them.

translate-train: labelled English (UNER English-EWT and PUD) is translated, projected, and a Spanish tagger trained.
translate-test: Spanish text is translated, tagged by a tagger of the same English, and the labels come back. Gold is
Europarl-NER es without MISC; no setting was chosen on it. Catalan has no gold: its rows show what each step loses.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RECIPE = Path(__file__).parent / "translation.toml"
LABELS = 'evaluate.labels={MISC="O"}'
MARKS = ("translate.markers=blanks", "project.candidates=markers")
# changes of the recipe, whose `auto` drops incomplete spans of predicted labels (translate-test) alone, and of links
# (not of marks) adjectives of names
TRAIN = {
    "links, default filter": (),
    "blanks, default filter": MARKS,
    "links, strict filter": ("project.filter=strict",),
    "blanks, strict filter": (*MARKS, "project.filter=strict"),
}
TEST = {
    "links, default filter": (),
    "links, no filter": ("project.filter=none",),
    "links, no filter, no checks": ("project.filter=none", "translate.checks=false"),
}


def xproj(*arguments: object) -> Any:
    """What a command prints as JSON; says which command it is."""
    words = [*map(str, arguments), "--json"]
    sys.stderr.write(f"xproj {shlex.join(words)}\n")
    done = subprocess.run([sys.executable, "-m", "xproj", *words], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(done.returncode)  # it has said why
    return json.loads(done.stdout)


def run(runs: Path, language: str, *overrides: str) -> dict[str, Any]:
    """The outcome of the recipe with these overrides."""
    sets = [word for override in overrides for word in ("--set", override)]
    outcome: dict[str, Any] = xproj("run", RECIPE, "--language", language, "--runs", runs, *sets)[0]
    return outcome


def losses(counts: dict[str, int], prefix: str) -> str:
    """The counts under a prefix, in one line."""
    found = {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}
    return ", ".join(f"{name} {n}" for name, n in found.items() if name != "ok" and n) or "–"


def cells(spans: dict[str, Any] | None) -> list[str]:
    """Precision, recall, F1 and its interval; nothing without gold."""
    if spans is None:
        return [""] * 4
    micro = spans["micro"]
    low, high = micro["interval"]
    return [*(f"{micro[key]:.3f}" for key in ("precision", "recall", "f1")), f"{low:.3f}–{high:.3f}"]


def row(outcome: dict[str, Any], spans: dict[str, Any] | None) -> list[str]:
    """What a run lost on its way, and its scores."""
    counts = outcome["counts"]["project"]
    entities, projected = counts["entities"], counts["entities.projected"]
    return [
        str(counts["rows"]), losses(counts, "status."), str(entities), losses(counts, "entities.dropped."),
        str(projected), f"{projected / entities:.3f}", *cells(spans),
    ]  # fmt: skip


def main() -> None:
    """Run every variant and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--english", type=Path, required=True, help="the folder of labelled English")
    parser.add_argument("--tagger", type=Path, required=True, help="the tagger trained on it")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args()
    gold = Path(os.environ["XPROJ_DATA"]).absolute() / "europarl-ner"
    english, tagger = f"ingest.path={given.english.absolute()}", given.tagger.absolute()

    losing = ("rows", "rows lost", "entities", "entities lost", "projected", "ratio")
    printed = Table("route", "set", *losing, "P", "R", "F1", "95 %")
    for name, changes in TRAIN.items():
        training = ("train.tagger=spacy", f"evaluate.gold={gold / 'es.conll'}")
        outcome = run(given.runs, "spa_Latn", english, *training, *changes)
        printed.add_row("translate-train es", name, *row(outcome, outcome["scores"]["tagging"]))
    for name, changes in TEST.items():
        testing = ("route=translate-test", f"ingest.path={gold / 'es.conll'}", f"tag.model={tagger}")
        outcome = run(given.runs, "spa_Latn", *testing, *changes)
        printed.add_row("translate-test es", name, *row(outcome, outcome["scores"]["projection"]["spans"]))
    for name in ("links, default filter", "blanks, default filter"):
        outcome = run(given.runs, "cat_Latn", english, *TRAIN[name])
        printed.add_row("translate-train ca", name, *row(outcome, None))
    for code in ("es", "en"):
        scores = xproj("evaluate", "--model", tagger, "--input", gold / f"{code}.conll", "--set", LABELS)
        printed.add_row(f"the English tagger on {code}", "", *[""] * len(losing), *cells(scores))
    Console(width=200).print(printed)


if __name__ == "__main__":
    main()
