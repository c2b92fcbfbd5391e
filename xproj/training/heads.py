"""The model that is trained: an encoder with a new head, or a tagger that goes on learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from xproj.core.labels import OUTSIDE
from xproj.encoders import loading
from xproj.errors import BackendError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xproj.recipe import Train

DROPOUT = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "dropout_rate",
)


def load(path: Path, settings: Train, labels: Sequence[str]) -> Any:
    """The model with its head, float32; a new head is drawn from torch's random state.

    A tagger that knows all the labels keeps its head and its labels; that is how training goes on (few-shot).

    Raises:
        RecipeError: a tagger with other labels, or a model without layers to freeze.
        BackendError: the files cannot be read, lack weights, or are those of a model that labels no words.
    """
    name = str(settings.model)
    with loading.reading(name):
        config = AutoConfig.from_pretrained(path, **loading.SAFE)
    trained = any(kind.endswith("ForTokenClassification") for kind in config.architectures or ())
    if trained:
        _check_labels(config, labels, name)
    else:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: k for k, label in enumerate(labels)}
    _set_dropout(config, settings.dropout)
    if type(config) not in AutoModelForTokenClassification._model_mapping:
        raise BackendError(
            f"model {name}: {config.model_type} has no form that labels words; use an encoder such as XLM-R or BERT"
        )
    with loading.reading(name):
        model, report = AutoModelForTokenClassification.from_pretrained(
            path, config=config, dtype=torch.float32, output_loading_info=True, **loading.NUMBERS_ONLY
        )
    inside = f"{model.base_model_prefix}."
    missing = sorted(key for key in report["missing_keys"] if trained or key.startswith(inside))
    if missing:
        raise BackendError(f"model {name}: lacks weights ({missing[0]} and {len(missing) - 1} more); check its files")
    _freeze(model, settings)
    return model


def _check_labels(config: Any, labels: Sequence[str], name: str) -> None:
    """A tagger goes on learning the labels that it has, which must be IOB2."""
    known = set(config.label2id)
    types = {label[2:] for label in known - {OUTSIDE}}
    if known != {OUTSIDE, *(f"{prefix}-{kind}" for kind in types for prefix in "BI")}:
        raise RecipeError(f"model {name}: its labels ({_listed(known)}) are not IOB2; start from an encoder instead")
    new = {label[2:] for label in labels if label not in known and label != OUTSIDE}
    if new:
        raise RecipeError(
            f"model {name}: a tagger of {_listed(types)}, but the training data have {_listed(new)} too; rename or "
            f'drop them with [train] labels = {{{sorted(new)[0]} = "O"}}, or start from an encoder'
        )


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _set_dropout(config: Any, dropout: float) -> None:
    for key in DROPOUT:
        if isinstance(getattr(config, key, None), float | int):
            setattr(config, key, dropout)
    if hasattr(config, "classifier_dropout"):
        config.classifier_dropout = dropout


def _freeze(model: Any, settings: Train) -> None:
    """Freeze the embeddings (words, places, their norm), and the lowest layers."""
    embeddings = getattr(model.base_model, "embeddings", model.get_input_embeddings())
    if settings.freeze_embeddings:
        embeddings.requires_grad_(False)
    if not settings.freeze_layers:
        return
    depth = loading.depth(model.config, str(settings.model))
    stacks = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == depth]
    if settings.freeze_layers > depth or not stacks:
        raise RecipeError(
            f"[train] freeze_layers = {settings.freeze_layers}: the model {settings.model} has {depth} layers"
        )
    for layer in stacks[0][: settings.freeze_layers]:
        layer.requires_grad_(False)


def head(model: Any) -> list[torch.nn.Parameter]:
    """The weights outside of the encoder."""
    inside = f"{model.base_model_prefix}."
    return [p for name, p in model.named_parameters() if not name.startswith(inside)]
