"""Rows and their source labels: the stages `ingest` and `tag`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj import schema
from xproj.columns import EntityColumn, TokenColumn, build_list, combine
from xproj.errors import RecipeError
from xproj.rows import count_rows, ok_rows, only, total
from xproj.stages.base import TEXTS, TOKENS, Mapped, Stage, language_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xproj import corpora
    from xproj.recipe import Recipe
    from xproj.stages.base import Counts
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

    def adding(self) -> tuple[str, ...]:
        """With the back-translation that the corpus has, if it has one."""
        from xproj import corpora

        return (*self.adds, *corpora.extra_columns(self.recipe.ingest))

    def tables(self, notes: corpora.IngestNotes) -> Iterator[pa.Table]:
        """The corpus in tables of one shard each; what is odd about it is noted on the way."""
        from xproj import corpora

        source, target = (language_of(code) for code in self.languages)
        side = SIDES[self.recipe.route]
        for table in corpora.ingest(self.recipe.ingest, source=source, target=target, side=side, notes=notes):
            yield schema.conform(table, table.column_names, where="ingest")

    def may_have_labels(self) -> bool:
        """May the corpus have labels of the source side, as far as it shows before it is read?"""
        from xproj import corpora

        return corpora.may_have_labels(self.recipe.ingest, SIDES[self.recipe.route])

    def may_have_both_sides(self) -> bool:
        """May rows of the corpus have both sides, as far as it shows before it is read?"""
        from xproj import corpora

        return corpora.may_have_both_sides(self.recipe.ingest)

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
    version = 2
    required: ClassVar[tuple[str, ...]] = ("id", "source_tokens")
    optional: ClassVar[tuple[str, ...]] = ("source_entities", "source_predicted", "status")
    adds = ("source_entities", "source_predicted")
    keys = ("source",)

    @cached_property
    def tagger(self) -> Tagger:
        """The opened tagger."""
        from xproj import taggers

        assert self.recipe.tag is not None
        tag = self.recipe.tag
        found = taggers.open(tag.tagger, tag.model, revision=tag.revision, dtype=tag.dtype, runtime=self.recipe.runtime)
        if tag.min_score and not found.probabilistic:
            raise RecipeError(
                f"[tag] min_score = {tag.min_score}: the tagger {tag.tagger!r} only decides, all its scores are 1; "
                "leave it out, or take a tagger with probabilities (transformers)"
            )
        return found

    def check(self) -> None:
        """There must be such a tagger with such a model."""
        from xproj import taggers

        tag = self.recipe.tag
        if tag is not None:
            taggers.check(tag.tagger, tag.model, revision=tag.revision, dtype=tag.dtype)

    def runs_model(self) -> bool:
        """As the tagger does."""
        from xproj import taggers

        assert self.recipe.tag is not None
        return self.recipe.tag.tagger in taggers.WITH_MODEL

    def runtime_keys(self) -> tuple[str, ...]:
        """In half precision, rounding depends on the batches."""
        return () if self.recipe.tag is None or self.recipe.tag.dtype == "float32" else ("batch_tokens",)

    def predict(self, tokens: pa.Array) -> tuple[pa.ListArray, Counts]:
        """The entities of each sentence, null for a null sentence, and the counts of the work.

        Labels are renamed, and entities with a low score left out, as the recipe says.
        """
        from xproj import taggers
        from xproj.core.labels import relabel, select

        tag = self.recipe.tag
        assert tag is not None
        found = relabel(EntityColumn.read(taggers.predict(self.tagger, tokens)), tag.labels)
        counts = dict(getattr(self.tagger, "counts", {}))
        if tag.min_score:
            sure = found.score >= np.float32(tag.min_score)
            counts["entities.low_score"] = int(np.count_nonzero(~sure))
            found = select(found, sure)
        return found.write(), counts

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Fill null `source_entities` of rows that are ok."""
        gold = combine(table["source_entities"])
        wanted = ok_rows(table) & pc.is_null(gold).to_numpy(zero_copy_only=False)
        entities = gold
        found: Counts = {}
        if wanted.any():
            predicted, found = self.predict(only(wanted, table["source_tokens"]))
            entities = pc.if_else(pa.array(wanted), predicted, gold)
        before = pc.fill_null(combine(table["source_predicted"]), False).to_numpy(zero_copy_only=False)
        counts = count_rows(table) | {
            "rows.tagged": int(wanted.sum()),
            "entities": total(entities),
            "entities.predicted": total(entities) - total(gold),
        }
        columns = {"source_entities": entities, "source_predicted": pa.array(before | wanted)}
        return Mapped(columns, counts | found)


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
            entities, found = self.predict(tokens)
            counts = count_rows(table) | {"entities.predicted": total(entities)}
            return Mapped({"target_entities": entities}, counts | found)
        words = TokenColumn.read(tokens)
        rows = self.tagger.probabilities([row or [] for row in words.rows()])
        labels = len(self.tagger.labels)
        flat = np.concatenate([np.zeros((0, labels), np.float32), *rows]).astype(np.float16)
        of_words = build_list(np.arange(len(flat) + 1) * labels, pa.array(flat.ravel()))
        return Mapped({"target_probabilities": build_list(words.offsets, of_words, words.valid)}, count_rows(table))
