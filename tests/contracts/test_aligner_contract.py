"""What every aligner must do. A new back end adds one line to TRAINED, or to ENCODERS with a small model."""

import shutil
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
import small_models

from xproj import aligners, recipe
from xproj.columns import TokenColumn
from xproj.errors import BackendError, CorpusError, RecipeError


def back_end(name, program=None):
    """A back end that is skipped where its program is not installed."""
    missing = program is not None and shutil.which(program) is None
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"{program} is not installed"))


def neural(name, kind):
    """A back end on a small encoder; it is not trained, so its links are any links."""
    missing = find_spec("torch") is None or find_spec("transformers") is None
    return pytest.param((name, kind), marks=pytest.mark.skipif(missing, reason="xproj[models] is not installed"))


TRAINED = [back_end("statistical"), back_end("ensemble")]
ENCODERS = [neural("simalign", "bert"), neural("awesome", "xlmr"), neural("transalign", "m2m"), neural("labse", "bert")]
# `given` reads what others aligned: tests/test_given.py; eflomal is a program outside this package
ELSEWHERE = {"given", "eflomal"}

# what a back end needs beside its name
SETTINGS = {"ensemble": {"members": {"statistical": {}, "words": {"aligner": "statistical", "prefixes": ()}}}}

LANGUAGES = ("eng_Latn", "rus_Cyrl")
PEOPLE = [("Putin", "Путин"), ("Merkel", "Меркель"), ("Ivanova", "Иванова"), ("Obama", "Обама"), ("Hansen", "Хансен")]
PLACES = [("Berlin", "Берлине"), ("Nairobi", "Найроби"), ("London", "Лондоне"), ("Madrid", "Мадриде")]
PATTERNS = [
    ("PER lives in LOC", "PER живёт в LOC"),
    ("yesterday PER spoke in LOC", "вчера PER говорил в LOC"),
    ("we saw PER", "мы видели PER"),
    ("the president PER left", "президент PER уехал"),
    ("nobody lives in LOC", "никто не живёт в LOC"),
]
# names that stand in one pair only, in another order
RARE = ("Shevchenko lives in Odessa", "в Одессе живёт Шевченко")


