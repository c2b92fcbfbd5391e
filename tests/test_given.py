"""The aligner `given`: links from a file, and what is wrong with a file."""

import pytest

from xproj import aligners, recipe
from xproj.columns import TokenColumn
from xproj.errors import CorpusError, RecipeError

LANGUAGES = ("eng_Latn", "deu_Latn")
SOURCE = TokenColumn.of([["a", "b"], [], None, ["c", "d", "e"]])
TARGET = TokenColumn.of([["x", "y", "z"], ["w"], None, ["v"]])


@pytest.fixture
def given(tmp_path):
    """An aligner that reads these bytes or this text."""

    def opened(content):
        path = tmp_path / "links.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return aligners.open(recipe.Align(aligner="given", links=str(path)))

    return opened


def align(aligner, source=SOURCE, target=TARGET, **place):
    return aligner.align(source, target, languages=LANGUAGES, **place)


def rows(links):
    return [
        row and [(link["source"], link["target"], link["score"]) for link in row] for row in links.write().to_pylist()
    ]


def test_links_are_read_and_sorted(given):
    links = align(given("1-2 0-1 0-0:0.5\n\n\n2-0:1e-1 0-0:.25\n".replace(":.25", ":0.25")))
    assert rows(links) == [
        [(0, 0, 0.5), (0, 1, 1.0), (1, 2, 1.0)],
        [],
        None,
        [(0, 0, 0.25), (2, 0, pytest.approx(0.1))],
    ]


def test_a_link_given_twice_counts_once(given):
    assert rows(align(given("0-0 0-0:0.5\n\n\n\n")))[0] == [(0, 0, 0.5)]


def test_slices_of_a_corpus_know_their_place(given):
    aligner = given("0-0\n\n\n2-0\n")
    part = TokenColumn.of([["c", "d", "e"]]), TokenColumn.of([["v"]])
    assert rows(align(aligner, *part, first_row=3)) == [[(2, 0, 1.0)]]


def test_the_file_may_have_a_byte_order_mark_and_carriage_returns(given):
    assert rows(align(given(b"\xef\xbb\xbf0-0\r\n\r\n\r\n0-0\r\n")))[3] == [(0, 0, 1.0)]


def test_an_empty_batch(given):
    aligner = given("")
    empty = TokenColumn.of([])
    assert len(align(aligner, empty, empty)) == 0
    assert aligner.fit([], languages=LANGUAGES, output=None) == {} and not aligner.needs_fit


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0-0\n\n", "links.txt:2: the file ends after 2 lines, but there are more sentence pairs"),
        ("0-0\n\n\n0,0\n", "links.txt:4: '0,0' is no link; links look like 3-4 or 3-4:0.87"),
        ("0-0:x\n\n\n\n", "links.txt:1: '0-0:x' is no link"),
        ("0-0:1-2\n\n\n\n", "links.txt:1: '0-0:1-2' is no link"),
        ("0-0:e\n\n\n\n", "links.txt:1: '0-0:e' is no link"),
        ("0-0:-0.5\n\n\n\n", "links.txt:1: '0-0:-0.5' is no link"),
        ("\n\n\n2-0:1.5\n", "links.txt:4: the link 2-0:1.5 has a score above 1; scores are probabilities"),
        ("0-0:\n\n\n\n", "links.txt:1: '0-0:' is no link"),
        ("-1-0\n\n\n\n", "links.txt:1: '-1-0' is no link"),
        (
            "0-0\n\n\n0-1\n",
            "links.txt:4: the link 0-1 is outside the sentences of 3 and 1 words; links count words from 0",
        ),
        ("2-0\n\n\n\n", "links.txt:1: the link 2-0 is outside the sentences of 2 and 3 words"),
        ("\n0-0\n\n\n", "links.txt:2: the link 0-0 belongs to a pair that is not aligned"),
        ("\n\n0-0\n\n", "links.txt:3: the link 0-0 belongs to a pair that is not aligned"),
        (b"0-0 \xff", "links.txt: not UTF-8 at byte 4"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(given, content, message):
    with pytest.raises(CorpusError) as raised:
        align(given(content))
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_the_number_of_lines(given):
    given("0-0\n\n").check_rows(2)
    with pytest.raises(CorpusError, match="links.txt: 2 lines for 3 sentence pairs"):
        given("0-0\n\n").check_rows(3)


def test_no_file(tmp_path):
    with pytest.raises(CorpusError, match="nothing.txt: cannot be read: No such file"):
        align(aligners.open(recipe.Align(aligner="given", links=str(tmp_path / "nothing.txt"))))
    with pytest.raises(RecipeError, match=r"aligner = 'given' needs links"):
        aligners.open(recipe.Align(aligner="given"))
