"""Scorers: models that say how well a target span carries an entity. One file per back end, opened by name.

A new back end is a file with a class that follows `Scorer`, a line in `BACKENDS`, and a parameter of
tests/contracts/test_scorer_contract.py. Its score lands in the column `score_<name>`, which `[project] scores` weighs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import pyarrow as pa

from xproj import backends, taggers
from xproj.columns import SPAN, EntityColumn, Int32, Int64, LinkColumn, TokenColumn, build_list
from xproj.errors import RecipeError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from xproj import recipe
    from xproj.languages import Language
    from xproj.taggers import Tagger

    Progress = Callable[[int, int], None]
    Facts = dict[str, int]

BACKENDS = {
    "tagger": "xproj.scorers.tagger:TaggerScorer",
    "tagger_span": "xproj.scorers.tagger:TaggerSpanScorer",
    "translation": "xproj.scorers.translation:TranslationScorer",
    "self_training": "xproj.scorers.self_training:SelfTrainingScorer",
}
FITTED = frozenset({"self_training"})
"""Scorers that learn from the whole corpus first; their class has a `fit`."""
NEEDS = {"tagger": "model", "tagger_span": "model", "translation": "translator"}


@dataclass(frozen=True)
class MatchTask:
    """What scorers see: the sentences, their source entities, and the candidate spans of each target sentence.

    The candidates of row r are `start[offsets[r]:offsets[r + 1]]` and `end[…]`, half-open word ranges. A row that is
    not to be scored has no words, no entities and no candidates. `ids` (n,) are the names of the rows.
    """

    ids: pa.Array
    source: TokenColumn
    target: TokenColumn
    entities: EntityColumn
    links: LinkColumn
    offsets: Int64
    start: Int32
    end: Int32
    languages: tuple[str, str]

    @property
    def cells(self) -> Int64:
        """Entities times candidates of each row, (n,)."""
        cells: Int64 = np.diff(self.entities.offsets) * np.diff(self.offsets)
        return cells

    def candidates(self) -> pa.ListArray:
        """The column `candidates`."""
        spans = pa.StructArray.from_arrays([pa.array(self.start), pa.array(self.end)], fields=list(SPAN))
        return build_list(self.offsets, spans)

    def rows(self, flat: np.ndarray) -> list[np.ndarray]:
        """One float32 array (n_entities, n_candidates) per row, from the scores of all cells, entity-major in a row."""
        bounds = np.concatenate([[0], np.cumsum(self.cells)])
        shapes = zip(np.diff(self.entities.offsets), np.diff(self.offsets), bounds[:-1], bounds[1:], strict=True)
        return [flat[low:high].reshape(n, c).astype(np.float32, copy=False) for n, c, low, high in shapes]


class Scorer(Protocol):
    """Scores every candidate of a row for every entity of it; higher is better, 0 is no evidence."""

    name: str

    def score(self, task: MatchTask) -> Sequence[np.ndarray]:
        """One float32 array (n_entities, n_candidates) per row; the same whatever the batch."""
        ...


class Fittable(Protocol):
    """The class of a scorer that is named in `FITTED`."""

    @classmethod
    def fit(
        cls,
        tables: Iterable[pa.Table],
        *,
        settings: recipe.Score,
        language: Language,
        output: Path,
        progress: Progress | None,
    ) -> Facts:
        """See `fit`."""
        ...


class TargetTagger:
    """The tagger of `[score]` on target sentences; remembers what it said of the last column."""

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger
        self._last: tuple[TokenColumn, np.ndarray] | None = None

    def probabilities(self, target: TokenColumn) -> np.ndarray:
        """The label probabilities of all words of a column, (words, labels) float32."""
        if self._last is None or self._last[0] is not target:
            rows = self.tagger.probabilities([words or [] for words in target.rows()])
            empty = np.zeros((0, len(self.tagger.labels)), dtype=np.float32)
            self._last = target, np.concatenate([empty, *rows])
        return self._last[1]


@dataclass(frozen=True)
class Setup:
    """What the scorers of a stage share: settings, the folder that `fit` left, where models run, and the tagger."""

    settings: recipe.Score
    fitted: Path | None = None
    runtime: recipe.Runtime | None = None

    @cached_property
    def tagger(self) -> TargetTagger:
        """The tagger that `score.tagger` and `score.model` name."""
        assert self.settings.model is not None
        return TargetTagger(self.open_tagger(self.settings.model, self.settings.revision))

    def open_tagger(self, model: str, revision: str | None = None) -> Tagger:
        """The tagger of `score.tagger` with a model."""
        settings = self.settings
        return taggers.open(settings.tagger, model, revision=revision, dtype=settings.dtype, runtime=self.runtime)


def check(settings: recipe.Score) -> None:
    """Refuse scorers that do not exist or lack what they need, before anything is opened.

    Raises:
        RecipeError: an unknown scorer, or a missing model or translator.
    """
    for name in settings.scorers:
        if name not in BACKENDS:
            raise RecipeError(unknown("scorer", name, BACKENDS, "[score] scorers"))
        key = NEEDS.get(name)
        if key is not None and getattr(settings, key) is None:
            raise RecipeError(f"[score] {key} is missing; the scorer {name!r} needs it")
    if len(set(settings.scorers)) < len(settings.scorers):
        raise RecipeError(f"[score] scorers names one twice: {', '.join(settings.scorers)}; name each once")
    if settings.candidates == "tagged" and settings.model is None:
        raise RecipeError("[score] model is missing; candidates = 'tagged' are the spans that it finds")


def open(name: str, setup: Setup) -> Scorer:  # noqa: A001
    """The scorer `name`.

    Raises:
        RecipeError: no such back end.
        BackendError: a missing package or model.
    """
    return cast("Scorer", backends.find("scorer", name, BACKENDS)(setup))


def fit(
    tables: Iterable[pa.Table],
    *,
    settings: recipe.Score,
    language: Language,
    output: Path,
    progress: Progress | None = None,
) -> Facts:
    """Fit every scorer that learns from the corpus and leave what it learned in the folder `output`.

    Args:
        tables: the whole corpus with the columns of the stage `score`; read more than once.
        settings: the table `[score]`.
        language: of the target sentences.
        output: an empty folder.
        progress: called with what is done and what there is to do.

    Returns:
        Counts for the records.
    """
    facts: Facts = {}
    for name in settings.scorers:
        if name in FITTED:
            scorer = cast("Fittable", backends.find("scorer", name, BACKENDS))
            facts |= scorer.fit(tables, settings=settings, language=language, output=output, progress=progress)
    return facts
