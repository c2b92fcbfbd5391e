"""Two sides of a corpus become one table."""

import json
import tracemalloc

import pyarrow as pa
import pytest
from whole import ENGLISH, SWAHILI, ingest, spans

from xproj import corpora
from xproj.columns import ENTITY
from xproj.recipe import Ingest
from xproj.schema import COLUMNS

SOURCE = "# sent_id = s1\nAnn\tB-PER\nleft\tO\n\nYes\tO\n"
TARGET = "# sent_id = s1\nAnn\tB-PER\naliondoka\tO\n\nNdiyo\tO\n"
RECORDS = [
    {"id": "s1", "source_tokens": ["Ann", "left"], "source_entities": [[0, 1, "PER"]], "target_text": "Ann aliondoka"},
    {"id": "s2", "source_tokens": ["Yes"], "source_entities": [], "target_text": "Ndiyo"},
]


def jsonl(records):
    return "".join(json.dumps(record) + "\n" for record in records)


def check_types(table):
    assert table.column_names == list(corpora.INGESTED)
    for name in table.column_names:
        assert table[name].type == COLUMNS[name], name


def test_two_labelled_files(write):
    notes = corpora.IngestNotes()
    table = ingest(source_path=write("a.conll", SOURCE), target_path=write("b.conll", TARGET), notes=notes)
    check_types(table)
    assert table["id"].to_pylist() == ["s1", "a-00000002"]
    assert spans(table["source_entities"]) == spans(table["target_gold"]) == [[(0, 1, "PER")], []]
    assert table["target_tokens"].to_pylist() == [["Ann", "aliondoka"], ["Ndiyo"]]
    assert table["source_predicted"].to_pylist() == [False, False]
    assert table["status"].to_pylist() == ["ok", "ok"]
    assert (notes.sentences, notes.labelled, notes.entities, notes.lines()) == (2, 2, 1, [])


@pytest.mark.parametrize("target", ["Ann aliondoka\nNdiyo\n", "Ann aliondoka\r\nNdiyo"])
@pytest.mark.parametrize("name", ["b.txt", "b.txt.gz", "b.sw.zst"])
def test_labelled_source_and_plain_target(write, name, target):
    table = ingest(source_path=write("a.conll", SOURCE), target_path=write(name, target))
    check_types(table)
    assert table["target_text"].to_pylist() == ["Ann aliondoka", "Ndiyo"]
    assert table["target_tokens"].to_pylist() == [["Ann", "aliondoka"], ["Ndiyo"]]
    assert table["source_text"].to_pylist() == [None, None]
    assert spans(table["target_gold"]) == [None, None]


def test_the_id_of_the_target_side_counts_where_the_source_has_none(write):
    table = ingest(source_path=write("a.txt", "Ann left\nYes\n"), target_path=write("b.conll", TARGET))
    assert table["id"].to_pylist() == ["s1", "a-00000002"]


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_bitext(write, name):
    table = ingest(path=write(name, "Ann left.\tAnn aliondoka.\nYes\tNdiyo\n"))
    check_types(table)
    assert table["source_text"].to_pylist() == ["Ann left.", "Yes"]
    assert table["source_tokens"].to_pylist() == [["Ann", "left", "."], ["Yes"]]
    assert table["target_tokens"].to_pylist() == [["Ann", "aliondoka", "."], ["Ndiyo"]]
    assert table["source_entities"].null_count == table["target_gold"].null_count == 2


def test_both_sides_in_one_jsonl_file(write):
    table = ingest(path=write("a.jsonl", jsonl(RECORDS)))
    check_types(table)
    assert table["id"].to_pylist() == ["s1", "s2"]
    assert spans(table["source_entities"]) == [[(0, 1, "PER")], []]
    assert table["target_tokens"].to_pylist() == [["Ann", "aliondoka"], ["Ndiyo"]]


def test_both_sides_in_one_parquet_file(write):
    table = pa.table(
        {
            "id": ["s1", "s2"],
            "source_tokens": [["Ann", "left"], ["Yes"]],
            "source_entities": pa.array([[{"start": 0, "end": 1, "label": "PER"}], None], type=pa.list_(ENTITY)),
            "target_tokens": [["Ann", "aliondoka"], ["Ndiyo"]],
            "target_gold": pa.array([[{"start": 0, "end": 1, "label": "PER"}], []], type=pa.list_(ENTITY)),
        }
    )
    read = ingest(path=write("a.parquet", table))
    check_types(read)
    assert spans(read["source_entities"]) == [[(0, 1, "PER")], None]
    assert spans(read["target_gold"]) == [[(0, 1, "PER")], []]


def test_what_ingest_writes_it_reads_again(write):
    table = ingest(source_path=write("a.conll", SOURCE), target_path=write("b.conll", TARGET))
    again = ingest(path=write("all.parquet", table))
    assert again.to_pylist() == table.to_pylist()


@pytest.mark.parametrize("key", ["path", "source_path"])
def test_source_side_only(write, key):
    table = ingest(**{key: write("a.conll", SOURCE)}, side="source")
    check_types(table)
    assert table["target_tokens"].null_count == table["target_text"].null_count == 2
    assert table["status"].to_pylist() == ["ok", "ok"]


@pytest.mark.parametrize("key", ["path", "target_path"])
def test_target_side_only(write, key):
    notes = corpora.IngestNotes()
    table = ingest(**{key: write("b.conll", TARGET)}, side="target", notes=notes)
    check_types(table)
    assert table["source_tokens"].null_count == table["source_entities"].null_count == 2
    assert spans(table["target_gold"]) == [[(0, 1, "PER")], []]
    assert table["id"].to_pylist() == ["s1", "b-00000002"] and notes.warnings == []


