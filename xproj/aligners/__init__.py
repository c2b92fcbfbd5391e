"""Word aligners: token columns in, a link column out.

A back end is one file with one class; `BACKENDS` names it. A newcomer adds a line here, a file beside this one, and a
parameter in `tests/contracts/test_aligner_contract.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xproj.backends import find
from xproj.errors import RecipeError, XprojError

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
    "ensemble": "xproj.aligners.ensemble:EnsembleAligner",
}
# `[align] implementation = "package"`: the reference implementation behind the same protocol
PACKAGES = {"simalign": "xproj.aligners.simalign_package:PackageAligner"}


# the folder, in that of a fit, of what was learned from back-translations
BACK = "back"


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
        if settings.tune:
            raise RecipeError("[align] implementation = 'package' does not fine-tune; leave tune out, or set 'own'")
        table = PACKAGES
    aligner: Aligner = find("aligner", settings.aligner, table)(settings, fitted, runtime)
    return aligner


def reads_file(settings: Align) -> bool:
    """Does the aligner, or a member of it, read links by the place of a row: `first_row` of `align`, `check_rows`?"""
    names = [settings.member(name).aligner for name in settings.members] if settings.members else [settings.aligner]
    return "given" in names


def check(settings: Align) -> None:
    """Refuse a model that is not there, or lacks the layer that is read, as far as it shows without loading it.

    Raises:
        XprojError: says what to do.
    """
    from xproj.encoders import files

    for name in settings.members:
        try:
            check(settings.member(name))
        except XprojError as error:
            raise type(error)(f"[align] members.{name}: {error}") from error
    if settings.model is None or not runs_model(settings) or settings.members:
        return
    files.check(settings.model, settings.revision)
    if settings.layer is not None:
        files.check_layer(settings.model, settings.layer)


def runs_model(settings: Align) -> bool:
    """Does the aligner, or a member of it, run a model in torch?"""
    names = [settings.member(name).aligner for name in settings.members] if settings.members else [settings.aligner]
    return any(BACKENDS.get(name, "").endswith(":EncoderAligner") for name in names)


def of_back_translation(settings: Align) -> Align:
    """The same aligner for back-translation and target sentence, one language on both sides.

    It learns from these pairs alone: `prime` and `dictionary` are of two languages, and tables that `statistical` has
    saved are those in the folder `back` beside the others.

    Raises:
        RecipeError: links in a file are those of the source sentence only.
    """
    if reads_file(settings):
        raise RecipeError(
            "[align] refine: aligner = 'given' has no links of the back-translation; "
            "take an aligner that makes links, or give project the column back_links"
        )
    if settings.members:
        members = {
            name: of_back_translation(settings.member(name)).model_dump(exclude_unset=True) for name in settings.members
        }
        return settings.model_copy(update={"members": members})
    tables = settings.aligner == "statistical" and settings.model is not None
    model = f"{settings.model}/{BACK}" if tables else settings.model
    return settings.model_copy(update={"prime": None, "dictionary": None, "model": model})


def share(progress: Progress | None, number: int, of: int) -> Progress | None:
    """Progress of piece `number` (from 0) of so many that count alike, in thousandths of a piece."""
    if progress is None:
        return None
    whole, seen = progress, -1

    def told(done: int, total: int) -> None:
        nonlocal seen
        at = 1000 * number + (1000 * done // total if total else 0)
        if at > seen:
            seen = at
            whole(at, 1000 * of)

    return told
