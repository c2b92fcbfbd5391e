"""Both routes of the translation benchmark, by its recipe, on 200 sentences of the sample corpus.

There is no Spanish sample: English goes to Spanish with its labels as marks, and these labels, carried by construction,
are what the other ways are compared with.
"""

import json
from pathlib import Path

import pytest
from small import here, run_here, xproj

from xproj import recipe
from xproj.inspection import status
from xproj.pipeline import Run
from xproj.translators.apertium import installed_modes

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "benchmarks" / "translation.toml"
SAMPLE = ROOT / "data" / "sample" / "deu_Latn"
ENGLISH = f"ingest.path={SAMPLE / '*.source.conll'}"
MARKS = ("translate.markers=blanks", "project.candidates=markers")
ROWS = 200

pytestmark = pytest.mark.skipif(
    not {"eng-spa", "spa-eng"} <= set(installed_modes()), reason="needs apertium and apertium-eng-spa"
)


def accounted(counts):
    """The counts of `project`; every row has a status and every entity a span or a reason."""
    assert counts["rows"] == ROWS == sum(n for name, n in counts.items() if name.startswith("status."))
    lost = sum(n for name, n in counts.items() if name.startswith("entities.dropped."))
    assert counts["entities"] == counts["entities.projected"] + lost
    return counts


def run(folder, *overrides):
    """The counts of `project`, and the scores."""
    loaded = recipe.load(RECIPE, [*overrides, f"ingest.limit={ROWS}"])
    found = {state.stage: state.counts for state in status(run_here(Run.open(loaded, folder / "runs")))}
    return accounted(found["project"]), found["evaluate"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("translation")


@pytest.fixture(scope="module")
def spanish(folder):
    """Spanish with the labels that travelled as marks, as CoNLL; made by the real commands."""
    sets = [word for override in (ENGLISH, *MARKS) for word in ("--set", override)]
    outcome = json.loads(xproj("run", RECIPE, "--json", "--limit", ROWS, *sets, cwd=folder).stdout)[0]
    counts = accounted(outcome["counts"]["project"])
    assert counts["status.ok"] >= 0.98 * ROWS and counts["entities.projected"] >= 0.98 * counts["entities"] > 300
    output = folder / "spanish.conll"
    silver = folder / outcome["folders"]["silver"]
    assert here("export", silver, "--format", "conll", "--output", output) == 0
    return output


def test_labelled_english_becomes_a_spanish_tagger(folder, spanish):
    training = ("train.tagger=spacy", "train.epochs=8", f"evaluate.gold={spanish}")
    counts, scores = run(folder, ENGLISH, *training)
    assert counts["entities.projected"] >= 0.9 * counts["entities"]
    assert scores["tagging"]["micro"]["f1"] > 0.5, "on the sentences that it has learned from"


def test_spanish_is_labelled_by_an_english_tagger(folder, spanish):
    learned = ("train", SAMPLE / "train.source.conll", "--output", folder / "english", "--language", "eng_Latn")
    assert here(*learned, "--set", "train.epochs=8") == 0
    back = ("route=translate-test", f"ingest.path={spanish}", f"tag.model={folder / 'english'}")
    counts, scores = run(folder, *back)
    assert counts["entities"] > 200 and counts["entities.projected"] >= 0.8 * counts["entities"]
    assert scores["projection"]["spans"]["micro"]["f1"] > 0.4
