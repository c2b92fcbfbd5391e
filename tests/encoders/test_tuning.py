"""Fine-tuning: losses against plain references, the same weights from the same seed, resuming, and what it brings."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import small_models

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file  # noqa: E402

from xproj import aligners, recipe  # noqa: E402
from xproj.columns import LinkColumn, TokenColumn  # noqa: E402
from xproj.encoders import EncoderSettings, objectives  # noqa: E402
from xproj.encoders.pairs import TrainingPairs  # noqa: E402
from xproj.encoders.tuning import Tuning, schedule, tune  # noqa: E402
from xproj.errors import BackendError, CorpusError, RecipeError  # noqa: E402

LANGUAGES = ("eng_Latn", "deu_Latn")
FAST = {"steps": 8, "rate": 1e-3, "batch_tokens": 400}


@pytest.fixture(scope="module")
def bitext():
    """Both sides of 40 sample pairs, in two parts."""
    pairs = small_models.bitext("deu_Latn")[:40]
    return [
        tuple(TokenColumn.of([pair[side] for pair in part]) for side in (0, 1)) for part in (pairs[:25], pairs[25:])
    ]


@pytest.fixture(scope="module")
def bert(models_folder):
    return small_models.bert(models_folder, layers=2)


def tuned(model, bitext, output, *, languages=LANGUAGES, layer=None, guide=None, checkpoints=None, **settings):
    """Fine-tune a small model; returns the counts."""
    output.mkdir()
    return tune(
        EncoderSettings(str(model), layer=layer, device="cpu"),
        Tuning(**(FAST | settings)),
        bitext,
        languages=languages,
        output=output,
        guide=guide,
        checkpoints=checkpoints,
    )


def weights(folder):
    return load_file(folder / "model.safetensors")


def assert_same(a, b):
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


# losses -----------------------------------------------------------------------------------------------------------


def random_pairs(seed, dim=5):
    """Vectors, words and lengths of a few pairs, padded with numbers that must not matter."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 6, (3, 2), generator=generator)
    vectors = [torch.randn(3, 5, dim, generator=generator, dtype=torch.float64) for _ in range(2)]
    inside = [torch.arange(5) < lengths[:, side, None] for side in (0, 1)]
    words = []
    for there in inside:
        steps = torch.randint(0, 2, there.shape, generator=generator)
        words.append(torch.where(there, steps.cumsum(1) - steps[:, :1], -1))
    return vectors, tuple(inside), tuple(words), lengths


def plain_self_training(x, y, links):
    """The loss of one pair in the words of the paper, by loops."""
    dots = x @ y.T
    m, n = dots.shape
    total = torch.zeros((), dtype=x.dtype)
    for i in range(m):
        for j in range(n):
            if links[i, j]:
                total = total + torch.exp(dots[i, j]) / torch.exp(dots[i]).sum() / m
                total = total + torch.exp(dots[i, j]) / torch.exp(dots[:, j]).sum() / n
    return -total


def plain_links(x, y, words, threshold):
    """Sub-word pairs of linked words, by loops."""
    dots = x @ y.T
    p, q = dots.softmax(1), dots.softmax(0)
    linked = {
        (int(words[0][i]), int(words[1][j]))
        for i in range(len(x))
        for j in range(len(y))
        if p[i, j] > threshold and q[i, j] > threshold
    }
    return torch.tensor([[(int(a), int(b)) in linked for b in words[1]] for a in words[0]])


@pytest.mark.parametrize("seed", range(8))
def test_self_training_is_the_equation_of_the_paper(seed):
    vectors, inside, words, lengths = random_pairs(seed)
    for side in vectors:
        side.requires_grad_()
    probabilities = objectives.link_probabilities(*vectors, inside)
    links = objectives.symmetric_links(probabilities, words, 0.1)
    loss = objectives.self_training(probabilities, links, inside)
    found = torch.autograd.grad(loss, vectors)
    losses = []
    for k, (m, n) in enumerate(lengths.tolist()):
        x, y = vectors[0][k, :m], vectors[1][k, :n]
        mine = plain_links(x, y, (words[0][k, :m], words[1][k, :n]), 0.1)
        assert torch.equal(links[k, :m, :n], mine)
        assert links[k].sum() == mine.sum(), "padding is linked"
        losses.append(plain_self_training(x, y, mine))
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(loss, expected)
    for gradient, reference in zip(found, torch.autograd.grad(expected, vectors), strict=True):
        torch.testing.assert_close(gradient, reference)


