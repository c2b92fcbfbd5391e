"""Choosing target spans: at most one for each entity, no word twice, largest total score.

    maximise Σ c[s, t] · x[s, t]   subject to   Σ_t x[s, t] ≤ 1 for every entity s,
                                                Σ x[s, t] over spans t that cover word w ≤ 1 for every word w

`exact` solves it by dynamic programming over target positions × subsets of entities, O(words · 2^k · candidates) for k
entities whose candidates touch; entities that cannot collide are solved apart. `greedy` takes the best remaining
candidate again and again. Ties: the larger score, then the longer span, then the earlier entity, then the leftmost;
only in integer programmes (see `exact_large`) equal scores are the solver's choice.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xproj.core.link_mass import longest

EPSILON = 1e-9
MAX_ENTITIES = 16
# 25 bytes each; beyond it an integer programme is faster and needs less memory
MAX_STATES = 1 << 21


@njit(cache=True)
def _alone(
    k: int, offsets: np.ndarray, start: np.ndarray, end: np.ndarray, score: np.ndarray, floor: float
) -> tuple[int, int, int]:
    """The candidate that entity k would be given if it were alone, or -1, and the words [low, high) that its usable
    candidates touch."""
    best, low, high = -1, 1 << 30, 0
    for c in range(offsets[k], offsets[k + 1]):
        if score[c] <= 0.0 or score[c] < floor:
            continue
        low, high = min(low, start[c]), max(high, end[c])
        if best < 0 or score[c] > score[best] + EPSILON:
            best = c
        elif score[c] > score[best] - EPSILON:
            longer = (end[c] - start[c]) - (end[best] - start[best])
            if longer > 0 or (longer == 0 and start[c] < start[best]):
                best = c
    return best, low, high


@njit(cache=True)
def _apart(members: np.ndarray, start: np.ndarray, end: np.ndarray, chosen: np.ndarray) -> bool:
    """Do the candidates that are chosen for these entities share no word?"""
    for x in range(len(members)):
        for y in range(x):
            c, d = chosen[members[x]], chosen[members[y]]
            if start[c] < end[d] and start[d] < end[c]:
                return False
    return True


@njit(cache=True)
def _by_end(
    members: np.ndarray, offsets: np.ndarray, end: np.ndarray, score: np.ndarray, low: int, width: int, floor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The usable candidates of `members` by the position at which they end, and which member each belongs to.

    Those that end at position p (relative to `low`) are `order[first[p]:first[p + 1]]`.
    """
    first = np.zeros(width + 2, dtype=np.int64)
    for e in range(len(members)):
        for c in range(offsets[members[e]], offsets[members[e] + 1]):
            if score[c] > 0.0 and score[c] >= floor:
                first[end[c] - low + 1] += 1
    first = np.cumsum(first)
    order, owner = np.empty(first[-1], dtype=np.int64), np.empty(first[-1], dtype=np.int8)
    cursor = first.copy()
    for e in range(len(members)):
        for c in range(offsets[members[e]], offsets[members[e] + 1]):
            if score[c] > 0.0 and score[c] >= floor:
                order[cursor[end[c] - low]], owner[cursor[end[c] - low]] = c, e
                cursor[end[c] - low] += 1
    return first, order, owner


@njit(cache=True)
def _solve_component(
    members: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    low: int,
    high: int,
    floor: float,
    chosen: np.ndarray,
) -> None:
    """Dynamic programming over positions low..high and subsets of `members` (entities); writes `chosen`."""
    k, width = len(members), high - low
    masks = 1 << k
    best = np.zeros((width + 1, masks))
    # among equal scores: more words, then earlier entities, then those in their order, as far left as they go
    rank = np.zeros((width + 1, masks), dtype=np.int64)
    taken = np.full((width + 1, masks), -1, dtype=np.int64)
    owner = np.zeros((width + 1, masks), dtype=np.int8)
    first, order, order_owner = _by_end(members, offsets, end, score, low, width, floor)
    for p in range(1, width + 1):
        for mask in range(masks):
            best[p, mask] = best[p - 1, mask]
            rank[p, mask] = rank[p - 1, mask]
        for x in range(first[p], first[p + 1]):
            c, bit = order[x], 1 << order_owner[x]
            q, value = start[c] - low, score[c]
            weight = np.int64(k - order_owner[x])
            place = ((p - q) << 40) + (weight << 28) - weight * q
            for mask in range(masks):
                if mask & bit:
                    total = best[q, mask ^ bit] + value
                    tie = rank[q, mask ^ bit] + place
                    if total > best[p, mask] + EPSILON or (total > best[p, mask] - EPSILON and tie > rank[p, mask]):
                        best[p, mask], rank[p, mask] = total, tie
                        taken[p, mask], owner[p, mask] = c, order_owner[x]
    p, mask = width, masks - 1
    while p > 0:
        c = taken[p, mask]
        if c < 0:
            p -= 1
            continue
        e = owner[p, mask]
        chosen[members[e]] = c
        mask ^= 1 << e
        p = start[c] - low