def sentences(count=60, seed=0):
    """Made-up English and Russian sentence pairs; the last one has the rare names."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        pair = PATTERNS[rng.integers(len(PATTERNS))]
        for kind, names in (("PER", PEOPLE), ("LOC", PLACES)):
            pair = tuple(
                side.replace(kind, name) for side, name in zip(pair, names[rng.integers(len(names))], strict=True)
            )
        pairs.append(pair)
    return [*pairs, RARE]


def columns(pairs):
    """Both sides of sentence pairs; None is a null row."""
    return tuple(TokenColumn.of([pair[side] and pair[side].split(" ") for pair in pairs]) for side in (0, 1))


ODD = [
    ("", ""),
    ("", "один"),
    ("one", ""),
    (None, None),
    (None, "один два"),
    ("one", "один"),
    ("\u200b", "\u200b"),
    ("\u200b one", "один \u200b два"),
    (" ".join(f"w{k % 90}" for k in range(600)), " ".join(f"с{k % 80}" for k in range(600))),
    ("word " * 40 + "word", "слово"),
    ("Ａ㍿ ﬁ \u0301 e\u0301", "🙂 🙂 ! ( 1999 )"),
]
IDS = [
    "no words", "no source", "no target", "null", "null source", "one word", "U+200B", "U+200B and words", "long",
    "many to one", "odd characters",
]  # fmt: skip


def made(name):
    """The settings of a back end under contract."""
    return recipe.Align(aligner=name, **SETTINGS.get(name, {}))


def fit(aligner, pairs, output, parts=1, progress=None):
    """Fit on sentence pairs that come in several parts."""
    cuts = np.array_split(np.arange(len(pairs)), parts)
    return aligner.fit(
        [columns([pairs[k] for k in cut]) for cut in cuts], languages=LANGUAGES, output=output, progress=progress
    )


def check(aligner, pairs):
    """Align, see that the links are links, and return those of each pair."""
    source, target = columns(pairs)
    links = aligner.align(source, target, languages=LANGUAGES)
    assert len(links) == len(pairs)
    assert links.offsets[0] == 0 and links.offsets[-1] == len(links.source) == len(links.target) == len(links.score)
    assert [side.dtype for side in (links.source, links.target, links.score)] == [np.int32, np.int32, np.float32]
    assert links.valid.tolist() == [None not in pair for pair in pairs]
    assert (links.score > 0).all() and (links.score <= 1).all()
    rows = []
    for row, (m, n) in enumerate(zip(source.lengths, target.lengths, strict=True)):
        here = slice(links.offsets[row], links.offsets[row + 1])
        found = list(zip(links.source[here].tolist(), links.target[here].tolist(), strict=True))
        assert found == sorted(set(found))
        assert all(0 <= i < m and 0 <= j < n for i, j in found)
        rows.append(dict(zip(found, links.score[here].tolist(), strict=True)))
    return rows


def same(rows, others):
    """Equal links, and scores as equal as float32 makes them."""
    for mine, theirs in zip(rows, others, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)


def best(links, word):
    """The target word that a source word is linked to with the highest score."""
    return max((score, j) for (i, j), score in links.items() if i == word)[1]


def test_every_back_end_is_under_contract():
    encoders = {param.values[0][0] for param in ENCODERS}
    assert set(aligners.BACKENDS) == {param.values[0] for param in TRAINED} | encoders | ELSEWHERE


def test_an_unknown_back_end_lists_the_known_ones():
    with pytest.raises(RecipeError, match="unknown aligner 'statistic'.*known: .*eflomal, .*given, .*statistical"):
        aligners.open(recipe.Align(aligner="statistic"))


@pytest.fixture(scope="module", params=TRAINED)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def corpus():
    return sentences() + ODD


@pytest.fixture(scope="module")
def folder(name, corpus, tmp_path_factory):
    """What the back end learned from the corpus."""
    output = tmp_path_factory.mktemp("fits") / name
    counts = fit(aligners.open(made(name)), corpus, output)
    assert counts["sentence_pairs"] == sum(bool(a and b) for a, b in corpus)
    return output


@pytest.fixture(scope="module")
def trained(name, folder):
    return aligners.open(made(name), fitted=folder)


@pytest.fixture(scope="module", params=[*TRAINED, *ENCODERS], ids=str)
def aligner(request, corpus, models_folder, tmp_path_factory):
    """Any back end, ready to align."""
    if isinstance(request.param, tuple):
        name, kind = request.param
        model = getattr(small_models, kind)(models_folder)
        return aligners.open(recipe.Align(aligner=name, model=str(model), layer=2))
    output = tmp_path_factory.mktemp("fits") / request.param
    fit(aligners.open(made(request.param)), corpus, output)
    return aligners.open(made(request.param), fitted=output)


def test_an_empty_batch(aligner):
    assert check(aligner, []) == []


@pytest.mark.parametrize("pair", ODD, ids=IDS)
def test_one_pair(aligner, pair):
    (links,) = check(aligner, [pair])
    assert not links if not all(pair) else len(links) <= 600 * 600


def test_same_answer_whatever_the_batch(aligner, corpus):
    together = check(aligner, corpus)
    alone = [check(aligner, [pair])[0] for pair in corpus[-30:]]
    same(together[-30:], alone)
    same(together, check(aligner, corpus[::-1])[::-1])


def test_right_links(trained):
    (links,) = check(trained, [("yesterday Putin spoke in London", "вчера Путин говорил в Лондоне")])
    assert {best(links, word) for word in (1, 4)} == {1, 4}
    assert [best(links, word) for word in (1, 4)] == [1, 4]


def test_names_in_another_script(trained):
    (links,) = check(trained, [RARE])
    assert best(links, 0) == 3 and best(links, 3) == 1


def test_what_was_learned_can_be_read_again(name, folder, trained, corpus):
    again = aligners.open(made(name), fitted=folder)
    assert check(again, corpus) == check(trained, corpus)


def test_unseen_words(aligner, corpus):
    before = check(aligner, corpus[:5])
    check(aligner, [("Kowalski visits Warsaw tomorrow", "завтра Ковальский посетит Варшаву"), ("a b", "в г д")])
    assert check(aligner, corpus[:5]) == before


def test_a_fit_on_nothing(name, tmp_path):
    for number, pairs in enumerate(([], [("", ""), (None, None)])):
        output = tmp_path / str(number)
        assert fit(aligners.open(made(name)), pairs, output)["sentence_pairs"] == 0
        check(aligners.open(made(name), fitted=output), [*pairs, ("one", "один")])


def test_unfitted(name):
    with pytest.raises(BackendError, match="not fitted yet") as raised:
        check(aligners.open(made(name)), [("a", "b")])
    assert "\n" not in str(raised.value)


def test_progress_comes_to_its_end(name, corpus, tmp_path):
    seen = []
    fit(aligners.open(made(name)), corpus[:5], tmp_path, progress=lambda *step: seen.append(step))
    assert len({steps for _, steps in seen}) == 1
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1][0] == seen[-1][1]


# --- the embedded aligner: it is deterministic, and its tables serve other corpora ---

statistical = partial(recipe.Align, aligner="statistical")


@pytest.mark.parametrize("hmm", [False, True])
def test_a_fit_leaves_the_same_bytes_whatever_the_parts(hmm, tmp_path):
    corpus = sentences() + ODD[:8]
    folders = [tmp_path / str(parts) for parts in (1, 2, 5)]
    for output, parts in zip(folders, (1, 2, 5), strict=True):
        fit(aligners.open(statistical(hmm=hmm)), corpus, output, parts)
    contents = [{file.name: file.read_bytes() for file in output.iterdir()} for output in folders]
    assert contents[0] == contents[1] == contents[2] and len(contents[0]) == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"hmm": False},
        {"agreement": False},
        {"agreement": False, "hmm": False},
        {"iterations": 1},
        {"prefixes": ()},
        {"orthography": False},
        {"symmetrization": "union"},
    ],
)
def test_other_settings(settings, tmp_path):
    corpus = sentences() + ODD[:8]
    fit(aligners.open(statistical(**settings)), corpus, tmp_path / "fit")
    aligner = aligners.open(statistical(**settings), fitted=tmp_path / "fit")
    together = check(aligner, corpus)
    same([check(aligner, [pair])[0] for pair in corpus[-4:]], together[-4:])
    (links,) = check(aligner, [("yesterday Putin spoke in London", "вчера Путин говорил в Лондоне")])
    assert best(links, 1) == 1


def test_tables_of_an_earlier_run(corpus, tmp_path):
    fit(aligners.open(statistical()), corpus, tmp_path / "fit")
    earlier = aligners.open(statistical(model=str(tmp_path / "fit")))
    assert not earlier.needs_fit and aligners.open(statistical()).needs_fit
    pair = ("Kowalski lives in Samara", "в Самаре живёт Ковальски")
    (links,) = check(earlier, [pair])
    assert best(links, 0) == 3 and best(links, 3) == 1
    assert check(earlier, [*corpus, pair])[-1] == links


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_a_folder_without_tables(content, tmp_path):
    if content is not None:
        (tmp_path / "aligner.json").write_text(content)
    with pytest.raises(BackendError, match="no tables of the statistical aligner") as raised:
        check(aligners.open(statistical(model=str(tmp_path))), [("a", "b")])
    assert "\n" not in str(raised.value)


def test_the_bound_on_word_pairs(tmp_path):
    corpus = sentences()
    free = fit(aligners.open(statistical(names=False)), corpus, tmp_path / "free")
    counts = fit(aligners.open(statistical(max_pairs=80, names=False)), corpus, tmp_path / "bound")
    assert free["pruned_word_pairs"] == 0 and free["word_pairs"] > 4 * 80
    assert 0 < counts["word_pairs"] <= 4 * 80
    assert counts["word_pairs"] + counts["pruned_word_pairs"] == free["word_pairs"]
    aligner = aligners.open(statistical(max_pairs=80), fitted=tmp_path / "bound")
    assert best(check(aligner, [RARE])[0], 0) == 3


def test_prime(corpus, tmp_path):
    (tmp_path / "more.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in sentences(80, seed=1)), encoding="utf-8")
    few = [("zebra runs", "зебра бежит")]
    counts = fit(aligners.open(statistical(prime=str(tmp_path / "more.tsv"))), few, tmp_path / "fit")
    assert counts["sentence_pairs"] == 82
    (links,) = check(
        aligners.open(statistical(), fitted=tmp_path / "fit"), [("president Obama left", "уехал президент Обама")]
    )
    assert [best(links, word) for word in range(3)] == [1, 2, 0]


def test_a_word_with_a_line_break_is_refused(tmp_path):
    aligner = aligners.open(statistical())
    words = TokenColumn.of([["a\nb"]])
    with pytest.raises(CorpusError, match="line break"):
        aligner.fit([(words, words)], languages=LANGUAGES, output=tmp_path)
