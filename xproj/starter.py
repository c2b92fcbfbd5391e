"""Starter recipes: every key with its explanation and default, taken from the recipe's own tables."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, get_args

from jinja2 import Environment, StrictUndefined

from xproj.errors import RecipeError, unknown
from xproj.recipe import TABLES, Route

if TYPE_CHECKING:
    from xproj.recipe import Table

EXPLANATIONS = {
    "bitext": "labels on one side of a parallel corpus go over to the other side",
    "translate-train": "a labelled corpus is translated, and its labels go along",
    "translate-test": "text of the target language is translated, labelled there, and the labels come back",
}
# the keys that a route cannot do without, and what stands for them until somebody knows better
GIVEN: dict[str, dict[str, dict[str, Any]]] = {
    "bitext": {
        "ingest": {"source_path": "corpus/{language}.source.conll", "target_path": "corpus/{language}.target.txt"}
    },
    "translate-train": {
        "ingest": {"path": "corpus/labelled.conll"},
        "translate": {"translator": "fake"},
    },
    "translate-test": {
        "ingest": {"target_path": "corpus/{language}.txt"},
        "translate": {"translator": "fake"},
        "tag": {"tagger": "spacy", "model": "models/source-tagger"},
    },
}
ALWAYS = ("align", "project", "silver", "runtime")
# what an example of a key without a default looks like
EXAMPLES: dict[str, Any] = {
    "tag.model": "models/source-tagger",
    "tag.revision": "COMMIT",
    "translate.mode": "eng-spa",
    "translate.model": "models/nllb",
    "translate.revision": "COMMIT",
    "translate.tokenizer": "models/nllb",
    "translate.tokenizer_revision": "COMMIT",
    "translate.markers": "blanks",
    "align.model": "models/aligner",
    "align.threshold": 0.2,
    "align.revision": "COMMIT",
    "align.layer": 8,
    "align.extraction": "itermax",
    "align.level": "subword",
    "align.tune_guide": "statistical",
    "align.prime": "corpus/{language}.tsv",
    "align.dictionary": "dictionaries/{language}.tsv",
    "align.links": "corpus/{language}.links",
    "score.scorers": ["tagger"],
    "score.model": "models/target-tagger",
    "score.revision": "COMMIT",
    "score.translator": "fake",
    "score.translator_model": "models/translator",
    "score.translator_revision": "COMMIT",
    "silver.hold_out": "gold/{language}.test.conll",
    "silver.length_ratio": [0.5, 2.0],
    "silver.max_unlabelled": 1.0,
    "train.dev": "gold/{language}.dev.conll",
    "train.model": "models/xlm-roberta-base",
    "train.revision": "COMMIT",
    "train.head_rate": 1e-3,
    "train.max_unlabelled": 1.0,
    "train.distill": {"teachers": {"source": {"model": "models/source-tagger"}, "projected": {}}},
    "evaluate.gold": "gold/{language}.test.conll",
    "evaluate.training": "silver",
    "ingest.path": "corpus/{language}.tsv",
    "ingest.source_path": "corpus/{language}.source.txt",
    "ingest.target_path": "corpus/{language}.target.txt",
}


def starter(route: str) -> str:
    """A recipe in TOML that loads as it is.

    Raises:
        RecipeError: an unknown route.
    """
    if route not in get_args(Route):
        raise RecipeError(unknown("route", route, get_args(Route)))
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    environment.filters["toml"] = toml
    template = environment.from_string(files("xproj").joinpath("templates/recipe.toml.jinja").read_text("utf-8"))
    tables = [_table(name, table, GIVEN[route].get(name, {})) for name, table in TABLES.items()]
    return template.render(route=route, explanation=EXPLANATIONS[route], tables=tables).strip() + "\n"


def _table(name: str, table: type[Table], given: dict[str, Any]) -> dict[str, Any]:
    entries = []
    for key, field in table.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        like = "translate" if name == "back" else name
        value = given.get(key, EXAMPLES[f"{like}.{key}"] if default is None else default)
        entries.append({"name": key, "value": value, "about": field.description, "given": key in given})
    return {"name": name, "about": table.__doc__, "active": bool(given) or name in ALWAYS, "entries": entries}


def toml(value: Any) -> str:
    """A TOML literal."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
