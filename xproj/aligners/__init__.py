"""Word aligners: token columns in, a link column out.

A back end is one file with one class; `BACKENDS` names it. A newcomer adds a line here, a file beside this one, and a
parameter in `tests/contracts/test_aligner_contract.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xproj.backends import find
from xproj.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from xproj.columns import LinkColumn, TokenColumn
    from xproj.recipe import Align, Runtime

    Pairs = Iterable[tuple[TokenColumn, TokenColumn]]
    Progress = Callable[[int, int], None]

BACKENDS = {
    "statistical": "xproj.aligners.statistical:StatisticalAligner",
    "eflomal": "xproj.aligners.eflomal:EflomalAligner",
    "given": "xproj.aligners.given:GivenAligner",
    "simalign": "xproj.aligners.encoder:EncoderAligner",
    "awesome": "xproj.aligners.encoder:EncoderAligner",
    "transalign": "xproj.aligners.encoder:EncoderAligner",
    "labse": "xproj.aligners.encoder:EncoderAligner",
}
# `[align] implementation = "package"`: the reference implementation behind the same protocol
PACKAGES = {"simalign": "xproj.aligners.simalign_package:PackageAligner"}


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


def open(settings: Align, *, fitted: Path | None = None, runtime: Runtime | None = None) -> Aligner:  # noqa: A001
    """The aligner that `settings` name; `fitted` is the folder that its `fit` left, `runtime` where models run.

    Raises:
        RecipeError: an unknown aligner (the message lists the known ones), or one without a package of its own.
        BackendError: a missing package.
    """
    table = BACKENDS
    if settings.implementation == "package" and settings.aligner in BACKENDS:
        if settings.aligner not in PACKAGES:
            raise RecipeError(
                f"[align] implementation = 'package': there is none for aligner = {settings.aligner!r}; "
                f"leave it out, or use {', '.join(PACKAGES)}"
            )
        table = PACKAGES
    aligner: Aligner = find("aligner", settings.aligner, table)(settings, fitted, runtime)
    return aligner
