"""What people see: nothing of a corpus steers the terminal."""

import json

import pytest
from small import here

from xproj import console

# cursor and colour (C0, C1), a bell, a deletion, overrides and isolates of direction, and what does not show
STEERING = (
    "\x1b\x07\x00\x7f\x9b\x85\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u200b\u00ad\ufeff\U000e0001"
)
# joiners and marks that Persian, Hindi, Hebrew and emoji are written with, and letters of any script
WRITTEN = "می\u200cخواهم क्\u200dष א\u200f 👩\u200d🚀 naïve 東京 a\u00a0b"


@pytest.mark.parametrize("character", STEERING)
def test_a_character_that_steers_is_seen(character):
    shown = console.visible(f"a{character}b")
    assert character not in shown and shown == f"a{character.encode('unicode_escape').decode()}b"


def test_what_scripts_are_written_with_stays():
    assert console.visible(WRITTEN) == WRITTEN


def test_show(tmp_path, capsys):
    """A sentence with such characters in its id, words and label, as text and as JSON of the same value."""
    odd = f"x{STEERING}"
    lines = [{"source_tokens": [odd, WRITTEN], "target_tokens": ["y", "\x9b2J"], "id": "s\x1b[2J"}]
    lines[0]["source_entities"] = [[0, 1, "PER\x1b[31m"]]
    (tmp_path / "two.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('language = "deu_Latn"\n[ingest]\npath = "two.jsonl"\n')
    runs = ("--runs", tmp_path / "runs")
    assert here("ingest", recipe, *runs, "--quiet") == 0
    capsys.readouterr()
    assert here("show", recipe, lines[0]["id"], *runs) == 0
    shown = capsys.readouterr().out
    assert not set(STEERING) & set(shown) and WRITTEN in shown
    assert r"s\x1b[2J" in shown and r"[PER\x1b[31m x\x1b\x07" in shown and r"\x9b2J" in shown
    assert here("show", recipe, lines[0]["id"], *runs, "--json") == 0
    shown = capsys.readouterr().out
    assert not set(STEERING) & set(shown) and WRITTEN in shown
    assert json.loads(shown)["source_tokens"] == lines[0]["source_tokens"]
