"""How well a target span carries an entity, from alignment links alone.

For an entity of n_s source words, a candidate of n_t target words, and T the target words linked to the entity:

    raw        2 · |links between entity and candidate| / (n_s + n_t)                               unbounded
    bounded    f · cov,  f = 2 · |T ∩ candidate| / (n_t + |T|),  cov = share of source words linked into the candidate
    posterior  (Σ value(w) − Σ cost(edge) − 2 · breaks) / (n_s + n_t),   over the words w of entity and candidate,
               value(w) = in + 0.95 · un − 0.5 · out,   cost(edge) = common + case + joiner

In the posterior form each word's link mass, scaled down where it exceeds 1, is split into `in`, mass that joins entity
and candidate, `out`, mass that leaves them, and `un`, the rest: a word that is aligned elsewhere speaks against the
span, an unaligned one hardly does, and a source word that has only half of its links inside counts by half.

A frequent word at an edge that is linked only to rare words of the entity is most often an article whose partner the
source language leaves out, and one that is linked to a frequent word within the entity joins names (“Wettbewerbspolitik
der Europäischen Union” is not “the European Union's competition policy”). With g(w) = f / (f + 0.015), f the relative
frequency of a word on its side of the corpus, the first and the last word of a candidate cost

    common(t) = 2.5 · max(0, g(t) − min(g_E, max g(i)))

i the source words of the entity linked to t, g_E the larger g of its first and its last word.

A small letter at an edge speaks against the span where the entity has capitals: case(t) = 0.6 · the contrast of the
corpus against small letters (see `case`), if all source words of the entity linked to t have a capital and none stands
first in its sentence. At an unlinked edge (see `extension`) the unlinked content words of the entity are its partners,
and one capital is enough.

A comma separates names: each word of punctuation in a candidate costs 2 where the entity has none, and so does one of
`bare_words.BREAKS` behind a word that is not the last one of the candidate. Marks that may join words (`case.JOINERS`)
cost that at an edge only, where the entity has no word of punctuation of any kind.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from xproj.core.case import BEFORE_BREAK, CAPITAL, JOINER, KIND, PUNCTUATION, SMALL
from xproj.core.extension import LINKED, MOST_COMMON
from xproj.core.link_mass import fill_linked_mass

FORMS = ("posterior", "bounded", "raw")
UNALIGNED = 0.95
ELSEWHERE = 0.5
COMMON = 2.5
AGAINST_PUNCTUATION = 2.0
AGAINST_SMALL = 0.6


class Traits(NamedTuple):
    """How common words are, in [0, 1), float32, and their case with breaks (see `case`), int8: by source and target
    word of all rows, with row offsets. `contrast` is that of `case.contrast`.

    Words that stand in no candidate and in no entity may be left at 0. Empty arrays leave the traits out.
    """

    source_common: np.ndarray
    source_case: np.ndarray
    source_offsets: np.ndarray
    target_common: np.ndarray
    target_case: np.ndarray
    target_offsets: np.ndarray
    contrast: float


@njit(cache=True)
def _value(inside: float, outside: float) -> float:
    """The value of a word with such link masses."""
    scale = max(1.0, inside + outside)
    joined, away = inside / scale, outside / scale
    return joined + UNALIGNED * (1.0 - joined - away) - ELSEWHERE * away


@njit(cache=True)
def _fill_costs(
    first: int,
    of_source: np.ndarray,
    link_source: np.ndarray,
    link_target: np.ndarray,
    source_common: np.ndarray,
    source_case: np.ndarray,
    target_common: np.ndarray,
    target_case: np.ndarray,
    contrast: float,
    low: int,
    high: int,
    partner: np.ndarray,
    small: np.ndarray,
    cost: np.ndarray,
) -> None:
    """Fill `cost` (words,) with what each target word of a row, from `low` up to `high`, costs at an edge.

    The links are those of the row, the entity begins at word `first` of its sentence; `of_source` is the link mass of
    its words. Cases are with breaks. `partner` and `small` (words,) are room for what the words are linked to: how
    common that is (-1 without a link), and whether any of it has no capital.
    """
    # an entity of a failed row may reach beyond its sentence
    last = min(first + len(of_source), len(source_common))
    outer = max(source_common[first], source_common[last - 1]) if first < last else 0.0
    partner[:], small[:] = -1.0, False
    for x in range(len(link_source)):
        i, t = link_source[x], link_target[x]
        if first <= i < last:
            partner[t] = max(partner[t], min(outer, source_common[i]))
            small[t] |= source_case[i] & KIND != CAPITAL or i == 0
    missing = False
    for i in range(first, last):
        content = of_source[i - first] < LINKED and source_common[i] < MOST_COMMON and source_case[i] > JOINER
        missing |= content and source_case[i] & KIND == CAPITAL and i > 0
    marked = False
    for i in range(first, last):
        marked |= source_case[i] <= JOINER
    for t in range(low, high):
        cost[t] = COMMON * max(0.0, target_common[t] - max(0.0, partner[t]))
        if target_case[t] == JOINER and not marked:
            cost[t] += AGAINST_PUNCTUATION
        if target_case[t] & KIND == SMALL and (not small[t] if partner[t] >= 0.0 else missing):
            cost[t] += AGAINST_SMALL * contrast


@njit(cache=True)
def _charge_breaks(
    of_entity: np.ndarray, case: np.ndarray, low: int, high: int, value: np.ndarray, breaks: np.ndarray
) -> None:
    """Take from `value`, prefix sums over the words of a row from `low` up to `high`, what each word of punctuation
    costs, and fill `breaks` with the prefix sums of what marks behind words cost, unless the entity has either.

    `of_entity` and `case` are the cases of its words and of those of the row, with breaks.
    """
    breaks[low : high + 1] = 0.0
    for i in range(len(of_entity)):
        if of_entity[i] == PUNCTUATION or (of_entity[i] >= BEFORE_BREAK and i < len(of_entity) - 1):
            return
    charged = 0.0
    for t in range(low, high):
        if case[t] == PUNCTUATION:
            charged += AGAINST_PUNCTUATION
        value[t + 1] -= charged
        breaks[t + 1] = breaks[t] + (AGAINST_PUNCTUATION if case[t] >= BEFORE_BREAK else 0.0)


@njit(cache=True)
def _costs(cost: np.ndarray, breaks: np.ndarray, a: int, b: int) -> float:
    """What the first and the last word of [a, b) cost, and breaks before the last one; a single word pays once, an
    empty span nothing."""
    if b <= a:
        return 0.0
    return float(cost[a] + (cost[b - 1] if b - 1 > a else 0.0) + breaks[b - 1] - breaks[a])


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
    source_common: np.ndarray,
    source_case: np.ndarray,
    source_offsets: np.ndarray,
    target_common: np.ndarray,
    target_case: np.ndarray,
    target_offsets: np.ndarray,
    contrast: float,
    out: np.ndarray,
) -> None:
    """Fill `out` (candidates,) with the alignment score of each candidate; `form` indexes FORMS.

    The traits of words are those of `Traits`.
    """
    longest = target_words.max() if len(target_words) else 0
    most = (entity_end - entity_start).max() if len(rows) else 0
    # one set of arrays serves all entities
    masses, costs, of_entity = np.empty((2, longest)), np.zeros(longest), np.empty((3, most))
    sums, breaks = np.zeros((2, longest + 1)), np.zeros(longest + 1)
    partner, small = np.empty(longest), np.empty(longest, dtype=np.bool_)
    for k in range(len(rows)):
        if offsets[k] == offsets[k + 1]:
            continue
        row, first, last = rows[k], entity_start[k], entity_end[k]
        words, n_s = target_words[row], last - first
        lo, hi = link_offsets[row], link_offsets[row + 1]
        source, target, score = link_source[lo:hi], link_target[lo:hi], link_score[lo:hi]
        inside, outside, cost = masses[0, :words], masses[1, :words], costs[:words]
        of_source, covered, hits = of_entity[0, :n_s], of_entity[1, :n_s], of_entity[2, :n_s]
        fill_linked_mass(first, last, source, target, score, inside, outside, of_source)
        # prefix sums over the target words that candidates reach: value, number of linked words
        low, high = start[offsets[k] : offsets[k + 1]].min(), end[offsets[k] : offsets[k + 1]].max()
        value, linked = sums[0], sums[1]
        reached = float((inside > 0.0).sum()) if form == 1 else 0.0
        value[low] = linked[low] = 0.0
        for t in range(low, high):
            value[t + 1] = value[t] + _value(inside[t], outside[t])
            linked[t + 1] = linked[t] + (1.0 if inside[t] > 0.0 else 0.0)
        if len(target_common):
            here = slice(source_offsets[row], source_offsets[row + 1])
            there = slice(target_offsets[row], target_offsets[row + 1])
            _fill_costs(
                first, of_source, source, target, source_common[here], source_case[here], target_common[there],
                target_case[there], contrast, low, high, partner[:words], small[:words], cost,
            )  # fmt: skip
            _charge_breaks(source_case[here][first:last], target_case[there], low, high, value, breaks)
        for c in range(offsets[k], offsets[k + 1]):
            a, b = start[c], end[c]
            covered[:], hits[:] = 0.0, 0.0
            for x in range(len(source)):
                if first <= source[x] < last and a <= target[x] < b:
                    covered[source[x] - first] += score[x]
                    hits[source[x] - first] += 1.0
            length = n_s + b - a
            if form == 2:
                out[c] = 2.0 * hits.sum() / length
            elif form == 1:
                hit = 0.0
                for i in range(n_s):
                    hit += min(1.0, hits[i])
                out[c] = 2.0 * (linked[b] - linked[a]) / (b - a + reached) * hit / n_s
            else:
                total = value[b] - value[a] - _costs(cost, breaks, a, b)
                for i in range(n_s):
                    total += _value(covered[i], max(0.0, of_source[i] - covered[i]))
                out[c] = total / length
