"""The case of words, and the prior that links between cases make."""

import numpy as np
import pytest
from scipy import special

from xproj.columns import TokenColumn
from xproj.core import capitals
from xproj.core.capitals import INITIAL, LOWER, TITLE, UNSEEN, UPPER
from xproj.core.lexicon import ALPHA

SENTENCES = [
    "Yesterday Maria saw NATO .",
    '" Maria lives in the USA , " says Peter',
    "1999 Berlin was new",
    "",
    "42 A6 -",
    "the Maria of maria",
]


def cases(sentences):
    """The case of each word, by word."""
    tokens = TokenColumn.of([s.split() for s in sentences])
    ids, distinct = tokens.encode()
    folded = list(dict.fromkeys(word.lower() for word in distinct))
    words = np.array([folded.index(distinct[k].lower()) for k in ids], dtype=np.int32)
    counts = np.zeros((len(folded), capitals.CASES), dtype=np.int64)
    capitals.count_cases(tokens, words, counts)
    assert counts.sum() == len(ids)
    return dict(zip(folded, capitals.decide(counts).tolist(), strict=True))


def test_the_case_of_words():
    found = cases(SENTENCES)
    assert {found[word] for word in ("saw", "in", "the", "was", ".", "1999", "42", "a6", "-")} == {LOWER}
    assert {word: found[word] for word in ("yesterday", "nato", "usa", "peter")} == {
        "yesterday": INITIAL, "nato": UPPER, "usa": UPPER, "peter": TITLE,
    }  # fmt: skip
    # behind a number or a quotation mark a sentence still begins; otherwise most occurrences decide
    assert found["berlin"] == INITIAL and found["maria"] == TITLE


def test_scripts_without_case_are_lower():
    assert set(cases(["北京 是 首都", "القاهرة مدينة"]).values()) == {LOWER}


def test_a_null_row_and_no_words():
    tokens = TokenColumn.of([None, [], ["Maria"]])
    counts = np.zeros((1, capitals.CASES), dtype=np.int64)
    capitals.count_cases(tokens, np.zeros(1, dtype=np.int32), counts)
    assert counts.tolist() == [[0, 1, 0, 0, 0]]
    capitals.count_cases(TokenColumn.of([]), np.zeros(0, dtype=np.int32), counts)
    assert counts.sum() == 1


def test_links_between_cases_make_the_prior():
    links = np.zeros((5, 5))
    links[LOWER, LOWER], links[TITLE, TITLE], links[TITLE, LOWER], links[LOWER, TITLE] = 900, 90, 10, 0
    prior = capitals.learn(links, ALPHA)
    chance = np.outer(links.sum(axis=1), links.sum(axis=0)) / 1000
    for a in (LOWER, TITLE):
        for b in (LOWER, TITLE):
            ratio = ((links[a, b] + 10) / (chance[a, b] + 10)) ** 2
            assert prior.ratio[a, b] == pytest.approx(ratio, rel=1e-6)
            assert special.digamma(prior.alpha[a, b]) == pytest.approx(special.digamma(ALPHA) + np.log(ratio), abs=1e-6)
            assert prior.slope[a, b] == pytest.approx(special.polygamma(1, prior.alpha[a, b]), rel=1e-2)
    assert prior.alpha[TITLE, TITLE] > ALPHA > prior.alpha[TITLE, LOWER] and prior.alpha[LOWER, UNSEEN] == ALPHA
    assert np.array_equal(prior.transposed().alpha, prior.alpha.T)


@pytest.mark.parametrize("links", [np.zeros((5, 5)), np.diag([50.0, 0, 0, 0, 0])])
def test_one_case_says_nothing(links):
    prior, neutral = capitals.learn(links, ALPHA), capitals.neutral(ALPHA)
    assert np.array_equal(prior.alpha, neutral.alpha) and (neutral.alpha == ALPHA).all() and (prior.ratio == 1).all()


def test_extreme_links_stay_finite():
    prior = capitals.learn(np.diag([1e9, 1e6, 1e3, 1e6, 0.0]), ALPHA)
    assert np.isfinite(prior.alpha).all() and (prior.alpha >= capitals.SMALLEST).all()
    assert (prior.alpha <= capitals.LARGEST).all()
