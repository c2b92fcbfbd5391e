"""Constrained marker placement: where in a fixed translation a pair of markers goes (Le et al. 2024, "CODEC").

The translation is a fixed sequence of sub-words y; a span of words becomes the sequence y with an opening marker at
sub-word i and a closing one at j. Its score is log p of that whole sequence, given the source with the same markers
round one entity. The search is best-first branch and bound: log p of the sequence up to a marker is never less than
that of the whole, so a span whose beginning is already less likely than the best whole one cannot win.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CHUNK = re.compile(r"\S+")
SPACE = "▁"  # what sub-words of SentencePiece have for the space before a word
# openings that are followed at a time; with `reduced` no others
OPENINGS = 16
# the same log p comes out differently in batches of different shapes, by less than this
SLACK = 1e-3


class Target(NamedTuple):
    """A translation as sub-words, and where in it its words begin and end.

    `ids` (n,); `first` and `last` (words,) are the sub-words [first, last) of each word, -1 where it begins or ends
    inside a sub-word, so that no marker can stand there.
    """

    ids: list[int]
    first: np.ndarray
    last: np.ndarray


class Insertions(NamedTuple):
    """All the spans that markers can enclose: `words` and `places` (spans, 2), half-open, of words and of sub-words."""

    words: np.ndarray
    places: np.ndarray


class Scorer(Protocol):
    """log p of parts of one target sequence of n sub-words, given one source."""

    def clean(self) -> tuple[np.ndarray, np.ndarray]:
        """Without markers: of each sub-word and the end, and of an opening marker in its stead, (n + 1,) each."""
        ...

    def opened(self, places: np.ndarray) -> np.ndarray:
        """With a marker opened at `places` (rows,): of all up to a closing marker at j, itself included.

        Returns (rows, n + 1); of a marker of several sub-words only the first one of the closing marker is included.
        """
        ...

    def placed(self, places: np.ndarray, begun: np.ndarray) -> np.ndarray:
        """Of whole sequences with markers at `places` (rows, 2), (rows,); `begun` (rows,) is what `opened` gave."""
        ...

    @property
    def rows(self) -> int:
        """How many sequences it takes at a time."""
        ...


class Found(NamedTuple):
    """The result of a search: the number of the best span, its log p, and how many whole sequences were scored.

    `proven` is True where no span that was left out can be better.
    """

    span: int
    score: float
    scored: int
    proven: bool


def target(
    text: str, words: Sequence[tuple[int, int]], encode: Callable[[list[str]], list[tuple[list[int], list[str]]]]
) -> Target:
    """The sub-words of a text, chunk by chunk between white space, and those of each word.

    Args:
        text: the translation.
        words: the characters `[start, end)` of its words.
        encode: ids and names of the sub-words of each chunk.
    """
    chunks = [match.span() for match in CHUNK.finditer(text)]
    ids: list[int] = []
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for (start, end), (found, names) in zip(chunks, encode([text[a:b] for a, b in chunks]), strict=True):
        for character, piece in borders(text[start:end], names).items():
            starts[start + character] = ends[start + character] = len(ids) + piece
        ids += found
        ends[end] = len(ids)
    first = [starts.get(start, -1) for start, _ in words]
    last = [ends.get(end, -1) for _, end in words]
    return Target(ids, np.array(first, dtype=np.int64), np.array(last, dtype=np.int64))


def borders(chunk: str, pieces: Sequence[str]) -> dict[int, int]:
    """Where sub-words begin: how many of them stand before a character of the chunk, as far as that can be seen.

    Characters are compared in their compatibility form (NFKC), one by one, as tokenizers change them. Where they
    differ, e.g. at an unknown one, the next sub-word is looked for that occurs just once in what is left.

    Args:
        chunk: text without white space.
        pieces: its sub-words by their names.
    """
    changed = [unicodedata.normalize("NFKC", character).replace(" ", "") for character in chunk]
    plain = "".join(changed)
    at = {0: 0}  # character of the chunk by character of `plain`
    place = 0
    for number, character in enumerate(changed):
        place += len(character)
        at.setdefault(place, number + 1)
    found, place, lost = {0: 0}, 0, False
    for number, piece in enumerate(pieces):
        name = piece.replace(SPACE, "")
        if lost and name and plain.count(name, place + 1) == 1:
            place, lost = plain.index(name, place + 1), False
        elif lost:
            continue
        if place in at:
            found.setdefault(at[place], number)
        lost = not plain.startswith(name, place)
        place += 0 if lost else len(name)
    return found


def insertions(words: Target) -> Insertions:
    """The spans of words whose first one begins with a sub-word, and whose last one ends with one."""
    starts, ends = np.flatnonzero(words.first >= 0), np.flatnonzero(words.last >= 0)
    first, last = (side.ravel() for side in np.meshgrid(starts, ends, indexing="ij"))
    # words that share a sub-word have no border between them
    fits = (first <= last) & (words.first[first] < words.last[last])
    first, last = first[fits], last[fits]
    return Insertions(np.stack([first, last + 1], axis=1), np.stack([words.first[first], words.last[last]], axis=1))


def search(scorer: Scorer, places: np.ndarray, limit: int | None = None) -> Found:
    """The most likely span.

    Without a limit, it is the best of all. With one, markers are opened only at the `OPENINGS` places where the opening
    marker is the most likely next sub-word, and of the spans from there, only the `limit` most promising ones are
    scored whole: by log p up to the closing marker, plus log p of the rest as it is without markers.

    Args:
        scorer: of one source and target.
        places: sub-words (spans, 2), at least one.
        limit: how many spans may be scored whole, at most; None for all.
    """
    clean, marker = scorer.clean()
    before = np.concatenate([np.zeros(1), np.cumsum(clean, dtype=np.float64)])
    after = np.cumsum(clean[::-1], dtype=np.float64)[::-1]
    bound = before[places[:, 0]] + marker[places[:, 0]]
    best, score, scored = -1, -np.inf, np.zeros(len(places), dtype=np.bool_)
    for openings in _groups(places, marker, everything=limit is None):
        inside = np.flatnonzero(np.isin(places[:, 0], openings) & ~(bound < score - SLACK))
        if not len(inside):
            continue
        begins, row = np.unique(places[inside, 0], return_inverse=True)
        bound[inside] = _opened(scorer, begins)[row, places[inside, 1]]
        guess = bound[inside] + after[places[inside, 1]]
        order = inside[np.argsort(-guess, kind="stable")][:limit]
        for start in range(0, len(order), scorer.rows):
            part = order[start : start + scorer.rows]
            part = part[~(bound[part] < score - SLACK)]
            if not len(part):
                continue
            totals = scorer.placed(places[part], bound[part])
            scored[part] = True
            k = int(np.argmax(totals))
            # -inf of all of them is a best one, too
            if best < 0 or totals[k] > score:
                best, score = int(part[k]), float(totals[k])
    return Found(best, score, int(scored.sum()), bool((scored | (bound < score - SLACK)).all()))


def _groups(places: np.ndarray, marker: np.ndarray, *, everything: bool) -> Iterator[np.ndarray]:
    """Openings, `OPENINGS` at a time, the likeliest first."""
    openings = np.unique(places[:, 0])
    openings = openings[np.argsort(-marker[openings], kind="stable")]
    for start in range(0, len(openings) if everything else 1, OPENINGS):
        yield openings[start : start + OPENINGS]


def _opened(scorer: Scorer, begins: np.ndarray) -> np.ndarray:
    parts = [scorer.opened(begins[k : k + scorer.rows]) for k in range(0, len(begins), scorer.rows)]
    return np.concatenate(parts)
