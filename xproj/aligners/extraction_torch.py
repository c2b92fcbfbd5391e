"""The extraction of `core/similarity.py` in torch: many sentence pairs at a time, on the device of their vectors.

Pairs of like size are padded to one batch; what stands in the padding is never selected. The methods, their sources and
their ties are those of `core/extraction.py`; equal links from vectors that are finite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from xproj.core.extraction import ITERMAX_DISCOUNT, PROBABILISTIC, SMALLEST, code_of, extract
from xproj.core.similarity import Links

if TYPE_CHECKING:
    from collections.abc import Iterator

# cells of a batch, with padding; each costs about 100 bytes while it is worked on
CELLS = 1 << 22


def links_of_block(
    source_vectors: Tensor,
    source_offsets: np.ndarray,
    source_words: np.ndarray,
    target_vectors: Tensor,
    target_offsets: np.ndarray,
    target_words: np.ndarray,
    method: str,
    threshold: float = 0.0,
    distortion: float = 0.0,
    *,
    normalise: bool,
    cells: int = CELLS,
) -> Links:
    """The word links of a block of sentence pairs, as `xproj.core.similarity.links_of_block` returns them.

    The vectors (S, d) and (T, d) are tensors on one device, of any floating type; they are compared in float32. The
    other arguments are numpy arrays. `match` computes similarities here and solves assignments on the CPU.

    Args:
        source_vectors: the units of all source sentences.
        source_offsets: where each sentence starts among them, (rows + 1,).
        source_words: the word of each unit, (S,).
        target_vectors: the same of the target side.
        target_offsets: (rows + 1,).
        target_words: (T,).
        method: one of METHODS.
        threshold: see `extract`.
        distortion: kappa of `distort`; for cosine similarities only.
        normalise: cosine similarities, or dot products.
        cells: bound on the cells of a padded batch; one pair may have more.

    Raises:
        ValueError: an unknown method, or a distortion of dot products.
    """
    code_of(method)
    if distortion and not normalise:
        raise ValueError("distortion weights similarities of one sign; dot products have two")
    device = source_vectors.device
    x, y = source_vectors.float(), target_vectors.float()
    if normalise:
        x, y = normalize(x, dim=1), normalize(y, dim=1)
    heads, tails = (torch.as_tensor(np.asarray(w), device=device).long() for w in (source_words, target_words))
    sizes = np.diff(source_offsets), np.diff(target_offsets)
    # one number for each pair of words: row, source word, target word
    wide, high = (int(words.max()) + 1 if len(words) else 1 for words in (source_words, target_words))
    keys, scores = [torch.zeros(0, dtype=torch.int64, device=device)], [torch.zeros(0, device=device)]
    for rows in batches(*sizes, cells):
        one, inside = _places(source_offsets, sizes[0], rows, device)
        two, within = _places(target_offsets, sizes[1], rows, device)
        similarity = torch.bmm(x[one] * inside[..., None], (y[two] * within[..., None]).transpose(1, 2))
        if normalise:
            similarity = (similarity + 1.0) / 2.0
        selected, score = extract_batch(similarity, inside, within, method, threshold=threshold, distortion=distortion)
        row, i, j = torch.nonzero(selected, as_tuple=True)
        number = torch.as_tensor(rows, device=device)[row]
        key = (number * wide + heads[one[row, i]]) * high + tails[two[row, j]]
        key, place = torch.unique(key, return_inverse=True)
        best = torch.zeros(len(key), device=device).scatter_reduce_(0, place, score[row, i, j], "amax")
        keys.append(key)
        scores.append(best)
    key, order = torch.sort(torch.cat(keys))
    found = key.cpu().numpy()
    offsets = np.searchsorted(found, np.arange(len(sizes[0]) + 1, dtype=np.int64) * (wide * high))
    source, target = np.divmod(found % (wide * high), high)
    return offsets, source.astype(np.int32), target.astype(np.int32), torch.cat(scores)[order].cpu().numpy()


def pooled_block(vectors: Tensor, offsets: np.ndarray, words: np.ndarray) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """`xproj.core.similarity.pooled_block` of vectors (k, d) on a device: one unit for each word, the mean of its own.

    First units are added up, then second ones, and so on: the same sums in every run, as atomic additions are not.
    """
    total = len(words)
    first = np.ones(total, dtype=bool)
    first[1:] = words[1:] != words[:-1]
    first[offsets[:-1][np.diff(offsets) > 0]] = True
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=total)
    means = vectors[torch.as_tensor(starts, device=vectors.device)].float()
    for k in range(1, int(counts.max(initial=1))):
        longer = np.flatnonzero(counts > k)
        place, unit = (torch.as_tensor(index, device=vectors.device) for index in (longer, starts[longer] + k))
        means[place] += vectors[unit].float()
    means /= torch.as_tensor(counts, device=vectors.device)[:, None]
    return means, np.searchsorted(starts, offsets), np.asarray(words, dtype=np.int32)[starts]


def batches(m: np.ndarray, n: np.ndarray, cells: int) -> Iterator[np.ndarray]:
    """Rows with two sides, of like size, in batches of at most `cells` padded cells; one row at least."""
    rows = np.lexsort((n, m))
    rows = rows[(m[rows] > 0) & (n[rows] > 0)]
    start, widest = 0, 0
    for end, row in enumerate(rows.tolist()):
        # sorted by m, so this row has the most source units
        widest = max(widest, int(n[row]))
        if end > start and (end + 1 - start) * int(m[row]) * widest > cells:
            yield rows[start:end]
            start, widest = end, int(n[row])
    if start < len(rows):
        yield rows[start:]


def _places(offsets: np.ndarray, sizes: np.ndarray, rows: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices of the units of some rows (b, longest), 0 in the padding, and what is no padding."""
    column = torch.arange(int(sizes[rows].max()), device=device)
    starts, lengths = (
        torch.as_tensor(np.asarray(part)[rows], device=device).long()[:, None] for part in (offsets[:-1], sizes)
    )
    inside = column < lengths
    return torch.where(inside, starts + column, 0), inside


