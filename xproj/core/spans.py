"""Span labels of words: tag schemes, entities, and character offsets.

The schemes IOB1, IOB2, IOBES and BILOU differ in what they *allow*, hardly in what they *mean*: a span begins at B, S
and U, and at any I, E or L that does not continue a span of its type; it ends after E, L, S and U. So decoding never
needs to know the scheme. The scheme says which tags were a mistake, and mistakes are counted or refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import Entity, EntityColumn
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xproj.columns import Bool, Int32, Int64

Scheme = Literal["IOB1", "IOB2", "IOBES", "BILOU"]
PREFIXES = "OBIESLU"
ENOUGH = 1000
"""Entities after which the scheme of a file counts as known."""


class TagError(CorpusError):
    """A tag that cannot be read, at a word of the values that were decoded."""

    def __init__(self, word: int, what: str) -> None:
        super().__init__(what)
        self.word = word
        self.what = what


@dataclass(frozen=True)
class Decoded:
    """Entities of many sentences, and the words whose tag the scheme does not allow there."""

    entities: EntityColumn
    repaired: Int64


def is_tag(tag: str) -> bool:
    """Is it `O`, or a prefix of a known scheme with a type?"""
    return tag == "O" or (len(tag) > 2 and tag[1] == "-" and tag[0] in "BIESLU")


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme of a corpus from its tags, (sentences × words); reads until the evidence is enough.

    A corpus without any `B-` that follows a span of another type or none, where spans begin with `I-`, is IOB1.
    """
    seen = {"start_i": 0, "start_b": 0, "adjacent_b": 0, "iobes": 0, "bilou": 0}
    for tags in sentences:
        previous = ""
        for tag in tags:
            if tag == "O":
                previous = ""
                continue
            prefix, kind = tag[:1], tag[2:]
            if prefix in "ES":
                seen["iobes"] += 1
            elif prefix in "LU":
                seen["bilou"] += 1
            elif prefix == "B":
                seen["adjacent_b" if kind == previous else "start_b"] += 1
            elif kind != previous:
                seen["start_i"] += 1
            previous = kind
        if sum(seen.values()) >= ENOUGH:
            break
    if seen["iobes"] or seen["bilou"]:
        return "IOBES" if seen["iobes"] >= seen["bilou"] else "BILOU"
    return "IOB1" if seen["start_i"] and not seen["start_b"] else "IOB2"


def decode(tags: Sequence[str], *, strict: bool = False, scheme: Scheme | None = None) -> tuple[list[Entity], int]:
    """The entities of one sentence, and how many tags had to be repaired.

    Args:
        tags: one per word.
        strict: refuse a sequence that the scheme does not allow.
        scheme: the scheme of the corpus; None takes it from these tags, IOB2 when only B, I and O occur.

    Raises:
        TagError: a tag that is none, or with `strict` one that is not allowed where it stands.
    """
    if scheme is None:
        found = detect_scheme([[tag for tag in tags if is_tag(tag)]])
        scheme = "IOB2" if found == "IOB1" else found
    values = pa.array(list(tags), type=pa.string())
    decoded = decode_column(np.array([0, len(tags)]), values, scheme)
    if strict and len(decoded.repaired):
        word = int(decoded.repaired[0])
        raise TagError(word, not_allowed(tags[word], scheme))
    column = decoded.entities
    rows = zip(column.start.tolist(), column.end.tolist(), column.label.tolist(), strict=True)
    return [Entity(start, end, column.names[label]) for start, end, label in rows], len(decoded.repaired)


def not_allowed(tag: str, scheme: Scheme) -> str:
    """What is wrong with a tag that was repaired."""
    return f"the tag {tag!r} is not allowed there in {scheme}"


def decode_column(offsets: Int64, tags: pa.StringArray, scheme: Scheme = "IOB2") -> Decoded:
    """The entities of many sentences: the tags of sentence r are `tags[offsets[r]:offsets[r + 1]]`.

    `repaired` holds indices into `tags`. Labels are numbered in order of first appearance.

    Raises:
        TagError: a tag that is none.
    """
    encoded = pc.fill_null(tags, "").dictionary_encode()
    distinct: list[str] = encoded.dictionary.to_pylist()
    ids = encoded.indices.to_numpy(zero_copy_only=False)
    for position, tag in enumerate(distinct):
        if not is_tag(tag):
            raise TagError(int(np.flatnonzero(ids == position)[0]), f"{tag!r} is not a tag")
    names = tuple(dict.fromkeys(tag[2:] for tag in distinct if tag != "O"))
    number = {name: i for i, name in enumerate(names)}
    prefix_of = np.array([PREFIXES.index(tag[0]) for tag in distinct], dtype=np.int8)
    kind_of = np.array([number[tag[2:]] if tag != "O" else -1 for tag in distinct], dtype=np.int32)
    prefix, kind = (prefix_of[ids], kind_of[ids]) if len(ids) else (np.zeros(0, np.int8), np.zeros(0, np.int32))
    first = np.zeros(len(prefix) + 1, dtype=bool)
    first[offsets] = True
    return _decode(offsets, prefix, kind, first, names, scheme)


