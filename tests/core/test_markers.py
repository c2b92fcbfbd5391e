"""Marks are written, survive, and are read back where they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core.markers import (
    CONTROL,
    STYLES,
    Hull,
    Marked,
    Piece,
    decode_blanks,
    encode_blanks,
    hulls,
    locate,
    mark,
    squeeze,
)


def test_a_sentence_with_marks():
    sentence = Marked("Anna Smith is in Rome.", (Piece(0, 10, 0), Piece(17, 21, 1)))
    assert encode_blanks(sentence) == "[[t:e:0]]Anna Smith[[/]] is in [[t:e:1]]Rome[[/]]."
    assert decode_blanks(encode_blanks(sentence)) == sentence


def test_overlapping_entities_share_their_words():
    sentence = Marked("New York Times", (Piece(0, 8, 0), Piece(4, 14, 1)))
    raw = encode_blanks(sentence)
    assert raw == "[[t:e:0]]New[[/]] [[t:e:0; t:e:1]]York[[/]] [[t:e:1]]Times[[/]]"
    found = hulls(decode_blanks(raw).pieces, [(0, 3), (4, 8), (9, 14)])
    assert found == {0: Hull(0, 2, 2), 1: Hull(1, 3, 2)}


@pytest.mark.parametrize(
    ("raw", "text", "pieces"),
    [
        ("", "", []),
        ("a  b \t c", "a b c", []),
        (r"\[x\] \^y\$ \\ \@", r"[x] ^y$ \ @", []),
        ("a[]b[<b>]c", "abc", []),
        ("[[t:e:3]]Rome[[/]]", "Rome", [(0, 4, 3)]),
        ("x  [[t:e:0]] Rome [[/]] y", "x Rome y", [(2, 6, 0)]),
        ("[[t:e:0]]  [[/]]y", "y", []),
        ("[[t:e:0]]a[[t:e:1]]b[[/]]c", "abc", [(0, 1, 0), (1, 2, 1)]),
        ("[[t:e:0]]to the end", "to the end", [(0, 10, 0)]),
        ("[[t:b:7; t:e:2; t:e:2]]x[[/]]", "x", [(0, 1, 2)]),
        ("[[/]]x[", "x[", []),
        ("prop [[t:e:0]]de Madrid[[/]]", "prop de Madrid", [(8, 14, 0)]),
        ("[[t:e:0]]d'Itàlia[[/]]", "d'Itàlia", [(2, 8, 0)]),
        ("[[t:e:0]]a la Xina[[/]]", "a la Xina", [(5, 9, 0)]),
        ("[[t:e:0]]Sant Joan d'Àustria[[/]]", "Sant Joan d'Àustria", [(0, 19, 0)]),
        ("[[t:e:0]]Banc[[/]] [[t:e:0]]de Roma[[/]]", "Banc de Roma", [(0, 4, 0), (5, 12, 0)]),
        ("[[t:e:0]]Banc[[/]] [[t:e:1]]de Roma[[/]]", "Banc de Roma", [(0, 4, 0), (8, 12, 1)]),
        ("[[t:e:0]]unió europea[[/]]", "unió europea", [(0, 12, 0)]),
        ("[[t:e:0]]24 Hores[[/]] [[t:e:0]]«Nit[[/]]", "24 Hores «Nit", [(0, 8, 0), (9, 13, 0)]),
        ("x\\", "x\\", []),
    ],
)
def test_odd_answers(raw, text, pieces):
    assert decode_blanks(raw) == Marked(text, tuple(Piece(*piece) for piece in pieces))


def test_an_entity_in_two_pieces_has_a_hull_over_both():
    marked = decode_blanks("la [[t:e:0]]Comisión[[/]] de la [[t:e:0]]Unión[[/]].")
    words = locate(marked.text, ["la", "Comisión", "de", "la", "Unión", "."])
    assert hulls(marked.pieces, words) == {0: Hull(1, 5, 2)}


def test_a_word_that_a_piece_touches_is_in_it():
    assert hulls([Piece(2, 3, 0)], [(0, 4), (5, 6)]) == {0: Hull(0, 1, 1)}
    assert hulls([Piece(4, 5, 0)], [(0, 4), (5, 6)]) == {}
    assert hulls([Piece(0, 1, 0)], []) == {}


def test_words_are_found_in_their_order():
    assert locate("a b a", ["a", "a"]) == [(0, 1), (4, 5)]
    assert locate("a b", ["b", "a"]) is None
    assert locate("", []) == []


def test_what_is_no_text_becomes_space_or_a_replacement():
    assert encode_blanks(Marked("a\nb\0c\rd\u2028e\x85f")) == "a b c d e f"
    assert encode_blanks(Marked("a\ud800b")) == "a\ufffdb"


@pytest.mark.parametrize(
    ("piece", "kept"),
    [
        ("de la Comisión", "Comisión"),
        ("d'Itàlia", "Itàlia"),
        ("l’Élu", "Élu"),
        ("É A", "É A"),
        ("² A", "² A"),
        ("ª A", "ª A"),
    ],
)
def test_particles_are_words_in_small_letters(piece, kept):
    found = decode_blanks(f"[[t:e:0]]{piece}[[/]].")
    assert [found.text[p.start : p.end] for p in found.pieces] == [kept]


@given(st.text().map(str.upper), st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), max_size=4))
def test_encoding_and_decoding_lose_nothing(text, places):
    words = [match for match in text.split() if match]
    spans = locate(text, words)
    entities = [(a, min(a + n, len(words))) for a, n in places if a < len(words)]
    sentence = mark(text, spans, entities)
    raw = encode_blanks(sentence)
    raw.encode()
    decoded = STYLES["blanks"].decode(raw)
    plain = decode_blanks(encode_blanks(Marked(text)))
    assert decoded.text == plain.text == " ".join(plain.text.split())
    there = locate(decoded.text, decode_blanks(encode_blanks(Marked(text))).text.split())
    # a control character becomes a space: it parts a word, or is one no more
    if not any(map(CONTROL.search, words)):
        assert len(there) == len(words)
        assert {k: (h.start, h.end) for k, h in hulls(decoded.pieces, there).items()} == dict(enumerate(entities))


@given(st.text(alphabet="ab \n"), st.data())
def test_squeezing_moves_pieces_along(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    clean, pieces = squeeze(text, [Piece(start, end, 0)])
    assert clean == " ".join(text.split())
    inside = " ".join(text[start:end].split())
    assert [clean[p.start : p.end] for p in pieces] == ([inside] if inside else [])
