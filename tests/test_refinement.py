"""Projection with back-translation: what each mode makes of a row, accounting, both ratios, and the plain form."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import corpus, here, write_project
from test_projection import check_accounting, random_rows, table

from xproj import problems, projection, recipe, refinement
from xproj.columns import LinkColumn
from xproj.core.refinement import MODES
from xproj.corpus_counts import count
from xproj.errors import SchemaError
from xproj.planning import advice
from xproj.schema import COLUMNS, STATUSES, conform
from xproj.stages import Project

ON = MODES[1:]
WORDS = ("John Smith lives in Rome", "John Smith vive a Roma")
ENTITIES = [(0, 2, "PER"), (4, 5, "LOC")]
GOOD = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
BACK = "a Roma vive John Smith".split()
BACK_LINKS = [(0, 3), (1, 4), (2, 2), (3, 0), (4, 1)]
FOUND = [(3, 5, 0), (1, 2, 1)]


def back(rows):
    """The three columns of rows (words, entities (start, end, source_entity), links); None is a null row."""
    entities = [
        None if row is None else [{"start": a, "end": b, "label": "X", "source_entity": k} for a, b, k in row[1]]
        for row in rows
    ]
    return {
        "back_tokens": pa.array([row and row[0] for row in rows], COLUMNS["back_tokens"]),
        "back_entities": pa.array(entities, COLUMNS["back_entities"]),
        "back_links": LinkColumn.of([row and row[2] for row in rows]).write(),
    }


def refined(rows, backs, mode, counts=None, **options):
    """Entities of the first row as (start, end, source entity), its losses, and those of the direct path."""
    given_ = table(rows, **back(backs))
    result = refinement.project(given_, recipe.Project(**options), counts, mode=mode)
    for found in result:
        check_accounting(given_, found)
    spans = [
        [(e["start"], e["end"], e["source_entity"]) for e in found.target_entities.to_pylist()[0] or []]
        for found in result
    ]
    lost = {d["source_entity"]: d["reason"] for d in result.projected.dropped.to_pylist()[0]}
    if mode == "filter":
        assert set(result.projected.filtered) <= {"refine"} >= set(result.direct.filtered)
    return spans[0], lost, spans[1]


def row(links):
    return [(*WORDS, ENTITIES, links)]


BOTH = [(0, 2, 0), (4, 5, 1)]


@pytest.mark.parametrize("mode", ON)
@pytest.mark.parametrize("solver", ["exact", "greedy", "heuristic", "ilp", "hull"])
def test_two_good_paths_agree(mode, solver):
    assert refined(row(GOOD), [(BACK, FOUND, BACK_LINKS)], mode, solver=solver) == (BOTH, {}, BOTH)


@pytest.mark.parametrize("mode", ON)
def test_the_direct_links_miss_an_entity(mode):
    spans, lost, direct = refined(row(GOOD[:4]), [(BACK, FOUND, BACK_LINKS)], mode)
    assert direct == [(0, 2, 0)]
    assert (spans, lost) == (([(0, 2, 0)], {1: "no_link"}) if mode == "filter" else (BOTH, {}))


@pytest.mark.parametrize(
    ("mode", "spans", "lost"),
    [
        ("replace", [(4, 5, 1)], {0: "no_link"}),
        ("add", BOTH, {}),
        ("filter", [(4, 5, 1)], {0: "filtered"}),
        ("fallback", BOTH, {}),
    ],
)
def test_the_back_translation_has_lost_an_entity(mode, spans, lost):
    assert refined(row(GOOD), [(BACK, FOUND[1:], BACK_LINKS)], mode) == (spans, lost, BOTH)


@pytest.mark.parametrize("mode", ON)
def test_the_paths_disagree(mode):
    links = [(0, 2), (1, 2), (4, 4)]  # John Smith is not vive
    spans, lost, direct = refined(row(links), [(BACK, FOUND, BACK_LINKS)], mode)
    assert direct == [(2, 3, 0), (4, 5, 1)]
    if mode == "filter":
        assert (spans, lost) == ([(4, 5, 1)], {0: "filtered"})
    elif mode == "fallback":
        assert (spans, lost) == (direct, {})
    else:
        assert not lost and spans[0][0] == 0 and spans[1] == (4, 5, 1)


def test_a_span_of_the_fallback_needs_free_words():
    rows = [("a b", "x y", [(0, 1, "A"), (1, 2, "B")], [(0, 0)])]
    found = [(0, 1, 0), (1, 2, 1)]
    assert refined(rows, [(["x", "y"], found, [(1, 1)])], "fallback")[:2] == ([(0, 1, 0), (1, 2, 1)], {})
    assert refined(rows, [(["x", "y"], found, [(1, 0)])], "fallback")[:2] == ([(0, 1, 0)], {1: "overlap"})
    assert refined(rows, [(["x", "y"], found, [])], "fallback")[:2] == ([(0, 1, 0)], {1: "no_link"})


@pytest.mark.parametrize("mode", ON)
def test_without_a_back_translation(mode):
    spans, lost, direct = refined(row(GOOD), [None], mode)
    assert direct == BOTH
    reason = {"replace": "no_link", "filter": "filtered"}.get(mode)
    assert (spans, lost) == (([], {0: reason, 1: reason}) if reason else (BOTH, {}))


def test_added_links_settle_what_direct_links_leave_open():
    links = [(0, 0, 0.3), (0, 1, 0.3)]
    rows = [("Rome is", "Roma qui", [(0, 1, "LOC")], links)]
    assert refined(rows, [(["Roma", "qui"], [(0, 1, 0)], [(0, 0), (1, 1)])], "add")[0] == [(0, 1, 0)]
    assert refined(rows, [(["Roma", "qui"], [(1, 2, 0)], [(0, 0), (1, 1)])], "add")[0] == [(1, 2, 0)]


@pytest.mark.parametrize("mode", ON)
def test_entities_without_a_number_go_by_their_place(mode):
    in_order = [(3, 5, None), (1, 2, None)]
    assert refined(row(GOOD), [(BACK, in_order, BACK_LINKS)], mode) == (BOTH, {}, BOTH)


@pytest.mark.parametrize(
    ("found", "links", "message"),
    [
        ([(3, 5, None)], [], "back_entities of 's0': no source_entity, and not as many"),
        ([(3, 5, 2)], [], "back_entities of 's0': a source_entity that is not there"),
        ([(3, 5, -1)], [], "back_entities of 's0': a source_entity that is not there"),
        ([(3, 5, 1), (0, 1, 1)], [], "back_entities of 's0': one source_entity twice"),
        ([(3, 5, 1), (0, 1, None)], [], "back_entities of 's0': some without source_entity"),
        ([(3, 6, 1)], [], "back_entities of 's0' has the span"),
        ([], [(5, 0)], "back_links of 's0': 5-0 is outside the sentences of 5 and 5 words"),
        ([], [(0, 5)], "back_links of 's0': 0-5 is outside"),
    ],
)
def test_unclear_back_translations_are_refused(found, links, message):
    with pytest.raises(SchemaError, match=message) as raised:
        refined(row(GOOD), [(BACK, found, links)], "add")
    assert "\n" not in str(raised.value)


@st.composite
def with_back(draw):
    """A random row and a random back-translation of it."""
    made = draw(random_rows())
    if draw(st.integers(0, 4)) == 0:
        return made, None
    words, n = draw(st.integers(1, 5)), len(made[1].split())
    numbers = sorted(draw(st.sets(st.integers(0, 3)))) if made[2] else []
    spans = [(a, min(words, a + 2), k) for k in numbers if k < len(made[2]) and (a := draw(st.integers(0, 4))) < words]
    cells = draw(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=6))
    links = [(i, j, draw(st.sampled_from([0.1, 0.5, 1.0]))) for i, j in sorted(cells) if i < words and j < n]
    return made, (["w"] * words, spans, links)


@pytest.mark.parametrize("mode", ON)
@settings(max_examples=60)
@given(st.data())
def test_accounting_closes(mode, data):
    pairs = data.draw(st.lists(with_back(), min_size=1, max_size=4))
    options = {
        "solver": data.draw(st.sampled_from(["exact", "greedy", "heuristic", "hull"])),
        "alignment_form": data.draw(st.sampled_from(["posterior", "bounded"])),
        "drop": data.draw(st.sampled_from(["entity", "sentence"])),
        "filter": data.draw(st.sampled_from(["auto", "none", "strict"])),
    }
    status = data.draw(st.lists(st.sampled_from(["ok", "ok", "too_long"]), min_size=len(pairs), max_size=len(pairs)))
    rows, backs = zip(*pairs, strict=True)
    given_ = table(rows, **back(backs), status=pa.array(status))
    result = refinement.project(given_, recipe.Project(**options), count([given_]), mode=mode)
    alone = projection.project(given_, recipe.Project(**options), count([given_]))
    assert result.direct.target_entities.equals(alone.target_entities) and result.direct.dropped.equals(alone.dropped)
    check_accounting(given_, result.projected)
    projected = [{e["source_entity"] for e in row or []} for row in result.projected.target_entities.to_pylist()]
    direct = [{e["source_entity"] for e in row or []} for row in alone.target_entities.to_pylist()]
    for mine, theirs in zip(projected, direct, strict=True):
        assert mode != "filter" or mine <= theirs
        assert mode != "fallback" or mine >= theirs


@pytest.mark.parametrize("mode", ON)
def test_no_evidence_of_rows_that_failed(mode):
    rows = row(GOOD) * 2
    outside = (BACK, [(7, 9, 5)], [(40, 40)])
    given_ = table(rows, **back([outside, (BACK, FOUND, BACK_LINKS)]), status=pa.array(["too_long", "ok"]))
    result = refinement.project(given_, recipe.Project(), mode=mode).projected
    assert [STATUSES[code] for code in result.status] == ["too_long", "ok"]
    assert result.target_entities.to_pylist()[0] is None and len(result.target_entities.to_pylist()[1]) == 2


def stage(mode):
    return Project(recipe.Recipe(ingest=recipe.Ingest(path="x"), align=recipe.Align(refine=mode)))


@pytest.mark.parametrize(("mode", "warned"), [("replace", True), ("add", False), ("filter", True), ("fallback", False)])
def test_both_ratios_are_counted_and_a_loss_is_warned_of(mode, warned):
    made = stage(mode)
    given_ = table(row(GOOD), **back([(BACK, FOUND[1:], BACK_LINKS)]))
    counts = made.map(conform(given_, *made.reads())).counts
    kept = 1 if warned else 2
    assert (counts["entities"], counts["entities.projected"], counts["entities.projected.direct"]) == (2, kept, 2)
    first, *warnings = made.remarks(counts)
    ratio = f"projection ratio {kept / 2:.3f} with refine = '{mode}', 1.000 by the direct links alone"
    assert first.startswith(ratio) and bool(warnings) == warned
    assert not warned or "less than 80% of what the direct links project" in warnings[0]
    assert stage("off").remarks({"entities": 2, "entities.projected": 1}) == []


def test_weak_links_are_counted_where_they_do_not_count():
    links = [(0, 0, 0.1), (1, 1, 0.2), (4, 4, 0.9)]
    given_ = table(row(links) * 2, status=pa.array(["ok", "too_long"]))
    assert problems.weak_links(given_, recipe.Project()) == {}
    for options in ({"solver": "hull"}, {"alignment_form": "raw"}, {"filter": "strict"}):
        counts = problems.weak_links(given_, recipe.Project(**options))
        assert counts == {"links.read": 3, "links.below_min_link": 2}
    made = Project(recipe.Recipe(ingest=recipe.Ingest(path="x"), project=recipe.Project(solver="hull")))
    (line,) = made.remarks({"links.read": 3, "links.below_min_link": 2})
    assert line.startswith("2 of 3 links score below project.min_link = 0.3") and "min_link = 0 counts" in line
    assert made.remarks({"links.read": 40, "links.below_min_link": 2}) == []


def test_plan_recommends_it_where_words_have_no_spaces():
    made = recipe.Recipe(ingest=recipe.Ingest(path="x"), language="jpn_Jpan")
    assert "jpn_Jpan has no spaces" in advice(made)[0]
    assert advice(made.model_copy(update={"align": recipe.Align(refine="replace")})) == []
    assert advice(made.model_copy(update={"language": "deu_Latn"})) == []


# --- the plain form ---------------------------------------------------------------------------------------------------


def translated(rows=30):
    """The small corpus with a back-translation: the target sentence itself, its first word moved to the end."""
    made = corpus(rows)
    tokens = [words[1:] + words[:1] for words in made["target_tokens"].to_pylist()]
    entities = []
    for words, row_ in zip(tokens, made["source_entities"].to_pylist(), strict=True):
        entities.append([])
        for number, e in enumerate(row_):
            if 0 < e["start"]:  # the first word has left its entity
                span = {"start": e["start"] - 1, "end": e["end"] - 1}
                entities[-1].append({**span, "label": e["label"], "source_entity": number})
        assert all(e["end"] <= len(words) for e in entities[-1])
    made = made.append_column("back_tokens", pa.array(tokens, COLUMNS["back_tokens"]))
    return made.append_column("back_entities", pa.array(entities, COLUMNS["back_entities"]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pq.write_table(translated(), "corpus.parquet")
    return tmp_path


def out(capsys, *arguments):
    """The counts that a command prints, and its remarks."""
    assert here(*arguments, "--json") == 0
    captured = capsys.readouterr()
    return json.loads(captured.out)["counts"], captured.err


FAST = ["--set", "align.iterations=2", "--set", "align.prefixes=[4]"]


@pytest.mark.parametrize("mode", ON)
def test_from_a_back_translation_to_projected_labels(folder, capsys, mode):
    refine = ["--set", f"align.refine={mode}"]
    counts, _ = out(capsys, "align", "--input", "corpus.parquet", "--output", "links.parquet", *FAST, *refine)
    assert counts["back_links"] > 100 and counts["links"] > 100
    aligned = pq.read_table("links.parquet")
    assert aligned["back_links"].type == COLUMNS["back_links"] and aligned["pair_score"].type == pa.float32()
    columns = (aligned[name].to_pylist() for name in ("back_tokens", "target_tokens", "back_links"))
    for words, target, links in zip(*columns, strict=True):
        right = [words[x["source"]] == target[x["target"]] for x in links]
        assert sum(right) >= 0.7 * len(right)
    counts, said = out(capsys, "project", "--input", "links.parquet", "--output", "projected.parquet", *refine)
    lost = sum(n for key, n in counts.items() if key.startswith("entities.dropped."))
    assert counts["entities"] == counts["entities.projected"] + lost
    direct, _ = out(capsys, "project", "--input", "links.parquet", "--output", "direct.parquet")
    assert counts["entities.projected.direct"] == direct["entities.projected"]
    assert f"with refine = '{mode}'" in said
    assert mode != "fallback" or counts["entities.projected"] >= direct["entities.projected"]
    assert ("warning" in said) == (counts["entities.projected"] < 0.8 * direct["entities.projected"])


def test_a_mode_without_its_columns_is_one_line(folder, capsys):
    pq.write_table(corpus(), "bare.parquet")
    assert here("align", "--input", "bare.parquet", "--output", "x.parquet", "--set", "align.refine=add") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "column 'back_tokens' is missing; [align] refine = 'add' needs" in said
    pq.write_table(translated().append_column("links", pa.array([[]] * 30, COLUMNS["links"])), "linked.parquet")
    assert here("project", "--input", "linked.parquet", "--output", "x.parquet", "--set", "align.refine=add") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "column 'back_links' is missing; [align] refine = 'add' needs" in said
    assert here("project", "--input", "linked.parquet", "--output", "x.parquet", "--set", "align.threshold=.1") == 2
    assert "project reads only [project], align.refine and [runtime]" in capsys.readouterr().err


def test_a_recipe_without_a_back_translation_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = write_project(tmp_path)
    assert here("plan", path, "--set", "align.refine=filter") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "'back_tokens', which no stage of this recipe makes; [align] refine" in said


def test_given_links_have_none_of_the_back_translation(folder, capsys):
    (folder / "links.txt").write_text("0-0\n" * 30)
    settings_ = ["--set", "align.aligner=given", "--set", "align.links=links.txt", "--set", "align.refine=add"]
    assert here("align", "--input", "corpus.parquet", "--output", "x.parquet", *settings_) == 2
    assert "'given' has no links of the back-translation" in capsys.readouterr().err


def test_pairs_that_are_not_parallel_are_filtered_with_a_count(folder, capsys):
    made = translated()
    tokens = made["target_tokens"].to_pylist()
    tokens[3] = ["§", "¶", "†", "‡"] * 6
    made = made.set_column(2, "target_tokens", pa.array(tokens, COLUMNS["target_tokens"]))
    pq.write_table(made, "odd.parquet")
    out(capsys, "align", "--input", "odd.parquet", "--output", "free.parquet", *FAST)
    scores = pq.read_table("free.parquet")["pair_score"].to_pylist()
    assert min(scores) == scores[3] < sorted(scores)[1] <= max(scores) <= 1
    floor = (scores[3] + sorted(scores)[1]) / 2
    arguments = [*FAST, "--set", f"align.min_pair_score={floor}"]
    counts, _ = out(capsys, "align", "--input", "odd.parquet", "--output", "links.parquet", *arguments)
    assert counts["rows"] == 30 and counts["status.filtered"] == counts["rows.filtered.pair_score"] == 1
    found = pq.read_table("links.parquet")
    assert [k for k, s in enumerate(found["status"].to_pylist()) if s == "filtered"] == [3]
    assert found["links"][3].as_py() is None and found["pair_score"][3].as_py() == scores[3]
    assert counts["links"] == sum(len(row) for row in found["links"].to_pylist() if row)
    counts, _ = out(capsys, "project", "--input", "links.parquet", "--output", "projected.parquet")
    lost = len(found["source_entities"][3].as_py())
    assert counts.get("entities.dropped.row_failed", 0) == lost
