"""What people see: progress and remarks on stderr, results as tables or JSON on stdout."""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from xproj import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from xproj.analysis import Analysis


# format characters that scripts are written with: joiners, marks of direction, signs that enclose numbers
WRITTEN = frozenset(
    "\u200c\u200d\u200e\u200f\u061c\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str) -> str:
    """The text with characters that would steer a terminal, or do not show, as they are written in Python (`\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in HIDDEN and c not in WRITTEN else c for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json(value: Any) -> str:
    """The value as JSON that a terminal can show: the same, with `\\u009b` for what `visible` would change."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    if text.replace("\n", "").isprintable():
        return text
    kept = WRITTEN | {"\n"}  # between values; inside of them it is written as \n already
    return "".join(_json_escape(c) if unicodedata.category(c) in HIDDEN and c not in kept else c for c in text)


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1] if character > "\x7f" else f"\\u{ord(character):04x}"


def say(line: str) -> None:
    """One line on stderr."""
    sys.stderr.write(line + "\n")


def emit(value: Any, *renderables: RenderableType, as_json: bool) -> None:
    """A result on stdout: the value as JSON, or the tables that show it. Only the first of several processes tells."""
    if not processes.first():
        return
    if as_json:
        sys.stdout.write(_json(value) + "\n")
        return
    # no folding of long paths where nobody looks at a terminal
    console = Console(markup=False) if sys.stdout.isatty() else Console(markup=False, width=200)
    for renderable in renderables:
        console.print(renderable, highlight=False, soft_wrap=isinstance(renderable, str))


