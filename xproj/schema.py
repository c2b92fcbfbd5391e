"""The columns of every stage, and one check for all of them.

`COLUMNS` gives the Arrow type of each named column; `conform` casts a table to it when nothing is lost and explains
itself when it cannot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import ENTITY, LINK, SPAN, combine, flatten
from xproj.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGET_ENTITY = pa.struct([*ENTITY, ("source_entity", pa.int16())])
DROPPED = pa.struct([("source_entity", pa.int16()), ("reason", pa.string())])

COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "source_text": pa.string(),
    "target_text": pa.string(),
    "source_tokens": pa.list_(pa.string()),
    "target_tokens": pa.list_(pa.string()),
    "source_entities": pa.list_(ENTITY),
    "source_predicted": pa.bool_(),
    "target_gold": pa.list_(ENTITY),
    "status": pa.dictionary(pa.int32(), pa.string()),
    "translation_score": pa.float32(),
    "marked_text": pa.string(),
    "entity_translations": pa.list_(pa.string()),
    "back_tokens": pa.list_(pa.string()),
    "back_entities": pa.list_(TARGET_ENTITY),
    "target_probabilities": pa.list_(pa.list_(pa.float16())),
    "links": pa.list_(LINK),
    "pair_score": pa.float32(),
    "back_links": pa.list_(LINK),
    "candidates": pa.list_(SPAN),
    "target_entities": pa.list_(TARGET_ENTITY),
    "dropped": pa.list_(DROPPED),
}
# fields of entities and links that may be null
NULLABLE = {"score", "source_entity"}
# what parts lines or columns in some reader
BREAKS = re.compile(r"[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
SCORE_TYPE = pa.list_(pa.float32())

STATUSES = (
    "ok",
    "empty_source",
    "empty_target",
    "unlabelled",
    "too_long",
    "filtered",
    "translation_empty",
    "translation_copied",
    "translation_repeated",
    "translation_too_long",
    "translation_too_short",
    "translation_wrong_language",
    "translation_error",
)
DROP_REASONS = ("no_link", "low_score", "overlap", "filtered", "row_failed")


def column_type(name: str) -> pa.DataType | None:
    """The type of a column by its name; None when it is not one of ours."""
    return SCORE_TYPE if name.startswith("score_") else COLUMNS.get(name)


def status_array(codes: np.ndarray) -> pa.DictionaryArray:
    """A `status` column from indices into STATUSES, (n,); the dictionary has one fixed order."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(STATUSES))


def status_codes(table: pa.Table) -> np.ndarray:
    """Indices into STATUSES, (n,) int32; a missing column or a null means ok."""
    if "status" not in table.column_names:
        return np.zeros(table.num_rows, dtype=np.int32)
    column = combine(table["status"])
    try:
        codes = pc.index_in(pc.fill_null(column.cast(pa.string()), "ok"), value_set=pa.array(STATUSES))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaError(f"column 'status' has type {column.type}; legal are {', '.join(STATUSES)}") from error
    if codes.null_count:
        row = pc.index(pc.is_null(codes), True).as_py()
        what = f"unknown status {column[row].as_py()!r} in row {row}"
        raise SchemaError(f"column 'status': {what}; legal are {', '.join(STATUSES)}")
    return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int32)


def cast(array: pa.Array, to: pa.DataType) -> pa.Array:
    """`array` as type `to`, struct fields matched by name, missing ones null.

    Raises:
        pa.ArrowInvalid, pa.ArrowNotImplementedError: when a value would be lost.
    """
    if array.type == to:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), to)
    if pa.types.is_dictionary(array.type) and not pa.types.is_dictionary(to):
        return cast(array.cast(array.type.value_type), to)
    if _is_list(to) and _is_list(array.type):
        offsets, values, valid = flatten(array)
        mask = None if valid.all() else pa.array(~valid)
        return pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), cast(values, to.value_type), type=to, mask=mask
        )
    if pa.types.is_struct(to) and pa.types.is_struct(array.type):
        have = {array.type.field(i).name for i in range(array.type.num_fields)}
        fields = [
            cast(pc.struct_field(array, f.name), f.type) if f.name in have else pa.nulls(len(array), f.type) for f in to
        ]
        return pa.StructArray.from_arrays(fields, fields=list(to), mask=pc.is_null(array))
    if pa.types.is_dictionary(to) and not pa.types.is_dictionary(array.type):
        return array.cast(to.value_type).dictionary_encode().cast(to)
    return array.cast(to)


