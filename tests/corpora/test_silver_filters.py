"""Filters of silver corpora: each against a plain reference, its count, and what the card says."""

import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_silver_dataset import projected, write
from whole import labelled

from xproj import projection
from xproj.columns import LINK, combine
from xproj.core import selection
from xproj.corpora.ids import digests
from xproj.errors import CorpusError, RecipeError
from xproj.languages import lookup
from xproj.recipe import Project
from xproj.schema import status_array

PER = (0, 1, "PER")


def row(name, words="a b c", spans=(), source=(), dropped=(), status="ok", source_words=None):
    made = projected((name, words.split(), list(spans), list(source), list(dropped), status))
    if source_words is None:
        return made
    at = made.column_names.index("source_tokens")
    return made.set_column(at, "source_tokens", pa.array([source_words.split()], pa.list_(pa.string())))


def table(*rows):
    return pa.concat_tables(rows)


def kept(folder, tables, **options):
    """The ids written and the counts; sentences and entities add up."""
    counts = write(folder, tables, **options)
    assert counts.rows_in == counts.rows + counts.unprojected + counts.held_out + counts.left_out.total() + sum(
        n for status, n in counts.statuses.items() if status != "ok"
    )
    assert counts.projected == counts.entities + counts.entities_left_out
    return labelled(folder)["id"].to_pylist(), counts


def test_nothing_is_left_out_unless_asked_for(tmp_path):
    rows = [row("a"), row("b"), row("c", "one", source_words="a b c d e f g"), row("d", spans=[(*PER, 0.01, 0)])]
    ids, counts = kept(tmp_path, [table(*rows)])
    assert ids == ["a", "b", "c", "d"] and counts.left_out == {}
    assert "left out" not in (tmp_path / "README.md").read_text()


def test_duplicates(tmp_path):
    """The first of equal sentences stays, over tables too; other words, not other letters, make another sentence."""
    tables = [table(row("a", "x y"), row("b", "x y", [(*PER, 1.0, 0)]), row("c", "xy")), row("d", "x y"), row("e", "z")]
    ids, counts = kept(tmp_path, tables, drop_duplicates=True)
    assert ids == ["a", "c", "e"] and counts.left_out == {"duplicate": 2} and counts.entities_left_out == 1
    text = (tmp_path / "README.md").read_text()
    assert "left out: the same words came before (`duplicate`) | 2 |" in text
    assert "| … of these, in sentences held out or left out | 1 |" in text


def test_a_copy_stays_when_the_first_was_left_out(tmp_path):
    tables = [table(row("a", "x y", [(*PER, 0.1, 0)]), row("b", "x y", [(*PER, 0.9, 0)]))]
    ids, counts = kept(tmp_path, tables, drop_duplicates=True, min_confidence=0.5)
    assert ids == ["b"] and counts.left_out == {"confidence": 1, "duplicate": 0}


def test_length_ratio(tmp_path):
    sizes = [(1, 2), (1, 3), (2, 1), (3, 1), (4, 8), (4, 9)]
    tables = [row(f"{s}-{t}", " ".join(["w"] * t), source_words=" ".join(["v"] * s), status="ok") for s, t in sizes]
    ids, counts = kept(tmp_path, tables, length_ratio=(0.5, 2.0))
    assert ids == ["1-2", "2-1", "4-8"] and counts.left_out == {"length_ratio": 3}


def test_length_is_counted_in_characters_where_words_have_no_spaces(tmp_path):
    tables = [row("a", "你好 世界", source_words="a b c d"), row("b", "你 好", source_words="a b c d e")]
    ids, _ = kept(tmp_path / "zh", tables, length_ratio=(0.5, 2.0), language=lookup("zho_Hans"))
    assert ids == ["a"]
    assert kept(tmp_path / "sw", tables, length_ratio=(0.5, 2.0))[0] == ["a"]
    assert kept(tmp_path / "both", tables, length_ratio=(0.4, 0.45))[0] == ["b"]


def test_without_source_words_there_is_no_ratio(tmp_path):
    ids, _ = kept(tmp_path, [row("a").drop_columns("source_tokens")], length_ratio=(0.9, 1.0))
    assert ids == ["a"]


@pytest.mark.parametrize("bounds", [(2.0, 0.5), (-1.0, 2.0)])
def test_an_impossible_ratio(tmp_path, bounds):
    with pytest.raises(RecipeError, match=r"length_ratio = \[.*\]: not a range"):
        write(tmp_path, [row("a")], length_ratio=bounds)


def test_confidence(tmp_path):
    scores = {"a": [0.4, 0.8], "b": [0.4, 0.7], "c": [], "d": [None, 0.2]}
    tables = [
        row(name, "v w", [(i, i + 1, "PER", score, i) for i, score in enumerate(given)])
        for name, given in scores.items()
    ]
    ids, counts = kept(tmp_path, [table(*tables)], min_confidence=0.6)
    assert ids == ["a", "c", "d"] and counts.left_out == {"confidence": 1} and counts.entities_left_out == 2