@njit(cache=True)
def sorted_by(keys: np.ndarray) -> np.ndarray:
    """Indices that sort a handful of keys, stable; numpy's sorts take seconds to compile."""
    order = np.arange(len(keys))
    for k in range(1, len(keys)):
        at = k
        while at > 0 and keys[order[at - 1]] > keys[order[at]]:
            order[at - 1], order[at] = order[at], order[at - 1]
            at -= 1
    return order


@njit(cache=True)
def exact(
    entity_offsets: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    floor: float,
    max_entities: int,
    chosen: np.ndarray,
) -> int:
    """Fill `chosen` (entities,) with the candidate of each entity or -1.

    Entities of row r are `entity_offsets[r]:entity_offsets[r + 1]`. Where what each entity would have alone shares no
    word, that is the optimum. Of the others those whose candidates touch, directly or through others, form a component.
    One with more than `max_entities`, or MAX_STATES positions × subsets, is left at -2; returns how many entities are.
    """
    left, most = 0, longest(np.diff(entity_offsets))
    usable, low, high = (np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64))
    for row in range(len(entity_offsets) - 1):
        base, count = entity_offsets[row], 0
        for k in range(base, entity_offsets[row + 1]):
            chosen[k], low[k - base], high[k - base] = _alone(k, offsets, start, end, score, floor)
            if chosen[k] >= 0:
                usable[count] = k - base
                count += 1
        if count < 2 or _apart(usable[:count], start, end, chosen[base:]):
            continue
        order = usable[:count][sorted_by(low[usable[:count]])]
        at = 0
        while at < count:
            reach, stop = high[order[at]], at + 1
            while stop < count and low[order[stop]] < reach:
                reach = max(reach, high[order[stop]])
                stop += 1
            members = order[at:stop][sorted_by(order[at:stop])] + base
            if not _apart(members, start, end, chosen):
                if len(members) <= max_entities and (reach - low[order[at]] + 1) << len(members) <= MAX_STATES:
                    chosen[members] = -1
                    _solve_component(members, offsets, start, end, score, low[order[at]], reach, floor, chosen)
                else:
                    chosen[members] = -2
                    left += len(members)
            at = stop
    return left


@njit(cache=True)
def greedy(
    entity_offsets: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    floor: float,
    chosen: np.ndarray,
) -> None:
    """Fill `chosen` (entities,) by taking the best remaining candidate of each row until none is left."""
    for row in range(len(entity_offsets) - 1):
        first, last = entity_offsets[row], entity_offsets[row + 1]
        chosen[first:last] = -1
        while True:
            best, owner = -1, -1
            for k in range(first, last):
                if chosen[k] >= 0:
                    continue
                for c in range(offsets[k], offsets[k + 1]):
                    if score[c] <= 0.0 or score[c] < floor:
                        continue
                    if best >= 0 and not _better(c, best, owner == k, start, end, score):
                        continue
                    if _free(c, first, last, start, end, chosen):
                        best, owner = c, k
            if best < 0:
                break
            chosen[owner] = best


@njit(cache=True)
def _better(c: int, best: int, same: bool, start: np.ndarray, end: np.ndarray, score: np.ndarray) -> bool:
    """Does candidate c come before `best`, of the `same` or an earlier entity?"""
    if score[c] != score[best]:
        return bool(score[c] > score[best])
    longer = (end[c] - start[c]) - (end[best] - start[best])
    return bool(longer > 0 or (longer == 0 and same and start[c] < start[best]))


@njit(cache=True)
def _free(c: int, first: int, last: int, start: np.ndarray, end: np.ndarray, chosen: np.ndarray) -> bool:
    for k in range(first, last):
        d = chosen[k]
        if d >= 0 and start[c] < end[d] and start[d] < end[c]:
            return False
    return True


def exact_large(
    entity_offsets: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    floor: float,
    chosen: np.ndarray,
) -> None:
    """Solve the components that `exact` left at -2, too many entities for subsets, as integer programmes (HiGHS).

    Raises:
        RuntimeError: the solver did not prove an optimum.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp  # slow to import and rarely needed

    for row in range(len(entity_offsets) - 1):
        entities = np.arange(entity_offsets[row], entity_offsets[row + 1])
        entities = entities[chosen[entities] == -2]
        if not len(entities):
            continue
        owner = np.concatenate([np.full(offsets[k + 1] - offsets[k], k) for k in entities])
        spans = np.concatenate([np.arange(offsets[k], offsets[k + 1]) for k in entities])
        usable = (score[spans] > 0.0) & (score[spans] >= floor)
        owner, spans = owner[usable], spans[usable]
        words = np.arange(start[spans].min(), end[spans].max())
        once = (owner[None, :] == entities[:, None]).astype(np.float64)
        covers = ((start[spans] <= words[:, None]) & (words[:, None] < end[spans])).astype(np.float64)
        rows = np.concatenate([once, covers])
        result = milp(
            -score[spans].astype(np.float64),
            integrality=np.ones(len(spans)),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(rows, ub=np.ones(len(rows))),
            options={"mip_rel_gap": 0.0},
        )
        if result.status != 0:
            raise RuntimeError(f"matching {len(entities)} entities: {result.message}")
        chosen[entities] = -1
        taken = result.x > 0.5
        chosen[owner[taken]] = spans[taken]
