"""What the corpus projects elsewhere: hashes, and the evidence against plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core import case, precedents
from xproj.core.precedents import BOUNDARY, CONSENSUS, EVERY_CASE, HashTable

VOCABULARY = ["a", "b", "c", "der", "über"]
sentences = st.lists(st.sampled_from(range(len(VOCABULARY))), min_size=1, max_size=7)
keys = st.integers(1, 2**64 - 1)


def hashes(words):
    """The hash of each word, (n,) uint64."""
    letters = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, letters)])
    return precedents.word_hashes(offsets, np.frombuffer(b"".join(letters), dtype=np.uint8))


@given(st.dictionaries(keys, st.integers(-9, 9), max_size=200), st.lists(keys, max_size=20))
def test_a_table_is_a_dictionary_with_zero_for_what_is_missing(known, others):
    table = HashTable.of(np.array(list(known), dtype=np.uint64), np.array(list(known.values()), dtype=np.float32))
    wanted = [*known, *others]
    assert table.look_up(np.array(wanted, dtype=np.uint64)).tolist() == [known.get(key, 0) for key in wanted]
    assert np.count_nonzero(table.keys) == len(known) <= len(table.keys) / 2


def test_keys_that_collide_are_told_apart():
    colliding = np.arange(1, 9, dtype=np.uint64) << np.uint64(40) | (np.arange(1, 9, dtype=np.uint64) << np.uint64(8))
    assert HashTable.of(colliding, np.arange(8)).look_up(colliding).tolist() == list(range(8))


def test_words_are_known_by_their_letters():
    one, other = hashes(["Der", "Übel", "", "x"]), hashes(["der", "übel", "", "y"])
    assert (one == other).tolist() == [True, False, True, False], "only A to Z are made small"
    assert len(hashes([])) == 0 and len(set(hashes(VOCABULARY).tolist())) == len(VOCABULARY)
    # FNV-1a of "a", from its definition
    assert hashes(["a"])[0] == ((14695981039346656037 ^ ord("a")) * 1099511628211) % 2**64


def test_odds_leave_one_out():
    same = np.full(5, case.CASELESS)
    of_case, found = precedents.odds(np.array([0, 1, 5, 1, 2]), np.array([0, 0, 0, 7, 2]), same)
    assert np.exp(found) == pytest.approx([1, 1, 4.5 / 0.5, 0.5 / 6.5, 1], rel=0.05)
    # no case says anything where all words have one
    assert np.exp(of_case) == pytest.approx(np.ones(case.KINDS), rel=0.1)


counts = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, case.KINDS - 1)), max_size=9)


@given(counts)
def test_odds_are_drawn_to_those_of_the_case(words):
    """The module's equations in plain Python."""
    inside, outside = (sum(word[side] for word in words) for side in (0, 1))
    share = (inside + 0.5) / (inside + outside + 1)
    of_case = []
    for kind in range(case.KINDS):
        mine = [sum(word[side] for word in words if word[2] == kind) for side in (0, 1)]
        odds = (mine[0] + EVERY_CASE * share) / (mine[1] + EVERY_CASE * (1 - share))
        of_case.append(odds / (share / (1 - share)))
    expected = []
    for within, without, kind in words:
        p = of_case[kind] / (1 + of_case[kind])
        expected.append((max(within - 1, 0) + p) / (max(without - 1, 0) + 1 - p))
    columns = (np.array(side, dtype=np.int64) for side in (zip(*words, strict=True) if words else ([], [], [])))
    found = precedents.odds(*columns)
    assert np.exp(found[0]) == pytest.approx(of_case) and np.exp(found[1]) == pytest.approx(expected)


def test_a_word_that_was_not_counted_has_the_odds_of_its_case():
    words, cases = hashes(["Ana", "ana", "ran", "Bo"]), np.array([case.CAPITAL, case.SMALL, case.SMALL, case.CAPITAL])
    nothing = HashTable.of(np.zeros(0, dtype=np.uint64), np.zeros(0))
    one = HashTable.of(precedents.with_case(words[:1], cases[:1]), np.array([0.5]))
    known = precedents.Precedents(nothing, nothing, one, np.array([0, 0, 0, -3, 2], dtype=np.float32))
    assert known.word_odds(words, cases).tolist() == [2.5, -3, -3, 2]