def test_share_of_dropped_entities(tmp_path):
    source = [(i, i + 1, "PER") for i in range(4)]
    rows = [row(str(n), source=source, dropped=[(i, "no_link") for i in range(n)]) for n in range(5)]
    ids, counts = kept(tmp_path, [table(*rows, row("none"))], max_dropped=0.5)
    assert ids == ["0", "1", "2", "none"] and counts.left_out == {"dropped": 2}
    assert kept(tmp_path, [table(*rows, row("none"))], max_dropped=0.0)[0] == ["0", "none"]


def many(labelled_rows, unlabelled_rows):
    rows = [row(f"l{i}", "x", [(*PER, 1.0, 0)]) for i in range(labelled_rows)]
    return table(*rows, *(row(f"u{i}", f"y{i}") for i in range(unlabelled_rows)))


@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 0), (0.5, 5), (1.0, 10), (2.55, 25), (4.0, 40), (9.0, 40)])
def test_cap_of_sentences_without_entities(tmp_path, ratio, expected):
    whole = many(10, 40)
    shuffled = whole.take(pa.array(np.random.default_rng(0).permutation(50)))
    ids, counts = kept(tmp_path / "one", [whole], max_unlabelled=ratio)
    assert counts.left_out == {"unlabelled": 40 - expected} and counts.labels == {"PER": 10}
    other, _ = kept(tmp_path / "two", [shuffled.slice(0, 7), shuffled.slice(7)], max_unlabelled=ratio)
    assert sorted(other) == sorted(ids) and sum(name.startswith("u") for name in ids) == expected


def test_the_cap_counts_what_the_other_filters_leave(tmp_path):
    rows = [
        row("a", "x", [(*PER, 1.0, 0)]),
        row("b", "x y", [(*PER, 0.1, 0)]),
        row("c", "z"),
        row("d", "z"),
        row("e", "v"),
    ]
    ids, counts = kept(tmp_path, rows, max_unlabelled=1.0, min_confidence=0.5, drop_duplicates=True)
    assert len(ids) == 2 and "a" in ids and counts.left_out == {"confidence": 1, "duplicate": 1, "unlabelled": 1}


def test_the_cap_does_not_prefer_a_split(tmp_path):
    counts = write(tmp_path, [many(300, 1000)], max_unlabelled=1.0, split={"train": 0.5, "dev": 0.5})
    assert counts.rows == 600 and abs(counts.splits["train"] - 300) < 70


def test_nothing_is_left(tmp_path):
    with pytest.raises(CorpusError, match=r"no labelled sentence to write \(2 ok, 2 unlabelled\)"):
        write(tmp_path, [table(row("a"), row("b"))], max_unlabelled=1.0)


@pytest.fixture
def identifier(tmp_path, monkeypatch):
    """A py3langid that takes the first word for the language."""
    package = tmp_path / "path" / "py3langid"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "langid.py").write_text(
        "MODEL_FILE = 'm'\n"
        "class LanguageIdentifier:\n"
        "    labels = ['sw', 'en']\n"
        "    from_model_file = classmethod(lambda cls, path: cls())\n"
        "    def classify(self, text): return text.split()[0], 1.0\n"
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "py3langid"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(package.parent))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "py3langid"]:
        del sys.modules[name]


LONG = "abcdefgh ijklmnopqr"


def test_language(tmp_path, identifier):
    rows = [row("a", f"sw {LONG}"), row("b", f"en {LONG}"), row("c", "en short"), row("d", f"en {'1' * 40}")]
    ids, counts = kept(tmp_path / "sw", [table(*rows)], check_language=True)
    assert ids == ["a", "c", "d"] and counts.left_out == {"language": 1} and counts.language_unchecked == 2
    assert "| … whose language was not checked | 2 |" in (tmp_path / "sw" / "README.md").read_text()
    ids, counts = kept(tmp_path / "bam", [table(*rows)], check_language=True, language=lookup("bam_Latn"))
    assert ids == ["a", "b", "c", "d"] and counts.language_unchecked == 4


def test_language_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr("xproj.corpora.selection.find_spec", lambda name: None)
    ids, counts = kept(tmp_path, [row("a", f"en {LONG}")], check_language=True)
    assert ids == ["a"] and counts.left_out == {"language": 0} and counts.language_unchecked == 1


def test_language_with_the_package(tmp_path):
    pytest.importorskip("py3langid")
    swahili = "Rais wa nchi hiyo alisema jana kwamba uchaguzi utafanyika mwezi ujao katika mji mkuu ."
    english = "The president of the country said yesterday that the election will be held next month ."
    ids, counts = kept(tmp_path, [row("a", swahili), row("b", english)], check_language=True)
    assert ids == ["a"] and counts.left_out == {"language": 1} and counts.language_unchecked == 0


