"""Spans in small letters of names: dropped where the corpus writes such names with capitals."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_projection import table

from xproj import lower_case, precedents, projection, recipe
from xproj.recipe import Recipe
from xproj.stages import Project

LINK = [(0, 0), (1, 1)]
NAME = ("in Japan", "in Japan", [(1, 2, "LOC")], LINK)
ADJECTIVE = ("of Japan", "der japanischen", [(1, 2, "LOC")], LINK)
CAPITALS = [NAME] * 20


def lost(rows, *, learnt=None, columns=None, **chosen):
    """The reasons of the last row's losses."""
    given = table(rows, **(columns or {}))
    known = precedents.learn([given if learnt is None else table(learnt)])
    found = projection.project(given, recipe.Project(**chosen), known)
    return [entry["reason"] for entry in found.dropped.to_pylist()[-1]]


@pytest.mark.parametrize("solver", ["exact", "greedy", "ilp"])
def test_an_adjective_of_a_name_is_filtered(solver):
    assert lost([*CAPITALS, ADJECTIVE], solver=solver) == ["filtered"]
    assert lost([*CAPITALS, ADJECTIVE], solver=solver, precedents=False) == ["filtered"]
    assert lost([*CAPITALS, ADJECTIVE], solver=solver, filter="none") == []
    assert lost([*CAPITALS, ADJECTIVE], solver=solver, filter="strict") == []


@pytest.mark.parametrize("solver", ["heuristic", "hull"])
def test_published_methods_filter_it_only_when_asked(solver):
    assert lost([*CAPITALS, ADJECTIVE], solver=solver) == []
    assert lost([*CAPITALS, ADJECTIVE], solver=solver, filter=("capitals",)) == ["filtered"]
    assert lost([*CAPITALS, ADJECTIVE], solver=solver, filter="capitals") == ["filtered"]


@pytest.mark.parametrize(
    "row",
    [
        # a phrase
        ("Health Organization", "shirika afya", [(0, 2, "LOC")], LINK),
        # small letters on both sides
        ("of rice", "del arroz", [(1, 2, "LOC")], LINK),
        # a capital that is not the first letter; digits; letters without case
        ("of America", "de l'Amérique", [(1, 2, "LOC")], LINK),
        ("of Twenty", "de 20", [(1, 2, "LOC")], LINK),
        ("of Japan", "der 日本", [(1, 2, "LOC")], LINK),
        # another label, of which nothing is known
        ("of Japan", "der japanischen", [(1, 2, "MISC")], LINK),
    ],
)
def test_others_are_kept(row):
    assert lost([*CAPITALS, row], learnt=CAPITALS) == []


def test_the_label_decides():
    misc = [("a Finn", "a finnische", [(1, 2, "MISC")], LINK)] * 5
    rest = [("a Finn", "a Finne", [(1, 2, "MISC")], LINK)] * 5
    assert lost([*CAPITALS, *rest, *misc]) == []
    assert lost([*CAPITALS, *rest, *misc, ADJECTIVE]) == ["filtered"]
    # few spans tell nothing
    assert lost([*CAPITALS[:10], ADJECTIVE]) == []


def test_a_script_without_capitals_loses_nothing():
    georgian = [("in Japan", "ში იაპონია", [(1, 2, "LOC")], LINK)] * 20
    assert lost(georgian) == []


def test_rows_that_are_not_projected_do_not_count():
    failed = pa.array(["too_long"] * 20 + ["ok"], pa.string())
    assert lost([*CAPITALS, ADJECTIVE], columns={"status": failed}) == []


@settings(max_examples=60)
@given(st.lists(st.tuples(*(st.lists(st.sampled_from("ab Ab 1 日 éÉ".split()), min_size=1) for _ in range(2)))))
def test_counts_equal_plain_python(pairs):
    rows = [(" ".join(s), " ".join(t), [(0, len(s), "X")], [(i, 0) for i in range(len(s))]) for s, t in pairs]
    given = table(rows)
    live = np.ones(len(rows), dtype=np.bool_)
    problem, found = projection.solve(given, recipe.Project(solver="hull", filter="none"), None, live)
    small = capital = 0
    for s, t in pairs:
        if "".join(s) == "".join(s).lower():
            continue
        capital += t[0] != t[0].lower()
        small += t[0] == t[0].lower() != t[0].upper()
    counts = lower_case.count(given, problem, found).get("X", np.zeros(2))
    assert counts.tolist() == [small, capital]
    expected = {"X": (small + 1) / (small + capital + 2)} if pairs else {}
    assert lower_case.shares([lower_case.count(given, problem, found)]) == pytest.approx(expected)


def test_the_stage_learns_what_the_filter_asks():
    given = {"ingest": {"path": "x"}, "route": "bitext", "language": "deu_Latn"}
    hull = {"solver": "hull", "filter": ["capitals"]}
    assert Project(Recipe.model_validate({**given, "project": hull})).needs_fit()
    assert not Project(Recipe.model_validate({**given, "project": {"solver": "hull"}})).needs_fit()
