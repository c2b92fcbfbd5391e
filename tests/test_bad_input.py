"""What users get wrong: one line on stderr, exit code 2, and nothing half-written."""

import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import RECIPE, corpus, here, write_project, xproj

from xproj.columns import ENTITY, LINK

RECIPES = {  # what is wrong: the recipe, words of the message
    "a misspelt key": (RECIPE.replace("shard_size", "shard_sise"), "did you mean 'shard_size'"),
    "an unknown table": (RECIPE + "[alignment]\n", "align"),
    "an illegal value": (RECIPE.replace("iterations = 2", "iterations = 0"), "align.iterations"),
    "an unknown language": (RECIPE.replace("deu_Latn", "deu_Latin"), "did you mean 'deu_Latn'"),
    "no language": (RECIPE.replace('language = "deu_Latn"', ""), "--language"),
    "a missing corpus": (RECIPE.replace("corpus.parquet", "corpse.parquet"), "no such file"),
    "a missing gold file": (RECIPE.replace("gold.conll", "old.conll"), "[evaluate] gold"),
    "gold without a tagger": (RECIPE.replace("[train]\nepochs = 1", ""), "no [train]"),
    "not TOML": (RECIPE + "=", "not valid TOML"),
    "a score without a scorer": (
        RECIPE + "[project]\nscores = { tagger = 1.0 }\n",
        "add [score] with scorers = ['tagger']",
    ),
    "a score that nobody makes": (RECIPE + "[project]\nscores = { lookalike = 1.0 }\n", "'lookalike' is no scorer"),
    "scores without weight": (RECIPE + "[project]\nscores = { alignment = 0.0 }\n", "no score has a weight"),
    "an unknown aligner": (RECIPE.replace("[align]", '[align]\naligner = "giza"'), "giza"),
}


def no_parts(folder):
    """No part, no folder of a fit and nothing temporary; a cache and a frozen recipe may be there."""
    harmless = {".hashes.json", "ledger.jsonl"}
    left = [p for p in folder.rglob("*") if p.is_file() and p.name not in harmless and "recipes" not in p.parts]
    return not left and not list(folder.rglob(".tmp-*"))


def refused(capfd, *arguments, words=""):
    code = here(*arguments)
    captured = capfd.readouterr()
    lines = captured.err.splitlines()
    assert code == 2, captured.err
    assert len(lines) == 1 and lines[0].startswith("xproj: ") and "Traceback" not in lines[0], captured.err
    assert words in lines[0], captured.err
    assert captured.out == ""


@pytest.mark.parametrize("case", RECIPES)
def test_recipes(tmp_path, capfd, case):
    text, words = RECIPES[case]
    path = write_project(tmp_path, text)
    refused(capfd, "run", path, "--runs", tmp_path / "runs", "--quiet", words=words)
    assert no_parts(tmp_path / "runs")


def repeated(table):
    return pa.concat_tables([table, table.slice(4, 1)])


def with_entities(span):
    def change(table):
        entities = pa.array([[span]] * table.num_rows, pa.list_(ENTITY))
        return table.set_column(3, "source_entities", entities)

    return change


CORPORA = {  # what is wrong: how the table is spoilt, words of the message
    "a repeated id": (repeated, "s-004"),
    "a span past the end": (with_entities({"start": 0, "end": 99, "label": "PER"}), "99"),
    "an empty span": (with_entities({"start": 1, "end": 1, "label": "PER"}), "[1, 1)"),
    "overlapping spans": (
        lambda t: t.set_column(
            3,
            "source_entities",
            pa.array([[{"start": i, "end": i + 2, "label": "A"} for i in (0, 1)]] * 30, pa.list_(ENTITY)),
        ),
        "overlap",
    ),
    "words that are numbers": (lambda t: t.set_column(1, "source_tokens", pa.array([1.5] * 30)), "tokens"),
    "no row": (lambda t: t.slice(0, 0), ""),
}


@pytest.mark.parametrize("case", CORPORA)
def test_corpora_in_a_run(tmp_path, capfd, case):
    spoil, words = CORPORA[case]
    path = write_project(tmp_path, table=spoil(corpus()))
    refused(capfd, "run", path, "--runs", tmp_path / "runs", "--quiet", words=words)
    assert no_parts(tmp_path / "runs")


