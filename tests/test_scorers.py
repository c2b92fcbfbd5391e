"""Scorers against the published vectors and plain references, their candidates, and a recipe that fuses them."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from match_tasks import LANGUAGES, match_task
from small import RECIPE, corpus, write_project

from xproj import pipeline, projection, recipe, scorers, stages, store, translators
from xproj.columns import EntityColumn, LinkColumn, TokenColumn
from xproj.core import words
from xproj.core.tagger_scores import evidence
from xproj.errors import RecipeError
from xproj.languages import lookup
from xproj.pipeline import Run
from xproj.schema import conform
from xproj.scorers import self_training
from xproj.scorers.spans import near_links, spans
from xproj.scorers.tagger import score_spans
from xproj.scorers.translation import nmt_scores
from xproj.translators.fake import FakeTranslator

LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def said(rows, types, labels=LABELS):
    return evidence(np.array(rows, dtype=np.float32).reshape(-1, len(labels)), labels, types)


def one_hot(*names, p=1.0):
    """Rows over LABELS that give each name the probability p, and the rest to O."""
    rows = np.zeros((len(names), len(LABELS)), dtype=np.float32)
    rows[:, 0] = 1 - p
    for word, name in enumerate(names):
        rows[word, LABELS.index(name)] += p
    return rows


# --- tagger, tagger_span ---


def reference(probabilities, labels, kind, start, end):
    """The NER score of methods.md, word by word."""
    names = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    n = end - start
    inside = [
        float(probabilities[start + k][labels.index(name)]) if name in labels else 0.0 for k, name in enumerate(names)
    ]
    best = [labels[int(np.argmax(probabilities[start + k]))] for k in range(n)]
    score = sum(inside) / n * (1.15 ** (n - 1) if best == names else 1.0)
    return score if np.float32(score) > np.float32(0.05) else 0.0


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([("B-PER", 0.9), ("I-PER", 0.8)], 0.9775),
        ([("B-PER", 0.9), ("I-PER", 0.8), ("I-PER", 0.7)], 1.058),
        ([("B-PER", 0.9), ("I-PER", 0.1)], 0.5),
        ([("B-PER", 0.05)], 0.0),
        ([("B-PER", 0.04), ("I-PER", 0.06)], 0.0),
    ],
)
def test_the_published_vectors(tags, expected):
    rows = np.concatenate([one_hot(name, p=p) for name, p in tags])
    n = len(tags)
    task = match_task([(["a"], ["w"] * n, [(0, 1, "PER")], [], [(0, n)])])
    (scores,) = score_spans(task, said(rows, ("PER",)))
    assert scores[0, 0] == pytest.approx(expected, abs=5e-4)


@settings(max_examples=60)
@given(st.data())
def test_tagger_scores_are_those_of_the_reference(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    rows, probabilities = [], []
    for n in data.draw(st.lists(st.integers(0, 6), max_size=4)):
        types = data.draw(st.lists(st.sampled_from(["PER", "LOC", "MISC"]), max_size=3))
        rows.append((["w"], ["w"] * n, [(0, 1, kind) for kind in types], []))
        logits = rng.normal(0, 3, (n if types else 0, len(LABELS)))
        probabilities.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    task = match_task(rows, max_words=4)
    flat = np.concatenate([np.zeros((0, len(LABELS))), *probabilities])
    own = score_spans(task, said(flat, task.entities.names))
    best = score_spans(task, said(flat, ("LOC", "PER")), any_type=True)
    for row, (_, _, entities, _) in enumerate(rows):
        at = [(int(task.start[c]), int(task.end[c])) for c in range(task.offsets[row], task.offsets[row + 1])]
        table = probabilities[row].astype(np.float32)
        for k, (_, _, kind) in enumerate(entities):
            wanted = [reference(table, LABELS, kind, *span) for span in at]
            assert own[row][k] == pytest.approx(wanted, abs=1e-5)
            wanted = [max(reference(table, LABELS, other, *span) for other in ("LOC", "PER")) for span in at]
            assert best[row][k] == pytest.approx(wanted, abs=1e-5)


def test_the_types_of_the_tagger_need_not_be_those_of_the_entities(spacy_model):
    task = match_task([("Peter left".split(), "yesterday Peter flew to Nairobi .".split(), [(0, 1, "GUEST")], [])], 1)
    made = {name: recipe.Score(scorers=(name,), model=str(spacy_model)) for name in ("tagger", "tagger_span")}
    found = {name: scorers.open(name, scorers.Setup(s)).score(task)[0][0].tolist() for name, s in made.items()}
    assert found == {"tagger": [0.0] * 6, "tagger_span": [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]}


def test_the_tagger_runs_once_for_all_that_ask(spacy_model, monkeypatch):
    setup = scorers.Setup(recipe.Score(scorers=("tagger", "tagger_span"), candidates="tagged", model=str(spacy_model)))
    calls = []
    ask = setup.tagger.tagger.probabilities
    monkeypatch.setattr(setup.tagger.tagger, "probabilities", lambda s: calls.append(len(s)) or ask(s))
    task = match_task([("Peter left".split(), "Peter left".split(), [(0, 1, "PER")], [])])
    spans(setup, task.target, task.entities, task.links)
    for name in setup.settings.scorers:
        scorers.open(name, setup).score(task)
    assert calls == [1]


# --- translation ---


class CountingTranslator(FakeTranslator):
    """Counts what it is asked."""

    asked = 0

    def score(self, sources, targets, *, source, target):
        type(self).asked += len(sources)
        return super().score(sources, targets, source=source, target=target)


def nmt_reference(a, b):
    """NMTScore direct of two phrases, one question at a time."""
    fake, (source, target) = FakeTranslator(), LANGUAGES

    def p(given, text, here, there):
        return math.exp(fake.score([given], [text], source=here, target=there)[0])

    forward = p(a, b, source, target) / p(b, b, target, target)
    backward = p(b, a, target, source) / p(a, a, source, source)
    score = (forward + backward) / 2
    return score if score > 0.1 else 0.0


def test_nmt_scores_are_those_of_the_reference():
    pairs = [
        ("Peter", "Peter"),
        ("the house", "ba de"),
        ("the house", "the house"),
        ("New York", "New"),
        ("x", "y z q"),
    ]
    scores = nmt_scores(FakeTranslator(), pairs, LANGUAGES)
    assert scores.dtype == np.float32
    assert scores == pytest.approx([nmt_reference(a, b) for a, b in pairs], rel=1e-5)
    assert scores[0] == 1.0


def test_impossible_texts_are_no_evidence():
    class Never(FakeTranslator):
        def score(self, sources, targets, *, source, target):
            return np.full(len(sources), -np.inf if source == target else 0.0, dtype=np.float32)

    assert nmt_scores(Never(), [("a", "b")], LANGUAGES).tolist() == [0.0]


def translation(monkeypatch, **more):
    monkeypatch.setitem(translators.BACKENDS, "counting", f"{__name__}:CountingTranslator")
    monkeypatch.setattr(translators, "WITHOUT_MODEL", {*translators.WITHOUT_MODEL, "counting"})
    monkeypatch.setattr(CountingTranslator, "asked", 0)
    made = recipe.Score(scorers=("translation",), translator="counting", **more)
    return scorers.open("translation", scorers.Setup(made))


def test_equal_phrases_are_asked_once(monkeypatch):
    scorer = translation(monkeypatch)
    row = ("Peter came".split(), "Peter kuja Peter".split(), [(0, 1, "PER")], [])
    first = scorer.score(match_task([row], max_words=1))
    # two distinct pairs, both ways; two distinct candidates and one entity by themselves
    assert CountingTranslator.asked == 2 + 2 + 2 + 1
    again = scorer.score(match_task([row] * 50, max_words=1))
    assert CountingTranslator.asked == 2 * 7
    assert all((scores == first[0]).all() for scores in again)


def test_each_phrase_has_the_score_of_its_pair(monkeypatch):
    row = ("Peter saw the house".split(), "Peter ona nyumba".split(), [(0, 1, "PER"), (2, 4, "X")], [])
    task = match_task([row])
    (scores,) = translation(monkeypatch).score(task)
    texts = [" ".join(row[1][a:b]) for a, b in zip(task.start, task.end, strict=True)]
    for k, name in enumerate(("Peter", "the house")):
        assert scores[k] == pytest.approx([nmt_reference(name, text) for text in texts], rel=1e-5)
    assert words.join(["the", "house"], lookup("eng_Latn")) == "the house"


def test_ngrams_far_from_the_links_are_not_asked(monkeypatch):
    row = ("Peter".split(), "a Peter b c Peter".split(), [(0, 1, "PER")], [(0, 1)])
    task = match_task([row], max_words=1)
    assert translation(monkeypatch).score(task)[0][0].tolist()[4] == 0.0
    assert translation(monkeypatch, candidates="tagged", model="m").score(task)[0][0].tolist()[4] == 1.0


def test_a_translator_that_cannot_score_is_refused():
    made = recipe.Score(scorers=("translation",), translator="bitext")
    with pytest.raises(RecipeError, match="'bitext' gives no probabilities"):
        scorers.open("translation", scorers.Setup(made))
    with pytest.raises(RecipeError, match="'fake' has no model"):
        translators.open("fake", "m")


def test_a_translation_needs_languages(monkeypatch):
    task = replace(match_task([("Peter".split(), "Peter".split(), [(0, 1, "PER")], [])]), languages=("eng_Latn", "und"))
    with pytest.raises(RecipeError, match="needs both languages; say --language"):
        translation(monkeypatch).score(task)


# --- candidates ---


def plain_spans(target, entities, links, max_words):
    """Every short span within the aligned range of an entity and a word beside it."""
    found = set()
    for start, end, _ in entities:
        linked = [j for i, j in links if start <= i < end]
        low, high = (max(0, min(linked) - 1), max(linked) + 2) if linked else (0, target)
        high = min(target, high)
        found |= {(a, b) for a in range(low, high) for b in range(a + 1, min(high, a + max_words) + 1)}
    return sorted(found)


@settings(max_examples=80)
@given(st.data())
def test_ngrams_lie_near_the_links(data):
    rows = []
    for _ in range(data.draw(st.integers(0, 4))):
        m, n = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 7))
        entities = [
            (a, min(m, a + size), "X")
            for a, size in data.draw(st.lists(st.tuples(st.integers(0, m - 1), st.integers(1, 3)), max_size=3))
        ]
        links = (
            {(i % m, j % n) for i, j in data.draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7))))}
            if n
            else []
        )
        rows.append((["w"] * m, ["w"] * n, entities, sorted(links)))
    longest = data.draw(st.integers(1, 4))
    target = TokenColumn.of([row[1] for row in rows])
    columns = EntityColumn.of([row[2] for row in rows]), LinkColumn.of([row[3] for row in rows])
    offsets, start, end = near_links(target, *columns, longest)
    for row, (_, there, entities, links) in enumerate(rows):
        mine = slice(offsets[row], offsets[row + 1])
        found = list(zip(start[mine].tolist(), end[mine].tolist(), strict=True))
        assert found == plain_spans(len(there), entities, links, longest)


@pytest.mark.parametrize(("inside", "expected"), [(False, [(1, 3), (5, 6)]), (True, [(1, 2), (1, 3), (2, 3), (5, 6)])])
def test_tagged_spans_are_those_of_the_tagger(spacy_model, inside, expected):
    made = recipe.Score(scorers=("tagger",), model=str(spacy_model), candidates="tagged", sub_spans=inside)
    task = match_task([("w w".split(), "yesterday Asha Njoroge flew to Nairobi .".split(), [(0, 1, "PER")], []), ROW])
    offsets, start, end = spans(scorers.Setup(made), task.target, task.entities, task.links)
    assert list(zip(start.tolist(), end.tolist(), strict=True))[: offsets[1]] == expected
    shorter = scorers.Setup(made.model_copy(update={"max_words": 1}))
    assert (np.subtract(*spans(shorter, task.target, task.entities, task.links)[:0:-1]) == 1).all()


ROW = ("w".split(), "nobody came".split(), [(0, 1, "PER")], [])


def matched(rows, links, **more):
    """A table as `project` reads it; `more` are columns of the stage `score`."""
    data = {
        "id": [f"s{k}" for k in range(len(rows))],
        "source_tokens": [list(row[0]) for row in rows],
        "target_tokens": [list(row[1]) for row in rows],
        "source_entities": EntityColumn.of([row[2] for row in rows]).write(),
        "links": LinkColumn.of(links).write(),
        **more,
    }
    required = ("id", "source_tokens", "target_tokens", "source_entities", "links", *more)
    return conform(pa.table(data), required, ("source_predicted", "status"))


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["posterior", "bounded", "raw"]))
def test_candidates_near_the_links_lose_nothing(seed, form):
    """With the alignment score alone, the spans of the stage `score` lead to the same projection as all n-grams."""
    rng = np.random.default_rng(seed)
    rows, links = [], []
    for _ in range(6):
        m, n = rng.integers(2, 7, 2)
        rows.append((["w"] * m, ["w"] * n, [(int(a), int(min(m, a + 2)), "X") for a in range(0, m, 2)], []))
        cells = {(int(rng.integers(m)), int(rng.integers(n))) for _ in range(6)}
        links.append([(i, j, float(rng.choice([0.1, 0.35, 1.0]))) for i, j in sorted(cells)])
    columns = TokenColumn.of([row[1] for row in rows]), EntityColumn.of([row[2] for row in rows]), LinkColumn.of(links)
    offsets, start, end = near_links(*columns, 12)
    spans_ = [
        [{"start": int(start[c]), "end": int(end[c])} for c in range(offsets[k], offsets[k + 1])] for k in range(6)
    ]
    table = matched(rows, links, candidates=pa.array(spans_))
    plain = projection.project(table, recipe.Project(alignment_form=form))
    given = projection.project(table, recipe.Project(alignment_form=form, candidates="tagged"))
    totals = [
        [sum(entity["score"] for entity in row) for row in found.target_entities.to_pylist()]
        for found in (plain, given)
    ]
    assert totals[0] == pytest.approx(totals[1], abs=1e-5)


def test_given_candidates_obey_length_and_punctuation():
    rows = [("a".split(), ", x y".split(), [(0, 1, "A")], [])]
    given = [[{"start": a, "end": b} for a, b in ((0, 1), (0, 2), (1, 2), (1, 3))]]
    table = matched(rows, [[]], candidates=pa.array(given), score_x=[[4.0, 3.0, 1.0, 2.0]])

    def best(**more):
        (row,) = projection.project(table, recipe.Project(scores={"x": 1.0}, **more)).target_entities.to_pylist()
        return row[0]["start"], row[0]["end"], row[0]["score"]

    assert best() == (0, 1, 4.0)
    assert best(boundary_punctuation=False) == (1, 3, 2.0)
    assert best(boundary_punctuation=False, max_words=1) == (1, 2, 1.0)


def test_fusion_is_the_weighted_sum():
    rows = [("Anna Berg".split(), "Anna Berg x".split(), [(0, 2, "A")], [])]
    given = [[{"start": 0, "end": 2}, {"start": 2, "end": 3}]]
    table = matched(rows, [[(0, 0), (1, 1)]], candidates=pa.array(given), score_x=[[0.25, 0.5]], score_y=[[1.0, 1.0]])
    weights = {"alignment": 0.5, "orthographic": 0.3, "x": 2.0, "y": 0.1}
    made = recipe.Project(scores=weights, alignment_form="bounded")
    (entity,) = projection.project(table, made).target_entities.to_pylist()[0]
    assert (entity["start"], entity["end"]) == (0, 2)
    assert entity["score"] == pytest.approx(0.5 * 1 + 0.3 * 1 + 2 * 0.25 + 0.1 * 1)


# --- self_training ---


def learnable(rows=60):
    table = corpus(rows)
    words_ = zip(table["source_tokens"].to_pylist(), table["target_tokens"].to_pylist(), strict=True)
    links = [[(i, i) for i in range(min(len(source), len(target)))] for source, target in words_]
    required = ("id", "source_tokens", "target_tokens", "source_entities", "links")
    return conform(table.append_column("links", LinkColumn.of(links).write()), required, ("source_predicted", "status"))


def test_a_tagger_has_not_seen_what_it_scores(tmp_path, monkeypatch):
    seen = []

    def train(name, tables, **_):
        seen.append({row for table in tables for row in table["id"].to_pylist()})
        return {}

    monkeypatch.setattr(self_training.taggers, "train", train)
    table = learnable()
    made = recipe.Score(scorers=("self_training",), folds=3)
    parts = [table.slice(0, 25), table.slice(25)]
    facts = scorers.fit(parts, settings=made, language=lookup("deu_Latn"), output=tmp_path)
    assert facts["self_training.taggers"] == 3
    folds = self_training.fold_of(table["id"].combine_chunks(), 3)
    ids = np.array(table["id"].to_pylist())
    assert seen == [set(ids[folds != fold]) for fold in range(3)]
    assert set(np.unique(folds)) == {0, 1, 2}


def test_a_corpus_without_entities_trains_nothing_and_scores_nothing(tmp_path):
    table = learnable(6)
    bare = table.set_column(4, "links", LinkColumn.of([[]] * 6).write())
    assert bare.column_names[4] == "links"
    made = recipe.Score(scorers=("self_training",))
    facts = scorers.fit([bare], settings=made, language=lookup("deu_Latn"), output=tmp_path)
    assert facts == {"self_training.taggers": 0, "self_training.entities": 0} and not list(tmp_path.iterdir())
    (scores,) = scorers.open("self_training", scorers.Setup(made, tmp_path)).score(
        match_task([("a".split(), "x".split(), [(0, 1, "A")], [])])
    )
    assert scores.tolist() == [[0.0]]


# --- the stage ---


def test_a_recipe_fuses_scores_and_weights_are_free(tmp_path, spacy_model):
    """A small tagger and the look of words; another weight projects again, and scores nothing again."""
    shutil.copytree(spacy_model, tmp_path / "tagger")
    text = RECIPE + '[score]\nscorers = ["tagger"]\nmodel = "tagger"\n'
    weights = "[project]\nscores = {{ alignment = 0.5, tagger = {}, orthographic = 0.3 }}\n"
    path = write_project(tmp_path, text + weights.format(0.5))
    run = Run.open(recipe.load(path), tmp_path / "runs")
    list(pipeline.run_ingest(run))
    for name in ("align", "score", "project"):
        if run.task(name).fit:
            pipeline.run_fit(run, name)
        counts = list(pipeline.run_shards(run, name, run.task(name).missing))
    assert sum(c["entities"] for c in counts) == sum(c["entities.projected"] for c in counts)
    table = store.read_zipped(
        [run.part(s, 0, 4) for s in ("ingest", "score", "project")], ["target_gold", "score_tagger"]
    )
    assert max(score for row in table["score_tagger"].to_pylist() for score in row) > 1
    found, gold = (
        [[(e["start"], e["end"], e["label"]) for e in row] for row in pq.read_table(part)[column].to_pylist()]
        for part, column in ((run.part("project", 0, 4), "target_entities"), (run.part("ingest", 0, 4), "target_gold"))
    )
    assert found == gold
    path.write_text(text + weights.format(0.7))
    other = Run.open(recipe.load(path), tmp_path / "runs")
    assert other.folder("project") != run.folder("project") and other.folder("score") == run.folder("score")
    assert [task.stage for task in other.plan() if not task.done] == ["project", "silver", "train", "evaluate"]


def test_rows_that_failed_and_rows_without_entities_have_no_candidates(spacy_model):
    made = recipe.parse({"ingest": {"path": "x"}, "score": {"scorers": ["tagger"], "model": str(spacy_model)}}, "test")
    table = learnable(4).append_column("kept", [list(range(4))])
    table = table.set_column(table.column_names.index("status"), "status", pa.array(["ok", "too_long", "ok", "ok"]))
    mapped = stages.Score(made).map(table)
    lengths = [len(row) for row in mapped.columns["candidates"].to_pylist()]
    entities = [len(row) for row in table["source_entities"].to_pylist()]
    assert lengths[1] == 0
    assert [length > 0 for length in lengths] == [n > 0 and k != 1 for k, n in enumerate(entities)]
    assert [len(row) for row in mapped.columns["score_tagger"].to_pylist()] == [
        a * b for a, b in zip(lengths, entities, strict=True)
    ]


def test_self_training_is_fitted_first_and_scores(tmp_path):
    text = (
        RECIPE.replace("shard_size = 8", "shard_size = 60")
        + '[score]\nscorers = ["self_training"]\nfolds = 2\nepochs = 8\n'
    )
    weights = "[project]\nscores = { alignment = 1.0, self_training = 0.3 }\n"
    run = Run.open(recipe.load(write_project(tmp_path, text + weights, corpus(120))), tmp_path / "runs")
    list(pipeline.run_ingest(run))
    pipeline.run_fit(run, "align")
    list(pipeline.run_shards(run, "align", [0, 1]))
    assert run.task("score").fit
    facts = pipeline.run_fit(run, "score")
    assert facts["self_training.taggers"] == 2
    list(pipeline.run_shards(run, "score", [0]))
    scores = pq.read_table(run.part("score", 0, 2))["score_self_training"].to_pylist()
    assert max(score for row in scores for score in row) > 0.5
