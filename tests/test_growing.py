"""Which entities have candidates that reach over unlinked words, and how lengths choose among candidates."""

import numpy as np
import pyarrow as pa
import pytest
from test_projection import table

from xproj import corpus_counts, precedents, projection, recipe
from xproj.core.lengths import LENGTH, letters_of
from xproj.problems import read_problem
from xproj.recipe import Recipe
from xproj.span_scores import length_scores, score_candidates
from xproj.stages import Project

ARTICLES = ("the " * 6000, "les du " * 3000)


def candidates(source, entity, target, links, **settings):
    """The candidates of the one entity of a sentence, as phrases; another sentence makes articles common."""
    rows = table([(source, target, [(*entity, "X")], links), (*ARTICLES, [], [])])
    chosen = recipe.Project(**settings)
    problem = read_problem(rows, chosen, np.ones(2, dtype=np.bool_))
    known = corpus_counts.count([rows])._replace(length_ratio=1.0)
    found, _ = score_candidates(problem, chosen, rows, known)
    words = target.split()
    return {" ".join(words[a:b]) for a, b in zip(found.start.tolist(), found.end.tolist(), strict=True)}


@pytest.mark.parametrize(
    ("source", "entity", "target", "links", "expected"),
    [
        # fewer letters than the entity has: the words beside it, articles in between included
        ("the specials", (1, 2), "les plats du jour", [(1, 1)], {"plats", "plats du jour"}),
        ("the specials", (1, 2), "les plats , jour", [(1, 1)], {"plats"}),
        ("the specials rock", (1, 2), "les plats jour", [(1, 1), (2, 2)], {"plats"}),
        ("Kohäsionsfonds", (0, 1), "Cohesion Funds les", [(0, 0)], {"Cohesion", "Cohesion Funds"}),
        # a name with an unlinked word
        ("Red Cross", (0, 2), "les Croix Rouge", [(1, 1)], {"Croix", "Croix Rouge"}),
        # two words that share a partner
        ("UK Government", (0, 2), "les Regierung britische", [(0, 1), (1, 1)], {"Regierung", "Regierung britische"}),
        # long enough
        ("the town Zug", (1, 3), "les ville Zug bleue", [(1, 1), (2, 2)], {"ville", "Zug", "ville Zug"}),
        ("the 29", (1, 2), "les 29 euros", [(1, 1)], {"29"}),
        ("Barents Sea", (0, 2), "Barentssee les Schutz", [(0, 0)], {"Barentssee"}),
    ],
)
def test_what_is_too_short_may_grow(source, entity, target, links, expected):
    assert candidates(source, entity, target, links) == expected


def test_without_lengths_nothing_grows():
    assert candidates("the specials", (1, 2), "les plats du jour", [(1, 1)], lengths=False) == {"plats"}


def chosen(rows, **settings):
    """The first span of the last row, in words, after a fit on all rows and one that makes articles common."""
    given = table([(*ARTICLES, [], []), *rows])
    found = projection.project(given, recipe.Project(filter="none", **settings), precedents.learn([given]))
    span = found.target_entities.to_pylist()[-1][0]
    return " ".join(rows[-1][1].split()[span["start"] : span["end"]]), span["score"]


NAME = ("in Berlin ran", "in Berlin lief", [(1, 2, "LOC")], [(0, 0), (1, 1), (2, 2)])
FUNDS = ("der Kohäsionsfonds hilft", "the Cohesion Funds help", [(1, 2, "LOC")], [(0, 0), (1, 1), (2, 3)])


@pytest.mark.parametrize("solver", ["exact", "greedy", "ilp"])
def test_a_span_as_long_as_its_entity_is_chosen(solver):
    assert chosen([*[NAME] * 9, FUNDS], solver=solver)[0] == "Cohesion Funds"
    assert chosen([*[NAME] * 9, FUNDS], solver=solver, precedents=False)[0] == "Cohesion Funds"
    assert chosen([*[NAME] * 9, FUNDS], solver=solver, lengths=False)[0] == "Cohesion"


@pytest.mark.parametrize("solver", ["exact", "greedy", "ilp"])
def test_of_spans_that_are_much_too_long_the_shortest_is_chosen(solver):
    links = [(0, 0, 0.2), (0, 1, 0.2), (1, 0, 0.8), (1, 1, 0.8)]
    row = ("Bo slept", "Bundesversammlungen Landesregierungsgebäude", [(0, 1, "PER")], links)
    assert chosen([*[NAME] * 9, row], solver=solver)[0] == "Bundesversammlungen"


def test_scores_and_losses_of_what_does_not_grow_do_not_depend_on_lengths():
    rows = [*[NAME] * 9, ("Bo", "Bonifatius", [(0, 1, "PER")], [(0, 0)]), ("Bo ran", "lief", [(0, 1, "PER")], [])]
    given = table(rows)
    known = precedents.learn([given])
    with_, without = (
        projection.project(given, recipe.Project(filter="none", lengths=on), known) for on in (True, False)
    )
    assert with_.target_entities.equals(without.target_entities) and with_.dropped.equals(without.dropped)


def test_what_has_grown_is_complete_as_before():
    given = table([(*ARTICLES, [], []), *[NAME] * 9, FUNDS], source_predicted=pa.array([True] * 11))
    known = precedents.learn([given])
    for filter_ in ("auto", "strict", "none"):
        found = projection.project(given, recipe.Project(filter=filter_), known).target_entities.to_pylist()[-1]
        assert [(e["start"], e["end"]) for e in found] == [(1, 3)]


@pytest.mark.parametrize("chosen", [{}, {"precedents": False, "filter": "none"}, {"precedents": False}])
def test_the_stage_learns_the_ratio(tmp_path, chosen):
    rows = table([("Ana slept", "Ana ist jetzt hier eingeschlafen", [(0, 1, "PER")], [(0, 0)])])
    given = {"ingest": {"path": "x"}, "route": "bitext", "language": "deu_Latn", "project": chosen}
    Project(Recipe.model_validate(given)).fit([rows], tmp_path)
    assert corpus_counts.load(tmp_path).length_ratio == 1


def test_letters_of_spans_end_with_their_sentence():
    letters, offsets = np.array([3, 1, 4, 1, 5]), np.array([0, 2, 5])
    places = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2]), np.array([2, 9, 1, 7])
    assert letters_of(*places, letters, offsets).tolist() == [4, 1, 4, 5]


def test_the_ratio_is_that_of_spans_and_not_of_all_words():
    rows = [
        (f"{name} slept", f"{name} ist jetzt hier eingeschlafen", [(0, 1, "PER")], [(0, 0)]) for name in ("Ana", "Bo")
    ]
    given = table(rows)
    assert corpus_counts.count([given]).length_ratio == pytest.approx((5 + 2 * 25) / (5 + 2 * 5))
    assert precedents.learn([given]).length_ratio == 1


def test_length_scores():
    given = table([("abc def", "abcdef g", [(0, 2, "X")], [(0, 0), (1, 0), (1, 1)])])
    problem = read_problem(given, recipe.Project(), np.ones(1, dtype=np.bool_))
    found, _ = score_candidates(problem, recipe.Project(), given)
    sizes = [sum([6, 1][a:b]) for a, b in zip(found.start.tolist(), found.end.tolist(), strict=True)]
    expected = [-LENGTH * abs(np.log((size + 1) / (0.5 * 6 + 1))) for size in sizes]
    assert len(sizes) == 3 and length_scores(problem, 0.5, found) == pytest.approx(expected, abs=1e-6)
