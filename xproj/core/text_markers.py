"""Markers that a translator reads as part of the text: EasyProject's brackets and LabelPigeon's tags.

`brackets` (arXiv 2211.15613) put one and the same pair round every entity, so an answer says where entities are, not
which; `xml` (arXiv 2603.12021) gives each a tag of its own, `<a>…</a>`. What came back is kept in one form for each
style, in which the text's own brackets are escaped.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from xproj.core import markers
from xproj.core.markers import CONTROL, SURROGATE, Marked, Piece, Style, squeeze

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# the entity of a bracketed piece: which one it is, `recovery` finds out
UNKNOWN = -1
# the pairs that may mark entities, the best known to translators first
PAIRS = (("[", "]"), ("{", "}"), ("【", "】"), ("⟦", "⟧"))
# what translators make of them
OPENING = "[{【⟦《「［〔｛"
CLOSING = "]}】⟧》」］〕｝"
ESCAPED = re.compile(r"\\(?P<escaped>.)|(?P<mark>[\[\]])|[^\\\[\]]+|.", re.DOTALL)
TAG = re.compile(
    r"<\s*(?P<close>/?)\s*(?P<tag>[A-Za-z]{1,3})\s*(?P<empty>/?)\s*>|&\s?(?P<name>amp|lt|gt)\s?;|[^<&]+|.", re.S
)
NAMES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
CHARACTERS = {"amp": "&", "lt": "<", "gt": ">"}


class Form(NamedTuple):
    """A sentence as it is sent: its text, the pair that marks `marks` entities of it, and the brackets of its own."""

    text: str
    style: str
    marks: int
    pair: tuple[str, str] | None = None
    own: frozenset[str] = frozenset()


def forms(sentence: Marked, style: str) -> list[Form]:
    """The ways to send a sentence in the style brackets or xml, the best first; one where nothing is to be marked.

    Brackets are of a pair that the text does not have; where it has all of them, its own square ones become round.
    Of entities that overlap, brackets mark the longest, as nested ones cannot be told apart; tags mark all.
    """
    text = SURROGATE.sub("\ufffd", CONTROL.sub(" ", sentence.text))
    clean = Marked(text, tuple(piece for piece in sentence.pieces if text[piece.start : piece.end].strip()))
    if not clean.pieces:
        return [Form(text, style, 0)]
    if style == "xml":
        return [Form(encode_tags(clean), style, len({piece.entity for piece in clean.pieces}))]
    clean = clean._replace(pieces=flat(clean.pieces))
    free = [pair for pair in PAIRS if not set(pair) & set(text)]
    if not free:
        clean = clean._replace(text=text.translate(str.maketrans("[]", "()")))
        free = [PAIRS[0]]
    own = frozenset(text) & frozenset(OPENING + CLOSING) - set("[]" if free == [PAIRS[0]] else "")
    return [Form(_bracketed(clean, *pair), style, len(clean.pieces), pair, own) for pair in free]


def bare(text: str, form: Form) -> list[str]:
    """A text with the marks of a form, or a part of one, without them: with as few marks as can be, and as many.

    Parts need not be whole: a mark without its partner goes too.
    """
    if not form.marks:
        return [text]
    if form.style == "xml":
        return [decode_tags(text).text]
    assert form.pair is not None
    wide = "".join(mark for mark in OPENING + CLOSING if mark not in form.own)
    return [text.translate(dict.fromkeys(map(ord, marks))) for marks in ("".join(form.pair), wide)]


def places(whole: str, parts: Sequence[str]) -> list[tuple[int, int]] | None:
    """Where parts of a text stand in it, white space aside; None where they are not those of the text."""
    at = [k for k, character in enumerate(whole) if not character.isspace()]
    spelt = ["".join(part.split()) for part in parts]
    if "".join(spelt) != "".join(whole.split()):
        return None
    found, seen = [], 0
    for part in spelt:
        end = seen + len(part)
        start = at[seen] if seen < len(at) else len(whole)
        found.append((start, at[end - 1] + 1 if part else start))
        seen = end
    return found


def read(answer: str, form: Form) -> Marked:
    """The answer to a form without its marks, and the marked pieces; marks without a partner only disappear."""
    if not form.marks:
        return squeeze(answer)
    if form.style == "xml":
        return decode_tags(answer)
    assert form.pair is not None
    strict = _read(answer, *form.pair)
    if len(strict.pieces) >= form.marks:
        return strict
    # translators also write the brackets of their language; but those may be quotation marks
    wide = _read(answer, *("".join(mark for mark in marks if mark not in form.own) for marks in (OPENING, CLOSING)))
    return wide if len(strict.pieces) < len(wide.pieces) <= form.marks else strict


def _read(answer: str, opening: str, closing: str) -> Marked:
    reader = _Reader()
    for character in answer:
        if character in opening:
            reader.open(UNKNOWN)
        elif character in closing:
            reader.close(UNKNOWN)
        else:
            reader.add(character)
    return reader.marked()


def kept(marked: Marked) -> int:
    """How many entities have come back: tags by their names, brackets by their number."""
    numbered = {piece.entity for piece in marked.pieces} - {UNKNOWN}
    return len(numbered) or len(marked.pieces)


def flat(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """The pieces, in their order, without those that overlap a longer one."""
    chosen: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.start - piece.end, piece.start)):
        if all(piece.end <= other.start or other.end <= piece.start for other in chosen):
            chosen.append(piece)
    return tuple(sorted(chosen))


def segments(marked: Marked) -> list[str]:
    """The text cut at the borders of its pieces, so that each of them can be split into words of its own."""
    borders = {0, len(marked.text)}.union(*((piece.start, piece.end) for piece in marked.pieces))
    return [marked.text[start:end] for start, end in pairwise(sorted(borders))]


def encode_brackets(sentence: Marked) -> str:
    """The form in which answers with brackets are kept: `[` and `]` round the pieces, a backslash before its own."""
    parts, place = [], 0
    for piece in flat(sentence.pieces):
        parts += [_escape(sentence.text[place : piece.start]), f"[{_escape(sentence.text[piece.start : piece.end])}]"]
        place = piece.end
    return "".join([*parts, _escape(sentence.text[place:])])


def decode_brackets(raw: str) -> Marked:
    """What `encode_brackets` has kept; the entity of each piece is UNKNOWN."""
    reader = _Reader()
    for token in ESCAPED.finditer(raw):
        if token["mark"] == "[":
            reader.open(UNKNOWN)
        elif token["mark"] == "]":
            reader.close(UNKNOWN)
        else:
            reader.add(token["escaped"] or token.group())
    return reader.marked()


def encode_tags(sentence: Marked) -> str:
    """The sentence with a tag for each entity, `<a>` for number 0, and `&`, `<`, `>` escaped."""
    events: dict[int, list[tuple[int, int, str]]] = {}
    for piece in sentence.pieces:
        tag, length = _tag(piece.entity), piece.end - piece.start
        # at one place: first what ends, the inner before the outer, then what begins, the outer before the inner
        events.setdefault(piece.end, []).append((0, length, f"</{tag}>"))
        events.setdefault(piece.start, []).append((1, -length, f"<{tag}>"))
    parts, place = [], 0
    for at in sorted(events):
        text = sentence.text[place:at].translate(str.maketrans(NAMES))
        parts += [text, *(mark for _, _, mark in sorted(events[at], key=lambda event: event[:2]))]
        place = at
    return "".join([*parts, sentence.text[place:].translate(str.maketrans(NAMES))])


def decode_tags(raw: str) -> Marked:
    """The clean text and the tagged pieces; a tag that is never opened or never closed only disappears."""
    reader = _Reader()
    for token in TAG.finditer(raw):
        if token["tag"] is None:
            reader.add(CHARACTERS.get(token["name"] or "", token.group()))
        elif token["close"]:
            reader.close(_number(token["tag"].lower()))
        elif not token["empty"]:
            reader.open(_number(token["tag"].lower()))
    return reader.marked()


class _Reader:
    """Takes an answer piece by piece: characters, and marks that open and close.

    The space inside a marker, `[ Rome ].`, goes, except between letters, where it is all that parts two words.
    """

    def __init__(self) -> None:
        self._text = ""
        self._open: dict[int, int] = {}
        self._pieces: list[Piece] = []
        self._inside = False  # right behind an opening mark
        self._held = ""  # space before a closing mark

    def add(self, text: str) -> None:
        if self._inside and not self._text[-1:].isalnum():
            text = text.lstrip()
        if not text:
            return
        if self._held and text[0].isalnum():
            self._text += self._held
        self._inside, self._held = False, ""
        self._text += text

    def open(self, entity: int) -> None:
        self._text += self._held
        self._inside, self._held = True, ""
        # a mark that is opened again starts there
        self._open[entity] = len(self._text)

    def close(self, entity: int) -> None:
        bare = self._text.rstrip()
        if not self._held:
            self._held = self._text[len(bare) :]
        self._text = bare
        self._open = {other: min(start, len(bare)) for other, start in self._open.items()}
        start = self._open.pop(entity, None)
        if start is not None and start < len(bare):
            self._pieces.append(Piece(start, len(bare), entity))

    def marked(self) -> Marked:
        return squeeze(self._text, sorted(self._pieces))


def _bracketed(sentence: Marked, opening: str, closing: str) -> str:
    parts, place = [], 0
    for start, end, _ in sentence.pieces:
        parts += [sentence.text[place:start], f"{opening} {sentence.text[start:end].strip()} {closing}"]
        place = end
    return "".join([*parts, sentence.text[place:]])


def _escape(text: str) -> str:
    return re.sub(r"[\\\[\]]", r"\\\g<0>", text)


def _tag(number: int) -> str:
    """a, b, …, z, aa, ab, …"""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def _number(tag: str) -> int:
    number = 0
    for letter in tag:
        number = 26 * number + ord(letter) - ord("a") + 1
    return number - 1


STYLES = markers.STYLES | {
    "brackets": Style(encode_brackets, decode_brackets),
    "xml": Style(encode_tags, decode_tags),
}
