"""The stages that read the whole corpus and leave one folder: the silver dataset, the tagger, the scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xproj import __version__
from xproj.stages.base import Inputs, Stage, language_of

if TYPE_CHECKING:
    from xproj import recipe
    from xproj.evaluation import TaggingScores
    from xproj.recipe import Recipe
    from xproj.stages.base import Progress

SCORES = "scores.json"


class Silver(Stage):
    """The labelled target sentences as a dataset."""

    name = "silver"
    required = ("id", "target_tokens", "target_entities")
    optional = ("source_tokens", "source_entities", "status", "dropped")
    keys = ("route", "language", "source")
    sharded = False

    def __init__(self, recipe: Recipe, fitted: Path | None = None, *, signature: str | None = None) -> None:
        super().__init__(recipe, fitted)
        self._signature = signature

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset and its card."""
        from xproj import corpora

        written = corpora.write_silver(
            inputs,
            output,
            language=language_of(self.recipe.language),
            settings=self.recipe.silver,
            signature=self._signature or signature(self.recipe),
            licences=self.recipe.silver.licences,
            source=language_of(self.recipe.source),
        )
        return dict(written.as_dict())


class Train(Stage):
    """A tagger for the target language, from the silver corpus."""

    name = "train"
    version = 2
    required = ()
    keys = ("language",)
    follows = ("silver",)
    sharded = False

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Write the tagger's model folder."""
        assert self.recipe.train is not None
        return train(inputs.folders["silver"], self.recipe.train, self.recipe.language, output, progress)


class Evaluate(Stage):
    """Scores of the projection where there is target gold, and of the trained tagger on a gold corpus."""

    name = "evaluate"
    required = ("id", "target_entities")
    optional = ("target_gold", "source_entities", "dropped", "status")
    follows = ("train",)
    sharded = False

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Write and return the scores."""
        from xproj import evaluation

        settings = self.recipe.evaluate
        assert settings is not None
        projection = evaluation.projection(inputs, labels=settings.labels, resamples=settings.bootstrap)
        scores: dict[str, Any] = {"projection": projection.as_dict()}
        if self.recipe.train is not None and settings.gold is not None:
            trained = str(inputs.folders["train"])
            scored = score_tagger(self.recipe.train.tagger, trained, Path(settings.gold), settings, self.recipe.runtime)
            scores["tagging"] = scored.as_dict()
        (output / SCORES).write_text(json.dumps(scores, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return scores


def signature(recipe: Recipe) -> str:
    """How a silver corpus was made, in one line: `route:bitext|al:statistical|sc:alignment|solve:exact|…`."""
    project = recipe.project
    chosen = project.filter if isinstance(project.filter, str) else "+".join(project.filter)
    parts = {
        "route": recipe.route,
        "tr": recipe.translate.translator if recipe.translate and recipe.route != "bitext" else None,
        "tag": recipe.tag.tagger if recipe.tag else None,
        "al": _aligner(recipe) if project.needs_links or recipe.score else None,
        "bt": recipe.align.refine if recipe.align.refine != "off" else None,
        "sc": "+".join(sorted(project.scores)),
        "solve": project.solver,
        "filter": chosen,
        "v": __version__,
    }
    return "|".join(f"{key}:{value}" for key, value in parts.items() if value)


def _aligner(recipe: Recipe) -> str:
    """The aligner; of an ensemble its members: `ensemble-vote(awesome+statistical)`."""
    align = recipe.align
    return f"ensemble-{align.combine}({'+'.join(sorted(align.members))})" if align.members else align.aligner


def train(
    data: Path, settings: recipe.Train, language: str | None, output: Path, progress: Progress | None
) -> dict[str, Any]:
    """Train the tagger that `settings` asks for on a labelled corpus and write its model folder.

    Of a silver dataset with splits, `train` is learned from, and `dev` picks the best epoch unless `settings` names
    another corpus for that.
    """
    from xproj import corpora, taggers

    splits = corpora.splits(data)
    made = language_of(language)
    dev = None
    if settings.dev is not None:
        dev = corpora.read_labelled(settings.dev, language=made, labels=settings.labels)
    elif "dev" in splits:
        dev = corpora.read_labelled(data, split="dev", labels=settings.labels)
    tables = corpora.read_labelled(
        data, split="train" if "train" in splits else None, language=made, labels=settings.labels
    )
    facts = taggers.train(
        settings.tagger, tables, settings=settings, language=made, output=output, dev=dev, progress=progress
    )
    return dict(facts)


def score_tagger(
    tagger: str, model: str, gold: Path, settings: recipe.Evaluate, runtime: recipe.Runtime | None = None
) -> TaggingScores:
    """Tag a gold corpus and score the labels."""
    from xproj import corpora, evaluation, taggers

    opened = taggers.open(tagger, model, runtime=runtime)
    pairs = ((taggers.predict(opened, t["tokens"]), t["entities"]) for t in corpora.read_labelled(gold))
    return evaluation.tagging(pairs, labels=settings.labels, resamples=settings.bootstrap)
