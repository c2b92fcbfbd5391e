"""Case of words, and what links say about it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import LinkColumn
from xproj.core.case import (
    BEFORE_BREAK,
    CAPITAL,
    CASELESS,
    JOINER,
    KINDS,
    PUNCTUATION,
    SMALL,
    cases,
    cases_with_breaks,
    contrast,
    count_links,
)

WORDS = 4
row = st.dictionaries(
    st.tuples(st.integers(0, WORDS - 1), st.integers(0, WORDS - 1)), st.sampled_from([0.25, 0.5, 1.0]), max_size=6
)
letters = st.lists(st.integers(0, KINDS - 1), min_size=WORDS, max_size=WORDS)


def test_case_of_the_first_letter_or_digit():
    words = {
        CAPITAL: ["Ana", "ÉTÉ", "Öl", "Ямал", "«Реал»", "(Öl", "l'Union"],
        SMALL: ["ana", "été", "ямал", "ßen", "'ndrangheta", "L'endroit"],
        CASELESS: ["7th", "東京", "$", "$,", "+", "%", "§", "#", "&"],
        JOINER: ["-", "'", "’", "·", "・", ".", "/"],
        PUNCTUATION: ["«", "", "\u200b", "...", ",", "--", "``", "''", "。"],
    }
    assert {kind: cases(of).tolist() for kind, of in words.items()} == {
        kind: [kind] * len(of) for kind, of in words.items()
    }


def test_marks_behind_words_that_separate():
    """Points do not: “St.”, “J.”."""
    with_break = ["fish,", "Ana;", "7:", "中，", "§,", "ቃል፣", "fish,”", 'fish,"', "(fish!)"]
    without = ["fish", "St.", ",", "a,b", ",”", "“fish”", ""]
    words = with_break + without
    breaks = cases_with_breaks(words) - cases(words)
    assert breaks.tolist() == [BEFORE_BREAK] * len(with_break) + [0] * len(without) and breaks.dtype == np.int8


@given(rows=st.lists(st.tuples(row, letters, letters), max_size=4))
def test_counts_equal_plain_python(rows):
    links = LinkColumn.of([[(i, j, s) for (i, j), s in sorted(found.items())] for found, _, _ in rows])
    source, target = (np.array([x for r in rows for x in r[side]], dtype=np.int8) for side in (1, 2))
    offsets, counts, expected = np.arange(len(rows) + 1) * WORDS, np.zeros((2, 2)), np.zeros((2, 2))
    count_links(links.offsets, links.source, links.target, links.score, source, offsets, target, offsets, counts)
    for found, here, there in rows:
        for (i, j), score in found.items():
            if i and j and {here[i], there[j]} <= {SMALL, CAPITAL}:
                expected[here[i] - SMALL, there[j] - SMALL] += score
    assert counts == pytest.approx(expected)


def test_contrast_of_languages():
    """Capitals kept, as in Swahili; all nouns with capitals, as in German; no capitals at all."""
    strict, nouns, none = ([[1000, 10], [10, 500]], [[700, 300], [180, 820]], [[0, 0], [0, 0]])
    assert contrast(np.array(strict)) == pytest.approx(np.log(1001 / 1012 / (11 / 512)))
    assert 0 < contrast(np.array(nouns)) < contrast(np.array(strict))
    assert contrast(np.array(none)) == 0
    assert contrast(np.array([[10, 500], [1000, 10]])) == 0, "never a reward for another case"
