"""Dictionaries that the fit of the statistical aligner reads beside the corpus."""

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import corpus, here

from xproj import aligners, recipe
from xproj.aligners.dictionary import read_entries
from xproj.aligners.views import Vocabulary
from xproj.columns import TokenColumn
from xproj.core.bare_words import counted
from xproj.errors import CorpusError

LANGUAGES = ("eng_Latn", "deu_Latn")
PAIRS = [("the old bridge burned", "die alte brücke brannte"), ("nobody saw it", "niemand hat es gesehen")]
phrases = st.lists(st.sampled_from(["Alpha", "beta", "gamma", "delta", "zeta"]), min_size=1, max_size=3)


def vocabularies(source, target):
    return Vocabulary(source.split()), Vocabulary(target.split())


def read(path, source, target):
    """The entries as words, and the sizes of the vocabularies afterwards."""
    sides = vocabularies(source, target)
    first, second = read_entries(str(path), LANGUAGES, *sides)
    return list(zip(first.rows(), second.rows(), strict=True)), tuple(len(side.words) for side in sides)


def test_entries_of_known_words_are_read(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text(
        "Bridge\tBrücke\nold bridge\talte Brücke\nbridge\tBrücken\ntown\tbrücke\nit\tes\n", encoding="utf-8"
    )
    found, sizes = read(path, "the old bridge it", "die alte brücke es")
    assert found == [(["Bridge"], ["Brücke"]), (["old", "bridge"], ["alte", "Brücke"]), (["it"], ["es"])]
    assert sizes == (4, 4)


@given(st.lists(st.tuples(phrases, phrases), min_size=1, max_size=12), phrases, phrases)
def test_entries_equal_a_plain_filter(tmp_path_factory, entries, source, target):
    path = tmp_path_factory.mktemp("dictionary") / "words.tsv"
    path.write_text("".join(f"{' '.join(a)}\t{' '.join(b)}\n" for a, b in entries), encoding="utf-8")
    here, there = ([counted(word) for word in dict.fromkeys(side)] for side in (source, target))
    known = [{counted(word) for word in a} <= {*here} and {counted(word) for word in b} <= {*there} for a, b in entries]
    wanted = [entry for entry, is_known in zip(entries, known, strict=True) if is_known]
    assert read(path, " ".join(here), " ".join(there))[0] == wanted


def fitted(folder, **settings):
    """The counts of a fit on PAIRS, and the links of the first pair."""
    source, target = (TokenColumn.of([pair[side].split() for pair in PAIRS]) for side in (0, 1))
    chosen = recipe.Align(names=False, orthography=False, **settings)
    counts = aligners.open(chosen).fit([(source, target)], languages=LANGUAGES, output=folder)
    links = aligners.open(chosen, fitted=folder).align(source, target, languages=LANGUAGES).write().to_pylist()[1]
    return counts, {(link["source"], link["target"]): link["score"] for link in links}


def test_a_dictionary_speaks_against_a_link_by_place(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("saw\tgesehen\nit\tes\nnobody\tniemand\nhorse\tPferd\n", encoding="utf-8")
    counts, before = fitted(tmp_path / "without")
    assert "dictionary" not in counts and before[2, 3] > 2 * before.get((2, 2), 0.0)
    counts, after = fitted(tmp_path / "with", dictionary=str(path))
    assert counts["dictionary"] == 3 and counts["sentence_pairs"] == 2
    assert after[2, 2] > 0.9 and (2, 3) not in after


def test_a_dictionary_that_is_none(tmp_path):
    with pytest.raises(CorpusError, match=r"no\.tsv"):
        fitted(tmp_path, dictionary=str(tmp_path / "no.tsv"))
    (tmp_path / "one.txt").write_text("bridge\n")
    with pytest.raises(CorpusError, match="one side only"):
        fitted(tmp_path, dictionary=str(tmp_path / "one.txt"))


def test_the_command_reads_a_dictionary(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pq.write_table(corpus(), "in.parquet")
    (tmp_path / "words.tsv").write_text("weather\tweather\nflew\tflew\n", encoding="utf-8")
    command = ["align", "--input", "in.parquet", "--quiet", "--language", "deu_Latn"]
    assert here(*command, "--output", "out.parquet", "--set", "align.dictionary=words.tsv") == 0
    assert pq.read_table("out.parquet")["links"].null_count == 0
    assert here(*command, "--output", "none.parquet", "--set", "align.dictionary=nowhere.tsv") == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "nowhere.tsv" in said[0]
    assert here(*command, "--output", "x", "--set", "align.dictionary=words.tsv", "--set", "align.aligner=eflomal") == 2
    assert "dictionary is read by statistical" in capsys.readouterr().err
