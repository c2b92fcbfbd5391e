"""Words of any script in Latin letters, and what kinds of scripts do not tell apart.

anyascii writes one letter after another. Where a script works in another way it is helped by the rules of its block:

* scripts of India: a nasal sign is n, but m before p, ph, b, bh and m; a letter with a nukta is one of its own;
* Greek: two letters stand for one sound ("Μπαγκλαντές" is "baglandes" and not "mpagklantes");
* Thai and Lao: vowels that are written before their consonant are spoken behind it;
* katakana: a small letter changes the one before it ("チェ" is "che");
* hangul: ㅡ only carries a consonant ("프" is "p");
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
OTHER, KANA, HANGUL, TAMIL, CHINESE, ABJAD = range(6)
KINDS = 6
_OF_KANA = re.compile("[\u3041-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d]")
_OF_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7ff\uffa0-\uffdc]")
_CHINESE_CHARACTER = re.compile("[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_OF_ABJAD = re.compile("[\u0590-\u077f\u0870-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_OF_TAMIL = re.compile("[\u0b80-\u0bff]")
# letters to a block of rules; those from hangul on are one
_BLOCK = 0x80
_HANGUL = 0xAC00 // _BLOCK


def latin(word: str) -> str:
    """A word in small Latin letters ("मंगल" is "mngl", "Ødegård" "odegard", "Ντουμπάι" "dumbai")."""
    if not word.isascii():
        word = unicodedata.normalize("NFC", word.lower())
        for block in {min(ord(letter) // _BLOCK, _HANGUL) for letter in word} & RULES.keys():
            for pattern, written in RULES[block]:
                word = pattern.sub(written, word)
    return anyascii(word).lower()


def kind_of(word: str) -> int:
    """The kind of script that a word is written in; of a mixed word the first one of ABJAD, KANA, HANGUL, CHINESE and
    TAMIL that it has a letter of."""
    if word.isascii():
        return OTHER
    if _OF_ABJAD.search(word):
        return ABJAD
    if _OF_KANA.search(word):
        return KANA
    if _OF_HANGUL.search(word):
        return HANGUL
    return CHINESE if _CHINESE_CHARACTER.search(word) else TAMIL if _OF_TAMIL.search(word) else OTHER


def _replaced(written: Mapping[str, str]) -> Rule:
    """A rule that replaces each of some strings, the first that fits."""
    return re.compile("|".join(written)), lambda found: written[found[0]]


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


_GLIDES = {"ウ": "w", "ク": "w", "グ": "w", "イ": "y"}


def _with_small_kana(found: re.Match[str]) -> str:
    """A katakana with a small one behind it: the small one's vowel takes the place of its own."""
    before, small = anyascii(found[1]).rstrip("aiueo"), anyascii(found[2])
    if found[1] in "シチジヂ":
        return before + small[-1]
    return before + _GLIDES.get(found[1], "") + small


def _without_eu(found: re.Match[str]) -> str:
    """A syllable of hangul; ㅡ, the 18th of its 21 vowels from 0, is left out, but not in a word of one syllable."""
    carries = len(found.string) > 1 and (ord(found[0]) - 0xAC00) // 28 % 21 == 18
    return anyascii(found[0]).lower().replace("eu", "") if carries else found[0]


# by block of 128 letters, for words in small letters
RULES: dict[int, list[Rule]] = {at // _BLOCK: list(_indic(at)) for at in range(0x0900, 0x0D80, _BLOCK)}
RULES[0x0380 // _BLOCK] = [
    (re.compile("µ"), "μ"),  # the micro sign
    (re.compile("(?<!\\w)μπ"), "b"),
    (re.compile("(?<!\\w)ντ"), "d"),
    _replaced(
        {"μπ": "mb", "ντ": "nd", "γκ": "g", "γγ": "ng", "τζ": "j"}
        | _accented({"ου": "u", "αι": "e", "ει": "i", "οι": "i", "αυ": "av", "ευ": "ev"})
    ),
]
RULES[0x0580 // _BLOCK] = [_replaced({"ב": "b", "פ": "p"})]
RULES[0x0B80 // _BLOCK].append(_replaced({"ஃப": "f", "ச்ச": "ch", "ஞ்ச": "nj", "ச": "s"}))
RULES[0x0E00 // _BLOCK] = [(re.compile("เ([ก-ฮ]{1,2})ี[่-๋]?ย"), r"\1ia"), (re.compile("([เ-ไ])([ก-ฮ])"), r"\2\1")]
RULES[0x0E80 // _BLOCK] = [
    (re.compile("\u0ec0([\u0e81-\u0eae\u0edc\u0edd])\u0e8d"), r"\1ia"),
    (re.compile("([\u0ec0-\u0ec4])([\u0e81-\u0eae\u0edc\u0edd])"), r"\2\1"),
    _replaced({"ຍ": "y", "ຊ": "s"}),
]
RULES[0x1000 // _BLOCK] = [
    _replaced({"\u102d\u102f": "o", "\u1031\u102c": "o", "\u1031\u102b": "o", "အ": "", "ရှ": "sh", "စ": "s", "သ": "t"})
]
RULES[0x1780 // _BLOCK] = [_replaced({"ហ្គ": "g", "ហ្វ": "f", "ហ្ស": "z", "អ": ""})]
RULES[0x3080 // _BLOCK] = [
    (re.compile("([キギシジチヂテデニヒビピフミリヴ])([ャュョ])"), _with_small_kana),
    (re.compile("([ァ-ヴ])([ァィゥェォ])"), _with_small_kana),
]
RULES[_HANGUL] = [(re.compile("[가-힣]"), _without_eu)]
