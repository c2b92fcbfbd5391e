"""What each format means: (file name, content, tokens, spans)."""

import json

import pyarrow as pa
import pytest
from whole import ingest, labelled, spans

from xproj import corpora
from xproj.columns import ENTITY

TOKENS = [["Ann", "Lee", "left", "Rome"], ["Nobody"]]
SPANS = [[(0, 2, "PER"), (3, 4, "LOC")], []]
TABS = "Ann\tB-PER\nLee\tI-PER\nleft\tO\nRome\tB-LOC\n\nNobody\tO\n"
STUDIO = {
    "id": 7,
    "data": {"text": "Ann Lee left Rome"},
    "annotations": [
        {"was_cancelled": True, "result": []},
        {
            "result": [
                {"type": "labels", "value": {"start": 13, "end": 17, "text": "Rome", "labels": ["LOC"]}},
                {"type": "labels", "value": {"start": 0, "end": 7, "text": "Ann Lee", "labels": ["PER"]}},
                {"type": "choices", "value": {"choices": ["news"]}},
            ]
        },
    ],
}
STUDIO_NOTHING = {"data": {"text": "Nobody"}, "annotations": [{"result": []}]}
PRODIGY_TOKENS = [
    {"text": "Ann", "start": 0, "end": 3},
    {"text": "Lee", "start": 4, "end": 7},
    {"text": "left", "start": 8, "end": 12},
    {"text": "Rome", "start": 13, "end": 17},
]


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


CHARACTERS = [[0, 7, "PER"], [13, 17, "LOC"]]
FILES = [
    ("tabs.conll", TABS),
    ("spaces.conll", TABS.replace("\t", " ")),
    ("crlf.conll", TABS.replace("\n", "\r\n")),
    ("bom.conll", "\ufeff" + TABS),
    ("packed.conll.gz", TABS),
    ("packed.conll.zst", TABS),
    ("many-blanks.conll", "\n\n" + TABS.replace("\n\n", "\n \n\t\n\n") + "\n\n"),
    ("sniffed.txt", TABS),
    ("sniffed.tsv", TABS),
    ("unknown-suffix.test", TABS),
    ("documents.conll", "-DOCSTART- -X- -X- O\n\n" + TABS.replace("\t", " ")),
    ("documents-tabs.conll", "-DOCSTART-\tO\n\n" + TABS),
    ("comments.conll", "# a corpus\n\n# sent_id = a\n# text = Ann Lee left Rome\n" + TABS),
    (
        "four-columns.conll",
        "Ann NNP I-NP B-PER\nLee NNP I-NP I-PER\nleft V O O\nRome N B-NP B-LOC\n\nNobody N B-NP O\n",
    ),
    ("iob1.conll", "Ann I-PER\nLee I-PER\nleft O\nRome I-LOC\n\nNobody O\n"),
    ("iobes.conll", "Ann B-PER\nLee E-PER\nleft O\nRome S-LOC\n\nNobody O\n"),
    ("bilou.conll", "Ann B-PER\nLee L-PER\nleft O\nRome U-LOC\n\nNobody O\n"),
    (
        "numbered.iob2",
        "1\tAnn\tB-PER\t-\tme\n2\tLee\tI-PER\t-\tme\n3\tleft\tO\t-\tme\n4\tRome\tB-LOC\t-\tme\n\n1\tNobody\tO\t-\tme\n",
    ),
    (
        "ranges.conllu",
        "1-2\tAnnLee\t_\n1\tAnn\tB-PER\n2\tLee\tI-PER\n3\tleft\tO\n3.1\tgone\t_\n4\tRome\tB-LOC\n\n1\tNobody\tO\n",
    ),
    (
        "tags.jsonl",
        lines(
            {"tokens": TOKENS[0], "ner_tags": ["B-PER", "I-PER", "O", "B-LOC"]}, {"tokens": ["Nobody"], "tags": ["O"]}
        ),
    ),
    (
        "labels.jsonl",
        lines(
            {"tokens": TOKENS[0], "labels": ["I-PER", "I-PER", "O", "I-LOC"]}, {"words": ["Nobody"], "labels": ["O"]}
        ),
    ),
    (
        "entities.jsonl",
        lines(
            {"tokens": TOKENS[0], "entities": [{"start": 3, "end": 4, "label": "LOC"}, [0, 2, "PER"]]},
            {"tokens": ["Nobody"], "entities": []},
        ),
    ),
    ("spacy.jsonl", lines({"text": "Ann Lee left Rome", "entities": CHARACTERS}, {"text": "Nobody", "entities": []})),
    (
        "blank-lines.jsonl",
        "\n"
        + lines({"text": "Ann Lee left Rome", "entities": CHARACTERS})
        + "\n\n"
        + lines({"text": "Nobody", "spans": []}),
    ),
    (
        "doccano.jsonl",
        lines({"id": 1, "text": "Ann Lee left Rome", "label": CHARACTERS}, {"text": "Nobody", "label": []}),
    ),
    (
        "doccano-new.jsonl",
        lines(
            {
                "text": "Ann Lee left Rome",
                "entities": [
                    {"id": 1, "label": "PER", "start_offset": 0, "end_offset": 7},
                    {"id": 2, "label": "LOC", "start_offset": 13, "end_offset": 17},
                ],
                "relations": [],
            },
            {"text": "Nobody", "entities": []},
        ),
    ),
    (
        "prodigy.jsonl",
        lines(
            {
                "text": "Ann Lee left Rome",
                "tokens": PRODIGY_TOKENS,
                "spans": [
                    {"start": 0, "end": 7, "label": "PER", "token_start": 0},
                    {"start": 13, "end": 17, "label": "LOC"},
                ],
            },
            {"text": "Nobody", "tokens": [{"text": "Nobody", "start": 0, "end": 6}], "spans": []},
        ),
    ),
    ("studio.jsonl", lines(STUDIO, STUDIO_NOTHING)),
    ("studio.json", json.dumps([STUDIO, STUDIO_NOTHING], indent=2)),
    ("studio-one-line.json", json.dumps([STUDIO, STUDIO_NOTHING])),
    (
        "studio-small.json",
        json.dumps(
            [
                {
                    "text": "Ann Lee left Rome",
                    "label": [{"start": 0, "end": 7, "labels": ["PER"]}, {"start": 13, "end": 17, "labels": ["LOC"]}],
                },
                {"text": "Nobody", "label": []},
            ]
        ),
    ),
    (
        "packed.jsonl.gz",
        lines({"text": "Ann Lee left Rome", "entities": CHARACTERS}, {"text": "Nobody", "entities": []}),
    ),
]


