"""The stage `align`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from xproj import schema
from xproj.columns import TokenColumn
from xproj.rows import count_rows, ok_rows, only, pair, total
from xproj.schema import STATUSES
from xproj.stages.base import TOKENS, UNDETERMINED, Inputs, Mapped, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xproj.aligners import Aligner
    from xproj.aligners.given import GivenAligner
    from xproj.recipe import Align as Settings
    from xproj.recipe import Recipe
    from xproj.stages.base import Progress


class Align(Stage):
    """Which word of the target sentence is which word of the source sentence."""

    name = "align"
    version = 12
    required = ("id", *TOKENS)
    optional = ("status",)
    keys = ("language", "source")

    @classmethod
    def planned(cls, recipe: Recipe) -> bool:
        """Does anything read links?"""
        return recipe.project.needs_links or recipe.score is not None

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
        return super().remedy(column) if column in TOKENS else without_back_translation(self.recipe)

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

    def check(self) -> None:
        """Models of encoders must be folders or hub names with a commit, and have the layer that is read."""
        from xproj import aligners

        aligners.check(self.recipe.align)

    def needs_fit(self) -> bool:
        """As the aligner says."""
        return self._aligner.needs_fit or (self._refines and self._back_aligner.needs_fit)

    def runtime_keys(self) -> tuple[str, ...]:
        """In half precision, rounding depends on the batches."""
        align = self.recipe.align
        dtypes = {align.dtype, *(align.member(name).dtype for name in align.members)}
        return () if dtypes == {"float32"} else ("batch_tokens",)

    def runs_model(self) -> bool:
        """As the aligner does."""
        from xproj import aligners

        return aligners.runs_model(self.recipe.align)

    def remarks(self, counts: Mapping[str, int]) -> list[str]:
        """Sentences that have no links because a number type was too narrow for them; names that were not read."""
        lines, align = [], self.recipe.align
        if lost := sum(count for name, count in counts.items() if name.endswith("sentences.not_finite")):
            lines.append(
                f"align: {lost} sentences have vectors that are not finite, and no links from them; "
                'set align.dtype = "bfloat16" or "float32", or check the model'
            )
        if UNDETERMINED.code in self.languages and any(map(_reads_names, [align, *map(align.member, align.members)])):
            lines.append("align: no --language, so names that are known in both languages (align.names) were not read")
        return lines

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
            counts |= {f"back.{name}": count for name, count in getattr(self._back_aligner, "counts", {}).items()}
        return Mapped({name: columns[name] for name in self.adding()}, counts)

    def _back_links(self, table: pa.Table, wanted: np.ndarray) -> pa.Array:
        """Links between back-translation and target sentence, null where there is no back-translation."""
        back, target = (TokenColumn.read(only(wanted, table[name])) for name in ("back_tokens", "target_tokens"))
        return self._back_aligner.align(back, target, languages=(self.languages[1], self.languages[1])).write()


def _reads_names(settings: Settings) -> bool:
    return settings.aligner == "statistical" and settings.names and settings.model is None


def without_back_translation(recipe: Recipe) -> str:
    """What to do when the setting `refine` asks for columns that are not there."""
    return (
        f"[align] refine = {recipe.align.refine!r} needs a back-translation: back_tokens, back_entities and, "
        "from align, back_links; add [back] or translate.back_translate=true, or set align.refine=off"
    )


@dataclass(frozen=True)
class _Pairs:
    """Token columns of all shards, read anew in every pass."""

    inputs: Inputs
    side: str = "source_tokens"

    def __iter__(self) -> Iterator[tuple[TokenColumn, TokenColumn]]:
        return (pair(table, self.side) for table in self.inputs)
