"""Similarity of spellings against rapidfuzz."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz
from rapidfuzz.distance import Indel

from xproj.core import orthography, scripts
from xproj.core.orthography import (
    MAX_LETTERS,
    MIN_LETTERS,
    MIN_SIMILARITY,
    folded,
    spellings,
    transliterations,
)
from xproj.core.phrase_similarity import phrase_similarities

letters = st.text("abcd", min_size=MIN_LETTERS, max_size=MAX_LETTERS)


def similarity(left, right):
    """Similarity of word pairs, (n,)."""
    every = np.arange(len(left))
    here, there = spellings(left, right)
    return orthography.similarities(every, every, here, there)


def spelt(words, kind=scripts.OTHER):
    """The words as they are spelt beside one in a script of this kind."""
    found, _ = spellings(words, ["\u6771", "\u05d0", "\u30ed", "\uc11c", "\u0b85"])
    bounds = found.offsets[kind * len(words) :]
    return [bytes(found.letters[bounds[k] : bounds[k + 1]]).decode() for k in range(len(words))]


def reference(a, b):
    ratio = fuzz.ratio(a, b) / 100
    return ratio if ratio >= MIN_SIMILARITY else 0


@given(st.lists(st.tuples(letters, letters), max_size=30))
def test_equals_rapidfuzz(pairs):
    values = similarity([a for a, _ in pairs], [b for _, b in pairs])
    assert values.dtype == np.float32
    assert values == pytest.approx([reference(a, b) for a, b in pairs], abs=1e-6)


@given(st.lists(st.tuples(letters, st.lists(st.integers(0, 63), max_size=8)), max_size=20))
def test_words_with_few_differences_equal_rapidfuzz(cases):
    left = [word for word, _ in cases]
    right = ["".join(c for k, c in enumerate(word) if k not in gone) + "abcd" for word, gone in cases]
    right = [word[:MAX_LETTERS] for word in right]
    assert similarity(left, right) == pytest.approx([reference(a, b) for a, b in zip(left, right, strict=True)])


@pytest.mark.parametrize(
    ("word", "compound", "expected"),
    [
        ("EU", "EU-Erweiterung", 0.8),
        ("Erweiterung", "EU-Erweiterung", 2 * 11 / 25),
        ("Union", "EU-Unionsbürger", 0),
        ("Region", "Ziel-1-Region", 0.8),
        ("CDU", "CDU-Fraktion", 0.8),
        ("Covid", "Covid-19", 0.8),
        ("Commission", "Ziel-1-Commission", 0.8),
        ("Fraktion", "CDU-Fraction", 0.8),
        ("Commission", "EU-Commission", 2 * 10 / 23),
        ("1", "Ziel-1-Region", 0),
        ("--", "----", 0),
        ("EU-", "EU-Erweiterung", 0),
        ("EU-Erweiterung", "EU-Erweiterung", 1),
        ("New-York", "New-York-Reise", 2 * 8 / 22),
    ],
)
def test_parts_of_compounds_with_hyphens(word, compound, expected):
    assert similarity([word, compound], [compound, word]) == pytest.approx([expected] * 2)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_bound_itself_is_similar(size):
    assert similarity(["a" * 7 * size], ["a" * 13 * size]) == pytest.approx([0.7])


@pytest.mark.parametrize("size", [4, 63, 64])
def test_words_as_long_as_a_machine_word(size):
    word = ("abcdefgh" * 8)[:size]
    assert similarity([word, word], [word, word[:-1] + "u"]).tolist() == pytest.approx([1, 1 - 1 / size])


def test_only_the_first_letters_count():
    assert similarity(["a" * 64 + "b" * 9], ["a" * 64 + "c" * 9]).tolist() == [1]


@pytest.mark.parametrize(
    ("left", "right", "least"),
    [
        ("Moskva", "Москва", 1.0),
        ("Merkel", "Меркель", 0.9),
        ("Putin", "Путин", 1.0),
        ("Athina", "Αθήνα", 0.9),
        ("Papandreou", "Παπανδρέου", 0.8),
        ("München", "Munchen", 1.0),
        ("Mubarak", "مبارك", 0.7),
        ("Nairobi", "ናይሮቢ", 0.8),
        ("Wagner", "Вагнер", 1.0),
        ("Leipzig", "Лейпциг", 0.9),
        ("Ghana", "Гана", 0.8),
    ],
)
def test_names_in_other_scripts(left, right, least):
    (value,) = similarity([left], [right])
    assert value >= np.float32(least)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Cuba", "Kuba"),
        ("philosophy", "filosofi"),
        ("Catherine", "Katerine"),
        ("Fredrick", "Fredric"),
        ("Victor", "Wiktor"),
        ("Quebec", "Kvebek"),
        ("Iraqi", "Iraki"),
        ("Texas", "Teksas"),
        ("Syria", "Siria"),
        ("Johann", "Iohann"),
        ("Zagreb", "Tsagreb"),
    ],
)
def test_letters_that_sound_alike_are_one(left, right):
    assert folded(left.lower()) == folded(right.lower())
    assert similarity([left], [right]).tolist() == [1]


def test_the_bound_of_words():
    # 2 · 5 / 15 and 2 · 9 / 28
    assert similarity(["abefg", "abdefghik"], ["abefgmnopu", "abdefghikmnoprstuuu"]).tolist() == pytest.approx(
        [2 / 3, 0]
    )


@given(st.text("acehijkqpstuvwxyz", max_size=12))
def test_folding_leaves_one_spelling_of_each_sound(word):
    form = folded(word)
    assert not set(form) & set("cjqwxyz")
    assert len(form) <= 2 * len(word)


def test_words_that_are_compared_by_equality_and_phrases_are_not_folded():
    pairs = [("the", "te"), ("Tex", "teks"), ("Mac", "mak"), ("then", "ten"), ("tem", "them"), ("path", "pat")]
    assert similarity(*zip(*pairs, strict=True)).tolist() == [0] * 6
    assert spelt(["the", "Exxon"]) == ["the", "ekskson"]
    letters, offsets = transliterations(["the", "Exxon"])
    assert bytes(letters) == b"theexxon" and offsets.tolist() == [0, 3, 8]


def test_the_script_of_the_other_word_says_what_is_compared():
    words = ["Lviv", "Korea", "مالطا", "東京", "ロシア", "서울", "בירות", "MH-17", "ﾛｼｱ", "Roh", "George"]
    assert spellings(words, [])[0].kind.tolist() == list(map(scripts.kind_of, words))
    assert spelt(words, scripts.KANA)[:2] == ["lbib", "kolea"] and spelt(words, scripts.KANA)[9] == "roh"
    assert spelt(["Firenze", "서울"], scripts.HANGUL) == ["pilense", "seoul"]
    assert spelt(words, scripts.CHINESE)[-1] == "keolke" and spelt(words, scripts.TAMIL)[:2] == ["lfif", "korea"]
    # what is met on neither side is not spelt
    assert len(spellings(words[:2], words[4:6])[1].letters) == len("roshiaseoul" * 3)
    assert spelt(words, scripts.ABJAD) == ["l", "kr", "mlt", "dnggng", "rsh", "sl", "brt", "mh-17", "rsh", "rh", "grg"]


@pytest.mark.parametrize(
    ("left", "right", "least", "most"),
    [
        ("Malta", "مالطا", 1.0, 1.0),
        ("Lebanon", "لبنان", 1.0, 1.0),
        ("London", "לונדון", 1.0, 1.0),
        ("Paris", "باريس", 1.0, 1.0),
        ("George", "جورج", 1.0, 1.0),
        ("Petersburg", "بطرسبرغ", 0.9, 0.95),
        ("Mali", "مالي", 1.0, 1.0),  # two consonants: alike only when equal
        ("Mila", "ملاك", 0.0, 0.0),
        ("in", "أن", 0.0, 0.0),  # one consonant says nothing
        ("the", "את", 0.0, 0.0),
        ("Malta", "مالك", 0.0, 0.0),  # two consonants of three
        ("2019", "٢٠١٩", 1.0, 1.0),
        ("2.5", "٢٥", 0.0, 0.0),
        (",", "،", 1.0, 1.0),
        ("?", "؟", 1.0, 1.0),
        ("Russia", "ロシア", 0.65, 0.9),
        ("Peru", "페루", 1.0, 1.0),
        ("Berlin", "ベルリン", 0.9, 1.0),
        ("Venezia", "ヴェネツィア", 1.0, 1.0),
        ("France", "프랑스", 0.65, 0.8),
        ("Peter", "彼得", 0.66, 0.67),
        ("Beijing", "北京", 1.0, 1.0),
        ("Mexico", "墨西哥", 0.66, 0.67),
        ("Bogotá", "போகோடா", 0.9, 1.0),
        ("彼得", "பீட்டர்", 0.65, 0.8),
        ("مالطا", "مالطا", 1.0, 1.0),
        ("موليتا", "ملتن", 0.66, 0.67),  # two words in one script keep their letters: mwlyt and mltn
    ],
)
def test_names_beside_scripts_without_vowels_or_liquids(left, right, least, most):
    (value,), (turned,) = similarity([left], [right]), similarity([right], [left])
    assert np.float32(least) <= value <= np.float32(most)
    assert value == turned


@given(
    st.lists(st.tuples(st.text("bdfghjklmnrstaeiou", max_size=12), st.text("بدفكجلمنرستايو", max_size=12)), max_size=20)
)
def test_beside_an_abjad_consonants_are_compared(pairs):
    def plain(a, b):
        """Of words of one consonant or none, what their letters say: they are short, or of vowels alone."""
        here, there = (folded(form) if len(form) >= 4 else form for form in map(scripts.latin, (a, b)))
        few = [len(scripts.latin(form)) < 4 for form in (a, b)]
        return reference(here, there) if not any(few) else float(all(few) and here == there != "")

    def wanted(a, b):
        here, there = (
            "".join(letter for letter in folded(scripts.latin(word).replace("j", "g")) if letter not in "aeiouv")
            for word in (a, b)
        )
        if min(len(here), len(there)) < 2:
            return plain(a, b)
        if min(len(here), len(there)) < 3:
            return float(here == there)
        ratio = Indel.normalized_similarity(here, there)
        return ratio if ratio >= orthography.MIN_SIMILARITY_OF_CONSONANTS else 0

    pairs = [(a, b) for a, b in pairs if b]  # an empty word is of no script
    found = similarity([a for a, _ in pairs], [b for _, b in pairs])
    assert found == pytest.approx([wanted(a, b) for a, b in pairs])


def test_short_words_are_alike_only_when_equal():
    left, right = ["the", "the", "von", "eu", "мир"], ["the", "then", "van", "EU", "Mir"]
    assert similarity(left, right).tolist() == [1, 0, 0, 1, 1]


def test_words_with_digits_are_alike_only_when_equal():
    assert similarity(["1998", "1998", "2019-03", "covid19"], ["1998", "1999", "2019-04", "covid-19"]).tolist() == [
        1, 0, 0, 0,
    ]  # fmt: skip


def test_words_without_letters_are_like_no_other():
    assert similarity(["\u200b", "", "word"], ["\u200b", "", "\u200b"]).tolist() == [0, 0, 0]
    assert similarity([], []).tolist() == []


def phrases_like(source, target, entities, spans):
    """The scores of spans for each entity of one pair of sentences."""
    here, there = transliterations(source), transliterations(target)
    rows = np.zeros(len(entities), dtype=np.int64)
    offsets = np.arange(len(entities) + 1) * len(spans)
    start, end = (np.array([span[side] for span in spans] * len(entities), dtype=np.int32) for side in (0, 1))
    first, last = (np.array([entity[side] for entity in entities], dtype=np.int32) for side in (0, 1))
    out = np.full(len(start), -1, dtype=np.float32)
    words = np.arange(len(source), dtype=np.int32), np.arange(len(target), dtype=np.int32)
    bounds = np.array([0, len(source)]), np.array([0, len(target)])
    phrase_similarities(
        rows, first, last, offsets, start, end, words[0], bounds[0], *here, words[1], bounds[1], *there, out,
    )  # fmt: skip
    return out.reshape(len(entities), len(spans))


def plain_similarity(a, b):
    """The indel ratio of two transliterated phrases, by rapidfuzz."""
    a, b = (scripts.latin("".join(phrase)) for phrase in (a, b))
    if min(len(a), len(b)) == 0:
        return 0.0
    if any(len(form) < 4 or not any("a" <= letter <= "z" for letter in form) for form in (a, b)):
        return float(a == b)
    ratio = Indel.normalized_similarity(a, b)
    return ratio if ratio >= MIN_SIMILARITY else 0.0


@settings(max_examples=150)
@given(
    st.lists(st.text("abcde1.", max_size=30), min_size=1, max_size=9),
    st.lists(st.text("abcde1.", max_size=30), min_size=1, max_size=9),
    st.booleans(),
)
def test_phrases_are_compared_as_by_the_reference(source, target, same):
    target = source + target[:1] if same else target
    spans = [(a, b) for a in range(len(target)) for b in range(a + 1, len(target) + 1)]
    entities = [(0, len(source)), (0, 1)]
    scores = phrases_like(source, target, entities, spans)
    for k, (a, b) in enumerate(entities):
        wanted = [plain_similarity(source[a:b], target[c:d]) for c, d in spans]
        assert scores[k] == pytest.approx(wanted, abs=1e-6)


def test_names_look_alike_across_scripts_and_word_borders():
    source, target = "Maria Lopez UN 12".split(), "Мария-Лопес Marialopez UN 12 13".split()
    scores = phrases_like(source, target, [(0, 2), (2, 3), (3, 4)], [(k, k + 1) for k in range(5)])
    assert scores[0, 0] > 0.7 and scores[0, 1] == 1.0 and scores[0, 2] == 0.0
    assert scores[1].tolist() == [0, 0, 1, 0, 0] and scores[2].tolist() == [0, 0, 0, 1, 0]
