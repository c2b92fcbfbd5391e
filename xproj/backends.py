"""Opening a back end by its name: a table `name -> "module:Class"`, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from xproj.errors import BackendError, RecipeError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

EXTRAS = {
    "accelerate": "models",
    "ctranslate2": "ct2",
    "eflomal": "eflomal",
    "highspy": "solvers",
    "huggingface_hub": "models",
    "jieba": "seg",
    "pythainlp": "seg",
    "ray": "ray",
    "safetensors": "models",
    "sentencepiece": "models",
    "simalign": "models",
    "sudachipy": "seg",
    "tokenizers": "models",
    "torch": "models",
    "transformers": "models",
    "uroman": "text",
}


def check(kind: str, name: str, known: Mapping[str, str]) -> None:
    """Refuse a name that no back end has, without an import of one; see `find`.

    Raises:
        RecipeError: no such back end; lists the known ones.
    """
    if name not in known:
        raise RecipeError(unknown(kind, name, known, every=True))


def find(kind: str, name: str, known: Mapping[str, str]) -> Any:
    """The class of back end `name`.

    Args:
        kind: what it is, for messages, e.g. `tagger`.
        name: the name that the recipe gives.
        known: `name -> "module:Class"`.

    Raises:
        RecipeError: no such back end; lists the known ones.
        BackendError: it needs a package that is not installed; says what to install.
    """
    check(kind, name, known)
    module, _, attribute = known[name].partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "xproj":
            raise
        extra = f"'xproj[{EXTRAS[package]}]'" if package in EXTRAS else package
        raise BackendError(f"{kind} {name!r}: the package {package!r} is missing; pip install {extra}") from error
