"""What is visibly wrong with a translation, by the two texts alone.

The checks look for what machine translation is known to do: say nothing, give the input back, stutter, stop early, or
go on for ever. They depend on the pairs that are given together, and on nothing else: neither on their order nor on
pairs that are checked elsewhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from statistics import median

# a text of names and numbers stays as it is in most languages; so many words in small letters do not
COPIED_WORDS = 5
# the same words so many times in a row are not said by people
REPEATS = 4
LONGEST_REPEATED = 8
# text whose words are so long on average has no spaces
UNSPACED = 16
# how far a length may be from the usual ratio of the two languages, and from how many pairs the usual one is known
LENGTH_FACTOR = 3.0
LENGTH_SLACK = 20
MIN_PAIRS = 20

OK, EMPTY, COPIED, REPEATED, TOO_LONG, TOO_SHORT = (
    "ok",
    "translation_empty",
    "translation_copied",
    "translation_repeated",
    "translation_too_long",
    "translation_too_short",
)


def check(sources: Sequence[str], targets: Sequence[str], *, same_language: bool = False) -> list[str]:
    """The status of each translation.

    Args:
        sources: the texts.
        targets: their translations.
        same_language: a copy is then no mistake.
    """
    pairs = list(zip(sources, targets, strict=True))
    found = [_alone(source, target, same_language) for source, target in pairs]
    usable = [pair for pair, status in zip(pairs, found, strict=True) if status == OK and pair[0]]
    if len(usable) < MIN_PAIRS:
        return found
    usual = median(len(target) / len(source) for source, target in usable)
    return [
        _length(len(source) * usual, len(target)) if status == OK else status
        for (source, target), status in zip(pairs, found, strict=True)
    ]


def _alone(source: str, target: str, same_language: bool) -> str:
    if not any(map(visible, target)):
        return EMPTY
    if not same_language and is_copy(source, target):
        return COPIED
    return REPEATED if stutters(source, target) else OK


def visible(character: str) -> bool:
    """Is it neither white space nor a control or format character?"""
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")


def _length(expected: float, length: int) -> str:
    if length > LENGTH_FACTOR * expected + LENGTH_SLACK:
        return TOO_LONG
    return TOO_SHORT if expected > LENGTH_FACTOR * length + LENGTH_SLACK else OK


def is_copy(source: str, target: str) -> bool:
    """Is the translation the text itself, which has too many words that are no names for that?

    Words without case (of scripts that have none) count as no names.
    """
    words = source.split()
    if [word.casefold() for word in words] != [word.casefold() for word in target.split()]:
        return False
    return sum(word == word.lower() and any(map(str.isalpha, word)) for word in words) >= COPIED_WORDS


def stutters(source: str, target: str) -> bool:
    """Does the translation say up to 8 words at least 4 times in a row, and more often than the text does?

    Text without spaces is read by its characters; up to 64 of them may repeat, and must fill 16 places at least.
    """
    spaced = len(target) < UNSPACED * len(target.split())
    units, given = (target.split(), source.split()) if spaced else (list(target), list(source))
    if len(units) - len(set(units)) < REPEATS - 1:
        return False
    longest, least = (LONGEST_REPEATED, 1) if spaced else (8 * LONGEST_REPEATED, UNSPACED)
    times = repeats(units, longest, least)
    return times >= REPEATS and times > repeats(given, longest, least)


def repeats(units: Sequence[str], longest: int, least: int = 1) -> int:
    """How often at most a sequence of 1 to `longest` units stands in a row, filling `least` places; at least 1."""
    best = min(len(units), 1)
    for period in range(1, min(longest, len(units) // 2) + 1):
        run = 0
        for here, there in zip(units, units[period:], strict=False):
            run = run + 1 if here == there else 0
            if run + period >= least:
                best = max(best, run // period + 1)
    return best
