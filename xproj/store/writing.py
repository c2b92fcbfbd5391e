"""Files and folders that exist or do not: written aside (`.tmp-*` in the same folder), synced, renamed when whole."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from xproj import processes
from xproj.errors import StoreError, XprojError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xproj.fingerprints import FileHashes

# what a place may refuse; any other OSError inside a block that writes is somebody else's
PLACE = {getattr(errno, name) for name in "EACCES EPERM EROFS ENOSPC EDQUOT ENOTDIR EISDIR EEXIST ENAMETOOLONG".split()}

TEMPORARY = re.compile(r"^\.tmp-[A-Za-z0-9]*-\d+-")


def _mark() -> str:
    """What stands in the temporary names of this process: host and pid."""
    return f".tmp-{re.sub(r'[^A-Za-z0-9]', '', socket.gethostname())}-{os.getpid()}-"


def aside(path: Path) -> Path:
    """The temporary name of a file or folder of this process, beside it."""
    return path.parent / f"{_mark()}{path.name}"


def intended(path: Path) -> Path:
    """Where a temporary name of any process will be put: the inverse of `aside`; another path as it is."""
    return path.with_name(TEMPORARY.sub("", path.name))


@contextmanager
def placing(path: Path) -> Iterator[None]:
    """A block that writes at `path`: what the place refuses becomes one line.

    Raises:
        StoreError: permission denied, a full disk, and the like.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in PLACE:
            raise
        why = os.strerror(error.errno or 0)
        raise StoreError(f"{path}: cannot be written: {why}; choose another place or make room") from error


def prepare(folder: Path) -> None:
    """Make a folder, and remove what killed processes left in it."""
    with placing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_stale(folder)


@contextmanager
def written(path: Path, *, folder: bool = False, replace: bool = False) -> Iterator[Path]:
    """A temporary file name (or an empty temporary folder) that becomes `path` when the block ends well.

    A file is replaced. A folder that is there already was finished by another process and is kept, having the same
    content, unless `replace` is set. Of processes that were started together only the first one's remains. Folders that
    it lies in are made, and removed again when the block fails and left nothing in them.

    Raises:
        StoreError: the place cannot be written.
    """
    temporary = aside(path)
    made: list[Path] = []
    try:
        with placing(path):
            made += (parent for parent in path.parents if not parent.exists())
            path.parent.mkdir(parents=True, exist_ok=True)
            remove(temporary)
            if folder:
                temporary.mkdir()
            yield temporary
            if processes.first():
                publish(temporary, path, replace=replace)
    except XprojError as error:
        # whoever wrote there knew only the temporary name
        raise type(error)(str(error).replace(str(temporary), str(path))) from error
    finally:
        remove(temporary)
        with suppress(OSError):  # one that holds something stays
            for parent in made if not path.exists() else ():
                parent.rmdir()


def publish(temporary: Path, path: Path, *, replace: bool = False) -> None:
    """Sync a finished temporary file or folder and give it its name; see `written`."""
    folder = temporary.is_dir()
    for file in temporary.rglob("*") if folder else [temporary]:
        if file.is_file():
            _sync(file)
    if folder and path.is_dir():
        if not replace:
            return
        old = aside(path.with_name(f"{path.name}.old"))
        os.replace(path, old)
        os.replace(temporary, path)
        remove(old)
    else:
        os.replace(temporary, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_hashes(hashes: FileHashes, cache: Path) -> None:
    """Write the cache of file hashes if it has changed."""
    if hashes.changed:
        write_json(cache, hashes.known())


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON with sorted keys, whole or not at all."""
    with written(path) as temporary:
        text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()


def stale(folder: Path) -> list[Path]:
    """What killed processes of this machine left in a folder."""
    host = _mark().rsplit("-", 2)[0]
    found = []
    for path in sorted(folder.glob(f"{host}-*")):
        pid = path.name[len(host) + 1 :].partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            found.append(path)
    return found


def remove_stale(folder: Path) -> None:
    """Remove what killed processes of this machine left in a folder."""
    for path in stale(folder):
        remove(path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
