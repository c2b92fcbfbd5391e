"""Columns are cast when nothing is lost, and refused with a reason otherwise."""

import numpy as np
import pyarrow as pa
import pytest

from xproj import schema
from xproj.columns import ENTITY, LINK, SPAN
from xproj.errors import SchemaError
from xproj.schema import COLUMNS, STATUSES, cast, check_spans, conform

TOKENS = COLUMNS["source_tokens"]


def refused(table, *columns, where="input"):
    """The message of a table that does not conform."""
    with pytest.raises(SchemaError) as raised:
        conform(table, columns, where=where)
    assert "\n" not in str(raised.value)
    return str(raised.value)


ENTITIES = [[{"start": 0, "end": 1, "label": "PER", "score": None}], None, []]
WIDE = pa.struct([("end", pa.int64()), ("start", pa.uint8()), ("label", pa.large_string())])


@pytest.mark.parametrize(
    ("array", "name", "expected"),
    [
        (pa.array([["a"], None], pa.list_(pa.field("element", pa.string()))), "source_tokens", [["a"], None]),
        (pa.array([["a"], None], pa.large_list(pa.large_string())), "source_tokens", [["a"], None]),
        (pa.array([["a"], None], pa.list_(pa.string(), 1)), "source_tokens", [["a"], None]),
        (pa.array([["a"], ["a"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))), "source_tokens", [["a"], ["a"]]),
        (pa.array(["a", "b"]).dictionary_encode(), "id", ["a", "b"]),
        (pa.array([7, 8]), "id", ["7", "8"]),
        (pa.array(["x"], pa.large_string()), "id", ["x"]),
        (pa.nulls(2), "source_tokens", [None, None]),
        (pa.array([[], None], pa.list_(pa.null())), "source_entities", [[], None]),
        (pa.array([ENTITIES[0], None], pa.list_(WIDE)), "source_entities", ENTITIES[:2]),
        (pa.array([[{"source": 1, "target": 2}]]), "links", [[{"source": 1, "target": 2, "score": None}]]),
        (
            pa.array([[{"source": 1, "target": 2, "score": 0.5, "more": "x"}]]),
            "links",
            [[{"source": 1, "target": 2, "score": 0.5}]],
        ),
        (pa.array([[[0.5, 1]]]), "target_probabilities", [[[0.5, 1.0]]]),
        (pa.array([[1, 2]]), "score_x", [[1.0, 2.0]]),
        (pa.array([True, None]), "source_predicted", [True, None]),
        (pa.array(["ok", None]), "status", ["ok", None]),
        (pa.array(["ok"]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())), "status", ["ok"]),
    ],
)  # fmt: skip
def test_lossless_casts(array, name, expected):
    table = conform(pa.table({name: array}), [name])
    assert table[name].to_pylist() == expected
    assert table[name].type == schema.column_type(name)


def test_slices_and_chunks():
    wide = pa.array([["x"], ["a"], None, ["b", "c"]], pa.large_list(pa.string()))
    table = pa.table({"source_tokens": pa.chunked_array([wide.slice(1, 1), wide.slice(2)])})
    for part, expected in ((table, [["a"], None, ["b", "c"]]), (table.slice(1, 1), [None]), (table.slice(3), [])):
        assert conform(part, ["source_tokens"])["source_tokens"].to_pylist() == expected


def test_null_structs_stay_null():
    array = pa.array([{"source": 1, "target": 2}, None], pa.struct([("source", pa.int64()), ("target", pa.int64())]))
    assert cast(array, LINK).to_pylist() == [{"source": 1, "target": 2, "score": None}, None]
    assert cast(array.slice(1), LINK).to_pylist() == [None]


