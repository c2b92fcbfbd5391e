"""From tables of labelled sentences to a model folder."""

from __future__ import annotations

import hashlib
import json
import os
import random
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

from xproj import __version__, store
from xproj.columns import EntityColumn
from xproj.core.spans import decode_column
from xproj.core.teachers import ALONE, partners
from xproj.encoders import files, loading
from xproj.errors import CorpusError
from xproj.fingerprints import FileHashes
from xproj.training import heads, products
from xproj.training.card import shown
from xproj.training.checkpoints import Checkpoints
from xproj.training.examples import Examples, Inputs
from xproj.training.labelled import Reader, Sentences, label_ids
from xproj.training.objective import Objective
from xproj.training.preparation import prepare
from xproj.training.trainer import Dev, WordTrainer, arguments
from xproj.training.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xproj import recipe
    from xproj.columns import Int64
    from xproj.languages import Language

    Progress = Callable[[int, int], None]
    Facts = dict[str, float | int]

FACTS = "training.json"


def train(
    data: Iterable[pa.Table],
    *,
    settings: recipe.Train,
    language: Language,
    output: Path,
    dev: Iterable[pa.Table] | None = None,
    progress: Progress | None = None,
    device: str = "auto",
) -> Facts:
    """Train a tagger on an encoder and write its folder; see `xproj.taggers.train`.

    A training that was killed goes on from its last checkpoint, in a hidden folder beside `output`. Where several
    processes are started (torchrun, accelerate launch), the first one alone writes.

    Args:
        data: tables with `tokens` and `entities`, and where they are wanted `confidence`, `lost_spans`, `corpus`,
            `language` and `weight` (of the corpus).
        settings, language, output, dev, progress: see there.
        device: auto, cpu or cuda.

    Raises:
        RecipeError: labels that do not fit the model or each other.
        BackendError: no such model or device, or one that is too small; a loss that is not finite.
        CorpusError: there is nothing to learn from, or dev has none of the labels.
        StoreError: a checkpoint cannot be written.
    """
    place = loading.device(device)
    path = files.folder(str(settings.model), settings.revision)
    tokenizer = loading.tokenizer(path, str(settings.model))
    reader = Reader(settings)
    sentences = prepare(reader.read(data, "training data"), reader)
    held_out = None if dev is None else _read_dev(dev, settings, reader)
    with _random_state(settings.seed, place), loading.quiet():
        model = heads.load(path, settings, reader.labels())
        made = _Material.of(model, tokenizer, sentences, held_out, list(reader.types), settings)
        dtype = products.precision(settings.dtype, place)
        if dtype == "float32" and products.useful(place):
            products.use(model)
        checkpoints = Checkpoints(*_state(output, settings, dtype, made, path))
        trainer = WordTrainer(
            model,
            arguments(settings, checkpoints.folder, dtype, dev=made.dev is not None, cpu=place.type == "cpu"),
            settings,
            made.examples,
            Objective(settings),
            checkpoints,
            made.dev,
            progress,
        )
        trainer.run()
        facts = asdict(reader.counts) | made.examples.counts() | _outcome(trainer, held_out)
        trainer.accelerator.wait_for_everyone()
        if trainer.is_world_process_zero():
            made.vocabulary.restore(model)
            _save(model, tokenizer, output, settings, language, facts)
            checkpoints.remove()
    return facts


@dataclass(frozen=True)
class _DevSentences:
    sentences: Sentences
    types: list[str]
    unknown_entities: int
    """Entities whose type the training data lack."""


@dataclass(frozen=True)
class _Material:
    """The corpora as the model sees them."""

    examples: Examples
    dev: Dev | None
    vocabulary: Vocabulary

    @classmethod
    def of(
        cls,
        model: Any,
        tokenizer: Any,
        sentences: Sentences,
        dev: _DevSentences | None,
        types: list[str],
        settings: recipe.Train,
    ) -> _Material:
        """Tokenise, and leave only the embeddings that are needed in the model."""
        inputs = Inputs(tokenizer, model)
        known = {label: int(k) for label, k in model.config.label2id.items()}
        targets = label_ids(sentences.tags, types, known)
        soft = None if sentences.soft is None else sentences.soft.renumbered(known)
        partner = _partners(sentences, settings)
        found = [Examples.of(sentences.words, targets, sentences.weights, inputs, soft, partner)]
        if dev is not None:
            words = dev.sentences.words
            found.append(
                Examples.of(words, label_ids(dev.sentences.tags, dev.types, known), dev.sentences.weights, inputs)
            )
        used = [np.array([*inputs.before, *inputs.behind]), *(one.pieces.ids for one in found)]
        vocabulary = Vocabulary.reduce(model, np.concatenate(used), inputs.pad)
        found = [one.renumbered(vocabulary.number) for one in found]
        if not len(found[0]):
            raise CorpusError("training data: no word has sub-words; look at the tokenizer, or at the corpus")
        if dev is None:
            return cls(found[0], None, vocabulary)
        names = pa.array([label for label, _ in sorted(known.items(), key=lambda item: item[1])], pa.string())
        return cls(found[0], Dev(found[1], _entities(dev), names), vocabulary)


