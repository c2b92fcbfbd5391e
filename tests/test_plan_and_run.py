"""What `run` would refuse, `plan` refuses too, and `run` before any work."""

import pyarrow.parquet as pq
import pytest
from small import here

from xproj import backends, translators

TEXT = "Asha vive en Berlin .\nLlueve .\n"
ONE_LABELLED = (
    '{"target_text": "Asha vive en Berlin .", "source_text": "Asha lives in Berlin .", '
    '"source_entities": [[0, 4, "PER"]]}\n{"target_text": "Llueve ."}\n'
)
TWO_SIDES = '{"target_text": "Llueve .", "source_text": "It rains ."}\n{"target_text": "Asha vive ."}\n'


def write(folder, *, route="translate-test", ingest='target_path = "es.txt"', translate="", more=""):
    """A recipe and texts for it."""
    (folder / "es.txt").write_text(TEXT, encoding="utf-8")
    (folder / "en.conll").write_text("Asha\tB-PER\nlives\tO\n\nIt\tO\nrains\tO\n", encoding="utf-8")
    path = folder / "recipe.toml"
    given = translate or 'translator = "fake"'
    path.write_text(
        f'route = "{route}"\nlanguage = "spa_Latn"\n[ingest]\n{ingest}\n[translate]\n{given}\n{more}\n',
        encoding="utf-8",
    )
    return path


def commands(recipe, *more):
    """`plan` and `run` of a recipe, with the folder of its runs."""
    runs = ("--runs", recipe.parent / "runs")
    return ("plan", recipe, *runs, *more), ("run", recipe, *runs, "--quiet", *more)


def refused(capfd, recipe, words, *more):
    """Both commands say it in one line, and `run` has left nothing."""
    for command in commands(recipe, *more):
        assert here(*command) == 2
        said, wrong = capfd.readouterr()
        assert not said and wrong.count("\n") == 1 and words in wrong
    assert not list((recipe.parent / "runs").glob("*/*"))


@pytest.mark.parametrize(
    ("route", "ingest"),
    [
        ("translate-test", 'target_path = "es.txt"'),
        ("translate-test", 'path = "es.txt"'),
        ("translate-test", 'path = "en.conll"'),  # labels of the target side
        ("translate-train", 'path = "es.txt"'),
        ("bitext", 'source_path = "es.txt"\ntarget_path = "en.conll"'),
    ],
)
def test_a_corpus_without_labels_needs_a_tagger(tmp_path, capfd, route, ingest):
    refused(capfd, write(tmp_path, route=route, ingest=ingest), "and the recipe no [tag]; add [tag]")


@pytest.mark.parametrize("ingest", ['path = "en.conll"', 'source_path = "en.conll"'])
def test_one_side_needs_a_translator_that_translates(tmp_path, capfd, ingest):
    recipe = write(tmp_path, route="translate-train", ingest=ingest, translate='translator = "bitext"')
    refused(capfd, recipe, "the corpus has one side, and [translate] translator = 'bitext' translates nothing")


def test_rows_with_both_sides_need_no_translator(tmp_path):
    (tmp_path / "both.jsonl").write_text(ONE_LABELLED.splitlines()[0] + "\n", encoding="utf-8")
    recipe = write(tmp_path, route="translate-train", ingest='path = "both.jsonl"', translate='translator = "bitext"')
    for command in commands(recipe):
        assert here(*command) == 0


def test_labels_that_are_missing_in_the_rows_are_missed_before_the_translation(tmp_path, capfd):
    """The names of the columns do not tell."""
    recipe = write(tmp_path, ingest='path = "two.jsonl"')
    (tmp_path / "two.jsonl").write_text(TWO_SIDES, encoding="utf-8")
    plan, run = commands(recipe)
    assert here(*plan) == 0
    assert here(*run) == 2 and "and the recipe no [tag]; add [tag]" in capfd.readouterr().err
    assert [path.name.partition("-")[0] for path in (tmp_path / "runs" / "spa_Latn").glob("*-*")] == ["ingest"]
    assert here(*plan) == 2
    assert here("translate", recipe, "--runs", tmp_path / "runs", "--quiet") == 0, "a stage that needs no labels"


