"""Neural alignment: ours against the `simalign` package on the same BERT-base model, each in a process of its own.

The model has random weights (its speed does not depend on them) and a tokenizer trained on the sample corpus. Each row
is the median of several runs in one process. `pairs/s` is by the clock, on all cores: the package runs in two thread
settings, as it oversubscribes the cores in the default one, and the ratio is against the better of the two. `pairs per
CPU s` is by the CPU time of processes with one thread, which hardly depends on what else the machine does; several
threads that wait for each other burn time, so it says nothing for them. Where there is a GPU, both run on it too.
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
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = Path(__file__).parent.parent / "data" / "sample"
LANGUAGES = ("eng_Latn", "swh_Latn")
LAYER = 8
THREADS = {"default": {}, "OPENBLAS 1, OMP 2": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}}
ONE = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
BF16 = ("avx512_bf16", "amx_bf16")
COLUMNS = "aligner", "threads", "pairs/s", "ratio", "pairs per CPU s", "ratio", "same links", "outside encoder", "runs"


def words(path: Path) -> list[list[str]]:
    """The sentences of a CoNLL file."""
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    lines = ([line for line in block.splitlines() if not line.startswith("# ")] for block in blocks)
    return [[line.split("\t")[0] for line in block] for block in lines]


def pairs(count: int) -> list[tuple[list[str], list[str]]]:
    """The first sentence pairs of the sample corpus, its languages in turn; more than there are end in a number."""
    folders = sorted(path for path in SAMPLE.iterdir() if path.is_dir())
    sides = [[words(folder / f"train.{side}.conll") for side in ("source", "target")] for folder in folders]
    each = [list(zip(*side, strict=True)) for side in sides]
    found = [pair for group in zip(*each, strict=False) for pair in group]
    again = [
        tuple([*side, str(k)] for side in found[k % len(found)]) for k in range(len(found), max(count, len(found)))
    ]
    return [*found, *again][:count]


def build(folder: Path, layers: int = 12, dim: int = 768) -> None:
    """A BERT with random weights, and a cased WordPiece tokenizer."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    trained = BertWordPieceTokenizer(lowercase=False)
    texts = [" ".join(side) for pair in pairs(200) for side in pair]
    trained.train_from_iterator(texts, vocab_size=8000, min_frequency=1, show_progress=False)
    tokenizer = BertTokenizerFast(vocab=trained.get_vocab(), do_lower_case=False, model_max_length=512)
    # larger weights than BERT's 0.02 make all vectors of a sentence alike, and links a matter of rounding
    config = BertConfig(
        vocab_size=len(tokenizer), num_hidden_layers=layers, hidden_size=dim, intermediate_size=4 * dim,
        num_attention_heads=dim // 64, initializer_range=0.02,
    )  # fmt: skip
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Clock:
    """Seconds of each run by the clock and by the CPU; runs end when the time is up, after one at least."""

    def __init__(self, runs: int, seconds: float) -> None:
        self.runs, self.seconds = runs, seconds
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def measure(self, work: Callable[[], Any]) -> Any:
        """Run `work` again and again; returns what it made last."""
        while True:
            wall, cpu = time.perf_counter(), time.process_time()
            made = work()
            self.wall.append(time.perf_counter() - wall)
            self.cpu.append(time.process_time() - cpu)
            if len(self.wall) == self.runs or sum(self.wall) > self.seconds:
                return made

    def medians(self) -> dict[str, Any]:
        """Of the runs."""
        return {"wall": statistics.median(self.wall), "cpu": statistics.median(self.cpu), "runs": len(self.wall)}


def own(folder: Path, given: list[Any], dtype: str, device: str, clock: Clock) -> dict[str, Any]:
    """Seconds, the share of them outside the encoder, and links of our aligner."""
    import torch

    from xproj import aligners
    from xproj.columns import TokenColumn
    from xproj.recipe import Align, Runtime

    settings = Align(aligner="simalign", model=str(folder), layer=LAYER, dtype=dtype)
    aligner: Any = aligners.open(settings, runtime=Runtime(device=device))
    sides = [TokenColumn.of(list(side)) for side in zip(*given, strict=True)]
    few = [TokenColumn.of(list(side)) for side in zip(*given[:4], strict=True)]
    aligner.align(*few, languages=LANGUAGES)  # compiles the kernels, once for all
    spent = [0.0]

    def stamp(sign: float) -> Callable[..., None]:
        def note(*_: object) -> None:
            if device == "cuda":
                torch.cuda.synchronize()  # a call returns before the GPU has done its work
            spent[0] += sign * time.perf_counter()

        return note

    aligner.encoder.model.register_forward_pre_hook(stamp(-1.0))
    aligner.encoder.model.register_forward_hook(stamp(1.0))
    links = clock.measure(lambda: aligner.align(*sides, languages=LANGUAGES))
    ends = links.offsets
    rows = [
        list(zip(links.source[a:b].tolist(), links.target[a:b].tolist(), strict=True))
        for a, b in zip(ends[:-1], ends[1:], strict=True)
    ]
    return clock.medians() | {"outside": 1 - spent[0] / sum(clock.wall), "links": rows}


