"""The `transformers` tagger: any token-classification model of `transformers`, BERT, XLM-R, DeBERTa and the like.

A word has the label of its first sub-word. Words are tokenised alone, sentences past the limit of the model go through
it in windows, and a word without sub-words (a zero-width space, say) is outside. The model's label scheme is read from
the names of its labels (`core/label_schemes.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForTokenClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

from xproj.columns import TokenColumn
from xproj.core.label_schemes import LabelScheme
from xproj.encoders import files, loading
from xproj.encoders.network import Network, special
from xproj.errors import BackendError
from xproj.recipe import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xproj import recipe
    from xproj.encoders import Dtype
    from xproj.encoders.pieces import Pieces
    from xproj.languages import Language


class TransformerTagger:
    """A token classifier with its tokenizer, for inference.

    Args:
        model: a folder, or a name on the hub.
        revision: the commit of a hub model.
        dtype: numbers of the model; probabilities are float32 in any case.
        runtime: device, and sub-words in a batch.

    Attributes:
        labels: the IOB2 label space, `O` first.
        counts: of the last call: words without sub-words, words and sentences past the limit, halved batches.

    Raises:
        RecipeError: a hub name without a commit.
        BackendError: no such model or device, files that cannot be read, no tokenizer, no token-classification head, or
            labels of an unknown scheme.
    """

    probabilistic = True

    def __init__(
        self, model: str, *, revision: str | None = None, dtype: Dtype = "float32", runtime: Runtime | None = None
    ) -> None:
        runtime = runtime or Runtime()
        self._name, self._dtype = model, dtype
        device = loading.device(runtime.device)
        folder = files.folder(model, revision)
        tokenizer = loading.tokenizer(folder, model)
        classifier = _classifier(folder, model, dtype, device)
        self._scheme = _scheme(classifier.config, model)
        self.labels = self._scheme.labels
        self._special = special(tokenizer)
        self._network = Network(
            model,
            classifier,
            tokenizer,
            output="logits",
            dim=len(self._scheme.columns),
            special=sum(map(len, self._special)),
            device=device,
            batch_tokens=runtime.batch_tokens,
        )
        self.counts: dict[str, int] = {}

    def probabilities(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Softmax over the labels at the first sub-word of each word, as IOB2, float32 (n_words, n_labels) each.

        Raises:
            BackendError: a sentence that does not fit on the GPU, or outputs that are not finite.
        """
        before = self._network.counts()
        tokens = TokenColumn.of([list(words) for words in sentences])
        pieces = self._network.pieces(tokens)
        numbers, first = pieces.distinct()
        distinct = pieces.take(first)
        outputs = self._network.run(distinct, self._special)
        self.counts = {name: count - before[name] for name, count in self._network.counts().items()}
        lost = self.counts.pop("sentences.not_finite")
        if lost:
            raise BackendError(
                f"model {self._name}: its outputs for {lost} sentences are not finite in {self._dtype}; "
                'set dtype = "bfloat16" or "float32", or check the model'
            )
        words, place = _first_subwords(tokens, pieces, distinct.offsets[:-1][numbers])
        own = np.zeros((len(tokens.values), self._network.dim), dtype=np.float32)
        own[:, self._scheme.columns == 0] = 1.0  # what has no sub-word is outside
        own[words] = outputs[self._network.index(place)].softmax(1).cpu().numpy()
        return np.split(self._scheme.to_iob2(own, tokens.offsets), tokens.offsets[1:-1]) if len(tokens) else []

    @classmethod
    def train(
        cls,
        data: Iterable[pa.Table],
        *,
        settings: recipe.Train,
        language: Language,
        output: Path,
        dev: Iterable[pa.Table] | None = None,
        progress: Callable[[int, int], None] | None = None,
        runtime: Runtime | None = None,
    ) -> dict[str, float | int]:
        """Fine-tune an encoder, or train a tagger further, and write the folder; see `xproj.training.run.train`."""
        from xproj.training.run import train  # the loop of transformers is slow to import

        device = (runtime or Runtime()).device
        return train(
            data, settings=settings, language=language, output=output, dev=dev, progress=progress, device=device
        )


def _first_subwords(tokens: TokenColumn, pieces: Pieces, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The words that have sub-words, and the place of the first one, where row r begins at `starts[r]`."""
    rows = np.repeat(np.arange(len(pieces)), pieces.lengths)
    words = tokens.offsets[:-1][rows] + pieces.words
    first = np.flatnonzero(np.diff(words, prepend=-1))
    return words[first], (starts - pieces.offsets[:-1])[rows[first]] + first


def _classifier(folder: Path, name: str, dtype: Dtype, device: torch.device) -> Any:
    """The model with its head, on its device, for inference."""
    with loading.reading(name):
        config = AutoConfig.from_pretrained(folder, **loading.SAFE)
        if type(config) not in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING:
            raise BackendError(
                f"model {name}: {config.model_type} is no token classifier; give one that was trained to label words"
            )
        model, report = AutoModelForTokenClassification.from_pretrained(
            folder, config=config, dtype=getattr(torch, dtype), output_loading_info=True, **loading.NUMBERS_ONLY
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise BackendError(
            f"model {name}: no token-classification head, or not all of it ({missing[0]} is missing); "
            "give a model that was trained to label words"
        )
    return loading.placed(model, name, device)


def _scheme(config: Any, name: str) -> LabelScheme:
    """The label scheme of a model."""
    names = [str(config.id2label.get(k)) for k in range(config.num_labels)]
    try:
        return LabelScheme.read(names)
    except ValueError as error:
        raise BackendError(
            f"model {name}: {error}; write id2label into its config.json, as O, B-PER, I-PER, …"
        ) from error
