"""What a solver found, and its Arrow columns: target entities, and the entities that were lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from xproj.columns import build_list
from xproj.schema import DROP_REASONS, DROPPED, TARGET_ENTITY

if TYPE_CHECKING:
    from xproj.columns import EntityColumn

KEPT = -1
NO_LINK, LOW_SCORE, OVERLAP, REJECTED, ROW_FAILED = range(len(DROP_REASONS))
# what rejected it, in more words: all of them are REJECTED to the reader, and counted apart
FILTERS = ("completeness", "capitals", "doubtful", "sentence", "refine")
INCOMPLETE, IN_SMALL_LETTERS, DOUBTFUL, TAKEN_ALONG, NOT_CONFIRMED = range(
    len(DROP_REASONS), len(DROP_REASONS) + len(FILTERS)
)


class Solution(NamedTuple):
    """Target spans, and what became of each entity.

    `owner`, `start`, `end` and `score` (spans,): the entity and the words of each span; an entity may have several.
    `reason` (entities,): KEPT, which means that it has a span, or an index into DROP_REASONS and FILTERS, one after the
    other.
    """

    owner: np.ndarray
    start: np.ndarray
    end: np.ndarray
    score: np.ndarray
    reason: np.ndarray

    def only(self, spans: np.ndarray) -> Solution:
        """Those `spans` (spans,) alone; what became of the entities stays."""
        owner, start, end, score = (values[spans] for values in self[:4])
        return Solution(owner, start, end, score, self.reason)

    def without(self, spans: np.ndarray, reason: int) -> Solution:
        """Without those `spans` (spans,); an entity that so loses its last one is lost for that reason."""
        left = np.zeros(len(self.reason), dtype=np.bool_)
        left[self.owner[~spans]] = True
        lost = (self.reason == KEPT) & ~left
        owner, start, end, score = (values[~spans] for values in self[:4])
        return Solution(owner, start, end, score, np.where(lost, reason, self.reason))

    def target_entities(self, entities: EntityColumn, rows: np.ndarray, ok: np.ndarray) -> pa.Array:
        """The spans of kept entities, by row and place; null in rows that are not `ok`, (rows,)."""
        kept = np.flatnonzero(self.reason[self.owner] == KEPT)
        kept = kept[np.lexsort((self.start[kept], rows[self.owner[kept]]))]
        owner = self.owner[kept]
        names = pa.array(entities.names, type=pa.string())
        labels = pa.DictionaryArray.from_arrays(pa.array(entities.label[owner]), names).cast(pa.string())
        fields = [
            pa.array(self.start[kept].astype(np.int32)),
            pa.array(self.end[kept].astype(np.int32)),
            labels,
            pa.array(self.score[kept].astype(np.float32)),
            pa.array((owner - entities.offsets[rows[owner]]).astype(np.int16)),
        ]
        values = pa.StructArray.from_arrays(fields, fields=list(TARGET_ENTITY))
        return build_list(_offsets(rows[owner], len(ok)), values, ok)

    def filtered(self) -> dict[str, int]:
        """How many entities each filter rejected, those that rejected none left out."""
        counts = np.bincount(np.maximum(self.reason, 0), minlength=len(DROP_REASONS) + len(FILTERS))
        found = zip(FILTERS, counts[len(DROP_REASONS) :].tolist(), strict=True)
        return {name: count for name, count in found if count}

    def dropped(self, entities: EntityColumn, rows: np.ndarray) -> pa.Array:
        """The entities that were lost, with their reasons."""
        lost = np.flatnonzero(self.reason != KEPT)
        number = lost - entities.offsets[rows[lost]]
        reason = self.reason[lost]
        codes = pa.array(np.where(reason < len(DROP_REASONS), reason, REJECTED).astype(np.int32))
        reasons = pa.DictionaryArray.from_arrays(codes, pa.array(DROP_REASONS)).cast(pa.string())
        values = pa.StructArray.from_arrays([pa.array(number.astype(np.int16)), reasons], fields=list(DROPPED))
        return build_list(_offsets(rows[lost], len(entities)), values)


def _offsets(rows: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.bincount(rows, minlength=n))])
