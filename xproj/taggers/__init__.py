"""Taggers: words in, label probabilities out. One file per back end, opened by name.

A new back end is a file with a class that follows `Tagger` (and `Trainable`, if it can be trained), a line in
`BACKENDS`, and a parameter of tests/contracts/test_tagger_contract.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from xproj import backends
from xproj.columns import Entity, EntityColumn, TokenColumn
from xproj.core import labels as label_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xproj import recipe
    from xproj.languages import Language

    Progress = Callable[[int, int], None]
    Facts = dict[str, float | int]

BACKENDS = {
    "spacy": "xproj.taggers.spacy:SpacyTagger",
    "transformers": "xproj.taggers.transformer:TransformerTagger",
}


class Tagger(Protocol):
    """Labels words.

    `labels` is the IOB2 label space, `O` first. A tagger that only decides is not `probabilistic`: its rows are
    one-hot, and nobody may read a confidence out of them.
    """

    labels: tuple[str, ...]
    probabilistic: bool

    def probabilities(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """The label probabilities of each sentence, float32 (n_words, n_labels), whatever the batch."""
        ...


class Trainable(Protocol):
    """The class of a tagger that xproj can train."""

    @classmethod
    def train(
        cls,
        data: Iterable[pa.Table],
        *,
        settings: recipe.Train,
        language: Language,
        output: Path,
        dev: Iterable[pa.Table] | None,
        progress: Progress | None,
    ) -> Facts:
        """See `train`."""
        ...


def open(name: str, model: str) -> Tagger:  # noqa: A001
    """The tagger `name` with its model.

    Raises:
        RecipeError: no such back end.
        BackendError: a missing package, or a model that is missing or cannot be read.
    """
    return cast("Tagger", backends.find("tagger", name, BACKENDS)(model))


def train(
    name: str,
    data: Iterable[pa.Table],
    *,
    settings: recipe.Train,
    language: Language,
    output: Path,
    dev: Iterable[pa.Table] | None = None,
    progress: Progress | None = None,
) -> Facts:
    """Train a tagger and write its model folder.

    Args:
        name: the back end.
        data: tables with `tokens` and `entities`; rows where one is null are skipped and counted.
        settings: epochs, seed and the like.
        language: whose words these are.
        output: the folder to write; that it appears whole or not at all is the caller's care.
        dev: a labelled corpus that picks the best epoch.
        progress: called with what is done and what there is to do at most.

    Returns:
        Counts and figures of the training, also kept in the model.

    Raises:
        RecipeError: no such back end.
        BackendError: a missing package.
        CorpusError: there is nothing to learn from.
    """
    trainable = cast("Trainable", backends.find("tagger", name, BACKENDS))
    return trainable.train(data, settings=settings, language=language, output=output, dev=dev, progress=progress)


def decode(probabilities: np.ndarray, labels: Sequence[str]) -> list[Entity]:
    """The entities of one sentence from its (n_words, n_labels) probabilities: the best label of each word.

    An I- that continues nothing starts an entity. The score of an entity is the mean probability of its words' labels.
    """
    column = label_sets.decode([probabilities], labels)
    parts = zip(column.start.tolist(), column.end.tolist(), column.label.tolist(), column.score.tolist(), strict=True)
    return [Entity(start, end, column.names[label], score) for start, end, label, score in parts]


def predict(tagger: Tagger, tokens: pa.ChunkedArray | pa.Array) -> pa.ListArray:
    """The entities of a `list<string>` column as a `list<entity>` column; null rows stay null."""
    rows = TokenColumn.read(tokens)
    column: EntityColumn = label_sets.decode(
        tagger.probabilities([words or [] for words in rows.rows()]), tagger.labels, rows.valid
    )
    return column.write()