@pytest.mark.parametrize(("name", "content"), FILES, ids=[name for name, _ in FILES])
def test_files(write, name, content):
    notes = corpora.IngestNotes()
    table = labelled(write(name, content), notes=notes)
    assert table.schema == corpora.LABELLED
    assert table["tokens"].to_pylist() == TOKENS
    assert spans(table["entities"]) == SPANS
    assert notes.counts == {}
    assert (notes.sentences, notes.labelled, notes.entities) == (2, 2, 2)


NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
STRUCTS = [[{"start": 0, "end": 2, "label": "PER"}, {"start": 3, "end": 4, "label": "LOC"}], []]


def with_features(table, feature):
    info = json.dumps({"info": {"features": {"ner_tags": feature}}})
    return table.replace_schema_metadata({"huggingface": info})


CLASS = {"names": NAMES, "_type": "ClassLabel"}
IDS = pa.table({"tokens": TOKENS, "ner_tags": pa.array([[1, 2, 0, 3], [0]], type=pa.list_(pa.int64()))})
PARQUET = {
    "strings": pa.table({"tokens": TOKENS, "ner_tags": [["B-PER", "I-PER", "O", "B-LOC"], ["O"]]}),
    "iob1": pa.table({"tokens": TOKENS, "tags": [["I-PER", "I-PER", "O", "I-LOC"], ["O"]]}),
    "class ids": with_features(IDS, {"feature": CLASS, "_type": "List"}),
    "class ids, old layout": with_features(IDS, {"feature": CLASS, "length": -1, "_type": "Sequence"}),
    "class ids, list layout": with_features(IDS, [CLASS]),
    "structs": pa.table({"tokens": TOKENS, "entities": pa.array(STRUCTS)}),
    "entities before tags": pa.table({"tokens": TOKENS, "ner_tags": [["O"] * 4, ["O"]], "entities": pa.array(STRUCTS)}),
    "large lists": pa.table(
        {
            "tokens": pa.array(TOKENS, type=pa.large_list(pa.large_string())),
            "entities": pa.array(STRUCTS, type=pa.large_list(ENTITY)),
        }
    ),
    "characters": pa.table(
        {
            "text": ["Ann Lee left Rome", "Nobody"],
            "spans": pa.array([[{"start": 0, "end": 7, "label": "PER"}, {"start": 13, "end": 17, "label": "LOC"}], []]),
        }
    ),
    "some rows without tokens": pa.table(
        {"tokens": [TOKENS[0], None], "text": [None, "Nobody"], "entities": pa.array(STRUCTS)}
    ),
}


