"""The stage that runs models over candidate spans, apart from `project`, so that weights are tuned without them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xproj import schema
from xproj.columns import EntityColumn, LinkColumn, TokenColumn, build_list, combine
from xproj.rows import count_rows, ok_rows, only
from xproj.stages.base import TOKENS, Inputs, Mapped, Stage, language_of

if TYPE_CHECKING:
    from pathlib import Path

    from xproj.recipe import Recipe
    from xproj.scorers import Scorer
    from xproj.stages.base import Progress


class Score(Stage):
    """How well each target span carries each entity, by models; only where the recipe names scorers."""

    name = "score"
    version = 3
    required = ("id", *TOKENS, "source_entities", "links")
    optional = ("status",)
    keys = ("language", "source")

    def __init__(self, recipe: Recipe, fitted: Path | None = None) -> None:
        from xproj import scorers

        super().__init__(recipe, fitted)
        assert recipe.score is not None
        scorers.check(recipe.score)
        self._setup = scorers.Setup(recipe.score, fitted, recipe.runtime)

    def reads(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """A fit that projects must know which labels are predicted."""
        return self.required, (*self.optional, *(("source_predicted",) if self.needs_fit() else ()))

    def adding(self) -> tuple[str, ...]:
        """The candidates, and a score column for each scorer."""
        return "candidates", *(f"score_{name}" for name in self._setup.settings.scorers)

    def needs_fit(self) -> bool:
        """When a scorer learns from the corpus."""
        from xproj import scorers

        return not scorers.FITTED.isdisjoint(self._setup.settings.scorers)

    def runs_model(self) -> bool:
        """When a translator or a tagger is asked that does."""
        from xproj import taggers, translators

        settings = self._setup.settings
        asked = settings.candidates == "tagged" or set(settings.scorers) - {"translation"}
        translates = "translation" in settings.scorers and settings.translator not in translators.WITHOUT_MODEL
        return translates or (bool(asked) and settings.tagger in taggers.WITH_MODEL)

    def runtime_keys(self) -> tuple[str, ...]:
        """In half precision, rounding depends on the batches."""
        return () if self._setup.settings.dtype == "float32" else ("batch_tokens",)

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Fit the scorers on all rows that are ok."""
        from xproj import scorers

        language = language_of(self.recipe.language)
        return dict(
            scorers.fit(inputs, settings=self._setup.settings, language=language, output=output, progress=progress)
        )

    @cached_property
    def _scorers(self) -> list[Scorer]:
        from xproj import scorers

        return [scorers.open(name, self._setup) for name in self._setup.settings.scorers]

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Score every candidate for every entity, entity-major.

        Raises:
            SchemaError: an entity outside its sentence.
        """
        from xproj import scorers
        from xproj.scorers.spans import spans

        entities = EntityColumn.read(only(ok_rows(table), table["source_entities"]))
        wanted = np.diff(entities.offsets) > 0
        # nobody looks at the sentences that have no entity
        source, target = (TokenColumn.read(only(wanted, table[name])) for name in TOKENS)
        schema.check_spans(table.filter(pa.array(wanted)), "source_entities", "source_tokens", "score")
        links = LinkColumn.read(table["links"])
        found = spans(self._setup, target, entities, links)
        task = scorers.MatchTask(combine(table["id"]), source, target, entities, links, *found, self.languages)
        offsets = np.concatenate([[0], np.cumsum(task.cells)])
        columns = {"candidates": task.candidates()}
        for scorer in self._scorers:
            flat = np.concatenate([np.zeros(0, np.float32), *(cells.ravel() for cells in scorer.score(task))])
            columns[f"score_{scorer.name}"] = build_list(offsets, pa.array(flat.astype(np.float32)))
        return Mapped(columns, count_rows(table) | {"candidates": int(found[0][-1])})
