"""What the stage `translate` makes of faulty translations: a status, and the next best where there is one."""

import pyarrow as pa
import pytest

from xproj import recipe, stages, translators
from xproj.identification import Identifier
from xproj.languages import lookup
from xproj.translators import Part, Translation

SPANISH = "El presidente del país dijo ayer que las elecciones se celebrarán el próximo mes en la capital"
GERMAN = "Der Präsident des Landes sagte gestern , dass die Wahlen im nächsten Monat stattfinden werden"
ENGLISH = "The president of the country said yesterday that the election will be held next month"


class Scripted:
    """Says what it was told to, whatever it is asked."""

    capabilities = frozenset({"score", "n_best"})

    def __init__(self, rows):
        self.rows, self.counts = rows, {"sentences": len(rows)}

    def translate(self, texts, *, source, target, n_best=1):
        assert len(texts) == len(self.rows)
        return [row[:n_best] for row in self.rows]

    def self_test(self, source, target):
        return {"self_test.markers": 5, "self_test.kept": 1, "self_test.kept_otherwise": 4}


def run(monkeypatch, rows, texts=None, language="spa_Latn", **settings):
    given = {"translator": "nllb", "model": "m", "engine": "hf", **settings}
    made = {"route": "translate-train", "language": language, "ingest": {"source_path": "x"}, "translate": given}
    monkeypatch.setattr(translators, "open", lambda *args, **more: Scripted(rows))
    texts = texts or [ENGLISH] * len(rows)
    stage = stages.Translate(recipe.parse(made, "test"))
    table = {name: [None] * len(rows) for name in ("target_text", "source_tokens", "target_tokens")}
    table = pa.table(
        {"id": list(map(str, range(len(rows)))), "source_text": texts, **table, "status": ["ok"] * len(rows)}
    )
    kinds = {"source_tokens": pa.list_(pa.string()), "target_tokens": pa.list_(pa.string()), "target_text": pa.string()}
    for name, kind in kinds.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array([None] * len(rows), kind))
    return stage, stage.map(table)


FAULTS = {
    "ok": SPANISH,
    "translation_copied": ENGLISH,
    "translation_repeated": "la casa " * 9,
    "translation_empty": " \u200b",
    "translation_wrong_language": GERMAN,
    "translation_too_long": f"{SPANISH} y también {SPANISH.lower()[:60]} " + " ".join(map(str, range(100))),
    "translation_too_short": "El",
}


def test_each_fault_has_its_status(monkeypatch):
    rows = [[Translation(text, -1.0)] for text in FAULTS.values()] + [[Translation(SPANISH, -1.0)]] * 20
    _, mapped = run(monkeypatch, rows)
    assert mapped.columns["status"].to_pylist()[: len(FAULTS)] == list(FAULTS)
    assert mapped.counts["rows.language_unchecked"] == 0 and mapped.counts["sentences"] == len(rows)


def test_checks_may_be_off(monkeypatch):
    _, mapped = run(monkeypatch, [[Translation(ENGLISH, -1.0)]], checks=False)
    assert mapped.columns["status"].to_pylist() == ["ok"] and "rows.language_unchecked" not in mapped.counts


def test_a_fault_of_one_sentence_is_a_fault_of_the_row(monkeypatch):
    text = f"{ENGLISH}. {ENGLISH}."
    half = len(ENGLISH) + 1
    good = f"{SPANISH}. {SPANISH}."
    bad = f"{SPANISH}. El."
    rows = []
    for said in (good, bad):
        cut = len(SPANISH) + 1
        parts = Part(0, half, 0, cut), Part(half + 1, len(text), cut + 1, len(said))
        rows.append([Translation(said, -1.0, parts=parts)])
    _, mapped = run(monkeypatch, [*rows, *[[Translation(SPANISH, -1.0)]] * 20], [text, text, *[ENGLISH] * 20])
    assert mapped.columns["status"].to_pylist()[:2] == ["ok", "translation_too_short"]


def test_the_first_translation_without_a_fault_is_taken(monkeypatch):
    rows = [
        [Translation(ENGLISH, -1.0), Translation("la casa " * 9, -2.0), Translation(SPANISH, -3.0)],
        [Translation(SPANISH, -1.0), Translation("otra", -2.0)],
        [Translation("", 0.0, "translation_too_long"), Translation(ENGLISH, -2.0)],
    ]
    _, mapped = run(monkeypatch, rows, n_best=3)
    assert mapped.columns["target_text"].to_pylist() == [SPANISH, SPANISH, ""]
    assert mapped.columns["status"].to_pylist() == ["ok", "ok", "translation_too_long"]
    assert mapped.columns["translation_score"].to_pylist() == [-3.0, -1.0, 0.0]


def test_languages_that_cannot_be_told_are_counted(monkeypatch):
    pytest.importorskip("py3langid")
    rows = [[Translation(text, -1.0)] for text in (SPANISH, "El sol", GERMAN)]
    _, spanish = run(monkeypatch, rows)
    assert spanish.counts["rows.language_unchecked"] == 1
    stage, bambara = run(monkeypatch, rows, language="bam_Latn")
    assert bambara.counts["rows.language_unchecked"] == 3 and set(bambara.columns["status"].to_pylist()) == {"ok"}
    remarks = stage.remarks(bambara.counts)
    assert "legacy_behaviour = true 4" in remarks[0] and remarks[1].startswith("3 of 3 translations")


@pytest.mark.parametrize(
    ("code", "text", "wrong"),
    [
        ("spa_Latn", SPANISH, False),
        ("spa_Latn", GERMAN, True),
        ("spa_Latn", "Berlin", None),
        ("bam_Latn", "Ala ka kuma in fɔ bamanankan na ka ɲɛsin mɔgɔw ma", None),
        ("hrv_Latn", "Predsjednik države rekao je jučer da će se izbori održati sljedeći mjesec", False),
    ],
)
def test_identification(code, text, wrong):
    pytest.importorskip("py3langid")
    assert Identifier(lookup(code)).is_wrong(text) is wrong


def test_the_engine_that_auto_means_is_hashed(monkeypatch, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "m2m_100"}')
    stage, _ = run(monkeypatch, [[Translation(SPANISH, -1.0)]], engine="auto", model=str(tmp_path))
    assert stage.resolved() == {"engine": "ct2"}
    assert stage.runtime_keys() == ()
    (tmp_path / "config.json").write_text('{"model_type": "t5", "tie_word_embeddings": false}')
    assert stage.resolved() == {"engine": "hf"}
    half, _ = run(monkeypatch, [[Translation(SPANISH, -1.0)]], compute_type="float16")
    assert half.resolved() == {} and half.runtime_keys() == ("batch_tokens",)
