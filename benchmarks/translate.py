"""Tokens/s of translation, ours against plain `generate`: the configuration of NLLB-200 600M with random weights.

    python benchmarks/translate.py [--sentences 128] [--repeat 3] [--only int8] [--small]

128 English sentences of LAFAND (en-hau, from XPROJ_DATA) or of the sample corpus; each output ends at ⌈1.1 · sub-words
of the source⌉, its end included, as random weights do not know when a sentence is over; greedy; the median of some
runs, each from text to text. The baseline is what a script would do: fp32 (fp16 on a GPU), 16 sentences at a time in
the order of the file. Ours is the translator `nllb`, with `ct2` (int8, fp32; fp16 on a GPU) and `hf` (bf16, fp32).
`--only int8` leaves out all but the baseline and the rows whose names have the word.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import small_models
from rich.console import Console
from rich.table import Table

from xproj import recipe
from xproj.translators import engines

if TYPE_CHECKING:
    from collections.abc import Callable

    from xproj.translators.nllb import NllbTranslator

    Lengths = dict[tuple[int, ...], int]
    Run = Callable[[list[str]], int]

SMALL = {"d_model": 64, "layers": 2, "ffn": 128, "vocabulary": 2_000}
FULL = {"d_model": 1024, "layers": 12, "ffn": 4096, "vocabulary": 256_206}
BASELINE_BATCH = 16
LANGUAGES = "eng_Latn", "hau_Latn"


def main() -> None:
    """Build the model, run every engine, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sentences", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", action="append", default=[], help="rows beside the baseline whose names contain this")
    parser.add_argument("--small", action="store_true", help="a model of a few MB, to see that it runs")
    given = parser.parse_args()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XPROJ_CACHE"] = folder
        path = build(Path(folder), **(SMALL if given.small else FULL))
        chosen = texts(given.sentences)
        lengths = lengths_of(path, chosen)
        rows = {}
        for name, start in runs(path, device, lengths):
            if rows and given.only and not any(word in name for word in given.only):
                continue
            rows[name] = measure(start(), chosen, sum(lengths.values()), given.repeat)
            print(f"{name}: {rows[name]:.0f} tokens/s", file=sys.stderr, flush=True)
    report(Console(), rows, f"{len(chosen)} sentences, {sum(lengths.values())} sub-words, {device}")


