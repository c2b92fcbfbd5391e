"""Text to sentences and back, with offsets: neural translators drop whole sentences of a text that has several.

The borders are those of ICU (UAX 29), except behind an abbreviation, an initial or an ordinal number, and within spans
that must stay whole, e.g. entities.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Spans = list[tuple[int, int]]

# no sentence ends behind these where they begin with a capital, or are as common in small letters
TITLES = (
    "dr dres drs prof mr mrs ms messrs mme mlle mmes mm st ste sr sra srta sres dña rev hon lt capt cmdr sgt maj gov "
    "sen rep pres supt insp sig sigg dott avv dipl dhr ph.d m.a b.a bros mt"
)
SMALL_TITLES = frozenset({"dr", "prof", "sr", "sra"})
# no sentence ends between these and a number; elsewhere they may be words (`No.`)
BEFORE_NUMBERS = (
    "no nos nr núm num n art arts abs abb fig figs p pp pág págs pag vol vols ch cap kap sec sect § bd ziff"
)
# no sentence ends between these and a number or a small letter
INSIDE = (
    "e.g i.e z.b d.h u.a bzw ca cf vgl vs v approx resp usw etc p.ej p.ex ej ex esp incl inkl ggf evtl sog bspw o.ä "
    "u.u z.t v.a m.a.w jan feb febr mär apr jun jul aug sep sept oct okt nov dec dez ene abr ago dic i.d.r т.е т.д т.п "
    "г гг ул им др см напр al geb gest gegr max min tel"
)
_TITLES, _BEFORE_NUMBERS, _INSIDE = (frozenset(words.split()) for words in (TITLES, BEFORE_NUMBERS, INSIDE))
# languages that write ordinal numbers with a full stop: `am 3. Mai`
ORDINALS = frozenset("bs cs da de et fi fo hr hu is lb lv me nb nn no pl sk sl sr tr".split())
LAST_WORD = re.compile(r"(?:^|[\s(\[{\"'«„“‘/-])([^\s(\[{\"'«„“‘/]+)\.$")
INITIAL = re.compile(r"[^\W\d_](?:\.-?[^\W\d_])*")
# the last of several capital letters with stops (U.S.) may end a sentence, a single one (J. Smith) hardly does
SINGLE = re.compile(r"[^\W\d_]")
NUMBER = re.compile(r"\d{1,2}")
CLAUSE = re.compile(r"(?<=[,;:،؛、，；：—–)])\s*|\s+-\s+")
SPACE = re.compile(r"\s+")


def sentences(text: str, bcp47: str = "en", whole: Sequence[tuple[int, int]] = ()) -> Spans:
    """The characters `[start, end)` of each sentence, without the white space around it.

    Every character that is no white space is in one sentence; a text without any has none.

    Args:
        text: the text.
        bcp47: its language.
        whole: spans in which no sentence may end.
    """
    kept: Spans = []
    borders = _borders(text, bcp47)
    for start, end in zip([0, *borders], [*borders, len(text)], strict=True):
        if kept and (_goes_on(text, kept[-1][1], bcp47) or any(a < start < b for a, b in whole)):
            kept[-1] = kept[-1][0], end
        else:
            kept.append((start, end))
    return [span for span in (stripped(text, *span) for span in kept) if span[0] < span[1]]


def _borders(text: str, bcp47: str) -> list[int]:
    return [end for _, end in _breaker()(text, bcp47) if end < len(text)]


@cache
def _breaker() -> Callable[[str, str], Iterator[tuple[int, int]]]:
    from icu4py.breakers import SentenceBreaker

    return lambda text, bcp47: SentenceBreaker(text, bcp47).segments()


def _goes_on(text: str, border: int, bcp47: str) -> bool:
    """Is the full stop before a border part of a word? A line end always ends a sentence."""
    before, after = text[max(0, border - 60) : border], text[border : border + 1]
    gap = before[len(before.rstrip()) :]
    if "\n" in gap or "\u2029" in gap or not after:
        return False
    found = LAST_WORD.search(before.rstrip())
    if found is None:
        return False
    word = found[1]
    small = word.lower()
    if (small in _TITLES and (word != small or small in SMALL_TITLES)) or (SINGLE.fullmatch(word) and word.isupper()):
        return True
    if NUMBER.fullmatch(word):
        return bcp47.partition("-")[0] in ORDINALS
    if small in _BEFORE_NUMBERS:
        return after.isdigit()
    return (small in _INSIDE or INITIAL.fullmatch(word) is not None) and (after.isdigit() or after.islower())


def stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without the white space at its ends."""
    inside = text[start:end]
    return start + len(inside) - len(inside.lstrip()), max(start, end - len(inside) + len(inside.rstrip()))


def cut(text: str, fits: Callable[[str], bool], whole: Sequence[tuple[int, int]] = ()) -> Spans:
    """The pieces of a sentence that each fit into a model, as few as come of halving it again and again.

    It is halved at the clause border nearest to its middle, without one at white space, without that anywhere; never
    within spans that must stay whole, unless they do not fit either.
    """
    return _cut(text, 0, len(text), fits, whole)


def _cut(text: str, start: int, end: int, fits: Callable[[str], bool], whole: Sequence[tuple[int, int]]) -> Spans:
    start, end = stripped(text, start, end)
    if start >= end:
        return []
    if end - start == 1 or fits(text[start:end]):
        return [(start, end)]
    middle = _middle(text, start, end, whole)
    return [*_cut(text, start, middle, fits, whole), *_cut(text, middle, end, fits, whole)]


def _middle(text: str, start: int, end: int, whole: Sequence[tuple[int, int]]) -> int:
    """Where to halve: the best border in the inner half, else in all of it."""
    centre, quarter = (start + end) / 2, (end - start) / 4
    for pattern, reach in ((CLAUSE, quarter), (SPACE, quarter), (SPACE, 2 * quarter)):
        places = {match.end() for match in pattern.finditer(text, start, end)}
        places = {p for p in places if start < p < end and abs(p - centre) <= reach}
        if free := [p for p in places if not any(a < p < b for a, b in whole)]:
            return min(free, key=lambda p: (abs(p - centre), p))
    return (start + end) // 2


def joined(parts: Sequence[str], spaces: bool) -> tuple[str, Spans]:
    """The text of sentences, and where each of them is in it; empty ones are of no length.

    Args:
        parts: sentences without white space around them.
        spaces: does the language put a space between sentences?
    """
    text, places = "", []
    for part in parts:
        if part and text and spaces:
            text += " "
        places.append((len(text), len(text) + len(part)))
        text += part
    return text, places
