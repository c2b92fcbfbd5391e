"""What every scorer must do. A new back end adds a line to SETTINGS and, where it learns, is fitted here."""

import numpy as np
import pytest
from match_tasks import match_task
from small import corpus

from xproj import recipe, scorers
from xproj.columns import LinkColumn
from xproj.languages import lookup
from xproj.schema import conform

# "{model}" is a small tagger that knows PER, LOC and ORG
SETTINGS = {
    "tagger": {"model": "{model}"},
    "tagger_span": {"model": "{model}"},
    "translation": {"translator": "fake"},
    "self_training": {"folds": 2, "epochs": 8},
}
ROWS = [
    ("Peter flew to Nairobi .".split(), "Peter vola na Nairobi .".split(), [(0, 1, "PER"), (3, 4, "LOC")], [(0, 0)]),
    (["Berlin"], ["Berlin"], [(0, 1, "LOC")], [(0, 0)]),
    ("nobody came".split(), "bado ni".split(), [], [(0, 0)]),
    ([], [], [], []),
    ("the World Bank paid".split(), "the World Bank lo".split(), [(0, 3, "ORG"), (1, 2, "UNKNOWN")], []),
    (["\u200b", "Peter"], ["\u200b", "Peter"], [(0, 2, "PER")], [(1, 1)]),
    (["Peter"], [], [(0, 1, "PER")], []),
]


@pytest.fixture(scope="module", params=SETTINGS)
def scorer(request, spacy_model, tmp_path_factory):
    return opened(request.param, spacy_model, tmp_path_factory)


def opened(name, model, folders):
    given = {key: str(model) if value == "{model}" else value for key, value in SETTINGS[name].items()}
    settings = recipe.Score(scorers=(name,), **given)
    scorers.check(settings)
    fitted = None
    if name in scorers.FITTED:
        fitted = folders.mktemp("fit")
        scorers.fit([learnable()], settings=settings, language=lookup("deu_Latn"), output=fitted)
    return scorers.open(name, scorers.Setup(settings, fitted))


def learnable():
    """Eighty pairs whose names are linked, as the stage `score` reads them."""
    table = corpus(80)
    words = zip(table["source_tokens"].to_pylist(), table["target_tokens"].to_pylist(), strict=True)
    links = [[(i, i) for i in range(min(len(source), len(target)))] for source, target in words]
    columns = ("id", "source_tokens", "target_tokens", "source_entities", "links")
    return conform(table.append_column("links", LinkColumn.of(links).write()), columns, ("source_predicted", "status"))


def check(scorer, task):
    rows = scorer.score(task)
    assert len(rows) == len(task.target)
    shapes = zip(rows, np.diff(task.entities.offsets), np.diff(task.offsets), strict=True)
    for row, entities, candidates in shapes:
        assert row.shape == (entities, candidates) and row.dtype == np.float32
        assert np.isfinite(row).all() and (row >= 0).all()
    return rows


def test_every_back_end_is_under_contract():
    assert set(scorers.BACKENDS) == set(SETTINGS)
    assert scorers.FITTED <= set(SETTINGS)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [([], [], [], [])],
        [("a b".split(), "x y".split(), [], [(0, 0)])],
        [(["Peter"], ["Peter"], [(0, 1, "PER")], [(0, 0)])],
        [(["Peter"], [], [(0, 1, "PER")], [])],
        [(["Peter"], ["\u200b"], [(0, 1, "PER")], [])],
        [(["مرحبا"], ["नमस्ते", "你好"], [(0, 1, "X")], [])],
        [(["Peter"] * 3, ["Peter"] * 60, [(0, 1, "PER")] * 2, [])],
        ROWS,
    ],
    ids=["empty batch", "empty sentence", "no entity", "one word", "no target", "no letter", "scripts", "long", "all"],
)
def test_shapes(scorer, rows):
    check(scorer, match_task(rows))


def test_a_row_without_candidates(scorer):
    rows = [(*ROWS[0], ()), ROWS[1]]
    assert [row.shape for row in check(scorer, match_task(rows))] == [(2, 0), (1, 1)]


def test_same_answer_whatever_the_batch(scorer):
    together = check(scorer, match_task(ROWS))
    backwards = check(scorer, match_task(ROWS[::-1]))[::-1]
    for row, whole, reverse in zip(ROWS, together, backwards, strict=True):
        (alone,) = check(scorer, match_task([row]))
        assert np.allclose(whole, alone, atol=1e-5) and np.allclose(whole, reverse, atol=1e-5)


def test_it_tells_names_from_other_words(scorer):
    """Names have more evidence than other spans, most of which have none: 0 is no evidence."""
    table = corpus(30)
    names = ("source_tokens", "target_tokens", "source_entities", "target_gold")
    given = zip(*(table[name].to_pylist() for name in names), strict=True)
    gold, rows = [], []
    for source, target, entities, wanted in given:
        gold.append([(e["start"], e["end"]) for e in wanted])
        rows.append(
            (
                source,
                target,
                [(e["start"], e["end"], e["label"]) for e in entities],
                [(i, i) for i in range(len(source))],
            )
        )
    task = match_task(rows)
    right, other = [], []
    for row, scores in enumerate(check(scorer, task)):
        spans = [(int(task.start[c]), int(task.end[c])) for c in range(task.offsets[row], task.offsets[row + 1])]
        for k, of_entity in enumerate(scores):
            for span, score in zip(spans, of_entity, strict=True):
                (right if span == gold[row][k] else other).append(score)
    assert np.mean(right) > 0.5 and np.mean(right) > 2 * np.mean(other)
    assert np.count_nonzero(np.array(other) == 0) > len(other) / 3
