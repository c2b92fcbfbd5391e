"""`xproj analyse`: how near a target corpus is to a source corpus, and what an encoder's tokenizer makes of both.

In African NER the overlap of tokens predicts transfer better than geographic or genetic distance (Beukman and Fokam
2023, arXiv 2309.05311). Above a fifth of unknown words no zero-shot figure means anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xproj import corpora
from xproj.columns import EntityColumn, TokenColumn
from xproj.core.vocabulary import NO_WORDS, Overlap, Segmentation, Vocabulary, inside, script_match, scripts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

    from xproj.languages import Language

UNKNOWN = 0.2
"""Share of unknown words from which on a warning is due."""
LONGEST = 1 << 20  # sub-words of a word that are counted
AROUND = ("▁", "##", "Ġ", "</w>", "@@")  # how tokenizers mark where a word begins, goes on or ends


@dataclass(frozen=True, eq=False)
class Corpus:
    """The words of a corpus, and those of its entities."""

    sentences: int
    words: Vocabulary
    entity_words: Vocabulary

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> Corpus:
        """Count the words of tables with `tokens` and `entities`."""
        sentences, words, entity_words = 0, NO_WORDS, NO_WORDS
        for table in tables:
            tokens, entities = TokenColumn.read(table["tokens"]), EntityColumn.read(table["entities"])
            sentences += len(tokens)
            words += Vocabulary.of(tokens.values)
            entity_words += Vocabulary.of(tokens.values.filter(inside(tokens, entities)))
        return cls(sentences, words, entity_words)


@dataclass(frozen=True)
class Side:
    """One of the two corpora, in figures. What the tokenizer makes of it is None without a model."""

    sentences: int
    words: int
    entity_words: int
    scripts: dict[str, float]
    unknown_words: float | None = None
    unknown_pieces: float | None = None
    fertility: float | None = None
    single_characters: float | None = None


@dataclass(frozen=True)
class Analysis:
    """The figures of a source and a target corpus; overlaps of entities are None where one has no labels."""

    source: Side
    target: Side
    script_match: float
    words: Overlap
    entity_words: Overlap | None
    pieces: Overlap | None
    entity_pieces: Overlap | None
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class Tokenizer:
    """The tokenizer of an encoder.

    Args:
        model: a folder, or a name on the hub.
        revision: the commit of a hub model.

    Raises:
        BackendError: there is no such model, or no tokenizer that can be read.
        RecipeError: a hub name without a commit.
    """

    def __init__(self, model: str, revision: str | None = None) -> None:
        from xproj.encoders import files, loading
        from xproj.encoders.pieces import WordPieces

        self._tokenizer = loading.tokenizer(files.folder(model, revision, config=False), model)
        self._words = WordPieces(self._tokenizer, LONGEST)

    def segment(self, words: Vocabulary) -> Segmentation:
        """How it cuts words, each alone."""
        alone = TokenColumn(np.arange(len(words.values) + 1), words.values, np.ones(len(words.values), dtype=bool))
        pieces = self._words.encode(alone)
        distinct, place = np.unique(pieces.ids, return_inverse=True)
        texts = self._tokenizer.convert_ids_to_tokens(distinct.tolist())
        single = np.array([len(_bare(text)) == 1 for text in texts], dtype=bool)
        return Segmentation.of(words, pieces.offsets, pieces.ids, self._tokenizer.unk_token_id, single[place])


def _bare(piece: str) -> str:
    for mark in AROUND:
        if len(piece) > len(mark):
            piece = piece.removeprefix(mark).removesuffix(mark)
    return piece


def analyse(
    source: Path,
    target: Path,
    *,
    model: str | None = None,
    revision: str | None = None,
    languages: tuple[Language | None, Language | None] = (None, None),
    limit: int = 0,
) -> Analysis:
    """Set a target corpus against a source corpus.

    Args:
        source: a corpus of one language, labelled or not: a silver folder, CoNLL, JSONL, Parquet or text.
        target: another.
        model: an encoder, whose tokenizer cuts the words of both; None: words only.
        revision: the commit of a hub model.
        languages: of source and target; they say how text without words is cut.
        limit: only the first sentences of each; 0 = all.

    Raises:
        XprojError: a corpus or the tokenizer cannot be read.
    """
    tokenizer = None if model is None else Tokenizer(model, revision)
    sides = [
        Corpus.of(corpora.read_labelled(path, language=language, limit=limit))
        for path, language in zip((source, target), languages, strict=True)
    ]
    cuts = [None if tokenizer is None else tokenizer.segment(side.words) for side in sides]
    one, two = (_side(side, cut) for side, cut in zip(sides, cuts, strict=True))
    labelled = all(side.entity_words.tokens for side in sides)
    pieces = entity_pieces = None
    if tokenizer is not None:
        pieces = Overlap.of(*(cut.pieces for cut in cuts if cut is not None))
        if labelled:
            entity_pieces = Overlap.of(*(tokenizer.segment(side.entity_words).pieces for side in sides))
    return Analysis(
        source=one,
        target=two,
        script_match=script_match(one.scripts, two.scripts),
        words=Overlap.of(*(side.words for side in sides)),
        entity_words=Overlap.of(*(side.entity_words for side in sides)) if labelled else None,
        pieces=pieces,
        entity_pieces=entity_pieces,
        warnings=tuple(_warnings(model, one, two)),
    )


def _side(corpus: Corpus, cut: Segmentation | None) -> Side:
    known = corpus.sentences, corpus.words.tokens, corpus.entity_words.tokens, scripts(corpus.words)
    if cut is None:
        return Side(*known)
    return Side(*known, cut.unknown_words, cut.unknown_pieces, cut.fertility, cut.single_characters)


def _warnings(model: str | None, source: Side, target: Side) -> list[str]:
    return [
        f"{share:.0%} of the words of the {name} are unknown to {model}, wholly or in part; above {UNKNOWN:.0%} what "
        "it learns or labels there means little: use another encoder"
        for name, share in (("source", source.unknown_words), ("target", target.unknown_words))
        if share is not None and share > UNKNOWN
    ]
