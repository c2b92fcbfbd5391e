"""JSON files: one record per line, or one array of records (Label Studio's export)."""

from __future__ import annotations

import json
import re
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from xproj.corpora.files import read_lines
from xproj.corpora.records import Record, records_table, tags_of
from xproj.corpora.rows import scheme_of
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xproj.core.spans import Scheme
    from xproj.corpora.rows import Options, Side

SEPARATORS = re.compile(r"[,\s]*")
HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")  # of a character beyond the first 65,536: two of them make one
TOO_DEEP = "not JSON that can be read: nested too deep"
TOO_LONG = "not JSON that can be read: a number of thousands of digits"
THEN = "one JSON object per line"


def read(path: Path, sides: Sequence[Side], options: Options) -> Iterator[pa.Table]:
    """The records of a file in batches; the scheme of their tags is that of the first batch that has some.

    Raises:
        CorpusError: a line that is not JSON, or not a sentence.
    """
    stream = records(path)
    scheme: Scheme | None = None
    while batch := list(islice(stream, options.batch)):
        tags = [found for _, record in batch if (found := tags_of(record))]
        if scheme is None and tags:
            scheme = scheme_of(tags)
        lines = [line for line, _ in batch]
        yield records_table([record for _, record in batch], lines, path, sides, options, scheme or "IOB2")


def records(path: Path) -> Iterator[tuple[int, Record]]:
    """The line (from 1) and the content of each record.

    Raises:
        CorpusError: not JSON, or not an object.
    """
    lines = read_lines(path)
    first = True
    for number, line in lines:
        text = line.strip()
        if not text:
            continue
        if first and text.startswith("["):
            yield from _array(path, number, chain([text], (rest for _, rest in lines)))
            return
        first = False
        yield number, _object(_loads(path, number, text), text, path, number)


def _loads(path: Path, number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CorpusError.at(path, number, f"not JSON: {error.msg} at column {error.colno}", THEN) from error
    except RecursionError as error:
        raise CorpusError.at(path, number, TOO_DEEP, THEN) from error
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise CorpusError.at(path, number, TOO_LONG, THEN) from error


def _object(value: Any, text: str, path: Path, number: int) -> Record:
    """A record that was read from `text`."""
    if not isinstance(value, dict):
        raise CorpusError.at(path, number, f"a JSON {type(value).__name__} instead of an object", THEN)
    if found := HALF.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            what = f"half a character, like {found[0]}"
            raise CorpusError.at(path, number, what, "write the other half, or leave it out") from error
    return value


def _array(path: Path, first: int, lines: Iterator[str]) -> Iterator[tuple[int, Record]]:
    """The records of a file that is one JSON array; such a file is held as a whole."""
    text = "\n".join(lines)
    decoder = json.JSONDecoder()
    at, line = 1, first
    while True:
        begin = SEPARATORS.match(text, at).end()  # type: ignore[union-attr]
        line += text.count("\n", at, begin)
        if text[begin : begin + 1] in ("]", ""):
            if begin >= len(text):
                raise CorpusError.at(path, line, "not JSON: the array does not end", "copy or download it again")
            return
        try:
            value, at = decoder.raw_decode(text, begin)
        except json.JSONDecodeError as error:
            raise CorpusError.at(path, first + error.lineno - 1, f"not JSON: {error.msg}", THEN) from error
        except RecursionError as error:
            raise CorpusError.at(path, line, TOO_DEEP, THEN) from error
        except ValueError as error:
            raise CorpusError.at(path, line, TOO_LONG, THEN) from error
        yield line, _object(value, text[begin:at], path, line)
        line += text.count("\n", begin, at)
