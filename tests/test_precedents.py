"""Precedents of a corpus: what a first projection finds decides doubtful spans of all rows."""

from itertools import chain

import numpy as np
import pyarrow as pa
import pytest
from test_projection import table

from xproj import corpus_counts, precedents, projection, recipe
from xproj.core import case, matching
from xproj.problems import read_problem
from xproj.sides import Side
from xproj.span_scores import precedent_scores, score_candidates

NAME = ("Ana ran", "heute Ana lief", [(0, 1, "PER")], [(0, 1), (1, 2)])
# the verb looks like a part of the name
DOUBTFUL = ("Ana sat", "heute Ana saß", [(0, 1, "PER")], [(0, 1, 0.6), (0, 2, 0.35), (1, 2, 0.2)])


def same(one, two):
    """Are the precedents equal, array for array?"""
    arrays = [*zip(*one[:3], strict=True)], [*zip(*two[:3], strict=True)]
    pairs = zip(chain(*arrays[0], one[3:]), chain(*arrays[1], two[3:]), strict=True)
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def spans(rows, corpus, **settings):
    found = projection.project(table(rows), recipe.Project(**settings), corpus).target_entities.to_pylist()
    return [[(e["start"], e["end"]) for e in row or []] for row in found]


def test_the_same_phrase_elsewhere_decides():
    rows = [NAME] * 5 + [DOUBTFUL]
    known = precedents.learn([table(rows)])
    without = known._replace(precedents=None)
    assert spans(rows, without) == [[(1, 2)]] * 5 + [[(1, 3)]]
    assert spans(rows, known) == [[(1, 2)]] * 6
    assert spans(rows, known, precedents=False) == spans(rows, without)
    assert spans(rows, known, alignment_form="bounded") == spans(rows, None, alignment_form="bounded")


# "Bo" would rather have the word of "Ana Bo"
CONFLICT = (
    "Ana Bo ran",
    "x y z",
    [(0, 2, "PER"), (1, 2, "LOC")],
    [(0, 0, 0.6), (0, 1, 0.5), (1, 0, 0.95), (1, 1, 0.3)],
)


@pytest.mark.parametrize("row", [DOUBTFUL, CONFLICT])
def test_but_for_their_case_the_vote_and_the_words_of_an_entity_are_no_precedent_of_its_own(row):
    known = precedents.learn([table([row])])
    assert known.precedents.pairs.values.sum() == len(spans([row], None)[0]) > 0
    of_case = known.precedents.case_odds
    known = known._replace(precedents=known.precedents._replace(case_odds=np.zeros_like(of_case)))
    problem, found, said = evidence([row], known)
    assert len(found.start) > len(row[2]) and of_case.any() and said == pytest.approx(0, abs=1e-6)


def evidence(rows, known):
    """The problem of a table, its candidates, and what precedents say for each."""
    given, settings = table(rows), recipe.Project()
    problem = read_problem(given, settings, np.ones(len(rows), dtype=np.bool_))
    found, total = score_candidates(problem, settings, given, known)
    voted = np.full(len(problem.rows), -1)
    matching.exact(problem.entities.offsets, *found, total, 0.0, matching.MAX_ENTITIES, voted)
    return problem, found, precedent_scores(problem, known.precedents, found, voted)


def test_precedents_choose_and_leave_scores_and_losses_as_they_are():
    rows = [NAME] * 5 + [DOUBTFUL, ("Ana sat", "saß da", [(0, 1, "PER")], [])]
    known = precedents.learn([table(rows)])
    with_, without = (projection.project(table(rows), recipe.Project(precedents=on), known) for on in (True, False))
    assert with_.dropped.equals(without.dropped)
    scores = [[e["score"] for e in row] for row in with_.target_entities.to_pylist()]
    assert scores[:5] == [[e["score"] for e in row] for row in without.target_entities.to_pylist()][:5]
    (alone,) = spans([DOUBTFUL], None)
    assert 0 < scores[5][0] <= 1.05 and alone != spans(rows, known)[5]


def test_a_span_without_precedents_is_found():
    # every word of it stands outside spans all over the corpus
    rows = [("so we sat", "da saßen wir", [], [(0, 0), (1, 2), (2, 1)])] * 50 + [
        ("We", "wir", [(0, 1, "ORG")], [(0, 0, 0.3)])
    ]
    assert spans(rows, precedents.learn([table(rows)]), filter="none")[-1] == [(0, 1)]


@pytest.mark.parametrize("solver", ["ilp", "greedy"])
def test_other_solvers_have_precedents_too(solver):
    rows = [NAME] * 5 + [DOUBTFUL]
    assert spans(rows, precedents.learn([table(rows)]), solver=solver) == [[(1, 2)]] * 6


