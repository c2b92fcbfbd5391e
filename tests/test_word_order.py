"""The tension that a fit of the statistical aligner measures and keeps."""

from xproj import aligners, recipe
from xproj.aligners import fitted
from xproj.columns import TokenColumn
from xproj.core import word_order

NAMES = "Merkel Nairobi Zaandam Thorvald Lumumba Oksana".split()
FILLER = {"eng_Latn": "aa bb cc dd ee ff".split(), "deu_Latn": "gg hh kk ll mm nn".split()}


def sentences(language, names):
    words = [word for pair in zip(names, FILLER[language], strict=True) for word in pair]
    return TokenColumn.of([words] * 60)


def fit(folder, order=NAMES, **settings):
    """The tension of a fit on sentences of the names in this order on the target side."""
    made = recipe.Align(**settings)
    sides = sentences("eng_Latn", NAMES), sentences("deu_Latn", order)
    counts = aligners.open(made).fit([sides], languages=("eng_Latn", "deu_Latn"), output=folder)
    kept = {one.tables.tension for one in fitted.read(folder, trust_floor=True).models}
    assert kept == {counts["tension"]}
    return counts["tension"]


def test_a_fit_measures_how_far_words_move(tmp_path):
    assert fit(tmp_path / "same") > 1.95
    assert fit(tmp_path / "turned", NAMES[::-1]) < 0.1
    assert fit(tmp_path / "neither", orthography=False) == 1.0


def test_names_and_dictionary_say_nothing_of_it(tmp_path):
    words = tmp_path / "words.tsv"
    words.write_text("".join(f"{name} aa\t{name} gg\n" for name in NAMES), encoding="utf-8")
    turned = [fit(tmp_path / str(number), NAMES[::-1], names=bool(number)) for number in range(2)]
    assert fit(tmp_path / "dictionary", NAMES[::-1], dictionary=str(words)) == turned[0] == turned[1]


def test_the_corpus_comes_before_prime(tmp_path, monkeypatch):
    prime = tmp_path / "prime.tsv"
    sides = (" ".join(f"{name} {letter}{letter}" for name in NAMES) for letter in "xy")
    prime.write_text(("\t".join(sides) + "\n") * 300, encoding="utf-8")
    alone, both = fit(tmp_path / "alone", NAMES[::-1]), fit(tmp_path / "both", NAMES[::-1], prime=str(prime))
    assert alone < 0.1 < 1.0 < both
    monkeypatch.setattr(word_order, "MOST_ANCHORS", 300)
    assert fit(tmp_path / "full", NAMES[::-1], prime=str(prime)) < 0.1