def _partners(sentences: Sentences, settings: recipe.Train) -> Int64 | None:
    """Another word of its sentence for each word, (words,), where there is a second task; drawn with the seed."""
    distill = settings.distill
    if not settings.similarity and (distill is None or distill.pairs is None):
        return None
    drawn = partners(sentences.offsets, sentences.weights > 0, (settings.seed, 3))
    if sentences.soft is None:
        return drawn
    # the evaluator has seen those words together that its column says
    first = np.repeat(sentences.offsets[:-1], sentences.words.lengths)
    told = np.where(sentences.soft.partner == ALONE, ALONE, first + sentences.soft.partner)
    return np.where(sentences.soft.taught, told, drawn)


def _entities(dev: _DevSentences) -> EntityColumn:
    """The gold entities of dev sentences."""
    names = ["O", *(f"{prefix}-{name}" for name in dev.types for prefix in "BI")]
    tags = pa.array(names, pa.string()).take(pa.array(dev.sentences.tags))
    return decode_column(dev.sentences.offsets, tags).entities


def _read_dev(tables: Iterable[pa.Table], settings: recipe.Train, training: Reader) -> _DevSentences:
    """The dev sentences, with their labels set against those of the training data.

    Raises:
        CorpusError: no sentence, or none of the labels.
    """
    reader = Reader(settings.model_copy(update={"lost_entities": "keep", "weights": ()}))
    found = reader.read(tables, "dev data")
    if not len(found):
        raise CorpusError("dev data: no labelled sentence; give a corpus with some, or leave dev out")
    ours, theirs = set(training.types), set(reader.types)
    if theirs and not ours & theirs:
        raise CorpusError(
            f"dev data: labels {', '.join(sorted(theirs))}, training data: {', '.join(sorted(ours))}; none in common: "
            f'rename them with [train] labels = {{{sorted(theirs)[0]} = "{sorted(ours)[0]}"}}'
        )
    names = list(reader.types)
    unknown = sum(int(np.count_nonzero(found.tags == 2 * names.index(name) + 1)) for name in theirs - ours)
    return _DevSentences(found, names, unknown)


@contextmanager
def _random_state(seed: int, place: torch.device) -> Iterator[None]:
    """The seed's own randomness; afterwards all generators are as they were."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the loop of transformers sets it
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002


def _state(output: Path, settings: recipe.Train, dtype: str, made: _Material, model: Path) -> tuple[Path, str]:
    """Where the checkpoints of this training are, and what they belong to: settings, the files of the model, data."""
    digest = hashlib.sha256(settings.model_dump_json().encode() + dtype.encode() + __version__.encode())
    digest.update(str(FileHashes(Path(os.devnull)).tree(str(model))).encode())
    for examples in (made.examples, *([made.dev.examples] if made.dev is not None else [])):
        for array in (examples.pieces.offsets, examples.pieces.ids, examples.targets, examples.weights):
            digest.update(np.ascontiguousarray(array).data)
        for array in () if examples.soft is None else examples.soft[1:]:
            digest.update(np.ascontiguousarray(array).data)
    identity = digest.hexdigest()
    return store.unfinished(output, "training", identity), identity


def _outcome(trainer: WordTrainer, dev: _DevSentences | None) -> Facts:
    """Figures of the training."""
    state, per_epoch = trainer.state, max(1, trainer.state.max_steps // trainer.settings.epochs)
    last = trainer.curve[-per_epoch:]
    facts: Facts = {
        "epochs": -(-state.global_step // per_epoch),
        "steps": state.global_step,
        "loss": float(np.mean(last)) if last else 0.0,
    }
    if dev is not None:
        facts |= {"best_epoch": trainer.best_step // per_epoch, "dev_f1": float(state.best_metric or 0.0)}
        facts |= {"dev_unknown_entities": dev.unknown_entities} if dev.unknown_entities else {}
    return facts


def _save(model: Any, tokenizer: Any, output: Path, settings: recipe.Train, language: Language, facts: Facts) -> None:
    """Weights as safetensors, configuration with labels, tokenizer, and what made them."""
    model.eval().save_pretrained(output)
    tokenizer.save_pretrained(output)
    made = {
        "version": __version__,
        "language": language.code,
        "settings": shown(settings),
        "facts": facts,
    }
    (output / FACTS).write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
