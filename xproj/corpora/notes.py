"""What a reader noticed: counts by kind, each with the first place."""

from __future__ import annotations

from dataclasses import dataclass, field

EXPLAIN = {
    "tags_repaired": "invalid tags repaired (I- after O or another type became B-)",
    "spans_expanded": "character spans that did not fall on word borders, grown to whole words",
    "spans_lost": "character spans that touch no word of their own",
    "labels_dropped": "entities dropped by [ingest] labels",
    "empty_source": "sentences with an empty source side or an empty source word",
    "empty_target": "sentences with an empty target side or an empty target word",
    "too_long": "sentences longer than [ingest] max_words",
}


@dataclass
class IngestNotes:
    """Filled while a corpus streams through a reader; complete when it ends."""

    sentences: int = 0
    labelled: int = 0
    """Sentences that have labels, an empty list included."""
    entities: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """How often each kind of trouble was met."""
    first: dict[str, str] = field(default_factory=dict)
    """`file:line` of the first of its kind."""
    warnings: list[str] = field(default_factory=list)

    def add(self, kind: str, place: str, number: int = 1) -> None:
        """Count `number` cases of `kind`, the first of them at `place`."""
        if number:
            self.counts[kind] = self.counts.get(kind, 0) + number
            self.first.setdefault(kind, place)

    def lines(self) -> list[str]:
        """One line per kind of trouble, and the warnings."""
        counted = [f"{n} {EXPLAIN.get(kind, kind)}, first at {self.first[kind]}" for kind, n in self.counts.items()]
        return [*counted, *self.warnings]
