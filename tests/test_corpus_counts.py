"""Word frequencies: counted, kept, looked up."""

import numpy as np
import pyarrow as pa
import pytest

from xproj import corpus_counts
from xproj.columns import LinkColumn
from xproj.core.case import SMALL
from xproj.core.frequency import HALF, RAREST, FrequencyCount, commonness
from xproj.sides import Side


def table(rows):
    return pa.table({f"{side}_tokens": pa.array(rows, pa.list_(pa.string())) for side in ("source", "target")})


def sides(rows):
    return Side(rows["source_tokens"]), Side(rows["target_tokens"])


def test_words_are_counted_by_their_normalised_form_and_rare_ones_left_out():
    count = FrequencyCount()
    count.add(["The", "cat", "the", "dog", "x"], [1, 1, 1, 1, 6])
    assert count.frequencies() == {"cat": 0.1, "dog": 0.1, "the": 0.2, "x": 0.6}
    count.add(["x"], [int(2 / RAREST)])
    assert set(count.frequencies()) == {"the", "x"} - ({"the"} if 2 / (2 / RAREST + 10) < RAREST else set())


def test_commonness_is_half_at_half():
    assert commonness(["a", "B", "c"], {"a": HALF, "b": 3 * HALF}) == pytest.approx([0.5, 0.75, 0])


def test_only_the_first_rows_are_read():
    read = []

    def tables():
        for k in range(4):
            read.append(k)
            yield table([[f"w{k}"]] * 10_000)

    found = corpus_counts.count(tables())
    assert found.target == {"w0": 0.5, "w1": 0.5} and read == [0, 1]


def test_saved_frequencies_load(tmp_path):
    found = corpus_counts.count([table([["é", "b"]])])
    corpus_counts.save(found, tmp_path)
    assert (
        corpus_counts.load(tmp_path) == found == corpus_counts.CorpusCounts({"b": 0.5, "é": 0.5}, {"b": 0.5, "é": 0.5})
    )


def test_links_show_what_capitals_are_worth(tmp_path):
    rows = table([["the", "Ana", "ran"], ["a", "Bo", "sat", "x"]])
    links = [[(0, 0), (1, 1), (2, 2)], [(1, 1), (2, 2), (3, 3)]]
    found = corpus_counts.count([rows.append_column("links", LinkColumn.of(links).write())])
    assert found.contrast == pytest.approx(np.log(4 / 5 / (1 / 4)))
    corpus_counts.save(found, tmp_path)
    assert corpus_counts.load(tmp_path) == found
    for wrong in ([(9, 1), (-1, 2), (2, 7)], [(1, 1, float("inf")), (2, 2, float("nan"))]):
        assert corpus_counts.count([rows.append_column("links", LinkColumn.of([wrong, []]).write())]).contrast == 0


def test_letters_are_counted_in_plain_and_encoded_columns(tmp_path):
    words = pa.array([["é", "bcd"], None, [], ["東京", "x"]], pa.list_(pa.string()))
    encoded = pa.ListArray.from_arrays(words.offsets, words.values.dictionary_encode())
    for column in (words, encoded, pa.chunked_array([encoded])):
        side = Side(column.slice(1))
        assert side.letters.tolist() == [2, 1] and side.offsets.tolist() == [0, 0, 0, 2]
    rows = pa.table({"source_tokens": words, "target_tokens": pa.array([["ab"], [], [], ["c"]], pa.list_(pa.string()))})
    found = corpus_counts.count([rows])
    assert found.length_ratio == 3 / 7
    found = found._replace(small_spans={"LOC": 0.25})
    corpus_counts.save(found, tmp_path)
    assert corpus_counts.load(tmp_path) == found


def test_edges_and_entities_are_looked_up():
    rows = table([["a", "b", "a"], ["b", "a", "c", "a"]]).slice(1)
    found = corpus_counts.CorpusCounts({"a": HALF, "b": HALF}, {"a": HALF, "c": HALF})
    spans = np.array([0]), np.array([0]), np.array([2])
    known = corpus_counts.traits(*sides(rows), found, spans, np.array([False, True, True, False]))
    assert known.source_common.tolist() == [0.5, 0.5, 0, 0] and known.target_common.tolist() == [0, 0.5, 0.5, 0]
    assert known.source_case.tolist() == [SMALL, SMALL, 0, 0] and known.target_case.tolist() == [0, SMALL, SMALL, 0]
    assert corpus_counts.traits(*sides(rows), None, spans, np.zeros(4, dtype=bool)) is corpus_counts.UNKNOWN


def test_an_empty_corpus_has_no_frequencies():
    assert corpus_counts.count([]) == ({}, {}, 0, None, 1, None)


def test_words_of_a_dictionary_are_looked_up_as_words():
    rows, known = [["The", "cat", "sat"], [], ["the", "Dog"]], corpus_counts.CorpusCounts({"the": HALF}, {"dog": HALF})
    plain = table(rows)
    # as it is read from a file: words that no row has, in another order
    words = pa.array(["unused", "Dog", "the", "sat", "also unused", "cat", "The"])
    ids = pa.array([words.to_pylist().index(word) for row in rows for word in row], pa.int32())
    lists = pa.ListArray.from_arrays(pa.array([0, 3, 3, 5], pa.int32()), pa.DictionaryArray.from_arrays(ids, words))
    encoded = pa.table({name: lists for name in plain.column_names})
    spans = np.array([0, 2]), np.array([0, 1]), np.array([2, 2])
    wanted = np.array([True, False, True, False, True])
    found = [corpus_counts.traits(*sides(one), known, spans, wanted) for one in (plain, encoded)]
    assert [column.tolist() for column in found[0][:6]] == [column.tolist() for column in found[1][:6]]
    assert found[1].source_common.tolist() == [0.5, 0, 0, 0, 0] and found[1].target_common.tolist() == [0, 0, 0, 0, 0.5]
    assert found[1].source_case.tolist()[2:4] == [0, 0] and found[1].target_case[4] != found[1].target_case[2]
