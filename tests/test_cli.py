"""The commands: their help, their plain forms, and what they print where."""

import contextlib
import json
import os
import pty
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from small import RECIPE, corpus, here, write_project, xproj
from typer.testing import CliRunner

from xproj import __version__, cli
from xproj.columns import LINK

COMMANDS = sorted(typer.main.get_command(cli.app).commands)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with the small corpus as a table and as a project."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    return tmp_path


def out(capsys, *arguments):
    """The JSON that a command prints."""
    assert here(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


# --- help ---


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(command):
    result = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"xproj {command}" in result.output.partition("Options")[0] and "Example" in result.output


def test_the_commands_are_those_of_the_design():
    stages = ["ingest", "translate", "tag", "back", "align", "score", "project", "silver", "train", "evaluate"]
    others = [
        "new",
        "run",
        "plan",
        "status",
        "show",
        "verify",
        "clean",
        "export",
        "vote",
        "ensemble",
        "analyse",
        "doctor",
        "languages",
    ]
    assert sorted(stages + others) == COMMANDS


def test_version_and_no_command(capsys):
    assert here("--version") == 0
    assert capsys.readouterr().out == f"xproj {__version__}\n"
    assert here() == 0
    assert "Usage" in capsys.readouterr().out


def test_new_pipes_into_a_file(tmp_path):
    done = xproj("new", "bitext", cwd=tmp_path)
    assert done.stderr == "" and done.stdout.startswith("#") and "[ingest]" in done.stdout


def test_languages_and_doctor(capsys, tmp_path):
    assert [language["code"] for language in out(capsys, "languages", "swahili")] == ["swh_Latn"]
    checks = {check["what"]: check for check in out(capsys, "doctor", "--runs", tmp_path / "runs")}
    assert checks["xproj"]["ok"] and checks["pyarrow"]["ok"] and checks["runs"]["ok"] and "[models]" in checks
    assert not (tmp_path / "runs").exists()
    assert here("doctor") == 0
    assert "[models]" in capsys.readouterr().out


# --- plain form ---


def test_the_plain_chain(folder, capsys):
    arguments = ["--input", "corpus.parquet", "--output", "links.parquet", "--set", "align.iterations=2"]
    aligned = out(capsys, "align", *arguments)
    assert aligned["counts"]["rows"] == 30 and aligned["counts"]["links"] > 100
    projected = out(capsys, "project", "--input", "links.parquet", "--output", "projected.parquet")
    source = pq.read_schema("corpus.parquet").names
    assert pq.read_schema("links.parquet").names == [*source, "links", "pair_score"]
    after = [*source, "links", "pair_score", "target_entities", "dropped", "status"]
    assert pq.read_schema("projected.parquet").names == after
    scores = out(capsys, "evaluate", "--input", "projected.parquet", "--set", "evaluate.bootstrap=20")
    assert scores["projected"] == projected["counts"]["entities.projected"] and scores["spans"]["micro"]["f1"] > 0.5
    silver = out(capsys, "silver", "--input", "projected.parquet", "--output", "silver", "--language", "de")
    assert silver["counts"]["rows"] == 30
    written = out(capsys, "export", "silver", "--format", "conll", "--output", "silver.conll")
    assert written["counts"]["rows"] == 30 and "B-PER" in (folder / "silver.conll").read_text()
    same = ["--compare", "projected.parquet", "projected.parquet", "--set", "evaluate.bootstrap=20"]
    compared = out(capsys, "evaluate", *same)
    assert compared["difference"] == 0


def test_row_groups_make_no_difference(folder):
    pq.write_table(pq.read_table("corpus.parquet"), "groups.parquet", row_group_size=4)
    for name in ("corpus", "groups"):
        assert here("align", "--input", f"{name}.parquet", "--output", f"{name}-links.parquet", "--quiet") == 0
        assert here("project", "--input", f"{name}-links.parquet", "--output", f"{name}-spans.parquet", "--quiet") == 0
    assert pq.read_table("groups-spans.parquet").equals(pq.read_table("corpus-spans.parquet"))


def test_the_folders_of_an_output_are_made(folder, capsys):
    assert here("align", "--input", "corpus.parquet", "--output", "new/er/links.parquet", "--quiet") == 0
    assert pq.read_metadata("new/er/links.parquet").num_rows == 30
    assert here("align", "--input", "corpus.parquet", "--output", "corpus.parquet/links.parquet") == 2
    assert "corpus.parquet is a file; choose another place" in capsys.readouterr().err


def test_a_tagger_is_trained_used_and_scored(folder, capsys):
    train = out(capsys, "train", "gold.conll", "--output", "model", "--set", "train.epochs=1", "--language", "de")
    assert train["counts"]["sentences"] == 2
    scores = out(capsys, "evaluate", "--model", "model", "--input", "gold.conll", "--set", "evaluate.bootstrap=20")
    assert scores["sentences"] == 2
    unlabelled = corpus().drop_columns(["source_entities", "target_gold"])
    pq.write_table(unlabelled, "text.parquet")
    model = ["--set", "tag.tagger=spacy", "--set", "tag.model=model"]
    out(capsys, "tag", "--input", "text.parquet", "--output", "tagged.parquet", *model)
    tagged = pq.read_table("tagged.parquet")
    assert tagged.column_names == [*unlabelled.column_names, "source_entities", "source_predicted"]
    assert set(tagged["source_predicted"].to_pylist()) == {True} and tagged["source_entities"].null_count == 0
    out(capsys, "tag", "--input", "text.parquet", "--output", "target.parquet", "--side", "target", *model)
    assert pq.read_schema("target.parquet").names[-1] == "target_entities"
    probable = [*model, "--side", "target", "--probabilities"]
    out(capsys, "tag", "--input", "text.parquet", "--output", "target.parquet", *probable)
    table = pq.read_table("target.parquet")
    labels = table.schema.field("target_probabilities").metadata[b"labels"].decode().split("\n")
    assert labels[0] == "O" and len(table["target_probabilities"][0].as_py()[0]) == len(labels)
    assert len(table["target_probabilities"][0]) == len(table["target_tokens"][0])


def test_ingest_of_two_files(folder, capsys):
    (folder / "en.conll").write_text("Asha\tB-PER\nleft\tO\n\n")
    (folder / "de.txt").write_text("Asha ging .\n")
    sides = ["--set", "ingest.source_path=en.conll", "--set", "ingest.target_path=de.txt"]
    assert out(capsys, "ingest", *sides, "--output", "a.parquet", "--language", "de")["counts"]["entities"] == 1
    assert pq.read_table("a.parquet")["target_tokens"].to_pylist() == [["Asha", "ging", "."]]


@pytest.mark.parametrize("size", [7, 30, 1000])
def test_slices_and_folders_make_no_difference(folder, capsys, size):
    columns = {"links": pa.array([[{"source": i % 3, "target": i % 2}] for i in range(30)], pa.list_(LINK))}
    table = corpus()
    for name, column in columns.items():
        table = table.append_column(name, column)
    (folder / "in").mkdir()
    pq.write_table(table.slice(0, 11), folder / "in" / "part-0.parquet")
    pq.write_table(table.slice(11), folder / "in" / "part-1.parquet")
    pq.write_table(table, "in.parquet")
    out(capsys, "project", "--input", "in.parquet", "--output", "whole.parquet")
    out(capsys, "project", "--input", "in", "--output", "parts", "--shard-size", size)
    expected = pq.read_table("whole.parquet")
    names = sorted(os.listdir("parts"))
    assert len(names) == -(-30 // size) and names[0] == f"part-00000-of-{len(names):05d}.parquet"
    # statuses of parts may be encoded by dictionaries of their own
    assert pq.read_table("parts").to_pylist() == expected.to_pylist()
    out(capsys, "project", "--input", "in.parquet", "--output", "parts", "--limit", 3)
    assert os.listdir("parts") == ["part-00000-of-00001.parquet"] and len(pq.read_table("parts")) == 3


def test_foreign_types_and_missing_columns_are_taken(folder, capsys):
    span = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.large_string())])
    link = pa.struct([("source", pa.int8()), ("target", pa.uint16())])
    table = pa.table(
        {
            "extra": pa.array([{"a": 1}, None]),
            "id": pa.array([7, 8]),
            "target_tokens": pa.array([["Rom"], ["Paris"]], pa.large_list(pa.large_string())),
            "source_tokens": pa.array([["Rome"], ["Paris"]], pa.list_(pa.field("x", pa.string()), 1)),
            "source_entities": pa.array([[{"start": 0, "end": 1, "label": "LOC"}], None], pa.list_(span)),
            "links": pa.array([[{"source": 0, "target": 0}], []], pa.list_(link)),
        }
    )
    pq.write_table(table, "in.parquet")
    out(capsys, "project", "--input", "in.parquet", "--output", "out.parquet")
    made = pq.read_table("out.parquet")
    assert made.select(table.column_names).equals(table)
    assert made["status"].to_pylist() == ["ok", "unlabelled"]
    assert made["target_entities"].to_pylist()[0][0]["label"] == "LOC"


