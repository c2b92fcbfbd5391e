"""Sub-words, windows, and padded batches: what the encoder sees.

A word is tokenised alone, its label and its loss are those of its first sub-word. A sentence that is longer than the
model's limit is cut into overlapping windows, and each of its words is learned in one of them.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from xproj.core.teachers import ALONE
from xproj.encoders.network import positions, special
from xproj.encoders.pieces import Pieces, WordPieces, ranges
from xproj.encoders.windows import windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from xproj.columns import Float32, Int32, Int64, TokenColumn
    from xproj.training.soft import Soft


class Inputs:
    """How a model wants its sub-words: special ones round them, and how many it takes.

    Attributes:
        before, behind: special sub-words.
        limit: sub-words that fit between them.
        pad: the sub-word that fills a batch.
    """

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self.before, self.behind = special(tokenizer)
        self.pad = int(tokenizer.pad_token_id or 0)
        self.limit = positions(model, tokenizer) - len(self.before) - len(self.behind)
        self._words = WordPieces(tokenizer, self.limit)

    @property
    def extra(self) -> int:
        """Special sub-words of a row."""
        return len(self.before) + len(self.behind)

    def pieces(self, words: TokenColumn) -> Pieces:
        """The sub-words of all rows."""
        return self._words.encode(words)


class Batch(NamedTuple):
    """Which windows go through the model together, and what randomness they see."""

    windows: Int64
    number: int
    """Drawn from the seed, the epoch and the place of the batch: the same on any number of processes. Below 0 the batch
    only fills up an epoch, and nothing in it counts."""


@dataclass(frozen=True)
class Examples:
    """The windows of a corpus.

    Attributes:
        pieces: the sub-words of each sentence.
        offsets: where the words of each sentence begin, (rows + 1,).
        targets: of all words: label ids (words,), or probabilities (words, labels) float32.
        weights: of the loss of each word, (words,).
        rows: the sentence of each window, (windows,).
        parts: sub-words `start:end` of its sentence, and `first:last`, whose words are learned here, (windows, 4).
        inputs: see `Inputs`.
        soft: what teachers say of the words, where there are any; its partners are those of `partner`.
        partner: another word of the sentence for each, among all words, (words,); ALONE for none. Of a second task.
    """

    pieces: Pieces
    offsets: Int64
    targets: np.ndarray
    weights: Float32
    rows: Int64
    parts: np.ndarray
    inputs: Inputs
    soft: Soft | None = None
    partner: Int64 | None = None

    @classmethod
    def of(
        cls,
        words: TokenColumn,
        targets: np.ndarray,
        weights: Float32,
        inputs: Inputs,
        soft: Soft | None = None,
        partner: Int64 | None = None,
    ) -> Examples:
        """Tokenise sentences and cut the long ones; one without any sub-word has no window."""
        pieces = inputs.pieces(words)
        rows, parts = _cut(pieces, inputs.limit)
        return cls(pieces, words.offsets, targets, weights, rows, parts, inputs, soft, partner)

    def renumbered(self, number: Callable[[Int32], Int32]) -> Examples:
        """The same with other ids of sub-words."""
        inputs = copy(self.inputs)
        inputs.before, inputs.behind = (
            number(np.array(ids, np.int32)).tolist() for ids in (inputs.before, inputs.behind)
        )
        return replace(self, pieces=replace(self.pieces, ids=number(self.pieces.ids)), inputs=inputs)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Int64:
        """Sub-words of each window, special ones included, (windows,)."""
        return np.asarray(self.parts[:, 1] - self.parts[:, 0] + self.inputs.extra)

    def counts(self) -> dict[str, int]:
        """What the sub-words left out."""
        cut = int(np.count_nonzero(np.bincount(self.rows, minlength=len(self.offsets) - 1) > 1))
        return {"wordless": self.pieces.wordless, "cut_words": self.pieces.cut, "windowed_sentences": cut}

    def __getitems__(self, batch: Batch) -> dict[str, Any]:
        """The tensors of a batch, as torch's loader asks for them.

        Returns:
            input_ids and attention_mask (windows, width); `index` (n,), the place of each learned word's first
            sub-word in the flat batch; `targets` and `weights` of those words; the batch's `number`. With teachers
            also `taught`, `probabilities`, `agreed` and `similarity`; with a second task `partner`, a place among
            those words, ALONE where the other word is learned in another window.
        """
        ids, width = self._padded(batch.windows)
        starts, ends, firsts, lasts = self.parts[batch.windows].T
        base = self.pieces.offsets[:-1][self.rows[batch.windows]]
        # the learned sub-words of each window, in the sentence's and in the batch's numbering
        inner = ranges(base + firsts, lasts - firsts)
        place = ranges(np.arange(len(starts)) * width + len(self.inputs.before) + firsts - starts, lasts - firsts)
        window = np.repeat(np.arange(len(starts)), lasts - firsts)
        word = self.offsets[:-1][self.rows[batch.windows]][window] + self.pieces.words[inner]
        first = np.ones(len(word), dtype=bool)
        first[1:] = (word[1:] != word[:-1]) | (window[1:] != window[:-1])
        lengths = ends - starts + self.inputs.extra
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy((np.arange(width) < lengths[:, None]).astype(np.int64)),
            "index": torch.from_numpy(place[first]),
            "words": torch.from_numpy(word[first]),
            "targets": torch.from_numpy(self.targets[word[first]]),
            "weights": torch.from_numpy(self.weights[word[first]] * np.float32(batch.number >= 0)),
            "number": batch.number,
            **self._taught(word[first]),
        }

    def _taught(self, words: Int64) -> dict[str, Any]:
        """What teachers say of some words, and the place of their partners among them."""
        found: dict[str, Any] = {}
        if self.soft is not None:
            for name in ("taught", "probabilities", "agreed", "similarity"):
                found[name] = torch.from_numpy(getattr(self.soft, name)[words])
        if self.partner is not None:
            order = np.argsort(words)
            wanted = self.partner[words]
            place = order[np.minimum(np.searchsorted(words[order], wanted), len(words) - 1)]
            found["partner"] = torch.from_numpy(np.where(words[place] == wanted, place, ALONE))
        return found

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__(Batch(np.array([index]), 0))

    def _padded(self, chosen: Int64) -> tuple[np.ndarray, int]:
        """The sub-words of windows, (n, width), and the width."""
        before, behind = self.inputs.before, self.inputs.behind
        starts, ends = self.parts[chosen, 0], self.parts[chosen, 1]
        lengths = ends - starts
        width = int(lengths.max()) + self.inputs.extra
        ids = np.full((len(chosen), width), self.inputs.pad, dtype=np.int64)
        ids[:, : len(before)] = before
        column = np.arange(width) - len(before)
        base = self.pieces.offsets[:-1][self.rows[chosen]]
        ids[(column >= 0) & (column < lengths[:, None])] = self.pieces.ids[ranges(base + starts, lengths)]
        for k, one in enumerate(behind):
            ids[np.arange(len(chosen)), len(before) + lengths + k] = one
        return ids, width


def _cut(pieces: Pieces, limit: int) -> tuple[Int64, np.ndarray]:
    """Rows and their windows, (k, 4): start, end, first and last learned; in the order of the rows."""
    lengths = pieces.lengths
    short = np.flatnonzero((lengths > 0) & (lengths <= limit))
    rows, parts = [short], [np.stack([np.zeros_like(short), lengths[short]] * 2, axis=1)]
    for row in np.flatnonzero(lengths > limit):
        counts = np.bincount(pieces.words[pieces.offsets[row] : pieces.offsets[row + 1]])
        mine = np.array(windows(counts, limit), dtype=np.int64)
        rows.append(np.full(len(mine), row))
        parts.append(mine)
    owner, windows_ = np.concatenate(rows), np.concatenate(parts)
    order = np.argsort(owner, kind="stable")
    return owner[order], windows_[order]