def table(title: str | None, *columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table; columns in `right` are numbers."""
    made = Table(title=title, title_justify="left", caption_justify="left")
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def counts_text(counts: Mapping[str, Any]) -> str:
    """Counts and figures in one line, nested ones left out."""
    # the scores of `evaluate` are nested; in one line, F1 stands for them
    spans = {"projection": counts.get("projection", {}).get("spans"), "tagging": counts.get("tagging")}
    counts = {**counts, **{f"{name} F1": found["micro"]["f1"] for name, found in spans.items() if found}}
    flat = {key: value for key, value in counts.items() if isinstance(value, (int, float, str))}
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in flat.items()
    )


def scores_table(title: str, scores: Mapping[str, Any]) -> Table:
    """Span scores kept as JSON: a row per label, length, seen and unseen, and one for all."""
    made = table(
        title, "label", "P", "R", "F1", "95 %", "gold", "predicted", right=("P", "R", "F1", "gold", "predicted")
    )
    lengths = {f"{name} word{'s' * (name != '1')}": score for name, score in scores["lengths"].items()}
    seen = {f"{name} in training": score for name, score in scores["seen"].items()}
    for part in (scores["labels"], lengths, seen, {"all": scores["micro"]}):
        for name, score in part.items():
            low_high = score["interval"]
            interval = "" if low_high is None else f"{low_high[0]:.3f} … {low_high[1]:.3f}"
            numbers = [f"{score[key]:.3f}" for key in ("precision", "recall", "f1")]
            made.add_row(name, *numbers, interval, str(score["support"]), str(score["predicted"]))
        made.add_section()
    return made


def analysis_tables(found: Analysis) -> Iterator[RenderableType]:
    """What `xproj analyse` has found: both corpora side by side, and what of the target the source has."""

    def shown(value: float | None, form: str = ".3f") -> str:
        return "" if value is None else format(value, form)

    sides = found.source, found.target
    made = table(None, "", "source", "target", right=("source", "target"))
    for name, key, form in (
        ("sentences", "sentences", ","),
        ("words", "words", ","),
        ("words in entities", "entity_words", ","),
        ("sub-words per word", "fertility", ".2f"),
        ("words with unknown sub-words", "unknown_words", ".1%"),
        ("unknown sub-words", "unknown_pieces", ".1%"),
        ("sub-words of one character", "single_characters", ".1%"),
    ):
        if getattr(found.source, key) is not None:
            made.add_row(name, *(shown(getattr(side, key), form) for side in sides))
    made.add_row("scripts", *(", ".join(f"{s} {x:.1%}" for s, x in list(side.scripts.items())[:3]) for side in sides))
    yield made
    columns = "types", "tokens", "shared types", "source types", "target types"
    made = table(None, "of the target, the source has", *columns, right=columns)
    for name, part in (
        ("words", found.words),
        ("words in entities", found.entity_words),
        ("sub-words", found.pieces),
        ("sub-words in entities", found.entity_pieces),
    ):
        if part is not None:
            numbers = part.shared_types, part.source_types, part.target_types
            made.add_row(name, shown(part.types), shown(part.tokens), *(f"{number:,}" for number in numbers))
    yield made
    yield f"script match {found.script_match:.3f}"


def event_text(event: Mapping[str, Any]) -> str:
    """A finished piece of work in one line."""
    where = f" shard {event['shard']}" if "shard" in event else ""
    return f"{event['stage']}{where}: {counts_text(event['counts'])}"


def outcome(result: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What a run has brought: scores first, then where things are."""
    language, scores = result["language"], result["scores"]
    project = result["counts"].get("project", {})
    if scores.get("projection", {}).get("spans"):
        yield scores_table(f"{language}: projection against target gold", scores["projection"]["spans"])
    if "tagging" in scores:
        yield scores_table(f"{language}: trained tagger on the gold corpus", scores["tagging"])
    yield f"{language}: {counts_text(project)}"
    names = {"silver": "silver corpus", "train": "tagger", "evaluate": "scores"}
    for stage, folder in result["folders"].items():
        yield f"{names[stage]:14} {folder}"


class Silent:
    """Reports nothing."""

    def stage(self, name: str, total: int | None, reason: str) -> None:
        """Nothing."""

    def advance(self, done: int, total: int | None, rows: int) -> None:
        """Nothing."""

    def note(self, line: str) -> None:
        """Nothing."""

    def finish(self, name: str, counts: dict[str, Any], seconds: float) -> None:
        """Nothing."""


class Lines(Silent):
    """A line per stage, where nobody looks at a terminal."""

    def note(self, line: str) -> None:
        """A remark."""
        say(f"  {line}")

    def finish(self, name: str, counts: dict[str, Any], seconds: float) -> None:
        """The stage, its time and its counts."""
        say(f"{name} {seconds:.1f} s: {counts_text(counts)}")


@dataclass
class Bars(Lines):
    """A bar per stage, with rate and time left."""

    progress: Progress
    _task: Any = None
    _rows: int = 0
    _began: float = field(default_factory=time.monotonic)

    def stage(self, name: str, total: int | None, reason: str) -> None:
        """A new bar."""
        self._clear()
        self._rows, self._began = 0, time.monotonic()
        self._task = self.progress.add_task(name, total=total, rate=reason)

    def advance(self, done: int, total: int | None, rows: int) -> None:
        """Move the bar."""
        self._rows += rows
        seconds = max(time.monotonic() - self._began, 1e-6)
        rate = f"{self._rows / seconds:,.0f} rows/s" if self._rows else ""
        self.progress.update(self._task, completed=done, total=total, rate=rate)

    def note(self, line: str) -> None:
        """A remark above the bar."""
        self.progress.console.print(f"  {line}", highlight=False, markup=False)

    def finish(self, name: str, counts: dict[str, Any], seconds: float) -> None:
        """A line instead of the bar."""
        self._clear()
        line = f"{name} {seconds:.1f} s: {counts_text(counts)}"
        self.progress.console.print(line, highlight=False, markup=False)

    def _clear(self) -> None:
        if self._task is not None:
            self.progress.remove_task(self._task)
            self._task = None


def _bars() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


@contextmanager
def reporter(*, quiet: bool) -> Iterator[Silent]:
    """Who reports the stages of a run: bars on a terminal, lines elsewhere, nobody when quiet."""
    if quiet or not processes.first():
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        with _bars() as progress:
            yield Bars(progress)


@contextmanager
def row_progress(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar of rows for one plain stage; None where nobody looks."""
    if quiet or not (processes.first() and sys.stderr.isatty()):
        yield None
        return
    with _bars() as progress:
        task, began = progress.add_task(name, total=None, rate=""), time.monotonic()

        def update(done: int, total: int) -> None:
            rate = f"{done / max(time.monotonic() - began, 1e-6):,.0f} rows/s"
            progress.update(task, completed=done, total=total or None, rate=rate)

        yield update


def sentence_lines(row: Mapping[str, Any]) -> Iterator[str]:
    """One sentence through all stages, for reading; nothing in it steers the terminal."""
    return map(visible, _sentence_lines(row))


def _sentence_lines(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"id        {row['id']}"
    yield f"status    {row.get('status')}"
    for side, entities in (("source", "source_entities"), ("target", "target_entities")):
        yield f"{side}    {marked(row.get(f'{side}_tokens') or [], row.get(entities) or [])}"
    if row.get("target_gold") is not None:
        yield f"gold      {marked(row.get('target_tokens') or [], row['target_gold'])}"
    source, target = row.get("source_tokens") or [], row.get("target_tokens") or []
    links = [f"{source[x['source']]}–{target[x['target']]} {x['score']:.2f}" for x in row.get("links") or []]
    yield f"links     {', '.join(links)}"
    for lost in row.get("dropped") or []:
        entity = row["source_entities"][lost["source_entity"]]
        yield f"dropped   {' '.join(source[entity['start'] : entity['end']])}: {lost['reason']}"


def marked(words: Sequence[str], entities: Sequence[Mapping[str, Any]]) -> str:
    """A sentence with its entities in brackets: `[PER Ada Lovelace] wrote`."""
    opening = {e["start"]: f"[{e['label']} " for e in entities}
    closing = {e["end"] - 1 for e in entities}
    return " ".join(opening.get(i, "") + word + "]" * (i in closing) for i, word in enumerate(words))
