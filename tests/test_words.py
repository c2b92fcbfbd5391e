import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core.words import PLAIN, SPLITTERS, join, spaces_after, split, splitter_for, words
from xproj.errors import RecipeError
from xproj.languages import Language, lookup

ENGLISH = lookup("en")


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("en", "Hello, world!", ["Hello", ",", "world", "!"]),
        ("en", "It's 3.14 (or so).", ["It", "'s", "3.14", "(", "or", "so", ")", "."]),
        ("en", "We don't know Berlin's mayor", ["We", "don't", "know", "Berlin", "'s", "mayor"]),
        ("en", "New-York C++", ["New", "-", "York", "C", "+", "+"]),
        ("en", "I 😀 it 👩‍👩‍👧🇩🇪!", ["I", "😀", "it", "👩‍👩‍👧", "🇩🇪", "!"]),
        ("fr", "L'Union d’Europe, aujourd'hui", ["L'", "Union", "d’", "Europe", ",", "aujourd'hui"]),
        ("it", "dell'Unione", ["dell'", "Unione"]),
        ("sw", "ng'ombe wa Nairobi", ["ng'ombe", "wa", "Nairobi"]),
        ("ha", "ƙasa da 'yan Kano.", ["ƙasa", "da", "'", "yan", "Kano", "."]),
        ("zh", "你好世界", ["你好", "世界"]),
        ("th", "ผมรักประเทศไทย", ["ผม", "รัก", "ประเทศไทย"]),
        ("ja", "日本語のテキストです。", ["日本語", "の", "テキスト", "です", "。"]),
        ("ar", "مرحبا، العالم؟", ["مرحبا", "،", "العالم", "؟"]),
        ("am", "ሰላም፣ ዓለም።", ["ሰላም", "፣", "ዓለም", "።"]),
        ("en", "10\u202f000\u00a0km\u3000here", ["10", "000", "km", "here"]),
        ("en", "", []),
        ("en", " \t\n ", []),
    ],
)
def test_icu_splits(code, text, expected):
    assert words(text, lookup(code)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u200bb", ["a", "b"]),
        ("\ufeffHello\u200e", ["Hello"]),
        ("a \u200b b", ["a", "b"]),
        ("a \u200d b", ["a", "b"]),
        ("a\x00\x07b", ["a", "b"]),
        ("soft\u00adhyphen", ["soft\u00adhyphen"]),
        ("\u200b\u200d\ufeff", []),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("ന്\u200d", ["ന്\u200d"]),
    ],
)
@pytest.mark.parametrize("splitter", ["icu"])
def test_invisible_characters_are_no_words(text, expected, splitter):
    assert words(text, ENGLISH, splitter) == expected


@pytest.mark.parametrize(
    ("splitter", "code", "text", "expected"),
    [
        ("whitespace", "en", "Hello, world.\u200b \u200b", ["Hello,", "world."]),
        ("characters", "hi", "हिन्दी a", ["हि", "न्दी", "a"]),
        ("spacy", "en", "Berlin's don't.", ["Berlin", "'s", "do", "n't", "."]),
        ("spacy", "sw", "Habari, dunia.", ["Habari", ",", "dunia", "."]),
    ],
)
def test_other_splitters(splitter, code, text, expected):
    assert words(text, lookup(code), splitter) == expected


@pytest.mark.parametrize("code", ["ja", "zh", "th", "ko", "vi"])
def test_spacy_needs_no_extra_packages(code):
    assert "".join(words("Hello 你好.", lookup(code), "spacy")) == "Hello你好."


def test_an_unknown_splitter_names_the_known_ones():
    with pytest.raises(RecipeError, match="did you mean 'whitespace'"):
        splitter_for(ENGLISH, "whitespaces")


@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize("code", ["en", "fr", "th"])
@given(text=st.text())
def test_spans_are_ordered_words_without_white_space(splitter, code, text):
    language = lookup(code)
    spans = split(text, language, splitter)
    assert [text[start:end] for start, end in spans] == words(text, language, splitter)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    for start, end in spans:
        assert start < end and not any(character.isspace() for character in text[start:end])
    covered = {i for start, end in spans for i in range(start, end)}
    assert all(i in covered for i, character in enumerate(text) if character.isalnum())


@given(st.lists(st.from_regex(PLAIN, fullmatch=True), max_size=5))
def test_the_shortcut_for_plain_words_agrees_with_icu(chunks):
    from icu4py.breakers import WordBreaker

    text = " ".join(chunks)
    assert words(text, lookup("de")) == [piece for piece in WordBreaker(text, "de") if not piece.isspace()]


@pytest.mark.parametrize(
    ("code", "tokens", "text"),
    [
        ("en", ["He", "said", "(", "no", ")", ",", '"', "never", '"', "."], 'He said (no), "never".'),
        ("en", ["Berlin", "'s", "well", "-", "known", "mayor", "...", "?"], "Berlin's well-known mayor...?"),
        ("en", ["the", "boys", "'", "and", "I", "paid", "$", "5"], "the boys' and I paid $5"),
        ("de", ["„", "Ja", "“", ",", "rief", "»", "er", "«", "–", "laut"], "„Ja“, rief »er« – laut"),
        ("sv", ["Han", "sa", "”", "nej", "”", "."], "Han sa ”nej”."),
        ("fr", ["L'", "Union", "dit", "«", "oui", "»", "!"], "L'Union dit « oui » !"),
        ("es", ["¿", "Qué", "?", "¡", "No", "!"], "¿Qué? ¡No!"),
        ("zh", ["我", "爱", "iPhone", "Pro", "。"], "我爱iPhone Pro。"),
        ("th", ["ผม", "รัก", "ไทย"], "ผมรักไทย"),
        ("hi", ["यह", "है", "।"], "यह है।"),
        ("ar", ["مرحبا", "،", "العالم", "؟"], "مرحبا، العالم؟"),
        ("en", [], ""),
        ("en", ["word"], "word"),
    ],
)
def test_join(code, tokens, text):
    assert join(tokens, lookup(code)) == text


@given(
    st.lists(st.sampled_from(["a", "B2", ",", ".", "(", ")", '"', "«", "»", "'s", "l'", "-", "你", "ไทย"]), max_size=12)
)
@pytest.mark.parametrize("code", ["en", "fr", "zh"])
def test_join_adds_spaces_only(code, tokens):
    language = lookup(code)
    assert join(tokens, language).replace(" ", "") == "".join(tokens)
    spaces = spaces_after(tokens, language)
    assert len(spaces) == len(tokens) and (not spaces or not spaces[-1])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", 'She said: "Berlin\'s (old) mayor, aged 50, resigned!"'),
        ("fr", "L'Allemagne dit « non » : c'est fini !"),
        ("de", "„Hamburg“ liegt in Deutschland."),
        ("zh", "我爱北京天安门。"),
    ],
)
def test_join_undoes_split(code, text):
    language = lookup(code)
    assert join(words(text, language), language) == text


def test_rules_need_no_entry_in_the_table():
    undetermined = Language("und", "und", "und", "undetermined", "Zyyy", True, False, "xx")
    assert words("Hello, world", undetermined) == ["Hello", ",", "world"]
