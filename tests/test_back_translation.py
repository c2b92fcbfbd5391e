"""Marks in the text and back-translation, from the corpus to refined labels, on the fake translator."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import corpus, here, write_project
from test_translate_routes import run_route

from xproj import planning, recipe, stages, translators
from xproj.columns import EntityColumn
from xproj.core.markers import Marked, Piece
from xproj.core.text_markers import decode_brackets, decode_tags
from xproj.errors import RecipeError
from xproj.schema import COLUMNS, conform
from xproj.translators import Translation
from xproj.translators.marking import by_text

CODES = {"source": "eng_Latn", "target": "deu_Latn"}
STYLES = ["brackets", "xml"]
SENTENCES = [
    Marked("Peter Miller lives in New York .", (Piece(0, 12, 0), Piece(22, 30, 1))),
    Marked("Peter Miller lives in New York ."),
    Marked("the house [1] of Anna", (Piece(17, 21, 0),)),
    Marked(""),
]


@pytest.mark.parametrize("style", STYLES)
def test_the_modes_of_the_fake_translator(style):
    names = {"keep": "Peter Miller|New York", "lose": "New York", "reorder": "New York|Peter Miller"}
    for mode, expected in names.items():
        found = translators.open("fake", mode=mode).translate_marked(SENTENCES, **CODES, markers=style)
        marked = (decode_brackets if style == "brackets" else decode_tags)(found[0].marked)
        assert marked.text == found[0].text
        assert "|".join(marked.text[p.start : p.end] for p in marked.pieces) == expected
        assert found[0].alone == ("Peter Miller", "New York") and found[1].alone == ()
        assert "[1]" in found[2].text and found[3].status == "translation_empty"
    with pytest.raises(RecipeError, match="unknown mode 'los'; did you mean 'lose'"):
        translators.open("fake", mode="los")
    with pytest.raises(RecipeError, match="no markers 'blanks'"):
        translators.open("fake").translate_marked([], **CODES, markers="blanks")


class Fragile:
    """Forgets square brackets, and curly ones in its first hypothesis."""

    capabilities = frozenset({"n_best"})

    def __init__(self, forgets):
        self._forgets, self.calls = str.maketrans("", "", forgets), []

    def translate(self, texts, *, source, target, n_best=1):
        self.calls.append((list(texts), n_best))
        rows = [[text.translate(self._forgets), text][:n_best] for text in texts]
        return [[Translation(text, -1.0 * k) for k, text in enumerate(row)] for row in rows]


def test_lost_brackets_are_asked_for_again():
    sentence = Marked("Ana in Rome", (Piece(0, 3, 0), Piece(7, 11, 1)))
    for forgets, calls, score in (("", 1, 0.0), ("[]", 2, 0.0), ("[]{}", 3, -1.0)):
        fragile = Fragile(forgets)
        first, second = by_text(fragile, [sentence, sentence], **CODES, markers="brackets", n_best=5)
        assert first == second and first.marked == "[Ana] in [Rome]" and first.score == score
        assert len(fragile.calls) == calls
        assert fragile.calls[0][0] == ["[ Ana ] in [ Rome ]"] * 2 + ["Ana", "Rome"], "names once, in the same call"
    (lost,) = by_text(Fragile("[]{}"), [sentence], **CODES, markers="brackets")
    assert lost.marked == lost.text == "Ana in Rome" and lost.alone == ("Ana", "Rome")


# --- translate-train with marks ---


@pytest.mark.parametrize("mode", ["keep", "lose", "reorder", "duplicate", "mixed"])
@pytest.mark.parametrize("style", STYLES)
def test_entities_come_back_whatever_becomes_of_marks(tmp_path, style, mode):
    path = write_project(
        tmp_path,
        'route = "translate-train"\nlanguage = "deu_Latn"\n[ingest]\npath = "labelled.parquet"\nshard_size = 16\n'
        f'[translate]\ntranslator = "fake"\nmode = "{mode}"\nmarkers = "{style}"\n[project]\ncandidates = "markers"\n',
    )
    pq.write_table(corpus().select(["id", "source_tokens", "source_entities"]), tmp_path / "labelled.parquet")
    counts, rows = run_route(path, tmp_path, "deu_Latn")
    found, marks = counts["project"], counts["translate"]
    lost = sum(n for key, n in found.items() if key.startswith("entities.dropped."))
    assert found["entities"] == found["entities.projected"] + lost == marks["marks.sent"]
    assert found["entities.projected"] >= 0.97 * found["entities"], "names are the same: a search finds them"
    if mode in ("keep", "reorder"):
        assert lost == 0 and marks["marks.kept"] == marks["marks.sent"]
    if mode == "lose":
        assert marks["marks.kept"] < marks["marks.sent"]
    for row in rows:
        for entity in row["target_entities"]:
            source = row["source_entities"][entity["source_entity"]]
            words = " ".join(row["source_tokens"][source["start"] : source["end"]])
            ((alone,),) = translators.open("fake").translate([words], **CODES)
            assert row["target_tokens"][entity["start"] : entity["end"]] == alone.text.split()
            assert entity["label"] == source["label"]
    assert "align" not in counts


def made(**tables):
    return recipe.parse({"route": "bitext", "language": "deu_Latn", "ingest": {"path": "x"}} | tables, "test")


def test_project_reads_the_marks_that_translate_writes():
    marked = {"translator": "fake", "markers": "xml"}
    one = made(route="translate-train", translate=marked, project={"candidates": "markers"})
    assert one.project.markers == "xml"
    assert "entity_translations" in planning.chain(one, {})["project"].columns[1]
    with pytest.raises(RecipeError, match=r"\[project\] markers = 'blanks', but \[translate\] writes 'xml'"):
        made(route="translate-train", translate=marked, project={"candidates": "markers", "markers": "blanks"})


# --- the stage back ---


def test_back_follows_translate_where_it_does_not_say():
    one = made(translate={"translator": "fake", "mode": "lose", "back_translate": True}, back={"markers": "xml"})
    assert (one.back.translator, one.back.markers, one.back.mode) == ("fake", "xml", None)
    assert made(translate={"translator": "fake"}).back is None
    with pytest.raises(RecipeError, match="back_translate"):
        made(back={"translator": "fake", "back_translate": True})
    train = made(route="translate-train", translate={"translator": "fake", "back_translate": True})
    with pytest.raises(RecipeError, match="the target sentence is that translation already"):
        planning.chain(train, {})


def test_fingerprints_of_what_a_back_translation_does_not_touch_stay():
    test = {"route": "translate-test", "tag": {"model": "m"}}
    plain, back, marked = (
        planning.chain(made(**test, translate={"translator": "fake", **extra}, **more), {})
        for extra, more in (
            ({}, {}),
            ({"back_translate": True}, {}),
            ({"back_translate": True}, {"back": {"markers": "xml"}}),
        )
    )
    assert list(back) == ["ingest", "translate", "tag", "back", "align", "project", "silver"]
    for name in ("ingest", "translate", "tag", "align", "project"):
        assert plain[name].folder == back[name].folder, "nothing reads it yet"
    assert back["back"].folder != marked["back"].folder and marked["translate"].folder == plain["translate"].folder
    refine = {"align": {"refine": "fallback"}}
    one, two = (
        planning.chain(made(**test, **refine, translate={"translator": "fake", "back_translate": True}, back=b), {})
        for b in ({}, {"markers": "xml"})
    )
    assert "back" in one["align"].sources and "back" in one["project"].sources
    assert one["align"].folder != two["align"].folder


def test_failed_given_and_unlabelled_rows(monkeypatch):
    table = pa.table(
        {
            "id": list("abcd"),
            "source_tokens": [["Anna", "sleeps"], ["Anna", "!"], ["x"], ["Rome"]],
            "source_entities": EntityColumn.of([[(0, 1, "PER")], [(0, 1, "PER")], None, [(0, 1, "LOC")]]).write(),
            "back_tokens": pa.array([None, ["Ana", "!"], None, None], COLUMNS["back_tokens"]),
            "status": ["ok", "ok", "ok", "too_long"],
        }
    )
    for markers in (None, "brackets", "xml"):
        stage = stages.Back(made(back={"translator": "fake", "markers": markers}))
        mapped = stage.map(conform(table, *stage.reads()))
        tokens, entities = (mapped.columns[name].to_pylist() for name in stage.adding())
        assert tokens[0][0] == "Anna" and tokens[1:] == [["Ana", "!"], None, None]
        assert [(e["start"], e["end"], e["source_entity"], e["score"]) for e in entities[0]] == [(0, 1, 0, 1.0)]
        assert entities[1:] == [None] * 3 and mapped.counts["rows.translated"] == 1 == mapped.counts["entities.back"]
    monkeypatch.setattr(translators, "open", lambda *_, **__: Empty())
    mapped = (stage := stages.Back(made(back={"translator": "fake"}))).map(conform(table, *stage.reads()))
    assert mapped.columns["back_tokens"].to_pylist()[0] is None and mapped.counts["rows.failed"] == 1


class Empty:
    """Has no translation of anything."""

    capabilities = frozenset()

    def translate(self, texts, **_):
        return [[Translation("", 0.0, "translation_empty")] for _ in texts]


RECIPE = """
route = "{route}"
language = "deu_Latn"
[ingest]
{ingest}
shard_size = 16
[translate]
translator = "fake"
back_translate = true
{more}
[align]
iterations = 2
prefixes = [4]
refine = "{refine}"
"""


@pytest.mark.parametrize("refine", ["replace", "add", "filter", "fallback"])
@pytest.mark.parametrize("markers", [None, "brackets", "xml"])
def test_a_recipe_refines_a_bitext(tmp_path, refine, markers):
    more = "" if markers is None else f'[back]\nmarkers = "{markers}"\nmode = "mixed"\n'
    path = write_project(
        tmp_path, RECIPE.format(route="bitext", ingest='path = "corpus.parquet"', more=more, refine=refine)
    )
    counts, _ = run_route(path, tmp_path, "deu_Latn")
    back, found = counts["back"], counts["project"]
    assert back["entities.back"] >= 0.97 * back["entities"] and counts["align"]["back_links"] > 50
    assert found["entities"] == back["entities"] and "entities.projected.direct" in found
    assert found["entities.projected"] >= 0.8 * found["entities"]
    assert refine != "fallback" or found["entities.projected"] >= found["entities.projected.direct"]


def test_translate_test_with_a_tagger(tmp_path, spacy_model):
    text = tmp_path / "text.txt"
    text.write_text("Asha flew to Berlin\nPeter lives in Nairobi\nno name here\n" * 6)
    ingest, tag = f'target_path = "{text}"', f'[tag]\nmodel = "{spacy_model}"\n'
    path = tmp_path / "recipe.toml"
    path.write_text(
        RECIPE.format(route="translate-test", ingest=ingest, more='[back]\nmarkers = "xml"\n' + tag, refine="fallback")
    )
    counts, _ = run_route(path, tmp_path, "deu_Latn")
    assert counts["back"]["rows"] == 18 == counts["tag"]["rows.tagged"]
    assert counts["back"]["entities.back"] == counts["back"]["entities"] == counts["tag"]["entities"]
    assert counts["project"]["entities.projected"] >= counts["project"]["entities.projected.direct"]


def test_the_plain_form(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pq.write_table(corpus(), "corpus.parquet")
    settings = ["--set", "back.translator=fake", "--set", "back.markers=xml", "--language", "deu_Latn"]
    assert here("back", "--input", "corpus.parquet", "--output", "back.parquet", *settings) == 0
    made = pq.read_table("back.parquet")
    assert made["back_entities"].type == COLUMNS["back_entities"]
    wrong = ["--set", "back.translator=bitext", "--set", "back.markers=xml"]
    assert here("back", "--input", "corpus.parquet", "--output", "x.parquet", *wrong) == 2
    assert "[back] translator = 'bitext' carries no markers 'xml'; leave them out" in capsys.readouterr().err


# --- a back-translation of the corpus ---


def test_ingest_passes_a_back_translation_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = corpus()
    back = pa.array([words[::-1] for words in given["target_tokens"].to_pylist()], COLUMNS["back_tokens"])
    entities = pa.array([[] for _ in range(given.num_rows)], COLUMNS["back_entities"])
    table = given.append_column("back_tokens", back).append_column("back_entities", entities)
    path = write_project(tmp_path, RECIPE.replace("back_translate = true", "").format(
        route="bitext", ingest='path = "corpus.parquet"', more="", refine="add"), table=table)  # fmt: skip
    counts, _ = run_route(path, tmp_path, "deu_Latn")
    assert counts["align"]["back_links"] > 50 and "back" not in counts
    assert here("ingest", "--input", "corpus.parquet", "--output", "in.parquet") == 0
    assert pq.read_table("in.parquet")["back_tokens"].to_pylist() == back.to_pylist()
    # of a folder, the first file decides
    folder = tmp_path / "folder"
    folder.mkdir()
    pq.write_table(table.slice(0, 10), folder / "a.parquet")
    pq.write_table(given.slice(10), folder / "b.parquet")
    assert here("ingest", "--input", folder, "--output", "two.parquet") == 0
    assert pq.read_table("two.parquet")["back_tokens"].null_count == given.num_rows - 10
    pq.write_table(given, "corpus.parquet")
    assert here("plan", path) == 2
    assert "'back_tokens', which no stage of this recipe makes; [align] refine" in capsys.readouterr().err
