"""The `bitext` translator: both texts are given, so there is nothing to translate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from xproj.errors import BackendError
from xproj.translators import Translation

if TYPE_CHECKING:
    from collections.abc import Sequence


class BitextTranslator:
    """Refuses to translate: a sentence that comes here has lost its other side."""

    capabilities: frozenset[str] = frozenset()

    def translate(self, texts: Sequence[str], *, source: str, target: str, n_best: int = 1) -> list[list[Translation]]:
        """Nothing for no texts.

        Raises:
            BackendError: there is a text.
        """
        return [] if not texts else _refuse(texts[0], target)

    def score(self, sources: Sequence[str], targets: Sequence[str], *, source: str, target: str) -> np.ndarray:
        """Nothing for no texts.

        Raises:
            BackendError: there is a text.
        """
        return np.zeros(0, dtype=np.float32) if not sources else _refuse(sources[0], target)


def _refuse(text: str, target: str) -> NoReturn:
    there = "other side" if target == "und" else f"{target} side"
    raise BackendError(
        f"translator 'bitext': {text[:40]!r} has no {there}, and bitext translates nothing; "
        "give both sides ([ingest] source_path and target_path, or the columns source_text and target_text), "
        "or choose another translator (translate.translator)"
    )
