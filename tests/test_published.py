"""Published projections on real data: run with XPROJ_DATA, the folder that data/README.md describes."""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from xproj import aligners, corpora, evaluation, problems, projection, recipe, span_scores
from xproj.columns import TokenColumn
from xproj.core import ilp, matching
from xproj.languages import lookup
from xproj.schema import status_array

DATA = Path(os.environ.get("XPROJ_DATA") or "no data")


def needs(path):
    return pytest.mark.skipif(not (DATA / path).exists(), reason=f"XPROJ_DATA has no {path}")


def read(source, target, **options):
    """A corpus as one table of `ingest`."""
    paths = {"source_path": str(DATA / source), "target_path": str(DATA / target)}
    settings = recipe.Ingest(**paths, format="conll", shard_size=100_000, **options)
    (table,) = corpora.ingest(settings, source=lookup("eng_Latn"), target=lookup("bam_Latn"))
    return table.combine_chunks()


def align(table, folder, **settings):
    """The table with links."""
    source, target = TokenColumn.read(table["source_tokens"]), TokenColumn.read(table["target_tokens"])
    chosen, languages = recipe.Align(**settings), ("eng_Latn", "und")
    aligner = aligners.open(chosen)
    if aligner.needs_fit:
        aligner.fit([(source, target)], languages=languages, output=folder)
        aligner = aligners.open(chosen, fitted=folder)
    return table.append_column("links", aligner.align(source, target, languages=languages).write())


def scores(table, **settings):
    """Project, and score against the gold spans."""
    result = projection.project(table, recipe.Project(**settings))
    status = table.column_names.index("status")
    scored = table.set_column(status, "status", status_array(result.status))
    scored = scored.append_column("target_entities", result.target_entities).append_column("dropped", result.dropped)
    return scored, evaluation.projection([scored], resamples=0).spans.micro


def spans(column):
    return [[(e["start"], e["end"], e["label"]) for e in row] for row in column.to_pylist()]


@pytest.fixture(scope="module")
def bambara(tmp_path_factory):
    links = str(DATA / "extra-transalign-bam/en-bam.transalign.align")
    table = read("extra-transalign-bam/en.pred.conll", "masakhaner2/bam/test.conll", labels={"DATE": "O"})
    return align(table, tmp_path_factory.mktemp("bam"), aligner="given", links=links)


@needs("extra-transalign-bam/en.pred.conll")
def test_the_hull_is_the_released_projection_of_transalign(bambara):
    released = read("extra-transalign-bam/en.pred.conll", "extra-transalign-bam/bam.projected.conll")
    projected, micro = scores(bambara, solver="hull", filter="none")
    assert (micro.correct, micro.predicted, micro.support) == (679, 679 + 670, 679 + 441)
    assert (micro.precision, micro.recall, micro.f1) == pytest.approx((0.5033, 0.6063, 0.5500), abs=6e-5)
    differing = [
        a != b for a, b in zip(spans(projected["target_entities"]), spans(released["target_gold"]), strict=True)
    ]
    assert len(differing) == 1274 and sum(differing) == 0


@needs("extra-transalign-bam/en.pred.conll")
@pytest.mark.parametrize(
    ("rules", "percent"),
    [
        (("restr_tgt",), (50.6, 60.9, 55.3)),
        (("comp_src",), (54.7, 60.4, 57.5)),
        (("comp_tgt",), (53.8, 61.0, 57.2)),
        (("comp_src", "comp_tgt"), (57.0, 60.7, 58.8)),
    ],
)
def test_the_filters_of_the_hull(bambara, rules, percent):
    _, micro = scores(bambara, solver="hull", filter=rules)
    assert [100 * value for value in (micro.precision, micro.recall, micro.f1)] == pytest.approx(percent, abs=0.06)


@needs("europarl-ner/de.conll")
@pytest.mark.parametrize("language", ["de", "es"])
def test_integer_programmes_and_exact_agree_on_every_sentence(language, tmp_path):
    table = align(read("europarl-ner/en.conll", f"europarl-ner/{language}.conll"), tmp_path / "fit")
    settings = recipe.Project()
    problem = problems.read_problem(table, settings, np.ones(table.num_rows, dtype=bool))
    found, total = span_scores.score_candidates(problem, settings, table)
    arrays = problem.entities.offsets, *found, total, 0.0
    exact, greedy = (np.full(len(problem.rows), -1, dtype=np.int64) for _ in range(2))
    assert not matching.exact(*arrays, matching.MAX_ENTITIES, exact)
    matching.greedy(*arrays, greedy)
    totals = [np.bincount(problem.rows, np.where(c >= 0, total[c], 0.0), table.num_rows) for c in (exact, greedy)]
    assert (totals[1] <= totals[0] + 1e-6).all()
    for back_end in ["cbc", *(["highs"] if find_spec("highspy") else [])]:
        owner, chosen = ilp.solve(*arrays, solver=back_end)
        ours = np.bincount(problem.rows[owner], total[chosen], table.num_rows)
        assert ours == pytest.approx(totals[0], abs=1e-5)
