"""Fingerprints, part files, and what is left of killed processes."""

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xproj import fingerprints, store
from xproj.errors import CorpusError, StoreError
from xproj.fingerprints import FileHashes, Provenance
from xproj.schema import status_array
from xproj.store.unfinished import KINDS

MADE = Provenance("align", 1, {"align": {"threshold": 0.1}}, {"ingest": "0" * 16})


def table(rows=4, **columns):
    return pa.table({"id": [f"r{i}" for i in range(rows)], **columns})


def write(folder, stage, **columns):
    path = folder / stage / store.part_name(0, 1)
    store.write_part(path, table(**columns), MADE, {"rows": 4})
    return path


# --- fingerprints ---


def test_a_fingerprint_depends_on_everything_in_it_and_on_no_order():
    same = Provenance("align", 1, {"align": {"threshold": 0.1}}, {"ingest": "0" * 16})
    others = [
        Provenance("align", 2, MADE.settings, MADE.inputs),
        Provenance("project", 1, MADE.settings, MADE.inputs),
        Provenance("align", 1, {"align": {"threshold": 0.2}}, MADE.inputs),
        Provenance("align", 1, MADE.settings, {"ingest": "1" * 16}),
    ]
    assert same.fingerprint == MADE.fingerprint
    assert len({MADE.fingerprint, *(other.fingerprint for other in others)}) == 5
    assert fingerprints.canonical({"b": 1, "a": (1, "é")}) == '{"a":[1,"é"],"b":1}'


def test_a_tree_is_its_names_and_contents(tmp_path):
    for name in "ab":
        folder = tmp_path / name
        folder.mkdir()
        (folder / "x.txt").write_text("one")
        (folder / ".hidden").write_text(name)
    hashes = FileHashes(tmp_path / "cache")
    before = hashes.tree(str(tmp_path / "a"))
    assert before == hashes.tree(str(tmp_path / "b")) == hashes.tree(str(tmp_path / "a" / "*.txt"))
    (tmp_path / "a" / "x.txt").rename(tmp_path / "a" / "y.txt")
    assert hashes.tree(str(tmp_path / "a")) != before
    assert hashes.tree(str(tmp_path / "none")) is None
    assert hashes.tree(str(tmp_path / "a" / "*.none")) is None


def test_hashes_are_cached_by_size_and_time_once_a_file_has_settled(tmp_path):
    path, cache = tmp_path / "x", tmp_path / "cache.json"
    path.write_text("one")
    fresh = FileHashes(cache)
    first = fresh.file(path)
    assert not fresh.changed  # written a moment ago: may still change within one tick of the clock
    os.utime(path, ns=(1, 1))
    old = FileHashes(cache)
    assert old.file(path) == first and old.changed
    store.save_hashes(old, cache)
    path.write_text("two")  # same size; only the time tells
    os.utime(path, ns=(1, 1))
    assert FileHashes(cache).file(path) == first
    os.utime(path, ns=(2, 2))
    assert FileHashes(cache).file(path) != first


def test_a_damaged_cache_is_filled_again(tmp_path):
    cache = tmp_path / "cache.json"
    cache.write_text("{")
    assert FileHashes(cache).known() == {}


# --- parts ---


def test_a_part_has_one_row_group_sorted_metadata_and_its_provenance(tmp_path):
    chunks = pa.concat_tables([table(2), table(2)])
    path = tmp_path / store.part_name(7, 64)
    store.write_part(path, chunks, MADE, {"rows": 4, "links": 3})
    assert path.name == "part-00007-of-00064.parquet"
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    footer = store.footer(path)
    assert footer == {
        "stage": "align",
        "version": 1,
        "settings": MADE.settings,
        "inputs": MADE.inputs,
        "rows": 4,
        "counts": {"rows": 4, "links": 3},
    }
    raw = pq.ParquetFile(path).schema_arrow.metadata[store.FOOTER_KEY].decode()
    assert raw == fingerprints.canonical(json.loads(raw))


def test_the_same_table_gives_the_same_bytes_however_it_is_chunked(tmp_path):
    whole = table(status=status_array(pa.array([0, 1, 0, 3]).to_numpy()))
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 2), whole.slice(3)])
    for name, made in (("a", whole), ("b", pieces)):
        store.write_part(tmp_path / name, made, MADE, {})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_parts_are_zipped_and_later_columns_override(tmp_path):
    first = write(tmp_path, "ingest", status=["ok"] * 4, words=[1, 2, 3, 4])
    second = write(tmp_path, "project", status=["ok", "filtered", "ok", "ok"], spans=[5, 6, 7, 8])
    read = store.read_zipped([first, second], ["spans", "status", "nothing", "words"])
    assert read.column_names == ["id", "spans", "status", "words"]
    assert read["status"].to_pylist() == ["ok", "filtered", "ok", "ok"]


