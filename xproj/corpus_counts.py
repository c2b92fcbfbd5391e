"""What the alignment score knows of a corpus: which words are common, what capital letters say, and precedents.

`count` reads the first rows of a corpus, `precedents.learn` adds what a first projection of them finds; `save` and
`load` keep the result, `traits` and `hashed` look words of a table up.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import LinkColumn, TokenColumn, flatten
from xproj.core import case, frequency
from xproj.core.bare_words import all_bare
from xproj.core.precedents import HashTable, Precedents, word_hashes
from xproj.core.scores import Traits
from xproj.rows import FIRST_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILE = "frequencies.json"
PRECEDENTS = "precedents.npz"
_NONE = np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int8), np.empty(0, dtype=np.int64)
UNKNOWN = Traits(*_NONE, *_NONE, 0.0)


class CorpusCounts(NamedTuple):
    """Relative frequencies of the frequent words of both sides and the contrast of capitals (see core.case); from a
    first projection of the corpus the share of spans in small letters by label (see lower_case), letters of spans to
    letters of entities (see core.lengths; before it those of all words) and the precedents (see core.precedents)."""

    source: dict[str, float]
    target: dict[str, float]
    contrast: float = 0.0
    small_spans: dict[str, float] | None = None
    length_ratio: float = 1.0
    precedents: Precedents | None = None


def count(tables: Iterable[pa.Table]) -> CorpusCounts:
    """Count the words of the first FIRST_ROWS rows of tables that have source_tokens and target_tokens, maybe links."""
    counts = frequency.FrequencyCount(), frequency.FrequencyCount()
    mass, size = np.zeros((2, 2)), np.zeros(2, dtype=np.int64)
    for part in first_rows(tables):
        sides = [TokenColumn.read(part[name]) for name in ("source_tokens", "target_tokens")]
        for side, tokens in zip(counts, sides, strict=True):
            side.add(tokens)
        size += [letters(part[name])[0].sum() for name in ("source_tokens", "target_tokens")]
        if "links" in part.column_names:
            _count_cases(LinkColumn.read(part["links"]), sides[0], sides[1], mass)
    found = counts[0].frequencies(), counts[1].frequencies(), case.contrast(mass)
    return CorpusCounts(*found, length_ratio=float(size[1] / size[0]) if size.all() else 1.0)


def first_rows(tables: Iterable[pa.Table], rows: int = FIRST_ROWS) -> Iterator[pa.Table]:
    """The first rows of some tables, FIRST_ROWS or as many as are asked for."""
    left = rows
    for table in tables:
        part = table.slice(0, left)
        yield part
        left -= part.num_rows
        if not left:
            break


def letters(column: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The number of letters of each word of a token column, (total,), and row offsets."""
    rows, words, _ = flatten(column)
    if not pa.types.is_dictionary(words.type):
        return pc.utf8_length(words).to_numpy(zero_copy_only=False), rows
    sizes = pc.utf8_length(words.dictionary).to_numpy(zero_copy_only=False)
    return sizes[words.indices.to_numpy(zero_copy_only=False)], rows


class HashedWords(NamedTuple):
    """The words of all rows as indices into distinct words, `ids` (total,); the hashes of those, and row offsets."""

    ids: np.ndarray
    hashes: np.ndarray
    offsets: np.ndarray


def hashed(column: pa.ChunkedArray | pa.Array) -> HashedWords:
    """The words of a token column by their hashes (see `core.precedents`)."""
    return _hashed(*_distinct(column))


def cased(column: pa.ChunkedArray | pa.Array) -> tuple[HashedWords, np.ndarray]:
    """The words as `hashed` gives them, and the kind of `core.case` of the first character of each bare word, int8.

    That is quicker than the first letter or digit, and as good a sign. Symbols are punctuation.
    """
    rows, ids, distinct = _distinct(column)
    first = pc.utf8_slice_codeunits(distinct, 0, 1)
    is_one = [pc.utf8_is_alnum(first), pc.utf8_is_lower(first), pc.utf8_is_upper(first)]
    letter, small, capital = (one.to_numpy(zero_copy_only=False) for one in is_one)
    kinds = np.select([capital, small, letter], [case.CAPITAL, case.SMALL, case.CASELESS], case.PUNCTUATION)
    return _hashed(rows, ids, distinct), kinds.astype(np.int8)


