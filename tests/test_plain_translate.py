"""`xproj translate` without a recipe: from a corpus of one side to pairs, and what is refused on the way."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import here

from xproj.columns import ENTITY

WORDS = pa.list_(pa.string())
FAKE = ("--set", "translate.translator=fake", "--language", "spa_Latn")


def table(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def translated(given, *more):
    """The rows of the table that the command writes."""
    output = given.parent / "pairs.parquet"
    assert here("translate", "--input", given, "--output", output, *FAKE, *more) == 0
    return pq.read_table(output).to_pylist()


def refused(capsys, *arguments):
    """The one line that the command says."""
    assert here(*arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("columns", "route", "missing"),
    [
        ({"text": ["x"]}, (), "has neither 'source_text' nor 'source_tokens', which translate needs one of"),
        ({"target_text": ["x"]}, ("--set", "route=translate-train"), "has neither 'source_text' nor 'source_tokens'"),
        ({"source_text": ["x"]}, ("--set", "route=translate-test"), "has neither 'target_text' nor 'target_tokens'"),
    ],
)
def test_a_table_without_the_side_that_is_translated_is_refused(tmp_path, capsys, columns, route, missing):
    given = table(tmp_path / "given.parquet", id=["a"], **columns)
    said = refused(capsys, "translate", "--input", given, "--output", tmp_path / "o.parquet", *FAKE, *route)
    assert f"given.parquet: {missing}" in said and f"it has id, {next(iter(columns))}; rename" in said
    assert not (tmp_path / "o.parquet").exists()


@pytest.mark.parametrize(("side", "made"), [("source", "target"), ("target", "source")])
def test_a_row_without_text_and_words_is_empty_and_not_translated(tmp_path, side, made):
    columns = {
        "id": list("abcde"),
        f"{side}_text": ["Asha lives here .", None, "", " ", "\n"],
        f"{side}_tokens": pa.array([None, None, [], [""], ["Asha"]], WORDS),
    }
    rows = translated(table(tmp_path / "given.parquet", **columns))
    assert [row["status"] for row in rows] == ["ok", *[f"empty_{side}"] * 3, "ok"]
    assert rows[0][f"{made}_tokens"][0] == "Asha" == rows[4][f"{made}_text"], "words stand for a blank text"
    assert {row[f"{made}_text"] for row in rows[1:4]} == {None}


def test_rows_that_have_the_other_side_or_have_failed_keep_their_status(tmp_path):
    columns = {"id": list("abc"), "source_text": [None, None, "x"], "target_text": ["eins", None, None]}
    rows = translated(table(tmp_path / "given.parquet", **columns, status=["ok", "too_long", "filtered"]))
    assert [row["status"] for row in rows] == ["ok", "too_long", "filtered"]


def test_the_target_side_is_translated_where_only_it_is_filled(tmp_path):
    """As a table of `ingest` has the columns of both sides."""
    columns = {"id": ["a", "b"], "source_text": pa.nulls(2, pa.string()), "source_tokens": pa.nulls(2, WORDS)}
    rows = translated(table(tmp_path / "given.parquet", **columns, target_text=["Asha vive .", None]))
    assert [row["status"] for row in rows] == ["ok", "empty_target"] and rows[0]["source_tokens"][0] == "Asha"


LABELLED = "Asha\tB-PER\nlives\tO\nhere\tO\n\nIt\tO\nrains\tO\n"


@pytest.mark.parametrize(
    ("name", "content", "route", "given"),
    [
        ("en.conll", LABELLED, "translate-train", "source"),
        ("es.txt", "Asha vive .\nLlueve .\n", "translate-test", "target"),
        ("en.jsonl", '{"source_text": "Asha lives"}\n{"source_text": "It rains"}\n', "translate-train", "source"),
    ],
)
def test_from_a_corpus_of_one_side_to_pairs(tmp_path, capsys, name, content, route, given):
    """Each refusal names the next command, until there are pairs."""
    corpus, output = tmp_path / name, tmp_path / "corpus.parquet"
    corpus.write_text(content, encoding="utf-8")
    said = refused(capsys, "translate", "--input", corpus, "--output", tmp_path / "pairs.parquet", *FAKE)
    assert f"xproj ingest --input {corpus}" in said and "--set route=translate-train" in said
    ingest = ("ingest", "--input", corpus, "--output", output, "--language", "spa_Latn")
    said = refused(capsys, *ingest)
    assert "set route=translate-train" in said and route in said
    route_set = ("--set", f"route={route}")
    assert here(*ingest, *route_set) == 0
    assert pq.read_table(output)[f"{given}_tokens"].null_count == 0
    for more in ((), route_set):
        rows = translated(output, *more)
        assert len(rows) == 2 and all(row["source_tokens"] and row["target_tokens"] for row in rows)


def test_help_of_ingest_tells_all_formats(capsys):
    assert here("ingest", "--help") == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(word in said for word in ("a corpus in any format", "CoNLL", "TSV", "route=translate-train"))


@pytest.mark.parametrize(
    ("stage", "settings"),
    [
        ("translate", ["translate.translator=apertium"]),
        ("translate", ["translate.translator=nllb", "translate.model=somebody/something"]),
        ("back", ["back.translator=apertium"]),
    ],
)
def test_a_translator_needs_the_language(tmp_path, capsys, stage, settings):
    columns = {"source_tokens": pa.array([["x"]], WORDS), "source_entities": pa.array([[]], pa.list_(ENTITY))}
    given = table(tmp_path / "given.parquet", id=["a"], source_text=["x"], **columns)
    arguments = [word for setting in settings for word in ("--set", setting)]
    said = refused(capsys, stage, "--input", given, "--output", tmp_path / "o.parquet", *arguments)
    assert said.startswith(f"xproj: {stage}: the target language is not named; add --language")