def test_masked_lm_is_the_mean_negative_log_probability():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 11, generator=generator, dtype=torch.float32, requires_grad=True)
    labels = torch.randint(0, 11, (7,), generator=generator)
    loss = objectives.masked_lm(logits, labels)
    expected = -sum(logits[k].softmax(0)[label].log() for k, label in enumerate(labels.tolist())) / 7
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (loss, expected)))


def test_masks_have_the_shares_of_bert_and_spare_special_subwords():
    generator = np.random.default_rng(0)
    ids = np.full((200, 100), 7)
    free = np.broadcast_to(np.arange(100) < 90, ids.shape)
    given, labels = objectives.mask(ids, free, 4, 1000, generator)
    chosen = labels != objectives.IGNORED
    assert not chosen[~free].any() and (given[~chosen] == 7).all() and (labels[chosen] == 7).all()
    assert abs(chosen[free].mean() - 0.15) < 0.01
    assert abs((given[chosen] == 4).mean() - 0.8) < 0.02 and abs((given[chosen] == 7).mean() - 0.1) < 0.02
    one = np.zeros((1, 5), dtype=bool)
    one[0, 2] = True
    for _ in range(20):
        assert (objectives.mask(ids[:1, :5], one, 4, 1000, generator)[1] != objectives.IGNORED).tolist() == one.tolist()


def test_the_rate_rises_and_falls():
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates[0] == 0.1 and max(rates) == rates[9] == 1.0 and rates[99] == pytest.approx(1 / 90)
    assert schedule(0, 1, 0.1) == 1.0


# pairs ------------------------------------------------------------------------------------------------------------


def opened(model):
    from xproj import encoders

    return encoders.open(EncoderSettings(str(model), layer=0, device="cpu"))


def test_an_epoch_has_each_pair_once_in_batches_of_the_size(bert, bitext):
    pairs = TrainingPairs.read(bitext, opened(bert), (126, 125))
    batches = pairs.batches(300, seed=3)
    seen, firsts = [], []
    while len(seen) < 2 * len(pairs):
        rows = next(batches)
        firsts = [*firsts, rows][:3]
        widths = [side.lengths[rows].max() for side in pairs.sides]
        assert len(rows) == 1 or len(rows) * sum(widths) <= 300
        seen += rows.tolist()
    first, second = seen[: len(pairs)], seen[len(pairs) :]
    assert sorted(first) == sorted(second) == list(range(len(pairs))) and first != second
    again = pairs.batches(300, seed=3)
    assert [row for _ in range(3) for row in next(again).tolist()] == seen[: sum(len(r) for r in firsts)]


def test_pairs_that_cannot_be_trained_on_are_counted(bert):
    rows = [
        (["a"], ["b"]),
        ([], ["b"]),
        (None, None),
        (["a"] * 200, ["b"]),
        (["a"] * 70, ["b"] * 70),
        (["\u200b"], ["b"]),
    ]
    columns = [tuple(TokenColumn.of([row[side] for row in rows]) for side in (0, 1))]
    joint, apart = (TrainingPairs.read(columns, opened(bert), limits) for limits in ((126, 125), (126, 252)))
    assert (len(joint), joint.left_out, len(apart), apart.left_out) == (1, 5, 2, 4)
    with pytest.raises(CorpusError, match="no pair"):
        TrainingPairs.read([(TokenColumn.of([[]]), TokenColumn.of([[]]))], opened(bert), (126, 125))


def test_links_of_a_guide_are_spread_over_subwords(bert):
    source, target = TokenColumn.of([["x"], ["Montevideo", "a"]]), TokenColumn.of([[], ["b", "Addis-Abeba"]])
    guide = LinkColumn.of([[], [(0, 1), (1, 0)]])
    pairs = TrainingPairs.read([(source, target)], opened(bert), (126, 252), lambda *_: guide)
    words = tuple(side.words[None, :].astype(np.int64) for side in pairs.sides)
    padded = words[0], np.concatenate([words[1], [[-1, -1]]], axis=1)
    found = pairs.guided(np.array([0]), padded)[0]
    assert (words[0] == 0).sum() > 1 and (words[1] == 1).sum() > 1
    expected = (padded[0][0][:, None] != padded[1][0][None, :]) & (padded[1][0] >= 0)
    assert np.array_equal(found, expected)


