import importlib.util

import pytest

from xproj.errors import RecipeError
from xproj.languages import ALIASES, all_languages, lookup


def test_the_table_is_complete_and_consistent():
    languages = all_languages()
    assert len(languages) == 207
    assert len({language.code for language in languages}) == 207
    assert len({language.bcp47 for language in languages}) == 207
    assert [language.code for language in languages] == sorted(language.code for language in languages)
    for language in languages:
        assert language.code == f"{language.iso639_3}_{language.script}"
        assert language.name == language.name.strip() != ""


def test_spacy_has_every_language_that_the_table_says():
    for code in {language.spacy for language in all_languages()}:
        assert importlib.util.find_spec(f"spacy.lang.{code}") is not None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("swh_Latn", "swh_Latn"),
        ("zh", "zho_Hans"),
        ("zh-Hant", "zho_Hant"),
        ("zh-TW", "zho_Hant"),
        ("zho", "zho_Hans"),
        ("sw", "swh_Latn"),
        ("swa", "swh_Latn"),
        ("fa", "pes_Arab"),
        ("ms", "zsm_Latn"),
        ("tl", "tgl_Latn"),
        ("no", "nob_Latn"),
        ("ace", "ace_Latn"),
        ("min", "min_Latn"),
        ("ar", "arb_Arab"),
        ("pt-BR", "por_Latn"),
        ("DEU", "deu_Latn"),
        ("deu-latn", "deu_Latn"),
        ("Hausa", "hau_Latn"),
    ],
)
def test_lookup_accepts_many_codes(code, expected):
    assert lookup(code).code == expected


def test_every_code_finds_its_language():
    for language in all_languages():
        assert lookup(language.code) is language
        assert lookup(language.bcp47) is language
    for alias, code in ALIASES.items():
        assert lookup(alias).code == code


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("eng_Lat", "did you mean 'eng_Latn'"),
        ("swahil", "did you mean swh_Latn (Swahili)?"),
        ("qqqq", "`xproj languages` lists the 207 known codes"),
        ("", "unknown language ''"),
    ],
)
def test_an_unknown_code_names_the_closest(code, message):
    with pytest.raises(RecipeError) as raised:
        lookup(code)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_facts():
    assert not lookup("th").spaces and not lookup("ja").spaces and lookup("ko").spaces
    assert lookup("ar").right_to_left and lookup("yi").right_to_left and not lookup("en").right_to_left
    assert lookup("ha").spacy == "xx" and lookup("de").spacy == "de"


def test_apertium_has_its_own_codes():
    assert lookup("es").apertium == ("spa", "es") and lookup("nb").apertium[:2] == ("nob", "nb")
    assert lookup("an").name == "Aragonese" and lookup("frp").apertium == ("frp",)
    assert lookup("ha").apertium == ()
    for language in all_languages():
        assert len(set(language.apertium)) == len(language.apertium)
        assert not any("-" in code for code in language.apertium)
