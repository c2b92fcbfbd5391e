"""The translator `nllb` on a small model that was trained on the sample corpus: two engines, one behaviour."""

import shutil

import numpy as np
import pytest
import small_models
from hypothesis import given
from hypothesis import strategies as st

from xproj import recipe, translators
from xproj.errors import BackendError, RecipeError
from xproj.translators import conversion, engines
from xproj.translators.nllb import batches

LANGUAGES = {"source": "eng_Latn", "target": "deu_Latn"}
ENGINES = ("hf", "ct2")


def opened(model, runtime=None, **settings):
    settings = recipe.Translate(translator="nllb", model=str(model), **({"max_length": 60, "beam": 1} | settings))
    return translators.open("nllb", str(model), settings=settings, runtime=runtime)


@pytest.fixture(scope="module")
def pair(translator_model):
    """The same model in both engines, greedy."""
    return {engine: opened(translator_model, engine=engine) for engine in ENGINES}


@pytest.fixture(scope="module")
def examples():
    found = small_models.translator_examples()
    return [x for x, _, a, _ in found if a == "eng_Latn"], [y for _, y, a, _ in found if a == "eng_Latn"]


@pytest.fixture(scope="module")
def unseen():
    """English sentences that the model was not trained on."""
    known = {x for x, *_ in small_models.translator_examples()}
    texts = [" ".join(words) for words, _ in small_models.bitext("deu_Latn")[60:80]]
    return [text for text in texts if text not in known]


def words_of(rows):
    return [row[0].text for row in rows]


@pytest.mark.parametrize("engine", ENGINES)
def test_it_translates_what_it_has_learnt(pair, examples, engine):
    texts, expected = examples
    assert words_of(pair[engine].translate(texts, **LANGUAGES)) == expected


def test_engines_agree(pair, unseen):
    ours, theirs = (pair[engine].translate(unseen, **LANGUAGES) for engine in ENGINES)
    assert words_of(ours) == words_of(theirs)
    assert [row[0].score for row in ours] == pytest.approx([row[0].score for row in theirs], abs=1e-4)
    assert [row[0].status for row in ours] == [row[0].status for row in theirs]


def test_beams_of_both_engines_are_worth_the_same(translator_model, unseen):
    """transformers may stop a beam where CTranslate2 searches on, so that a text in twenty ends otherwise."""
    both = [opened(translator_model, engine=engine, beam=4) for engine in ENGINES]
    ours, theirs = ([row[0] for row in one.translate(unseen, **LANGUAGES)] for one in both)
    same = [a.text == b.text for a, b in zip(ours, theirs, strict=True)]
    assert np.mean(same) > 0.7
    for a, b, equal in zip(ours, theirs, same, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-4 if equal else 0.05)
        assert not equal or a.status == b.status


def test_generated_subwords_are_identical(pair, unseen):
    found = []
    for translator in pair.values():
        codes = translator.subwords.languages("eng_Latn", "deu_Latn")
        sources = translator.subwords.encode(unseen, codes)
        given = {"code": codes.target, "beam": 1, "length_penalty": 1.0, "limit": 40}
        found.append([one.ids for (one,) in translator._engine.generate(sources, **given)])
    assert found[0] == found[1]


def test_int8_agreement(translator_model, pair, examples, record_property):
    int8 = opened(translator_model, engine="ct2", compute_type="int8")
    texts = examples[0]
    both = zip(
        words_of(int8.translate(texts, **LANGUAGES)), words_of(pair["ct2"].translate(texts, **LANGUAGES)), strict=True
    )
    pairs = [(a.split(), b.split()) for a, b in both]
    same = sum(x == y for a, b in pairs for x, y in zip(a, b, strict=False)) / sum(len(b) for _, b in pairs)
    record_property("int8 token agreement", round(same, 3))
    assert same > 0.9


