"""Scores of projections, taggers and links, on tables that the tests write."""

import json
import subprocess
import sys

import pyarrow as pa
import pytest
from rich.console import Console

from xproj import evaluation
from xproj.columns import EntityColumn, LinkColumn
from xproj.errors import CorpusError, SchemaError
from xproj.evaluation import ProjectionCounts, ProjectionScores


def entities(rows):
    return EntityColumn.of(rows).write()


def projected(rows):
    keys = ("start", "end", "label", "source_entity")
    return [None if row is None else [dict(zip(keys, entity, strict=True)) for entity in row] for row in rows]


def dropped(rows):
    return [[{"source_entity": k, "reason": reason} for k, reason in row] for row in rows]


@pytest.fixture
def table():
    """Four rows: all found; one of two found, one dropped; failed; nothing to find, one made up."""
    return pa.table(
        {
            "id": ["a", "b", "c", "d"],
            "source_entities": entities(
                [[(0, 1, "PER")], [(0, 1, "PER"), (2, 3, "DATE")], [(1, 2, "LOC")], [(0, 1, "LOC")]]
            ),
            "target_entities": projected([[(0, 1, "PER", 0)], [(0, 1, "PER", 0)], None, [(0, 1, "LOC", 0)]]),
            "target_gold": entities(
                [[(0, 1, "PER")], [(0, 2, "PER"), (3, 4, "DATE")], [(0, 1, "LOC"), (2, 3, "LOC")], []]
            ),
            "dropped": dropped([[], [(1, "no_link")], [(0, "row_failed")], []]),
            "status": ["ok", "ok", "empty_target", "ok"],
        }
    )


def test_projection_scores(table):
    scores = evaluation.projection([table])
    micro = scores.spans.micro
    assert (micro.correct, micro.predicted, micro.support) == (1, 3, 5)
    assert (micro.precision, micro.recall, micro.f1) == pytest.approx((1 / 3, 1 / 5, 1 / 4))
    assert micro.interval[0] <= micro.f1 <= micro.interval[1]
    assert {name: (s.correct, s.predicted, s.support) for name, s in scores.spans.labels.items()} == {
        "DATE": (0, 0, 1),
        "LOC": (0, 1, 2),
        "PER": (1, 2, 2),
    }
    assert scores.spans.macro_f1 == pytest.approx((0 + 0 + 0.5) / 3)


def test_the_accounting_closes(table):
    scores = evaluation.projection([table])
    assert (scores.sentences, scores.failed, scores.failed_share) == (4, {"empty_target": 1}, 0.25)
    assert (scores.source_entities, scores.projected) == (5, 3)
    assert scores.dropped == {"no_link": 1, "row_failed": 1}
    assert scores.dropped_share == {"no_link": 0.2, "row_failed": 0.2}
    assert scores.unaccounted == 0
    assert scores.projection_ratio == pytest.approx(3 / 5)
    # 1/1, 1/2, 0/2, and 0 where gold has none
    assert scores.projection_ratio_sentences == pytest.approx((1 + 0.5 + 0 + 0) / 4)


def test_shards_give_the_same_scores_in_any_order(table):
    whole = evaluation.projection([table])
    parts = [table.slice(i, 1) for i in (2, 0, 3, 1)]
    assert evaluation.projection(parts) == whole
    left, right = ProjectionCounts.of(table.slice(0, 3)), ProjectionCounts.of(table.slice(3))
    assert ProjectionScores.of(right + left) == whole


def test_labels_are_renamed_and_dropped_everywhere(table):
    scores = evaluation.projection([table], labels={"DATE": "O", "LOC": "PLACE"})
    assert sorted(scores.spans.labels) == ["PER", "PLACE"]
    assert scores.spans.micro.support == 4
    assert (scores.source_entities, scores.projected, scores.dropped) == (4, 3, {"row_failed": 1})
    assert scores.unaccounted == 0


def test_a_failed_row_has_predicted_nothing_even_if_it_says_so(table):
    status = pa.array(["filtered"] * 4)
    scores = evaluation.projection([table.set_column(5, "status", status)])
    assert (scores.spans.micro.predicted, scores.projected, scores.failed) == (0, 0, {"filtered": 4})


def test_one_source_entity_in_two_pieces_is_projected_once():
    table = pa.table(
        {
            "source_entities": entities([[(0, 2, "PER")]]),
            "target_entities": projected([[(0, 1, "PER", 0), (3, 4, "PER", 0)]]),
        }
    )
    scores = evaluation.projection([table])
    assert (scores.projected, scores.projection_ratio, scores.unaccounted) == (1, 1.0, 0)
    assert scores.spans is None and scores.projection_ratio_sentences is None


def test_entities_that_vanish_are_reported():
    table = pa.table({"source_entities": entities([[(0, 1, "PER")]]), "target_entities": projected([[]])})
    assert evaluation.projection([table]).unaccounted == 1


