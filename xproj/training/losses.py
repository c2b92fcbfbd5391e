"""The losses of a tagger, over words.

Every loss takes the logits of n words and a weight for each, and returns two sums: of weighted losses, and of weights.
Sums of micro-batches and of processes add up to those of the whole batch, and the mean is taken once, of the totals:
`sum(total) / sum(weight)`. A word of weight 0 adds nothing to either, and no gradient.

What scales a loss (the focal weight, the weights of two teachers' tasks) is detached, and is no part of the sum of
weights: it makes a word count less, it does not make the others count more.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from xproj.core.teachers import ALONE, NO_LABEL

SoftLoss = Literal["mse", "kl"]


class Loss(NamedTuple):
    """The sum of weighted losses and the sum of weights, both scalars."""

    total: Tensor
    weight: Tensor

    @property
    def mean(self) -> Tensor:
        """The weighted mean; 0 where all weights are 0."""
        return self.total / torch.where(self.weight > 0, self.weight, 1)


def _summed(losses: Tensor, weights: Tensor) -> Loss:
    # where, for 0 · inf of a word that is masked is not 0
    return Loss(torch.where(weights > 0, losses * weights, 0).sum(), weights.sum())


def _exact(logits: Tensor) -> Tensor:
    """Half precision is not enough for a softmax."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor, *, focal: float = 0.0) -> Loss:
    """Cross-entropy of hard or soft labels, optionally with the inverted focal weight.

    The inverted focal weight `p^γ`, p the probability that the model itself gives the label, makes labels count less
    that are probably wrong (Li et al. 2021, arXiv 2101.11112). It is detached: the gradient of `−p^γ·ln p` itself
    pushes every word with `p < e^(−1/γ)` away from its label.

    Args:
        logits: (n, labels).
        targets: label numbers (n,), NO_LABEL where there is none; or probabilities (n, labels).
        weights: (n,), not negative.
        focal: γ; 0 for plain cross-entropy.
    """
    log = functional.log_softmax(_exact(logits), dim=-1)
    if targets.dtype.is_floating_point:
        losses, given = -(targets * log).sum(dim=-1), (targets * log.exp()).sum(dim=-1)
    else:
        known = targets != NO_LABEL
        picked = log.gather(-1, targets.where(known, 0).unsqueeze(-1)).squeeze(-1)
        losses, given, weights = -picked, picked.exp(), weights * known
    if focal:
        losses = given.detach() ** focal * losses
    return _summed(losses, weights.to(losses.dtype))


def soft_labels(
    logits: Tensor, probabilities: Tensor, weights: Tensor, *, loss: SoftLoss = "mse", temperature: float = 1.0
) -> Loss:
    """The student's distance to a teacher's probabilities.

    `mse` is `‖softmax(z) − p‖²` (Wu et al. 2020, arXiv 2004.12440). `kl` is `T²·KL(softmax(z_T/T) ‖ softmax(z/T))`
    (Hinton et al. 2015, arXiv 1503.02531); of the teacher only `p = softmax(z_T)` is needed, for
    `softmax(z_T/T) = p^(1/T) / Σ p^(1/T)`.

    Args:
        logits: the student's, (n, labels).
        probabilities: the teacher's, (n, labels).
        weights: (n,), not negative.
        loss: which of the two.
        temperature: T of `kl`.
    """
    losses = _distances(_exact(logits), probabilities, loss, temperature)
    return _summed(losses, weights.to(losses.dtype))


def _distances(logits: Tensor, probabilities: Tensor, loss: SoftLoss, temperature: float) -> Tensor:
    teacher = probabilities.detach().to(logits.dtype)
    if loss == "mse":
        return ((logits.softmax(dim=-1) - teacher) ** 2).sum(dim=-1)
    softened = teacher ** (1 / temperature)
    # a word of which no teacher says anything has a row of zeros: 0/0 would reach its gradient, whatever its weight
    softened = softened / softened.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(softened.dtype).tiny)
    student = functional.log_softmax(logits / temperature, dim=-1)
    divergence = torch.xlogy(softened, softened) - softened * student
    return temperature**2 * divergence.sum(dim=-1)


