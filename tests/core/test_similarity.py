"""Similarities and extraction against plain references, and against the functions of the simalign package."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.core.similarity import (
    METHODS,
    PROBABILISTIC,
    cosine,
    distort,
    dot,
    extract,
    links_of_block,
    pooled,
    pooled_block,
    word_links,
)

COSINE = [method for method in METHODS if method not in PROBABILISTIC]


def vectors(rng, count, dim=8):
    return rng.standard_normal((count, dim)).astype(np.float32)


def coarse(rng, m, n):
    """A similarity matrix with many ties."""
    return (rng.integers(0, 5, (m, n)) / 4).astype(np.float32)


matrices = st.builds(
    lambda m, n, seed, ties: (
        coarse(np.random.default_rng(seed), m, n)
        if ties
        else np.random.default_rng(seed).random((m, n), dtype=np.float32)
    ),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)


# --- the package as the oracle ---


@pytest.fixture(scope="module")
def package():
    return pytest.importorskip("simalign").SentenceAligner


def by_package(package, similarity, method):
    forward, reverse = package.get_alignment_matrix(similarity)
    if method == "itermax":
        return package.iter_max(similarity) > 0
    if method == "match":
        return package.get_max_weight_match(similarity) > 0
    return {"argmax": forward * reverse, "forward": forward, "reverse": reverse}[method] > 0


@pytest.mark.parametrize("method", ["argmax", "itermax", "forward", "reverse"])
def test_links_of_the_package(package, method):
    @settings(max_examples=150)
    @given(matrices)
    def check(similarity):
        selected, score = extract(similarity, method)
        assert (selected == by_package(package, similarity, method)).all()
        assert np.allclose(score[selected], similarity[selected], atol=1e-5) and not score[~selected].any()

    check()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 7), (3, 3), (6, 9), (9, 6), (20, 17)])
def test_match_of_the_package(package, shape):
    rng = np.random.default_rng(shape)
    for _ in range(3):
        similarity = rng.random(shape, dtype=np.float32)
        assert (extract(similarity, "match")[0] == by_package(package, similarity, "match")).all()


@pytest.mark.parametrize("method", ["argmax", "itermax", "forward", "reverse", "match"])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 1.0])
def test_vectors_to_links_as_the_package_does(package, method, kappa):
    rng = np.random.default_rng(3)
    for m, n in [(1, 1), (1, 4), (2, 2), (7, 5), (12, 15)]:
        x, y = vectors(rng, m), vectors(rng, n)
        theirs = package.apply_distortion(package.get_similarity(x, y), kappa)
        assert np.allclose(distort(cosine(x, y), kappa), theirs, atol=1e-6)
        offsets, source, target, _ = links_of_block(
            x, [0, m], np.arange(m), y, [0, n], np.arange(n), method, distortion=kappa, normalise=True
        )
        assert set(zip(source, target, strict=True)) == set(
            zip(*np.nonzero(by_package(package, theirs, method)), strict=True)
        )
        assert offsets.tolist() == [0, len(source)]


def test_word_vectors_of_the_package(package):
    rng = np.random.default_rng(4)
    x, words = vectors(rng, 6), np.array([0, 0, 1, 2, 2, 2])
    theirs, _ = package.average_embeds_over_words([x, x], [[["a", "b"], ["c"], ["d", "e", "f"]]] * 2)
    distinct, mine = pooled(x, words)
    assert distinct.tolist() == [0, 1, 2] and np.allclose(mine, theirs, atol=1e-6)


# --- plain references ---


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def entmax(values):
    """1.5-entmax by bisection over its threshold."""
    halves = np.asarray(values, dtype=np.float64) / 2
    low, high = halves.max() - 1, halves.max()
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if (np.maximum(halves - middle, 0) ** 2).sum() > 1 else (low, middle)
    return np.maximum(halves - high, 0) ** 2


@pytest.mark.parametrize(("method", "function"), [("softmax", softmax), ("entmax", entmax)])
@pytest.mark.parametrize("threshold", [0.0, 0.001, 0.1])
def test_mutual_probability(method, function, threshold):
    @settings(max_examples=100)
    @given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 10.0]))
    def check(m, n, seed, scale):
        similarity = (np.random.default_rng(seed).standard_normal((m, n)) * scale).astype(np.float32)
        p = np.apply_along_axis(function, 1, similarity.astype(np.float64))
        q = np.apply_along_axis(function, 0, similarity.astype(np.float64))
        clear = (abs(p - threshold) > 1e-9) & (abs(q - threshold) > 1e-9)
        selected, score = extract(similarity, method, threshold=threshold)
        assert (selected == ((p > threshold) & (q > threshold)))[clear].all()
        chosen = selected & clear
        p, q = p[chosen], q[chosen]
        assert np.allclose(score[chosen], 2 * p * q / (p + q), atol=2e-6)

    check()


def test_entmax_has_exact_zeros_and_sums_to_one():
    values = np.array([[5.0, 4.9, 0.0]], dtype=np.float32)
    selected, _ = extract(values.T @ np.ones((1, 1), dtype=np.float32), "entmax")
    assert selected[:, 0].tolist() == [True, True, False]
    assert entmax(values[0]).sum() == pytest.approx(1)


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_in_range(method):
    @settings(max_examples=60)
    @given(matrices)
    def check(similarity):
        selected, score = extract(similarity, method)
        assert selected.dtype == bool and score.dtype == np.float32
        assert ((score > 0) == selected).all() and score.max() <= 1

    check()


@pytest.mark.parametrize("method", METHODS)
def test_empty_sides(method):
    for shape in [(0, 0), (0, 3), (3, 0)]:
        selected, score = extract(np.zeros(shape, dtype=np.float32), method)
        assert selected.shape == score.shape == shape
        assert [len(part) for part in word_links(selected, score, *(np.zeros(k, dtype=np.int32) for k in shape))] == [
            0,
            0,
            0,
        ]


@pytest.mark.parametrize("method", METHODS)
def test_vectors_that_are_not_numbers_make_no_links(method):
    broken = np.full((4, 5), np.nan, dtype=np.float32)
    assert not extract(broken, method)[0].any()
    x = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    x[1] = np.nan
    links = links_of_block(x, [0, 4], np.arange(4), x, [0, 4], np.arange(4), method, normalise=method in COSINE)
    assert 1 not in links[1] and 1 not in links[2] and np.isfinite(links[3]).all()


def test_a_threshold_of_similarity():
    similarity = np.array([[0.9, 0.2], [0.1, 0.4]], dtype=np.float32)
    for method in COSINE:
        assert extract(similarity, method)[0].diagonal().all()
        assert extract(similarity, method, threshold=0.5)[0].tolist() == [[True, False], [False, False]]


def test_opposite_vectors_are_linked_with_a_positive_score():
    x = np.array([[1.0, 0.0]], dtype=np.float32)
    *_, score = links_of_block(x, [0, 1], [0], -x, [0, 1], [0], "argmax", normalise=True)
    assert score.tolist() == pytest.approx([1e-6])


def test_the_second_round_of_itermax():
    similarity = np.array([[0.9, 0.1, 0.1], [0.8, 0.3, 0.1], [0.1, 0.1, 0.1], [0.1, 0.85, 0.1]], dtype=np.float32)
    assert list(zip(*np.nonzero(extract(similarity, "argmax")[0]), strict=True)) == [(0, 0), (3, 1)]
    # row 1 is free, its best column is not: .9 x .8 beats the free column, and column 0 has no better free row
    assert list(zip(*np.nonzero(extract(similarity, "itermax")[0]), strict=True)) == [(0, 0), (1, 0), (3, 1)]


def test_dot_and_cosine():
    x, y = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[3.0, 4.0], [-4.0, 3.0], [-3.0, -4.0]])
    assert np.allclose(dot(x, y), [[25, 0, -25], [0, 0, 0]])
    assert np.allclose(cosine(x, y), [[1, 0.5, 0], [0.5, 0.5, 0.5]], atol=1e-6)
    assert dot(x, y).dtype == cosine(x, y).dtype == np.float32


# --- words ---


def test_word_links_take_the_best_unit():
    selected = np.array([[True, False, True], [True, False, False], [False, False, True]])
    score = np.where(selected, np.array([[0.5, 0.0, 0.4], [0.9, 0.0, 0.0], [0.0, 0.0, 0.3]]), 0).astype(np.float32)
    source, target, best = word_links(selected, score, np.array([0, 0, 2]), np.array([1, 1, 4]))
    assert list(zip(source, target, strict=True)) == [(0, 1), (0, 4), (2, 4)]
    assert best.tolist() == pytest.approx([0.9, 0.4, 0.3])
    assert [source.dtype, target.dtype, best.dtype] == [np.int32, np.int32, np.float32]


def test_pooled_keeps_words_of_two_sentences_apart():
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    means, offsets, words = pooled_block(x, np.array([0, 0, 3, 3, 6, 6]), np.array([0, 2, 2, 2, 3, 3]))
    assert offsets.tolist() == [0, 0, 2, 2, 4, 4] and words.tolist() == [0, 2, 2, 3]
    assert means.tolist() == [[0, 1], [3, 4], [6, 7], [9, 10]]
    assert [len(part) for part in pooled_block(x[:0], np.array([0, 0]), np.zeros(0, dtype=np.int32))] == [0, 2, 0]


def block(seed, sizes):
    """Vectors, offsets and words of sentences with so many words; words have 0 to 3 units."""
    rng = np.random.default_rng(seed)
    words = [np.repeat(np.arange(size), rng.integers(0, 4, size)) for size in sizes]
    offsets = np.cumsum([0, *(len(part) for part in words)])
    return vectors(rng, int(offsets[-1])), offsets, np.concatenate([np.zeros(0, dtype=np.int64), *words])


@pytest.mark.parametrize("method", METHODS)
def test_a_block_is_its_pairs(method):
    cosines = method in COSINE

    @settings(max_examples=30)
    @given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=5), st.integers(0, 10**6), st.booleans())
    def check(sizes, seed, distorted):
        kappa = 0.5 if distorted and cosines else 0.0
        source, target = block(seed, [m for m, _ in sizes]), block(seed + 1, [n for _, n in sizes])
        threshold = 0.0 if cosines else 0.001
        found = links_of_block(*source, *target, method, threshold, kappa, normalise=cosines)
        assert [part.dtype for part in found] == [np.int64, np.int32, np.int32, np.float32]
        assert len(found[0]) == len(sizes) + 1
        for row in range(len(sizes)):
            (x, heads), (y, tails) = (
                (side[0][side[1][row] : side[1][row + 1]], side[2][side[1][row] : side[1][row + 1]])
                for side in (source, target)
            )
            similarity = distort(cosine(x, y), kappa) if cosines else dot(x, y)
            expected = word_links(*extract(similarity, method, threshold=threshold), heads, tails)
            here = slice(found[0][row], found[0][row + 1])
            for mine, theirs in zip(found[1:], expected, strict=True):
                assert mine[here].tolist() == pytest.approx(theirs.tolist(), abs=1e-6)

    check()


def test_no_rows():
    empty = np.zeros((0, 8), dtype=np.float32), np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32)
    for method in METHODS:
        assert [len(part) for part in links_of_block(*empty, *empty, method, normalise=False)] == [1, 0, 0, 0]


def test_what_cannot_be():
    one = np.ones((1, 2), dtype=np.float32), [0, 1], [0]
    with pytest.raises(ValueError, match="unknown extraction 'viterbi'; known: argmax"):
        links_of_block(*one, *one, "viterbi", normalise=True)
    with pytest.raises(ValueError, match="unknown extraction"):
        extract(one[0], "viterbi")
    with pytest.raises(ValueError, match="distortion"):
        links_of_block(*one, *one, "softmax", distortion=0.5, normalise=False)
