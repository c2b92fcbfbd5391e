"""Encoders: words in, one contextual vector for each of their sub-words out.

One back end serves every neural aligner: any `transformers` model with a bidirectional encoder (BERT, XLM-R, LaBSE, the
encoder of M2M-100 and NLLB). `open` loads torch; nothing else here does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xproj.backends import find

if TYPE_CHECKING:
    import numpy as np

    from xproj.columns import Int32, Int64
    from xproj.encoders.transformer import Encoder

Dtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class EncoderSettings:
    """Which model, which of its layers, and where it runs."""

    model: str
    """A local folder or the name of a model on the hub."""
    revision: str | None = None
    """The commit of a hub model, 40 hexadecimal digits; a folder needs none."""
    layer: int | None = None
    """Whose output is read: 0 = embeddings, 1 = first layer, None = the last one."""
    dtype: Dtype = "float32"
    device: str = "auto"
    """auto (a GPU where there is one), cpu, cuda or cuda:1."""
    batch_tokens: int = 16384
    """Sub-words in one batch, padding included."""


@dataclass(frozen=True)
class Subwords:
    """The sub-words of each row: row r has `offsets[r]:offsets[r + 1]` of `words` and `vectors`."""

    offsets: Int64
    words: Int32
    """The index in its sentence of the word that a sub-word belongs to, (total,); never falls within a row."""
    vectors: np.ndarray
    """Hidden states, (total, dim) float32."""


def open(settings: EncoderSettings) -> Encoder:  # noqa: A001
    """Load the model, cut above the layer that is read.

    Raises:
        BackendError: torch or transformers is missing, no such model or device, or a device that is too small.
        RecipeError: a hub name without a commit, or a layer that the model does not have.
    """
    encoder: Encoder = find("encoder", "transformers", {"transformers": "xproj.encoders.transformer:Encoder"})(settings)
    return encoder
