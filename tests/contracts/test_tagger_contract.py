"""What every tagger must do. A new back end adds its name here and, in conftest.py, a fixture `<name>_model`."""

import numpy as np
import pyarrow as pa
import pytest

from xproj import taggers

NAMES = ["spacy", "transformers"]


@pytest.fixture(scope="module", params=NAMES)
def tagger(request):
    return taggers.open(request.param, str(request.getfixturevalue(f"{request.param}_model")))


SENTENCES = [
    "Peter flew to Nairobi .".split(),
    ["Berlin"],
    [],
    "Siemens hired Anna Schmidt last week".split(),
    ["\u200b", "Peter", "\u200b"],
    ["", " ", "\u00a0", "\ufeff"],
]


def test_every_back_end_is_under_contract():
    assert set(taggers.BACKENDS) == set(NAMES)


def test_labels_are_iob2_with_outside_first(tagger):
    first, *others = tagger.labels
    assert first == "O"
    assert {label[:2] for label in others} == {"B-", "I-"}
    assert {label[2:] for label in others if label[0] == "B"} == {label[2:] for label in others if label[0] == "I"}
    assert len(set(tagger.labels)) == len(tagger.labels)
    assert isinstance(tagger.probabilistic, bool)


def check(tagger, sentences):
    rows = tagger.probabilities(sentences)
    assert len(rows) == len(sentences)
    for row, words in zip(rows, sentences, strict=True):
        assert row.shape == (len(words), len(tagger.labels)) and row.dtype == np.float32
        assert np.isfinite(row).all() and (row >= 0).all()
        assert row.sum(axis=1) == pytest.approx(np.ones(len(words)), abs=1e-4)
        if not tagger.probabilistic:
            assert set(np.unique(row)) <= {0.0, 1.0}
    return rows


@pytest.mark.parametrize(
    "sentences",
    [
        [],
        [[]],
        [["Nairobi"]],
        [["\u200b"]],
        [["", "a", " ", "\t"]],
        [["word"] * 5000],
        [["x" * 20000, "Peter"]],
        [["مرحبا", "नमस्ते", "你好", "🙂", "a b"]],
        SENTENCES,
    ],
    ids=[
        "empty batch",
        "empty sentence",
        "one word",
        "no sub-words",
        "white space",
        "long",
        "long word",
        "scripts",
        "all",
    ],
)
def test_shapes(tagger, sentences):
    check(tagger, sentences)


def test_same_answer_whatever_the_batch(tagger):
    together = check(tagger, SENTENCES)
    backwards = check(tagger, SENTENCES[::-1])[::-1]
    for words, whole, reverse in zip(SENTENCES, together, backwards, strict=True):
        alone = check(tagger, [words])[0]
        assert np.allclose(whole, alone, atol=1e-5) and np.allclose(whole, reverse, atol=1e-5)
        found = ([entity[:3] for entity in taggers.decode(rows, tagger.labels)] for rows in (whole, alone))
        assert next(found) == next(found)


def test_it_finds_what_it_has_learned(tagger):
    tokens = pa.array([None, "yesterday Peter flew to Nairobi .".split(), []], pa.list_(pa.string()))
    found = taggers.predict(tagger, tokens).to_pylist()
    assert found[0] is None and found[2] == []
    assert [(e["start"], e["end"], e["label"]) for e in found[1]] == [(1, 2, "PER"), (4, 5, "LOC")]
    assert all(0 < e["score"] <= 1 for e in found[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_model_is_one_clear_line(name, tmp_path):
    from xproj.errors import BackendError

    with pytest.raises(BackendError) as raised:
        taggers.open(name, str(tmp_path / "nothing"))
    assert str(tmp_path / "nothing") in str(raised.value) and "\n" not in str(raised.value)
