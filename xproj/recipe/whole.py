"""A whole recipe, and the names of its tables."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from xproj.recipe.alignment import Align
from xproj.recipe.corpus import Ingest, Silver, Tag
from xproj.recipe.projection import Project, Score
from xproj.recipe.table import Table
from xproj.recipe.training import Evaluate, Train
from xproj.recipe.translation import Back, Translate

Route = Literal["bitext", "translate-train", "translate-test"]


class Runtime(Table):
    """How it runs. Never hashed."""

    executor: Literal["local"] = Field("local", description="how shards are run")
    workers: int = Field(1, ge=1, description="processes")
    batch_tokens: int = Field(16384, ge=1, description="sub-words in one batch of a model")
    device: str = Field("auto", description="auto, cpu or cuda")


class Recipe(Table):
    """A whole recipe. Paths in it are relative to `folder`."""

    route: Route = Field("bitext", description="bitext, translate-train or translate-test")
    language: str | None = Field(None, description="the language to label, e.g. swh_Latn; any known code")
    source: str = Field("eng_Latn", description="the language that has labels")
    ingest: Ingest
    translate: Translate | None = None
    tag: Tag | None = None
    back: Back | None = None
    align: Align = Align()
    score: Score | None = None
    project: Project = Project()
    silver: Silver = Silver()
    train: Train | None = None
    evaluate: Evaluate | None = None
    runtime: Runtime = Runtime()

    @model_validator(mode="before")
    @classmethod
    def _tables_that_follow_translate(cls, data: Any) -> Any:
        translate = data.get("translate") if isinstance(data, dict) else None
        if not isinstance(translate, dict):
            return data
        back, project = data.get("back") or {}, data.get("project") or {}
        if translate.get("back_translate") is True and isinstance(back, dict):
            # Apertium's modes have a direction, and marks in this one need labels in that
            shared = {key: translate[key] for key in translate if key not in ("back_translate", "mode", "markers")}
            data = {**data, "back": {**shared, **back}}
        marked = isinstance(project, dict) and project.get("candidates") == "markers" and translate.get("markers")
        style = "blanks" if marked == "constrained" else marked
        return {**data, "project": {"markers": style, **project}} if marked else data

    @model_validator(mode="after")
    def _marks_are_read_as_written(self) -> Recipe:
        written = self.translate and self.translate.style
        if written and self.project.candidates == "markers" and self.project.markers != written:
            raise ValueError(
                f"[project] markers = {self.project.markers!r}, but [translate] writes {written!r}; leave the first out"
            )
        return self


TABLES: dict[str, type[Table]] = {
    "ingest": Ingest,
    "translate": Translate,
    "tag": Tag,
    "back": Back,
    "align": Align,
    "score": Score,
    "project": Project,
    "silver": Silver,
    "train": Train,
    "evaluate": Evaluate,
    "runtime": Runtime,
}
