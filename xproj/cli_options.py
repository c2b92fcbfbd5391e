"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="a recipe in TOML; `xproj new` writes one")]
MaybeRecipe = Annotated[Path | None, typer.Argument(metavar="RECIPE", help="a recipe; without it the plain form")]
Input = Annotated[Path | None, typer.Option("--input", help="plain form: a Parquet file or a folder of them")]
CorpusInput = Annotated[
    Path | None,
    typer.Option(
        "--input",
        help="plain form: a corpus in any format (CoNLL, JSONL, Parquet, text, TSV; .gz, .zst), folders and globs too",
    ),
]
Output = Annotated[Path | None, typer.Option("--output", help="plain form: a .parquet file, else a folder of parts")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="TABLE.KEY=VALUE", help="override a setting; repeatable")
]
Language = Annotated[str | None, typer.Option("--language", help="the language to label; any known code")]
Languages = Annotated[list[str] | None, typer.Option("--language", help="the language to label; repeatable")]
SourceLanguage = Annotated[str | None, typer.Option("--source", help="the language that has labels")]
Runs = Annotated[Path, typer.Option("--runs", help="the folder of all runs")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="only the first N sentences")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="processes; overrides [runtime] workers")]
Shards = Annotated[list[int] | None, typer.Option("--shard", min=0, help="only this shard, here and now; repeatable")]
Fit = Annotated[bool, typer.Option("--fit", help="only the fit over the whole corpus, here and now")]
ShardSize = Annotated[int | None, typer.Option("--shard-size", min=1, help="plain form: rows at a time")]
Json = Annotated[bool, typer.Option("--json", help="results for machines")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress, no remarks")]
RUNS = Path("runs")
