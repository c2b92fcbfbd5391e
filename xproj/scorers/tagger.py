"""The scorers `tagger` and `tagger_span`: what a tagger of the target language says about the span.

`tagger` asks for the source entity's type, `tagger_span` for any: it is for taggers with another label set. The formula
is in `core/tagger_scores.py`. A tagger that only decides (spaCy's) has one-hot rows, so its scores are decisions too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xproj.core.tagger_scores import Evidence, evidence, tagger_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.scorers import MatchTask, Setup


class TaggerScorer:
    """The source entity's type at the span."""

    name = "tagger"
    any_type = False

    def __init__(self, setup: Setup) -> None:
        self._tagger = setup.tagger

    def score(self, task: MatchTask) -> list[np.ndarray]:
        """One array (n_entities, n_candidates) per row; a type that the tagger does not know has 0."""
        labels = self._tagger.tagger.labels
        types = sorted({label[2:] for label in labels if label != "O"}) if self.any_type else task.entities.names
        return score_spans(task, self._seen(task, labels, types), any_type=self.any_type)

    def _seen(self, task: MatchTask, labels: Sequence[str], types: Sequence[str]) -> Evidence:
        return evidence(self._tagger.probabilities(task.target), labels, types)


class TaggerSpanScorer(TaggerScorer):
    """The best type at the span, whatever the source entity's."""

    name = "tagger_span"
    any_type = True


def score_spans(task: MatchTask, seen: Evidence, *, any_type: bool = False) -> list[np.ndarray]:
    """The scores of all candidates, one array (n_entities, n_candidates) per row.

    `seen` is about the words of all rows; its types are the label names of the entities, in their order, unless
    `any_type` is set.
    """
    flat = np.zeros(int(task.cells.sum()), dtype=np.float32)
    entities = task.entities
    tagger_scores(
        entities.offsets, entities.label, task.offsets, task.start, task.end, task.target.offsets, *seen, any_type, flat
    )
    return task.rows(flat)
