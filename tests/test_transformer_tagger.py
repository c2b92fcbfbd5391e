"""Token classifiers of transformers: words, windows, label schemes of models, and what is wrong with a folder."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_models
from match_tasks import match_task
from sentences import labelled_sentences

from xproj import cli, evaluation, recipe, schema, scorers, scoring, taggers
from xproj.core.label_schemes import LabelScheme
from xproj.encoders.windows import windows
from xproj.errors import BackendError, CorpusError, RecipeError
from xproj.stages import Tag

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


OWN = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")


def by_hand(folder, words):
    """The probabilities of a sentence that fits, from the model's own tokenizer and forward pass."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder).eval()
    given = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        rows = model(**given).logits[0].softmax(1).numpy()
    of_words = given.word_ids()
    first = {word: k for k, word in reversed(list(enumerate(of_words))) if word is not None}
    return np.stack([rows[first[word]] for word in range(len(words))])


def test_probabilities_are_those_of_first_sub_words(transformers_model):
    tagger = taggers.open("transformers", str(transformers_model))
    order = [OWN.index(label) for label in tagger.labels]
    sentences = [row for row in labelled_sentences(8, seed=5)["tokens"].to_pylist() if len(row) < 9]
    assert sentences
    for words, found in zip(sentences, tagger.probabilities(sentences), strict=True):
        assert np.allclose(found, by_hand(transformers_model, words)[:, order], atol=1e-5)


def test_it_tags_what_it_has_not_seen(transformers_model):
    test = labelled_sentences(60, seed=9)
    tagger = taggers.open("transformers", str(transformers_model))
    scores = evaluation.tagging([(taggers.predict(tagger, test["tokens"]), test["entities"], test["tokens"])])
    assert scores.micro.f1 > 0.9


def test_long_sentences_go_in_windows_and_are_counted(transformers_model):
    tagger = taggers.open("transformers", str(transformers_model))
    words = "yesterday Peter flew to Nairobi .".split()
    assert tagger.probabilities([words])[0].shape == (6, 7) and tagger.counts["sentences.windowed"] == 0
    long = labelled_sentences(9, seed=4)["tokens"].combine_chunks().flatten().to_pylist()
    (found,) = tagger.probabilities([long])
    assert tagger.counts["sentences.windowed"] == 1
    tokenizer = transformers.AutoTokenizer.from_pretrained(transformers_model)
    counts = np.array(
        [len(tokenizer([word], is_split_into_words=True, add_special_tokens=False)["input_ids"]) for word in long]
    )
    edges = np.concatenate([[0], np.cumsum(counts)]).tolist()
    cut = windows(counts, 46)
    assert len(cut) > 2
    plain = np.zeros_like(found)
    for start, end, first, last in cut:
        a, b, c, d = (edges.index(place) for place in (start, end, first, last))
        plain[c:d] = by_hand(transformers_model, long[a:b])[c - a : d - a]
    assert np.allclose(found, LabelScheme.read(OWN).to_iob2(plain, np.array([0, len(long)])), atol=1e-5)
    (invisible,) = tagger.probabilities([["", "Peter"]])
    assert invisible[0].tolist() == [1.0, *[0.0] * 6] and tagger.counts["words.without_subwords"] == 1


def test_batches_change_nothing(transformers_model):
    rows = labelled_sentences(30, seed=3)["tokens"].to_pylist()
    few = recipe.Runtime(batch_tokens=20)
    small, large = (taggers.open("transformers", str(transformers_model), runtime=r) for r in (few, None))
    for one, other in zip(small.probabilities(rows), large.probabilities(rows), strict=True):
        assert np.allclose(one, other, atol=1e-5)


def test_half_precision_is_near(transformers_model):
    rows = labelled_sentences(10, seed=3)["tokens"].to_pylist()
    exact, half = (taggers.open("transformers", str(transformers_model), dtype=d) for d in ("float32", "bfloat16"))
    for one, other in zip(exact.probabilities(rows), half.probabilities(rows), strict=True):
        assert other.dtype == np.float32 and np.abs(one - other).max() < 0.1


@pytest.mark.parametrize(
    ("labels", "space"),
    [
        (("I-LOC", "O", "I-PER"), ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")),
        (("O", "B-PER", "I-PER", "E-PER", "S-PER"), ("O", "B-PER", "I-PER")),
    ],
)
def test_the_scheme_of_a_model_is_read(models_folder, labels, space):
    tagger = taggers.open("transformers", str(small_models.classifier(models_folder, labels=labels)))
    assert tagger.labels == space and tagger.probabilistic
    (rows,) = tagger.probabilities([["Peter", "\u200b", "Berlin"]])
    assert rows.shape == (3, len(space)) and np.allclose(rows.sum(1), 1, atol=1e-5)


def test_labels_without_names_are_refused(models_folder, transformers_model, tmp_path):
    folder = tmp_path / "nameless"
    shutil.copytree(transformers_model, folder)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(k): f"LABEL_{k}" for k in range(7)}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackendError, match="labels without names.*write id2label") as raised:
        taggers.open("transformers", str(folder))
    assert "\n" not in str(raised.value)


def test_a_model_without_a_head_is_refused(models_folder):
    with pytest.raises(BackendError, match="no token-classification head"):
        taggers.open("transformers", str(small_models.xlmr(models_folder, layers=1, max_length=48)))
    with pytest.raises(BackendError, match="m2m_100 is no token classifier"):
        taggers.open("transformers", str(small_models.m2m(models_folder)))