def extract_batch(
    similarity: Tensor, inside: Tensor, within: Tensor, method: str, *, threshold: float = 0.0, distortion: float = 0.0
) -> tuple[Tensor, Tensor]:
    """`extract` over a padded batch: selected (b, m, n) bool, and scores (b, m, n) float32, 0 elsewhere.

    Args:
        similarity: (b, m, n); anything finite in the padding.
        inside: which source units are no padding, (b, m); at least one of each pair.
        within: the same of the target side, (b, n).
        method: one of METHODS.
        threshold: see `xproj.core.extraction.extract`.
        distortion: kappa.

    Raises:
        ValueError: an unknown method.
    """
    code_of(method)
    mask = inside[:, :, None] & within[:, None, :]
    similarity = similarity.double()
    if method in PROBABILISTIC:
        distribution = _entmax if method == "entmax" else torch.softmax
        p = distribution(similarity.masked_fill(~within[:, None, :], -torch.inf), 2)
        q = distribution(similarity.masked_fill(~inside[:, :, None], -torch.inf), 1)
        selected = mask & (p > threshold) & (q > threshold)
        score = 2.0 * p * q / (p + q)
    else:
        if distortion:
            similarity = _distort(similarity, inside, within, distortion)
        selected = _select(similarity, inside, within, mask, method) & ~torch.isnan(similarity)
        if threshold > 0.0:
            selected &= similarity > threshold
        score = similarity
    return selected, torch.where(selected, score.float().clamp(float(SMALLEST), 1.0), 0.0)


def _select(similarity: Tensor, inside: Tensor, within: Tensor, mask: Tensor, method: str) -> Tensor:
    """The cells that a method on cosine similarities picks, (b, m, n) bool."""
    if method == "match":
        selected = torch.zeros_like(mask, device="cpu")
        cpu = similarity.cpu().numpy()
        sizes = zip(inside.sum(1).tolist(), within.sum(1).tolist(), strict=True)
        for b, (m, n) in enumerate(sizes):
            selected[b, :m, :n] = torch.from_numpy(extract(cpu[b, :m, :n], method)[0])
        return selected.to(mask.device)
    forward, reverse = _best(similarity, mask)
    if method != "itermax":
        return {"argmax": forward & reverse, "forward": forward, "reverse": reverse}[method]
    selected = forward & reverse
    rows, columns = inside & ~selected.any(2), within & ~selected.any(1)
    again = rows.any(1) & columns.any(1) & (torch.minimum(inside.sum(1), within.sum(1)) > 2)
    free = rows[:, :, None].double() + columns[:, None, :]
    factor = torch.where(free == 2, 1.0, torch.where(free == 1, ITERMAX_DISCOUNT, 0.0))
    forward, reverse = _best(similarity * factor, mask)
    return selected | (forward & reverse & (free > 0) & again[:, None, None])


def _best(similarity: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The best column of each row, and the best row of each column, as masks (b, m, n)."""
    similarity = similarity.masked_fill(~mask, -torch.inf)
    forward, reverse = torch.zeros_like(mask), torch.zeros_like(mask)
    forward.scatter_(2, similarity.argmax(2, keepdim=True), True)
    reverse.scatter_(1, similarity.argmax(1, keepdim=True), True)
    return forward & mask, reverse & mask


def _distort(similarity: Tensor, inside: Tensor, within: Tensor, kappa: float) -> Tensor:
    """`xproj.core.similarity.distort` of each pair of a batch."""
    places = []
    for side in (inside, within):
        size = side.sum(1, keepdim=True).double()
        places.append(torch.arange(side.shape[1], device=side.device) / (size - 1.0).clamp(min=1.0))
    weight = 1.0 - (places[1][:, None, :] - places[0][:, :, None]) ** 2 * kappa
    single = (inside.sum(1) < 2) | (within.sum(1) < 2)
    return similarity * weight.masked_fill(single[:, None, None], 1.0)


def _entmax(values: Tensor, dim: int) -> Tensor:
    """1.5-entmax along `dim`; see `xproj.core.extraction.distribution`. -inf has no share."""
    # the threshold is at least -1, so what is far below it may be moved
    halves = ((values - values.amax(dim, keepdim=True)) / 2.0).clamp(min=-4.0)
    ordered = halves.sort(dim, descending=True).values
    shape = [1, 1, 1]
    shape[dim] = -1
    count = torch.arange(1, values.shape[dim] + 1, device=values.device, dtype=values.dtype).view(shape)
    total, squares = ordered.cumsum(dim), (ordered**2).cumsum(dim)
    mean = total / count
    bound = mean - ((1.0 - (squares - total * mean)) / count).clamp(min=0.0).sqrt()
    support = (bound <= ordered).long().cumprod(dim).sum(dim, keepdim=True)
    return (halves - bound.gather(dim, support - 1)).clamp(min=0.0) ** 2
