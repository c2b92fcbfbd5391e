"""Probabilities over links against loops over words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xproj.columns import LinkColumn
from xproj.core.label_ensemble import carry, ensemble
from xproj.core.labels import label_space

LABELS = label_space(["LOC", "PER"])


def reference(source, links, words):
    """The carried rows of one sentence, None where a word has no link."""
    of = {t: [(s, w) for s, t2, w in links if t2 == t and w > 0] for t in range(words)}
    rows = []
    for t in range(words):
        if not of[t]:
            rows.append(None)
            continue
        row = sum(w * source[s] for s, w in of[t]) / sum(w for _, w in of[t])
        if t and {s for s, _ in of[t]} <= {s for s, _ in of[t - 1]}:
            for name in ("LOC", "PER"):
                b, i = LABELS.index(f"B-{name}"), LABELS.index(f"I-{name}")
                row[i], row[b] = row[i] + row[b], 0.0
        rows.append(row)
    return rows


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.integers(0, 5), st.floats(0, 1))
def test_random_columns_equal_loops(seed, rows, share):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 6, size=(2, rows))
    offsets = [np.concatenate([[0], np.cumsum(side)]).astype(np.int64) for side in sizes]
    source, target = (rng.dirichlet(np.ones(len(LABELS)), size=of[-1]).astype(np.float32) for of in offsets)
    links = []
    for n, m in sizes.T:
        pairs = [(s, t) for s in range(n) for t in range(m) if rng.random() < 0.4]
        links.append([(s, t, float(np.float32(rng.choice([0.0, 0.3, 0.5, 1.0])))) for s, t in pairs])
    carried = carry(source, *offsets, LinkColumn.of(links), LABELS)
    mixed = ensemble(carried, target, share)
    assert mixed.shape == target.shape and mixed.dtype == np.float32
    for r in range(rows):
        low, high = offsets[1][r : r + 2]
        for t, row in enumerate(reference(source[offsets[0][r] :], links[r], high - low)):
            assert carried.linked[low + t] == (row is not None)
            expected = target[low + t] if row is None else share * row + (1 - share) * target[low + t]
            assert mixed[low + t] == pytest.approx(expected, abs=1e-6)


def test_one_name_on_two_words_is_one_entity():
    sure = np.eye(len(LABELS), dtype=np.float32)
    source = sure[[LABELS.index("B-PER"), LABELS.index("O"), LABELS.index("B-LOC"), LABELS.index("I-LOC")]]
    links = LinkColumn.of([[(0, 0), (0, 1), (1, 2)], [(0, 0), (1, 1)]])
    carried = carry(source, np.array([0, 2, 4]), np.array([0, 4, 6]), links, LABELS)
    found = ["-" if not k else LABELS[row.argmax()] for row, k in zip(*carried, strict=True)]
    assert found == ["B-PER", "I-PER", "O", "-", "B-LOC", "I-LOC"]
