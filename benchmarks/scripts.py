"""How names are found across scripts: the prior of the statistical aligner, with and without its rules for scripts.

    python benchmarks/scripts.py

Two tables, each with all letters compared as anyascii writes them, and with the rules of scripts (core/scripts.py,
core/orthography.py):

1. F1 on the development sets of `quality`: those in Latin and Cyrillic letters with the target side written in Arabic
   letters, as Arabic would write it, and in katakana, which is real gold in a made-up spelling; the samples in
   Arabic, Hindi, Chinese, Greek and Japanese as they are.
2. Names of one word that CLDR (package Babel) knows in English and in real languages of such scripts: the share whose
   right partner looks more alike than every other name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import quality
from anyascii import anyascii
from rich.console import Console
from rich.table import Table

from xproj import recipe
from xproj.aligners.names import name_pairs
from xproj.core import orthography
from xproj.languages import lookup

LANGUAGES = (
    "arb_Arab", "heb_Hebr", "pes_Arab", "urd_Arab", "zho_Hans", "jpn_Jpan", "kor_Hang", "tam_Taml", "ell_Grek",
    "hin_Deva", "tha_Thai", "lao_Laoo", "khm_Khmr", "mya_Mymr",
)  # fmt: skip
ARABIC = {
    "b": "ب", "c": "ك", "d": "د", "f": "ف", "g": "غ", "h": "ه", "i": "ي", "j": "ي", "k": "ك", "l": "ل", "m": "م",
    "n": "ن", "o": "و", "p": "ب", "q": "ق", "r": "ر", "s": "س", "t": "ت", "u": "و", "v": "ف", "w": "و", "x": "كس",
    "y": "ي", "z": "ز", "ch": "خ", "ph": "ف", "sch": "ش", "sh": "ش", "th": "ث",
}  # fmt: skip
KANA = {
    "": "アイウエオ",
    "k": "カキクケコ",
    "g": "ガギグゲゴ",
    "s": "サシスセソ",
    "z": "ザジズゼゾ",
    "t": "タチツテト",
    "d": "ダヂヅデド",
    "n": "ナニヌネノ",
    "h": "ハヒフヘホ",
    "b": "バビブベボ",
    "p": "パピプペポ",
    "m": "マミムメモ",
    "r": "ラリルレロ",
}
KANA |= {"l": KANA["r"], "f": KANA["h"], "c": KANA["k"], "q": KANA["k"], "x": KANA["k"]}
KANA |= {letter: KANA["b"] for letter in "vw"} | {letter: KANA["z"] for letter in "jy"}


def main() -> None:
    """Print both tables."""
    console = Console()
    console.print(development(Path(os.environ.get("XPROJ_DATA", ""))))
    console.print(names())


def development(data: Path) -> Table:
    """F1 of the development sets in other scripts; the sample alone where there are no gold data."""
    printed = Table("corpus", "written in", "all letters", "by script", title="F1")
    for corpus in quality.gold_corpora(data):
        if not corpus.dev:
            continue
        for script, write in SPELLINGS.get(lookup(corpus.language).code.partition("_")[2], ()):
            table = written(quality.read(corpus, data), write)
            with all_letters():
                before = f1(table)
            printed.add_row(corpus.name, script, f"{before:.3f}", f"{f1(table):.3f}")
    return printed


def names() -> Table:
    """The share of names that are found among all by their looks."""
    printed = Table("language", "names", "all letters", "by script", title="Names found by their looks")
    for language in LANGUAGES:
        found = name_pairs("eng_Latn", language)
        assert found is not None
        pairs = [(a[0], b[0]) for a, b in zip(*(side.rows() for side in found), strict=True) if len(a) == len(b) == 1]
        with all_letters():
            before = top(pairs)
        printed.add_row(language, str(len(pairs)), f"{before:.3f}", f"{top(pairs):.3f}")
    return printed


@contextmanager
def all_letters() -> Iterator[None]:
    """Every word is taken for one in the Latin alphabet, as anyascii writes it."""
    kept = orthography.kind_of, orthography.latin
    orthography.kind_of, orthography.latin = lambda word: orthography.OTHER, lambda word: anyascii(word).lower()
    try:
        yield
    finally:
        orthography.kind_of, orthography.latin = kept


def f1(table: pa.Table) -> float:
    """F1 of a corpus with the default settings; the language is not told, so that no names are known."""
    column, _ = quality.links(table, recipe.Align())
    spans = quality.score(table, column, recipe.Project()).spans
    assert spans is not None
    return spans.micro.f1


def top(pairs: list[tuple[str, str]]) -> float:
    """The share of pairs that look alike, and more so than the first word and that of any other pair."""
    size = len(pairs)
    here, there = orthography.spellings([a for a, _ in pairs], [b for _, b in pairs])
    rows, columns = np.divmod(np.arange(size * size), size)
    alike = orthography.similarities(rows, columns, here, there).reshape(size, size)
    right = alike.diagonal().copy()
    np.fill_diagonal(alike, 0)
    return float(np.mean((right > 0) & (right > alike.max(axis=1))))


def written(table: pa.Table, write: Callable[[str], str]) -> pa.Table:
    """The table with the words of the target side in another spelling."""
    place = table.column_names.index("target_tokens")
    rows = [[write(word) for word in row] for row in table["target_tokens"].to_pylist()]
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(rows, type=field.type))


def arabic(word: str) -> str:
    """A word in Arabic letters: i, o and u are written, e is not, and a at the beginning and at every other place."""
    letters = anyascii(word).lower()
    spelt, at = "", 0
    while at < len(letters):
        size = next((size for size in (3, 2, 1) if letters[at : at + size] in ARABIC), 1)
        letter = letters[at : at + size]
        if letter in "ae":
            spelt += "ا" if at == 0 or (letter == "a" and at % 2) else ""
        else:
            spelt += ARABIC.get(letter, letter)
        at += size
    return spelt or word


def katakana(word: str) -> str:
    """A word in katakana: a consonant without a vowel behind it gets a u, d and t an o; n may stand alone."""
    letters = anyascii(word).lower()
    spelt, at = "", 0
    while at < len(letters):
        row = letters[at] if letters[at] in KANA else ""
        letter = letters[at + len(row) : at + len(row) + 1]
        vowel = letter if letter in tuple("aeiou") else ""
        if vowel:
            spelt += KANA[row]["aiueo".index(vowel)]
        elif row:
            spelt += "ン" if row == "n" else KANA[row]["aiueo".index("o" if row in "dt" else "u")]
        else:
            spelt += letter
        at += len(row) + len(vowel or ("" if row else letter))
    return spelt or word


OWN = (("its own", str),)
MADE_UP = ("Arabic letters", arabic), ("katakana", katakana)
SPELLINGS = {"Latn": MADE_UP, "Cyrl": MADE_UP, "Arab": OWN, "Hans": OWN, "Deva": OWN, "Grek": OWN, "Jpan": OWN}


if __name__ == "__main__":
    main()