def test_a_truncated_corpus(tmp_path, capfd):
    path = write_project(tmp_path)
    file = tmp_path / "corpus.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    refused(capfd, "run", path, "--runs", tmp_path / "runs", "--quiet", words="corpus.parquet")
    assert no_parts(tmp_path / "runs")


def test_sides_of_unequal_length(tmp_path, capfd):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.txt").write_text("eins\n")
    sides = ["--set", f"ingest.source_path={tmp_path}/a.txt", "--set", f"ingest.target_path={tmp_path}/b.txt"]
    refused(capfd, "ingest", *sides, "--output", tmp_path / "out.parquet", words="a.txt")
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.txt"]


def linked(rows=6):
    return corpus(rows).append_column("links", pa.array([[{"source": 0, "target": 0}]] * rows, pa.list_(LINK)))


PLAIN = {  # what is wrong: the table, more arguments, words of the message
    "a missing column": (lambda: linked().drop_columns(["links"]), [], "'links' is missing"),
    "a missing id": (lambda: linked().drop_columns(["id"]), [], "'id' is missing"),
    "a null id": (lambda: linked().set_column(0, "id", pa.array(["a", None] * 3)), [], "'id' is null in row 1"),
    "a repeated id": (
        lambda: pa.concat_tables([linked(), linked().slice(2, 1)]),
        [],
        "rows 2 and 6 have the same id 's-002'",
    ),
    "a wrong type": (
        lambda: linked().set_column(2, "target_tokens", pa.array(["a b"] * 6)),
        [],
        "'target_tokens' has type",
    ),
    "a link outside": (
        lambda: linked().set_column(5, "links", pa.array([[{"source": 0, "target": 99}]] * 6, pa.list_(LINK))),
        [],
        "0-99",
    ),
    "an entity outside": (lambda: with_entities({"start": 5, "end": 99, "label": "X"})(linked()), [], "s-000"),
    "no row": (lambda: linked(0), [], "no row"),
    "a foreign table": (linked, ["--set", "align.threshold=0.1"], "reads only [project]"),
    "a misspelt setting": (linked, ["--set", "project.slover=exact"], "did you mean 'solver'"),
    "not key=value": (linked, ["--set", "project.solver"], "table.key=value"),
    "an unknown status": (
        lambda: linked().append_column("status", pa.array(["fine"] * 6)),
        [],
        "unknown status 'fine'",
    ),
}


@pytest.mark.parametrize("case", PLAIN)
@pytest.mark.parametrize("output", ["out.parquet", "out"])
def test_plain_project(tmp_path, capfd, case, output):
    make, more, words = PLAIN[case]
    pq.write_table(make(), tmp_path / "in.parquet")
    refused(capfd, "project", "--input", tmp_path / "in.parquet", "--output", tmp_path / output, *more, words=words)
    assert os.listdir(tmp_path) == ["in.parquet"]


def test_bad_rows_in_a_later_slice_leave_nothing(tmp_path, capfd):
    links = [[{"source": 0, "target": 0}]] * 5 + [[{"source": 0, "target": 99}]]
    pq.write_table(corpus(6).append_column("links", pa.array(links, pa.list_(LINK))), tmp_path / "in.parquet")
    for output in ("out.parquet", "out"):
        where = ["--input", tmp_path / "in.parquet", "--output", tmp_path / output]
        refused(capfd, "project", *where, "--shard-size", 2, words="s-005")
    assert os.listdir(tmp_path) == ["in.parquet"]


