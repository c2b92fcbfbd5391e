"""A bitext as sub-words for training: batches by length, in an order that the seed alone decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xproj.encoders.pieces import Pieces, ranges, sums
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xproj.columns import Int64, LinkColumn, TokenColumn
    from xproj.encoders.transformer import Encoder

    Guide = Callable[[TokenColumn, TokenColumn], LinkColumn]

# sub-words that are held at most, both sides together; pairs behind them are not read
HELD = 200_000_000
# lengths are sorted after noise of this share, so that the same sentences do not always meet in a batch
NOISE = 0.2


@dataclass(frozen=True)
class TrainingPairs:
    """Pairs that fit into the model, and the word links of a guide where there is one.

    Attributes:
        sides: the sub-words of both sides.
        links: offsets (pairs + 1,), source and target words of the guide's links.
        left_out: pairs that are too long, or have a side without sub-words.
        unread: pairs behind the bound of what is held.
    """

    sides: tuple[Pieces, Pieces]
    links: tuple[Int64, np.ndarray, np.ndarray] | None
    left_out: int
    unread: int

    def __len__(self) -> int:
        return len(self.sides[0])

    @classmethod
    def read(
        cls,
        parts: Iterable[tuple[TokenColumn, TokenColumn]],
        encoder: Encoder,
        limits: tuple[int, int],
        guide: Guide | None = None,
    ) -> TrainingPairs:
        """Take a bitext in.

        Args:
            parts: the words of both sides, part by part.
            encoder: whose tokenizer cuts them.
            limits: sub-words of a side, and of both sides together, at most.
            guide: gives the links of a part.

        Raises:
            CorpusError: no pair can be used.
        """
        kept: list[tuple[Pieces, Pieces]] = []
        links: list[tuple[Int64, np.ndarray, np.ndarray]] = []
        held = left_out = unread = 0
        for source, target in parts:
            if held >= HELD:
                unread += len(source)
                continue
            sides = encoder.pieces(source), encoder.pieces(target)
            m, n = sides[0].lengths, sides[1].lengths
            fits = (m > 0) & (n > 0) & (m <= limits[0]) & (n <= limits[0]) & (m + n <= limits[1])
            rows = np.flatnonzero(fits)
            left_out += int(np.count_nonzero(~fits))
            kept.append((sides[0].take(rows), sides[1].take(rows)))
            held += sum(len(side.ids) for side in kept[-1])
            if guide is not None:
                links.append(_take(guide(source, target), rows))
        if not held:
            raise CorpusError("[align] tune: no pair of the bitext fits into the model; give more, or shorter, pairs")
        both = tuple(_join([pair[side] for pair in kept]) for side in (0, 1))
        return cls((both[0], both[1]), _join_links(links) if links else None, left_out, unread)

    def batches(self, tokens: int, seed: int) -> Iterator[Int64]:
        """Rows of one batch after the other, without end; every epoch has each pair once.

        Args:
            tokens: sub-words of both sides in a batch, padding included; a batch has one pair at least.
            seed: decides the order; the same seed gives the same batches.
        """
        widths = np.stack([side.lengths for side in self.sides])
        epoch = 0
        while True:
            generator = np.random.default_rng((seed, epoch))
            noise = 1 + NOISE * generator.random(len(self))
            order = np.argsort(widths.sum(0) * noise, kind="stable")
            cuts = _cuts(widths[:, order], tokens)
            for k in generator.permutation(len(cuts) - 1):
                yield order[cuts[k] : cuts[k + 1]]
            epoch += 1

    def guided(self, rows: Int64, words: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """The guide's links of some rows between their sub-words, (B, m, n) bool.

        Args:
            rows: which pairs.
            words: the word of each sub-word, (B, m) and (B, n), negative for padding.
        """
        assert self.links is not None
        offsets, source, target = self.links
        found = np.zeros((len(rows), words[0].shape[1], words[1].shape[1]), dtype=bool)
        for k, row in enumerate(rows):
            here = slice(offsets[row], offsets[row + 1])
            linked = np.zeros((int(words[0][k].max()) + 2, int(words[1][k].max()) + 2), dtype=bool)
            # the last row and column stay empty: padding, whose word is -1, finds them
            inside = (source[here] < len(linked) - 1) & (target[here] < linked.shape[1] - 1)
            linked[source[here][inside], target[here][inside]] = True
            found[k] = linked[words[0][k][:, None], words[1][k][None, :]]
        return found


def padded(side: Pieces, rows: Int64) -> tuple[np.ndarray, np.ndarray, Int64]:
    """Sub-words of some rows, (B, m), their words, (B, m), negative for padding, and the lengths, (B,)."""
    lengths = side.lengths[rows]
    inside = np.arange(int(lengths.max())) < lengths[:, None]
    index = ranges(side.offsets[:-1][rows], lengths)
    ids, words = np.zeros(inside.shape, dtype=np.int64), np.full(inside.shape, -1, dtype=np.int64)
    ids[inside], words[inside] = side.ids[index], side.words[index]
    return ids, words, lengths


def joined(
    pieces: list[tuple[np.ndarray, Int64]], before: list[int], behind: list[int], padding: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sentences one behind the other, each closed by special sub-words; the first is opened by some.

    Args:
        pieces: padded sub-words and lengths of each sentence.
        before: special sub-words.
        behind: special sub-words.
        padding: the id of padding.

    Returns:
        Sub-words, which of them are of the sentences, and which are there; all (B, width).
    """
    rows = len(pieces[0][1])
    width = len(before) + len(pieces) * len(behind) + int(np.sum([lengths for _, lengths in pieces], axis=0).max())
    ids = np.full((rows, width), padding, dtype=np.int64)
    free = np.zeros((rows, width), dtype=bool)
    column, row = np.arange(width), np.arange(rows)
    ids[:, : len(before)] = before
    place = np.full(rows, len(before), dtype=np.int64)
    for given, lengths in pieces:
        mine = (column >= place[:, None]) & (column < (place + lengths)[:, None])
        ids[mine] = given[np.arange(given.shape[1]) < lengths[:, None]]
        free |= mine
        place = place + lengths
        for k, one in enumerate(behind):
            ids[row, place + k] = one
        place = place + len(behind)
    return ids, free, (column < place[:, None]).astype(np.int64)


