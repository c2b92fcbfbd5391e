"""The scorer `translation`: NMTScore direct of the entity's words and the candidate's (Vamvas and Sennrich 2022).

    NMTScore(a, b) = ½ · [ p(b|a)^(1/|b|) / p(b|b)^(1/|b|)  +  p(a|b)^(1/|a|) / p(a|a)^(1/|a|) ]

p(y|x) is the probability that the translator gives y as the translation of x, and p(y|y) that it gives y for itself,
from the language of y into the same: it corrects for texts that are improbable anyway. `Translator.score` is the mean
log-probability of the tokens of y, so it is the logarithm of p(y|x)^(1/|y|), with lengths in the translator's own
tokens. Values of at most 0.1 become 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xproj import recipe, translators
from xproj.core import words
from xproj.core.normalization import nfc
from xproj.errors import RecipeError
from xproj.languages import lookup
from xproj.scorers.spans import ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xproj.languages import Language
    from xproj.scorers import MatchTask, Setup
    from xproj.translators import Translator

FLOOR = 0.1
LARGEST = 80.0  # a float32 holds its exponential


class TranslationScorer:
    """Asks each distinct question once for a part: equal phrase pairs and equal phrases are scored together."""

    name = "translation"

    def __init__(self, setup: Setup) -> None:
        settings = setup.settings
        assert settings.translator is not None
        self._translator = translators.open(
            settings.translator,
            settings.translator_model,
            settings=_model(settings) if settings.translator_model else None,
            runtime=setup.runtime,
        )
        if "score" not in self._translator.capabilities:
            raise RecipeError(
                f"[score] translator = {settings.translator!r} gives no probabilities of given texts; choose another"
            )
        self._reduced = settings.candidates == "ngrams"

    def score(self, task: MatchTask) -> list[np.ndarray]:
        """One array (n_entities, n_candidates) per row.

        Of n-grams, only those near the links of an entity are asked for it; the others have 0.
        """
        flat = np.zeros(int(task.cells.sum()), dtype=np.float32)
        cells, pairs = self._questions(task)
        if len(cells):
            distinct = list(dict.fromkeys(pairs))
            number = {pair: k for k, pair in enumerate(distinct)}
            values = nmt_scores(self._translator, distinct, task.languages)
            flat[cells] = values[[number[pair] for pair in pairs]]
        return task.rows(flat)

    def _questions(self, task: MatchTask) -> tuple[list[int], list[tuple[str, str]]]:
        """The cells to fill, and the phrases of the entity and of the candidate of each."""
        if not task.cells.any():
            return [], []
        source, target = (phrases(side) for side in task.languages)
        low, high = ranges(task.target, task.entities, task.links) if self._reduced else (None, None)
        cells: list[int] = []
        pairs: list[tuple[str, str]] = []
        cell = 0
        for row, (here, there) in enumerate(zip(task.source.rows(), task.target.rows(), strict=True)):
            spans = range(int(task.offsets[row]), int(task.offsets[row + 1]))
            texts = [target((there or [])[task.start[c] : task.end[c]]) for c in spans]
            for k in range(int(task.entities.offsets[row]), int(task.entities.offsets[row + 1])):
                entity = source((here or [])[task.entities.start[k] : task.entities.end[k]])
                for c, text in zip(spans, texts, strict=True):
                    if low is None or high is None or (low[k] <= task.start[c] and task.end[c] <= high[k]):
                        cells.append(cell)
                        pairs.append((entity, text))
                    cell += 1
        return cells, pairs


def _model(settings: recipe.Score) -> recipe.Translate:
    name, model = settings.translator or "", settings.translator_model
    return recipe.Translate(translator=name, model=model, revision=settings.translator_revision)


def phrases(code: str) -> Callable[[Sequence[str]], str]:
    """How words of a language become a text, in NFC.

    Raises:
        RecipeError: a language that is not known, or not said.
    """
    if code == "und":
        raise RecipeError("the scorer 'translation' needs both languages; say --language, e.g. swh_Latn")
    language: Language = lookup(code)
    return lambda given: nfc(words.join(list(given), language))


def nmt_scores(translator: Translator, pairs: Sequence[tuple[str, str]], languages: tuple[str, str]) -> np.ndarray:
    """NMTScore of distinct (source phrase, target phrase) pairs, (n,) float32; at most FLOOR counts as 0."""
    source, target = languages
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    forward = translator.score(a, b, source=source, target=target).astype(np.float64)
    backward = translator.score(b, a, source=target, target=source).astype(np.float64)
    values = (
        _relative(forward, _itself(translator, b, target)) + _relative(backward, _itself(translator, a, source))
    ) / 2
    return np.where(values > FLOOR, values, 0.0).astype(np.float32)


def _itself(translator: Translator, texts: Sequence[str], language: str) -> np.ndarray:
    """The log-probability of each text as the translation of itself, (n,); each distinct text is asked once."""
    distinct = list(dict.fromkeys(texts))
    scores = translator.score(distinct, distinct, source=language, target=language).astype(np.float64)
    known = dict(zip(distinct, scores.tolist(), strict=True))
    return np.array([known[text] for text in texts], dtype=np.float64)


def _relative(given: np.ndarray, itself: np.ndarray) -> np.ndarray:
    """The ratio of two probabilities from their logarithms; 0 where one of them is not finite."""
    usable = np.isfinite(given) & np.isfinite(itself)
    ratio = np.zeros(len(given))
    ratio[usable] = np.exp(np.minimum(given[usable] - itself[usable], LARGEST))
    return ratio
