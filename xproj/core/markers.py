"""Markers: entities that travel through a translator inside the text.

A *style* is a pair of functions: `encode` writes a sentence with its marks as the text that a translator reads, and
`decode` reads the clean text and the marked pieces off what came back. The style `blanks` is the stream format of
Apertium with word-bound blanks (Khanna et al. 2021, "Recent advances in Apertium"): each word of `[[t:e:K]]words[[/]]`
keeps its mark wherever the engine moves it, so an entity may come back in pieces, with unmarked words between them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from xproj.core.normalization import nfc, normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SPECIAL = re.compile(r"[\\\[\]{}^$/@<>]")
# line ends and NUL cut sentences apart, the other controls mean nothing in a sentence; a half of a surrogate pair is no
# character and cannot be written as UTF-8
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SURROGATE = re.compile("[\ud800-\udfff]")
TOKEN = re.compile(r"\\(?P<escaped>.)|\[\[(?P<mark>[^\[\]]*)\]\]|\[[^\[\]]*\]|(?P<text>[^\\\[]+|.)", re.DOTALL)
# the words of an entity as the engine has moved them; the words of a span that was chosen as it is
ENTITY, SPAN = re.compile(r"t:e:(\d+)"), re.compile(r"t:s:(\d+)")
CHUNK = re.compile(r"\S+")
PARTICLE = re.compile(r"([^\W\d_]+)(?:['’]|\s+)")


class Piece(NamedTuple):
    """The characters `[start, end)` of a sentence belong to the entity with the number `entity`."""

    start: int
    end: int
    entity: int


class Marked(NamedTuple):
    """A sentence without marks, and its marked pieces: those of a source sentence are its entities."""

    text: str
    pieces: tuple[Piece, ...] = ()


class Style(NamedTuple):
    """How marks are written."""

    encode: Callable[[Marked], str]
    decode: Callable[[str], Marked]


class Hull(NamedTuple):
    """The words `[start, end)` from the first to the last marked one; `marked` of them carry the mark."""

    start: int
    end: int
    marked: int


def encode_blanks(sentence: Marked, kind: str = "e") -> str:
    """The sentence in Apertium's stream format: special characters escaped, word-bound blanks round the pieces.

    Line ends, NULs and other control characters become spaces, unpaired surrogates U+FFFD. Where pieces overlap, the
    words carry the marks of all of them.
    """
    text = SURROGATE.sub("\ufffd", CONTROL.sub(" ", sentence.text))
    if not sentence.pieces:
        return _escape(text)
    borders = sorted({0, len(text)}.union(*((piece.start, piece.end) for piece in sentence.pieces)))
    parts = []
    for start, end in zip(borders, borders[1:], strict=False):
        segment = text[start:end]
        marks = [f"t:{kind}:{p.entity}" for p in sentence.pieces if p.start <= start and end <= p.end]
        inner = segment.strip()
        if not marks or not inner:
            parts.append(_escape(segment))
            continue
        before, _, after = segment.partition(inner)
        parts.append(f"{before}[[{'; '.join(marks)}]]{_escape(inner)}[[/]]{after}")
    return "".join(parts)


def encode_spans(sentence: Marked) -> str:
    """The sentence in the style `blanks`, with `[[t:s:K]]` for spans of which nothing is to be taken off."""
    return encode_blanks(sentence, "s")


def decode_blanks(raw: str) -> Marked:
    """The clean text and the marked pieces of a text in Apertium's stream format; runs of white space become one.

    Pieces of `[[t:e:K]]` lose the particles before a name, those of `[[t:s:K]]` are as they are.
    """
    text, pieces, exact = "", [], []
    entities: list[int] = []
    spans: list[int] = []
    start = 0
    for token in TOKEN.finditer(raw):
        mark = token["mark"]
        if mark is None:
            text += token["escaped"] or token["text"] or ""
            continue
        # a mark that is opened anew ends the one before
        pieces += [Piece(start, len(text), entity) for entity in entities]
        exact += [Piece(start, len(text), entity) for entity in spans]
        entities, spans = (sorted({int(number) for number in kind.findall(mark)}) for kind in (ENTITY, SPAN))
        start = len(text)
    pieces += [Piece(start, len(text), entity) for entity in entities]
    exact += [Piece(start, len(text), entity) for entity in spans]
    return squeeze(text, [*_without_particles(text, pieces), *exact])


def _without_particles(text: str, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces without the particles before a name: `de Madrid` and `d'Itàlia` are marked as Madrid and Itàlia.

    The engine marks word by word, but what is elided or contracted at the very end of its way (lt-proc -p) joins the
    preposition or article to the mark of the name that follows. Within an entity such words stay.
    """
    ends: dict[int, int] = {}
    for piece in pieces:
        goes_on = not text[ends.get(piece.entity, 0) : piece.start].strip() and piece.entity in ends
        ends[piece.entity] = piece.end
        start = piece.start
        while not goes_on and (found := PARTICLE.match(text, start, piece.end)) and _is_small(found[1]):
            start = found.end()
        begins = start < piece.end and text[start].isupper()
        yield piece._replace(start=start) if begins else piece


