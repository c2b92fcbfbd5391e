"""Neural alignment: ours against the `simalign` package on the same BERT-base model, each in a process of its own.

The model has random weights (its speed does not depend on them) and a tokenizer trained on the sample corpus. The
package runs in the better of two thread settings, as it oversubscribes the cores in the default one. Printed: pairs per
second, the ratio, whether the links are equal, and the share of the time that is spent outside the encoder.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

SAMPLE = Path(__file__).parent.parent / "data" / "sample"
LANGUAGES = ("eng_Latn", "swh_Latn")
LAYER = 8
THREADS = {"default": {}, "OPENBLAS 1, OMP 2": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}}
BF16 = ("avx512_bf16", "amx_bf16")


def words(path: Path) -> list[list[str]]:
    """The sentences of a CoNLL file."""
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    lines = ([line for line in block.splitlines() if not line.startswith("# ")] for block in blocks)
    return [[line.split("\t")[0] for line in block] for block in lines]


def pairs(count: int) -> list[tuple[list[str], list[str]]]:
    """The first sentence pairs of the sample corpus, its languages in turn."""
    folders = sorted(path for path in SAMPLE.iterdir() if path.is_dir())
    sides = [[words(folder / f"train.{side}.conll") for side in ("source", "target")] for folder in folders]
    each = [list(zip(*side, strict=True)) for side in sides]
    return [pair for group in zip(*each, strict=False) for pair in group][:count]


def build(folder: Path, layers: int = 12, dim: int = 768) -> None:
    """A BERT with random weights, and a cased WordPiece tokenizer."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    trained = BertWordPieceTokenizer(lowercase=False)
    texts = [" ".join(side) for pair in pairs(100_000) for side in pair]
    trained.train_from_iterator(texts, vocab_size=8000, min_frequency=1, show_progress=False)
    tokenizer = BertTokenizerFast(vocab=trained.get_vocab(), do_lower_case=False, model_max_length=512)
    config = BertConfig(
        vocab_size=len(tokenizer), num_hidden_layers=layers, hidden_size=dim, intermediate_size=4 * dim,
        num_attention_heads=dim // 64, initializer_range=0.05,
    )  # fmt: skip
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def own(folder: Path, given: list[tuple[list[str], list[str]]], dtype: str, runs: int) -> dict[str, Any]:
    """Seconds, seconds in the encoder, and links of our aligner."""
    from xproj import aligners
    from xproj.columns import TokenColumn
    from xproj.recipe import Align

    aligner: Any = aligners.open(Align(aligner="simalign", model=str(folder), layer=LAYER, dtype=dtype))
    sides = [TokenColumn.of(list(side)) for side in zip(*given, strict=True)]
    few = [TokenColumn.of(list(side)) for side in zip(*given[:4], strict=True)]
    aligner.align(*few, languages=LANGUAGES)  # compiles the kernels, once for all
    spent: list[float] = []
    aligner.encoder.model.register_forward_pre_hook(lambda *_: spent.append(-time.perf_counter()))
    aligner.encoder.model.register_forward_hook(lambda *_: spent.append(time.perf_counter()))
    seconds, inside = [], []
    for _ in range(runs):
        spent.clear()
        started = time.perf_counter()
        links = aligner.align(*sides, languages=LANGUAGES)
        seconds.append(time.perf_counter() - started)
        inside.append(sum(spent))
    best = seconds.index(statistics.median_low(seconds))
    ends = links.offsets
    rows = [
        list(zip(links.source[a:b].tolist(), links.target[a:b].tolist(), strict=True))
        for a, b in zip(ends[:-1], ends[1:], strict=True)
    ]
    return {"seconds": seconds[best], "encoder": inside[best], "links": rows}


def package(folder: Path, given: list[tuple[list[str], list[str]]], runs: int) -> dict[str, Any]:
    """Seconds and links of the package."""
    import torch
    from simalign import SentenceAligner

    device = "cuda" if torch.cuda.is_available() else "cpu"
    aligner = SentenceAligner(model=str(folder), token_type="bpe", matching_methods="i", layer=LAYER, device=device)
    for pair in given[:4]:
        aligner.get_word_aligns(*pair)
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        rows = [aligner.get_word_aligns(*pair)["itermax"] for pair in given]
        seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.median_low(seconds), "links": rows}


def measured(worker: str, folder: Path, count: int, runs: int, env: dict[str, str]) -> dict[str, Any]:
    """What a worker process prints."""
    command = [sys.executable, __file__, "--worker", worker, "--model", folder, "--pairs", count, "--runs", runs]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=os.environ | env)
    if done.returncode:
        sys.exit(f"align.py: {worker} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def differing(rows: list[Any], others: list[Any]) -> float:
    """The share of links that only one of two alignments has."""
    mine, theirs = ({(row, *link) for row, links in enumerate(side) for link in links} for side in (rows, others))
    return len(mine ^ theirs) / max(1, len(mine | theirs))


def compare(out: Console, folder: Path, count: int, runs: int) -> None:
    """Run every worker and print the table."""
    import torch

    reference = {name: measured("package", folder, count, runs, env) for name, env in THREADS.items()}
    best = min(reference, key=lambda name: reference[name]["seconds"])
    base = reference[best]
    printed = Table("aligner", "pairs/s", "faster by", "links that differ", "outside the encoder")
    for name, found in reference.items():
        chosen = "1" if name == best else f"{base['seconds'] / found['seconds']:.2f}"
        printed.add_row(f"package, threads: {name}", f"{count / found['seconds']:.1f}", chosen, "", "")
    gpu = torch.cuda.is_available()
    cpu = Path("/proc/cpuinfo")
    half = gpu or (cpu.exists() and any(flag in cpu.read_text() for flag in BF16))
    for dtype in ("float32", "bfloat16"):
        if dtype == "bfloat16" and not half:
            printed.add_row("ours, bfloat16", "skipped", f"this CPU has neither {' nor '.join(BF16)}", "", "")
            continue
        found = measured(dtype, folder, count, runs, {})
        printed.add_row(
            f"ours, {dtype}",
            f"{count / found['seconds']:.1f}",
            f"{base['seconds'] / found['seconds']:.2f}",
            f"{differing(found['links'], base['links']):.2%}",
            f"{1 - found['encoder'] / found['seconds']:.1%}" if not gpu else "",  # its work is not waited for
        )
    where = torch.cuda.get_device_name() if gpu else f"CPU, {torch.get_num_threads()} threads"
    out.print(f"{count} pairs, itermax, layer {LAYER} of BERT-base with random weights; {where}", printed)


def main() -> None:
    """Build the model and compare, or be one of the workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--model", type=Path, help="a model folder, built once; a temporary one by default")
    parser.add_argument("--worker", choices=("package", "float32", "bfloat16"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker == "package":
        print(json.dumps(package(given.model, pairs(given.pairs), given.runs)))
        return
    if given.worker:
        print(json.dumps(own(given.model, pairs(given.pairs), given.worker, given.runs)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.model or Path(temporary) / "bert"
        if not folder.exists():
            build(folder)
        compare(Console(width=120), folder, given.pairs, given.runs)


if __name__ == "__main__":
    main()