def texts(n: int) -> list[str]:
    """English sentences, each once."""
    path = Path(os.environ.get("XPROJ_DATA", "../shared/data")) / "lafand" / "en-hau.tsv"
    if path.is_file():
        found = [line.split("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        found = [" ".join(words) for words, _ in small_models.bitext()]
    return list(dict.fromkeys(found))[:n]


def lengths_of(path: Path, chosen: list[str]) -> Lengths:
    """The sub-words to generate for each source, the end included and the language code not."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path, src_lang=LANGUAGES[0])
    sources = tokenizer(chosen)["input_ids"]
    return {tuple(ids): math.ceil(1.1 * (len(ids) - 2)) for ids in sources}


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


def runs(path: Path, device: str, lengths: Lengths) -> list[tuple[str, Callable[[], Run]]]:
    """Each way to translate with a name; opened only when its turn comes, so that one model is in memory."""
    half = "float16" if device == "cuda" else "bfloat16"
    base = "float16" if device == "cuda" else "float32"
    found = [(f"plain generate, {base}, {BASELINE_BATCH} in file order", partial(plain, path, base, device, lengths))]
    kinds = [("ct2", "int8"), ("ct2", base), *(("hf", kind) for kind in dict.fromkeys((half, base)))]
    return found + [
        (f"xproj, {engine} {kind}", partial(ours, path, engine, kind, device, lengths))
        for engine, kind in kinds
        if engine == "hf" or engines.ct2_problem(device, kind) is None
    ]


def plain(path: Path, kind: str, device: str, lengths: Lengths) -> Run:
    """What a script would do: `generate` of transformers, some sentences at a time, in the order of the file."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, LogitsProcessorList

    model = AutoModelForSeq2SeqLM.from_pretrained(path, dtype=getattr(torch, kind)).eval().to(device)
    tokenizer = AutoTokenizer.from_pretrained(path, src_lang=LANGUAGES[0])
    code, end = tokenizer.convert_tokens_to_ids(LANGUAGES[1]), tokenizer.eos_token_id

    def run(texts: list[str]) -> int:
        made = 0
        for start in range(0, len(texts), BASELINE_BATCH):
            given = tokenizer(texts[start : start + BASELINE_BATCH], padding=True, return_tensors="pt").to(device)
            ends = ends_of(given["input_ids"].tolist(), tokenizer.pad_token_id, lengths)
            with torch.inference_mode():
                found = model.generate(
                    **given,
                    forced_bos_token_id=code,
                    max_new_tokens=max(ends) + 1,
                    num_beams=1,
                    logits_processor=LogitsProcessorList([end_at(ends, end)]),
                )
            tokenizer.batch_decode(found, skip_special_tokens=True)
            # behind the start, which is the same sub-word as the end, and the language code
            made += sum(row[2:].index(end) + 1 for row in found.tolist())
        return made

    return run


def ours(path: Path, engine: str, kind: str, device: str, lengths: Lengths) -> Run:
    """The translator of `xproj translate` as it is, but that sentences end where they are told to."""
    from xproj.translators.nllb import NllbTranslator

    settings = recipe.Translate(
        translator="nllb", model=str(path), engine=engine, compute_type=kind, beam=1, max_length=1000
    )
    translator = NllbTranslator(str(path), settings, recipe.Runtime(device=device))
    (limit_ct2 if engine == "ct2" else limit_hf)(translator, lengths)
    codes = translator.subwords.languages(*LANGUAGES)

    def run(texts: list[str]) -> int:
        # behind the splitting into sentences: the baseline gets whole texts too
        found = translator._translate(texts, codes)
        return sum(one.length for hypotheses in found.values() for _, one in hypotheses)

    return run


def limit_hf(translator: NllbTranslator, lengths: Lengths) -> None:
    """Let engine `hf` say the end of a sentence at its length, and nowhere else."""
    engine: Any = translator._engine
    generate = engine.model.generate

    def run(**given: Any) -> Any:
        ends = ends_of(given["input_ids"].tolist(), engine.pad, lengths)
        given["logits_processor"].insert(0, end_at(ends, engine.end))
        return generate(**given)

    engine.model.generate = run


def limit_ct2(translator: NllbTranslator, lengths: Lengths) -> None:
    """Let engine `ct2` end a sentence at its length, and nowhere else."""
    engine: Any = translator._engine
    translate, end = engine._translator.translate_batch, translator.subwords.tokenizer.eos_token
    ids = translator.subwords.tokenizer.convert_tokens_to_ids

    def run(sources: list[list[str]], **given: Any) -> Any:
        ends = [lengths[tuple(ids(source))] for source in sources]
        given |= {"suppress_sequences": [[end]], "callback": lambda step: step.step >= ends[step.batch_id]}
        return translate(sources, **given)

    engine._translator = SimpleNamespace(translate_batch=run)


def ends_of(rows: list[list[int]], pad: int, lengths: Lengths) -> list[int]:
    """The lengths of padded rows."""
    return [lengths[tuple(one for one in row if one != pad)] for row in rows]


def end_at(lengths: list[int], end: int) -> Any:
    """A logits processor for `generate`: each row says the end as the last of so many sub-words, and not before."""
    import torch
    from transformers import LogitsProcessor

    class End(LogitsProcessor):  # type: ignore[misc]
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            made = input_ids.shape[1] - 2  # behind the start and the language code
            if made < 0:
                return scores
            over = torch.tensor([made >= length - 1 for length in lengths], device=scores.device)
            of_end = scores[:, end].masked_fill(~over, -torch.inf)
            scores = scores.masked_fill(over[:, None], -torch.inf)
            scores[:, end] = of_end
            return scores

    return End()


def measure(run: Run, chosen: list[str], wanted: int, repeat: int) -> float:
    """Sub-words per second, the median of some runs after some sentences to warm up.

    Raises:
        SystemExit: it has not generated the sub-words that were wanted, so that nothing can be compared.
    """
    run(chosen[-BASELINE_BATCH:])
    speeds = []
    for _ in range(repeat):
        began = time.perf_counter()
        made = run(chosen)
        speeds.append(made / (time.perf_counter() - began))
        if made != wanted:
            raise SystemExit(f"{made} sub-words were generated, not {wanted}")
    return median(speeds)


def report(console: Console, rows: dict[str, float], title: str) -> None:
    """The table, with ratios to its first row."""
    table = Table("engine", "tokens/s", "ratio", title=title)
    baseline = next(iter(rows.values()))
    for name, speed in rows.items():
        table.add_row(name, f"{speed:.0f}", f"{speed / baseline:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
