"""Models of transformers in the format of CTranslate2, converted once into a cache folder.

The folder of a conversion is named by a fingerprint of what goes into it: the files of model and tokenizer, the kind of
numbers, the version of the converter. It is written aside and renamed when whole, so it exists or it does not.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import ctranslate2
from ctranslate2.converters import TransformersConverter
from safetensors import SafetensorError

from xproj.encoders import loading
from xproj.errors import BackendError, StoreError
from xproj.fingerprints import FileHashes, digest

if TYPE_CHECKING:
    from collections.abc import Iterable

WEIGHTS = (".safetensors", ".bin", ".h5", ".msgpack", ".index.json")
CONFIGS = frozenset({"config.json", "generation_config.json"})


def cache_folder() -> Path:
    """Where conversions are kept: `$XPROJ_CACHE`, else below `$XDG_CACHE_HOME`, else below `~/.cache`."""
    if own := os.environ.get("XPROJ_CACHE"):
        return Path(own) / "ct2"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xproj" / "ct2"


def converted(model: Path, tokenizer: Path, name: str, *, compute_type: str) -> Path:
    """The folder of the converted model; converts it where it is not there yet.

    Args:
        model: the folder with configuration and weights.
        tokenizer: the folder with the tokenizer, which may be the same.
        name: the model's name, for messages.
        compute_type: how weights are stored.

    Raises:
        BackendError: CTranslate2 cannot convert this model.
        StoreError: the cache folder cannot be written.
    """
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        found = cache / _fingerprint(cache, model, tokenizer, compute_type)
        if found.is_dir():
            return found
        with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as folder:
            parts, made = Path(folder) / "parts", Path(folder) / "made"
            _gather(model, tokenizer, parts)
            _convert(parts, made, name, compute_type)
            _keep(made, found)
    except OSError as error:
        raise StoreError(f"{cache}: {error.strerror}; set XPROJ_CACHE to a folder with room") from error
    return found


def _fingerprint(cache: Path, model: Path, tokenizer: Path, compute_type: str) -> str:
    hashes = FileHashes(cache / "hashes.json")
    contents = [
        hashes.tree(str(model)),
        sorted([path.name, hashes.file(path)] for path in _files(tokenizer) if not _of_model(path)),
    ]
    if hashes.changed:
        with tempfile.NamedTemporaryFile("w", dir=cache, prefix=".hashes-", delete=False, encoding="utf-8") as stream:
            json.dump(hashes.known(), stream)
        Path(stream.name).replace(cache / "hashes.json")
    return digest([contents, compute_type, ctranslate2.__version__])


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_file())


def _of_model(path: Path) -> bool:
    """Does a file belong to the weights, not to the tokenizer?"""
    return path.name in CONFIGS or path.name.endswith(WEIGHTS)


def _gather(model: Path, tokenizer: Path, parts: Path) -> None:
    """One folder with the weights of the model and the tokenizer: the converter knows only one."""
    parts.mkdir()
    for path in _files(model):
        if _of_model(path):
            (parts / path.name).symlink_to(path.resolve())
    for path in _files(tokenizer):
        if not _of_model(path):
            (parts / path.name).symlink_to(path.resolve())


def _convert(parts: Path, made: Path, name: str, compute_type: str) -> None:
    try:
        with loading.quiet():
            TransformersConverter(str(parts), low_cpu_mem_usage=True).convert(str(made), quantization=compute_type)
    except (ValueError, KeyError, AttributeError, NotImplementedError, RuntimeError, SafetensorError) as error:
        raise BackendError(
            f"model {name}: CTranslate2 cannot convert it ({loading.line(error)}); set engine = 'hf'"
        ) from error


def _keep(made: Path, found: Path) -> None:
    for path in made.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    try:
        made.rename(found)
    except OSError:
        # another process was faster: its folder has the same content
        if not found.is_dir():
            raise
        shutil.rmtree(made)
