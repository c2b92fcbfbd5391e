"""Marker placement: how often the reduced range finds the span that `all` finds, and seconds per entity.

    python benchmarks/placement.py [--steps 350] [--entities 40] [--nllb] [--layers 12 --dim 512]

A small M2M model learns pairs of the sample corpus from English, with markers round one entity on both sides, and then
places the markers of entities in pairs that it has learnt, and in others. With --nllb, the configuration of NLLB-200
600M with random weights follows (5 GB): its seconds are those of real weights but for what the bound rules out, which
with random weights is nothing. --layers and --dim are a smaller one of those, with the same vocabulary: for these
--entities alone, by every setting, and without the trained model.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import small_models
from rich.console import Console
from rich.table import Table
from translate import FULL, build

from xproj import recipe, translators
from xproj.core.markers import STYLES, Marked, Piece
from xproj.translators import Translation

SOURCE = "eng_Latn"
LIMITS = {"all": None, "reduced, 64": 64, "reduced, 32": 32, "reduced, 16": 16}
BATCH = 24


class Example(NamedTuple):
    """A pair of sentences, the language of the second, and a span of words in each that is the same entity."""

    source: list[str]
    target: list[str]
    language: str
    ours: tuple[int, int]
    theirs: tuple[int, int]


class Result(NamedTuple):
    """The spans that were found, those that are right, seconds, and the counts of the placer."""

    marked: list[str | None]
    right: int
    seconds: float
    counts: dict[str, int]


def main() -> None:
    """Train, place by every setting, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--entities", type=int, default=40)
    parser.add_argument("--nllb", action="store_true", help="the speed of 600M weights, too")
    parser.add_argument("--layers", type=int, help="only random weights: layers of encoder and decoder")
    parser.add_argument("--dim", type=int, default=FULL["d_model"], help="with --layers: size of the states")
    given = parser.parse_args()
    if given.layers:
        untrained(given.layers, given.dim, given.entities)
        return
    learnt, unseen = examples("train"), examples("test")[: given.entities]
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = trained(folder, learnt, given.steps)
        for kind, chosen in (("unseen", unseen), ("learnt", learnt[: given.entities])):
            results = {name: placed(path, chosen, limit) for name, limit in LIMITS.items()}
            words = sum(len(one.target) for one in chosen) / len(chosen)
            report(console, results, f"{len(chosen)} entities of {kind} pairs, {words:.1f} target words")
        if given.nllb:
            path = build(folder, **FULL, letters="[]")
            results = {name: placed(path, unseen[:3], limit) for name, limit in LIMITS.items() if name != "all"}
            report(console, results, "600M random weights, 3 entities")


def untrained(layers: int, dim: int, entities: int) -> None:
    """Random weights with the vocabulary of NLLB: seconds and agreement by every setting, the cheapest first."""
    chosen = examples("test")[:entities]
    words = sum(len(one.target) for one in chosen) / len(chosen)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        size = {"d_model": dim, "ffn": 4 * dim, "layers": layers}
        path = build(Path(folder), **FULL | size, letters="[]")
        for name, limit in reversed(LIMITS.items()):
            results[name] = placed(path, chosen, limit, warm=False)
            print(f"{name}: {results[name].seconds / entities:.1f} s per entity", file=sys.stderr, flush=True)
    title = f"{layers} layers of {dim}, random weights, {entities} entities, {words:.1f} target words"
    report(Console(), dict(reversed(results.items())), title)


def examples(split: str) -> list[Example]:
    """The sample pairs with one entity on either side, of the same type, the languages in turn."""
    found = []
    for language in small_models.LANGUAGES:
        folder = small_models.SAMPLE / language
        source, target = (sentences(folder / f"{split}.{side}.conll") for side in ("source", "target"))
        for key in source.keys() & target.keys():
            (ours, here), (theirs, there) = source[key], target[key]
            types = [label for *_, label in here]
            for start, end, label in here:
                same = [(a, b) for a, b, other in there if other == label]
                if types.count(label) == 1 == len(same):
                    found.append((key, Example(ours, theirs, language, (start, end), same[0])))
    return [one for _, one in sorted(found, key=lambda pair: pair[0][::-1])]


