"""The stage `project`."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from xproj import schema
from xproj.recipe import COMPUTED
from xproj.rows import FIRST_ROWS, count_rows, total, with_span
from xproj.stages.align import without_back_translation
from xproj.stages.base import TOKENS, Inputs, Mapped, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xproj.corpus_counts import CorpusCounts
    from xproj.stages.base import Counts, Progress


BACK_COLUMNS = ("back_tokens", "back_entities", "back_links")
# a larger share of links below project.min_link is worth a remark
MANY_WEAK = 0.25


class Project(Stage):
    """Source entities find their target spans, or a reason why not."""

    name = "project"
    version = 15
    required = ("id", *TOKENS, "source_entities")
    adds = ("target_entities", "dropped", "status")
    keys = ("align.refine",)
    fit_rows = FIRST_ROWS

    def reads(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """With the columns of the scorers that it weighs, and their candidates."""
        project = self.recipe.project
        scores = tuple(f"score_{name}" for name in project.scores if name not in COMPUTED)
        given = ("candidates",) if scores or project.candidates == "tagged" else ()
        links = ("links",) if project.needs_links else ()
        marked = ("marked_text",) if project.candidates == "markers" else ()
        back = BACK_COLUMNS if self.recipe.align.refine != "off" else ()
        alone = ("entity_translations",) if marked and project.markers != "blanks" else ()
        return (*self.required, *links, *scores, *given, *marked, *back), ("source_predicted", *alone, "status")

    def remedy(self, column: str) -> str:
        """As of the setting that asks for the column."""
        return without_back_translation(self.recipe) if column in BACK_COLUMNS else super().remedy(column)

    def needs_fit(self) -> bool:
        """Does the score ask how frequent words are, or a filter how labels are written?"""
        return self.recipe.project.weighs_corpus or self.recipe.project.learns_spans

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Count the frequent words of both sides, and what a first projection finds."""
        from xproj import corpus_counts, precedents

        found = precedents.learn(inputs) if self.recipe.project.learns_spans else corpus_counts.count(inputs)
        corpus_counts.save(found, output)
        spans = {"precedents": int(found.precedents.phrases.values.sum())} if found.precedents else {}
        return {"words.source": len(found.source), "words.target": len(found.target), **spans}

    @cached_property
    def _counts(self) -> CorpusCounts | None:
        from xproj import corpus_counts

        return corpus_counts.load(self.fitted) if self.fitted is not None else None

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Project every row that is ok.

        Raises:
            SchemaError: an entity or a link points outside its sentence.
        """
        from xproj import problems, projection, refinement

        settings, mode = self.recipe.project, self.recipe.align.refine
        counts: Counts = {}
        if mode == "off":
            projected = projection.project(table, settings, self._counts)
        else:
            projected, direct = refinement.project(table, settings, self._counts, mode=mode)
            counts["entities.projected.direct"] = with_span(table["source_entities"], direct.target_entities)
        counts = count_rows(table, projected.status) | counts | problems.weak_links(table, settings)
        counts["entities"] = total(table["source_entities"])
        reasons = Counter(pc.struct_field(pc.list_flatten(projected.dropped), "reason").to_pylist())
        counts["entities.projected"] = with_span(table["source_entities"], projected.target_entities)
        counts |= {f"entities.dropped.{reason}": n for reason, n in sorted(reasons.items())}
        counts |= {f"entities.filtered.{name}": n for name, n in projected.filtered.items()}
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
