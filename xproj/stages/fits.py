"""The stages that read the whole corpus and leave one folder: the silver dataset, the tagger, the scores."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xproj import __version__
from xproj.core.labels import OUTSIDE
from xproj.errors import CorpusError
from xproj.stages.base import Inputs, Stage, language_of
from xproj.stages.training import train

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xproj import recipe
    from xproj.evaluation import TaggingScores
    from xproj.recipe import Recipe
    from xproj.stages.base import Progress

SCORES = "scores.json"


class Silver(Stage):
    """The labelled target sentences as a dataset."""

    name = "silver"
    version = 2
    required = ("id", "target_tokens", "target_entities")
    optional = ("source_tokens", "source_entities", "status", "dropped", "links")
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

    def __init__(self, recipe: Recipe, fitted: Path | None = None) -> None:
        super().__init__(recipe, fitted)
        if recipe.train is not None:
            recipe.train.check()

    def resolved(self) -> dict[str, Any]:
        """What dtype = "auto" stands for here, as it changes the weights."""
        made = self.recipe
        if made.train is None or (made.train.tagger, made.train.dtype) != ("transformers", "auto"):
            return {}
        if find_spec("torch") is None:
            return {}  # what is missing is said when it is trained
        import torch

        from xproj.training.products import precision

        auto = "cuda" if torch.cuda.is_available() else "cpu"
        return {
            "dtype": precision("auto", torch.device(auto if made.runtime.device == "auto" else made.runtime.device))
        }

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Write the tagger's model folder."""
        made = self.recipe
        assert made.train is not None
        return train(inputs.folders["silver"], made.train, made.language, output, progress, made.runtime)


class Evaluate(Stage):
    """Scores of the projection where there is target gold, and of the trained tagger on a gold corpus."""

    name = "evaluate"
    required = ("id", "target_entities")
    optional = ("target_gold", "source_entities", "dropped", "status")
    follows = ("silver", "train")
    sharded = False
    version = 2

    def fit(self, inputs: Inputs, output: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Write and return the scores."""
        from xproj import evaluation

        settings = self.recipe.evaluate
        assert settings is not None
        projection = evaluation.projection(inputs, labels=settings.labels, resamples=settings.bootstrap)
        scores: dict[str, Any] = {"projection": projection.as_dict()}
        if self.recipe.train is not None and settings.gold is not None:
            model, silver = (inputs.folders[name] for name in ("train", "silver"))
            scored = score_tagger(
                self.recipe.train.tagger, str(model), Path(settings.gold), settings, silver, self.recipe.runtime
            )
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


def score_tagger(
    tagger: str,
    model: str,
    gold: Path,
    settings: recipe.Evaluate,
    training: Path | None = None,
    runtime: recipe.Runtime | None = None,
) -> TaggingScores:
    """Tag a gold corpus and score the labels.

    Args:
        tagger: the back end.
        model: its model.
        gold: a labelled corpus.
        settings: renamed labels, resamples, and training data that tell seen entities from unseen ones.
        training: those data where the settings name none.
        runtime: where the model runs.

    Raises:
        CorpusError: the gold corpus has none of the tagger's labels.
    """
    from xproj import corpora, evaluation, taggers

    opened = taggers.open(tagger, model, runtime=runtime)
    familiar = None
    if (data := Path(settings.training) if settings.training else training) is not None:
        split = "train" if "train" in corpora.splits(data) else None
        familiar = evaluation.Familiar.of(corpora.read_labelled(data, split=split), settings.labels)
    parts = (
        (taggers.predict(opened, table["tokens"]), table["entities"], table["tokens"])
        for table in corpora.read_labelled(gold)
    )
    scores = evaluation.tagging(parts, labels=settings.labels, familiar=familiar, resamples=settings.bootstrap)
    check_labels(gold, [name for name, score in scores.labels.items() if score.support], opened.labels, settings.labels)
    return scores


def check_labels(gold: Path, names: Iterable[str], labels: Sequence[str], renamed: Mapping[str, str]) -> None:
    """A tagger that has none of the labels of the gold corpus is not wrong everywhere: they are named otherwise.

    Args:
        gold: where the labels `names` are from.
        names: as `renamed` says already.
        labels: those of the tagger, IOB2.
        renamed: what labels are called in the scores.

    Raises:
        CorpusError: they have none in common.
    """
    types = {label[2:] for label in labels if label != OUTSIDE}
    wanted, ours = sorted(names), sorted({renamed.get(name, name) for name in types} - {OUTSIDE})
    if wanted and not set(ours) & set(wanted):
        raise CorpusError(
            f"{gold}: labels {', '.join(wanted)}, the tagger's: {', '.join(ours)}; none in common: rename them with "
            f'[evaluate] labels = {{{wanted[0]} = "{ours[0] if ours else "O"}"}}'
        )
