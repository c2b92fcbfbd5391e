"""How sure it is that a span is the one an annotator would mark, from what chose it.

    logit p = b + w · (score, length, precedents, mass, ln words, ln source words)

`score` is the alignment score of the span, `length` and `precedents` are what was added to it (see `lengths` and
`precedents`), `mass` is the link mass between the entity and the span for each word of the entity, at most 1. The
weights are those of a logistic regression over the spans that are found on Europarl-NER de and the sample corpus, in
both directions; `make bench-confidence` prints them and what they change. A span below LEAST is dropped: F1
is largest when that is half of F1 (Lipton, Elkan and Naryanaswamy 2014, "Optimal Thresholding of Classifiers to
Maximize F1 Measure"), which is .94 on the development sets.
"""

from __future__ import annotations

import numpy as np

LEAST = 0.47
INTERCEPT = -3.09
WEIGHTS = np.array([1.65, 9.88, 6.83, 4.28, -2.10, 1.64])


def probability(traits: np.ndarray) -> np.ndarray:
    """The probability that spans are right by their traits, (spans, 6); (spans,) float64."""
    # no product of matrices: its threads would take longer than this
    return np.asarray(1.0 / (1.0 + np.exp(-INTERCEPT - (traits * WEIGHTS).sum(axis=1))))
