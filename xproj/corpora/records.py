"""One sentence as a dict of Python values: the shapes that JSONL files and odd Parquet files have.

Words with tags or word offsets; text with character offsets as spaCy, Prodigy, Doccano and Label Studio write them;
and both sides at once under xproj's own column names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xproj.columns import Entity, TokenColumn
from xproj.core.normalization import nfc, normalized
from xproj.core.spans import char_spans_to_words
from xproj.corpora.rows import Where, batch_table, checked, entities_of_tags, entity_column, relabelled, token_array
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from pathlib import Path

    from xproj.core.spans import Scheme
    from xproj.corpora.rows import Options, Side

    Fail = Callable[[str, str], CorpusError]

Record = dict[str, Any]
CharSpan = tuple[int, int, str, float | None]

TOKEN_KEYS = ("tokens", "words")
TAG_KEYS = ("ner_tags", "tags")
SPAN_KEYS = ("entities", "spans", "label", "labels")
MAX_OFFSET = 2**31 - 1  # of Arrow's int32


@dataclass
class Row:
    """One side of a record; `entities` are words, `spans` characters of `text`."""

    text: str | None = None
    words: list[str] | None = None
    tags: list[str] | None = None
    entities: list[Entity] | None = None
    word_spans: list[tuple[int, int]] | None = None
    spans: list[CharSpan] | None = None


def sides_in(keys: Container[str]) -> frozenset[str]:
    """Which sides these keys hold under xproj's own names: source, target, both, or none for a one-sided file."""
    return frozenset(s for s in ("source", "target") if f"{s}_text" in keys or f"{s}_tokens" in keys)


def records_table(
    records: Sequence[Record], lines: Sequence[int], path: Path, sides: Sequence[Side], options: Options, scheme: Scheme
) -> pa.Table:
    """The table of some records, each from the given line of `path`.

    Raises:
        CorpusError: a record without text, with values of a wrong type, or with impossible spans.
    """
    columns = {}
    where = Where(path, lines)
    for side in sides:
        rows = []
        for record, line in zip(records, lines, strict=True):
            fail = _failer(path, line)
            own = side.prefix and sides_in(record)
            rows.append(_own_row(record, side, fail) if own else _row(record, fail))
        columns[side] = _arrays(rows, side, where, options, scheme)
    ids = [None if record.get("id") in (None, "") else str(record["id"]) for record in records]
    numbers = [_number(record.get("confidence")) for record in records]
    confidence = pa.array(numbers, type=pa.float32())
    return batch_table(ids, lines, columns, confidence)


def tags_of(record: Record) -> list[str]:
    """The tags of a record that has some, for finding the scheme."""
    for key, value in record.items():
        name = key.removeprefix("source_").removeprefix("target_")
        if name in (*TAG_KEYS, "label", "labels") and isinstance(value, list) and value:
            return [tag for tag in value if isinstance(tag, str)]
    return []


def _failer(path: Path, line: int) -> Fail:
    return lambda what, then: CorpusError.at(path, line, what, then)


def _arrays(rows: list[Row], side: Side, where: Where, options: Options, scheme: Scheme) -> list[pa.Array]:
    words: list[str] = []
    ends = []
    for number, row in enumerate(rows):
        if row.words is None and row.text is not None:
            row.words = _split(row, side, number, where, options)
        words += row.words or ()
        ends.append(len(words))
    tokens = token_array(words, ends, [row.words is not None for row in rows])
    if any(row.tags for row in rows):
        _decode_tags(rows, where, options, scheme)
    for row in rows:
        if row.tags is not None and row.entities is None:
            row.entities = []
    found = checked(entity_column([row.entities for row in rows]), TokenColumn.read(tokens), where)
    entities = relabelled(found, where, options)
    return [pa.array([row.text for row in rows], type=pa.string()), tokens, entities.write()]


