"""Labelled sentences as flat arrays, with a weight for each word.

The weight of a word is what its loss counts:

    corpus weight · language weight · confidence of the sentence · score of the word's entity

each where it is asked for, and 0 for a word without an entity on which a lost entity may lie: what the projection lost
is not known to be no entity.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import EntityColumn, TokenColumn, combine, flatten
from xproj.core.labels import OUTSIDE, label_space
from xproj.encoders.pieces import ranges, sums
from xproj.schema import check_spans
from xproj.training import soft as soft_labels
from xproj.training.soft import Soft

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xproj.columns import Bool, Float32, Int32, Int64
    from xproj.languages import Language
    from xproj.recipe import Train

MAIN = ""  # the name of the corpus that has none


@dataclass(frozen=True)
class Sentences:
    """Sentences with at least one word each: row r has the words `offsets[r]:offsets[r + 1]`.

    Attributes:
        words: all words.
        tags: 0 outside of entities, else 2·type + 1 where an entity begins and 2·type + 2 inside, (words,).
        weights: of the loss of each word, (words,).
        corpus: an index into the names of the corpora, (rows,).
        language: an index into the languages, (rows,).
        soft: what teachers say of the words, where there are any.
    """

    words: TokenColumn
    tags: Int32
    weights: Float32
    corpus: Int32
    language: Int32
    soft: Soft | None = None

    def __len__(self) -> int:
        return len(self.words)

    @property
    def offsets(self) -> Int64:
        """Where the words of each row begin, (rows + 1,)."""
        return self.words.offsets

    def take(self, rows: np.ndarray) -> Sentences:
        """Some of the rows, in that order."""
        lengths = self.words.lengths[rows]
        index = ranges(self.offsets[:-1][rows], lengths)
        words = TokenColumn(sums(lengths), self.words.values.take(pa.array(index)), np.ones(len(rows), dtype=bool))
        soft = None if self.soft is None else self.soft.take(index)
        return Sentences(words, self.tags[index], self.weights[index], self.corpus[rows], self.language[rows], soft)

    def labelled_rows(self) -> Bool:
        """Which rows have an entity, (rows,)."""
        return np.asarray(np.add.reduceat(self.tags > 0, self.offsets[:-1]) > 0) if len(self) else np.zeros(0, bool)


@dataclass
class Counts:
    """What was read, and what had to be left out."""

    sentences: int = 0
    """Sentences to learn from."""
    words: int = 0
    entities: int = 0
    skipped_sentences: int = 0
    """Sentences without words or labels."""
    skipped_entities: int = 0
    """Entities that overlap an earlier one."""
    masked_words: int = 0
    """Words whose loss does not count, as a lost entity may lie on them."""
    lost_sentences: int = 0
    """Sentences left out, as they lost an entity."""
    unlabelled_sentences: int = 0
    """Sentences without entities left out, as there were enough."""


@dataclass
class Reader:
    """Reads tables; `settings` says what a word weighs. The types of entities are numbered as they come."""

    settings: Train
    types: dict[str, int] = field(default_factory=dict)
    corpora: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    def read(self, tables: Iterable[pa.Table], where: str) -> Sentences:
        """The sentences of all tables with columns tokens and entities.

        Optional columns: confidence, lost_spans, corpus, language, weight (of its corpus), and those of teachers.

        Raises:
            SchemaError: an entity outside its sentence.
        """
        return joined([self._read(table, where) for table in tables])

    def _read(self, table: pa.Table, where: str) -> Sentences:
        check_spans(table, "entities", "tokens", where)
        keep = pc.and_(pc.is_valid(table["entities"]), pc.greater(pc.list_value_length(table["tokens"]), 0))
        kept = table.filter(pc.fill_null(keep, False))
        self.counts.skipped_sentences += table.num_rows - kept.num_rows
        if self.settings.lost_entities == "leave_out" and "lost_spans" in kept.column_names:
            whole = np.diff(flatten(kept["lost_spans"])[0]) == 0
            self.counts.lost_sentences += int((~whole).sum())
            kept = kept.filter(pa.array(whole))
        words, entities = TokenColumn.read(kept["tokens"]), EntityColumn.read(kept["entities"])
        first, length, entities = self._without_overlaps(entities, words)
        kinds = np.array([self.types.setdefault(name, len(self.types)) for name in entities.names], dtype=np.int32)
        tags = np.zeros(words.offsets[-1], dtype=np.int32)
        inside = ranges(first, length)
        tags[inside] = np.repeat(2 * kinds[entities.label] + 2, length)
        tags[first] = 2 * kinds[entities.label] + 1
        weights = self._weights(kept, words, entities, inside, length, tags)
        soft = None
        if soft_labels.COLUMN in kept.column_names:
            soft = Soft.read(kept)
            weights = weights * soft.taught
            for name in label_types(soft.labels):
                self.types.setdefault(name, len(self.types))
        self.counts.words += len(tags)
        self.counts.entities += len(first)
        self.counts.sentences += len(words)
        return Sentences(
            words,
            tags,
            weights,
            self._numbers(kept, "corpus", self.corpora),
            self._numbers(kept, "language", self.languages),
            soft,
        )

    def _without_overlaps(self, entities: EntityColumn, words: TokenColumn) -> tuple[Int64, Int64, EntityColumn]:
        """First word and length of each entity, and the entities; of overlapping ones the first in the row stays."""
        rows = np.repeat(np.arange(len(entities)), np.diff(entities.offsets))
        first, length = words.offsets[rows] + entities.start, (entities.end - entities.start).astype(np.int64)
        cover = np.bincount(ranges(first, length), minlength=words.offsets[-1])
        if not (cover > 1).any():
            return first, length, entities
        taken = np.zeros(words.offsets[-1], dtype=bool)
        keep = np.ones(len(first), dtype=bool)
        for k, (start, size) in enumerate(zip(first.tolist(), length.tolist(), strict=True)):
            keep[k] = not taken[start : start + size].any()
            if keep[k]:
                taken[start : start + size] = True
        self.counts.skipped_entities += int((~keep).sum())
        offsets = sums(np.bincount(rows[keep], minlength=len(entities)))
        chosen = replace(
            entities,
            offsets=offsets,
            start=entities.start[keep],
            end=entities.end[keep],
            label=entities.label[keep],
            score=entities.score[keep],
        )
        return first[keep], length[keep], chosen

    def _weights(
        self, table: pa.Table, words: TokenColumn, entities: EntityColumn, inside: Int64, length: Int64, tags: Int32
    ) -> Float32:
        """The weight of each word, (words,)."""
        rows = np.ones(len(words), dtype=np.float32)
        if "weight" in table.column_names:
            rows *= _numbers(table, "weight")
        if "sentence" in self.settings.weights and "confidence" in table.column_names:
            rows *= _numbers(table, "confidence")
        weights = np.repeat(rows, words.lengths)
        if "word" in self.settings.weights:
            score = np.clip(np.where(np.isnan(entities.score), 1.0, entities.score), 0.0, 1.0)
            weights[inside] *= np.repeat(score.astype(np.float32), length)
        if self.settings.lost_entities == "mask" and "lost_spans" in table.column_names:
            offsets, spans, _ = flatten(table["lost_spans"])
            start, end = (pc.struct_field(spans, name).to_numpy(zero_copy_only=False) for name in ("start", "end"))
            at = np.repeat(words.offsets[:-1], np.diff(offsets))
            end = np.minimum(end, np.repeat(words.lengths, np.diff(offsets)))
            unsure = np.zeros(len(tags), dtype=bool)
            unsure[ranges(at + start, np.maximum(end - start, 0))] = True
            unsure &= tags == 0
            weights[unsure] = 0.0
            self.counts.masked_words += int(unsure.sum())
        return weights

    def _numbers(self, table: pa.Table, name: str, known: dict[str, int]) -> Int32:
        """The number of each row's corpus or language, (rows,)."""
        if name not in table.column_names:
            number = known.setdefault(MAIN, len(known))
            return np.full(table.num_rows, number, dtype=np.int32)
        encoded = combine(pc.fill_null(table[name], MAIN)).dictionary_encode()
        numbers = np.array([known.setdefault(n, len(known)) for n in encoded.dictionary.to_pylist()], dtype=np.int32)
        return np.asarray(numbers[encoded.indices.to_numpy(zero_copy_only=False)])

    def labels(self) -> tuple[str, ...]:
        """The IOB2 labels of all types seen."""
        return label_space(self.types)


