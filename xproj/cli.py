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
from xproj.cli_corpora import app as corpora
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
app.add_typer(corpora)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and end the process with its exit code: 0 done, 1 our fault (a traceback), 2 the user's input."""
    command: Any = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="xproj", standalone_mode=False) or 0
        if code == INTERRUPTED:  # newer typer turns Ctrl-C into an exit code
            raise KeyboardInterrupt
        sys.stdout.flush()  # here and not at the exit, where nobody could catch what comes of it
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
