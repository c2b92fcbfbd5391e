"""Brackets and tags are written, kept and read back where they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core.markers import Marked, Piece
from xproj.core.text_markers import (
    UNKNOWN,
    bare,
    decode_brackets,
    decode_tags,
    encode_brackets,
    encode_tags,
    flat,
    forms,
    kept,
    places,
    read,
    segments,
)


def named(marked):
    return [(marked.text[p.start : p.end], p.entity) for p in marked.pieces]


SENTENCE = Marked("Anna Smith is in Rome.", (Piece(0, 10, 0), Piece(17, 21, 1)))


def test_how_a_sentence_is_sent():
    first, second, *_ = forms(SENTENCE, "brackets")
    assert first.text == "[ Anna Smith ] is in [ Rome ]." and second.text == "{ Anna Smith } is in { Rome }."
    (tags,) = forms(SENTENCE, "xml")
    assert tags.text == "<a>Anna Smith</a> is in <b>Rome</b>." and tags.marks == 2
    assert [form.text for form in forms(Marked("a < b\n["), "xml")] == ["a < b ["], "nothing to mark, nothing to escape"


@pytest.mark.parametrize(
    ("text", "pair"), [("Ana [1]", "{}"), ("Ana [1] {2}", "【】"), ("Ana [1] {2} 【3】 ⟦4⟧", "[]")]
)
def test_a_pair_that_the_text_does_not_have(text, pair):
    (form, *_) = forms(Marked(text, (Piece(0, 3, 0),)), "brackets")
    assert form.text.startswith(f"{pair[0]} Ana {pair[1]} ") and form.pair == tuple(pair)
    marked = read(form.text, form)
    assert named(marked) == [("Ana", UNKNOWN)]
    assert marked.text == (text if pair != "[]" else text.replace("[", "(").replace("]", ")"))


@pytest.mark.parametrize(
    ("answer", "text", "pieces"),
    [
        ("[ Anna ] in [ Rom ].", "Anna in Rom.", ["Anna", "Rom"]),
        ("[[Anna]] in 【Rom】", "Anna in Rom", ["Anna", "Rom"]),
        ("[Anna] sagt 「ja」 in [Rom]", "Anna sagt 「ja」 in Rom", ["Anna", "Rom"]),
        ("Anna] in [ Rom", "Anna in Rom", []),
        ("[ ] in ([ Rom ])", "in (Rom)", ["Rom"]),
        ("l'[ Italia ]e[ Roma ]x", "l'Italia e Roma x", ["Italia", "Roma"]),
        ("", "", []),
    ],
)
def test_odd_answers_with_brackets(answer, text, pieces):
    (form, *_) = forms(SENTENCE, "brackets")
    marked = read(answer, form)
    assert marked.text == text and [name for name, _ in named(marked)] == pieces
    assert decode_brackets(encode_brackets(marked)) == marked and kept(marked) == len(pieces)


@pytest.mark.parametrize(
    ("raw", "text", "pieces"),
    [
        ("<b>Rom</b> und < a > Anna </ A >.", "Rom und Anna.", [("Rom", 1), ("Anna", 0)]),
        ("<a>x <b>y</b> z</a>", "x y z", [("x y z", 0), ("y", 1)]),
        ("<a>x <b>y</a> z</b>", "x y z", [("x y", 0), ("y z", 1)]),
        ("a < b &amp; c & lt ; d &x;", "a < b & c < d &x;", []),
        ("<a>x", "x", []),
        ("x</a> <br/> <aa>y</aa>", "x y", [("y", 26)]),
        ("<a></a>x", "x", []),
    ],
)
def test_odd_answers_with_tags(raw, text, pieces):
    marked = decode_tags(raw)
    assert (marked.text, sorted(named(marked))) == (text, sorted(pieces))


def test_nested_entities():
    nested = Marked("New York Times", (Piece(0, 8, 0), Piece(0, 14, 1), Piece(4, 8, 2)))
    assert encode_tags(nested) == "<b><a>New <c>York</c></a> Times</b>"
    assert sorted(decode_tags(encode_tags(nested)).pieces) == sorted(nested.pieces)
    assert flat(nested.pieces) == (Piece(0, 14, 1),) and forms(nested, "brackets")[0].marks == 1


def test_a_text_is_cut_at_its_marks():
    assert segments(decode_brackets("[Ankara]'da")) == ["Ankara", "'da"]
    assert segments(Marked("")) == []


@given(st.text("aB.[]<>&{\\ \n'", max_size=24), st.data())
def test_what_is_sent_is_read_and_kept(text, data):
    clean = " ".join(text.split())
    borders = sorted(data.draw(st.sets(st.integers(0, len(clean)), max_size=6)))
    pairs = zip(borders[::2], borders[1::2], strict=False)
    pieces = [Piece(a, b, k) for k, (a, b) in enumerate(pairs) if clean[a:b] == clean[a:b].strip()]
    sentence = Marked(clean, tuple(pieces))
    assert decode_tags(encode_tags(sentence)) == sentence
    kept_form = decode_brackets(encode_brackets(sentence))
    assert kept_form == Marked(clean, tuple(p._replace(entity=UNKNOWN) for p in pieces))
    for form in forms(sentence, "xml"):
        assert form.marks == len(pieces) and read(form.text, form) == sentence
    for form in forms(sentence, "brackets"):
        marked = read(form.text, form)
        assert [name for name, _ in named(marked)] == [clean[p.start : p.end] for p in pieces]
        assert "".join(marked.text.split()) == "".join(clean.split())


@pytest.mark.parametrize("style", ["brackets", "xml"])
@given(text=st.text("aB.[]<>&{ '", max_size=24), data=st.data())
def test_parts_of_a_marked_text_have_places_without_marks(style, text, data):
    clean = " ".join(text.split())
    a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(clean))] * 2)))
    form = forms(Marked(clean, (Piece(a, b, 0),) if clean[a:b] else ()), style)[0]
    cut = data.draw(st.sampled_from([0, *(k for k, character in enumerate(form.text) if character == " ")]))
    whole = read(form.text, form).text
    tried = list(zip(bare(form.text[:cut], form), bare(form.text[cut:], form), strict=True))
    (start, end), (goes_on, last) = next(found for parts in tried if (found := places(whole, parts)) is not None)
    assert start <= end <= goes_on <= last
    assert "".join((whole[start:end] + whole[goes_on:last]).split()) == "".join(whole.split())
    assert "".join(whole[start:end].split()) in {"".join(first.split()) for first, _ in tried}


def test_places_of_parts():
    assert places("a b  c", ["a b", " c "]) == [(0, 3), (5, 6)]
    assert places("ab", ["", "a", "", "b", ""]) == [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]
    assert places("ab", ["a"]) is None and places("", []) == []
