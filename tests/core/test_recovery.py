"""Marked entities are found again: the known errors of earlier matchings, one test each, and the optimum."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core.markers import Marked, Piece
from xproj.core.recovery import MIN_RATIO, Mention, assign, places, ratio, recover
from xproj.core.text_markers import decode_brackets, decode_tags, forms, read


def spans(text):
    found, at = [], 0
    for word in text.split():
        at = text.index(word, at)
        found.append((at, at + len(word)))
        at += len(word)
    return found


def recovered(raw, mentions, decode=decode_brackets):
    """The entities found: their words by their number, and the steps that found them."""
    marked = decode(raw)
    found = recover(marked, spans(marked.text), mentions)
    return {one.entity: marked.text[one.start : one.end] for one in found}, [one.how for one in found]


@pytest.mark.parametrize(
    ("piece", "alone", "expected"),
    [
        ("[deutsche bank]", "deutsche bank", 0.929),
        ("[die deutsche bank]", "deutsche bank", 0.812),
        ("[rom]", "roma", 0.667),
        ("[präsident putin]", "putin", 0.455),
        ("[eu]", "europäische union", 0.19),
        ("Deutsche Bank", "deutsche bank", 1.0),
    ],
)
def test_the_ratio(piece, alone, expected):
    assert ratio(piece, alone) == pytest.approx(expected, abs=6e-4)


# --- the errors of earlier matchings ---


def test_the_best_translation_wins_not_the_last():
    mentions = [Mention("x", "Roma", "LOC"), Mention("y", "Romania", "LOC"), Mention("z", "Berna", "PER")]
    assert recovered("[Roma] e [Romania]", mentions)[0] == {0: "Roma", 1: "Romania"}


def test_brackets_are_no_part_of_what_is_compared():
    mentions = [Mention("x", "UE", "ORG"), Mention("y", "Ana", "PER"), Mention("z", "", "LOC")]
    found = recover(decode_brackets("la [UE] y [Ana]"), [(0, 2), (3, 5), (6, 7), (8, 11)], mentions)
    assert [(one.entity, one.likeness, one.how) for one in found] == [(0, 1.0, "ratio"), (1, 1.0, "ratio")]


@pytest.mark.parametrize("style", ["brackets", "xml"])
def test_brackets_of_the_text_are_no_entities(style):
    sentence = Marked("Ana [sic] & <b>Rome</b>", (Piece(0, 3, 0),))
    (form, *_) = forms(sentence, style)
    marked = read(form.text, form)
    assert marked.text == sentence.text and [marked.text[p.start : p.end] for p in marked.pieces] == ["Ana"]


def test_a_lost_marker_is_no_lost_entity():
    mentions = [Mention("x", "Ana", "PER"), Mention("y", "Nueva York", "LOC"), Mention("z", "Śląsk", "LOC")]
    found, how = recovered("[Ana] vive en nueva york y Slask", mentions)
    assert found == {0: "Ana", 1: "nueva york", 2: "Slask"} and how == ["ratio", "search", "search"]
    assert recovered("vive en otra parte", mentions) == ({}, [])


def test_as_many_brackets_as_entities_settle_what_looks_unlike():
    eu, putin = Mention("EU", "europäische union", "ORG"), Mention("president Putin", "", "PER")
    assert recovered("die [EG] sagt", [eu]) == ({0: "EG"}, ["count"])
    # one is known, so that the other one is left
    assert recovered("[xyz] und [president Putin]", [eu, putin])[0] == {0: "xyz", 1: "president Putin"}
    two = [Mention("aaa", "aaa", "PER"), Mention("bbb", "bbb", "LOC")]
    assert recovered("[x] [y]", two) == ({}, []), "classes that cannot be told apart are lost"
    same = [Mention("aaa", "aaa", "PER"), Mention("bbb", "bbb", "PER")]
    assert recovered("[x] [y]", same)[0] == {0: "x", 1: "y"}
    assert recovered("[x] [y] [z]", same) == ({}, []), "too many brackets say nothing"


# --- tags ---


def test_tags_say_which_entity_it_is():
    mentions = [Mention("Ana", "Ana", "PER"), Mention("Rome", "Roma", "LOC")]
    assert recovered("<b>Roma</b>: <a>x</a>", mentions, decode_tags) == ({0: "x", 1: "Roma"}, ["tag", "tag"])
    # said twice: the one that is like the entity; a tag of nobody is none
    assert recovered("<b>x</b> <b>Roma</b> <q>y</q> <a>Ana", mentions, decode_tags)[0] == {0: "Ana", 1: "Roma"}


def test_the_same_name_twice_keeps_its_order():
    mentions = [Mention("Rome", "Roma", "LOC")] * 2
    assert [one.start for one in recover(decode_brackets("[Roma] a [Roma]"), [], mentions)] == [0, 7]
    assert recovered("Roma a Roma", mentions)[1] == ["search", "search"]


def test_places_are_words():
    mentions = [Mention("Ankara", "Ankara", "LOC")]
    assert places("brackets", "[Ankara]'da", ["Ankara", "'da"], mentions) == {0: (0, 1, 1, 1.0)}
    assert places("brackets", "[Ankara]'da", ["Ankara'da"], mentions) == {0: (0, 1, 1, 1.0)}
    assert places("brackets", "[Ankara]", ["Roma"], mentions) is None
    assert places("blanks", "[[t:e:0]]a[[/]] b [[t:e:0]]c[[/]]", ["a", "b", "c"], mentions) == {0: (0, 3, 2, 1.0)}


# --- properties ---


@given(st.integers(0, 4), st.integers(0, 4), st.data())
def test_the_matching_is_the_best_of_all(rows, columns, data):
    cells = st.sampled_from([0.0, 0.2, MIN_RATIO, 0.51, 0.6, 0.75, 0.9, 1.0])
    ratios = np.array([[data.draw(cells) for _ in range(columns)] for _ in range(rows)]).reshape(rows, columns)
    pairs = assign(ratios)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(ratios[pair] > MIN_RATIO for pair in pairs)
    usable = np.where(ratios > MIN_RATIO, ratios, 0.0)
    wide = usable if rows <= columns else usable.T
    best = max(sum(wide[k, at] for k, at in enumerate(p)) for p in permutations(range(wide.shape[1]), wide.shape[0]))
    assert sum(ratios[pair] for pair in pairs) == pytest.approx(best)


@given(
    st.text("ab[] ", max_size=20), st.lists(st.tuples(st.text("abc ", max_size=5), st.sampled_from("XY")), max_size=4)
)
def test_each_entity_is_found_once_and_no_two_at_one_place(raw, named):
    marked = decode_brackets(raw)
    found = recover(marked, spans(marked.text), [Mention(text.strip(), "", label) for text, label in named])
    assert [one.entity for one in found] == sorted({one.entity for one in found})
    order = sorted((one.start, one.end) for one in found)
    assert all(0 <= a < b <= len(marked.text) for a, b in order)
    assert all(left[1] <= right[0] for left, right in zip(order, order[1:], strict=False))
    assert all(MIN_RATIO <= one.likeness <= 1 for one in found)
