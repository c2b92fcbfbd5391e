"""`xproj analyse` on the sample and on text of a script that a tokenizer has never seen."""

import json
from collections import Counter

import pytest
import small_models

from xproj import analysis, cli

GERMAN = small_models.SAMPLE / "deu_Latn"
SOURCE, TARGET = GERMAN / "train.source.conll", GERMAN / "test.target.conll"


def read(path):
    """Words, and words of entities, of a CoNLL file."""
    words, inside = Counter(), Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("# "):
            word, *_, tag = line.split("\t")
            words[word] += 1
            inside[word] += tag != "O"
    return words, +inside


def check(overlap, source, target):
    shared = set(source) & set(target)
    assert overlap.types == pytest.approx(len(shared) / len(target))
    assert overlap.tokens == pytest.approx(sum(target[w] for w in shared) / target.total())


def test_words_equal_plain_counts():
    found = analysis.analyse(SOURCE, TARGET)
    (source, source_inside), (target, target_inside) = read(SOURCE), read(TARGET)
    check(found.words, source, target)
    check(found.entity_words, source_inside, target_inside)
    assert (found.source.words, found.target.entity_words) == (source.total(), target_inside.total())
    assert found.script_match > 0.95 and found.pieces is None and found.target.fertility is None
    assert found.entity_words.types > found.words.types  # names are shared


@pytest.mark.parametrize("kind", ["xlmr", "bert"])
def test_sub_words_equal_those_of_the_tokenizer(kind, models_folder, tmp_path):
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer

    model = getattr(small_models, kind)(models_folder)
    tokenizer = AutoTokenizer.from_pretrained(model)
    unk = tokenizer.unk_token_id
    pieces, unknown = [], []
    for path in (SOURCE, TARGET):
        words, _ = read(path)
        cuts = {word: tokenizer([word], is_split_into_words=True, add_special_tokens=False).input_ids for word in words}
        pieces.append(Counter({}))
        unknown.append(sum(n for w, n in words.items() if unk in cuts[w] or not cuts[w]) / words.total())
        for word, n in words.items():
            pieces[-1].update({k: n * c for k, c in Counter(cuts[word]).items()})
    found = analysis.analyse(SOURCE, TARGET, model=str(model))
    known = [Counter({k: n for k, n in part.items() if k != unk}) for part in pieces]
    check(found.pieces, *known)
    for side, path, part, lost in zip((found.source, found.target), (SOURCE, TARGET), pieces, unknown, strict=True):
        assert side.fertility == pytest.approx(part.total() / read(path)[0].total())
        assert side.unknown_words == pytest.approx(lost)
        ones = sum(n for k, n in part.items() if k != unk and len(bare(tokenizer.convert_ids_to_tokens(k))) == 1)
        assert side.single_characters == pytest.approx(ones / part.total())
    assert 0 < found.entity_pieces.types <= 1 and found.warnings == ()


def bare(piece):
    return piece.lstrip("▁").removeprefix("##") if len(piece.lstrip("▁").removeprefix("##")) else piece


def test_an_unknown_script_is_told(models_folder, tmp_path, capsys):
    pytest.importorskip("transformers")
    model = str(small_models.bert(models_folder))
    text = tmp_path / "amh.txt"
    text.write_text("ሰላም ለዓለም ።\nአዲስ አበባ ትልቅ ከተማ ናት ።\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        cli.main(["analyse", str(SOURCE), str(text), "--model", model, "--language", "amh_Ethi", "--json"])
    said = capsys.readouterr()
    assert ended.value.code == 0
    found = json.loads(said.out)
    assert found["target"]["unknown_words"] > 0.9 and found["script_match"] == 0 and found["entity_words"] is None
    assert f"words of the target are unknown to {model}" in said.err and said.err.count("\n") == 1
    with pytest.raises(SystemExit):
        cli.main(["analyse", str(SOURCE), str(text), "--model", model])
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("sub-words per word", "ETHIOPIC", "script match 0.000", "shared types"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.conll", str(TARGET)], "nothing.conll"),
        ([str(SOURCE), str(TARGET), "--model", "no/such model"], "no such folder"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["analyse", *arguments])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and message in error and error.count("\n") == 1