def test_status_is_replaced_where_it_stands(folder, capsys):
    links = pa.array([[{"source": 0, "target": 0}]] * 3, pa.list_(LINK))
    table = corpus(3).append_column("links", links).add_column(1, "status", pa.array(["ok", "too_long", "ok"]))
    pq.write_table(table, "in.parquet")
    out(capsys, "project", "--input", "in.parquet", "--output", "out.parquet")
    made = pq.read_table("out.parquet")
    assert made.column_names == [*table.column_names, "target_entities", "dropped"]
    assert made["status"].to_pylist() == ["ok", "too_long", "ok"]
    assert made["target_entities"].is_null().to_pylist() == [False, True, False]


def test_pharaoh_links_and_their_error_rate(folder, capsys):
    arguments = ["--input", "corpus.parquet", "--set", "align.iterations=2"]
    out(capsys, "align", *arguments, "--output", "links.txt", "--format", "pharaoh")
    out(capsys, "align", *arguments, "--output", "links.parquet")
    lines = (folder / "links.txt").read_text().splitlines()
    rows = pq.read_table("links.parquet")["links"].to_pylist()
    assert lines == [" ".join(f"{x['source']}-{x['target']}" for x in row) for row in rows]
    for links in ("links.txt", "links.parquet"):
        assert out(capsys, "evaluate", "--links", links, "--gold", "links.txt")["aer"] == 0


