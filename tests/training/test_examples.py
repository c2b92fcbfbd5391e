"""What the encoder sees: each word once, batches of like length, the same on any number of processes; word weights."""

import numpy as np
import pyarrow as pa
import pytest
import small_models
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from xproj import recipe  # noqa: E402
from xproj.columns import SPAN, EntityColumn, TokenColumn  # noqa: E402
from xproj.errors import CorpusError, RecipeError  # noqa: E402
from xproj.training.batching import STEP, Batches  # noqa: E402
from xproj.training.examples import Batch, Examples, Inputs  # noqa: E402
from xproj.training.labelled import Reader, label_ids  # noqa: E402
from xproj.training.preparation import prepare  # noqa: E402
from xproj.training.vocabulary import Vocabulary  # noqa: E402


@pytest.fixture(scope="module")
def opened(models_folder):
    """A tokenizer and a model with room for 28 sub-words between the special ones."""
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    path = small_models.xlmr(models_folder, layers=1, dim=32, max_length=30)
    return AutoTokenizer.from_pretrained(path), AutoModelForTokenClassification.from_pretrained(path)


# windows and batches


WORDS = ["Anna", "lebt", "Donaudampfschifffahrt", "\u200b", ".", "Хабаровск", "x" * 90]


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40), min_size=1, max_size=6), st.integers(20, 90))
def test_each_word_is_learned_once_at_its_first_subword(opened, rows, tokens):
    tokenizer, model = opened
    words = TokenColumn.of(rows)
    n = len(words.values)
    examples = Examples.of(words, np.arange(n), np.arange(n, dtype=np.float32) + 1, Inputs(tokenizer, model))
    learned = []
    for batch in Batches(examples.lengths, tokens, 0):
        made = examples.__getitems__(batch)
        ids, mask = made["input_ids"], made["attention_mask"]
        assert ids.shape == mask.shape and ids.shape[1] <= 30 and (len(ids) == 1 or ids.numel() <= tokens + STEP * 40)
        assert ((ids == tokenizer.pad_token_id) == (mask == 0)).all()
        assert (ids[:, 0] == tokenizer.bos_token_id).all()
        assert (made["weights"] == made["targets"] + 1).all() and (made["words"] == made["targets"]).all()
        first = ids.flatten()[made["index"]].tolist()
        for word, sub_word in zip(made["words"].tolist(), first, strict=True):
            alone = tokenizer([[words.values[word].as_py()]], is_split_into_words=True, add_special_tokens=False)
            assert alone["input_ids"][0][0] == sub_word
        learned += made["words"].tolist()
    spoken = [k for k, word in enumerate(words.values.to_pylist()) if word != "\u200b"]
    assert sorted(learned) == spoken
    assert examples.counts()["wordless"] == n - len(spoken)


lengths = st.lists(st.integers(3, 70), min_size=1, max_size=60).map(lambda found: np.array(found, dtype=np.int64))


@given(lengths, st.integers(10, 300), st.integers(0, 3), st.integers(1, 4))
def test_an_epoch_has_each_window_once_on_any_number_of_processes(found, tokens, epoch, processes):
    def windows(process, of):
        batches = Batches(found, tokens, 5, process, of)
        batches.set_epoch(epoch)
        made = list(batches)
        assert len(made) == len(batches)
        return made

    alone = windows(0, 1)
    assert sorted(np.concatenate([b.windows for b in alone]).tolist()) == list(range(len(found)))
    for batch in alone:
        rounded = -(-found[batch.windows] // STEP) * STEP
        assert len(batch.windows) == 1 or rounded.max() * len(batch.windows) <= tokens
    shared = [windows(process, processes) for process in range(processes)]
    assert len({len(part) for part in shared}) == 1
    dealt = [part[k] for k in range(len(shared[0])) for part in shared]
    for one, other in zip(alone, dealt, strict=False):
        assert one.number == other.number and (one.windows == other.windows).all()
    assert all(batch.number < 0 for batch in dealt[len(alone) :])


def test_epochs_differ_and_have_as_many_batches():
    found = np.repeat(np.arange(5, 25), 7)
    batches = Batches(found, 200, 0)
    made = []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        made.append([tuple(sorted(batch.windows.tolist())) for batch in batches])
    assert made[0] == made[2] and made[0] != made[1] and set(made[0]) != set(made[1])
    assert len(made[0]) == len(made[1]) == len(batches)


def test_little_is_padded():
    found = np.random.default_rng(0).integers(5, 60, 1000)
    padded = sum(int(found[b.windows].max()) * len(b.windows) for b in Batches(found, 1024, 0))
    assert padded / found.sum() < 1.07


def test_a_batch_that_fills_up_counts_nothing(opened):
    words = TokenColumn.of([["Anna", "lebt"]])
    examples = Examples.of(words, np.zeros(2, np.int64), np.ones(2, np.float32), Inputs(*opened))
    assert examples.__getitems__(Batch(np.array([0]), -1))["weights"].sum() == 0


# word weights


def table(tokens, entities, **more):
    columns = {"tokens": pa.array(tokens, pa.list_(pa.string())), "entities": entities.write()}
    return pa.table(columns | more)


def scored(rows, scores):
    from dataclasses import replace

    return replace(EntityColumn.of(rows), score=np.array(scores, dtype=np.float32))


def read(tables, **keys):
    made = recipe.Train(tagger="transformers", model="x", **keys)
    reader = Reader(made)
    return reader, prepare(reader.read(tables, "data"), reader)


NOISY = {
    "confidence": pa.array([0.5, 1.0, None], pa.float32()),
    "lost_spans": pa.array([[(1, 4)], [], []], pa.list_(SPAN)),
}
ROWS = [["A", "b", "C", "d"], ["e", "f"], ["g"]]
SPANS = scored([[(0, 1, "PER"), (2, 3, "LOC")], [], [(0, 1, "PER")]], [0.4, np.nan, 2.0])


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [1, 1, 1, 1, 1, 1, 1]),
        ({"weights": ("sentence",)}, [0.5, 0.5, 0.5, 0.5, 1, 1, 1]),
        ({"weights": ("word",)}, [0.4, 1, 1, 1, 1, 1, 1]),
        ({"weights": ("sentence", "word")}, [0.2, 0.5, 0.5, 0.5, 1, 1, 1]),
        ({"lost_entities": "mask"}, [1, 0, 1, 0, 1, 1, 1]),
        ({"lost_entities": "leave_out"}, [1, 1, 1]),
    ],
    ids=["none", "sentence", "word", "both", "mask", "leave out"],
)
def test_word_weights(keys, expected):
    reader, found = read([table(ROWS, SPANS, **NOISY)], **keys)
    assert found.weights.tolist() == pytest.approx(expected)
    assert reader.counts.masked_words == (2 if keys.get("lost_entities") == "mask" else 0)
    assert reader.counts.lost_sentences == (1 if keys.get("lost_entities") == "leave_out" else 0)


