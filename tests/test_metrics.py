"""The arithmetic of scores: against plain Python, against seqeval, and against brute resampling."""

from functools import reduce
from operator import add

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import metrics as seqeval
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2

from xproj.columns import EntityColumn, LinkColumn, TokenColumn
from xproj.core import metrics, spans, surfaces
from xproj.core.metrics import SpanCounts, Tally

LABELS = ("LOC", "ORG", "PER")


@st.composite
def sentences(draw, words=8):
    """Non-overlapping entities of one sentence."""
    entities, place = [], 0
    while place < words and draw(st.booleans()):
        start = draw(st.integers(place, words - 1))
        end = draw(st.integers(start + 1, words))
        entities.append((start, end, draw(st.sampled_from(LABELS))))
        place = end
    return entities


pairs = st.lists(st.tuples(st.one_of(st.none(), sentences()), sentences()), max_size=8)


def columns(rows):
    return EntityColumn.of([p for p, _ in rows]), EntityColumn.of([g for _, g in rows])


def reference(rows, label=None):
    """(correct, predicted, gold) of each row that has gold."""
    counts = []
    for predicted, gold in rows:
        if gold is None:
            continue
        a, b = ({e for e in side or [] if label in (None, e[2])} for side in (predicted, gold))
        counts.append((len(a & b), len(a), len(b)))
    return counts


def tags(entities, words=8):
    row = ["O"] * words
    for start, end, label in entities or []:
        row[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return row


WORDS = [f"w{k % 3}" for k in range(8)]
TRAINING = TokenColumn.of([WORDS]), EntityColumn.of([[(0, 1, "PER"), (1, 3, "ORG"), (3, 4, "LOC")]])


def seen_counts(rows):
    """Counts with seen and unseen entities; every sentence has the same words."""
    words = TokenColumn.of([WORDS] * len(rows))
    training = surfaces.labelled_surfaces(*TRAINING)
    return SpanCounts.of(*columns(rows), lambda found: surfaces.had(found, words, training))


def as_counter(tally):
    return {tuple(c): int(n) for c, n in zip(tally.counts.tolist(), tally.sentences, strict=True)}


@given(pairs)
def test_counts_equal_plain_python(rows):
    counts = SpanCounts.of(*columns(rows))
    assert len(counts.overall) == len(rows)
    assert as_counter(counts.overall) == as_counter(Tally.of(np.array(reference(rows)).reshape(-1, 3)))
    for name, tally in counts.labels.items():
        expected = np.array(reference(rows, name)).reshape(-1, 3)
        assert as_counter(tally) == as_counter(Tally.of(expected))
        assert tally.totals.tolist() == expected.sum(axis=0).tolist()


@settings(max_examples=60)
@given(pairs.filter(lambda rows: any(p for p, _ in rows) and any(g for _, g in rows)))
def test_scores_equal_seqeval_strict(rows):
    predicted, gold = [tags(p) for p, _ in rows], [tags(g) for _, g in rows]
    counts = SpanCounts.of(*columns(rows))
    micro = precision_recall_fscore_support(gold, predicted, average="micro", scheme=IOB2, zero_division=0)
    assert metrics.precision_recall_f1(counts.overall.totals) == pytest.approx(micro[:3])
    table = precision_recall_fscore_support(gold, predicted, average=None, scheme=IOB2, zero_division=0)
    ours = [metrics.precision_recall_f1(tally.totals) for _, tally in sorted(counts.labels.items())]
    assert np.array(ours).T == pytest.approx(np.array(table[:3]))
    assert [int(tally.totals[2]) for _, tally in sorted(counts.labels.items())] == table[3].tolist()


def random_tags(rng, size):
    """Tags of a sentence, drawn without regard to any scheme."""
    return rng.choice(["O", "O", *(f"{p}-{name}" for p in "BI" for name in LABELS)], size=size).tolist()


def test_thousands_of_random_sequences_score_as_in_seqeval():
    """As they are like its lenient mode, and repaired to IOB2 like its strict one."""
    rng = np.random.default_rng(11)
    for _ in range(40):
        lengths = rng.integers(1, 25, size=100)
        gold, predicted = ([random_tags(rng, size) for size in lengths] for _ in range(2))
        predicted = [p if rng.random() < 0.5 else list(g) for p, g in zip(predicted, gold, strict=True)]
        sides = [spans.decode_column(*flat(rows)).entities for rows in (predicted, gold)]
        ours = metrics.precision_recall_f1(SpanCounts.of(*sides).overall.totals)
        lenient = [f(gold, predicted) for f in (seqeval.precision_score, seqeval.recall_score, seqeval.f1_score)]
        assert ours == pytest.approx(lenient)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        repaired = [
            [part.tolist() for part in np.split(np.array(spans.encode_column(side, offsets)), offsets[1:-1])]
            for side in sides
        ]
        strict = precision_recall_fscore_support(*repaired[::-1], average="micro", scheme=IOB2, zero_division=0)
        assert ours == pytest.approx(strict[:3])


def flat(rows):
    """Offsets and tags of sentences."""
    tags = pa.array([tag for row in rows for tag in row], pa.string())
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]), tags


