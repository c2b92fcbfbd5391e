"""Batches of sub-words through a transformer: one row of numbers for each sub-word out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xproj.encoders.pieces import Pieces, WordPieces, ranges, sums
from xproj.encoders.windows import windows
from xproj.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xproj.columns import Int64, TokenColumn

# sub-words in a batch on a CPU, at most: the activations of more fall out of its caches
CPU_BATCH = 512
# what a batch costs beside its sub-words, as so many sub-words: measured with BERT-base on a core (32 is as good);
# on a GPU an estimate of what it does while a batch is launched
CPU_OVERHEAD, GPU_OVERHEAD = 16, 512


class Network:
    """A model with its tokenizer, for inference.

    Args:
        name: of the model, for messages.
        model: what is called with input_ids and attention_mask.
        tokenizer: its tokenizer.
        output: the field of its answer that is read, e.g. `last_hidden_state` or `logits`.
        dim: numbers for each sub-word.
        special: special sub-words of a sentence.
        device: where the model is.
        batch_tokens: sub-words in one batch, padding included.

    Attributes:
        limit: sub-words that a sentence may have, special ones not counted.
        wordless: words without sub-words, so far.
        cut_words: words longer than a window, of which the first sub-words were kept, so far.
        windowed: sentences that went through the model in windows, so far.
        halved: batches that were too large for the GPU and were halved, so far.
        overflown: sentences with numbers that are not finite, so far; a half-precision dtype may be too narrow.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        *,
        output: str,
        dim: int,
        special: int,
        device: torch.device,
        batch_tokens: int,
    ) -> None:
        self.name, self.model, self.tokenizer = name, model, tokenizer
        self.dim, self.device, self._output = dim, device, output
        self.limit = positions(model, tokenizer) - special
        self._words = WordPieces(tokenizer, self.limit)
        on_cpu = device.type == "cpu"
        self._batch = min(batch_tokens, CPU_BATCH) if on_cpu else batch_tokens
        self._overhead = CPU_OVERHEAD if on_cpu else GPU_OVERHEAD
        self.wordless = self.cut_words = self.windowed = self.halved = self.overflown = 0

    def counts(self) -> dict[str, int]:
        """What is counted of its work so far, as reports name it."""
        return {
            "words.without_subwords": self.wordless,
            "words.cut": self.cut_words,
            "sentences.windowed": self.windowed,
            "sentences.not_finite": self.overflown,
            "batches.halved": self.halved,
        }

    def pieces(self, tokens: TokenColumn) -> Pieces:
        """The sub-words of all rows, counted."""
        found = self._words.encode(tokens)
        self.wordless += found.wordless
        self.cut_words += found.cut
        return found

    def run(self, pieces: Pieces, special: tuple[list[int], list[int]]) -> torch.Tensor:
        """The answers for all sub-words, (total, dim) float32, on the device of the model.

        Rows are sorted by length and go through the model in batches; rows past the limit in windows.
        `special` are the special sub-words before and behind each.

        Raises:
            BackendError: a single sentence does not fit on the GPU.
        """
        rows, parts = self._cut(pieces)
        starts, lengths = pieces.offsets[rows] + parts[:, 0], parts[:, 1] - parts[:, 0]
        found = torch.zeros((len(pieces.ids), self.dim), device=self.device)
        extra = len(special[0]) + len(special[1])
        for batch in batches(lengths, extra, self._batch, self._overhead):
            hidden = self._forward(pieces.ids, starts[batch], lengths[batch], special)
            # which sub-words of each window are kept, and where they go
            skip, kept = parts[batch, 2] - parts[batch, 0], parts[batch, 3] - parts[batch, 2]
            inside = ranges(sums(lengths[batch])[:-1] + skip, kept)
            place = self.index(ranges(starts[batch] + skip, kept))
            found[place] = hidden if len(inside) == len(hidden) else hidden[self.index(inside)]
        bad = ~torch.isfinite(found).all(1).cpu().numpy()
        self.overflown += int(np.count_nonzero(np.diff(sums(bad)[pieces.offsets])))
        return found

    def index(self, array: np.ndarray) -> torch.Tensor:
        """An array on the device of the model."""
        return torch.from_numpy(array).to(self.device)

    def _cut(self, pieces: Pieces) -> tuple[Int64, np.ndarray]:
        """Rows and their windows, (k, 4): start, end, first and last kept; an empty row has none."""
        lengths = pieces.lengths
        short = np.flatnonzero((lengths > 0) & (lengths <= self.limit))
        rows, parts = [short], [np.stack([np.zeros_like(short), lengths[short]] * 2, axis=1)]
        for row in np.flatnonzero(lengths > self.limit):
            counts = np.bincount(pieces.words[pieces.offsets[row] : pieces.offsets[row + 1]])
            mine = np.array(windows(counts, self.limit), dtype=np.int64)
            rows.append(np.full(len(mine), row))
            parts.append(mine)
            self.windowed += 1
        return np.concatenate(rows), np.concatenate(parts)

    def _forward(
        self, ids: np.ndarray, starts: np.ndarray, lengths: np.ndarray, special: tuple[list[int], list[int]]
    ) -> torch.Tensor:
        """The answers for the sub-words of a batch, (total, dim) float32, without special ones."""
        before, behind = special
        width = len(before) + int(lengths.max()) + len(behind)
        batch = np.full((len(starts), width), self.tokenizer.pad_token_id, dtype=np.int64)
        column = np.arange(width) - len(before)
        inside = (column >= 0) & (column < lengths[:, None])
        batch[:, : len(before)] = before
        batch[inside] = ids[ranges(starts, lengths)]
        for k, one in enumerate(behind):
            batch[np.arange(len(starts)), len(before) + lengths + k] = one
        mask = column < lengths[:, None] + len(behind)
        try:
            with torch.inference_mode():
                given = {"input_ids": self.index(batch), "attention_mask": self.index(mask.astype(np.int64))}
                hidden = getattr(self.model(**given), self._output)
                # counted here: a mask on the device would have to be waited for
                found: torch.Tensor = hidden.flatten(0, 1)[self.index(np.flatnonzero(inside))].float()
                return found
        except torch.OutOfMemoryError as error:
            if len(starts) == 1:
                raise BackendError(
                    f"model {self.name}: a sentence of {width} sub-words does not fit on {self.device}; "
                    'set runtime.device = "cpu" or a half-precision dtype'
                ) from error
        # outside of the handler, as that holds the tensors of the failed batch
        torch.cuda.empty_cache()
        self.halved += 1
        half = len(starts) // 2
        pieces = (slice(None, half), slice(half, None))
        return torch.cat([self._forward(ids, starts[p], lengths[p], special) for p in pieces])


