"""Translators: sentences in, translations out. One file per back end, opened by name.

A new back end is a file with a class that follows `Translator`, a line in `BACKENDS`, and a parameter of
tests/contracts/test_translator_contract.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, cast, runtime_checkable

from xproj import backends
from xproj.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from xproj import recipe
    from xproj.core.markers import Marked

BACKENDS = {
    "apertium": "xproj.translators.apertium:ApertiumTranslator",
    "bitext": "xproj.translators.bitext:BitextTranslator",
    "fake": "xproj.translators.fake:FakeTranslator",
    "nllb": "xproj.translators.nllb:NllbTranslator",
}
WITHOUT_MODEL = frozenset({"apertium", "bitext", "fake"})
WITH_MODES = frozenset({"apertium", "fake"})
PROGRAMS = frozenset({"apertium"})
"""Programs of this machine, with a mode for each pair of languages: `mode` of such a translator finds it."""
STYLES: dict[str, frozenset[str]] = {
    "apertium": frozenset({"blanks"}),
    "fake": frozenset({"brackets", "xml"}),
    "nllb": frozenset({"brackets", "xml"}),
}
"""The markers that each of them carries, as its class says too: known here without importing it."""
WITHOUT_LANGUAGE = frozenset({"bitext", "fake"})
"""Translators that need not know between which languages."""


class Part(NamedTuple):
    """A sentence: the characters `[source_start, source_end)` of a text became `[start, end)` of its translation."""

    source_start: int
    source_end: int
    start: int
    end: int


class Translation(NamedTuple):
    """One translation; `score` is the mean log-probability of its tokens, `status` is `ok` or says what failed.

    `marked` is the raw answer with its marks, where marks were asked for, and `alone` are translations of the marked
    entities on their own, where the style needs them; `parts` are its sentences, where the translator took them one by
    one.
    """

    text: str
    score: float
    status: str = "ok"
    marked: str | None = None
    parts: tuple[Part, ...] = ()
    alone: tuple[str, ...] = ()


class Translator(Protocol):
    """Translates sentences.

    `capabilities` is a set of `score` (gives log-probabilities of given texts), `markers` (carries marks: it is a
    `MarkedTranslator`) and `n_best` (gives several translations). Language codes are those of NLLB, e.g. `swh_Latn`.
    """

    capabilities: frozenset[str]

    def translate(self, texts: Sequence[str], *, source: str, target: str, n_best: int = 1) -> list[list[Translation]]:
        """At most `n_best` translations of each text, the best first, at least one.

        The same texts in the same order have the same translations; of most engines, each text has whatever the batch.
        """
        ...

    def score(self, sources: Sequence[str], targets: Sequence[str], *, source: str, target: str) -> np.ndarray:
        """The mean log-probability of each given target, float32 (n,)."""
        ...


@runtime_checkable
class MarkedTranslator(Protocol):
    """A translator that carries the marks of entities through, written in one of its `styles`."""

    styles: frozenset[str]

    def translate_marked(
        self, sentences: Sequence[Marked], *, source: str, target: str, markers: str
    ) -> list[Translation]:
        """One translation of each sentence; `text` is what the style `markers` decodes from `marked`."""
        ...


def open(  # noqa: A001
    name: str,
    model: str | None = None,
    *,
    mode: str | None = None,
    settings: recipe.Translate | None = None,
    runtime: recipe.Runtime | None = None,
) -> Translator:
    """The translator `name` with its model, if it has one.

    Args:
        name: a key of `BACKENDS`.
        model: a folder, or a name on the hub.
        mode: one of Apertium's, or of the fake one's.
        settings: how a model translates; the defaults of the table where there are none.
        runtime: where it runs.

    Raises:
        RecipeError: no such back end, a model or mode for one that has none, or none for one that needs it.
        BackendError: a missing package.
    """
    _check_choice(name, model, mode)
    found = backends.find("translator", name, BACKENDS)
    if name in WITH_MODES and mode is not None:
        return cast("Translator", found(mode))
    return cast("Translator", found() if name in WITHOUT_MODEL else found(model, settings, runtime))


def check(settings: recipe.Translate, where: str) -> None:
    """Refuse what the translator of these settings has not, as far as it shows without a model.

    Args:
        settings: of `[translate]` or `[back]`.
        where: the name of that table.

    Raises:
        RecipeError: no such translator, or a model, a mode or markers that it does not have.
    """
    name, markers = settings.translator, settings.markers
    _check_choice(name, settings.model, settings.mode)
    if name in WITHOUT_MODEL:
        open(name, mode=settings.mode)  # looks at the mode
    styles = STYLES.get(name, frozenset())
    if markers not in (None, "constrained") and markers not in styles:
        then = f"choose {' or '.join(sorted(styles))}" if styles else "leave them out"
        raise RecipeError(f"[{where}] translator = {name!r} carries no markers {markers!r}; {then}")


def _check_choice(name: str, model: str | None, mode: str | None) -> None:
    backends.check("translator", name, BACKENDS)
    if mode is not None and name not in WITH_MODES:
        raise RecipeError(f"translator {name!r} has no modes, but {mode!r} is given; leave the mode out")
    if model is not None and name in WITHOUT_MODEL:
        raise RecipeError(f"translator {name!r} has no model, but {model!r} is given; leave the model out")
    if model is None and name not in WITHOUT_MODEL:
        raise RecipeError(f'translator {name!r} needs a model; add model = "…", a folder or a name on the hub')
