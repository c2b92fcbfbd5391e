"""Bad input: (file name, content, the message without the folder). Each is one line: where, what, what then."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from whole import ingest, labelled

from xproj.columns import ENTITY
from xproj.errors import CorpusError, RecipeError, XprojError

GOOD = {"text": "Ann left", "entities": [[0, 3, "PER"]]}


def after_good(record):
    return json.dumps(GOOD) + "\n" + (record if isinstance(record, str) else json.dumps(record)) + "\n"


CASES = [
    ("a.conll", "A\tO\nB\tPER\n", "a.conll:2: 'PER' is not a tag; tags are O, or B- or I-"),
    ("a.conll", "# x\nA\tO\n\nB\tB-\n", "a.conll:4: 'B-' is not a tag"),
    ("a.conll", "A\tO\nB\n", "a.conll:2: 1 column where the first sentence has 2; every line is a word"),
    ("a.conll", "A O\n\nB b O\n", "a.conll:3: 3 columns where the first sentence has 2"),
    (
        "a.conll",
        "A\tO\n\nB\tO\rC\tO\r\rD\tO\r",
        "a.conll:3: a carriage return within a line; end lines with LF or CR LF",
    ),
    ("a.conll", "", "a.conll: no sentence in it"),
    ("a.conll", "\n\n# only a comment\n\n", "a.conll: no sentence in it"),
    ("a.conll", b"A\tO\nB\tO\n" + b"\xe9t\xe9\tO\n", "a.conll:3: not UTF-8: byte 0xe9 at offset 8; convert it"),
    ("a.txt", "Ann\n".encode("utf-16"), "a.txt:1: not UTF-8: byte 0xff at offset 0"),
    ("a.txt", b"\xef\xbb\xbfok\n\xff\n", "a.txt:2: not UTF-8: byte 0xff at offset 6"),
    ("a.txt", "", "a.txt: no sentence in it"),
    ("a.jsonl", after_good("{oops}"), "a.jsonl:2: not JSON: Expecting property name"),
    ("a.jsonl", after_good("7"), "a.jsonl:2: a JSON int instead of an object; one JSON object per line"),
    ("a.jsonl", after_good("[" * 100_000), "a.jsonl:2: not JSON that can be read: nested too deep"),
    ("a.json", "[" * 100_000, "a.json:1: not JSON that can be read: nested too deep"),
    ("a.jsonl", after_good({"sentence": "x"}), "a.jsonl:2: no 'tokens' and no 'text'; its keys are sentence"),
    ("a.jsonl", after_good({"text": 7}), "a.jsonl:2: the text is int, not a string"),
    ("a.jsonl", after_good({"tokens": "Ann left"}), "a.jsonl:2: the tokens are not a list of strings"),
    (
        "a.jsonl",
        after_good({"tokens": ["a"], "tags": ["O", "O"]}),
        "a.jsonl:2: 2 tags for 1 tokens; give one tag per token",
    ),
    ("a.jsonl", after_good({"tokens": ["a"], "tags": [3]}), "a.jsonl:2: the tags are not a list of strings"),
    ("a.jsonl", after_good({"tokens": ["a", "b"], "tags": ["O", "PER"]}), "a.jsonl:2: 'PER' is not a tag"),
    (
        "a.jsonl",
        after_good({"tokens": ["a"], "entities": [[0, 2, "X"]]}),
        "a.jsonl:2: the span [0, 2) is not in its sentence of 1 words",
    ),
    ("a.jsonl", after_good({"tokens": ["a"], "entities": [[0, 0, "X"]]}), "a.jsonl:2: the span [0, 0) is not in"),
    (
        "a.jsonl",
        after_good({"tokens": ["a", "b"], "entities": [[0, 2, "X"], [1, 2, "Y"]]}),
        "a.jsonl:2: the spans [0, 2) and [1, 2) overlap",
    ),
    (
        "a.jsonl",
        after_good({"text": "abc def", "entities": [[0, 5, "X"], [4, 7, "Y"]]}),
        "a.jsonl:2: the spans [0, 5) and [4, 7) overlap",
    ),
    (
        "a.jsonl",
        after_good({"text": "abc", "entities": [[0, 5, "X"]]}),
        "a.jsonl:2: the span [0, 5) is not in its text of 3 characters",
    ),
    (
        "a.jsonl",
        after_good({"text": "abc", "entities": [[0, 2.5, "X"]]}),
        "a.jsonl:2: a span has the offsets 0 and 2.5; offsets are whole",
    ),
    (
        "a.jsonl",
        after_good({"tokens": ["a"], "entities": [{"start": 0, "end": 10**20, "label": "X"}]}),
        "a.jsonl:2: a span has the offsets 0 and 100000000000000000000; offsets are whole",
    ),
    (
        "a.jsonl",
        after_good({"text": "abc", "entities": [[-(2**31), 2, "X"]]}),
        "a.jsonl:2: a span has the offsets -2147",
    ),
    (
        "a.jsonl",
        after_good('{"text": "a", "id": ' + "1" * 5000 + "}"),
        "a.jsonl:2: not JSON that can be read: a number",
    ),
    (
        "a.json",
        '[{"text": "a", "id": ' + "1" * 5000 + "}]",
        "a.json:1: not JSON that can be read: a number of thousands",
    ),
    ("a.jsonl", after_good({"data": {"text": "a"}, "annotations": 7}), "a.jsonl:2: 'annotations' is not a list of"),
    (
        "a.jsonl",
        after_good({"data": {"text": "a"}, "annotations": [{"result": ["x"]}]}),
        "a.jsonl:2: 'result' is not a",
    ),
    (
        "a.jsonl",
        after_good({"data": {"text": "a"}, "annotations": [{"result": [{"type": "labels"}]}]}),
        "a.jsonl:2: None is not a span",
    ),
    (
        "a.jsonl",
        after_good({"text": "Ann x", "tokens": [{"start": 0, "end": 3}, "x"]}),
        "a.jsonl:2: the tokens are not a list of strings",
    ),
    ("a.jsonl", after_good({"text": "abc", "entities": [[0, 2, "O"]]}), "a.jsonl:2: a span has the label 'O'; give"),
    ("a.jsonl", after_good({"text": "abc", "entities": [[0, 2, " "]]}), "a.jsonl:2: a span has the label ' '"),
    ("a.jsonl", after_good({"text": "abc", "entities": [[0, 2, "X\nY"]]}), "a.jsonl:2: a span has the label 'X\\nY'"),
    (
        "a.jsonl",
        after_good('{"text": "a\\uD83D b"}'),
        "a.jsonl:2: half a character, like \\uD83D; write the other half",
    ),
    ("a.json", '[{"text": "a"},\n{"text": "\\udc00"}]', "a.json:2: half a character, like \\udc00; write"),
    ("a.jsonl", after_good({"text": "abc", "entities": [[0, 2]]}), "a.jsonl:2: [0, 2] is not a span"),
    ("a.jsonl", after_good({"text": "abc", "entities": [[0, 2, None]]}), "a.jsonl:2: a span has the label None"),
    ("a.jsonl", after_good({"text": "abc", "label": "positive"}), "a.jsonl:2: 'label' is not a list"),
    (
        "a.jsonl",
        after_good({"text": "😀 Ann", "spans": [{"start": 3, "end": 6, "label": "X", "text": "Ann"}]}),
        "a.jsonl:2: the span [3, 6) is not in its text of 5 characters",
    ),
    (
        "a.jsonl",
        after_good({"text": "😀 Ann left", "spans": [{"start": 3, "end": 6, "label": "X", "text": "Ann"}]}),
        "a.jsonl:2: the span [3, 6) is 'nn ', but the file says 'Ann'; offsets must count Unicode characters",
    ),
    ("a.json", '[\n{"text": "a"},\n{"text": }\n]', "a.json:3: not JSON: Expecting value"),
    ("a.json", '[\n{"text": "a"},\n', "a.json:2: not JSON: the array does not end"),
    ("a.json", '[{"text": "a"}, 7]', "a.json:1: a JSON int instead of an object"),
    ("a.json", '[{"data": {"a": "x", "b": "y"}}]', "a.json:1: 'data' has no 'text'"),
    ("a.parquet", b"PAR1 and no more", "a.parquet: not a Parquet file, or truncated"),
    ("a.parquet", b"", "a.parquet: not a Parquet file, or truncated"),
    ("a.parquet", pa.table({"x": [1]}), "a.parquet:1: no 'tokens' and no 'text'"),
    (
        "a.parquet",
        pa.table({"tokens": [[1, 2]]}),
        "a.parquet: column 'tokens' has type list<element: int64>, needed is list<item: string>",
    ),
    (
        "a.parquet",
        pa.table({"tokens": [["a"]], "ner_tags": [[1]]}),
        "a.parquet: column 'ner_tags' has class ids without names",
    ),
    ("a.parquet", pa.table({"tokens": [["a"]], "ner_tags": [["O", "O"]]}), "a.parquet:1: 2 tags for 1 tokens"),
    ("a.parquet", pa.table({"tokens": [["a"], ["b"]], "ner_tags": [["O"], ["x"]]}), "a.parquet:2: 'x' is not a tag"),
    (
        "a.parquet",
        pa.table({"tokens": [["a"]], "entities": [[{"start": 0, "end": 2, "label": "X"}]]}),
        "a.parquet:1: the span [0, 2) is not in",
    ),
    (
        "a.parquet",
        pa.table({"tokens": [["a"]], "entities": [["X"]]}),
        "a.parquet: column 'entities' has type list<element: string>",
    ),
    ("a.conll.gz", b"", "no sentence in it"),
    ("a.tsv", "one\ttwo\n", "a.tsv: a bitext where labelled sentences are needed"),
]


@pytest.mark.parametrize(("name", "content", "message"), CASES)
def test_labelled(write, tmp_path, name, content, message):
    path = write(name, content)
    with pytest.raises(CorpusError) as raised:
        labelled(path)
    found = str(raised.value)
    assert message in found.replace(f"{tmp_path}/", "")
    assert found.count("\n") == 0 and "; " in found


def test_class_ids_out_of_range(write):
    info = json.dumps({"info": {"features": {"ner_tags": {"feature": {"names": ["O"]}}}}})
    table = pa.table({"tokens": [["a"]], "ner_tags": [[4]]}).replace_schema_metadata({"huggingface": info})
    with pytest.raises(CorpusError, match="has the class id 4, but 1 names"):
        labelled(write("a.parquet", table))


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_truncated_archive(write, suffix):
    path = write(f"a.conll.{suffix}", "".join(f"word{i * 7919}\tO\n\n" for i in range(20_000)))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CorpusError, match=rf"a.conll.{suffix}: damaged or truncated \(.*\); copy or download it again"):
        labelled(path)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_something_that_is_no_archive(write, tmp_path, suffix):
    path = tmp_path / f"a.conll.{suffix}"
    path.write_text("A\tO\n")
    with pytest.raises(CorpusError, match="damaged or truncated"):
        labelled(path)


def test_a_truncated_parquet_file(write):
    path = write("a.parquet", pa.table({"tokens": [["a"]] * 1000}))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="not a Parquet file, or truncated"):
        labelled(path)


def test_a_damaged_parquet_page(write, tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"tokens": [[f"w{i}"] for i in range(10_000)]}), path, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[200:300] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=r"a.parquet: damaged \("):
        labelled(path)


def test_strict_labels(write):
    path = write("a.conll", "A\tB-X\n\n# note\nB\tO\nC\tI-X\n")
    with pytest.raises(CorpusError) as raised:
        labelled(path, strict=True)
    assert f"{path}:5: the tag 'I-X' is not allowed there in IOB2; correct it, or" in str(raised.value)


def test_labels_allowed(write):
    path = write("a.conll", "A\tB-PER\n\nB\tO\nC\tB-DATE\n")
    with pytest.raises(CorpusError) as raised:
        ingest(path=path, side="source", labels_allowed=("PER", "LOC"))
    assert f"{path}:4: the label 'DATE' is not in labels_allowed (PER, LOC); rename or drop" in str(raised.value)
    assert ingest(path=path, side="source", labels_allowed=("PER",), labels={"DATE": "O"}).num_rows == 2


def test_missing_paths(tmp_path):
    with pytest.raises(CorpusError, match=r"nowhere.conll: no such file or folder; correct the path"):
        labelled(tmp_path / "nowhere.conll")
    with pytest.raises(CorpusError, match=r"\*.conll: no file matches"):
        labelled(tmp_path / "*.conll")
    with pytest.raises(CorpusError, match="no corpus file in this folder"):
        labelled(tmp_path)


BITEXT = [
    ({"path": "a.tsv"}, {"a.tsv": "a\tb\nc\n"}, "a.tsv:2: 1 column instead of 2; a bitext line is source<TAB>target"),
    ({"path": "a.tsv"}, {"a.tsv": "a\tb\tc\n"}, "a.tsv:1: 3 columns instead of 2"),
    ({"path": "a.tsv"}, {"a.tsv": ""}, "a.tsv: no sentence in it"),
    ({"path": "a.conll"}, {"a.conll": "a\tO\n"}, "a.conll: holds one side only; name the two files"),
    (
        {"source_path": "a.txt", "target_path": "b.txt"},
        {"a.txt": "1\n2\n3\n", "b.txt": "1\n2\n"},
        "a.txt:3: this sentence has no partner: a.txt has 3 sentences, b.txt has 2 sentences; the two sides must be",
    ),
    (
        {"source_path": "a.conll", "target_path": "b.txt"},
        {"a.conll": "1\tO\n\n", "b.txt": "1\n2\n3\n"},
        "b.txt:2: this sentence has no partner: a.conll has 1 sentences, b.txt has 3 sentences",
    ),
    (
        {"source_path": "a.txt", "target_path": "b.txt"},
        {"a.txt": "1\n", "b.txt": ""},
        "a.txt:1: this sentence has no partner: a.txt has 1 sentences, b.txt has 0",
    ),
    (
        {"source_path": "a.conll", "target_path": "b.conll"},
        {
            "a.conll": "# sent_id = x\nA\tO\n\n# sent_id = y\nA\tO\n",
            "b.conll": "# sent_id = x\nA\tO\n\n# sent_id = z\nA\tO\n",
        },
        "a.conll:4: the sentence is 'y', but its partner at b.conll:4 is 'z'; the two files must have the same order",
    ),
    (
        {"source_path": "a.tsv", "target_path": "b.txt"},
        {"a.tsv": "1\t2\n", "b.txt": "1\n"},
        "a.tsv: a bitext where labelled sentences are needed",
    ),
    ({"path": "a.jsonl"}, {"a.jsonl": '{"text": "x"}\n'}, "a.jsonl: holds one side only"),
    (
        {"path": "a.jsonl"},
        {"a.jsonl": '{"source_text": "x"}\n'},
        "a.jsonl: has no target_text and no target_tokens; this route needs them",
    ),
    (
        {"path": "a.jsonl"},
        {"a.jsonl": '{"source_text": "x", "target_text": "y"}\n{"source_text": 3, "target_text": "y"}\n'},
        "a.jsonl:2: the text is int",
    ),
    (
        {"path": "a.jsonl"},
        {"a.jsonl": '{"id": "x", "source_text": "x", "target_text": "y"}\n' * 2},
        "a.jsonl:2: the id 'x' was given before, at a.jsonl:1; make it unique",
    ),
    ({"path": "a.conll", "format": "text"}, {"a.conll": "a\n"}, "a.conll: holds one side only"),
]


@pytest.mark.parametrize(("settings", "files", "message"), BITEXT)
@pytest.mark.parametrize("shard_size", [1, 2, 5000])
def test_pairs(write, tmp_path, settings, files, message, shard_size):
    for name, content in files.items():
        write(name, content)
    paths = {key: tmp_path / value if key.endswith("path") else value for key, value in settings.items()}
    with pytest.raises(CorpusError) as raised:
        ingest(**paths, shard_size=shard_size)
    assert message in str(raised.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("settings", "side", "message"),
    [
        ({}, "both", "[ingest]: path is missing; say where the source sentences are"),
        ({}, "target", "[ingest]: path is missing; say where the target sentences are"),
        ({"source_path": "a"}, "both", "[ingest]: target_path is missing"),
        ({"path": "a", "source_path": "a"}, "both", "path and source_path or target_path are both given"),
    ],
)
def test_paths_that_the_recipe_lacks(settings, side, message):
    with pytest.raises(RecipeError) as raised:
        ingest(**settings, side=side)
    assert message in str(raised.value)


@pytest.mark.parametrize("shard_size", [1, 3, 100])
def test_duplicate_ids_are_found_across_slices_and_files(write, tmp_path, shard_size):
    write("c/a.conll", "".join(f"# sent_id = {i}\nw\tO\n\n" for i in range(10)))
    write("c/b.conll", "".join(f"# sent_id = {i}\nw\tO\n\n" for i in (10, 11, 4)))
    with pytest.raises(CorpusError) as raised:
        ingest(path=tmp_path / "c", side="source", shard_size=shard_size)
    message = str(raised.value).replace(f"{tmp_path}/c/", "")
    then = "make it unique, or remove the ids to have them generated"
    assert message == f"b.conll:7: the id '4' was given before, at a.conll:13; {then}"


def test_equal_hashes_of_different_ids_are_no_duplicates(write, monkeypatch):
    import numpy as np

    from xproj.corpora import ids

    monkeypatch.setattr(ids, "digests", lambda values: np.zeros(len(values), dtype=np.uint64))
    path = write("a.conll", "# sent_id = a\nw\tO\n\n# sent_id = b\nw\tO\n")
    assert ingest(path=path, side="source").num_rows == 2


def test_no_permission_is_one_line(write, monkeypatch):
    path = write("a.txt", "x\n")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(XprojError, match=r"a.txt: Permission denied; check the file and its rights"):
        labelled(path)


def test_gzip_members_are_one_file(tmp_path):
    path = tmp_path / "a.conll.gz"
    path.write_bytes(gzip.compress(b"A\tO\n\n") + gzip.compress(b"B\tO\n"))
    assert labelled(path).num_rows == 2


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("listed", [False, True])
def test_parquet_strings_that_are_not_utf8(kind, listed, tmp_path):
    binary = pa.large_binary() if kind == pa.large_string() else pa.binary()
    words = pa.array([b"fine", b"Jos\xe9"], binary).view(kind)
    column = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), words) if listed else words
    name = "source_tokens" if listed else "source_text"
    pq.write_table(pa.table({"id": ["a", "b"], name: column}), tmp_path / "a.parquet", store_schema=True)
    with pytest.raises(CorpusError, match=f"a.parquet:2: column '{name}' is not UTF-8"):
        ingest(path=tmp_path / "a.parquet", side="source")


@pytest.mark.parametrize("field", ["start", "end", "label"])
def test_parquet_entities_with_nulls(field, tmp_path):
    whole = {"start": 0, "end": 1, "label": "X"}
    entities = pa.array([[whole], [whole, whole | {field: None}]], pa.list_(ENTITY))
    pq.write_table(pa.table({"tokens": [["a"], ["a"]], "entities": entities}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=f"a.parquet:2: an entity whose {field} is null; fill it or leave"):
        labelled(tmp_path / "a.parquet")


def test_a_column_that_is_there_twice(tmp_path):
    twice = pa.Table.from_arrays([pa.array([["a"]]), pa.array([["b"]])], names=["tokens", "tokens"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="a.parquet: there are two columns 'tokens'"):
        labelled(tmp_path / "a.parquet")


def test_labels_that_are_renamed_to_what_no_tag_can_have(write):
    path = write("a.jsonl", json.dumps({"tokens": ["a"], "entities": [[0, 1, "Z"]]}) + "\n")
    with pytest.raises(CorpusError, match="a.jsonl:1: a span has the label 'X.*Y'; give it a name"):
        ingest(path=path, side="source", labels={"Z": "X\tY"})


def test_parquet_labels_under_the_names_of_other_tools(tmp_path):
    spans = [[{"start": 0, "end": 1, "label": "PER"}]]
    for name, value in (("spans", spans), ("label", spans), ("labels", [["B-PER", "O"]])):
        pq.write_table(pa.table({"tokens": [["Ann", "left"]], name: value}), tmp_path / "a.parquet")
        assert labelled(tmp_path / "a.parquet")["entities"].to_pylist()[0][0]["label"] == "PER"
    beside = pa.table({"tokens": [["Ann", "left"]], "ner_tags": [["B-PER", "O"]], "label": [3]})
    pq.write_table(beside, tmp_path / "a.parquet")
    assert labelled(tmp_path / "a.parquet")["entities"].to_pylist()[0][0]["label"] == "PER"


def test_scores_that_are_no_numbers_are_missing(write):
    record = {"tokens": ["a"], "entities": [{"start": 0, "end": 1, "label": "X", "score": 10**400}], "confidence": True}
    found = labelled(write("a.jsonl", json.dumps(record) + "\n"))
    assert found["entities"].to_pylist()[0][0]["score"] is None and found["confidence"].to_pylist() == [None]


def test_characters_of_two_halves_are_read(write):
    assert labelled(write("a.jsonl", '{"tokens": ["\\ud83d\\ude00"], "tags": ["O"]}\n'))["tokens"].to_pylist() == [
        ["😀"]
    ]
