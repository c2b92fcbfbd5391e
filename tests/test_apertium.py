"""Apertium: called so that no text is lost, whatever is in it and whatever becomes of its processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from xproj import doctor, translators
from xproj.core.markers import STYLES, Marked, Piece
from xproj.errors import BackendError, RecipeError
from xproj.translators import apertium
from xproj.translators.apertium import ApertiumTranslator

needs_apertium = pytest.mark.skipif(
    not {"eng-spa", "spa-eng"} <= set(apertium.installed_modes()), reason="needs apertium and apertium-eng-spa"
)
PAIR = {"source": "eng_Latn", "target": "spa_Latn"}

# stands for the program: answers in capitals, and does odd things when a sentence says so
PROGRAM = r"""#!{python}
import os, sys, time
if sys.argv[1:] == ["-l"]:
    print("  eng-spa\n  en-gl\n  eng-cat_valencia\n  Cyrl-Latn"); sys.exit()
assert sys.argv[1:5] == ["-u", "-z", "-f", "none"], sys.argv
with open("{log}", "a") as log: log.write(f"{{os.getpid()}}\n")
data = sys.stdin.buffer.read()
for record in data.split(b"\0")[:-1]:
    for bad in (b"die", b"empty", b"cut", b"bytes", b"hang"):
        if bad in record.lower(): break
    else: bad = b""
    if b"once" in record and open("{log}").read().count("\n") > 1: bad = b""
    if bad == b"die": sys.exit(1)
    if bad == b"empty": break
    if bad == b"cut": os.write(1, record[:3] + b"\0"); break
    if bad == b"bytes": os.write(1, b"caf\xe9.[]\0"); continue
    if bad == b"hang": os.system("sleep 60")
    os.write(1, record.upper() + b"\0")
