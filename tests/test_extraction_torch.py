"""Extraction in torch against extraction in numba."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.core import similarity as reference
from xproj.core.similarity import METHODS, PROBABILISTIC, extract

torch = pytest.importorskip("torch")
from xproj.aligners import extraction_torch as batched  # noqa: E402

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def block(rng, sizes, dim):
    """Vectors, offsets and words of sentences with so many words; words have 0 to 3 units."""
    words = [np.repeat(np.arange(size), rng.integers(0, 4, size)) for size in sizes]
    offsets = np.cumsum([0, *(len(part) for part in words)])
    flat = np.concatenate([np.zeros(0, dtype=np.int64), *words])
    return rng.standard_normal((len(flat), dim)).astype(np.float32), offsets, flat


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", METHODS)
def test_links_of_numba(method, device):
    cosines = method not in PROBABILISTIC

    @settings(max_examples=40)
    @given(
        st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=6),
        st.integers(0, 10**6),
        st.sampled_from([0.0, 0.5]),
        st.sampled_from([0.0, 0.1, 0.45]),
        st.sampled_from([1, 60, 10**6]),
    )
    def check(sizes, seed, kappa, threshold, cells):
        rng = np.random.default_rng(seed)
        sides = [block(rng, side, 8) for side in ([m for m, _ in sizes], [n for _, n in sizes])]
        options = (method, threshold, kappa if cosines else 0.0)
        mine = batched.links_of_block(
            *(part if k % 3 else torch.from_numpy(part).to(device) for k, part in enumerate(sides[0] + sides[1])),
            *options,
            normalise=cosines,
            cells=cells,
        )
        theirs = reference.links_of_block(*sides[0], *sides[1], *options, normalise=cosines)
        for one, two in zip(mine[:3], theirs[:3], strict=True):
            assert one.dtype == two.dtype and one.tolist() == two.tolist()
        assert mine[3].dtype == np.float32 and np.allclose(mine[3], theirs[3], atol=2e-6)

    check()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", METHODS)
def test_ties_and_padding(method, device):
    @settings(max_examples=40)
    @given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=4), st.integers(0, 10**6))
    def check(sizes, seed):
        rng = np.random.default_rng(seed)
        shape = max(m for m, _ in sizes), max(n for _, n in sizes)
        # quarters: many equal cells, and larger ones in the padding than in the pairs
        padded = (rng.integers(0, 5, (len(sizes), *shape)) / 4).astype(np.float32) + 2
        for b, (m, n) in enumerate(sizes):
            padded[b, :m, :n] -= 2
        inside, within = (
            np.arange(size) < np.array(part)[:, None]
            for size, part in zip(shape, zip(*sizes, strict=True), strict=True)
        )
        tensors = (torch.from_numpy(part).to(device) for part in (padded, inside, within))
        selected, score = (part.cpu().numpy() for part in batched.extract_batch(*tensors, method, threshold=0.0))
        for b, (m, n) in enumerate(sizes):
            expected = extract(padded[b, :m, :n], method)
            assert (selected[b, :m, :n] == expected[0]).all() and selected[b].sum() == expected[0].sum()
            assert np.allclose(score[b, :m, :n], expected[1], atol=1e-6) and not score[b][~selected[b]].any()

    check()


def test_batches_are_bounded_and_complete():
    rng = np.random.default_rng(0)
    m, n = rng.integers(0, 30, 200), rng.integers(0, 30, 200)
    found = list(batched.batches(m, n, 2000))
    assert sorted(np.concatenate(found).tolist()) == np.flatnonzero((m > 0) & (n > 0)).tolist()
    assert all(len(rows) * m[rows].max() * n[rows].max() <= 2000 for rows in found)
    assert [len(rows) for rows in batched.batches(m[:0], n[:0], 5)] == []
    assert [rows.tolist() for rows in batched.batches(np.array([9]), np.array([9]), 5)] == [[0]]


@pytest.mark.parametrize("device", DEVICES)
@given(sizes=st.lists(st.integers(0, 6), max_size=6), seed=st.integers(0, 10**6))
def test_means_of_words(device, sizes, seed):
    vectors, offsets, words = block(np.random.default_rng(seed), sizes, 8)
    mine = batched.pooled_block(torch.from_numpy(vectors).to(device), offsets, words)
    theirs = reference.pooled_block(vectors, offsets, words)
    assert np.allclose(mine[0].cpu().numpy(), theirs[0], atol=1e-6)
    assert all(one.tolist() == two.tolist() for one, two in zip(mine[1:], theirs[1:], strict=True))


def test_half_precision_vectors():
    x = torch.eye(4, dtype=torch.bfloat16)
    words, offsets = np.arange(4), np.array([0, 4])
    links = batched.links_of_block(x, offsets, words, x, offsets, words, "argmax", normalise=True)
    assert links[1].tolist() == links[2].tolist() == [0, 1, 2, 3] and links[3].tolist() == [1.0] * 4


def test_what_cannot_be():
    one = torch.ones((1, 2)), np.array([0, 1]), np.array([0])
    with pytest.raises(ValueError, match="unknown extraction"):
        batched.links_of_block(*one, *one, "viterbi", normalise=True)
    with pytest.raises(ValueError, match="distortion"):
        batched.links_of_block(*one, *one, "softmax", distortion=0.5, normalise=False)
