"""Words without marks at their ends and without what is left out before an apostrophe."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core.bare_words import MARKS, all_bare, bare, counted

letters = st.sampled_from([*"lLdcheunaéÉzß'’’,.;-–«»“”()。，۔7%\u0301", "Ж", "中", "\u00a0", "\u200b"])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("food,", "food"),
        ("(“Food”).", "Food"),
        ("¿Qué", "Qué"),
        ("食物。", "食物"),
        ("l'endroit.", "endroit"),
        ("L’été", "été"),
        ("«d'Artagnan»", "Artagnan"),
        ("qu'elle", "elle"),
        ("Qu’elle", "elle"),
        ("dell'Unione", "Unione"),
        ("Dell'Unione", "Unione"),
        ("c'était", "était"),
        ("'s", "s"),
        ("ቃል፣", "ቃል"),
        ("բառ։", "բառ"),
        ("food,\u200f", "food"),
        ("\u200b«food»", "food"),
        # elsewhere the apostrophe is a letter or stands before an ending, and some words are too short
        ("bo'ldi", "bo'ldi"),
        ("O'zbekiston", "O'zbekiston"),
        ("merc'hed", "merc'hed"),
        ("c'hoar", "c'hoar"),
        ("c'mon", "c'mon"),
        ("la'aan", "la'aan"),
        ("Sa'adu", "Sa'adu"),
        ("Ma'rib", "Ma'rib"),
        ("O'Brien", "O'Brien"),
        ("п'ятниця", "п'ятниця"),
        ("Van'daki", "Van'daki"),
        ("AB'nin", "AB'nin"),
        ("B'nin", "B'nin"),
        ("we'll", "we'll"),
        ("don't", "don't"),
        ("rock'n'roll", "rock'n'roll"),
        # signs and marks alone are words
        ("EU-", "EU-"),
        ("50%", "50%"),
        ("...", "..."),
        (",", ","),
        ("", ""),
    ],
)
def test_bare(word, expected):
    assert bare(word) == expected


def test_counted_words_are_small_and_composed():
    assert counted("МОСКВА") == "москва"
    assert counted(unicodedata.normalize("NFD", "L'Été,")) == counted("été") == "été"


@given(st.lists(st.text(letters, max_size=8), max_size=6))
def test_arrow_and_python_agree(words):
    assert all_bare(pa.array(words, pa.large_string())).to_pylist() == [bare(word) for word in words]


@given(st.text(letters, max_size=8))
def test_what_is_left_is_a_part_of_the_word_and_never_nothing(word):
    left = bare(word)
    assert left in word and bool(left) == bool(word)
    assert left == word or not left or left[-1] not in MARKS
