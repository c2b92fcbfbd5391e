"""Files of corpora: what a place refuses becomes one line, and bytes are compressed as a name says."""

from __future__ import annotations

import gzip
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
