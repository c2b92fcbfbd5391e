"""What all tables of a recipe share, and how a mistake in one is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

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
            table = _inner((tables or {}).get(location[0], root) if len(location) > 1 else root, location)
            place = f"[{'.'.join(location[:-1])}]" if len(location) > 1 else "top level"
            parts.append(unknown("key", location[-1], table.model_fields, place))
        elif item["type"] == "missing":
            parts.append(f"{key} is missing; {item['msg'].lower()}")
        elif item["type"] == "value_error":
            parts.append(f"[{key}] {item['ctx']['error']}" if key else str(item["ctx"]["error"]))
        else:
            parts.append(f"{key} = {item['input']!r}: {_wanted(item['type'], item['msg'])}")
    return "; ".join(parts)


def _wanted(kind: str, message: str) -> str:
    """What a value of the wrong type must be, as one would write it in a recipe."""
    if kind in ("bool_parsing", "bool_type"):
        return "must be true or false"
    return message.replace("Input should be", "must be").removesuffix(", unable to parse string as an integer")


def _inner(table: type[BaseModel], location: list[str]) -> type[BaseModel]:
    """The class of the innermost table on the way to a key, through keys whose values are tables."""
    for key in location[:-1]:
        if key in table.model_fields:
            table = next(iter(tables_in(table.model_fields[key].annotation)), table)
    return table


def tables_in(annotation: Any) -> list[type[Table]]:
    """The tables that a key may hold, itself or as values of names."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, Table) else []
    return [table for part in get_args(annotation) for table in tables_in(part)]
