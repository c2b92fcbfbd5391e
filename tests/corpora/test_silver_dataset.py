"""Silver datasets: what is written, what is counted, and that others can load it."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from whole import SWAHILI, labelled, spans

from xproj import corpora
from xproj.columns import ENTITY
from xproj.corpora.card import size_category
from xproj.corpora.ids import Seen, digests
from xproj.errors import CorpusError, RecipeError, SchemaError, StoreError
from xproj.recipe import Silver
from xproj.schema import DROPPED, TARGET_ENTITY

SIGNATURE = "route:bitext|al:statistical|v:0.1.0"


def projected(*rows):
    """(id, target tokens, target entities, source entities, dropped, status) as a table of the `project` stage."""
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {
            "id": columns[0],
            "target_tokens": pa.array(columns[1], type=pa.list_(pa.string())),
            "target_entities": pa.array([entities(row, True) for row in columns[2]], type=pa.list_(TARGET_ENTITY)),
            "source_tokens": pa.array([["x"] * 9] * len(rows), type=pa.list_(pa.string())),
            "source_entities": pa.array([entities(row) for row in columns[3]], type=pa.list_(ENTITY)),
            "dropped": pa.array(
                [[{"source_entity": i, "reason": reason} for i, reason in row] for row in columns[4]],
                type=pa.list_(DROPPED),
            ),
            "status": columns[5],
        }
    )


def entities(row, target=False):
    if row is None:
        return None
    keys = ("start", "end", "label", "score", "source_entity") if target else ("start", "end", "label")
    return [dict(zip(keys, entity, strict=False)) for entity in row]


TABLES = [
    projected(
        (
            "a",
            ["Ann", "aliondoka", "Roma"],
            [(2, 3, "LOC", 0.5, 1), (0, 1, "PER", 1.0, 0)],
            [(0, 1, "PER"), (2, 3, "LOC")],
            [],
            "ok",
        ),
        ("b", ["Ndiyo"], [], [(0, 1, "ORG")], [(0, "no_link")], "ok"),
        ("c", ["", ""], None, [(0, 1, "PER")], [(0, "row_failed")], "too_long"),
        ("d", ["Nani", "?"], None, None, [], "ok"),
    ),
    projected(("e", ["X"], None, [], [], "empty_source")),
    projected(("f", ["Kenya", "yetu"], [(0, 2, "LOC", None, 0)], [(0, 1, "LOC")], [], "ok")),
]


def write(folder, tables=TABLES, **settings):
    options = {"language": SWAHILI, "signature": SIGNATURE, "licences": ["CC0-1.0", "CC-BY-NC-4.0"]}
    options |= {key: settings.pop(key) for key in ("counts", "language") if key in settings}
    return corpora.write_silver(tables, folder, settings=Silver(**settings), **options)


def test_rows_columns_and_counts(tmp_path):
    counts = write(tmp_path / "silver")
    files = sorted(file.name for file in (tmp_path / "silver" / "data").iterdir())
    assert files == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    table = pa.concat_tables(pq.read_table(tmp_path / "silver" / "data" / file) for file in files)
    assert table.schema.equals(corpora.SILVER)
    assert table["id"].to_pylist() == ["a", "b", "f"]
    assert table["ner_tags"].to_pylist() == [["B-PER", "O", "B-LOC"], ["O"], ["B-LOC", "I-LOC"]]
    assert spans(table["entities"]) == [[(0, 1, "PER"), (2, 3, "LOC")], [], [(0, 2, "LOC")]]
    assert table["confidence"].to_pylist() == [0.75, 1.0, 1.0]
    assert set(table["language"].to_pylist()) == {"swh_Latn"}
    assert spans(table["source_entities"])[0] == [(0, 1, "PER"), (2, 3, "LOC")]
    assert counts.as_dict() == {
        "rows_in": 6,
        "rows": 3,
        "statuses": {"empty_source": 1, "ok": 4, "too_long": 1},
        "unprojected": 1,
        "held_out": 0,
        "left_out": {},
        "language_unchecked": 0,
        "entities_left_out": 0,
        "source_entities": 5,
        "projected": 3,
        "dropped": {"no_link": 1, "row_failed": 1},
        "entities": 3,
        "labels": {"LOC": 2, "PER": 1},
        "files": {"train": 2},
        "splits": {"train": 3},
        "projection_ratio": 0.6,
    }
    assert counts.source_entities == counts.projected + sum(counts.dropped.values())


def test_one_row_group_with_the_signature(tmp_path):
    write(tmp_path)
    for file in (tmp_path / "data").iterdir():
        metadata = pq.read_metadata(file)
        assert metadata.num_row_groups == 1
        footer = json.loads(pq.read_schema(file).metadata[b"xproj"])
        assert footer == {
            "language": "swh_Latn",
            "licences": ["CC-BY-NC-4.0", "CC0-1.0"],
            "signature": SIGNATURE,
        }


def hashes(folder):
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.rglob("*") if f.is_file()
    }


def test_the_same_rows_give_the_same_bytes(tmp_path):
    write(tmp_path / "one", counts={"b": 1, "a": 2})
    write(
        tmp_path / "elsewhere" / "two",
        [pa.concat_tables([t.slice(0, 1), t.slice(1)]) for t in TABLES],
        counts={"a": 2, "b": 1},
    )
    assert hashes(tmp_path / "one") == hashes(tmp_path / "elsewhere" / "two")


def test_an_earlier_dataset_is_replaced(tmp_path):
    write(tmp_path)
    before = hashes(tmp_path)
    (tmp_path / "data" / "train-00007-of-00009.parquet").write_text("old")
    (tmp_path / "data" / ".train-00000.tmp").write_text("left by a killed process")
    (tmp_path / "data" / "notes.txt").write_text("not ours")
    write(tmp_path)
    after = hashes(tmp_path)
    assert after.pop("data/notes.txt") and after == before


def test_the_card_comes_last(tmp_path):
    def broken():
        yield TABLES[0]
        raise KeyboardInterrupt

    write(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, broken())
    assert not (tmp_path / "README.md").exists()
    assert not list((tmp_path / "data").glob("*.parquet"))


def test_the_card(tmp_path):
    import yaml

    write(tmp_path, counts={"sentences skipped": 12}, split={"train": 0.5, "dev": 0.5})
    text = (tmp_path / "README.md").read_text()
    front, body = text.removeprefix("---\n").split("---\n", 1)
    data = yaml.safe_load(front)
    assert data["language"] == ["sw"] and data["license"] == ["cc-by-nc-4.0", "cc0-1.0"]
    assert data["size_categories"] == ["n<1K"]
    paths = {split["split"]: split["path"] for split in data["configs"][0]["data_files"]}
    assert paths.items() <= {"train": "data/train-*.parquet", "dev": "data/dev-*.parquet"}.items()
    for part in (
        SIGNATURE,
        "| projection ratio | 0.6000 |",
        "(`no_link`) | 1 |",
        "| sentences skipped | 12 |",
        "load_dataset",
    ):
        assert part in body
    assert str(tmp_path) not in text


def test_other_languages_and_no_licence(tmp_path):
    import yaml

    from xproj.languages import Language

    odd = Language("und", "und", "und", 'a "quoted": name', "Zyyy", True, False, "xx")
    corpora.write_silver(TABLES, tmp_path, language=odd, settings=Silver(), signature="x")
    data = yaml.safe_load((tmp_path / "README.md").read_text().split("---\n")[1])
    assert data["license"] == "unknown" and data["pretty_name"] == 'Silver named entities in a "quoted": name'


@pytest.mark.parametrize(("rows", "size"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**8, "100M<n<1B")])
def test_size_categories(rows, size):
    assert size_category(rows) == size


def many(rows, start=0):
    return projected(*((f"s{i}", ["w"], [], [], [], "ok") for i in range(start, start + rows)))


def test_splits_follow_the_id(tmp_path):
    shares = {"train": 0.8, "dev": 0.1, "test": 0.1}
    counts = write(tmp_path / "one", [many(1000), many(1000, 1000)], split=shares)
    assert counts.files == {"train": 2, "dev": 2, "test": 2}
    assert abs(counts.splits["train"] - 1600) < 80 and abs(counts.splits["dev"] - 200) < 60
    write(tmp_path / "two", [many(2000)], split=shares)
    for split in shares:
        first, second = (labelled(tmp_path / n, split=split)["id"].to_pylist() for n in ("one", "two"))
        assert first == second
    assert corpora.splits(tmp_path / "one") == ["dev", "test", "train"]
    everything = sorted(labelled(tmp_path / "one")["id"].to_pylist())
    assert everything == sorted(f"s{i}" for i in range(2000))


def test_a_split_without_rows_has_no_file(tmp_path):
    counts = write(tmp_path, [many(1)], split={"train": 0.5, "dev": 0.5})
    assert len(counts.files) == 1
    assert (tmp_path / "README.md").read_text().count("- split:") == 1


@pytest.mark.parametrize(
    "split", [{"train": 0.9}, {"train": 0.9, "dev": 0.2}, {"train": 1.5, "dev": -0.5}, {"a/b": 1.0}]
)
def test_impossible_splits(tmp_path, split):
    with pytest.raises(RecipeError, match="add up to 1"):
        write(tmp_path, split=split)


def test_held_out_sentences_are_left_out(tmp_path):
    gold = tmp_path / "gold.conll"
    gold.write_text("NDIYO\tO\n!\tO\n\nKenya-yetu\tO\n\nother\tO\n\n?\tO\n")
    counts = write(tmp_path / "silver", hold_out=str(gold))
    assert counts.held_out == 2 and counts.rows == 1
    assert labelled(tmp_path / "silver")["id"].to_pylist() == ["a"]
    assert "| … of these, held out | 2 |" in (tmp_path / "silver" / "README.md").read_text()


def test_nothing_to_write(tmp_path):
    with pytest.raises(CorpusError, match=r"no labelled sentence to write \(1 empty_source\); look at"):
        write(tmp_path, [TABLES[1]])
    unlabelled = pa.array(["unlabelled"] * TABLES[1].num_rows)
    place = TABLES[1].schema.get_field_index("status")
    with pytest.raises(CorpusError, match=r"\(1 unlabelled\); label the source side: \[tag\], or `xproj tag`"):
        write(tmp_path, [TABLES[1].set_column(place, "status", unlabelled)])
    assert not (tmp_path / "README.md").exists() and not list((tmp_path / "data").iterdir())


def test_bad_tables(tmp_path):
    with pytest.raises(SchemaError, match="column 'target_entities' is missing"):
        write(tmp_path, [TABLES[0].drop_columns("target_entities")])
    with pytest.raises(SchemaError, match=r"target_entities of 'x' has the span \[0, 2\)"):
        write(tmp_path, [projected(("x", ["w"], [(0, 2, "A", 1.0, 0)], [], [], "ok"))])
    with pytest.raises(CorpusError, match="overlap"):
        write(tmp_path, [projected(("x", ["v", "w"], [(0, 2, "A", 1.0, 0), (1, 2, "A", 1.0, 0)], [], [], "ok"))])


def test_missing_optional_columns(tmp_path):
    counts = write(tmp_path, [TABLES[2].select(["id", "target_tokens", "target_entities"])])
    assert counts.rows == 1 and counts.statuses == {"ok": 1}


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write(tmp_path / "file")


def test_a_failing_source_is_not_blamed_on_the_place(tmp_path):
    def tables():
        raise FileNotFoundError("somebody else's")
        yield

    with pytest.raises(FileNotFoundError):
        write(tmp_path, tables())


def test_datasets_loads_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    write(tmp_path / "silver", [many(50), *TABLES], split={"train": 0.5, "dev": 0.5})
    loaded = datasets.load_dataset(str(tmp_path / "silver"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "dev"}
    assert sum(len(split) for split in loaded.values()) == 53
    features = loaded["train"].features
    assert list(features) == corpora.SILVER.names
    assert features["ner_tags"].feature.dtype == features["id"].dtype == "string"
    assert features["entities"].feature["start"].dtype == "int32"
    assert features["confidence"].dtype == "float32"
    rows = {row["id"]: row for split in loaded.values() for row in split}
    assert rows["f"]["ner_tags"] == ["B-LOC", "I-LOC"]
    assert rows["f"]["entities"] == [{"start": 0, "end": 2, "label": "LOC", "score": None}]


def test_digests_are_stable():
    assert digests(["a", "Ünï"]).tolist() == [3405396810240292928, 15250952642109783285]
    assert digests(["a"]).dtype == np.uint64


def test_seen_finds_every_repetition():
    seen = Seen()
    met = set()
    for start in range(0, 3000, 100):
        ids = [str((start + i) * 7919 % 2500) for i in range(100)]
        expected = [i for i, name in enumerate(ids) if name in met or name in ids[:i]]
        assert seen.add(ids) == expected
        assert seen.add([]) == []
        met.update(ids)


@pytest.mark.parametrize("number", [-1, 1])
def test_dropped_entities_that_are_not_there(tmp_path, number):
    odd = projected(
        ("a", ["x"], [], [(0, 1, "A"), (1, 2, "B")], [], "ok"),
        ("b", ["x"], [], [(0, 1, "A")], [(number, "overlap")], "ok"),
    )
    with pytest.raises(SchemaError, match=f"dropped of 'b': there is no source entity {number}; project again"):
        write(tmp_path / "silver", tables=[odd])
