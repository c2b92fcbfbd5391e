"""Text to words and back, for any script.

A word is a span of characters without white space. Text is first cut at white space; each distinct chunk is split once
and remembered, so a corpus costs little more than its vocabulary. Zero-width and control characters never make a word
of their own and never stand at the edge of one; inside a word (the non-joiner of Persian, the joiner of an emoji) they
stay, because they belong to its spelling.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from xproj.core.detokenize import ELIDING, join, spaces_after
from xproj.errors import BackendError, RecipeError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["SPLITTERS", "Splitter", "WordRules", "join", "spaces_after", "split", "splitter_for", "words"]

SPLITTERS = ("icu", "whitespace", "characters", "spacy")
MAX_CHUNKS = 100_000
"""Chunks that a splitter remembers, about 20 MB of them."""
CHUNK = re.compile(r"\S+")
# one word of Latin or Cyrillic letters and digits among marks that ICU always cuts off, each on its own
_LETTER = "0-9A-Za-zªµºÀ-ÖØ-öø-ʯḀ-ỿЀ-ҁҊ-ԯ"
PLAIN = re.compile(rf"([(\[\x22“«¿¡]*)([{_LETTER}][{_LETTER}\u0300-\u036f]*)([.,;:!?)\]\x22”»…]*)")
# joiners at the end of a word spell it (Malayalam chillus, Sinhala conjuncts); everything else invisible is dropped
KEPT_AT_EDGES = "\u200c\u200d"
WHOLE = re.compile(r"aujourd['’]hui|prud['’]hom|presqu['’]î|entr['’]ouv", re.IGNORECASE)
ELISION = re.compile(r"(?<=\w['’])(?=\w)")
POSSESSIVE = re.compile(r"(?<=\w)(?=['’]s$)", re.IGNORECASE)
# spaCy's own tokenizers for these need large extra packages; the rule tokenizer does not
PLAIN_SPACY = frozenset({"ja", "ko", "th", "vi"})


class WordRules(Protocol):
    """What splitting and joining need to know of a language; `languages.Language` has it."""

    @property
    def bcp47(self) -> str: ...  # noqa: D102
    @property
    def spaces(self) -> bool: ...  # noqa: D102
    @property
    def spacy(self) -> str: ...  # noqa: D102


class Splitter:
    """Splits text of one language; remembers the chunks it has seen."""

    def __init__(self, rule: Callable[[str], list[str]]) -> None:
        self._rule = rule
        self._known: dict[str, list[str]] = {}

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The character span `[start, end)` of each word, in order."""
        return [
            (match.start() + start, match.start() + end)
            for match in CHUNK.finditer(text)
            for start, end in _visible(self._rule(match.group()))
        ]

    def words(self, text: str) -> list[str]:
        """The words: the text of each span."""
        known = self._known
        words: list[str] = []
        for chunk in text.split():
            if chunk in known:
                words += known[chunk]
            else:
                words += self._learn(chunk)
        return words

    def _learn(self, chunk: str) -> list[str]:
        if len(self._known) >= MAX_CHUNKS:
            self._known.clear()
        pieces = self._rule(chunk)
        if not chunk.isprintable():
            pieces = [chunk[start:end] for start, end in _visible(pieces)]
        self._known[chunk] = pieces
        return pieces


def splitter_for(language: WordRules, name: str = "icu") -> Splitter:
    """The splitter `name` for a language; one object per process, so that its memory is shared.

    Raises:
        RecipeError: an unknown splitter.
        BackendError: a splitter whose package cannot be used.
    """
    if name not in SPLITTERS:
        raise RecipeError(unknown("splitter", name, SPLITTERS, "ingest.splitter"))
    return _splitter(name, language.bcp47, language.spacy)


@lru_cache(maxsize=32)
def _splitter(name: str, bcp47: str, spacy: str) -> Splitter:
    if name == "whitespace":
        return Splitter(lambda chunk: [chunk])
    return Splitter(_spacy_rule(spacy) if name == "spacy" else _icu_rule(bcp47, name))


def split(text: str, language: WordRules, splitter: str = "icu") -> list[tuple[int, int]]:
    """The character span `[start, end)` of each word of `text`; punctuation marks are words, white space is not."""
    return splitter_for(language, splitter).spans(text)


def words(text: str, language: WordRules, splitter: str = "icu") -> list[str]:
    """The words of `text`."""
    return splitter_for(language, splitter).words(text)


def _visible(pieces: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where in their chunk the pieces are words, without invisible characters at their edges."""
    start = 0
    for piece in pieces:
        left, right = 0, len(piece)
        if not piece.isprintable():
            while left < right and _invisible(piece[left]):
                left += 1
            while right > left and _invisible(piece[right - 1]):
                right -= 1
            if all(character in KEPT_AT_EDGES or _invisible(character) for character in piece[left:right]):
                right = left
        if right > left:
            yield start + left, start + right
        start += len(piece)


def _invisible(character: str) -> bool:
    return character not in KEPT_AT_EDGES and unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")


def _icu_rule(bcp47: str, name: str) -> Callable[[str], list[str]]:
    from icu4py.breakers import CharacterBreaker, WordBreaker

    breaker = CharacterBreaker if name == "characters" else WordBreaker
    primary = bcp47.partition("-")[0]
    tailoring = POSSESSIVE if primary == "en" else ELISION if primary in ELIDING else None

    plain = name == "icu"

    def rule(chunk: str) -> list[str]:
        if plain and (match := PLAIN.fullmatch(chunk)):  # most chunks; asking ICU takes ten times longer
            before, word, after = match.groups()
            return [*before, word, *after]
        pieces: list[str] = list(breaker(chunk, bcp47))
        if tailoring is None or not ("'" in chunk or "’" in chunk) or name == "characters":
            return pieces
        return [part for piece in pieces for part in _tailored(piece, tailoring)]

    return rule


def _tailored(piece: str, at: re.Pattern[str]) -> list[str]:
    """Unicode's word rule keeps `l'Union` and `Berlin's` whole; names must be words of their own."""
    return [piece] if WHOLE.match(piece) else at.split(piece)


def _spacy_rule(code: str) -> Callable[[str], list[str]]:
    import spacy

    plain = {"nlp": {"tokenizer": {"@tokenizers": "spacy.Tokenizer.v1"}}}
    try:
        pipeline = spacy.blank(code, config=plain if code in PLAIN_SPACY else {})
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise BackendError(f"ingest.splitter = 'spacy': no tokenizer for {code!r}: {reason}; use 'icu'") from error
    return lambda chunk: [token.text for token in pipeline.make_doc(chunk)]
