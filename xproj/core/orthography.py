"""How alike two words look, in any pair of scripts.

Names are the words that annotation projection lives on, and names look alike across languages once both are written
in Latin letters, and more so once letters that sound alike are one. Words are transliterated by anyascii, folded by
`SOUNDS`, and compared by the indel similarity `r = 2 · LCS(a, b) / (|a| + |b|)` (the `ratio` of rapidfuzz), computed 64
letters at a time with the bit-parallel longest-common-subsequence recurrence of Hyyrö (2004), "Bit-parallel LCS-length
computation revisited".

A compound with a hyphen also looks like the word that is a part of it ("EU" and "EU-Erweiterung").

What a script does not tell apart (see `core.scripts`) is one letter on both sides or none, by `BESIDE`: r and l beside
a word in Chinese characters, kana or hangul, v and b beside kana and hangul, f and p beside hangul; voiced and
voiceless consonants beside a word in Chinese characters alone ("Peter" is 彼得, "bide") or in Tamil; vowels beside one
in an abjad (Arabic, Hebrew, Syriac), which hardly writes them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from xproj.core.scripts import ABJAD, CHINESE, HANGUL, KANA, KINDS, OTHER, TAMIL, kind_of, latin

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_LETTERS = 4
MIN_SIMILARITY = 0.65
# of consonants alone: two words of one are compared with all of their letters, of two by equality
LEAST_CONSONANTS = 2
MIN_CONSONANTS = 3
MIN_SIMILARITY_OF_CONSONANTS = 0.7
MAX_LETTERS = 64
# how much a word looks like a compound that has it between hyphens, and its shortest length
PART = 0.8
LEAST_OF_PART = 2
_HYPHEN = ord("-")
# letters that languages and transliterations write differently for much the same sound, replaced in this order
SOUNDS = (
    ("ph", "f"),
    ("th", "t"),
    ("ck", "k"),
    ("qu", "kv"),
    ("q", "k"),
    ("x", "ks"),
    ("c", "k"),
    ("w", "v"),
    ("y", "i"),
    ("j", "i"),
    ("z", "s"),
    ("ts", "s"),
)
# what is one letter beside a word in such a script: of its letters as they are written, and as they sound
BESIDE: dict[int, tuple[dict[int, int], dict[int, int]]] = {
    OTHER: ({}, {}),
    KANA: ({}, str.maketrans("rv", "lb")),
    HANGUL: ({}, str.maketrans("rfv", "lpb")),
    TAMIL: ({}, str.maketrans("bdgv", "ptkf")),
    # pinyin has x for s, and j where other languages have g or k
    CHINESE: (str.maketrans("jx", "ks"), str.maketrans("rbdgv", "lptkf")),
}
_DIGIT = re.compile("[0-9]")
# vowels, and the letter v, which stands for u and o where w does; punctuation stands for letters without a sound
NO_CONSONANTS = re.compile("[^a-z]|[aeiouv]")
# j is a consonant there (ج), and Arabic has no p
CONSONANTS = str.maketrans("jp", "gb")


class Spellings(NamedTuple):
    """Words as bytes, spelt for each kind of script that they may be compared with.

    Word w beside kind k is `letters[offsets[i]:offsets[i + 1]]`, i = k · words + w, at most 64 letters, and compared by
    equality only where `exact[i]`. `kind` (words,) is the kind of script that a word itself is written in.
    """

    letters: np.ndarray
    offsets: np.ndarray
    exact: np.ndarray
    kind: np.ndarray


def spellings(source: Sequence[str], target: Sequence[str]) -> tuple[Spellings, Spellings]:
    """Spell the words of both sides as they sound; short words and words with digits stay as they are."""
    kinds = [np.fromiter(map(kind_of, words), dtype=np.int8, count=len(words)) for words in (source, target)]
    met = set(np.concatenate(kinds).tolist())
    here, there = (_spelt(words, kind, met) for words, kind in zip((source, target), kinds, strict=True))
    return here, there


def _spelt(words: Sequence[str], kind: np.ndarray, met: set[int]) -> Spellings:
    """Words of these kinds, without the spellings beside a kind that is not `met`."""
    plain = [latin(word) for word in words]
    numbers = [_DIGIT.search(form) is not None for form in plain]
    exact = [number or len(form) < MIN_LETTERS for form, number in zip(plain, numbers, strict=True)]
    forms = {one: _beside(plain, *letters) for one, letters in BESIDE.items() if one in met | {OTHER}}
    few = [False] * len(words)
    if ABJAD in met:
        forms[ABJAD] = [form if number else consonants(form) for form, number in zip(plain, numbers, strict=True)]
        few = [number or len(form) < MIN_CONSONANTS for form, number in zip(forms[ABJAD], numbers, strict=True)]
    encoded = {one: _encoded(forms[one]) for one in sorted(forms)}
    offsets = np.zeros(KINDS * len(words) + 1, dtype=np.int64)
    for one, (_, bounds) in encoded.items():
        offsets[one * len(words) + 1 : (one + 1) * len(words) + 1] = np.diff(bounds)
    letters = np.concatenate([letters for letters, _ in encoded.values()])
    return Spellings(letters, np.cumsum(offsets), np.array([*exact * ABJAD, *few], dtype=np.bool_), kind)


def _beside(words: Sequence[str], written: dict[int, int], sounding: dict[int, int]) -> list[str]:
    """Transliterated words as they are compared where these letters are one; parts of a compound as they are alone."""

    def form(word: str) -> str:
        """Short words, and those with digits, stay as they are."""
        if len(word) < MIN_LETTERS or _DIGIT.search(word):
            return word
        return folded(word.translate(written)).translate(sounding) if sounding else folded(word)

    return ["-".join(map(form, word.split("-"))) if "-" in word else form(word) for word in words]


def transliterations(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Words in Latin letters as bytes: word w is `letters[offsets[w]:offsets[w + 1]]`, at most 64 letters."""
    return _encoded([latin(word) for word in words])


