"""The statistical aligner's arithmetic against plain Python."""

import math
from collections import defaultdict

import numpy as np
import pytest
from scipy import optimize, special

from xproj.core import lexicon, orthography
from xproj.core import statistical as model
from xproj.core.digamma import digamma
from xproj.core.lexicon import ALIKE, ALPHA, UNSEEN_MASS
from xproj.core.pairs import PairTable, contains
from xproj.core.symmetrize import cell_offsets, symmetrize

TENSION = 1.5
# words of Titles and of no case, so that the prior of capitals has something to say
CAPITALS = {"maria", "peter", "das", "buch"}

CORPUS = [
    ("the house", "das haus"),
    ("the book", "das buch"),
    ("a book", "ein buch"),
    ("the book of maria", "das buch von maria"),
    ("maria reads", "maria liest"),
    ("peter reads a book", "peter liest ein buch"),
    ("", "haus"),
    ("the house of peter", "das haus von peter"),
]


def encode(corpus):
    """Rows of word ids, and the words of both sides."""
    sides, words = [], []
    for side in (0, 1):
        sentences = [pair[side].split() for pair in corpus]
        distinct = list(dict.fromkeys(word for sentence in sentences for word in sentence))
        ids = [distinct.index(word) for sentence in sentences for word in sentence]
        sides += [np.array(ids, dtype=np.int32), np.cumsum([0, *map(len, sentences)])]
        words.append(distinct)
    return model.Rows(*sides), *words


def begin(corpus, orthographic):
    """Rows, words, and everything an iteration needs."""
    rows, source, target = encode(corpus)
    table = PairTable.empty(1 << 40)
    table.add(*rows)
    live = table.live()
    spellings = orthography.spellings(source, target) if orthographic else (None, None)
    extra = lexicon.alike_counts(table.keys, live, *spellings)
    cases = tuple(np.array([2 if w in CAPITALS else 0 for w in words], dtype=np.uint8) for words in (source, target))
    return rows, (source, target), live, extra, model.start(table.keys, cases, extra, TENSION)


def fit(corpus, iterations=6, orthographic=True):
    """Rows, words, live slots, extra pseudo-counts, fitted tables, and the log-likelihood of each iteration."""
    rows, words, live, extra, tables = begin(corpus, orthographic)
    likelihoods = []
    for _ in range(iterations):
        counts = model.Counts.zeros(tables)
        likelihoods.append(counts.add(rows, tables))
        tables = model.update(tables, counts, extra, live)
    return rows, words, live, extra, tables, likelihoods


def posteriors(rows, tables):
    """Both posteriors, flat."""
    cells = cell_offsets(rows.source_offsets, rows.target_offsets)
    forward, backward = np.zeros(cells[-1]), np.zeros(cells[-1])
    model.add_posteriors(rows, tables, 1.0, cells[:-1], forward, backward)
    return forward, backward


def sentences(rows):
    source, target = (np.split(side, offsets[1:-1]) for side, offsets in ((rows[0], rows[1]), (rows[2], rows[3])))
    return [(e.tolist(), f.tolist()) for e, f in zip(source, target, strict=True)]


def plain_expectation(pairs, t, null):
    """Expected counts and log-likelihood of one direction: given words e explain words f."""
    counts, null_counts, total = defaultdict(float), defaultdict(float), 0.0
    for e, f in pairs:
        for j, word in enumerate(f if e else []):
            prior = [math.exp(-TENSION * abs(i / len(e) - j / len(f))) for i in range(len(e))]
            values = [0.8 * d / sum(prior) * t[given, word] for d, given in zip(prior, e, strict=True)]
            nothing = 0.2 * null[word]
            total += math.log(sum(values) + nothing)
            null_counts[word] += nothing / (sum(values) + nothing)
            for given, value in zip(e, values, strict=True):
                counts[given, word] += value / (sum(values) + nothing)
    return counts, null_counts, total


def plain_case_prior(counts, case):
    """α_ab = ψ⁻¹(ψ(α) + log ratio), from the links of both directions; `case` names that of each side's words."""
    links = defaultdict(float)
    for key in counts[0]:
        links[case[0][key[0]], case[1][key[1]]] += math.sqrt(counts[0][key] * counts[1][key])
    total = sum(links.values())
    prior = {}
    for a in (0, 2):
        for b in (0, 2):
            chance = (links[a, 0] + links[a, 2]) * (links[0, b] + links[2, b]) / total
            value = special.digamma(ALPHA) + 2 * math.log((links[a, b] + 10) / (chance + 10))
            prior[a, b] = optimize.brentq(lambda x, y=value: special.digamma(x) - y, 1e-3, 20)
    return prior


def plain_maximisation(counts, alpha):
    """exp(ψ(c + α)) / exp(ψ(Σ)) by given word; `alpha` names the support."""
    mass = defaultdict(float)
    for given, word in alpha:
        mass[given] += counts[given, word] + alpha[given, word]
    psi = special.digamma
    table = {key: math.exp(psi(counts[key] + a) - psi(mass[key[0]])) for key, a in alpha.items()}
    return table, {given: math.exp(psi(ALPHA) - psi(total)) for given, total in mass.items()}


