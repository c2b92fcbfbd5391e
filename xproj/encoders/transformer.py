"""The encoder: batches of sub-words through a transformer, hidden states of one layer out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xproj.encoders import Subwords, files, loading
from xproj.encoders.network import Network, special
from xproj.encoders.pieces import ranges
from xproj.errors import RecipeError
from xproj.languages import lookup

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xproj.columns import TokenColumn
    from xproj.encoders import EncoderSettings
    from xproj.encoders.pieces import Pieces


class Encoder(Network):
    """A model cut above the layer that is read, with its tokenizer; `dim` is the size of a vector."""

    def __init__(self, settings: EncoderSettings) -> None:
        self.settings = settings
        device = loading.device(settings.device)
        folder = files.folder(settings.model, settings.revision)
        tokenizer = loading.tokenizer(folder, settings.model)
        model = loading.encoder(folder, settings, device)
        self._needs_language = model.config.model_type == "m2m_100"
        self._special: dict[str, tuple[list[int], list[int]]] = {}
        super().__init__(
            settings.model,
            model,
            tokenizer,
            output="last_hidden_state",
            dim=int(model.config.hidden_size),
            special=2 if self._needs_language else sum(map(len, special(tokenizer))),
            device=device,
            batch_tokens=settings.batch_tokens,
        )

    def special(self, language: str) -> tuple[list[int], list[int]]:
        """The special sub-words before and behind a sentence.

        Args:
            language: NLLB code; only M2M-100 and NLLB look at it.

        Raises:
            RecipeError: the model needs a language code and does not know this one.
        """
        if language not in self._special:
            if self._needs_language:
                self._special[language] = [self._language_id(language)], [self.tokenizer.eos_token_id]
            else:
                self._special[language] = special(self.tokenizer)
        return self._special[language]

    def _language_id(self, language: str) -> int:
        # `und` may well be a word of the vocabulary
        codes = [] if language == "und" else [language, f"__{lookup(language).bcp47.partition('-')[0]}__"]
        vocabulary = self.tokenizer.get_vocab()
        for code in codes:
            if code in vocabulary:
                return int(vocabulary[code])
        what = (
            "no language is named" if language == "und" else f"the language code {language!r} is not in its tokenizer"
        )
        raise RecipeError(
            f"model {self.settings.model}: {what}; set source and language (--source, --language) to codes that it "
            "knows, or another aligner"
        )

    def encode(self, tokens: TokenColumn, *, language: str) -> Subwords:
        """The sub-words of all rows and their vectors; equal rows are encoded once.

        Args:
            tokens: the words of each row; a null row counts as empty.
            language: NLLB code of the sentences, for models that need one.

        Raises:
            RecipeError: the model does not know the language.
            BackendError: a single sentence does not fit on the GPU.
        """
        self.special(language)
        pieces = self.pieces(tokens)
        numbers, first = pieces.distinct()
        encoded = pieces.take(first)
        vectors = self.vectors(encoded, language=language)
        if len(first) < len(numbers):
            vectors = vectors[ranges(encoded.offsets[:-1][numbers], pieces.lengths)]
        return Subwords(pieces.offsets, pieces.words, vectors)

    def vectors(self, pieces: Pieces, *, language: str) -> np.ndarray:
        """`tensor` as a numpy array."""
        found: np.ndarray = self.tensor(pieces, language=language).cpu().numpy()
        return found

    def tensor(self, pieces: Pieces, *, language: str) -> torch.Tensor:
        """The hidden states of sub-words, (total, dim) float32, on the device of the model; see `run`."""
        return self.run(pieces, self.special(language))
