"""Text in any script and any form, through translation, words and projection; offsets stay those of the user's text."""

import json
import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from xproj import corpora, projection, recipe, stages, taggers
from xproj.columns import EntityColumn, TokenColumn
from xproj.core import markers, recovery
from xproj.core.bare_words import counted
from xproj.core.markers import Marked
from xproj.languages import lookup
from xproj.schema import COLUMNS, conform
from xproj.translators import Translation, fake

SPANISH, KOREAN = (
    unicodedata.normalize("NFD", text) for text in ("José Núñez viajó a Córdoba .", "김민수 는 서울 에 산다 .")
)
INVISIBLE = "\u200fAnna\u200e \ufeffKo\u00adwalski lives\u200b in Ber\u2060lin ."
# language, words, entities: invisible characters, marks on either side of letters, scripts without spaces
SENTENCES = {
    "arabic": ("arb_Arab", "زار مُحَمَّد صلاح مدينة القاهرة أمس .", [(1, 3, "PER"), (4, 5, "LOC")]),
    "hebrew": ("heb_Hebr", "דָּוִד בֶּן גּוּרִיּוֹן נולד ב פלונסק .", [(0, 3, "PER"), (5, 6, "LOC")]),
    "thai": ("tha_Thai", "นาย สมชาย อยู่ ที่ กรุงเทพมหานคร", [(1, 2, "PER"), (4, 5, "LOC")]),
    "japanese": ("jpn_Jpan", "田中 さん は 東京 に 住んで いる 。", [(0, 1, "PER"), (3, 4, "LOC")]),
    "chinese": ("zho_Hans", "王 小明 在 北京 工作 。", [(0, 2, "PER"), (3, 4, "LOC")]),
    "hindi": ("hin_Deva", "सचिन तेंदुलकर मुंबई में रहते हैं ।", [(0, 2, "PER"), (2, 3, "LOC")]),
    "persian": ("pes_Arab", "علی می\u200cخواهد به تهران برود .", [(0, 1, "PER"), (3, 4, "LOC")]),
    "decomposed": ("spa_Latn", SPANISH, [(0, 2, "PER"), (4, 5, "LOC")]),
    "hangul": ("kor_Hang", KOREAN, [(0, 1, "PER"), (2, 3, "LOC")]),
    "invisible": ("eng_Latn", INVISIBLE, [(0, 2, "PER"), (4, 5, "LOC")]),
    "controls": ("eng_Latn", "An\x07na lives in Ber\x00lin now .", [(0, 1, "PER"), (3, 4, "LOC")]),
    "emoji": ("eng_Latn", "👩\u200d🔬 Anna lives in Berlin 🇩🇪 .", [(1, 2, "PER"), (4, 5, "LOC")]),
}  # fmt: skip


def table(words, entities, text=None):
    return conform(
        pa.table(
            {
                "id": ["s"],
                "source_text": pa.array([text], pa.string()),
                "source_tokens": pa.array([words], COLUMNS["source_tokens"]),
                "source_entities": EntityColumn.of([entities]).write(),
            }
        ),
        ["id", "source_tokens", "source_entities"],
        ["source_text", "target_text", "target_tokens", "status"],
    )


def added(given, mapped):
    for name, column in mapped.columns.items():
        if name in given.column_names:
            given = given.drop_columns([name])
        given = given.append_column(name, column)
    return given


@pytest.mark.parametrize("style", ["brackets", "xml"])
@pytest.mark.parametrize("name", SENTENCES)
def test_marks_through_a_translator(name, style):
    code, text, entities = SENTENCES[name]
    words = text.split(" ")
    translate = {"translator": "fake", "markers": style, "checks": False}
    made = recipe.parse(
        {
            "route": "translate-train",
            "source": code,
            "language": "deu_Latn",
            "ingest": {},
            "translate": translate,
            "project": {"candidates": "markers"},
        },
        "test",
    )
    given = table(words, entities, text)
    given = added(given, stages.Translate(made).map(given))
    assert given["status"].to_pylist() == ["ok"]
    stage = stages.Project(made)
    result = projection.project(conform(given, *stage.reads()), made.project)
    (found,), target = result.target_entities.to_pylist(), given["target_tokens"][0].as_py()
    assert [entity["label"] for entity in found] == [label for _, _, label in entities], result.dropped
    # the translator keeps the order and the number of words: names are where they were
    said = [[spelt(word) for word in target[entity["start"] : entity["end"]]] for entity in found]
    alone = [translated(made, words[start:end]) for start, end, _ in entities]
    assert ["".join(part) for part in said] == alone


def spelt(word):
    return "".join(letter for letter in word if unicodedata.category(letter) not in ("Cc", "Cf"))


def translated(made, words):
    """What the translator says for the words of a name, without spaces."""
    given = table(words, [], " ".join(words))
    unmarked = made.model_copy(update={"translate": made.translate.model_copy(update={"markers": None})})
    found = stages.Translate(unmarked).map(given).columns["target_tokens"][0].as_py()
    return "".join(map(spelt, found))