def test_sentences_without_entities_are_capped_by_the_seed():
    rows = [["a"]] * 30 + [["B"]] * 10
    spans = EntityColumn.of([[]] * 30 + [[(0, 1, "PER")]] * 10)
    reader, found = read([table(rows, spans)], max_unlabelled=0.5)
    assert len(found) == 15 and reader.counts.unlabelled_sentences == 25 and reader.counts.sentences == 15
    assert found.labelled_rows().sum() == 10
    assert len(read([table(rows, spans)], max_unlabelled=9)[1]) == 40


def test_languages_share_by_temperature_and_corpora_by_weight():
    spans = EntityColumn.of([[(0, 1, "PER")]] * 9)
    columns = {"language": ["deu_Latn"] * 8 + ["swh_Latn"], "corpus": [""] * 9, "weight": pa.array([1.0] * 8 + [3.0])}
    weights = read([table([["a"]] * 9, spans, **columns)])[1].weights
    assert weights.tolist() == [1.0] * 8 + [3.0]
    mixed = read([table([["a"]] * 9, spans, **columns | {"weight": pa.array([1.0] * 9)})], temperature=3.0)[1].weights
    assert mixed[:8].sum() / mixed[8] == pytest.approx(8 ** (1 / 3)) and mixed.sum() == pytest.approx(9)


def test_a_large_corpus_must_have_all_labels_and_a_small_one_need_not():
    def corpora(count, label):
        parts = [("", 120, "PER"), ("", 1, "LOC"), ("more", count, label)]
        return [table([["a"]] * n, EntityColumn.of([[(0, 1, name)]] * n), corpus=[c] * n) for c, n, name in parts]

    read(corpora(99, "PER"))
    with pytest.raises(RecipeError, match="lacks the labels LOC of the first"):
        read(corpora(100, "PER"))
    with pytest.raises(RecipeError, match="has the labels ORG, which the first corpus lacks"):
        read(corpora(1, "ORG"))


def test_no_weight_at_all():
    with pytest.raises(CorpusError, match="no word has a weight"):
        read([table([["a"]], EntityColumn.of([[(0, 1, "X")]]), confidence=pa.array([0.0]))], weights=("sentence",))


def test_label_ids():
    known = {"O": 2, "B-PER": 0, "I-PER": 1}
    assert label_ids(np.array([0, 1, 2, 3, 4]), ["PER", "LOC"], known).tolist() == [2, 0, 1, 2, 2]


# the vocabulary


def test_a_reduced_model_says_the_same_and_is_restored(opened):
    from copy import deepcopy

    tokenizer, model = opened
    model = deepcopy(model).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ids = np.array([0, 400, 17, 90, 2], dtype=np.int32)
    said = model(input_ids=torch.from_numpy(ids[None]).long()).logits
    vocabulary = Vocabulary.reduce(model, ids, tokenizer.pad_token_id)
    assert len(model.get_input_embeddings().weight) == 6
    small = vocabulary.number(ids)
    torch.testing.assert_close(model(input_ids=torch.from_numpy(small[None]).long()).logits, said)
    with torch.no_grad():
        model.get_input_embeddings().weight[int(small[1])] += 1
    vocabulary.restore(model)
    for name, value in model.state_dict().items():
        changed = (value != before[name]).nonzero()[:, 0].unique().tolist() if value.dim() else []
        assert changed == ([400] if "word_embeddings" in name else []), name


def test_embeddings_that_are_looked_up_elsewhere_too_stay_whole():
    from transformers import T5Config, T5ForTokenClassification

    config = T5Config(vocab_size=50, d_model=16, d_ff=32, num_layers=1, num_heads=2, d_kv=8, num_labels=3)
    model = T5ForTokenClassification(config).eval()
    ids = np.array([7, 20, 33, 1], dtype=np.int32)
    said = model(input_ids=torch.from_numpy(ids[None]).long()).logits
    vocabulary = Vocabulary.reduce(model, ids, pad=0)
    found = model(input_ids=torch.from_numpy(vocabulary.number(ids)[None]).long()).logits
    torch.testing.assert_close(found, said)
