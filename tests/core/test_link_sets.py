"""Sets of links put together: ensembles by mean and vote, and the noisy or, against plain dictionaries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import LinkColumn
from xproj.core import ensemble, link_sets
from xproj.core.pair_scores import pair_scores

SCORES = st.sampled_from([0.0625, 0.25, 0.5, 0.75, 1.0])
CELLS = st.tuples(st.integers(0, 3), st.integers(0, 3))
ROW = st.dictionaries(CELLS, SCORES, max_size=6)


@st.composite
def members(draw):
    """Links of the same rows by one to four members."""
    rows = draw(st.integers(0, 4))
    return [draw(st.lists(ROW, min_size=rows, max_size=rows)) for _ in range(draw(st.integers(1, 4)))]


def flat(rows):
    links = LinkColumn.of([[(*cell, score) for cell, score in sorted(row.items())] for row in rows])
    return links.offsets, links.source, links.target, links.score


def rows(links):
    """Dictionaries again; links must be sorted and of the types of a LinkColumn."""
    offsets, source, target, score = links
    assert [a.dtype for a in links] == [np.int64, np.int32, np.int32, np.float32]
    found = []
    for low, high in zip(offsets[:-1], offsets[1:], strict=True):
        cells = list(zip(source[low:high].tolist(), target[low:high].tolist(), strict=True))
        assert cells == sorted(set(cells))
        found.append(dict(zip(cells, score[low:high].tolist(), strict=True)))
    return found


def plain(given_, choose):
    """`choose` gets the scores of a link by the members that have it."""
    made = []
    for row in range(len(given_[0])):
        cells = {cell for member in given_ for cell in member[row]}
        scores = {cell: choose([m[row][cell] for m in given_ if cell in m[row]]) for cell in cells}
        made.append({cell: score for cell, score in scores.items() if score is not None})
    return made


@given(members(), st.sampled_from([0.0, 0.2, 0.5, 1.0]))
def test_mean(given_, threshold):
    def choose(scores):
        mean = sum(scores) / len(given_)
        return mean if np.float32(mean) >= np.float32(threshold) else None

    for mine, theirs in zip(
        rows(ensemble.combine([flat(m) for m in given_], "mean", threshold)), plain(given_, choose), strict=True
    ):
        assert mine == pytest.approx(theirs)


@given(members())
def test_vote(given_):
    def choose(scores):
        return sum(scores) / len(scores) if len(scores) > len(given_) / 2 else None

    for mine, theirs in zip(
        rows(ensemble.combine([flat(m) for m in given_], "vote", 0.9)), plain(given_, choose), strict=True
    ):
        assert mine == pytest.approx(theirs)


@given(members())
def test_either(given_):
    for mine, theirs in zip(
        rows(link_sets.either([flat(m) for m in given_])),
        plain(given_, lambda scores: 1 - np.prod([1 - s for s in scores])),
        strict=True,
    ):
        assert mine == pytest.approx(theirs)


def test_a_link_of_one_set_keeps_its_score_to_the_bit():
    score = float(np.float32(0.1))
    assert rows(link_sets.either([flat([{(0, 0): score}]), flat([{}])])) == [{(0, 0): score}]


def test_an_unknown_method():
    with pytest.raises(ValueError, match="unknown method 'max'; known: mean, vote"):
        ensemble.combine([flat([{}])], "max", 0.2)


@given(st.lists(ROW, max_size=5))
def test_pair_scores(given_):
    lengths = np.full(len(given_), 4)
    found = pair_scores(*flat(given_), lengths, lengths)
    for score, row in zip(found, given_, strict=True):
        aligned = len({i for i, _ in row}) + len({j for _, j in row})
        wanted = np.mean(list(row.values())) * aligned / 8 if row else 0.0
        assert score == pytest.approx(wanted)
    assert found.dtype == np.float32 and ((found >= 0) & (found <= 1)).all()


def test_pair_scores_of_empty_sentences():
    assert pair_scores(*flat([{}, {}]), np.array([0, 3]), np.array([2, 0])).tolist() == [0, 0]