def folded(form: str) -> str:
    """A transliterated word in lower case with one spelling for letters that sound alike ("wagner" is "vagner")."""
    for written, sound in SOUNDS:
        form = form.replace(written, sound)
    return form


def consonants(form: str) -> str:
    """What an abjad would write of a transliterated word in lower case ("george" is "grg", and so is "جورج")."""
    return NO_CONSONANTS.sub("", folded(form.replace("ph", "f").translate(CONSONANTS)))


def _encoded(forms: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    encoded = [form.encode("ascii", "ignore")[:MAX_LETTERS] for form in forms]
    offsets = np.zeros(len(forms) + 1, dtype=np.int64)
    np.cumsum([len(form) for form in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


@njit(cache=True)
def _common(a: np.ndarray, b: np.ndarray, masks: np.ndarray) -> int:
    """Length of the longest common subsequence of two byte strings of at most 64 letters; `masks` is zeroed scratch."""
    one = np.uint64(1)
    for k in range(len(a)):
        masks[a[k]] |= one << np.uint64(k)
    state = ~np.uint64(0)
    for k in range(len(b)):
        matched = state & masks[b[k]]
        state = (state + matched) | (state - matched)
    for k in range(len(a)):
        masks[a[k]] = 0
    length = 0
    for k in range(len(a)):
        if not (state >> np.uint64(k)) & one:
            length += 1
    return length


@njit(cache=True)
def equal(a: np.ndarray, b: np.ndarray) -> float:
    """1 for two strings of the same bytes, else 0."""
    if len(a) != len(b):
        return 0.0
    for k in range(len(a)):
        if a[k] != b[k]:
            return 0.0
    return 1.0


@njit(cache=True)
def _with_hyphen(words: Spellings) -> np.ndarray:
    """Which words, (words,), have a hyphen between other letters as they are spelt beside the kind OTHER."""
    found = np.zeros(len(words.kind), dtype=np.bool_)
    for word in range(len(found)):
        for at in range(words.offsets[word] + 1, words.offsets[word + 1] - 1):
            found[word] |= words.letters[at] == _HYPHEN
    return found


@njit(cache=True)
def _has_part(compound: np.ndarray, word: np.ndarray) -> bool:
    """Does the word stand in the compound between hyphens, or between one and an end of it?"""
    size = len(word)
    if size < LEAST_OF_PART or word[0] == _HYPHEN:
        return False
    for first in range(len(compound) - size + 1):
        after = first + size
        if (first == 0 or compound[first - 1] == _HYPHEN) and (after == len(compound) or compound[after] == _HYPHEN):
            if equal(compound[first:after], word) == 1.0:
                return True
    return False


@njit(cache=True)
def similarities(source_ids: np.ndarray, target_ids: np.ndarray, source: Spellings, target: Spellings) -> np.ndarray:
    """Similarity in [0, 1] of word pairs `(source_ids[k], target_ids[k])`, (n,) float32; 0 where it means little.

    Words marked `exact` score 1 when they are equal and 0 otherwise; a word without letters is like no other. Two words
    in one kind of script are compared with all of their letters. A word that is a part of a compound with hyphens is at
    least PART like it; two compounds are compared as words.
    """
    scores = np.zeros(len(source_ids), dtype=np.float32)
    masks = np.zeros(256, dtype=np.uint64)
    joined = _with_hyphen(source), _with_hyphen(target)
    for k in range(len(source_ids)):
        here, there = source.kind[source_ids[k]], target.kind[target_ids[k]]
        kind = OTHER if here == there else max(here, there)
        a, a_exact = _spelling(source, source_ids[k], kind)
        b, b_exact = _spelling(target, target_ids[k], kind)
        if kind == ABJAD and min(len(a), len(b)) < LEAST_CONSONANTS:
            kind = OTHER
            a, a_exact = _spelling(source, source_ids[k], kind)
            b, b_exact = _spelling(target, target_ids[k], kind)
        if kind == OTHER and joined[0][source_ids[k]] != joined[1][target_ids[k]]:
            scores[k] = PART if (_has_part(a, b) if joined[0][source_ids[k]] else _has_part(b, a)) else 0.0
        least = MIN_SIMILARITY_OF_CONSONANTS if kind == ABJAD else MIN_SIMILARITY
        shorter, total = min(len(a), len(b)), len(a) + len(b)
        if shorter == 0 or 2 * shorter < least * total:
            continue
        if a_exact or b_exact:
            # a short word as it is written and a longer one that is folded are not to be compared
            scores[k] = max(scores[k], equal(a, b) if a_exact and b_exact else 0.0)
            continue
        score = 2 * _common(a, b, masks) / total
        scores[k] = max(scores[k], score if score >= least else 0.0)
    return scores


@njit(cache=True)
def _spelling(words: Spellings, word: int, kind: int) -> tuple[np.ndarray, bool]:
    """A word as it is spelt beside a kind of script, and whether it is compared by equality only."""
    at = kind * len(words.kind) + word
    return words.letters[words.offsets[at] : words.offsets[at + 1]], words.exact[at]
