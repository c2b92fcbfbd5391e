"""Voting: several projections of the same sentences become one.

An item is a span that anybody proposes; a voter says of it a label, or O, or nothing where the voter failed the row.

    majority   the share of the row's voters that propose span and label
    bea        the posterior of a label under Dawid and Skene's model: each voter has a confusion matrix, each item a
               hidden true label, and both are inferred by variational Bayes (Rahimi, Li, Cohn, ACL 2019)

Either way spans are then taken by descending share or posterior, without overlaps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit
from scipy.special import psi

from xproj.core.metrics import groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.columns import Bool, EntityColumn, Int64

ABSENT, OUTSIDE = -1, 0
TOLERANCE = 1e-3
MAX_ITERATIONS = 1000


class Ballots(NamedTuple):
    """The items of a table, sorted by row, start and end, (items,), and what each voter says, (items, voters).

    `value` is ABSENT, OUTSIDE or the number of a label, from 1; `score` is that of the voter's span, 0 without one;
    `source` the source entity that it came from, -1 where that is not known.
    """

    row: Int64
    start: Int64
    end: Int64
    value: np.ndarray
    score: np.ndarray
    source: np.ndarray


class Choices(NamedTuple):
    """Labelled spans, (choices,): the item, the number of the label, and its share or posterior."""

    item: Int64
    label: Int64
    score: np.ndarray


class Patterns(NamedTuple):
    """The distinct rows of `Ballots.value`, (patterns, voters), sorted, and how many items have each, (patterns,)."""

    value: np.ndarray
    items: Int64


class Confusions(NamedTuple):
    """What `infer` has learned of K labels (the first is O) and of each voter.

    `prior` (K,) is the share of each true label, `confusion` (voters, true label, given label) adds up to 1 over given
    labels, `posterior` (patterns, K) over true labels.
    """

    prior: np.ndarray
    confusion: np.ndarray
    posterior: np.ndarray
    iterations: int
    converged: bool


def collect(
    voters: Sequence[EntityColumn], sources: Sequence[np.ndarray], present: Bool, names: Sequence[str]
) -> Ballots:
    """The ballots of some voters on the same rows.

    Args:
        voters: what each has proposed. Of a span that a voter gives twice, the better score counts, then the first.
        sources: for each voter the source entity of each of its spans, -1 where it is not known.
        present: which voter takes part in which row, (rows, voters).
        names: the labels, numbered from 1; those of the voters are among them.
    """
    number = {name: i + 1 for i, name in enumerate(names)}
    row = np.concatenate([np.repeat(np.arange(len(column)), np.diff(column.offsets)) for column in voters])
    who = np.repeat(np.arange(len(voters)), [len(column.start) for column in voters])
    start, end, score = (
        np.concatenate([getattr(column, side) for column in voters]) for side in ("start", "end", "score")
    )
    label = np.concatenate([np.array([number[n] for n in column.names], np.int32)[column.label] for column in voters])
    score, source = np.nan_to_num(score, nan=1.0), np.concatenate(sources)
    order = np.lexsort((-score, who, end, start, row))
    order = order[present[row[order], who[order]]]
    row, who, start, end, label, score, source = (a[order] for a in (row, who, start, end, label, score, source))
    fresh = np.ones(len(row), dtype=bool)
    fresh[1:] = (row[1:] != row[:-1]) | (start[1:] != start[:-1]) | (end[1:] != end[:-1])
    first = fresh.copy()
    first[1:] |= who[1:] != who[:-1]
    place = (np.cumsum(fresh) - 1)[first], who[first]
    value = np.where(present[row[fresh]], OUTSIDE, ABSENT).astype(np.int32)
    scores, found = np.zeros(value.shape), np.full(value.shape, -1, dtype=np.int64)
    value[place], scores[place], found[place] = label[first], score[first], source[first]
    return Ballots(row[fresh], start[fresh].astype(np.int64), end[fresh].astype(np.int64), value, scores, found)


def majority(ballots: Ballots, labels: int, min_share: float) -> Choices:
    """The labelled spans that more than `min_share` of the voters of their row propose; `labels` is their number."""
    votes = np.zeros((len(ballots.row), labels + 1))
    for number in range(1, labels + 1):
        votes[:, number] = np.sum(ballots.value == number, axis=1)
    share = votes / np.sum(ballots.value != ABSENT, axis=1)[:, None]
    item, label = np.nonzero(share > min_share)
    return Choices(item, label, share[item, label])


def most_probable(posterior: np.ndarray, min_share: float) -> Choices:
    """The most probable label of each item, of those more probable than `min_share`.

    Args:
        posterior: of each item, (items, labels), O first. Of equally probable labels the first counts.
        min_share: the bound.
    """
    if posterior.shape[1] == 1:
        return Choices(*(np.zeros(0, dtype=np.int64),) * 2, np.zeros(0))
    label = posterior[:, 1:].argmax(axis=1) + 1
    best = posterior[np.arange(len(label)), label]
    item = np.flatnonzero(best > min_share)
    return Choices(item, label[item], best[item])


def without_overlaps(ballots: Ballots, choices: Choices) -> Choices:
    """The choices that no better one of their row overlaps, sorted by row and start.

    Better is the larger share or posterior, then the larger mean score of its voters, then the longer span, then the
    leftmost, then the earlier label.
    """
    item, label, score = choices
    row, start, end = (side[item] for side in (ballots.row, ballots.start, ballots.end))
    mine = ballots.value[item] == label[:, None]
    mean = np.sum(ballots.score[item], axis=1, where=mine) / np.maximum(mine.sum(axis=1), 1)
    order = np.lexsort((label, start, start - end, -mean, -score, row))
    kept = np.flatnonzero(_free(row, start, end, order))
    kept = kept[np.lexsort((start[kept], row[kept]))]
    return Choices(item[kept], label[kept], score[kept])


@njit(cache=True)
def _free(row: np.ndarray, start: np.ndarray, end: np.ndarray, order: np.ndarray) -> np.ndarray:
    kept = np.zeros(len(order), dtype=np.bool_)
    begin = 0
    for i in range(len(order)):
        c = order[i]
        if row[c] != row[order[begin]]:
            begin = i
        free = True
        for j in range(begin, i):
            d = order[j]
            if kept[d] and start[c] < end[d] and start[d] < end[c]:
                free = False
                break
        kept[c] = free
    return kept


def origins(ballots: Ballots, choices: Choices) -> Int64:
    """The source entity of each choice, (choices,): that of the first voter with span and label, else with the span.

    -1 where no voter knows.
    """
    source = ballots.source[choices.item]
    same = (ballots.value[choices.item] == choices.label[:, None]) & (source >= 0)
    known = np.where(same.any(axis=1), same.argmax(axis=1), (source >= 0).argmax(axis=1))
    return np.asarray(source[np.arange(len(source)), known], dtype=np.int64)


def patterns(value: np.ndarray, items: Int64 | None = None) -> Patterns:
    """The distinct rows of `value`, (n, voters); each stands for as many items as given, (n,), else for one."""
    items = np.ones(len(value), dtype=np.int64) if items is None else items
    ids, members = groups(*value.T)
    total = np.zeros(len(members), dtype=np.int64)
    np.add.at(total, ids, items)
    return Patterns(value[members], total)


def infer(found: Patterns, labels: int) -> Confusions:
    """Infer true labels and confusions by variational Bayes, from vote shares until no posterior moves by TOLERANCE.

    Items of one pattern have the same posterior, so the cost depends on patterns, not on items.

    Args:
        found: the patterns of the whole corpus.
        labels: how many labels there are, O not counted.
    """
    value, items = found
    k, n = labels + 1, int(items.sum())
    said = [value[:, j, None] == np.arange(k) for j in range(value.shape[1])]
    z = np.sum(said, axis=0) / np.sum(value != ABSENT, axis=1)[:, None]
    weight, change, iterations = items[:, None], np.inf, 0
    while change >= TOLERANCE and iterations < MAX_ITERATIONS:
        true = np.sum(weight * z, axis=0) + 1.0
        given = np.stack([1.0 + np.einsum("pk,pl->kl", weight * z, votes.astype(np.float64)) for votes in said])
        log = psi(given) - psi(given.sum(axis=2, keepdims=True))
        total = np.tile(psi(true) - psi(n + k), (len(value), 1))
        for j in range(len(said)):
            total += np.where(value[:, j, None] == ABSENT, 0.0, log[j].T[value[:, j]])
        new = np.exp(total - total.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        change, z = float(np.abs(new - z).max(initial=0.0)), new
        iterations += 1
    confusion = given / given.sum(axis=2, keepdims=True)
    return Confusions(true / true.sum(), confusion, z, iterations, change < TOLERANCE)


def posteriors(found: Patterns, learned: Confusions, value: np.ndarray) -> np.ndarray:
    """The posterior of each item, (items, K), whose rows of `value`, (items, voters), are among the patterns."""
    ids, _ = groups(*np.concatenate([found.value, value]).T)
    table = np.empty_like(learned.posterior)
    table[ids[: len(found.value)]] = learned.posterior
    return np.asarray(table[ids[len(found.value) :]])
