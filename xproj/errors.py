"""The errors that xproj raises, and what the command line makes of them.

    XprojError                 everything below; the command line prints one line and exits with 2
    ├── RecipeError            a recipe or a `--set` that cannot be used: file, key, legal values
    ├── CorpusError            an input file that cannot be read: file, line, what is wrong
    ├── SchemaError            a table whose columns do not fit: column, type, what was expected
    ├── StoreError             parts that do not belong together, or a folder that cannot be written
    ├── BackendError           an engine that cannot run: a missing package, model or program
    └── WorkerError            a worker process that was ended from outside

Each message answers three questions: where, what, what then. Any other exception is a defect of xproj: the command
line shows its traceback and exits with 1. A *sentence* that fails is no exception at all: it gets a `status`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class XprojError(Exception):
    """The user's input cannot be used. The message says where, what, and what to do."""


class RecipeError(XprojError):
    """A recipe, or an override of it, that cannot be used."""


class CorpusError(XprojError):
    """An input file that cannot be read as what it is said to be."""

    @classmethod
    def at(cls, path: object, line: int | None, what: str, then: str) -> CorpusError:
        """An error in line `line` (1-based) of `path`."""
        where = f"{path}:{line}" if line is not None else f"{path}"
        return cls(f"{where}: {what}; {then}")


class SchemaError(XprojError):
    """A table whose columns are missing or have the wrong type or content."""


class StoreError(XprojError):
    """Part files that do not belong together, or a place that cannot be written."""


class BackendError(XprojError):
    """A back end that cannot run here: a package, a model or a program is missing."""


class WorkerError(XprojError):
    """A worker process that was ended from outside: out of memory, or by somebody."""


def unknown(kind: str, name: str, known: Iterable[str], where: str = "", *, every: bool = False) -> str:
    """The message for a name that is not known, with the closest known names, and with `every` all of them."""
    names = sorted(known)
    close = get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(repr(c) for c in close)}?" if close else f"known: {', '.join(names)}"
    if close and every:
        hint += f" (known: {', '.join(names)})"
    prefix = f"{where}: " if where else ""
    return f"{prefix}unknown {kind} {name!r}; {hint}"
