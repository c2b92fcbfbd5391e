"""The chain of fingerprints, the plan, and what the stages make of rows."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import RECIPE, ROWS, corpus, write_project

from xproj import pipeline, recipe, scorers, stages, store
from xproj.columns import LINK, EntityColumn
from xproj.errors import CorpusError, RecipeError, StoreError
from xproj.inspection import removable, show, status, verify
from xproj.pipeline import Run
from xproj.planning import chain, plan
from xproj.schema import conform

RAW = {"ingest.path": "r", "evaluate.gold": "g"}


def parse(**tables):
    data = {
        "language": "deu_Latn",
        "ingest": {"path": "/x/corpus.parquet"},
        "train": {},
        "evaluate": {"gold": "/x/gold"},
    }
    return recipe.parse(data | tables, "test")


def prints(made, raw=RAW):
    return {name: step.provenance.fingerprint for name, step in chain(made, raw).items()}


def changed(made, raw=RAW):
    before, after = prints(parse()), prints(made, raw)
    return {name for name in after if before.get(name) != after[name]}


@pytest.fixture
def run(tmp_path):
    """A run of the small corpus that has not begun."""
    return Run.open(recipe.load(write_project(tmp_path)), tmp_path / "runs")


def done(run, *names):
    """Do these stages, in this process."""
    for name in names or run.steps:
        if name == "ingest":
            list(pipeline.run_ingest(run))
            continue
        task = run.task(name)
        if task.fit:
            pipeline.run_fit(run, name)
        if task.missing:
            list(pipeline.run_shards(run, name, run.task(name).missing))


# --- the chain ---

AFTER_ALIGN = {"align", "project", "silver", "train", "evaluate"}


@pytest.mark.parametrize(
    ("tables", "stages_changed"),
    [
        ({}, set()),
        ({"runtime": {"workers": 8, "batch_tokens": 1}}, set()),
        ({"ingest": {"path": "/x/corpus.parquet", "limit": 5}}, {"ingest", *AFTER_ALIGN}),
        ({"align": {"threshold": 0.93}}, AFTER_ALIGN),
        ({"tag": {"model": "m"}}, {"tag", "project", "silver", "train", "evaluate"}),
        ({"project": {"solver": "greedy"}}, {"project", "silver", "train", "evaluate"}),
        ({"silver": {"licences": ["CC0-1.0"]}}, {"silver", "train", "evaluate"}),
        ({"train": {"epochs": 1}}, {"train", "evaluate"}),
        ({"evaluate": {"gold": "/x/gold", "bootstrap": 5}}, {"evaluate"}),
        ({"ingest": {"path": "/elsewhere/corpus.parquet"}}, set()),
        ({"translate": {"translator": "fake"}}, set()),
        ({"language": "swh_Latn"}, {"ingest", *AFTER_ALIGN}),
    ],
)
def test_a_setting_changes_the_stages_that_read_it_and_those_after(tables, stages_changed):
    assert changed(parse(**tables)) == stages_changed


@pytest.mark.parametrize(
    ("key", "stages_changed"), [("ingest.path", {"ingest", *AFTER_ALIGN}), ("evaluate.gold", {"evaluate"})]
)
def test_the_content_of_a_file_counts(key, stages_changed):
    assert changed(parse(), RAW | {key: "other"}) == stages_changed


def test_inputs_are_those_that_a_stage_reads():
    steps = chain(parse(tag={"model": "m"}), RAW)
    assert set(steps["align"].provenance.inputs) == {"ingest"}
    assert set(steps["project"].provenance.inputs) == {"ingest", "tag", "align"}
    assert set(steps["train"].provenance.inputs) == {"silver"}
    expected = {"ingest", "tag", "project", "silver", "train", "evaluate.gold"}
    assert set(steps["evaluate"].provenance.inputs) == expected


def test_provenance_has_no_absolute_path():
    for step in chain(parse(), RAW).values():
        assert "/x" not in json.dumps(step.provenance.settings)


def test_routes_plan_their_own_stages():
    assert list(chain(parse(), RAW)) == ["ingest", "align", "project", "silver", "train", "evaluate"]
    made = parse(route="translate-train", translate={"translator": "fake"})
    assert list(chain(made, RAW))[:3] == ["ingest", "translate", "align"]
    assert chain(made, RAW)["align"].sources == ("ingest", "translate")


def test_a_score_that_nobody_makes_is_refused():
    with pytest.raises(RecipeError, match="score_tagger.*add"):
        chain(parse(project={"scores": {"alignment": 0.5, "tagger": 0.5}}), RAW)
    scored = chain(parse(project={"scores": {"tagger": 1}}, score={"scorers": ["tagger"], "model": "m"}), RAW)
    assert "score" in scored["project"].sources


# --- the plan ---


def reasons(existing):
    steps = chain(parse(), RAW)
    return {
        task.stage: task.reason for task in plan(steps, {steps[k].folder: frozenset(v) for k, v in existing.items()})
    }


def test_the_plan_says_what_and_why():
    parts = [store.part_name(i, 8) for i in range(8)]
    nothing = reasons({})
    assert nothing["ingest"] == "missing all parts" and nothing["silver"] == "not fitted"
    assert nothing["align"] == "not fitted, missing all parts"
    some = reasons({"ingest": parts, "align": ["fit", *parts[3:]], "silver": [store.PROVENANCE]})
    assert some["ingest"] == "done" and some["align"] == "missing 3 of 8 parts"
    assert some["project"] == "not fitted, missing 8 of 8 parts"
    assert some["silver"] == "done" and some["train"] == "not fitted"
    assert reasons({"ingest": parts, "align": parts})["align"] == "done"  # nothing is left that would need the fit


def test_the_plan_names_the_missing_shards():
    steps = chain(parse(), RAW)
    there = frozenset(store.part_name(i, 4) for i in (0, 2))
    tasks = {task.stage: task for task in plan(steps, {steps["ingest"].folder: there})}
    assert tasks["ingest"].missing == (1, 3) and tasks["ingest"].shards == 4


# --- the work ---


def test_one_row_in_one_row_out_in_every_stage(run):
    done(run, "ingest", "align", "project")
    ids = corpus()["id"].to_pylist()
    for name in ("ingest", "align", "project"):
        parts = [run.part(name, shard, 4) for shard in range(4)]
        assert [i for part in parts for i in store.ids(part).to_pylist()] == ids
        assert sum(store.footer(part)["rows"] for part in parts) == ROWS
        columns = set(store.column_names(parts[0]))
        assert columns == {"id", *run.steps[name].stage.adding()}


def test_the_accounting_closes_and_adds_up(run):
    done(run)
    states = {state.stage: state.counts for state in status(run)}
    entities = sum(len(e) for e in corpus()["source_entities"].to_pylist())
    project = states["project"]
    lost = sum(n for key, n in project.items() if key.startswith("entities.dropped."))
    assert states["ingest"]["entities"] == project["entities"] == entities == project["entities.projected"] + lost
    assert {states[name]["rows"] for name in ("ingest", "align", "project")} == {ROWS}
    assert states["evaluate"]["projection"]["source_entities"] == entities
    assert states["evaluate"]["tagging"]["sentences"] == 2
    scores = json.loads((run.folder("evaluate") / "scores.json").read_text())
    assert scores == states["evaluate"]


def test_a_deleted_part_is_made_again_alone(run):
    done(run, "ingest", "align")
    for name in ("ingest", "align"):
        kept, gone = run.part(name, 0, 4), run.part(name, 2, 4)
        bytes_before, stat_before = gone.read_bytes(), kept.stat().st_mtime_ns
        gone.unlink()
        assert run.task(name).missing == (2,)
        again = pipeline.run_ingest(run, [2]) if name == "ingest" else pipeline.run_shards(run, name, [2])
        assert len(list(again)) == 1
        assert gone.read_bytes() == bytes_before and kept.stat().st_mtime_ns == stat_before


def test_what_a_stage_needs_must_be_there(run):
    with pytest.raises(StoreError, match="align needs ingest, which is not done"):
        pipeline.run_fit(run, "align")
    done(run, "ingest")
    with pytest.raises(StoreError, match="not fitted"):
        list(pipeline.run_shards(run, "align", [0]))
    done(run, "align")
    with pytest.raises(StoreError, match="no shard 4; the corpus has 4"):
        list(pipeline.run_shards(run, "align", [4]))
    with pytest.raises(StoreError, match="no shard 9"):
        list(pipeline.run_ingest(run, [9]))
    with pytest.raises(RecipeError, match="not in this recipe"):
        run.task("translate")


def test_bad_input_in_the_middle_leaves_no_part(tmp_path):
    table = pa.concat_tables([corpus(), corpus().slice(3, 1)])
    run = Run.open(recipe.load(write_project(tmp_path, table=table)), tmp_path / "runs")
    with pytest.raises(CorpusError, match="s-003"):
        list(pipeline.run_ingest(run))
    assert not run.folder("ingest").exists()


def test_a_corpus_that_changes_while_it_is_read(tmp_path):
    run = Run.open(recipe.load(write_project(tmp_path)), tmp_path / "runs")
    reading = pipeline.run_ingest(run)
    next(reading)
    with (tmp_path / "gold.conll").open("a") as gold:  # another input: no concern of ingest
        gold.write("x\tO\n\n")
    (tmp_path / "corpus.parquet").write_bytes(b"")
    with pytest.raises((StoreError, CorpusError)):
        list(reading)
    assert not run.folder("ingest").exists()


def test_show_finds_one_sentence(run):
    with pytest.raises(StoreError, match="not ingested yet"):
        show(run, "s-017")
    done(run, "ingest", "align")
    row = show(run, "s-017")
    assert row["id"] == "s-017" and row["links"] and "target_entities" not in row
    with pytest.raises(StoreError, match="no sentence has the id"):
        show(run, "s-999")


def test_verify_finds_damage(run):
    done(run, "ingest", "align", "project")
    checked, problems = verify(run.root)
    assert checked == 3 * 4 + 2 and problems == []
    damaged, foreign = run.part("align", 1, 4), run.part("project", 0, 4)
    damaged.write_bytes(damaged.read_bytes()[:-20])
    foreign.write_bytes(run.part("align", 0, 4).read_bytes())
    assert [problem.path for problem in verify(run.root)[1]] == [str(damaged), str(foreign)]


def test_clean_keeps_what_a_recipe_uses(run, tmp_path):
    done(run, "ingest", "align")
    other = Run.open(recipe.load(tmp_path / "recipe.toml", ["align.threshold=0.93"]), tmp_path / "runs")
    assert removable(run.runs, []) == [] == removable(run.runs, [run])
    assert removable(run.runs, [other]) == [run.folder("align")]


def test_clean_knows_states_of_trainings(run, tmp_path):
    states = [run.root / name for name in (".teachers-0123", ".training-4567")]
    for state in states:
        state.mkdir(parents=True)
    assert removable(run.runs, []) == [] == removable(run.runs, [run])
    run.folder("train").mkdir()
    (run.folder("train") / store.PROVENANCE).touch()
    assert removable(run.runs, [run]) == states
    other = Run.open(recipe.load(tmp_path / "recipe.toml", ["train.seed=1"]), tmp_path / "runs")
    assert removable(run.runs, [run, other]) == []


# --- stages ---


def view(stage, table):
    required, optional = stage.reads()
    return conform(table, required, optional)


def test_tag_fills_nulls_only(spacy_model):
    table = corpus(6)
    entities = [e if i % 2 else None for i, e in enumerate(table["source_entities"].to_pylist())]
    table = table.set_column(3, "source_entities", pa.array(entities, table.schema.field("source_entities").type))
    stage = stages.Tag(parse(tag={"model": str(spacy_model)}))
    mapped = stage.map(view(stage, table))
    rows = mapped.columns["source_entities"].to_pylist()
    assert mapped.columns["source_predicted"].to_pylist() == [i % 2 == 0 for i in range(6)]
    assert [rows[i] for i in (1, 3, 5)] == [entities[i] for i in (1, 3, 5)]
    assert all(e["score"] is not None for i in (0, 2, 4) for e in rows[i])
    assert mapped.counts["rows.tagged"] == 3


def test_rows_that_failed_pass_with_nulls(spacy_model):
    statuses = pa.array(["ok", "too_long", "ok", "empty_target"]).dictionary_encode()
    table = corpus(4).append_column("status", statuses)
    links = pa.array([[]] * 4, pa.list_(LINK))
    made = parse(tag={"model": str(spacy_model)})
    tag, project = stages.Tag(made), stages.Project(made)
    unlabelled = table.set_column(3, "source_entities", pa.nulls(4, table.schema.field("source_entities").type))
    assert tag.map(view(tag, unlabelled)).columns["source_entities"].is_null().to_pylist() == [False, True, False, True]
    projected = project.map(view(project, table.append_column("links", links)))
    assert projected.columns["target_entities"].is_null().to_pylist() == [False, True, False, True]
    assert projected.columns["status"].to_pylist() == ["ok", "too_long", "ok", "empty_target"]
    reasons = {key for key in projected.counts if key.startswith("entities.dropped.")}
    assert reasons <= {"entities.dropped.no_link", "entities.dropped.row_failed"}
    alone = project.map(view(project, unlabelled.append_column("links", links)))
    assert alone.columns["status"].to_pylist() == ["unlabelled", "too_long", "unlabelled", "empty_target"]


@pytest.mark.parametrize(("route", "given"), [("translate-train", "source"), ("translate-test", "target")])
def test_translate_makes_the_side_of_its_route(route, given):
    made = "target" if given == "source" else "source"
    stage = stages.Translate(parse(route=route, translate={"translator": "fake"}))
    texts = pa.table({"id": ["a", "b"], f"{given}_text": ["the house in Rome", ""]})
    mapped = stage.map(view(stage, texts))
    assert set(mapped.columns) == set(stage.adding())
    tokens = mapped.columns[f"{made}_tokens"].to_pylist()
    assert len(tokens[0]) == 4 and tokens[0][3] == "Rome"
    assert mapped.columns["status"].to_pylist() == ["ok", f"empty_{given}"]
    assert mapped.counts["rows.translated"] == 1


def test_translate_train_runs_from_the_corpus_to_the_silver_dataset(tmp_path):
    text = RECIPE.replace('"bitext"', '"translate-train"') + '[translate]\ntranslator = "fake"\n'
    path = write_project(tmp_path, text, corpus().select(["id", "source_tokens", "source_entities"]))
    run = Run.open(recipe.load(path), tmp_path / "runs")
    done(run, "ingest", "translate", "align", "project", "silver")
    counts = {state.stage: state.counts for state in status(run)}
    assert counts["translate"]["rows.translated"] == ROWS == counts["project"]["status.ok"]
    assert counts["silver"]["rows"] == ROWS
    assert "tr:fake" in (run.folder("silver") / "README.md").read_text()


class EdgeScorer:
    """Likes the first word of a sentence, for tests."""

    name = "edge"

    def __init__(self, model):
        self.model = model

    def score(self, task):
        cells = zip(np.diff(task.entities.offsets), task.offsets[:-1], task.offsets[1:], strict=True)
        return [np.tile(task.start[low:high] == 0, (n, 1)).astype(np.float32) for n, low, high in cells]


def test_a_scorer_plugs_in_with_one_line(monkeypatch):
    monkeypatch.setitem(scorers.BACKENDS, "edge", f"{__name__}:EdgeScorer")
    made = parse(score={"scorers": ["edge"], "max_words": 2}, project={"scores": {"edge": 1.0}, "max_words": 2})
    table = corpus(5).append_column("links", pa.array([[]] * 5, pa.list_(LINK)))
    stage = stages.Score(made)
    mapped = stage.map(view(stage, table))
    scored = table.append_column("candidates", mapped.columns["candidates"])
    scored = scored.append_column("score_edge", mapped.columns["score_edge"])
    entities = EntityColumn.read(table["source_entities"])
    for row, (spans, cells) in enumerate(
        zip(scored["candidates"].to_pylist(), scored["score_edge"].to_pylist(), strict=True)
    ):
        words = len(table["target_tokens"][row])
        n = int(np.diff(entities.offsets)[row])
        assert len(spans) == (2 * words - 1 if n else 0) and len(cells) == n * len(spans)
    project = stages.Project(made)
    projected = project.map(view(project, scored)).columns["target_entities"].to_pylist()
    assert all(entities[0]["start"] == 0 for entities in projected if entities)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ({"scorers": ["tager"]}, "unknown scorer 'tager'; did you mean 'tagger'"),
        ({"scorers": ["tagger_span"]}, "model is missing; the scorer 'tagger_span' needs it"),
        ({"scorers": ["translation"]}, "translator is missing"),
        ({"scorers": ["self_training"], "candidates": "tagged"}, "model is missing; candidates"),
        ({"scorers": ["self_training", "self_training"]}, "names one twice"),
    ],
)
def test_a_score_table_that_cannot_work_is_refused_before_anything_runs(score, message):
    with pytest.raises(RecipeError, match=message):
        chain(parse(score=score), RAW)


def test_given_links_follow_the_rows_through_the_shards(tmp_path):
    text = RECIPE.replace("iterations = 2\nprefixes = [4]", 'aligner = "given"\nlinks = "links.txt"')
    (tmp_path / "links.txt").write_text("".join(f"0-{i % 2}\n" for i in range(ROWS)))
    run = Run.open(recipe.load(write_project(tmp_path, text)), tmp_path / "runs")
    done(run, "ingest", "align")
    parts = [pq.read_table(run.part("align", shard, 4)) for shard in range(4)]
    assert [row[0]["target"] for part in parts for row in part["links"].to_pylist()] == [i % 2 for i in range(ROWS)]
