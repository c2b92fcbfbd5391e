"""How near languages are to a text, learned by a classifier of sentences (Wu et al. 2020, arXiv 2004.12440)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

RANK = 64
EPOCHS = 10
BATCH = 64
RATE = 1e-2
PENALTY = 0.01


def language_shares(sources: Sequence[np.ndarray], target: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """The share of each source language, (k,) float64; they add up to 1.

    A classifier learns which source language a sentence is in, `score(x, l) = μ_lᵀ P x`, P of rank 64 and kept near
    `P Pᵀ = I` by a penalty of 0.01. Its scores of the target's sentences, divided by their variance and through a
    softmax, are averaged over the sentences. Vectors are centred on the sources and brought to length 1 first.

    Args:
        sources: the vectors of each language's sentences, (n_l, dim).
        target: those of the text, (n, dim).
        seed: of weights and order.
    """
    if len(sources) == 1:
        return np.ones(1)
    flat = np.concatenate(sources)
    centre = np.mean([part.mean(axis=0) for part in sources], axis=0)
    x, text = (torch.nn.functional.normalize(torch.from_numpy(a - centre).double()) for a in (flat, target))
    y = torch.from_numpy(np.repeat(np.arange(len(sources)), [len(part) for part in sources]))
    generator = torch.Generator().manual_seed(seed)
    rank = min(RANK, x.shape[1])
    project = torch.randn(rank, x.shape[1], generator=generator, dtype=torch.float64) / x.shape[1] ** 0.5
    project.requires_grad_()
    means = torch.zeros(len(sources), rank, dtype=torch.float64, requires_grad=True)
    # languages count alike, however many sentences each has
    balance = 1 / torch.bincount(y, minlength=len(sources)).double().clamp(min=1)
    optimizer = torch.optim.Adam([project, means], lr=RATE)
    unit = torch.eye(rank, dtype=torch.float64)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(x), generator=generator), BATCH):
            scores = x[batch] @ project.T @ means.T
            loss = torch.nn.functional.cross_entropy(scores, y[batch], weight=balance)
            loss = loss + PENALTY * ((project @ project.T - unit) ** 2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        scores = text @ project.T @ means.T
        spread = scores.var().clamp(min=1e-6)
        return np.asarray((scores / spread).softmax(dim=1).mean(dim=0).numpy())
