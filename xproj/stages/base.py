"""What a stage is: what it reads, what it adds, a map over tables, and for some a fit on the whole corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from xproj.languages import Language, lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from xproj.recipe import Recipe

    Progress = Callable[[int, int], None]
    Counts = dict[str, int]

TEXTS = ("source_text", "target_text")
TOKENS = ("source_tokens", "target_tokens")
# a language that nobody has named: words at ICU's root rules, spaCy's multi-language pipeline
UNDETERMINED = Language("und", "und", "und", "undetermined", "Zyyy", True, False, "xx")

WORDS = "`xproj ingest` splits text into words, `xproj translate` makes the other side"
REMEDIES = {
    "source_tokens": WORDS,
    "target_tokens": WORDS,
    "source_entities": "`xproj ingest` reads labels, `xproj tag` makes them",
    "links": "`xproj align` makes it",
    "marked_text": 'add [translate] with markers, e.g. "blanks", on route = "translate-train"; without a recipe '
    "`xproj translate --set translate.markers=blanks` makes it",
}
"""What makes a column that is missing."""


@dataclass(frozen=True)
class Mapped:
    """What a stage makes of a table: the columns that it adds, each as long as the table, and counts that add up."""

    columns: dict[str, pa.Array]
    counts: Counts


@dataclass(frozen=True)
class Inputs:
    """What a fit reads: tables with the stage's columns, as often as it likes, and the folders of earlier fits."""

    read: Callable[[], Iterator[pa.Table]]
    folders: Mapping[str, Path]

    def __iter__(self) -> Iterator[pa.Table]:
        return self.read()


class Stage:
    """A stage with the recipe it works by; subclasses declare and override."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    required: ClassVar[tuple[str, ...]] = ("id",)
    optional: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[tuple[str, ...]] = ()
    keys: ClassVar[tuple[str, ...]] = ()  # what it reads of the recipe beside its own table; `table.key` of others
    follows: ClassVar[tuple[str, ...]] = ()  # the stages whose whole folder it reads, where they are planned
    ignores: ClassVar[tuple[str, ...]] = ()  # keys of its own table that do not change its result
    sharded: ClassVar[bool] = True
    fit_rows: ClassVar[int] = 0  # a fit looks at so many rows, the first ones; 0: at all of them

    def __init__(self, recipe: Recipe, fitted: Path | None = None) -> None:
        self.recipe = recipe
        self.fitted = fitted

    @classmethod
    def planned(cls, recipe: Recipe) -> bool:
        """Is the stage part of this recipe?"""
        return getattr(recipe, cls.name) is not None

    def reads(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The columns without which it cannot work, and those it uses when they are there."""
        return self.required, self.optional

    def one_of(self) -> tuple[str, ...]:
        """Of the optional columns, those of which there must be one; none by default."""
        return ()

    def adding(self) -> tuple[str, ...]:
        """The columns it adds or replaces."""
        return self.adds

    def remedy(self, column: str) -> str:
        """What to do when a column that it requires is missing."""
        if column.startswith("score_"):
            from xproj.scorers import BACKENDS

            name = column.removeprefix("score_")
            known = f"{name!r} is no scorer of xproj ({', '.join(BACKENDS)}), so the column must be yours"
            return f"add [score] with scorers = [{name!r}]" if name in BACKENDS else known
        return REMEDIES.get(column, "add [score]")

    def remarks(self, counts: Mapping[str, int]) -> list[str]:
        """What the user should know about the counts of the whole corpus, a line each."""
        return []

    def check(self) -> None:
        """Look at what can be seen of its settings without an engine: whoever opens a recipe calls it, before any work.

        Raises:
            XprojError: a model that is not there, or does not have what is asked of it.
        """

    def check_machine(self) -> None:
        """Look at whether this machine has the programs that it needs: before its work, and not where it is done.

        Raises:
            XprojError: what is missing, and how it is installed.
        """

    def needs_fit(self) -> bool:
        """Must `fit` run before the first `map`?"""
        return not self.sharded

    def runtime_keys(self) -> tuple[str, ...]:
        """The keys of `[runtime]` that change its result after all, and so are part of its fingerprint."""
        return ()

    def resolved(self) -> dict[str, Any]:
        """Settings of its own table that `auto` stands for here; they are part of its fingerprint."""
        return {}

    def runs_model(self) -> bool:
        """Does it run a neural model, so that a worker takes more than one thread?"""
        return False

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Read the whole corpus, or `fit_rows` of it, and fill the folder `output`; returns counts and figures."""
        raise NotImplementedError(f"stage {self.name} has no fit")

    def begin(self, rows: int) -> None:
        """Called once before the first `map`: so many rows has the whole corpus."""

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """The added columns of a table that has the columns of `reads`; its first row is that row of the corpus."""
        raise NotImplementedError(f"stage {self.name} has no shards")

    def field(self, name: str, type_: pa.DataType) -> pa.Field:
        """How a column that it adds is declared in a file."""
        return pa.field(name, type_)

    @property
    def languages(self) -> tuple[str, str]:
        """The codes of the source and the target language; `und` when it is not said."""
        return self.recipe.source, self.recipe.language or UNDETERMINED.code


def language_of(code: str | None) -> Language:
    """The language of a code; `UNDETERMINED` when none is given."""
    return UNDETERMINED if code in (None, UNDETERMINED.code) else lookup(str(code))
