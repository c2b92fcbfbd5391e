"""Vocabularies of two corpora and what they share: words or sub-words with their frequencies, scripts of letters.

Counts add up, so a corpus is read table by table and only its distinct words are kept.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from xproj.columns import Bool, EntityColumn, Int64, TokenColumn


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Distinct values (k,), strings or numbers, and how often each occurs (k,)."""

    values: pa.Array
    counts: Int64

    @classmethod
    def of(cls, values: pa.Array, counts: np.ndarray | None = None) -> Vocabulary:
        """Count values, each standing for as many as given, (n,), else for one."""
        table = pa.table({"value": values, "count": np.ones(len(values), np.int64) if counts is None else counts})
        found = table.group_by("value", use_threads=False).aggregate([("count", "sum")])
        return cls(found["value"].combine_chunks(), found["count_sum"].to_numpy().astype(np.int64))

    def __add__(self, other: Vocabulary) -> Vocabulary:
        return Vocabulary.of(pa.concat_arrays([self.values, other.values]), np.concatenate([self.counts, other.counts]))

    @property
    def tokens(self) -> int:
        """How many values there are, each as often as it occurs."""
        return int(self.counts.sum())


NO_WORDS = Vocabulary(pa.array([], pa.string()), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class Overlap:
    """How much of the target's vocabulary the source has too.

    `types` is `|V_s ∩ V_t| / |V_t|`; `tokens` counts each type as often as the target has it. None without target.
    """

    types: float | None
    tokens: float | None
    source_types: int
    target_types: int
    shared_types: int

    @classmethod
    def of(cls, source: Vocabulary, target: Vocabulary) -> Overlap:
        """The overlap of two vocabularies of values of one type."""
        shared = pc.is_in(target.values, value_set=source.values).to_numpy(zero_copy_only=False)
        types, tokens = len(target.values), target.tokens
        return cls(
            types=int(shared.sum()) / types if types else None,
            tokens=int(target.counts[shared].sum()) / tokens if tokens else None,
            source_types=len(source.values),
            target_types=types,
            shared_types=int(shared.sum()),
        )


def inside(words: TokenColumn, entities: EntityColumn) -> Bool:
    """Which words are part of an entity, (words,)."""
    row = np.repeat(np.arange(len(entities)), np.diff(entities.offsets))
    change = np.zeros(len(words.values) + 1, dtype=np.int64)
    np.add.at(change, words.offsets[row] + entities.start, 1)
    np.subtract.at(change, words.offsets[row] + entities.end, 1)
    return np.asarray(np.cumsum(change)[:-1] > 0)


def scripts(words: Vocabulary) -> dict[str, float]:
    """The share of each script among the letters of words, the largest first.

    A script is the first word of a letter's name in Unicode: LATIN, CYRILLIC, ETHIOPIC, CJK, …; marks and digits are
    no letters.
    """
    texts = words.values.to_pylist()
    letters = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
    times = np.repeat(words.counts, np.fromiter(map(len, texts), np.int64, len(texts)))
    distinct, number = np.unique(letters, return_inverse=True)
    counts = np.bincount(number, weights=times, minlength=len(distinct))
    found: dict[str, float] = {}
    for letter, count in zip(map(chr, distinct.tolist()), counts.tolist(), strict=True):
        if letter.isalpha():
            script = unicodedata.name(letter, "UNNAMED").split()[0]
            found[script] = found.get(script, 0.0) + count
    whole = sum(found.values())
    return {script: count / whole for script, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))}


def script_match(source: dict[str, float], target: dict[str, float]) -> float:
    """`Σ min(p_s, p_t)` over scripts: 1 where both corpora have the same mixture, 0 where they share none."""
    return sum(min(share, source.get(script, 0.0)) for script, share in target.items())


@dataclass(frozen=True, eq=False)
class Segmentation:
    """How a tokenizer cuts the words of a corpus.

    Ratios are over words and sub-words as often as they occur, None where there are none.

    Attributes:
        pieces: the known sub-words by number.
        unknown_words: share of words with an unknown sub-word, or without any.
        unknown_pieces: share of sub-words that are unknown.
        fertility: sub-words per word.
        single_characters: share of sub-words that are one character.
    """

    pieces: Vocabulary
    unknown_words: float | None
    unknown_pieces: float | None
    fertility: float | None
    single_characters: float | None

    @classmethod
    def of(cls, words: Vocabulary, offsets: Int64, ids: np.ndarray, unknown: int | None, single: Bool) -> Segmentation:
        """The figures of a vocabulary of words.

        Args:
            words: k words.
            offsets: the sub-words of word w are `ids[offsets[w]:offsets[w + 1]]`, (k + 1,).
            ids: sub-words by number.
            unknown: the number of the unknown one; None where a tokenizer has none.
            single: which of `ids` are one character.
        """
        lengths = np.diff(offsets)
        times = np.repeat(words.counts, lengths)
        lost = np.zeros(len(ids), dtype=bool) if unknown is None else ids == unknown
        bad = (lengths == 0) | (
            np.bincount(np.repeat(np.arange(len(lengths)), lengths)[lost], minlength=len(lengths)) > 0
        )
        total, all_words = int(times.sum()), words.tokens
        return cls(
            pieces=Vocabulary.of(pa.array(ids[~lost], pa.int64()), times[~lost]),
            unknown_words=_share(words.counts[bad], all_words),
            unknown_pieces=_share(times[lost], total),
            fertility=_share(times, all_words),
            single_characters=_share(times[single & ~lost], total),
        )


def _share(counts: np.ndarray, whole: int) -> float | None:
    return int(counts.sum()) / whole if whole else None
