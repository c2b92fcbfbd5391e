"""The package simalign behind our protocol, and our own implementation against it."""

import numpy as np
import pytest
import small_models

from xproj import aligners, recipe
from xproj.columns import TokenColumn
from xproj.errors import RecipeError

pytest.importorskip("simalign")
torch = pytest.importorskip("torch")
LANGUAGES = ("eng_Latn", "deu_Latn")
METHODS = ["argmax", "itermax", "forward", "reverse", "match"]
# as the package calls them
NAMES = dict(zip(METHODS, ["inter", "itermax", "fwd", "rev", "mwmf"], strict=True))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The package's threads fight for two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["bert", "xlmr"])
def model(request, models_folder):
    return str(getattr(small_models, request.param)(models_folder))


def fitting(count, longest=30):
    """Sample pairs that fit the limit of the small models."""
    pairs = [pair for pair in small_models.bitext() if max(map(len, pair)) <= longest]
    assert len(pairs) >= count
    return pairs[:count]


def align(pairs, encoder=None, **settings):
    """The aligner, the links of each pair, and the column; `encoder` is one that is loaded already."""
    settings = {"aligner": "simalign", **settings}
    aligner = aligners.open(recipe.Align(**settings), runtime=recipe.Runtime(device="cpu"))
    if encoder is not None:
        aligner.encoder = encoder
    source, target = (TokenColumn.of([pair[side] for pair in pairs]) for side in (0, 1))
    links = aligner.align(source, target, languages=LANGUAGES)
    found = list(zip(links.source.tolist(), links.target.tolist(), strict=True))
    return aligner, [found[a:b] for a, b in zip(links.offsets[:-1], links.offsets[1:], strict=True)], links


@pytest.fixture(scope="module")
def shared(model):
    """Our own encoder of layer 2, loaded once."""
    return aligners.open(
        recipe.Align(aligner="simalign", model=model, layer=2), runtime=recipe.Runtime(device="cpu")
    ).encoder


@pytest.mark.parametrize("level", ["subword", "word"])
def test_own_links_are_those_of_the_package(model, shared, level):
    pairs = fitting(300)
    settings = {"model": model, "layer": 2, "level": level}
    package = align([], implementation="package", **settings)[0].package
    # all methods of one encoding; the matching of networkx is slow
    for methods, some in ((METHODS[:4], pairs), (METHODS[4:], fitting(40, longest=15))):
        package.matching_methods = [NAMES[method] for method in methods]
        theirs = [package.get_word_aligns(source, target) for source, target in some]
        for method in methods:
            mine = align(some, encoder=shared, extraction=method, **settings)[1]
            assert mine == [links[NAMES[method]] for links in theirs] and all(mine)


@pytest.mark.parametrize("method", METHODS)
def test_the_package_behind_the_protocol(model, shared, method):
    settings = {"model": model, "layer": 2, "extraction": method}
    pairs = fitting(8, longest=15)
    aligner, theirs, _ = align(pairs, implementation="package", **settings)
    assert align(pairs, encoder=shared, **settings)[1] == theirs and all(theirs)
    assert aligner.counts == {"words.without_subwords": 0, "pairs.past_limit": 0}


def test_distortion(model):
    settings = {"model": model, "layer": 1, "distortion": 0.5, "extraction": "argmax"}
    pairs = fitting(20)
    straight = align(pairs, **(settings | {"distortion": 0.0}))[1]
    assert align(pairs, implementation="package", **settings)[1] == align(pairs, **settings)[1] != straight


def test_rows_that_the_package_cannot_do(model):
    long = ["word"] * 200
    pairs = [
        ([], []),
        (None, ["eins"]),
        (["one"], []),
        (["one"], ["eins"]),
        (["\u200b"], ["\u200b"]),
        (["\u200b", "one", "two"], ["eins", "\u200b", "zwei"]),
        (long, ["Wort"]),
        (["one", "two"], ["eins", "zwei"]),
    ]
    for level in ("subword", "word"):
        aligner, rows, links = align(
            pairs, implementation="package", model=model, layer=1, extraction="argmax", level=level
        )
        assert [bool(row) for row in rows] == [False, False, False, True, False, True, False, True]
        assert rows[5] == [(i + 1, j + (j > 0)) for i, j in rows[7]]
        assert aligner.counts == {"words.without_subwords": 4, "pairs.past_limit": 1}
        assert links.valid.tolist() == [True, False, *[True] * 6] and (links.score == 1).all()
        assert [part.dtype for part in (links.source, links.target, links.score)] == [np.int32, np.int32, np.float32]


