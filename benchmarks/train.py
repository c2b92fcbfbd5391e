"""Training of a tagger: ours against the `Trainer` of transformers with its defaults, each in a process of its own.

The model is as large as XLM-R base and has random weights; its SentencePiece tokenizer is trained on the corpus, the
first 240 sentences of `europarl-ner/en.conll` in the folder XPROJ_DATA, none truncated. The peer draws sentences at
random, pads to the longest of a batch of 8 and computes in float32. Both see every sentence once per epoch; timed is
the training itself, without loading, tokenising and saving, by the clock and by the CPU (which on several threads that
wait for each other says nothing). `steps` are updates of the weights: ours has fewer, as its
batches are counted in sub-words. So the second table compares what is learned: F1 on sentences held out, after equal
epochs, of a small encoder, with several seeds each.
"""

from __future__ import annotations

import argparse
import io
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

SAMPLE = Path(__file__).parent.parent / "data" / "sample" / "deu_Latn" / "train.target.conll"
BASE = {"dim": 768, "layers": 12, "vocabulary": 250_002}
QUALITY = {"dim": 128, "layers": 2, "vocabulary": 8000}
TINY = {"dim": 32, "layers": 1, "vocabulary": 3000}
SENTENCES, HELD_OUT = 240, 400
BF16 = ("avx512_bf16", "amx_bf16")


