"""The stages on a small translation model that was trained on the sample corpus: marks, statuses, back-translations."""

import numpy as np
import pyarrow as pa
import pytest
import small_models

from xproj import recipe, stages, translators
from xproj.columns import EntityColumn
from xproj.core import text_markers
from xproj.core.markers import Marked, Piece
from xproj.schema import COLUMNS, conform
from xproj.translators.engines import Hypothesis

pytest.importorskip("transformers")
LANGUAGES = {"source": "eng_Latn", "target": "deu_Latn"}


def opened(model, **settings):
    made = recipe.Translate(translator="nllb", model=str(model), engine="hf", **({"max_length": 60} | settings))
    return translators.open("nllb", str(model), settings=made)


def learnt():
    """English and German words of the pairs that the model knows with brackets round their first word."""
    pairs = small_models.translator_examples()
    return [(x.split(), y.split()) for x, y, a, _ in pairs if a == "eng_Latn" and not x.startswith("[")][::3]


def table(rows, **columns):
    words = [list(source) for source, _ in rows]
    data = {
        "id": [str(k) for k in range(len(rows))],
        "source_tokens": pa.array(words, COLUMNS["source_tokens"]),
        "source_text": [" ".join(row) for row in words],
        "source_entities": EntityColumn.of([[(0, 1, "PER")] for _ in rows]).write(),
    }
    return pa.table(data | columns)


def test_marks_of_two_sentences_stay_in_theirs(translator_model):
    pairs = [pair for pair in learnt() if pair[0][-1] == "." and pair[1][-1] == "."][:2]
    assert len(pairs) == 2
    text = " ".join(word for source, _ in pairs for word in source)
    second = len(" ".join(pairs[0][0])) + 1
    pieces = (Piece(0, len(pairs[0][0][0]), 0), Piece(second, second + len(pairs[1][0][0]), 1))
    (found,) = opened(translator_model).translate_marked([Marked(text, pieces)], **LANGUAGES, markers="brackets")
    assert [text[p.source_start : p.source_end] for p in found.parts] == [" ".join(source) for source, _ in pairs]
    assert [found.text[p.start : p.end].split() for p in found.parts] == [target for _, target in pairs]
    marked = text_markers.decode_brackets(found.marked)
    assert [marked.text[p.start : p.end] for p in marked.pieces] == [target[0] for _, target in pairs]


@pytest.mark.parametrize("markers", [None, "brackets"])
def test_a_back_translation_finds_the_entities(translator_model, markers):
    rows = learnt()
    back = {"translator": "nllb", "model": str(translator_model), "engine": "hf", "beam": 1, "checks": False}
    made = recipe.parse({"language": "deu_Latn", "ingest": {}, "back": back | {"markers": markers}}, "test")
    stage = stages.Back(made)
    mapped = stage.map(conform(table(rows), *stage.reads()))
    assert mapped.columns["back_tokens"].to_pylist() == [target for _, target in rows]
    found = mapped.columns["back_entities"].to_pylist()
    first = [[(e["start"], e["end"], e["label"], e["source_entity"]) for e in row] for row in found]
    right = [row == [(0, 1, "PER", 0)] for row in first]
    # with brackets the model has learnt where they go; without, an entity is found by its stand-alone translation
    assert np.mean(right) == 1.0 if markers else np.mean([len(row) <= 1 for row in first]) == 1.0


def test_all_statuses_come_of_what_the_model_says(translator_model, monkeypatch):
    """The engine is told which sub-words to say; tokenizer, sentences, checks and statuses are the real ones."""
    pytest.importorskip("py3langid")
    rows = [pair for pair in small_models.bitext("deu_Latn") if pair[0][-1] == "." and pair[0].count(".") == 1]
    rows = [pair for pair in rows if 8 <= len(pair[0]) <= 14][:30]
    rows.sort(key=lambda pair: -sum(word == word.lower() for word in pair[0]))  # names may stay as they are
    assert len(rows) == 30
    english, german = ([" ".join(pair[side]) for pair in rows] for side in (0, 1))
    faults = {
        "translation_copied": english[0],
        "translation_empty": "",
        "translation_repeated": " ".join([*rows[2][1][:1] * 9]),
        "translation_too_short": rows[3][1][0][:2],
        "translation_too_long": " ".join(german[10:18]),
        "translation_wrong_language": " ".join(small_models.bitext("rus_Cyrl")[2][1]),
    }
    given = {"translator": "nllb", "model": str(translator_model), "engine": "hf", "beam": 1, "max_length": 120}
    made = recipe.parse({"route": "translate-train", "language": "deu_Latn", "ingest": {}, "translate": given}, "test")
    stage = stages.Translate(made)
    subwords = stage._translator.subwords
    codes = subwords.languages("eng_Latn", "deu_Latn")
    said = dict(
        zip(
            map(tuple, subwords.encode(english, codes)),
            subwords.encode_targets([*faults.values(), *german[len(faults) :]]),
            strict=True,
        )
    )
    engine = stage._translator._engine
    plain = engine.generate

    def generate(sources, **settings):  # the self-test of markers asks for others
        told = [said.get(tuple(source)) for source in sources]
        if None in told:
            return plain(sources, **settings)
        return [[Hypothesis(ids, -1.0, True)] for ids in told]

    monkeypatch.setattr(engine, "generate", generate)
    mapped = stage.map(conform(table(rows), *stage.reads()))
    statuses = mapped.columns["status"].to_pylist()
    assert statuses[: len(faults)] == list(faults)
    assert set(statuses[len(faults) :]) == {"ok"}
    # cut off by the limit
    monkeypatch.undo()
    short = recipe.parse(
        {"route": "translate-train", "language": "deu_Latn", "ingest": {}, "translate": given | {"max_length": 8}},
        "test",
    )
    mapped = stages.Translate(short).map(conform(table(rows[:2]), *stage.reads()))
    assert mapped.columns["status"].to_pylist() == ["translation_too_long"] * 2
