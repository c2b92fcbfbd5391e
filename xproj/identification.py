"""Is a text in the language that it should be in? By py3langid, only as far as it can know that."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xproj.languages import Language

MIN_LETTERS = 20
# py3langid is sure of nearly all that it gets right; Bambara it takes for Lingala, of which it knows no Bambara
CONFIDENT = 0.95
# so alike that a short text may be in any of them
ALIKE = ({"bs", "hr", "sr"}, {"id", "ms"}, {"nb", "nn", "no"}, {"xh", "zu"}, {"ar", "ary", "arz"}, {"zh", "wuu", "yue"})


class Identifier:
    """Says of texts whether they are in `language`.

    Attributes:
        known: does py3langid know the language, and is it installed?
    """

    def __init__(self, language: Language) -> None:
        names = (language.bcp47.partition("-")[0], language.iso639_3, language.m2m100)
        self._classifier = _classifier()
        labels = set() if self._classifier is None else set(self._classifier.labels)
        self._names = {name for name in names if name in labels}
        self.known = bool(self._names)
        for group in ALIKE:
            if self._names & group:
                self._names |= group

    def is_wrong(self, text: str) -> bool | None:
        """Is the text in another language? None where that cannot be told: too short, or nothing is certain."""
        if not self.known or sum(map(str.isalpha, text)) < MIN_LETTERS:
            return None
        assert self._classifier is not None
        label, probability = self._classifier.classify(text)
        if label in self._names:
            return False
        return True if probability >= CONFIDENT else None


@cache
def _classifier() -> Any:
    if find_spec("py3langid") is None:
        return None
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
