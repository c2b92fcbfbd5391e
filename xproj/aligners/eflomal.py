"""eflomal (Östling and Tiedemann 2016) as an optional peer, behind a process boundary.

eflomal is GPL-3 and is never imported: its program `eflomal-align` reads two text files and writes links. It learns
from the pairs that it aligns, and its sampler draws its own seeds, so the links of one run are kept under a digest of
each pair and read back by `align`; a second run may differ.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xproj.columns import LinkColumn, TokenColumn
from xproj.core.bare_words import counted
from xproj.core.symmetrize import cell_offsets, symmetrize
from xproj.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xproj.aligners import Pairs, Progress
    from xproj.recipe import Align, Runtime

LINKS = "links.txt"


class EflomalAligner:
    """Settings read: symmetrization (`threshold` means grow-diag, as the sampler gives no posteriors)."""

    needs_fit = True

    def __init__(self, settings: Align, fitted: Path | None = None, runtime: Runtime | None = None) -> None:
        self.method = "grow-diag" if settings.symmetrization == "threshold" else settings.symmetrization
        self._folder = fitted
        self._links: dict[str, str] | None = None

    def fit(
        self, parts: Pairs, *, languages: tuple[str, str], output: Path, progress: Progress | None = None
    ) -> dict[str, int | float]:
        """Align all pairs in one run of eflomal and keep the links in the folder `output`."""
        program = _program()
        output.mkdir(parents=True, exist_ok=True)
        texts = [output / name for name in ("source.txt", "target.txt", "forward.txt", "reverse.txt")]
        digests = _write(parts, texts[0], texts[1])
        if digests:
            _run(program, *texts)
            forward, reverse = (path.read_text().splitlines() for path in texts[2:])
        else:
            forward, reverse = [], []
        lines = (f"{d}\t{f}\t{r}" for d, f, r in sorted(zip(digests, forward, reverse, strict=True)))
        (output / LINKS).write_text("".join(f"{line}\n" for line in lines))
        for path in texts:
            path.unlink(missing_ok=True)
        if progress:
            progress(1, 1)
        return {"sentence_pairs": len(digests)}

    def align(self, source: TokenColumn, target: TokenColumn, *, languages: tuple[str, str]) -> LinkColumn:
        """The kept links of every row, symmetrized; a pair that the fit has not seen has none."""
        cells = cell_offsets(source.offsets, target.offsets)
        directions = np.zeros(cells[-1]), np.zeros(cells[-1])
        links = self._load()
        for row, (digest, _, words) in enumerate(_pairs(source, target)):
            for direction, line in zip(directions, links.get(digest, "\t").split("\t"), strict=True):
                for link in line.split():
                    i, j = link.split("-")
                    direction[cells[row] + int(i) * len(words) + int(j)] = 1.0
        found = symmetrize(*directions, source.offsets, target.offsets, self.method)
        return LinkColumn(*found[:3], np.ones(len(found[1]), dtype=np.float32), source.valid & target.valid)

    def _load(self) -> dict[str, str]:
        if self._links is None:
            if self._folder is None:
                raise BackendError("[align] aligner = 'eflomal': not fitted yet; it aligns all pairs in one run first")
            lines = (self._folder / LINKS).read_text().splitlines()
            self._links = dict(line.split("\t", 1) for line in lines)
        return self._links


def _pairs(source: TokenColumn, target: TokenColumn) -> Iterator[tuple[str, list[str], list[str]]]:
    """Digest, source words and target words of every row, as eflomal is given them."""
    for e, f in zip(source.rows(), target.rows(), strict=True):
        left, right = ([counted(word).replace(" ", "_") or "_" for word in words or []] for words in (e, f))
        digest = hashlib.blake2b("\n".join([*left, "", *right]).encode(), digest_size=16).hexdigest()
        yield digest, left, right


def _write(parts: Pairs, source: Path, target: Path) -> list[str]:
    """Write every distinct pair with two sides as a line of two files; returns their digests in order."""
    digests: dict[str, None] = {}
    with source.open("w", encoding="utf-8") as one, target.open("w", encoding="utf-8") as two:
        for part in parts:
            for digest, left, right in _pairs(*part):
                if left and right and digest not in digests:
                    digests[digest] = None
                    one.write(" ".join(left) + "\n")
                    two.write(" ".join(right) + "\n")
    return list(digests)


def _program() -> str:
    beside = Path(sys.executable).with_name("eflomal-align")
    program = str(beside) if beside.exists() else shutil.which("eflomal-align")
    if program is None:
        raise BackendError("aligner 'eflomal': the program 'eflomal-align' is missing; pip install 'xproj[eflomal]'")
    return program


def _run(program: str, source: Path, target: Path, forward: Path, reverse: Path) -> None:
    command = [program, "-s", source, "-t", target, "-f", forward, "-r", reverse, "--model", "3", "--overwrite"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise BackendError(f"eflomal-align ended with {done.returncode}: {last[0]}; run it by hand on the same pairs")
