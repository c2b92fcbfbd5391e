"""Words of any script in Latin letters, and what kinds of scripts do not tell apart.

anyascii writes one letter after another. Where a script works in another way it is helped by the rules of its block:

* scripts of India: a nasal sign is n, but m before p, ph, b, bh and m; a letter with a nukta is one of its own;
* Greek: two letters stand for one sound ("Μπαγκλαντές" is "baglandes" and not "mpagklantes");
* Thai and Lao: vowels that are written before their consonant are spoken behind it;
* Hebrew, Tamil, Khmer, Burmese: letters that names are written with, as they sound there.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from anyascii import anyascii

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Rule = tuple[re.Pattern[str], "str | Callable[[re.Match[str]], str]"]
# kinds of scripts; the greater one of two words' kinds says how both are compared
OTHER, EAST_ASIAN, TAMIL, CHINESE, ABJAD = range(5)
KINDS = 5
_KANA_OR_HANGUL = re.compile("[\u1100-\u11ff\u3041-\u30fa\u30fc-\u318f\uac00-\ud7ff\uff66-\uffdc]")
_CHINESE_CHARACTER = re.compile("[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_OF_ABJAD = re.compile("[\u0590-\u077f\u0870-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_OF_TAMIL = re.compile("[\u0b80-\u0bff]")
# letters to a block of rules
_BLOCK = 0x80


def latin(word: str) -> str:
    """A word in small Latin letters ("मंगल" is "mngl", "Ødegård" "odegard", "Ντουμπάι" "dumbai")."""
    if not word.isascii():
        word = unicodedata.normalize("NFC", word)
        for block in {ord(letter) // _BLOCK for letter in word} & RULES.keys():
            for pattern, written in RULES[block]:
                word = pattern.sub(written, word)
    return anyascii(word).lower()


def kind_of(word: str) -> int:
    """The kind of script that a word is written in; of a mixed word the greater one, but EAST_ASIAN with any kana or
    hangul among Chinese characters."""
    if word.isascii():
        return OTHER
    if _OF_ABJAD.search(word):
        return ABJAD
    if _KANA_OR_HANGUL.search(word):
        return EAST_ASIAN
    return CHINESE if _CHINESE_CHARACTER.search(word) else TAMIL if _OF_TAMIL.search(word) else OTHER


def _replaced(written: Mapping[str, str]) -> Rule:
    """A rule that replaces each of some strings, small or capital, the first that fits."""
    return re.compile("|".join(written), re.IGNORECASE), lambda found: written[found[0].lower()]


def _indic(at: int) -> Iterable[Rule]:
    """Rules of a block of India that starts at this letter; they have one order. NFC takes letters with a nukta apart.

    In Telugu, Kannada and Malayalam a nasal sign at the end of a word is m; tippi is a nasal sign of Gurmukhi.
    """
    signs = chr(at + 1) + chr(at + 2) + ("\u0a70" if at == 0x0A00 else "")
    if at in (0x0C00, 0x0C80, 0x0D00):
        yield re.compile(f"[{signs}](?!\\w)"), "m"
    yield re.compile(f"[{signs}](?![{chr(at + 0x2A)}-{chr(at + 0x2E)}])"), "n"
    apart = {unicodedata.normalize("NFC", letter): letter for letter in map(chr, range(at, at + _BLOCK))}
    with_nukta = {pair: letter for pair, letter in apart.items() if len(pair) == 2 and pair != letter}
    if with_nukta:
        yield _replaced(with_nukta)


def _accented(written: dict[str, str]) -> dict[str, str]:
    """Two letters each, the second one with an accent too ("ού")."""
    return written | {pair[0] + unicodedata.normalize("NFC", pair[1] + "\u0301"): to for pair, to in written.items()}


# by block of 128 letters
RULES: dict[int, list[Rule]] = {at // _BLOCK: list(_indic(at)) for at in range(0x0900, 0x0D80, _BLOCK)}
RULES[0x0380 // _BLOCK] = [
    (re.compile("(?<!\\w)μπ", re.IGNORECASE), "b"),
    (re.compile("(?<!\\w)ντ", re.IGNORECASE), "d"),
    _replaced(
        {"μπ": "mb", "ντ": "nd", "γκ": "g", "γγ": "ng", "τζ": "j"}
        | _accented({"ου": "u", "αι": "e", "ει": "i", "οι": "i", "αυ": "av", "ευ": "ev"})
    ),
]
RULES[0x0580 // _BLOCK] = [_replaced({"ב": "b", "פ": "p"})]
RULES[0x0B80 // _BLOCK].append(_replaced({"ச": "s"}))
RULES[0x0E00 // _BLOCK] = [(re.compile("เ([ก-ฮ]{1,2})ีย"), r"\1ia"), (re.compile("([เ-ไ])([ก-ฮ])"), r"\2\1")]
RULES[0x0E80 // _BLOCK] = [
    (re.compile("([\u0ec0-\u0ec4])([\u0e81-\u0eae\u0edc\u0edd])"), r"\2\1"),
    _replaced({"ຍ": "y", "ຊ": "s"}),
]
RULES[0x1000 // _BLOCK] = [
    _replaced({"\u102d\u102f": "o", "\u1031\u102c": "o", "\u1031\u102b": "o", "အ": "", "ရှ": "sh", "စ": "s", "သ": "t"})
]
RULES[0x1780 // _BLOCK] = [_replaced({"ហ្គ": "g", "ហ្វ": "f", "ហ្ស": "z", "អ": ""})]