def special(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special sub-words that a tokenizer puts before and behind a sentence."""
    found = tokenizer([["a"]], is_split_into_words=True, return_special_tokens_mask=True)
    ids, mask = found["input_ids"][0], found["special_tokens_mask"][0]
    inside = mask.index(0)
    behind = len(mask) - mask[::-1].index(0)
    return ids[:inside], ids[behind:]


def positions(model: Any, tokenizer: Any) -> int:
    """Sub-words that a model has positions for, special ones included."""
    config = model.config
    found = getattr(config, "max_position_embeddings", None) or 512
    for part in (model, getattr(model, model.base_model_prefix, None)):
        table = getattr(getattr(part, "embeddings", None), "position_embeddings", None)
        if getattr(table, "padding_idx", None) is not None:
            found -= config.pad_token_id + 1  # RoBERTa counts positions from behind its padding id
            break
    return int(min(found, tokenizer.model_max_length))


def batches(lengths: Int64, extra: int, tokens: int, overhead: int) -> Iterator[Int64]:
    """Rows sorted by length, longest first, in the cheapest batches.

    A batch costs its sub-words with padding, and `overhead`. It has at most `tokens` sub-words, or one row. The
    cheapest way to cut the sorted rows is found by dynamic programming over their number.

    Args:
        lengths: sub-words of each row, (rows,).
        extra: special sub-words of a row.
        tokens: see above.
        overhead: see above.
    """
    order = np.argsort(-lengths, kind="stable")
    cost = np.full(len(order) + 1, np.iinfo(np.int64).max, dtype=np.int64)
    start = np.zeros(len(order) + 1, dtype=np.int64)
    cost[0] = 0
    for first, width in enumerate((lengths[order] + extra).tolist()):
        last = min(len(order), first + max(1, tokens // width))
        through = cost[first] + overhead + width * np.arange(1, last - first + 1)
        cheaper = through < cost[first + 1 : last + 1]
        cost[first + 1 : last + 1][cheaper] = through[cheaper]
        start[first + 1 : last + 1][cheaper] = first
    ends = [len(order)]
    while ends[-1]:
        ends.append(int(start[ends[-1]]))
    for end, first in zip(ends[-2::-1], ends[:0:-1], strict=True):
        yield order[first:end]
