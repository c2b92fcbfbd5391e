"""Translators: sentences in, translations out. One file per back end, opened by name.

A new back end is a file with a class that follows `Translator`, a line in `BACKENDS`, and a parameter of
tests/contracts/test_translator_contract.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from xproj import backends
from xproj.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

BACKENDS = {
    "bitext": "xproj.translators.bitext:BitextTranslator",
    "fake": "xproj.translators.fake:FakeTranslator",
}
WITHOUT_MODEL = frozenset({"bitext", "fake"})


class Translation(NamedTuple):
    """One translation; `score` is the mean log-probability of its tokens, `status` is `ok` or says what failed."""

    text: str
    score: float
    status: str = "ok"


class Translator(Protocol):
    """Translates sentences.

    `capabilities` is a set of `score` (gives log-probabilities of given texts), `markers` (keeps brackets in place)
    and `n_best` (gives several translations). Language codes are those of NLLB, e.g. `swh_Latn`.
    """

    capabilities: frozenset[str]

    def translate(self, texts: Sequence[str], *, source: str, target: str, n_best: int = 1) -> list[list[Translation]]:
        """At most `n_best` translations of each text, the best first, at least one; the same whatever the batch."""
        ...

    def score(self, sources: Sequence[str], targets: Sequence[str], *, source: str, target: str) -> np.ndarray:
        """The mean log-probability of each given target, float32 (n,)."""
        ...


def open(name: str, model: str | None = None) -> Translator:  # noqa: A001
    """The translator `name` with its model, if it has one.

    Raises:
        RecipeError: no such back end, or a model for one that has none.
        BackendError: a missing package.
    """
    found = backends.find("translator", name, BACKENDS)
    if model is None:
        return cast("Translator", found())
    if name in WITHOUT_MODEL:
        raise RecipeError(f"translator {name!r} has no model, but {model!r} is given; leave the model out")
    return cast("Translator", found(model))
