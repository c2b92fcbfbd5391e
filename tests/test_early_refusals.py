"""What is wrong with models and settings is one line, before anything heavy is loaded or any work is done."""

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_models
from sentences import labelled_sentences
from small import here

from xproj import aligners, backends, plain, recipe
from xproj.errors import BackendError, CorpusError, RecipeError, unknown
from xproj.pipeline import Run
from xproj.recipe import Align


def opened(tmp_path, **tables):
    corpus = tmp_path / "c.tsv"
    corpus.write_text("a b\tx y\n", encoding="utf-8")
    data = {"language": "deu_Latn", "ingest": {"path": str(corpus)}} | tables
    return Run.open(recipe.parse(data, "test"), tmp_path / "runs")


@pytest.mark.parametrize(
    ("align", "message"),
    [
        ({"model": "no/such/folder"}, "no such folder; correct the path"),
        ({"model": "somebody/something"}, 'add revision = "COMMIT"'),
        ({"layer": 9}, "has 3 layers; set a layer from 0 to 3"),
    ],
)
def test_a_plan_refuses_a_model_that_cannot_be_used(tmp_path, models_folder, align, message):
    model = str(small_models.bert(models_folder))
    with pytest.raises((BackendError, RecipeError), match=message):
        opened(tmp_path, align={"aligner": "simalign", "model": model} | align)
    with pytest.raises((BackendError, RecipeError), match=rf"^\[align\] members.simalign: .*{message}"):
        members = {"statistical": {}, "simalign": {"model": model} | align}
        opened(tmp_path, align={"aligner": "ensemble", "members": members})
    assert opened(tmp_path, align={"aligner": "simalign", "model": model, "layer": 3}).plan()


@pytest.mark.parametrize(
    "tables",
    [
        {"route": "translate-train", "translate": {"translator": "nllb", "model": "no/such/model"}},
        {"tag": {"tagger": "transformers", "model": "no/such/model"}},
    ],
)
def test_other_models_too(tmp_path, tables):
    with pytest.raises(BackendError, match="model no/such/model: no such folder"):
        opened(tmp_path, **tables)


def test_a_tagger_that_does_not_exist_is_refused_where_nothing_is_to_tag_too(tmp_path):
    message = "unknown tagger 'spacy_'; did you mean 'spacy'"
    with pytest.raises(RecipeError, match=message):
        opened(tmp_path, tag={"tagger": "spacy_", "model": "x"})
    labels = labelled_sentences(2)
    rows = {"id": ["a", "b"], "source_tokens": labels["tokens"], "source_entities": labels["entities"]}
    pq.write_table(pa.table(rows), tmp_path / "labelled.parquet")
    made = plain.settings("tag", ["tag.tagger=spacy_", "tag.model=x"])
    with pytest.raises(RecipeError, match=message):
        plain.run_stage("tag", tmp_path / "labelled.parquet", tmp_path / "out.parquet", made, plain.Options())
    assert not (tmp_path / "out.parquet").exists()


def test_a_plan_loads_no_torch(tmp_path, translator_model):
    """Not to find out which engine `auto` is, nor whether a model is there."""
    (tmp_path / "c.conll").write_text("Anna\tB-PER\n", encoding="utf-8")
    path = tmp_path / "r.toml"
    path.write_text(
        f'route = "translate-train"\nlanguage = "deu_Latn"\n[ingest]\npath = "c.conll"\n'
        f'[translate]\ntranslator = "nllb"\nmodel = "{translator_model}"\nengine = "auto"\n'
        f'[align]\naligner = "simalign"\nmodel = "{translator_model}"\nlayer = 1\n[runtime]\ndevice = "cpu"\n'
    )
    code = (
        "import sys\nfrom xproj import cli\n"
        "try:\n    cli.main(['plan', 'r.toml', '--json'])\n"
        "except SystemExit as end:\n    assert end.code == 0, end.code\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"
    assert [task["stage"] for task in json.loads(done.stdout)][:2] == ["ingest", "translate"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 8}, "layer is read by simalign, awesome, transalign, labse, not by aligner = 'statistical'"),
        ({"links": "x.txt"}, "links is read by given, not by"),
        ({"aligner": "given", "threshold": 0.5}, "threshold is read by statistical, simalign.*not by .*'given'"),
        ({"aligner": "awesome", "hmm": False}, "hmm is read by statistical, not by aligner = 'awesome'"),
        ({"aligner": "eflomal", "model": "x"}, "model is read by"),
    ],
)
def test_settings_of_another_aligner_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        recipe.parse({"ingest": {}, "align": settings}, "test")
    name = settings.get("aligner", "statistical")
    members = {"eflomal": {}, "given": {}, "statistical": {}} | {name: settings}
    with pytest.raises(RecipeError, match=rf"members.{name}"):
        recipe.parse({"ingest": {}, "align": {"aligner": "ensemble", "members": members}}, "test")


