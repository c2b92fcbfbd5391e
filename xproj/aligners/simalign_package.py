"""`[align] implementation = "package"`: the links of the package `simalign` 0.4, by its authors, pair by pair.

Slow, and for comparison: the aligner `simalign` gives the same links. What the package cannot do follows our rules:

    no words on a side         no links
    words without sub-words    left out of what the package is given: it fails on them when level = "word"
    past the model's limit     no links for the pair, and a count: the package would cut the sentence without a word

The package has no scores, so each link has 1.0, no threshold, no half precision, and no softmax; it cannot read models
that have a decoder.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xproj.aligners.encoder import chosen
from xproj.backends import find
from xproj.columns import LinkColumn, TokenColumn
from xproj.errors import RecipeError
from xproj.recipe import Align, Runtime

if TYPE_CHECKING:
    from pathlib import Path

    from xproj.aligners import Pairs, Progress

LETTERS = {"argmax": "a", "itermax": "i", "match": "m", "forward": "f", "reverse": "r"}
LEVELS = {"subword": "bpe", "word": "word"}


class PackageAligner:
    """See the module. Settings read: model, revision, layer, extraction, level, distortion.

    Attributes:
        counts: of the last `align`: words without sub-words, and pairs past the limit of the model.
    """

    needs_fit = False

    def __init__(self, settings: Align, fitted: Path | None = None, runtime: Runtime | None = None) -> None:
        self.settings = settings
        self.chosen = chosen(settings)
        self.runtime = runtime or Runtime()
        self.counts: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        if self.chosen.extraction not in LETTERS:
            raise _refused(f"extraction = {self.chosen.extraction!r}", f"set one of {', '.join(LETTERS)}")
        if self.chosen.threshold:
            raise _refused("a threshold", "leave it out")
        if settings.dtype != "float32":
            raise _refused(f"dtype = {settings.dtype!r}", "leave it out")

    def fit(
        self, parts: Pairs, *, languages: tuple[str, str], output: Path, progress: Progress | None = None
    ) -> dict[str, int | float]:
        """Nothing to learn."""
        return {}

    @cached_property
    def package(self) -> Any:
        """The aligner of the package, with the model loaded.

        Raises:
            RecipeError: a layer that the model does not have, a model with a decoder, or a hub name without a commit.
            BackendError: the package or the model is missing, or there is no such device.
        """
        opened = find("implementation", "package", {"package": "simalign:SentenceAligner"})
        from transformers import AutoConfig

        from xproj.encoders import files, loading

        name = self.chosen.model
        folder = files.folder(name, self.chosen.revision)
        device = loading.device(self.runtime.device)
        config = AutoConfig.from_pretrained(folder, **loading.SAFE)
        if config.is_encoder_decoder:
            raise _refused(f"model {name}, which has a decoder,", "leave it out: our own implementation reads it")
        depth = config.num_hidden_layers
        layer = depth if self.chosen.layer is None else self.chosen.layer
        if layer > depth:
            raise RecipeError(f"layer = {layer}: the model {name} has {depth} layers; set a layer from 0 to {depth}")
        return opened(
            model=str(folder),
            token_type=LEVELS[self.chosen.level],
            distortion=self.settings.distortion,
            matching_methods=LETTERS[self.chosen.extraction],
            device=str(device),
            layer=layer,
        )

    @cached_property
    def limit(self) -> int:
        """Sub-words that a sentence may have, special ones not counted."""
        loader = self.package.embed_loader
        config, tokenizer = loader.emb_model.config, loader.tokenizer
        positions = config.max_position_embeddings
        table = getattr(loader.emb_model.embeddings, "position_embeddings", None)
        if getattr(table, "padding_idx", None) is not None:
            positions -= config.pad_token_id + 1  # RoBERTa counts positions from behind its padding id
        return int(min(positions, tokenizer.model_max_length)) - int(tokenizer.num_special_tokens_to_add())

    def align(self, source: TokenColumn, target: TokenColumn, *, languages: tuple[str, str]) -> LinkColumn:
        """The links of every row, score 1.0; see the module for rows that the package cannot do.

        Raises:
            RecipeError: a layer or a model that cannot be used.
            BackendError: the package or the model is missing.
        """
        self.counts = {"words.without_subwords": 0, "pairs.past_limit": 0}
        found = [self._pair(one or [], two or []) for one, two in zip(source.rows(), target.rows(), strict=True)]
        offsets = np.cumsum([0, *map(len, found)], dtype=np.int64)
        links = np.array([link for row in found for link in row], dtype=np.int32).reshape(-1, 2)
        ones = np.ones(len(links), dtype=np.float32)
        return LinkColumn(offsets, links[:, 0].copy(), links[:, 1].copy(), ones, source.valid & target.valid)

    def _pair(self, source: list[str], target: list[str]) -> list[tuple[int, int]]:
        """Sorted links of one pair."""
        sizes = [[self._size(word) for word in side] for side in (source, target)]
        self.counts["words.without_subwords"] += sum(side.count(0) for side in sizes)
        if not any(sizes[0]) or not any(sizes[1]):
            return []
        if max(map(sum, sizes)) > self.limit:
            self.counts["pairs.past_limit"] += 1
            return []
        i, j = ([k for k, size in enumerate(side) if size] for side in sizes)
        links = self.package.get_word_aligns([source[k] for k in i], [target[k] for k in j])
        return [(i[one], j[two]) for one, two in next(iter(links.values()))]

    def _size(self, word: str) -> int:
        """Sub-words of a word, as the package counts them."""
        if word not in self._sizes:
            self._sizes[word] = len(self.package.embed_loader.tokenizer.tokenize(word))
        return self._sizes[word]


def _refused(what: str, then: str) -> RecipeError:
    return RecipeError(f'[align] implementation = "package": the package simalign cannot do {what}; {then}')
