"""The engine `hf`: `generate` of transformers, on whatever device torch has."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM, GenerationConfig, LogitsProcessor, LogitsProcessorList

from xproj.encoders import loading
from xproj.errors import BackendError
from xproj.translators.engines import Hypothesis, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class TorchEngine:
    """A model of transformers, in inference mode.

    Raises:
        BackendError: its files cannot be read, or lack weights, or it does not fit on the device.
    """

    def __init__(self, path: Path, name: str, *, compute_type: str, device: str) -> None:
        self.device = loading.device(device)
        with loading.reading(name):
            model, report = AutoModelForSeq2SeqLM.from_pretrained(
                path, dtype=getattr(torch, compute_type), output_loading_info=True, **loading.NUMBERS_ONLY
            )
        if missing := sorted(report["missing_keys"]):
            raise BackendError(
                f"model {name}: lacks weights ({missing[0]} and {len(missing) - 1} more); check its files"
            )
        try:
            self.model: Any = model.eval().requires_grad_(False).to(self.device)
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f'model {name}: does not fit on {self.device}; set runtime.device = "cpu" or compute_type = "float16"'
            ) from error
        config = self.model.generation_config
        self.start = int(self._first(config.decoder_start_token_id, self.model.config.decoder_start_token_id))
        self.end = int(self._first(config.eos_token_id, self.model.config.eos_token_id))
        self.pad = int(self._first(config.pad_token_id, self.model.config.pad_token_id))
        # Marian knows padding as a target word that must never be said
        self.never = [self.pad] if self.model.config.model_type == "marian" else None

    @staticmethod
    def _first(*values: Any) -> Any:
        value = next(value for value in values if value is not None)
        return value[0] if isinstance(value, list) else value

    def generate(
        self, sources: Sequence[Sequence[int]], *, code: int | None, beam: int, length_penalty: float, limit: int
    ) -> list[list[Hypothesis]]:
        """See `Engine`."""
        # nothing of the checkpoint's own settings, so that both engines search alike
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=limit + (code is not None),
            num_beams=beam,
            num_return_sequences=beam,
            length_penalty=length_penalty,
            do_sample=False,
            decoder_start_token_id=self.start,
            eos_token_id=self.end,
            pad_token_id=self.pad,
            forced_bos_token_id=code,
            suppress_tokens=self.never,
            return_dict_in_generate=True,
        )
        sums = _Sums(self.end, beam)
        try:
            with torch.inference_mode():
                found = self.model.generate(
                    **self._padded(sources),
                    generation_config=config,
                    logits_processor=LogitsProcessorList([sums]),
                )
        except torch.OutOfMemoryError as error:
            raise OutOfMemory from error
        hypotheses = []
        for number, row in enumerate(found.sequences.tolist()):
            said = row[1:]  # behind the start, which may be the same sub-word as the end
            ended = self.end in said
            said = said[: said.index(self.end) + 1] if ended else [one for one in said if one != self.pad]
            total = sums.total(number // beam, (self.start, *said))
            hypotheses.append(Hypothesis(said[code is not None : len(said) - ended], min(total, 0.0), ended))
        return [hypotheses[start : start + beam] for start in range(0, len(hypotheses), beam)]

    def score(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], *, code: int | None
    ) -> list[np.ndarray]:
        """See `Engine`."""
        first = [self.start] if code is None else [self.start, code]
        given = self._padded([[*first, *target] for target in targets])
        wanted = self._padded([[*first[1:], *target, self.end] for target in targets])["input_ids"]
        try:
            with torch.inference_mode():
                logits = self.model(
                    **self._padded(sources), decoder_input_ids=given["input_ids"], use_cache=False
                ).logits
                if self.never:
                    logits[:, :, self.never] = -torch.inf
                chosen = logits.gather(2, wanted[:, :, None])[:, :, 0].float()
                found = np.asarray((chosen - _logsumexp(logits)).cpu().numpy(), dtype=np.float32)
        except torch.OutOfMemoryError as error:
            raise OutOfMemory from error
        skip = len(first) - 1
        return [row[skip : skip + len(target) + 1] for row, target in zip(found, targets, strict=True)]

    def _padded(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        lengths = np.array([len(row) for row in rows])
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, self.pad, dtype=np.int64)
        ids[mask] = list(chain.from_iterable(rows))
        return {
            "input_ids": torch.from_numpy(ids).to(self.device),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)).to(self.device),
        }

    def forget(self) -> None:
        """Give memory of a failed batch back."""
        torch.cuda.empty_cache()


class _Sums(LogitsProcessor):
    """Adds up log-probabilities while `generate` searches, without keeping the logits of all steps as it does itself.

    In each step it sees the hypotheses so far. Each goes on one of those of the step before, whose logits it still has.
    """

    def __init__(self, end: int, beam: int) -> None:
        self._end, self._beam = end, beam
        self._ids: torch.Tensor | None = None
        self._steps: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._ids is None:
            sums = torch.zeros(len(input_ids), dtype=torch.float64, device=input_ids.device)
        else:
            sums = self._continued(input_ids)
        norms = _logsumexp(scores)
        self._ids, self._sums, self._logits, self._norms = input_ids, sums, scores, norms
        self._steps.append((input_ids, sums + (scores[:, self._end].float() - norms)))
        return scores

    def _continued(self, ids: torch.Tensor) -> torch.Tensor:
        """The sums of hypotheses that are one sub-word longer than those of the step before."""
        assert self._ids is not None
        rows = torch.arange(len(ids), device=ids.device)
        if self._beam == 1:
            parents = rows
        else:
            shape = (-1, self._beam, ids.shape[1] - 1)
            before, after = self._ids.reshape(shape), ids[:, :-1].reshape(shape)
            same = (after[:, :, None] == before[:, None]).all(dim=-1)
            parents = same.int().argmax(dim=-1).flatten() + rows // self._beam * self._beam
        last = self._logits[parents, ids[:, -1]].float() - self._norms[parents]
        return self._sums[parents] + last

    def total(self, group: int, ids: tuple[int, ...]) -> float:
        """Σ log p of a hypothesis of the group, its start not counted."""
        if ids[-1] == self._end and len(ids) > 1:
            seen, sums = self._steps[len(ids) - 2]
            return self._at(seen, sums, group, ids[:-1])
        assert self._ids is not None
        chosen = self._logits[:, ids[-1]].float() - self._norms
        return self._at(self._ids, self._sums + chosen, group, ids[:-1])

    def _at(self, seen: torch.Tensor, sums: torch.Tensor, group: int, ids: tuple[int, ...]) -> float:
        rows = slice(group * self._beam, (group + 1) * self._beam)
        same = (seen[rows] == torch.tensor(ids, device=seen.device)).all(dim=-1)
        return float(sums[rows][same.int().argmax()])


def _logsumexp(logits: torch.Tensor) -> torch.Tensor:
    """Over the vocabulary, in single precision, a chunk of rows at a time."""
    flat = logits.flatten(0, -2)
    return torch.cat([part.float().logsumexp(dim=-1) for part in torch.split(flat, 256)]).reshape(logits.shape[:-1])
