"""Which entities have candidates that reach over unlinked words."""

import numpy as np
import pytest
from test_projection import table

from xproj import corpus_counts, recipe
from xproj.problems import read_problem
from xproj.span_scores import score_candidates

ARTICLES = ("Ana Bo " + "the " * 600, "les du " * 300)


def candidates(source, entity, target, links, others=()):
    """The candidates of the one entity of a sentence, as phrases; the other one makes articles common, has `others`."""
    rows = table([(source, target, [(*entity, "X")], links), (*ARTICLES, list(others), [])])
    settings = recipe.Project()
    problem = read_problem(rows, settings, np.ones(2, dtype=np.bool_))
    found, _ = score_candidates(problem, settings, rows, corpus_counts.count([rows]))
    words = target.split()
    return {" ".join(words[a:b]) for a, b in zip(found.start.tolist(), found.end.tolist(), strict=True)}


@pytest.mark.parametrize(
    ("source", "entity", "target", "links", "expected"),
    [
        # no name: the words beside it, articles in between included
        ("the specials", (1, 2), "les plats du jour", [(1, 1)], {"plats", "plats du jour"}),
        ("the specials", (1, 2), "les plats , jour", [(1, 1)], {"plats"}),
        ("the specials rock", (1, 2), "les plats jour", [(1, 1), (2, 2)], {"plats"}),
        # a name, whose words are all linked
        ("the Specials", (1, 2), "les plats du jour", [(1, 1)], {"plats"}),
        ("the town Zug", (1, 3), "les ville Zug bleue", [(1, 1), (2, 2)], {"ville", "Zug", "ville Zug"}),
        # a name with an unlinked word
        ("Red Cross", (0, 2), "les Croix Rouge", [(1, 1)], {"Croix", "Croix Rouge"}),
        # a name of two words that share a partner
        ("UK Government", (0, 2), "les Regierung britische", [(0, 1), (1, 1)], {"Regierung", "Regierung britische"}),
        # nothing is known of the case of numbers
        ("the 29", (1, 2), "les 29 euros", [(1, 1)], {"29"}),
    ],
)
def test_what_is_no_name_may_grow(source, entity, target, links, expected):
    assert candidates(source, entity, target, links) == expected


def test_among_names_small_letters_are_a_name():
    specials = ("the specials", (1, 2), "les plats du jour", [(1, 1)])
    assert candidates(*specials, others=[(0, 1, "X"), (1, 2, "X")]) == {"plats"}
    assert candidates(*specials, others=[(2, 3, "X"), (1, 2, "X")]) == {"plats", "plats du jour"}
