"""The tension of the diagonal against plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from xproj.core import lexicon, orthography, word_order
from xproj.core.pairs import PairTable
from xproj.core.statistical import Rows

NAMES = ["Merkel", "Nairobi", "Zaandam", "Thorvald", "Lumumba", "Oksana", "Quentin", "Beirut"]


def measured(pairs, *, pieces=1):
    """The tension of sentence pairs, given as word lists; read in so many pieces."""
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    words = [list(dict.fromkeys(word for sentence in side for word in sentence)) for side in sides]

    def encode(part):
        arrays = []
        for side, distinct in zip(zip(*part, strict=True), words, strict=True):
            ids = [distinct.index(word) for sentence in side for word in sentence]
            arrays += [np.array(ids, dtype=np.int32), np.cumsum([0, *map(len, side)])]
        return Rows(*arrays)

    size = max(1, -(-len(pairs) // pieces))
    rows = [encode(pairs[first : first + size]) for first in range(0, len(pairs), size)]
    table = PairTable.empty(1 << 40)
    for part in rows:
        table.add(*part)
    live = table.live()
    extra = lexicon.alike_counts(table.keys, live, *orthography.spellings(*words))
    return word_order.tension(rows, table.keys, live, extra, words[0])


def plain(anchors):
    """The same of anchors (i, j, m, n), by the likelihood itself."""

    def loss(tension):
        total = 0.0
        for i, j, m, n in anchors:
            for at, place, size in ((i / m, j / n, m), (j / n, i / m, n)):
                mass = sum(math.exp(-tension * abs(k / size - place)) for k in range(size))
                total += tension * abs(at - place) + math.log(mass)
        return total

    top = 3 + 2 / 0.3
    best = (
        optimize.minimize_scalar(loss, bounds=(0, top), method="bounded", options={"xatol": 1e-6}).x if anchors else 0
    )
    return (len(anchors) * min(2, 0.3 * max(0, best - 3)) + 10 * 1.0) / (len(anchors) + 10)


@st.composite
def corpora(draw):
    """Sentence pairs of filler and names that each stand once on either side, and the places of the names."""
    pairs, anchors = [], []
    for row in range(draw(st.integers(0, 6))):
        m, n = draw(st.integers(1, 12)), draw(st.integers(1, 12))
        source, target = [f"x{row}a{k}" for k in range(m)], [f"y{row}b{k}" for k in range(n)]
        count = draw(st.integers(0, min(m, n, 4)))
        here = draw(st.permutations(range(m)))[:count]
        there = draw(st.permutations(range(n)))[:count]
        for name, i, j in zip(NAMES, here, there, strict=False):
            source[i] = target[j] = name
            if min(m, n) > 1 and 2 * count <= min(m, n):
                anchors.append((i, j, m, n))
        pairs.append((source, target))
    return pairs, anchors


@settings(max_examples=60)
@given(corpora(), st.integers(1, 3))
def test_tension_equals_that_of_the_likelihood(corpus, pieces):
    pairs, anchors = corpus
    assert measured(pairs, pieces=pieces) == pytest.approx(plain(anchors), abs=2e-3)


def test_no_anchor_leaves_the_prior():
    assert measured([]) == measured([(["one", "."], ["eins", "."])]) == word_order.PRIOR_TENSION


def filled(names, turned=False):
    """A sentence pair of names with as much filler behind each."""
    source, target = (
        [word for name in side for word in (name, f"{letter}1")] for side, letter in ((names, "x"), (names, "y"))
    )
    return source, target[::-1] if turned else target


def test_words_that_look_like_several_are_no_anchors():
    twice = [(["Merkel", "a", "b", "c"], ["Merkel", "d", "Merkel", "e"])] * 50
    assert measured(twice) == measured([(f, e) for e, f in twice]) == word_order.PRIOR_TENSION


@pytest.mark.parametrize(("word", "anchor"), [("Morkul", False), ("Merkelun", True)])
def test_an_anchor_is_more_alike_than_a_bound(word, anchor):
    assert (measured([(["Merkel", "a", "b"], [word, "c", "d"])] * 50) > 1.5) == anchor


def test_the_same_order_is_strong_and_a_reversed_one_free():
    assert measured([filled(NAMES)] * 200) > 1.95
    assert measured([filled(NAMES, turned=True)] * 200) < 0.05


def test_pairs_without_translation_say_nothing():
    copied = [word for k, name in enumerate(NAMES) for word in (name, f"filler{chr(97 + k)}")]
    real = [filled(NAMES, turned=True)] * 20
    assert measured([*real, *[(copied, copied)] * 200]) == measured(real)


def test_the_first_anchors_are_enough():
    first = [filled(NAMES)] * (word_order.MOST_ANCHORS // len(NAMES))
    assert measured([*first, *[filled(NAMES, turned=True)] * len(first)]) == measured(first)


@settings(max_examples=30)
@given(corpora())
def test_both_directions_have_one_tension(corpus):
    pairs, _ = corpus
    assert measured(pairs) == pytest.approx(measured([(f, e) for e, f in pairs]), abs=1e-9)
