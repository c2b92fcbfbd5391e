"""Tokens/s of translation, ours against plain `generate`: the configuration of NLLB-200 600M with random weights.

    python benchmarks/translate.py [--sentences 128] [--small] [--repeat 3]

128 English sentences of LAFAND (en-hau, from XPROJ_DATA) or of the sample corpus; each output ends at ⌈1.1 · sub-words
of the source⌉, as random weights never say that a sentence is over; greedy; the median of some runs. The baseline is
what a script would do: fp32 (fp16 on a GPU), 16 sentences at a time in the order of the file. Ours sorts by length and
fills batches by tokens, in engine `hf` (fp32, bf16) and `ct2` (fp32, int8; fp16 on a GPU).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import small_models
from rich.console import Console
from rich.table import Table

from xproj.translators.nllb import batches

if TYPE_CHECKING:
    from collections.abc import Callable

    Batch = list[list[int]]

SMALL = {"d_model": 64, "layers": 2, "ffn": 128, "vocabulary": 2_000}
FULL = {"d_model": 1024, "layers": 12, "ffn": 4096, "vocabulary": 256_206}
BASELINE_BATCH = 16
BATCH_TOKENS = 4096


def main() -> None:
    """Build the model, run every engine, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sentences", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a model of a few MB, to see that it runs")
    given = parser.parse_args()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XPROJ_CACHE"] = folder
        path = build(Path(folder), **(SMALL if given.small else FULL))
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(path)
        sources = [tokenizer(text)["input_ids"] for text in texts(given.sentences)]
        limits = [math.ceil(1.1 * (len(ids) - 2)) for ids in sources]
        rows = {}
        for name, run in runs(path, device):
            rows[name] = measure(run, sources, limits, given.repeat)
            print(f"{name}: {rows[name]:.0f} tokens/s", file=sys.stderr, flush=True)
    report(Console(), rows, f"{given.sentences} sentences, {sum(limits)} sub-words, {device}")


def texts(n: int) -> list[str]:
    """English sentences."""
    path = Path(os.environ.get("XPROJ_DATA", "../shared/data")) / "lafand" / "en-hau.tsv"
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        return [line.split("\t")[0] for line in lines[:n]]
    sample = [" ".join(words) for words, _ in small_models.bitext()]
    return (sample * (n // len(sample) + 1))[:n]


def build(folder: Path, d_model: int, layers: int, ffn: int, vocabulary: int, letters: str = "") -> Path:
    """A model with random weights and the tokenizer of the tests."""
    import torch
    from transformers import AutoTokenizer, M2M100Config, M2M100ForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(small_models.m2m(folder, letters=letters))
    config = M2M100Config(
        vocab_size=vocabulary,
        d_model=d_model,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=16,
        decoder_attention_heads=16,
        encoder_ffn_dim=ffn,
        decoder_ffn_dim=ffn,
        max_position_embeddings=1024,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
        scale_embedding=True,
    )
    torch.manual_seed(0)
    path = folder / "model"
    M2M100ForConditionalGeneration(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def runs(path: Path, device: str) -> list[tuple[str, Callable[[Batch, list[int], bool], None]]]:
    """Each engine with a name; the last argument says whether batches may be chosen freely."""
    half = "float16" if device == "cuda" else "bfloat16"
    base = "float16" if device == "cuda" else "float32"
    found = [(f"plain generate, {base}, {BASELINE_BATCH} in file order", torch_run(path, base, device, plain=True))]
    found += [(f"ct2 {kind}", ct2_run(path, kind, device)) for kind in ("int8", base)]
    found += [(f"hf {kind}", torch_run(path, kind, device, plain=False)) for kind in dict.fromkeys((half, base))]
    return [(name, run) for name, run in found if run is not None]


def torch_run(path: Path, kind: str, device: str, *, plain: bool) -> Any:
    """Transformers, with a stopping criterion that ends each row at its own limit."""

    def start() -> Callable[[Batch, list[int]], None]:
        import torch
        from transformers import AutoModelForSeq2SeqLM, StoppingCriteria, StoppingCriteriaList

        model = AutoModelForSeq2SeqLM.from_pretrained(path, dtype=getattr(torch, kind)).eval().to(device)

        class Limits(StoppingCriteria):  # type: ignore[misc]
            def __init__(self, limits: list[int]) -> None:
                self.limits = torch.tensor(limits, device=device)

            def __call__(self, input_ids: torch.Tensor, scores: Any, **more: Any) -> torch.Tensor:
                return input_ids.shape[1] - 2 >= self.limits

        def run(batch: Batch, limits: list[int]) -> None:
            width = max(map(len, batch))
            ids = torch.tensor([row + [1] * (width - len(row)) for row in batch], device=device)
            with torch.inference_mode():
                model.generate(
                    input_ids=ids,
                    attention_mask=(ids != 1).long(),
                    forced_bos_token_id=300,
                    suppress_tokens=[2],
                    max_new_tokens=max(limits) + 1,
                    stopping_criteria=StoppingCriteriaList([Limits(limits)]),
                )

        return run

    return start, plain


def ct2_run(path: Path, kind: str, device: str) -> Any:
    """CTranslate2, with a callback that ends each sentence at its own limit; None where it cannot run."""
    from xproj.translators import engines

    if engines.ct2_problem(device, kind) is not None:
        return None

    def start() -> Callable[[Batch, list[int]], None]:
        import ctranslate2
        from transformers import AutoTokenizer

        from xproj.translators.conversion import converted

        folder = converted(path, path, str(path), compute_type=kind)
        model = ctranslate2.Translator(str(folder), device=device, compute_type=kind)
        tokenizer = AutoTokenizer.from_pretrained(path)

        def run(batch: Batch, limits: list[int]) -> None:
            model.translate_batch(
                [tokenizer.convert_ids_to_tokens(row) for row in batch],
                target_prefix=[tokenizer.convert_ids_to_tokens([300])] * len(batch),
                beam_size=1,
                max_decoding_length=max(limits) + 1,
                suppress_sequences=[["</s>"]],
                callback=lambda step: step.step >= limits[step.batch_id],
            )

        return run

    return start, False


def measure(run: Any, sources: Batch, limits: list[int], repeat: int) -> float:
    """Sub-words per second, the median of some runs after one batch to warm up."""
    start, plain = run
    translate = start()
    if plain:
        order = list(range(len(sources)))
        chunks = [order[k : k + BASELINE_BATCH] for k in range(0, len(order), BASELINE_BATCH)]
    else:
        order = sorted(range(len(sources)), key=lambda row: -len(sources[row]))
        found = batches([len(sources[row]) for row in order], BATCH_TOKENS, len(order))
        chunks = [[order[k] for k in batch] for batch in found]
    translate([sources[k] for k in chunks[-1]], [limits[k] for k in chunks[-1]])
    seconds = []
    for _ in range(repeat):
        began = time.perf_counter()
        for chunk in chunks:
            translate([sources[k] for k in chunk], [limits[k] for k in chunk])
        seconds.append(time.perf_counter() - began)
    return sum(limits) / median(seconds)


def report(console: Console, rows: dict[str, float], title: str) -> None:
    """The table, with ratios to its first row."""
    table = Table("engine", "tokens/s", "ratio", title=title)
    baseline = next(iter(rows.values()))
    for name, speed in rows.items():
        table.add_row(name, f"{speed:.0f}", f"{speed / baseline:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
