"""The commands of the stages: each works on a recipe, or in its plain form on one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xproj.cli_options import (
    RUNS,
    CorpusInput,
    Fit,
    Input,
    Json,
    Language,
    Limit,
    MaybeRecipe,
    Output,
    Quiet,
    Runs,
    Set,
    Shards,
    ShardSize,
    SourceLanguage,
    Workers,
)

app = typer.Typer()


def _stage(name: str, about: str, given: Any = Input) -> None:
    """Register a stage without options of its own; `given` is what it says of --input."""

    def command(
        recipe: MaybeRecipe = None,
        input_: Input = None,
        output: Output = None,
        set_: Set = None,
        language: Language = None,
        source: SourceLanguage = None,
        shard: Shards = None,
        fit: Fit = False,
        shard_size: ShardSize = None,
        limit: Limit = None,
        workers: Workers = None,
        runs: Runs = RUNS,
        json: Json = False,
        quiet: Quiet = False,
    ) -> None:
        from xproj import commands, commands_stages

        place = commands_stages.Place(input_, output, source, shard_size)
        choice = commands.Choice(recipe, None if language is None else [language], set_, limit, runs)
        commands_stages.stage(name, choice, place, commands_stages.How(shard, fit, workers, json, quiet))

    command.__annotations__["input_"] = given
    app.command(name, help=about)(command)


_stage(
    "ingest",
    """Read a corpus: CoNLL, JSONL, Parquet, text, bitext; of one side on the routes that translate it.

    Example: `xproj ingest --input pairs.tsv --output corpus.parquet --language swh_Latn`

    Example: `xproj ingest --set ingest.source_path=en.conll --set ingest.target_path=de.conll --output corpus.parquet`

    Example: `xproj ingest --input en.conll --output corpus.parquet --set route=translate-train`
    """,
    CorpusInput,
)
_stage(
    "translate",
    """Make the missing side of each pair: of the source side, or of the target side where only it is filled.

    Example: `xproj translate --input corpus.parquet --output pairs.parquet --language swh_Latn
    --set translate.translator=fake`
    """,
)


@app.command()
def tag(
    recipe: MaybeRecipe = None,
    input_: Input = None,
    output: Output = None,
    side: Annotated[str, typer.Option("--side", help="plain form: source, or target for the other side")] = "source",
    probabilities: Annotated[bool, typer.Option("--probabilities", help="with --side target: all labels")] = False,
    set_: Set = None,
    language: Language = None,
    source: SourceLanguage = None,
    shard: Shards = None,
    fit: Fit = False,
    shard_size: ShardSize = None,
    limit: Limit = None,
    workers: Workers = None,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Label the sentences that have no labels.

    Example: `xproj tag --input A.parquet --output B.parquet --set tag.tagger=spacy --set tag.model=MODEL`
    """
    from xproj import commands, commands_stages

    place = commands_stages.Place(input_, output, source, shard_size, side=side, probabilities=probabilities)
    choice = commands.Choice(recipe, None if language is None else [language], set_, limit, runs)
    commands_stages.stage("tag", choice, place, commands_stages.How(shard, fit, workers, json, quiet))


_stage(
    "back",
    """Translate the labelled source sentences back into the target language.

    Example: `xproj back --input tagged.parquet --output back.parquet --set back.translator=fake --language swh_Latn`
    """,
)


@app.command()
def align(
    recipe: MaybeRecipe = None,
    input_: Input = None,
    output: Output = None,
    form: Annotated[str, typer.Option("--format", help="plain form: parquet, or pharaoh for i-j lines")] = "parquet",
    set_: Set = None,
    language: Language = None,
    source: SourceLanguage = None,
    shard: Shards = None,
    fit: Fit = False,
    shard_size: ShardSize = None,
    limit: Limit = None,
    workers: Workers = None,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Link the words of each pair.

    Example: `xproj align --input corpus.parquet --output links.parquet --language swh --set align.threshold=0.2`

    Example: `xproj align --input corpus.parquet --output links.txt --language swh --format pharaoh`
    """
    from xproj import commands, commands_stages

    place = commands_stages.Place(input_, output, source, shard_size, form=form)
    choice = commands.Choice(recipe, None if language is None else [language], set_, limit, runs)
    commands_stages.stage("align", choice, place, commands_stages.How(shard, fit, workers, json, quiet))


_stage(
    "score",
    """Score target spans with models; needs `[score]`.

    Example: `xproj score my.toml`
    """,
)
_stage(
    "project",
    """Carry the labels over the links.

    Example: `xproj project --input links.parquet --output projected.parquet --set project.solver=greedy`
    """,
)
_stage(
    "silver",
    """Write the labelled target sentences as a dataset.

    Example: `xproj silver --input projected.parquet --output silver --language swh_Latn`
    """,
)


@app.command()
def train(
    data: Annotated[Path, typer.Argument(metavar="DATA|RECIPE", help="with --output a labelled corpus, else a recipe")],
    output: Annotated[Path | None, typer.Option("--output", help="the model folder to write")] = None,
    set_: Set = None,
    language: Language = None,
    fit: Fit = False,
    limit: Limit = None,
    workers: Workers = None,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a tagger on a silver folder, CoNLL, JSONL or Parquet, or on the silver corpus of a recipe.

    Example: `xproj train silver/ --output tagger --language swh_Latn --set train.epochs=30`
    """
    from xproj import commands, commands_stages

    choice = commands.Choice(data, None if language is None else [language], set_, limit, runs)
    commands_stages.train(choice, output, commands_stages.How(None, fit, workers, json, quiet))


@app.command()
def evaluate(
    recipe: MaybeRecipe = None,
    input_: Annotated[
        Path | None, typer.Option("--input", help="a projected table; with --model a gold corpus")
    ] = None,
    model: Annotated[Path | None, typer.Option("--model", help="a tagger that tags the gold corpus --input")] = None,
    tagger: Annotated[str | None, typer.Option("--tagger", help="the back end of the models")] = None,
    links: Annotated[Path | None, typer.Option("--links", help="links to score: Parquet or i-j lines")] = None,
    gold: Annotated[Path | None, typer.Option("--gold", help="manual links: i-j sure, ipj possible")] = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option("--compare", metavar="A B", help="two models, or tables")
    ] = None,
    set_: Set = None,
    language: Language = None,
    fit: Fit = False,
    limit: Limit = None,
    workers: Workers = None,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a projection, a tagger or links; or compare two taggers or projections.

    Example: `xproj evaluate --input projected.parquet`

    Example: `xproj evaluate --model tagger --input gold.conll --set 'evaluate.labels={DATE = "O"}'`

    Example: `xproj evaluate --model tagger --input gold.conll --set evaluate.training=silver`

    Example: `xproj evaluate --compare tagger-a tagger-b --input gold.conll`

    Example: `xproj evaluate --links links.txt --gold gold.align`

    Example: `xproj evaluate --compare a.parquet b.parquet --input gold.parquet`
    """
    from xproj import commands, commands_stages

    choice = commands.Choice(recipe, None if language is None else [language], set_, limit, runs)
    what = commands_stages.Evaluation(input_, model, tagger, links, gold, compare)
    commands_stages.evaluate(choice, what, commands_stages.How(None, fit, workers, json, quiet))
