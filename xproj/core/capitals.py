"""Capital letters as a prior of word translation: names are written alike, even where they do not look alike.

Every word has a case, the one in which it is written most often away from the start of a sentence. A word pair that was
never linked is as probable as its two cases make it. With C(a, b) the expected links between words of case a and words
of case b, and E(a, b) = C(a, ·) C(·, b) / C(·, ·) what chance would give,

    ratio(a, b) = ((C(a, b) + 10) / (E(a, b) + 10))²,     exp ψ(α_ab) = ratio(a, b) · exp ψ(α),

so the Dirichlet pseudo-count α_ab of model 1 (see `statistical`) follows from links that the model itself found, and
what a corpus says about frequent words soon outweighs it. German writes all nouns with a capital: there the ratio is
small. Scripts without capitals have one case and ratio 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from xproj.core.bare_words import bare
from xproj.core.digamma import digamma

if TYPE_CHECKING:
    from xproj.columns import TokenColumn

# of words: lower-case or without case; seen only at the start of sentences; Title; UPPER; not seen by the fit
LOWER, INITIAL, TITLE, UPPER, UNSEEN = range(5)
CASES = 5
SMOOTHING = 10.0
SMALLEST, LARGEST = 1e-3, 20.0


class CasePrior(NamedTuple):
    """Pseudo-counts and what they do to a pair that was never linked, (5, 5) float64 each, by source and target case.

    `ratio` = exp(ψ(alpha)) / exp(ψ(α)); `slope` = ψ'(alpha), so that exp(ψ(alpha + c)) ≈ exp(ψ(alpha)) (1 + slope · c).
    """

    alpha: np.ndarray
    ratio: np.ndarray
    slope: np.ndarray

    def transposed(self) -> CasePrior:
        """The same for the other direction."""
        return CasePrior(*(np.ascontiguousarray(side.T) for side in self))


def _case(word: str) -> int:
    """The case of a word as it is written; -1 for one that is not made of letters."""
    word = bare(word)
    letters = [letter for letter in word if letter.isalpha()]
    if not letters or any(letter.isdigit() for letter in word):
        return -1
    if not letters[0].isupper():
        return LOWER
    return UPPER if len(letters) > 1 and all(letter.isupper() for letter in letters[1:]) else TITLE


def count_cases(tokens: TokenColumn, words: np.ndarray, counts: np.ndarray) -> None:
    """Add to `counts` (vocabulary, 5) how often each of the `words` (total,) of a column is written in which case."""
    ids, distinct = tokens.encode()
    if not len(ids):
        return
    case = np.array([_case(word) for word in distinct], dtype=np.int64)[ids]
    letters = case >= 0
    before: np.ndarray = np.cumsum(letters) - letters
    first = letters & (before == np.repeat(before[_starts(tokens)], tokens.lengths[tokens.lengths > 0]))
    case[first & (case > LOWER)] = INITIAL
    np.add.at(counts, (words, np.maximum(case, LOWER)), 1)


def _starts(tokens: TokenColumn) -> np.ndarray:
    return np.asarray(tokens.offsets[:-1][tokens.lengths > 0])


def decide(counts: np.ndarray) -> np.ndarray:
    """The case of each word, (vocabulary,) uint8: the most frequent one; the start of a sentence counts for nothing."""
    weighed = counts.astype(np.float64)
    weighed[:, INITIAL] *= 1e-6
    weighed[:, UNSEEN] = 1e-9
    return np.asarray(weighed.argmax(axis=1), dtype=np.uint8)


@njit(cache=True)
def expected_links(
    forward: np.ndarray,
    backward: np.ndarray,
    keys: np.ndarray,
    live: np.ndarray,
    source_case: np.ndarray,
    target_case: np.ndarray,
) -> np.ndarray:
    """Links between the cases, (5, 5): the geometric mean of both directions' expected counts, summed over pairs."""
    links = np.zeros((CASES, CASES))
    for slot in live:
        source, target = keys[slot] >> 32, keys[slot] & 0xFFFFFFFF
        links[source_case[source], target_case[target]] += np.sqrt(forward[slot] * backward[slot])
    return links


def neutral(alpha: float) -> CasePrior:
    """The prior that does not look at capitals."""
    return _prior(np.ones((CASES, CASES)), alpha)


def learn(links: np.ndarray, alpha: float) -> CasePrior:
    """The prior that `links` (5, 5) between the cases make, around the pseudo-count `alpha`."""
    chance = np.outer(links.sum(axis=1), links.sum(axis=0)) / max(links.sum(), 1.0)
    ratio = ((links + SMOOTHING) / (chance + SMOOTHING)) ** 2
    ratio[UNSEEN, :] = ratio[:, UNSEEN] = 1.0
    return _prior(ratio, alpha)


def _prior(ratio: np.ndarray, alpha: float) -> CasePrior:
    counts = np.array([_inverse(digamma(alpha) + np.log(r)) if r != 1.0 else alpha for r in ratio.flat])
    step = 1e-4
    slope = np.array([(digamma(a + step) - digamma(a)) / step for a in counts])
    exact = np.exp([digamma(a) - digamma(alpha) for a in counts])
    return CasePrior(*(side.reshape(ratio.shape) for side in (counts, exact, slope)))


def _inverse(value: float) -> float:
    """The x with ψ(x) = `value`, between SMALLEST and LARGEST, by bisection."""
    low, high = SMALLEST, LARGEST
    for _ in range(50):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if digamma(middle) < value else (low, middle)
    return low
