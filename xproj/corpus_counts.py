"""What the alignment score knows of a corpus: which words are common, what capital letters say, and precedents.

`count` reads the first rows of a corpus, `precedents.learn` adds what a first projection of them finds; `save` and
`load` keep the result, `traits` looks words of a table up.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xproj.columns import LinkColumn
from xproj.core import case, frequency
from xproj.core.precedents import HashTable, Precedents
from xproj.core.scores import Traits
from xproj.rows import FIRST_ROWS
from xproj.sides import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

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
        sides = Side(part["source_tokens"]), Side(part["target_tokens"])
        for counted, side in zip(counts, sides, strict=True):
            times = side.counts()
            used = np.flatnonzero(times)
            counted.add(side.written(used), times[used].tolist())
        size += [side.letters.sum() for side in sides]
        if "links" in part.column_names:
            _count_cases(LinkColumn.read(part["links"]), *sides, mass)
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


def _count_cases(links: LinkColumn, source: Side, target: Side, mass: np.ndarray) -> None:
    # a link outside its sentence, or with a score that is not finite, is refused where it is projected
    inside = (links.source < np.repeat(source.lengths, np.diff(links.offsets))) & (
        links.target < np.repeat(target.lengths, np.diff(links.offsets))
    )
    inside &= (links.source >= 0) & (links.target >= 0) & np.isfinite(links.score)
    score = np.where(inside, links.score, 0.0)
    at = np.where(inside, links.source, 0), np.where(inside, links.target, 0)
    sides = source.cases, source.offsets, target.cases, target.offsets
    case.count_links(links.offsets, at[0], at[1], score, *sides, mass)


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
    source: Side,
    target: Side,
    counts: CorpusCounts | None,
    source_spans: tuple[np.ndarray, np.ndarray, np.ndarray],
    target_wanted: np.ndarray,
) -> Traits:
    """How common the words of entities and some target words are, and their case; `UNKNOWN` without counts.

    Args:
        source: the words of the source sentences.
        target: those of the target sentences.
        counts: of the corpus.
        source_spans: rows, starts and ends of the entities, (entities,) each.
        target_wanted: over all target words, those that are looked up.
    """
    if counts is None:
        return UNKNOWN
    of_source = source.look_up(source.inside(*source_spans), counts.source)
    of_target = target.look_up(target_wanted, counts.target)
    return Traits(*of_source, source.offsets, *of_target, target.offsets, counts.contrast)
