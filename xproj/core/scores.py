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
from xproj.core.link_mass import fill_linked_mass, longest

FORMS = ("posterior", "bounded", "raw")
POSTERIOR, BOUNDED, RAW = range(len(FORMS))
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


class _Room(NamedTuple):
    """Arrays that serve all entities, their first parts used: by target word of a row, by source word of an entity, and
    by link of an entity, whose source words are counted from its first."""

    inside: np.ndarray
    outside: np.ndarray
    value: np.ndarray
    breaks: np.ndarray
    cost: np.ndarray
    partner: np.ndarray
    small: np.ndarray
    of_source: np.ndarray
    covered: np.ndarray
    hits: np.ndarray
    source: np.ndarray
    target: np.ndarray
    score: np.ndarray


@njit(cache=True)
def _room(words: int, entity_words: int, links: int) -> _Room:
    """Room for so many target words, words of an entity and links of a row."""
    inside, outside, cost, partner = np.empty(words), np.empty(words), np.zeros(words), np.empty(words)
    value, breaks, small = np.empty(words + 1), np.zeros(words + 1), np.empty(words, dtype=np.bool_)
    of_source, covered, hits = np.empty(entity_words), np.empty(entity_words), np.empty(entity_words)
    source, target, score = np.empty(links, dtype=np.int64), np.empty(links, dtype=np.int64), np.empty(links)
    return _Room(inside, outside, value, breaks, cost, partner, small, of_source, covered, hits, source, target, score)


@njit(cache=True)
def _gather(
    first: int,
    words: int,
    links_from: int,
    links_to: int,
    link_source: np.ndarray,
    link_target: np.ndarray,
    link_score: np.ndarray,
    room: _Room,
) -> int:
    """The links of an entity of so many words and the link mass of each word into `room`; how many links."""
    count = 0
    room.of_source[:words] = 0.0
    for x in range(links_from, links_to):
        i = link_source[x] - first
        if 0 <= i < words:
            room.of_source[i] += link_score[x]
            room.source[count], room.target[count], room.score[count] = i, link_target[x], link_score[x]
            count += 1
    return count


@njit(cache=True)
def _value(inside: float, outside: float) -> float:
    """The value of a word with such link masses."""
    mass = inside + outside
    if mass > 1.0:
        inside, outside = inside / mass, outside / mass
    return inside + UNALIGNED * (1.0 - inside - outside) - ELSEWHERE * outside


@njit(cache=True)
def _fill_values(low: int, high: int, room: _Room) -> None:
    """Prefix sums of the values of the target words [low, high)."""
    room.value[low] = 0.0
    for t in range(low, high):
        room.value[t + 1] = room.value[t] + _value(room.inside[t], room.outside[t])


@njit(cache=True)
def _fill_partners(first: int, here: int, words: int, links: int, traits: Traits, room: _Room) -> None:
    """Fill `partner` and `small` with what target words are linked to in an entity: how common that is (-1 without a
    link), and whether any of it has no capital. The entity is `words` words from `here` of all."""
    common, case = traits.source_common, traits.source_case
    outer = max(common[here], common[here + words - 1]) if words else 0.0
    for x in range(links):
        i, t = room.source[x], room.target[x]
        if i < words:
            room.partner[t] = max(room.partner[t], min(outer, common[here + i]))
            room.small[t] |= case[here + i] & KIND != CAPITAL or first + i == 0


# here and in `_posterior` a call with so many arrays would take as long as the work
@njit(cache=True, inline="always")
def _fill_costs(
    first: int, here: int, words: int, links: int, traits: Traits, there: int, low: int, high: int, room: _Room
) -> None:
    """Fill `cost` with what each target word [low, high) of a row costs at an edge.

    The entity begins at word `first` of its sentence and is `words` words from `here` of all, the target words of the
    row begin at `there`.
    """
    missing, marked = False, False
    for i in range(words):
        case = traits.source_case[here + i]
        content = room.of_source[i] < LINKED and traits.source_common[here + i] < MOST_COMMON and case > JOINER
        missing |= content and case & KIND == CAPITAL and first + i > 0
        marked |= case <= JOINER
    room.partner[low:high], room.small[low:high] = -1.0, False
    _fill_partners(first, here, words, links, traits, room)
    for t in range(low, high):
        case, partner = traits.target_case[there + t], room.partner[t]
        cost = COMMON * max(0.0, traits.target_common[there + t] - max(0.0, partner))
        if case == JOINER and not marked:
            cost += AGAINST_PUNCTUATION
        if case & KIND == SMALL and (not room.small[t] if partner >= 0.0 else missing):
            cost += AGAINST_SMALL * traits.contrast
        room.cost[t] = cost


