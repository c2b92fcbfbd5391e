"""What every translator must do. A new back end adds its name here, to WORKING or to REFUSING."""

import shutil

import numpy as np
import pytest
import small_models

from xproj import recipe, translators
from xproj.core.markers import STYLES, Marked, Piece
from xproj.errors import BackendError, RecipeError
from xproj.schema import STATUSES

APERTIUM = pytest.mark.skipif(shutil.which("apertium") is None, reason="needs apertium and apertium-eng-spa")
WORKING = ["fake", pytest.param("apertium", marks=APERTIUM), "nllb hf", "nllb ct2"]
REFUSING = ["bitext"]
# these remember earlier sentences of a batch: the same batch has the same answers
STATEFUL = {"apertium"}
# a small model knows the languages of its training, and little of them
MODELS = {"nllb hf", "nllb ct2"}
TEXTS = ["Peter lives in Nairobi .", "", "one", "\u200b", "word " * 3000, "a  double  space", "[ Peter ] left"]


def test_every_back_end_is_under_contract():
    names = {getattr(name, "values", (name,))[0].split()[0] for name in WORKING + REFUSING}
    assert set(translators.BACKENDS) == names


def opened(name, request):
    """The translator; two back ends run the same model."""
    if name not in MODELS:
        return translators.open(name), {"source": "eng_Latn", "target": "spa_Latn"}
    model = str(request.getfixturevalue("translator_model"))
    settings = recipe.Translate(translator="nllb", model=model, engine=name.split()[1], beam=8, max_length=60)
    found = translators.open("nllb", model, settings=settings)
    return found, {"source": "eng_Latn", "target": "deu_Latn"}


@pytest.fixture(scope="module", params=WORKING)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def translator(name, request):
    return opened(name, request)


@pytest.fixture(scope="module", params=WORKING + REFUSING)
def any_translator(request):
    return opened(request.param, request)


def test_capabilities_are_known(any_translator):
    assert any_translator[0].capabilities <= {"score", "markers", "n_best"}


def test_an_empty_batch(any_translator):
    translator, languages = any_translator
    assert translator.translate([], **languages) == []
    scores = translator.score([], [], **languages)
    assert scores.shape == (0,) and scores.dtype == np.float32


def check(translator, texts, n_best=1):
    translator, languages = translator
    rows = translator.translate(texts, **languages, n_best=n_best)
    assert len(rows) == len(texts)
    for text, row in zip(texts, rows, strict=True):
        assert 1 <= len(row) <= n_best
        assert [t.score for t in row] == sorted((t.score for t in row), reverse=True)
        for translation in row:
            assert isinstance(translation, translators.Translation)
            assert translation.status in STATUSES and translation.score <= 0
            assert bool(translation.text) or translation.status != "ok"
            check_parts(text, translation)
    return rows


def check_parts(text, translation):
    """Sentences cover all that is visible, on both sides, in order."""
    if translation.parts:
        for source, (a, b) in ((text, (0, 1)), (translation.text, (2, 3))):
            borders = [0, *(part[k] for part in translation.parts for k in (a, b)), len(source)]
            assert borders == sorted(borders)
            gaps = zip(borders[::2], borders[1::2], strict=True)
            assert not any(source[start:end].strip(" \u200b") for start, end in gaps)


def same(found, expected):
    """Equal translations; scores of models within 1e-5."""
    assert [[one._replace(score=0.0) for one in row] for row in found] == [
        [one._replace(score=0.0) for one in row] for row in expected
    ]
    scores = [[one.score for row in rows for one in row] for rows in (found, expected)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


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
    same(check(translator, TEXTS[::-1])[::-1], together)
    same([check(translator, [text])[0] for text in TEXTS], together)


def test_an_empty_text_has_a_status(translator):
    assert check(translator, ["", " "]) == [[translators.Translation("", 0.0, "translation_empty")]] * 2


def test_marks_come_back(translator):
    translator, languages = translator
    if "markers" not in translator.capabilities:
        return
    assert isinstance(translator, translators.MarkedTranslator)
    peter = Marked("Peter lives here.", (Piece(0, 5, 0),))
    first, second = translator.translate_marked([peter, Marked("")], **languages, markers="blanks")
    decoded = STYLES["blanks"].decode(first.marked)
    assert decoded.text == first.text and [first.text[p.start : p.end] for p in decoded.pieces] == ["Peter"]
    assert second == translators.Translation("", 0.0, "translation_empty")
    with pytest.raises(RecipeError):
        translator.translate_marked([peter], **languages, markers="sirens")


def known_sentence(name):
    return small_models.translator_examples()[0][0] if name in MODELS else "Peter lives here"


def test_n_best(translator, name):
    if "n_best" in translator[0].capabilities:
        (row,) = check(translator, [known_sentence(name)], n_best=4)
        assert len({t.text for t in row}) == 4
        same([row[:1]], check(translator, [known_sentence(name)]))


def test_scores_are_those_of_the_translations(translator, name):
    given, languages = translator
    if "score" in given.capabilities:
        text = known_sentence(name)
        # other hypotheses of a model may be spelt in other sub-words than the tokenizer's
        (row,) = check(translator, [text], n_best=1 if name in MODELS else 3)
        scores = given.score([text] * len(row), [t.text for t in row], **languages)
        assert scores.dtype == np.float32
        assert scores == pytest.approx([t.score for t in row], abs=1e-5)


@pytest.mark.parametrize("refusing", REFUSING)
def test_a_given_text_is_not_translated(refusing):
    for call in (
        lambda t: t.translate(["Peter lives here"], source="eng_Latn", target="spa_Latn"),
        lambda t: t.score(["Peter lives here"], ["x"], source="eng_Latn", target="spa_Latn"),
    ):
        with pytest.raises(BackendError) as raised:
            call(translators.open(refusing))
        assert "target_path" in str(raised.value) and "\n" not in str(raised.value)
