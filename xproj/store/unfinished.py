"""What a training that has not ended keeps: hidden folders beside that of its model, `.<kind>-<name>-<identity>`.

The name is that of the model's folder: two trainings of the same settings and data have a folder each, and what belongs
to a model goes with the training that finishes it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xproj.store.writing import intended, remove

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("training", "teachers")
UNFINISHED = tuple(f".{kind}-*" for kind in KINDS)
"""Patterns of their names."""
DIGITS = 12


def unfinished(output: Path, kind: str, identity: str) -> Path:
    """The folder of what is kept for a model.

    Args:
        output: the folder of the model, or its temporary name.
        kind: of `KINDS`.
        identity: hexadecimal digits of what it belongs to: settings, data.
    """
    place = intended(output)
    return place.with_name(f".{kind}-{place.name}-{identity[:DIGITS]}")


def remove_unfinished(output: Path) -> None:
    """Remove all that is kept for a model, of whatever settings.

    Args:
        output: the folder of the model, or its temporary name.
    """
    place = intended(output)
    own = re.compile(rf"\.({'|'.join(KINDS)})-{re.escape(place.name)}-[0-9a-f]{{{DIGITS}}}")
    for path in place.parent.iterdir():
        if own.fullmatch(path.name):
            remove(path)