def test_no_rows(model):
    assert align([], implementation="package", model=model)[1] == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"extraction": "softmax"}, "cannot do extraction = 'softmax'; set one of argmax"),
        ({"threshold": 0.5}, "cannot do a threshold"),
        ({"dtype": "bfloat16"}, "cannot do dtype = 'bfloat16'"),
        ({"layer": 9}, "layer = 9: .* has 3 layers; set a layer from 0 to 3"),
    ],
)
def test_what_the_package_cannot_do(settings, message, models_folder):
    model = str(small_models.bert(models_folder))
    with pytest.raises(RecipeError, match=message) as raised:
        align([(["a"], ["b"])], implementation="package", **({"model": model} | settings))
    assert "\n" not in str(raised.value)


def test_a_model_with_a_decoder(models_folder):
    model = str(small_models.m2m(models_folder))
    with pytest.raises(RecipeError, match="cannot do model .* which has a decoder"):
        align([(["a"], ["b"])], implementation="package", model=model)


def one_by_one(path, words, layer, language=None):
    """Hidden states of one sentence without special sub-words, by the whole encoder, and the word of each."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, whole = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()
    found = []
    for sentence in words:
        if language:
            tokenizer.src_lang = language
        given = tokenizer(sentence, is_split_into_words=True, return_tensors="pt")
        encoder = whole.get_encoder() if whole.config.is_encoder_decoder else whole
        with torch.no_grad():
            hidden = encoder(**given, output_hidden_states=True).hidden_states[layer][0, 1:-1]
        found.append((hidden.numpy(), np.array(given.word_ids()[1:-1])))
    return found


def test_m2m_links_are_those_of_the_package_functions(models_folder):
    from simalign import SentenceAligner as Package

    path = str(small_models.m2m(models_folder))
    # German alone, as the codes of both languages go to the tokenizer
    pairs = [pair for pair in small_models.bitext("deu_Latn") if max(map(len, pair)) <= 20][:60]
    sides = [one_by_one(path, [p[k] for p in pairs], 2, language) for k, language in enumerate(LANGUAGES)]
    for method in METHODS[:4]:
        rows = align(pairs, aligner="transalign", model=path, layer=2, extraction=method, threshold=0.0)[1]
        for mine, (x, heads), (y, tails) in zip(rows, *sides, strict=True):
            similarity = Package.get_similarity(x, y)
            forward, reverse = Package.get_alignment_matrix(similarity)
            cells = {"argmax": forward * reverse, "forward": forward, "reverse": reverse}.get(method)
            i, j = np.nonzero(Package.iter_max(similarity) if cells is None else cells)
            assert mine == sorted(set(zip(heads[i].tolist(), tails[j].tolist(), strict=True)))


@pytest.mark.parametrize("threshold", [0.001, 0.1])
def test_awesome_links_are_those_of_ten_lines(model, threshold):
    pairs = fitting(60, longest=20)
    sides = [one_by_one(model, [p[k] for p in pairs], 2) for k in (0, 1)]
    rows = align(pairs, aligner="awesome", model=model, layer=2, threshold=threshold)[1]
    assert any(rows)
    for mine, (x, heads), (y, tails) in zip(rows, *sides, strict=True):
        products = torch.from_numpy(x @ y.T)
        both = (products.softmax(-1) > threshold) & (products.softmax(-2) > threshold)
        i, j = (part.tolist() for part in torch.nonzero(both, as_tuple=True))
        assert mine == sorted(set(zip(heads[i].tolist(), tails[j].tolist(), strict=True)))