@pytest.mark.parametrize("kind", PARQUET)
@pytest.mark.parametrize("packed", [False, True])
def test_parquet(write, tmp_path, kind, packed):
    path = write("corpus.parquet", PARQUET[kind])
    if packed:
        path = write("packed.parquet.gz", path.read_bytes())
    table = labelled(path)
    assert table["tokens"].to_pylist() == TOKENS
    assert spans(table["entities"]) == SPANS
    stem = "packed" if packed else "corpus"
    assert table["id"].to_pylist() == [f"{stem}-00000001", f"{stem}-00000002"]


def test_own_ids_scores_and_confidence(write):
    entities = [[{"start": 0, "end": 1, "label": "PER", "score": 0.25}], []]
    table = pa.table({"id": [11, 12], "tokens": [["Ann"], ["x"]], "entities": entities, "confidence": [0.25, None]})
    read = labelled(write("a.parquet", table))
    assert read["id"].to_pylist() == ["11", "12"]
    assert read["confidence"].to_pylist() == [0.25, None]
    assert read["entities"].to_pylist() == entities
    record = {"id": 11, "tokens": ["Ann"], "entities": entities[0], "confidence": 0.25}
    read = labelled(write("a.jsonl", lines(record)))
    assert read.slice(0, 1).to_pylist() == [
        {"id": "11", "tokens": ["Ann"], "entities": entities[0], "confidence": 0.25, "lost_spans": None}
    ]


def test_null_is_not_labelled_and_empty_is_labelled_with_none(write):
    assert spans(labelled(write("a.txt", "A b.\n"))["entities"]) == [None]
    assert spans(labelled(write("b.conll", "A\nb\n\nc\n"))["entities"]) == [None, None]
    assert spans(labelled(write("c.conll", "A\tO\n"))["entities"]) == [[]]
    assert spans(labelled(write("d.jsonl", lines({"text": "A"}, {"text": "A", "entities": []})))["entities"]) == [
        None,
        [],
    ]
    table = pa.table({"tokens": [["A"], ["A"]], "entities": pa.array([None, []], type=pa.list_(ENTITY))})
    assert spans(labelled(write("e.parquet", table))["entities"]) == [None, []]
    unannotated = {"data": {"text": "A"}, "annotations": []}
    assert spans(labelled(write("f.jsonl", lines(unannotated)))["entities"]) == [None]


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("#\tO\nfoo\tO\n", [["#", "foo"]]),
        ("#tag\tB-X\nfoo\tO\n", [["#tag", "foo"]]),
        ("# tag\tO\nfoo\tO\n", [["# tag", "foo"]]),
        ("foo O\n# O\n", [["foo", "#"]]),
        ("# O = comment\nfoo O\n", [["foo"]]),
        ("10 000\tO\nfoo\tO\n", [["10 000", "foo"]]),
        ("1 CD O\n\n2 CD O\nfoo NN O\n", [["1"], ["2", "foo"]]),
        ("a\u2028b\tO\nc\x85\tO\n", [["a\u2028b", "c\x85"]]),
    ],
)
def test_conll_details(write, content, tokens):
    assert labelled(write("a.conll", content))["tokens"].to_pylist() == tokens


def test_a_conllu_file_without_labels_is_not_labelled(write):
    row = "{}\t{}\tlemma\tNOUN\t_\t_\t0\troot\t_\t_\n"
    table = labelled(write("a.conllu", row.format(1, "A") + row.format(2, "b") + "\n"))
    assert table["tokens"].to_pylist() == [["A", "b"]] and spans(table["entities"]) == [None]