def distillation(
    logits: Tensor,
    probabilities: Tensor,
    agreed: Tensor,
    weights: Tensor,
    *,
    loss: SoftLoss = "mse",
    temperature: float = 1.0,
    hard: float = 0.0,
) -> Loss:
    """Soft labels, and λ times the cross-entropy of the words on whose label all teachers agree (UniTrans, 2007.07683).

    Args:
        logits: the student's, (n, labels).
        probabilities: those of the mixed teachers, (n, labels).
        agreed: the label that all teachers give, (n,); NO_LABEL where they differ.
        weights: (n,), not negative.
        loss: of the soft labels.
        temperature: T of `kl`.
        hard: λ.
    """
    soft = soft_labels(logits, probabilities, weights, loss=loss, temperature=temperature)
    if not hard:
        return soft
    return Loss(soft.total + hard * cross_entropy(logits, agreed, weights).total, soft.weight)


def two_tasks(
    logits: Tensor,
    hidden: Tensor,
    partner: Tensor,
    probabilities: Tensor,
    similarity: Tensor,
    weights: Tensor,
    *,
    share: float = 0.5,
) -> Loss:
    """Multiple-task multiple-teacher distillation (MTMT; Li et al., ACL 2022).

    One teacher recognises entities, another says whether two words have the same label. Each word i has a partner j,
    and the loss of the pair is

        w_c · [ a · w_e · BCE(σ(cos(h_i, h_j)), s) + ½ · w_i · MSE_i + ½ · w_j · MSE_j ]

        w_i = max(p_i)²     w_e = min(1, (2s − 1)² + ½)     w_c = 1 − |σ(cos(p_i, p_j)) − s|

    with p of the recogniser and s of the evaluator. MSE is that of `soft_labels`. A word without partner, or whose
    partner has weight 0, has the loss `w_i · MSE_i`.

    Args:
        logits: the student's, (n, labels).
        hidden: the student's features h, (n, dim).
        partner: the number of each word's partner among the n words, (n,); ALONE for none.
        probabilities: p, (n, labels).
        similarity: s of each word and its partner, (n,).
        weights: (n,), not negative.
        share: a.
    """
    logits = _exact(logits)
    paired, other = _pairs(partner, weights)
    p, s = (teacher.detach().to(logits.dtype) for teacher in (probabilities, similarity))
    sure = p.amax(dim=-1) ** 2
    told = ((2 * s - 1) ** 2 + 0.5).clamp(max=1)
    consistent = 1 - (functional.cosine_similarity(p, p[other], dim=-1).sigmoid() - s).abs()
    recognised = sure * _distances(logits, p, "mse", 1.0)
    cosine = functional.cosine_similarity(hidden.to(logits.dtype), hidden.to(logits.dtype)[other], dim=-1)
    evaluated = told * functional.binary_cross_entropy_with_logits(cosine, s, reduction="none")
    pairs = consistent * (share * evaluated + (recognised + recognised[other]) / 2)
    return _summed(torch.where(paired, pairs, recognised), weights.to(logits.dtype))


def same_label(hidden: Tensor, partner: Tensor, targets: Tensor, weights: Tensor) -> Loss:
    """How an evaluator learns: BCE(σ(cos(h_i, h_j)), 1 where words i and j have the same label, else 0).

    Args:
        hidden: features h, (n, dim).
        partner: the number of each word's partner j among the n words, (n,); ALONE for none, and it counts for nothing.
        targets: label numbers, (n,).
        weights: (n,), not negative; a word whose partner has weight 0 counts for nothing either.
    """
    paired, other = _pairs(partner, weights)
    exact = _exact(hidden)
    cosine = functional.cosine_similarity(exact, exact[other], dim=-1)
    same = (targets == targets[other]).to(cosine.dtype)
    each = functional.binary_cross_entropy_with_logits(cosine, same, reduction="none")
    return _summed(each, (weights * paired).to(cosine.dtype))


def _pairs(partner: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Which words have a partner that counts, and the partner, a word itself where it has none."""
    paired = (partner != ALONE) & (weights[partner.clamp(min=0)] > 0)
    return paired, partner.where(paired, torch.arange(len(partner), device=partner.device))
