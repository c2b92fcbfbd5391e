"""How well a target span carries an entity, from alignment links alone.

For an entity of n_s source words, a candidate of n_t target words, and T the target words linked to the entity:

    raw        2 · |links between entity and candidate| / (n_s + n_t)                               unbounded
    bounded    f · cov,  f = 2 · |T ∩ candidate| / (n_t + |T|),  cov = share of source words linked into the candidate
    posterior  (in_t + in_s + 0.9 · (un_t + un_s) − 0.5 · (out_t + out_s)) / (n_s + n_t) + 0.01 · in_t

In the posterior form each word's link mass (at most 1) is split into `in`, mass that joins entity and candidate,
`out`, mass that leaves them, and `un`, the rest: a word that is aligned elsewhere speaks against the span, an unaligned
one hardly does. With links of score 1 it is the same evidence on hard links.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.candidates import linked_mass

FORMS = ("posterior", "bounded", "raw")
UNALIGNED = 0.9
ELSEWHERE = 0.5
LENGTH_BONUS = 0.01


@njit(cache=True)
def alignment(
    rows: np.ndarray,
    entity_start: np.ndarray,
    entity_end: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    link_offsets: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    target_words: np.ndarray,
    form: int,
    unaligned: float,
    elsewhere: float,
    bonus: float,
    out: np.ndarray,
) -> None:
    """Fill `out` (candidates,) with the alignment score of each candidate; `form` indexes FORMS."""
    for k in range(len(rows)):
        if offsets[k] == offsets[k + 1]:
            continue
        row = rows[k]
        lo, hi = link_offsets[row], link_offsets[row + 1]
        source, target, score = link_source[lo:hi], link_target[lo:hi], link_score[lo:hi]
        first, last = entity_start[k], entity_end[k]
        inside, outside, of_source = linked_mass(first, last, source, target, score, target_words[row])
        linked_targets = (inside > 0.0).sum()
        n_s = last - first
        covered = np.zeros(n_s)
        hits = np.zeros(n_s, dtype=np.int64)
        mine = np.flatnonzero((source >= first) & (source < last))
        for c in range(offsets[k], offsets[k + 1]):
            a, b = start[c], end[c]
            n_t = b - a
            covered[:] = 0.0
            hits[:] = 0
            for x in mine:
                if a <= target[x] < b:
                    covered[source[x] - first] += score[x]
                    hits[source[x] - first] += 1
            if form == 2:
                out[c] = 2.0 * hits.sum() / (n_s + n_t)
            elif form == 1:
                joined = (inside[a:b] > 0.0).sum()
                out[c] = 2.0 * joined / (n_t + linked_targets) * (hits > 0).sum() / n_s
            else:
                total, in_t = 0.0, 0.0
                for t in range(a, b):
                    joined_mass = min(1.0, inside[t])
                    away = min(1.0 - joined_mass, outside[t])
                    in_t += joined_mass
                    total += joined_mass + unaligned * (1.0 - joined_mass - away) - elsewhere * away
                for i in range(n_s):
                    joined_mass = min(1.0, covered[i])
                    away = min(1.0 - joined_mass, of_source[i] - covered[i])
                    total += joined_mass + unaligned * (1.0 - joined_mass - away) - elsewhere * away
                out[c] = total / (n_s + n_t) + bonus * in_t