def test_the_input_may_be_the_output(folder, capsys):
    table = corpus(3).append_column("links", pa.array([[]] * 3, pa.list_(LINK)))
    pq.write_table(table, "a.parquet")
    out(capsys, "project", "--input", "a.parquet", "--output", "a.parquet")
    assert "target_entities" in pq.read_schema("a.parquet").names


# --- recipes ---


def test_a_recipe_from_plan_to_clean(folder, capsys):
    plan = out(capsys, "plan", "recipe.toml")
    assert [task["stage"] for task in plan] == ["ingest", "align", "project", "silver", "train", "evaluate"]
    assert not (folder / "runs" / "deu_Latn").exists()
    result = out(capsys, "run", "recipe.toml")[0]
    assert set(result["folders"]) == {"silver", "train", "evaluate"} and "tagging" in result["scores"]
    states = out(capsys, "status", "recipe.toml")[0]["stages"]
    assert {state["state"] for state in states} == {"done"}
    assert out(capsys, "show", "recipe.toml", "s-003")["id"] == "s-003"
    assert out(capsys, "verify")["problems"] == []
    changed = ["--set", "project.solver=greedy"]
    paths = [entry["path"] for entry in out(capsys, "clean", "recipe.toml", *changed, "--yes", "--dry-run")["paths"]]
    assert {os.path.basename(path).partition("-")[0] for path in paths} == {"project", "silver", "train", "evaluate"}
    assert out(capsys, "clean", "recipe.toml", *changed)["removed"] is False and os.path.isdir(paths[0])
    assert out(capsys, "clean", "recipe.toml", *changed, "--yes")["removed"] and not os.path.isdir(paths[0])
    assert out(capsys, "clean")["paths"] == []


