"""The table `[train.distill]`: teachers, the text that they label, and how the student learns from them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from xproj.recipe.table import Table


class Teacher(Table):
    """A model, or a projection: a corpus of the same sentences with labels; without either, DATA itself."""

    model: str | None = Field(None, description="a tagger: a folder or name")
    tagger: str = Field("transformers", description="its back end")
    path: str | None = Field(None, description="instead of a model: a corpus with labels, its sentences found by id")
    weight: float = Field(1.0, gt=0, description="its share in the mixture, with weights = 'given'")
    corpus: str | None = Field(None, description="weights = 'similar': text of the language that it was trained on")

    @model_validator(mode="after")
    def _is_not_both(self) -> Teacher:
        if self.model is not None and self.path is not None:
            raise ValueError("a teacher is a model or a corpus with labels; give model or path, not both")
        return self


class Pairs(Table):
    """A second task: do two words of a sentence have the same label?"""

    evaluator: str = Field(..., description="an encoder or `transformers` tagger that says how alike two words are")
    weight: float = Field(0.5, ge=0, description="a, of the second task")


class Distill(Table):
    """Soft labels from teachers."""

    teachers: dict[str, Teacher] = Field(..., description="teachers by name: model and tagger, or path; and weight")
    text: str | None = Field(None, description="what the teachers label: any corpus, its labels not read")
    loss: Literal["mse", "kl"] = Field("mse", description="distance of probabilities")
    temperature: float = Field(1.0, gt=0, description="kl: softens both sides")
    weights: Literal["uniform", "given", "similar"] = Field(
        "uniform", description="of teachers: equal, those that they give, or by similarity of their language"
    )
    smoothing: float = Field(0.0, ge=0, lt=1, description="spread over all labels where a teacher only decides")
    agreement_only: bool = Field(False, description="only words on whose label all teachers agree")
    hard: float = Field(0.0, ge=0, description="weight of the cross-entropy of words on whose label all teachers agree")
    labelled: float = Field(
        0.0, ge=0, description="weight of the labels of DATA itself, when text is another corpus; 0 = not learned"
    )
    pairs: Pairs | None = Field(None, description="the second task of MTMT: evaluator and weight")

    @model_validator(mode="after")
    def _fits_together(self) -> Distill:
        if not self.teachers:
            raise ValueError("teachers is empty; name at least one")
        if self.loss == "mse" and self.temperature != 1.0:
            raise ValueError(
                f"temperature = {self.temperature} has no effect on loss = 'mse'; use 'kl' or leave it out"
            )
        if self.weights != "given" and (odd := [n for n, t in self.teachers.items() if t.weight != 1.0]):
            raise ValueError(f"teachers.{odd[0]}.weight needs weights = 'given'")
        if self.weights == "similar" and (bare := [n for n, t in self.teachers.items() if t.corpus is None]):
            raise ValueError(f"teachers.{bare[0]}.corpus is missing; weights = 'similar' compares languages by it")
        if self.labelled and self.text is None:
            raise ValueError("labelled needs text, another corpus than DATA; to learn DATA's labels make it a teacher")
        if self.pairs and (self.loss != "mse" or self.hard):
            raise ValueError("pairs are trained with loss = 'mse' and hard = 0")
        return self

    def paths(self) -> dict[str, Any]:
        """The paths and model names in it by key, None where there is none."""
        found: dict[str, Any] = {"text": self.text}
        for name, teacher in self.teachers.items():
            found |= {f"teachers.{name}.{key}": getattr(teacher, key) for key in ("model", "path", "corpus")}
        return found | ({"pairs.evaluator": self.pairs.evaluator} if self.pairs else {})
