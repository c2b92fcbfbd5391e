"""`xproj vote`: the table that it writes, its accounting, and what it refuses."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import corpus, here

from xproj import evaluation, voting
from xproj.columns import ENTITY
from xproj.errors import RecipeError, SchemaError, XprojError
from xproj.schema import DROP_REASONS, DROPPED, TARGET_ENTITY

IDS = ["a", "b", "c", "d"]
SOURCE = [[(0, 1, "PER"), (2, 3, "LOC")], [(1, 3, "ORG")], [], [(0, 2, "PER"), (3, 4, "ORG")]]


def projected(spans, dropped=None, status=None, source=SOURCE, **columns):
    """A table of `project`: (start, end, label, source entity[, score]) of each row, or None."""
    keys = ("start", "end", "label", "source_entity", "score")
    made = {
        "id": IDS[: len(spans)],
        "target_tokens": [["w"] * 6] * len(spans),
        "source_entities": pa.array(
            [row and [dict(zip(keys, e, strict=False)) for e in row] for row in source], pa.list_(ENTITY)
        ),
        "target_entities": pa.array(
            [
                None if row is None else [{"score": 1.0} | dict(zip(keys, e, strict=False)) for e in row]
                for row in spans
            ],
            pa.list_(TARGET_ENTITY),
        ),
        "dropped": pa.array(
            [[{"source_entity": k, "reason": reason} for k, reason in row] for row in dropped or [[]] * len(spans)],
            pa.list_(DROPPED),
        ),
        "status": status or ["ok"] * len(spans),
    }
    return pa.table({key: value for key, value in (made | columns).items() if value is not None})


A = projected(
    [[(0, 1, "PER", 0), (2, 3, "LOC", 1)], [], [], None],
    [[], [(0, "no_link")], [], [(0, "row_failed"), (1, "row_failed")]],
    ["ok", "ok", "ok", "too_long"],
    extra=[1, 2, 3, 4],
)
B = projected([[(0, 1, "PER", 0), (3, 4, "LOC", 1)], [(1, 2, "ORG", 0)], [], [(0, 1, "PER", 0)]])
C = projected([None, [(1, 2, "ORG", 0, 0.5)], [(5, 6, "LOC", 0)], []], status=["unlabelled", "ok", "ok", "ok"])
KEYS = ("start", "end", "label", "score", "source_entity")


@pytest.fixture
def vote(tmp_path, monkeypatch):
    """Vote on tables; returns the table written and the result."""
    monkeypatch.chdir(tmp_path)

    def run(*tables, output="voted.parquet", **options):
        paths = [tmp_path / f"{chr(97 + i)}.parquet" for i in range(len(tables))]
        for table, path in zip(tables, paths, strict=True):
            pq.write_table(table, path)
        result = voting.vote(paths, tmp_path / output, **options)
        return pq.read_table(tmp_path / output), result

    return run


def rows(table):
    return [row and [tuple(e[key] for key in KEYS) for e in row] for row in table["target_entities"].to_pylist()]


def lost(table):
    return [[(e["source_entity"], e["reason"]) for e in row] for row in table["dropped"].to_pylist()]


def test_majority(vote):
    table, result = vote(A, B, C)
    # C failed row a, so two of two and one of two; nobody gets row d back, which A has failed
    assert rows(table) == [[(0, 1, "PER", 1.0, 0)], [(1, 2, "ORG", pytest.approx(2 / 3), 0)], [], None]
    assert lost(table) == [[(1, "low_score")], [], [], [(0, "row_failed"), (1, "row_failed")]]
    assert table.column_names == A.column_names
    same = [name for name in A.column_names if name not in ("target_entities", "dropped", "status")]
    assert table.select(same).equals(A.select(same))
    assert table["status"].to_pylist() == A["status"].to_pylist()
    assert result.counts == {
        "voters": 3,
        "rows": 4,
        "status.ok": 3,
        "status.too_long": 1,
        "spans.proposed": 5,
        "spans.elected": 2,
        "entities": 5,
        "entities.projected": 2,
        "entities.dropped.low_score": 1,
        "entities.dropped.row_failed": 2,
    }


def test_a_smaller_share_takes_more(vote):
    table, _ = vote(A, B, C, min_share=0.3)
    assert rows(table)[0] == [(0, 1, "PER", 1.0, 0), (2, 3, "LOC", 0.5, 1), (3, 4, "LOC", 0.5, 1)]
    assert rows(table)[2] == [(5, 6, "LOC", pytest.approx(1 / 3), None)]  # A has no source entity there
    assert lost(table)[:3] == [[], [], []]


def test_a_reason_stays_as_it_was(vote):
    table, _ = vote(A, B, projected([[], [], [], []]), min_share=0.9)
    assert lost(table)[:2] == [[(0, "low_score"), (1, "low_score")], [(0, "no_link")]]


def test_labels_of_the_same_span_count_apart(vote):
    one, two = ([[(0, 1, label, 0)], [], [], []] for label in ("PER", "LOC"))
    assert rows(vote(projected(one), projected(two))[0])[0] == []
    table, _ = vote(projected(one), projected(two), projected(two))
    assert rows(table)[0] == [(0, 1, "LOC", pytest.approx(2 / 3), 0)]


def test_other_source_entities_are_nobodys(vote):
    """A voter of another route has its own source sentences: its numbers mean nothing to A."""
    other = [[(0, 1, "PER"), (4, 5, "LOC")], *SOURCE[1:]]
    spans = [[(0, 1, "PER", 1)], [(1, 2, "ORG", 0)], [], []]
    empty = projected([[], [], [], []])
    table, _ = vote(empty, *[projected(spans, source=other)] * 2)
    assert rows(table)[:2] == [[(0, 1, "PER", pytest.approx(2 / 3), None)], [(1, 2, "ORG", pytest.approx(2 / 3), 0)]]
    assert lost(table)[:2] == [[(0, "low_score"), (1, "low_score")], []]


def test_few_columns_are_enough(vote):
    tables = [table.select(["id", "target_entities"]) for table in (A, B, C)]
    table, _ = vote(*tables)
    assert table.column_names == ["id", "target_entities", "dropped", "status"]
    # without status, null entities alone say that a voter has not voted
    assert rows(table)[0] == [(0, 1, "PER", 1.0, 0)] and rows(table)[3] == []


def test_bea_reports_the_voters(vote):
    table, result = vote(*[A, B, C] * 4, method="bea")
    assert rows(table)[0][0][:3] == (0, 1, "PER") and rows(table)[3] is None
    report = json.loads(json.dumps(result.voters))
    assert report["converged"] and set(report["prior"]) == {"O", "LOC", "ORG", "PER"}
    assert len(report["confusions"]) == 12 and report["confusions"][0]["voter"].endswith("a.parquet")
    assert all(sum(row.values()) == pytest.approx(1) for row in report["confusions"][0]["says"].values())
    assert not result.notes
    assert "majority is the safer choice" in vote(A, B, method="bea")[1].notes[0]


def test_nothing_is_proposed(vote):
    nothing = projected([[], [], [], []])
    for method in voting.METHODS:
        table, _ = vote(nothing, nothing, method=method)
        assert rows(table) == [[], [], [], []] and {reason for row in lost(table) for _, reason in row} == {"low_score"}


@pytest.mark.parametrize("method", voting.METHODS)
@pytest.mark.parametrize("size", [1, 3])
def test_slices_make_no_difference(vote, method, size):
    whole, result = vote(A, B, C, method=method)
    table, parts = vote(A, B, C, method=method, rows=size, output="parts")
    assert table.to_pylist() == whole.to_pylist() and parts.counts == result.counts and parts.voters == result.voters


@st.composite
def tables(draw):
    """Two to four voters that may fail rows, overlap, and name any source entity."""
    span = st.tuples(st.integers(0, 4), st.integers(1, 2), st.sampled_from(["PER", "LOC"]), st.integers(-1, 2))
    made = []
    for _ in range(draw(st.integers(2, 4))):
        status = [draw(st.sampled_from(["ok", "ok", "too_long"])) for _ in IDS]
        spans = [draw(st.lists(span, max_size=3)) if state == "ok" else None for state in status]
        spans = [row and [(s, s + n, label, None if k < 0 else k) for s, n, label, k in row] for row in spans]
        dropped = [
            [(k, draw(st.sampled_from(DROP_REASONS))) for k in range(len(row)) if draw(st.booleans())] for row in SOURCE
        ]
        made.append(projected(spans, dropped, status))
    return made


@settings(max_examples=40)
@given(tables(), st.sampled_from(voting.METHODS), st.sampled_from([0.0, 0.5]))
def test_the_accounting_closes(tmp_path_factory, voters, method, share):
    folder = tmp_path_factory.mktemp("vote")
    paths = [folder / f"{i}.parquet" for i in range(len(voters))]
    for path, table in zip(paths, voters, strict=True):
        pq.write_table(table, path)
    result = voting.vote(paths, folder / "d.parquet", method=method, min_share=share)
    table = pq.read_table(folder / "d.parquet")
    counts = result.counts
    assert counts["entities"] == counts["entities.projected"] + sum(
        n for key, n in counts.items() if key.startswith("entities.dropped.")
    )
    for i, (found, missing) in enumerate(zip(rows(table), lost(table), strict=True)):
        failed = voters[0]["status"][i].as_py() != "ok"
        assert (found is None) == failed
        elected = {k for *_, k in found or () if k is not None}
        assert sorted(elected | {k for k, _ in missing}) == list(range(len(SOURCE[i])))
        assert not elected & {k for k, _ in missing} and len(missing) == len({k for k, _ in missing})
        words = [w for start, end, *_ in found or () for w in range(start, end)]
        assert len(words) == len(set(words))
        before = {e["source_entity"]: e["reason"] for e in voters[0]["dropped"][i].as_py()}
        assert all(reason == before.get(k, "row_failed" if failed else "low_score") for k, reason in missing)


# --- refusals ---


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (B.set_column(0, "id", pa.array(["a", "x", "c", "d"])), "b.parquet: row 1 is 'x', but 'b' in "),
        (B.slice(0, 3), "b.parquet: row 3 is no row, but 'd' in "),
        (pa.concat_tables([B, B.slice(0, 1)]), "b.parquet: row 4 is 'a', but no row in "),
        (B.drop_columns("target_entities"), "column 'target_entities' is missing"),
        (projected([[(0, 7, "PER", 0)], [], [], []]), r"'a' has the span \[0, 7\)"),
        (projected([[]] * 4, target_tokens=[["w"] * 6] * 3 + [["v"] * 6]), "'d' has other target words"),
        (projected([[]] * 4, target_tokens=[["w"] * 6, ["w"]] * 2), "'b' has other target words"),
    ],
)
def test_other_rows_are_refused(vote, tmp_path, other, message):
    first = projected([[], [], [], []])
    with pytest.raises(SchemaError, match=message):
        vote(first, other)
    assert not (tmp_path / "voted.parquet").exists()


def test_impossible_votes(vote):
    with pytest.raises(RecipeError, match="one table is no vote"):
        vote(A)
    with pytest.raises(RecipeError, match="did you mean 'majority'"):
        vote(A, B, method="majorty")
    with pytest.raises(XprojError, match="same id"):
        vote(*[projected([[], [], [], []], id=["a", "b", "a", "d"])] * 2)


# --- the command ---


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pq.write_table(corpus(), "corpus.parquet")
    for name, setting in (("a", "4,5,6"), ("b", ""), ("c", "4")):
        few = ["--set", "align.iterations=2", "--set", f"align.prefixes=[{setting}]", "--quiet"]
        assert here("align", "--input", "corpus.parquet", "--output", "links.parquet", *few) == 0
        assert here("project", "--input", "links.parquet", "--output", f"{name}.parquet", "--quiet") == 0
    capsys.readouterr()
    voters = [f"{name}.parquet" for name in "abc"]
    for method in voting.METHODS:
        assert here("vote", *voters, "--output", "d.parquet", "--method", method, "--json") == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["counts"]["rows"] == 30 and ("bea" in printed) == (method == "bea")
        assert pq.read_schema("d.parquet").names == pq.read_schema("a.parquet").names
        assert here("evaluate", "--input", "d.parquet", "--json", "--set", "evaluate.bootstrap=20") == 0
        scores = json.loads(capsys.readouterr().out)
        assert scores["unaccounted"] == 0 and scores["spans"]["micro"]["f1"] > 0.5
        assert scores["projected"] == printed["counts"]["entities.projected"]
    assert here("silver", "--input", "d.parquet", "--output", "silver", "--language", "de", "--quiet") == 0
    # the same bytes again, and the input may be the output
    before = (tmp_path / "d.parquet").read_bytes()
    assert here("vote", *voters, "--output", "d.parquet", "--method", "bea", "--quiet") == 0
    assert (tmp_path / "d.parquet").read_bytes() == before
    assert here("vote", *voters, "--output", "a.parquet", "--quiet") == 0
    assert here("vote", "a.parquet", "b.parquet", "--output", "d.parquet", "--min-share", 2) == 2
    assert here("vote", "a.parquet", "corpus.parquet", "--output", "d.parquet") == 2
    assert "column 'target_entities' is missing" in capsys.readouterr().err


def test_a_vote_is_scored_like_a_projection(vote):
    table, _ = vote(A, B, C)
    scores = evaluation.projection([table], resamples=0)
    assert (scores.source_entities, scores.projected, scores.unaccounted) == (5, 2, 0)
