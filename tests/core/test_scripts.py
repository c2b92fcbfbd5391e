"""Words of many scripts in Latin letters, and the kinds of scripts."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xproj.core import scripts
from xproj.core.scripts import kind_of, latin


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ज़ाम्बेज़ी", "zambezi"),
        ("\u095eाज़र", "fazr"),
        ("मंगल", "mngl"),
        ("मुंबई", "mumbi"),
        ("হাঁস", "hans"),
        ("বাংলা", "banla"),
        ("ਸਿੰਘ", "singh"),
        ("ਮੁੰਬਈ", "mumbi"),
        ("കേരളം", "kerlm"),
        ("ಬೆಂಗಳೂರು", "bengluru"),
        ("Μπαγκλαντές", "baglandes"),
        ("Ντουμπάι", "dumbai"),
        ("ΕΥΡΏΠΗ", "evropi"),
        ("Αϊτή", "aiti"),
        ("Σούλι", "suli"),
        ("เบลเยียม", "belyiam"),
        ("เปรู", "peru"),
        ("เซอร์เบีย", "seorbia"),
        ("ເປຣູ", "perou"),
        ("ຊີເຣຍ", "siria"),
        ("Τέ\u00b5πη", "tembi"),
        ("கலிஃபோர்னியா", "kliforniya"),
        ("เลี้ยง", "liang"),
        ("デュッセルドルフ", "dyutserudorufu"),
        ("イェルサレム", "yerusaremu"),
        ("クォーター", "kwota"),
        ("シェフ", "shefu"),
        ("チェンマイ", "chenmai"),
        ("ヴェネツィア", "venetsia"),
        ("キューリ", "kyuri"),
        ("ジャズ", "jazu"),
        ("ウォルト", "woruto"),
        ("프랑스", "plangs"),
        ("으뜸", "ttm"),
        ("은", "eun"),
        ("의사", "uisa"),
        ("Ødegård", "odegard"),
        ("Москва", "moskva"),
    ],
)
def test_words_in_latin_letters(word, expected):
    assert latin(word) == latin(unicodedata.normalize("NFC", word)) == expected


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Lviv", scripts.OTHER),
        ("Львів", scripts.OTHER),
        ("مالطا", scripts.ABJAD),
        ("בירות", scripts.ABJAD),
        ("東京", scripts.CHINESE),
        ("々", scripts.CHINESE),
        ("東京タワー", scripts.KANA),
        ("ロシア", scripts.KANA),
        ("ﾛｼｱ", scripts.KANA),
        ("サムスン전자", scripts.KANA),
        ("서울", scripts.HANGUL),
        ("金正은", scripts.HANGUL),
        ("MH-17", scripts.OTHER),
        ("சென்னை", scripts.TAMIL),
        ("मुंबई", scripts.OTHER),
        ("", scripts.OTHER),
    ],
)
def test_the_kind_of_script(word, kind):
    assert kind_of(word) == kind < scripts.KINDS


letters = st.sampled_from(
    [
        chr(at)
        for at in (
            *range(0x370, 0x400),
            *range(0x580, 0x600),
            *range(0x900, 0x1100),
            *range(0x3040, 0x3100),
            *range(0xAC00, 0xAE00),
        )
    ]
)


@given(st.text(letters, max_size=9))
@example("\u00b5π")  # the micro sign is no μ, though both have one capital
@example("\u03f5ι")
def test_every_word_is_small_ascii_however_it_is_encoded(word):
    found = latin(word)
    assert found.isascii() and found == found.lower()
    assert latin(unicodedata.normalize("NFD", word)) == latin(unicodedata.normalize("NFC", word)) == found


@given(st.text("αάβγιίϊΐκμντοόπυύϋΰτζ", max_size=9))
def test_capital_greek_is_read_as_small_greek_is(word):
    assert latin(word.upper()) == latin(word)


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_only_made_small(word):
    assert latin(word) == word.lower()