@njit(cache=True)
def _charge_breaks(here: int, words: int, traits: Traits, there: int, low: int, high: int, room: _Room) -> None:
    """Take from `value` what each word of punctuation costs, and fill `breaks` with the prefix sums of what marks
    behind words cost, unless the entity has either; all as in `_fill_costs`."""
    room.breaks[low : high + 1] = 0.0
    for i in range(words):
        case = traits.source_case[here + i]
        if case == PUNCTUATION or (case >= BEFORE_BREAK and i < words - 1):
            return
    charged = 0.0
    for t in range(low, high):
        case = traits.target_case[there + t]
        if case == PUNCTUATION:
            charged += AGAINST_PUNCTUATION
        room.value[t + 1] -= charged
        room.breaks[t + 1] = room.breaks[t] + (AGAINST_PUNCTUATION if case >= BEFORE_BREAK else 0.0)


@njit(cache=True)
def _costs(a: int, b: int, room: _Room) -> float:
    """What the first and the last word of [a, b) cost, and breaks before the last one; a single word pays once, an
    empty span nothing."""
    if b <= a:
        return 0.0
    return float(room.cost[a] + (room.cost[b - 1] if b - 1 > a else 0.0) + room.breaks[b - 1] - room.breaks[a])


@njit(cache=True, inline="always")
def _posterior(a: int, b: int, words: int, links: int, room: _Room) -> float:
    """The score of the candidate [a, b) for an entity of so many words."""
    room.covered[:words] = 0.0
    for x in range(links):
        if a <= room.target[x] < b:
            room.covered[room.source[x]] += room.score[x]
    total = room.value[b] - room.value[a] - _costs(a, b, room)
    for i in range(words):
        total += _value(room.covered[i], max(0.0, room.of_source[i] - room.covered[i]))
    return float(total / (words + b - a))


@njit(cache=True)
def _counted(a: int, b: int, words: int, links: int, form: int, reached: int, room: _Room) -> float:
    """The same by the forms that count links; `reached` target words are linked to the entity."""
    room.hits[:words] = 0.0
    for x in range(links):
        if a <= room.target[x] < b:
            room.hits[room.source[x]] += 1.0
    if form == RAW:
        return float(2.0 * room.hits[:words].sum() / (words + b - a))
    linked = (room.inside[a:b] > 0.0).sum()
    return float(2.0 * linked / (b - a + reached) * np.minimum(room.hits[:words], 1.0).sum() / words)


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
    traits: Traits,
    out: np.ndarray,
) -> None:
    """Fill `out` (candidates,) with the alignment score of each candidate; `form` indexes FORMS."""
    room = _room(longest(target_words), longest(entity_end - entity_start), longest(np.diff(link_offsets)))
    for k in range(len(rows)):
        if offsets[k] == offsets[k + 1]:
            continue
        row, first, words = rows[k], entity_start[k], entity_end[k] - entity_start[k]
        mine = link_offsets[row], link_offsets[row + 1], link_source, link_target, link_score
        least, most = fill_linked_mass(first, first + words, *mine, target_words[row], room.inside, room.outside)
        links = _gather(first, words, *mine, room)
        if form != POSTERIOR:
            reached = (room.inside[least:most] > 0.0).sum()
            for c in range(offsets[k], offsets[k + 1]):
                out[c] = _counted(start[c], end[c], words, links, form, reached, room)
            continue
        low, high = start[offsets[k]], end[offsets[k]]
        for c in range(offsets[k], offsets[k + 1]):
            low, high = min(low, start[c]), max(high, end[c])
        _fill_values(low, high, room)
        if len(traits.target_common):
            here, there = traits.source_offsets[row] + first, traits.target_offsets[row]
            # an entity of a failed row may reach beyond its sentence
            known = max(0, min(words, traits.source_offsets[row + 1] - here))
            _fill_costs(first, here, known, links, traits, there, low, high, room)
            _charge_breaks(here, known, traits, there, low, high, room)
        for c in range(offsets[k], offsets[k + 1]):
            out[c] = _posterior(start[c], end[c], words, links, room)
