"""Projection quality on gold: one row per corpus and setting, as `make bench-quality` prints it.

Source labels are gold (but those of TransAlign, which a tagger made), the aligner is trained on the pairs themselves,
settings are the defaults. Settings were chosen on the rows marked `dev`; the others are only reported. Corpora are
found in the folder XPROJ_DATA; those that are not there are left out. The sample corpus always runs.

    python benchmarks/quality.py [--only NAME]… [--align KEY=VALUE,…]… [--turned]

Each `--align` adds a row for an aligner of yours, by the keys of the recipe's table `[align]`, e.g.
`--align aligner=awesome,model=/models/mbert`; `--only Europarl` runs the corpora whose names contain the word;
`--turned` projects from the other language to English, on the corpora marked `dev`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from xproj import aligners, corpora, evaluation, plain, precedents, projection, recipe
from xproj.columns import TokenColumn
from xproj.errors import BackendError
from xproj.languages import lookup
from xproj.schema import status_array

LANGUAGES = (
    "deu_Latn", "swh_Latn", "rus_Cyrl", "arb_Arab", "fin_Latn", "hin_Deva", "tur_Latn", "zho_Hans", "ell_Grek",
    "jpn_Jpan",
)  # fmt: skip
ABSA_LINKS = ("awesome", "simalign-itermax", "fast_align-gdfa", "mgiza-gdfa")
SAMPLE = Path(__file__).parent.parent / "data" / "sample"


@dataclass(frozen=True)
class Corpus:
    """A parallel corpus with gold labels on both sides, or `predicted` source labels; `links` names given alignments,
    by aligner, `labels` are renamed."""

    name: str
    source: str
    target: str
    language: str
    dev: bool = False
    links: tuple[str, ...] = ()
    predicted: bool = False
    origin: str = "eng_Latn"
    labels: tuple[tuple[str, str], ...] = ()


def gold_corpora(data: Path) -> list[Corpus]:
    """The corpora of the evaluation data and of the sample."""
    europarl = [
        Corpus(f"Europarl-NER {code}", "europarl-ner/en.conll", f"europarl-ner/{code}.conll", code, code == "de")
        for code in ("de", "es")
    ]
    pud = [
        Corpus(f"UNER PUD {code}", "uner-pud/en.conll", f"uner-pud/{code}.conll", code) for code in ("de", "pt", "sv")
    ]
    absa = [
        Corpus(f"ABSA {code} {split}", f"absa/en.{split}.conll", f"absa/{code}.{split}.conll", code, split == "train",
               tuple(f"absa/en-{code}.{split}.{links}.align" for links in ABSA_LINKS))
        for code in ("es", "fr") for split in ("train", "test")
    ]  # fmt: skip
    transalign = Corpus(
        "TransAlign bam", "extra-transalign-bam/en.pred.conll", "masakhaner2/bam/test.conll", "bam",
        links=("extra-transalign-bam/en-bam.transalign.align",), predicted=True, labels=(("DATE", "O"),),
    )  # fmt: skip
    sample = [
        Corpus(
            f"sample {code}", str(SAMPLE / code / "*.source.conll"), str(SAMPLE / code / "*.target.conll"), code, True
        )
        for code in LANGUAGES
    ]
    found = [corpus for corpus in [*europarl, *pud, *absa, transalign] if (data / corpus.source).exists()]
    return found + sample


def turned(corpus: Corpus) -> Corpus:
    """The corpus from its other side; links are made anew."""
    name = f"{corpus.name} to English"
    return Corpus(name, corpus.target, corpus.source, corpus.origin, corpus.dev, origin=corpus.language)


def read(corpus: Corpus, data: Path) -> pa.Table:
    """The whole corpus as one table of `ingest`."""
    paths = {"source_path": str(data / corpus.source), "target_path": str(data / corpus.target)}
    settings = recipe.Ingest(**paths, format="conll", shard_size=100_000, labels=dict(corpus.labels))
    tables = list(corpora.ingest(settings, source=lookup(corpus.origin), target=lookup(corpus.language)))
    table = pa.concat_tables(tables).combine_chunks()
    if corpus.predicted:
        at = table.column_names.index("source_predicted")
        table = table.set_column(at, "source_predicted", pa.array([True] * table.num_rows))
    return table


def links(
    table: pa.Table, settings: recipe.Align, target_language: str = "und", source_language: str = "eng_Latn"
) -> tuple[pa.Array, float]:
    """The links column, and the seconds that fit and alignment took."""
    source, target = TokenColumn.read(table["source_tokens"]), TokenColumn.read(table["target_tokens"])
    languages = (source_language, target_language)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "fit"
        aligner = aligners.open(settings)
        if aligner.needs_fit:
            aligner.fit([(source, target)], languages=languages, output=output)
            aligner = aligners.open(settings, fitted=output)
        column = aligner.align(source, target, languages=languages).write()
    return column, time.perf_counter() - started


def score(table: pa.Table, column: pa.Array, settings: recipe.Project) -> evaluation.ProjectionScores:
    """Project with these links and compare with the gold target entities."""
    table = table.append_column("links", column)
    projected = projection.project(table, settings, precedents.learn([table]))
    table = table.append_column("target_entities", projected.target_entities)
    table = table.append_column("dropped", projected.dropped)
    status = table.column_names.index("status")
    return evaluation.projection([table.set_column(status, "status", status_array(projected.status))])


def rows(corpus: Corpus, data: Path) -> list[tuple[str, recipe.Align, recipe.Project]]:
    """The settings that a corpus is run with."""
    default, hard = recipe.Project(), recipe.Project(alignment_form="bounded")
    runs = [("statistical", recipe.Align(), default)]
    if corpus.name.startswith("sample"):
        runs.append(("statistical, no orthography", recipe.Align(orthography=False), default))
    if corpus.name.startswith("Europarl"):
        runs.append(("statistical, heuristic", recipe.Align(), recipe.Project(solver="heuristic")))
        runs.append(("eflomal, bounded", recipe.Align(aligner="eflomal"), hard))
    for path in corpus.links:
        name = Path(path).name.split(".")[-2]
        runs.append((f"given {name}", recipe.Align(aligner="given", links=str(data / path)), default))
        heuristic = recipe.Project(solver="heuristic")
        runs.append((f"given {name}, heuristic", recipe.Align(aligner="given", links=str(data / path)), heuristic))
        if corpus.predicted:
            hull = recipe.Project(solver="hull", filter="none")
            for kind, project in (("no filter", recipe.Project(filter="none")), ("hull, no filter", hull)):
                runs.append((f"given {name}, {kind}", recipe.Align(aligner="given", links=str(data / path)), project))
    return runs


def own(text: str) -> tuple[str, recipe.Align, recipe.Project]:
    """The row of an aligner that the caller names: `aligner=awesome,model=/models/mbert,layer=8`."""
    assignments = [f"align.{part}" for part in text.split(",")]
    settings = plain.settings("align", assignments).align
    model = f" {Path(settings.model).name}" if settings.model else ""
    return f"{settings.aligner}{model}", settings, recipe.Project()


def main() -> None:
    """Run every corpus and print the table."""
    parser = argparse.ArgumentParser(description="Projection quality on gold corpora.")
    parser.add_argument("--only", action="append", default=[], help="corpora whose names contain this word")
    parser.add_argument("--align", action="append", default=[], help="an aligner of yours: key=value,…")
    parser.add_argument("--turned", action="store_true", help="from the other language to English")
    asked = parser.parse_args()
    mine = [own(text) for text in asked.align]
    data = Path(os.environ.get("XPROJ_DATA", ""))
    printed = Table("corpus", "set", "links and projection", "P", "R", "F1", "95 %", "ratio", "align s")
    found = gold_corpora(data)
    for corpus in [turned(corpus) for corpus in found if corpus.dev] if asked.turned else found:
        if asked.only and not any(word in corpus.name for word in asked.only):
            continue
        table = read(corpus, data)
        for name, align, project in [*rows(corpus, data), *mine]:
            try:
                column, seconds = links(table, align, *(lookup(name).code for name in (corpus.language, corpus.origin)))
            except BackendError as error:
                sys.stderr.write(f"{corpus.name}: {name} left out: {error}\n")
                continue
            scores = score(table, column, project)
            assert scores.spans is not None
            micro = scores.spans.micro
            low, high = micro.interval or (micro.f1, micro.f1)
            printed.add_row(
                corpus.name, "dev" if corpus.dev else "report", name, f"{micro.precision:.3f}", f"{micro.recall:.3f}",
                f"{micro.f1:.3f}", f"{low:.3f}–{high:.3f}", f"{scores.projection_ratio:.3f}", f"{seconds:.2f}",
            )  # fmt: skip
    Console(width=130).print(printed)


if __name__ == "__main__":
    main()