def test_one_stage_and_one_shard(folder, capsys):
    assert out(capsys, "ingest", "recipe.toml")["state"] == "done"
    done = xproj("align", "recipe.toml", "--fit", "--json", cwd=folder)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["done"] == 1 and events[-1]["counts"]["sentence_pairs"] == 30
    done = xproj("align", "recipe.toml", "--shard", 1, "--shard", 3, "--json", cwd=folder)
    assert [json.loads(line)["shard"] for line in done.stdout.splitlines()] == [1, 3]
    plan = {task["stage"]: task for task in out(capsys, "plan", "recipe.toml")}
    assert plan["align"]["reason"] == "missing 2 of 4 parts" and plan["align"]["missing"] == [0, 2]


@pytest.mark.parametrize("stage", ["align", "project", "silver", "train"])
def test_a_stage_before_its_turn_names_what_is_missing(stage, folder):
    done = xproj(stage, "recipe.toml", cwd=folder, check=False)
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2 and f"{stage} needs " in line and "`xproj run`" in line


def test_languages_share_a_recipe(folder, capsys):
    for code in ("deu_Latn", "swh_Latn"):
        (folder / code).mkdir()
        pq.write_table(corpus(10), folder / code / "corpus.parquet")
    untrained = RECIPE.partition("[train]")[0]
    (folder / "two.toml").write_text(untrained.replace("corpus.parquet", "{language}/corpus.parquet"))
    arguments = ["two.toml", "--language", "de", "--language", "sw", "--limit", "9"]
    assert [result["language"] for result in out(capsys, "run", *arguments)] == ["deu_Latn", "swh_Latn"]
    states = out(capsys, "status", *arguments)
    assert [state["stages"][0]["counts"]["rows"] for state in states] == [9, 9]
    assert sorted(p.name for p in (folder / "runs").iterdir() if p.is_dir()) == ["deu_Latn", "swh_Latn"]


# --- what goes where ---


def test_results_on_stdout_and_progress_on_stderr(folder):
    loud = xproj("ingest", "recipe.toml", cwd=folder)
    assert loud.stderr.startswith("ingest ") and loud.stderr.count("\n") == 1 and "rows 30" in loud.stdout
    quiet = xproj("align", "recipe.toml", "--quiet", cwd=folder)
    assert quiet.stderr == "" and "links" in quiet.stdout
    project = xproj("project", "recipe.toml", "--json", "--quiet", cwd=folder)
    assert json.loads(project.stdout)["state"] == "done" and project.stderr == ""


def test_a_terminal_gets_a_bar(folder):
    """On a terminal stderr has a bar that moves and goes; stdout stays free of it."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "xproj", "ingest", "recipe.toml"]
    with (folder / "stdout").open("wb") as stdout:
        env = os.environ | {"TERM": "xterm"}
        process = subprocess.Popen(command, cwd=folder, stdout=stdout, stderr=theirs, env=env)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while piece := os.read(ours, 1 << 16):
            seen += piece
    os.close(ours)
    assert process.wait(30) == 0
    assert b"ingest" in seen and b"\x1b[" in seen
    printed = (folder / "stdout").read_text()
    assert "rows 30" in printed and "\x1b" not in printed


def test_output_may_be_cut_short(folder):
    command = f"{sys.executable} -m xproj languages --json | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    assert done.stdout == "[\n" and done.stderr == ""


def test_the_import_is_fast():
    best = 9.0
    for _ in range(3):
        code = "import time; t = time.perf_counter(); import xproj.cli; print(time.perf_counter() - t)"
        best = min(best, float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout))
    assert best < 0.3


@pytest.mark.parametrize("command", ["train gold.conll --output m", "evaluate --model m --input gold.conll"])
def test_a_limit_that_is_not_read_is_refused(folder, capsys, command):
    assert here(*command.split(), "--limit", 3) == 2
    assert f"{command.split()[0]}: --limit" in capsys.readouterr().err
