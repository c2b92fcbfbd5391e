"""Votes against plain references: a dictionary of votes, and Dawid and Skene item by item."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import psi

from xproj.columns import EntityColumn
from xproj.core import voting

NAMES = ("LOC", "ORG", "PER")
ROWS = 3


@st.composite
def elections(draw):
    """What each voter says in each row: None, or distinct (start, end, label, score, source)."""
    span = st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from(NAMES), st.sampled_from([0.25, 0.5, 1.0]))
    row = st.lists(span, max_size=3, unique_by=lambda s: s[:2])
    rows = [draw(st.none() | row) for _ in range(draw(st.integers(1, 5)) * ROWS)]
    found = [row and [(s, s + n, label, score, draw(st.integers(-1, 2))) for s, n, label, score in row] for row in rows]
    return [found[i : i + ROWS] for i in range(0, len(found), ROWS)]


def ballots(votes):
    columns, sources = [], []
    for voter in votes:
        flat = [span for row in voter for span in row or ()]
        sizes = [len(row or ()) for row in voter]
        columns.append(
            EntityColumn(
                np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
                *(np.array([span[i] for span in flat], dtype=np.int32) for i in (0, 1)),
                np.array([NAMES.index(span[2]) for span in flat], dtype=np.int32),
                np.array([span[3] for span in flat], dtype=np.float32),
                np.ones(ROWS, dtype=bool),
                NAMES,
            )
        )
        sources.append(np.array([span[4] for span in flat], dtype=np.int64))
    present = np.array([[row is not None for row in voter] for voter in votes]).T
    return voting.collect(columns, sources, present, NAMES)


def written(made, choices):
    return [
        (int(made.row[i]), int(made.start[i]), int(made.end[i]), NAMES[k - 1])
        for i, k in zip(choices.item, choices.label, strict=True)
    ]


def elect(candidates):
    """The candidates (row, start, end, label, score, mean) that no better one overlaps."""
    chosen = []
    for c in sorted(candidates, key=lambda c: (-c[4], -c[5], c[1] - c[2], c[1], c[3])):
        if not any(c[0] == d[0] and c[1] < d[2] and d[1] < c[2] for d in chosen):
            chosen.append(c)
    return sorted(chosen)


def mean_score(votes, row, start, end, label):
    scores = [s[3] for voter in votes for s in voter[row] or () if s[:3] == (start, end, label)]
    return sum(scores) / max(len(scores), 1)


@given(elections(), st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_majority_is_a_count_of_votes(votes, share):
    candidates = []
    for row in range(ROWS):
        here = [voter[row] for voter in votes if voter[row] is not None]
        for start, end, label in {s[:3] for spans in here for s in spans}:
            part = sum((start, end, label) in [s[:3] for s in spans] for spans in here) / len(here)
            if part > share:
                candidates.append((row, start, end, label, part, mean_score(votes, row, start, end, label)))
    made = ballots(votes)
    choices = voting.without_overlaps(made, voting.majority(made, len(NAMES), share))
    expected = elect(candidates)
    assert written(made, choices) == [c[:4] for c in expected]
    assert np.allclose(choices.score, [c[4] for c in expected])
    for (row, start, end, label), found in zip(written(made, choices), voting.origins(made, choices), strict=True):
        same = [s for voter in votes for s in voter[row] or () if s[:2] == (start, end) and s[4] >= 0]
        ranked = [s[4] for s in same if s[2] == label] + [s[4] for s in same]
        assert found == (ranked[0] if ranked else -1)


def dawid_skene(values, k):
    """Item by item, voter by voter, as it is written down in the paper; values are None or a class."""
    n, voters = len(values), len(values[0])
    z = []
    for item in values:
        given = [v for v in item if v is not None]
        z.append([given.count(c) / len(given) for c in range(k)])
    change = 1.0
    while change >= voting.TOLERANCE:
        pi = [psi(sum(row[c] for row in z) + 1) - psi(n + k) for c in range(k)]
        counts = [[[1.0] * k for _ in range(k)] for _ in range(voters)]
        for item, row in zip(values, z, strict=True):
            for j, v in enumerate(item):
                for c in range(k):
                    if v is not None:
                        counts[j][c][v] += row[c]
        new = []
        for item in values:
            logs = list(pi)
            for j, v in enumerate(item):
                for c in range(k):
                    if v is not None:
                        logs[c] += psi(counts[j][c][v]) - psi(sum(counts[j][c]))
            weights = [math.exp(x - max(logs)) for x in logs]
            new.append([w / sum(weights) for w in weights])
        change = max(abs(a - b) for one, two in zip(z, new, strict=True) for a, b in zip(one, two, strict=True))
        z = new
    return z


@settings(max_examples=40)
@given(elections())
def test_bea_is_dawid_and_skene(votes):
    made = ballots(votes)
    found = voting.patterns(made.value)
    learned = voting.infer(found, len(NAMES))
    assert learned.converged and found.items.sum() == len(made.row)
    assert np.allclose(learned.confusion.sum(axis=2), 1) and np.isclose(learned.prior.sum(), 1)
    if not len(made.row):
        return
    values = [[None if v < 0 else v for v in item] for item in made.value.tolist()]
    expected = dawid_skene(values, len(NAMES) + 1)
    posterior = voting.posteriors(found, learned, made.value)
    assert np.allclose(posterior, expected, atol=1e-9)
    choices = voting.without_overlaps(made, voting.most_probable(posterior, 0.5))
    candidates = []
    for i, probabilities in enumerate(posterior.tolist()):
        row, start, end = int(made.row[i]), int(made.start[i]), int(made.end[i])
        best = 1 + int(np.argmax(probabilities[1:]))
        mean = mean_score(votes, row, start, end, NAMES[best - 1])
        if probabilities[best] > 0.5:
            candidates.append((row, start, end, NAMES[best - 1], probabilities[best], mean))
    assert written(made, choices) == [c[:4] for c in elect(candidates)]


def test_bea_finds_out_who_errs():
    """Ten voters, of whom the last three make things up: it learns to ignore them."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 400)
    value = np.repeat(true[:, None], 10, axis=1)
    for j in range(10):
        wrong = rng.random(400) < (0.7 if j > 6 else 0.1)
        value[wrong, j] = rng.integers(0, 3, wrong.sum())
    found = voting.patterns(value.astype(np.int32))
    learned = voting.infer(found, 2)
    posterior = voting.posteriors(found, learned, value)
    assert (posterior.argmax(axis=1) == true).mean() > 0.99
    right = learned.confusion[:, range(3), range(3)].mean(axis=1)
    assert right[:7].min() > 0.85 and right[7:].max() < 0.65


def test_patterns_add_up_whatever_the_slices():
    value = np.random.default_rng(1).integers(-1, 3, (200, 4))
    whole = voting.patterns(value)
    parts = [voting.patterns(value[:70]), voting.patterns(value[70:])]
    merged = voting.patterns(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("value", "items")))
    assert np.array_equal(whole.value, merged.value) and np.array_equal(whole.items, merged.items)


def test_of_a_span_given_twice_the_better_score_counts():
    made = ballots([[[(0, 2, "PER", 0.25, 0), (0, 2, "LOC", 0.5, 1)], [], None]])
    assert made.value.tolist() == [[1]] and made.score.tolist() == [[0.5]] and made.source.tolist() == [[1]]
