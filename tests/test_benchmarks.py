"""The benchmark's problems are what it says they are, and its plot is well-formed."""

import gzip
import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import plot
    import problems
    import speed

    return problems, plot, speed


@pytest.mark.parametrize("anywhere", [False, True])
def test_problems(modules, anywhere):
    given = modules[0].problems(np.random.default_rng(0), 5, words=12, entities=3, longest=4, anywhere=anywhere)
    assert len(given.entities) == 6 and given.entities[-1] == 15 == len(given.offsets) - 1
    assert given.offsets[-1] == len(given.start) == len(given.end) == len(given.score)
    assert ((given.start >= 0) & (given.start < given.end) & (given.end <= 12)).all()
    assert (given.end - given.start <= 4).all() and (given.score > 0).any() and (given.score < 0).any()
    each = np.diff(given.offsets)
    assert (each == (4 * 9 + 3 + 2 + 1 if anywhere else 10)).all()


def test_the_cost_is_drawn(modules, tmp_path, monkeypatch):
    _, _, speed = modules
    monkeypatch.setattr(speed, "microseconds", lambda words, entities, longest, anywhere, enough: words * entities)
    printed = io.StringIO()
    speed.cost(Console(file=printed, width=120), tmp_path / "plot.svg")
    drawn = ElementTree.parse(tmp_path / "plot.svg").getroot()
    lines = drawn.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 6 and {len(line.get("points").split()) for line in lines} == {7, 8}
    assert "µs per sentence" in printed.getvalue()


def test_solvers_agree_and_are_timed(modules):
    printed = io.StringIO()
    modules[2].solvers(Console(file=printed, width=120), sentences=4, runs=1)
    assert "exact" in printed.getvalue() and "PuLP/CBC" in printed.getvalue()


def test_words_are_written_in_other_scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import scripts

    from xproj.core import orthography

    assert [scripts.arabic(word) for word in ("Schanghai", "Erato", "1998", "e")] == ["شانغهاي", "ارتو", "1998", "ا"]
    assert [scripts.katakana(word) for word in ("Toronto", "Berlin", "EU-2")] == ["トロント", "ベルリン", "エウ-2"]
    pairs = [("Lebanon", "لبنان"), ("Tunis", "تونس"), ("Mali", "مالي")]
    with scripts.all_letters():
        assert orthography.kind_of("مالي") == orthography.OTHER and scripts.top(pairs) < 1
    assert orthography.kind_of("مالي") == orthography.ABJAD and scripts.top(pairs) == 1


def test_entries_of_a_dictionary_of_dictd(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import dictionaries

    bodies = ["about\n", "house /haʊs/\n1. Haus <neut>, Gebäude\n   an example\n", "go on\nweitermachen; see: go\n"]
    names, at = ["00-info", "house", "go on"], 0
    lines = []
    for name, body in zip(names, bodies, strict=True):
        size = len(body.encode())
        high, low, length = (dictionaries.LETTERS[digit] for digit in (at // 64, at % 64, size))
        lines.append(f"{name}\t{high}{low}\t{length}\n")
        at += size
    (tmp_path / "x.index").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "x.dict.dz").write_bytes(gzip.compress("".join(bodies).encode()))
    dictionaries.write(tmp_path / "x.index", tmp_path / "x.tsv")
    assert (tmp_path / "x.tsv").read_text(encoding="utf-8") == "house\tGebäude\nhouse\tHaus\n"


def test_training_is_measured_on_both_sides(monkeypatch, tmp_path):
    """A tiny model on a few sentences: as many examples, and both leave a tagger that can be scored."""
    pytest.importorskip("transformers")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import train

    from xproj.training.trainer import WordTrainer

    monkeypatch.setattr(WordTrainer, "run", WordTrainer.run)  # the benchmark puts a clock round it
    words, tags = train.sentences(train.SAMPLE)
    data = train.write(tmp_path / "data.conll", words[:12], tags[:12])
    model = train.build(tmp_path / "model", [" ".join(row) for row in words], **train.TINY, pieces=800)
    job = {"data": str(data), "held_out": str(data), "model": str(model), "epochs": 1, "rate": 1e-3, "seed": 0}
    job |= {"device": "cpu", "dtype": "float32", "settings": {}}
    found = [
        {"own": train.own, "peer": train.peer}[who](job | {"output": str(tmp_path / who)}) for who in ("own", "peer")
    ]
    assert [one["examples"] for one in found] == [12, 12] and all(one["seconds"] > 0 for one in found)
    assert 0 <= train.score(job | {"output": str(tmp_path / "own")}) <= 1
    assert 0 <= train.score(job | {"output": str(tmp_path / "peer")}) <= 1


def test_translation_is_measured_through_the_translator(monkeypatch, capsys):
    """Both engines end every sentence where the baseline does, or the script stops."""
    pytest.importorskip("transformers")
    pytest.importorskip("ctranslate2")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("XPROJ_CACHE", "unused")  # the benchmark sets its own, which must not outlive the test
    import translate

    monkeypatch.setattr(
        "sys.argv", ["translate.py", "--small", "--sentences", "6", "--repeat", "1", "--only", "float32"]
    )
    translate.main()
    printed = capsys.readouterr().out
    assert "6 sentences" in printed and "xproj, ct2 float32" in printed and "xproj, hf float32" in printed
    assert "int8" not in printed
    end_at = translate.end_at
    monkeypatch.setattr(translate, "end_at", lambda lengths, end: end_at([length - 1 for length in lengths], end))
    with pytest.raises(SystemExit, match="sub-words were generated, not"):  # the baseline is counted too
        translate.main()
