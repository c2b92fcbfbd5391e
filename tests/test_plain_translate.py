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


def one_sided(path):
    entities = pa.array([[{"start": 0, "end": 1, "label": "PER"}]], pa.list_(ENTITY))
    tokens = {"source_tokens": pa.array([["Asha", "left"]], WORDS), "target_tokens": pa.array([None], WORDS)}
    return table(path, id=["a"], source_text=["Asha left"], source_entities=entities, **tokens)


def test_a_corpus_that_was_not_translated_is_no_corpus_of_pairs(tmp_path, capsys):
    given = one_sided(tmp_path / "given.parquet")
    for stage in ("align", "silver"):
        said = refused(capsys, stage, "--input", given, "--output", tmp_path / "o", "--language", "spa_Latn")
        assert "given.parquet: column 'target_" in said
    said = refused(capsys, "align", "--input", given, "--output", tmp_path / "o")
    assert "column 'target_tokens' has no words in any row" in said and "`xproj translate` makes" in said
    said = refused(
        capsys, "translate", "--input", given, "--output", tmp_path / "o", *FAKE, "--set", "route=translate-test"
    )
    assert "has neither 'target_text' nor 'target_tokens'" in said


def test_a_row_without_words_is_projected_as_empty(tmp_path):
    person = [{"start": 0, "end": 1, "label": "PER"}]
    tokens = {
        "source_tokens": pa.array([["Asha"], ["Asha"], []], WORDS),
        "target_tokens": pa.array([["Asha"], None, ["Asha"]], WORDS),
    }
    entities = pa.array([person, person, []], pa.list_(ENTITY))
    given = table(tmp_path / "pairs.parquet", id=list("abc"), source_entities=entities, **tokens)
    links, output = tmp_path / "links.parquet", tmp_path / "spans.parquet"
    assert here("align", "--input", given, "--output", links) == 0
    assert here("project", "--input", links, "--output", output) == 0
    rows = pq.read_table(output).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "empty_target", "empty_source"]
    assert rows[1]["dropped"][0]["reason"] == "row_failed"
    assert here("silver", "--input", output, "--output", tmp_path / "silver", "--language", "spa_Latn") == 0
    (file,) = (tmp_path / "silver" / "data").glob("*.parquet")
    assert pq.read_table(file)["tokens"].to_pylist() == [["Asha"]]


def test_what_makes_a_column_that_is_missing(tmp_path, capsys):
    given = pq.read_table(one_sided(tmp_path / "given.parquet"))
    words = given.set_column(given.column_names.index("target_tokens"), "target_tokens", given["source_tokens"])
    pq.write_table(words, tmp_path / "pairs.parquet")
    pq.write_table(given.drop_columns(["source_tokens"]), tmp_path / "text.parquet")
    pq.write_table(given.drop_columns(["source_entities"]), tmp_path / "unlabelled.parquet")
    to = ("--output", tmp_path / "o.parquet")
    marks = (*FAKE, "--set", "translate.markers=xml")
    for arguments, then in (
        (("project", "--input", tmp_path / "pairs.parquet", *to), "'links' is missing; `xproj align` makes it"),
        (
            ("align", "--input", tmp_path / "text.parquet", *to),
            "'source_tokens' is missing; `xproj ingest` splits text",
        ),
        (
            ("translate", "--input", tmp_path / "text.parquet", *to, *marks),
            "'source_tokens' is missing; `xproj ingest`",
        ),
        (
            ("translate", "--input", tmp_path / "unlabelled.parquet", *to, *marks),
            "missing; `xproj ingest` reads labels",
        ),
    ):
        assert then in refused(capsys, *arguments)


@pytest.mark.parametrize(("made", "asked"), [("xml", "blanks"), ("xml", "brackets"), ("brackets", "xml")])
def test_marks_of_another_style_are_refused(tmp_path, capsys, made, asked):
    marked, given = tmp_path / "marked.parquet", one_sided(tmp_path / "given.parquet")
    assert here("translate", "--input", given, "--output", marked, *FAKE, "--set", f"translate.markers={made}") == 0
    decode = ("project", "--input", marked, "--output", tmp_path / "o.parquet", "--set", "project.candidates=markers")
    said = refused(capsys, *decode, "--set", f"project.markers={asked}")
    assert f"style {made}, not {asked}; set project.markers = {made!r}" in said
    assert here(*decode, "--set", f"project.markers={made}") == 0
    assert pq.read_table(tmp_path / "o.parquet")["target_entities"].to_pylist()[0][0]["start"] == 0
