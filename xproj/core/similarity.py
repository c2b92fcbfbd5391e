"""From the vectors of two sentences to word links: similarities, pooling, and what sub-word links say of words.

A *unit* is a sub-word, or a word whose sub-words were averaged first (`pooled`). `words[k]` is the word of unit k; the
units of a word stand together, in order. The methods that pick links out of a matrix are in `core/extraction.py`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.extraction import METHODS, PROBABILISTIC, SMALLEST, code_of, extract, select

__all__ = [
    "METHODS",
    "PROBABILISTIC",
    "SMALLEST",
    "cosine",
    "distort",
    "dot",
    "extract",
    "links_of_block",
    "pooled",
    "pooled_block",
    "unit",
    "word_links",
]
Links = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows (k, d) divided by their length, float32; a zero row stays zero."""
    vectors = _plain(vectors)
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    length[length == 0.0] = 1.0
    scaled: np.ndarray = vectors / length[:, None]
    return scaled


def cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(1 + cos) / 2 of each row of x (m, d) with each row of y (n, d), (m, n) float32 in [0, 1] (SimAlign)."""
    similarity: np.ndarray = (_products(unit(x), unit(y)) + np.float32(1.0)) / np.float32(2.0)
    return similarity


def dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Dot products of the rows of x (m, d) and y (n, d), (m, n) float32 (AWESoME)."""
    products: np.ndarray = _products(_plain(x), _plain(y))
    return products


def distort(similarity: np.ndarray, kappa: float) -> np.ndarray:
    """S (1 - kappa (i / (m - 1) - j / (n - 1)) ** 2): words in other places are less similar (SimAlign, "Distortion").

    (m, n), in float64 as it is multiplied; S itself where kappa is 0 or one side has fewer than two units.
    """
    m, n = similarity.shape
    if m < 2 or n < 2 or kappa == 0.0:
        return similarity
    rows, columns = np.arange(m) / float(m - 1), np.arange(n) / float(n - 1)
    distorted: np.ndarray = similarity * (1.0 - (columns[None, :] - rows[:, None]) ** 2 * kappa)
    return distorted


