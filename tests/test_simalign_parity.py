"""Our SimAlign on small models against the `simalign` package: every method, both token types, whatever the batch."""

import numpy as np
import pytest
import small_models

from xproj import aligners, recipe
from xproj.columns import TokenColumn

simalign = pytest.importorskip("simalign")

LANGUAGES = ("eng_Latn", "deu_Latn")
LIMIT = 126
PAIRS, MATCHED = 300, 40
METHODS = {"inter": "argmax", "itermax": "itermax", "fwd": "forward", "rev": "reverse"}


@pytest.fixture(scope="module", params=["bert", "xlmr"])
def folder(request, models_folder):
    return getattr(small_models, request.param)(models_folder)


@pytest.fixture(scope="module")
def pairs(folder):
    """Pairs of the sample corpus that fit into the model, the shortest ones first."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = {}
    for pair in small_models.bitext():
        lengths = [sum(len(tokenizer.tokenize(word)) for word in side) for side in pair]
        if max(lengths) <= LIMIT:
            found[pair_key(pair)] = (sum(lengths), [list(side) for side in pair])
    chosen = list(found.values())[:PAIRS]
    return [pair for _, pair in sorted(chosen, key=lambda item: item[0])]


def pair_key(pair):
    return tuple(map(tuple, pair))


def ours(folder, pairs, batch_tokens=16384, **settings):
    made = recipe.Align(aligner="simalign", model=str(folder), layer=2, **settings)
    runtime = recipe.Runtime(device="cpu", batch_tokens=batch_tokens)
    columns = [TokenColumn.of([pair[side] for pair in pairs]) for side in (0, 1)]
    links = aligners.open(made, runtime=runtime).align(*columns, languages=LANGUAGES)
    cuts = links.offsets[1:-1]
    sides = (np.split(side, cuts) for side in (links.source, links.target))
    return [list(zip(i.tolist(), j.tolist(), strict=True)) for i, j in zip(*sides, strict=True)]


@pytest.mark.parametrize(("token_type", "level"), [("bpe", "subword"), ("word", "word")])
def test_the_links_of_the_package(folder, pairs, token_type, level):
    assert len(pairs) == PAIRS
    package = simalign.SentenceAligner(str(folder), token_type=token_type, matching_methods="aifr", layer=2)
    theirs = [package.get_word_aligns(*pair) for pair in pairs]
    for name, extraction in METHODS.items():
        expected = [links[name] for links in theirs]
        assert ours(folder, pairs, extraction=extraction, level=level) == expected
    assert ours(folder, pairs[::-1], batch_tokens=50, extraction="itermax", level=level) == [
        links["itermax"] for links in theirs[::-1]
    ]


@pytest.mark.parametrize(("token_type", "level"), [("bpe", "subword"), ("word", "word")])
def test_match_and_distortion(folder, pairs, token_type, level):
    few = pairs[:MATCHED]
    package = simalign.SentenceAligner(str(folder), token_type, matching_methods="m", layer=2)
    assert ours(folder, few, extraction="match", level=level) == [
        package.get_word_aligns(*pair)["mwmf"] for pair in few
    ]
    package = simalign.SentenceAligner(str(folder), token_type, 0.5, matching_methods="i", layer=2)
    theirs = [package.get_word_aligns(*pair)["itermax"] for pair in few]
    assert ours(folder, few, distortion=0.5, level=level) == theirs
