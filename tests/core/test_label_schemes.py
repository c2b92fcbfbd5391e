"""Label schemes of models: read from names, and their probabilities as IOB2, against plain references."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core.label_schemes import LabelScheme
from xproj.core.labels import decode

SETS = {
    "IOB2": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "IOB1": ["I-LOC", "B-LOC", "O", "I-PER"],
    "IOB1 without B": ["I-PER", "I-LOC", "O"],
    "bare": ["LOC", "O", "PER"],
}


@pytest.mark.parametrize("names", SETS.values(), ids=SETS)
def test_the_label_space_is_iob2(names):
    assert LabelScheme.read(names).labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["O", "B-X", "I-X", "E-X", "S-X"], [0, 1, 2, 2, 1]),
        (["U-X", "L-X", "I-X", "B-X", "O"], [1, 2, 2, 1, 0]),
        (["O", "B_X", "M_X", "E_X", "S_X"], [0, 1, 2, 2, 1]),
        (["O", "X-1", "Z"], [0, 2, 4]),
    ],
)
def test_labels_that_mean_the_same_share_a_column(names, columns):
    assert LabelScheme.read(names).columns.tolist() == columns


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["LABEL_0", "LABEL_1"], "without names"),
        (["NOUN", "VERB"], "not one label 'O'"),
        (["O"], "no label beside"),
        (["O", "B-PER", "[CLS]"], "no known scheme"),
        (["O", "B-PER", "B-PER"], "two labels"),
        (["O", "O", "B-PER"], "not one label 'O'"),
    ],
)
def test_unknown_schemes_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        LabelScheme.read(names)


def iob1_spans(tags):
    """Spans of IOB1 tags by its definition: a change of type or a B- begins a new one."""
    found, open_ = [], None
    for k, tag in enumerate([*tags, "O"]):
        kind = None if tag == "O" else tag.split("-")[-1]
        if open_ is not None and (kind != open_[1] or tag.startswith("B-")):
            found.append((open_[0], k, open_[1]))
            open_ = None
        if kind is not None and open_ is None:
            open_ = (k, kind)
    return found


def softmaxed(rng, words, labels):
    found = np.exp(rng.normal(0, 2, (words, labels))).astype(np.float32)
    return found / found.sum(1, keepdims=True)


@given(st.sampled_from(sorted(SETS)), st.lists(st.integers(0, 7), max_size=4), st.integers(0, 2**32 - 1))
def test_spans_are_those_of_the_models_own_rules(kind, lengths, seed):
    names = SETS[kind]
    own = softmaxed(np.random.default_rng(seed), sum(lengths), len(names))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    scheme = LabelScheme.read(names)
    made = scheme.to_iob2(own, offsets)
    assert made.shape == (sum(lengths), 5) and np.allclose(made.sum(1), 1, atol=1e-5)
    # the probability of a type at a word, and the best label's, stay
    for name in ("PER", "LOC"):
        ours = made[:, [k for k, label in enumerate(scheme.labels) if label.endswith(name)]].sum(1)
        assert np.allclose(ours, own[:, [k for k, label in enumerate(names) if label.endswith(name)]].sum(1), atol=1e-6)
    assert np.allclose(made.max(1, initial=0), own.max(1, initial=0))
    for first, last in zip(offsets[:-1], offsets[1:], strict=True):
        tags = [names[k] for k in own[first:last].argmax(1)]
        found = decode([made[first:last]], scheme.labels)
        spans = zip(found.start, found.end, (found.names[k] for k in found.label), strict=True)
        assert [(int(a), int(b), name) for a, b, name in spans] == iob1_spans(tags)
        # what starts an entity is called B-
        best = [scheme.labels[k] for k in made[first:last].argmax(1)]
        assert [k for k, label in enumerate(best) if label[0] == "B"] == [a for a, _, _ in iob1_spans(tags)]


@given(st.lists(st.sampled_from(["", "S-X", "S-Y", "B-X E-X", "B-Y I-Y E-Y", "B-X I-X I-X E-X"]), max_size=6))
def test_bioes_keeps_its_spans(pieces):
    names = ["O", *(f"{prefix}-{kind}" for kind in "XY" for prefix in "BIES")]
    tags, spans = [], []
    for piece in pieces:
        parts = piece.split() or ["O"]
        if piece:
            spans.append((len(tags), len(tags) + len(parts), parts[0][-1]))
        tags += parts
    own = np.full((len(tags), len(names)), 0.05, dtype=np.float32)
    own[np.arange(len(tags)), [names.index(tag) for tag in tags]] = 0.6
    scheme = LabelScheme.read(names)
    found = decode([scheme.to_iob2(own, np.array([0, len(tags)]))], scheme.labels)
    said = zip(found.start, found.end, (found.names[k] for k in found.label), strict=True)
    assert [(int(a), int(b), name) for a, b, name in said] == spans