def directed(rows, flipped):
    """Sentence pairs (explaining, explained) of one direction."""
    return [(f, e) if flipped else (e, f) for e, f in sentences(rows)]


@pytest.mark.parametrize("orthographic", [False, True])
def test_iterations_equal_plain_python(orthographic):
    rows, _, live, extra, tables = begin(CORPUS, orthographic)
    support = [(key >> 32, key & 0xFFFFFFFF) for key in tables.keys[live].tolist()]
    alike = dict(zip(support, extra[live].astype(float).tolist(), strict=True))
    case = tables.source_case.tolist(), tables.target_case.tolist()
    t = [{key[::step]: 1 + a / ALPHA for key, a in alike.items()} for step in (1, -1)]
    null = [dict.fromkeys(range(len(side)), 1.0) for side in case[::-1]]
    for _ in range(3):
        plain = [plain_expectation(directed(rows, flipped), t[flipped], null[flipped])[:2] for flipped in (0, 1)]
        counts = model.Counts.zeros(tables)
        counts.add(rows, tables)
        there = ((counts.forward, counts.null_forward), (counts.backward, counts.null_backward))
        linked = [{key: plain[flipped][0][key[:: -1 if flipped else 1]] for key in support} for flipped in (0, 1)]
        prior = plain_case_prior(linked, case)
        alpha = {key: a + prior[case[0][key[0]], case[1][key[1]]] for key, a in alike.items()}
        tables = model.update(tables, counts, extra, live)
        here = (
            (tables.forward, tables.floor_forward, tables.null_forward),
            (tables.backward, tables.floor_backward, tables.null_backward),
        )
        for flipped, (expected, expected_null) in enumerate(plain):
            step = -1 if flipped else 1
            assert there[flipped][0][live] == pytest.approx([expected[key[::step]] for key in support], rel=1e-4)
            words = range(len(null[flipped]))
            assert there[flipped][1] == pytest.approx([expected_null[word] for word in words], rel=1e-4)
            t[flipped], floor = plain_maximisation(expected, {key[::step]: a for key, a in alpha.items()})
            none = {(0, word): ALPHA for word in words}
            every = plain_maximisation({(0, word): expected_null[word] for word in words}, none)[0]
            null[flipped] = {word: every[0, word] for word in words}
            table, floors, nulls = here[flipped]
            assert table[live] == pytest.approx([t[flipped][key[::step]] for key in support], rel=1e-4)
            assert floors == pytest.approx([floor[word] for word in range(len(floors))], rel=1e-4)
            assert nulls == pytest.approx([null[flipped][word] for word in words], rel=1e-4)


def test_the_likelihood_is_that_of_both_directions():
    rows, _, live, _, tables, _ = fit(CORPUS)
    keys, total = tables.keys[live].tolist(), 0.0
    for flipped in (False, True):
        table, null = (tables.backward, tables.null_backward) if flipped else (tables.forward, tables.null_forward)
        support = [(key >> 32, key & 0xFFFFFFFF)[:: -1 if flipped else 1] for key in keys]
        t = dict(zip(support, table[live].tolist(), strict=True))
        total += plain_expectation(directed(rows, flipped), t, null.tolist())[2]
    assert model.Counts.zeros(tables).add(rows, tables) == pytest.approx(total, rel=1e-5)


def test_posteriors_equal_the_expected_counts():
    rows, _, live, _, tables, _ = fit(CORPUS)
    counts = model.Counts.zeros(tables)
    counts.add(rows, tables)
    forward, backward = posteriors(rows, tables)
    assert forward.sum() == pytest.approx(counts.forward[live].sum())
    assert backward.sum() == pytest.approx(counts.backward[live].sum())
    assert counts.forward.sum() + counts.null_forward.sum() == pytest.approx(len(rows.target) - 1)


def test_directions_that_agree_have_the_same_counts():
    rows, _, live, extra, tables, _ = fit(CORPUS)
    forward, backward = posteriors(rows, tables)
    cells = cell_offsets(rows.source_offsets, rows.target_offsets)
    both, null = defaultdict(float), (defaultdict(float), defaultdict(float))
    for row, (e, f) in enumerate(sentences(rows)):
        mean = np.sqrt(forward * backward)[cells[row] : cells[row + 1]].reshape(len(e), len(f))
        for i, source in enumerate(e if f else []):
            null[1][source] += 1 - mean[i].sum()
            for j, target in enumerate(f):
                both[source, target] += mean[i, j]
        for j, target in enumerate(f if e else []):
            null[0][target] += 1 - mean[:, j].sum()
    counts = model.Counts.zeros(tables)
    likelihood = counts.add(rows, tables, agree=True)
    pairs = [(key >> 32, key & 0xFFFFFFFF) for key in tables.keys[live].tolist()]
    assert counts.forward[live] == pytest.approx([both[pair] for pair in pairs], rel=1e-5)
    assert (counts.forward == counts.backward).all()
    for side, found in enumerate((counts.null_forward, counts.null_backward)):
        assert found == pytest.approx([null[side][word] for word in range(len(found))], abs=1e-5)
    assert likelihood == model.Counts.zeros(tables).add(rows, tables)  # that of the posteriors as they were
    agreed = model.update(tables, counts, extra, live)
    assert (agreed.forward[live] != tables.forward[live]).any()


