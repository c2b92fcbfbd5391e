"""Dictionaries: the entries that a fit of the statistical aligner reads as more sentence pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xproj.columns import TokenColumn, build_list

if TYPE_CHECKING:
    from xproj.aligners.views import Vocabulary


def read_entries(
    path: str, languages: tuple[str, str], source: Vocabulary, target: Vocabulary
) -> tuple[TokenColumn, TokenColumn]:
    """The words of those entries of a dictionary whose words are all known, as two columns of equal length.

    Args:
        path: a bitext of an entry a line, source<TAB>target; a word with several translations has several lines.
        languages: codes of source and target language, by which entries are cut into words.
        source: the words of the source side of the corpus.
        target: those of its target side.

    Raises:
        CorpusError: a file that cannot be read or holds one side only.
    """
    from xproj.corpora import read_bitext

    empty = pa.array([], type=pa.list_(pa.string()))
    sides: tuple[list[pa.Array], list[pa.Array]] = ([empty], [empty])
    for part in read_bitext(Path(path), *languages):
        kept = pa.array(_complete(part[0], source) & _complete(part[1], target))
        for side, tokens in zip(sides, part, strict=True):
            side.append(build_list(tokens.offsets, tokens.values).filter(kept))
    first, second = (TokenColumn.read(pa.chunked_array(side)) for side in sides)
    return first, second


def _complete(tokens: TokenColumn, vocabulary: Vocabulary) -> np.ndarray:
    """The rows that have words, and none that is new, (n,) bool."""
    unknown = np.concatenate([[0], np.cumsum(~vocabulary.knows(tokens))])
    complete: np.ndarray = (np.diff(unknown[tokens.offsets]) == 0) & (tokens.lengths > 0)
    return complete
