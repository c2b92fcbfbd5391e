"""Text in the form that engines know (NFC, Unicode annex 15), with a map of offsets back to the text as it was given.

An accented letter may be one character or a letter and a mark. Dictionaries, vocabularies and models know the first
form; a corpus may have the second. Text is cut where nothing that follows can join what stands before, so each piece
is normalised on its own, and borders of pieces are borders in both texts.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache

# no character above composes with one before it but those that are marks anyway
LAST_COMPOSING = 0x20000
HANGUL_VOWELS_AND_FINALS = range(0x1161, 0x11C3)


@dataclass(frozen=True)
class Normalized:
    """A text in NFC; `borders` are the places in it, and in the text as it was given, where pieces meet.

    Of a text that was in NFC already there are none: every place is its own.
    """

    text: str
    borders: list[int]
    given_borders: list[int]

    def given(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the given text that the characters `[start, end)` stand for; whole pieces."""
        return _moved(start, end, self.borders, self.given_borders)

    def normal(self, start: int, end: int) -> tuple[int, int]:
        """The characters of `text` that stand for the characters `[start, end)` of the given text; whole pieces."""
        return _moved(start, end, self.given_borders, self.borders)


def normalized(text: str) -> Normalized:
    """The text in NFC, with its map."""
    if unicodedata.is_normalized("NFC", text):
        return Normalized(text, [], [])
    parts, borders, given = [], [0], [0]
    start = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and _joins(text[end]):
            continue
        parts.append(unicodedata.normalize("NFC", text[start:end]))
        borders.append(borders[-1] + len(parts[-1]))
        given.append(end)
        start = end
    return Normalized("".join(parts), borders, given)


def nfc(text: str) -> str:
    """The text in NFC."""
    return unicodedata.normalize("NFC", text)


def _moved(start: int, end: int, here: list[int], there: list[int]) -> tuple[int, int]:
    if not here:
        return start, end
    first = bisect_right(here, start) - 1
    if start >= end:
        return there[first], there[first]
    return there[first], there[bisect_left(here, end)]


def _joins(character: str) -> bool:
    """May it join, or change places with, what stands before it?"""
    return character >= "\u0300" and (unicodedata.combining(character) > 0 or character in _composing())


@cache
def _composing() -> frozenset[str]:
    """The characters that are no marks of a class, and yet the second part of a composed character."""
    found = set(map(chr, HANGUL_VOWELS_AND_FINALS))
    for code in range(0xA0, LAST_COMPOSING):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(chr(int(parts[1], 16)))
    return frozenset(found)
