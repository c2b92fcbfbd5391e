"""A small XLM-R on the silver corpus of the sample: what it learns, what is refused, and what is left behind."""

import json
import random

import numpy as np
import pyarrow as pa
import pytest
import training_runs

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors import SafetensorError  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from xproj import corpora, evaluation, plain, recipe, taggers  # noqa: E402
from xproj.columns import EntityColumn  # noqa: E402
from xproj.errors import BackendError, CorpusError, RecipeError, StoreError  # noqa: E402
from xproj.languages import lookup  # noqa: E402
from xproj.training import checkpoints, trainer  # noqa: E402

GERMAN = lookup("deu_Latn")


@pytest.fixture(scope="module")
def silver(tmp_path_factory):
    return training_runs.silver(tmp_path_factory.mktemp("silver"))


@pytest.fixture(scope="module")
def encoder(models_folder):
    return training_runs.encoder(models_folder)


def train(tables, output, model, *, dev=None, progress=None, **settings):
    output.mkdir()
    made = recipe.Train(**{"epochs": 1, "model": str(model)} | training_runs.SMALL | settings)
    return taggers.train(
        "transformers",
        tables,
        settings=made,
        language=GERMAN,
        output=output,
        dev=dev,
        progress=progress,
        runtime=recipe.Runtime(device="cpu"),
    )


def table(tokens, entities, **more):
    columns = {"tokens": pa.array(tokens, pa.list_(pa.string())), "entities": EntityColumn.of(entities).write()}
    return pa.table(columns | more)


def f1(folder, tables):
    tagger = taggers.open("transformers", str(folder), runtime=recipe.Runtime(device="cpu"))
    pairs = [(taggers.predict(tagger, t["tokens"]), t["entities"], t["tokens"]) for t in tables]
    return evaluation.tagging(pairs, resamples=0).micro.f1


FEW = table(
    [["Anna", "lebt", "in", "Bonn"], ["Peter", "Meier", "kam"], ["Es", "regnet"]],
    [[(0, 1, "PER"), (3, 4, "LOC")], [(0, 2, "PER")], []],
)


# what it learns


@pytest.fixture(scope="module")
def trained(silver, encoder, tmp_path_factory):
    """A tagger of the silver corpus, its facts, and the calls of its progress."""
    folder = tmp_path_factory.mktemp("trained") / "tagger"
    calls = []
    facts = train(
        corpora.read_labelled(silver),
        folder,
        encoder,
        epochs=20,
        batch_tokens=256,
        progress=lambda *call: calls.append(call),
    )
    return folder, facts, calls


def test_it_learns_the_silver_corpus_and_something_of_the_language(trained, silver):
    folder, facts, _ = trained
    assert f1(folder, corpora.read_labelled(silver)) >= 0.95
    assert f1(folder, corpora.read_labelled(training_runs.gold())) >= 0.10
    assert facts["sentences"] == 164 and facts["epochs"] == 20 and facts["loss"] < 0.1


def test_labels_that_say_nothing_teach_nothing(silver, encoder, tmp_path):
    """Entities of other sentences of the same length: as many of them, in places that words do not tell."""
    rows = next(corpora.read_labelled(silver)).to_pylist()
    rng = random.Random(0)
    shuffled = []
    for row in rows:
        others = [other for other in rows if len(other["tokens"]) == len(row["tokens"]) and other is not row]
        found = rng.choice(others)["entities"] if others else []
        spans = [(e["start"], e["end"], e["label"]) for e in found]
        shuffled.append([(s, e, rng.choice(["PER", "LOC", "ORG"])) for s, e, _ in spans])
    train([table([row["tokens"] for row in rows], shuffled)], tmp_path / "m", encoder, epochs=8)
    assert f1(tmp_path / "m", corpora.read_labelled(training_runs.gold())) < 0.02


def test_the_folder_opens_in_transformers_and_says_what_it_is(trained, encoder):
    folder, facts, calls = trained
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder)
    assert [model.config.id2label[k] for k in range(3)] == ["O", "B-LOC", "I-LOC"]
    assert model.config.vocab_size == len(model.get_input_embeddings().weight)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert model(**tokenizer("Anna lebt in Bonn", return_tensors="pt")).logits.shape[-1] == len(model.config.id2label)
    made = json.loads((folder / "training.json").read_text())
    assert made["facts"] == facts and made["language"] == "deu_Latn"
    done, totals = zip(*calls, strict=True)
    assert set(totals) == {facts["steps"]} and list(done) == list(range(1, facts["steps"] + 1))