def _split(row: Row, side: Side, number: int, where: Where, options: Options) -> list[str]:
    """The words of a text; its character spans become word spans."""
    text = row.text or ""
    if row.spans is None:
        return side.splitter.words(text)
    cuts = row.word_spans if row.word_spans is not None else side.splitter.spans(text)
    ordered = sorted(row.spans, key=lambda span: span[:2])
    for before, after in zip(ordered, ordered[1:], strict=False):
        if after[0] < before[1]:
            what = f"the spans [{before[0]}, {before[1]}) and [{after[0]}, {after[1]}) overlap"
            raise where.error(number, 0, what, "xproj projects flat spans; keep one of them")
    found = char_spans_to_words(ordered, cuts)
    options.notes.add("spans_expanded", where.place(number), found.expanded)
    options.notes.add("spans_lost", where.place(number), found.lost)
    row.entities = found.entities
    return [text[start:end] for start, end in cuts]


def _decode_tags(rows: list[Row], where: Where, options: Options, scheme: Scheme) -> None:
    flat = [tag for row in rows for tag in row.tags or ()]
    offsets = np.concatenate([[0], np.cumsum([len(row.tags or ()) for row in rows])]).astype(np.int64)
    column = entities_of_tags(offsets, pa.array(flat, type=pa.string()), where, options, scheme)
    starts, ends, labels = column.start.tolist(), column.end.tolist(), column.label.tolist()
    for number, row in enumerate(rows):
        if row.tags is not None:
            span = range(column.offsets[number], column.offsets[number + 1])
            row.entities = [Entity(starts[i], ends[i], column.names[labels[i]]) for i in span]


def _own_row(record: Record, side: Side, fail: Fail) -> Row:
    """A side of a record under xproj's own names; a side that it lacks is null."""
    prefix = side.prefix
    row = Row(text=_text(record.get(f"{prefix}text"), fail))
    words = record.get(f"{prefix}tokens")
    row.words = None if words is None else _words(words, fail)
    tags = next((record[prefix + key] for key in TAG_KEYS if record.get(prefix + key) is not None), None)
    spans = record.get(side.labels_key)
    if spans is not None:
        _set_spans(row, spans, side.labels_key, fail)
    elif tags is not None:
        row.tags = _tags(tags, row.words, fail)
    return row


def _row(record: Record, fail: Fail) -> Row:
    """A one-sided record, in any of the known shapes."""
    if isinstance(record.get("data"), dict):
        return _label_studio(record, fail)
    row = Row(text=_text(record.get("text"), fail))
    words = next((record[key] for key in TOKEN_KEYS if record.get(key) is not None), None)
    if words is not None:
        if words and isinstance(words, list) and row.text is not None and all(isinstance(w, dict) for w in words):
            row.word_spans = [_offsets(word, fail) for word in words]
        else:
            row.words = _words(words, fail)
    elif row.text is None:
        keys = ", ".join(record) or "none"
        raise fail(f"no 'tokens' and no 'text'; its keys are {keys}", "a record needs one of them")
    tags = next((record[key] for key in TAG_KEYS if record.get(key) is not None), None)
    spans = next(((key, record[key]) for key in SPAN_KEYS if record.get(key) is not None), None)
    if spans is not None and isinstance(spans[1], list) and spans[1] and isinstance(spans[1][0], str):
        tags, spans = tags or spans[1], None  # {"tokens", "labels": ["O", …]}
    if spans is not None:
        _set_spans(row, spans[1], spans[0], fail)
    elif tags is not None:
        row.tags = _tags(tags, row.words, fail)
    return row