# the loop ---------------------------------------------------------------------------------------------------------


def test_one_seed_gives_one_model(bert, bitext, tmp_path):
    state = torch.random.get_rng_state()
    counts = [tuned(bert, bitext, tmp_path / name) for name in "ab"]
    assert torch.equal(state, torch.random.get_rng_state())
    assert counts[0] == counts[1] and counts[0]["pairs"] + counts[0]["pairs.left_out"] == 40
    assert_same(tmp_path / "a", tmp_path / "b")
    tuned(bert, bitext, tmp_path / "c", seed=1)
    with pytest.raises(AssertionError):
        assert_same(tmp_path / "a", tmp_path / "c")


class Killed(Exception):
    pass


def test_a_run_that_was_killed_goes_on_to_the_same_weights(bert, bitext, tmp_path):
    tuned(bert, bitext, tmp_path / "whole")
    state = tmp_path / "state"
    settings = EncoderSettings(str(bert), device="cpu"), Tuning(**FAST, save_every=3)
    steps = []

    def until(last):
        def progress(done, of):
            steps.append(done)
            if done == last:
                raise Killed

        return progress

    for last in (5, 8):
        with pytest.raises(Killed):
            tune(*settings, bitext, languages=LANGUAGES, output=tmp_path, checkpoints=state, progress=until(last))
    assert steps == [1, 2, 3, 4, 5, 4, 5, 6, 7, 8]
    # half of a checkpoint, as a kill leaves it: no marker names it
    (state / "step-00000007.safetensors").write_bytes(b"half")
    output = tmp_path / "resumed"
    output.mkdir()
    tune(*settings, bitext, languages=LANGUAGES, output=output, checkpoints=state, progress=until(99))
    assert steps[10:] == [7, 8] and not state.exists()
    assert_same(tmp_path / "whole", output)


def test_other_settings_or_pairs_do_not_go_on_from_a_state(bert, bitext, tmp_path):
    state = tmp_path / "state"

    def stop(done, of):
        if done == 5:
            raise Killed

    def at_once(done, of):
        raise Killed(f"after step {done}")

    settings = EncoderSettings(str(bert), device="cpu")
    with pytest.raises(Killed):
        tune(settings, Tuning(**FAST, save_every=3), bitext, languages=LANGUAGES, output=tmp_path,
             checkpoints=state, progress=stop)  # fmt: skip
    for changed, pairs in (({"seed": 1}, bitext), ({}, bitext[:1])):
        with pytest.raises(Killed, match="after step 1$"):
            tune(settings, Tuning(**(FAST | changed)), pairs, languages=LANGUAGES, output=tmp_path,
                 checkpoints=state, progress=at_once)  # fmt: skip


KILLED = """
import sys
from pathlib import Path
import small_models
from xproj.columns import TokenColumn
from xproj.encoders import EncoderSettings
from xproj.encoders.tuning import Tuning, tune
pairs = small_models.bitext("deu_Latn")[:40]
parts = [tuple(TokenColumn.of([pair[side] for pair in pairs]) for side in (0, 1))]
tune(EncoderSettings(sys.argv[1], device="cpu"), Tuning(steps=1_000_000, save_every=2), parts,
     languages=("eng_Latn", "deu_Latn"), output=Path(sys.argv[2]), checkpoints=Path(sys.argv[3]))
"""


def test_a_kill_leaves_a_state_to_go_on_from(bert, tmp_path):
    output, state = tmp_path / "out", tmp_path / "state"
    output.mkdir()
    path = os.pathsep.join([os.path.dirname(small_models.__file__), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(bert), str(output), str(state)], env=os.environ | {"PYTHONPATH": path}
    )
    end = time.monotonic() + 120
    while not (state / "latest.json").exists() and time.monotonic() < end:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not any(output.iterdir())
    settings = EncoderSettings(str(bert), device="cpu"), Tuning(steps=1_000_000, save_every=2)

    def stop(done, of):
        raise Killed(f"after step {done}")

    done = json.loads((state / "latest.json").read_text())["step"]
    together = [tuple(TokenColumn.of([pair[k] for pair in small_models.bitext("deu_Latn")[:40]]) for k in (0, 1))]
    with pytest.raises(Killed, match=f"after step {done + 1}$"):
        tune(*settings, together, languages=LANGUAGES, output=output, checkpoints=state, progress=stop)