def pooled(vectors: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One unit for each word that has any: the words (k,) int32, and the means of their vectors (k, d) float32."""
    means, _, distinct = pooled_block(vectors, np.array([0, len(words)], dtype=np.int64), words)
    return distinct, means


def pooled_block(
    vectors: np.ndarray, offsets: np.ndarray, words: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`pooled` for the sentences of a block: vectors (k, d), offsets (rows + 1,) and words (k,) of the means."""
    total = len(words)
    if not total:
        return np.asarray(vectors, dtype=np.float32), offsets, np.asarray(words, dtype=np.int32)
    first = np.zeros(total, dtype=np.bool_)
    first[1:] = words[1:] != words[:-1]
    first[offsets[:-1][np.diff(offsets) > 0]] = True
    starts = np.flatnonzero(first)
    sums = np.add.reduceat(np.asarray(vectors, dtype=np.float32), starts, axis=0)
    counts = np.diff(starts, append=total).astype(np.float32)
    return sums / counts[:, None], np.searchsorted(starts, offsets), np.asarray(words, dtype=np.int32)[starts]


def word_links(
    selected: np.ndarray, score: np.ndarray, source_words: np.ndarray, target_words: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The word links of one pair: source words, target words, scores, all (k,), sorted by source, then target.

    Two words are linked if any of their units are; the score is the best of those units (SimAlign, AWESoME).
    """
    if not selected.size:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
    table = np.zeros((source_words.max() + 1, target_words.max() + 1), dtype=np.float32)
    _best_of_words(selected, score, source_words, target_words, table)
    source, target = np.nonzero(table)
    return source.astype(np.int32), target.astype(np.int32), table[source, target]


def links_of_block(
    source_vectors: np.ndarray,
    source_offsets: np.ndarray,
    source_words: np.ndarray,
    target_vectors: np.ndarray,
    target_offsets: np.ndarray,
    target_words: np.ndarray,
    method: str,
    threshold: float = 0.0,
    distortion: float = 0.0,
    *,
    normalise: bool,
) -> Links:
    """The word links of a block of sentence pairs.

    Args:
        source_vectors: the units of all source sentences, (S, d).
        source_offsets: where each sentence starts among them, (rows + 1,).
        source_words: the word of each unit, an index in its sentence, (S,).
        target_vectors: the same of the target side, (T, d).
        target_offsets: (rows + 1,).
        target_words: (T,).
        method: one of METHODS.
        threshold: see `extract`.
        distortion: kappa of `distort`; for cosine similarities only.
        normalise: cosine similarities in [0, 1] (SimAlign), or dot products (AWESoME).

    Returns:
        offsets (rows + 1,) int64, source words (k,) int32, target words (k,) int32, scores (k,) float32 in (0, 1];
        within a pair sorted by source word, then target word. A pair with a side without units has no links.

    Raises:
        ValueError: an unknown method, or a distortion of dot products.
    """
    code = code_of(method)
    if distortion and not normalise:
        raise ValueError("distortion weights similarities of one sign; dot products have two")
    prepare = unit if normalise else _plain
    x, y = prepare(source_vectors), prepare(target_vectors)
    sides = [np.asarray(side, dtype=np.int64) for side in (source_offsets, target_offsets)]
    words = [np.asarray(side, dtype=np.int32) for side in (source_words, target_words)]
    if method == "match":
        return _match_block(
            x, sides[0], words[0], y, sides[1], words[1], float(threshold), float(distortion), normalise
        )
    found: Links = _links_of_block(
        x, sides[0], words[0], y, sides[1], words[1], code, float(threshold), float(distortion), normalise
    )
    return found


def _plain(vectors: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _match_block(
    x: np.ndarray,
    source_offsets: np.ndarray,
    source_words: np.ndarray,
    y: np.ndarray,
    target_offsets: np.ndarray,
    target_words: np.ndarray,
    threshold: float,
    distortion: float,
    normalise: bool,
) -> Links:
    """`match`, pair by pair: the assignment is solved by scipy."""
    found = []
    for row in range(len(source_offsets) - 1):
        here, there = (slice(o[row], o[row + 1]) for o in (source_offsets, target_offsets))
        similarity = _measure(x[here], y[there], distortion, normalise)
        chosen = extract(similarity, "match", threshold=threshold)
        found.append(word_links(*chosen, source_words[here], target_words[there]))
    offsets = np.cumsum([0, *(len(links[0]) for links in found)], dtype=np.int64)
    empty = word_links(np.zeros((0, 0)), np.zeros((0, 0)), source_words[:0], target_words[:0])
    source, target, score = (np.concatenate(part) for part in zip(empty, *found, strict=True))
    return offsets, source, target, score


@njit(cache=True)
def _best_of_words(
    selected: np.ndarray, score: np.ndarray, source_words: np.ndarray, target_words: np.ndarray, table: np.ndarray
) -> None:
    """Into `table` (source words, target words), 0 before: the best score of the selected cells of two words."""
    m, n = selected.shape
    for i in range(m):
        for j in range(n):
            if selected[i, j] and score[i, j] > table[source_words[i], target_words[j]]:
                table[source_words[i], target_words[j]] = score[i, j]


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Dot products (m, n) float32 of float32 rows.

    A BLAS is no faster for matrices of a sentence, and its threads fight those of the encoder: 30 ms for 40 x 40 of
    768 on a busy machine, against .08 ms. Here a cell depends on nothing but its two vectors.
    """
    m, d = x.shape
    n = len(y)
    products = np.empty((m, n), dtype=np.float32)
    for i in range(m):
        for j in range(n):
            total = np.float32(0.0)
            for k in range(d):
                total += x[i, k] * y[j, k]
            products[i, j] = total
    return products


@njit(cache=True)
def _measure(x: np.ndarray, y: np.ndarray, kappa: float, normalise: bool) -> np.ndarray:
    """`cosine` of unit vectors or `dot`, and `distort`; float64, which has no other order than the float32 in it."""
    products = _products(x, y)
    m, n = products.shape
    similarity = np.empty((m, n), dtype=np.float64)
    for i in range(m):
        for j in range(n):
            value = products[i, j]
            if normalise:
                value = (value + np.float32(1.0)) / np.float32(2.0)
            similarity[i, j] = value
            if kappa != 0.0 and m > 1 and n > 1:
                similarity[i, j] *= 1.0 - (j / (n - 1.0) - i / (m - 1.0)) ** 2 * kappa
    return similarity


@njit(cache=True)
def _longer(values: np.ndarray, used: int, more: int) -> np.ndarray:
    """`values` with room for `more` behind the used ones; doubled, so that all copies together stay linear."""
    if used + more <= len(values):
        return values
    grown = np.empty(max(used + more, 2 * len(values)), dtype=values.dtype)
    grown[:used] = values[:used]
    return grown


@njit(cache=True)
def _links_of_block(
    x: np.ndarray,
    source_offsets: np.ndarray,
    source_words: np.ndarray,
    y: np.ndarray,
    target_offsets: np.ndarray,
    target_words: np.ndarray,
    code: int,
    threshold: float,
    distortion: float,
    normalise: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rows = len(source_offsets) - 1
    offsets = np.zeros(rows + 1, dtype=np.int64)
    room = max(len(source_words), len(target_words))
    source, target = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
    scores = np.empty(room, dtype=np.float32)
    used = 0
    for row in range(rows):
        start, stop = source_offsets[row], source_offsets[row + 1]
        other, end = target_offsets[row], target_offsets[row + 1]
        m, n = stop - start, end - other
        if m > 0 and n > 0:
            similarity = _measure(x[start:stop], y[other:end], distortion, normalise)
            selected, score = np.zeros((m, n), dtype=np.bool_), np.zeros((m, n), dtype=np.float32)
            select(similarity, code, threshold, selected, score)
            heads, tails = source_words[start:stop], target_words[other:end]
            table = np.zeros((heads[-1] + 1, tails[-1] + 1), dtype=np.float32)
            _best_of_words(selected, score, heads, tails, table)
            more = np.count_nonzero(table)
            source, target = _longer(source, used, more), _longer(target, used, more)
            scores = _longer(scores, used, more)
            for i in range(table.shape[0]):
                for j in range(table.shape[1]):
                    if table[i, j] > 0.0:
                        source[used], target[used], scores[used] = i, j, table[i, j]
                        used += 1
        offsets[row + 1] = used
    return offsets, source[:used].copy(), target[:used].copy(), scores[:used].copy()