def package(folder: Path, given: list[Any], device: str, clock: Clock) -> dict[str, Any]:
    """Seconds and links of the package."""
    from simalign import SentenceAligner

    aligner = SentenceAligner(model=str(folder), token_type="bpe", matching_methods="i", layer=LAYER, device=device)
    for pair in given[:4]:
        aligner.get_word_aligns(*pair)
    rows = clock.measure(lambda: [aligner.get_word_aligns(*pair)["itermax"] for pair in given])
    return clock.medians() | {"links": rows}


def measured(worker: str, device: str, folder: Path, given: argparse.Namespace, env: dict[str, str]) -> dict[str, Any]:
    """What a worker process prints, with pairs per second in place of seconds."""
    count = given.pairs if device == "cpu" else given.gpu_pairs
    command = [sys.executable, __file__, "--worker", worker, "--device", device, "--model", folder]
    command += ["--pairs", count, "--runs", given.runs, "--seconds", given.seconds]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=os.environ | env)
    if done.returncode:
        sys.exit(f"align.py: {worker} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {clock: count / found[clock] for clock in ("wall", "cpu")}


def differing(rows: list[Any], others: list[Any]) -> float:
    """The share of links that only one of two alignments has."""
    mine, theirs = ({(row, *link) for row, links in enumerate(side) for link in links} for side in (rows, others))
    return len(mine ^ theirs) / max(1, len(mine | theirs))


def row(name: str, threads: str, clock: str, found: dict[str, Any], reference: list[dict[str, Any]]) -> list[str]:
    """The cells of a worker, by a clock, against the best of the reference."""
    rate, best = found[clock], max(one[clock] for one in reference)
    cells = [f"{rate:.1f}", f"{rate / best:.2f}"]
    share = differing(found["links"], reference[0]["links"])
    equal = "yes" if share == 0 else f"no: {share:.2%}"
    outside = f"{found['outside']:.1%}" if "outside" in found else ""
    rates = [*cells, "", ""] if clock == "wall" else ["", "", *cells]
    return [name, threads, *rates, equal, outside, str(found["runs"])]


def compare(folder: Path, given: argparse.Namespace, device: str) -> Table:
    """Run every worker on a device; returns the table."""
    settings = THREADS if device == "cpu" else {"default": {}}
    reference = {name: measured("package", device, folder, given, env) for name, env in settings.items()}
    printed = Table(*COLUMNS)
    for name, found in reference.items():
        printed.add_row(*row("package", name, "wall", found, list(reference.values())))
    cpu = Path("/proc/cpuinfo")
    half = device != "cpu" or (cpu.exists() and any(flag in cpu.read_text() for flag in BF16))
    for dtype in ("float32", "bfloat16") if half else ("float32",):
        found = measured(dtype, device, folder, given, {})
        printed.add_row(*row(f"ours, {dtype}", "default", "wall", found, list(reference.values())))
    if not half:
        printed.caption = f"bfloat16 is skipped: this CPU has neither {' nor '.join(BF16)}"
    if device == "cpu":
        alone = measured("package", device, folder, given, ONE)
        printed.add_row(*row("package", "one", "cpu", alone, [alone]))
        printed.add_row(*row("ours, float32", "one", "cpu", measured("float32", device, folder, given, ONE), [alone]))
    return printed


def main() -> None:
    """Build the model and compare, or be one of the workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--gpu-pairs", type=int, default=1000, help="as many on a GPU, for which few are too few")
    parser.add_argument("--runs", type=int, default=5, help="of each implementation, at most")
    parser.add_argument("--seconds", type=float, default=20, help="no further run of it is begun after so many")
    parser.add_argument("--model", type=Path, help="a model folder, built once; a temporary one by default")
    parser.add_argument("--build", type=int, metavar="DIM", help="only build one of 3 layers and so many dimensions")
    parser.add_argument("--worker", choices=("package", "float32", "bfloat16"), help=argparse.SUPPRESS)
    parser.add_argument("--device", default="cpu", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.build:
        build(given.model, layers=3, dim=given.build)
    elif given.worker:
        given_pairs, clock = pairs(given.pairs), Clock(given.runs, given.seconds)
        if given.worker == "package":
            print(json.dumps(package(given.model, given_pairs, given.device, clock)))
        else:
            print(json.dumps(own(given.model, given_pairs, given.worker, given.device, clock)))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            folder = given.model or Path(temporary) / "bert"
            if not folder.exists():
                build(folder)
            report(folder, given)


def report(folder: Path, given: argparse.Namespace) -> None:
    """Print a table for the CPU, and one for the GPU where there is one."""
    import torch

    out = Console(width=130)
    out.print(f"itermax, layer {LAYER} of BERT-base with random weights; median of the runs")
    out.print(f"CPU, {torch.get_num_threads()} threads, {given.pairs} pairs", compare(folder, given, "cpu"))
    if torch.cuda.is_available():
        out.print(f"{torch.cuda.get_device_name()}, {given.gpu_pairs} pairs", compare(folder, given, "cuda"))
    else:
        out.print("GPU: skipped, there is none")


if __name__ == "__main__":
    main()
