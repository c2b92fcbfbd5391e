"""Loading a model from its folder, for inference; an encoder is cut above the layer that is read."""

from __future__ import annotations

from contextlib import contextmanager
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as reports

from xproj.errors import BackendError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xproj.encoders import EncoderSettings

# no network, no code from a model's folder, and of a pickled file (.bin) the numbers alone
SAFE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
NUMBERS_ONLY: dict[str, Any] = SAFE | {"weights_only": True}
# layer norms behind the last layer of pre-norm encoders: they belong to the last layer alone
FINAL_NORMS = ("layer_norm", "final_layer_norm", "final_norm")


def device(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU where there is one.

    Raises:
        BackendError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(name)
    except RuntimeError as error:
        raise BackendError(f"[runtime] device = {name!r}: no such kind of device; set auto, cpu or cuda") from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise BackendError(f"[runtime] device = {name!r}: torch sees {there} GPUs; set another one, or auto")
    return found


def tokenizer(path: Path, name: str) -> Any:
    """The tokenizer in a model folder.

    Raises:
        BackendError: there is none that can be read.
    """
    try:
        with quiet():
            found = AutoTokenizer.from_pretrained(path, **SAFE)
            if getattr(found, "add_prefix_space", None) is False:
                # byte-level tokenizers see where a word begins only by the space before it
                found = AutoTokenizer.from_pretrained(path, add_prefix_space=True, **SAFE)
    except ImportError as error:
        raise BackendError(
            f"model {name}: its tokenizer needs a package that is missing ({line(error)}); pip install 'xproj[models]'"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(f"model {name}: no tokenizer can be read ({line(error)}); add its files") from error
    if len(found) <= len(found.all_special_ids):  # made up, where there are no files of one
        raise BackendError(f"model {name}: there is no tokenizer in its folder; add its files")
    return found


def encoder(path: Path, settings: EncoderSettings, place: torch.device) -> Any:
    """The encoder of a model with the layers up to the one that is read, on its device, for inference.

    Raises:
        RecipeError: the model does not have that layer.
        BackendError: the files cannot be read, lack weights, or do not fit on the device.
    """
    name = settings.model
    with reading(name):
        config = AutoConfig.from_pretrained(path, **SAFE)
        layers = depth(config, name)
        layer = layers if settings.layer is None else settings.layer
        if not 0 <= layer <= layers:
            raise RecipeError(f"layer = {layer}: the model {name} has {layers} layers; set a layer from 0 to {layers}")
        _cut(config, layer)
        model, report = AutoModel.from_pretrained(
            path, config=config, dtype=getattr(torch, settings.dtype), output_loading_info=True, **NUMBERS_ONLY
        )
    found = model.get_encoder() if config.is_encoder_decoder else model
    _check_weights(found, report, name)
    if getattr(found, "pooler", None) is not None:
        found.pooler = None
    if layer < layers:
        for norm in FINAL_NORMS:
            if hasattr(found, norm):
                setattr(found, norm, torch.nn.Identity())
    return placed(found, name, place)


def placed(model: Any, name: str, place: torch.device) -> Any:
    """A model on its device, for inference.

    Raises:
        BackendError: it does not fit there.
    """
    try:
        return model.eval().requires_grad_(False).to(place)
    except torch.OutOfMemoryError as error:
        raise BackendError(
            f'model {name}: does not fit on {place}; set runtime.device = "cpu" or a half-precision dtype'
        ) from error


def depth(config: Any, name: str) -> int:
    """How many layers the encoder has."""
    found = getattr(config, "encoder_layers", None) or getattr(config, "num_hidden_layers", None)
    if not isinstance(found, int):
        raise BackendError(f"model {name}: {config.model_type} has no stack of layers; use an encoder such as BERT")
    return found


def _cut(config: Any, layer: int) -> None:
    """Leave the layers above the one that is read, and a decoder, out of the model that is built."""
    if config.is_encoder_decoder and hasattr(config, "encoder_layers"):
        config.encoder_layers, config.decoder_layers = layer, 0
    config.num_hidden_layers = layer


def _check_weights(model: Any, report: Any, name: str) -> None:
    """No weight of the encoder may be made up."""
    wanted = {key for key in model.state_dict() if not key.startswith("pooler.")}
    missing = sorted(key for key in report["missing_keys"] if key.removeprefix("encoder.") in wanted or key in wanted)
    if missing:
        raise BackendError(f"model {name}: lacks weights ({missing[0]} and {len(missing) - 1} more); check its files")


@contextmanager
def reading(name: str) -> Iterator[None]:
    """The files of a model are read here, without reports; what is wrong with them is one line.

    Raises:
        BackendError: they cannot be read, or pickled weights hold more than numbers.
    """
    try:
        with quiet():
            yield
    except UnpicklingError as error:
        raise BackendError(
            f"model {name}: its .bin file is damaged, or holds more than numbers, which could run code; "
            "get the model as safetensors"
        ) from error
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, SafetensorError) as error:
        raise BackendError(f"model {name}: cannot be loaded ({line(error)}); check the folder") from error


class quiet:  # noqa: N801 - reads as a function
    """A context without reports: layers that are cut off are in the file and not in the model."""

    _reports: Any = reports

    def __enter__(self) -> None:
        self._level, self._bar = self._reports.get_verbosity(), self._reports.is_progress_bar_enabled()
        self._reports.set_verbosity_error()
        self._reports.disable_progress_bar()

    def __exit__(self, *exception: object) -> None:
        self._reports.set_verbosity(self._level)
        if self._bar:
            self._reports.enable_progress_bar()


def line(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