@pytest.mark.parametrize(
    ("route", "ingest"),
    [
        ("translate-test", 'path = "two.jsonl"'),
        ("translate-test", 'source_path = "en.conll"\ntarget_path = "es.txt"'),
        ("translate-train", 'path = "en.conll"'),
    ],
)
def test_labels_of_the_corpus_need_no_tagger(tmp_path, route, ingest):
    recipe = write(tmp_path, route=route, ingest=ingest)
    (tmp_path / "two.jsonl").write_text(ONE_LABELLED, encoding="utf-8")
    plan, run = commands(recipe, "--set", "align.iterations=1")
    assert here(*plan) == 0 == here(*run)
    (silver,) = (tmp_path / "runs" / "spa_Latn").glob("silver-*/data/*.parquet")
    assert pq.read_table(silver).num_rows >= 1


LABELLED = {"route": "translate-train", "ingest": 'path = "en.conll"'}
APERTIUM = 'translator = "apertium"'
SETTINGS = {  # what is wrong: [translate], another table, words of the message
    "an unknown translator": ('translator = "nlb"', "", "unknown translator 'nlb'; did you mean 'nllb'?"),
    "markers of another": (f'{APERTIUM}\nmarkers = "xml"', "", "carries no markers 'xml'; choose blanks"),
    "markers of none": ('translator = "bitext"\nmarkers = "xml"', "", "carries no markers 'xml'; leave them out"),
    "an unknown mode": ('translator = "fake"\nmode = "kep"', "", "unknown mode 'kep'; did you mean 'keep'"),
    "a mode of none": ('translator = "bitext"\nmode = "keep"', "", "'bitext' has no modes"),
    "a model of none": (f'{APERTIUM}\nmodel = "m"', "", "'apertium' has no model"),
    "no such model": ("", '[tag]\nmodel = "models/none"', "models/none: not a spaCy model (no such folder"),
    "an empty model": ("", '[tag]\nmodel = "empty"', "empty: not a spaCy model (no meta.json"),
    "a commit of none": ("", '[tag]\nmodel = "m"\nrevision = "0"', "'spacy' has no revision"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings(tmp_path, capfd, case):
    translate, more, words = SETTINGS[case]
    (tmp_path / "empty").mkdir()
    refused(capfd, write(tmp_path, **LABELLED, translate=translate, more=more), words)


def test_settings_of_the_back_translation_are_named_as_its_own(tmp_path, capfd):
    back = '[back]\ntranslator = "fake"\nmarkers = "blanks"'
    recipe = write(tmp_path, route="bitext", ingest='path = "two.jsonl"', more=back)
    (tmp_path / "two.jsonl").write_text(ONE_LABELLED, encoding="utf-8")
    refused(capfd, recipe, "[back] translator = 'fake' carries no markers 'blanks'")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose only program is an Apertium that has one pair."""
    program = tmp_path / "bin" / "apertium"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '  eng-spa'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def test_what_the_machine_lacks(tmp_path, capfd, machine):
    recipe = write(tmp_path, **LABELLED, translate=APERTIUM)
    assert here(*commands(recipe)[0]) == 0
    capfd.readouterr()
    refused(capfd, recipe, "no mode for eng_Latn to deu_Latn; the nearest installed are eng-spa", "--language", "deu")
    refused(capfd, recipe, "no mode for eng-spaa", "--set", "translate.mode=eng-spaa")
    refused(capfd, recipe, "is of Spanish, where Catalan", "--set", "translate.mode=eng-spa", "--language", "cat")
    machine.unlink()
    refused(capfd, recipe, "the program apertium is missing; apt-get install apertium apertium-eng-spa")
    assert here("status", recipe, "--runs", tmp_path / "runs") == 0, "what is done can be looked at anywhere"


@pytest.mark.parametrize("name", translators.BACKENDS)
def test_markers_are_those_of_the_class(name):
    if name not in translators.WITHOUT_MODEL:
        pytest.importorskip("transformers")
    found = backends.find("translator", name, translators.BACKENDS)
    assert translators.STYLES.get(name, frozenset()) == getattr(found, "styles", frozenset())
