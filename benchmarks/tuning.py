"""Does fine-tuning work on real text? A small BERT from random weights, tuned on a few thousand pairs, against gold links.

Training text, unlabelled: the 447 English-French pairs of `gold-align/enfr` themselves, the training pairs of `absa` and
the first pairs of `lafand` (`--pairs`); a WordPiece vocabulary is learned from the same text. Nothing pre-trained is
read. The error rate on `absa/en-fr.train` (against the links of a full-size tuned AWESoME, shipped with that corpus) is
what settings were chosen on; the one on `gold-align/enfr` is reported. Corpora are found in the folder XPROJ_DATA.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

from xproj import aligners, corpora, evaluation
from xproj.columns import LinkColumn, TokenColumn
from xproj.encoders import EncoderSettings
from xproj.encoders.tuning import Tuning, tune
from xproj.evaluation.aligned import GoldLinks, LinkScores, read_gold_links
from xproj.recipe import Align, Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Pair = tuple[TokenColumn, TokenColumn]
LANGUAGES = ("eng_Latn", "fra_Latn")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def words(path: Path) -> TokenColumn:
    """The words of a text with one tokenised sentence per line."""
    return TokenColumn.of([line.split() for line in path.read_text(encoding="utf-8").splitlines()])


def labelled(path: Path) -> TokenColumn:
    """The words of a labelled corpus."""
    rows = [row for table in corpora.read_labelled(path) for row in TokenColumn.read(table["tokens"]).rows()]
    return TokenColumn.of(rows)


def links(path: Path) -> LinkColumn:
    """Links of a file of `i-j`."""
    return LinkColumn.of(
        [[tuple(map(int, link.split("-"))) for link in line.split()] for line in path.read_text().splitlines()]
    )


def first(pairs: Iterator[Pair], rows: int) -> list[Pair]:
    """The first pairs of a bitext."""
    both = [(s, t) for source, target in pairs for s, t in zip(source.rows(), target.rows(), strict=True)][:rows]
    return [(TokenColumn.of([s for s, _ in both]), TokenColumn.of([t for _, t in both]))] if both else []


def diagonal(source: TokenColumn, target: TokenColumn) -> LinkColumn:
    """Each target word is linked to the source word in the same relative place."""
    return LinkColumn.of(
        [
            sorted({(int((j + 0.5) * m / n), j) for j in range(n)}) if m else []
            for m, n in zip(source.lengths.tolist(), target.lengths.tolist(), strict=True)
        ]
    )


def build(folder: Path, parts: Sequence[Pair], options: argparse.Namespace) -> Path:
    """A BERT with random weights and its own vocabulary."""
    texts = [" ".join(row) for pair in parts for side in pair for row in side.rows()]
    inner = sorted({f"##{letter}" for text in texts for letter in text if letter != " "})
    learned = BertWordPieceTokenizer(lowercase=True, strip_accents=False)
    learned.train_from_iterator(
        texts, vocab_size=options.vocabulary, min_frequency=2, show_progress=False, special_tokens=SPECIAL + inner
    )
    entries = SPECIAL + sorted(set(learned.get_vocab()) - set(SPECIAL))
    tokenizer = BertTokenizerFast(
        vocab={word: k for k, word in enumerate(entries)}, do_lower_case=True, strip_accents=False, model_max_length=256
    )
    torch.manual_seed(options.seed)
    config = BertConfig(
        vocab_size=len(entries),
        hidden_size=options.dim,
        num_hidden_layers=options.layers,
        num_attention_heads=4,
        intermediate_size=3 * options.dim,
        max_position_embeddings=256,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