@given(pairs)
def test_lengths_and_seen_entities_equal_plain_python(rows):
    counts = seen_counts(rows)
    training = {("w0", "PER"), ("w1 w2", "ORG"), ("w0", "LOC")}
    groups = {
        "lengths": lambda e: "4+" if e[1] - e[0] > 3 else str(e[1] - e[0]),
        "seen": lambda e: "seen" if (" ".join(WORDS[e[0] : e[1]]), e[2]) in training else "unseen",
    }
    for part, group in groups.items():
        tallies = getattr(counts, part)
        assert list(tallies) == list({"lengths": metrics.LENGTHS, "seen": metrics.SEEN}[part])
        for name, tally in tallies.items():
            kept = [[None if side is None else [e for e in side if group(e) == name] for side in row] for row in rows]
            assert as_counter(tally) == as_counter(Tally.of(np.array(reference(kept)).reshape(-1, 3)))
        assert sum(tally.totals for tally in tallies.values()).tolist() == counts.overall.totals.tolist()


@given(pairs, st.lists(st.integers(0, 8), max_size=3))
def test_shards_add_up_in_any_order(rows, cuts):
    whole = seen_counts(rows)
    bounds = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    parts = [seen_counts(rows[low:high]) for low, high in zip(bounds, bounds[1:], strict=False)] or [whole]
    for order in (parts, parts[::-1]):
        merged = reduce(add, order)
        assert np.array_equal(merged.overall.counts, whole.overall.counts)
        assert np.array_equal(merged.overall.sentences, whole.overall.sentences)
        for part in ("labels", "lengths", "seen"):
            tallies, expected = getattr(merged, part), getattr(whole, part)
            assert list(tallies) == list(expected)
            assert {n: as_counter(t) for n, t in tallies.items()} == {n: as_counter(t) for n, t in expected.items()}


def test_a_span_given_twice_counts_once():
    counts = SpanCounts.of(EntityColumn.of([[(0, 1, "A"), (0, 1, "A")]]), EntityColumn.of([[(0, 1, "A")]]))
    assert counts.overall.totals.tolist() == [1, 1, 1]


def test_rows_without_gold_are_not_scored_and_null_predictions_predict_nothing():
    predicted = EntityColumn.of([[(0, 1, "A")], None, [(0, 1, "A")]])
    gold = EntityColumn.of([None, [(0, 1, "A")], []])
    counts = SpanCounts.of(predicted, gold)
    assert as_counter(counts.overall) == {(0, 0, 1): 1, (0, 1, 0): 1}


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="2 predicted rows but 1 gold"):
        metrics.match(EntityColumn.of([[], []]), EntityColumn.of([[]]))
    with pytest.raises(ValueError, match="rows of links"):
        metrics.link_counts(LinkColumn.of([[]]), LinkColumn.of([]), LinkColumn.of([]))


def test_nothing_to_divide_by_is_zero():
    assert metrics.precision_recall_f1(np.zeros(3)).tolist() == [0, 0, 0]
    assert metrics.f1(np.array([[1, 2, 2], [0, 0, 0]])).tolist() == [0.5, 0.0]


