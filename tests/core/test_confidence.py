"""How sure spans are: the formula, and the mass that joins an entity and its span."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import LinkColumn
from xproj.core.confidence import INTERCEPT, LEAST, WEIGHTS, probability
from xproj.core.link_mass import joining_mass

TYPICAL = [1.0, -0.05, 0.5, 1.0, math.log(2), math.log(2)]


def test_the_formula():
    given = np.array([TYPICAL, [0.4, -0.3, 0.0, 0.3, math.log(3), 0.0]])
    expected = [1 / (1 + math.exp(-INTERCEPT - sum(w * x for w, x in zip(WEIGHTS, row, strict=True)))) for row in given]
    assert probability(given) == pytest.approx(expected)
    assert expected[0] > 0.95 and expected[1] < LEAST
    assert probability(np.zeros((0, 6))).shape == (0,)


@pytest.mark.parametrize("trait", range(4))
def test_what_speaks_for_a_span_makes_it_sure(trait):
    less, more = list(TYPICAL), list(TYPICAL)
    less[trait], more[trait] = -0.5, -0.1
    assert probability(np.array([less]))[0] < probability(np.array([more]))[0]


links_of_a_row = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 5)), st.sampled_from([0.25, 0.5, 1.0]), max_size=9
).map(lambda found: [(i, j, score) for (i, j), score in sorted(found.items())])
half_open = st.tuples(st.integers(0, 4), st.integers(1, 3)).map(lambda t: (t[0], t[0] + t[1]))


@given(st.lists(st.tuples(links_of_a_row, half_open, half_open), min_size=1, max_size=4))
def test_the_mass_that_joins_equals_plain_python(rows):
    links = LinkColumn.of([row for row, _, _ in rows])
    entities, spans = (np.array([row[place] for row in rows]) for place in (1, 2))
    found = joining_mass(
        np.arange(len(rows)), *entities.T, *spans.T, links.offsets, links.source, links.target, links.score
    )
    assert found.tolist() == [
        sum(score for i, j, score in row if a <= i < b and c <= j < d) for row, (a, b), (c, d) in rows
    ]
