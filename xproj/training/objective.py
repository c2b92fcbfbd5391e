"""What a training minimises, put together from `losses` as the recipe says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xproj.training import losses
from xproj.training.losses import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from xproj.recipe import Train


class Objective:
    """The loss of a batch of words.

    Words with labels of their own have the cross-entropy, after `focal_after` epochs with the inverted focal weight,
    and with `similarity` a second task: have a word and its partner the same label? Words that are taught have the
    losses of `[train.distill]`.

    Attributes:
        hidden: does it look at the features of words?
    """

    def __init__(self, settings: Train) -> None:
        self._settings, self._distill = settings, settings.distill
        self._pairs = None if settings.distill is None else settings.distill.pairs
        self.hidden = self._pairs is not None or settings.similarity > 0

    def __call__(self, logits: Tensor, hidden: Tensor | None, batch: dict[str, Any], epoch: int) -> Loss:
        """The sums of weighted losses and of weights.

        Args:
            logits: (n, labels) float32.
            hidden: the last hidden state of each word's first sub-word, (n, dim), where it is asked for.
            batch: of `Examples`.
            epoch: from 0.
        """
        weights = batch["weights"]
        taught = batch.get("taught")
        if taught is None:
            return self._own(logits, hidden, batch, weights, epoch)
        own = self._own(logits, hidden, batch, weights * ~taught, epoch)
        soft = self._soft(logits, hidden, batch, weights * taught)
        return Loss(own.total + soft.total, own.weight + soft.weight)

    def _own(self, logits: Tensor, hidden: Tensor | None, batch: dict[str, Any], weights: Tensor, epoch: int) -> Loss:
        settings = self._settings
        focal = settings.focal if epoch >= settings.focal_after else 0.0
        found = losses.cross_entropy(logits, batch["targets"], weights, focal=focal)
        if not settings.similarity:
            return found
        assert hidden is not None
        pairs = losses.same_label(hidden, batch["partner"], batch["targets"], weights)
        return Loss(found.total + settings.similarity * pairs.total, found.weight)

    def _soft(self, logits: Tensor, hidden: Tensor | None, batch: dict[str, Any], weights: Tensor) -> Loss:
        distill, probabilities = self._distill, batch["probabilities"]
        assert distill is not None
        if self._pairs is not None:
            assert hidden is not None
            given = batch["partner"], probabilities, batch["similarity"], weights
            return losses.two_tasks(logits, hidden, *given, share=self._pairs.weight)
        return losses.distillation(
            logits,
            probabilities,
            batch["agreed"],
            weights,
            loss=distill.loss,
            temperature=distill.temperature,
            hard=distill.hard,
        )