def test_rows_of_words_that_do_not_occur_stay_as_they_were(trained, encoder):
    name = "roberta.embeddings.word_embeddings.weight"
    before, after = load_file(encoder / "model.safetensors")[name], load_file(trained[0] / "model.safetensors")[name]
    assert before.shape == after.shape
    moved = (before != after).any(1)
    assert 100 < moved.sum() < len(before) - 20


def test_the_whole_vocabulary_gives_the_same_weights(silver, encoder, tmp_path, monkeypatch):
    from xproj.training.vocabulary import Vocabulary

    rows = list(corpora.read_labelled(silver, limit=40))
    train(rows, tmp_path / "a", encoder, epochs=2)
    monkeypatch.setattr(Vocabulary, "reduce", lambda model, used, pad: Vocabulary(np.arange(1), None))
    train(rows, tmp_path / "b", encoder, epochs=2)
    a, b = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    for name, value in a.items():
        torch.testing.assert_close(value, b[name], atol=2e-5, rtol=1e-4)


def test_plain_training_writes_a_card_with_the_signature_of_its_data(silver, encoder, tmp_path):
    tables = {"ingest": {}, "train": training_runs.SMALL | {"model": str(encoder), "epochs": 1, "focal": 0.5}}
    tables["train"]["corpora"] = {"gold": {"path": str(training_runs.gold()), "weight": 2.0, "limit": 20}}
    made = recipe.parse({"language": "deu_Latn", **tables, "runtime": {"device": "cpu"}}, "test")
    result = plain.train_on(silver, tmp_path / "tagger", made)
    card = (tmp_path / "tagger" / "README.md").read_text()
    signature = corpora.made_by(silver)["signature"]
    assert f"| {silver.name} | 164 | CC0-1.0 | deu_Latn |" in card and f"- {silver.name}: `{signature}`" in card
    assert "| gold | 20 | not said | not said |" in card and "`focal` = `0.5`" in card
    assert str(encoder.parent) not in card and result.counts["sentences"] == 184
    assert "\n\n\n" not in card and "| 0 |" not in card and result.counts["lost_sentences"] == 0


def test_the_best_epoch_is_kept(silver, encoder, tmp_path):
    dev = list(corpora.read_labelled(training_runs.gold()))
    facts = train(corpora.read_labelled(silver), tmp_path / "m", encoder, dev=dev, epochs=12, patience=2)
    assert 1 <= facts["best_epoch"] <= facts["epochs"] == facts["best_epoch"] + 2
    assert f1(tmp_path / "m", dev) == pytest.approx(facts["dev_f1"], abs=1e-9)


def test_the_same_seed_gives_the_same_bytes_and_random_states_stay(encoder, tmp_path):
    states = random.getstate(), torch.get_rng_state()
    train([FEW], tmp_path / "a", encoder)
    assert random.getstate() == states[0] and torch.equal(torch.get_rng_state(), states[1])
    random.random(), torch.rand(1)
    train([FEW.slice(0, 1), FEW.slice(1)], tmp_path / "b", encoder)
    train([FEW], tmp_path / "c", encoder, seed=1)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]


def test_a_tagger_goes_on_learning(trained, tmp_path):
    """Few-shot: labels and head are kept, also where the few sentences lack a label."""
    folder, _, _ = trained
    train([FEW], tmp_path / "m", folder, learning_rate=1e-9)
    kept, before = (load_file(path / "model.safetensors") for path in (tmp_path / "m", folder))
    for name in before:
        torch.testing.assert_close(kept[name], before[name], atol=1e-6, rtol=0)
    assert "ORG" in {label[2:] for label in taggers.open("transformers", str(tmp_path / "m")).labels}
    other = table([["Mai"]], [[(0, 1, "DATE")]])
    with pytest.raises(RecipeError, match="a tagger of LOC, .*but the training data have DATE too.*DATE = "):
        train([other], tmp_path / "n", folder)


def test_frozen_parts_stay(encoder, tmp_path):
    train([FEW], tmp_path / "m", encoder, freeze_layers=1, freeze_embeddings=True)
    before, after = load_file(encoder / "model.safetensors"), load_file(tmp_path / "m" / "model.safetensors")
    same = {name for name, value in before.items() if name in after and torch.equal(value, after[name])}
    assert "roberta.embeddings.word_embeddings.weight" in same
    assert "roberta.encoder.layer.0.output.dense.weight" in same
    assert "roberta.encoder.layer.1.output.dense.weight" not in same
    with pytest.raises(RecipeError, match="freeze_layers = 9: the model .* has 2 layers"):
        train([FEW], tmp_path / "n", encoder, freeze_layers=9)