# a control character parts a word, so there the number of words is another one
@pytest.mark.parametrize("name", [name for name in SENTENCES if name != "controls"])
def test_links_through_a_translator(name, tmp_path):
    code, text, entities = SENTENCES[name]
    words = text.split(" ")
    links = tmp_path / "links.txt"
    data = {
        "route": "translate-train",
        "source": code,
        "language": "deu_Latn",
        "ingest": {},
        "translate": {"translator": "fake", "checks": False},
        "align": {"aligner": "given", "links": str(links)},
    }
    made = recipe.parse(data, "test")
    given = table(words, entities, text)
    given = added(given, stages.Translate(made).map(given))
    target = given["target_tokens"][0].as_py()
    assert len(target) == len(words), target
    links.write_text(" ".join(f"{k}-{k}" for k in range(len(words))) + "\n")
    given = added(given, stages.Align(made).map(conform(given, *stages.Align(made).reads())))
    result = projection.project(conform(given, *stages.Project(made).reads()), made.project)
    (found,) = result.target_entities.to_pylist()
    assert [(entity["start"], entity["end"], entity["label"]) for entity in found] == entities


def test_engines_see_nfc_and_offsets_stay():
    text = unicodedata.normalize("NFD", "Aquí está José Núñez en Córdoba.")
    places = [(m, m + len(word)) for word in text.split() for m in [text.index(word)]]
    sentence = markers.mark(text, places, [(2, 4), (5, 6)])
    plain = markers.readable(sentence)
    assert plain.text == unicodedata.normalize("NFC", text)
    assert [plain.text[p.start : p.end] for p in plain.pieces] == ["José Núñez", "Córdoba."]
    assert markers.readable(Marked("a\x00b\ud800")) == Marked("a b\ufffd")


def test_a_translator_gets_text_that_engines_read(monkeypatch):
    seen = []

    def translate(self, texts, **_):
        seen.extend(texts)
        return [[Translation(text, 0.0)] for text in texts]

    monkeypatch.setattr(fake.FakeTranslator, "translate", translate)
    data = {"route": "translate-train", "source": "spa_Latn", "language": "cat_Latn", "ingest": {}}
    stage = stages.Translate(recipe.parse(data | {"translate": {"translator": "fake"}}, "test"))
    text = unicodedata.normalize("NFD", "José\x07vive.")
    made = stage.map(table(text.split(), [], text))
    assert seen == ["José vive."] and made.columns["target_text"].to_pylist() == seen


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_words_are_found_in_a_text_of_another_form(form, other):
    text = unicodedata.normalize(form, "José Núñez nació en Córdoba.")
    words = unicodedata.normalize(other, "José Núñez nació en Córdoba .").split()
    spans = markers.locate(text, words)
    assert [unicodedata.normalize(other, text[a:b]) for a, b in spans] == words
    assert markers.locate(text, [*words, "más"]) is None


def test_marks_meet_words_of_another_form():
    raw = "[[t:e:0]]José[[/]] en [[t:e:1]]Córdoba[[/]]"
    words = unicodedata.normalize("NFD", "José en Córdoba").split()
    mentions = [recovery.Mention("x"), recovery.Mention("y")]
    assert {k: place[:2] for k, place in recovery.places("blanks", raw, words, mentions).items()} == {
        0: (0, 1),
        1: (2, 3),
    }
    one, other = (unicodedata.normalize(form, "é" * 3 + "ñ") for form in ("NFC", "NFD"))
    found = recovery.recover(Marked(one, (markers.Piece(0, 4, -1),)), [(0, 4)], [recovery.Mention(other)])
    assert [(item.start, item.end, item.likeness) for item in found] == [(0, 4, 1.0)]


def read(tmp_path, record):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    language = lookup("spa_Latn")
    (found,) = corpora.ingest(recipe.Ingest(path=str(path)), source=language, target=language, side="source")
    return found.to_pylist()[0]


@pytest.mark.parametrize("count", ["given", "nfc"])
def test_character_offsets_are_those_of_the_users_text(tmp_path, count):
    """Spans count the characters of the text as it stands, or, where their text shows it, those of its NFC."""
    name = unicodedata.normalize("NFD", "José Núñez")
    text = unicodedata.normalize("NFD", "Así dijo ") + name + "."
    start = text.index(name) if count == "given" else len(unicodedata.normalize("NFC", text)) - 11
    length = len(name) if count == "given" else 10
    span = {"start": start, "end": start + length, "label": "PER", "text": unicodedata.normalize("NFC", name)}
    row = read(tmp_path, {"id": "1", "text": text, "spans": [span]})
    assert row["source_text"] == text
    assert [
        word for e in row["source_entities"] for word in row["source_tokens"][e["start"] : e["end"]]
    ] == name.split()


def test_taggers_and_encoders_see_nfc(transformers_model, spacy_model):
    words = "ayer José Núñez voló a Córdoba .".split()
    decomposed = [unicodedata.normalize("NFD", word) for word in words]
    for name, model in (("transformers", transformers_model), ("spacy", spacy_model)):
        tagger = taggers.open(name, str(model))
        one, other = tagger.probabilities([words, decomposed])
        assert np.array_equal(one, other)


def test_frequent_words_of_either_form_are_one_to_the_aligner():
    assert counted(unicodedata.normalize("NFD", "Córdoba")) == counted("Córdoba")
    assert len(TokenColumn.of([["é", "e\u0301"]]).encode()[1]) == 2  # words themselves stay as the user wrote them
