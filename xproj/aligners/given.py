"""Links that somebody else made: one line of `i-j[:score]` per sentence pair (Pharaoh format), 0-based."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xproj.columns import LinkColumn, TokenColumn
from xproj.errors import CorpusError, RecipeError

if TYPE_CHECKING:
    from xproj.aligners import Pairs, Progress
    from xproj.recipe import Align, Runtime

LINK = re.compile(r"(\d+)-(\d+)(?::(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?))?", re.ASCII)


class GivenAligner:
    """Reads links from the file `align.links`, row after row, in the order of the corpus."""

    needs_fit = False

    def __init__(self, settings: Align, fitted: Path | None = None, runtime: Runtime | None = None) -> None:
        if settings.links is None:
            raise RecipeError(
                "[align] aligner = 'given' needs links = \"FILE\", one line of i-j links per sentence pair"
            )
        self.path = Path(settings.links)
        self._lines: list[str] | None = None

    def fit(
        self, parts: Pairs, *, languages: tuple[str, str], output: Path, progress: Progress | None = None
    ) -> dict[str, int | float]:
        """Nothing to learn."""
        return {}

    def align(
        self, source: TokenColumn, target: TokenColumn, *, languages: tuple[str, str], first_row: int = 0
    ) -> LinkColumn:
        """The links of lines `first_row + 1` and on.

        Raises:
            CorpusError: too few lines, a word that is no link, or a link outside its sentences; names the line.
        """
        lines = self._read()
        if len(lines) < first_row + len(source):
            raise CorpusError.at(
                self.path,
                len(lines),
                f"the file ends after {len(lines)} lines, but there are more sentence pairs",
                "give one line for every pair, an empty one for a pair without links",
            )
        offsets, found = [0], []
        for row, (m, n) in enumerate(zip(source.lengths, target.lengths, strict=True)):
            found += self._parse(lines[first_row + row], first_row + row + 1, int(m), int(n))
            offsets.append(len(found))
        columns = list(zip(*found, strict=True)) or [(), (), ()]
        return LinkColumn(
            np.array(offsets, dtype=np.int64),
            np.array(columns[0], dtype=np.int32),
            np.array(columns[1], dtype=np.int32),
            np.array(columns[2], dtype=np.float32),
            source.valid & target.valid,
        )

    def check_rows(self, rows: int) -> None:
        """Refuse a file with more lines than sentence pairs.

        Raises:
            CorpusError: the counts differ; names both.
        """
        lines = self._read()
        if len(lines) != rows:
            raise CorpusError.at(
                self.path, None, f"{len(lines)} lines for {rows} sentence pairs", "give one line for every pair"
            )

    def _read(self) -> list[str]:
        if self._lines is None:
            try:
                self._lines = self.path.read_text(encoding="utf-8-sig").splitlines()
            except OSError as error:
                raise CorpusError.at(
                    self.path, None, f"cannot be read: {error.strerror}", "check align.links"
                ) from error
            except UnicodeDecodeError as error:
                raise CorpusError.at(self.path, None, f"not UTF-8 at byte {error.start}", "convert it first") from error
        return self._lines

    def _parse(self, line: str, number: int, m: int, n: int) -> list[tuple[int, int, float]]:
        links = {}
        for word in line.split():
            match = LINK.fullmatch(word)
            if match is None:
                raise CorpusError.at(self.path, number, f"{word!r} is no link", "links look like 3-4 or 3-4:0.87")
            i, j = int(match[1]), int(match[2])
            if i >= m or j >= n:
                raise CorpusError.at(
                    self.path,
                    number,
                    _outside(word, m, n),
                    "links count words from 0, source first" if m and n else "leave its line empty",
                )
            links[i, j] = float(match[3]) if match[3] else 1.0
            if links[i, j] > 1.0:
                raise CorpusError.at(
                    self.path,
                    number,
                    f"the link {word} has a score above 1",
                    "scores are probabilities; divide them by the largest, or leave them out",
                )
        return [(i, j, score) for (i, j), score in sorted(links.items())]


def _outside(link: str, m: int, n: int) -> str:
    if m and n:
        return f"the link {link} is outside the sentences of {m} and {n} words"
    return f"the link {link} belongs to a pair that is not aligned: a side has no words, or its status is not ok"
