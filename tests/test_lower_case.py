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
    assert lost([*CAPITALS, row], learnt=CAPITALS, filter="capitals") == []


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
    given = table([("Japan in", "Japan in", [(1, 2, "LOC")], LINK)] * 20 + [NAME], status=failed)
    assert precedents.learn([given]).small_spans == {"LOC": pytest.approx(1 / 3)}


def test_the_first_word_of_a_sentence_is_no_name():
    nouns = [("the company", "la empresa", [(1, 2, "LOC")], LINK)] * 20
    said = ("Companies said", "empresas dijeron", [(0, 1, "LOC")], LINK)
    assert lost([*CAPITALS, *nouns, said]) == []
    assert lost([*CAPITALS, ("New Japan", "neue japanischen", [(0, 2, "LOC")], [(1, 1)])]) == ["filtered"]


words = st.lists(st.sampled_from("ab Ab 1 日 éÉ".split()), min_size=1, max_size=4)


@settings(max_examples=100)
@given(rows=st.lists(st.tuples(words, words, st.integers(0, 3), st.integers(0, 3)), max_size=5), rare=st.booleans())
def test_counts_and_exceptions_equal_plain_python(rows, rare):
    rows = [(s, t, min(a, len(s) - 1), min(b, len(t) - 1)) for s, t, a, b in rows]
    data = [
        (" ".join(s), " ".join(t), [(a, len(s), "X")], [(a, b), (a, len(t) - 1)] if b < len(t) - 1 else [(a, b)])
        for s, t, a, b in rows
    ]
    given = table(data)
    live = np.ones(len(rows), dtype=np.bool_)
    problem, found = projection.solve(given, recipe.Project(solver="hull", filter="none"), None, live)
    small, capital, exceptional = 0, 0, []
    for s, t, a, b in rows:
        name, span = "".join(s[max(a, 1) :]), "".join(t[b:])
        named, lower = name != name.lower(), span == span.lower() != span.upper()
        small, capital = small + (named and lower), capital + (named and span != span.lower())
        exceptional.append(named and lower and len(t) - b == 1)
    counts = lower_case.count(problem, found)
    assert counts.get("X", np.zeros(2)).tolist() == [small, capital]
    assert lower_case.shares([counts]) == pytest.approx({"X": (small + 1) / (small + capital + 2)} if rows else {})
    rejected = lower_case.exceptional(problem, found, {"X": 0.1 if rare else 0.2})
    assert rejected.tolist() == [rare and one for one in exceptional]


@pytest.mark.parametrize(
    "chosen", [{"solver": "hull", "filter": ["capitals"]}, {"precedents": False, "lengths": False}, {}]
)
def test_the_stage_learns_what_the_filter_asks(tmp_path, chosen):
    given = {"ingest": {"path": "x"}, "route": "bitext", "language": "deu_Latn"}
    rows = table([*CAPITALS, ADJECTIVE])
    stage = Project(Recipe.model_validate({**given, "project": chosen}))
    assert stage.needs_fit()
    stage.fit([rows], tmp_path)
    counts = type(stage)(stage.recipe, tmp_path).map(rows).counts
    assert counts["entities.dropped.filtered"] == counts["entities.filtered.capitals"] == 1
    assert not Project(Recipe.model_validate({**given, "project": {"solver": "hull"}})).needs_fit()
