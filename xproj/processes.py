"""Processes that were started together for one training (torchrun, accelerate launch): the first alone writes."""

from __future__ import annotations

import os


def count() -> int:
    """How many processes there are; 1 where nobody started several."""
    return int(os.environ.get("WORLD_SIZE") or 1) if "LOCAL_RANK" in os.environ else 1


def first() -> bool:
    """Is this the one that writes and prints?"""
    return count() == 1 or os.environ.get("RANK", "0") == "0"
