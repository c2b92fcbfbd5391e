"""The weights of `xproj.core.confidence`, and what the filter `doubtful` changes: `make bench-confidence`.

    python benchmarks/confidence.py

A logistic regression (ridge 1 on standardised traits) over the spans that are found on Europarl-NER de (XPROJ_DATA) and
the sample corpus, in both directions, with links of `statistical`: is a span right by gold? Prints the constants, and
F1 without and with the filter. A corpus is judged by weights that were fitted without its language; ABSA train, which
only judges, by those of all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import quality
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

from xproj import precedents, projection, recipe, weighing
from xproj.core.confidence import LEAST
from xproj.languages import lookup
from xproj.solution import KEPT

RIDGE = 1.0
# the filter itself is left out
SETTINGS = recipe.Project(filter=("capitals",))


class Spans(NamedTuple):
    """The spans of a corpus: traits (spans, 6), which are right (spans,), and how many gold spans there are."""

    traits: np.ndarray
    right: np.ndarray
    gold: int

    def f1(self, kept: np.ndarray) -> float:
        """F1 of the spans that are kept, (spans,)."""
        return float(2 * (self.right & kept).sum() / (kept.sum() + self.gold))


def spans(table: pa.Table) -> Spans:
    """The spans of a table with links and target_gold."""
    corpus = precedents.learn([table])
    live = projection.statuses(table) == projection.OK
    problem, solution = projection.solve(table, SETTINGS, corpus, live)
    solution = solution.only((solution.reason == KEPT)[solution.owner])
    weighed = weighing.weigh(problem, SETTINGS, table, corpus)
    chosen = weighing.best(problem, SETTINGS, weighed.found, weighed.value)[solution.owner]
    traits = weighing.traits(problem, SETTINGS, weighed, solution.owner, chosen)
    assert traits is not None
    gold = [{(e["start"], e["end"], e["label"]) for e in row or ()} for row in table["target_gold"].to_pylist()]
    labels = [problem.entities.names[label] for label in problem.entities.label[solution.owner]]
    places = problem.rows[solution.owner].tolist(), solution.start.tolist(), solution.end.tolist(), labels
    right = np.array([(*span, label) in gold[row] for row, *span, label in zip(*places, strict=True)], dtype=np.bool_)
    return Spans(traits, right, sum(map(len, gold)))


def fit(corpora: list[Spans]) -> np.ndarray:
    """Intercept and weights, (7,)."""
    traits, right = (np.concatenate(arrays) for arrays in zip(*(one[:2] for one in corpora), strict=True))
    mean, deviation = traits.mean(axis=0), traits.std(axis=0)
    given, sign = np.column_stack([np.ones(len(right)), (traits - mean) / deviation]), np.where(right, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin, ridge = sign * (given @ weights), np.r_[0.0, weights[1:]]
        return (
            np.logaddexp(0.0, -margin).sum() + RIDGE * (ridge**2).sum(),
            2 * RIDGE * ridge - given.T @ (sign / (1.0 + np.exp(margin))),
        )

    weights = minimize(loss, np.zeros(given.shape[1]), jac=True).x
    scaled = weights[1:] / deviation
    return np.r_[weights[0] - scaled @ mean, scaled]


def sure(one: Spans, weights: np.ndarray) -> np.ndarray:
    """Which spans the filter keeps, (spans,)."""
    return weights[0] + one.traits @ weights[1:] >= np.log(LEAST / (1.0 - LEAST))


def measured(data: Path) -> tuple[dict[str, tuple[str, Spans]], dict[str, Spans]]:
    """The corpora that teach by name, each with its language, and those that only judge."""
    teachers, judges = {}, {}
    for corpus in (one for one in quality.gold_corpora(data) if one.dev):
        teaches = not corpus.name.startswith("ABSA")
        for side in (corpus, quality.turned(corpus)):
            table = quality.read(side, data)
            runs = {"statistical": recipe.Align()}
            runs |= {path.split(".")[-2]: recipe.Align(aligner="given", links=str(data / path)) for path in side.links}
            for name, settings in runs.items():
                column, _ = quality.links(table, settings, lookup(side.language).code, lookup(side.origin).code)
                found = spans(table.append_column("links", column))
                if teaches:
                    teachers[side.name] = lookup(corpus.language).code, found
                else:
                    judges[f"{side.name}, {name}"] = found
    return teachers, judges


def main() -> None:
    """Fit, and print what is changed."""
    teachers, judges = measured(Path(os.environ.get("XPROJ_DATA", "")))
    printed = Table("corpus", "F1 of all spans", "without doubtful", "dropped", "of them right")
    weights = fit([one for _, one in teachers.values()])
    for name, (language, one) in teachers.items():
        others = [other for code, other in teachers.values() if code != language]
        row(printed, name, one, fit(others))
    for name, one in judges.items():
        row(printed, name, one, weights)
    Console(width=120).print(printed)
    print(f"INTERCEPT = {weights[0]:.2f}")
    print(f"WEIGHTS = np.array([{', '.join(f'{weight:.2f}' for weight in weights[1:])}])")


def row(printed: Table, name: str, one: Spans, weights: np.ndarray) -> None:
    """Add what weights do to a corpus."""
    kept = sure(one, weights)
    changed = f"{one.f1(np.ones_like(kept)):.4f}", f"{one.f1(kept):.4f}"
    printed.add_row(name, *changed, str((~kept).sum()), str((one.right & ~kept).sum()))


if __name__ == "__main__":
    main()