def joined(parts: Sequence[Sentences]) -> Sentences:
    """Several parts as one."""
    lengths = [part.words.lengths for part in parts]
    values = [combine(part.words.values) for part in parts]
    none = np.zeros(0, dtype=np.int32)
    words = TokenColumn(
        sums(np.concatenate([np.zeros(0, dtype=np.int64), *lengths])),
        combine(pa.chunked_array(values, type=pa.string())),
        np.ones(sum(map(len, lengths)), dtype=bool),
    )
    return Sentences(
        words,
        np.concatenate([none, *(part.tags for part in parts)]),
        np.concatenate([np.zeros(0, dtype=np.float32), *(part.weights for part in parts)]),
        np.concatenate([none, *(part.corpus for part in parts)]),
        np.concatenate([none, *(part.language for part in parts)]),
        soft_labels.joined([part.soft for part in parts], [len(part.tags) for part in parts]),
    )


def marked(table: pa.Table, corpus: str, weight: float, language: Language) -> pa.Table:
    """A table whose rows say that they are of that corpus, with that weight; what they said before goes."""
    for name, value in (("corpus", corpus), ("weight", weight), ("language", language.code)):
        column = pa.repeat(pa.scalar(value), table.num_rows)
        place = table.column_names.index(name) if name in table.column_names else None
        table = table.append_column(name, column) if place is None else table.set_column(place, name, column)
    return table


def label_types(labels: Sequence[str]) -> list[str]:
    """The types of IOB2 labels, each once, in their order."""
    return list(dict.fromkeys(label[2:] for label in labels if label != OUTSIDE))


def label_ids(tags: Int32, types: Sequence[str], known: dict[str, int]) -> Int64:
    """Tags as label ids of a model, (words,); a type that the model does not know becomes 0 (`O` by `known`).

    Args:
        tags: see `Sentences.tags`.
        types: the name of each type.
        known: the id of each IOB2 label.
    """
    table = [known["O"]]
    for name in types:
        table += [known.get(f"B-{name}", known["O"]), known.get(f"I-{name}", known["O"])]
    return np.array(table, dtype=np.int64)[tags]


def _numbers(table: pa.Table, name: str) -> Float32:
    """A column of numbers, 1 where it is null, (rows,)."""
    found = pc.fill_null(pc.cast(combine(table[name]), pa.float32()), 1.0)
    return np.asarray(np.maximum(found.to_numpy(zero_copy_only=False), 0.0), dtype=np.float32)
