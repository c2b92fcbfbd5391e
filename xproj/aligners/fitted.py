"""What a fit of the statistical aligner leaves in its folder: `aligner.json` and `tables.npz`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xproj.aligners.views import View, Vocabulary
from xproj.core import lexicon
from xproj.errors import BackendError, CorpusError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 5
# each view has tables of model 1 at least
MODELS = 3


class Model(NamedTuple):
    """The tables of one view; those of an HMM come with its jumps, (2, 2 · MAX_JUMP + 1)."""

    view: View
    tables: lexicon.Tables
    jumps: np.ndarray | None


class Fitted(NamedTuple):
    """Vocabularies, models, and whether no pair of the corpus can be missing from the tables unless it was never
    linked."""

    source: Vocabulary
    target: Vocabulary
    models: list[Model]
    complete: bool


def name_arrays(prefix: int, number: int, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of model `number` of a view under the names that they have in the file."""
    return {f"{prefix}.{number}.{name}": array for name, array in arrays.items()}


def write(
    folder: Path, source: Vocabulary, target: Vocabulary, arrays: Mapping[str, np.ndarray], header: dict[str, Any]
) -> None:
    """Save the vocabularies and the arrays of all views; `header` says how to read them."""
    words: dict[str, Any] = {"source_words": _pack(source.words), "target_words": _pack(target.words)}
    np.savez(folder / "tables.npz", allow_pickle=False, **words, **arrays)
    (folder / "aligner.json").write_text(json.dumps({"format": FORMAT} | header, sort_keys=True) + "\n")


def read(folder: Path, trust_floor: bool) -> Fitted:
    """What `write` left.

    Raises:
        BackendError: there is none, or it is of another version.
    """
    try:
        header = json.loads((folder / "aligner.json").read_text())
        arrays = dict(np.load(folder / "tables.npz"))
        if header["format"] != FORMAT:
            raise ValueError(f"they are of format {header['format']}, this version reads {FORMAT}")
    except (OSError, ValueError) as error:
        raise BackendError(
            f"{folder}: no tables of the statistical aligner ({error}); "
            "give the folder `fit` of an align stage, or leave align.model out"
        ) from error
    source, target = (Vocabulary(_unpack(arrays[f"{side}_words"])) for side in ("source", "target"))
    models = []
    for prefix in header["prefixes"]:
        view = View(prefix, source, target, header["orthography"])
        for start in (f"{prefix}.{number}." for number in range(MODELS)):
            mine = {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
            if mine:
                jumps = mine.pop("jumps", None)
                models.append(Model(view, lexicon.expand(mine), jumps))
    return Fitted(source, target, models, trust_floor and not header["pruned_word_pairs"])


def _pack(words: list[str]) -> np.ndarray:
    """Words as bytes, one per line; a normalised word holds no line break."""
    for word in words:
        if "\n" in word:
            raise CorpusError(f"the word {word!r} holds a line break; words are split at white space")
    return np.frombuffer("\n".join(words).encode("utf-8"), dtype=np.uint8)


def _unpack(packed: np.ndarray) -> list[str]:
    return packed.tobytes().decode("utf-8").split("\n") if len(packed) else []
