"""How matrices are multiplied: in bfloat16 where the device can, and float32 through oneDNN where that is faster.

torch computes float32 products with MKL, which on processors of AMD uses AVX2 even where they have AVX-512; oneDNN,
which comes with torch too, is twice as fast there. Both round each sum in an order of their own; neither is more exact.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

CPUINFO = Path("/proc/cpuinfo")


def precision(name: str, device: torch.device) -> str:
    """The number format of the matrix products: what `auto` stands for on a device.

    bfloat16 where the device computes in it: GPUs from compute capability 8 on, CPUs with AVX512-BF16 or AMX.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    cpu: Any = torch.cpu
    able = device.type == "cpu" and (cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())
    return "bfloat16" if able else "float32"


def useful(device: torch.device) -> bool:
    """Is oneDNN the faster of the two here?"""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    try:
        return "AuthenticAMD" in CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def use(model: Any) -> None:
    """Let the linear layers of a model compute so; neither their weights nor their names change."""
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.forward = partial(_forward, module)  # type: ignore[method-assign]


def _forward(module: torch.nn.Linear, given: Tensor) -> Tensor:
    if given.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return torch.nn.functional.linear(given, module.weight, module.bias)
    found: Tensor = _Linear.apply(given, module.weight, module.bias)  # type: ignore[no-untyped-call]
    return found


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """`a @ b.T + bias`."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")
    return found


class _Linear(torch.autograd.Function):
    """`x @ w.T + b` and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        (above,) = gradients
        flat = above.reshape(-1, above.shape[-1])
        of_x = _product(above.contiguous(), weight.t()) if ctx.needs_input_grad[0] else None
        of_weight = _product(flat.t(), x.reshape(-1, x.shape[-1]).t()) if ctx.needs_input_grad[1] else None
        return of_x, of_weight, flat.sum(0) if ctx.needs_input_grad[2] else None