def _label_studio(record: Record, fail: Fail) -> Row:
    """A task of Label Studio's JSON export; its first annotation that was not cancelled counts."""
    data = record["data"]
    texts = [data["text"]] if "text" in data else [value for value in data.values() if isinstance(value, str)]
    if len(texts) != 1:
        raise fail("'data' has no 'text'", "name the text field 'text'")
    row = Row(text=_text(texts[0], fail))
    annotations = record.get("annotations") or record.get("completions") or []
    if not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
        raise fail("'annotations' is not a list of objects", "export the task as Label Studio's JSON again")
    given = next((one for one in annotations if not one.get("was_cancelled")), None)
    if given is not None:
        results = given.get("result") or []
        if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
            raise fail("'result' is not a list of objects", "export the task as Label Studio's JSON again")
        regions = [one.get("value") for one in results if one.get("type", "labels") == "labels"]
        row.spans = [_char_span(region, row.text or "", fail) for region in regions]
    return row


def _set_spans(row: Row, spans: Any, key: str, fail: Fail) -> None:
    """Spans are words where the record has words of its own, and characters where it has text only."""
    if not isinstance(spans, list):
        raise fail(f"{key!r} is not a list", "give a list of [start, end, label]")
    if row.words is None:
        row.spans = [_char_span(span, row.text or "", fail) for span in spans]
    else:
        row.entities = [Entity(*_span(span, fail)) for span in spans]


def _char_span(span: Any, text: str, fail: Fail) -> CharSpan:
    start, end, label, score = _span(span, fail)
    if not 0 <= start < end <= len(text):
        what = f"the span [{start}, {end}) is not in its text of {len(text)} characters"
        raise fail(what, "offsets are characters, half-open, from 0")
    snippet = span.get("text") if isinstance(span, dict) else None
    if isinstance(snippet, str) and not _same(snippet, text[start:end]):
        form = normalized(text)  # whose characters some tools have counted
        if not _same(snippet, form.text[start:end]):
            what = f"the span [{start}, {end}) is {text[start:end]!r}, but the file says {snippet!r}"
            raise fail(what, "offsets must count Unicode characters (code points)")
        start, end = form.given(start, end)
    return start, end, label, score


def _same(one: str, other: str) -> bool:
    """Is it the same text but for white space, and for how accented letters are written?"""
    return nfc(one).split() == nfc(other).split()


def _span(span: Any, fail: Fail) -> CharSpan:
    """`[start, end, label]`, or a dict with start/end (or start_offset/end_offset) and label (or labels)."""
    if isinstance(span, dict):
        offsets = _offsets(span, fail)
        label, score = span.get("label", span.get("labels")), span.get("score")
    elif isinstance(span, list | tuple) and len(span) in (3, 4):
        start, end, label, score = (*span, None)[:4]
        offsets = _whole(start, end, fail)
    else:
        raise fail(f"{span!r} is not a span", "give [start, end, label] or {start, end, label}")
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    if not isinstance(label, str) or not label:
        raise fail(f"a span has the label {label!r}", "each span has one label, a string")
    return *offsets, label, _number(score)


def _number(value: Any) -> float | None:
    """A score; None for what is no finite number."""
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _offsets(span: Record, fail: Fail) -> tuple[int, int]:
    start, end = span.get("start", span.get("start_offset")), span.get("end", span.get("end_offset"))
    return _whole(start, end, fail)


def _whole(start: Any, end: Any, fail: Fail) -> tuple[int, int]:
    if type(start) is not int or type(end) is not int or max(abs(start), abs(end)) > MAX_OFFSET:
        raise fail(f"a span has the offsets {start!r} and {end!r}", "offsets are whole numbers in the sentence")
    return start, end


def _text(value: Any, fail: Fail) -> str | None:
    if value is not None and not isinstance(value, str):
        raise fail(f"the text is {type(value).__name__}, not a string", "put the sentence there")
    return value


def _words(value: Any, fail: Fail) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(word, str | None) for word in value):
        raise fail("the tokens are not a list of strings", "give one string per word")
    return [word or "" for word in value]


def _tags(value: Any, words: list[str] | None, fail: Fail) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise fail("the tags are not a list of strings", "write tags like B-PER; class ids have names only in Parquet")
    if words is None or len(value) != len(words):
        raise fail(f"{len(value)} tags for {len(words or ())} tokens", "give one tag per token")
    return value