def sentences(path: Path) -> dict[str, tuple[list[str], list[tuple[int, int, str]]]]:
    """Words and entities of each sentence of a CoNLL file, by its id."""
    found: dict[str, tuple[list[str], list[tuple[int, int, str]]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# sent_id = "):
            words, entities = found.setdefault(line.removeprefix("# sent_id = "), ([], []))
        elif line and not line.startswith("# "):
            word, tag = line.split("\t")
            if tag.startswith("B-"):
                entities.append((len(words), len(words) + 1, tag[2:]))
            elif tag.startswith("I-"):
                start, _, label = entities.pop()
                entities.append((start, len(words) + 1, label))
            words.append(word)
    return found


def marked(words: list[str], span: tuple[int, int]) -> str:
    """The text with markers round a span of words."""
    start, end = span
    return " ".join([*words[:start], "[", *words[start:end], "]", *words[end:]])


def trained(folder: Path, learnt: list[Example], steps: int) -> Path:
    """A model of one layer and 64 dimensions that has seen so many batches, half of their pairs with markers."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    base = small_models.m2m(folder, layers=1, dim=64, max_length=256, letters="[]")
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForSeq2SeqLM.from_pretrained(base, dropout=0.0, attention_dropout=0.0)
    end, pad, code = tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.convert_tokens_to_ids
    chooser = random.Random(0)

    def padded(rows: list[list[int]], value: int) -> torch.Tensor:
        width = max(map(len, rows))
        return torch.tensor([row + [value] * (width - len(row)) for row in rows])

    def ids(words: list[str], span: tuple[int, int] | None) -> list[int]:
        text = " ".join(words) if span is None else marked(words, span)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        batch = [(one, chooser.random() < 0.5) for one in chooser.sample(learnt, BATCH)]
        sources = padded([[code(SOURCE), *ids(one.source, one.ours if m else None), end] for one, m in batch], pad)
        rows = [[end, code(one.language), *ids(one.target, one.theirs if m else None), end] for one, m in batch]
        given, wanted = padded([row[:-1] for row in rows], pad), padded([row[1:] for row in rows], -100)
        logits = model(input_ids=sources, attention_mask=sources != pad, decoder_input_ids=given).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    path = folder / "trained"
    model.eval().save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def placed(path: Path, unseen: list[Example], limit: int | None, *, warm: bool = True) -> Result:
    """Place the markers of every entity, with at most `limit` spans scored whole; with `warm` the first one twice."""
    settings = recipe.Translate(translator="nllb", model=str(path), engine="hf")
    opened: Any = translators.open("nllb", str(path), settings=settings)
    placer = opened.placer(limit)
    found, right, seconds, counts = [], 0, 0.0, dict[str, int]()
    for number, one in enumerate([*unseen[:warm], *unseen], start=not warm):
        text = " ".join(one.source)
        start = len(" ".join([*one.source[: one.ours[0]], ""]))
        sentence = Marked(text, (Piece(start, start + len(" ".join(one.source[slice(*one.ours)])), 0),))
        began = time.perf_counter()
        (answer,) = placer.place(
            [sentence], [Translation(" ".join(one.target), 0.0)], source=SOURCE, target=one.language
        )
        if number == 0:  # warms up
            continue
        seconds += time.perf_counter() - began
        counts = {name: n + counts.get(name, 0) for name, n in placer.counts.items()}
        found.append(answer.marked)
        pieces = STYLES["blanks"].decode(answer.marked).pieces
        names = " ".join(answer.text[piece.start : piece.end] for piece in pieces)
        right += names.replace(" ", "") == "".join(one.target[slice(*one.theirs)])
    return Result(found, right, seconds, counts)


def report(console: Console, results: dict[str, Result], title: str) -> None:
    """A line for each setting, beside the first."""
    table = Table(title=title)
    for name in ("candidates", "same span as the first", "right", "proven", "spans scored", "s per entity"):
        table.add_column(name, justify="left" if name == "candidates" else "right")
    first = next(iter(results.values()))
    for name, one in results.items():
        n = len(one.marked)
        same = sum(a == b for a, b in zip(one.marked, first.marked, strict=True))
        shares = (f"{k / n:.3f}" for k in (same, one.right, one.counts["placement.proven"]))
        table.add_row(name, *shares, f"{one.counts['placement.scored'] / n:.1f}", f"{one.seconds / n:.3f}")
    console.print(table)


if __name__ == "__main__":
    main()
