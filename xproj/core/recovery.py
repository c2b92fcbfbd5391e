"""Which entity a marked piece of a translation is, and where the entities are whose marks were lost.

Steps, each for what the one before has left (after EasyProject, arXiv 2211.15613, with the errors of its matching
corrected): a tag says it; the one-to-one matching of pieces and stand-alone translations with the greatest total
likeness; as many pieces as entities, and those that are left have one label; the stand-alone translation is searched as
an n-gram of the words that no piece has taken. What is left then is lost.
"""

from __future__ import annotations

import unicodedata
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from xproj.core.markers import Piece, hulls, locate
from xproj.core.normalization import nfc
from xproj.core.text_markers import STYLES, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xproj.core.markers import Marked

# a likeness must be greater: EasyProject's bound
MIN_RATIO = 0.5
# so much less likely is a pair for each place that it is out of order: it decides between equals only
ORDER = 1e-7


class Mention(NamedTuple):
    """An entity of a source sentence: its words as text, their translation on their own (empty: none), its label."""

    text: str
    alone: str = ""
    label: str = ""


class Found(NamedTuple):
    """The characters `[start, end)` of a translation are the entity number `entity`; `likeness` is in [0.5, 1].

    `how` is the step that found it: tag, ratio, count or search.
    """

    start: int
    end: int
    entity: int
    likeness: float
    how: str


class Place(NamedTuple):
    """The words `[start, end)` of an entity; `marked` of them are its own, which are as like as `likeness`."""

    start: int
    end: int
    marked: int
    likeness: float


def places(style: str, raw: str, words: Sequence[str], mentions: Sequence[Mention]) -> dict[int, Place] | None:
    """Where the entities of a sentence are in its translation `raw`, by their numbers; lost ones are not in it.

    Args:
        style: how `raw` is marked, a key of text_markers.STYLES.
        raw: the translation with its marks.
        words: the words of the translation without them.
        mentions: the entities of the source sentence.

    Returns:
        None where these words, in this order, are not those of the translation.
    """
    marked = STYLES[style].decode(raw)
    if not marked.pieces and (style == "blanks" or not mentions):
        return {}
    spans = locate(marked.text, words)
    if spans is None:
        return None
    if style == "blanks":
        return {k: Place(*hull, likeness=1.0) for k, hull in hulls(marked.pieces, spans).items()}
    found = recover(marked, spans, mentions)
    over = hulls([Piece(one.start, one.end, one.entity) for one in found], spans)
    return {one.entity: Place(*over[one.entity], likeness=one.likeness) for one in found if one.entity in over}


def recover(marked: Marked, words: Sequence[tuple[int, int]], mentions: Sequence[Mention]) -> list[Found]:
    """The entities that are found in a marked translation, each at most once, in the order of their numbers.

    Args:
        marked: the translation without marks, and its pieces, with the entity UNKNOWN or by tags.
        words: the characters `[start, end)` of each word of its text, in order.
        mentions: the entities of the source sentence.
    """
    tagged = any(piece.entity != UNKNOWN for piece in marked.pieces)
    found = list(_by_tag(marked, mentions) if tagged else _by_likeness(marked, mentions))
    found += _by_search(marked.text, words, mentions, found)
    return sorted(found, key=lambda one: one.entity)


def ratio(one: str, other: str) -> float:
    """How alike two strings are, letters of either case being equal: 2 · matched / all characters, in [0, 1].

    Matched are the characters of the longest common block and, left and right of it, of the longest ones there
    (Ratcliff and Obershelp; difflib). The second string is the reference: the ratio is not quite symmetric.
    """
    return SequenceMatcher(None, one.lower(), other.lower(), autojunk=False).ratio()


def assign(ratios: np.ndarray) -> list[tuple[int, int]]:
    """The one-to-one pairs (row, column) with the greatest sum of ratios, of those above MIN_RATIO.

    Where several sums are the greatest, the one with the pairs in order.
    """
    if not ratios.size:
        return []
    rows, columns = np.indices(ratios.shape)
    usable = ratios > MIN_RATIO
    gain = np.where(usable, ratios - ORDER * np.abs(rows - columns), 0.0)
    chosen = zip(*linear_sum_assignment(gain, maximize=True), strict=True)
    return [(int(row), int(column)) for row, column in chosen if usable[row, column]]