def test_a_given_partner_is_read_even_when_one_side_would_do(write):
    table = ingest(source_path=write("a.conll", SOURCE), target_path=write("b.conll", TARGET), side="source")
    assert table["target_tokens"].null_count == 0


def test_rows_that_fail_have_a_status_and_a_place(write):
    notes = corpora.IngestNotes()
    source = write("a.txt", "fine\n\nfine\n\none two three four\nfine\n")
    target = write("b.jsonl", jsonl([{"tokens": [w]} for w in ("sawa", "sawa", "", "", "sawa", "sawa")]))
    table = ingest(source_path=source, target_path=target, max_words=3, notes=notes)
    assert table["status"].to_pylist() == ["ok", "empty_source", "empty_target", "empty_source", "too_long", "ok"]
    assert notes.counts == {"empty_source": 2, "empty_target": 1, "too_long": 1}
    assert notes.first == {"empty_source": f"{source}:2", "empty_target": f"{target}:3", "too_long": f"{source}:5"}


def test_an_empty_token_in_a_sentence_is_a_status(write):
    table = ingest(path=write("a.conll", "A\tB-X\n\tI-X\n\nB\tO\n"), side="source")
    assert table["status"].to_pylist() == ["empty_source", "ok"]
    assert table["source_tokens"].to_pylist() == [["A", ""], ["B"]]


def test_empty_lines_of_a_bitext_are_rows(write):
    table = ingest(path=write("a.tsv", "a\tb\n\n\tb\na\t\n"))
    assert table["status"].to_pylist() == ["ok", "empty_source", "empty_source", "empty_target"]


def test_a_corpus_without_entities_is_a_warning(write):
    notes = corpora.IngestNotes()
    path = write("a.conll", "A\tO\n")
    ingest(path=path, side="source", notes=notes)
    assert notes.lines() == [f"{path}: not a single entity in 1 labelled sentences"]


def test_labels_are_renamed_on_both_sides(write):
    table = ingest(source_path=write("a.conll", SOURCE), target_path=write("b.conll", TARGET), labels={"PER": "HUMAN"})
    assert spans(table["source_entities"]) == spans(table["target_gold"]) == [[(0, 1, "HUMAN")], []]


def slices(path, **settings):
    made = Ingest(path=str(path), **settings)
    return [table.num_rows for table in corpora.ingest(made, source=ENGLISH, target=SWAHILI)]


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [(4, 0, [4, 4, 2]), (5, 0, [5, 5]), (10, 0, [10]), (100, 0, [10]), (4, 6, [4, 2]), (4, 8, [4, 4]), (1, 2, [1, 1])],
)
def test_slices(write, size, limit, expected):
    path = write("a.tsv", "".join(f"a{i}\tb{i}\n" for i in range(10)))
    assert slices(path, shard_size=size, limit=limit) == expected


def test_slices_do_not_change_the_rows(write):
    source = write("a.conll", "".join(f"w{i}\tB-X\nv\tO\n\n" for i in range(57)))
    target = write("b.txt", "".join(f"x{i} y\n" for i in range(57)))
    whole = ingest(source_path=source, target_path=target)
    for size in (1, 10, 56, 57):
        assert ingest(source_path=source, target_path=target, shard_size=size).to_pylist() == whole.to_pylist()


def test_a_side_that_is_still_to_come(write):
    records = [{"source_tokens": ["A"]}, {"source_tokens": ["B"], "target_text": None}, {"source_text": ""}]
    path = write("a.jsonl", jsonl(records))
    assert ingest(path=path, side="source")["status"].to_pylist() == ["ok", "ok", "empty_source"]
    path = write("b.jsonl", jsonl([{**records[0], "target_text": "x"}, records[1]]))
    assert ingest(path=path)["status"].to_pylist() == ["ok", "empty_target"]


def test_notes_stop_at_the_limit(write):
    notes = corpora.IngestNotes()
    path = write("a.conll", "A\tB-X\nB\tB-X\n\n" * 10)
    ingest(path=path, side="source", limit=3, labels={"X": "O"}, notes=notes)
    assert (notes.sentences, notes.counts) == (3, {"labels_dropped": 6})


def test_a_limit_ignores_what_comes_after_it(write):
    source, target = write("a.txt", "1\n2\n3\n"), write("b.txt", "1\n2\n")
    assert ingest(source_path=source, target_path=target, limit=1, shard_size=1).num_rows == 1


@pytest.mark.parametrize("kind", ["tsv", "conll"])
def test_memory_is_that_of_a_slice(write, kind):
    """Twenty slices need hardly more than two."""

    def peak(rows):
        content = "".join(
            f"alpha beta {i % 50}\tgamma {i % 50}\n" if kind == "tsv" else f"w{i}\tB-X\nv\tO\n\n" for i in range(rows)
        )
        path = write(f"{rows}.{kind}", content)
        del content
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        highest = 0
        settings = Ingest(path=str(path), shard_size=1000)
        for _ in corpora.ingest(settings, source=ENGLISH, target=SWAHILI, side="both" if kind == "tsv" else "source"):
            highest = max(highest, pa.total_allocated_bytes() - before)
        python = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest + python

    small = peak(2000)
    assert peak(20_000) < small + 6_000_000
