"""Matching problems made up for measuring: entities, candidate spans and scores, no corpus needed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Problems(NamedTuple):
    """Flat matching problems as the solvers read them.

    Entities of sentence r are `entities[r]:entities[r + 1]`, candidates of entity k `offsets[k]:offsets[k + 1]`.
    """

    entities: np.ndarray
    offsets: np.ndarray
    start: np.ndarray
    end: np.ndarray
    score: np.ndarray


def ngrams(first: int, last: int, longest: int) -> list[tuple[int, int]]:
    """All spans of at most `longest` words in [first, last)."""
    return [(a, b) for a in range(first, last) for b in range(a + 1, min(a + longest, last) + 1)]


def problems(
    rng: np.random.Generator, sentences: int, *, words: int, entities: int | None, longest: int, anywhere: bool = False
) -> Problems:
    """Sentences of `words` words with `entities` entities (1 to 5 if None) and candidates of at most `longest` words.

    An entity's candidates are all n-grams of a range of `longest` words, as links give them, or with `anywhere` all
    n-grams of the sentence, as model scores have them. Scores are highest near a true span and partly below 0.
    """
    counts, sizes, spans, scores = [0], [0], [], []
    for _ in range(sentences):
        k = entities or int(rng.integers(1, 6))
        counts.append(k)
        for _ in range(k):
            first = int(rng.integers(0, max(1, words - longest + 1)))
            mine = ngrams(0, words, longest) if anywhere else ngrams(first, min(words, first + longest), longest)
            places = np.array(mine)
            true = places[rng.integers(len(places))]
            distance = np.abs(places - true).sum(axis=1)
            scores.append(1.0 / (1.0 + distance) - 0.1 + rng.normal(0, 0.1, len(places)))
            spans.append(places)
            sizes.append(len(places))
    flat = np.concatenate(spans)
    return Problems(
        np.cumsum(counts), np.cumsum(sizes), flat[:, 0].astype(np.int32), flat[:, 1].astype(np.int32),
        np.concatenate(scores).astype(np.float32),
    )  # fmt: skip
