"""Scores of word links against manual ones."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xproj.columns import LinkColumn
from xproj.core import metrics
from xproj.core.metrics import Tally
from xproj.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from xproj.evaluation.spans import Interval

GOLD_LINK = re.compile(r"(\d+)([-p])(\d+)")


@dataclass(frozen=True)
class GoldLinks:
    """Manual links: those every reader agrees on, and those that are merely not wrong."""

    sure: LinkColumn
    possible: LinkColumn

    def __len__(self) -> int:
        return len(self.sure)


def read_gold_links(path: Path) -> GoldLinks:
    """Read one sentence per line, links apart by spaces: `i-j` sure, `ipj` possible, both from 0.

    Raises:
        CorpusError: no such file, not UTF-8, or something that is no link; names the line.
    """
    sure: list[list[tuple[int, int]]] = []
    possible: list[list[tuple[int, int]]] = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError.at(path, None, f"cannot be read ({error})", "give a UTF-8 file of gold links") from error
    for number, line in enumerate(lines, start=1):
        kinds: dict[str, list[tuple[int, int]]] = {"-": [], "p": []}
        for text in line.split():
            link = GOLD_LINK.fullmatch(text)
            if link is None:
                raise CorpusError.at(path, number, f"{text!r} is no link", "write i-j (sure) or ipj (possible), from 0")
            kinds[link[2]].append((int(link[1]), int(link[3])))
        sure.append(kinds["-"])
        possible.append(kinds["p"])
    return GoldLinks(LinkColumn.of(sure), LinkColumn.of(possible))  # type: ignore[arg-type]


@dataclass(frozen=True)
class LinkScores:
    """Alignment error rate (0 is perfect) with its interval, precision against possible links, recall of sure ones."""

    sentences: int
    aer: float
    precision: float
    recall: float
    f1: float
    links: int
    sure: int
    interval: Interval | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def links(parts: Iterable[LinkColumn], gold: GoldLinks, *, resamples: int = 1000, seed: int = 0) -> LinkScores:
    """Score links against manual ones, part by part.

    Args:
        parts: the links of all sentences in the order of `gold`, cut anywhere; a null row has none.
        gold: the manual links.
        resamples: of the bootstrap interval of the error rate; 0 for none.
        seed: of the bootstrap.

    Raises:
        CorpusError: there are more or fewer sentences than gold has.
    """
    tally, done = Tally.zeros(0, 4), 0
    for part in parts:
        if done + len(part) <= len(gold):
            truth = (_slice(column, done, done + len(part)) for column in (gold.sure, gold.possible))
            tally += Tally.of(metrics.link_counts(part, *truth))
        done += len(part)
    if done != len(gold):
        raise CorpusError(f"{done} sentences have links but gold has {len(gold)}; give links and gold of the same text")
    hit_sure, hit_possible, found, sure = (int(value) for value in tally.totals)
    precision, recall = hit_possible / found if found else 0.0, hit_sure / sure if sure else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    aer = float(metrics.alignment_error_rate(tally.totals))
    interval = metrics.bootstrap(tally, metrics.alignment_error_rate, resamples=resamples, seed=seed)
    return LinkScores(done, aer, precision, recall, f1, found, sure, interval)


def _slice(column: LinkColumn, first: int, last: int) -> LinkColumn:
    low, high = column.offsets[first], column.offsets[last]
    return LinkColumn(
        np.asarray(column.offsets[first : last + 1] - low),
        column.source[low:high],
        column.target[low:high],
        column.score[low:high],
        column.valid[first:last],
    )