def reference_scores(model, sources, targets):
    """Mean log-probabilities, a pair at a time, by the logits of transformers."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    network, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)
    code = tokenizer.convert_tokens_to_ids("deu_Latn")
    tokenizer.src_lang = "eng_Latn"
    found = []
    for source, target in zip(sources, targets, strict=True):
        ids = [code, *tokenizer(target, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        given = torch.tensor([[network.config.decoder_start_token_id, *ids[:-1]]])
        with torch.inference_mode():
            logits = network(**tokenizer(source, return_tensors="pt"), decoder_input_ids=given).logits[0].double()
        chosen = logits.log_softmax(-1)[range(len(ids)), ids]
        found.append(float(chosen[1:].mean()))
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_scores_are_those_of_plain_forced_decoding(pair, translator_model, unseen, engine):
    targets = ["Ist das Kunst ?", "", "Zu viel", *unseen[3:]]
    found = pair[engine].score(unseen, targets, **LANGUAGES)
    assert found.dtype == np.float32
    assert found == pytest.approx(reference_scores(translator_model, unseen, targets), abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("beam", [1, 4])
def test_a_translation_scores_what_it_is_scored(translator_model, examples, engine, beam):
    translator = opened(translator_model, engine=engine, beam=beam)
    rows = translator.translate(examples[0], **LANGUAGES)
    scores = translator.score(examples[0], words_of(rows), **LANGUAGES)
    assert scores == pytest.approx([row[0].score for row in rows], abs=1e-4)


def test_a_pair_past_the_limit_has_no_probability(pair):
    for translator in pair.values():
        scores = translator.score(["word " * 500, "Is that art ?"], ["Kunst", "word " * 500], **LANGUAGES)
        assert np.isneginf(scores).all()


def test_batches_change_nothing(translator_model, pair, unseen):
    together = pair["hf"].translate(unseen, **LANGUAGES)
    small = opened(translator_model, recipe.Runtime(batch_tokens=40), engine="hf")
    alone = small.translate(unseen, **LANGUAGES)
    assert words_of(alone) == words_of(together)
    assert [row[0].score for row in alone] == pytest.approx([row[0].score for row in together], abs=1e-5)


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 100), st.integers(1, 50), st.sampled_from([0, 2]))
def test_batches(lengths, tokens, rows, each):
    lengths = sorted(lengths, reverse=True)
    found = list(batches(lengths, tokens, rows, each))
    assert [row for batch in found for row in batch] == list(range(len(lengths)))
    for batch in found:
        longest = max(1, lengths[batch[0]])
        assert len(batch) == 1 or len(batch) * longest <= tokens
        assert len(batch) == 1 or len(batch) * (longest + each if each else 1) <= rows


def spied(translator, monkeypatch, most=10**9):
    """What the engine is asked for; it is out of memory above `most` rows."""
    seen = []
    generate = translator._engine.generate

    def spy(sources, **settings):
        if len(sources) > most:
            raise engines.OutOfMemory
        seen.append(len(sources))
        return generate(sources, **settings)

    monkeypatch.setattr(translator._engine, "generate", spy)
    monkeypatch.setattr(translator._engine, "forget", lambda: None)
    return seen


def test_duplicates_are_translated_once(pair, monkeypatch):
    seen = spied(pair["hf"], monkeypatch)
    rows = pair["hf"].translate(["Is that art ?", "Is that art ? Is that art ?", "Is that art ?"], **LANGUAGES)
    assert seen == [1]
    assert words_of(rows) == ["Ist das Kunst ?", "Ist das Kunst ? Ist das Kunst ?", "Ist das Kunst ?"]
    assert pair["hf"].counts["sentences"] == 4 and pair["hf"].counts["sentences.distinct"] == 1


def test_sentences_go_one_by_one(pair, examples):
    texts, expected = examples[0][:3], examples[1][:3]
    (row,) = pair["ct2"].translate([f" {texts[0]}\n{texts[1]}  {texts[2]} \u200b"], **LANGUAGES)
    one = row[0]
    assert one.text == " ".join(expected)
    assert [one.text[part.start : part.end] for part in one.parts] == expected
    singles = [pair["ct2"].translate([text], **LANGUAGES)[0][0] for text in texts]
    lengths = [len(pair["ct2"].subwords.encode_targets([text])[0]) + 1 for text in expected]
    total = sum(single.score * n for single, n in zip(singles, lengths, strict=True))
    assert one.score == pytest.approx(total / sum(lengths), abs=1e-4)


def test_a_long_sentence_goes_in_pieces(pair):
    (row,) = pair["ct2"].translate(["one two three four , " * 30], **LANGUAGES)
    assert len(row[0].parts) >= 4 and pair["ct2"].counts["sentences.cut"] == 1


def test_a_batch_that_does_not_fit_is_halved(pair, unseen, monkeypatch):
    expected = pair["hf"].translate(unseen, **LANGUAGES)
    seen = spied(pair["hf"], monkeypatch, most=3)
    assert words_of(pair["hf"].translate(unseen, **LANGUAGES)) == words_of(expected)
    assert max(seen) <= 3 and pair["hf"].counts["batches.halved"] > 0
    spied(pair["hf"], monkeypatch, most=0)
    with pytest.raises(BackendError, match="does not fit on the device"):
        pair["hf"].translate(unseen, **LANGUAGES)


def test_n_best_needs_a_beam(pair):
    with pytest.raises(RecipeError, match="set a wider one"):
        pair["hf"].translate(["a"], **LANGUAGES, n_best=2)
    with pytest.raises(RecipeError, match="beam"):
        recipe.parse({"ingest": {"path": "x"}, "translate": {"translator": "nllb", "model": "m", "n_best": 9}}, "x")


def test_output_at_the_limit_is_too_long(translator_model, unseen):
    translator = opened(translator_model, engine="hf", max_length=8)
    rows = translator.translate(unseen, **LANGUAGES)
    assert "translation_too_long" in {row[0].status for row in rows}


def test_an_unknown_language_is_refused_before_the_first_batch(pair, monkeypatch):
    seen = spied(pair["hf"], monkeypatch)
    for languages in ({"source": "frp_Latn", "target": "deu_Latn"}, {"source": "eng_Latn", "target": "frp_Latn"}):
        with pytest.raises(RecipeError, match=r"no code for frp_Latn \(Arpitan\); the nearest of its 202 are f"):
            pair["hf"].translate(["Is that art ?"], **languages)
    assert seen == []


def test_a_tokenizer_without_codes_or_of_another_model_is_refused(translator_model, models_folder, tmp_path):
    with pytest.raises(BackendError, match="set tokenizer to that of the base model"):
        opened(translator_model, engine="hf", tokenizer=str(small_models.xlmr(models_folder)))
    with pytest.raises(BackendError, match="no known translation model"):
        opened(small_models.xlmr(models_folder), engine="hf")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_tokenizer_may_be_elsewhere(translator_model, tmp_path, engine, examples):
    model, tokenizer = tmp_path / "model", tmp_path / "tokenizer"
    shutil.copytree(translator_model, model)
    tokenizer.mkdir()
    for path in model.iterdir():
        if path.name not in ("config.json", "generation_config.json", "model.safetensors"):
            path.rename(tokenizer / path.name)
    translator = opened(model, engine=engine, tokenizer=str(tokenizer))
    assert words_of(translator.translate(examples[0][:2], **LANGUAGES)) == examples[1][:2]


def test_legacy_order_and_self_test(translator_model, pair):
    legacy = opened(translator_model, engine="hf", legacy_behaviour=True)
    (new,), (old,) = (t.subwords.encode(["art"], t.subwords.languages(**LANGUAGES)) for t in (pair["hf"], legacy))
    assert new[1:] + new[:1] == old
    found, swapped = pair["hf"].self_test(**LANGUAGES), legacy.self_test(**LANGUAGES)
    assert found["self_test.markers"] == 5 == swapped["self_test.markers"]
    assert found["self_test.kept"] == swapped["self_test.kept_otherwise"]
    assert not pair["hf"].subwords.legacy and legacy.subwords.legacy


def test_a_model_is_converted_once(translator_model, monkeypatch, tmp_path):
    monkeypatch.setenv("XPROJ_CACHE", str(tmp_path))
    made = []
    convert = conversion._convert
    monkeypatch.setattr(conversion, "_convert", lambda *args: (made.append(args), convert(*args)))
    first = conversion.converted(translator_model, translator_model, "m", compute_type="float32")
    assert conversion.converted(translator_model, translator_model, "m", compute_type="float32") == first
    other = conversion.converted(translator_model, translator_model, "m", compute_type="int8")
    assert len(made) == 2 and other != first
    assert {path.name for path in (tmp_path / "ct2").iterdir()} <= {first.name, other.name, "hashes.json"}


def test_a_failed_conversion_leaves_nothing(models_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("XPROJ_CACHE", str(tmp_path))
    model = tmp_path / "model"
    shutil.copytree(small_models.m2m(models_folder), model)
    (model / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(BackendError, match="engine = 'hf'"):
        conversion.converted(model, model, "m", compute_type="float32")
    with pytest.raises(BackendError, match="cannot be loaded"):
        opened(model, engine="hf")
    assert [path.name for path in (tmp_path / "ct2").iterdir() if path.name != "hashes.json"] == []


def test_engines_are_chosen_honestly(monkeypatch):
    assert engines.resolve("auto", "float32", "cpu") == "ct2" == engines.resolve("ct2", "int8", "cpu")
    with pytest.raises(RecipeError, match="compute_type = 'int8' is of engine = 'ct2'"):
        engines.resolve("hf", "int8", "cpu")
    with pytest.raises(BackendError, match="has no float16 on this cpu; set one of"):
        engines.resolve("ct2", "float16", "cpu")
    assert engines.resolve("auto", "float16", "cpu") == "hf"
    import ctranslate2

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(engines, "CUBLAS", "libno.so.12")
    assert engines.resolve("auto", "float32", "cuda") == "hf"
    with pytest.raises(BackendError, match="pip install nvidia-cublas-cu12"):
        engines.resolve("ct2", "float32", "cuda")
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert engines.resolve("auto", "float32", "cpu") == "hf"
    with pytest.raises(BackendError, match=r"pip install 'xproj\[ct2\]'"):
        engines.resolve("auto", "int8", "cpu")
