"""Which files a path means, and their bytes: folders, globs, compression, encodings, formats."""

from __future__ import annotations

import glob
import gzip
import io
import re
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa

from xproj.core.spans import is_tag
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATS = {
    "conll": (".conll", ".conllu", ".conll02", ".conll03", ".conll2003", ".iob", ".iob2", ".bio", ".ner"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet",),
    "tsv": (".tsv",),
    "text": (".txt",),
}
COMPRESSIONS = (".gz", ".zst")
SNIFFED = 64
"""Lines that decide what a .txt, .tsv or unknown file is."""
BLOCK = 1 << 20
"""Bytes read at a time."""


def suffix(path: Path) -> str:
    """The suffix that tells the format: `.conll` of `a.conll.gz`."""
    name = Path(path.name.removesuffix(path.suffix)) if path.suffix.lower() in COMPRESSIONS else Path(path.name)
    return name.suffix.lower()


def stem(path: Path) -> str:
    """The name without suffixes of compression and format: `a.train` of `a.train.conll.gz`."""
    name = path.name.removesuffix(path.suffix) if path.suffix.lower() in COMPRESSIONS else path.name
    known = {end for ends in FORMATS.values() for end in ends}
    return Path(name).stem if Path(name).suffix.lower() in known else name


def expand(path: str | Path, key: str, format: str = "auto") -> list[Path]:
    """The files that a file, folder or glob names, in natural order.

    Args:
        path: what the recipe says.
        key: the key of the recipe, for the message.
        format: in a folder, only files with a suffix of this format count, or all where none has it; `auto`: those
            with the suffix of any format.

    Raises:
        CorpusError: there is none.
    """
    root = Path(path)
    if root.is_file():
        return [root]
    if root.is_dir():
        wanted = [end for name, ends in FORMATS.items() if format in ("auto", name) for end in ends]
        folder = root / "data" if not _files(root, wanted) and (root / "data").is_dir() else root
        found = _files(folder, wanted) or (_files(folder, []) if format != "auto" else [])
        if not found:
            known = ", ".join((*wanted, *COMPRESSIONS))
            raise CorpusError(f"{root}: no corpus file in this folder; {key} reads {known}")
        return found
    if glob.has_magic(str(path)):
        found = sorted((Path(name) for name in glob.glob(str(path), recursive=True)), key=natural)
        found = [file for file in found if file.is_file()]
        if found:
            return found
        raise CorpusError(f"{path}: no file matches; correct {key}")
    raise CorpusError(f"{path}: no such file or folder; correct {key}")


def _files(folder: Path, suffixes: list[str]) -> list[Path]:
    names = [f for f in folder.iterdir() if f.is_file() and not f.name.startswith((".", "_", "README", "LICENSE"))]
    return sorted((f for f in names if not suffixes or suffix(f) in suffixes), key=natural)


def natural(path: Path) -> list[tuple[int, int | str]]:
    """A key that sorts part-2 before part-10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", str(path)) if part]


def detect(path: Path) -> str:
    """The format of a file: by its suffix; .txt, .tsv and unknown ones also by their first lines.

    Raises:
        CorpusError: it cannot be read.
    """
    for name, ends in FORMATS.items():
        if name not in ("text", "tsv") and suffix(path) in ends:
            return name
    lines = []
    for _, line in read_lines(path):
        lines.append(line)
        if len(lines) == SNIFFED:
            break
    filled = [line for line in lines if line.strip()]
    if _looks_like_conll(filled):
        return "conll"
    if suffix(path) in FORMATS["tsv"]:
        return "tsv"
    if filled and suffix(path) not in FORMATS["text"] and re.match(r'\s*\{\s*"', filled[0]):
        return "jsonl"
    return "text"


def _looks_like_conll(lines: list[str]) -> bool:
    words = [line for line in lines if not line.startswith(("#", "-DOCSTART-"))]
    rows = [line.split("\t") if "\t" in line else line.split() for line in words]
    return bool(rows) and all(len(columns) > 1 and is_tag(columns[-1].strip()) for columns in rows)


def open_binary(path: Path) -> BinaryIO:
    """The bytes of a file, decompressed.

    Raises:
        CorpusError: it cannot be opened.
    """
    try:
        if path.suffix.lower() == ".gz":
            return cast(BinaryIO, gzip.open(path, "rb"))
        if path.suffix.lower() == ".zst":
            return cast(BinaryIO, io.BufferedReader(_Zstandard(path), BLOCK))
        return path.open("rb")
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror or error}; check the file and its rights") from error


class _Zstandard(io.RawIOBase):
    """A zstd stream as a raw file."""

    def __init__(self, path: Path) -> None:
        self._stream = pa.input_stream(str(path), compression="zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def open_seekable(path: Path) -> BinaryIO:
    """The bytes of a file that is read from its end (Parquet): a compressed one is unpacked to a temporary file."""
    if path.suffix.lower() not in COMPRESSIONS:
        return open_binary(path)
    file = tempfile.TemporaryFile()
    for block in _blocks(path):
        file.write(block)
    file.seek(0)
    return cast(BinaryIO, file)


def _blocks(path: Path) -> Iterator[bytes]:
    with open_binary(path) as file:
        while True:
            try:
                block = file.read(BLOCK)
            except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
                reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
                then = "copy or download it again"
                raise CorpusError(f"{path}: damaged or truncated ({reason}); {then}") from error
            if not block:
                return
            yield block


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and text of each line, without its end; a BOM and CR before LF are dropped.

    Only LF ends a line: the other separators of Unicode are characters of the text.

    Raises:
        CorpusError: not UTF-8, or a damaged file; names the line and the byte.
    """
    number = 1
    for lines in read_blocks(path):
        yield from enumerate(lines, number)
        number += len(lines)


def read_blocks(path: Path) -> Iterator[list[str]]:
    """The lines of a file, about a million bytes at a time."""
    rest, offset, number = b"", 0, 1
    for block in _blocks(path):
        whole, newline, tail = block.rpartition(b"\n")
        if not newline:
            rest += block
            continue
        data = rest + whole
        rest = tail
        lines = _decode(data, path, number, offset).split("\n")
        yield lines
        offset += len(data) + 1
        number += len(lines)
    if rest:
        yield _decode(rest, path, number, offset).split("\n")


def _decode(data: bytes, path: Path, number: int, offset: int) -> str:
    if offset == 0 and data.startswith(b"\xef\xbb\xbf"):
        return _decode(data[3:], path, number, 3)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = number + data[: error.start].count(b"\n")
        what = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {offset + error.start}"
        then = "convert it, e.g. iconv -f ISO-8859-1 -t UTF-8"
        raise CorpusError.at(path, line, what, then) from error
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    return text