os.write(1, b"\0\0\0")
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A stand-in for the program; the file that has the process id of each start."""
    log = tmp_path / "log"
    script = tmp_path / "apertium"
    script.write_text(PROGRAM.format(python=sys.executable, log=log))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(apertium, "START_SECONDS", 3.0)
    return log


def starts(log):
    return [int(line) for line in log.read_text().splitlines()]


def translate(texts, **kinds):
    rows = ApertiumTranslator(kinds.pop("mode", None)).translate(texts, **(PAIR | kinds))
    return [row[0] for row in rows]


def texts_of(translations):
    return [translation.text for translation in translations]


# --- with a stand-in ---


def test_all_sentences_go_through_one_process_in_their_order(program):
    assert texts_of(translate(["b", "", "a\nc", "a"])) == ["B", "", "A C", "A"]
    assert len(starts(program)) == 1
    assert translate([]) == [] and translate([" "])[0].status == "translation_empty"
    assert len(starts(program)) == 1, "nothing to translate, nothing started"


@pytest.mark.parametrize("trouble", ["die", "empty", "cut", "bytes"])
def test_a_sentence_that_breaks_the_engine_is_the_only_one_lost(program, trouble):
    found = translate(["one", trouble, "two", trouble, "three"])
    assert texts_of(found) == ["ONE", "", "TWO", "", "THREE"]
    assert [t.status for t in found] == ["ok", "translation_error", "ok", "translation_error", "ok"]


def test_ten_thousand_sentences_with_trouble_among_them(program):
    """More than pipes hold in either direction, so reading and writing go on at the same time."""
    texts = [f"sentence {k} $ [{k}] ^x {'y' * (k % 90)}" for k in range(10_000)]
    texts[3000] = "here we die"
    texts[7000] = "odd bytes"
    found = translate(texts)
    lost = [k for k, translation in enumerate(found) if translation.status != "ok"]
    assert lost == [3000, 7000] and {found[k].status for k in lost} == {"translation_error"}
    assert all(found[k].text == text.upper().strip() for k, text in enumerate(texts) if k not in lost)


def test_a_sentence_is_tried_again(program):
    assert texts_of(translate(["one", "die once", "two"])) == ["ONE", "DIE ONCE", "TWO"]
    assert len(starts(program)) == 3


def test_a_process_that_hangs_is_ended_with_its_children(program, monkeypatch):
    monkeypatch.setattr(apertium, "START_SECONDS", 0.6)
    began = time.monotonic()
    found = translate(["one", "hang", "two"])
    assert [t.status for t in found] == ["ok", "translation_error", "ok"]
    assert time.monotonic() - began < 10
    assert [pid for group in starts(program) for pid in stages_of(group)] == []


def test_an_engine_that_answers_nothing_stops_the_program(program, monkeypatch):
    monkeypatch.setattr(apertium, "TRAILER", ".die")
    with pytest.raises(BackendError, match="eng-spa has stopped answering"):
        translate(["one"] * 50)
    assert len(starts(program)) == 7


def test_modes_by_the_table_of_languages(program):
    mode = ApertiumTranslator().mode
    assert mode("en", "es") == "eng-spa" and mode("eng_Latn", "glg_Latn") == "en-gl"
    assert ApertiumTranslator("eng-cat_valencia").mode("en", "ca") == "eng-cat_valencia"


@pytest.mark.parametrize(
    ("mode", "named", "asked"),
    [("eng-cat_valencia", "Catalan", "Spanish"), ("eng-cat", "Catalan", "Spanish"), ("spa-eng", "Spanish", "English")],
)
def test_a_mode_of_other_languages_is_refused(program, monkeypatch, mode, named, asked):
    monkeypatch.setattr(apertium, "installed_modes", lambda: ["eng-cat", "eng-cat_valencia", "spa-eng", "house-style"])
    with pytest.raises(RecipeError, match=f"{mode}' is of {named}.*, where {asked}.* is asked for"):
        translate(["one"], mode=mode)
    assert ApertiumTranslator("house-style").mode("eng_Latn", "spa_Latn") == "house-style"


@pytest.mark.parametrize(
    ("mode", "target", "parts"),
    [
        (None, "cat_Latn", ["eng_Latn to cat_Latn", "eng-cat_valencia", "apt-get install apertium-eng-cat"]),
        (None, "hau_Latn", ["eng_Latn to hau_Latn", "nearest installed are", "eng-spa"]),
        ("eng-sap", "spa_Latn", ["no mode for eng-sap", "eng-spa"]),
        ("xx-yy", "spa_Latn", ["installed are Cyrl-Latn, en-gl, eng-cat_valencia, eng-spa"]),
    ],
)
def test_a_missing_mode_names_the_nearest(program, mode, target, parts):
    with pytest.raises(RecipeError) as raised:
        translate(["one"], mode=mode, target=target)
    message = str(raised.value)
    assert all(part in message for part in parts) and "\n" not in message
    assert ("apt-get" in message) == (target == "cat_Latn")


def test_the_nearest_modes_share_a_side_and_are_no_variants(monkeypatch, program):
    pairs = ["cat-eng", "eng-cat", "eng-spa", "spa-eng", "spa-cat", "fra-cat", "nob-nno"]
    modes = sorted([*pairs, *(f"eng-cat_{name}" for name in "abcdef"), "cat-eng_US", "spa-eng_US"])
    monkeypatch.setattr(apertium, "installed_modes", lambda: modes)
    for source, target, nearest in (
        ("eng_Latn", "deu_Latn", {"eng-spa", "eng-cat"}),
        ("deu_Latn", "eng_Latn", {"spa-eng", "cat-eng"}),
        ("fra_Latn", "spa_Latn", {"fra-cat", "eng-spa"}),
    ):
        with pytest.raises(RecipeError, match="the nearest installed are ") as raised:
            translate(["one"], source=source, target=target)
        named = str(raised.value).partition("installed are ")[2].partition(";")[0].split(", ")
        assert set(named[:2]) == nearest and named == list(dict.fromkeys(named)) and len(named) <= 5


def test_a_missing_program_names_the_packages(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match="apt-get install apertium apertium-eng-spa") as raised:
        translate(["one"])
    assert "\n" not in str(raised.value)
    assert apertium.installed_modes() == []
    (check,) = (check for check in doctor.examine(tmp_path) if check.what == "apertium")
    assert check.ok is None and "apt-get install" in check.detail


def test_doctor_lists_the_modes(program, tmp_path):
    (check,) = (check for check in doctor.examine(tmp_path) if check.what == "apertium")
    assert check.ok and "eng-cat_valencia, eng-spa" in check.detail


def test_other_translators_have_no_mode():
    with pytest.raises(RecipeError, match="'bitext' has no modes, but 'eng-spa' is given"):
        translators.open("bitext", mode="eng-spa")


# --- with the program ---


@needs_apertium
def test_a_real_translation_in_both_directions():
    assert texts_of(translate(["The cat saw Peter in Rome."])) == ["El gato vio Peter en Roma."]
    back = translate(["El gato vio a Peter en Roma."], source="spa_Latn", target="eng_Latn")
    assert "cat" in back[0].text and "Rome" in back[0].text


ODD = [
    "costs $ 5 and x^2 [see] {a} a/b me@x.org <b>bold</b> \\ back",
    "[[t:e:3]]x[[/]] ^a<n>$",
    ".[]",
    "[]",
    "...",
    "x\ud800y",
    "one\ntwo\0three\r\nfour",
    "中文 العربية 😀 \u200b",
    "\ufffd",
    "#tag *x* @you \\",
]


@needs_apertium
def test_odd_characters_survive():
    found = translate([text for odd in ODD for text in (odd, "The house.")])
    assert texts_of(found[1::2]) == ["La casa."] * len(ODD)
    assert {translation.status for translation in found} == {"ok"}
    for odd, translation in zip(ODD, found[::2], strict=True):
        kept = "$^[]{}<>\\/@#.中العربية😀"
        assert [c for c in odd if c in kept] == [c for c in translation.text if c in kept]
        assert not set("\n\0\r\ud800") & set(translation.text)
    words = texts_of(found)[2 * ODD.index("one\ntwo\0three\r\nfour")].split()
    assert len(words) == 4


@needs_apertium
@pytest.mark.parametrize("text", ["A Definite No", "It was Mr", "the U.S", "yes or no", "No", "etc"])
def test_an_abbreviation_at_the_end_may_take_the_added_full_stop(text):
    first, found = translate(["A house", text])
    assert first.status == found.status == "ok" and found.text and "[" not in found.text


@needs_apertium
def test_the_same_part_has_the_same_translation():
    texts = [f"The president of the {name} made {k} reports." for k, name in enumerate(["house", "bank", "set"] * 30)]
    assert translate(texts) == translate(texts)


@needs_apertium
def test_marks_survive_translation():
    text = "Peter Smith met the European Commission (EC) in New York."
    places = [text.index(name) for name in ("Peter Smith", "European Commission", "EC", "New York")]
    ends = [p + len(n) for p, n in zip(places, ("Peter Smith", "European Commission", "EC", "New York"), strict=True)]
    pieces = tuple(Piece(a, b, k) for k, (a, b) in enumerate(zip(places, ends, strict=True)))
    (found,) = ApertiumTranslator().translate_marked([Marked(text, pieces)], **PAIR)
    decoded = STYLES["blanks"].decode(found.marked)
    assert decoded.text == found.text
    words = [" ".join(found.text[p.start : p.end] for p in decoded.pieces if p.entity == k) for k in range(4)]
    assert words[1:] == ["Comisión europea", "EC", "Nueva York"] and "Peter" in words[0]


def stages_of(group, name=None):
    """The living processes of a process group, or those of them with this program."""
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = place.read_text().partition(" (")
        except OSError:
            continue  # it has just ended
        program, _, fields = rest.rpartition(") ")
        if int(fields.split()[2]) == group and fields[0] != "Z" and name in (None, program):
            yield int(pid)


@needs_apertium
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("stage", ["lt-proc", "apertium-tagger", "apertium-transf"])
def test_killing_a_stage_loses_nothing(monkeypatch, stage):
    texts = [f"The house number {k} is in the green street of Peter." for k in range(300)]
    started, killed = [], []
    real = subprocess.Popen

    def spy(*args, **options):
        started.append(real(*args, **options))
        return started[-1]

    def kill():
        end = time.monotonic() + 10
        while not killed and time.monotonic() < end:
            killed.extend(pid for process in started[:1] for pid in stages_of(process.pid, stage))
        for pid in killed[:1]:
            os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(ApertiumTranslator, "mode", lambda *_: "eng-spa")
    monkeypatch.setattr(apertium.subprocess, "Popen", spy)
    killer = threading.Thread(target=kill)
    killer.start()
    found = translate(texts)
    killer.join()
    assert killed and len(started) > 1
    assert [t.status for t in found] == ["ok"] * len(texts)
    numbers = [[word for word in t.text.split() if word.isdigit()] for t in found]
    assert numbers == [[str(k)] for k in range(300)]


@needs_apertium
def test_many_sentences_stay_in_their_places():
    n = int(os.environ.get("XPROJ_APERTIUM_SENTENCES", "600"))
    texts = [f"Report {k} of Mr. Smith says: the {('house', 'bank', 'river')[k % 3]} [{k}] is old?" for k in range(n)]
    found = translate(texts)
    assert {t.status for t in found} == {"ok"}
    assert all(f"[{k}]" in t.text and f" {k} " in t.text for k, t in enumerate(found))


def test_answers_count_up_to_the_first_that_is_not_whole():
    assert list(apertium._whole(b"a.[]\0b\0c.[]\0", 3)) == ["a"]
    assert list(apertium._whole(b"a.[]\0b.[]", 3)) == ["a"]
    assert list(apertium._whole(b"a.[]\0\xe9.[]\0", 3)) == ["a"]
    assert list(apertium._whole(b"a.[]\0\0\0", 1)) == ["a"]
    assert list(apertium._whole(rb"Mister[]" b"\0" rb"b\[\]" b"\0", 2)) == ["Mister"], "what is escaped is no blank"
