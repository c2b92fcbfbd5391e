"""The aligners on encoders: presets and what replaces them, AWESoME, M2M, blocks, counts, and where they run."""

import numpy as np
import pytest
import small_models
from scipy.special import softmax

from xproj import aligners, planning, recipe, stages
from xproj.aligners import encoder as module
from xproj.aligners import sides
from xproj.columns import TokenColumn
from xproj.errors import BackendError, RecipeError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LANGUAGES = ("eng_Latn", "swh_Latn")
PAIRS = [[list(side) for side in pair] for pair in small_models.bitext("swh_Latn")[:60]]


def columns(pairs):
    return [TokenColumn.of([pair[side] for pair in pairs]) for side in (0, 1)]


def links_of(aligner, pairs):
    """The links of each pair with their scores."""
    found = aligner.align(*columns(pairs), languages=LANGUAGES)
    ends = found.offsets
    triples = list(zip(found.source.tolist(), found.target.tolist(), found.score.tolist(), strict=True))
    return [{(i, j): s for i, j, s in triples[a:b]} for a, b in zip(ends[:-1], ends[1:], strict=True)]


def opened(folder, aligner="simalign", runtime=None, **settings):
    made = recipe.Align(aligner=aligner, model=str(folder), **{"layer": 2, **settings})
    return aligners.open(made, runtime=runtime or recipe.Runtime(device="cpu"))


