"""Dictionaries: the entries that a fit of the statistical aligner reads as more sentence pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xproj.core.statistical import Rows

if TYPE_CHECKING:
    from xproj.aligners.views import Vocabulary
    from xproj.columns import TokenColumn


def read_entries(path: str, languages: tuple[str, str], source: Vocabulary, target: Vocabulary) -> Rows:
    """The entries of a dictionary whose words are all known, as rows of word ids; the vocabularies stay as they are.

    Args:
        path: a bitext of an entry a line, source<TAB>target; one of several translations is one line of several.
        languages: codes of source and target language, by which entries are cut into words.
        source: the words of the source side of the corpus.
        target: those of its target side.

    Raises:
        CorpusError: a file that cannot be read or holds one side only.
    """
    from xproj.corpora import read_bitext

    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([np.zeros(0, np.int32)], [np.zeros(0, np.int32)])
    lengths: tuple[list[np.ndarray], list[np.ndarray]] = ([np.zeros(1, np.int64)], [np.zeros(1, np.int64)])
    for part in read_bitext(Path(path), *languages):
        found = [vocabulary.find(tokens) for vocabulary, tokens in zip((source, target), part, strict=True)]
        kept = np.logical_and(*(_complete(ids, tokens) for ids, tokens in zip(found, part, strict=True)))
        for side, (ids, tokens) in enumerate(zip(found, part, strict=True)):
            sides[side].append(ids[np.repeat(kept, tokens.lengths)])
            lengths[side].append(tokens.lengths[kept])
    (first, second), (here, there) = map(np.concatenate, sides), (np.cumsum(np.concatenate(each)) for each in lengths)
    return Rows(first, here, second, there)


def _complete(ids: np.ndarray, tokens: TokenColumn) -> np.ndarray:
    """The rows that have words, and none that is new (−1), (n,) bool."""
    unknown = np.concatenate([[0], np.cumsum(ids < 0)])
    complete: np.ndarray = (np.diff(unknown[tokens.offsets]) == 0) & (tokens.lengths > 0)
    return complete
