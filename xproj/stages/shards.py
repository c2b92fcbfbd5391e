"""The stages that map shard to shard, from the corpus to projected labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj import schema
from xproj.columns import EntityColumn, TokenColumn, build_list, combine
from xproj.recipe import COMPUTED
from xproj.rows import count_rows, ok_rows, only, pair, total, with_span
from xproj.stages.base import TEXTS, TOKENS, Inputs, Mapped, Stage, language_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xproj import corpora
    from xproj.aligners import Aligner
    from xproj.aligners.given import GivenAligner
    from xproj.frequencies import Frequencies
    from xproj.recipe import Recipe
    from xproj.stages.base import Counts, Progress
    from xproj.taggers import Tagger


# which sides a corpus must have; the other one is made by `translate`
SIDES: dict[str, Literal["both", "source", "target"]] = {
    "bitext": "both",
    "translate-train": "source",
    "translate-test": "target",
}


class Ingest(Stage):
    """Corpus files become rows with an id, words, labels and a status."""

    name = "ingest"
    required = ()
    adds = ("id", *TEXTS, *TOKENS, "source_entities", "source_predicted", "target_gold", "status")
    keys = ("route", "language", "source")

    def tables(self, notes: corpora.IngestNotes) -> Iterator[pa.Table]:
        """The corpus in tables of one shard each; what is odd about it is noted on the way."""
        from xproj import corpora

        source, target = (language_of(code) for code in self.languages)
        side = SIDES[self.recipe.route]
        for table in corpora.ingest(self.recipe.ingest, source=source, target=target, side=side, notes=notes):
            yield schema.conform(table, self.adds, where="ingest")

    @staticmethod
    def counts(table: pa.Table) -> Counts:
        """Rows, statuses and entities of a table."""
        counts = count_rows(table)
        counts["entities"] = total(table["source_entities"])
        counts["rows.labelled"] = table.num_rows - table["source_entities"].null_count
        if table["target_gold"].null_count < table.num_rows:
            counts["gold"] = total(table["target_gold"])
        return counts


class Tag(Stage):
    """Labels for the source sentences that have none; gold labels stay."""

    name = "tag"
    required: ClassVar[tuple[str, ...]] = ("id", "source_tokens")
    optional: ClassVar[tuple[str, ...]] = ("source_entities", "source_predicted", "status")
    adds = ("source_entities", "source_predicted")
    keys = ("source",)

    @cached_property
    def tagger(self) -> Tagger:
        """The opened tagger."""
        from xproj import taggers

        assert self.recipe.tag is not None
        return taggers.open(self.recipe.tag.tagger, self.recipe.tag.model)

    def predict(self, tokens: pa.Array) -> pa.ListArray:
        """The entities of each sentence, labels renamed as the recipe says; null for a null sentence."""
        from xproj import taggers
        from xproj.core.labels import relabel

        assert self.recipe.tag is not None
        return relabel(EntityColumn.read(taggers.predict(self.tagger, tokens)), self.recipe.tag.labels).write()

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Fill null `source_entities` of rows that are ok."""
        gold = combine(table["source_entities"])
        wanted = ok_rows(table) & pc.is_null(gold).to_numpy(zero_copy_only=False)
        entities = gold
        if wanted.any():
            predicted = self.predict(only(wanted, table["source_tokens"]))
            entities = pc.if_else(pa.array(wanted), predicted, gold)
        before = pc.fill_null(combine(table["source_predicted"]), False).to_numpy(zero_copy_only=False)
        counts = count_rows(table) | {
            "rows.tagged": int(wanted.sum()),
            "entities": total(entities),
            "entities.predicted": total(entities) - total(gold),
        }
        return Mapped({"source_entities": entities, "source_predicted": pa.array(before | wanted)}, counts)


