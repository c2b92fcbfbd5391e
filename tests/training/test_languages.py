"""Shares of teachers by language, on clusters of made-up sentence vectors."""

import numpy as np
import pytest

pytest.importorskip("torch")

from xproj.training.languages import language_shares  # noqa: E402

DIM = 16


def cluster(centre, count, seed):
    return (centre + 0.5 * np.random.default_rng(seed).normal(size=(count, DIM))).astype(np.float32)


CENTRES = np.eye(DIM)[:3] * 3


@pytest.mark.parametrize("near", range(3))
def test_the_nearest_language_has_the_largest_share(near):
    sources = [cluster(centre, 200 + 300 * k, k) for k, centre in enumerate(CENTRES)]
    target = cluster(0.7 * CENTRES[near] + 0.3 * CENTRES[(near + 1) % 3], 150, 9)
    shares = language_shares(sources, target)
    assert shares.sum() == pytest.approx(1) and shares.argmax() == near
    assert shares[(near + 1) % 3] > shares[(near + 2) % 3]
    assert np.array_equal(shares, language_shares(sources, target))


def test_languages_that_are_as_near_have_like_shares():
    sources = [cluster(centre, 300, k) for k, centre in enumerate(CENTRES)]
    target = np.concatenate([cluster(centre, 100, 20 + k) for k, centre in enumerate(CENTRES)])
    assert language_shares(sources, target) == pytest.approx(np.full(3, 1 / 3), abs=0.05)


def test_one_language_has_all():
    assert language_shares([cluster(CENTRES[0], 5, 0)], cluster(CENTRES[1], 5, 1)).tolist() == [1.0]
