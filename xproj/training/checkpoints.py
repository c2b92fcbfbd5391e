"""States of a training on disk: a checkpoint counts only with a marker, which is written last and synced.

What has no marker, or one of another training, is removed before a training goes on: a checkpoint that was half written
when the process ended would stop every later one.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from xproj.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARKER = "whole.json"
# where torch's messages of a failed write come from; those of an allocator begin with "enforce fail" too
WRITERS = ("PytorchStreamWriter", "inline_container", "iostream error", "Parent directory")


class Checkpoints:
    """The folder of one training.

    Args:
        folder: where; made when the first checkpoint is written.
        identity: of settings and data; a checkpoint with another one is not gone on from.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity

    def latest(self) -> Path | None:
        """The newest whole checkpoint of this training."""
        found = [(self._step(path), path) for path in self.folder.glob("checkpoint-*")]
        return max(((step, path) for step, path in found if step is not None), default=(0, None))[1]

    def _step(self, path: Path) -> int | None:
        try:
            marker = json.loads((path / MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return int(marker["step"]) if marker.get("identity") == self.identity else None

    def clear(self, keep: Path | None) -> None:
        """Remove all checkpoints but one, the half-written ones among them."""
        for path in self.folder.glob("checkpoint-*"):
            if path != keep:
                (path / MARKER).unlink(missing_ok=True)  # what is half removed is not whole
                shutil.rmtree(path)

    def finish(self, path: Path, step: int) -> None:
        """Sync a checkpoint that has been written, mark it as whole, and remove the older ones."""
        for file in path.rglob("*"):
            _sync(file)
        marker = path / MARKER
        marker.write_text(json.dumps({"step": step, "identity": self.identity}) + "\n", encoding="utf-8")
        _sync(marker)
        _sync(path)
        _sync(self.folder)
        self.clear(path)

    def remove(self) -> None:
        """The training is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def writing(path: Path, latest: Path | None) -> Iterator[None]:
    """A block that writes a checkpoint: a full disk is one line, and what was half written goes.

    Other errors, like those of a device or of other processes that are gone, pass as they are.

    Raises:
        StoreError: the place cannot be written.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if not _of_writing(error):
            raise
        shutil.rmtree(path, ignore_errors=True)
        kept = f"training goes on from {latest.name}" if latest else "training starts anew"
        raise StoreError(
            f"{path}: the checkpoint cannot be written ({reason(error)}); make room and run again: {kept}"
        ) from error


def _of_writing(error: Exception) -> bool:
    """Is it what writing raises? torch has no class of its own for that."""
    if isinstance(error, RuntimeError):
        return any(name in str(error) for name in WRITERS)
    return not isinstance(error, ConnectionError | TimeoutError)


def reason(error: Exception) -> str:
    """Why a file could not be written, in one line."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    # torch and safetensors say it in messages of their own, torch without the reason
    line = (str(error).splitlines() or [type(error).__name__])[0]
    if "strerror: " in line:
        return line.partition("strerror: ")[2]
    return "no room for it, it seems" if any(name in line for name in WRITERS[:3]) else line


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
