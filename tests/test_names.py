"""Names that CLDR knows in two languages, and what the statistical aligner learns from them."""

import re
import sys

import pyarrow.parquet as pq
import pytest
from small import corpus, here

from xproj import aligners, recipe
from xproj.aligners.names import name_pairs
from xproj.columns import TokenColumn
from xproj.errors import BackendError
from xproj.languages import all_languages


def known(source, target):
    first, second = name_pairs(source, target)
    return list(zip(first.rows(), second.rows(), strict=True))


@pytest.mark.parametrize(
    ("source", "target", "pairs"),
    [
        ("eng_Latn", "deu_Latn", [("Germany", "Deutschland"), ("Athens", "Athen"), ("Friday", "Freitag")]),
        ("eng_Latn", "swh_Latn", [("Tanzania", "Tanzania"), ("Egypt", "Misri"), ("German", "Kijerumani")]),
        ("eng_Latn", "rus_Cyrl", [("Germany", "Германия"), ("May", "мая")]),
        ("deu_Latn", "eng_Latn", [("Kopenhagen", "Copenhagen"), ("Vereinigte Staaten", "United States")]),
        ("eng_Latn", "bam_Latn", [("Mali", "Mali"), ("January", "zanwuye")]),
    ],
)
def test_names_of_both_languages(source, target, pairs):
    found = {(" ".join(one), " ".join(two)) for one, two in known(source, target)}
    assert set(pairs) <= found
    assert all(one and two for one, two in known(source, target))


def test_no_names_without_two_languages():
    for pair in [("eng_Latn", "und"), ("deu_Latn", "deu_Latn"), ("eng_Latn", "fuv_Latn")]:
        assert name_pairs(*pair) is None, pair


def test_no_names_in_another_script():
    assert name_pairs("eng_Latn", "arb_Latn") is None and name_pairs("eng_Latn", "ace_Arab") is None
    cities = [" ".join(two) for _, two in known("eng_Latn", "amh_Ethi")]
    assert "Addis Ababa" not in cities and len(cities) > 300


def test_what_a_language_lacks_is_no_code_and_no_english_name():
    assert name_pairs("eng_Latn", "ary_Arab") is None
    assert {" ".join(two) for _, two in known("eng_Latn", "hat_Latn")} == {"Kreyòl Ayisyen"}
    for language in all_languages():
        found = name_pairs("eng_Latn", language.code) if language.code != "eng_Latn" else None
        for one, two in known("eng_Latn", language.code) if found else ():
            text = " ".join(two)
            assert not re.fullmatch(r"M\d\d|GMT.*|Sun|Pseudo.*", text), (language.code, text)
            assert language.script == "Latn" or not re.search("[A-Za-z]", text), (language.code, one, text)


def test_babel_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "babel", None)
    with pytest.raises(BackendError, match="package babel is missing"):
        name_pairs("eng_Latn", "deu_Latn")


def test_every_language_can_be_asked():
    some = [language.code for language in all_languages()][::7]
    found = [name_pairs("eng_Latn", code) for code in some if code != "eng_Latn"]
    assert sum(pair is not None and len(pair[0]) > 100 for pair in found) > len(found) / 2


def test_a_known_name_speaks_against_a_link_by_place(tmp_path):
    source = TokenColumn.of([["Athens", "burned"], ["nobody", "saw", "it"]])
    target = TokenColumn.of([["brannte", "Athen"], ["es", "sah", "niemand"]])
    scores = {}
    for names in (False, True):
        settings = recipe.Align(names=names, orthography=False)
        folder = tmp_path / str(names)
        counts = aligners.open(settings).fit([(source, target)], languages=("eng_Latn", "deu_Latn"), output=folder)
        assert counts["sentence_pairs"] == 2 and ("names" in counts) == names
        aligner = aligners.open(settings, fitted=folder)
        rows = aligner.align(source, target, languages=("eng_Latn", "deu_Latn")).write().to_pylist()
        scores[names] = {(x["source"], x["target"]): x["score"] for x in rows[0]}
    assert scores[False][0, 0] > 0.7 and scores[True].get((0, 0), 0.0) < 0.5


def test_a_table_of_no_language_is_told_of_names(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pq.write_table(corpus(4), "corpus.parquet")
    pair = 'align.members={a={aligner="statistical",prefixes=[]},b={aligner="statistical",prefixes=[4]}}'
    for number, (option, told) in enumerate([
        ([], True), (["--language", "deu"], False), (["--set", "align.names=false"], False),
        (["--set", "align.aligner=ensemble", "--set", pair], True),
    ]):  # fmt: skip
        assert here("align", "--input", "corpus.parquet", "--output", f"{number}.parquet", *option) == 0
        assert ("no --language, so names that are known" in capsys.readouterr().err) == told