def _cuts(widths: np.ndarray, tokens: int) -> list[int]:
    """Where sorted pairs are cut into batches of at most `tokens` sub-words with padding."""
    cuts, widest = [0], np.zeros(2, dtype=np.int64)
    for row, width in enumerate(widths.T):
        wider = np.maximum(widest, width)
        if row > cuts[-1] and (row + 1 - cuts[-1]) * int(wider.sum()) > tokens:
            cuts.append(row)
            wider = width
        widest = wider
    return [*cuts, widths.shape[1]]


def _take(links: LinkColumn, rows: Int64) -> tuple[Int64, np.ndarray, np.ndarray]:
    lengths = np.diff(links.offsets)[rows]
    index = ranges(links.offsets[:-1][rows], lengths)
    return sums(lengths), links.source[index], links.target[index]


def _join(pieces: list[Pieces]) -> Pieces:
    return Pieces(
        sums(np.concatenate([p.lengths for p in pieces])),
        np.concatenate([p.ids for p in pieces]),
        np.concatenate([p.words for p in pieces]),
        sum(p.wordless for p in pieces),
        sum(p.cut for p in pieces),
    )


def _join_links(links: list[tuple[Int64, np.ndarray, np.ndarray]]) -> tuple[Int64, np.ndarray, np.ndarray]:
    counts = np.concatenate([np.diff(offsets) for offsets, _, _ in links])
    return sums(counts), np.concatenate([s for _, s, _ in links]), np.concatenate([t for _, _, t in links])
