"""Scorers: models that say how well a target span carries an entity. One file per back end, opened by name.

A new back end is a file with a class that follows `Scorer`, a line in `BACKENDS`, and a parameter of
tests/contracts/test_scorer_contract.py. Its score lands in the column `score_<name>`, which `[project] scores` weighs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import pyarrow as pa

from xproj import backends
from xproj.columns import SPAN, EntityColumn, Int32, Int64, LinkColumn, TokenColumn, build_list

if TYPE_CHECKING:
    from collections.abc import Sequence

BACKENDS: dict[str, str] = {}


@dataclass(frozen=True)
class MatchTask:
    """What scorers see: the sentences, their source entities, and the candidate spans of each target sentence.

    The candidates of row r are `start[offsets[r]:offsets[r + 1]]` and `end[…]`, half-open word ranges. A row that is
    not to be scored has no entities and no candidates.
    """

    source: TokenColumn
    target: TokenColumn
    entities: EntityColumn
    links: LinkColumn
    offsets: Int64
    start: Int32
    end: Int32
    languages: tuple[str, str]

    @property
    def cells(self) -> Int64:
        """Entities times candidates of each row, (n,)."""
        cells: Int64 = np.diff(self.entities.offsets) * np.diff(self.offsets)
        return cells

    def candidates(self) -> pa.ListArray:
        """The column `candidates`."""
        spans = pa.StructArray.from_arrays([pa.array(self.start), pa.array(self.end)], fields=list(SPAN))
        return build_list(self.offsets, spans)


class Scorer(Protocol):
    """Scores every candidate of a row for every entity of it; higher is better, 0 is no evidence."""

    name: str

    def score(self, task: MatchTask) -> Sequence[np.ndarray]:
        """One array (n_entities, n_candidates) per row; the same whatever the batch."""
        ...


def open(name: str, model: str | None = None) -> Scorer:  # noqa: A001
    """The scorer `name`.

    Raises:
        RecipeError: no such back end.
        BackendError: a missing package or model.
    """
    return cast("Scorer", backends.find("scorer", name, BACKENDS)(model))


def ngrams(lengths: Int64, max_words: int) -> tuple[Int64, Int32, Int32]:
    """Every span of at most `max_words` words of sentences with `lengths` words, (n,): offsets (n + 1,), starts, ends.

    Spans are sorted by start, then by end.
    """
    words = np.concatenate([[0], np.cumsum(lengths)])
    position = np.arange(words[-1]) - np.repeat(words[:-1], lengths)
    spans = np.minimum(np.repeat(lengths, lengths) - position, max_words)  # of each word, those that start there
    first = np.concatenate([[0], np.cumsum(spans)])
    start = np.repeat(position, spans)
    end = start + 1 + np.arange(first[-1]) - np.repeat(first[:-1], spans)
    return first[words], start.astype(np.int32), end.astype(np.int32)