@pytest.mark.parametrize(
    ("array", "name", "detail"),
    [
        (pa.array([[{"start": 0, "end": 2**31}]]), "candidates", "not in range"),
        (pa.array([[{"start": 0.5, "end": 1}]]), "candidates", "truncated"),
        (pa.array([["a"]]), "links", "struct"),
        (pa.array([[["a"]]]), "source_tokens", "utf8"),
        (pa.array(["a b"]), "source_tokens", "list"),
        (pa.array([["a"]]), "id", "utf8"),
        (pa.array(["yes?"]), "source_predicted", "parse"),
        (pa.array([b"\xff"]), "id", "UTF8"),
    ],
)
def test_casts_that_lose_something_are_refused(array, name, detail):
    message = refused(pa.table({name: array}), name, where="a.parquet")
    assert message.startswith(f"a.parquet: column {name!r} has type {array.type}, needed is ")
    assert detail in message and message.endswith("convert it first")


def test_a_missing_column_is_named():
    assert refused(pa.table({"id": ["a"]}), "id", "links") == "input: column 'links' is missing; it has id"
    assert refused(pa.table({}), "id") == "input: column 'id' is missing; it has none"
    assert "no declared type" in refused(pa.table({"x": ["a"]}), "x")


def test_missing_optional_columns_are_null():
    table = conform(pa.table({"id": ["a", "b"], "other": [1, 2]}), ["id"], ["links", "score_x", "status"])
    assert table.column_names == ["id", "links", "score_x", "status"]
    assert [table[name].null_count for name in table.column_names] == [0, 2, 2, 2]
    assert table["links"].type == COLUMNS["links"] and table["score_x"].type == schema.SCORE_TYPE
    assert conform(pa.table({"id": ["a"]}), ["id"], ["id"]).column_names == ["id"]


def test_nulls_that_stand_for_something():
    assert refused(pa.table({"id": ["a", None]}), "id").startswith("input: column 'id' is null in row 1; every row")
    words = pa.table({"source_tokens": pa.array([["a"], None, [], ["b", None]], TOKENS)})
    assert "'source_tokens' has a null word in row 3" in refused(words, "source_tokens")
    for entities, what in (([{"start": 0, "end": 1}], "label"), ([None], "start")):
        table = pa.table({"target_gold": pa.array([[], entities], pa.list_(ENTITY))})
        assert f"'target_gold' has a null {what} in row 1" in refused(table, "target_gold")


@pytest.mark.parametrize("field", ["start", "end", "label", "source", "target", "source_entity", "reason"])
def test_null_fields_are_refused(field):
    kinds = {"source_entities": ENTITY, "links": LINK, "dropped": schema.DROPPED, "candidates": SPAN}
    some = {"start": 0, "end": 1, "label": "X", "source": 0, "target": 0, "source_entity": 0, "reason": "overlap"}
    for name, kind in kinds.items():
        if field in [one.name for one in kind]:
            whole = {one.name: some.get(one.name) for one in kind}
            table = pa.table({name: pa.array([[whole], None, [whole, whole | {field: None}]], pa.list_(kind))})
            assert f"'{name}' has a null {field} in row 2" in refused(table, name)
            assert conform(table.slice(0, 2), [name]).num_rows == 2
    owners = pa.array([[some | {"source_entity": None}]], pa.list_(schema.TARGET_ENTITY))
    assert conform(pa.table({"back_entities": owners}), ["back_entities"]).num_rows == 1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("score", float("inf"), "has the score inf in row 7"),
        ("label", "O", "has the label 'O' in row 7"),
        ("label", " ", "has the label ' ' in row 7"),
        ("label", "PER ", "has the label 'PER ' in row 7"),
        ("label", "A\nB", "has the label 'A"),
    ],
)
def test_values_that_no_tag_or_score_can_have(field, value, message):
    whole = {"start": 0, "end": 1, "label": "X", "score": float("nan")}  # some tools write NaN for null
    table = pa.table({"source_entities": pa.array([[whole], None, [whole, whole | {field: value}]], pa.list_(ENTITY))})
    with pytest.raises(SchemaError, match=message):
        conform(table, ["source_entities"], first_row=5)
    assert conform(table.slice(0, 2), ["source_entities"]).num_rows == 2


def test_a_column_that_is_there_twice_is_refused():
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["id", "id"])
    with pytest.raises(SchemaError, match="two columns 'id'; drop one"):
        conform(twice, ["id"])


