"""The tables `[train]` and `[evaluate]`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from xproj.errors import RecipeError
from xproj.recipe.distillation import Distill
from xproj.recipe.table import Table

# what only one back end reads; other ones may read all
ONLY = {
    "spacy": ("max_words",),
    "transformers": (
        "model", "revision", "learning_rate", "head_rate", "warmup", "weight_decay", "batch_tokens", "accumulation",
        "dtype", "freeze_layers", "freeze_embeddings", "weights", "focal", "focal_after", "lost_entities",
        "max_unlabelled", "temperature", "corpora", "distill", "similarity",
    ),
}  # fmt: skip
# where a fine-tuned encoder wants other defaults than a network from scratch
DEFAULTS = {"transformers": {"epochs": 5, "dropout": 0.1}}


class TrainingCorpus(Table):
    """One more corpus to learn from."""

    path: str = Field(..., description="a labelled corpus: a silver folder, CoNLL, JSONL or Parquet")
    weight: float = Field(1.0, gt=0, description="what the loss of its sentences counts; those of DATA count 1")
    limit: int = Field(0, ge=0, description="only the first N sentences; 0 = all")
    language: str | None = Field(None, description="its language, when it is another one")
    labels: dict[str, str] = Field(default_factory=dict, description="rename labels; 'O' drops them")


class Train(Table):
    """The tagger trained on the silver corpus."""

    tagger: str = Field("spacy", description="tagger back end: spacy, or transformers")
    epochs: int = Field(12, ge=1, description="passes over the data at most; 5 with `transformers`")
    patience: int = Field(
        3, ge=1, description="epochs without gain (dev F1; with `spacy` else training loss) before it stops"
    )
    max_words: int = Field(1_500_000, ge=1, description="`spacy`: words seen at most, over all epochs")
    seed: int = Field(0, ge=0, description="random seed")
    dropout: float = Field(0.35, ge=0, lt=1, description="dropout; 0.1 with `transformers`")
    labels: dict[str, str] = Field(default_factory=dict, description="rename labels; 'O' drops them")
    dev: str | None = Field(None, description="a gold corpus that picks the best epoch")
    model: str | None = Field(
        None, description="`transformers`: an encoder, or a tagger that goes on learning: a folder, or a hub name"
    )
    revision: str | None = Field(None, description="the commit of a hub model, 40 hexadecimal digits")
    learning_rate: float = Field(2e-5, gt=0, description="the largest: up over the warm-up, then down to 0")
    head_rate: float | None = Field(None, gt=0, description="the same for the head, when it is another")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW; not of norms, biases and word embeddings")
    batch_tokens: int = Field(1024, ge=1, description="sub-words that go through the model at once, with padding")
    accumulation: int = Field(1, ge=1, description="such passes in a step, in each process")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="matrix products in bfloat16 where the device computes in it, or as said"
    )
    freeze_layers: int = Field(0, ge=0, description="the lowest layers that stay as they are")
    freeze_embeddings: bool = Field(False, description="the embeddings stay as they are")
    weights: tuple[Literal["sentence", "word"], ...] = Field(
        (), description="what the loss counts by: `sentence` = its confidence, `word` = the score of its entity"
    )
    focal: float = Field(0.0, ge=0, description="inverted focal loss: probability^γ weighs a word; 0 = off")
    focal_after: int = Field(1, ge=0, description="epochs of plain cross-entropy before it")
    lost_entities: Literal["keep", "mask", "leave_out"] = Field(
        "keep", description="words where a lost entity may lie: learned as no entity, without loss, or out by sentence"
    )
    max_unlabelled: float | None = Field(None, ge=0, description="sentences without entities for each one with some")
    temperature: float = Field(
        1.0, gt=0, description="several languages: each has a share of the loss of its sentences^(1/T); 1 = as they are"
    )
    corpora: dict[str, TrainingCorpus] = Field(
        default_factory=dict, description="more corpora, as [train.corpora.NAME]: path, weight, limit, language, labels"
    )
    similarity: float = Field(
        0.0, ge=0, description="weight of a second task, do two words have the same label? It makes an evaluator"
    )
    distill: Distill | None = Field(None, description="soft labels from teachers, in [train.distill]")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_back_end(cls, data: Any) -> Any:
        return {**DEFAULTS.get(str(data.get("tagger")), {}), **data} if isinstance(data, dict) else data

    def check(self) -> None:
        """Refuse what the back end does not read, and ask for what it needs.

        Raises:
            RecipeError: a key of the other back end that is not at its default, or no model.
        """
        fields = type(self).model_fields
        for tagger, keys in ONLY.items() if self.tagger in ONLY else ():
            # a recipe that was written out names every key, so it is the value that counts
            given = (k for k in keys if getattr(self, k) != fields[k].get_default(call_default_factory=True))
            if tagger != self.tagger and (foreign := next(given, None)):
                raise RecipeError(
                    f"[train] {foreign} is read by tagger = {tagger!r}, not by {self.tagger!r}; set the tagger, or "
                    "leave the key out"
                )
        if self.tagger == "transformers" and self.model is None:
            raise RecipeError(
                "[train] tagger = 'transformers' fine-tunes a model; add model = \"FOLDER\", e.g. of XLM-R"
            )


class Evaluate(Table):
    """What is scored, and on which gold corpus."""

    gold: str | None = Field(None, description="gold corpus on which the trained tagger is scored")
    labels: dict[str, str] = Field(default_factory=dict, description="rename gold labels; 'O' drops them")
    training: str | None = Field(
        None, description="training data that tell seen entities from unseen ones; in a recipe its silver corpus"
    )
    bootstrap: int = Field(1000, ge=0, description="resamples of the confidence interval")
