"""The command line: each command parses, calls one function of `xproj.commands`, and ends with its exit code.

Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from xproj import __version__
from xproj.cli_options import (
    RUNS,
    Json,
    Language,
    Languages,
    Limit,
    Quiet,
    RecipePath,
    Runs,
    Set,
    ShardSize,
    SourceLanguage,
    Workers,
)
from xproj.cli_stages import app as stages
from xproj.errors import XprojError

INTERRUPTED = 130

app = typer.Typer(
    name="xproj",
    help="Labelled corpora for languages that nobody has labelled: align, project, train.",
    epilog="Begin with: xproj new bitext > my.toml, then xproj run my.toml. `xproj COMMAND --help` shows examples.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="say it and stop")] = False
) -> None:
    """Labelled corpora for languages that nobody has labelled: align, project, train."""
    if version:
        typer.echo(f"xproj {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def new(
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="bitext, translate-train or translate-test")],
) -> None:
    """Write a starter recipe to stdout, every key explained.

    Example: `xproj new bitext > my.toml`
    """
    from xproj.starter import starter

    typer.echo(starter(route), nl=False)


@app.command()
def run(
    recipe: RecipePath,
    language: Languages = None,
    set_: Set = None,
    workers: Workers = None,
    limit: Limit = None,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Do everything a recipe asks for and that is not done yet.

    Example: `xproj run pipelines/demo.toml --language deu_Latn --language swh_Latn --workers 2`
    """
    from xproj import commands

    commands.run(commands.Choice(recipe, language, set_, limit, runs), workers, json, quiet)


@app.command()
def plan(
    recipe: RecipePath,
    language: Languages = None,
    set_: Set = None,
    limit: Limit = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Show what `run` would do, and why; do nothing.

    Example: `xproj plan pipelines/demo.toml --language deu_Latn --set project.solver=greedy`
    """
    from xproj import commands

    commands.plan(commands.Choice(recipe, language, set_, limit, runs), json)


@app.command()
def status(
    recipe: RecipePath,
    language: Languages = None,
    set_: Set = None,
    limit: Limit = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Show how far a recipe is: parts, counts of rows and entities, folders.

    Example: `xproj status pipelines/demo.toml --language deu_Latn`
    """
    from xproj import commands

    commands.status(commands.Choice(recipe, language, set_, limit, runs), json)


@app.command()
def show(
    recipe: RecipePath,
    id_: Annotated[str, typer.Argument(metavar="ID", help="the id of a sentence")],
    language: Language = None,
    set_: Set = None,
    limit: Limit = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Show one sentence through all stages.

    Example: `xproj show pipelines/demo.toml deu-0001 --language deu_Latn`
    """
    from xproj import commands

    choice = commands.Choice(recipe, None if language is None else [language], set_, limit, runs)
    commands.show(choice, id_, json)


@app.command()
def verify(
    language: Languages = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Read every file in the folder of runs and check sums, provenance and ids; ends with 2 when something is damaged.

    Example: `xproj verify --language deu_Latn`
    """
    from xproj import commands

    commands.verify(runs, language, json)


@app.command()
def clean(
    recipes: Annotated[list[Path] | None, typer.Argument(metavar="RECIPE", help="what these use is kept")] = None,
    language: Languages = None,
    set_: Set = None,
    limit: Limit = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="remove it")] = False,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Remove leftovers of killed processes and, in the languages of the recipes given, all that these do not use.

    Example: `xproj clean pipelines/demo.toml --language deu_Latn --dry-run`
    """
    from xproj import commands

    choices = [commands.Choice(recipe, language, set_, limit, runs) for recipe in recipes or []]
    commands.clean(choices, runs, yes and not dry_run, json)


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
    from xproj import commands

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
    from xproj import commands

    commands.vote(voters, output, method, min_share, shard_size, commands.How(None, False, None, json, quiet))


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
    from xproj import commands

    models = commands.Models(model, tagger, source_model, source_tagger)
    how = commands.How(None, False, None, json, quiet)
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
    from xproj import commands

    what = commands.Corpora(source, target, model, revision, (source_language, language), limit)
    commands.analyse(what, json, quiet)


@app.command()
def doctor(runs: Runs = RUNS, json: Json = False, quiet: Quiet = False) -> None:
    """Check this installation: versions, optional packages, writable places; align and project a sentence.

    The first time this compiles the kernels, so that later runs need not. Ends with 2 when something is wrong.

    Example: `xproj doctor`
    """
    from xproj import commands

    commands.doctor(runs, json, quiet)


@app.command()
def languages(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="part of a code or a name")] = "",
    json: Json = False,
) -> None:
    """List the known languages and their codes.

    Example: `xproj languages swahili`
    """
    from xproj import commands

    commands.languages(query, json)


app.add_typer(stages)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and end the process with its exit code: 0 done, 1 our fault (a traceback), 2 the user's input."""
    command: Any = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="xproj", standalone_mode=False) or 0
        if code == INTERRUPTED:  # newer typer turns Ctrl-C into an exit code
            raise KeyboardInterrupt
    except XprojError as error:
        code = _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = _refuse("interrupted; what is finished is kept, run again to go on", INTERRUPTED)
    except BrokenPipeError:
        # whoever read our output has gone; nothing may be written to it on the way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        # typer has moved its usage errors between modules; all of them can format themselves
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "xproj"
        code = _refuse(f"{error.format_message().rstrip('.')}; see `{where} --help`")
    sys.exit(code)


def _refuse(message: str, code: int = 2) -> int:
    sys.stderr.write(f"xproj: {' '.join(message.split())}\n")
    return code
