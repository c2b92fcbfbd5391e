"""Does fine-tuning work on real text? A small BERT from random weights, tuned on a few thousand pairs.

Training text, unlabelled: the 447 English-French pairs of `gold-align/enfr` themselves, the training pairs of `absa`,
and with `--lafand N` the first N English-Hausa and English-Swahili pairs of `lafand`; a WordPiece vocabulary is learned
from the same text, nothing pre-trained is read. `absa` is the error rate on the training pairs of `absa` against the
links of a full-size tuned AWESoME that come with them: settings may be chosen on it. `enfr` is the one against the
manual links of `gold-align/enfr`: only reported. Corpora are found in the folder XPROJ_DATA. A quarter of an hour on
one core.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

from xproj import aligners, corpora, evaluation
from xproj.columns import LinkColumn, TokenColumn
from xproj.evaluation.aligned import GoldLinks, read_gold_links
from xproj.recipe import Align, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Judges = Mapping[str, tuple["Pair", GoldLinks]]

Pair = tuple[TokenColumn, TokenColumn]
LANGUAGES = ("eng_Latn", "fra_Latn")
LAYERS, DIM, VOCABULARY = 4, 192, 6000
# name, what it starts from, objectives, steps, learning rate, guide
RUNS = (
    ("translation LM", "untrained", ("translation",), 500, 1e-3, None),
    ("translation LM + own links", "untrained", ("translation", "self"), 400, 1e-3, None),
    ("links of statistical", "untrained", ("self",), 600, 1e-3, "statistical"),
    ("links of statistical, then own links", "links of statistical", ("self",), 150, 1e-4, None),
)
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


def build(folder: Path, parts: Sequence[Pair], seed: int) -> Path:
    """A BERT with random weights and its own vocabulary."""
    texts = [" ".join(row) for pair in parts for side in pair for row in side.rows()]
    inner = sorted({f"##{letter}" for text in texts for letter in text if letter != " "})
    learned = BertWordPieceTokenizer(lowercase=True, strip_accents=False)
    learned.train_from_iterator(
        texts, vocab_size=VOCABULARY, min_frequency=2, show_progress=False, special_tokens=SPECIAL + inner
    )
    entries = SPECIAL + sorted(set(learned.get_vocab()) - set(SPECIAL))
    tokenizer = BertTokenizerFast(
        vocab={word: k for k, word in enumerate(entries)}, do_lower_case=True, strip_accents=False, model_max_length=256
    )
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(entries),
        hidden_size=DIM,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=3 * DIM,
        max_position_embeddings=256,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lafand", type=int, default=0, help="English-Hausa and English-Swahili pairs, each")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the training")
    parser.add_argument("--steps", type=float, default=1.0, help="a factor of all steps, to try it out")
    options = parser.parse_args()
    data = Path(os.environ.get("XPROJ_DATA", "../shared/data"))
    if not (data / "gold-align").is_dir():
        sys.exit(f"{data}: no gold-align/ in it; set XPROJ_DATA to the folder of the gold corpora")
    torch.set_num_threads(options.threads)
    enfr: Pair = words(data / "gold-align/enfr.src"), words(data / "gold-align/enfr.tgt")
    absa: Pair = labelled(data / "absa/en.train.conll"), labelled(data / "absa/fr.train.conll")
    parts = [enfr, absa]
    for code, language in (("hau", "hau_Latn"), ("swa", "swh_Latn")):
        parts += first(corpora.read_bitext(data / f"lafand/en-{code}.tsv", LANGUAGES[0], language), options.lafand)
    shipped = links(data / "absa/en-fr.train.awesome.align")
    judges = {
        "absa": (absa, GoldLinks(shipped, LinkColumn.of([[] for _ in range(len(shipped))]))),
        "enfr": (enfr, read_gold_links(data / "gold-align/enfr.gold")),
    }
    with tempfile.TemporaryDirectory() as name:
        table = scores(judges, parts, Path(name), options)
    full = cells(judges["enfr"][1], links(data / "gold-align/enfr.awesome.align"))
    table.add_row("AWESoME, full size (shipped links)", "-", *full)
    Console(width=100).print(table)


def scores(judges: Judges, parts: Sequence[Pair], folder: Path, options: argparse.Namespace) -> Table:
    """The table, all rows but the last."""
    table = Table("aligner", "absa AER", "enfr AER", "precision", "recall", title="English-French word links")

    def add(name: str, align: Callable[[TokenColumn, TokenColumn], LinkColumn]) -> None:
        pair, gold = judges["absa"]
        table.add_row(name, cells(gold, align(*pair))[0], *cells(judges["enfr"][1], align(*judges["enfr"][0])))

    def add_model(name: str, model: Path) -> None:
        settings = Align(aligner="awesome", model=str(model), layer=LAYERS)
        aligner = aligners.open(settings, runtime=Runtime(device="cpu"))
        add(name, partial(aligner.align, languages=LANGUAGES))

    add("diagonal", diagonal)
    fitted = folder / "statistical"
    fitted.mkdir()
    aligners.open(Align()).fit(parts, languages=LANGUAGES, output=fitted)
    add("statistical", partial(aligners.open(Align(), fitted=fitted).align, languages=LANGUAGES))
    model = build(folder / "untrained", parts, options.seed)
    add_model("encoder, untrained", model)
    for name, start, objectives, steps, rate, guide in RUNS:
        tuned = tune_one(
            name, folder / slug(start), objectives, parts, folder, tune_guide=guide, tune_rate=rate,
            tune_steps=max(1, round(steps * options.steps)), tune_batch_tokens=2048, tune_seed=options.seed,
        )  # fmt: skip
        add_model(f"encoder, {name}", tuned)
    return table


def cells(gold: GoldLinks, found: LinkColumn) -> list[str]:
    """Error rate, precision and recall."""
    made = evaluation.links([found], gold, resamples=0)
    return [f"{value:.3f}" for value in (made.aer, made.precision, made.recall)]


def slug(name: str) -> str:
    """A name as a folder."""
    return "-".join(name.replace("+", "and").replace(",", "").split())


def tune_one(
    name: str, model: Path, objectives: tuple[str, ...], parts: Sequence[Pair], folder: Path, **settings: Any
) -> Path:
    """Fine-tune through the aligner, as a recipe does; prints its time and losses."""
    recipe = Align(aligner="awesome", model=str(model), layer=LAYERS, tune=objectives, **settings)
    output = folder / slug(name)
    output.mkdir()
    start, work = time.perf_counter(), time.process_time()
    aligner = aligners.open(recipe, runtime=Runtime(device="cpu"))
    counts = aligner.fit(parts, languages=LANGUAGES, output=output)
    print(
        f"{name}: {recipe.tune_steps} steps, {time.perf_counter() - start:.0f} s "
        f"({time.process_time() - work:.0f} s of CPU), loss {counts['loss.first']:.2f} to {counts['loss.last']:.2f}",
        flush=True,
    )
    return output


if __name__ == "__main__":
    main()
