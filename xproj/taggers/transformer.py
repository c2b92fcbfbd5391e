"""The `transformers` tagger."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pyarrow as pa

    from xproj import recipe
    from xproj.languages import Language


class TransformerTagger:
    """An encoder with a head that labels words."""

    @classmethod
    def train(
        cls,
        data: Iterable[pa.Table],
        *,
        settings: recipe.Train,
        language: Language,
        output: Path,
        dev: Iterable[pa.Table] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, float | int]:
        """Fine-tune an encoder and write the model folder; see `xproj.training.run.train`."""
        from xproj.training.run import train

        return train(data, settings=settings, language=language, output=output, dev=dev, progress=progress)
