"""The routes that translate, from the corpus to the silver dataset; and entities that travel as marks."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import here, run_here
from test_projection import check_accounting

from xproj import planning, projection, recipe, stages, store, translators
from xproj.columns import EntityColumn, LinkColumn
from xproj.errors import RecipeError, SchemaError
from xproj.inspection import status
from xproj.pipeline import Run
from xproj.schema import COLUMNS, conform
from xproj.translators import Translation
from xproj.translators.apertium import installed_modes

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "sample" / "deu_Latn"
MARKS = ["translate.markers=blanks", "project.candidates=markers"]
needs_apertium = pytest.mark.skipif(
    not {"eng-spa", "spa-eng", "eng-cat"} <= set(installed_modes()), reason="needs apertium-eng-spa, apertium-eng-cat"
)


def made(**tables):
    data = {"route": "translate-train", "language": "spa_Latn", "ingest": {"path": "x"}}
    return recipe.parse(data | {"translate": {"translator": "fake"}} | tables, "test")


# --- projection of marks ---


def project(rows, **settings):
    """Rows of (marked text, target words, source entities); what each became, and its losses."""
    data = {
        "id": [f"s{k}" for k in range(len(rows))],
        "source_tokens": pa.array([["w"] * 9] * len(rows), COLUMNS["source_tokens"]),
        "target_tokens": pa.array([row[1].split() for row in rows], COLUMNS["target_tokens"]),
        "source_entities": EntityColumn.of([row[2] for row in rows]).write(),
        "marked_text": pa.array([row[0] for row in rows], pa.string()),
    }
    if "links" in settings:
        data["links"] = LinkColumn.of(settings.pop("links")).write()
    made = recipe.Project(candidates="markers", **settings)
    stage = stages.Project(recipe.Recipe(ingest=recipe.Ingest(), project=made))
    required, optional = stage.reads()
    table = conform(pa.table(data), required, optional)
    result = projection.project(table, made)
    check_accounting(table, result)
    stage.map(table)
    found = [[(e["start"], e["end"], e["score"]) for e in row] for row in result.target_entities.to_pylist()]
    return found, [{d["source_entity"]: d["reason"] for d in row} for row in result.dropped.to_pylist()]


PER, LOC = (0, 1, "PER"), (2, 4, "LOC")


@pytest.mark.parametrize(
    ("marked", "words", "found", "lost"),
    [
        ("[[t:e:0]]Ana[[/]] en [[t:e:1]]Roma[[/]].", "Ana en Roma .", [(0, 1, 1.0), (2, 3, 1.0)], {}),
        ("en [[t:e:1]]Roma[[/]] [[t:e:0]]Ana[[/]]", "en Roma Ana", [(1, 2, 1.0), (2, 3, 1.0)], {}),
        ("[[t:e:0]]Ana[[/]] en Roma", "Ana en Roma", [(0, 1, 1.0)], {1: "no_link"}),
        ("[[t:e:1]]San[[/]] de [[t:e:1]]Luis[[/]]", "San de Luis", [(0, 3, pytest.approx(2 / 3))], {0: "no_link"}),
        # a hull over another one: the one whose words carry its mark stays
        (
            "[[t:e:1]]San[[/]] [[t:e:0]]Ana[[/]] de [[t:e:1]]Luis[[/]]",
            "San Ana de Luis",
            [(1, 2, 1.0)],
            {1: "overlap"},
        ),
        (None, "Ana en Roma", [], {0: "no_link", 1: "no_link"}),
        ("Ana en [[t:e:7]]Roma[[/]]", "Ana en Roma", [], {0: "no_link", 1: "no_link"}),
    ],
)
def test_marks_become_spans(marked, words, found, lost):
    assert project([("x", "x", []), (marked, words, [PER, LOC])]) == ([[], found], [{}, lost])


def test_settings_of_projection_hold_for_marks():
    row = ("« [[t:e:0]]« San de Luis »[[/]] »", "« « San de Luis » »", [PER])
    assert project([row])[0] == [[(1, 6, 1.0)]]
    assert project([row], boundary_punctuation=False)[0] == [[(2, 5, 1.0)]]
    assert project([row], max_words=4)[1] == [{0: "no_link"}]
    assert project([row], min_score=1.5)[1] == [{0: "low_score"}]
    assert project([row], solver="ilp")[0] == project([row], solver="greedy")[0] == [[(1, 6, 1.0)]]


def test_links_judge_marks_when_asked():
    row = ("[[t:e:0]]Ana[[/]] en Roma", "Ana en Roma", [PER])
    linked, unlinked = [[(0, 0, 1.0)]], [[(0, 2, 1.0)]]
    assert project([row], filter="strict", links=linked)[0] == [[(0, 1, 1.0)]]
    assert project([row], filter="strict", links=unlinked)[1] == [{0: "filtered"}]
    both = project([row], scores={"markers": 1.0, "alignment": 1.0}, links=linked)[0]
    assert both[0][0][2] > 1.0


def test_marked_text_of_other_words_is_refused():
    with pytest.raises(SchemaError, match="marked_text of 's0': its words are not those of target_tokens"):
        project([("[[t:e:0]]Ana[[/]]", "Eva", [PER])])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"candidates": "markers", "solver": "hull"}, "reads links, not markers"),
        ({"candidates": "markers", "scores": {"tagger": 1.0}}, "have no score 'tagger'"),
        ({"scores": {"markers": 1.0}}, "needs candidates = 'markers'"),
    ],
)
def test_what_does_not_go_with_marks(settings, message):
    with pytest.raises(RecipeError, match=message):
        made(project=settings)


# --- the stage ---


def test_marks_need_labels_and_a_translator_that_carries_them():
    marked = {"translator": "fake", "markers": "blanks"}
    with pytest.raises(RecipeError, match="carries no markers"):
        stages.Translate(made(translate=marked)).check()
    with pytest.raises(RecipeError, match="labels on the side that is translated"):
        stages.Translate(made(route="translate-test", translate=marked))
    with pytest.raises(RecipeError, match="too late for"):
        planning.chain(made(translate=marked, tag={"model": "m"}), {})
    with pytest.raises(RecipeError, match=r"'marked_text', which no stage .* add \[translate\] with markers"):
        planning.chain(made(project={"candidates": "markers"}), {})


def test_links_are_not_made_when_nothing_reads_them():
    marked = {"translator": "apertium", "markers": "blanks"}
    steps = planning.chain(made(translate=marked, project={"candidates": "markers"}), {})
    assert list(steps) == ["ingest", "translate", "project", "silver"]
    judged = made(translate=marked, project={"candidates": "markers", "filter": "strict"})
    assert "align" in planning.chain(judged, {})


class Wrong:
    """Gives every text back."""

    capabilities = frozenset()

    def translate(self, texts, **_):
        return [[Translation(text, -1.0)] for text in texts]


def test_bad_translations_have_a_status(monkeypatch):
    monkeypatch.setattr(translators, "open", lambda *_, **__: Wrong())
    texts = pa.table({"id": ["a", "b"], "source_text": ["all of these words are copied", "Peter"]})
    for checks, expected in ((True, "translation_copied"), (False, "ok")):
        stage = stages.Translate(made(translate={"translator": "fake", "checks": checks}))
        mapped = stage.map(conform(texts, *stage.reads()))
        assert mapped.columns["status"].to_pylist() == [expected, "ok"]
        assert mapped.columns["translation_score"].null_count == 2, "no engine without scores has any"
        assert set(mapped.columns) == set(stage.adding())


# --- whole routes ---


def run_route(path, tmp_path, language, *overrides):
    """Run a recipe in this process; its counts by stage, and the rows of all its stages."""
    loaded = recipe.load(path, list(overrides), language)
    run = run_here(Run.open(loaded.model_copy(update={"train": None, "evaluate": None}), tmp_path / "runs"))
    shards = run.task("project").shards
    parts = [name for name in run.steps if name != "silver"]
    columns = ["source_tokens", "target_tokens", "source_entities", "target_entities", "status"]
    rows = [
        row
        for shard in range(shards)
        for row in store.read_zipped([run.part(name, shard, shards) for name in parts], columns).to_pylist()
    ]
    return {state.stage: state.counts for state in status(run)}, rows


def names(row, side):
    return [" ".join(row[f"{side}_tokens"][e["start"] : e["end"]]) for e in row[f"{side}_entities"] or []]


@needs_apertium
@pytest.mark.parametrize(("language", "marks"), [("spa_Latn", []), ("spa_Latn", MARKS), ("cat_Latn", MARKS)])
def test_translate_train(tmp_path, language, marks):
    labelled = f"ingest.path={SAMPLE / 'train.source.conll'}"
    sizes = ["ingest.limit=40", "ingest.shard_size=16"]
    path = ROOT / "pipelines" / "translate-train.toml"
    counts, rows = run_route(path, tmp_path, language, labelled, *sizes, *marks)
    assert counts["translate"]["rows.translated"] == 40 == counts["project"]["rows"]
    assert counts["project"].get("status.ok", 0) >= 39
    assert counts["project"]["entities.projected"] >= (0.95 if marks else 0.6) * counts["project"]["entities"]
    assert ("align" in counts) == (not marks)
    if marks:
        same = [name in names(row, "source") for row in rows for name in names(row, "target")]
        assert sum(same) > 0.5 * len(same), "most names stay as they are"


@needs_apertium
def test_translate_test(tmp_path, spacy_model):
    text = tmp_path / "text.txt"
    text.write_text("Asha vive en Berlín.\nEl tiempo es malo.\n\nPeter voló a Nairobi [ayer].\n" * 8)
    path = ROOT / "pipelines" / "translate-test.toml"
    sizes = [f"ingest.target_path={text}", f"tag.model={spacy_model}"]
    counts, rows = run_route(path, tmp_path, "spa_Latn", *sizes)
    assert counts["translate"]["rows.translated"] == 24 == counts["project"]["rows"] - 8
    assert counts["tag"]["rows.tagged"] == 24
    found = counts["project"]
    dropped = sum(n for name, n in found.items() if name.startswith("entities.dropped."))
    assert found["entities"] == found["entities.projected"] + dropped
    assert rows[0]["source_tokens"][2:] == ["in", "Berlin", "."] and rows[0]["target_tokens"] == [
        "Asha",
        "vive",
        "en",
        "Berlín",
        ".",
    ]


@needs_apertium
def test_the_plain_form_carries_marks(tmp_path):
    table = pa.table(
        {
            "id": ["a", "b"],
            "source_tokens": [["Anna", "lives", "in", "New", "York", "."], ["No", "name", "."]],
            "source_entities": EntityColumn.of([[(0, 1, "PER"), (3, 5, "LOC")], None]).write(),
        }
    )
    given, pairs, projected = (tmp_path / f"{name}.parquet" for name in ("given", "pairs", "projected"))
    pq.write_table(table, given)
    marks = ["--set", "translate.translator=apertium", "--set", "translate.markers=blanks"]
    languages = ["--language", "spa_Latn", "--source", "eng_Latn"]
    assert here("translate", "--input", given, "--output", pairs, *marks, *languages) == 0
    assert here("project", "--input", pairs, "--output", projected, "--set", "project.candidates=markers") == 0
    first, second = pq.read_table(projected).to_pylist()
    assert first["marked_text"].count("[[t:e:") >= 2 and first["translation_score"] is None
    assert names(first, "target") == ["Anna", "Nueva York"]
    assert second["status"] == "unlabelled" and second["target_tokens"][-1] == "."
