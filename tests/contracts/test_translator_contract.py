"""What every translator must do. A new back end adds its name here, to WORKING or to REFUSING."""

import shutil

import numpy as np
import pytest

from xproj import translators
from xproj.core.markers import STYLES, Marked, Piece
from xproj.errors import BackendError, RecipeError
from xproj.schema import STATUSES

APERTIUM = pytest.mark.skipif(shutil.which("apertium") is None, reason="needs apertium and apertium-eng-spa")
WORKING = ["fake", pytest.param("apertium", marks=APERTIUM)]
REFUSING = ["bitext"]
# these remember earlier sentences of a batch: the same batch has the same answers
STATEFUL = {"apertium"}
LANGUAGES = {"source": "eng_Latn", "target": "spa_Latn"}
TEXTS = ["Peter lives in Nairobi .", "", "one", "\u200b", "word " * 3000, "a  double  space", "[ Peter ] left"]


def test_every_back_end_is_under_contract():
    assert set(translators.BACKENDS) == {getattr(name, "values", (name,))[0] for name in WORKING + REFUSING}


@pytest.fixture(scope="module", params=WORKING)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def translator(name):
    return translators.open(name)


@pytest.fixture(scope="module", params=WORKING + REFUSING)
def any_translator(request):
    return translators.open(request.param)


def test_capabilities_are_known(any_translator):
    assert any_translator.capabilities <= {"score", "markers", "n_best"}


def test_an_empty_batch(any_translator):
    assert any_translator.translate([], **LANGUAGES) == []
    scores = any_translator.score([], [], **LANGUAGES)
    assert scores.shape == (0,) and scores.dtype == np.float32


def check(translator, texts, n_best=1):
    rows = translator.translate(texts, **LANGUAGES, n_best=n_best)
    assert len(rows) == len(texts)
    for row in rows:
        assert 1 <= len(row) <= n_best
        assert [t.score for t in row] == sorted((t.score for t in row), reverse=True)
        for translation in row:
            assert isinstance(translation, translators.Translation)
            assert translation.status in STATUSES and translation.score <= 0
            assert bool(translation.text) or translation.status != "ok"
    return rows


@pytest.mark.parametrize(
    "text", TEXTS, ids=["sentence", "empty", "one word", "no sub-words", "long", "spaces", "marks"]
)
def test_one_text(translator, text):
    check(translator, [text])


def test_same_answer_whatever_the_batch(translator, name):
    together = check(translator, TEXTS)
    assert check(translator, TEXTS) == together
    if name in STATEFUL:
        return
    assert check(translator, TEXTS[::-1])[::-1] == together
    assert [check(translator, [text])[0] for text in TEXTS] == together


def test_an_empty_text_has_a_status(translator):
    assert check(translator, ["", " "]) == [[translators.Translation("", 0.0, "translation_empty")]] * 2


def test_marks_come_back(translator):
    if "markers" not in translator.capabilities:
        return
    assert isinstance(translator, translators.MarkedTranslator)
    peter = Marked("Peter lives here.", (Piece(0, 5, 0),))
    first, second = translator.translate_marked([peter, Marked("")], **LANGUAGES, markers="blanks")
    decoded = STYLES["blanks"].decode(first.marked)
    assert decoded.text == first.text and [first.text[p.start : p.end] for p in decoded.pieces] == ["Peter"]
    assert second == translators.Translation("", 0.0, "translation_empty")
    with pytest.raises(RecipeError):
        translator.translate_marked([peter], **LANGUAGES, markers="sirens")


def test_n_best(translator):
    if "n_best" in translator.capabilities:
        (row,) = check(translator, ["Peter lives here"], n_best=4)
        assert len({t.text for t in row}) == 4
        assert row[0] == check(translator, ["Peter lives here"])[0][0]


def test_scores_are_those_of_the_translations(translator):
    if "score" in translator.capabilities:
        (row,) = check(translator, ["Peter lives here"], n_best=3)
        scores = translator.score(["Peter lives here"] * len(row), [t.text for t in row], **LANGUAGES)
        assert scores.dtype == np.float32
        assert scores == pytest.approx([t.score for t in row], abs=1e-5)


@pytest.mark.parametrize("refusing", REFUSING)
def test_a_given_text_is_not_translated(refusing):
    for call in (
        lambda t: t.translate(["Peter lives here"], **LANGUAGES),
        lambda t: t.score(["Peter lives here"], ["x"], **LANGUAGES),
    ):
        with pytest.raises(BackendError) as raised:
            call(translators.open(refusing))
        assert "target_path" in str(raised.value) and "\n" not in str(raised.value)
