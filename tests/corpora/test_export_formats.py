"""Round trips: read → silver → export → read."""

import gzip
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whole import ENGLISH, SWAHILI, ingest, labelled, spans

from xproj import corpora
from xproj.columns import EntityColumn, TokenColumn
from xproj.corpora.export import export
from xproj.errors import RecipeError, StoreError
from xproj.recipe import Silver

CONLL = "# sent_id = s1\nAnn\tB-PER\nLee\tI-PER\nleft\tO\n\n# sent_id = s2\n#\tO\nRome\tB-LOC\nRome\tB-LOC\n\n"


@pytest.fixture
def silver(write, tmp_path):
    """A silver folder made of CONLL."""
    table = ingest(path=write("in.conll", CONLL), side="source")
    projected = table.select(["id", "source_tokens", "source_entities", "status"])
    projected = projected.append_column("target_tokens", projected["source_tokens"])
    projected = projected.append_column("target_entities", projected["source_entities"])
    corpora.write_silver([projected], tmp_path / "silver", language=SWAHILI, settings=Silver(), signature="s")
    return tmp_path / "silver"


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("conll", "out.conll"),
        ("conll", "out.conll.gz"),
        ("conll", "o.conll.zst"),
        ("jsonl", "out.jsonl"),
        ("jsonl", "out.jsonl.gz"),
    ],
)
def test_round_trips(write, silver, tmp_path, format, name):
    counts = export(silver, format, tmp_path / name)
    assert counts == {"rows": 2, "entities": 3, "unlabelled": 0}
    again, before = labelled(tmp_path / name), labelled(silver)
    for column in ("id", "tokens"):
        assert again[column].to_pylist() == before[column].to_pylist()
    assert spans(again["entities"]) == spans(before["entities"]) == [[(0, 2, "PER")], [(1, 2, "LOC"), (2, 3, "LOC")]]


def test_conll_is_what_was_read(silver, tmp_path):
    export(silver, "conll", tmp_path / "out.conll")
    assert (tmp_path / "out.conll").read_text() == CONLL


def test_jsonl_records(silver, tmp_path):
    export(silver, "jsonl", tmp_path / "out.jsonl")
    record = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert record == {
        "id": "s1",
        "tokens": ["Ann", "Lee", "left"],
        "ner_tags": ["B-PER", "I-PER", "O"],
        "entities": [{"start": 0, "end": 2, "label": "PER", "score": None}],
        "confidence": 1.0,
    }


def test_docbin(silver, tmp_path):
    import spacy
    from spacy.tokens import DocBin

    export(silver, "spacy", tmp_path / "out.spacy")
    docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(spacy.blank("xx").vocab))
    assert [[token.text for token in doc] for doc in docs] == labelled(silver)["tokens"].to_pylist()
    assert [[(e.start, e.end, e.label_) for e in doc.ents] for doc in docs] == spans(labelled(silver)["entities"])
    assert docs[0].text == "Ann Lee left"


def test_docbin_of_a_script_without_spaces(write, tmp_path):
    import spacy
    from spacy.tokens import DocBin

    from xproj.languages import lookup

    path = write("a.conll", "ผม\tO\nรัก\tO\nไทย\tB-LOC\n")
    export(path, "spacy", tmp_path / "out.spacy", language=lookup("th"))
    (doc,) = DocBin().from_disk(tmp_path / "out.spacy").get_docs(spacy.blank("xx").vocab)
    assert doc.text == "ผมรักไทย"


def test_sentences_without_labels(write, tmp_path):
    path = write("a.jsonl", '{"text": "Not labelled"}\n{"text": "Labelled", "entities": []}\n')
    assert export(path, "conll", tmp_path / "out.conll")["unlabelled"] == 1
    assert labelled(tmp_path / "out.conll")["tokens"].to_pylist() == [["Labelled"]]
    export(path, "jsonl", tmp_path / "out.jsonl")
    assert spans(labelled(tmp_path / "out.jsonl")["entities"]) == [None, []]


def test_odd_words_survive(write, tmp_path):
    tokens = ["10 000", "#", "# x", "a\u2028b", "\u200b", "tab\there"]
    path = write("a.jsonl", json.dumps({"tokens": tokens, "entities": [[0, 1, "N"], [1, 2, "N"]]}) + "\n")
    export(path, "conll", tmp_path / "out.conll")
    again = labelled(tmp_path / "out.conll")
    assert again["tokens"].to_pylist() == [["10 000", "#", "# x", "a b", "\u200b", "tab here"]]
    assert spans(again["entities"]) == [[(0, 1, "N"), (1, 2, "N")]]


def test_an_export_is_whole_or_not_there(silver, write, tmp_path):
    target = write("out.conll", "before")
    bad = write("bad.conll", "A\tO\n\nB\tnonsense\n")
    with pytest.raises(Exception, match="nonsense"):
        export(bad, "conll", target)
    assert target.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir() if "tmp" in file.name] == []


@pytest.mark.parametrize("format", ["conll", "jsonl", "spacy"])
def test_a_new_folder_is_made(silver, tmp_path, format):
    assert export(silver, format, tmp_path / "new" / "er" / "out")["rows"] > 0
    assert (tmp_path / "new" / "er" / "out").stat().st_size > 0


def test_exports_have_the_same_bytes(silver, tmp_path):
    for format in ("conll", "jsonl", "spacy"):
        for name in ("one.gz", "two.gz"):
            export(silver, format, tmp_path / name)
        assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    export(silver, "conll", tmp_path / "x.gz")
    assert gzip.decompress((tmp_path / "x.gz").read_bytes()).decode() == CONLL


def test_bad_requests(silver, tmp_path):
    with pytest.raises(RecipeError, match="--format: unknown format 'conl'; did you mean 'conll'"):
        export(silver, "conl", tmp_path / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        export(silver, "conll", tmp_path / "file" / "x.conll")


WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=1, max_size=5)


@st.composite
def sentence(draw):
    words = draw(st.lists(WORD, min_size=1, max_size=7))
    cuts = sorted(draw(st.sets(st.integers(0, len(words)))))
    chosen = [span for span in zip(cuts, cuts[1:], strict=False) if draw(st.booleans())]
    return words, [(start, end, draw(st.sampled_from(["PER", "LOC"]))) for start, end in chosen]


@settings(max_examples=40)
@given(rows=st.lists(sentence(), min_size=1, max_size=5))
def test_any_labelled_sentences_survive_silver_and_export(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("round")
    tokens = TokenColumn.of([words for words, _ in rows])
    table = pa.table(
        {
            "id": [f"i{i}" for i in range(len(rows))],
            "target_tokens": pa.array([words for words, _ in rows], type=pa.list_(pa.string())),
            "target_entities": EntityColumn.of([found for _, found in rows]).write(),
        }
    )
    corpora.write_silver([table], folder / "silver", language=ENGLISH, settings=Silver(), signature="s")
    for format in ("conll", "jsonl"):
        export(folder / "silver", format, folder / f"out.{format}")
        again = labelled(folder / f"out.{format}")
        assert again["tokens"].to_pylist() == tokens.rows()
        assert spans(again["entities"]) == [found for _, found in rows]
