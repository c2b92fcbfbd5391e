"""Fingerprints: the same stage version, settings and inputs give the same name, anything else another one."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xproj.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SETTLED_NS = 2_000_000_000


def canonical(value: Any) -> str:
    """One JSON text for equal values: sorted keys, no spaces, tuples as lists."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """The first 16 hex digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Provenance:
    """What makes a result: the stage and its version, the settings it reads, the fingerprints of its inputs."""

    stage: str
    version: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits; equal provenance, equal fingerprint."""
        return digest(asdict(self))

    @property
    def folder(self) -> str:
        """The name of the stage's folder."""
        return f"{self.stage}-{self.fingerprint}"


def matches(path: str) -> list[Path]:
    """The files behind a path of a recipe: a file, the files below a folder, or those a glob names; sorted."""
    place = Path(path)
    if place.is_dir():
        files = sorted(p for p in place.rglob("*") if p.is_file())
        return [p for p in files if not any(part.startswith(".") for part in p.relative_to(place).parts)]
    if place.exists():
        return [place]
    if not any(c in path for c in "*?["):
        return []
    fixed = Path(*(part for part in _until_pattern(place.parts)))
    return sorted(p for p in fixed.glob(str(place.relative_to(fixed))) if p.is_file())


def _until_pattern(parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        if any(c in part for c in "*?["):
            return
        yield part


class FileHashes:
    """Content hashes of raw files and model folders, cached in one JSON file by size and modification time."""

    def __init__(self, cache: Path) -> None:
        self._known: dict[str, list[Any]] = {}
        self.changed = False
        try:
            self._known = json.loads(cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            pass  # a cache that is missing or damaged is filled again

    def known(self) -> dict[str, list[Any]]:
        """What belongs into the cache: path -> size, mtime, hash."""
        return self._known

    def file(self, path: Path) -> str:
        """The SHA-256 of one file."""
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(str(path))
        if known and known[:2] == stamp:
            return str(known[2])
        with path.open("rb") as stream:
            value = hashlib.file_digest(stream, "sha256").hexdigest()
        # a file written a moment ago may change again without changing its stamp
        if time.time_ns() - stat.st_mtime_ns > SETTLED_NS:
            self._known[str(path)] = [*stamp, value]
            self.changed = True
        return value

    def tree(self, path: str) -> str | None:
        """One hash of the names and contents behind a path (see `matches`), None when there is no file.

        Raises:
            StoreError: a file that cannot be read.
        """
        files = matches(path)
        if not files:
            return None
        base = Path(path) if Path(path).is_dir() else Path(os.path.commonpath([p.parent for p in files]))
        try:
            return digest([[p.relative_to(base).as_posix(), self.file(p)] for p in files])
        except OSError as error:
            raise StoreError(f"{error.filename}: cannot be read: {error.strerror}; check its permissions") from error
