"""The tables `[train]` and `[evaluate]`."""

from __future__ import annotations

from pydantic import Field

from xproj.recipe.distillation import Distill
from xproj.recipe.table import Table


class Train(Table):
    """The tagger trained on the silver corpus."""

    tagger: str = Field("spacy", description="tagger back end")
    epochs: int = Field(12, ge=1, description="passes over the data at most")
    patience: int = Field(3, ge=1, description="epochs without gain (dev F1, else training loss) before it stops")
    max_words: int = Field(1_500_000, ge=1, description="words seen at most, over all epochs")
    seed: int = Field(0, ge=0, description="random seed")
    dropout: float = Field(0.35, ge=0, lt=1, description="dropout")
    labels: dict[str, str] = Field(default_factory=dict, description="rename labels; 'O' drops them")
    dev: str | None = Field(None, description="a gold corpus that picks the best epoch")
    distill: Distill | None = Field(None, description="soft labels from teachers, in [train.distill]")


class Evaluate(Table):
    """What is scored, and on which gold corpus."""

    gold: str | None = Field(None, description="gold corpus on which the trained tagger is scored")
    labels: dict[str, str] = Field(default_factory=dict, description="rename gold labels; 'O' drops them")
    training: str | None = Field(
        None, description="training data that tell seen entities from unseen ones; in a recipe its silver corpus"
    )
    bootstrap: int = Field(1000, ge=0, description="resamples of the confidence interval")