def test_a_model_without_a_tokenizer_is_refused(transformers_model, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(transformers_model / name, tmp_path)
    with pytest.raises(BackendError, match="tokenizer"):
        taggers.open("transformers", str(tmp_path))


def test_outputs_that_are_not_finite_are_refused(transformers_model):
    tagger = taggers.open("transformers", str(transformers_model))
    tagger._network.model.classifier.bias.fill_(float("nan"))
    with pytest.raises(BackendError, match="outputs for 1 sentences are not finite in float32"):
        tagger.probabilities([["Peter"]])


def test_a_hub_name_needs_a_commit():
    with pytest.raises(RecipeError, match="40 hexadecimal digits"):
        taggers.open("transformers", "some/model")


@pytest.mark.parametrize("option", [{"revision": "a" * 40}, {"dtype": "bfloat16"}])
def test_spacy_has_neither_commits_nor_number_types(spacy_model, option):
    with pytest.raises(RecipeError, match=f"has no {next(iter(option))}"):
        taggers.open("spacy", str(spacy_model), **option)


def test_the_back_end_of_a_folder_is_seen(transformers_model, spacy_model, tmp_path):
    assert taggers.of_folder(transformers_model) == "transformers"
    assert taggers.of_folder(spacy_model) == "spacy"
    assert taggers.of_folder(tmp_path) is None


def test_evaluate_and_tag_on_the_command_line(transformers_model, tmp_path, capsys):
    test = labelled_sentences(40, seed=9)
    gold = tmp_path / "gold.conll"
    gold.write_text("\n".join("".join(f"{word}\t{tag}\n" for word, tag in row) for row in tagged_rows(test)))
    scores = scoring.model(transformers_model, None, gold, recipe.Evaluate(bootstrap=0))
    assert scores.micro.f1 > 0.9
    text = gold.read_text()
    gold.write_text(text.replace("-PER", "-person").replace("-LOC", "-place").replace("-ORG", "-group"))
    with pytest.raises(CorpusError, match=r"labels group, person, place, the tagger's: LOC, ORG, PER; none in common"):
        scoring.model(transformers_model, None, gold, recipe.Evaluate(bootstrap=0))
    with pytest.raises(CorpusError, match="none in common"):
        scoring.compared(transformers_model, transformers_model, gold, recipe.Evaluate(bootstrap=0))
    renamed = recipe.Evaluate(bootstrap=0, labels={"person": "PER", "place": "LOC", "group": "ORG"})
    assert scoring.model(transformers_model, None, gold, renamed).micro.f1 > 0.9
    corpus = pa.table({"id": [str(k) for k in range(test.num_rows)], "source_tokens": test["tokens"]})
    pq.write_table(corpus, tmp_path / "a.parquet")
    with pytest.raises(SystemExit) as ended:
        cli.main(
            f"tag --input {tmp_path}/a.parquet --output {tmp_path}/b.parquet --set tag.tagger=transformers "
            f"--set tag.model={transformers_model} --set runtime.device=cpu --quiet".split()
        )
    assert ended.value.code == 0
    rows = pq.read_table(tmp_path / "b.parquet")
    assert rows["source_predicted"].to_pylist() == [True] * 40
    scores = [entity["score"] for row in rows["source_entities"].to_pylist() for entity in row]
    assert scores and all(0 < score < 1 for score in scores)


def test_unsure_entities_are_left_out_and_counted(transformers_model):
    rows = pa.array([*labelled_sentences(20, seed=9)["tokens"].to_pylist(), ["Kisumu", "Berlin", "the", "Peter"]])
    table = pa.table({"id": [str(k) for k in range(21)], "source_tokens": rows})
    table = schema.conform(table, ["id", "source_tokens"], ["source_entities", "source_predicted", "status"])

    def mapped(min_score):
        tag = {"tagger": "transformers", "model": str(transformers_model), "min_score": min_score}
        return Tag(recipe.parse({"ingest": {}, "tag": tag}, "test")).map(table)

    everything, sure = mapped(0.0), mapped(0.97)
    kept = [entity for row in everything.columns["source_entities"].to_pylist() for entity in row]
    low = [entity for entity in kept if entity["score"] < np.float32(0.97)]
    assert low and "entities.low_score" not in everything.counts
    assert sure.counts["entities.low_score"] == len(low)
    found = [entity for row in sure.columns["source_entities"].to_pylist() for entity in row]
    assert found == [entity for entity in kept if entity not in low]
    assert sure.counts["entities.predicted"] == len(found)


def test_scores_of_a_tagger_that_only_decides_are_no_filter(spacy_model):
    tag = {"tagger": "spacy", "model": str(spacy_model), "min_score": 0.5}
    with pytest.raises(RecipeError, match=r"\[tag\] min_score = 0.5: the tagger 'spacy' only decides"):
        _ = Tag(recipe.parse({"ingest": {}, "tag": tag}, "test")).tagger


def test_it_scores_candidates(transformers_model):
    made = recipe.Score(scorers=("tagger",), tagger="transformers", model=str(transformers_model))
    task = match_task([("Asha lives".split(), "yesterday Peter flew to Nairobi .".split(), [(0, 1, "PER")], [])])
    setup = scorers.Setup(made, runtime=recipe.Runtime(device="cpu", batch_tokens=64))
    (scores,) = scorers.open("tagger", setup).score(task)
    best = int(scores[0].argmax())
    assert (task.start[best], task.end[best]) == (1, 2) and 0.5 < scores[0][best] < 1


def tagged_rows(table):
    """Words and IOB2 tags of each sentence."""
    for words, entities in zip(table["tokens"].to_pylist(), table["entities"].to_pylist(), strict=True):
        tags = ["O"] * len(words)
        for entity in entities:
            start, end, name = entity["start"], entity["end"], entity["label"]
            tags[start:end] = [f"B-{name}", *[f"I-{name}"] * (end - start - 1)]
        yield list(zip(words, tags, strict=True))
