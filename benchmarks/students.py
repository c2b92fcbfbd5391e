"""What training beyond the plain one adds, on real text: taggers from the silver corpora of `make bench-extrinsic`.

A small encoder (3 layers, 192 wide, a vocabulary of 6,000 pieces: 2.7 million
weights from a random start) is pre-trained as a masked language
model on the target side of LAFAND en-hau and en-swa, nothing else; then, for each language, taggers are trained on the
silver corpus by `xproj train` and scored on MasakhaNER 2.0 by `xproj evaluate`, DATE dropped:

    spacy         spaCy's tagger from scratch
    encoder       the small encoder, plain
    lost          … words where a lost entity may lie are left out of the loss
    noise         … and the loss counts words by the score of their entity, inverted focal loss after the first epoch
    distilled     the encoder as a student of three teachers: `spacy`, `encoder`, and the projection itself
    distilled, lost   … with `lost` in place of `encoder`

    python benchmarks/students.py --runs runs [--split test] [--languages hau,swa] [--only NAME]… [--limit N]

`--split dev` is for choosing, `test` for reporting. Needs XPROJ_DATA and the extra `models`; an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

CODES = {"hau": "hau_Latn", "swa": "swh_Latn"}
VOCABULARY, LAYERS, DIM, LONGEST = 6000, 3, 192, 128
BATCH_TOKENS, RATE, MASKED = 2048, 1e-3, 0.15
ENCODER = {"tagger": "transformers", "learning_rate": 5e-4, "epochs": 6, "batch_tokens": 1024}
LOST = {"lost_entities": "mask"}
NOISE = LOST | {"weights": ["word"], "focal": 0.5}


def variants(folder: Path, silver: Path) -> dict[str, dict[str, Any]]:
    """The settings of [train] of each tagger."""

    def students(of: str) -> dict[str, Any]:
        teachers = {
            "spacy": {"model": str(folder / "spacy"), "tagger": "spacy"},
            "encoder": {"model": str(folder / of)},
            "projection": {"path": str(silver)},
        }
        return ENCODER | {"distill": {"teachers": teachers, "loss": "kl", "temperature": 2.0, "smoothing": 0.1}}

    return {
        "spacy": {"tagger": "spacy"},
        "encoder": ENCODER,
        "lost": ENCODER | LOST,
        "noise": ENCODER | NOISE,
        "distilled": students("encoder"),
        "distilled, lost": students("lost"),
    }


def main() -> None:
    """Pre-train, train, score, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--languages", default="hau,swa")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--limit", type=int, default=0, help="sentences of the silver corpus; 0 = all")
    given = parser.parse_args()
    data = Path(os.environ["XPROJ_DATA"])
    work = given.runs / "students"
    encoder = work / f"encoder-{given.steps}"
    if not (encoder / "config.json").exists():
        pretrain([data / f"lafand/en-{name}.tsv" for name in CODES], encoder, given.steps)
    printed = Table("language", "tagger", "P", "R", "F1", "95 %", f"against `encoder`, {given.split}")
    for language in given.languages.split(","):
        folder = work / language
        folder.mkdir(parents=True, exist_ok=True)
        silver = newest(given.runs / CODES[language], "silver")
        if given.limit:
            silver = first(silver, given.limit, folder)
        gold = data / f"masakhaner2/{language}/{given.split}.conll"
        for name, settings in variants(folder, silver).items():
            if given.only and name not in given.only:
                continue
            model = folder / name.replace(", ", "-")
            if not model.exists():
                train(silver, model, CODES[language], settings, encoder)
            printed.add_row(language, name, *scored(model, gold), compared(model, folder / "encoder", gold))
    Console().print(printed)


def newest(folder: Path, stage: str) -> Path:
    """The folder that a run wrote last."""
    return max(folder.glob(f"{stage}-*"), key=lambda path: path.stat().st_mtime)


