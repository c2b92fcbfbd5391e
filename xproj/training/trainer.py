"""The loop: that of transformers, with our batches, our loss and our checkpoints.

The loss of a step is the weighted sum over its words, of all passes and all processes, divided by the sum of their
weights: two processes learn what one learns in twice as many passes, to rounding. What is random in a pass (dropout) is
drawn from the number of its batch, so that a training that was killed goes on to the same weights, bit by bit with as
many threads.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from safetensors.torch import load_file, save_file
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from xproj import processes
from xproj.core.metrics import SpanCounts, f1
from xproj.core.spans import decode_column
from xproj.encoders.tuning import schedule
from xproj.errors import BackendError
from xproj.training import heads
from xproj.training.batching import Batches, loader
from xproj.training.checkpoints import writing

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from xproj.columns import EntityColumn
    from xproj.recipe import Train
    from xproj.training.checkpoints import Checkpoints
    from xproj.training.examples import Examples
    from xproj.training.objective import Objective

    Progress = Callable[[int, int], None]

SAVE_SECONDS = 600.0
"""Time between two checkpoints, at least; it is looked at after every SAVE_STEPS steps, and after every epoch."""
SAVE_STEPS = 20
EVALUATED = 8  # times as many sub-words as in a batch of the training, as no gradients are held
OURS, BEST = "progress.json", "best.safetensors"


class Dev(NamedTuple):
    """Sentences that pick the best epoch: their windows, their gold entities, the names of the label ids."""

    examples: Examples
    gold: EntityColumn
    labels: pa.StringArray


def arguments(settings: Train, folder: Path, dtype: str, *, dev: bool, cpu: bool) -> TrainingArguments:
    """The settings in the terms of transformers."""
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=1.0,
        bf16=dtype == "bfloat16",
        seed=settings.seed,
        use_cpu=cpu,
        ddp_backend="gloo" if cpu and processes.count() > 1 else None,
        ddp_find_unused_parameters=False,
        eval_strategy="epoch" if dev else "no",
        metric_for_best_model="f1" if dev else None,
        greater_is_better=True if dev else None,
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        restore_callback_states_from_checkpoint=True,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=not cpu,
    )


class WordTrainer(Trainer):
    """Trains a model on the windows of labelled sentences.

    Attributes:
        curve: the loss of each step, the mean over the weights of its words.
        best_step: the step with the best F1 on dev; 0 without.
    """

    model: Any

    def __init__(
        self,
        model: Any,
        args: TrainingArguments,
        settings: Train,
        examples: Examples,
        loss: Objective,
        checkpoints: Checkpoints,
        dev: Dev | None = None,
        progress: Progress | None = None,
    ) -> None:
        held_out = None if dev is None else dev.examples
        super().__init__(model=model, args=args, train_dataset=examples, eval_dataset=held_out)
        self.settings, self.examples, self.loss, self.dev = settings, examples, loss, dev
        self.checkpoints = checkpoints
        self.curve: list[float] = []
        self.best_step = 0
        self._best: dict[str, torch.Tensor] = {}
        self._losses: list[torch.Tensor] = []
        self.loss_is_scaled_for_ga = True
        self.remove_callback(PrinterCallback)
        if dev is not None:
            self.add_callback(EarlyStoppingCallback(settings.patience))
        self.add_callback(_Steps(self, progress))

    def _batches(self, examples: Examples, tokens: int) -> Batches:
        seed, process, processes = self.settings.seed, self.args.process_index, self.args.world_size
        return Batches(examples.lengths, tokens, seed, process, processes)

    def get_train_dataloader(self) -> Any:
        """The batches of this process."""
        return loader(self.examples, self._batches(self.examples, self.settings.batch_tokens))  # type: ignore[arg-type]

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW. Norms, biases and word embeddings do not decay, as those of rare words would without end."""
        if self.optimizer is None:
            model = self.model if model is None else model
            own = {id(p) for p in heads.head(self.model)}
            decays = set(self.get_decay_parameter_names(model))
            table = self.model.get_input_embeddings().weight
            rate = self.args.learning_rate
            head_rate = self.settings.head_rate or rate
            groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
            for name, p in model.named_parameters():
                if p.requires_grad:
                    decay = self.args.weight_decay if name in decays and p is not table else 0.0
                    groups.setdefault((head_rate if id(p) in own else rate, decay), []).append(p)
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, model)
            parts = [{"params": group, "lr": lr, "weight_decay": decay} for (lr, decay), group in groups.items()]
            self.optimizer = kind(parts, **options)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The learning rate rises over the warm-up, from the first step on, and then falls to 0, both linear."""
        if self.lr_scheduler is None:
            rate = partial(schedule, steps=num_training_steps, warmup=self.settings.warmup)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.create_optimizer(), rate)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> tuple[list[Any], Any]:
        """The passes of a step, and the sum of the weights of its words over all processes."""
        found, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        total = torch.stack([batch["weights"].sum(dtype=torch.float64) for batch in found]).sum()
        if self.args.world_size > 1:
            total = self.accelerator.reduce(total.to(device), "sum")
        return found, total

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """A pass forward and back; its share in the loss of the step."""
        torch.manual_seed(max(0, inputs["number"]))
        try:
            loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"[train] {self.settings.batch_tokens} sub-words do not fit on {self.args.device}; lower batch_tokens, "
                "and raise accumulation by as much"
            ) from error
        step = len(self.curve) + len(self._losses)
        share = loss / self.args.world_size
        if step > self.state.global_step:
            self._losses[-1] = self._losses[-1] + share
        else:
            self._losses.append(share)
        return loss

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The weighted sum of the losses of the words over the weight of the whole step."""
        logits, hidden = self._outputs(model, inputs)
        total, _ = self.loss(logits, hidden, inputs, int(self.state.epoch or 0))
        # processes average their gradients
        return total * (self.args.world_size / num_items_in_batch.clamp(min=1e-12).to(total.dtype))

    def _outputs(self, model: Any, inputs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What the model says of the words that are learned in these windows.

        Returns:
            Logits (n, labels) float32, and where the loss asks for them features (n, dim) float32.
        """
        found = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            output_hidden_states=self.loss.hidden,
        )
        index = inputs["index"]
        hidden = found.hidden_states[-1].flatten(0, 1)[index].float() if self.loss.hidden else None
        return found.logits.flatten(0, 1)[index].float(), hidden

    def flush(self) -> None:
        """Bring the losses of the last steps into `curve`, summed over the processes."""
        if not self._losses:
            return
        found = torch.stack(self._losses).double()
        self._losses = []
        if self.args.world_size > 1:
            found = self.accelerator.reduce(found, "sum")
        self.curve += found.tolist()
        if not np.isfinite(self.curve).all():
            step = int(np.flatnonzero(~np.isfinite(self.curve))[0]) + 1
            raise BackendError(f"[train] the loss of step {step} is not finite; lower learning_rate")

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """F1 on the dev sentences, over all processes; keeps the weights when they are the best so far."""
        assert self.dev is not None
        self.flush()
        counts = torch.from_numpy(self._counts(self.dev)).to(self.args.device)
        if self.args.world_size > 1:
            counts = self.accelerator.reduce(counts, "sum")
        metrics = {"eval_f1": float(f1(counts.cpu().numpy()))}
        if self.state.best_metric is None or metrics["eval_f1"] > self.state.best_metric:
            self.best_step = self.state.global_step
            self._best = {name: p.detach().to("cpu", copy=True) for name, p in self.model.named_parameters()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _counts(self, dev: Dev) -> np.ndarray:
        """(correct, predicted, gold) spans of this process's share of the dev sentences, (3,)."""
        examples, gold = dev.examples, dev.gold
        ids = self.predict_ids(examples)
        found = decode_column(examples.offsets, dev.labels.take(ids)).entities
        mine = np.arange(len(gold)) % self.args.world_size == self.args.process_index
        # rows of other processes are null on both sides
        return SpanCounts.of(found, replace(gold, valid=gold.valid & mine)).overall.totals

    def predict_ids(self, examples: Examples) -> np.ndarray:
        """The best label id of each word, (words,); of words without sub-words, and of those of others, `O`."""
        found = np.full(int(examples.offsets[-1]), int(self.model.config.label2id["O"]), dtype=np.int64)
        mine = np.flatnonzero(examples.rows % self.args.world_size == self.args.process_index)
        batches = Batches(examples.lengths[mine], EVALUATED * self.settings.batch_tokens, 0)
        self.model.eval()
        with torch.inference_mode(), self.accelerator.autocast():
            for batch in batches:
                inputs = self._prepare_inputs(examples.__getitems__(batch._replace(windows=mine[batch.windows])))
                best = self._outputs(self.model, inputs)[0].argmax(1)
                found[inputs["words"].cpu().numpy()] = best.cpu().numpy()
        self.model.train()
        return found

    def load_best(self) -> None:
        """Put the weights of the best step into the model, where there is a dev corpus."""
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                if name in self._best:
                    p.copy_(self._best[name])

    # checkpoints ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Train, from the newest whole checkpoint on where there is one."""
        if self.is_world_process_zero():
            self.checkpoints.clear(self.checkpoints.latest())
        self.accelerator.wait_for_everyone()
        latest = self.checkpoints.latest()
        if latest is not None:
            ours = json.loads((latest / OURS).read_text(encoding="utf-8"))
            self.curve, self.best_step = ours["curve"], ours["best_step"]
            weights = latest / (BEST if (latest / BEST).exists() else "model.safetensors")
            if self.best_step:
                self._best = load_file(weights)
        self.train(resume_from_checkpoint=None if latest is None else str(latest))
        self.flush()
        self.load_best()

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write the state, then the marker that makes it count."""
        if self.control.should_training_stop:
            return  # a training that goes on from here would not stop
        self.flush()
        path = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        with writing(path, self.checkpoints.latest()):
            super()._save_checkpoint(model, trial)
            if self.is_world_process_zero():
                if self._best and self.best_step != self.state.global_step:
                    save_file(self._best, path / BEST)
                ours = json.dumps({"curve": self.curve, "best_step": self.best_step})
                (path / OURS).write_text(ours + "\n", encoding="utf-8")
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                self.checkpoints.finish(path, self.state.global_step)


class _Steps(TrainerCallback):
    """Says how far the training is, and when a checkpoint is due."""

    def __init__(self, trainer: WordTrainer, progress: Progress | None) -> None:
        self.trainer, self.progress = trainer, progress
        self.saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After every step."""
        if self.progress and state.is_world_process_zero:
            self.progress(state.global_step, state.max_steps)
        per_epoch = state.max_steps // max(1, state.num_train_epochs)
        # the last step of an epoch waits for what dev says
        if state.global_step % SAVE_STEPS == 0 and state.global_step % per_epoch:
            self._save_when_due(args, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After every epoch, before dev is looked at."""
        self._save_when_due(args, control)

    def _save_when_due(self, args: Any, control: Any) -> None:
        due = [time.monotonic() - self.saved >= SAVE_SECONDS]
        if args.world_size > 1:
            broadcast_object_list(due)
        if due[0]:
            control.should_save = True
            self.saved = time.monotonic()