def test_tables_are_read_once():
    tables = [table([NAME] * 5), table([DOUBTFUL])]
    once, again = precedents.learn(iter(tables)), precedents.learn(tables)
    assert once.source == again.source and spans([DOUBTFUL], once) == spans([DOUBTFUL], again)


def test_rows_that_are_not_projected_have_no_say():
    rows = [NAME] * 2
    failed = table(rows * 2, status=["ok", "ok", "translation_empty", "translation_empty"])
    unlabelled = table([*rows, *[(one, two, None, links) for one, two, _, links in rows]])
    counts = [precedents.learn([given]).precedents for given in (table(rows), failed, unlabelled)]
    for other in counts[1:]:
        assert same(counts[0], other)


def test_the_same_from_parts_and_however_words_are_kept():
    rows = table([NAME, DOUBTFUL] * 4)
    whole = precedents.learn([rows])
    encoded = rows
    for name in ("source_tokens", "target_tokens"):
        kept = pa.list_(pa.dictionary(pa.int32(), pa.string()))
        encoded = encoded.set_column(encoded.column_names.index(name), name, rows[name].cast(kept))
    for given in ([rows.slice(0, 3), rows.slice(3)], [pa.concat_tables([rows.slice(0, 5), rows.slice(5)])], [encoded]):
        other = precedents.learn(given)
        assert other[:3] == whole[:3]
        assert same(whole.precedents, other.precedents)


def test_words_are_hashed_in_slices_and_nulls():
    column = pa.array([["x"], None, ["Ana", "é"], []], pa.list_(pa.string()))
    found = Side(column.slice(1))
    assert found.offsets.tolist() == [0, 0, 2, 2]
    alone = Side(column.slice(2, 1))
    assert found.hashes[found.ids].tolist() == alone.hashes[alone.ids].tolist()
    nothing = Side(column.slice(3))
    assert len(nothing.ids) == len(nothing.hashes) == 0
    glued = Side(pa.array([["food,", "food", "l'ambiance", "ambiance."]]))
    same = glued.hashes[glued.ids]
    assert same[0] == same[1] != same[2] == same[3]


def test_the_case_of_words_is_that_of_their_first_character():
    words = ["Ana", "été", "7", "中", "“Ana", "l'Été", ",", ""]
    kinds = [
        case.CAPITAL,
        case.SMALL,
        case.CASELESS,
        case.CASELESS,
        case.CAPITAL,
        case.CAPITAL,
        *[case.PUNCTUATION] * 2,
    ]
    column = pa.array([words[:4], words[4:]])
    for given in (column, column.cast(pa.list_(pa.dictionary(pa.int32(), pa.string())))):
        found = Side(given)
        assert found.first_cases[found.ids].tolist() == kinds and found.first_cases.dtype == np.int8
    found = Side(column[:0])
    assert len(found.ids) == len(found.first_cases) == 0


def test_a_new_word_in_a_capital_is_like_those_in_names():
    rows = [(f"Ana{k} ran", f"heute Ana{k} lief", [(0, 1, "PER")], [(0, 1), (1, 2)]) for k in range(9)]
    doubtful = ("Bo", "gestern Bo saß", [(0, 1, "PER")], [(0, 0, 0.3), (0, 1, 0.3), (0, 2, 0.3)])
    _, found, said = evidence([doubtful], precedents.learn([table(rows)]))
    by_span = dict(zip(zip(found.start.tolist(), found.end.tolist(), strict=True), said.tolist(), strict=True))
    assert max(by_span, key=by_span.__getitem__) == (1, 2) and by_span[1, 2] > 0 > by_span[2, 3]


def test_an_empty_corpus():
    assert precedents.learn([]) == corpus_counts.count([])
    known = precedents.learn([table([("a", "b", [], [])])])
    assert not known.precedents.phrases.values.any() and spans([NAME], known) == [[(1, 2)]]


def test_saved_precedents_load(tmp_path):
    known = precedents.learn([table([NAME] * 3 + [DOUBTFUL])])
    corpus_counts.save(known, tmp_path)
    loaded = corpus_counts.load(tmp_path)
    assert not same(known.precedents, known.precedents._replace(case_odds=known.precedents.case_odds + 1))
    assert loaded[:3] == known[:3]
    assert same(known.precedents, loaded.precedents)
    other = tmp_path / "other"
    other.mkdir()
    corpus_counts.save(known._replace(precedents=None), other)
    assert corpus_counts.load(other).precedents is None