def test_bootstrap_equals_resampling_of_sentences():
    rng = np.random.default_rng(7)
    gold = rng.integers(0, 4, size=300)
    counts = np.stack([rng.binomial(gold, 0.7), gold, gold], axis=1)
    low, high = metrics.bootstrap(Tally.of(counts), metrics.f1, resamples=4000)
    drawn = counts[rng.integers(0, 300, size=(4000, 300))].sum(axis=1)
    plain = np.quantile(metrics.f1(drawn), [0.025, 0.975])
    assert (low, high) == pytest.approx(plain, abs=0.006)
    assert low < metrics.f1(counts.sum(axis=0)) < high


def test_bootstrap_is_fixed_by_its_seed_and_not_by_chunks(monkeypatch):
    tally = Tally.of(np.array([[1, 1, 1], [0, 1, 1], [0, 0, 2], [2, 2, 3]]))
    whole = metrics.bootstrap(tally, metrics.f1, resamples=100)
    monkeypatch.setattr(metrics, "CELLS", 4 * 7)
    assert metrics.bootstrap(tally, metrics.f1, resamples=100) == whole
    assert metrics.bootstrap(tally, metrics.f1, resamples=100, seed=1) != whole


@pytest.mark.parametrize("tally", [Tally.zeros(0), Tally.of(np.zeros((0, 3)))])
def test_no_interval_without_sentences(tally):
    assert len(tally) == 0
    assert tally.totals.tolist() == [0, 0, 0]
    assert metrics.bootstrap(tally, metrics.f1) is None
    assert metrics.bootstrap(Tally.zeros(5), metrics.f1, resamples=0) is None


def test_comparison_finds_a_real_difference_and_no_other():
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 3, size=400)
    good, bad = (np.stack([rng.binomial(gold, share), gold, gold], axis=1) for share in (0.8, 0.6))
    better = metrics.compare(Tally.of(np.hstack([good, bad])), metrics.f1)
    assert better.value == pytest.approx(metrics.f1(good.sum(axis=0)) - metrics.f1(bad.sum(axis=0)))
    assert 0 < better.low < better.value < better.high
    assert better.p_value < 0.01
    same = metrics.compare(Tally.of(np.hstack([good, good])), metrics.f1)
    assert same == (0, 0, 0, 1)
    chance = metrics.compare(Tally.of(np.hstack([good, good[rng.permutation(400)]])), metrics.f1)
    assert chance.p_value > 0.05 and chance.low < 0 < chance.high


def test_comparison_p_value_equals_exact_randomisation():
    counts = np.array(
        [[1, 1, 1, 0, 1, 1], [1, 1, 1, 0, 0, 1], [0, 1, 1, 1, 1, 1], [2, 2, 2, 1, 2, 2], [1, 2, 2, 0, 1, 2]]
    )
    observed = abs(metrics.f1(counts[:, :3].sum(0)) - metrics.f1(counts[:, 3:].sum(0)))
    extreme = 0
    for bits in range(32):
        swapped = [np.roll(row, 3) if bits >> i & 1 else row for i, row in enumerate(counts)]
        total = np.sum(swapped, axis=0)
        extreme += abs(metrics.f1(total[:3]) - metrics.f1(total[3:])) >= observed - 1e-12
    result = metrics.compare(Tally.of(counts), metrics.f1, resamples=20000)
    assert result.p_value == pytest.approx(extreme / 32, abs=0.015)


links = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6)


@given(st.lists(st.tuples(links, links, links), max_size=4))
def test_link_counts_equal_plain_python(rows):
    counts = metrics.link_counts(*(LinkColumn.of([row[i] for row in rows]) for i in range(3)))
    expected = []
    for found, sure, possible in rows:
        a, s = set(found), set(sure)
        expected.append([len(a & s), len(a & (s | set(possible))), len(a), len(s)])
    assert counts.tolist() == expected


def test_alignment_error_rate():
    assert metrics.alignment_error_rate(np.array([4, 4, 4, 4])) == 0
    assert metrics.alignment_error_rate(np.array([3, 4, 5, 4])) == pytest.approx(1 - 7 / 9)
    assert metrics.alignment_error_rate(np.zeros(4)) == 0
