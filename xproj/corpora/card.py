"""The dataset card of a silver corpus."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xproj.corpora.silver import SilverCounts
    from xproj.languages import Language

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
REASONS = {
    "no_link": "no target word was aligned with it",
    "low_score": "its best span scored too low",
    "overlap": "another entity took its span",
    "filtered": "a filter removed it: incomplete, or a name that became an adjective",
    "row_failed": "its sentence failed",
}

FILTERS = {
    "length_ratio": "their length does not fit the source sentence",
    "dropped": "too large a share of their source entities was dropped",
    "confidence": "the mean score of their spans is too low",
    "duplicate": "the same words came before",
    "language": "another language",
    "unlabelled": "without entities, more than wanted",
}


def card(
    language: Language,
    totals: SilverCounts,
    splits: Sequence[str],
    *,
    signature: str,
    licences: Sequence[str],
    counts: Mapping[str, int | float | str],
) -> str:
    """The text of `README.md`: YAML front matter for the hub, then what made the data and how to load it."""
    from jinja2 import Environment, StrictUndefined

    # JSON strings are YAML strings, so quoting needs no YAML library
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["yaml"] = lambda value: json.dumps(value, ensure_ascii=False)
    template = files("xproj").joinpath("templates/silver_card.md.jinja").read_text(encoding="utf-8")
    values: dict[str, Any] = {
        "language": language,
        "size": size_category(totals.rows),
        "totals": totals,
        "splits": [split for split in splits if split in totals.files],
        "licences": sorted(set(licences)),
        "signature": signature,
        "counts": dict(sorted(counts.items())),
        "reasons": REASONS,
        "filters": FILTERS,
    }
    return environment.from_string(template).render(values)


def size_category(rows: int) -> str:
    """The hub's size category of a number of rows."""
    return next((name for bound, name in SIZES if rows < bound), "100M<n<1B")
