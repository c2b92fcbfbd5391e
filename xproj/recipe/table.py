"""What all tables of a recipe share, and how a mistake in one is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from xproj.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError


class Table(BaseModel):
    """A table of a recipe: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def explain(
    error: ValidationError,
    root: type[BaseModel],
    prefix: tuple[str, ...] = (),
    tables: Mapping[str, type[BaseModel]] | None = None,
) -> str:
    """Every mistake of a table or recipe on one line, misspelt keys with the closest known ones.

    Args:
        error: what pydantic found.
        root: the class that was checked.
        prefix: where its keys stand in the recipe.
        tables: the classes of inner tables by name, for the keys that they have.
    """
    parts = []
    for item in error.errors():
        location = [*prefix, *(str(part) for part in item["loc"])]
        key = ".".join(location)
        if item["type"] == "extra_forbidden":
            table = (tables or {}).get(location[0], root) if len(location) > 1 else root
            parts.append(unknown("key", key.rsplit(".", 1)[-1], table.model_fields, f"[{'.'.join(location[:-1])}]"))
        elif item["type"] == "missing":
            parts.append(f"{key} is missing; {item['msg'].lower()}")
        elif item["type"] == "value_error":
            parts.append(f"[{key}] {item['ctx']['error']}" if key else str(item["ctx"]["error"]))
        else:
            parts.append(f"{key} = {item['input']!r}: {item['msg']}")
    return "; ".join(parts)
