"""Objectives of fine-tuning an encoder on a bitext, as defined by Dou and Neubig (AWESoME, arXiv 2101.08231, 2.3).

    translation LM   masked sub-words of a pair are predicted from both sentences, which stand one behind the other
    self-training    the probabilities of links that the model itself, or a guide, takes for right are raised

Shapes: B pairs, m and n sub-words at most on the two sides, d dimensions.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# shares of the sub-words that are chosen: all, and of these the masked and the randomly replaced ones (BERT)
CHOSEN, MASKED, REPLACED = 0.15, 0.8, 0.1
# what the loss leaves out
IGNORED = -100


def link_probabilities(source: Tensor, target: Tensor, inside: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Softmax of the dot products of sub-words, over the target and over the source side (equation 1).

    Args:
        source: vectors, (B, m, d).
        target: vectors, (B, n, d).
        inside: which sub-words are there, (B, m) and (B, n); padding has no probability.

    Returns:
        S_xy and S_yx, both (B, m, n): rows of the first sum to 1 over n, columns of the second over m.
    """
    dots = source @ target.transpose(1, 2)
    padding = ~(inside[0][:, :, None] & inside[1][:, None, :])
    # a finite number: a side that is all padding gives no NaN
    dots = dots.masked_fill(padding, -1e9)
    forward, backward = dots.softmax(2), dots.softmax(1)
    return forward.masked_fill(padding, 0.0), backward.masked_fill(padding, 0.0)


def symmetric_links(probabilities: tuple[Tensor, Tensor], words: tuple[Tensor, Tensor], threshold: float) -> Tensor:
    """The sub-word pairs of the words that a model links, (B, m, n) bool (equation 2).

    Words are linked when both probabilities of any pair of their sub-words are above the threshold.

    Args:
        probabilities: see `link_probabilities`.
        words: the word that each sub-word belongs to, (B, m) and (B, n); negative for padding.
        threshold: of either probability.
    """
    forward, backward = probabilities
    linked = (forward > threshold) & (backward > threshold)
    same = [(w[:, :, None] == w[:, None, :]) & (w >= 0)[:, :, None] for w in words]
    return (same[0].float() @ linked.float() @ same[1].float()) > 0


def self_training(probabilities: tuple[Tensor, Tensor], links: Tensor, inside: tuple[Tensor, Tensor]) -> Tensor:
    """The self-training loss, `-mean(Σ S_xy·A / n + Σ S_yx·A / m)` over the pairs (equation 3).

    Each sum is divided by the length of the side whose sub-words choose, as in the authors' program, so that each
    of the two terms is the mean share of probability that stands on links.

    Args:
        probabilities: see `link_probabilities`.
        links: A, (B, m, n); no gradient flows through it.
        inside: which sub-words are there, (B, m) and (B, n).

    Returns:
        A number from -2 (all probability on links) to 0.
    """
    chosen = links.float()
    sums = ((share * chosen).sum((1, 2)) for share in probabilities)
    lengths = (there.sum(1).clamp(min=1) for there in inside)
    forward, backward = (total / length for total, length in zip(sums, lengths, strict=True))
    return -(forward + backward).mean()


def mask(
    ids: np.ndarray, free: np.ndarray, mask_id: int, vocabulary: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Masked input and labels of a masked-LM step.

    Of the sub-words, 15 % are chosen (at least one in all); 80 % of these become the mask, 10 % a random sub-word.

    Args:
        ids: sub-words, (B, width).
        free: which of them may be chosen, (B, width): no special ones, no padding.
        mask_id: the id of the mask.
        vocabulary: ids are below this number.
        generator: the source of chance.

    Returns:
        The input and the labels, both (B, width); labels of sub-words that are not chosen are `IGNORED`.
    """
    draw, fate = generator.random(ids.shape), generator.random(ids.shape)
    chosen = free & (draw < CHOSEN)
    if not chosen.any():
        chosen = free & (draw == draw[free].min(initial=2.0))
    given = np.where(chosen & (fate < MASKED), mask_id, ids)
    replaced = chosen & (fate >= MASKED) & (fate < MASKED + REPLACED)
    given[replaced] = generator.integers(0, vocabulary, int(replaced.sum()))
    return given, np.where(chosen, ids, IGNORED)


def masked_lm(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of the masked sub-words, the mean over them.

    Args:
        logits: of the masked sub-words, (k, vocabulary).
        labels: what they were, (k,).
    """
    return torch.nn.functional.cross_entropy(logits.float(), labels)
