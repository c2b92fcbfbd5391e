"""One set of links out of those of several aligners.

mean    a link needs a mean score of at least the threshold; a member without the link says 0
vote    a link needs more than half of the members; its score is the mean of those that have it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xproj.core.link_sets import stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.core.link_sets import Links

METHODS = ("mean", "vote")


def combine(members: Sequence[Links], method: str, threshold: float) -> Links:
    """The links of an ensemble, sorted by row, source word and target word.

    Args:
        members: the links of each member: offsets (rows + 1,), source, target, score; all of the same rows.
        method: one of METHODS.
        threshold: the smallest mean score of a link (mean).

    Raises:
        ValueError: an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    found = stack(members)
    if not len(found.first):
        return members[0]
    total = np.add.reduceat(found.score, found.first)
    if method == "vote":
        return found.links(total / found.sizes, 2 * found.sizes > len(members))
    mean = (total / len(members)).astype(np.float32)
    return found.links(mean, (mean >= np.float32(threshold)) & (mean > 0))
