"""Taggers scored on a gold corpus: by label, length, and what training had; and two taggers compared."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sentences import PEOPLE, labelled_sentences

from xproj import cli, recipe, scoring, taggers
from xproj.columns import EntityColumn
from xproj.corpora.export import export
from xproj.errors import RecipeError, SchemaError
from xproj.languages import lookup

SETTINGS = recipe.Evaluate(bootstrap=200)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Gold sentences, and training data in which one person never occurs."""
    folder = tmp_path_factory.mktemp("corpora")
    for name, seed in (("gold", 5), ("training", 6)):
        table = labelled_sentences(200, seed)
        if name == "training":
            unknown = PEOPLE[0].split()[0]
            table = table.filter(pa.array([unknown not in words for words in table["tokens"].to_pylist()]))
        write(table, folder / f"{name}.conll")
    return folder


def write(table, path):
    source = path.with_suffix(".parquet")
    pq.write_table(table.add_column(0, "id", pa.array([f"s-{i:03d}" for i in range(table.num_rows)])), source)
    export(source, "conll", path)


@pytest.fixture(scope="module")
def weak_model(tmp_path_factory):
    """A tagger that has seen little."""
    folder = tmp_path_factory.mktemp("weak") / "model"
    settings = recipe.Train(epochs=1)
    taggers.train("spacy", [labelled_sentences(20)], settings=settings, language=lookup("eng_Latn"), output=folder)
    return folder


def test_a_tagger_by_length_and_what_training_had(corpora, spacy_model):
    plain = scoring.model(spacy_model, None, corpora / "gold.conll", SETTINGS)
    assert plain.seen == {} and list(plain.lengths) == ["1", "2", "3", "4+"]
    settings = SETTINGS.model_copy(update={"training": str(corpora / "training.conll")})
    scores = scoring.model(spacy_model, "spacy", corpora / "gold.conll", settings)
    assert scores.micro == plain.micro and scores.lengths == plain.lengths
    gold = labelled_sentences(200, 5)
    rows = list(zip(gold["tokens"].to_pylist(), gold["entities"].to_pylist(), strict=True))
    unseen = sum(" ".join(w[e["start"] : e["end"]]) == PEOPLE[0] for w, found in rows for e in found)
    assert scores.seen["unseen"].support == unseen > 0
    for part in (scores.lengths, scores.seen, scores.labels):
        assert sum(score.support for score in part.values()) == scores.micro.support
        assert sum(score.predicted for score in part.values()) == scores.micro.predicted
    low, high = scores.seen["seen"].interval
    assert low <= scores.seen["seen"].f1 <= high


def test_two_taggers_are_compared(corpora, spacy_model, weak_model):
    gold = corpora / "gold.conll"
    better = scoring.compared(spacy_model, weak_model, gold, SETTINGS)
    assert better.first == scoring.model(spacy_model, None, gold, SETTINGS).micro
    assert better.second == scoring.model(weak_model, None, gold, SETTINGS).micro
    assert better.difference == pytest.approx(better.first.f1 - better.second.f1) and better.difference > 0.1
    assert better.p_value < 0.05 and 0 < better.interval[0]
    assert scoring.compared(weak_model, weak_model, gold, SETTINGS).p_value == 1


def test_what_cannot_be_compared_is_one_clear_line(corpora, spacy_model, tmp_path):
    with pytest.raises(RecipeError, match="need --input, a gold corpus"):
        scoring.compared(spacy_model, spacy_model, None, SETTINGS)
    table = corpora / "gold.parquet"
    with pytest.raises(RecipeError, match=r"is a model, .*gold.parquet a table"):
        scoring.compared(table, spacy_model, corpora / "gold.conll", SETTINGS)
    with pytest.raises(SchemaError, match="'target_entities' is missing"):
        scoring.compared(table, table, None, SETTINGS)


def test_the_command_line(corpora, spacy_model, weak_model, capsys):
    gold = str(corpora / "gold.conll")
    training = f"evaluate.training={corpora / 'training.conll'}"
    options = ["--set", training, "--set", "evaluate.bootstrap=50"]
    with pytest.raises(SystemExit) as ended:
        cli.main(["evaluate", "--model", str(spacy_model), "--input", gold, *options])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(text in shown for text in ("1 word ", "4+ words", "seen in training", "unseen in training"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["evaluate", "--compare", str(spacy_model), str(weak_model), "--input", gold, "--json"])
    assert ended.value.code == 0 and json.loads(capsys.readouterr().out)["difference"] > 0


def test_a_span_outside_its_sentence_is_unseen():
    from xproj.evaluation import Familiar, count_spans

    words = pa.array([["a", "b"]])
    familiar = Familiar.of([pa.table({"tokens": words, "entities": EntityColumn.of([[(0, 2, "PER")]]).write()})])
    gold = EntityColumn.of([[(0, 2, "PER")]]).write()
    counts = count_spans(EntityColumn.of([[(1, 4, "PER")]]).write(), gold, {}, words, familiar)
    assert {name: tally.totals.tolist() for name, tally in counts.seen.items()} == {
        "seen": [0, 0, 1],
        "unseen": [0, 1, 0],
    }