def test_sent_ids_and_text(write):
    path = write("a.conll", "# sent_id = x1\n# text = Ann left.\nAnn\tB-PER\nleft\tO\n.\tO\n\n# sent_id = x2\n\nB\tO\n")
    table = ingest(path=path, side="source")
    assert table["id"].to_pylist() == ["x1", "x2", "a-00000003"]
    assert table["source_text"].to_pylist() == ["Ann left.", None, None]
    assert table["source_tokens"].to_pylist() == [["Ann", "left", "."], [], ["B"]]
    assert table["status"].to_pylist() == ["ok", "empty_source", "ok"]


def test_character_spans_off_the_word_borders_are_counted(write):
    notes = corpora.IngestNotes()
    record = {"text": "Ann Lee left Rome", "entities": [[0, 6, "PER"], [7, 8, "X"], [12, 17, "LOC"]]}
    table = labelled(write("a.jsonl", lines({"text": "fine", "entities": []}, record)), notes=notes)
    assert spans(table["entities"]) == [[], [(0, 2, "PER"), (3, 4, "LOC")]]
    assert notes.counts == {"spans_expanded": 1, "spans_lost": 1}
    assert notes.first["spans_expanded"].endswith("a.jsonl:2")


def test_repairs_are_counted_with_their_first_place(write):
    notes = corpora.IngestNotes()
    path = write("a.conll", "A\tB-X\n\nB\tO\nC\tI-X\nD\tI-Y\n")
    assert spans(labelled(path, notes=notes)["entities"]) == [[(0, 1, "X")], [(1, 2, "X"), (2, 3, "Y")]]
    assert notes.counts == {"tags_repaired": 2} and notes.first["tags_repaired"] == f"{path}:4"
    assert "2 invalid tags repaired" in notes.lines()[0]


def test_labels_are_renamed_and_dropped(write):
    path = write("a.conll", "A\tB-PERSON\nB\tB-DATE\nC\tI-DATE\nD\tB-LOC\n")
    notes = corpora.IngestNotes()
    table = labelled(path, labels={"PERSON": "PER", "DATE": "O"}, notes=notes)
    assert spans(table["entities"]) == [[(0, 1, "PER"), (3, 4, "LOC")]]
    assert notes.counts == {"labels_dropped": 1} and notes.first["labels_dropped"] == f"{path}:2"


def test_folders_and_globs_are_read_in_natural_order(write, tmp_path):
    for number in (10, 2, 1):
        write(f"corpus/part-{number}.conll", f"w{number}\tO\n")
    write("corpus/README.md", "not data")
    write("corpus/.hidden.conll", "x\tO\n")
    for path in (tmp_path / "corpus", tmp_path / "corpus" / "part-*.conll"):
        table = labelled(path)
        assert table["tokens"].to_pylist() == [["w1"], ["w2"], ["w10"]]
        assert table["id"].to_pylist() == ["part-1-00000001", "part-2-00000002", "part-10-00000003"]


def test_a_folder_with_an_explicit_format_needs_no_suffixes(write, tmp_path):
    write("corpus/a.en", "one\n")
    assert labelled(tmp_path / "corpus", format="text")["tokens"].to_pylist() == [["one"]]


def test_text_is_cut_by_lines_and_by_the_rules_of_its_language(write):
    from xproj.languages import lookup

    table = labelled(write("a.txt", "ผมรักประเทศไทย\r\n\r\nok\u2028same line"), language=lookup("th"))
    assert table["tokens"].to_pylist() == [["ผม", "รัก", "ประเทศไทย"], [], ["ok", "same", "line"]]
    table = labelled(write("b.txt", "a-b c"), splitter="whitespace")
    assert table["tokens"].to_pylist() == [["a-b", "c"]]


def test_limits(write):
    path = write("a.txt", "".join(f"line {i}\n" for i in range(25)))
    assert labelled(path, limit=7, rows=3).num_rows == 7
    assert [t.num_rows for t in corpora.read_labelled(path, rows=10)] == [10, 10, 5]


def test_bitext_for_aligners(write):
    path = write("a.tsv", "Hi there\tHabari\nYes.\tNdiyo.\n")
    ((source, target),) = corpora.read_bitext(path, "eng_Latn", "und")
    assert source.rows() == [["Hi", "there"], ["Yes", "."]]
    assert target.rows() == [["Habari"], ["Ndiyo", "."]]