def _is_small(word: str) -> bool:
    return word == word.lower() != word.upper()


def squeeze(text: str, pieces: Iterable[Piece] = ()) -> Marked:
    """The text with single spaces and none at its ends, the pieces moved along; pieces without a character go."""
    chunks = [match.span() for match in CHUNK.finditer(text)]
    clean = " ".join(text[start:end] for start, end in chunks)
    starts, places, place = [start for start, _ in chunks], [], 0
    for start, end in chunks:
        places.append(place)
        place += end - start + 1

    moved = []
    for piece in pieces:
        inside = text[piece.start : piece.end]
        first = piece.start + len(inside) - len(inside.lstrip())
        last = piece.end - (len(inside) - len(inside.rstrip())) - 1
        if first <= last:
            a, b = (bisect_left(starts, at + 1) - 1 for at in (first, last))
            moved.append(Piece(places[a] + first - starts[a], places[b] + last - starts[b] + 1, piece.entity))
    return Marked(clean, tuple(moved))


def readable(sentence: Marked) -> Marked:
    """The sentence as engines read text: in NFC, control characters as spaces; the pieces are moved along."""
    found = normalized(SURROGATE.sub("\ufffd", CONTROL.sub(" ", sentence.text)))
    return Marked(found.text, tuple(Piece(*found.normal(start, end), k) for start, end, k in sentence.pieces))


def locate(text: str, words: Sequence[str]) -> list[tuple[int, int]] | None:
    """The characters `[start, end)` of each word; None where these words, in this order, are not those of the text.

    Words and text may write the same letters in another form (NFC or not); the characters are those of the text.
    """
    spans = _find(text, words)
    if spans is not None or (text.isascii() and all(map(str.isascii, words))):
        return spans
    found = normalized(text)
    spans = _find(found.text, list(map(nfc, words)))
    return spans and [found.given(*span) for span in spans]


def _find(text: str, words: Sequence[str]) -> list[tuple[int, int]] | None:
    spans, place = [], 0
    for word in words:
        start = text.find(word, place)
        if start < 0:
            return None
        place = start + len(word)
        spans.append((start, place))
    return spans


def hulls(pieces: Iterable[Piece], words: Sequence[tuple[int, int]]) -> dict[int, Hull]:
    """The hull of each entity that has a piece with a word in it.

    Args:
        pieces: the marked characters.
        words: the characters of each word, in order; one that a piece touches is in it.
    """
    ends = [end for _, end in words]
    marked: dict[int, set[int]] = {}
    for piece in pieces:
        word = bisect_left(ends, piece.start + 1)
        while word < len(words) and words[word][0] < piece.end:
            marked.setdefault(piece.entity, set()).add(word)
            word += 1
    return {entity: Hull(min(found), max(found) + 1, len(found)) for entity, found in sorted(marked.items())}


def mark(text: str, words: Sequence[tuple[int, int]], entities: Iterable[tuple[int, int]]) -> Marked:
    """A sentence whose pieces are its entities, given as words `[start, end)`; `words` are their characters."""
    return Marked(text, tuple(Piece(words[a][0], words[b - 1][1], k) for k, (a, b) in enumerate(entities)))


def _escape(text: str) -> str:
    return SPECIAL.sub(r"\\\g<0>", text)


STYLES = {"blanks": Style(encode_blanks, decode_blanks)}