class TagTarget(Tag):
    """The tagger on the target side, in the plain form only: its entities, or the probabilities of its labels."""

    required = ("id", "target_tokens")
    optional = ("status",)

    def __init__(self, recipe: Recipe, *, probabilities: bool = False) -> None:
        super().__init__(recipe)
        self._probabilities = probabilities

    def adding(self) -> tuple[str, ...]:
        """One column, `target_probabilities` or `target_entities`."""
        return ("target_probabilities" if self._probabilities else "target_entities",)

    def field(self, name: str, type_: pa.DataType) -> pa.Field:
        """Probabilities name their labels."""
        return pa.field(
            name, type_, metadata={"labels": "\n".join(self.tagger.labels)} if self._probabilities else None
        )

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Tag every target sentence that is ok."""
        tokens = only(ok_rows(table), table["target_tokens"])
        if not self._probabilities:
            entities = self.predict(tokens)
            return Mapped({"target_entities": entities}, count_rows(table) | {"entities.predicted": total(entities)})
        words = TokenColumn.read(tokens)
        rows = self.tagger.probabilities([row or [] for row in words.rows()])
        labels = len(self.tagger.labels)
        flat = np.concatenate([np.zeros((0, labels), np.float32), *rows]).astype(np.float16)
        of_words = build_list(np.arange(len(flat) + 1) * labels, pa.array(flat.ravel()))
        return Mapped({"target_probabilities": build_list(words.offsets, of_words, words.valid)}, count_rows(table))


class Align(Stage):
    """Which word of the target sentence is which word of the source sentence."""

    name = "align"
    required = ("id", *TOKENS)
    optional = ("status",)
    adds = ("links",)
    keys = ("language", "source")

    @classmethod
    def planned(cls, recipe: Recipe) -> bool:
        """Does anything read links?"""
        return recipe.project.needs_links or recipe.score is not None

    @cached_property
    def _aligner(self) -> Aligner:
        from xproj import aligners

        return aligners.open(self.recipe.align, fitted=self.fitted)

    def needs_fit(self) -> bool:
        """As the aligner says."""
        return self._aligner.needs_fit

    def begin(self, rows: int) -> None:
        """A file of links must have a line for every row."""
        if self.recipe.align.aligner == "given":
            cast("GivenAligner", self._aligner).check_rows(rows)

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Fit the aligner on all pairs that are ok."""
        return self._aligner.fit(_Pairs(inputs), languages=self.languages, output=output, progress=progress)

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """The links of each pair, sorted by source, then target."""
        # links in a file belong to sentences by their place, so this aligner must know it
        place: dict[str, Any] = {"first_row": first_row} if self.recipe.align.aligner == "given" else {}
        source, target = pair(table)
        links = self._aligner.align(source, target, languages=self.languages, **place)
        linked = int(np.count_nonzero(np.diff(links.offsets)))
        counts = count_rows(table) | {"links": len(links.source), "rows.linked": linked}
        return Mapped({"links": replace(links, valid=ok_rows(table)).write()}, counts)


@dataclass(frozen=True)
class _Pairs:
    """Token columns of all shards, read anew in every pass."""

    inputs: Inputs

    def __iter__(self) -> Iterator[tuple[TokenColumn, TokenColumn]]:
        return (pair(table) for table in self.inputs)


class Project(Stage):
    """Source entities find their target spans, or a reason why not."""

    name = "project"
    version = 2
    required = ("id", *TOKENS, "source_entities")
    adds = ("target_entities", "dropped", "status")

    def reads(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """With the columns of the scorers that it weighs, and their candidates."""
        project = self.recipe.project
        scores = tuple(f"score_{name}" for name in project.scores if name not in COMPUTED)
        given = ("candidates",) if scores or project.candidates == "tagged" else ()
        links = ("links",) if project.needs_links else ()
        marked = ("marked_text",) if project.candidates == "markers" else ()
        return (*self.required, *links, *scores, *given, *marked), ("source_predicted", "status")

    def needs_fit(self) -> bool:
        """Does the score ask how frequent words are?"""
        settings = self.recipe.project
        weighed = settings.scores.get("alignment") and settings.alignment_form == "posterior"
        return bool(weighed and settings.solver in ("exact", "greedy"))

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Count the frequent words of both sides."""
        from xproj import frequencies

        found = frequencies.count(inputs)
        frequencies.save(found, output)
        return {"words.source": len(found.source), "words.target": len(found.target)}

    @cached_property
    def _frequencies(self) -> Frequencies | None:
        from xproj import frequencies

        return frequencies.load(self.fitted) if self.fitted is not None else None

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Project every row that is ok.

        Raises:
            SchemaError: an entity or a link points outside its sentence.
        """
        from xproj import projection

        projected = projection.project(table, self.recipe.project, self._frequencies)
        counts = count_rows(table, projected.status)
        counts["entities"] = total(table["source_entities"])
        reasons = Counter(pc.struct_field(pc.list_flatten(projected.dropped), "reason").to_pylist())
        counts["entities.projected"] = with_span(table["source_entities"], projected.target_entities)
        counts |= {f"entities.dropped.{reason}": n for reason, n in sorted(reasons.items())}
        if counts["entities"] != counts["entities.projected"] + reasons.total():
            raise AssertionError(f"the accounting of project does not close: {counts}")
        columns = {
            "target_entities": projected.target_entities,
            "dropped": projected.dropped,
            "status": schema.status_array(projected.status),
        }
        return Mapped(columns, counts)