def hidden(folder, words, layer=2, language=None):
    """Vectors of one sentence as plainly as can be, and the word of each."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder)
    if language:
        tokenizer.src_lang, model = language, model.get_encoder()
    given = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**given, output_hidden_states=True).hidden_states[layer][0, 1:-1]
    return states.numpy(), given.word_ids()[1:-1]


def awesome(x, y, of_x, of_y, threshold):
    """AWESoME in ten lines: mutual softmax of dot products, word pairs with the best harmonic mean."""
    products = x @ y.T
    p, q = softmax(products, axis=1), softmax(products, axis=0)
    found = {}
    for i, j in zip(*np.nonzero((p > threshold) & (q > threshold)), strict=True):
        score = 2 * p[i, j] * q[i, j] / (p[i, j] + q[i, j])
        link = of_x[i], of_y[j]
        found[link] = max(score, found.get(link, 0))
    return found


@pytest.mark.parametrize(("name", "kind", "threshold"), [("awesome", "bert", 0.001), ("labse", "xlmr", 0.1)])
def test_awesome_is_its_ten_lines(models_folder, name, kind, threshold):
    folder = getattr(small_models, kind)(models_folder)
    mine = links_of(opened(folder, name), PAIRS[:20])
    for (source, target), links in zip(PAIRS, mine, strict=False):
        (x, of_x), (y, of_y) = hidden(folder, source), hidden(folder, target)
        assert links == pytest.approx(awesome(x, y, of_x, of_y, threshold), abs=1e-5)


def test_a_translation_model_has_a_language_on_each_side(models_folder):
    """The package cannot load M2M: its extraction, on vectors that are encoded one sentence at a time."""
    package = pytest.importorskip("simalign").SentenceAligner
    folder = small_models.m2m(models_folder)
    found = links_of(opened(folder, extraction="itermax", layer=3), PAIRS[:10])
    mutual = links_of(opened(folder, "transalign", layer=3), PAIRS[:10])
    for pair, links, others in zip(PAIRS, found, mutual, strict=False):
        (x, of_x), (y, of_y) = (hidden(folder, s, 3, code) for s, code in zip(pair, LANGUAGES, strict=True))
        matrix = package.iter_max(package.get_similarity(x, y))
        assert set(links) == {(of_x[i], of_y[j]) for i, j in zip(*np.nonzero(matrix), strict=True)}
        assert others == pytest.approx(awesome(x, y, of_x, of_y, 0.001), abs=1e-5)


def test_the_presets_are_the_published_ones():
    found = {name: module.chosen(recipe.Align(aligner=name)) for name in module.PRESETS}
    parts = {name: (p.model.rpartition("/")[2], p.layer, p.extraction, p.threshold) for name, p in found.items()}
    assert parts == {
        "simalign": ("bert-base-multilingual-cased", 8, "itermax", 0.0),
        "awesome": ("bert-base-multilingual-cased", 8, "softmax", 0.001),
        "transalign": ("nllb-200-distilled-600M", 12, "softmax", 0.001),
        "labse": ("LaBSE", 6, "softmax", 0.1),
    }
    assert all(len(preset.revision) == 40 and preset.level == "subword" for preset in found.values())


def test_every_part_of_a_preset_can_be_replaced():
    parts = {"layer": 3, "extraction": "argmax", "threshold": 0.0, "level": "word", "revision": "c" * 40}
    found = module.chosen(recipe.Align(aligner="awesome", model="somebody/something", **parts))
    assert found == module.Preset(model="somebody/something", **parts)
    # another model does not have the commit of the preset's
    assert module.chosen(recipe.Align(aligner="awesome", model="somebody/something")).revision is None


def test_distortion_of_probabilities_is_refused():
    with pytest.raises(RecipeError, match="distortion weights similarities"):
        aligners.open(recipe.Align(aligner="awesome", distortion=0.5))


def test_only_simalign_has_a_package():
    with pytest.raises(RecipeError, match="there is none for aligner = 'awesome'"):
        aligners.open(recipe.Align(aligner="awesome", implementation="package"))


def test_opening_loads_no_model():
    assert not aligners.open(recipe.Align(aligner="labse")).needs_fit


@pytest.mark.parametrize("level", ["subword", "word"])
def test_the_same_whatever_the_blocks(models_folder, monkeypatch, level):
    """Sentences that come again in a later block are kept, or encoded again where there is no room."""
    folder = small_models.bert(models_folder)
    rng = np.random.default_rng(0)
    # each source sentence with several targets and the other way round, some rows twice
    pairs = [[PAIRS[a][0], PAIRS[b][1]] for a, b in rng.integers(0, 12, (80, 2))] + [[[], ["a"]], [["a"], []]]
    aligner = opened(folder, level=level)
    expected = links_of(aligner, pairs)
    seen = []
    monkeypatch.setattr(module, "BLOCK", 100)
    aligner.encoder.model.register_forward_pre_hook(lambda _, a, k: seen.append(len(k["input_ids"])), with_kwargs=True)
    same(links_of(aligner, pairs), expected)
    distinct = sum(len({tuple(pair[side]) for pair in pairs[:-2]}) for side in (0, 1))
    assert sum(seen) == distinct
    monkeypatch.setattr(sides, "KEPT", 3000)
    same(links_of(aligner, pairs), expected)
    assert sum(seen) > 2 * distinct


def same(rows, others, within=1e-5):
    for mine, theirs in zip(rows, others, strict=True):
        assert mine == pytest.approx(theirs, abs=within)


def test_what_is_counted(models_folder):
    aligner = opened(small_models.bert(models_folder))
    long = ["word"] * 150
    (first, second, _) = links_of(aligner, [[["a", "\u200b"], ["\u200b", "b"]], [["\u200b"], ["c"]], [long, ["a"]]])
    assert set(first) == {(0, 1)} and not second
    assert aligner.counts["words.without_subwords"] == 3 and aligner.counts["sentences.windowed"] == 1
    links_of(aligner, PAIRS[:2])
    assert set(aligner.counts.values()) == {0}


def test_the_stage_reports_the_counts(models_folder):
    import pyarrow as pa

    made = recipe.Align(aligner="simalign", model=str(small_models.bert(models_folder)), layer=2)
    stage = stages.STAGES["align"](recipe.Recipe(ingest=recipe.Ingest(), align=made, language="swh_Latn"))
    table = pa.table({"id": ["1"], "source_tokens": [["a", "\u200b"]], "target_tokens": [["b"]], "status": ["ok"]})
    assert stage.map(table).counts["words.without_subwords"] == 1


def test_batches_are_hashed_in_half_precision_only():
    def fingerprint(batch_tokens, **align):
        made = recipe.Recipe(
            ingest=recipe.Ingest(), align=recipe.Align(aligner="awesome", **align), language="swh_Latn",
            runtime=recipe.Runtime(batch_tokens=batch_tokens),
        )  # fmt: skip
        return planning.chain(made, {})["align"].provenance.fingerprint

    assert fingerprint(100) == fingerprint(200)
    assert fingerprint(100, dtype="bfloat16") != fingerprint(200, dtype="bfloat16")


def test_where_it_runs(models_folder):
    runtime = recipe.Runtime(device="cpu", batch_tokens=77)
    aligner = opened(small_models.bert(models_folder), runtime=runtime, dtype="bfloat16")
    assert aligner.encoder.settings.batch_tokens == 77 and aligner.encoder.settings.device == "cpu"
    assert aligner.encoder.model.dtype == torch.bfloat16


# --- links where the vectors are, vectors that are not finite, memory ---


@pytest.fixture
def in_torch(monkeypatch):
    """The path of a GPU, with tensors on the CPU; counts its blocks."""
    from xproj.aligners import extraction_torch

    blocks = []
    links_of_block = extraction_torch.links_of_block

    def counted(*given, **settings):
        blocks.append(given)
        assert isinstance(given[0], torch.Tensor) and isinstance(given[3], torch.Tensor)
        return links_of_block(*given, **settings)

    def switch():
        monkeypatch.setattr(module.EncoderAligner, "in_torch", True)
        monkeypatch.setattr(extraction_torch, "links_of_block", counted)
        return blocks

    return switch


@pytest.mark.parametrize("extraction", ["itermax", "argmax", "match", "softmax", "entmax"])
@pytest.mark.parametrize("level", ["subword", "word"])
def test_links_in_torch_are_those_of_numba(models_folder, monkeypatch, in_torch, extraction, level):
    distortion = 0.3 if extraction in ("itermax", "match") else 0.0
    aligner = opened(
        small_models.bert(models_folder), "awesome", extraction=extraction, level=level, distortion=distortion
    )
    # pairs that come again in later blocks
    pairs = [*PAIRS[:30], *([PAIRS[k][0], PAIRS[29 - k][1]] for k in range(20)), [[], ["a"]], [["\u200b", "b"], ["a"]]]
    expected = links_of(aligner, pairs)
    blocks = in_torch()
    monkeypatch.setattr(module, "BLOCK", 400)
    # dot products of other batches
    same(links_of(aligner, pairs), expected, within=1e-4)
    assert len(blocks) > 3 and sum(map(len, expected)) > 100


def overflowing(monkeypatch, aligner, words):
    """Vectors of these words become infinite, as in a number type that is too narrow."""
    encoder = aligner.encoder
    bad = encoder.pieces(TokenColumn.of([words])).ids.tolist()
    forward = encoder.model.forward

    def made(input_ids, **given):
        found = forward(input_ids=input_ids, **given)
        found.last_hidden_state[torch.isin(input_ids, torch.tensor(bad))] = torch.inf
        return found

    monkeypatch.setattr(encoder.model, "forward", made)


@pytest.mark.parametrize("torch_path", [False, True])
@pytest.mark.parametrize(("extraction", "level"), [("itermax", "subword"), ("softmax", "word"), ("match", "subword")])
def test_vectors_that_are_not_finite_are_no_units(models_folder, monkeypatch, in_torch, torch_path, extraction, level):
    aligner = opened(small_models.bert(models_folder), "awesome", extraction=extraction, level=level)
    if torch_path:
        in_torch()
    usual = links_of(aligner, PAIRS[:20])
    assert aligner.counts["sentences.not_finite"] == 0
    word = PAIRS[0][0][0]
    pieces = set(aligner.encoder.pieces(TokenColumn.of([[word]])).ids.tolist())
    overflowing(monkeypatch, aligner, [word])
    found = links_of(aligner, PAIRS[:20])
    hit = [
        [pieces & set(aligner.encoder.pieces(TokenColumn.of([side])).ids.tolist()) for side in pair]
        for pair in PAIRS[:20]
    ]
    assert aligner.counts["sentences.not_finite"] == sum(map(bool, (one for pair in hit for one in pair))) > 0
    assert not any(i == 0 for i, _ in found[0]) and found[0]
    same(*([links for links, sides in zip(rows, hit, strict=True) if not any(sides)] for rows in (found, usual)))


def test_a_stage_says_so(models_folder, monkeypatch):
    import pyarrow as pa

    made = recipe.Align(aligner="simalign", model=str(small_models.bert(models_folder)), layer=2, dtype="float16")
    runtime = recipe.Runtime(device="cpu")
    stage = stages.STAGES["align"](
        recipe.Recipe(ingest=recipe.Ingest(), align=made, language="swh_Latn", runtime=runtime)
    )
    with torch.no_grad():  # past 65504, where float16 ends
        stage._aligner.encoder.model.embeddings.LayerNorm.weight.fill_(6e4)
    table = pa.table({"id": ["1"], "source_tokens": [["a", "b"]], "target_tokens": [["b"]], "status": ["ok"]})
    mapped = stage.map(table)
    assert mapped.counts["sentences.not_finite"] == 2 and mapped.columns["links"].to_pylist() == [[]]
    (line,) = stage.remarks(mapped.counts)
    assert line.startswith("align: 2 sentences have vectors that are not finite") and "bfloat16" in line
    assert not stage.remarks(mapped.counts | {"sentences.not_finite": 0})


def test_a_block_that_does_not_fit_on_the_gpu(models_folder, monkeypatch, in_torch):
    from xproj.aligners import extraction_torch

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    aligner = opened(small_models.bert(models_folder))
    in_torch()
    monkeypatch.setattr(extraction_torch, "links_of_block", full)
    with pytest.raises(BackendError, match="the vectors of 5 sentence pairs do not fit on cpu; set runtime.device"):
        links_of(aligner, PAIRS[:5])
