"""Where markers can go in a fixed sequence of sub-words, and the search for the best place."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core import placement
from xproj.core.placement import borders, insertions, search, target


@pytest.mark.parametrize(
    ("chunk", "pieces", "found"),
    [
        ("Berlin.", ["▁Ber", "lin", "."], {0: 0, 3: 1, 6: 2}),
        ("Berlin", ["▁", "Berlin"], {0: 0}),
        ("Ⅷ,b", ["▁VI", "II", ",", "b"], {0: 0, 1: 2, 2: 3}),  # one character that becomes four
        ("東京は雨", ["▁", "東", "<unk>", "は", "雨"], {0: 0, 1: 2, 2: 3, 3: 4}),
        ("東京は雲は雨", ["▁東", "<unk>", "は", "雨"], {0: 0, 1: 1, 5: 3}),  # は is there twice
        ("مر", ["▁<unk>"], {0: 0}),
        ("", [], {0: 0}),
    ],
)
def test_borders_of_sub_words(chunk, pieces, found):
    assert borders(chunk, pieces) == found


@given(st.lists(st.text("abcäß", min_size=1, max_size=3), min_size=1, max_size=6))
def test_every_border_is_found_where_sub_words_spell_the_text(pieces):
    found = borders("".join(pieces), ["▁" + pieces[0], *pieces[1:]])
    assert found == {len("".join(pieces[:k])): k for k in range(len(pieces))}


def letters(chunks):
    """Sub-words of two letters, numbered through."""
    cut = [[chunk[k : k + 2] for k in range(0, len(chunk), 2)] for chunk in chunks]
    return [([hash(piece) for piece in pieces], ["▁" + pieces[0], *pieces[1:]]) for pieces in cut]


def test_words_that_share_a_sub_word_have_no_border():
    # di | de lU mb ri a.
    found = target("di delUmbria.", [(0, 2), (3, 6), (6, 12), (12, 13)], letters)
    assert found.first.tolist() == [0, 1, -1, -1] and found.last.tolist() == [1, -1, -1, 6]
    spans = insertions(found)
    assert spans.words.tolist() == [[0, 1], [0, 4], [1, 4]]
    assert spans.places.tolist() == [[0, 1], [0, 6], [1, 6]]


def test_texts_of_one_word_and_of_none():
    assert insertions(target("Roma", [(0, 4)], letters)).places.tolist() == [[0, 2]]
    assert insertions(target("", [], letters)).words.shape == (0, 2)


class Toy:
    """A language model whose probabilities are drawn from the whole prefix; `[` is -1 and `]` is -2."""

    rows = 3

    def __init__(self, n, seed):
        self.y, self.seed, self.calls = list(range(n)), seed, 0

    def log_p(self, sequence):
        draws = [zlib.crc32(repr((self.seed, sequence[: k + 1])).encode()) / 2**32 for k in range(len(sequence))]
        return np.log(np.array(draws) * 0.98 + 0.01)

    def clean(self):
        y = [*self.y, "end"]
        return self.log_p(y), np.array([self.log_p([*y[:i], -1])[-1] for i in range(len(y))])

    def opened(self, places):
        return np.array(
            [
                [
                    self.log_p([*self.y[:i], -1, *self.y[i:j], -2]).sum() if j > i else -np.inf
                    for j in range(len(self.y) + 1)
                ]
                for i in places
            ]
        )

    def whole(self, i, j):
        return self.log_p([*self.y[:i], -1, *self.y[i:j], -2, *self.y[j:], "end"]).sum()

    def placed(self, places, begun):
        assert len(places) <= self.rows
        self.calls += len(places)
        return np.array([self.whole(i, j) for i, j in places])


def every(n):
    return np.array([(i, j) for i in range(n) for j in range(i + 1, n + 1)])


@given(st.integers(1, 12), st.integers(0, 10_000))
def test_without_a_limit_the_best_of_all_is_found(n, seed):
    toy, places = Toy(n, seed), every(n)
    totals = [toy.whole(i, j) for i, j in places]
    found = search(toy, places)
    assert found.span == int(np.argmax(totals)) and found.score == pytest.approx(max(totals))
    assert found.proven and found.scored == toy.calls <= len(places)


@given(st.integers(1, 12), st.integers(0, 10_000), st.integers(1, 20))
def test_with_a_limit_no_more_is_scored_and_a_proof_holds(n, seed, limit):
    toy, places = Toy(n, seed), every(n)
    totals = [toy.whole(i, j) for i, j in places]
    found = search(toy, places, limit)
    assert found.scored == toy.calls <= limit
    assert found.score == pytest.approx(totals[found.span])
    if found.proven:
        assert found.span == int(np.argmax(totals))
    if n <= placement.OPENINGS and limit >= len(places):
        assert found.proven


def test_impossible_sequences_have_a_place_all_the_same():
    class Never(Toy):
        def log_p(self, sequence):
            return np.full(len(sequence), -np.inf)

    assert search(Never(3, 0), every(3), 4).span >= 0