def _encoded(type_: pa.DataType, wanted: pa.DataType) -> bool:
    """Are these lists of words, only kept as a dictionary?"""
    if not (pa.types.is_list(type_) and pa.types.is_list(wanted) and pa.types.is_dictionary(type_.value_type)):
        return False
    return bool(type_.value_type.value_type == wanted.value_type)


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def conform(
    table: pa.Table,
    required: Iterable[str],
    optional: Iterable[str] = (),
    where: str = "input",
    *,
    encoded: bool = False,
    first_row: int = 0,
) -> pa.Table:
    """The named columns of `table` with their declared types; a missing optional column is all null.

    With `encoded`, lists of words that are kept as a dictionary stay so. `first_row` is the number of the first row in
    messages.

    Raises:
        SchemaError: a required column is missing or there twice, a type cannot be cast without loss, or a value is
            impossible: a null where only rows and scores may be null, an infinite score, a label that no tag can have.
    """
    columns: dict[str, pa.Array] = {}
    twice = next((name for name in [*required, *optional] if table.column_names.count(name) > 1), None)
    if twice is not None:
        raise SchemaError(f"{where}: there are two columns {twice!r}; drop one of them")
    for name in required:
        if name not in table.column_names:
            raise SchemaError(f"{where}: column {name!r} is missing; it has {', '.join(table.column_names) or 'none'}")
    for name in [*required, *optional]:
        wanted = column_type(name)
        if wanted is None:
            raise SchemaError(f"{where}: column {name!r} has no declared type")
        if name in columns:
            continue
        if name not in table.column_names:
            columns[name] = pa.nulls(table.num_rows, wanted)
            continue
        array = combine(table[name])
        try:
            columns[name] = array if encoded and _encoded(array.type, wanted) else cast(array, wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            detail = str(error).splitlines()[0]
            raise SchemaError(
                f"{where}: column {name!r} has type {array.type}, needed is {wanted} ({detail}); convert it first"
            ) from error
        _check_values(columns[name], name, where, first_row)
    if "id" in columns and columns["id"].null_count:
        row = first_row + pc.index(pc.is_null(columns["id"]), True).as_py()
        raise SchemaError(f"{where}: column 'id' is null in row {row}; every row needs a unique id")
    return pa.table(columns)


def _check_values(array: pa.Array, name: str, where: str, first_row: int) -> None:
    if missing := null_within(array):
        what, row = missing
        raise SchemaError(
            f"{where}: column {name!r} has a null {what} in row {first_row + row}; fill it or leave it out"
        )
    if (at := not_utf8(array)) is not None:
        raise SchemaError(
            f"{where}: column {name!r} is not UTF-8 in row {first_row + at}; write the table again as UTF-8"
        )
    if odd := unfit_value(array):
        what, row = odd
        raise SchemaError(f"{where}: column {name!r} has {what} in row {first_row + row}; correct it or leave it out")


def null_within(array: pa.Array) -> tuple[str, int] | None:
    """What is null where it stands for something, and in which row: the first word of a list of words, or field of a
    list of structs; None without any. Kernels index by them. Rows, scores and the entity that a span is of may be null.
    """
    if not _is_list(array.type):
        return None
    offsets, values, _ = flatten(array)
    for what, field in _filled(values):
        if field.null_count:
            at = pc.index(pc.is_null(field), True).as_py()
            return what, int(np.searchsorted(offsets, at, side="right")) - 1
    return None


def _filled(values: pa.Array) -> list[tuple[str, pa.Array]]:
    """The words of a list, or the fields of its structs, that are never null, by what they are."""
    if pa.types.is_struct(values.type):
        names = [field.name for field in values.type if field.name not in NULLABLE or values.type == DROPPED]
        return [(name, pc.struct_field(values, name)) for name in names]
    if pa.types.is_dictionary(values.type) and values.dictionary.null_count:
        values = values.dictionary_decode()
    text = pa.types.is_string(values.type) or pa.types.is_dictionary(values.type)
    return [("word", values)] if text else []


def unfit_value(array: pa.Array) -> tuple[str, int] | None:
    """The first infinite score, or label that no tag can have, in a list of structs, and its row; None without any."""
    if not (_is_list(array.type) and pa.types.is_struct(array.type.value_type)):
        return None
    offsets, values, _ = flatten(array)
    for name in (field.name for field in values.type if field.name in ("label", "score")):
        field = pc.struct_field(values, name)
        if name == "score":
            odd = pc.is_inf(field)
        elif bad := [label for label in pc.unique(field).to_pylist() if unfit_label(label)]:
            odd = pc.is_in(field, value_set=pa.array(bad, field.type))
        else:
            continue
        if (at := pc.index(odd, True).as_py()) >= 0:
            return f"the {name} {field[at].as_py()!r}", int(np.searchsorted(offsets, at, side="right")) - 1
    return None


def unfit_label(label: str) -> bool:
    """Would the tags of a label say something else: is it empty or O, a blank at an edge, or a line break within?"""
    return label in ("", "O") or label != label.strip() or bool(BREAKS.search(label))


def not_utf8(array: pa.Array) -> int | None:
    """The first row of strings, or of lists of strings or entities, with bytes that are not UTF-8; None without any.

    Arrow takes such bytes as they are, and Python fails at them far from where they came in.
    """
    offsets, values = np.arange(len(array) + 1), array
    if _is_list(array.type):
        offsets, values, _ = flatten(array)
    if pa.types.is_struct(values.type) and values.type.get_field_index("label") >= 0:
        values = pc.struct_field(values, "label")
    distinct = values.dictionary if pa.types.is_dictionary(values.type) else values
    if not (pa.types.is_string(distinct.type) or pa.types.is_large_string(distinct.type)):
        return None
    try:
        distinct.validate(full=True)
    except pa.ArrowInvalid:
        rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        found = zip(rows, values.cast(distinct.type).cast(pa.large_binary()), strict=True)
        # a dictionary may hold what no row uses
        return next((int(row) for row, value in found if _broken(value)), None)
    return None


def _broken(value: pa.Scalar) -> bool:
    try:
        (value.as_py() or b"").decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def check_spans(table: pa.Table, entities: str, tokens: str, where: str = "input") -> None:
    """Refuse entities outside their sentence.

    Raises:
        SchemaError: a span that is empty or ends behind the last word; names the row's id.
    """
    offsets, values, _ = flatten(table[entities])
    if not len(values):
        return
    rows = np.repeat(np.arange(table.num_rows), np.diff(offsets))
    lengths = np.asarray(pc.fill_null(pc.list_value_length(combine(table[tokens])), 0).to_numpy(zero_copy_only=False))
    start = pc.struct_field(values, "start").to_numpy(zero_copy_only=False)
    end = pc.struct_field(values, "end").to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(~((start >= 0) & (start < end) & (end <= lengths[rows])))
    if len(bad):
        row, words = rows[bad[0]], lengths[rows[bad[0]]]
        name = table["id"][int(row)].as_py() if "id" in table.column_names else f"row {row}"
        raise SchemaError(
            f"{where}: {entities} of {name!r} has the span [{start[bad[0]]}, {end[bad[0]]}), "
            f"but the sentence has {words} words; offsets are words, half-open, from 0"
        )
