"""Projection of whole tables: every source entity is projected or has a reason."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj import precedents, problems, projection, recipe
from xproj.columns import EntityColumn, LinkColumn
from xproj.errors import RecipeError, SchemaError
from xproj.schema import COLUMNS, DROP_REASONS, DROPPED, STATUSES, TARGET_ENTITY, conform, status_array
from xproj.stages import Project

READS = ("id", "source_tokens", "target_tokens", "source_entities", "links")
OPTIONAL = ("source_predicted", "status")
SOLVERS = ("exact", "greedy", "heuristic")
# ties are theirs to break, or words theirs to share
ALL_SOLVERS = (*SOLVERS, "ilp", "hull")
OK = "ok"


def table(rows, **columns):
    """A table of rows (source words, target words, entities, links): words as text or as a number of them."""
    words = [[side if isinstance(side, int) else side.split() for side in row[:2]] for row in rows]
    words = [[[f"w{k}" for k in range(side)] if isinstance(side, int) else side for side in row] for row in words]
    data = {
        "id": [f"s{number}" for number in range(len(rows))],
        "source_tokens": pa.array([row[0] for row in words], COLUMNS["source_tokens"]),
        "target_tokens": pa.array([row[1] for row in words], COLUMNS["target_tokens"]),
        "source_entities": EntityColumn.of([row[2] for row in rows]).write(),
        "links": LinkColumn.of([row[3] for row in rows]).write(),
        **columns,
    }
    extra = [name for name in data if name not in READS and name not in OPTIONAL]
    return conform(pa.table(data), [*READS, *extra], OPTIONAL)


def project(rows, *, columns=None, **settings):
    """What became of each row: its entities as (start, end, label, source entity), its losses, its status."""
    given = rows if isinstance(rows, pa.Table) else table(rows, **(columns or {}))
    result = projection.project(given, recipe.Project(**settings))
    assert result.target_entities.type == pa.list_(TARGET_ENTITY) and result.dropped.type == pa.list_(DROPPED)
    check_accounting(given, result)
    entities = [
        None if row is None else [(e["start"], e["end"], e["label"], e["source_entity"]) for e in row]
        for row in result.target_entities.to_pylist()
    ]
    dropped = [{d["source_entity"]: d["reason"] for d in row} for row in result.dropped.to_pylist()]
    return entities, dropped, [STATUSES[code] for code in result.status]


def check_accounting(given, result):
    """Each source entity once, as an entity or as a loss; a row has entities if and only if it is ok."""
    assert len(result.target_entities) == len(result.dropped) == len(result.status) == given.num_rows
    filtered = sum(d["reason"] == "filtered" for row in result.dropped.to_pylist() for d in row)
    assert filtered == sum(result.filtered.values()) and 0 not in result.filtered.values()
    columns = (given["source_entities"], given["target_tokens"], result.target_entities, result.dropped)
    for row, (source, target, entities, dropped) in enumerate(zip(*(c.to_pylist() for c in columns), strict=True)):
        assert (entities is None) == (STATUSES[result.status[row]] != OK)
        mine = [*{e["source_entity"] for e in entities or []}, *(d["source_entity"] for d in dropped)]
        assert sorted(mine) == list(range(len(source or [])))
        assert all(d["reason"] in DROP_REASONS for d in dropped)
        place = 0
        for entity in entities or []:
            assert place <= entity["start"] < entity["end"] <= len(target)
            assert entity["label"] == source[entity["source_entity"]]["label"]
            assert np.isfinite(entity["score"])
            place = entity["end"]


@st.composite
def random_rows(draw):
    """A sentence pair with overlapping entities and any links."""
    m, n = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    words = " ".join(draw(st.lists(st.sampled_from(["w", "—", "?"]), min_size=n, max_size=n)))
    places = st.tuples(st.integers(0, 5), st.integers(1, 3), st.sampled_from(["PER", "LOC"]))
    entities = [(a, min(m, a + size), label) for a, size, label in draw(st.lists(places, max_size=4)) if a < m]
    cells = st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([0.1, 0.4, 1.0]))
    links = {(i, j): score for i, j, score in draw(st.lists(cells, max_size=8)) if i < m and j < n}
    labelled = draw(st.booleans()) or draw(st.booleans())
    return m, words, entities if labelled else None, [(*link, score) for link, score in sorted(links.items())]


@pytest.mark.parametrize("solver", ALL_SOLVERS)
@settings(max_examples=60)
@given(st.data())
def test_accounting_closes(solver, data):
    rows = data.draw(st.lists(random_rows(), max_size=5))
    status = data.draw(st.lists(st.sampled_from([OK, OK, "too_long"]), min_size=len(rows), max_size=len(rows)))
    predicted = data.draw(st.lists(st.sampled_from([True, False, None]), min_size=len(rows), max_size=len(rows)))
    options = {
        "alignment_form": st.sampled_from(["posterior", "bounded", "raw"]),
        "candidates": st.sampled_from(["ngrams", "aligned"]),
        "filter": st.sampled_from(["auto", "none", "strict", ("comp_src",), ("comp_tgt", "restr_tgt", "capitals")]),
        "drop": st.sampled_from(["entity", "sentence"]),
        "boundary_punctuation": st.booleans(),
        "min_score": st.sampled_from([0.0, 0.5, 0.9]),
        "max_words": st.integers(1, 6),
        "overlap": st.sampled_from(["overwrite", "skip"]),
        "max_runs": st.integers(0, 3),
        "min_length_ratio": st.sampled_from([0.0, 0.8]),
        "merge_inside_only": st.booleans(),
    }
    if solver == "ilp":
        options["projections"] = st.integers(1, 2)
    chosen = {name: data.draw(option, label=name) for name, option in options.items()}
    columns = {"status": pa.array(status, pa.string()), "source_predicted": pa.array(predicted, pa.bool_())}
    entities, dropped, after = project(rows, columns=columns, solver=solver, **chosen)
    for row, (before, now) in enumerate(zip(status, after, strict=True)):
        if before != OK:
            assert now == before and set(dropped[row].values()) <= {"row_failed"}
            continue
        length, words, labels, _ = rows[row]
        if not length or not words:
            assert now == ("empty_target" if length else "empty_source")
            assert set(dropped[row].values()) <= {"row_failed"}
        elif labels is None:
            assert now == "unlabelled"
        else:
            assert now == ("filtered" if chosen["drop"] == "sentence" and dropped[row] else OK)
            assert "row_failed" not in dropped[row].values()


PAIR = ("Peter lives in New York", "Peter anaishi New York", [(0, 1, "PER"), (3, 5, "LOC")])
LINKS = [(0, 0), (1, 1), (3, 2), (4, 3)]


@pytest.mark.parametrize("solver", ALL_SOLVERS)
@pytest.mark.parametrize("form", ["posterior", "bounded", "raw"])
def test_an_easy_sentence(solver, form):
    entities, dropped, status = project([(*PAIR, LINKS)], solver=solver, alignment_form=form)
    assert entities == [[(0, 1, "PER", 0), (2, 4, "LOC", 1)]]
    assert dropped == [{}] and status == [OK]


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_entities_stand_in_the_order_of_the_target(solver):
    row = ("a b", "y x", [(0, 1, "A"), (1, 2, "B")], [(0, 1), (1, 0)])
    assert project([row], solver=solver)[0] == [[(0, 1, "B", 1), (1, 2, "A", 0)]]


def test_what_each_filter_rejects_is_counted_apart():
    incomplete = ("a b c", "x y z", [(0, 3, "PER")], [(0, 0), (1, 1)])
    found = projection.project(table([incomplete] * 2), recipe.Project(alignment_form="raw", filter="strict"))
    assert found.filtered == {"completeness": 2}
    found = projection.project(table([(*PAIR, LINKS[:2])]), recipe.Project(drop="sentence"))
    assert found.filtered == {"sentence": 1}
    assert projection.project(table([(*PAIR, LINKS)]), recipe.Project()).filtered == {}


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_loss_has_its_reason(solver):
    rows = [
        (*PAIR[:3], LINKS[:2]),
        (*PAIR[:2], [(0, 1, "PER"), (0, 1, "LOC")], LINKS),
        (*PAIR[:2], [], LINKS),
        ("a b c", "x", [(0, 3, "PER")], [(0, 0)]),
    ]
    entities, dropped, status = project(rows, solver=solver, min_score=0.8, alignment_form="bounded")
    assert dropped == [{1: "no_link"}, {1: "overlap"}, {}, {0: "low_score"}]
    assert entities == [[(0, 1, "PER", 0)], [(0, 1, "PER", 0)], [], []]
    assert status == [OK] * 4


def test_overlapping_source_entities_are_accepted():
    rows = [("New York City", "Jiji la New York", [(0, 2, "LOC"), (0, 3, "LOC")], [(0, 2), (1, 3), (2, 0)])]
    for solver in SOLVERS:
        entities, dropped, _ = project(rows, solver=solver)
        assert len(entities[0]) + len(dropped[0]) == 2
        assert set(dropped[0].values()) <= {"overlap", "low_score"}


def test_rows_that_failed_keep_their_status():
    status = status_array(np.array([STATUSES.index(name) for name in ("translation_copied", OK, "ok", "too_long")]))
    rows = [(*PAIR, LINKS), (*PAIR[:2], None, LINKS), (*PAIR, LINKS), (5, 0, None, None)]
    entities, dropped, after = project(rows, columns={"status": status})
    assert after == ["translation_copied", "unlabelled", OK, "too_long"]
    assert [row is None for row in entities] == [True, True, False, True]
    assert dropped == [{0: "row_failed", 1: "row_failed"}, {}, {}, {}]


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_a_failed_row_may_hold_anything(solver):
    rows = [(*PAIR[:2], [(5, 3, "PER"), (0, 99, "LOC"), (-4, 2, "LOC"), (2, 2, "LOC")], LINKS), (*PAIR, LINKS)]
    status = pa.array(["too_long", OK])
    entities, dropped, _ = project(rows, columns={"status": status}, solver=solver)
    assert entities[0] is None and set(dropped[0].values()) == {"row_failed"}
    assert len(entities[1]) == 2


def test_drop_the_sentence():
    rows = [(*PAIR, LINKS), (*PAIR, LINKS[:2]), (*PAIR[:2], [], [])]
    entities, dropped, status = project(rows, drop="sentence")
    assert status == [OK, "filtered", OK]
    assert dropped == [{}, {0: "filtered", 1: "no_link"}, {}]
    assert entities[1] is None and entities[2] == []


def test_the_filter_is_for_predicted_labels():
    row = ("a b c", "x y z", [(0, 3, "PER")], [(0, 0), (1, 1)])
    predicted = {"source_predicted": pa.array([True, False, None])}
    kept = [(0, 2, "PER", 0)]
    assert project([row] * 3, columns=predicted, alignment_form="raw")[0] == [[], kept, kept]
    assert project([row] * 3, columns=predicted, alignment_form="raw", filter="none")[0] == [kept] * 3
    assert project([row] * 3, columns=predicted, alignment_form="raw", filter="strict")[0] == [[]] * 3
    _, dropped, status = project([row], columns={"source_predicted": pa.array([True])}, filter=("comp_src",))
    assert dropped == [{0: "filtered"}] and status == [OK]


@pytest.mark.parametrize("solver", SOLVERS)
def test_punctuation_at_the_border(solver):
    row = ("Peter left", "( Peter ) akaondoka", [(0, 1, "PER")], [(0, 0), (0, 1), (0, 2)])
    assert project([row], solver=solver, alignment_form="raw", boundary_punctuation=False)[0] == [[(1, 2, "PER", 0)]]
    ((entity,),) = project([row], solver=solver, alignment_form="bounded")[0]
    assert entity[:2] == (0, 3)


@pytest.mark.parametrize("solver", ALL_SOLVERS)
@pytest.mark.parametrize("punctuation", [True, False])
def test_a_target_of_punctuation_only(solver, punctuation):
    row = ("Peter left", "— … !", [(0, 1, "PER")], [(0, 1)])
    entities, dropped, _ = project([row], solver=solver, boundary_punctuation=punctuation)
    assert entities == ([[(1, 2, "PER", 0)]] if punctuation else [[]])
    assert dropped == ([{}] if punctuation else [{0: "no_link"}])


def test_what_is_punctuation():
    words = [".", "—", "$", "«»", "。", "a.", "3", "", "ʼ", "\u200b"]
    found = problems.punctuation(pa.array(words))
    assert [word for word, is_one in zip(words, found, strict=True) if is_one] == [".", "—", "$", "«»", "。"]
    assert problems.punctuation(pa.array([], pa.string())).tolist() == []


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_weak_links_do_not_count_as_hard_ones(solver):
    row = ("a b", "x y", [(0, 1, "A")], [(0, 0, 0.2), (0, 1, 0.9)])
    form = {"alignment_form": "bounded", "solver": solver}
    assert project([row], **form)[0] == [[(1, 2, "A", 0)]]
    assert project([row], **form, min_link=0.1)[0] == [[(0, 2, "A", 0)]]
    assert project([row], **form, min_link=0.95)[1] == [{0: "no_link"}]


def test_a_span_at_the_floor_is_kept():
    row = ("a", "x", [(0, 1, "A")], [(0, 0)])
    for weight in (0.7, 0.9, 0.3):
        found = project([row], scores={"alignment": weight}, alignment_form="bounded", min_score=weight)
        assert found[:2] == ([[(0, 1, "A", 0)]], [{}])


@pytest.mark.parametrize(
    ("link", "message"),
    [((2, 0), "links of 's1': 2-0 is outside the sentences of 2 and 1 words"), ((0, 1), "0-1"), ((-1, 0), "-1-0")],
)
def test_links_outside_the_sentence_are_refused(link, message):
    with pytest.raises(SchemaError, match=message) as raised:
        project([("a", "x", [], []), ("a b", "x", [], [link])])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("score", [-0.5, float("nan"), float("inf")])
@pytest.mark.parametrize("learned", [False, True])
def test_links_with_impossible_scores_are_refused(score, learned):
    rows = [("a", "x", [], [(0, 0)]), ("a b", "x", [], [(0, 0), (1, 0, score)])]
    with pytest.raises(SchemaError, match=f"links.* has the score {score:g}"):
        project(rows) if not learned else precedents.learn([table(rows)])


@pytest.mark.parametrize("span", [(0, 3), (1, 1), (-1, 1), (2, 1)])
def test_entities_outside_the_sentence_are_refused(span):
    with pytest.raises(SchemaError, match="source_entities of 's1'"):
        project([("a", "x", [], []), ("a b", "x", [(*span, "X")], [])])


def scored(rows, candidates, scores):
    return table(
        rows, candidates=pa.array([[{"start": a, "end": b} for a, b in row] for row in candidates]), score_x=scores
    )


def test_model_scores_alone():
    rows = [("a b", "x y z", [(0, 1, "A"), (1, 2, "B")], []), ("a", "x", [], []), ("a", "x y", [(0, 1, "C")], [])]
    given = scored(rows, [[(0, 1), (1, 3)], [(0, 1)], [(0, 1), (1, 2)]], [[0.1, 0.9, 0.6, 0.8], [], [0.0, 0.3]])
    entities, dropped, _ = project(given, scores={"x": 1.0})
    assert entities == [[(0, 1, "B", 1), (1, 3, "A", 0)], [], [(1, 2, "C", 0)]]
    entities, dropped, _ = project(given, scores={"x": 1.0}, min_score=0.7)
    assert entities == [[(1, 3, "A", 0)], [], []]
    assert dropped == [{1: "overlap"}, {}, {0: "low_score"}]


def test_model_scores_and_alignment_add_up():
    rows = [("a b", "x y", [(0, 1, "A")], [(0, 0)])]
    given = scored(rows, [[(0, 1), (1, 2)]], [[0.0, 0.6]])
    weights = {"alignment": 0.5, "x": 1.0}
    assert project(given, scores=weights, alignment_form="bounded")[0] == [[(1, 2, "A", 0)]]
    weights["x"] = 0.5
    assert project(given, scores=weights, alignment_form="bounded")[0] == [[(0, 1, "A", 0)]]
    result = projection.project(given, recipe.Project(scores={"alignment": 0.5, "x": 2.0}, alignment_form="bounded"))
    assert result.target_entities.to_pylist()[0][0]["score"] == pytest.approx(1.2)


def test_model_scores_of_null_rows():
    rows = [("a", "x", None, None), (*PAIR[:2], [(0, 1, "A")], LINKS)]
    given = table(
        rows,
        candidates=pa.array([None, [{"start": 0, "end": 1}]], COLUMNS["candidates"]),
        score_x=pa.array([None, [None]], pa.list_(pa.float32())),
    )
    assert project(given, scores={"x": 1.0})[:2] == ([None, []], [{}, {0: "low_score"}])
    assert project(given, scores={"x": 1.0, "alignment": 1.0})[0][1] == [(0, 1, "A", 0)]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([[0.5]], "score_x of 's0': 1 scores, but its entities × candidates are 2"),
        ([[0.5] * 3], "run `score` again"),
        (None, "column 'score_x' is missing"),
    ],
)
def test_scores_that_do_not_fit_the_candidates_are_refused(scores, message):
    given = scored([("a", "x y", [(0, 1, "A")], [])], [[(0, 1), (1, 2)]], scores or [[0.1, 0.2]])
    if scores is None:
        given = given.drop_columns(["score_x"])
    with pytest.raises(SchemaError, match=message):
        project(given, scores={"x": 1.0})


def test_scores_of_another_row_are_refused():
    rows = [("a", "x y", [(0, 1, "A")], [])] * 2
    given = scored(rows, [[(0, 1), (1, 2)], [(0, 1)]], [[0.5], [0.5, 0.5]])
    with pytest.raises(SchemaError, match="score_x.*'s0'"):
        project(given, scores={"x": 1.0})


@pytest.mark.parametrize("span", [(0, 3), (2, 2), (-1, 1)])
def test_candidates_outside_the_sentence_are_refused(span):
    given = scored([("a", "x", [], []), ("a", "x y", [(0, 1, "A")], [])], [[], [span]], [[], [0.5]])
    with pytest.raises(SchemaError, match="candidates of 's1'"):
        project(given, scores={"x": 1.0, "alignment": 1.0})


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_a_thousand_links(solver):
    links = [(i, j, 0.9 if j == i * 5 // 8 else 0.002) for i in range(40) for j in range(25)]
    entities, dropped, _ = project([(40, 25, [(k, k + 2, "X") for k in range(0, 40, 4)], links)], solver=solver)
    assert len(entities[0]) + len(dropped[0]) == 10 and entities[0]


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_long_sentences(solver):
    rng = np.random.default_rng(1)
    links = sorted({(k, min(299, max(0, int(k + rng.integers(-2, 3))))) for k in range(300)})
    entities, dropped, _ = project([(300, 300, [(k, k + 3, "X") for k in range(0, 300, 6)], links)], solver=solver)
    assert len(entities[0]) + len(dropped[0]) == 50 and len(entities[0]) >= 20


@pytest.mark.parametrize("solver", SOLVERS)
def test_identical_entities_get_one_span_each(solver):
    links = [(0, 1), (0, 3), (2, 1), (2, 3)]
    rows = [("Paris and Paris", "na Paris na Paris", [(0, 1, "LOC"), (2, 3, "LOC")], links)]
    entities, dropped, _ = project(rows, solver=solver, alignment_form="raw", max_words=1)
    if solver == "heuristic":
        assert entities == [[(1, 4, "LOC", 0)]] and dropped == [{1: "overlap"}]
    else:
        assert entities == [[(1, 2, "LOC", 0), (3, 4, "LOC", 1)]]
    same = [("Paris", "Paris", [(0, 1, "LOC")] * 3, [(0, 0)])]
    assert project(same, solver=solver)[1] == [{1: "overlap", 2: "overlap"}]


def test_several_runs_of_one_entity():
    rows = [("a b c", "x y z x y", [(0, 2, "A")], [(0, 0), (1, 1), (0, 3), (1, 4)])]
    many = {"solver": "heuristic", "max_gap": 0, "max_runs": 0}
    assert project(rows, **many)[:2] == ([[(0, 2, "A", 0), (3, 5, "A", 0)]], [{}])
    assert project(rows, **many | {"max_runs": 1})[:2] == ([[(0, 2, "A", 0)]], [{}])
    assert project(rows, **many, filter=("comp_tgt",))[:2] == ([[]], [{0: "filtered"}])
    assert project(rows, **many, filter="strict")[:2] == ([[]], [{0: "filtered"}])


def test_several_spans_by_integer_programme():
    rows = [("a b c", "x y z", [(0, 2, "A"), (2, 3, "B")], [(0, 0), (1, 2)])]
    many = {"solver": "ilp", "alignment_form": "raw", "max_words": 1}
    assert project(rows, **many, projections=2)[:2] == ([[(0, 1, "A", 0), (2, 3, "A", 0)]], [{1: "no_link"}])
    assert project(rows, **many, constraint="=")[1] == [{1: "no_link"}]
    assert len(project(rows, **many)[0][0]) == 1


def test_a_constraint_that_cannot_be_met_names_the_sentence():
    rows = [(*PAIR, LINKS), ("a b", "x", [(0, 1, "A"), (1, 2, "B")], [(0, 0), (1, 0)])]
    assert project(rows, solver="ilp")[1][1] in ({0: "overlap"}, {1: "overlap"})
    with pytest.raises(RecipeError, match="sentence 's1'"):
        project(rows, solver="ilp", constraint="=")


def test_the_integer_programme_projects_as_exact_does():
    rng = np.random.default_rng(9)
    rows = []
    for _ in range(40):
        links = sorted({(int(rng.integers(8)), int(rng.integers(8))): rng.random() for _ in range(12)}.items())
        entities = [(k, k + int(rng.integers(1, 3)), "X") for k in range(0, 7, 2)]
        rows.append((8, 8, entities, [(*link, score) for link, score in links]))
    exact, ilp = (projection.project(table(rows), recipe.Project(solver=name)) for name in ("exact", "ilp"))
    assert ilp.target_entities.equals(exact.target_entities) and ilp.dropped.equals(exact.dropped)


def test_the_hull_writes_over_and_accounts_once():
    rows = [("a b c", "v w x y z", [(0, 2, "A"), (2, 3, "B")], [(0, 0), (1, 4), (2, 2)])]
    pieces = [(0, 2, "A", 0), (2, 3, "B", 1), (3, 5, "A", 0)]
    assert project(rows, solver="hull")[:2] == ([pieces], [{}])
    assert project(rows, solver="hull", overlap="skip")[:2] == ([[(0, 5, "A", 0)]], [{1: "overlap"}])
    covered = [("a b", "x y", [(0, 1, "A"), (1, 2, "B")], [(0, 0), (1, 0), (1, 1)])]
    assert project(covered, solver="hull")[:2] == ([[(0, 2, "B", 1)]], [{0: "overlap"}])


def test_the_hull_is_filtered_before_it_is_written():
    rows = [("a b c", "v w x y z", [(0, 2, "A"), (2, 3, "B")], [(0, 0), (1, 1), (2, 1), (2, 4)])]
    assert project(rows, solver="hull")[:2] == ([[(0, 1, "A", 0), (1, 5, "B", 1)]], [{}])
    assert project(rows, solver="hull", filter=("comp_tgt",))[:2] == ([[(0, 2, "A", 0)]], [{1: "filtered"}])
    assert project(rows, solver="hull", filter="strict")[:2] == ([[(0, 2, "A", 0)]], [{1: "filtered"}])


def test_the_hull_of_one_word_is_cut_to_one_word():
    rows = [("a b c", "v w x y z", [(0, 2, "A"), (2, 3, "B")], [(0, 0), (1, 2), (2, 3), (2, 4)])]
    cut = [(0, 3, "A", 0), (3, 4, "B", 1)]
    assert project(rows, solver="hull", filter=("restr_tgt",))[:2] == ([cut], [{}])
    assert project(rows, solver="hull", filter="none")[0] == [[(0, 3, "A", 0), (3, 5, "B", 1)]]
    assert project(rows, solver="heuristic", filter=("restr_tgt",))[1] == [{1: "filtered"}]


@pytest.mark.parametrize("solver", ["ilp", "hull", "heuristic"])
def test_the_stage_counts_an_entity_with_two_spans_once(solver):
    rows = [("a b c", "v w x y z", [(0, 2, "A"), (2, 3, "B")], [(0, 0), (1, 4), (2, 2)]), (*PAIR, LINKS)]
    options = {"ilp": {"projections": 2}, "hull": {}, "heuristic": {"max_runs": 0, "min_length_ratio": 0.0}}[solver]
    settings = recipe.Project(solver=solver, **options)
    ingest = recipe.Ingest(path="x")
    stage = Project(recipe.Recipe(ingest=ingest, project=settings))
    counts = stage.map(conform(table(rows), *stage.reads())).counts
    assert counts["entities"] == counts["entities.projected"] == 4


def test_exact_projects_more_than_greedy():
    rng = np.random.default_rng(6)
    rows = []
    for _ in range(300):
        links = sorted({(int(rng.integers(8)), int(rng.integers(8))) for _ in range(10)})
        rows.append((8, 8, [(k, k + 2, "X") for k in range(0, 8, 2)], links))
    totals = {}
    for solver in ("exact", "greedy"):
        result = projection.project(table(rows), recipe.Project(solver=solver, alignment_form="raw"))
        totals[solver] = sum(e["score"] for row in result.target_entities.to_pylist() for e in row)
    assert totals["exact"] > totals["greedy"]


def test_an_empty_table_and_slices():
    given = table([(*PAIR, LINKS)] * 5)
    whole = projection.project(given, recipe.Project())
    for first, size in ((0, 0), (1, 3), (4, 1)):
        part = projection.project(given.slice(first, size), recipe.Project())
        assert part.target_entities.equals(whole.target_entities.slice(first, size))
        assert part.dropped.equals(whole.dropped.slice(first, size))
    chunked = pa.concat_tables([given.slice(0, 2), given.slice(2)])
    assert projection.project(chunked, recipe.Project()).target_entities.equals(whole.target_entities)


def test_the_look_of_words_needs_no_scorer():
    rows = [("he met Anna Berg", "Anna Berg kennt er", [(2, 4, "PER")], [(2, 0), (3, 1), (3, 2)])]
    assert project(rows, scores={"orthographic": 0.3})[0] == [[(0, 2, "PER", 0)]]
    result = projection.project(table(rows), recipe.Project(scores={"orthographic": 0.3}))
    assert result.target_entities.to_pylist()[0][0]["score"] == pytest.approx(0.3)
    rows = [("he met Anna", "x y", [(2, 3, "PER")], [(2, 0)])]
    assert project(rows, scores={"orthographic": 0.3})[1] == [{0: "low_score"}]
