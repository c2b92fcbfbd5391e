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
from xproj.rows import OK, count_rows, ok_rows, only, pair, total, with_span
from xproj.schema import STATUSES
from xproj.stages.base import TEXTS, TOKENS, Inputs, Mapped, Stage, language_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xproj import corpora
    from xproj.aligners import Aligner
    from xproj.aligners.given import GivenAligner
    from xproj.frequencies import Frequencies
    from xproj.recipe import Recipe
    from xproj.stages.base import Counts, Progress
    from xproj.taggers import Tagger


BACK_COLUMNS = ("back_tokens", "back_entities", "back_links")
# a larger share of links below project.min_link is worth a remark
MANY_WEAK = 0.25
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


class Translate(Stage):
    """The missing side of each pair: the target's, on the route translate-test the source's."""

    name = "translate"
    optional = (*TEXTS, *TOKENS, "status")
    keys = ("route", "language", "source")

    @property
    def _sides(self) -> tuple[str, str]:
        return ("target", "source") if self.recipe.route == "translate-test" else ("source", "target")

    @classmethod
    def planned(cls, recipe: Recipe) -> bool:
        """A bitext has both sides."""
        return recipe.translate is not None and recipe.route != "bitext"

    def adding(self) -> tuple[str, ...]:
        """Text and words of the side that is made."""
        made = self._sides[1]
        return f"{made}_text", f"{made}_tokens", "translation_score", "status"

    @cached_property
    def _translator(self) -> Any:
        from xproj import translators

        assert self.recipe.translate is not None
        return translators.open(self.recipe.translate.translator)

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Translate the rows that lack the other side; the others keep what they have."""
        from xproj.core import words

        given, made = self._sides
        code = dict(zip(("source", "target"), self.languages, strict=True))
        here, there = language_of(code[given]), language_of(code[made])
        codes = schema.status_codes(table).copy()
        texts, tokens = table[f"{made}_text"].to_pylist(), table[f"{made}_tokens"].to_pylist()
        missing = [r for r in np.flatnonzero(codes == OK).tolist() if not texts[r] and not tokens[r]]
        rows = pa.array(missing, pa.int64())
        given_columns = (table[f"{given}_{kind}"].take(rows).to_pylist() for kind in ("text", "tokens"))
        sentences = [text or words.join(tokens or [], here) for text, tokens in zip(*given_columns, strict=True)]
        translations = self._translator.translate(sentences, source=here.code, target=there.code)
        scores = np.full(table.num_rows, np.nan, dtype=np.float32)
        for row, (best, *_) in zip(missing, translations, strict=True):
            texts[row], tokens[row] = best.text, words.words(best.text, there)
            codes[row], scores[row] = STATUSES.index(best.status), best.score
        columns = {
            f"{made}_text": pa.array(texts, pa.string()),
            f"{made}_tokens": pa.array(tokens, pa.list_(pa.string())),
            "translation_score": pa.array(scores, mask=np.isnan(scores)),
            "status": schema.status_array(codes),
        }
        return Mapped(columns, count_rows(table, codes) | {"rows.translated": len(missing)})


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
    version = 2
    required = ("id", *TOKENS)
    optional = ("status",)
    keys = ("language", "source")

    @property
    def _refines(self) -> bool:
        return self.recipe.align.refine != "off"

    def reads(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """With the back-translation when it is to be aligned too."""
        return (*self.required, *(("back_tokens",) if self._refines else ())), self.optional

    def adding(self) -> tuple[str, ...]:
        """The status only where pairs are filtered."""
        back = ("back_links",) if self._refines else ()
        return "links", "pair_score", *back, *(("status",) if self.recipe.align.min_pair_score else ())

    def remedy(self, column: str) -> str:
        """As of the setting that asks for a back-translation."""
        return without_back_translation(self.recipe)

    @cached_property
    def _aligner(self) -> Aligner:
        from xproj import aligners

        return aligners.open(self.recipe.align, fitted=self.fitted, runtime=self.recipe.runtime)

    @cached_property
    def _back_aligner(self) -> Aligner:
        """The aligner of back-translation and target sentence."""
        from xproj import aligners

        settings = aligners.of_back_translation(self.recipe.align)
        fitted = self.fitted and self.fitted / aligners.BACK
        return aligners.open(settings, fitted=fitted, runtime=self.recipe.runtime)

    def needs_fit(self) -> bool:
        """As the aligner says."""
        return self._aligner.needs_fit or (self._refines and self._back_aligner.needs_fit)

    def runtime_keys(self) -> tuple[str, ...]:
        """In half precision, rounding depends on the batches."""
        align = self.recipe.align
        dtypes = {align.dtype, *(align.member(name).dtype for name in align.members)}
        return () if dtypes == {"float32"} else ("batch_tokens",)

    def begin(self, rows: int) -> None:
        """A file of links must have a line for every row."""
        from xproj import aligners

        if aligners.reads_file(self.recipe.align):
            cast("GivenAligner", self._aligner).check_rows(rows)

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Fit the aligner on all pairs that are ok, and another one on back-translations and target sentences."""
        from xproj import aligners

        if not self._refines:
            return self._aligner.fit(_Pairs(inputs), languages=self.languages, output=output, progress=progress)
        counts: dict[str, Any] = {}
        if self._aligner.needs_fit:
            shared = aligners.share(progress, 0, 2)
            counts = self._aligner.fit(_Pairs(inputs), languages=self.languages, output=output, progress=shared)
        if self._back_aligner.needs_fit:
            shared, pairs = aligners.share(progress, 1, 2), _Pairs(inputs, "back_tokens")
            same = self.languages[1], self.languages[1]
            found = self._back_aligner.fit(pairs, languages=same, output=output / aligners.BACK, progress=shared)
            counts = {**counts, **{f"back.{key}": value for key, value in found.items()}}
        return counts

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """The links of each pair, sorted by source, then target, and how parallel the pair looks by them."""
        from xproj import aligners
        from xproj.core.pair_scores import pair_scores

        # links in a file belong to sentences by their place, so this aligner must know it
        place: dict[str, Any] = {"first_row": first_row} if aligners.reads_file(self.recipe.align) else {}
        source, target = pair(table)
        links = self._aligner.align(source, target, languages=self.languages, **place)
        scores = pair_scores(links.offsets, links.source, links.target, links.score, source.lengths, target.lengths)
        ok, codes = ok_rows(table), schema.status_codes(table)
        filtered = ok & (scores < np.float32(self.recipe.align.min_pair_score))
        codes = np.where(filtered, STATUSES.index("filtered"), codes)
        kept = ok & ~filtered
        columns = {
            "links": only(kept, replace(links, valid=ok).write()),
            "pair_score": pa.array(scores, mask=~ok),
            "status": schema.status_array(codes),
        }
        counts = count_rows(table, codes) | {
            "links": total(columns["links"]),
            "rows.linked": int(np.count_nonzero(np.diff(links.offsets)[kept])),
        }
        counts |= getattr(self._aligner, "counts", {})
        if self.recipe.align.min_pair_score:
            counts["rows.filtered.pair_score"] = int(filtered.sum())
        if self._refines:
            columns["back_links"] = self._back_links(table, kept)
            counts["back_links"] = total(columns["back_links"])
        return Mapped({name: columns[name] for name in self.adding()}, counts)

    def _back_links(self, table: pa.Table, wanted: np.ndarray) -> pa.Array:
        """Links between back-translation and target sentence, null where there is no back-translation."""
        back, target = (TokenColumn.read(only(wanted, table[name])) for name in ("back_tokens", "target_tokens"))
        return self._back_aligner.align(back, target, languages=(self.languages[1], self.languages[1])).write()


