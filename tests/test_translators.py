"""The translators that need no model, and opening by name."""

import pytest

from xproj import translators
from xproj.errors import RecipeError


def test_the_fake_language_keeps_names_numbers_and_length():
    (row,) = translators.open("fake").translate(["Peter paid 300 shillings ."], source="eng_Latn", target="swh_Latn")
    words = row[0].text.split()
    assert len(words) == 5 and words[0] == "Peter" and words[2] == "300" and words[4] == "."
    assert words[1] != "paid"


def test_the_fake_language_differs_by_target_and_never_by_run():
    fake = translators.open("fake")
    texts = [fake.translate(["house"], source="eng_Latn", target=code)[0][0].text for code in ("swh_Latn", "hau_Latn")]
    assert texts[0] != texts[1]
    assert texts[0] == translators.open("fake").translate(["house"], source="x", target="swh_Latn")[0][0].text


def test_an_unknown_translator_lists_the_known():
    with pytest.raises(RecipeError, match="unknown translator 'fak'.*'fake'.*known: apertium, bitext, fake, nllb"):
        translators.open("fak")