def test_bfloat16_learns_too(encoder, tmp_path):
    facts = train([FEW], tmp_path / "m", encoder, dtype="bfloat16", epochs=3)
    assert np.isfinite(facts["loss"])
    weights = load_file(tmp_path / "m" / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}


# what is left out, and counted


def test_odd_sentences_are_counted_and_do_not_stop_it(encoder, tmp_path):
    odd = table(
        [None, [], ["", "Peter"], ["\u200b"], [" ", "\t"], ["word"] * 400, ["x" * 3000], ["a", "b"], ["no", "label"]],
        [[], [], [(0, 2, "PER")], [(0, 1, "LOC")], [], [(390, 400, "ORG")], [], [(0, 2, "LOC"), (1, 2, "PER")], None],
    )
    facts = train([odd, FEW], tmp_path / "m", encoder)
    assert (facts["sentences"], facts["skipped_sentences"], facts["skipped_entities"]) == (9, 3, 1)
    assert facts["wordless"] == 4 and facts["cut_words"] == 1 and facts["windowed_sentences"] == 1


# what is refused, in one line


def refused(kind, match, tables, tmp_path, model, **settings):
    with pytest.raises(kind, match=match) as raised:
        train(tables, tmp_path / "refused", model, **settings)
    assert "\n" not in str(raised.value)
    assert not any((tmp_path / "refused").iterdir())


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ([], "no sentence"),
        ([table([[], None], [[], []])], "no sentence to learn from \\(2 without"),
        ([table([["a"]], [[]])], "no entity in any of 1 sentences; give"),
        ([table([["\u200b"]], [[(0, 1, "X")]])], "no word has sub-words"),
    ],
    ids=["empty", "no words", "no entity", "no sub-words"],
)
def test_nothing_to_learn_from(tables, match, tmp_path, encoder):
    refused(CorpusError, match, tables, tmp_path, encoder)


def test_one_label_only(tmp_path, encoder):
    """A corpus of one type, and one where every word is in an entity, are learned like others."""
    whole = table([["Anna"], ["Bonn", "Beuel"]], [[(0, 1, "NAME")], [(0, 2, "NAME")]])
    for name, tables in {"one type": [table([["Anna", "lebt"]], [[(0, 1, "NAME")]])], "no O": [whole]}.items():
        assert train(tables, tmp_path / name, encoder)["entities"] == tables[0].num_rows
        found = taggers.open("transformers", str(tmp_path / name), runtime=recipe.Runtime(device="cpu"))
        assert found.labels == ("O", "B-NAME", "I-NAME")


def test_a_tokenizer_without_offsets(tmp_path, encoder):
    """Words are tokenised alone, so a tokenizer in Python, which knows no offsets, serves as well."""
    tokenizer = transformers.ByT5Tokenizer()
    assert not tokenizer.is_fast
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path / "slow")
    tokenizer.save_pretrained(tmp_path / "slow")
    facts = train([FEW], tmp_path / "tagger", tmp_path / "slow")
    assert facts["entities"] == 3 and facts["wordless"] == 0
    tagger = taggers.open("transformers", str(tmp_path / "tagger"), runtime=recipe.Runtime(device="cpu"))
    assert [len(row) for row in tagger.probabilities([["Anna", "lebt"], ["Bonn"]])] == [2, 1]


def test_gold_and_silver_labels_that_have_nothing_in_common(tmp_path, encoder):
    other = table([["Mai"]], [[(0, 1, "DATE")]])
    refused(
        CorpusError, "dev data: labels DATE, training data: LOC, PER.*rename", [FEW], tmp_path, encoder, dev=[other]
    )


def test_gold_labels_that_silver_lacks_are_counted(tmp_path, encoder):
    more = table([["Mai", "Anna"]], [[(0, 1, "DATE"), (1, 2, "PER")]])
    assert train([FEW], tmp_path / "m", encoder, dev=[more])["dev_unknown_entities"] == 1


def test_corpora_with_other_labels(tmp_path, encoder):
    named = [t.append_column("corpus", pa.array([name] * t.num_rows)) for name, t in (("", FEW), ("more", FEW))]
    other = table([["Mai"]], [[(0, 1, "DATE")]], corpus=["more"])
    refused(RecipeError, "\\[train.corpora.more\\] has the labels DATE.*DATE = ", [named[0], other], tmp_path, encoder)
    train(named, tmp_path / "m", encoder)