def without_back_translation(recipe: Recipe) -> str:
    """What to do when the setting `refine` asks for columns that are not there."""
    return (
        f"[align] refine = {recipe.align.refine!r} needs a back-translation: back_tokens, back_entities and, "
        "from align, back_links; add them or set align.refine=off"
    )


@dataclass(frozen=True)
class _Pairs:
    """Token columns of all shards, read anew in every pass."""

    inputs: Inputs
    side: str = "source_tokens"

    def __iter__(self) -> Iterator[tuple[TokenColumn, TokenColumn]]:
        return (pair(table, self.side) for table in self.inputs)


class Project(Stage):
    """Source entities find their target spans, or a reason why not."""

    name = "project"
    version = 3
    required = ("id", *TOKENS, "source_entities", "links")
    adds = ("target_entities", "dropped", "status")
    keys = ("align.refine",)

    def reads(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """With the columns of the scorers that it weighs, and their candidates."""
        project = self.recipe.project
        scores = tuple(f"score_{name}" for name in project.scores if name not in COMPUTED)
        given = ("candidates",) if scores or project.candidates == "tagged" else ()
        back = BACK_COLUMNS if self.recipe.align.refine != "off" else ()
        return (*self.required, *scores, *given, *back), ("source_predicted", "status")

    def remedy(self, column: str) -> str:
        """As of the setting that asks for the column."""
        return without_back_translation(self.recipe) if column in BACK_COLUMNS else super().remedy(column)

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
        from xproj import projection, refinement

        settings, mode = self.recipe.project, self.recipe.align.refine
        counts: Counts = {}
        if mode == "off":
            projected = projection.project(table, settings, self._frequencies)
        else:
            projected, direct = refinement.project(table, settings, self._frequencies, mode=mode)
            counts["entities.projected.direct"] = with_span(table["source_entities"], direct.target_entities)
        counts = count_rows(table, projected.status) | counts | projection.weak_links(table, settings)
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

    def remarks(self, counts: Mapping[str, int]) -> list[str]:
        """Both projection ratios where back-translation refines, and links that are weaker than is sensible."""
        from xproj import refinement

        lines = []
        if "entities.projected.direct" in counts:
            lines += refinement.compared(
                self.recipe.align.refine,
                counts["entities"],
                counts["entities.projected"],
                counts["entities.projected.direct"],
            )
        weak, links = counts.get("links.below_min_link", 0), counts.get("links.read", 0)
        if weak > MANY_WEAK * links:
            lines.append(
                f"{weak} of {links} links score below project.min_link = {self.recipe.project.min_link:g} and did not "
                "count as links; with union or grow-diag project.min_link = 0 counts every link that was chosen"
            )
        return lines
