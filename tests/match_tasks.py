"""Matching tasks for tests: sentences with entities, links and every short span as a candidate."""

import numpy as np
import pyarrow as pa

from xproj.columns import EntityColumn, LinkColumn, TokenColumn
from xproj.scorers import MatchTask

LANGUAGES = ("eng_Latn", "deu_Latn")


def match_task(rows, max_words=3):
    """A task of rows (source words, target words, entities, links[, spans]); a row without entities has no words."""
    kept = [row if row[2] else ([], [], [], [], ()) for row in rows]
    short = [
        [(a, b) for a in range(len(row[1])) for b in range(a + 1, min(len(row[1]), a + max_words) + 1)] for row in kept
    ]
    spans = [list(row[4]) if len(row) > 4 else found for row, found in zip(kept, short, strict=True)]
    flat = np.array([span for row in spans for span in row], dtype=np.int32).reshape(-1, 2)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in spans])]).astype(np.int64)
    return MatchTask(
        pa.array([f"s-{' '.join(row[1])}" for row in rows], pa.string()),
        TokenColumn.of([list(row[0]) for row in kept]),
        TokenColumn.of([list(row[1]) for row in kept]),
        EntityColumn.of([row[2] for row in kept]),
        LinkColumn.of([row[3] for row in kept]),
        offsets,
        flat[:, 0].copy(),
        flat[:, 1].copy(),
        LANGUAGES,
    )