def sentences(path: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Words and tags of a CoNLL file."""
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    rows = [[line.split("\t") for line in block.splitlines() if not line.startswith("# ")] for block in blocks]
    return [[row[0] for row in block] for block in rows], [[row[-1] for row in block] for block in rows]


def write(path: Path, words: list[list[str]], tags: list[list[str]]) -> Path:
    """Sentences as a CoNLL file."""
    blocks = ("\n".join(map("\t".join, zip(*pair, strict=True))) for pair in zip(words, tags, strict=True))
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path


def build(folder: Path, texts: list[str], dim: int, layers: int, vocabulary: int, pieces: int) -> Path:
    """An XLM-R with random weights and a SentencePiece tokenizer of `pieces`; its table has `vocabulary` rows."""
    import sentencepiece
    import torch
    from sentencepiece import sentencepiece_model_pb2
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, vocab_size=pieces, model_type="unigram",
        normalization_rule_name="nmt_nfkc", hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(written.getvalue())
    entries = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    entries += [(piece.piece, piece.score) for piece in model.pieces if piece.type == piece.NORMAL]
    entries.append(("<mask>", 0.0))
    rules = model.normalizer_spec.precompiled_charsmap
    tokenizer = XLMRobertaTokenizerFast(vocab=entries, _spm_precompiled_charsmap=rules, model_max_length=512)
    config = XLMRobertaConfig(
        vocab_size=max(vocabulary, len(entries)), hidden_size=dim, num_hidden_layers=layers,
        num_attention_heads=max(1, dim // 64), intermediate_size=4 * dim, max_position_embeddings=514,
        type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def own(job: dict[str, Any]) -> dict[str, Any]:
    """Train with xproj; seconds, steps and the folder."""
    from xproj import corpora, recipe, taggers
    from xproj.languages import lookup
    from xproj.training.trainer import WordTrainer

    run, clock = WordTrainer.run, [0.0, 0.0]

    def timed(trainer: WordTrainer) -> None:
        start, work = time.perf_counter(), time.process_time()
        run(trainer)
        clock[:] = time.perf_counter() - start, time.process_time() - work

    WordTrainer.run = timed  # type: ignore[method-assign]
    settings = recipe.Train(
        tagger="transformers", model=job["model"], dtype=job["dtype"], epochs=job["epochs"], seed=job["seed"],
        learning_rate=job["rate"], **job["settings"],
    )  # fmt: skip
    output = Path(job["output"])
    output.mkdir()
    facts = taggers.train(
        "transformers", corpora.read_labelled(job["data"]), settings=settings, language=lookup("eng_Latn"),
        output=output, runtime=recipe.Runtime(device=job["device"]),
    )  # fmt: skip
    return {"seconds": clock[0], "cpu": clock[1], "steps": facts["steps"], "examples": facts["sentences"]}


def peer(job: dict[str, Any]) -> dict[str, Any]:
    """Train with the Trainer of transformers; seconds, steps and the folder."""
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    words, tags = sentences(Path(job["data"]))
    labels = ["O", *(f"{b}-{t}" for t in sorted({tag[2:] for row in tags for tag in row} - {""}) for b in "BI")]
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    set_seed(job["seed"])
    model = AutoModelForTokenClassification.from_pretrained(
        job["model"], id2label=dict(enumerate(labels)), label2id={label: k for k, label in enumerate(labels)}
    )
    data = []
    for row, own_tags in zip(words, tags, strict=True):
        encoded = tokenizer(row, is_split_into_words=True)
        ids = encoded.word_ids()
        first = [k for k, word in enumerate(ids) if word is not None and (k == 0 or ids[k - 1] != word)]
        wanted = [-100] * len(ids)
        for k in first:
            wanted[k] = labels.index(own_tags[ids[k]])
        data.append({"input_ids": encoded["input_ids"], "labels": wanted})
    # nothing is saved on the way, which the defaults would do at the end
    arguments = TrainingArguments(
        output_dir=job["output"], num_train_epochs=job["epochs"], learning_rate=job["rate"], seed=job["seed"],
        save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=job["device"] == "cpu",
        per_device_train_batch_size=8,
    )  # fmt: skip
    trainer = Trainer(
        model=model, args=arguments, train_dataset=data, data_collator=DataCollatorForTokenClassification(tokenizer)
    )
    start, work = time.perf_counter(), time.process_time()
    trainer.train()
    seconds, cpu = time.perf_counter() - start, time.process_time() - work
    model.save_pretrained(job["output"])
    tokenizer.save_pretrained(job["output"])
    return {"seconds": seconds, "cpu": cpu, "steps": trainer.state.global_step, "examples": len(data)}


def score(job: dict[str, Any]) -> float:
    """F1 of a model folder on the sentences held out."""
    from xproj import corpora, evaluation, taggers

    tagger = taggers.open("transformers", job["output"])
    pairs = [
        (taggers.predict(tagger, t["tokens"]), t["entities"], t["tokens"])
        for t in corpora.read_labelled(job["held_out"])
    ]
    return float(evaluation.tagging(pairs, resamples=0).micro.f1)


def worker(job: dict[str, Any]) -> None:
    """One run, in this process; prints its figures."""
    figures = {"own": own, "peer": peer}[job["who"]](job)
    if job.get("held_out"):
        figures["f1"] = score(job)
    print("FIGURES " + json.dumps(figures))


def measured(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    count = len(list(folder.glob("out-*")))
    job = {"held_out": None, "settings": {}, "dtype": "float32", "seed": 0} | job
    job["output"] = str(folder / f"out-{count}-{job['who']}")
    if job["who"] == "peer":
        Path(job["output"]).mkdir()
    done = subprocess.run(
        [sys.executable, __file__, "--job", json.dumps(job)], capture_output=True, text=True, check=False
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("FIGURES ")), None)
    if line is None:
        sys.exit(f"{job['who']}: {done.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(line.removeprefix("FIGURES "))
    for path in Path(job["output"]).glob("*.safetensors"):
        path.unlink()  # a gigabyte each
    return figures


def speed(console: Console, data: Path, model: Path, folder: Path, device: str, bf16: bool) -> None:
    """Print the table of speed."""
    job = {"data": str(data), "model": str(model), "epochs": 1, "rate": 5e-5, "device": device}
    columns = "training", "dtype", "sentences", "steps", "seconds", "sentences/s", "ratio", "CPU s", "ratio"
    table = Table(*columns, title="one epoch")
    base = measured(job | {"who": "peer"}, folder)
    rows = [("Trainer, defaults", "float32", base)]
    for dtype in ("float32", "bfloat16") if bf16 else ("float32",):
        rows.append(("xproj", dtype, measured(job | {"who": "own", "dtype": dtype}, folder)))
    for name, dtype, figures in rows:
        table.add_row(
            name, dtype, str(figures["examples"]), str(figures["steps"]), f"{figures['seconds']:.1f}",
            f"{figures['examples'] / figures['seconds']:.2f}", f"{base['seconds'] / figures['seconds']:.2f}",
            f"{figures['cpu']:.1f}", f"{base['cpu'] / figures['cpu']:.2f}",
        )  # fmt: skip
    console.print(table)


def quality(
    console: Console, data: Path, held_out: Path, model: Path, folder: Path, device: str, epochs: int, seeds: int
) -> None:
    """Print the table of F1."""
    job = {"data": str(data), "held_out": str(held_out), "model": str(model), "epochs": epochs, "device": device}
    table = Table("training", "steps", "F1 by seed", "mean", "deviation", title=f"{epochs} epochs, a small encoder")
    for who in ("peer", "own"):
        found = [measured(job | {"who": who, "seed": seed, "rate": 1e-3}, folder) for seed in range(seeds)]
        scores = [one["f1"] for one in found]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        shown = " ".join(f"{value:.3f}" for value in scores)
        table.add_row(
            {"peer": "Trainer, defaults", "own": "xproj"}[who], str(found[0]["steps"]), shown,
            f"{statistics.mean(scores):.3f}", f"{spread:.3f}",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tiny model on a few sample sentences, to try it out")
    parser.add_argument("--only", choices=("speed", "quality"), help="one of the two tables")
    parser.add_argument("--epochs", type=int, default=30, help="of the second table")
    parser.add_argument("--seeds", type=int, default=3, help="of the second table")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        worker(json.loads(options.job))
        return
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    source = SAMPLE if options.small else Path(os.environ.get("XPROJ_DATA", "../shared/data")) / "europarl-ner/en.conll"
    if not source.is_file():
        sys.exit(f"{source}: no such file; set XPROJ_DATA to the folder of the gold corpora, or use --small")
    words, tags = sentences(source)
    number = 24 if options.small else SENTENCES
    texts = [" ".join(row) for row in words]
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    bf16 = device == "cuda" or any(flag in info for flag in BF16)
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pieces = 1200 if options.small else 4000
        if options.only != "quality":
            model = build(folder / "base", texts, **(TINY if options.small else BASE), pieces=pieces)
            speed(console, write(folder / "speed.conll", words[:number], tags[:number]), model, folder, device, bf16)
        if options.only != "speed":
            rest = slice(0, number) if options.small else slice(0, -HELD_OUT)
            last = slice(number, 2 * number) if options.small else slice(-HELD_OUT, None)
            model = build(folder / "small", texts, **(TINY if options.small else QUALITY), pieces=pieces)
            data = write(folder / "quality.conll", words[rest], tags[rest])
            held_out = write(folder / "held-out.conll", words[last], tags[last])
            epochs, seeds = (1, 1) if options.small else (options.epochs, options.seeds)
            quality(console, data, held_out, model, folder, device, epochs, seeds)


if __name__ == "__main__":
    main()
