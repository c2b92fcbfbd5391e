"""The encoder: the right vectors, whatever the batch, the length and the language."""

import shutil

import numpy as np
import pytest
import small_models
from hypothesis import given
from hypothesis import strategies as st

from xproj import encoders
from xproj.columns import TokenColumn
from xproj.encoders import EncoderSettings
from xproj.errors import BackendError, RecipeError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from xproj.encoders import network  # noqa: E402

KINDS = ["bert", "xlmr", "m2m"]
LANGUAGE = "deu_Latn"
SENTENCES = [list(words) for _, words in small_models.bitext("deu_Latn")[:40]]


@pytest.fixture(scope="module", params=KINDS)
def folder(request, models_folder):
    return getattr(small_models, request.param)(models_folder)


def opened(folder, **settings):
    return encoders.open(EncoderSettings(str(folder), device="cpu", **settings))


def plain(folder, words, layer):
    """Hidden states of one sentence from the whole model, without special sub-words."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder)
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    if model.config.is_encoder_decoder:
        tokenizer.src_lang = LANGUAGE
    given = tokenizer(words, is_split_into_words=True, return_tensors="pt", return_special_tokens_mask=True)
    special = given.pop("special_tokens_mask")[0].bool()
    with torch.inference_mode():
        hidden = encoder(**given, output_hidden_states=True).hidden_states[layer]
    return hidden[0][~special].numpy(), [word for word in given.word_ids() if word is not None]


@pytest.mark.parametrize("layer", [0, 1, 2, 3, None])
def test_the_cut_model_gives_the_hidden_states_of_the_whole_one(folder, layer):
    encoder = opened(folder, layer=layer)
    found = encoder.encode(TokenColumn.of(SENTENCES[:3]), language=LANGUAGE)
    for row, words in enumerate(SENTENCES[:3]):
        vectors, of_words = plain(folder, words, 3 if layer is None else layer)
        here = slice(found.offsets[row], found.offsets[row + 1])
        np.testing.assert_allclose(found.vectors[here], vectors, atol=1e-5)
        assert found.words[here].tolist() == of_words
    assert found.vectors.dtype == np.float32 and found.words.dtype == np.int32


def test_layers_above_are_not_there(folder):
    few, all_of_them = opened(folder, layer=1), opened(folder)
    layers = [
        sum("self_attn" in n or "attention.self" in n for n, _ in e.model.named_modules()) for e in (few, all_of_them)
    ]
    assert layers[1] == 3 * layers[0] > 0
    assert few.model.config._attn_implementation == "sdpa"
    assert not any("decoder" in name or "pooler" in name for name, _ in few.model.named_modules())
    assert not few.model.training and not any(p.requires_grad for p in few.model.parameters())


def test_the_same_whatever_the_batch(folder):
    long = ["word", "und"] * 200
    rows = [*SENTENCES, long, [], ["\u200b"], SENTENCES[0], long]
    column = TokenColumn.of(rows)
    together = opened(folder).encode(column, language=LANGUAGE)
    small = opened(folder, batch_tokens=30)
    alone = [small.encode(TokenColumn.of([row]), language=LANGUAGE) for row in rows]
    np.testing.assert_allclose(together.vectors, np.concatenate([one.vectors for one in alone]), atol=1e-5)
    assert together.words.tolist() == [word for one in alone for word in one.words]
    assert np.isfinite(together.vectors).all() and small.windowed == 2


def cheapest(widths, tokens, overhead):
    """The least cost of cutting sorted rows into batches, by trying all."""
    if not widths:
        return 0
    rows = range(1, len(widths) + 1)
    return min(
        size * widths[0] + overhead + cheapest(widths[size:], tokens, overhead)
        for size in rows
        if size == 1 or size * widths[0] <= tokens
    )


@given(st.lists(st.integers(1, 40), max_size=9), st.integers(0, 4), st.sampled_from([1, 60, 200]), st.integers(0, 60))
def test_batches_are_the_cheapest(lengths, extra, tokens, overhead):
    lengths = np.array(lengths, dtype=np.int64)
    found = list(network.batches(lengths, extra, tokens, overhead))
    assert sorted(row for batch in found for row in batch.tolist()) == list(range(len(lengths)))
    widths = [int(lengths[batch].max()) + extra for batch in found]
    sizes = [len(batch) for batch in found]
    assert all(size == 1 or size * width <= tokens for size, width in zip(sizes, widths, strict=True))
    cost = sum(size * width + overhead for size, width in zip(sizes, widths, strict=True))
    assert cost == cheapest(sorted((lengths + extra).tolist(), reverse=True), tokens, overhead)


def test_equal_sentences_are_encoded_once(folder):
    encoder = opened(folder)
    seen = []
    encoder.model.register_forward_pre_hook(lambda _, a, k: seen.append(len(k["input_ids"])), with_kwargs=True)
    encoder.encode(TokenColumn.of(SENTENCES[:3] * 4), language=LANGUAGE)
    assert sum(seen) == 3


def test_windows(folder):
    """Vectors of a long sentence are those of its windows, each encoded as a sentence."""
    from xproj.encoders.windows import windows

    encoder = opened(folder)
    words = [word for sentence in SENTENCES[:20] for word in sentence]
    pieces = encoder.pieces(TokenColumn.of([words]))
    assert pieces.lengths[0] > 2 * encoder.limit
    found = encoder.encode(TokenColumn.of([words]), language=LANGUAGE)
    borders = np.append(np.flatnonzero(np.diff(pieces.words, prepend=-1)), len(pieces.words))
    for window in windows(np.bincount(pieces.words), encoder.limit):
        first, last = pieces.words[window.start], pieces.words[window.end - 1] + 1
        assert {window.start, window.end} <= set(borders.tolist())
        part = encoder.encode(TokenColumn.of([words[first:last]]), language=LANGUAGE)
        kept = slice(window.first - window.start, window.last - window.start)
        np.testing.assert_allclose(found.vectors[window.first : window.last], part.vectors[kept], atol=1e-5)


def test_a_sentence_that_just_fits_is_whole(folder):
    encoder = opened(folder)
    assert encoder.limit == 126
    word = next(w for w in SENTENCES[0] if encoder.pieces(TokenColumn.of([[w]])).lengths[0] == 1)
    for count, windowed in ((encoder.limit, 0), (encoder.limit + 1, 1)):
        found = encoder.encode(TokenColumn.of([[word] * count]), language=LANGUAGE)
        assert len(found.vectors) == count and encoder.windowed == windowed


def test_words_without_sub_words_and_words_past_a_window(models_folder):
    encoder = opened(small_models.bert(models_folder))
    found = encoder.encode(TokenColumn.of([["a", "\u200b", "b"], ["\u200b"], None]), language="und")
    assert found.words.tolist() == [0, 2] and found.offsets.tolist() == [0, 2, 2, 2] and encoder.wordless == 2
    small = opened(small_models.bert(models_folder, max_length=16))
    found = small.encode(TokenColumn.of([["ab" * 30, "a"]]), language="und")
    assert small.cut_words == 1 and found.words.tolist() == [0] * 14 + [1] and small.windowed == 1


def test_nothing_to_encode(folder):
    found = opened(folder).encode(TokenColumn.of([]), language=LANGUAGE)
    assert found.offsets.tolist() == [0] and found.vectors.shape == (0, 64)


# --- languages ---


def test_a_translation_model_sees_the_language(models_folder):
    encoder = opened(small_models.m2m(models_folder))
    column = TokenColumn.of(SENTENCES[:2])
    german, swahili = (encoder.encode(column, language=code).vectors for code in ("deu_Latn", "swh_Latn"))
    assert np.abs(german - swahili).max() > 1e-3
    ids = [encoder.special(code)[0] for code in ("deu_Latn", "swh_Latn")]
    assert encoder.tokenizer.convert_ids_to_tokens([one for (one,) in ids]) == ["deu_Latn", "swh_Latn"]


@pytest.mark.parametrize(("code", "what"), [("bar_Latn", "unknown language"), ("und", "no language is named")])
def test_an_unknown_language_is_refused_before_the_first_batch(models_folder, code, what):
    encoder = opened(small_models.m2m(models_folder))
    encoder.model.register_forward_pre_hook(lambda *_: pytest.fail("a batch ran"))
    with pytest.raises(RecipeError, match=what):
        encoder.encode(TokenColumn.of(SENTENCES), language=code)


def test_a_code_that_is_not_in_the_tokenizer(models_folder, monkeypatch):
    encoder = opened(small_models.m2m(models_folder))
    monkeypatch.setattr(encoder.tokenizer, "get_vocab", dict)
    with pytest.raises(RecipeError, match="'deu_Latn' is not in its tokenizer") as raised:
        encoder.special("deu_Latn")
    assert "\n" not in str(raised.value)


def test_other_models_do_not_look_at_the_language(models_folder):
    encoder = opened(small_models.xlmr(models_folder))
    column = TokenColumn.of(SENTENCES[:2])
    both = [encoder.encode(column, language=code).vectors for code in ("und", "swh_Latn")]
    assert np.array_equal(*both)


# --- where it runs ---


def test_half_precision(folder):
    column = TokenColumn.of(SENTENCES[:4])
    whole = opened(folder).encode(column, language=LANGUAGE).vectors
    half = opened(folder, dtype="bfloat16").encode(column, language=LANGUAGE).vectors
    assert half.dtype == np.float32 and 0 < np.abs(half - whole).max() < 0.5


def test_a_batch_that_is_too_large_for_the_gpu_is_halved(folder, monkeypatch):
    encoder = opened(folder)
    column = TokenColumn.of(SENTENCES[:20])
    before = encoder.encode(column, language=LANGUAGE).vectors
    forward = encoder.model.forward

    def small(input_ids, **given):
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(input_ids=input_ids, **given)

    monkeypatch.setattr(encoder.model, "forward", small)
    np.testing.assert_allclose(encoder.encode(column, language=LANGUAGE).vectors, before, atol=1e-5)
    assert encoder.halved > 0

    def full(**given):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(encoder.model, "forward", full)
    with pytest.raises(BackendError, match="does not fit on cpu; set runtime.device") as raised:
        encoder.encode(column, language=LANGUAGE)
    assert "\n" not in str(raised.value)


# --- what cannot be loaded: one line each ---


def one_line(error, match, **settings):
    with pytest.raises(error, match=match) as raised:
        encoders.open(EncoderSettings(**{"device": "cpu", **settings}))
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


@pytest.mark.parametrize("device", ["cuda:7", "abacus"])
def test_no_such_device(models_folder, device):
    one_line(BackendError, f"device = '{device}'", model=str(small_models.bert(models_folder)), device=device)


def test_no_such_layer(folder):
    one_line(RecipeError, "layer = 8: the model .* has 3 layers; set a layer from 0 to 3", model=str(folder), layer=8)


def test_no_such_folder(tmp_path):
    one_line(BackendError, "no such folder", model=str(tmp_path / "nothing"))
    one_line(BackendError, "no config.json", model=str(tmp_path))


def test_damaged_folders(models_folder, tmp_path):
    folder = small_models.bert(models_folder)
    for name, damage, match in (
        ("none", lambda f: (f / "model.safetensors").unlink(), "cannot be loaded"),
        ("json", lambda f: (f / "config.json").write_text("{"), "cannot be loaded|no tokenizer"),
    ):
        shutil.copytree(folder, tmp_path / name)
        damage(tmp_path / name)
        one_line(BackendError, match, model=str(tmp_path / name))


def test_missing_weights_are_not_made_up(models_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(small_models.bert(models_folder), tmp_path / "bert")
    weights = load_file(tmp_path / "bert" / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layer.1.output" not in name}
    save_file(kept, tmp_path / "bert" / "model.safetensors", metadata={"format": "pt"})
    one_line(BackendError, "lacks weights .*layer.1.output", model=str(tmp_path / "bert"))
    opened(tmp_path / "bert", layer=1)


# --- hub names ---

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty cache of hub models, and no network."""
    import huggingface_hub

    def snapshot(*given, cache_dir=None, real=huggingface_hub.snapshot_download, **settings):
        return real(*given, cache_dir=tmp_path, **settings)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return tmp_path


def test_a_hub_name_needs_a_commit(hub):
    one_line(RecipeError, "a hub name alone is not reproducible; add revision", model="somebody/something")
    one_line(RecipeError, "revision = 'main' is not reproducible", model="somebody/something", revision="main")


def test_a_hub_model_that_is_not_there(hub):
    one_line(BackendError, "not in the cache and not to be had", model="somebody/something", revision=COMMIT)


def test_a_hub_model_in_the_cache(hub, models_folder):
    folder = small_models.bert(models_folder)
    snapshot = hub / "models--somebody--something" / "snapshots" / COMMIT
    shutil.copytree(folder, snapshot)
    encoder = opened("somebody/something", revision=COMMIT)
    column = TokenColumn.of(SENTENCES[:2])
    mine, theirs = (e.encode(column, language="und").vectors for e in (encoder, opened(folder)))
    assert np.array_equal(mine, theirs)
