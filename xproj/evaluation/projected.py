"""What became of the entities of a projected corpus: scores against gold, projection ratios, and losses."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import EntityColumn, flatten
from xproj.core.labels import OUTSIDE, relabel, select
from xproj.core.metrics import GOLD, PREDICTED, SpanCounts, Tally, groups
from xproj.errors import SchemaError
from xproj.evaluation.spans import NO_SPANS, TaggingScores
from xproj.schema import STATUSES, check_spans, conform, status_codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, eq=False)
class ProjectionCounts:
    """What became of the entities of a projected table; counts of shards add up.

    `projected` counts source entities that have at least one target span. The accounting closes when
    `source == projected + sum(dropped.values())`; where no row has `source_entities` there is none.
    """

    spans: SpanCounts = NO_SPANS
    status: Counter[str] = field(default_factory=Counter)
    labelled: int = 0
    """Rows with `source_entities`, be they none."""
    source: int = 0
    projected: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, table: pa.Table, labels: Mapping[str, str] | None = None, where: str = "input") -> ProjectionCounts:
        """Count one table that has `target_entities`; a row that is not ok has predicted nothing.

        Raises:
            SchemaError: `target_entities` is missing, a column has another type, a span is outside its sentence, or
                `dropped` names no source entity.
        """
        labels = labels or {}
        optional = ["source_entities", "target_gold", "dropped"]
        columns = conform(table, ["target_entities"], optional, where)
        if "target_tokens" in table.column_names:
            for name in ("target_entities", "target_gold"):
                with_words = table.select([n for n in ("id", "target_tokens") if n in table.column_names])
                check_spans(with_words.append_column(name, columns[name]), name, "target_tokens", where)
        codes = status_codes(table)
        ok = codes == STATUSES.index("ok")
        entities, indices = _projected(columns["target_entities"], ok, labels)
        source = EntityColumn.read(columns["source_entities"])
        return cls(
            spans=SpanCounts.of(entities, relabel(EntityColumn.read(columns["target_gold"]), labels)),
            status=Counter(dict(zip(STATUSES, np.bincount(codes, minlength=len(STATUSES)).tolist(), strict=True))),
            labelled=int(source.valid.sum()),
            source=len(relabel(source, labels).start),
            projected=_distinct(entities, indices),
            dropped=_dropped(columns["dropped"], source, labels, where),
        )

    def __add__(self, other: ProjectionCounts) -> ProjectionCounts:
        return ProjectionCounts(
            self.spans + other.spans,
            self.status + other.status,
            self.labelled + other.labelled,
            self.source + other.source,
            self.projected + other.projected,
            self.dropped + other.dropped,
        )


def _projected(column: pa.Array, ok: np.ndarray, labels: Mapping[str, str]) -> tuple[EntityColumn, np.ndarray]:
    """The target entities of rows that are ok, and the number of the source entity of each (-1: not known)."""
    entities = EntityColumn.read(column)
    indices = pc.fill_null(pc.struct_field(flatten(column)[1], "source_entity"), -1)
    kept = [labels.get(name, name) != OUTSIDE for name in entities.names]
    keep = np.repeat(ok, np.diff(entities.offsets)) & np.array(kept, dtype=bool)[entities.label]
    return relabel(select(entities, keep), labels), indices.to_numpy(zero_copy_only=False)[keep]


def _distinct(entities: EntityColumn, indices: np.ndarray) -> int:
    """How many source entities were projected; a target entity that names none stands for one of its own."""
    rows = np.repeat(np.arange(len(entities)), np.diff(entities.offsets))
    known = indices >= 0
    _, members = groups(rows[known], indices[known])
    return int(np.sum(~known)) + len(members)


def _dropped(column: pa.Array, source: EntityColumn, labels: Mapping[str, str], where: str) -> Counter[str]:
    """Dropped source entities by reason, without those whose label is dropped."""
    offsets, values, _ = flatten(column)
    rows = np.repeat(np.arange(len(column)), np.diff(offsets))
    index = pc.fill_null(pc.struct_field(values, "source_entity"), -1)
    place = source.offsets[rows] + index.to_numpy(zero_copy_only=False)
    bad = np.flatnonzero((place < source.offsets[rows]) | (place >= source.offsets[rows + 1]))
    if len(bad):
        row, k = rows[bad[0]], index[int(bad[0])].as_py()
        raise SchemaError(
            f"{where}: dropped of row {row} names source entity {k}, which source_entities does not have; "
            "project the table again"
        )
    kept = np.array([labels.get(name, name) != OUTSIDE for name in source.names], dtype=bool)
    reasons = pc.fill_null(pc.struct_field(values, "reason"), "unknown").filter(pa.array(kept[source.label[place]]))
    return Counter({entry["values"]: entry["counts"] for entry in pc.value_counts(reasons).to_pylist()})


@dataclass(frozen=True)
class ProjectionScores:
    """Scores of projected entities, and where the others were lost. Ratios are None when there is nothing to divide by.

    `spans` is None without gold. Rows that are not ok predicted nothing: their gold entities count as missed. Entities
    that were not projected (no row has source entities) are scored only: what tells of a projection is None or empty.
    """

    spans: TaggingScores | None
    sentences: int
    failed: dict[str, int]
    failed_share: float | None
    source_entities: int | None
    projected: int | None
    projection_ratio: float | None
    projection_ratio_sentences: float | None
    dropped: dict[str, int]
    dropped_share: dict[str, float]
    unaccounted: int | None

    @classmethod
    def of(cls, counts: ProjectionCounts, *, resamples: int = 1000, seed: int = 0) -> ProjectionScores:
        """The scores of counts."""
        sentences = counts.status.total()
        failed = {name: counts.status[name] for name in STATUSES if name != "ok" and counts.status[name]}
        dropped = dict(sorted(counts.dropped.items()))
        scored = len(counts.spans.overall)
        accounted = counts.labelled > 0
        return cls(
            spans=TaggingScores.of(counts.spans, resamples=resamples, seed=seed) if scored else None,
            sentences=sentences,
            failed=failed,
            failed_share=_share(sum(failed.values()), sentences),
            source_entities=counts.source if accounted else None,
            projected=counts.projected if accounted else None,
            projection_ratio=_share(counts.projected, counts.source),
            projection_ratio_sentences=_mean_ratio(counts.spans.overall) if accounted else None,
            dropped=dropped,
            dropped_share={reason: n / counts.source for reason, n in dropped.items()},
            unaccounted=counts.source - counts.projected - counts.dropped.total() if accounted else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean_ratio(tally: Tally) -> float | None:
    """The mean over sentences of projected / gold entities: 1 where there are neither, 0 where gold has none."""
    if not len(tally):
        return None
    predicted, gold = tally.counts[:, PREDICTED], tally.counts[:, GOLD]
    ratio = np.where(gold > 0, predicted / np.maximum(gold, 1), predicted == 0)
    return float(tally.sentences @ ratio / len(tally))


def projection(
    tables: Iterable[pa.Table], *, labels: Mapping[str, str] | None = None, resamples: int = 1000, seed: int = 0
) -> ProjectionScores:
    """Score `target_entities` against `target_gold`, table by table.

    Args:
        tables: with `target_entities`, and where they exist `target_gold`, `source_entities`, `dropped`, `status`.
        labels: renames labels on both sides; `O` drops them.
        resamples: of the bootstrap interval of F1; 0 for none.
        seed: of the bootstrap.

    Raises:
        SchemaError: a column is missing or does not fit.
    """
    counts = (ProjectionCounts.of(table, labels) for table in tables)
    return ProjectionScores.of(reduce(add, counts, ProjectionCounts()), resamples=resamples, seed=seed)
