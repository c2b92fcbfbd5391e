"""What a batch is taught: parts of the loss by the kind of its words, and partners that are in other windows."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import small_models  # noqa: E402

from xproj import recipe  # noqa: E402
from xproj.columns import TokenColumn  # noqa: E402
from xproj.core.teachers import ALONE, NO_LABEL, partners  # noqa: E402
from xproj.training import losses  # noqa: E402
from xproj.training import soft as soft_labels  # noqa: E402
from xproj.training.examples import Batch, Examples, Inputs  # noqa: E402
from xproj.training.objective import Objective  # noqa: E402
from xproj.training.soft import Soft  # noqa: E402

WORDS, LABELS = 12, 5
NAMES = ("O", "B-A", "I-A", "B-B", "I-B")
TEACHER = {"teachers": {"one": {"model": "m"}}}


def settings(**more):
    return recipe.Train.model_validate({"tagger": "transformers", "model": "m", **more})


def batch(seed=0):
    rng = np.random.default_rng(seed)
    logits, hidden = rng.normal(size=(WORDS, LABELS)), rng.normal(size=(WORDS, 6))
    given = {
        "targets": rng.integers(0, LABELS, WORDS),
        "weights": rng.random(WORDS),
        "taught": rng.random(WORDS) < 0.5,
        "probabilities": rng.dirichlet(np.ones(LABELS), size=WORDS).astype(np.float16),
        "agreed": np.where(rng.random(WORDS) < 0.5, rng.integers(0, LABELS, WORDS), NO_LABEL),
        "partner": np.roll(np.arange(WORDS), 1),
        "similarity": rng.random(WORDS).astype(np.float16),
    }
    return *(torch.tensor(x) for x in (logits, hidden)), {name: torch.tensor(x) for name, x in given.items()}


def same(found, *parts, weight):
    assert found.total.item() == pytest.approx(sum(factor * part.total.item() for factor, part in parts))
    assert found.weight.item() == pytest.approx(weight.sum().item())


def test_words_have_the_loss_of_their_kind():
    logits, hidden, given = batch()
    weights, taught, p = given["weights"], given["taught"], given["probabilities"]
    made = Objective(settings(distill={**TEACHER, "loss": "kl", "temperature": 2.0, "hard": 0.5}, focal=1.0))
    assert not made.hidden
    for epoch, focal in ((0, 0.0), (1, 1.0)):
        found = made(logits, None, given, epoch)
        own = losses.cross_entropy(logits, given["targets"], weights * ~taught, focal=focal)
        divergence = losses.soft_labels(logits, p, weights * taught, loss="kl", temperature=2.0)
        agreed = losses.cross_entropy(logits, given["agreed"], weights * taught)
        same(found, (1, own), (1, divergence), (0.5, agreed), weight=weights)


def test_two_tasks_on_both_kinds_of_words():
    logits, hidden, given = batch()
    weights, taught = given["weights"], given["taught"]
    made = Objective(settings(similarity=0.3, distill={**TEACHER, "pairs": {"evaluator": "e", "weight": 0.7}}))
    assert made.hidden
    own = losses.cross_entropy(logits, given["targets"], weights * ~taught)
    pairs = losses.same_label(hidden, given["partner"], given["targets"], weights * ~taught)
    both = losses.two_tasks(
        logits, hidden, *(given[n] for n in ("partner", "probabilities", "similarity")), weights * taught, share=0.7
    )
    same(made(logits, hidden, given, 0), (1, own), (0.3, pairs), (1, both), weight=weights)


def test_partners_are_found_among_the_words_of_a_batch(models_folder):
    from transformers import AutoModel, AutoTokenizer

    path = small_models.xlmr(models_folder, layers=1, max_length=48)
    inputs = Inputs(AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path))
    rng = np.random.default_rng(0)
    rows = [rng.choice(["Berlin", "is", "a", "large", "city"], size=size).tolist() for size in (3, 120, 1, 7)]
    words = TokenColumn.of(rows)
    count = len(words.values)
    partner = partners(words.offsets, np.ones(count, dtype=bool), 0)
    weights, ids = np.ones(count, dtype=np.float32), np.arange(count)
    examples = Examples.of(words, ids, weights, inputs, Soft.nothing(count, NAMES), partner)
    assert len(examples) > len(rows)  # the long sentence has several windows
    alone = 0
    for chosen in ([0, 1], [2, 3], list(range(len(examples)))):
        found = examples.__getitems__(Batch(np.array(chosen), 0))
        learned = found["words"].tolist()
        for k, (word, place) in enumerate(zip(learned, found["partner"].tolist(), strict=True)):
            wanted = partner[word]
            assert place == (learned.index(wanted) if wanted in learned else ALONE), k
            alone += place == ALONE
        assert found["taught"].sum() == 0 and found["probabilities"].shape == (len(learned), LABELS)
    assert alone > 2


def test_teachers_labels_get_the_ids_of_the_model():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(LABELS), size=4).astype(np.float16)
    one = Soft.nothing(4, NAMES)._replace(
        taught=np.ones(4, bool), probabilities=p, agreed=np.array([1, NO_LABEL, 0, 4])
    )
    known = {"B-B": 0, "I-B": 1, "O": 2, "B-C": 3, "I-C": 4, "B-A": 5, "I-A": 6}
    found = one.renumbered(known)
    for name, column in known.items():
        expected = p[:, NAMES.index(name)] if name in NAMES else np.zeros(4)
        assert np.array_equal(found.probabilities[:, column], expected)
    assert found.agreed.tolist() == [5, NO_LABEL, 2, 1]
    both = soft_labels.joined([None, one], [2, 4])
    assert both.taught.tolist() == [False] * 2 + [True] * 4 and np.array_equal(both.probabilities[2:], p)
    assert soft_labels.joined([None, None], [2, 4]) is None
    assert np.array_equal(both.take(np.array([3, 4])).probabilities, p[1:3])
