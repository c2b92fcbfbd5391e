"""Taggers: words in, label probabilities out. One file per back end, opened by name.

A new back end is a file with a class that follows `Tagger` (and `Trainable`, if it can be trained), a line in
`BACKENDS`, and a parameter of tests/contracts/test_tagger_contract.py.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from xproj import backends
from xproj.columns import Entity, EntityColumn, TokenColumn
from xproj.core import labels as label_sets
from xproj.errors import BackendError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa

    from xproj import recipe
    from xproj.encoders import Dtype
    from xproj.languages import Language

    Progress = Callable[[int, int], None]
    Facts = dict[str, float | int]

BACKENDS = {
    "spacy": "xproj.taggers.spacy:SpacyTagger",
    "transformers": "xproj.taggers.transformer:TransformerTagger",
}
WITH_MODEL = frozenset({"transformers"})
"""Taggers that run a model in torch: it has a commit on the hub, a number type, and a device."""
# a file that the model folders of a back end have
FOLDERS = {"meta.json": "spacy", "config.json": "transformers"}


class Tagger(Protocol):
    """Labels words.

    `labels` is the IOB2 label space, `O` first. A tagger that only decides is not `probabilistic`: its rows are
    one-hot, and nobody may read a confidence out of them. Where it has `counts`, they are of its last call.
    """

    labels: tuple[str, ...]
    probabilistic: bool

    def probabilities(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """The label probabilities of each sentence, float32 (n_words, n_labels), whatever the batch."""
        ...


class Trainable(Protocol):
    """The class of a tagger that xproj can train; one of `WITH_MODEL` takes a `runtime` too."""

    @classmethod
    def train(
        cls,
        data: Iterable[pa.Table],
        *,
        settings: recipe.Train,
        language: Language,
        output: Path,
        dev: Iterable[pa.Table] | None,
        progress: Progress | None,
    ) -> Facts:
        """See `train`."""
        ...


def open(  # noqa: A001
    name: str,
    model: str,
    *,
    revision: str | None = None,
    dtype: Dtype = "float32",
    runtime: recipe.Runtime | None = None,
) -> Tagger:
    """The tagger `name` with its model.

    Args:
        name: a key of `BACKENDS`.
        model: a folder, or a name that the back end knows.
        revision: the commit of a model on the hub, 40 hexadecimal digits; of `WITH_MODEL` only.
        dtype: numbers of the model; of `WITH_MODEL` only.
        runtime: device and sub-words in a batch.

    Raises:
        RecipeError: no such back end, or a commit or number type for one that has none.
        BackendError: a missing package, or a model that is missing or cannot be read.
    """
    _check_choice(name, revision, dtype)
    found = backends.find("tagger", name, BACKENDS)
    if name in WITH_MODEL:
        return cast("Tagger", found(model, revision=revision, dtype=dtype, runtime=runtime))
    return cast("Tagger", found(model))


def check(name: str, model: str, *, revision: str | None = None, dtype: Dtype = "float32") -> None:
    """Refuse what `open` would, as far as it shows without loading the model or asking the hub.

    Raises:
        RecipeError: no such back end, a hub name without its commit, or a commit or number type for one that has none.
        BackendError: no such folder, or nothing of the back end in it.
    """
    from xproj.encoders import files

    _check_choice(name, revision, dtype)
    if name in WITH_MODEL:
        files.check(model, revision)
        return
    folder = Path(model)
    if folder.is_dir() and not (folder / "meta.json").is_file():
        raise not_spacy(model, "no meta.json in this folder")
    if not folder.exists() and not _is_package(model):
        raise not_spacy(model, "no such folder, and no package of this name is installed")


def not_spacy(model: str, why: str) -> BackendError:
    """The error for what is no model of spaCy."""
    return BackendError(f"{model}: not a spaCy model ({why}); train one with `xproj train DATA --output {model}`")


def _is_package(name: str) -> bool:
    try:
        metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return True


def _check_choice(name: str, revision: str | None, dtype: str) -> None:
    backends.check("tagger", name, BACKENDS)
    for key, value, default in (("revision", revision, None), ("dtype", dtype, "float32")):
        if value != default and name not in WITH_MODEL:
            raise RecipeError(f"tagger {name!r} has no {key}, but {value!r} is given; leave {key} out")


def of_folder(folder: Path) -> str | None:
    """The back end whose model a folder holds, by its files; None where they do not tell."""
    return next((name for file, name in FOLDERS.items() if (folder / file).is_file()), None)


def train(
    name: str,
    data: Iterable[pa.Table],
    *,
    settings: recipe.Train,
    language: Language,
    output: Path,
    dev: Iterable[pa.Table] | None = None,
    progress: Progress | None = None,
    runtime: recipe.Runtime | None = None,
) -> Facts:
    """Train a tagger and write its model folder.

    Args:
        name: the back end.
        data: tables with `tokens` and `entities`; rows where one is null are skipped and counted.
        settings: epochs, seed and the like.
        language: whose words these are.
        output: the folder to write; that it appears whole or not at all is the caller's care.
        dev: a labelled corpus that picks the best epoch.
        progress: called with what is done and what there is to do at most.
        runtime: the device; of `WITH_MODEL` only.

    Returns:
        Counts and figures of the training, also kept in the model.

    Raises:
        RecipeError: no such back end, or one that cannot be trained.
        BackendError: a missing package.
        CorpusError: there is nothing to learn from.
    """
    found = backends.find("tagger", name, BACKENDS)
    if not hasattr(found, "train"):
        raise RecipeError(f"tagger {name!r} labels with models that are there, and trains none; choose another one")
    trainable = cast("Trainable", found)
    more = {"runtime": runtime} if name in WITH_MODEL else {}
    return trainable.train(
        data, settings=settings, language=language, output=output, dev=dev, progress=progress, **more
    )


def decode(probabilities: np.ndarray, labels: Sequence[str]) -> list[Entity]:
    """The entities of one sentence from its (n_words, n_labels) probabilities: the best label of each word.

    An I- that continues nothing starts an entity. The score of an entity is the mean probability of its words' labels.
    """
    column = label_sets.decode([probabilities], labels)
    parts = zip(column.start.tolist(), column.end.tolist(), column.label.tolist(), column.score.tolist(), strict=True)
    return [Entity(start, end, column.names[label], score) for start, end, label, score in parts]


def predict(tagger: Tagger, tokens: pa.ChunkedArray | pa.Array) -> pa.ListArray:
    """The entities of a `list<string>` column as a `list<entity>` column; null rows stay null."""
    rows = TokenColumn.read(tokens)
    column: EntityColumn = label_sets.decode(
        tagger.probabilities([words or [] for words in rows.rows()]), tagger.labels, rows.valid
    )
    return column.write()
