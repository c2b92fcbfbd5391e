"""Fine-tuning an encoder on a bitext, so that its vectors align words better (Dou and Neubig, arXiv 2101.08231).

The objectives are in `objectives`; this is the loop. Everything that is random (order, masks, dropout) is drawn from
the seed and the number of the step, so a run that was killed goes on from its last checkpoint to the same weights, bit
by bit on one and the same machine with as many threads.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from xproj import encoders
from xproj.encoders import files, loading, objectives
from xproj.encoders.checkpoints import Checkpoints
from xproj.encoders.pairs import TrainingPairs, joined, padded
from xproj.errors import BackendError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from xproj.columns import Int64, TokenColumn
    from xproj.encoders import EncoderSettings
    from xproj.encoders.pairs import Guide

    Bitext = Iterable[tuple[TokenColumn, TokenColumn]]
    Progress = Callable[[int, int], None]

CLIP = 1.0


@dataclass(frozen=True)
class Tuning:
    """How an encoder is fine-tuned. The defaults are those of the paper where it gives any."""

    objectives: tuple[str, ...] = ("translation", "self")
    """translation (a masked-LM head is needed) and self; the losses are added up."""
    steps: int = 20_000
    rate: float = 2e-5
    """The largest learning rate: it rises over the first `warmup` steps and falls to 0 over the others."""
    warmup: float = 0.1
    """Share of the steps."""
    batch_tokens: int = 1024
    """Sub-words of both sides in a batch, padding included."""
    threshold: float = 0.001
    """Own links: what both probabilities must exceed."""
    seed: int = 0
    save_every: int = 500
    """Steps between two checkpoints."""


def tune(
    settings: EncoderSettings,
    tuning: Tuning,
    parts: Bitext,
    *,
    languages: tuple[str, str],
    output: Path,
    guide: Guide | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, int | float]:
    """Fine-tune a model and leave a folder that `EncoderSettings.model` names.

    Args:
        settings: the model, the layer whose vectors align (objective `self`), and the device; training is in float32.
        tuning: objectives and numbers.
        parts: the bitext; read once.
        languages: NLLB codes of both sides.
        output: an existing folder for weights (safetensors), configuration and tokenizer.
        guide: gives word links that take the place of the model's own ones in the objective `self`.
        checkpoints: a folder for the state of a run, which goes on from there; removed at the end. None keeps none.
        progress: called with the steps done and all steps.

    Returns:
        Counts and the mean losses of the first and the last tenth of the steps that this run made.

    Raises:
        RecipeError: an objective that the model cannot be trained on, or a layer or language that it does not have.
        BackendError: no such model, a GPU that is too small, or a loss that is not finite.
        CorpusError: no pair fits into the model.
    """
    device = loading.device(settings.device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        # weights that a file lacks, such as a pooler that nobody reads, are drawn
        torch.manual_seed(tuning.seed)
        return _tune(settings, tuning, parts, languages, output, guide, checkpoints, progress)


def _tune(
    settings: EncoderSettings,
    tuning: Tuning,
    parts: Bitext,
    languages: tuple[str, str],
    output: Path,
    guide: Guide | None,
    checkpoints: Path | None,
    progress: Progress | None,
) -> dict[str, int | float]:
    trainer = _Trainer(settings, tuning, languages)
    guided = guide if "self" in tuning.objectives else None
    pairs = TrainingPairs.read(parts, trainer.encoder, trainer.limits, guided)
    losses = trainer.run(pairs, Checkpoints(checkpoints, _identity(settings, tuning, pairs)), progress)
    trainer.save(output)
    tenth = max(1, len(losses) // 10)
    ends = (losses[:tenth], losses[-tenth:]) if losses else ([math.nan], [math.nan])
    return {
        "pairs": len(pairs),
        "pairs.left_out": pairs.left_out,
        "pairs.unread": pairs.unread,
        "steps": tuning.steps,
        "loss.first": float(np.mean(ends[0])),
        "loss.last": float(np.mean(ends[1])),
    }


class _Trainer:
    """Model, optimizer and one step of training."""

    def __init__(self, settings: EncoderSettings, tuning: Tuning, languages: tuple[str, str]) -> None:
        self.tuning = tuning
        self.device = loading.device(settings.device)
        # the embeddings alone: how words are cut, special sub-words, and limits
        self.encoder = encoders.open(
            encoders.EncoderSettings(settings.model, settings.revision, layer=0, device="cpu", batch_tokens=1)
        )
        self.special = [self.encoder.special(language) for language in languages]
        self.model, self.layer = _model(settings, "translation" in tuning.objectives, self.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=tuning.rate, weight_decay=0.0)
        self.base = self.model.get_encoder() if self.model.config.is_encoder_decoder else self.model.base_model

    @property
    def limits(self) -> tuple[int, int]:
        """Sub-words of a side and of a pair, at most; only the translation LM puts both sides into one input."""
        side = self.encoder.limit
        return side, side - len(self.special[1][1]) if "translation" in self.tuning.objectives else 2 * side

    def run(self, pairs: TrainingPairs, checkpoints: Checkpoints, progress: Progress | None) -> list[float]:
        """All steps that are left; returns their losses."""
        tuning = self.tuning
        start = checkpoints.load(self.model, self.optimizer)
        losses = []
        batches = pairs.batches(tuning.batch_tokens, tuning.seed)
        for step, rows in enumerate(islice(batches, start, tuning.steps), start=start):
            losses.append(self._step(pairs, rows, step))
            if not math.isfinite(losses[-1]):
                raise BackendError(f"[align] tune: the loss of step {step} is not finite; lower tune_rate")
            if (step + 1) % tuning.save_every == 0 and step + 1 < tuning.steps:
                checkpoints.save(self.model, self.optimizer, step + 1)
            if progress:
                progress(step + 1, tuning.steps)
        checkpoints.remove()
        return losses

    def save(self, output: Path) -> None:
        """Weights, configuration and tokenizer."""
        with loading.quiet():
            self.model.eval().save_pretrained(output)
        self.encoder.tokenizer.save_pretrained(output)

    def _step(self, pairs: TrainingPairs, rows: Int64, step: int) -> float:
        """One step of the optimizer; returns the loss."""
        tuning = self.tuning
        torch.manual_seed(_number(tuning.seed, step))
        for group in self.optimizer.param_groups:
            group["lr"] = tuning.rate * schedule(step, tuning.steps, tuning.warmup)
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        try:
            # one objective after the other: the activations of only one are held
            for name in tuning.objectives:
                loss = self._translation(pairs, rows, step) if name == "translation" else self._self(pairs, rows)
                torch.autograd.backward(loss)
                total += float(loss.detach())
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"[align] tune: {tuning.batch_tokens} sub-words do not fit on {self.device}; lower tune_batch_tokens"
            ) from error
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        return total

    def _translation(self, pairs: TrainingPairs, rows: Int64, step: int) -> torch.Tensor:
        """Translation LM; which side stands first changes from step to step."""
        generator = np.random.default_rng((self.tuning.seed, step, 1))
        order = (0, 1) if step % 2 == 0 else (1, 0)
        first, second = (padded(pairs.sides[side], rows)[::2] for side in order)
        before, behind = self.special[order[0]]
        ids, free, there = joined([first, second], before, behind, self.encoder.tokenizer.pad_token_id)
        given, labels = objectives.mask(
            ids, free, self.encoder.tokenizer.mask_token_id, self.model.config.vocab_size, generator
        )
        wanted = self._tensor(labels)
        hidden = self.base(input_ids=self._tensor(given), attention_mask=self._tensor(there)).last_hidden_state
        chosen = wanted != objectives.IGNORED
        return objectives.masked_lm(_head(self.model)(hidden[chosen]), wanted[chosen])

    def _self(self, pairs: TrainingPairs, rows: Int64) -> torch.Tensor:
        """Self-training on the guide's links, or on those of the model as it is now, without dropout."""
        sides = [padded(side, rows) for side in pairs.sides]
        inside = [self._tensor(words >= 0) for _, words, _ in sides]
        both = inside[0], inside[1]
        if pairs.links is not None:
            links = self._tensor(pairs.guided(rows, (sides[0][1], sides[1][1])))
        else:
            words = self._tensor(sides[0][1]), self._tensor(sides[1][1])
            self.model.eval()
            with torch.no_grad():
                own = objectives.link_probabilities(*self._vectors(sides), both)
            self.model.train()
            links = objectives.symmetric_links(own, words, self.tuning.threshold)
        return objectives.self_training(objectives.link_probabilities(*self._vectors(sides), both), links, both)

    def _vectors(self, sides: list[tuple[np.ndarray, np.ndarray, Int64]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states of the layer that aligns, without special sub-words: (B, m, d) and (B, n, d)."""
        found = []
        for (ids, _, lengths), (before, behind) in zip(sides, self.special, strict=True):
            given, _, there = joined([(ids, lengths)], before, behind, self.encoder.tokenizer.pad_token_id)
            states = self.base(
                input_ids=self._tensor(given), attention_mask=self._tensor(there), output_hidden_states=True
            ).hidden_states[self.layer]
            found.append(states[:, len(before) : len(before) + ids.shape[1]])
        return found[0], found[1]

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)


def schedule(step: int, steps: int, warmup: float) -> float:
    """The share of the learning rate at a step (from 0): up over the warm-up, then down to 0, both linear."""
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


def _model(settings: EncoderSettings, masked: bool, place: torch.device) -> tuple[Any, int]:
    """The model for training, and the number of the layer that aligns."""
    path = files.folder(settings.model, settings.revision)
    name = settings.model
    config = AutoConfig.from_pretrained(path, **loading.SAFE)
    depth = loading.depth(config, name)
    layer = depth if settings.layer is None else settings.layer
    if not 0 <= layer <= depth:
        raise RecipeError(f"layer = {layer}: the model {name} has {depth} layers; set a layer from 0 to {depth}")
    if config.is_encoder_decoder:
        config.decoder_layers = 0  # never used, and not saved
    without = f"[align] tune: the model {name} has no masked-LM head, as 'translation' needs; set tune = ['self']"
    with loading.reading(name):
        try:
            model, report = (AutoModelForMaskedLM if masked else AutoModel).from_pretrained(
                path, config=config, dtype=torch.float32, output_loading_info=True, **loading.NUMBERS_ONLY
            )
        except ValueError as error:
            if masked:
                raise RecipeError(without) from error
            raise
    if masked and any(not key.startswith(model.base_model_prefix) for key in report["missing_keys"]):
        raise RecipeError(without)
    try:
        return model.to(place), layer
    except torch.OutOfMemoryError as error:
        raise BackendError(f"model {name}: does not fit on {place}; set runtime.device = 'cpu'") from error


def _head(model: Any) -> Any:
    """What makes logits of hidden states: BERT calls it cls, RoBERTa lm_head."""
    for name in ("cls", "lm_head"):
        if hasattr(model, name):
            return getattr(model, name)
    raise RecipeError(
        f"[align] tune: the masked-LM head of {model.config.model_type} is not known; set tune = ['self']"
    )


def _number(seed: int, step: int) -> int:
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> 1)


def _identity(settings: EncoderSettings, tuning: Tuning, pairs: TrainingPairs) -> str:
    """What a checkpoint belongs to: settings and data, where it runs left out."""
    facts = asdict(tuning) | {"model": settings.model, "revision": settings.revision, "layer": settings.layer}
    del facts["save_every"]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for array in (*(a for side in pairs.sides for a in (side.offsets, side.ids)), *(pairs.links or ())):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
