"""The engine `ct2`: CTranslate2, on a CPU or a GPU, with a model that was converted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ctranslate2
import numpy as np

from xproj.errors import BackendError
from xproj.translators.engines import Hypothesis, OutOfMemory, place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xproj.translators.subwords import Subwords

# a beam ends only when it has so many times as many finished hypotheses: with 1, NLLB's output is cut short
PATIENCE = 2


class Ct2Engine:
    """A converted model; it reads and writes the names of sub-words.

    Raises:
        BackendError: it cannot be loaded.
    """

    def __init__(self, path: Path, name: str, subwords: Subwords, *, compute_type: str, device: str) -> None:
        self._subwords = subwords
        self._name = name
        kind, number = place(device)
        try:
            self._translator = ctranslate2.Translator(
                str(path), device=kind, device_index=number, compute_type=compute_type
            )
        except (RuntimeError, ValueError) as error:
            raise BackendError(
                f"model {name}: CTranslate2 cannot load {path} ({str(error).splitlines()[0]}); remove that folder, or "
                "set engine = 'hf'"
            ) from error
        self._end: str = subwords.tokenizer.eos_token

    def generate(
        self, sources: Sequence[Sequence[int]], *, code: int | None, beam: int, length_penalty: float, limit: int
    ) -> list[list[Hypothesis]]:
        """See `Engine`."""
        first = [] if code is None else self._subwords.tokens([code])
        try:
            found = self._translator.translate_batch(
                [self._subwords.tokens(source) for source in sources],
                target_prefix=[first] * len(sources) if first else None,
                beam_size=beam,
                num_hypotheses=beam,
                patience=PATIENCE if beam > 1 else 1,
                length_penalty=length_penalty,
                max_decoding_length=limit + len(first),
                max_input_length=0,
                return_scores=True,
                return_end_token=True,
            )
        except RuntimeError as error:
            raise self._failure(error) from error
        return [
            [
                self._hypothesis(tokens, score, len(first), length_penalty)
                for tokens, score in zip(result.hypotheses, result.scores, strict=True)
            ]
            for result in found
        ]

    def _hypothesis(self, tokens: list[str], score: float, skip: int, length_penalty: float) -> Hypothesis:
        ended = bool(tokens) and tokens[-1] == self._end
        # its score is a mean, over the language code too
        total = score * len(tokens) ** length_penalty
        ids = self._subwords.tokenizer.convert_tokens_to_ids(tokens[skip : len(tokens) - ended])
        return Hypothesis(ids, min(total, 0.0), ended)

    def score(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], *, code: int | None
    ) -> list[np.ndarray]:
        """See `Engine`."""
        first = [] if code is None else self._subwords.tokens([code])
        given = [[*first, *self._subwords.tokens(target)] for target in targets]
        try:
            found = self._translator.score_batch(
                [self._subwords.tokens(source) for source in sources], given, max_input_length=0
            )
        except RuntimeError as error:
            raise self._failure(error) from error
        return [np.array(result.log_probs[len(first) :], dtype=np.float32) for result in found]

    def _failure(self, error: RuntimeError) -> Exception:
        if "out of memory" in str(error):
            return OutOfMemory()
        return BackendError(
            f"model {self._name}: CTranslate2 stopped ({str(error).splitlines()[0]}); set engine = 'hf'"
        )

    def forget(self) -> None:
        """Give memory of a failed batch back."""
        self._translator.unload_model(to_cpu=True)
        self._translator.load_model()
