"""The words of a side as numbers, against plain Python."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core import case
from xproj.core.bare_words import bare
from xproj.core.frequency import commonness
from xproj.sides import Side

word = st.sampled_from(["a", "The", "the", "été", "Été", "7", "中", "fish,", "l'ami", "“Ana”", ","])
rows_of_words = st.lists(st.none() | st.lists(word, max_size=4), min_size=1, max_size=5)


def columns(rows):
    """The same words plain, with a dictionary, and as a slice of a longer column whose dictionary has more words."""
    plain = pa.array(rows, pa.list_(pa.string()))
    encoded = pa.list_(pa.dictionary(pa.int32(), pa.string()))
    longer = pa.array([["unused", "a"], *rows, ["other"]], pa.list_(pa.string())).cast(encoded)
    chunks = [pa.array([row], pa.list_(pa.string())).cast(encoded) for row in rows]
    return (
        plain,
        plain.cast(encoded),
        pa.chunked_array([longer.slice(1, len(rows))]),
        pa.chunked_array(chunks),
        odd(rows),
    )


def odd(rows):
    """The same words with a dictionary that has each of them twice, and a null."""
    words = sorted({word for row in rows for word in row or ()})
    values = pa.array([None, *words, *words], pa.string())
    ids = [1 + words.index(word) + len(words) * (k % 2) for k, word in enumerate(w for row in rows for w in row or ())]
    offsets = np.cumsum([0, *(len(row or ()) for row in rows)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.DictionaryArray.from_arrays(pa.array(ids, pa.int32()), values)
    )


@given(rows_of_words, st.randoms(use_true_random=False))
def test_a_side_equals_plain_python(rows, random):
    words = [word for row in rows for word in row or ()]
    wanted = np.array([random.random() < 0.5 for _ in words], dtype=np.bool_)
    known = {"a": 0.5, "fish": 0.25}
    for column in columns(rows):
        side = Side(column)
        assert side.lengths.tolist() == [len(row or ()) for row in rows]
        assert side.written(side.ids) == words and side.letters.tolist() == [len(word) for word in words]
        assert side.cases.tolist() == case.cases(words).tolist()
        counted = Counter()
        for one, count in zip(side.distinct.to_pylist(), side.counts().tolist(), strict=True):
            counted[one] += count
        assert +counted == Counter(words)
        assert side.counts(wanted).sum() == wanted.sum()
        common, kinds = side.look_up(wanted, known)
        assert common.tolist() == np.where(wanted, commonness(words, known), 0).tolist()
        assert kinds.tolist() == np.where(wanted, case.cases_with_breaks(words), 0).tolist()
        forms = [bare(word).lower() if bare(word).isascii() else bare(word) for word in words]
        hashes = side.hashes[side.ids].tolist()
        assert len(set(hashes)) == len(set(forms)) == len(set(zip(hashes, forms, strict=True))) and 0 not in hashes


@given(rows_of_words, st.data())
def test_words_inside_spans_are_marked(rows, data):
    side = Side(columns(rows)[0])
    spans, marked = [], [False] * len(side.ids)
    for row, size in enumerate(side.lengths.tolist()):
        for _ in range(data.draw(st.integers(0, 2)) if size else 0):
            start = data.draw(st.integers(0, size - 1))
            end = data.draw(st.integers(start + 1, size))
            spans.append((row, start, end))
            first = int(side.offsets[row])
            marked[first + start : first + end] = [True] * (end - start)
    at = np.array(spans, dtype=np.int64).reshape(-1, 3).T
    assert side.inside(*at).tolist() == marked


@pytest.mark.parametrize("column", columns([None, []]))
def test_a_side_without_words(column):
    side = Side(column)
    assert len(side.ids) == len(side.letters) == len(side.cases) == len(side.inside(*np.zeros((3, 0), np.int64))) == 0
    assert side.hashes.dtype == np.uint64 and len(side.hashes) == len(side.first_cases) == len(side.distinct)
    assert [len(found) for found in side.look_up(np.zeros(0, dtype=np.bool_), {})] == [0, 0]