def reference(source, target, entity, spans, voted, votes, odds):
    """The evidence of the module in plain Python; `votes` count pairs of phrases, `voted` is the span of the entity."""
    phrase = tuple(source[entity[0] : entity[1]])
    mine = {pair: count for pair, count in votes.items() if pair[0] == phrase}
    own = None if voted < 0 else (phrase, tuple(target[slice(*spans[voted])]))
    if mine.get(own):
        mine[own] -= 1
    said = []
    for a, b in spans:
        value = lambda at: odds.get(target[at], 0.0) if 0 <= at < len(target) else 0.0  # noqa: E731
        edges = (value(a) + value(b - 1) - value(a - 1) - value(b)) / 4
        consensus = mine.get((phrase, tuple(target[a:b])), 0) / (sum(mine.values()) + 1)
        said.append(CONSENSUS * consensus + BOUNDARY * edges)
    return said


def table_of(counts, keys):
    return HashTable.of(np.array([keys[one] for one in counts], dtype=np.uint64), np.array(list(counts.values())))


@given(st.data(), sentences, sentences)
def test_evidence_against_plain_python(data, source, target):
    start = data.draw(st.integers(0, len(source) - 1))
    entity = start, data.draw(st.integers(start + 1, len(source)))
    every = [(a, b) for a in range(len(target)) for b in range(a + 1, len(target) + 1)]
    spans = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=5, unique=True))
    voted = data.draw(st.integers(-1, len(spans) - 1))
    phrases = st.lists(st.sampled_from(range(len(VOCABULARY))), min_size=1, max_size=3).map(tuple)
    mine = st.tuples(st.just(tuple(source[slice(*entity)])), st.sampled_from([tuple(target[a:b]) for a, b in spans]))
    votes = data.draw(st.dictionaries(st.tuples(phrases, phrases) | mine, st.integers(1, 5), max_size=6))
    odds = data.draw(st.dictionaries(st.sampled_from(range(len(VOCABULARY))), st.floats(-5, 3, width=32)))
    words, ids, zero = (
        hashes(VOCABULARY),
        [np.array(side, dtype=np.int32) for side in (source, target)],
        np.zeros(1, int),
    )
    keys, of_phrases = {}, {}
    for (one, two), count in votes.items():
        sides = [(np.array(side, dtype=np.int32), words, np.array([0, len(side)])) for side in (one, two)]
        spots = zero, zero, np.array([len(one)]), zero, np.array([len(two)])
        (keys[one],), (keys[one, two],) = precedents.span_hashes(*spots, *sides[0], *sides[1])
        of_phrases[one] = of_phrases.get(one, 0) + count
    out = np.zeros(len(spans), dtype=np.float32)
    at = [np.array(side) for side in zip(*spans, strict=True)]
    precedents.evidence(
        zero, np.array([entity[0]]), np.array([entity[1]]), np.array([0, len(spans)]), *at, np.array([voted]),
        ids[0], words, np.array([0, len(source)]), ids[1], words, np.array([0, len(target)]),
        *table_of(of_phrases, keys), *table_of(votes, keys), table_of(odds, words).look_up(words), out,
    )  # fmt: skip
    assert out == pytest.approx(reference(source, target, entity, spans, voted, votes, odds), abs=1e-5)


def test_where_a_source_phrase_ends_matters():
    words, ids, zero = hashes(VOCABULARY), np.zeros(3, dtype=np.int32), np.zeros(1, dtype=np.int64)
    side = ids, words, np.array([0, 3])
    pairs = [
        precedents.span_hashes(zero, zero, np.array([m]), zero, np.array([n]), *side, *side)[1][0]
        for m, n in ((1, 2), (2, 1), (1, 1))
    ]
    assert len(set(pairs)) == 3


def test_entities_without_candidates_and_empty_spans_are_passed():
    words, nothing = hashes(VOCABULARY), HashTable.of(np.zeros(0, dtype=np.uint64), np.zeros(0))
    out = np.array([0.5], dtype=np.float32)
    precedents.evidence(
        np.array([0, 0]), np.array([0, 0]), np.array([1, 1]), np.array([0, 0, 1]), np.array([1]), np.array([1]),
        np.array([-1, 0]), np.array([0]), words, np.array([0, 1]), np.array([0, 1]), words, np.array([0, 2]), *nothing,
        *nothing, np.ones(len(words), dtype=np.float32), out,
    )  # fmt: skip
    assert out.tolist() == [0]