FILES = {
    "no file": (None, "no such file"),
    "no Parquet": (
        b"Asha\tB-PER\n",
        "not Parquet, though its name says so; write it again, or name its format: `xproj",
    ),
    "a truncated file": (b"PAR1 and no more", "not a whole Parquet file"),
    "an empty file": (b"", "the file is empty, no Parquet; write it again"),
}


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize("stage", ["align", "project", "evaluate"])
def test_plain_files(tmp_path, capfd, case, stage):
    content, words = FILES[case]
    if content is not None:
        (tmp_path / "in.parquet").write_bytes(content)
    before = os.listdir(tmp_path)
    output = [] if stage == "evaluate" else ["--output", tmp_path / "out.parquet"]
    refused(capfd, stage, "--input", tmp_path / "in.parquet", *output, words=words)
    assert os.listdir(tmp_path) == before


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("file/out.parquet", "file is a file; choose another place"),
        ("file/a/b/out.parquet", "file is a file; choose another place"),
        ("mine", "xproj has not made"),
        ("/", "xproj has not made"),
        ("n" * 300, "cannot be written"),
    ],
)
def test_plain_places(tmp_path, capfd, output, words):
    pq.write_table(linked(), tmp_path / "in.parquet")
    (tmp_path / "file").write_text("")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    refused(capfd, "project", "--input", tmp_path / "in.parquet", "--output", tmp_path / output, words=words)
    assert sorted(os.listdir(tmp_path)) == ["file", "in.parquet", "mine"]
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("stage", ["ingest", "align", "project", "vote"])
def test_a_refused_input_leaves_no_folder(tmp_path, capfd, stage):
    names = ("in.conll", "other.conll") if stage == "vote" else ("in.conll",)
    for name in names:
        (tmp_path / name).write_text("Ana B-PER\nran\n")
    inputs = [tmp_path / name for name in names] if stage == "vote" else ["--input", tmp_path / names[0]]
    refused(capfd, stage, *inputs, "--output", tmp_path / "new" / "er" / "out.parquet", words="in.conll")
    assert sorted(os.listdir(tmp_path)) == sorted(names)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_without_permission(tmp_path, capfd):
    pq.write_table(linked(), tmp_path / "in.parquet")
    (tmp_path / "closed").mkdir(mode=0o500)
    place = tmp_path / "closed" / "out.parquet"
    refused(capfd, "project", "--input", tmp_path / "in.parquet", "--output", place, words="cannot be written")


def test_a_full_disk_is_one_line(tmp_path, capfd, monkeypatch):
    """The place refuses in the middle of writing."""

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    pq.write_table(linked(), tmp_path / "in.parquet")
    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    where = ["--input", tmp_path / "in.parquet", "--output", tmp_path / "out.parquet"]
    refused(capfd, "project", *where, words="No space left on device")
    assert os.listdir(tmp_path) == ["in.parquet"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "No such command"),
        (["align", "--frobnicate"], "No such option"),
        (["run"], "RECIPE"),
        (["run", "no.toml"], "xproj new"),
        (["align"], "no RECIPE"),
        (["align", "--input", "a"], "--input needs --output"),
        (["align", "--output", "b"], "--output needs --input"),
        (["align", "r.toml", "--input", "a", "--output", "b"], "not both"),
        (["align", "--input", "a", "--output", "b", "--format", "giza"], "pharaoh"),
        (["tag", "--input", "a", "--output", "b"], "tag.model"),
        (["evaluate", "--links", "a"], "--gold"),
        (["evaluate", "--model", "a"], "--input is missing"),
        (["new", "bitxt"], "did you mean 'bitext'"),
        (["run", "x.toml", "--workers", "0"], "--workers"),
        (["verify", "--runs", "nowhere"], "no such folder"),
        (["export", "nowhere", "--output", "x.conll"], "nowhere"),
        (["train", "nowhere", "--output", "model"], "nowhere"),
    ],
)
def test_usage(tmp_path, capfd, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused(capfd, *arguments, words=words)
    assert os.listdir(tmp_path) == []


def test_a_defect_shows_its_traceback_and_ends_with_1(tmp_path):
    lines = ["import xproj.commands as c, xproj.cli as cli", "def f(*a): raise ValueError('ours')", "c.plan = f"]
    code = "\n".join([*lines, "cli.main(['plan', 'x.toml'])"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" in done.stderr and "ValueError: ours" in done.stderr


def test_the_real_command_too(tmp_path):
    write_project(tmp_path, table=repeated(corpus()))
    done = xproj("run", "recipe.toml", cwd=tmp_path, check=False)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "s-004" in done.stderr and no_parts(tmp_path / "runs")
