"""Sub-words of words."""

import unicodedata

import numpy as np
import pytest
import small_models

from xproj.columns import TokenColumn

transformers = pytest.importorskip("transformers")

from xproj.encoders.pieces import WordPieces, ranges  # noqa: E402

ODD = [[], ["\u200b"], ["a", "\u200b", "b"], ["New York", "é", "e\u0301", "Ａ㍿"], ["x" * 150], [""], ["🙂", "don't"]]


@pytest.fixture(scope="module", params=["bert", "xlmr", "m2m"])
def tokenizer(request, models_folder):
    return transformers.AutoTokenizer.from_pretrained(getattr(small_models, request.param)(models_folder))


def test_the_same_as_the_tokenizer_makes_of_whole_sentences(tokenizer):
    """As of sentences that are split into words, in NFC, and as SimAlign counts the sub-words of each word alone."""
    rows = [list(words) for words, _ in small_models.bitext()[:200]] + ODD
    found = WordPieces(tokenizer, 10_000).encode(TokenColumn.of(rows))
    assert len(found) == len(rows) and found.cut == 0
    wordless = 0
    for row, given in enumerate(rows):
        words = [unicodedata.normalize("NFC", word) for word in given]
        here = slice(found.offsets[row], found.offsets[row + 1])
        ids = found.ids[here].tolist()
        alone = [tokenizer.tokenize(word) for word in words]
        assert ids == tokenizer.convert_tokens_to_ids([piece for pieces in alone for piece in pieces])
        assert found.words[here].tolist() == [word for word, pieces in enumerate(alone) for _ in pieces]
        if words:
            whole = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
            assert whole["input_ids"] == ids
        wordless += sum(not pieces for pieces in alone)
    assert found.wordless == wordless


def test_long_words_keep_their_first_sub_words(tokenizer):
    column = TokenColumn.of([["x" * 90, "and"], None])
    whole = WordPieces(tokenizer, 1000).encode(column)
    cut = WordPieces(tokenizer, 3).encode(column)
    counts = np.bincount(whole.words).tolist()
    assert np.bincount(cut.words).tolist() == [min(3, count) for count in counts]
    assert cut.cut == sum(count > 3 for count in counts) and cut.offsets[2] == cut.offsets[1]
    assert cut.ids[0] == whole.ids[0]


def test_what_is_remembered_is_bounded(tokenizer, monkeypatch):
    monkeypatch.setattr("xproj.encoders.pieces.MAX_WORDS", 3)
    pieces = WordPieces(tokenizer, 100)
    column, other = TokenColumn.of([["a", "b"]]), TokenColumn.of([["c", "d", "e"]])
    before = pieces.encode(column).ids.tolist()
    pieces.encode(other)
    assert len(pieces._numbers) == 3 and pieces.encode(column).ids.tolist() == before


def test_distinct_rows(tokenizer):
    column = TokenColumn.of([["a", "b"], [], ["a", "b"], ["b", "a"], None, ["ab"]])
    pieces = WordPieces(tokenizer, 100).encode(column)
    numbers, first = pieces.distinct()
    assert numbers.tolist() == [0, 1, 0, 2, 1, 3] and first.tolist() == [0, 1, 3, 5]
    again = pieces.take(np.array([3, 0]))
    assert again.ids.tolist() == [*pieces.ids[slice(*pieces.offsets[3:5])], *pieces.ids[slice(*pieces.offsets[:2])]]


def test_ranges():
    assert ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