def test_settings_that_are_as_by_default_are_not():
    """A recipe that a program has written out names every key."""
    for name in aligners.BACKENDS:
        if name != "ensemble":
            written = Align(aligner=name).model_dump(mode="json")
            assert Align.model_validate(written).aligner == name


def test_every_setting_of_align_is_known_to_some_aligner():
    from xproj.recipe.alignment import OF_STAGE, READ_BY

    assert OF_STAGE.union(*READ_BY.values()) == set(Align.model_fields)
    assert set(READ_BY) == set(aligners.BACKENDS)


def test_an_error_in_a_member_names_it(tmp_path):
    links = tmp_path / "links.txt"
    links.write_text("0-7\n")
    members = {"statistical": {}, "given": {"links": str(links)}}
    align = Align(aligner="ensemble", members=members)
    opened = aligners.open(align.model_copy(update={"members": {"given": members["given"]}}))
    from xproj.columns import TokenColumn

    one = TokenColumn.of([["a"]])
    with pytest.raises(CorpusError, match=r"^\[align\] members.given: .*links.txt:1: the link 0-7 is outside"):
        opened.align(one, one, languages=("eng_Latn", "deu_Latn"))
    with pytest.raises(RecipeError, match=r"^\[align\] members.given: aligner = 'given' needs links"):
        aligners.open(Align(aligner="ensemble", members=["statistical", "given"]))


def test_links_of_a_pair_without_words(tmp_path):
    from xproj.columns import TokenColumn

    links = tmp_path / "links.txt"
    links.write_text("0-0\n")
    opened = aligners.open(Align(aligner="given", links=str(links)))
    with pytest.raises(CorpusError, match="a pair that is not aligned: a side has no words.*leave its line empty"):
        opened.align(TokenColumn.of([None]), TokenColumn.of([["x"]]), languages=("eng_Latn", "deu_Latn"))


def test_a_text_file_needs_the_format(tmp_path, capsys):
    assert here("align", "--input", tmp_path / "a.parquet", "--output", tmp_path / "x.txt") == 2
    assert "add --format pharaoh" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_names_that_are_not_known():
    known = ["awesome", "given", "statistical"]
    assert unknown("aligner", "statistcal", known, every=True) == (
        "unknown aligner 'statistcal'; did you mean 'statistical'? (known: awesome, given, statistical)"
    )
    assert unknown("aligner", "x", known, every=True) == "unknown aligner 'x'; known: awesome, given, statistical"
    with pytest.raises(RecipeError, match=r"did you mean 'statistical'\? \(known: "):
        backends.find("aligner", "statistcal", aligners.BACKENDS)


def test_ct2_ends_with_its_process(translator_model, tmp_path):
    """Also where the model outlives the modules, in a cycle and in a module of its own."""
    pytest.importorskip("ctranslate2")
    code = (
        "import builtins, sys\nfrom xproj import recipe, translators\n"
        f"made = recipe.Translate(translator='nllb', model={str(translator_model)!r}, engine='ct2')\n"
        "one = translators.open('nllb', made.model, settings=made)\n"
        "print(one.engine, one.translate(['Good morning.'], source='eng_Latn', target='deu_Latn')[0][0].status)\n"
        "one.itself = one\nbuiltins.kept = sys.modules['xproj'].kept = one\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("ct2 "), done.stderr
