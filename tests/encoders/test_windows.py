"""Windows of long sentences."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xproj.encoders.windows import windows

COUNTS = st.lists(st.integers(0, 9), min_size=1, max_size=120)


def chosen(counts, capacity, overlap):
    """The window of each word that has sub-words, its start and its end, by the rule as it is written."""
    found = windows(np.array(counts), capacity, overlap)
    starts = np.cumsum([0, *counts])
    for word, count in enumerate(counts):
        if not count:
            continue
        first, last = starts[word], starts[word + 1]
        whole = [w for w in found if w.start <= first and last <= w.end]
        best = max(whole, key=lambda w: (min(first - w.start, w.end - 1 - first), -w.start))
        (keeper,) = [w for w in found if w.first <= first < w.last]
        assert last <= keeper.last, "a word is kept whole"
        yield keeper, best


@given(COUNTS, st.integers(9, 60), st.integers(0, 40))
def test_each_word_comes_from_the_window_where_it_is_farthest_from_an_edge(counts, capacity, overlap):
    for keeper, best in chosen(counts, capacity, overlap):
        assert keeper == best


@given(COUNTS, st.integers(9, 60), st.integers(0, 40))
def test_windows_are_whole_words_that_fit_and_cover_the_sentence(counts, capacity, overlap):
    found = windows(np.array(counts), capacity, overlap)
    borders = set(np.cumsum([0, *counts]).tolist())
    total = sum(counts)
    for window in found:
        assert 0 <= window.start <= window.first < window.last <= window.end or total == 0
        assert window.end - window.start <= capacity
        assert {window.start, window.end} <= borders
    assert [w.first for w in found] == [0, *(w.last for w in found[:-1])] and found[-1].last == total
    assert len(found) == 1 or total > capacity


@given(st.integers(200, 900), st.integers(140, 200))
def test_neighbours_share_at_least_the_overlap(words, capacity):
    found = windows(np.ones(words, dtype=np.int64), capacity, 64)
    if words <= capacity:
        assert found == [(0, words, 0, words)]
    for one, other in zip(found, found[1:], strict=False):
        assert one.end - other.start >= 64


def test_a_sentence_that_fits_is_one_window():
    assert windows(np.array([3, 0, 5]), 8) == [(0, 8, 0, 8)]


def test_words_as_long_as_a_window():
    assert [(w.start, w.end) for w in windows(np.array([8, 8, 8]), 8)] == [(0, 8), (8, 16), (16, 24)]


def test_the_last_window_reaches_back():
    (first, last) = windows(np.ones(10, dtype=np.int64), 8, 2)
    assert first == (0, 8, 0, 5) and last == (2, 10, 5, 10)
