"""Spans that are hardly right are dropped, where all is known that says so."""

import numpy as np
import pytest
from test_projection import table

from xproj import precedents, projection, recipe, weighing
from xproj.errors import RecipeError
from xproj.problems import read_problem
from xproj.recipe import Recipe
from xproj.stages import Project

NAME = ("in Berlin ran", "in Berlin lief", [(1, 2, "LOC")], [(0, 0), (1, 1), (2, 2)])
DOUBTFUL = ("Bo slept", "lief schnell", [(0, 1, "PER")], [(0, 0, 0.25), (1, 1)])
SURE = ("Bo slept", "Bo schlief", [(0, 1, "PER")], [(0, 0), (1, 1)])


def losses(rows, **settings):
    """The reasons of the losses of each row, and how many spans each filter rejected."""
    given = table(rows)
    found = projection.project(given, recipe.Project(**settings), precedents.learn([given]))
    return [[entry["reason"] for entry in row] for row in found.dropped.to_pylist()], found.filtered


@pytest.mark.parametrize("solver", ["exact", "greedy", "ilp"])
@pytest.mark.parametrize("filter_", ["auto", "doubtful", ["capitals", "doubtful"]])
def test_a_doubtful_span_is_dropped(solver, filter_):
    reasons, filtered = losses([NAME, SURE, DOUBTFUL], solver=solver, filter=filter_)
    assert reasons == [[], [], ["filtered"]] and filtered == {"doubtful": 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"filter": "none"},
        {"filter": "capitals"},
        {"precedents": False},
        {"lengths": False},
        {"alignment_form": "bounded", "min_link": 0.2},
        {"scores": {"alignment": 1.0, "orthographic": 0.1}},
        {"solver": "ilp", "constraint": ">="},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_it_is_kept_where_less_is_known_or_asked(settings):
    assert losses([NAME, SURE, DOUBTFUL], **settings) == ([[], [], []], {})


def test_the_weight_of_the_score_does_not_matter():
    assert losses([NAME, SURE, DOUBTFUL], scores={"alignment": 3.0}) == ([[], [], ["filtered"]], {"doubtful": 1})


@pytest.mark.parametrize(
    "settings",
    [
        {"precedents": False},
        {"solver": "hull"},
        {"scores": {"alignment": 1.0, "tagger": 0.0}},
        {"scores": {"alignment": 1.0, "tagger": 1.0}},
        {"candidates": "tagged"},
    ],
    ids=str,
)
def test_who_asks_for_it_is_told_what_it_needs(settings):
    given = {"project": {"filter": ["doubtful"], **settings}}
    with pytest.raises(RecipeError, match="filter 'doubtful' needs .* precedents and lengths"):
        recipe.parse(given, "here")


def test_the_traits_of_spans():
    rows = [NAME, ("the Red Cross", "das Rote Kreuz hier", [(1, 3, "ORG")], [(1, 1, 0.75), (1, 2, 0.5), (2, 2, 0.5)])]
    given, settings = table(rows), recipe.Project()
    problem = read_problem(given, settings, np.ones(2, dtype=np.bool_))
    weighed = weighing.weigh(problem, settings, given, precedents.learn([given]))
    span = (weighed.found.start == 1) & (weighed.found.end == 3)
    (chosen,) = np.flatnonzero(span & (np.arange(len(span)) >= weighed.found.offsets[1]))
    traits = weighing.traits(problem, settings, weighed, np.array([1]), np.array([chosen]))
    assert traits.tolist() == [
        [
            pytest.approx(weighed.total[chosen]),
            pytest.approx(weighed.lengths[chosen]),
            pytest.approx(weighed.precedents[chosen]),
            1.75 / 2,
            pytest.approx(np.log(2)),
            pytest.approx(np.log(2)),
        ]
    ]
    # a word with two links has no more than the mass of one
    rows[1] = (*rows[1][:3], [(1, 1), (1, 2), (2, 2)])
    given = table(rows)
    problem = read_problem(given, settings, np.ones(2, dtype=np.bool_))
    assert weighing.traits(problem, settings, weighed, np.array([1]), np.array([chosen]))[0, 3] == 1.0
    assert weighing.traits(problem, settings, weighed._replace(precedents=None), *[np.array([0])] * 2) is None


def test_the_stage_counts_it(tmp_path):
    made = Recipe.model_validate({"ingest": {"path": "x"}, "route": "bitext", "language": "deu_Latn", "project": {}})
    rows = table([NAME, SURE, DOUBTFUL])
    Project(made).fit([rows], tmp_path)
    counts = Project(made, tmp_path).map(rows).counts
    assert counts["entities.filtered.doubtful"] == counts["entities.dropped.filtered"] == 1
    assert counts["entities.projected"] == 2


def test_what_all_speaks_against_is_excluded_under_no_weight():
    given = table([*[NAME] * 9, ("Bo slept", "Bundesversammlungen", [(0, 1, "PER")], [(0, 0, 0.25), (1, 0)])])
    settings = recipe.Project(filter="none", precedents=False, scores={"alignment": 1e4})
    found = projection.project(given, settings, precedents.learn([given]))
    assert [len(row) for row in found.target_entities.to_pylist()] == [1] * 10
