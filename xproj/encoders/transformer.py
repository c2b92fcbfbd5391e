"""The encoder: batches of sub-words through a transformer, hidden states of one layer out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xproj.encoders import Subwords, loading
from xproj.encoders.pieces import Pieces, WordPieces, ranges, sums
from xproj.encoders.windows import windows
from xproj.errors import BackendError, RecipeError
from xproj.languages import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xproj.columns import Int64, TokenColumn
    from xproj.encoders import EncoderSettings

# sub-words in a batch on a CPU, at most: the activations of more fall out of its caches
CPU_BATCH = 512
# what a batch costs beside its sub-words, as so many sub-words: measured with BERT-base on a core (32 is as good);
# on a GPU an estimate of what it does while a batch is launched
CPU_OVERHEAD, GPU_OVERHEAD = 16, 512


class Encoder:
    """A model cut above the layer that is read, with its tokenizer.

    Attributes:
        model: the encoder, in inference mode.
        tokenizer: its tokenizer.
        dim: size of a vector.
        limit: sub-words that a sentence may have, special ones not counted.
        wordless: words without sub-words, so far.
        cut_words: words longer than a window, of which the first sub-words were kept, so far.
        windowed: sentences that were encoded in windows, so far.
        halved: batches that were too large for the GPU and were halved, so far.
        overflown: sentences with vectors that are not finite, so far; a half-precision dtype may be too narrow.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        self.settings = settings
        self.device = loading.device(settings.device)
        folder = loading.folder(settings.model, settings.revision)
        self.tokenizer: Any = loading.tokenizer(folder, settings.model)
        self.model: Any = loading.encoder(folder, settings, self.device)
        self.dim = int(self.model.config.hidden_size)
        self._needs_language = self.model.config.model_type == "m2m_100"
        self._special: dict[str, tuple[list[int], list[int]]] = {}
        self.limit = self._positions() - (2 if self._needs_language else sum(map(len, self.special("und"))))
        self._words = WordPieces(self.tokenizer, self.limit)
        on_cpu = self.device.type == "cpu"
        self._batch = min(settings.batch_tokens, CPU_BATCH) if on_cpu else settings.batch_tokens
        self._overhead = CPU_OVERHEAD if on_cpu else GPU_OVERHEAD
        self.wordless = self.cut_words = self.windowed = self.halved = self.overflown = 0

    def _positions(self) -> int:
        """Sub-words that the model has positions for, special ones included."""
        config = self.model.config
        positions = getattr(config, "max_position_embeddings", None) or 512
        embeddings = getattr(self.model, "embeddings", None)
        if getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None) is not None:
            positions -= config.pad_token_id + 1  # RoBERTa counts positions from behind its padding id
        return int(min(positions, self.tokenizer.model_max_length))

    def special(self, language: str) -> tuple[list[int], list[int]]:
        """The special sub-words before and behind a sentence.

        Args:
            language: NLLB code; only M2M-100 and NLLB look at it.

        Raises:
            RecipeError: the model needs a language code and does not know this one.
        """
        if language not in self._special:
            if self._needs_language:
                self._special[language] = [self._language_id(language)], [self.tokenizer.eos_token_id]
            else:
                found = self.tokenizer([["a"]], is_split_into_words=True, return_special_tokens_mask=True)
                ids, mask = found["input_ids"][0], found["special_tokens_mask"][0]
                inside = mask.index(0)
                behind = len(mask) - mask[::-1].index(0)
                self._special[language] = ids[:inside], ids[behind:]
        return self._special[language]

    def _language_id(self, language: str) -> int:
        # `und` may well be a word of the vocabulary
        codes = [] if language == "und" else [language, f"__{lookup(language).bcp47.partition('-')[0]}__"]
        vocabulary = self.tokenizer.get_vocab()
        for code in codes:
            if code in vocabulary:
                return int(vocabulary[code])
        what = (
            "no language is named" if language == "und" else f"the language code {language!r} is not in its tokenizer"
        )
        raise RecipeError(
            f"model {self.settings.model}: {what}; set source and language (--source, --language) to codes that it "
            "knows, or another aligner"
        )

    def encode(self, tokens: TokenColumn, *, language: str) -> Subwords:
        """The sub-words of all rows and their vectors; equal rows are encoded once.

        Args:
            tokens: the words of each row; a null row counts as empty.
            language: NLLB code of the sentences, for models that need one.

        Raises:
            RecipeError: the model does not know the language.
            BackendError: a single sentence does not fit on the GPU.
        """
        self.special(language)
        pieces = self.pieces(tokens)
        numbers, first = pieces.distinct()
        encoded = pieces.take(first)
        vectors = self.vectors(encoded, language=language)
        if len(first) < len(numbers):
            vectors = vectors[ranges(encoded.offsets[:-1][numbers], pieces.lengths)]
        return Subwords(pieces.offsets, pieces.words, vectors)

    def pieces(self, tokens: TokenColumn) -> Pieces:
        """The sub-words of all rows, counted."""
        found = self._words.encode(tokens)
        self.wordless += found.wordless
        self.cut_words += found.cut
        return found

    def vectors(self, pieces: Pieces, *, language: str) -> np.ndarray:
        """`tensor` as a numpy array."""
        found: np.ndarray = self.tensor(pieces, language=language).cpu().numpy()
        return found

    def tensor(self, pieces: Pieces, *, language: str) -> torch.Tensor:
        """The hidden states of sub-words, (total, dim) float32, on the device of the model.

        Rows are sorted by length and go through the model in batches; rows past the limit in windows.
        """
        special = self.special(language)
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
        """Hidden states of the sub-words of a batch, (total, dim) float32, without special ones."""
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
                hidden = self.model(**given).last_hidden_state
                # counted here: a mask on the device would have to be waited for
                found: torch.Tensor = hidden.flatten(0, 1)[self.index(np.flatnonzero(inside))].float()
                return found
        except torch.OutOfMemoryError as error:
            if len(starts) == 1:
                raise BackendError(
                    f"model {self.settings.model}: a sentence of {width} sub-words does not fit on {self.device}; "
                    'set runtime.device = "cpu" or a half-precision dtype'
                ) from error
        # outside of the handler, as that holds the tensors of the failed batch
        torch.cuda.empty_cache()
        self.halved += 1
        half = len(starts) // 2
        pieces = (slice(None, half), slice(half, None))
        return torch.cat([self._forward(ids, starts[p], lengths[p], special) for p in pieces])


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
