"""Finding a model: a local folder, or a hub name with a commit. Nothing here loads torch."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from xproj.errors import BackendError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
TEXTS = ["*.json", "*.txt", "*.model", "*.spm"]
WEIGHTS = (["*.safetensors"], ["pytorch_model*.bin"])


def folder(model: str, revision: str | None, *, config: bool = True) -> Path:
    """The folder with the files of a model; a hub model is downloaded where it is not in the cache.

    Args:
        model: a folder, or a name on the hub.
        revision: the commit of a hub model.
        config: must a folder have a config.json? That of a tokenizer alone need not.

    Raises:
        RecipeError: a hub name without a commit.
        BackendError: no such folder, or a hub model that is not there.
    """
    if check(model, revision, config=config):
        return Path(model)
    assert revision is not None
    return _from_hub(model, revision, _snapshot)


def config_file(model: str, revision: str | None) -> Path:
    """The config.json of a model, alone; raises like `folder`."""
    if check(model, revision):
        return Path(model) / "config.json"
    assert revision is not None
    return _from_hub(model, revision, _config)


def check(model: str, revision: str | None, *, config: bool = True) -> bool:
    """Is it a folder? What is none must be a hub name with a commit; the hub is not asked.

    Raises:
        RecipeError: a hub name without a commit.
        BackendError: no such folder, or no config.json in it.
    """
    path = Path(model)
    if path.is_dir():
        if config and not (path / "config.json").is_file():
            raise BackendError(f"model {model}: no config.json in this folder; name a folder of a transformers model")
        return True
    if not HUB_NAME.fullmatch(model):
        raise BackendError(f"model {model}: no such folder; correct the path")
    if revision is None or not COMMIT.fullmatch(revision):
        given = "a hub name alone" if revision is None else f"revision = {revision!r}"
        raise RecipeError(
            f"model {model!r}: no such folder, and {given} is not reproducible; "
            'add revision = "COMMIT", its 40 hexadecimal digits'
        )
    return False


def check_layer(model: str, layer: int) -> None:
    """Refuse a layer that the model in a folder does not have, by its config.json.

    Raises:
        RecipeError: says how many it has.
    """
    path = Path(model) / "config.json"
    if not path.is_file():
        return
    config = json.loads(path.read_text(encoding="utf-8"))
    layers = config.get("encoder_layers") or config.get("num_hidden_layers")
    if isinstance(layers, int) and layer > layers:
        raise RecipeError(f"layer = {layer}: the model {model} has {layers} layers; set a layer from 0 to {layers}")


def _from_hub(model: str, revision: str, find: Callable[[str, str, bool], Path]) -> Path:
    """What `find` gives of a model in the cache, else of the hub."""
    from huggingface_hub.errors import HfHubHTTPError

    with suppress(OSError, ValueError):  # not in the cache: the hub may have it
        return find(model, revision, True)
    try:
        return find(model, revision, False)
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise BackendError(
            f"model {model!r} at {revision[:8]}: not in the cache and not to be had from the hub "
            f"({type(error).__name__}); download it where there is a network, or give a local folder"
        ) from error


def _config(model: str, revision: str, local: bool) -> Path:
    import huggingface_hub

    return Path(huggingface_hub.hf_hub_download(model, "config.json", revision=revision, local_files_only=local))


def _snapshot(model: str, revision: str, local: bool) -> Path:
    """The files of a commit at the top of its tree, safetensors where there are any."""
    import huggingface_hub

    for weights in WEIGHTS:
        found = Path(
            huggingface_hub.snapshot_download(
                model,
                revision=revision,
                allow_patterns=TEXTS + weights,
                ignore_patterns=["*/*"],
                local_files_only=local,
            )
        )
        if any(found.glob(weights[0])):
            return found
    raise FileNotFoundError(f"{found}: no weights")
