"""Ensembles of aligners: their recipe, their paths and fits, and the plain form."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import RECIPE, ROWS, corpus, here, write_project

from xproj import aligners, recipe
from xproj.columns import TokenColumn
from xproj.errors import CorpusError, RecipeError
from xproj.pipeline import Run
from xproj.schema import COLUMNS
from xproj.stages.fits import signature

LANGUAGES = ("eng_Latn", "deu_Latn")
SOURCE, TARGET = TokenColumn.of([["a", "b"], ["c"]]), TokenColumn.of([["x", "y"], ["z"]])


def given(tmp_path, *files, **settings):
    """An ensemble of aligners that read these files of links."""
    members = {}
    for number, text in enumerate(files):
        (tmp_path / f"{number}.txt").write_text(text)
        members[f"m{number}"] = {"aligner": "given", "links": str(tmp_path / f"{number}.txt")}
    return aligners.open(recipe.Align(aligner="ensemble", members=members, **settings))


def rows(links):
    return [[tuple(link.values()) for link in row] for row in links.write().to_pylist()]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, [[(0, 0, 0.75), (1, 1, 0.25)], [(0, 0, 0.5)]]),
        ({"threshold": 0.5}, [[(0, 0, 0.75)], [(0, 0, 0.5)]]),
        ({"combine": "vote"}, [[(0, 0, 0.75)], []]),
    ],
)
def test_mean_and_vote(tmp_path, settings, wanted):
    made = given(tmp_path, "0-0 1-1:0.5\n0-0\n", "0-0:0.5\n\n", **settings)
    assert not made.needs_fit
    assert rows(made.align(SOURCE, TARGET, languages=LANGUAGES)) == wanted
    later = TokenColumn.of([["c"]]), TokenColumn.of([["z"]])
    assert rows(made.align(*later, languages=LANGUAGES, first_row=1)) == wanted[1:]
    made.check_rows(2)
    with pytest.raises(CorpusError, match="0.txt: 2 lines for 3 sentence pairs"):
        made.check_rows(3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs two members or more"),
        ({"members": ["given"]}, "needs two members or more"),
        ({"members": ["statistical", "statistical"]}, "members names an aligner twice"),
        ({"members": ["statistical", "ensemble"]}, "cannot be a member"),
        ({"members": {"statistical": {"prefixs": [3]}, "given": {}}}, "unknown key 'prefixs'; did you mean 'prefixes'"),
        ({"members": {"statistical": {"refine": "add"}, "given": {}}}, "refine belongs to the whole ensemble"),
        ({"members": {"a.b": {"aligner": "given"}, "given": {}}}, "a name has letters"),
        ({"aligner": "given", "members": ["statistical", "given"]}, "members are those of aligner = 'ensemble'"),
    ],
)
def test_mistakes_in_the_recipe(settings, message):
    with pytest.raises(RecipeError, match=message) as raised:
        recipe.parse({"ingest": {}, "align": {"aligner": "ensemble", **settings}}, "r.toml")
    assert "\n" not in str(raised.value)


MEMBERS = """[align]
aligner = "ensemble"
combine = "vote"
[align.members.statistical]
iterations = 2
prefixes = [4]
[align.members.given]
links = "links.txt"
"""


def test_members_in_a_recipe(tmp_path):
    """Their paths are relative to the recipe, and their files are part of the fingerprint."""
    text = RECIPE.partition("[align]")[0] + MEMBERS
    fingerprints = []
    for folder, links in (("a", "0-0\n"), ("b", "0-0\n"), ("c", "0-1\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "links.txt").write_text(links * ROWS)
        made = recipe.load(write_project(tmp_path / folder, text))
        assert made.align.members["given"]["links"] == str(tmp_path / folder / "links.txt")
        assert recipe.parse(json.loads(json.dumps(made.model_dump(mode="json", exclude_none=True))), "frozen") == made
        fingerprints.append(Run.open(made, tmp_path / folder / "runs").steps["align"].folder)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert "al:ensemble-vote(given+statistical)" in signature(made)
    (tmp_path / "c" / "links.txt").unlink()
    with pytest.raises(RecipeError, match=r"\[align\] members.given.links: .*no such file"):
        Run.open(made, tmp_path / "c" / "runs")


def test_an_ensemble_in_a_run_and_in_the_plain_form(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = RECIPE.partition("[align]")[0] + MEMBERS
    (tmp_path / "links.txt").write_text("0-0\n" * ROWS)
    path = write_project(tmp_path, text)
    assert here("ingest", path, "--quiet") == 0 and here("align", path, "--quiet") == 0
    (fit,) = (tmp_path / "runs" / "deu_Latn").glob("align-*/fit")
    assert sorted(p.name for p in fit.iterdir() if p.is_dir()) == ["statistical"]
    parts = [pq.read_table(p)["links"] for p in sorted(fit.parent.glob("part-*"))]
    in_run = pa.concat_arrays([part.combine_chunks() for part in parts])
    members = 'align.members={statistical={iterations=2,prefixes=[4]},given={links="links.txt"}}'
    settings = ["--set", "align.aligner=ensemble", "--set", "align.combine=vote", "--set", members]
    settings += ["--language", "deu_Latn"]
    capsys.readouterr()
    assert here("align", "--input", "corpus.parquet", "--output", "links.parquet", *settings, "--quiet") == 0
    assert pq.read_table("links.parquet")["links"].combine_chunks().to_pylist() == in_run.to_pylist()
    footer = pq.read_schema("links.parquet").metadata
    assert str(tmp_path).encode() not in b"".join(footer.values())


def test_an_ensemble_aligns_back_translations_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = corpus()
    made = made.append_column("back_tokens", made["target_tokens"].cast(COLUMNS["back_tokens"]))
    pq.write_table(made, "in.parquet")
    members = "align.members={one={aligner='statistical',iterations=2,prefixes=[]},statistical={iterations=2}}"
    settings = ["--set", "align.aligner=ensemble", "--set", members, "--set", "align.refine=add"]
    assert here("align", "--input", "in.parquet", "--output", "out.parquet", *settings, "--quiet") == 0
    links = pq.read_table("out.parquet")["back_links"].to_pylist()
    same = sum(link["source"] == link["target"] for row in links for link in row)
    assert same >= 0.9 * sum(map(len, links)) > 100


def test_saved_tables_serve_both_sides(tmp_path):
    settings = recipe.Align(model=str(tmp_path), prime="more.tsv", dictionary="words.tsv")
    back = aligners.of_back_translation(settings)
    assert back.model == f"{tmp_path}/back" and back.prime is None and back.dictionary is None
    assert aligners.of_back_translation(recipe.Align()).model is None