def test_entities_that_were_not_projected_are_scored_only(table):
    whole = evaluation.projection([table])
    scores = evaluation.projection([table.drop(["source_entities", "dropped"])])
    assert scores.spans == whole.spans and scores.sentences == whole.sentences
    assert (scores.source_entities, scores.projected, scores.unaccounted) == (None, None, None)
    assert (scores.projection_ratio, scores.projection_ratio_sentences, scores.dropped) == (None, None, {})
    assert "0.250" in text(scores) and "accounted" not in text(scores) and "source entities" not in text(scores)


def test_without_rows_there_are_no_ratios():
    scores = evaluation.projection([])
    assert (scores.sentences, scores.failed_share, scores.projection_ratio, scores.spans) == (0, None, None, None)


def test_bad_tables_are_refused(table):
    with pytest.raises(SchemaError, match="'target_entities' is missing"):
        evaluation.projection([table.drop(["target_entities"])])
    with pytest.raises(SchemaError, match="names source entity 7"):
        bad = table.set_column(4, "dropped", pa.array(dropped([[], [(7, "no_link")], [], []])))
        evaluation.projection([bad])


def test_tagging():
    predicted, gold = entities([[(0, 1, "PER")], [(0, 1, "DATE")]]), entities([[(0, 1, "PER")], [(0, 1, "DATE")]])
    words = pa.array([["a"], ["b"]])
    parts = [(predicted, gold, words), (predicted, gold, words)]
    scores = evaluation.tagging(parts, labels={"DATE": "O"}, resamples=0)
    assert (scores.sentences, scores.micro.f1, scores.micro.support, scores.micro.interval) == (4, 1.0, 2, None)


def test_comparison(table):
    gold = table.append_column("copy", table["target_gold"].combine_chunks())
    perfect = gold.drop(["target_entities", "status"]).rename_columns({"copy": "target_entities"})
    scores = evaluation.compare([perfect.slice(0, 1), perfect.slice(1)], [table])
    assert scores.first.f1 == 1.0
    assert scores.second == evaluation.projection([table]).spans.micro
    assert scores.difference == pytest.approx(0.75)
    assert evaluation.compare([table], [table], resamples=0).p_value is None


def test_comparison_needs_the_same_corpus(table):
    with pytest.raises(SchemaError, match="4 and 3 rows"):
        evaluation.compare([table], [table.slice(1)])
    other = table.set_column(3, "target_gold", entities([[], [], [], []]))
    with pytest.raises(SchemaError, match="'a' has other gold"):
        evaluation.compare([table], [other])


GOLD = "0-0 1p1\n\n0-1 1-0 2p2\n"


@pytest.fixture
def gold(tmp_path):
    path = tmp_path / "gold"
    path.write_text(GOLD)
    return evaluation.read_gold_links(path)


def test_links(gold):
    found = LinkColumn.of([[(0, 0), (1, 1)], None, [(0, 1), (2, 2), (2, 1)]])
    scores = evaluation.links([found], gold)
    # of 5 links 2 are sure, 2 possible; 3 are sure in gold
    assert (scores.links, scores.sure, scores.sentences) == (5, 3, 3)
    assert (scores.precision, scores.recall) == pytest.approx((4 / 5, 2 / 3))
    assert scores.aer == pytest.approx(1 - (2 + 4) / (5 + 3))
    parts = [LinkColumn.of([[(0, 0), (1, 1)]]), LinkColumn.of([None, [(0, 1), (2, 2), (2, 1)]])]
    assert evaluation.links(parts, gold) == scores


def test_links_of_another_text_are_refused(gold):
    for rows in (2, 4):
        with pytest.raises(CorpusError, match=f"{rows} sentences have links but gold has 3"):
            evaluation.links([LinkColumn.of([[]] * rows)], gold)


@pytest.mark.parametrize("bad", ["0:1", "1-", "a-b", "-1-2", "0-1:.5"])
def test_bad_gold_links_name_their_line(tmp_path, bad):
    path = tmp_path / "gold"
    path.write_text(f"0-0\n0-0 {bad}\n")
    with pytest.raises(CorpusError, match="gold:2: .* is no link"):
        evaluation.read_gold_links(path)


def test_a_missing_gold_file_is_one_clear_line(tmp_path):
    with pytest.raises(CorpusError, match="gold: cannot be read"):
        evaluation.read_gold_links(tmp_path / "gold")


def text(scores):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(evaluation.table(scores, "scores"))
    return capture.get()


def test_scores_are_shown_and_are_json(table, gold):
    projection = evaluation.projection([table])
    assert "0.250" in text(projection) and "no_link 1" in text(projection) and "1 failed" in text(projection)
    ungold = evaluation.projection([table.drop(["target_gold"])])
    assert "no gold labels" in text(ungold)
    comparison = evaluation.compare([table], [table])
    assert "p = 1.000" in text(comparison)
    aligned = evaluation.links([LinkColumn.of([[(0, 0)], [], []])], gold)
    assert "0.500" in text(aligned)
    for scores in (projection, ungold, projection.spans, comparison, aligned):
        assert json.loads(json.dumps(scores.as_dict(), allow_nan=False))


def test_evaluation_loads_nothing_heavy():
    code = "import sys, xproj.evaluation; print(sorted({'rich', 'spacy', 'torch', 'numba'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
