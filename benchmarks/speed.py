"""Speed, as ratios against peers in the same process on the same input: `make bench`.

    python benchmarks/speed.py [solvers] [cost] [align] [project]

`solvers`  exact against the same problems in PuLP with HiGHS and with CBC; the totals are compared, too
`cost`     what exact takes for more entities, longer sentences and longer candidates; draws docs/exact-cost.svg
`align`    the statistical aligner against eflomal, where it is installed
`project`  the stage on the sample corpus repeated: as a function of a table, and in the plain form with its files

Every figure is the median of several runs after a first one that does not count. Only the ratios carry over to other
machines. Problems are made up; the corpus is the sample, or Europarl-NER where XPROJ_DATA has it.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import plot
import pyarrow as pa
import pyarrow.parquet as pq
from problems import Problems, problems
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from xproj import aligners, corpora, pipeline, plain, recipe
from xproj.columns import TokenColumn
from xproj.core import ilp, matching
from xproj.errors import BackendError
from xproj.languages import lookup
from xproj.stages import Inputs, Project
from xproj.tables import Source

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "sample"
PLOT = ROOT / "docs" / "exact-cost.svg"


def median_seconds(call: Callable[[], object], runs: int, enough: float = 0.0) -> float:
    """The median over `runs` of the seconds that a call takes; a run repeats it until `enough` seconds are over."""
    started = time.perf_counter()
    call()
    once = time.perf_counter() - started
    if enough and once > enough / 10:  # the first call may have compiled something
        started = time.perf_counter()
        call()
        once = time.perf_counter() - started
    repeats = max(1, round(enough / max(once, 1e-7)))
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        seconds.append((time.perf_counter() - started) / repeats)
    return statistics.median(seconds)


def exact(given: Problems) -> np.ndarray:
    """The candidate of each entity, or -1."""
    chosen = np.full(len(given.offsets) - 1, -1, dtype=np.int64)
    if matching.exact(*given, 0.0, matching.MAX_ENTITIES, chosen):
        matching.exact_large(*given, 0.0, chosen)
    return chosen


def solvers(out: Console, sentences: int = 100, runs: int = 3) -> None:
    """Exact, HiGHS and CBC on the same problems."""
    given = problems(np.random.default_rng(1), sentences, words=25, entities=None, longest=4)
    ours = exact(given)
    total = float(given.score[ours[ours >= 0]].sum(dtype=np.float64))
    base = median_seconds(lambda: exact(given), runs, enough=0.2)
    printed = Table("solver", "sentences/s", "exact is faster by", "total score")
    printed.add_row("exact", f"{sentences / base:,.0f}", "1", f"{total:.4f}")
    for name in ("highs", "cbc"):
        if name == "highs" and find_spec("highspy") is None:
            printed.add_row("PuLP/HiGHS", "not installed: pip install 'xproj[solvers]'")
            continue
        _, chosen = ilp.solve(*given, 0.0, solver=name)
        theirs = float(given.score[chosen].sum(dtype=np.float64))
        if abs(theirs - total) > 1e-5:
            raise AssertionError(f"{name} found {theirs}, exact {total}")
        seconds = median_seconds(lambda name=name: ilp.solve(*given, 0.0, solver=name), runs)
        label = {"highs": "PuLP/HiGHS", "cbc": "PuLP/CBC"}[name]
        printed.add_row(label, f"{sentences / seconds:,.0f}", f"{seconds / base:,.0f}", f"{theirs:.4f}")
    out.print(f"{sentences} sentences of 25 words, 1 to 5 entities, {len(given.score)} candidates", printed)


def microseconds(words: int, entities: int, longest: int, anywhere: bool, enough: float = 0.1) -> float:
    """What exact takes for one sentence."""
    sentences = 20 if anywhere else 200
    rng = np.random.default_rng(entities)
    given = problems(rng, sentences, words=words, entities=entities, longest=longest, anywhere=anywhere)
    return median_seconds(lambda: exact(given), 5, enough) / sentences * 1e6


def cost(out: Console, path: Path = PLOT, enough: float = 0.1) -> None:
    """The time of exact for each size of the problem, as a table and as a plot at `path`."""
    forms = {"candidates in the aligned range": False, "all n-grams of the sentence": True}
    axes = {
        "entities": ((1, 2, 4, 6, 8, 10, 12, 14), lambda value: (30, value, 6)),
        "words in the sentence": ((10, 20, 50, 100, 200, 300, 400, 500), lambda value: (value, 4, 6)),
        "words in a candidate, at most": ((1, 2, 4, 6, 8, 10, 12), lambda value: (50, 4, value)),
    }
    fixed = ("30 words, candidates ≤ 6", "4 entities, candidates ≤ 6", "4 entities, 50 words")
    panels = []
    for (label, (values, size)), title in zip(axes.items(), fixed, strict=True):
        series = {name: [microseconds(*size(v), form, enough) for v in values] for name, form in forms.items()}
        printed = Table(label, *(str(value) for value in values), title=f"exact, µs per sentence: {title}")
        for name, figures in series.items():
            printed.add_row(name, *(f"{figure:.3g}" for figure in figures))
        out.print(printed)
        panels.append(plot.Panel(title, label, values, series))
    path.write_text(plot.chart(panels, "µs per sentence"), encoding="utf-8")
    out.print(f"plot: {path}")


def read(source: Path, target: Path) -> pa.Table:
    """A CoNLL corpus as one table of `ingest`."""
    settings = recipe.Ingest(source_path=str(source), target_path=str(target), format="conll", shard_size=1_000_000)
    tables = list(corpora.ingest(settings, source=lookup("eng_Latn"), target=lookup("deu_Latn")))
    return pa.concat_tables(tables).combine_chunks()


def sample() -> pa.Table:
    """The sentence pairs of the sample corpus in the languages of the demo."""
    folders = [SAMPLE / code for code in ("deu_Latn", "rus_Cyrl", "swh_Latn")]
    return pa.concat_tables([read(path / "*.source.conll", path / "*.target.conll") for path in folders])


def copies(table: pa.Table, count: int) -> tuple[TokenColumn, TokenColumn]:
    """Both sides `count` times; a word at the end keeps the copies apart, as eflomal is given equal pairs once."""
    sides = []
    for name in ("source_tokens", "target_tokens"):
        rows = table[name].to_pylist()
        sides.append(TokenColumn.of([[*row, f"#{copy}"] for copy in range(count) for row in rows]))
    return sides[0], sides[1]


def link(pair: tuple[TokenColumn, TokenColumn], settings: recipe.Align) -> pa.Array:
    """Fit on a corpus and align it."""
    languages = ("eng_Latn", "und")
    with tempfile.TemporaryDirectory() as folder:
        aligner = aligners.open(settings)
        aligner.fit([pair], languages=languages, output=Path(folder) / "fit")
        fitted = aligners.open(settings, fitted=Path(folder) / "fit")
        return fitted.align(*pair, languages=languages).write()


def align(out: Console, runs: int = 3) -> None:
    """Statistical and eflomal, fit and alignment together."""
    europarl = Path(os.environ.get("XPROJ_DATA") or "none") / "europarl-ner"
    if (europarl / "de.conll").exists():
        name, pair = "Europarl-NER en-de", copies(read(europarl / "en.conll", europarl / "de.conll"), 1)
    else:
        name, pair = "the sample corpus, 4 times", copies(sample(), 4)
    pairs = len(pair[0])
    base = median_seconds(lambda: link(pair, recipe.Align()), runs)
    printed = Table("aligner", "pairs/s", "statistical is faster by")
    printed.add_row("statistical", f"{pairs / base:,.0f}", "1")
    try:
        seconds = median_seconds(lambda: link(pair, recipe.Align(aligner="eflomal")), runs)
        printed.add_row("eflomal", f"{pairs / seconds:,.0f}", f"{seconds / base:.2f}")
    except BackendError as error:
        printed.add_row("eflomal", escape(str(error)))
    out.print(f"{name}: {pairs:,} pairs, fit and alignment", printed)


def rates(call: Callable[[], object], rows: int, runs: int) -> tuple[str, str]:
    """Rows per second on the clock and per second of the processor, medians, after one call that warms up."""
    call()
    clock, processor = [], []
    for _ in range(runs):
        started = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return f"{rows / statistics.median(clock):,.0f}", f"{rows / statistics.median(processor):,.0f}"


def prepared(table: pa.Table, folder: Path) -> pipeline.Run:
    """A run of one shard, done up to `align` and the fit of `project`."""
    kept = ["id", "source_tokens", "target_tokens", "source_entities"]
    pq.write_table(table.select(kept), folder / "corpus.parquet")
    with (folder / "links.txt").open("w", encoding="utf-8") as file:
        for row in table["links"].to_pylist():
            file.write(" ".join(f"{x['source']}-{x['target']}:{x['score']:.4f}" for x in row) + "\n")
    settings = {
        "route": "bitext",
        "language": "deu_Latn",
        "ingest": {"path": str(folder / "corpus.parquet"), "shard_size": table.num_rows},
        "align": {"aligner": "given", "links": str(folder / "links.txt")},
    }
    run = pipeline.Run.open(recipe.Recipe.model_validate(settings), folder / "runs")
    list(pipeline.run_ingest(run))
    list(pipeline.run_shards(run, "align", [0]))
    pipeline.run_fit(run, "project")
    return run


def fitted(made: recipe.Recipe, corpus: Path, folder: Path) -> Project:
    """The stage `project` with what it learned from a corpus."""
    folder.mkdir()
    Project(made).fit(Inputs(lambda: Source(corpus).slices(Project.fit_rows), {}), folder)
    return Project(made, folder)


def project(out: Console, rows: int = 100_000, runs: int = 3) -> None:
    """The stage `project` on the sample corpus repeated."""
    table = sample()
    pair = TokenColumn.read(table["source_tokens"]), TokenColumn.read(table["target_tokens"])
    table = table.append_column("links", link(pair, recipe.Align()))
    count = -(-rows // table.num_rows)
    table = pa.concat_tables([table] * count).slice(0, rows).combine_chunks()
    table = table.set_column(0, "id", pa.array([f"s{row}" for row in range(rows)]))
    made = plain.settings("project", [])
    printed = Table("project", "rows/s", "rows per processor second")
    with tempfile.TemporaryDirectory() as folder:
        given, made_file = Path(folder) / "links.parquet", Path(folder) / "projected.parquet"
        pq.write_table(table, given)
        stage = fitted(made, given, Path(folder) / "fit")
        required, optional = stage.reads()
        within = next(Source(given).slices(rows, [*required, *optional]))
        printed.add_row("a table in memory, added columns only", *rates(lambda: stage.map(within), rows, runs))

        def plain_form() -> None:
            made_file.unlink(missing_ok=True)
            plain.run_stage("project", given, made_file, made, plain.Options())

        printed.add_row("plain form: read, project, write all columns", *rates(plain_form, rows, runs))
        run = prepared(table, Path(folder))
        part = run.part("project", 0, 1)

        def in_a_run() -> None:
            part.unlink(missing_ok=True)
            list(pipeline.run_shards(run, "project", [0]))

        printed.add_row("in a run: read, project, write added columns", *rates(in_a_run, rows, runs))
    out.print(f"{rows:,} rows", printed)


PARTS = {"solvers": solvers, "cost": cost, "align": align, "project": project}


def main() -> None:
    """Run the parts that are named, or all."""
    wanted = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS]:
        sys.exit(f"speed.py: unknown part {unknown[0]!r}; known: {', '.join(PARTS)}")
    out = Console(width=120)
    for name in wanted:
        PARTS[name](out)


if __name__ == "__main__":
    main()