def _distinct(column: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """Row offsets, the words of all rows as indices into distinct words, and those as they are when bare."""
    rows, words, _ = flatten(column)
    if not pa.types.is_dictionary(words.type):
        words = words.dictionary_encode()
    return rows, words.indices.to_numpy(zero_copy_only=False), all_bare(words.dictionary.cast(pa.large_string()))


def _hashed(rows: np.ndarray, ids: np.ndarray, distinct: pa.Array) -> HashedWords:
    hashes = np.zeros(0, dtype=np.uint64)
    if len(distinct):
        _, ends, letters = distinct.buffers()
        at = np.frombuffer(ends, dtype=np.int64)[distinct.offset : distinct.offset + len(distinct) + 1]
        hashes = word_hashes(at, np.frombuffer(letters or b"", dtype=np.uint8))
    return HashedWords(ids, hashes, rows)


def _count_cases(links: LinkColumn, source: TokenColumn, target: TokenColumn, mass: np.ndarray) -> None:
    sides = _cases(source), source.offsets, _cases(target), target.offsets
    # a link outside its sentence is refused where it is projected
    inside = (links.source < np.repeat(source.lengths, np.diff(links.offsets))) & (
        links.target < np.repeat(target.lengths, np.diff(links.offsets))
    )
    inside &= (links.source >= 0) & (links.target >= 0)
    score = np.where(inside, links.score, 0.0)
    at = np.where(inside, links.source, 0), np.where(inside, links.target, 0)
    case.count_links(links.offsets, at[0], at[1], score, *sides, mass)


def _cases(tokens: TokenColumn) -> np.ndarray:
    ids, distinct = tokens.encode()
    return np.asarray(case.cases(distinct)[ids])


def save(counts: CorpusCounts, folder: Path) -> None:
    """Write the counts into a folder."""
    words = counts._asdict()
    found = words.pop("precedents")
    text = json.dumps(words, ensure_ascii=False, indent=0, sort_keys=True)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")
    if found is not None:
        np.savez(folder / PRECEDENTS, allow_pickle=False, **_flat(found))


def _flat(found: Precedents) -> dict[str, np.ndarray]:
    """The arrays of precedents by name; those of a table are `table.keys` and `table.values`."""
    tables = {name: one for name, one in found._asdict().items() if isinstance(one, HashTable)}
    arrays = {f"{name}.{field}": array for name, one in tables.items() for field, array in one._asdict().items()}
    return arrays | {"case_odds": found.case_odds}


def load(folder: Path) -> CorpusCounts:
    """The counts that `save` wrote."""
    found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    precedents = None
    if (folder / PRECEDENTS).exists():
        with np.load(folder / PRECEDENTS) as kept:
            phrases, pairs, odds = (
                HashTable(kept[f"{name}.keys"], kept[f"{name}.values"]) for name in ("phrases", "pairs", "odds")
            )
            precedents = Precedents(phrases, pairs, odds, kept["case_odds"])
    return CorpusCounts(**found, precedents=precedents)


def traits(
    table: pa.Table,
    counts: CorpusCounts | None,
    source_spans: tuple[np.ndarray, np.ndarray, np.ndarray],
    target_wanted: np.ndarray,
) -> Traits:
    """How common the words of entities and some target words are, and their case; `UNKNOWN` without counts.

    Args:
        table: with source_tokens and target_tokens.
        counts: of the corpus.
        source_spans: rows, starts and ends of the entities, (entities,) each.
        target_wanted: over all target words, those that are looked up.
    """
    if counts is None:
        return UNKNOWN
    offsets, words, _ = flatten(table["source_tokens"])
    rows, start, end = source_spans
    inside = np.zeros(len(words), dtype=np.bool_)
    lengths = end - start
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    inside[np.repeat(offsets[rows] + start, lengths) + within] = True
    source = _look_up(words, inside, counts.source)
    target_offsets, words, _ = flatten(table["target_tokens"])
    target = _look_up(words, target_wanted, counts.target)
    return Traits(*source, offsets, *target, target_offsets, counts.contrast)


def _look_up(words: pa.Array, wanted: np.ndarray, frequencies: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """The commonness and the case of the wanted words, 0 for the others; (total,) float32 and int8."""
    common, cases = np.zeros(len(words), dtype=np.float32), np.zeros(len(words), dtype=np.int8)
    if pa.types.is_dictionary(words.type):
        ids = words.indices.to_numpy(zero_copy_only=False)[wanted]
    else:
        words = words.filter(pa.array(wanted)).dictionary_encode()
        ids = words.indices.to_numpy(zero_copy_only=False)
    # a dictionary read from a file holds the words of the whole file
    used = np.flatnonzero(np.bincount(ids, minlength=len(words.dictionary)))
    distinct = words.dictionary.take(pa.array(used)).to_pylist()
    place = np.zeros(len(words.dictionary), dtype=np.int64)
    place[used] = np.arange(len(used))
    ids = place[ids]
    common[wanted] = frequency.commonness(distinct, frequencies)[ids]
    cases[wanted] = case.cases_with_breaks(distinct)[ids]
    return common, cases