# models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "names", "layer"),
    [("bert", ("translation", "self"), 1), ("xlmr", ("translation", "self"), 3), ("m2m", ("self",), 2)],
)
def test_a_tuned_folder_is_a_model_of_the_aligner(models_folder, bitext, tmp_path, kind, names, layer):
    model = getattr(small_models, kind)(models_folder)
    counts = tuned(model, bitext, tmp_path / "out", objectives=names, layer=layer)
    assert np.isfinite(counts["loss.last"])
    assert list((tmp_path / "out").glob("*.safetensors"))
    settings = recipe.Align(aligner="awesome", model=str(tmp_path / "out"), layer=layer)
    links = aligners.open(settings, runtime=recipe.Runtime(device="cpu")).align(*bitext[0], languages=LANGUAGES)
    assert len(links.source) > 0


def test_what_a_model_cannot_be_trained_on_is_one_line(models_folder, bert, bitext, tmp_path):
    with pytest.raises(RecipeError, match="no masked-LM head"):
        tuned(small_models.m2m(models_folder), bitext, tmp_path / "a")
    bare = tmp_path / "bare"
    transformers.AutoModel.from_pretrained(bert).save_pretrained(bare)
    transformers.AutoTokenizer.from_pretrained(bert).save_pretrained(bare)
    with pytest.raises(RecipeError, match="no masked-LM head"):
        tuned(bare, bitext, tmp_path / "b")
    with pytest.raises(RecipeError, match="set a layer from 0 to 2"):
        tuned(bert, bitext, tmp_path / "c", layer=3)
    with pytest.raises(BackendError, match="not finite"):
        tuned(bert, bitext, tmp_path / "d", rate=1e30)
    with pytest.raises(RecipeError, match="tune_guide gives links to the objective"):
        aligners.open(recipe.Align(aligner="awesome", tune=("translation",), tune_guide="statistical"))
    with pytest.raises(RecipeError, match="does not fine-tune"):
        aligners.open(recipe.Align(aligner="simalign", tune=("self",), implementation="package"))


# what it brings ---------------------------------------------------------------------------------------------------


def toy(words=30, pairs=150, seed=0):
    """Sentences and their translation, word by word into other words, in reverse order; and the right links."""
    generator = np.random.default_rng(seed)
    names = sorted({word for pair in small_models.bitext() for word in pair[0] if word.isalpha() and len(word) > 3})
    source, target = names[:words], names[words : 2 * words]
    rows = [generator.choice(words, generator.integers(3, 7), replace=False).tolist() for _ in range(pairs)]
    columns = (
        TokenColumn.of([[source[k] for k in row] for row in rows]),
        TokenColumn.of([[target[k] for k in row[::-1]] for row in rows]),
    )
    return columns, LinkColumn.of([[(k, len(row) - 1 - k) for k in range(len(row))] for row in rows])


def hits(links, gold):
    """F1 of links."""
    found, right = (
        {
            (r, *pair)
            for r in range(len(column))
            for pair in zip(
                *(a[column.offsets[r] : column.offsets[r + 1]].tolist() for a in (column.source, column.target)),
                strict=True,
            )
        }
        for column in (links, gold)
    )
    return 2 * len(found & right) / (len(found) + len(right))


def test_a_guide_teaches_a_toy_language(bert, tmp_path):
    """Random weights prefer equal places, of which none is right here; the guide has an F1 of 0.75."""
    pair, gold = toy()
    runtime = recipe.Runtime(device="cpu")
    settings = recipe.Align(
        aligner="awesome", model=str(bert), layer=2, tune=("self",), tune_guide="statistical", tune_steps=100,
        tune_rate=3e-3,
    )  # fmt: skip
    before = recipe.Align(aligner="awesome", model=str(bert), layer=2)
    untrained = hits(aligners.open(before, runtime=runtime).align(*pair, languages=LANGUAGES), gold)
    aligner = aligners.open(settings, runtime=runtime)
    assert aligner.needs_fit
    (tmp_path / "fit").mkdir()
    counts = aligner.fit([pair], languages=LANGUAGES, output=tmp_path / "fit")
    assert counts["loss.last"] < counts["loss.first"] - 0.3
    assert [path.name for path in tmp_path.iterdir()] == ["fit"]
    fitted = aligners.open(settings, fitted=tmp_path / "fit", runtime=runtime)
    found = hits(fitted.align(*pair, languages=LANGUAGES), gold)
    assert found > untrained + 0.3 and found > 0.6
