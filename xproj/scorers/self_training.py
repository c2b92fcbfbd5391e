"""The scorer `self_training`: a tagger trained on the projections themselves.

`fit` projects the corpus with the alignment score alone (the defaults of `[project]`, whatever the recipe says, so that
tuning weights trains nothing again), cuts the sentences into folds by the hash of their id, and trains a tagger for
each fold on all the others. A sentence is scored by the tagger that has not seen it: what is regular in the projections
speaks up where a single one is odd. The score itself is that of `tagger`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj import projection, recipe, taggers
from xproj.columns import combine
from xproj.core.tagger_scores import Evidence, evidence
from xproj.corpora.ids import digests
from xproj.errors import BackendError, RecipeError
from xproj.scorers.tagger import score_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from xproj.languages import Language
    from xproj.scorers import MatchTask, Setup
    from xproj.taggers import Tagger


class SelfTrainingScorer:
    """Taggers of the folds, opened when they are needed."""

    name = "self_training"

    def __init__(self, setup: Setup) -> None:
        if setup.fitted is None:
            raise BackendError("[score] scorers: 'self_training' is not fitted yet; run its fit")
        self._setup, self._folder = setup, setup.fitted

    @cached_property
    def _taggers(self) -> dict[int, Tagger]:
        """The tagger of each fold that had something to learn."""
        settings = self._setup.settings
        folders = {fold: self._folder / _name(fold) for fold in range(settings.folds)}
        return {fold: self._setup.open_tagger(str(path)) for fold, path in folders.items() if path.is_dir()}

    def score(self, task: MatchTask) -> list[np.ndarray]:
        """One array (n_entities, n_candidates) per row; 0 in a fold without a tagger."""
        words, types = int(task.target.offsets[-1]), len(task.entities.names)
        seen = Evidence(
            np.zeros((words, types), np.float32), np.zeros((words, types), np.float32), np.zeros(words, int)
        )
        folds = fold_of(task.ids, self._setup.settings.folds)
        sentences = task.target.rows()
        of_word = np.repeat(folds, task.target.lengths)
        for fold, tagger in self._taggers.items():
            mine = [words or [] for words, other in zip(sentences, folds, strict=True) if other == fold]
            if any(mine):
                said = evidence(np.concatenate(tagger.probabilities(mine)), tagger.labels, task.entities.names)
                for whole, part in zip(seen, said, strict=True):
                    whole[of_word == fold] = part
        return score_spans(task, seen)

    @classmethod
    def fit(
        cls,
        tables: Iterable[pa.Table],
        *,
        settings: recipe.Score,
        language: Language,
        output: Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, int]:
        """Train the taggers of all folds into `output`; a fold whose others have no entity gets none.

        Raises:
            RecipeError: a tagger that is not trained from nothing.
        """
        entities = np.zeros(settings.folds, dtype=np.int64)
        for table in _projected(tables):
            folds = fold_of(combine(table["id"]), settings.folds)
            found = pc.fill_null(pc.list_value_length(combine(table["entities"])), 0).to_numpy(zero_copy_only=False)
            entities += np.bincount(folds, weights=found, minlength=settings.folds).astype(np.int64)
        if settings.tagger != "spacy":
            raise RecipeError(
                f"[score] self_training trains taggers from nothing, which {settings.tagger!r} does not; "
                "set tagger = 'spacy'"
            )
        training = recipe.Train(epochs=settings.epochs)
        learned = [fold for fold in range(settings.folds) if entities.sum() > entities[fold]]
        for done, fold in enumerate(learned, 1):
            others = _without(tables, fold, settings.folds)
            taggers.train(settings.tagger, others, settings=training, language=language, output=output / _name(fold))
            if progress:
                progress(done, len(learned))
        return {"self_training.taggers": len(learned), "self_training.entities": int(entities.sum())}


def fold_of(ids: pa.Array, folds: int) -> np.ndarray:
    """The fold of each row, (n,) int64: the hash of its id, whatever the corpus around it."""
    return (digests(ids.to_pylist()) % np.uint64(folds)).astype(np.int64)


def _name(fold: int) -> str:
    return f"fold-{fold}"


def _projected(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The corpus as training data: id, tokens, entities; null entities where nothing was projected."""
    for table in tables:
        entities = projection.project(table, recipe.Project()).target_entities
        yield pa.table({"id": table["id"], "tokens": table["target_tokens"], "entities": entities})


def _without(tables: Iterable[pa.Table], fold: int, folds: int) -> Iterator[pa.Table]:
    """The training data of all folds but one, rows that have an entity list at all."""
    for table in _projected(tables):
        keep = fold_of(combine(table["id"]), folds) != fold
        yield table.filter(pc.and_(pa.array(keep), pc.is_valid(table["entities"])))
