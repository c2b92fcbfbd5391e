"""Overlap of vocabularies, scripts and segmentation against counts in plain Python."""

from collections import Counter
from functools import reduce
from operator import add

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import EntityColumn, TokenColumn
from xproj.core import vocabulary
from xproj.core.vocabulary import NO_WORDS, Overlap, Segmentation, Vocabulary

words = st.lists(st.sampled_from(["a", "b", "c", "Ω", "דג", ""]), max_size=20)


def of(*texts):
    return Vocabulary.of(pa.array(texts, pa.string()))


@given(words, words, st.integers(0, 20))
def test_overlap_equals_plain_python(source, target, cut):
    s, t = Counter(source), Counter(target)
    parts = [of(*target[:cut]), of(*target[cut:])]
    merged = reduce(add, parts, NO_WORDS)
    assert dict(zip(merged.values.to_pylist(), merged.counts.tolist(), strict=True)) == dict(t)
    found = Overlap.of(of(*source), merged)
    shared = set(s) & set(t)
    assert (found.shared_types, found.source_types, found.target_types) == (len(shared), len(s), len(t))
    assert found.types == (pytest.approx(len(shared) / len(t)) if t else None)
    assert found.tokens == (pytest.approx(sum(t[w] for w in shared) / len(target)) if t else None)


def test_words_inside_entities():
    tokens = TokenColumn.of([["a", "b", "c"], None, ["d", "e"], []])
    entities = EntityColumn.of([[(1, 3, "X")], None, [(0, 1, "Y"), (1, 2, "Y")], []])
    assert vocabulary.inside(tokens, entities).tolist() == [False, True, True, True, True]


def test_scripts_are_those_of_letters():
    mixed = vocabulary.scripts(of("abc", "abc", "дом", "12", "é!"))
    assert mixed == {"LATIN": pytest.approx(0.7), "CYRILLIC": pytest.approx(0.3)}
    assert list(mixed) == ["LATIN", "CYRILLIC"]
    assert vocabulary.scripts(of("12", "...")) == {}
    assert set(vocabulary.scripts(of("ሰላም", "你好", "𝐀"))) == {"ETHIOPIC", "CJK", "MATHEMATICAL"}
    assert vocabulary.script_match(mixed, mixed) == pytest.approx(1)
    assert vocabulary.script_match(mixed, {"LATIN": 1.0}) == pytest.approx(0.7)
    assert vocabulary.script_match(mixed, {"ETHIOPIC": 1.0}) == 0


def test_segmentation():
    found = Vocabulary(pa.array(["aa", "b", "?", ""]), np.array([3, 2, 4, 1]))
    # aa → 5 6, b → 7, ? → unknown and 7, and an empty word without sub-words
    ids = np.array([5, 6, 7, 0, 7])
    cut = Segmentation.of(found, np.array([0, 2, 3, 5, 5]), ids, 0, ids == 7)
    assert cut.unknown_words == pytest.approx((4 + 1) / 10)
    assert cut.unknown_pieces == pytest.approx(4 / (6 + 2 + 8))
    assert cut.fertility == pytest.approx(16 / 10)
    assert cut.single_characters == pytest.approx((2 + 4) / 16)
    assert dict(zip(cut.pieces.values.to_pylist(), cut.pieces.counts.tolist(), strict=True)) == {5: 3, 6: 3, 7: 6}
    none = Segmentation.of(NO_WORDS, np.array([0]), np.zeros(0, np.int64), None, np.zeros(0, bool))
    assert (none.unknown_words, none.fertility, none.single_characters) == (None, None, None)
