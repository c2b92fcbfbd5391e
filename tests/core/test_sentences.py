"""Sentence borders, pieces of long sentences, and joining, against what a reader would do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core.sentences import cut, joined, sentences


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Dr. Smith went home. He met J. R. Tolkien.", "en", ["Dr. Smith went home.", "He met J. R. Tolkien."]),
        ("It ended at 5 p.m. on Monday! Really?", "en", ["It ended at 5 p.m. on Monday!", "Really?"]),
        ("See No. 5 here. No. He came.", "en", ["See No. 5 here.", "No.", "He came."]),
        ("Go on. Then stop.", "en", ["Go on.", "Then stop."]),
        ("Am 3. Mai kam er. Nr. 5 lebt.", "de", ["Am 3. Mai kam er.", "Nr. 5 lebt."]),
        ("He is 45. She is 46.", "en", ["He is 45.", "She is 46."]),
        ("La Sra. García llegó. ¿Sí? ¡No!", "es", ["La Sra. García llegó.", "¿Sí?", "¡No!"]),
        ("a line\nanother", "en", ["a line", "another"]),
        ("Dr.\nSmith", "en", ["Dr.", "Smith"]),
        ("こんにちは。元気ですか。", "ja", ["こんにちは。", "元気ですか。"]),
        ("हिंदी वाक्य। दूसरा वाक्य।", "hi", ["हिंदी वाक्य।", "दूसरा वाक्य।"]),
        ("  one  ", "en", ["one"]),
        (" \n ", "en", []),
        ("", "en", []),
    ],
)
def test_sentences(text, language, expected):
    assert [text[start:end] for start, end in sentences(text, language)] == expected


def test_a_span_stays_whole():
    text = "They watched Go. Now on Monday. It was good."
    entity = text.index("Go"), text.index(" on Monday")
    assert len(sentences(text)) == 3
    assert [text[a:b] for a, b in sentences(text, whole=[entity])] == [
        "They watched Go. Now on Monday.",
        "It was good.",
    ]


TEXT = st.text(st.sampled_from("ab .!?\n,MD3。\u200b"), max_size=60)


@given(TEXT)
def test_nothing_visible_is_lost(text):
    spans = sentences(text, "de")
    borders = [0, *(border for span in spans for border in span), len(text)]
    assert borders == sorted(borders)
    assert all(start < end for start, end in spans)
    assert not any(text[a:b].strip() for a, b in zip(borders[::2], borders[1::2], strict=True))


@given(TEXT, st.integers(1, 12))
def test_pieces_fit_and_nothing_is_lost(text, most):
    pieces = cut(text, lambda piece: len(piece) <= most)
    assert all(0 < end - start <= most for start, end in pieces)
    assert "".join("".join(text[a:b] for a, b in pieces).split()) == "".join(text.split())


def test_a_piece_ends_at_a_clause_then_at_a_word_then_anywhere():
    def texts(text, most, whole=()):
        return [text[a:b] for a, b in cut(text, lambda piece: len(piece) <= most, whole)]

    assert texts("one two three, four five", 20) == ["one two three,", "four five"]
    assert texts("one two three four", 10) == ["one two", "three four"]
    assert texts("abcdefgh", 4) == ["abcd", "efgh"]
    assert texts("one New York two", 12, [(4, 12)]) in (["one", "New York two"], ["one New York", "two"])


def test_joined():
    assert joined(["Ja.", "", "Nein."], spaces=True) == ("Ja. Nein.", [(0, 3), (3, 3), (4, 9)])
    assert joined(["はい。", "いいえ。"], spaces=False) == ("はい。いいえ。", [(0, 3), (3, 7)])
    assert joined([], spaces=True) == ("", [])