def test_models_that_cannot_be_used(tmp_path, models_folder, encoder):
    import small_models

    refused(BackendError, "no such folder", [FEW], tmp_path, "/no/such/model")
    (tmp_path / "refused").rmdir()
    refused(RecipeError, "a hub name alone is not reproducible", [FEW], tmp_path, "some/model")
    (tmp_path / "refused").rmdir()
    refused(BackendError, "m2m_100 has no form that labels words", [FEW], tmp_path, small_models.m2m(models_folder))
    (tmp_path / "refused").rmdir()
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        (bare / name).write_bytes((encoder / name).read_bytes())
    refused(BackendError, "tokenizer", [FEW], tmp_path, bare)


def test_keys_of_the_other_back_end(tmp_path):
    with pytest.raises(RecipeError, match="learning_rate is read by tagger = 'transformers', not by 'spacy'"):
        recipe.Train(learning_rate=1e-3).check()
    with pytest.raises(RecipeError, match="max_words is read by tagger = 'spacy'"):
        recipe.Train(tagger="transformers", model="x", max_words=5).check()
    with pytest.raises(RecipeError, match="fine-tunes a model"):
        recipe.Train(tagger="transformers").check()
    recipe.Train(**recipe.Train().model_dump()).check()


def test_a_loss_that_is_not_finite(tmp_path, encoder):
    refused(BackendError, "the loss of step \\d+ is not finite; lower", [FEW], tmp_path, encoder, learning_rate=1e30,
            epochs=5)  # fmt: skip


def test_checkpoints_belong_to_the_weights_that_a_training_begins_with(encoder, tmp_path, monkeypatch):
    model = tmp_path / "model"
    model.mkdir()
    for file in encoder.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    seen = []
    begin = checkpoints.Checkpoints.__init__
    monkeypatch.setattr(
        checkpoints.Checkpoints, "__init__", lambda self, *given: (seen.append(given), begin(self, *given))[1]
    )
    for k in range(3):
        if k == 2:
            weights = load_file(model / "model.safetensors")
            save_file(
                {name: value + 1 for name, value in weights.items()}, model / "model.safetensors", {"format": "pt"}
            )
        train([FEW], tmp_path / str(k), model)
    assert seen[0][1] == seen[1][1] != seen[2][1]


# a full disk


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"), "no room for it"),
        (RuntimeError("[enforce fail at inline_container.cc:747] . open file failed with strerror: Denied"), "Denied"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), "no room for it"),
        (SafetensorError("Error while serializing: I/O error"), "I/O error"),
    ],
)
def test_what_writing_raises_is_one_line(error, why, tmp_path):
    with pytest.raises(StoreError, match=f"cannot be written .*{why}"), checkpoints.writing(tmp_path / "c", None):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"),
        ConnectionResetError(104, "Connection reset by peer"),
    ],
)
def test_what_is_not_of_writing_keeps_its_own_text(error, tmp_path):
    with pytest.raises(type(error)) as raised, checkpoints.writing(tmp_path / "c", None):
        raise error
    assert raised.value is error


@pytest.mark.parametrize("what", ["save_file", "torch.save", "marker"])
def test_a_full_disk_at_checkpoint_time(what, silver, encoder, tmp_path, monkeypatch):
    """One line; the checkpoint before stays, and with room again the training ends as if nothing had been."""
    monkeypatch.setattr(trainer, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(trainer, "SAVE_STEPS", 2)
    rows = list(corpora.read_labelled(silver, limit=60))
    dev = list(corpora.read_labelled(training_runs.gold()))
    train(rows, tmp_path / "undisturbed", encoder, epochs=4, dev=dev)
    full = OSError(28, "No space left on device")
    count = [0]

    def failing(whole):
        def write(*arguments, **more):
            count[0] += 1
            if count[0] > 3:
                raise (
                    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos")
                    if what == "torch.save"
                    else full
                )
            return whole(*arguments, **more)

        return write

    with monkeypatch.context() as patch:
        if what == "save_file":
            patch.setattr(trainer, "save_file", failing(trainer.save_file))
        elif what == "torch.save":
            patch.setattr(torch, "save", failing(torch.save))
        else:
            patch.setattr(checkpoints, "_sync", failing(checkpoints._sync))
        with pytest.raises(StoreError, match="the checkpoint cannot be written .*make room and run again") as raised:
            train(rows, tmp_path / "m", encoder, epochs=4, dev=dev)
    assert "\n" not in str(raised.value) and not any((tmp_path / "m").iterdir())
    (tmp_path / "m").rmdir()
    train(rows, tmp_path / "m", encoder, epochs=4, dev=dev)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("undisturbed", "m")]
    assert weights[0] == weights[1]
    assert not list(tmp_path.glob(".training-*"))
