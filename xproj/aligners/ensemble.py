"""Several aligners as one: their links are put together by mean score or by vote (see `core.ensemble`)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from xproj import aligners
from xproj.columns import LinkColumn, TokenColumn
from xproj.core import ensemble
from xproj.errors import BackendError, CorpusError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xproj.aligners import Aligner, Pairs, Progress
    from xproj.aligners.given import GivenAligner
    from xproj.recipe import Align, Runtime

MEAN_THRESHOLD = 0.2


class EnsembleAligner:
    """See the module. Settings read: members, combine, threshold (smallest mean score; .2 when none is set).

    Each member is opened by its own table of settings and keeps its fit in a folder of its name.
    """

    def __init__(self, settings: Align, fitted: Path | None = None, runtime: Runtime | None = None) -> None:
        if not settings.members:
            raise RecipeError("[align] aligner = 'ensemble' needs members, e.g. members = ['statistical', 'given']")
        self.settings = settings
        self._threshold = MEAN_THRESHOLD if settings.threshold is None else settings.threshold
        # in the order of their names: sums do not depend on the order of the recipe
        self._settings = {name: settings.member(name) for name in sorted(settings.members)}
        self._members: dict[str, Aligner] = {}
        for name, member in self._settings.items():
            with _of_member(name):
                self._members[name] = aligners.open(member, fitted=fitted and fitted / name, runtime=runtime)
        self._fitting = [name for name, member in self._members.items() if member.needs_fit]
        self.needs_fit = bool(self._fitting)
        self.counts: dict[str, int] = {}

    def fit(
        self, parts: Pairs, *, languages: tuple[str, str], output: Path, progress: Progress | None = None
    ) -> dict[str, int | float]:
        """Fit each member that needs it into `output/NAME`; its counts are `NAME.count`."""
        output.mkdir(parents=True, exist_ok=True)
        counts: dict[str, int | float] = {}
        for number, name in enumerate(self._fitting):
            shared = aligners.share(progress, number, len(self._fitting))
            with _of_member(name):
                found = self._members[name].fit(parts, languages=languages, output=output / name, progress=shared)
            counts |= {f"{name}.{key}": value for key, value in found.items()}
        seen = [value for key, value in counts.items() if key.endswith(".sentence_pairs")]
        # a member with more text of its own (prime) counts that too
        return ({"sentence_pairs": min(seen)} if seen else {}) | counts

    def align(
        self, source: TokenColumn, target: TokenColumn, *, languages: tuple[str, str], first_row: int = 0
    ) -> LinkColumn:
        """The links of the ensemble, sorted by source word, then target word."""
        found = []
        for name, member in self._members.items():
            place = {"first_row": first_row} if self._settings[name].aligner == "given" else {}
            with _of_member(name):
                links = member.align(source, target, languages=languages, **place)
            found.append((links.offsets, links.source, links.target, links.score))
        self.counts = {
            f"{name}.{key}": count
            for name, member in self._members.items()
            for key, count in getattr(member, "counts", {}).items()
        }
        combined = ensemble.combine(found, self.settings.combine, self._threshold)
        return LinkColumn(*combined, source.valid & target.valid)

    def check_rows(self, rows: int) -> None:
        """As the aligner `given`, for members that are one."""
        for name, member in self._members.items():
            if self._settings[name].aligner == "given":
                given: GivenAligner = member  # type: ignore[assignment]
                with _of_member(name):
                    given.check_rows(rows)


@contextmanager
def _of_member(name: str) -> Iterator[None]:
    """What is wrong with a member's settings or model is said of that member."""
    try:
        yield
    except (RecipeError, BackendError, CorpusError) as error:
        raise type(error)(f"[align] members.{name}: {str(error).removeprefix('[align] ')}") from error
