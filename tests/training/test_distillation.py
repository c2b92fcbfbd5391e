"""Students: what teachers say of a text, and a small model that learns it."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_models
from sentences import labelled_sentences

pytest.importorskip("torch")
pytest.importorskip("transformers")

from xproj import distillation, evaluation, recipe, stages, store, taggers  # noqa: E402
from xproj.columns import EntityColumn, TokenColumn  # noqa: E402
from xproj.core import teachers  # noqa: E402
from xproj.core.labels import label_space, relabel  # noqa: E402
from xproj.core.teachers import ALONE, NO_LABEL  # noqa: E402
from xproj.errors import CorpusError, RecipeError  # noqa: E402
from xproj.languages import lookup  # noqa: E402
from xproj.training import trainer  # noqa: E402
from xproj.training.labelled import Reader  # noqa: E402
from xproj.training.preparation import prepare  # noqa: E402
from xproj.training.soft import Soft  # noqa: E402

ENGLISH = lookup("eng_Latn")
LABELS = label_space(["LOC", "ORG", "PER"])
CPU = recipe.Runtime(device="cpu")
SMALL = {"tagger": "transformers", "dtype": "float32", "learning_rate": 3e-3, "batch_tokens": 256, "epochs": 10}


def numbered(table, entities=None):
    ids = pa.array([f"s-{i:03d}" for i in range(table.num_rows)])
    return pa.table(
        {"id": ids, "tokens": table["tokens"], "entities": table["entities"] if entities is None else entities}
    )


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """A text without labels, a projection onto two thirds of it, one in twenty wrong, and gold of other sentences."""
    folder = tmp_path_factory.mktemp("corpora")
    text = labelled_sentences(700, seed=21)
    first = {" ".join(words): k for k, words in reversed(list(enumerate(text["tokens"].to_pylist())))}
    text = text.take(sorted(first.values())[:240])  # no sentence twice
    (folder / "text.txt").write_text("\n".join(" ".join(words) for words in text["tokens"].to_pylist()) + "\n")
    empty = EntityColumn.of([[] for _ in range(240)]).write()
    pq.write_table(numbered(text, empty), folder / "text.parquet")
    column = EntityColumn.read(text["entities"])
    rows = np.repeat(np.arange(240), np.diff(column.offsets))
    wrong = np.where(rows % 20 == 1, (column.label + 1) % 3, column.label)
    some = replace(column, label=wrong.astype(np.int32), valid=np.arange(240) % 3 > 0)
    pq.write_table(numbered(text, some.write()), folder / "projection.parquet")
    pq.write_table(numbered(labelled_sentences(80, seed=33)), folder / "gold.parquet")
    return folder


@pytest.fixture(scope="module")
def encoder(models_folder):
    return str(small_models.xlmr(models_folder, layers=2, dim=64))


def settings(corpora, encoder, **distill):
    return recipe.Train.model_validate(SMALL | {"model": encoder, "distill": {"teachers": {}} | distill})


def answers(made, corpora, output):
    return pa.concat_tables(distillation.taught(made, corpora / "text.parquet", ENGLISH, output, CPU))


def flat(table, name):
    return TokenColumn.read(table[name]).values.to_numpy(zero_copy_only=False)


@pytest.fixture
def both(spacy_model, corpora):
    """A tagger that only decides, and a projection."""
    return {
        "tagger": {"tagger": "spacy", "model": str(spacy_model)},
        "projected": {"path": str(corpora / "projection.parquet")},
    }


def test_a_model_and_a_projection_are_mixed(corpora, encoder, both, spacy_model, tmp_path):
    both["projected"]["weight"] = 3.0
    made = settings(corpora, encoder, teachers=both, weights="given", smoothing=0.1)
    found = answers(made, corpora, tmp_path / "model")
    soft = Soft.read(found)
    assert soft.labels == LABELS and soft.probabilities.dtype == np.float16
    text = pq.read_table(corpora / "text.parquet")
    words = TokenColumn.read(text["tokens"])
    tagger = taggers.open("spacy", str(spacy_model))
    one = np.concatenate(tagger.probabilities(text["tokens"].to_pylist()))
    one = one[:, teachers.renumber(tagger.labels, LABELS)] * 0.9 + 0.1 / 7
    entities = EntityColumn.read(pq.read_table(corpora / "projection.parquet")["entities"])
    two = teachers.one_hot(entities, words.offsets, LABELS) * 0.9 + 0.1 / 7
    projected = np.repeat(np.arange(240) % 3 > 0, words.lengths)
    expected = np.where(projected[:, None], (one + 3 * two) / 4, one)
    assert soft.probabilities.astype(np.float32) == pytest.approx(expected, abs=1e-3)
    same = ~projected | (one.argmax(1) == two.argmax(1))
    assert soft.agreed.tolist() == np.where(same, one.argmax(1), NO_LABEL).tolist()
    assert soft.taught.all() and (soft.partner == ALONE).all() and 0 < (~same).sum() < 100
    # by words alone, where ids are others
    again = settings(corpora, encoder, teachers=both, weights="given", smoothing=0.1, text=str(corpora / "text.txt"))
    assert answers(again, corpora, tmp_path / "model")["probabilities"].equals(found["probabilities"])


def test_what_is_computed_is_kept_and_forgotten(corpora, encoder, both, tmp_path, monkeypatch):
    made = settings(corpora, encoder, teachers=both, agreement_only=True)
    found = answers(made, corpora, tmp_path / "model")
    soft = Soft.read(found)
    assert soft.taught.tolist() == (soft.agreed != NO_LABEL).tolist()
    kept = list(tmp_path.glob(".teachers-*"))
    assert len(kept) == 1
    monkeypatch.setattr(distillation.soft, "open_all", lambda *_: pytest.fail("computed twice"))
    assert answers(made, corpora, tmp_path / "model").equals(found)
    store.remove_unfinished(tmp_path / "other")
    assert list(tmp_path.glob(".teachers-*")) == kept
    store.remove_unfinished(tmp_path / "model")
    assert not list(tmp_path.glob(".teachers-*"))


def test_partners_and_what_the_evaluator_says_of_them(corpora, encoder, transformers_model, tmp_path):
    model = {"recogniser": {"model": str(transformers_model)}}
    made = settings(corpora, encoder, teachers=model, pairs={"evaluator": encoder})
    found = answers(made, corpora, tmp_path / "model")
    words = TokenColumn.read(found["tokens"])
    partner, similarity = flat(found, "partner"), flat(found, "similarity").astype(np.float32)
    place = np.arange(len(words.values)) - np.repeat(words.offsets[:-1], words.lengths)
    paired = partner != ALONE
    assert paired.mean() > 0.95 and (partner[paired] != place[paired]).all()
    assert (partner < np.repeat(words.lengths, words.lengths)).all()
    assert ((similarity > 0.26) & (similarity < 0.74)).all()  # σ(cos) says no more
    from xproj.distillation.similarity import Words

    vectors, _ = Words(encoder, ENGLISH, CPU).vectors(words)
    other = np.repeat(words.offsets[:-1], words.lengths) + partner
    for i in np.flatnonzero(paired)[::97]:
        a, b = vectors[i], vectors[other[i]]
        assert similarity[i] == pytest.approx(
            1 / (1 + np.exp(-a @ b / np.linalg.norm(a) / np.linalg.norm(b))), abs=2e-3
        )


def test_teachers_of_nearer_languages_have_larger_shares(corpora, encoder, transformers_model, tmp_path):
    sample = small_models.SAMPLE
    model = str(transformers_model)
    names = {
        "russian": sample / "rus_Cyrl" / "train.target.conll",
        "english": sample / "deu_Latn" / "train.source.conll",
    }
    made = settings(
        corpora,
        encoder,
        teachers={name: {"model": model, "corpus": str(path)} for name, path in names.items()},
        weights="similar",
    )
    shares = distillation.soft._shares(made, made.distill, corpora / "text.parquet", ENGLISH, CPU)
    assert sum(shares) == pytest.approx(1) and shares[1] > 0.6


# students


def f1(folder, corpora):
    tagger = taggers.open("transformers", str(folder), runtime=CPU)
    gold = pq.read_table(corpora / "gold.parquet")
    part = (taggers.predict(tagger, gold["tokens"]), gold["entities"], gold["tokens"])
    return evaluation.tagging([part], resamples=0).micro.f1


def student(made, corpora, output):
    return stages.train(corpora / "text.parquet", made, "eng_Latn", output, None, CPU)


@pytest.mark.parametrize(
    "how",
    [
        {"loss": "mse", "smoothing": 0.05},
        {"loss": "kl", "temperature": 2.0, "hard": 0.5, "smoothing": 0.05},
    ],
    ids=["mse", "kl"],
)
def test_a_student_of_a_tagger_and_a_projection_learns(corpora, encoder, both, spacy_model, tmp_path, how):
    made = settings(corpora, encoder, teachers=both, **how)
    facts = student(made, corpora, tmp_path / "model")
    gold = pq.read_table(corpora / "gold.parquet")
    teacher = taggers.predict(taggers.open("spacy", str(spacy_model)), gold["tokens"])
    best = evaluation.tagging([(teacher, gold["entities"], gold["tokens"])], resamples=0).micro.f1
    assert facts["sentences"] == 240 and best > 0.9
    assert f1(tmp_path / "model", corpora) > best - 0.1
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| projected | projection.parquet | 1.0 |" in card and "text.parquet" not in card
    assert not list(tmp_path.glob(".teachers-*")) and not list(tmp_path.glob(".training-*"))


def test_two_teachers_of_two_tasks_teach(corpora, encoder, transformers_model, tmp_path):
    """An evaluator is trained on gold, then a student of both."""
    plain = recipe.Train.model_validate(SMALL | {"model": encoder, "similarity": 1.0})
    stages.train(corpora / "gold.parquet", plain, "eng_Latn", tmp_path / "evaluator", None, CPU)
    model = {"recogniser": {"model": str(transformers_model)}}
    made = settings(corpora, encoder, teachers=model, pairs={"evaluator": str(tmp_path / "evaluator")})
    # what the evaluator has learned: two words of one label are more alike
    found = answers(made, corpora, tmp_path / "student")
    label = Soft.read(found).probabilities.argmax(1)
    words = TokenColumn.read(found["tokens"])
    partner, similarity = flat(found, "partner"), flat(found, "similarity")
    paired = partner != ALONE
    same = label == label[np.repeat(words.offsets[:-1], words.lengths) + np.where(paired, partner, 0)]
    assert similarity[paired & same].mean() > similarity[paired & ~same].mean() + 0.1
    student(made, corpora, tmp_path / "student")
    assert f1(tmp_path / "student", corpora) > 0.8


def test_labels_of_data_are_learned_beside_a_text(corpora, encoder, both, tmp_path):
    del both["projected"]
    made = settings(corpora, encoder, teachers=both, text=str(corpora / "text.txt"), labelled=0.5, smoothing=0.1)
    facts = stages.train(corpora / "gold.parquet", made, "eng_Latn", tmp_path / "model", None, CPU)
    assert facts["sentences"] == 240 + 80
    assert f1(tmp_path / "model", corpora) > 0.9


# what is refused


def test_a_label_that_teachers_know_but_give_nowhere_is_no_other_label(corpora, encoder, both, tmp_path):
    made = settings(corpora, encoder, teachers=both)
    found = answers(made, corpora, tmp_path / "model")
    first = relabel(EntityColumn.read(found["entities"]), {"ORG": "O"}).write()
    taught = found.set_column(found.column_names.index("entities"), "entities", first)
    gold = pq.read_table(corpora / "gold.parquet")
    parts = [t.append_column("corpus", pa.repeat(pa.scalar(n), t.num_rows)) for n, t in (("", taught), ("g", gold))]
    reader = Reader(made)
    assert len(prepare(reader.read(parts, "x"), reader)) == taught.num_rows + gold.num_rows


def test_other_labels_are_refused(corpora, encoder, both, tmp_path):
    table = pq.read_table(corpora / "projection.parquet")
    wrong = EntityColumn.read(table["entities"])
    renamed = replace(wrong, names=tuple({"PER": "PERSON"}.get(name, name) for name in wrong.names))
    pq.write_table(table.set_column(2, "entities", renamed.write()), tmp_path / "wrong.parquet")
    both["projected"]["path"] = str(tmp_path / "wrong.parquet")
    made = settings(corpora, encoder, teachers=both)
    with pytest.raises(RecipeError, match=r"'projected' differ.* lacks B-PER, I-PER and has B-PERSON, I-PERSON too"):
        answers(made, corpora, tmp_path / "model")
    mapped = made.model_copy(update={"labels": {"PERSON": "PER"}})
    assert Soft.read(answers(mapped, corpora, tmp_path / "model")).labels == LABELS
    dropped = made.model_copy(update={"labels": {"PERSON": "O", "PER": "O"}})
    assert Soft.read(answers(dropped, corpora, tmp_path / "model")).labels == label_space(["LOC", "ORG"])


def test_teachers_that_find_no_entity_are_named(corpora, encoder, both, tmp_path):
    made = settings(corpora, encoder, teachers=both)
    found = answers(made, corpora, tmp_path / "model")
    entities = EntityColumn.read(found["entities"])
    nothing = relabel(entities, dict.fromkeys(entities.names, "O")).write()
    reader = Reader(made)
    read = reader.read([found.set_column(found.column_names.index("entities"), "entities", nothing)], "x")
    message = r"\[train.distill\] the teachers \(tagger, projected\) find no entity in any of 240 sentences; give "
    with pytest.raises(CorpusError, match=message):
        prepare(read, reader)


def test_a_projection_of_another_text_is_refused(corpora, encoder, both, tmp_path):
    pq.write_table(numbered(labelled_sentences(5, seed=77)), tmp_path / "other.parquet")
    other = {"projected": {"path": str(tmp_path / "other.parquet")}}
    rows = pq.read_table(corpora / "text.parquet").slice(0, 3)
    unlike = pa.array([["never", "seen"], ["this"], ["text"]])
    pq.write_table(rows.set_column(1, "tokens", unlike), tmp_path / "text.parquet")
    made = settings(corpora, encoder, teachers=other)
    with pytest.raises(CorpusError, match="other.parquet: has none of the sentences that teacher 'projected'"):
        list(distillation.taught(made, tmp_path / "text.parquet", ENGLISH, tmp_path / "model", CPU))
    assert not list(tmp_path.glob(".teachers-*"))


def test_a_projected_table_is_a_teacher(corpora, encoder, both, tmp_path):
    table = pq.read_table(corpora / "projection.parquet")
    names = {"tokens": "target_tokens", "entities": "target_entities"}
    pq.write_table(table.rename_columns([names.get(n, n) for n in table.column_names]), tmp_path / "projected.parquet")
    del both["tagger"]
    plain = answers(settings(corpora, encoder, teachers=both), corpora, tmp_path / "model")
    both["projected"]["path"] = str(tmp_path / "projected.parquet")
    again = answers(settings(corpora, encoder, teachers=both), corpora, tmp_path / "model")
    assert again.equals(plain)
    unknown = ~Soft.read(plain).taught
    assert unknown.sum() == sum(len(words) for words in table["tokens"].to_pylist()[::3])


def test_data_itself_is_a_teacher_that_says_nothing_of_lost_entities(corpora, encoder, tmp_path):
    span = pa.struct([("start", pa.int32()), ("end", pa.int32())])
    table = pq.read_table(corpora / "projection.parquet")
    lost = pa.array([[{"start": 1, "end": 99}]] * table.num_rows, pa.list_(span))
    pq.write_table(table.append_column("lost_spans", lost), tmp_path / "data.parquet")
    entities = EntityColumn.read(table["entities"])
    words = TokenColumn.read(table["tokens"])
    rows = teachers.one_hot(entities, words.offsets, LABELS)
    there = np.repeat(entities.valid, words.lengths)
    first = np.isin(np.arange(len(there)), words.offsets)
    made = settings(corpora, encoder, teachers={"own": {}})
    for lost_entities, expected in (("keep", there), ("mask", there & (first | (rows[:, 0] == 0)))):
        chosen = made.model_copy(update={"lost_entities": lost_entities})
        found = distillation.taught(chosen, tmp_path / "data.parquet", ENGLISH, tmp_path / "model", CPU)
        soft = Soft.read(pa.concat_tables(found))
        assert soft.taught.tolist() == expected.tolist()
        assert np.array_equal(soft.probabilities[expected], rows[expected])


@pytest.mark.parametrize(
    ("distill", "message"),
    [
        ({"teachers": {}}, "teachers is empty"),
        ({"teachers": {"a": {"model": "x", "path": "y"}}}, "give model or path, not both"),
        ({"teachers": {"a": {"model": "x"}}, "temperature": 2.0}, "has no effect on loss = 'mse'"),
        ({"teachers": {"a": {"model": "x", "weight": 2.0}}}, "teachers.a.weight needs weights = 'given'"),
        ({"teachers": {"a": {"model": "x"}}, "weights": "similar"}, "teachers.a.corpus is missing"),
        ({"teachers": {"a": {"model": "x"}}, "labelled": 1.0}, "labelled needs text"),
        ({"teachers": {"a": {"model": "x"}}, "hard": 1.0, "pairs": {"evaluator": "y"}}, "pairs are trained with"),
        ({"teachers": {"a": {"model": "x", "modl": "y"}}}, "did you mean 'model'"),
    ],
)
def test_a_recipe_that_does_not_fit_together_is_refused(distill, message):
    train = {"tagger": "transformers", "model": "m", "distill": distill}
    with pytest.raises(RecipeError, match=message):
        recipe.parse({"ingest": {"path": "x"}, "train": train}, "my.toml")


def test_paths_of_teachers_are_those_of_the_recipe(tmp_path):
    (tmp_path / "tagger").mkdir()
    distill = {
        "text": "raw/{language}.txt",
        "teachers": {"a": {"model": "tagger"}, "b": {"model": "hub/name"}, "c": {"path": "silver"}},
        "pairs": {"evaluator": "tagger"},
    }
    train = {"tagger": "transformers", "model": "m", "distill": distill}
    made = recipe.resolve(
        recipe.parse({"ingest": {"path": "x"}, "language": "deu_Latn", "train": train}, "x"), tmp_path
    )
    found = recipe.paths("train", made.train)
    assert found["distill.text"] == str(tmp_path / "raw" / "deu_Latn.txt")
    assert found["distill.teachers.a.model"] == found["distill.pairs.evaluator"] == str(tmp_path / "tagger")
    assert found["distill.teachers.b.model"] == "hub/name"
    assert found["distill.teachers.c.path"] == str(tmp_path / "silver")
    assert made.train.distill.teachers["a"].model == str(tmp_path / "tagger")
    assert json.loads(made.train.model_dump_json())["distill"]["pairs"]["weight"] == 0.5


def test_a_student_that_is_interrupted_goes_on(corpora, encoder, both, tmp_path, monkeypatch):
    """To the same weights as undisturbed; the teachers are not asked again."""
    monkeypatch.setattr(trainer, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(trainer, "SAVE_STEPS", 3)
    made = settings(corpora, encoder, teachers=both, smoothing=0.1).model_copy(update={"epochs": 1})
    student(made, corpora, tmp_path / "a")
    step = trainer.WordTrainer.training_step
    with monkeypatch.context() as patch:

        def stop(self, *arguments):
            if self.state.global_step == 5:
                raise KeyboardInterrupt
            return step(self, *arguments)

        patch.setattr(trainer.WordTrainer, "training_step", stop)
        with pytest.raises(KeyboardInterrupt):
            student(made, corpora, tmp_path / "b")
    assert [path.name for path in tmp_path.glob(".training-*/*")] == ["checkpoint-3"]
    monkeypatch.setattr(distillation.soft, "open_all", lambda *_: pytest.fail("computed twice"))
    student(made, corpora, tmp_path / "b")
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert first == second and sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
