"""`xproj ensemble` on made-up sentences whose translation turns the words round."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sentences import labelled_sentences

from xproj import cli, ensembling, taggers
from xproj.columns import EntityColumn, LinkColumn
from xproj.core.labels import label_space
from xproj.ensembling import Settings
from xproj.errors import RecipeError, SchemaError

LABELS = label_space(["LOC", "ORG", "PER"])


class Fixed:
    """A tagger that says of each word what a table says, with this probability."""

    probabilistic = True

    def __init__(self, table, labels=LABELS, sure=1.0):
        self.labels, self._table, self._sure = labels, table, sure

    def probabilities(self, sentences):
        rest = (1 - self._sure) / (len(self.labels) - 1)
        rows = np.full((1, len(self.labels)), rest, dtype=np.float32)
        made = [np.repeat(rows, len(words), axis=0) for words in sentences]
        for words, row in zip(sentences, made, strict=True):
            for k, word in enumerate(words):
                row[k, self.labels.index(self._table.get(word, "O"))] = self._sure
        return made


@pytest.fixture
def linked(tmp_path):
    """Four rows: turned round; no link; no translation; no words."""
    rows = {
        "id": list("abcd"),
        "target_tokens": pa.array([["x", "y", "z"], ["x", "y"], ["x"], []], pa.list_(pa.string())),
        "source_tokens": pa.array([["P", "q"], ["P"], None, ["P"]], pa.list_(pa.string())),
        "links": LinkColumn.of([[(0, 1), (0, 2), (1, 0)], [], None, []]).write(),
        "status": pa.array(["ok", "ok", "translation_error", "ok"]),
        "dropped": pa.array([[], [], [], []], pa.list_(pa.struct([("source_entity", pa.int16())]))),
    }
    path = tmp_path / "linked.parquet"
    pq.write_table(pa.table(rows), path)
    return path


def spans(path):
    rows = pq.read_table(path)["target_entities"].to_pylist()
    return [None if row is None else [(e["start"], e["end"], e["label"]) for e in row] for row in rows]


def test_what_comes_over_links_is_averaged(linked, tmp_path):
    source = Fixed({"P": "B-PER"}, labels=LABELS[:1] + LABELS[:0:-1], sure=0.9)
    target = Fixed({"x": "B-LOC"}, sure=0.6)
    result = ensembling.run(linked, tmp_path / "out.parquet", target, source, Settings(), rows=2)
    # x is O by .9 from the translation, LOC by .6; without links LOC
    assert spans(tmp_path / "out.parquet") == [[(1, 3, "PER")], [(0, 1, "LOC")], [(0, 1, "LOC")], None]
    made = pq.read_table(tmp_path / "out.parquet")
    assert made["status"].to_pylist() == ["ok", "ok", "ok", "empty_target"] and "dropped" not in made.column_names
    score = made["target_entities"][0].as_py()[0]["score"]
    # z goes on with the name: its I- has what the translation gives to B- as well
    assert score == pytest.approx(((0.9 + 0.4 / 6) / 2 + (0.9 + 0.1 / 6 + 0.4 / 6) / 2) / 2)
    assert result.counts["words.linked"] == 3 and result.counts["status.empty_target"] == 1
    ensembling.run(linked, tmp_path / "target.parquet", target, source, Settings(share=0.0))
    assert spans(tmp_path / "target.parquet")[0] == [(0, 1, "LOC")]
    ensembling.run(linked, tmp_path / "source.parquet", target, source, Settings(share=1.0))
    assert spans(tmp_path / "source.parquet")[0] == [(1, 3, "PER")]


def test_bad_input_is_one_clear_line(linked, tmp_path):
    out = tmp_path / "out.parquet"
    with pytest.raises(RecipeError, match="it lacks B-ORG, I-ORG"):
        ensembling.run(linked, out, Fixed({}), Fixed({}, labels=label_space(["LOC", "PER"])), Settings())
    table = pq.read_table(linked)
    wrong = table.set_column(3, "links", LinkColumn.of([[(5, 0)], [], None, []]).write())
    pq.write_table(wrong, linked)
    with pytest.raises(SchemaError, match="the link 5-0 of 'a' leaves its sentence"):
        ensembling.run(linked, out, Fixed({}), Fixed({}), Settings())
    assert not out.exists()


def test_the_command_line(spacy_model, tmp_path, capsys):
    table = labelled_sentences(20, seed=3)
    words = table["tokens"].to_pylist()
    rows = {
        "id": [f"s-{i:02d}" for i in range(20)],
        "target_tokens": [row[::-1] for row in words],
        "source_tokens": words,
        "links": LinkColumn.of([[(k, len(row) - 1 - k) for k in range(len(row))] for row in words]).write(),
    }
    pq.write_table(pa.table(rows), tmp_path / "linked.parquet")
    paths = ["--input", tmp_path / "linked.parquet", "--output", tmp_path / "out.parquet"]
    models = ["--model", spacy_model, "--source-model", spacy_model, "--share", "1"]
    with pytest.raises(SystemExit) as ended:
        cli.main(["ensemble", *map(str, [*paths, *models]), "--json", "--quiet"])
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert ended.value.code == 0 and counts["words"] == counts["words.linked"]
    # the labels of the translation, word by word
    found = taggers.predict(taggers.open("spacy", str(spacy_model)), table["tokens"])
    there = EntityColumn.read(found)
    here = EntityColumn.read(pq.read_table(tmp_path / "out.parquet")["target_entities"])
    assert counts["entities.predicted"] == len(here.start) > 0
    assert (there.end - there.start).sum() == (here.end - here.start).sum()
