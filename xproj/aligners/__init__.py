"""Word aligners: token columns in, a link column out.

A back end is one file with one class; `BACKENDS` names it. A newcomer adds a line here, a file beside this one, and a
parameter in `tests/contracts/test_aligner_contract.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xproj.backends import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from xproj.columns import LinkColumn, TokenColumn
    from xproj.recipe import Align

    Pairs = Iterable[tuple[TokenColumn, TokenColumn]]
    Progress = Callable[[int, int], None]

BACKENDS = {
    "statistical": "xproj.aligners.statistical:StatisticalAligner",
    "eflomal": "xproj.aligners.eflomal:EflomalAligner",
    "given": "xproj.aligners.given:GivenAligner",
}


class Aligner(Protocol):
    """What an aligner does. Rows are independent: the same pair has the same links in any batch after one fit."""

    needs_fit: bool

    def fit(
        self, parts: Pairs, *, languages: tuple[str, str], output: Path, progress: Progress | None = None
    ) -> dict[str, int | float]:
        """Learn from all parts (read more than once) and leave a folder `output`; returns counts for the report."""
        ...

    def align(self, source: TokenColumn, target: TokenColumn, *, languages: tuple[str, str]) -> LinkColumn:
        """The links of every row, sorted by source word, then target word; a row with an empty side has none."""
        ...


def open(settings: Align, *, fitted: Path | None = None) -> Aligner:  # noqa: A001
    """The aligner that `settings` name; `fitted` is the folder that its `fit` left.

    Raises:
        BackendError: an unknown aligner (the message lists the known ones), or a missing package.
    """
    aligner: Aligner = find("aligner", settings.aligner, BACKENDS)(settings, fitted)
    return aligner
