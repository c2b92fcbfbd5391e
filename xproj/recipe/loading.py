"""Recipes from TOML, overridden by `--set`."""

from __future__ import annotations

import json
import tomllib
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from xproj.errors import RecipeError, unknown
from xproj.languages import lookup
from xproj.recipe.paths import resolve
from xproj.recipe.table import explain
from xproj.recipe.whole import TABLES, Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from xproj.recipe.table import Table


def load(path: Path, overrides: list[str] | None = None, language: str | None = None) -> Recipe:
    """Read a TOML (or frozen JSON) recipe, apply `table.key=value` overrides and a language, make its paths absolute.

    Languages become NLLB codes.

    Raises:
        RecipeError: no such file, not TOML, an unknown key, or an illegal value; names file and key.
    """
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}; `xproj new bitext > {path}` writes a starter recipe") from error
    except ValueError as error:
        raise RecipeError(f"{path}: not valid {kind}: {error}; correct that line") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{path}: not a recipe but a {type(data).__name__}; `xproj new bitext` writes one")
    if language is not None:
        data["language"] = language
    recipe = _overridden(data, overrides or [], str(path))
    codes = {"source": lookup(recipe.source).code, "language": recipe.language and lookup(recipe.language).code}
    return resolve(recipe.model_copy(update=codes), path.parent)


def _overridden(data: dict[str, Any], overrides: list[str], where: str) -> Recipe:
    """The recipe of a file with its overrides; a mistake is laid at the door of the one that made it."""
    alone = deepcopy(data)
    apply_overrides(data, overrides)
    try:
        return parse(data, where)
    except RecipeError:
        if overrides:
            parse(alone, where)
            parse(data, " ".join(f"--set {override}" for override in overrides))
        raise


def parse(data: dict[str, Any], where: str) -> Recipe:
    """Validate a recipe given as a dict.

    Raises:
        RecipeError: with every mistake in one message.
    """
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"{where}: {explain(error, Recipe, tables=TABLES)}") from error


def settings(table: str, overrides: list[str], where: str = "--set") -> Table:
    """The settings of one table from its defaults and `table.key=value` overrides (the plain form).

    Raises:
        RecipeError: an unknown key, an illegal value, or another table's key.
    """
    data: dict[str, Any] = {}
    apply_overrides(data, overrides)
    try:
        return TABLES[table].model_validate(data.get(table, {}))
    except ValidationError as error:
        raise RecipeError(f"{where}: {explain(error, TABLES[table], (table,))}") from error


def apply_overrides(data: dict[str, Any], overrides: list[str]) -> None:
    """Write `table.key=value` (or `key=value` at the top) into a recipe's dict; values are TOML, bare words strings.

    Raises:
        RecipeError: not of that form, or an unknown table.
    """
    for override in overrides:
        key, equals, raw = override.partition("=")
        if not equals or not key.strip():
            raise RecipeError(f"--set {override}: not of the form table.key=value; e.g. --set project.solver=greedy")
        *tables, name = key.strip().split(".")
        node = data
        for depth, table in enumerate(tables):
            if depth == 0 and table not in TABLES:
                raise RecipeError(unknown("table", table, TABLES, f"--set {override}"))
            node = node.setdefault(table, {})
            if not isinstance(node, dict):
                raise RecipeError(f"--set {override}: {table!r} is not a table; give it a value instead")
        node[name] = _value(raw.strip())


def _value(raw: str) -> Any:
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw
