"""Files that are whole or not there."""

from __future__ import annotations

import gzip
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa

from xproj.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def placing(path: Path) -> Iterator[None]:
    """A block that writes at `path`.

    Raises:
        StoreError: permission denied, a full disk, and the like.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from error


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that gets its name when the block ends well, and disappears when it does not."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def compressed(temporary: Path, suffix: str) -> Iterator[BinaryIO]:
    """A file to write bytes to, compressed as the suffix of its final name says; without time or name in it."""
    with temporary.open("wb") as raw:
        if suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
                yield cast(BinaryIO, file)
        elif suffix == ".zst":
            with pa.CompressedOutputStream(raw, "zstd") as stream:
                yield cast(BinaryIO, stream)
        else:
            yield cast(BinaryIO, raw)