def _decode(
    offsets: Int64, prefix: np.ndarray, kind: Int32, first: np.ndarray, names: tuple[str, ...], scheme: Scheme
) -> Decoded:
    inside = kind >= 0
    closing, opening = _among(prefix, "ELSU"), _among(prefix, "BSU")
    previous_kind = np.concatenate([[-1], kind[:-1]]).astype(np.int32)
    previous_open = np.concatenate([[False], (inside & ~closing)[:-1]])
    continues = inside & ~opening & previous_open & (previous_kind == kind) & ~first[:-1]
    starts = np.flatnonzero(inside & ~continues)
    last = inside & ~np.append(continues[1:], False)
    ends = np.flatnonzero(last) + 1
    rows = np.searchsorted(offsets, starts, side="right") - 1
    counts = np.bincount(rows, minlength=len(offsets) - 1) if len(rows) else np.zeros(len(offsets) - 1, dtype=np.int64)
    base = offsets[rows]
    entities = EntityColumn(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        start=(starts - base).astype(np.int32),
        end=(ends - base).astype(np.int32),
        label=kind[starts].astype(np.int32),
        score=np.full(len(starts), np.nan, dtype=np.float32),
        valid=np.ones(len(offsets) - 1, dtype=bool),
        names=names,
    )
    touches = inside & (previous_kind == kind) & ~first[:-1]
    wrong = _mistakes(prefix, inside & ~continues, last, continues, touches, scheme)
    return Decoded(entities, np.flatnonzero(wrong).astype(np.int64))


def _mistakes(prefix: np.ndarray, starts: Bool, last: Bool, continues: Bool, touches: Bool, scheme: Scheme) -> Bool:
    """Which words have a tag that the scheme does not allow there, (n_words,) bool."""
    inside = starts | continues
    if scheme == "IOB1":  # B only where a span of the same type ends just before
        return _among(prefix, "ESLU") | (_among(prefix, "B") & ~touches)
    if scheme == "IOB2":
        return _among(prefix, "ESLU") | (starts & ~_among(prefix, "B"))
    single, end = ("S", "E") if scheme == "IOBES" else ("U", "L")
    alone = starts & last
    return inside & ~(
        (alone & _among(prefix, single))
        | (starts & ~last & _among(prefix, "B"))
        | (continues & last & _among(prefix, end))
        | (continues & ~last & _among(prefix, "I"))
    )


def _among(prefix: np.ndarray, letters: str) -> Bool:
    return np.isin(prefix, [PREFIXES.index(letter) for letter in letters])


def encode(entities: Iterable[Entity], n_words: int) -> list[str]:
    """IOB2 tags of a sentence of `n_words` words.

    Raises:
        ValueError: entities that overlap or leave the sentence.
    """
    tags = ["O"] * n_words
    for entity in entities:
        if not 0 <= entity.start < entity.end <= n_words:
            raise ValueError(f"span [{entity.start}, {entity.end}) outside a sentence of {n_words} words")
        if any(tag != "O" for tag in tags[entity.start : entity.end]):
            raise ValueError(f"span [{entity.start}, {entity.end}) overlaps another one")
        tags[entity.start : entity.end] = [f"I-{entity.label}"] * (entity.end - entity.start)
        tags[entity.start] = f"B-{entity.label}"
    return tags


def encode_column(entities: EntityColumn, offsets: Int64) -> pa.StringArray:
    """IOB2 tags of many sentences, flat: those of sentence r are at `offsets[r]:offsets[r + 1]`, as its words.

    The entities must lie inside their sentences and not overlap.
    """
    rows = np.repeat(np.arange(len(entities)), np.diff(entities.offsets))
    starts = offsets[rows] + entities.start
    lengths = (entities.end - entities.start).astype(np.int64)
    codes = np.zeros(int(offsets[-1]), dtype=np.int32)
    inside = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
    codes[inside.astype(np.int64)] = np.repeat(2 * entities.label + 2, lengths)
    codes[starts] = 2 * entities.label + 1
    tags = ["O", *(f"{prefix}-{name}" for name in entities.names for prefix in "BI")]
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(tags, type=pa.string())).cast(pa.string())


@dataclass(frozen=True)
class WordSpans:
    """Character spans turned into word spans, in the order of the characters."""

    entities: list[Entity]
    expanded: int
    """Spans that did not fall on word borders; they grew to the words that they touch."""
    lost: int
    """Spans that touch no word, or only words that an earlier span has taken."""


def char_spans_to_words(
    spans: Iterable[tuple[int, int, str, float | None]], word_spans: Sequence[tuple[int, int]]
) -> WordSpans:
    """Word spans of character spans `(start, end, label, score)` that do not overlap each other.

    Args:
        spans: characters `[start, end)`; white space at their edges does not matter.
        word_spans: characters `[start, end)` of each word, in order.
    """
    starts = np.array([start for start, _ in word_spans], dtype=np.int64)
    ends = np.array([end for _, end in word_spans], dtype=np.int64)
    entities: list[Entity] = []
    expanded = lost = taken = 0
    for start, end, label, score in sorted(spans, key=lambda span: span[:2]):
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(starts, end, side="left"))
        if first < taken:
            first, expanded = taken, expanded + 1
        elif first < last and (starts[first] < start or ends[last - 1] > end):
            expanded += 1
        if first >= last:
            lost += 1
            continue
        entities.append(Entity(first, last, label, score))
        taken = last
    return WordSpans(entities, expanded, lost)
