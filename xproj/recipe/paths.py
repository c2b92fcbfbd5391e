"""Which values of a recipe are paths, and what they are relative to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xproj.recipe.table import Table
    from xproj.recipe.whole import Recipe


# what is no folder is the name of a model
MODEL_KEYS = ("model", "translator_model", "tokenizer", "evaluator")


PATH_KEYS = {
    "ingest": ("path", "source_path", "target_path"),
    "translate": ("model", "tokenizer"),
    "tag": ("model",),
    "back": ("model", "tokenizer"),
    "align": ("model", "prime", "dictionary", "links"),
    "score": ("model", "translator_model"),
    "silver": ("hold_out",),
    "train": ("dev", "model"),
    "evaluate": ("gold", "training"),
}


def resolve(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with `{language}` filled in and its paths absolute (a model that is no folder stays a name)."""
    update: dict[str, Table] = {}
    for table in PATH_KEYS:
        value: Table | None = getattr(recipe, table)
        if value is None:
            continue
        changed = {}
        for key, raw in paths(table, value).items():
            path = folder / raw.replace("{language}", recipe.language or "{language}")
            if not is_model(key) or path.exists():
                changed[key] = str(path.absolute())
        update[table] = type(value).model_validate(with_paths(value.model_dump(), changed))
    return recipe.model_copy(update=update)


def paths(name: str, table: Table) -> dict[str, str]:
    """The paths and model names in the table `name`, by key; those in inner tables as `members.NAME.key`."""
    keys = PATH_KEYS.get(name, ())
    found = {key: getattr(table, key) for key in keys}
    for member, settings in getattr(table, "members", {}).items():
        found |= {f"members.{member}.{key}": settings.get(key) for key in keys}
    for part, corpus in getattr(table, "corpora", {}).items():
        found[f"corpora.{part}.path"] = corpus.path
    if (distill := getattr(table, "distill", None)) is not None:
        found |= {f"distill.{key}": value for key, value in distill.paths().items()}
    return {key: value for key, value in found.items() if value is not None}


def with_paths(table: dict[str, Any], changed: Mapping[str, str]) -> dict[str, Any]:
    """A table's values with other paths, by the keys of `paths`."""
    for key, value in changed.items():
        *tables, last = key.split(".")
        node = table
        for inner in tables:
            node = node[inner]
        node[last] = value
    return table


def is_model(key: str) -> bool:
    """May the value of this key, as `paths` names it, be a model's name instead of a path?"""
    return key.rpartition(".")[2] in MODEL_KEYS
