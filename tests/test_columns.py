"""List columns as flat buffers and back: slices, chunks, nulls."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import (
    ENTITY,
    LINK,
    Entity,
    EntityColumn,
    Link,
    LinkColumn,
    Span,
    TokenColumn,
    build_list,
    combine,
    flatten,
)

WORDS = pa.list_(pa.string())
small = st.integers(0, 50)


def rows_of(element):
    return st.lists(st.none() | st.lists(element, max_size=4), max_size=6)


tokens = rows_of(st.text("aé字", max_size=3))
links = rows_of(st.builds(Link, small, small, st.sampled_from([0.25, 0.5, 1.0])))
entities = rows_of(st.builds(Entity, small, small, st.sampled_from(["PER", "LOC"]), st.sampled_from([None, 0.5])))


def dicts(rows):
    return [None if row is None else [element._asdict() for element in row] for row in rows]


def pieces(array, cut):
    """The same column as an array, a slice of a longer one, chunks, and large lists."""
    cut = min(cut, len(array))
    padded = pa.concat_arrays([array[:cut], array, array[cut:]])
    yield array
    yield padded.slice(cut, len(array))
    yield pa.chunked_array([array[:cut], array[cut:]])
    yield pa.chunked_array([array[:cut], array[cut:cut], array[cut:]], type=array.type)
    yield array.cast(pa.large_list(array.type.value_type))


def test_flatten_by_hand():
    array = pa.array([["a", "b"], None, [], ["c"]], WORDS)
    offsets, values, valid = flatten(array)
    assert offsets.tolist() == [0, 2, 2, 2, 3] and offsets.dtype == np.int64
    assert values.to_pylist() == ["a", "b", "c"]
    assert valid.tolist() == [True, False, True, True]
    assert build_list(offsets, values, valid).equals(array)
    assert build_list(offsets, values).to_pylist() == [["a", "b"], [], [], ["c"]]


def test_values_of_null_rows_are_not_seen():
    hidden = pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array(["a", "b", "c"]), mask=pa.array([True, False]))
    offsets, values, valid = flatten(hidden)
    assert offsets.tolist() == [0, 0, 1] and values.to_pylist() == ["c"] and valid.tolist() == [False, True]


@pytest.mark.parametrize("column", [pa.chunked_array([], WORDS), pa.array([], WORDS)])
def test_no_rows(column):
    assert combine(column).to_pylist() == []
    offsets, values, valid = flatten(column)
    assert offsets.tolist() == [0] and len(values) == len(valid) == 0
    assert len(TokenColumn.read(column)) == 0
    assert build_list(offsets, values, valid).type == WORDS


def test_fixed_size_lists():
    fixed = pa.array([["a", "b"], None, ["c", "d"]], pa.list_(pa.string(), 2))
    assert TokenColumn.read(fixed).rows() == [["a", "b"], None, ["c", "d"]]


@given(tokens, small)
def test_tokens_come_back(rows, cut):
    for column in pieces(pa.array(rows, WORDS), cut):
        read = TokenColumn.read(column)
        assert read.rows() == rows
        assert read.lengths.tolist() == [len(row or []) for row in rows]
        ids, words = read.encode()
        assert ids.dtype == np.int32 and len(set(words)) == len(words)
        assert [words[i] for i in ids] == [word for row in rows for word in row or []]
    assert TokenColumn.of(rows).rows() == rows


@given(links, small)
def test_links_come_back(rows, cut):
    array = pa.array(dicts(rows), pa.list_(LINK))
    for column in pieces(array, cut):
        assert LinkColumn.read(column).write().equals(array)
    assert LinkColumn.of(rows).write().equals(array)


@given(entities, small)
def test_entities_come_back(rows, cut):
    array = pa.array(dicts(rows), pa.list_(ENTITY))
    for column in pieces(array, cut):
        read = EntityColumn.read(column)
        assert read.write().equals(array)
        assert len(set(read.names)) == len(read.names)
    assert EntityColumn.of(rows).write().equals(array)


@given(links, st.sampled_from([0.0, 0.3, 0.5, 2.0]))
def test_strong_links(rows, least):
    kept = LinkColumn.of(rows).at_least(least)
    assert kept.write().to_pylist() == dicts(
        [row if row is None else [link for link in row if link.score >= least] for row in rows]
    )


def test_missing_scores():
    rows = [[{"source": 0, "target": 1, "score": None}]]
    assert LinkColumn.read(pa.array(rows, pa.list_(LINK))).score.tolist() == [1.0]
    gold = EntityColumn.of([[(0, 1, "PER")]])
    assert np.isnan(gold.score).all() and gold.write().to_pylist()[0][0]["score"] is None


def test_dictionary_labels():
    label = pa.array(["LOC", "PER", "LOC"]).dictionary_encode()
    values = pa.StructArray.from_arrays(
        [pa.array([0, 1, 2]), pa.array([1, 2, 3]), label, pa.nulls(3, pa.float32())], ["start", "end", "label", "score"]
    )
    read = EntityColumn.read(build_list(np.array([0, 3]), values))
    assert [read.names[k] for k in read.label] == ["LOC", "PER", "LOC"] and read.start.dtype == np.int32


def test_plain_tuples():
    assert Span(1, 2) == (1, 2) and Link(0, 1).score == 1.0 and Entity(0, 1, "PER").score is None
