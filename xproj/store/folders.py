"""The folders of a run: names of parts, and what made a fit's folder."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from xproj.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from xproj.fingerprints import Provenance

PART = re.compile(r"part-(\d{5})-of-(\d{5})\.parquet")
FIT = "fit"
PROVENANCE = ".provenance.json"  # hidden: readers of the folder must not take it for data


def part_name(shard: int, shards: int) -> str:
    """`part-00007-of-00064.parquet`: shards count from 0."""
    return f"part-{shard:05d}-of-{shards:05d}.parquet"


def shards_of(names: Iterable[str]) -> tuple[int | None, frozenset[int]]:
    """How many parts a folder with these file names will have (None when it has none yet), and which are there."""
    found = [(int(m[1]), int(m[2])) for name in names if (m := PART.fullmatch(name))]
    return (found[0][1] if found else None), frozenset(shard for shard, _ in found)


def listing(root: Path) -> dict[str, frozenset[str]]:
    """The folders of a language and the names in each, temporary ones left out."""
    if not root.is_dir():
        return {}
    folders = [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    return {p.name: frozenset(n for n in os.listdir(p) if not n.startswith(".tmp-")) for p in folders}


def write_provenance(folder: Path, provenance: Provenance, counts: Mapping[str, Any]) -> None:
    """Write into a fit's folder what made it; the folder takes its name afterwards."""
    text = json.dumps({**asdict(provenance), "counts": counts}, sort_keys=True, indent=2, ensure_ascii=False)
    (folder / PROVENANCE).write_text(text + "\n", encoding="utf-8")


def read_provenance(folder: Path) -> dict[str, Any]:
    """What made a fit's folder.

    Raises:
        StoreError: it is missing or damaged.
    """
    path = folder / PROVENANCE
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); delete {folder} and run again") from error
    return value
