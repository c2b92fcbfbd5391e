"""The commands on whole corpora: another format, a vote, an ensemble of taggers, what two corpora share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xproj.cli_options import Json, Language, Limit, Quiet, ShardSize, SourceLanguage

app = typer.Typer()


@app.command()
def export(
    silver: Annotated[Path, typer.Argument(metavar="SILVER", help="a silver folder, or any labelled corpus")],
    form: Annotated[str, typer.Option("--format", help="conll, spacy or jsonl")] = "conll",
    output: Annotated[Path, typer.Option("--output", help="the file to write")] = Path("silver.conll"),
    json: Json = False,
) -> None:
    """Write a silver dataset in another format.

    Example: `xproj export silver/ --format spacy --output silver.spacy`
    """
    from xproj import commands_corpora as commands

    commands.export(silver, form, output, json)


@app.command()
def vote(
    voters: Annotated[list[Path], typer.Argument(metavar="A B…", help="projections of the same rows; Parquet")],
    output: Annotated[Path, typer.Option("--output", help="a .parquet file, else a folder of parts")],
    method: Annotated[str, typer.Option("--method", help="majority, or bea for ten voters and more")] = "majority",
    min_share: Annotated[
        float, typer.Option("--min-share", min=0, max=1, help="a span needs more than this share, or probability")
    ] = 0.5,
    shard_size: ShardSize = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Combine several projections of the same rows: the columns of A, with the labels that the voters elect.

    Example: `xproj vote a.parquet b.parquet c.parquet --output voted.parquet`
    """
    from xproj import commands_corpora as commands

    commands.vote(voters, output, method, min_share, shard_size, commands.Output(json, quiet))


@app.command()
def ensemble(
    input_: Annotated[Path, typer.Option("--input", help="translations with links: a Parquet file or a folder")],
    output: Annotated[Path, typer.Option("--output", help="a .parquet file, else a folder of parts")],
    model: Annotated[Path, typer.Option("--model", help="a tagger of the target language")],
    source_model: Annotated[Path, typer.Option("--source-model", help="a tagger of the translation")],
    tagger: Annotated[str | None, typer.Option("--tagger", help="the back end of --model")] = None,
    source_tagger: Annotated[str | None, typer.Option("--source-tagger", help="that of --source-model")] = None,
    share: Annotated[float, typer.Option("--share", min=0, max=1, help="of what comes over links")] = 0.5,
    min_link: Annotated[float, typer.Option("--min-link", min=0, max=1, help="weaker links do not count")] = 0.0,
    shard_size: ShardSize = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Label target sentences by two taggers: one reads them, the other their translation, whose labels come over links.

    Example: `xproj ensemble --input linked.parquet --output out.parquet --model swahili --source-model english`
    """
    from xproj import commands_corpora as commands

    models = commands.Models(model, tagger, source_model, source_tagger)
    how = commands.Output(json, quiet)
    commands.ensemble(input_, output, models, share, min_link, shard_size, how)


@app.command()
def analyse(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="a corpus of the language that has labels")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="a corpus of the language to label")],
    model: Annotated[str | None, typer.Option("--model", help="an encoder: a folder, or a hub name")] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="the commit of a hub model")] = None,
    language: Language = None,
    source_language: SourceLanguage = None,
    limit: Limit = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare two corpora: shared words, words of entities and scripts; with --model also its sub-words.

    Example: `xproj analyse english.conll silver/ --model encoders/afro-xlmr-base`
    """
    from xproj import commands_corpora as commands

    what = commands.Corpora(source, target, model, revision, (source_language, language), limit)
    commands.analyse(what, json, quiet)
