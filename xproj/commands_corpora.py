"""What the commands on whole corpora do once their options are parsed: `export`, `vote`, `ensemble`, `analyse`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xproj import console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Output:
    """How a result is told: as JSON, and with or without progress and remarks."""

    json: bool
    quiet: bool


def export(silver: Path, form: str, output: Path, as_json: bool) -> None:
    """`xproj export`."""
    from xproj.corpora.export import export as write
    from xproj.tables import check_place

    check_place(output)
    counts = write(silver, form, output)
    console.emit({"output": str(output), "counts": counts}, f"{output}: {console.counts_text(counts)}", as_json=as_json)


def vote(
    voters: Sequence[Path], output: Path, method: str, min_share: float, shard_size: int | None, how: Output
) -> None:
    """`xproj vote`."""
    from xproj import voting

    rows = shard_size or voting.SLICE
    with console.row_progress("vote", quiet=how.quiet) as progress:
        result = voting.vote(voters, output, method=method, min_share=min_share, rows=rows, progress=progress)
    if not how.quiet:
        for note in result.notes:
            console.say(note)
    value = {"output": str(output), "counts": result.counts, "notes": result.notes}
    value |= {} if result.voters is None else {"bea": result.voters}
    console.emit(value, f"{output}: {console.counts_text(result.counts)}", as_json=how.json)


@dataclass(frozen=True)
class Models:
    """The two taggers of an ensemble, each with its back end where that is said."""

    target: Path
    target_tagger: str | None
    source: Path
    source_tagger: str | None


def ensemble(
    path: Path, output: Path, models: Models, share: float, min_link: float, shard_size: int | None, how: Output
) -> None:
    """`xproj ensemble`."""
    from xproj import ensembling

    target = ensembling.opened(models.target, models.target_tagger)
    source = ensembling.opened(models.source, models.source_tagger)
    settings = ensembling.Settings(share, min_link)
    rows = shard_size or ensembling.SLICE
    with console.row_progress("ensemble", quiet=how.quiet) as progress:
        result = ensembling.run(path, output, target, source, settings, rows=rows, progress=progress)
    value = {"output": str(output), "counts": result.counts}
    console.emit(value, f"{output}: {console.counts_text(result.counts)}", as_json=how.json)


@dataclass(frozen=True)
class Corpora:
    """What `analyse` compares, and in which languages."""

    source: Path
    target: Path
    model: str | None
    revision: str | None
    languages: tuple[str | None, str | None]
    limit: int | None


def analyse(what: Corpora, as_json: bool, quiet: bool) -> None:
    """`xproj analyse`."""
    from xproj import analysis
    from xproj.languages import lookup

    source, target = (None if code is None else lookup(code) for code in what.languages)
    found = analysis.analyse(
        what.source,
        what.target,
        model=what.model,
        revision=what.revision,
        languages=(source, target),
        limit=what.limit or 0,
    )
    console.emit(found.as_dict(), *console.analysis_tables(found), as_json=as_json)
    for line in () if quiet else found.warnings:
        console.say(line)