def _by_tag(marked: Marked, mentions: Sequence[Mention]) -> Iterator[Found]:
    """The pieces by their tags; of several with one tag the one most like the entity, of equals the first."""
    best: dict[int, tuple[float, Piece]] = {}
    for piece in marked.pieces:
        if not 0 <= piece.entity < len(mentions):
            continue
        like = _likeness(marked.text[piece.start : piece.end], mentions[piece.entity])
        if piece.entity not in best or like > best[piece.entity][0]:
            best[piece.entity] = like, piece
    return (Found(*piece, likeness=1.0, how="tag") for _, piece in best.values())


def _by_likeness(marked: Marked, mentions: Sequence[Mention]) -> Iterator[Found]:
    """The matching of the pieces and, where their number is right, what is left of one label in order."""
    pieces = marked.pieces
    ratios = np.array([[_likeness(marked.text[p.start : p.end], m) for m in mentions] for p in pieces])
    pairs = assign(ratios.reshape(len(pieces), len(mentions)))
    for row, entity in pairs:
        yield Found(pieces[row].start, pieces[row].end, entity, float(ratios[row, entity]), "ratio")
    rows, entities = (set(column) for column in zip(*pairs, strict=True)) if pairs else (set(), set())
    left = [k for k in range(len(mentions)) if k not in entities]
    if len(pieces) == len(mentions) and len({mentions[k].label for k in left}) == 1:
        free = (piece for row, piece in enumerate(pieces) if row not in rows)
        for piece, entity in zip(free, left, strict=True):
            yield Found(piece.start, piece.end, entity, MIN_RATIO, "count")


def _likeness(piece: str, mention: Mention) -> float:
    """To the stand-alone translation, or to the source's own words: many names stay as they are."""
    return max(ratio(nfc(piece), nfc(text)) for text in (mention.alone, mention.text))


def _by_search(
    text: str, words: Sequence[tuple[int, int]], mentions: Sequence[Mention], found: Sequence[Found]
) -> list[Found]:
    """The entities that are not found yet, as n-grams of free words, the most alike first.

    Of equally good ones, those spelt exactly so come first, then the earlier ones.
    """
    known = {one.entity for one in found}
    wanted = [k for k, mention in enumerate(mentions) if k not in known and (mention.alone or mention.text)]
    if not wanted:
        return []
    taken = [any(one.start < end and start < one.end for one in found) for start, end in words]
    ranked = []
    for entity in wanted:
        # its own words only where nothing else is known: a short one may be any word of the other language
        needle = mentions[entity].alone or mentions[entity].text
        for likeness, exact, first, last in _ngrams(text, words, taken, needle):
            ranked.append((-likeness, not exact, first, entity, last))
    chosen: dict[int, Found] = {}
    for minus, _, first, entity, last in sorted(ranked):
        if entity not in chosen and not any(taken[first:last]):
            taken[first:last] = [True] * (last - first)
            chosen[entity] = Found(words[first][0], words[last - 1][1], entity, -minus, "search")
    return list(chosen.values())


def _ngrams(
    text: str, words: Sequence[tuple[int, int]], taken: Sequence[bool], needle: str
) -> Iterator[tuple[float, bool, int, int]]:
    """The n-grams of free words that are like the needle: likeness, whether it is the very same, first and last + 1.

    Letters are compared without case and marks.
    """
    plain = _folded(needle)
    matcher = SequenceMatcher(None, "", plain, autojunk=False)
    for first in range(len(words)):
        for last in range(first + 1, len(words) + 1):
            if taken[last - 1]:
                break
            gram = text[words[first][0] : words[last - 1][1]]
            folded = _folded(gram)
            matcher.set_seq1(folded)
            if matcher.real_quick_ratio() <= MIN_RATIO:
                if len(folded) > len(plain):
                    break
                continue
            if matcher.quick_ratio() > MIN_RATIO and (likeness := matcher.ratio()) > MIN_RATIO:
                yield likeness, gram == needle, first, last


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    """Letters without case and without marks above and below them."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in spread if not unicodedata.combining(character))