def test_agreement_of_certain_and_of_contrary_posteriors():
    posterior, back = np.array([[1.0, 0.0], [0.0, 0.5]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    null, back_null = np.array([0.0, 0.5]), np.zeros(2)
    model.agreement(posterior, back, null, back_null)
    assert posterior.tolist() == [[1.0, 0.0], [0.0, 0.0]] == back.T.tolist()
    assert null.tolist() == [0.0, 1.0] == back_null.tolist()


def test_digamma():
    values = np.concatenate([np.geomspace(1e-3, 1e6, 400), np.linspace(0.1, 10, 200)])
    ours = np.array([digamma(value) for value in values])
    assert np.abs(ours - special.digamma(values)).max() < 1e-8


@pytest.mark.parametrize("orthographic", [False, True])
def test_the_likelihood_does_not_fall(orthographic):
    # the first tables are no probabilities
    likelihoods = fit(CORPUS * 3, 12, orthographic)[-1][1:]
    assert likelihoods[-1] > likelihoods[0] + 1
    assert min(np.diff(likelihoods)) > -0.002 * abs(likelihoods[0])


def test_a_toy_corpus_gets_the_right_links():
    rows, _, _, _, tables, _ = fit(CORPUS, 10)
    offsets, source, target, score = symmetrize(*posteriors(rows, tables), rows.source_offsets, rows.target_offsets)
    for row, (e, f) in enumerate(sentences(rows)):
        links = {
            (int(i), int(j)): float(s)
            for i, j, s in zip(
                *(side[offsets[row] : offsets[row + 1]] for side in (source, target, score)), strict=True
            )
        }
        strongest = {link for link, s in links.items() if s > 0.5}
        assert strongest >= {(k, k) for k in range(len(e))} if len(e) == len(f) else not links


def test_tables_survive_compaction():
    rows, _, live, extra, tables, _ = fit(CORPUS * 2, 8)
    small = lexicon.compact(tables, live, extra)
    assert 0 < len(small["keys"]) < len(live)
    again = lexicon.expand(small)
    for new, old in zip(posteriors(rows, again), posteriors(rows, tables), strict=True):
        assert new == pytest.approx(old, abs=0.03)
    assert np.argmax(new) == np.argmax(old)


def test_alike_pairs_have_larger_priors():
    _, (source, target), live, extra, tables = begin(CORPUS, True)
    for slot in live:
        key = int(tables.keys[slot])
        a, b = source[key >> 32], target[key & 0xFFFFFFFF]
        alike = {("maria", "maria"): 1.0, ("peter", "peter"): 1.0, ("house", "haus"): 2 / 3}
        assert extra[slot] == pytest.approx(ALIKE * alike.get((a, b), 0.0) ** 4)


def test_unseen_words_align_by_their_looks():
    rows, (source, target), live, extra, tables, _ = fit(CORPUS)
    source, target = [*source, "nairobi", "lives"], [*target, "найроби", "lebt"]
    grown = tables.resized(len(source), len(target))
    assert len(grown.floor_forward) == len(grown.null_backward) == len(source)
    unseen = math.exp(special.digamma(ALPHA) - special.digamma(UNSEEN_MASS))
    assert grown.floor_forward[-2:] == pytest.approx([unseen] * 2)
    new = np.array(
        [(s << 32) | t for s in (-2 + len(source), -1 + len(source)) for t in (len(target) - 2, len(target) - 1)]
    )
    extended = lexicon.extend(grown, new, *orthography.spellings(source, target))
    assert contains(extended.keys, new).tolist() == [True, False, False, False]
    assert contains(extended.keys, tables.keys[live]).all()
    row = model.Rows(
        np.array([len(source) - 1, len(source) - 2], dtype=np.int32), np.array([0, 2]),
        np.array([len(target) - 2, len(target) - 1], dtype=np.int32), np.array([0, 2]),
    )  # fmt: skip
    forward, backward = (side.reshape(2, 2) for side in posteriors(row, extended))
    assert forward[1, 0] > 0.9 > 0.5 > forward[0, 1] and backward[1, 0] > 0.9
    old, same = (posteriors(rows, each) for each in (tables, extended))
    assert same[0] == pytest.approx(old[0], abs=1e-6)


def test_empty_sides():
    rows = model.Rows(*(np.array(side) for side in (np.zeros(0, np.int32), [0, 0], np.zeros(0, np.int32), [0, 0])))
    table = PairTable.empty(10)
    table.add(*rows)
    live = table.live()
    none = np.zeros(0, dtype=np.uint8)
    tables = model.start(table.keys, (none, none), lexicon.alike_counts(table.keys, live, None, None), TENSION)
    counts = model.Counts.zeros(tables)
    assert counts.add(rows, tables) == 0
    assert len(lexicon.compact(model.update(tables, counts, tables.forward, live), live, tables.forward)["keys"]) == 0
