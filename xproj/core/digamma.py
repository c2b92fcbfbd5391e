"""The digamma function, for numba."""

from __future__ import annotations

import math

from numba import njit


@njit(cache=True)
def digamma(x: float) -> float:
    """ψ(x) for x > 0, to about 1e-9."""
    shift = 0.0
    while x < 6.0:
        shift -= 1.0 / x
        x += 1.0
    inverse = 1.0 / (x * x)
    series = inverse * (1.0 / 12 - inverse * (1.0 / 120 - inverse * (1.0 / 252 - inverse * (1.0 / 240))))
    return shift + math.log(x) - 0.5 / x - series