def test_null_words_of_a_dictionary_are_refused_as_others():
    words = pa.array(["a", "b", None])
    for values in (
        words.dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 1]), pa.array(["a", None])),
    ):
        tokens = pa.ListArray.from_arrays(pa.array([0, 1, 3], pa.int32()), values)
        with pytest.raises(SchemaError, match="'source_tokens' has a null word in row 1"):
            conform(pa.table({"source_tokens": tokens}), ["source_tokens"], encoded=True)


def test_status_codes():
    codes = schema.status_codes(pa.table({"status": ["ok", None, "filtered"]}))
    assert codes.tolist() == [0, 0, STATUSES.index("filtered")] and codes.dtype == np.int32
    again = pa.table({"status": schema.status_array(codes)})
    assert again["status"].type == COLUMNS["status"] and schema.status_codes(again).tolist() == codes.tolist()
    assert schema.status_codes(again.slice(2)).tolist() == codes[2:].tolist()
    assert schema.status_codes(pa.table({"id": ["a"]})).tolist() == [0]
    assert schema.status_codes(again.slice(3)).tolist() == []
    with pytest.raises(
        SchemaError, match="column 'status': unknown status 'okay' in row 1; legal are ok, empty_source"
    ):
        schema.status_codes(pa.table({"status": ["ok", "okay"]}))
    for odd, message in (
        (pa.array([0, 1]), "unknown status 0 in row 0"),
        (pa.array([["ok"]]), "has type list<"),
        (pa.array([b"ok", b"\xff"]), "has type binary"),
    ):
        with pytest.raises(SchemaError, match=message):
            schema.status_codes(pa.table({"status": odd}))
    assert schema.status_codes(pa.table({"status": pa.nulls(2)})).tolist() == [0, 0]


def spans(*rows, words=3, **columns):
    entities = [[{"start": a, "end": b} for a, b in row] for row in rows]
    return pa.table(
        {
            "source_tokens": pa.array([["w"] * words] * len(rows), TOKENS),
            "source_entities": pa.array(entities, pa.list_(SPAN)),
            **columns,
        }
    )


def test_spans_inside_their_sentence_pass():
    check_spans(spans([(0, 3), (1, 2)], [], words=3), "source_entities", "source_tokens")
    check_spans(spans([], []), "source_entities", "source_tokens")
    nulls = pa.table({"t": pa.nulls(2, TOKENS), "e": pa.nulls(2, pa.list_(SPAN))})
    check_spans(nulls, "e", "t")


@pytest.mark.parametrize("span", [(0, 4), (1, 1), (2, 1), (-1, 2), (None, 2), (3, 4)])
def test_spans_outside_their_sentence_are_refused(span):
    table = spans([(0, 1)], [(0, 2), span], id=["a", "b"])
    with pytest.raises(SchemaError) as raised:
        check_spans(table, "source_entities", "source_tokens", "gold.parquet")
    message = str(raised.value)
    assert message.startswith("gold.parquet: source_entities of 'b' has the span [")
    assert "but the sentence has 3 words; offsets are words, half-open, from 0" in message
    if None not in span:
        assert f"[{span[0]}, {span[1]})" in message
    with pytest.raises(SchemaError, match="'row 1'"):
        check_spans(table.drop_columns(["id"]), "source_entities", "source_tokens")


def broken(values):
    """Strings of any bytes."""
    return pa.array(values, pa.binary()).view(pa.string())


@pytest.mark.parametrize("encoded", [False, True])
def test_bytes_that_are_not_utf8_are_refused_with_their_row(encoded):
    words = broken([b"ok", b"Jos\xe9"])
    words = words.dictionary_encode() if encoded else words
    tokens = pa.ListArray.from_arrays(pa.array([0, 0, 1, 2], pa.int32()), words)
    with pytest.raises(SchemaError, match="'target_tokens' is not UTF-8 in row 2"):
        conform(pa.table({"target_tokens": tokens}), ["target_tokens"], encoded=encoded)
    with pytest.raises(SchemaError, match="'source_text' is not UTF-8 in row 1"):
        conform(pa.table({"source_text": broken([None, b"\xff"])}), ["source_text"])
    fine = pa.table({"source_text": ["Jos\u00e9", None, ""]})
    assert conform(fine, ["source_text"]).equals(fine)
