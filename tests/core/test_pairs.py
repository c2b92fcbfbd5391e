"""The pair table against `collections.Counter`."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core import pairs
from xproj.core.pairs import EMPTY, PairTable

sentence = st.lists(st.integers(0, 12), max_size=6)
corpus = st.lists(st.tuples(sentence, sentence), max_size=12)


def rows(sentences):
    """Flat arrays of sentence pairs of word ids."""
    flat = []
    for side in (0, 1):
        flat.append(np.array([word for pair in sentences for word in pair[side]], dtype=np.int32))
        flat.append(np.cumsum([0, *(len(pair[side]) for pair in sentences)]))
    return flat


def counted(sentences):
    return Counter((s, t) for source, target in sentences for s in source for t in target)


def held(table):
    """The pairs of a table and their counts."""
    live = table.live()
    keys = table.keys[live].tolist()
    assert keys == sorted(set(keys)) and len(keys) == table.used
    return {(key >> 32, key & 0xFFFFFFFF): int(n) for key, n in zip(keys, table.counts[live], strict=True)}


def small(max_pairs=1 << 40, slots=16):
    """A table that must grow at once."""
    return PairTable(max_pairs, np.full(slots, EMPTY, dtype=np.int64), np.zeros(slots, dtype=np.int32))


@given(corpus)
def test_equals_a_counter(sentences):
    table = PairTable.empty(1 << 40)
    table.add(*rows(sentences))
    assert held(table) == counted(sentences)
    assert table.pruned == 0


@given(corpus, st.integers(1, 5))
def test_growth_and_cuts_change_nothing(sentences, size):
    whole, parts = small(), PairTable.empty(1 << 40)
    whole.add(*rows(sentences))
    for first in range(0, len(sentences), size):
        parts.add(*rows(sentences[first : first + size]))
    assert held(whole) == held(parts) == counted(sentences)


def test_growth_over_many_sizes():
    rng = np.random.default_rng(1)
    sentences = [(rng.integers(0, 3000, 12).tolist(), rng.integers(0, 3000, 9).tolist()) for _ in range(500)]
    table = small()
    table.add(*rows(sentences))
    assert held(table) == counted(sentences)
    assert len(table.keys) >= 2 * table.used


def test_a_sentence_larger_than_the_table():
    sentences = [(list(range(80)), list(range(70)))]
    table = small()
    table.add(*rows(sentences))
    assert held(table) == counted(sentences)


def test_pruning_keeps_the_most_frequent_and_counts_the_rest():
    frequent = [([word], [word]) for word in range(30)] * 5
    rare = [([100 + word], [200 + word]) for word in range(60)]
    table = PairTable.empty(40)
    table.add(*rows(frequent + rare))
    assert held(table) == {(word, word): 5 for word in range(30)}
    assert table.pruned == 60


def test_pruning_leaves_three_quarters_at_most():
    sentences = [([word], [word]) for word in range(50) for _ in range(word)]
    table = PairTable.empty(20)
    table.add(*rows(sentences))
    assert held(table) == {(word, word): word for word in range(35, 50)}
    assert table.pruned == 34


def test_ties_are_pruned_together():
    table = PairTable.empty(5)
    table.add(*rows([([word], [0]) for word in range(6)]))
    assert held(table) == {}
    assert table.pruned == 6


def test_the_bound_holds_while_the_table_grows():
    rng = np.random.default_rng(2)
    table = small(max_pairs=300)
    for _ in range(20):
        words = rng.zipf(1.5, size=(30, 2, 8)) % 1000
        table.add(*rows([(s.tolist(), t.tolist()) for s, t in words]))
        assert table.used <= 300
        assert len(table.keys) <= 8192
    assert table.pruned > 1000
    assert held(table)[1, 1] > 1000


def test_finding():
    table = PairTable.empty(1 << 40)
    table.add(*rows([([1, 2], [3])]))
    wanted = np.array([(1 << 32) | 3, (2 << 32) | 3, (3 << 32) | 1, 0])
    assert pairs.contains(table.keys, wanted).tolist() == [True, True, False, False]
    slots = pairs.slots_of(table.keys, wanted)
    assert table.keys[slots[:2]].tolist() == wanted[:2].tolist() and slots[2:].tolist() == [-1, -1]


@pytest.mark.parametrize("count", [0, 1, 511, 512, 5000])
def test_hashed_keys_are_found(count):
    keys = np.random.default_rng(count).choice(1 << 50, size=count, replace=False).astype(np.int64)
    table = pairs.hashed(keys)
    assert sorted(table[table != EMPTY].tolist()) == sorted(keys.tolist())
    assert pairs.contains(table, keys).all() and not pairs.contains(table, keys + (1 << 51)).any()