def first(silver: Path, rows: int, folder: Path) -> Path:
    """The first sentences of a silver corpus as one file."""
    path = folder / f"silver-{rows}.parquet"
    table = pq.read_table(sorted((silver / "data").glob("*.parquet"))).slice(0, rows)
    pq.write_table(table, path)
    return path


def xproj(*arguments: str) -> Any:
    """Run a command and read its JSON."""
    command = [sys.executable, "-m", "xproj", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def train(silver: Path, model: Path, language: str, settings: dict[str, Any], encoder: Path) -> None:
    """`xproj train`, with these settings."""
    settings = settings | ({"model": str(encoder)} if settings["tagger"] == "transformers" else {})
    options = [f"--set=train.{key}={toml(value)}" for key, value in settings.items()]
    xproj("train", str(silver), "--output", str(model), "--language", language, *options)


def toml(value: Any) -> str:
    """A value as `--set` reads it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def scored(model: Path, gold: Path) -> tuple[str, ...]:
    """Precision, recall, F1 and its interval."""
    found = xproj("evaluate", "--model", str(model), "--input", str(gold), '--set=evaluate.labels={DATE="O"}')
    micro = found.get("tagging", found)["micro"]
    low, high = micro["interval"]
    return *(f"{micro[key]:.3f}" for key in ("precision", "recall", "f1")), f"{low:.3f}–{high:.3f}"


def compared(first: Path, second: Path, gold: Path) -> str:
    """By how much the first is better in F1, and the p-value."""
    if first == second or not second.exists():
        return ""
    options = "--compare", str(first), str(second), "--input", str(gold), '--set=evaluate.labels={DATE="O"}'
    found = xproj("evaluate", *options)
    return f"{found['difference']:+.3f}, p = {found['p_value']:.3f}"


def pretrain(bitexts: list[Path], folder: Path, steps: int) -> None:
    """Tokenizer and masked language model from the target side of the bitexts."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    lines = [line.split("\t")[1] for path in bitexts for line in path.read_text(encoding="utf-8").splitlines()]
    tokenizer = make_tokenizer(lines)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=DIM,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=4 * DIM,
        max_position_embeddings=LONGEST + 2,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    model = XLMRobertaForMaskedLM(config)
    parameters = sum(weights.numel() for weights in model.parameters())
    rows = tokenizer(lines, truncation=True, max_length=LONGEST)["input_ids"]
    print(f"encoder of {parameters:,} parameters, {sum(map(len, rows)):,} sub-words", file=sys.stderr, flush=True)
    learn(model, rows, tokenizer, steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_tokenizer(lines: list[str]) -> Any:
    """A SentencePiece unigram tokenizer in the form of XLM-R's."""
    import io

    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2
    from transformers import XLMRobertaTokenizerFast

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=written,
        vocab_size=VOCABULARY,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(written.getvalue())
    pieces = [(piece.piece, piece.score) for piece in model.pieces if piece.type == piece.NORMAL]
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return XLMRobertaTokenizerFast(
        vocab=[*special, *pieces, ("<mask>", 0.0)],
        _spm_precompiled_charsmap=model.normalizer_spec.precompiled_charsmap,
        model_max_length=LONGEST,
    )


def learn(model: Any, rows: list[list[int]], tokenizer: Any, steps: int) -> None:
    """Masked language modelling: Devlin et al. 2019, every masked sub-word as <mask>."""
    import torch

    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * len(rows[order[end]]) > BATCH_TOKENS:
            batches.append(order[start:end])
            start = end
    model.train()
    for step in range(steps):
        batch = [torch.tensor(rows[row]) for row in batches[rng.integers(len(batches))]]
        ids = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=tokenizer.pad_token_id)
        chosen = torch.from_numpy(rng.random(ids.shape) < MASKED) & (ids > tokenizer.unk_token_id)
        hidden = model.roberta(
            ids.masked_fill(chosen, tokenizer.mask_token_id), attention_mask=ids != tokenizer.pad_token_id
        ).last_hidden_state
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[chosen]), ids[chosen])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.2f}", file=sys.stderr, flush=True)
    model.eval()


if __name__ == "__main__":
    main()
