"""The card of a trained tagger: what it is, and what data made it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xproj import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xproj.languages import Language
    from xproj.recipe import Train

NAMED = ("tagger", "model", "revision")


class Corpus(NamedTuple):
    """A corpus that was learned from; what is not known of it is empty."""

    name: str
    sentences: int
    signature: str = ""
    licences: tuple[str, ...] = ()
    language: str = ""


def card(
    settings: Train,
    language: Language,
    corpora: Sequence[Corpus],
    labels: Mapping[str, int],
    facts: Mapping[str, Any],
) -> str:
    """The text of `README.md`: YAML front matter for the hub, data, figures, and how to load it.

    Args:
        settings: of the training; of paths in them only the last part is shown.
        language: of the words.
        corpora: what was learned from.
        labels: entities by label.
        facts: what the training counted; counts of nothing are not shown.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["yaml"] = lambda value: json.dumps(value, ensure_ascii=False)
    template = files("xproj").joinpath("templates/tagger_card.md.jinja").read_text(encoding="utf-8")
    given, plain = shown(settings), shown(type(settings)(tagger=settings.tagger))
    return environment.from_string(template).render(
        library=settings.tagger,
        version=__version__,
        language=language,
        settings=given,
        corpora=corpora,
        distill=settings.distill,
        teachers=_teachers(settings),
        licences=sorted({licence for corpus in corpora for licence in corpus.licences}),
        silver=any(corpus.signature for corpus in corpora),
        labels=dict(sorted(labels.items())),
        facts=_figures(facts),
        changed={key: value for key, value in given.items() if value != plain[key] and key not in NAMED},
    )


def _figures(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Rounded, without counts of nothing; a score of 0 stays."""
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in facts.items()}
    return {key: value for key, value in rounded.items() if isinstance(value, float) or value}


def shown(settings: Train) -> dict[str, Any]:
    """The settings without the places of files: of the model's path the last part, a hub name as it is."""
    found = settings.model_dump(mode="json", exclude={"dev", "corpora", "distill"})
    return found | {"model": _last(settings.model)}


def _teachers(settings: Train) -> list[tuple[str, str, float]]:
    """Name, model or projection, and weight of each teacher."""
    teachers = settings.distill.teachers if settings.distill is not None else {}
    own = "the labels of the text"
    return [(name, _last(one.model or one.path) or own, one.weight) for name, one in teachers.items()]


def _last(path: str | None) -> str | None:
    """The last part of a path, and a hub name as it is."""
    return Path(path).name if path is not None and Path(path).is_absolute() else path