def test_parts_with_other_ids_are_refused(tmp_path):
    first = write(tmp_path, "ingest", words=[1, 2, 3, 4])
    second = tmp_path / "align.parquet"
    store.write_part(second, pa.table({"id": ["r0", "r1", "x", "r3"], "links": [1, 2, 3, 4]}), MADE, {})
    with pytest.raises(StoreError, match="row 2 is 'x', but 'r2'"):
        store.read_zipped([first, second], ["links"])
    store.write_part(second, pa.table({"id": ["r0"], "links": [1]}), MADE, {})
    with pytest.raises(StoreError, match="1 rows, but"):
        store.read_zipped([first, second], ["links"])


@pytest.mark.parametrize("keep", [0, 3, 100, -9])
def test_a_truncated_part_is_one_line(tmp_path, keep):
    path = write(tmp_path, "ingest", words=[1, 2, 3, 4])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StoreError, match="not a whole Parquet file") as raised:
        store.read_zipped([path], ["words"])
    assert "\n" not in str(raised.value) and str(path) in str(raised.value)


def test_a_flipped_bit_is_found_by_its_checksum(tmp_path):
    path = write(tmp_path, "ingest", words=list(range(1000, 1004)))
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError), store.open_parquet(path, checked=True) as file:
        store.read_columns(file, path, ["id", "words"])


def test_a_missing_part_says_so(tmp_path):
    with pytest.raises(StoreError, match="no such file"):
        store.footer(tmp_path / "part-00000-of-00001.parquet")


def test_shards_are_counted_from_names():
    assert store.shards_of(["fit", "notes.json"]) == (None, frozenset())
    assert store.shards_of(["part-00002-of-00004.parquet", "x"]) == (4, frozenset({2}))


# --- writing aside ---


def test_what_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), store.written(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), store.written(tmp_path / "y", folder=True) as temporary:
        (temporary / "z").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_folders_of_what_fails_are_removed_unless_something_lies_in_them(tmp_path):
    for left in ((), ("kept",)):
        with pytest.raises(ValueError), store.written(tmp_path / "a" / "b" / "out") as temporary:
            temporary.write_text("half")
            for name in left:
                (tmp_path / "a" / name).write_text("theirs")
            raise ValueError
        assert [path.name for path in tmp_path.rglob("*")] == (["a", "kept"] if left else [])
    with store.written(tmp_path / "a" / "b" / "out") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "a" / "b" / "out").read_text() == "whole"


def test_an_error_names_the_place_and_not_its_temporary_name(tmp_path):
    with (
        pytest.raises(CorpusError, match="^" + str(tmp_path / "x") + ": empty") as raised,
        store.written(tmp_path / "x") as aside,
    ):
        raise CorpusError(f"{aside}: empty; look at it")
    assert ".tmp-" not in str(raised.value)


def test_a_finished_folder_is_kept_or_replaced(tmp_path):
    for text, replace, expected in (("one", False, "one"), ("two", False, "one"), ("three", True, "three")):
        with store.written(tmp_path / "fit", folder=True, replace=replace) as temporary:
            (temporary / "x").write_text(text)
        assert (tmp_path / "fit" / "x").read_text() == expected
    assert [p.name for p in tmp_path.iterdir()] == ["fit"]


def test_a_place_that_refuses_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"), store.written(tmp_path / "file" / "part"):
        pass
    with pytest.raises(FileNotFoundError), store.written(tmp_path / "x"):
        (tmp_path / "elsewhere" / "y").read_text()  # not the place's fault


def test_only_leftovers_of_dead_processes_are_removed(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    mine = store.aside(tmp_path / "mine")
    theirs = tmp_path / mine.name.replace(str(os.getpid()), dead.stdout.strip())
    foreign = tmp_path / ".tmp-otherhost-1-x"
    for path in (mine, foreign):
        path.write_text("")
    theirs.mkdir()
    assert store.stale(tmp_path) == [theirs]
    store.prepare(tmp_path)
    assert mine.exists() and foreign.exists() and not theirs.exists()


def test_what_a_training_keeps_belongs_to_its_model_folder(tmp_path):
    names = "a", "a-b", "a.b", "a-" + "0" * 12
    kept = {name: [store.unfinished(tmp_path / name, kind, "0123456789abcdef") for kind in KINDS] for name in names}
    assert store.unfinished(store.aside(tmp_path / "a"), "training", "0123456789abcdef") in kept["a"]
    assert len({path for paths in kept.values() for path in paths}) == len(KINDS) * len(names)
    for paths in kept.values():
        for path in paths:
            path.mkdir()
    older = store.unfinished(tmp_path / "a", "training", "f" * 16)
    older.mkdir()
    store.remove_unfinished(store.aside(tmp_path / "a"))
    assert not older.exists()
    for name, paths in kept.items():
        assert [path.exists() for path in paths] == [name != "a"] * len(KINDS), name
