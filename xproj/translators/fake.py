"""The `fake` translator: a made-up language, word for word, for tests and for trying a recipe out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from xproj.translators import Translation

if TYPE_CHECKING:
    from collections.abc import Sequence

SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "xu", "zi")


class FakeTranslator:
    """Deterministic pseudo-translation.

    Each word becomes one word, by its letters and the target language. Names (words with a capital), numbers and
    punctuation stay as they are, like in much real text. The n-th translation has n - 1 words too many.
    """

    capabilities = frozenset({"score", "n_best"})

    def translate(self, texts: Sequence[str], *, source: str, target: str, n_best: int = 1) -> list[list[Translation]]:
        """`n_best` translations of each text; an empty text has the status `translation_empty`."""
        return [self._variants(text, target, n_best) for text in texts]

    def score(self, sources: Sequence[str], targets: Sequence[str], *, source: str, target: str) -> np.ndarray:
        """Minus the share of places where a target differs from the best translation, (n,); 0 is the best."""
        pairs = zip(sources, targets, strict=True)
        return np.array([_score(_words(text, target), given.split()) for text, given in pairs], dtype=np.float32)

    def _variants(self, text: str, target: str, n_best: int) -> list[Translation]:
        best = _words(text, target)
        if not best:
            return [Translation("", 0.0, "translation_empty")]
        variants = [best + [SYLLABLES[i % len(SYLLABLES)] for i in range(extra)] for extra in range(n_best)]
        return [Translation(" ".join(words), _score(best, words)) for words in variants]


def _words(text: str, target: str) -> list[str]:
    return [word if word != word.lower() or not word.isalpha() else _invent(word, target) for word in text.split()]


def _invent(word: str, target: str) -> str:
    code = crc32(f"{target} {word}".encode())
    return "".join(SYLLABLES[code >> 4 * i & 15] for i in range(min(max(len(word) // 2, 1), 8)))


def _score(best: list[str], given: list[str]) -> float:
    longest = max(len(best), len(given))
    same = sum(a == b for a, b in zip(best, given, strict=False))
    return (same - longest) / longest if longest else 0.0
