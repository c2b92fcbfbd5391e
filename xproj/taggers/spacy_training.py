"""Training of the `spacy` tagger from scratch, for corpora of a hundred to tens of thousands of sentences.

Arithmetic stays on thinc's own single-threaded kernels: the same model whatever the number of threads.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from xproj import __version__
from xproj.columns import EntityColumn, TokenColumn
from xproj.core.metrics import SpanCounts, f1
from xproj.errors import CorpusError
from xproj.schema import check_spans
from xproj.taggers.spacy import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa
    from spacy.language import Language as Pipeline

    from xproj import recipe
    from xproj.languages import Language

    Progress = Callable[[int, int], None]
    Facts = dict[str, float | int]

# Chosen on held-out blocks of labelled English, for training sets of 160 to 3,300 sentences: a network of width 96 and
# depth 4 takes half as long again and gains a point of F1 at most, which is within the noise.
WIDTH, DEPTH, ROWS = 64, 2, 2000
LEARNING_RATE = 0.002
FIRST_BATCH, LAST_BATCH, GROWTH = 100, 500, 1.01  # words
LEAST_GAIN = 0.02  # share of the best loss by which an epoch must beat it


def train(
    data: Iterable[pa.Table],
    *,
    settings: recipe.Train,
    language: Language,
    output: Path,
    dev: Iterable[pa.Table] | None = None,
    progress: Progress | None = None,
) -> Facts:
    """Train a recogniser and write its folder, which `spacy.load` opens; see `xproj.taggers.train`.

    Raises:
        CorpusError: no sentence, or no entity in any of them.
        SchemaError: an entity outside its sentence.
    """
    fix_random_seed(settings.seed)
    pipeline = _blank(language.spacy)
    corpus = Corpus.read(pipeline, data, "training data")
    corpus.check()
    held_out = None if dev is None else Corpus.read(pipeline, dev, "dev data")
    pipeline.initialize(lambda: corpus.examples)
    loop = _Loop(pipeline, settings, corpus.examples, held_out, progress)
    facts = corpus.facts() | loop.run()
    pipeline.meta["name"] = f"xproj_{language.code}".lower()
    pipeline.meta["description"] = f"Entity recogniser for {language.code}, trained by xproj"
    described = settings.model_dump(mode="json", exclude={"dev"})
    pipeline.meta["xproj"] = {"version": __version__, "language": language.code, "settings": described, "facts": facts}
    pipeline.to_disk(output)
    return facts


def _blank(code: str) -> Pipeline:
    """A pipeline with an untrained recogniser. Its rule tokenizer stands in where packages are needed (ja, th)."""
    pipeline = spacy.blank(code, config={"nlp": {"tokenizer": {"@tokenizers": "spacy.Tokenizer.v1"}}})
    embed = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "width": WIDTH,
        "depth": DEPTH,
        "embed_size": ROWS,
        "window_size": 1,
        "maxout_pieces": 3,
        "subword_features": True,
        "pretrained_vectors": None,
    }
    parser = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 64,
        "maxout_pieces": 2,
        "use_upper": True,
        "tok2vec": embed,
    }
    pipeline.add_pipe("ner", config={"model": parser})
    return pipeline


@dataclass(frozen=True)
class Corpus:
    """Labelled sentences as spaCy wants them, and what had to be left out."""

    examples: list[Example]
    skipped_sentences: int
    skipped_entities: int

    @classmethod
    def read(cls, pipeline: Pipeline, tables: Iterable[pa.Table], where: str) -> Corpus:
        """Read tables of `tokens` and `entities`. Of overlapping entities the first in the row is kept."""
        examples, sentences, lost = [], 0, 0
        for table in tables:
            check_spans(table, "entities", "tokens", where)
            rows, column = TokenColumn.read(table["tokens"]).rows(), EntityColumn.read(table["entities"])
            for i, words in enumerate(rows):
                if not words or not column.valid[i]:
                    sentences += 1
                    continue
                tags, missed = _tags(column, i, len(words))
                lost += missed
                examples.append(Example(document(pipeline, words), document(pipeline, words, tags)))
        return cls(examples, sentences, lost)

    def check(self) -> None:
        """Refuse a corpus that teaches nothing.

        Raises:
            CorpusError: it has no sentence or no entity.
        """
        if not self.examples:
            what = f"no sentence to learn from ({self.skipped_sentences} without words or labels)"
        elif not any(example.reference.ents for example in self.examples):
            what = f"no entity in any of {len(self.examples)} sentences"
        else:
            return
        raise CorpusError(f"training data: {what}; give a corpus with labelled sentences")

    def facts(self) -> Facts:
        """Counts for the records."""
        return {
            "sentences": len(self.examples),
            "words": sum(len(example.reference) for example in self.examples),
            "entities": sum(len(example.reference.ents) for example in self.examples),
            "skipped_sentences": self.skipped_sentences,
            "skipped_entities": self.skipped_entities,
        }


def _tags(column: EntityColumn, row: int, words: int) -> tuple[list[str], int]:
    """IOB2 tags of a row, and the number of entities that overlap an earlier one."""
    tags, lost = ["O"] * words, 0
    for k in range(column.offsets[row], column.offsets[row + 1]):
        start, end, name = column.start[k], column.end[k], column.names[column.label[k]]
        if any(tag != "O" for tag in tags[start:end]):
            lost += 1
            continue
        tags[start:end] = [f"B-{name}", *[f"I-{name}"] * (end - start - 1)]
    return tags, lost


class _Loop:
    """Growing batches, averaged weights, and an early end when epochs bring nothing more."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: recipe.Train,
        examples: list[Example],
        dev: Corpus | None,
        progress: Progress | None,
    ) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.examples = list(examples)
        self.dev = dev.examples if dev is not None else []
        self.progress = progress
        self.optimizer = Adam(LEARNING_RATE, L2=0.01, L2_is_weight_decay=True, grad_clip=1.0, use_averages=True)
        self.limit = min(settings.max_words, settings.epochs * sum(len(e.reference) for e in examples))
        self.words = 0
        self.steps = 0

    def run(self) -> Facts:
        """Train; the pipeline ends with the averaged weights of its best epoch (with dev data) or its last one."""
        rng = random.Random(self.settings.seed)
        model: Any = self.pipeline.get_pipe("ner")
        best, best_epoch, weights, facts = -math.inf, 0, b"", {}
        for epoch in range(1, self.settings.epochs + 1):
            rng.shuffle(self.examples)
            loss = self._epoch()
            with self.pipeline.use_params(self.optimizer.averages):
                score = self._dev_f1() if self.dev else -loss
                better = score > best if self.dev else score > best * (1 - LEAST_GAIN)
                if better or not self.dev:
                    weights = model.model.to_bytes()
            if better:
                best, best_epoch = score, epoch
            facts = {"epochs": epoch, "loss": loss}
            if epoch - best_epoch >= self.settings.patience or self.words >= self.limit:
                break
        model.model.from_bytes(weights)
        if self.dev:
            facts |= {"best_epoch": best_epoch, "dev_f1": best}
        if self.progress is not None:
            self.progress(self.limit, self.limit)
        return facts | {"steps": self.steps, "words_seen": self.words}

    def _epoch(self) -> float:
        """One pass over the data, or what is left of the limit; the loss per word."""
        losses: dict[str, float] = {}
        before = self.words
        for batch in self._batches():
            self.pipeline.update(batch, sgd=self.optimizer, drop=self.settings.dropout, losses=losses)
            self.steps += 1
            self.words += sum(len(example.reference) for example in batch)
            if self.progress is not None:
                self.progress(min(self.words, self.limit), self.limit)
            if self.words >= self.limit:
                break
        return float(losses["ner"]) / (self.words - before)

    def _batches(self) -> Iterator[list[Example]]:
        """Batches that grow with the steps taken; a sentence longer than a batch is one of its own."""
        batch: list[Example] = []
        words = 0
        for example in self.examples:
            size = min(LAST_BATCH, FIRST_BATCH * GROWTH ** min(self.steps, LAST_BATCH))
            if batch and words + len(example.reference) > size:
                yield batch
                batch, words = [], 0
            batch.append(example)
            words += len(example.reference)
        if batch:
            yield batch

    def _dev_f1(self) -> float:
        """F1 of the current weights on the dev sentences."""
        gold = [example.reference for example in self.dev]
        blank = (Doc(self.pipeline.vocab, words=[word.text for word in doc]) for doc in gold)
        predicted = _column(self.pipeline.pipe(blank, batch_size=64))
        return float(f1(SpanCounts.of(predicted, _column(gold)).overall.totals))


def _column(docs: Iterable[Doc]) -> EntityColumn:
    return EntityColumn.of([[(entity.start, entity.end, entity.label_) for entity in doc.ents] for doc in docs])
