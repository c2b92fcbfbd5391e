"""The `fake` translator: a made-up language, word for word, for tests and for trying a recipe out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from xproj.errors import RecipeError, unknown
from xproj.translators import Translation
from xproj.translators.marking import STYLES_OF_TEXT, by_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.core.markers import Marked

SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "xu", "zi")
# what it does to the first marked entity of a text; mixed: one of the others, by the text
MODES = ("keep", "lose", "reorder", "duplicate", "mixed")
# markers have a space inside, which brackets of the text have not
MARKED = re.compile(r"<(?P<name>[a-z]{1,3})>.*?</(?P=name)>|\[ .*? \]|\{ .*? \}|【 .*? 】|⟦ .*? ⟧")
TAG = re.compile(r"(</?[a-z]{1,3}>)")
MARK = re.compile(r"</?[a-z]{1,3}>|[][{}【】⟦⟧]")


class FakeTranslator:
    """Deterministic pseudo-translation.

    Each word becomes one word, by its letters and the target language. Names (words with a capital), numbers and
    punctuation stay as they are, like in much real text. The n-th translation has n - 1 words too many.

    Its mode is what becomes of markers in the text, as far as real translators are bad at them: `lose` forgets those of
    the first entity, `reorder` moves the first entity to the end, `duplicate` says it twice.
    """

    capabilities = frozenset({"score", "n_best", "markers"})
    styles = STYLES_OF_TEXT

    def __init__(self, mode: str = "keep") -> None:
        if mode not in MODES:
            raise RecipeError(unknown("mode", mode, MODES, "translator 'fake'"))
        self._mode = mode

    def translate(self, texts: Sequence[str], *, source: str, target: str, n_best: int = 1) -> list[list[Translation]]:
        """`n_best` translations of each text; an empty text has the status `translation_empty`."""
        return [self._variants(text, target, n_best) for text in texts]

    def translate_marked(
        self, sentences: Sequence[Marked], *, source: str, target: str, markers: str
    ) -> list[Translation]:
        """One translation of each sentence; see marking.by_text."""
        return by_text(self, sentences, source=source, target=target, markers=markers)

    def score(self, sources: Sequence[str], targets: Sequence[str], *, source: str, target: str) -> np.ndarray:
        """Minus the share of places where a target differs from the best translation, (n,); 0 is the best."""
        pairs = zip(sources, targets, strict=True)
        return np.array([_score(self._words(text, target), given.split()) for text, given in pairs], dtype=np.float32)

    def _variants(self, text: str, target: str, n_best: int) -> list[Translation]:
        best = self._words(text, target)
        if not best:
            return [Translation("", 0.0, "translation_empty")]
        variants = [best + [SYLLABLES[i % len(SYLLABLES)] for i in range(extra)] for extra in range(n_best)]
        return [Translation(" ".join(words), _score(best, words)) for words in variants]

    def _words(self, text: str, target: str) -> list[str]:
        words = TAG.sub(r" \1 ", _damaged(text, self._mode)).split()
        return [word if word != word.lower() or not word.isalpha() else _invent(word, target) for word in words]


def _damaged(text: str, mode: str) -> str:
    """The text with its first marked entity lost, moved or doubled."""
    found = MARKED.search(text)
    if found is None or mode == "keep":
        return text
    if mode == "mixed":
        return _damaged(text, MODES[crc32(text.encode()) % 4])
    if mode == "lose":
        return text[: found.start()] + MARK.sub(" ", found.group()) + text[found.end() :]
    rest = text if mode == "duplicate" else text[: found.start()] + text[found.end() :]
    return f"{rest} {found.group()}"


def _invent(word: str, target: str) -> str:
    code = crc32(f"{target} {word}".encode())
    return "".join(SYLLABLES[code >> 4 * i & 15] for i in range(min(max(len(word) // 2, 1), 8)))


def _score(best: list[str], given: list[str]) -> float:
    longest = max(len(best), len(given))
    same = sum(a == b for a, b in zip(best, given, strict=False))
    return (same - longest) / longest if longest else 0.0
