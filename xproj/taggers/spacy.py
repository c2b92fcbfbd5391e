"""The `spacy` tagger: a small spaCy entity recogniser that needs no vectors and no download.

Words are given and kept. A word that shows nothing (empty, white space, zero-width) is replaced by a mark, because
spaCy refuses empty words and entities that begin with white space.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import spacy
from spacy.tokens import Doc

from xproj.core.labels import label_space
from xproj.core.normalization import nfc
from xproj.errors import BackendError
from xproj.taggers import not_spacy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pyarrow as pa
    from spacy.language import Language as Pipeline

    from xproj import recipe
    from xproj.languages import Language

INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
MARK = "\N{WHITE SQUARE}"
NEEDED = frozenset({"ner", "tok2vec", "transformer"})


class SpacyTagger:
    """An entity recogniser of spaCy; its answers are decisions, so every row is one-hot."""

    probabilistic = False

    def __init__(self, model: str) -> None:
        try:
            self._pipeline = spacy.load(model)
        except (OSError, ValueError) as error:
            raise not_spacy(model, str(error).splitlines()[0]) from error
        if "ner" not in self._pipeline.pipe_names:
            raise BackendError(f"{model}: this spaCy model has no entity recogniser; use one with a component 'ner'")
        self._pipeline.select_pipes(enable=[name for name in self._pipeline.pipe_names if name in NEEDED])
        self.labels = label_space(self._pipeline.get_pipe("ner").labels)  # type: ignore[attr-defined]

    def probabilities(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """One-hot rows over `labels`, float32 (n_words, n_labels), for each sentence."""
        one_hot = np.eye(len(self.labels), dtype=np.float32)
        number = {label: i for i, label in enumerate(self.labels)}
        ids = [np.zeros(len(words), dtype=np.int64) for words in sentences]
        spoken = [i for i, words in enumerate(sentences) if len(words)]
        with self._pipeline.memory_zone():
            docs = (document(self._pipeline, sentences[i]) for i in spoken)
            for i, doc in zip(spoken, self._pipeline.pipe(docs, batch_size=64), strict=True):
                for entity in doc.ents:
                    ids[i][entity.start] = number[f"B-{entity.label_}"]
                    ids[i][entity.start + 1 : entity.end] = number[f"I-{entity.label_}"]
        return [one_hot[row] for row in ids]

    @classmethod
    def train(
        cls,
        data: Iterable[pa.Table],
        *,
        settings: recipe.Train,
        language: Language,
        output: Path,
        dev: Iterable[pa.Table] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, float | int]:
        """Train from scratch and write the model folder; see `xproj.taggers.train`.

        Raises:
            CorpusError: no sentence, or no entity in any of them.
        """
        from xproj.taggers.spacy_training import train  # it imports this module

        return train(data, settings=settings, language=language, output=output, dev=dev, progress=progress)


def document(pipeline: Pipeline, words: Sequence[str], tags: list[str] | None = None) -> Doc:
    """The words in NFC as a spaCy document, with IOB2 tags when given."""
    return Doc(pipeline.vocab, words=[nfc(word) if _visible(word) else MARK for word in words], ents=tags)


def _visible(word: str) -> bool:
    return word.isalnum() or any(unicodedata.category(character) not in INVISIBLE for character in word)
