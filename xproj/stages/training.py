"""What a tagger is trained on: one corpus or several, and a card that says which."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from xproj import processes, store
from xproj.columns import combine
from xproj.stages.base import language_of
from xproj.training.labelled import marked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xproj import recipe
    from xproj.languages import Language
    from xproj.stages.base import Progress

CARD = "README.md"


def train(
    data: Path,
    settings: recipe.Train,
    language: str | None,
    output: Path,
    progress: Progress | None,
    runtime: recipe.Runtime | None = None,
) -> dict[str, Any]:
    """Train the tagger that `settings` asks for on a labelled corpus and write its model folder.

    Of a silver dataset with splits, `train` is learned from, and `dev` picks the best epoch unless `settings` names
    another corpus for that. The folder gets a card that says what data made it. What earlier trainings of the same
    `output` that were killed have kept is removed.

    Raises:
        RecipeError: a key that the tagger does not read, or labels that do not fit together.
        CorpusError: a corpus that cannot be read, or has nothing to learn from.
    """
    from xproj import corpora, distillation, taggers
    from xproj.training.card import card

    settings.check()
    made = language_of(language)
    dev = None
    if settings.dev is not None:
        dev = corpora.read_labelled(settings.dev, language=made, labels=settings.labels)
    elif "dev" in corpora.splits(data):
        dev = corpora.read_labelled(data, split="dev", labels=settings.labels)
    read = _Corpora(data, settings, made)
    tables = read.tables(own=settings.distill is None or settings.distill.labelled > 0)
    if settings.distill is not None:
        tables = distillation.lessons(settings, data, tables, made, output, runtime)
    facts = taggers.train(
        settings.tagger,
        tables,
        settings=settings,
        language=made,
        output=output,
        dev=dev,
        progress=progress,
        runtime=runtime,
    )
    if processes.first():
        store.remove_unfinished(output)
    output.mkdir(exist_ok=True)  # of several processes only the first has written it
    text = card(settings, made, read.described(), read.labels, facts)
    (output / CARD).write_text(text, encoding="utf-8")
    return dict(facts)


class _Corpora:
    """The corpora of a training: the first one and `[train.corpora]`; what is read of them is counted."""

    def __init__(self, data: Path, settings: recipe.Train, language: Language) -> None:
        self._paths = {"": data} | {name: Path(corpus.path) for name, corpus in settings.corpora.items()}
        self._settings, self._language = settings, language
        self._sentences: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        """Entities by label."""

    def tables(self, *, own: bool = True) -> Iterator[pa.Table]:
        """The sentences of all corpora, the first without `own` left out; with several name, weight and language."""
        settings = self._settings
        for table in self._read("", settings.labels, self._language, 0) if own else ():
            yield marked(table, "", 1.0, self._language) if settings.corpora else table
        for name, corpus in settings.corpora.items():
            language = self._language if corpus.language is None else language_of(corpus.language)
            for table in self._read(name, {**settings.labels, **corpus.labels}, language, corpus.limit):
                yield marked(table, name, corpus.weight, language)

    def _read(self, name: str, labels: Mapping[str, str], language: Language, limit: int) -> Iterator[pa.Table]:
        from xproj import corpora

        path = self._paths[name]
        split = "train" if "train" in corpora.splits(path) else None
        for table in corpora.read_labelled(path, split=split, language=language, labels=labels, limit=limit):
            self._sentences[name] += table.num_rows
            self.labels.update(pc.struct_field(combine(pc.list_flatten(table["entities"])), "label").to_pylist())
            yield table

    def described(self) -> list[Any]:
        """What the card says of each corpus."""
        from xproj import corpora
        from xproj.training.card import Corpus

        found = []
        for name, path in self._paths.items():
            if not self._sentences[name]:
                continue  # teachers have labelled its sentences
            facts = corpora.made_by(path)
            found.append(
                Corpus(
                    name or path.name,
                    self._sentences[name],
                    str(facts.get("signature", "")),
                    tuple(facts.get("licences", ())),
                    str(facts.get("language", "")),
                )
            )
        return found
