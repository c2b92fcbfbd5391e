"""The two engines that run a seq2seq model: `hf` (transformers on torch) and `ct2` (CTranslate2), and which one can.

CTranslate2 is several times faster on a CPU. On a GPU its wheel loads cuBLAS of CUDA 12, while torch from PyPI comes
with CUDA 13: both live in one process only where cuBLAS 12 is installed beside, so `auto` asks before it chooses.
"""

from __future__ import annotations

import ctypes
import json
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from xproj.errors import BackendError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

EngineName = Literal["hf", "ct2"]
CUBLAS = "libcublas.so.12"


class OutOfMemory(Exception):  # noqa: N818 - a signal to halve the batch, never seen by the user
    """A batch did not fit on the device."""


class Hypothesis(NamedTuple):
    """What an engine has generated."""

    ids: list[int]
    """Sub-words behind the language code, the end of the sentence not among them."""
    total: float
    """Σ log p of these and, where it was generated, of the end."""
    ended: bool
    """False where the length limit cut it off."""

    @property
    def length(self) -> int:
        """Terms in `total`."""
        return len(self.ids) + self.ended


class Engine(Protocol):
    """Generates and scores sub-words; `code` is the id of the language code that begins a target, if there is one."""

    def generate(
        self, sources: Sequence[Sequence[int]], *, code: int | None, beam: int, length_penalty: float, limit: int
    ) -> list[list[Hypothesis]]:
        """The `beam` hypotheses of each source, best first by Σ log p / length^penalty, of at most `limit` sub-words.

        Raises:
            OutOfMemory: the batch is too large for the device.
        """
        ...

    def score(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], *, code: int | None
    ) -> list[np.ndarray]:
        """log p of each sub-word of the given targets and of their ends, (n + 1,) float32 each.

        Raises:
            OutOfMemory: the batch is too large for the device.
        """
        ...

    def forget(self) -> None:
        """Give the memory of a failed batch back."""
        ...


def resolve(engine: str, compute_type: str, device: str, model: Path | None = None) -> EngineName:
    """The engine that `auto` stands for here; a named engine is checked.

    Args:
        engine: auto, hf or ct2.
        compute_type: the numbers it would work with.
        device: auto, cpu, cuda or cuda:1.
        model: a folder with the config.json of the model, where it is known.

    Raises:
        RecipeError: numbers of a kind that the engine does not have.
        BackendError: the named engine, or the only one that has these numbers, cannot run here.
    """
    if engine == "hf":
        if compute_type == "int8":
            raise RecipeError(
                "[translate] compute_type = 'int8' is of engine = 'ct2'; engine 'hf' has float32, float16 and bfloat16"
            )
        return "hf"
    problem = ct2_problem(device, compute_type) or (unfaithful(model) if model is not None else None)
    if problem is None:
        return "ct2"
    if engine == "ct2" or compute_type == "int8":
        raise BackendError(f"[translate] engine = {engine!r}, compute_type = {compute_type!r}: {problem}")
    return "hf"


def unfaithful(model: Path) -> str | None:
    """Why CTranslate2 would not compute what transformers does; None where it does.

    T5 scales its output only where it shares its embeddings; the converter does so with all. MADLAD-400 does not.
    """
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") in ("t5", "mt5", "umt5") and not config.get("tie_word_embeddings", True):
        return "CTranslate2 converts T5 with its own output layer (MADLAD-400) wrongly; set engine = 'hf'"
    return None


def ct2_problem(device: str, compute_type: str = "float32") -> str | None:
    """Why CTranslate2 cannot run on a device, and what then; None where it can.

    Args:
        device: auto, cpu, cuda or cuda:1.
        compute_type: the numbers it would work with.
    """
    if find_spec("ctranslate2") is None:
        return "the package 'ctranslate2' is missing; pip install 'xproj[ct2]'"
    import ctranslate2

    kind = place(device)[0]
    if kind == "cuda" and ctranslate2.get_cuda_device_count() == 0:
        return "CTranslate2 sees no GPU; set engine = 'hf' or runtime.device = 'cpu'"
    if kind == "cuda" and not _preload_cublas():
        return f"{CUBLAS} cannot be loaded (torch brings CUDA 13); pip install nvidia-cublas-cu12, or engine = 'hf'"
    known = ctranslate2.get_supported_compute_types(kind)
    if compute_type not in known:
        return f"CTranslate2 has no {compute_type} on this {kind}; set one of {', '.join(sorted(known))}"
    return None


def report() -> dict[str, tuple[bool | None, str]]:
    """For each kind of device whether CTranslate2 runs on it, None where it does not, and what with or why not."""
    found: dict[str, tuple[bool | None, str]] = {}
    for device in ("cpu", "cuda"):
        problem = ct2_problem(device)
        if problem is None:
            import ctranslate2

            kinds = ", ".join(sorted(ctranslate2.get_supported_compute_types(device)))
            found[device] = True, f"CTranslate2 {ctranslate2.__version__}: {kinds}"
        else:
            found[device] = None, problem
    return found


def place(device: str) -> tuple[str, int]:
    """Kind and number of a device; `auto` is a GPU where torch, or without torch CTranslate2, sees one."""
    if device != "auto":
        kind, _, number = device.partition(":")
        return kind, int(number or 0)
    if not _driver():
        return "cpu", 0
    if find_spec("torch") is not None:
        import torch

        return ("cuda" if torch.cuda.is_available() else "cpu"), 0
    import ctranslate2

    return ("cuda" if ctranslate2.get_cuda_device_count() else "cpu"), 0


def _driver() -> bool:
    """May there be a GPU? Seconds faster than torch where there is none."""
    if sys.platform != "linux" or Path("/dev/kfd").exists():
        return True
    with suppress(OSError):
        ctypes.CDLL("libcuda.so.1")
        return True
    return False


def _preload_cublas() -> bool:
    """Load cuBLAS 12 for all of the process, from the system or from NVIDIA's package beside torch."""
    names = [CUBLAS]
    with suppress(ModuleNotFoundError, ValueError):
        found = find_spec("nvidia.cublas")
        names += (
            [str(Path(folder) / "lib" / CUBLAS) for folder in (found.submodule_search_locations or ())] if found else []
        )
    for name in names:
        with suppress(OSError):
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
            return True
    return False
