"""NFC with its map of offsets, in all scripts, against what Unicode says of a whole text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core.normalization import nfc, normalized

# letters, marks of several classes, Hangul, Arabic and Hebrew with points, Devanagari, Bengali, Tamil, Thai, Khmer,
# emoji with joiners and modifiers, an Angstrom sign (composed otherwise), compositions that are excluded
LETTERS = (
    "aeoAq=<\u0301\u0308\u0323\u0338\u0327\u00e9\u1e69\u212b\u0344"
    "\u1100\u1161\u11a8\uac00\u11c2\u05e9\u05bc\u05c1\u05b8\ufb2a\u0627\u0653\u0654\u064b\u0651\u0622"
    "\u0915\u093c\u093f\u094d\u0958\u09c7\u09be\u0bc6\u0bbe\u0bd7\u0e01\u0e34\u0e48\u1780\u17d2"
    "\U0001f469\u200d\U0001f3fd\u2764\ufe0f\u200b\u200c\ufeff\u00ad \n\U0001d15e\U0001d165\U000110ba\U00011099"
)
TEXTS = st.one_of(st.text(st.sampled_from(LETTERS), max_size=12), st.text(max_size=12))


@given(TEXTS)
def test_the_text_is_nfc(text):
    found = normalized(text)
    assert found.text == unicodedata.normalize("NFC", text) == nfc(text)
    assert len(found.borders) == len(found.given_borders)


@given(TEXTS, st.data())
def test_spans_come_back(text, data):
    found = normalized(text)
    a, b = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    start, end = found.normal(a, b)
    assert 0 <= start <= end <= len(found.text)
    low, high = found.given(start, end)
    if a < b:
        assert low <= a < b <= high  # never less than was asked for
        assert nfc(text[low:high]) == found.text[start:end]
        assert found.normal(low, high) == (start, end)  # whole pieces stay as they are
    else:
        assert start == end and low == high
    if nfc(text) == text:
        assert (start, end) == (low, high) == (a, b)


@given(TEXTS, st.data())
def test_order_is_kept(text, data):
    found = normalized(text)
    places = sorted(data.draw(st.lists(st.integers(0, len(found.text)), min_size=2, max_size=5)))
    moved = [found.given(place, place)[0] for place in places]
    assert moved == sorted(moved)


@pytest.mark.parametrize(
    ("text", "span", "name", "normal"),
    [
        ("Jose\u0301 vive", (0, 5), "José", (0, 4)),
        ("in \u1112\u1161\u11ab\u1100\u116e\u11a8", (3, 9), "한국", (3, 5)),
        ("\u0627\u0653ب في", (0, 3), "آب", (0, 2)),
        ("ש\u05c1\u05b8לום", (0, 6), "ש\u05b8\u05c1לום", (0, 6)),  # points change places
        ("\u0958ाज़ी", (0, 5), "\u0915\u093cाज़ी", (0, 6)),  # longer than it was
        ("\u09a2\u09be\u0995\u09be", (0, 4), "ঢাকা", (0, 4)),
        ("\u0995\u09c7\u09be", (0, 3), "\u0995\u09cb", (0, 2)),
        ("👩\u200d🔬 Å", (0, 3), "👩\u200d🔬", (0, 3)),
        ("กรุงเทพ", (0, 4), "กรุง", (0, 4)),
    ],
)
def test_names_in_many_scripts(text, span, name, normal):
    found = normalized(text)
    assert found.normal(*span) == normal and found.text[slice(*normal)] == name
    assert found.given(*normal) == span
