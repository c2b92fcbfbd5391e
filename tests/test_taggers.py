"""The spaCy tagger and its training, decoding of label probabilities, and label sets."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from sentences import labelled_sentences
from spacy.tokens import Doc

from xproj import backends, evaluation, recipe, taggers
from xproj.columns import Entity, EntityColumn
from xproj.core import labels
from xproj.errors import BackendError, CorpusError, RecipeError, SchemaError
from xproj.languages import lookup

ENGLISH = lookup("eng_Latn")
SPACE = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def train(tables, output, *, language=ENGLISH, dev=None, progress=None, **settings):
    settings = recipe.Train(**{"epochs": 2} | settings)
    return taggers.train(
        "spacy", tables, settings=settings, language=language, output=output, dev=dev, progress=progress
    )


def table(tokens, entities):
    return pa.table({"tokens": pa.array(tokens, pa.list_(pa.string())), "entities": EntityColumn.of(entities).write()})


# decoding


def reference_decode(row):
    found, open_ = [], None
    for i, label in enumerate([*row, "O"]):
        prefix, _, name = label.partition("-")
        if open_ and (prefix != "I" or name != open_[1]):
            found.append((open_[0], i, open_[1]))
            open_ = None
        if prefix != "O" and open_ is None:
            open_ = (i, name)
    return found


@given(st.lists(st.lists(st.sampled_from(SPACE), max_size=7), max_size=5))
def test_decoding_equals_plain_python(rows):
    one_hot = np.eye(len(SPACE), dtype=np.float32)
    matrices = [one_hot[[SPACE.index(label) for label in row]] for row in rows]
    column = labels.decode(matrices, SPACE)
    expected = [reference_decode(row) for row in rows]
    assert [[(e["start"], e["end"], e["label"]) for e in row] for row in column.write().to_pylist()] == expected
    assert [[e[:3] for e in taggers.decode(matrix, SPACE)] for matrix in matrices] == expected
    assert (column.score == 1).all()


def test_the_score_is_the_mean_probability_of_the_words():
    probabilities = np.array([[0.1, 0.8, 0.1, 0, 0], [0.3, 0.1, 0.6, 0, 0], [0.9, 0, 0.1, 0, 0]], dtype=np.float32)
    assert taggers.decode(probabilities, SPACE) == [Entity(0, 2, "LOC", pytest.approx(0.7))]


def test_label_space():
    assert labels.label_space(["PER", "LOC", "PER"]) == SPACE
    assert labels.label_space([]) == ("O",)


def test_relabel_renames_merges_and_drops():
    column = EntityColumn.of([[(0, 1, "DATE"), (1, 2, "GPE")], None, [(0, 3, "LOC")]])
    changed = labels.relabel(column, {"DATE": "O", "GPE": "LOC"})
    rows = [row and [(e["start"], e["end"], e["label"]) for e in row] for row in changed.write().to_pylist()]
    assert rows == [[(1, 2, "LOC")], None, [(0, 3, "LOC")]]
    assert labels.relabel(column, {}) is column


# opening


def test_an_unknown_tagger_lists_the_known():
    with pytest.raises(RecipeError, match="unknown tagger 'spicy'.*'spacy'"):
        taggers.open("spicy", "x")


def test_a_missing_package_says_what_to_install(monkeypatch):
    for package, install in (("ctranslate2", "'xproj\\[ct2\\]'"), ("obscure", "obscure")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(BackendError, match=f"package '{package}' is missing; pip install {install}"):
            backends.find("tagger", "x", {"x": f"{package}.sub:X"})


def test_a_defect_of_ours_is_no_missing_package():
    with pytest.raises(ModuleNotFoundError):
        backends.find("tagger", "x", {"x": "xproj.taggers.nothing:X"})


def test_a_folder_that_is_no_model_is_one_clear_line(tmp_path):
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(BackendError, match="not a spaCy model"):
        taggers.open("spacy", str(tmp_path))


def test_a_model_without_a_recogniser_is_refused(tmp_path):
    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(BackendError, match="no entity recogniser"):
        taggers.open("spacy", str(tmp_path))


def test_importing_taggers_loads_no_engine():
    code = "import sys, xproj.taggers, xproj.translators; print(sorted({'spacy', 'torch', 'thinc'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# training


def test_it_learns(spacy_model):
    test = labelled_sentences(60, seed=1)
    tagger = taggers.open("spacy", str(spacy_model))
    scores = evaluation.tagging([(taggers.predict(tagger, test["tokens"]), test["entities"], test["tokens"])])
    assert scores.micro.f1 > 0.9


def test_spacy_loads_the_model_and_it_says_what_it_is(spacy_model):
    pipeline = spacy.load(spacy_model)
    assert [e.label_ for e in pipeline(Doc(pipeline.vocab, words="Peter flew to Nairobi .".split())).ents] == [
        "PER",
        "LOC",
    ]
    assert pipeline.meta["xproj"]["facts"]["sentences"] == 150
    assert pipeline.meta["xproj"]["language"] == "eng_Latn"


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def test_the_same_data_give_the_same_bytes(tmp_path):
    """In this process, and in another one with other hashes."""
    train([labelled_sentences(20)], tmp_path / "a")
    np.random.default_rng().random(3)
    train([labelled_sentences(20).slice(0, 7), labelled_sentences(20).slice(7)], tmp_path / "b")
    code = "import sys, pathlib, test_taggers as t; t.train([t.labelled_sentences(20)], pathlib.Path(sys.argv[1]))"
    paths = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "c")], check=True, env=env)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") == digest(tmp_path / "c")
    train([labelled_sentences(20)], tmp_path / "d", seed=1)
    assert digest(tmp_path / "d") != digest(tmp_path / "a")


def test_odd_sentences_do_not_stop_it(tmp_path):
    odd = table(
        [None, [], ["", "Peter"], ["\u200b"], [" ", "\t"], ["word"] * 3000, ["a", "b", "c"], ["no", "label"]],
        [
            [],
            [],
            [(0, 2, "PER")],
            [(0, 1, "LOC")],
            [(0, 2, "LOC")],
            [(0, 2000, "ORG")],
            [(0, 2, "A"), (1, 3, "B")],
            None,
        ],
    )
    facts = train([odd, labelled_sentences(5)], tmp_path / "m")
    assert (facts["sentences"], facts["skipped_sentences"], facts["skipped_entities"]) == (10, 3, 1)
    assert set(taggers.open("spacy", str(tmp_path / "m")).labels) > {"O", "B-ORG"}


def test_dev_data_pick_the_best_epoch(tmp_path):
    facts = train([labelled_sentences(60)], tmp_path / "m", dev=[labelled_sentences(30, seed=1)], epochs=6, patience=2)
    assert 1 <= facts["best_epoch"] <= facts["epochs"] <= 6
    test = labelled_sentences(30, seed=1)
    tagger = taggers.open("spacy", str(tmp_path / "m"))
    scores = evaluation.tagging([(taggers.predict(tagger, test["tokens"]), test["entities"], test["tokens"])])
    assert scores.micro.f1 == pytest.approx(facts["dev_f1"])


def test_it_stops_when_nothing_is_gained_and_at_the_word_limit(tmp_path):
    facts = train([labelled_sentences(30)], tmp_path / "m", epochs=200, patience=1)
    assert facts["epochs"] < 200
    short = train([labelled_sentences(30)], tmp_path / "n", epochs=200, max_words=300)
    assert 300 <= short["words_seen"] < 420 and short["epochs"] == 2


def test_progress_goes_up_to_the_end(tmp_path):
    calls = []
    train([labelled_sentences(20)], tmp_path / "m", progress=lambda done, total: calls.append((done, total)))
    done, totals = zip(*calls, strict=True)
    assert len(set(totals)) == 1 and list(done) == sorted(done) and done[-1] == totals[0]


def test_nothing_to_learn_from_is_an_error_and_writes_nothing(tmp_path):
    for tables, what in (
        ([], "no sentence"),
        ([table([[], None], [[], []])], "no sentence to learn from \\(2 without"),
        ([table([["a"]], [[]])], "no entity in any of 1 sentences"),
    ):
        with pytest.raises(CorpusError, match=what):
            train(tables, tmp_path / "m")
    with pytest.raises(SchemaError, match="span \\[0, 3\\)"):
        train([table([["a"]], [[(0, 3, "X")]])], tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("code", ["jpn_Jpan", "zho_Hans", "tha_Thai", "vie_Latn", "kor_Hang", "arb_Arab", "swh_Latn"])
def test_languages_whose_tokenizers_need_packages(tmp_path, code):
    train([labelled_sentences(5)], tmp_path / "m", language=lookup(code), epochs=1)
    tagger = taggers.open("spacy", str(tmp_path / "m"))
    assert [len(row) for row in tagger.probabilities([["日本", "語"], []])] == [2, 0]
