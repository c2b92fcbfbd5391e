"""The plain form of `evaluate`: scores of a table, of a model, of links, and the comparison of two tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from xproj import corpora, evaluation, store, taggers
from xproj.columns import EntityColumn, LinkColumn
from xproj.errors import CorpusError, RecipeError, SchemaError
from xproj.schema import conform
from xproj.stages import check_labels, score_tagger
from xproj.tables import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xproj.evaluation import ComparisonScores, LinkScores, ProjectionScores, TaggingScores
    from xproj.recipe import Evaluate, Runtime

SLICE = 50_000
PROJECTED = ("id", "target_tokens", "target_entities", "target_gold", "source_entities", "dropped", "status")


def projected(path: Path, settings: Evaluate, *, limit: int = 0) -> ProjectionScores:
    """Score `target_entities` of a table against its `target_gold`.

    Raises:
        XprojError: the table cannot be read, or a column does not fit.
    """
    source = Source(path, limit=limit)
    columns = [name for name in PROJECTED if name in source.names]
    tables = source.slices(SLICE, columns)
    return evaluation.projection(tables, labels=settings.labels, resamples=settings.bootstrap)


def model(
    folder: Path, tagger: str | None, gold: Path, settings: Evaluate, runtime: Runtime | None = None
) -> TaggingScores:
    """Tag a gold corpus with a model and score the labels.

    Args:
        folder: the model.
        tagger: its back end; None: what `xproj train` has noted in the folder, else as its files tell, else spacy.
        gold: a labelled corpus.
        settings: renamed labels, resamples, training data that tell seen entities from unseen ones.
        runtime: where the model runs.

    Raises:
        XprojError: the model or a corpus cannot be read.
    """
    return score_tagger(_back_end(folder, tagger), str(folder), gold, settings, runtime=runtime)


def _back_end(folder: Path, tagger: str | None) -> str:
    if tagger is not None:
        return tagger
    if (folder / store.PROVENANCE).is_file():
        return str(store.read_provenance(folder)["settings"]["train"]["tagger"])
    return taggers.of_folder(folder) or "spacy"


def links(path: Path, gold: Path, settings: Evaluate) -> LinkScores:
    """Score links, a Parquet table with a column `links` or a file of i-j lines, against manual ones.

    Raises:
        XprojError: a file cannot be read, or the two have different numbers of sentences.
    """
    if path.is_dir() or path.suffix == ".parquet":
        source = Source(path)
        tables = (conform(table, ["links"], where=str(path)) for table in source.slices(SLICE, ["links"]))
        parts: Iterator[LinkColumn] = (LinkColumn.read(table["links"]) for table in tables)
    else:
        parts = iter([evaluation.read_gold_links(path).sure])
    return evaluation.links(parts, evaluation.read_gold_links(gold), resamples=settings.bootstrap)


def compared(
    first: Path,
    second: Path,
    gold: Path | None,
    settings: Evaluate,
    tagger: str | None = None,
    runtime: Runtime | None = None,
) -> ComparisonScores:
    """Compare two taggers on a gold corpus, or the `target_entities` of two tables of the same rows.

    Args:
        first: a model folder, or a table: a Parquet file or a folder of them.
        second: the other, of the same kind.
        gold: for taggers a labelled corpus; for tables one with `id` and `target_gold` of the same rows, None when both
            tables have their own.
        settings: renamed labels and resamples.
        tagger: the back end of both models; None: what each one notes.
        runtime: where they run.

    Raises:
        XprojError: a table or model cannot be read, the rows are not the same, or one is a model, the other a table.
    """
    models = [path.is_dir() and not any(path.glob("*.parquet")) for path in (first, second)]
    if models[0] != models[1]:
        model, table = (first, second) if models[0] else (second, first)
        raise RecipeError(
            f"evaluate --compare: {model} is a model, {table} a table; give two models with --input GOLD, or two tables"
        )
    if not models[0]:
        tables = [_with_gold(Source(path), None if gold is None else Source(gold)) for path in (first, second)]
    elif gold is None:
        raise RecipeError("evaluate --compare: two models need --input, a gold corpus that both tag")
    else:
        tables = [_tagged(path, tagger, gold, settings.labels, runtime) for path in (first, second)]
    return evaluation.compare(*tables, labels=settings.labels, resamples=settings.bootstrap)


def _tagged(
    folder: Path, tagger: str | None, gold: Path, renamed: Mapping[str, str], runtime: Runtime | None
) -> Iterator[pa.Table]:
    opened = taggers.open(_back_end(folder, tagger), str(folder), runtime=runtime)
    names: set[str] = set()
    for table in corpora.read_labelled(gold, labels=dict(renamed)):
        names |= set(EntityColumn.read(table["entities"]).names)
    check_labels(gold, names, opened.labels, renamed)
    for table in corpora.read_labelled(gold):
        predicted = taggers.predict(opened, table["tokens"])
        yield pa.table({"id": table["id"], "target_entities": predicted, "target_gold": table["entities"]})


def _with_gold(system: Source, gold: Source | None) -> Iterator[pa.Table]:
    columns = [name for name in ("id", *PROJECTED) if name in system.names]
    if gold is None:
        yield from system.slices(SLICE, columns)
        return
    if system.rows != gold.rows:
        raise CorpusError(
            f"{system.path} has {system.rows} rows, {gold.path} {gold.rows}; give tables of the same rows"
        )
    mine = [name for name in columns if name != "target_gold"]
    pairs = zip(system.slices(SLICE, mine), gold.slices(SLICE, ["id", "target_gold"]), strict=True)
    for table, truth in pairs:
        if not table["id"].cast(pa.string()).equals(truth["id"].cast(pa.string())):
            raise SchemaError(f"{system.path} and {gold.path} differ in their ids; give tables of the same rows")
        yield table.append_column("target_gold", truth["target_gold"])