def test_a_sentence_that_lost_an_entity_is_not_written(tmp_path):
    """`project.drop = "sentence"` and silver together: a status, a reason for each entity, no row."""
    source = [(0, 1, "PER"), (1, 2, "LOC")]
    columns = {
        "id": ["a", "b"],
        "source_tokens": [["x", "y"]] * 2,
        "target_tokens": [["x", "y"]] * 2,
        "source_entities": table(row("a", source=source), row("b", source=source))["source_entities"],
        "source_predicted": [False] * 2,
        "links": pa.array([[(0, 0, 1.0), (1, 1, 1.0)], [(0, 0, 1.0)]], pa.list_(LINK)),
        "status": ["ok"] * 2,
    }
    made = pa.table({**columns, "source_entities": combine(columns["source_entities"])})
    found = projection.project(made, Project(drop="sentence"))
    made = made.set_column(made.column_names.index("status"), "status", status_array(found.status))
    made = made.append_column("target_entities", found.target_entities).append_column("dropped", found.dropped)
    ids, counts = kept(tmp_path, [made])
    assert ids == ["a"] and counts.statuses == {"ok": 1, "filtered": 1}
    assert counts.dropped == {"no_link": 1, "filtered": 1} and counts.projected == 2 and counts.source_entities == 4
    text = (tmp_path / "README.md").read_text()
    assert "| … of these, `filtered` | 1 |" in text and "(`no_link`) | 1 |" in text


@st.composite
def corpora_of_rows(draw):
    """Rows with few distinct sentences, spans, losses and scores."""
    rows = []
    for i in range(draw(st.integers(1, 12))):
        words = draw(st.lists(st.sampled_from("vw"), min_size=1, max_size=3))
        spans = [
            (j, j + 1, "PER", draw(st.sampled_from([0.25, 0.5, 1.0])), j)
            for j in range(len(words))
            if draw(st.booleans())
        ]
        source = draw(st.lists(st.sampled_from("xy"), min_size=1, max_size=4))
        entities = draw(st.integers(0, 3))
        lost = draw(st.integers(0, entities))
        rows.append((f"r{i}", words, spans, source, entities, lost))
    return rows


def reference(rows, ratio, most_lost, least_confident, distinct, cap):
    """The ids that stay and why the others go, sentence by sentence."""
    why, seen, stay = Counter(), set(), []
    for name, words, spans, source, entities, lost in rows:
        confidence = sum(s[3] for s in spans) / len(spans) if spans else 1.0
        if not ratio[0] <= len(words) / len(source) <= ratio[1]:
            why["length_ratio"] += 1
        elif entities and lost / entities > most_lost:
            why["dropped"] += 1
        elif confidence < least_confident:
            why["confidence"] += 1
        elif distinct and tuple(words) in seen:
            why["duplicate"] += 1
        else:
            seen.add(tuple(words))
            stay.append((name, bool(spans)))
    without = sorted((name for name, some in stay if not some), key=lambda name: digests([f"unlabelled {name}"])[0])
    allowed = set(without[: int(cap * sum(some for _, some in stay))])
    why["unlabelled"] = len(without) - len(allowed)
    return [name for name, some in stay if some or name in allowed], +why


@settings(max_examples=40)
@given(
    corpora_of_rows(), st.sampled_from([(0.5, 2.0), (0.0, 9.0)]), st.sampled_from([0.0, 0.5]),
    st.sampled_from([0.1, 0.6]), st.booleans(), st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 12),
)  # fmt: skip
def test_all_filters_together(tmp_path_factory, rows, ratio, lost, least, distinct, cap, size):
    tables = table(
        *(
            row(name, " ".join(words), spans, [PER] * n, [(i, "no_link") for i in range(k)], "ok", " ".join(source))
            for name, words, spans, source, n, k in rows
        )
    )
    expected, why = reference(rows, ratio, lost, least, distinct, cap)
    options = {"length_ratio": ratio, "max_dropped": lost, "min_confidence": least, "drop_duplicates": distinct}
    folder = tmp_path_factory.mktemp("silver")
    slices = [tables.slice(at, size) for at in range(0, len(rows), size)]
    if not expected:
        with pytest.raises(CorpusError):
            write(folder, slices, max_unlabelled=cap, **options)
        return
    ids, counts = kept(folder, slices, max_unlabelled=cap, **options)
    assert ids == expected and +counts.left_out == why


def test_bound_of_smallest():
    hashes = np.array([5, 1, 9, 3], dtype=np.uint64)
    assert [selection.bound_of_smallest(hashes, n) for n in range(6)] == [0, 1, 3, 5, None, None]
    assert selection.bound_of_smallest(hashes[:0], 0) is None
