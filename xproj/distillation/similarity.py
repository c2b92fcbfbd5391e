"""Vectors of words and sentences for two questions: how alike are two words, and how near is a teacher's language?"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xproj import encoders
from xproj.columns import TokenColumn
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xproj.columns import Bool
    from xproj.languages import Language
    from xproj.recipe import Runtime

SENTENCES = 2_000
"""Sentences of each corpus by which languages are compared."""


class Words:
    """The vectors of words: the last hidden state of an encoder at the first sub-word of each."""

    def __init__(
        self, model: str, language: Language, runtime: Runtime | None = None, revision: str | None = None
    ) -> None:
        settings = encoders.EncoderSettings(model, revision)
        if runtime is not None:
            settings = encoders.EncoderSettings(
                model, revision, device=runtime.device, batch_tokens=runtime.batch_tokens
            )
        self._encoder = encoders.open(settings)
        self._language = language.code

    def vectors(self, words: TokenColumn) -> tuple[np.ndarray, Bool]:
        """Of all words (words, dim) float32, and which have any, (words,); the others are 0."""
        found = self._encoder.encode(words, language=self._language)
        row = np.repeat(words.offsets[:-1], np.diff(found.offsets))
        word = row + found.words
        first = np.flatnonzero(np.diff(word, prepend=-1))
        vectors = np.zeros((len(words.values), found.vectors.shape[1]), dtype=np.float32)
        vectors[word[first]] = found.vectors[first]
        there = np.zeros(len(vectors), dtype=bool)
        there[word[first]] = True
        return vectors, there

    def sentences(self, words: TokenColumn) -> np.ndarray:
        """The mean of the sub-words of each sentence that has any, (sentences, dim) float32."""
        found = self._encoder.encode(words, language=self._language)
        size = np.diff(found.offsets)
        some = size > 0
        if not some.any():
            return np.zeros((0, found.vectors.shape[1]), dtype=np.float32)
        return np.asarray(np.add.reduceat(found.vectors, found.offsets[:-1][some]) / size[some, None])


def shares_by_language(
    encoder: Words, sources: Sequence[Iterable[pa.Table]], target: Iterable[pa.Table], seed: int
) -> list[float]:
    """The share of each teacher by how near its language is to the text; see `training.languages`.

    Args:
        encoder: whose vectors are compared.
        sources: for each teacher sentences of its language, as tables with `tokens`.
        target: those of the text.
        seed: of the classifier.

    Raises:
        CorpusError: a corpus without words.
    """
    from xproj.training.languages import language_shares

    vectors = [_sentences(encoder, tables) for tables in (*sources, target)]
    if not all(len(part) for part in vectors):
        raise CorpusError("[train.distill] a corpus by which languages are compared has no words; correct its path")
    return [float(share) for share in language_shares(vectors[:-1], vectors[-1], seed=seed)]


def _sentences(encoder: Words, tables: Iterable[pa.Table]) -> np.ndarray:
    """The vectors of the first sentences."""
    found: list[np.ndarray] = []
    left = SENTENCES
    for table in islice(tables, SENTENCES):
        found.append(encoder.sentences(TokenColumn.read(table["tokens"].slice(0, left))))
        left -= min(left, table.num_rows)
        if not left:
            break
    return np.concatenate(found) if found else np.zeros((0, 1), dtype=np.float32)
