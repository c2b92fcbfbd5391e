"""The state of a training run on disk, so that a run that was killed goes on."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "latest.json"


class Checkpoints:
    """A folder with the newest state of one run: weights and moments of AdamW, and a marker that is written last.

    Args:
        folder: where; None keeps nothing.
        identity: of settings and data; a state with another one is not gone on from.
    """

    def __init__(self, folder: Path | None, identity: str) -> None:
        self.folder, self.identity = folder, identity

    def load(self, model: Any, optimizer: torch.optim.Optimizer) -> int:
        """Put the newest state into model and optimizer; returns the steps that are done, 0 without one."""
        if self.folder is None:
            return 0
        try:
            marker = json.loads((self.folder / MARKER).read_text())
        except (OSError, ValueError):
            return 0
        path = self.folder / _file(marker["step"])
        if marker["identity"] != self.identity or not path.is_file():
            return 0
        arrays = load_file(path)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(arrays[f"weight/{name}"])
                if f"mean/{name}" in arrays:
                    optimizer.state[parameter] = {
                        "step": arrays[f"step/{name}"],
                        "exp_avg": arrays[f"mean/{name}"].to(parameter.device),
                        "exp_avg_sq": arrays[f"square/{name}"].to(parameter.device),
                    }
        return int(marker["step"])

    def save(self, model: Any, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Write the state after `step` steps; the one before it goes when the new one is complete."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {}
        for name, parameter in model.named_parameters():
            arrays[f"weight/{name}"] = parameter.detach().contiguous()
            state = optimizer.state.get(parameter)
            if state:  # a weight that no objective reaches has none
                arrays[f"mean/{name}"], arrays[f"square/{name}"] = state["exp_avg"], state["exp_avg_sq"]
                arrays[f"step/{name}"] = state["step"]
        save_file(arrays, self.folder / _file(step))
        temporary = self.folder / f"{MARKER}.new"
        temporary.write_text(json.dumps({"step": step, "identity": self.identity}) + "\n")
        os.replace(temporary, self.folder / MARKER)
        for old in self.folder.glob("step-*.safetensors"):
            if old.name != _file(step):
                old.unlink()

    def remove(self) -> None:
        """The run is complete."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _file(step: int) -> str:
    return f"step-{step:08d}.safetensors"
