"""The tables of what is read and written: `[ingest]`, `[tag]`, `[silver]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xproj.recipe.table import Table


class Ingest(Table):
    """Where the corpus is and how it is read."""

    path: str | None = Field(None, description="one file, folder or glob")
    source_path: str | None = Field(None, description="the labelled side, when the sides are apart")
    target_path: str | None = Field(None, description="the other side; labels in it become target_gold")
    format: Literal["auto", "conll", "jsonl", "parquet", "text", "tsv"] = Field("auto", description="file format")
    splitter: str = Field("icu", description="how raw text is cut into words: icu, whitespace, characters or spacy")
    labels: dict[str, str] = Field(default_factory=dict, description="rename labels; 'O' drops them")
    labels_allowed: tuple[str, ...] = Field((), description="refuse any other label, when given")
    strict_labels: bool = Field(False, description="refuse invalid IOB2 sequences instead of repairing them")
    max_words: int = Field(1000, ge=1, description="longer sentences get the status too_long")
    limit: int = Field(0, ge=0, description="only the first N sentences; 0 = all")
    shard_size: int = Field(5000, ge=1, description="sentences in one part file")


class Tag(Table):
    """Who labels the source side where it has no labels."""

    tagger: str = Field("spacy", description="tagger back end")
    model: str = Field(..., description="a model folder or name")
    revision: str | None = Field(
        None, description="transformers: the commit of a model on the hub, 40 hexadecimal digits"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="transformers: numbers of the model"
    )
    min_score: float = Field(
        0.0, ge=0, le=1, description="entities whose words have a smaller mean probability are left out and counted"
    )
    labels: dict[str, str] = Field(default_factory=dict, description="rename labels; 'O' drops them")


class Silver(Table):
    """How the silver corpus is written."""

    split: dict[str, float] = Field(default_factory=dict, description="shares by hash of id, e.g. train = 0.9")
    hold_out: str | None = Field(None, description="a corpus whose target sentences must not be in the silver data")
    licences: tuple[str, ...] = Field((), description="licences of the texts, for the dataset card")
    length_ratio: tuple[float, float] | None = Field(None, description="legal range of target length / source length")
    max_dropped: float = Field(1.0, ge=0, le=1, description="largest share of its entities that a sentence may lose")
    min_confidence: float = Field(0.0, ge=0, description="smallest mean score of the spans of a sentence")
    drop_duplicates: bool = Field(False, description="only the first of sentences with the same target words")
    check_language: bool = Field(False, description="leave out what py3langid takes for another language")
    max_unlabelled: float | None = Field(None, ge=0, description="sentences without entities for each one with some")
