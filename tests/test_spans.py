import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.columns import Entity, EntityColumn
from xproj.core.spans import (
    TagError,
    char_spans_to_words,
    decode,
    decode_column,
    detect_scheme,
    encode,
    encode_column,
    is_tag,
)

LABELS = ("PER", "LOC", "B-X")


@st.composite
def labelled(draw):
    """(n_words, entities): disjoint spans, neighbours included."""
    n = draw(st.integers(0, 12))
    cuts = sorted(draw(st.sets(st.integers(0, n), max_size=n + 1)))
    spans = [span for span in zip(cuts, cuts[1:], strict=False) if draw(st.booleans())]
    return n, [Entity(start, end, draw(st.sampled_from(LABELS))) for start, end in spans]


def in_scheme(n, entities, scheme):
    tags = ["O"] * n
    previous = None
    for entity in entities:
        length = entity.end - entity.start
        prefixes = ["I"] * length
        if scheme == "IOB1":
            touching = previous is not None and previous.end == entity.start and previous.label == entity.label
            prefixes[0] = "B" if touching else "I"
        elif scheme in ("IOBES", "BILOU"):
            single, last = ("S", "E") if scheme == "IOBES" else ("U", "L")
            prefixes[0], prefixes[-1] = "B", last
            if length == 1:
                prefixes = [single]
        else:
            prefixes[0] = "B"
        for i, prefix in enumerate(prefixes):
            tags[entity.start + i] = f"{prefix}-{entity.label}"
        previous = entity
    return tags


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES", "BILOU"])
@given(sentence=labelled())
def test_every_scheme_decodes_without_repair(scheme, sentence):
    n, entities = sentence
    tags = in_scheme(n, entities, scheme)
    assert decode(tags, strict=True, scheme=scheme) == (entities, 0)


@given(labelled())
def test_encode_and_decode_are_inverse(sentence):
    n, entities = sentence
    tags = encode(entities, n)
    assert decode(tags) == (entities, 0)
    assert encode(decode(tags)[0], n) == tags


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES", "BILOU"])
def test_the_scheme_of_a_corpus_is_detected(scheme):
    entities = [Entity(0, 2, "PER"), Entity(2, 3, "PER"), Entity(4, 6, "LOC")]
    assert detect_scheme([["O"], in_scheme(7, entities, scheme)]) == scheme


def test_detection_stops_when_it_knows_enough():
    def sentences():
        yield from [["B-A", "O"]] * 2000
        raise AssertionError("read too far")

    assert detect_scheme(sentences()) == "IOB2"
    assert detect_scheme([]) == "IOB2"


def reference(tags):
    """Spans of a sentence, one word at a time."""
    spans, current = [], None
    for i, tag in enumerate([*tags, "O"]):
        prefix, label = tag[0], tag[2:]
        if current and (tag == "O" or prefix in "BSU" or label != current[1]):
            spans.append(Entity(current[0], i, current[1]))
            current = None
        if tag != "O":
            current = current or (i, label)
            if prefix in "ELSU":
                spans.append(Entity(current[0], i + 1, label))
                current = None
    return spans


TAGS = ["O", *(f"{prefix}-{label}" for prefix in "BIESLU" for label in ("A", "B"))]


@given(st.lists(st.lists(st.sampled_from(TAGS), max_size=8), max_size=6))
def test_the_column_decoder_equals_the_reference(sentences):
    offsets = np.concatenate([[0], np.cumsum([len(tags) for tags in sentences])]).astype(np.int64)
    flat = pa.array([tag for tags in sentences for tag in tags], type=pa.string())
    found = decode_column(offsets, flat).entities.write().to_pylist()
    assert found == [[entity._asdict() for entity in reference(tags)] for tags in sentences]


@given(st.lists(labelled(), max_size=6))
def test_the_column_encoder_equals_the_row_encoder(sentences):
    offsets = np.concatenate([[0], np.cumsum([n for n, _ in sentences])]).astype(np.int64)
    column = EntityColumn.of([[entity[:3] for entity in entities] for _, entities in sentences])
    expected = [tag for n, entities in sentences for tag in encode(entities, n)]
    assert encode_column(column, offsets).to_pylist() == expected


@pytest.mark.parametrize(
    ("tags", "spans", "repairs"),
    [
        (["O", "I-A", "I-A"], [(1, 3, "A")], 1),
        (["B-A", "I-B"], [(0, 1, "A"), (1, 2, "B")], 1),
        (["I-A", "B-A"], [(0, 1, "A"), (1, 2, "A")], 1),
        (["B-A", "B-A"], [(0, 1, "A"), (1, 2, "A")], 0),
        (["B-A", "I-A", "E-A", "I-A"], [(0, 3, "A"), (3, 4, "A")], 1),
        (["B-A", "O", "S-A"], [(0, 1, "A"), (2, 3, "A")], 1),
        (["B-A-B", "I-A-B"], [(0, 2, "A-B")], 0),
        ([], [], 0),
    ],
)
def test_repairs_are_counted(tags, spans, repairs):
    assert decode(tags) == ([Entity(*span) for span in spans], repairs)
    if repairs:
        with pytest.raises(TagError, match="not allowed there"):
            decode(tags, strict=True)


@pytest.mark.parametrize("tag", ["PER", "B-", "B", "", "o", "X-PER", "B_PER", "-PER"])
def test_what_is_no_tag_is_refused(tag):
    assert not is_tag(tag)
    with pytest.raises(TagError) as raised:
        decode(["O", tag])
    assert raised.value.word == 1


@pytest.mark.parametrize("entities", [[Entity(0, 2, "A"), Entity(1, 3, "B")], [Entity(2, 4, "A")], [Entity(1, 1, "A")]])
def test_encode_refuses_impossible_spans(entities):
    with pytest.raises(ValueError, match="span"):
        encode(entities, 3)


WORDS = [(0, 5), (6, 8), (9, 12)]


@pytest.mark.parametrize(
    ("spans", "found", "expanded", "lost"),
    [
        ([(0, 5, "A", None), (6, 12, "B", 0.5)], [(0, 1, "A", None), (1, 3, "B", 0.5)], 0, 0),
        ([(6, 12, "B", None), (0, 5, "A", None)], [(0, 1, "A", None), (1, 3, "B", None)], 0, 0),
        ([(2, 5, "A", None)], [(0, 1, "A", None)], 1, 0),
        ([(5, 9, "A", None)], [(1, 2, "A", None)], 0, 0),
        ([(5, 6, "A", None)], [], 0, 1),
        ([(0, 2, "A", None), (3, 5, "B", None)], [(0, 1, "A", None)], 2, 1),
        ([(0, 2, "A", None), (3, 8, "B", None)], [(0, 1, "A", None), (1, 2, "B", None)], 2, 0),
        ([], [], 0, 0),
    ],
)
def test_character_spans_become_word_spans(spans, found, expanded, lost):
    result = char_spans_to_words(spans, WORDS)
    assert result.entities == [Entity(*entity) for entity in found]
    assert (result.expanded, result.lost) == (expanded, lost)


def test_character_spans_in_a_text_without_words():
    assert char_spans_to_words([(0, 1, "A", None)], []).lost == 1
