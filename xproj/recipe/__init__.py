"""Recipes: one frozen pydantic table per stage, loaded from TOML, overridden by `--set`, resolved against a folder.

Only `[runtime]` never changes a result; every other value a stage reads is part of its fingerprint.
"""

from xproj.recipe.alignment import Align
from xproj.recipe.corpus import Ingest, Silver, Tag
from xproj.recipe.distillation import Distill, Pairs, Teacher
from xproj.recipe.loading import apply_overrides, load, parse, settings
from xproj.recipe.paths import MODEL_KEYS, PATH_KEYS, is_model, paths, resolve, with_paths
from xproj.recipe.projection import COMPUTED, Project, Score
from xproj.recipe.table import Table
from xproj.recipe.training import Evaluate, Train, TrainingCorpus
from xproj.recipe.translation import Back, Translate
from xproj.recipe.whole import TABLES, Recipe, Route, Runtime

__all__ = [
    "COMPUTED",
    "MODEL_KEYS",
    "PATH_KEYS",
    "TABLES",
    "Align",
    "Back",
    "Distill",
    "Evaluate",
    "Ingest",
    "Pairs",
    "Project",
    "Recipe",
    "Route",
    "Runtime",
    "Score",
    "Silver",
    "Table",
    "Tag",
    "Teacher",
    "Train",
    "TrainingCorpus",
    "Translate",
    "apply_overrides",
    "is_model",
    "load",
    "parse",
    "paths",
    "resolve",
    "settings",
    "with_paths",
]
