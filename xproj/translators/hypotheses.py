"""From the hypotheses of sentences to translations of texts."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from xproj.core.sentences import joined
from xproj.core.translation_checks import visible
from xproj.translators import Part, Translation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.translators.engines import Hypothesis


def shown(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without what does not show at its ends: an unseen character there changes a whole translation."""
    while start < end and not visible(text[start]):
        start += 1
    while start < end and not visible(text[end - 1]):
        end -= 1
    return start, end


def rank(them: Sequence[tuple[str, Hypothesis]], length_penalty: float = 1.0) -> float:
    """Σ log p / n^penalty over sentences; with the penalty 1 the translation score."""
    return sum(one.total for _, one in them) / float(max(1, sum(one.length for _, one in them)) ** length_penalty)


def together(
    parts: Sequence[list[tuple[str, Hypothesis]]],
    spans: Sequence[tuple[int, int]],
    n_best: int,
    length_penalty: float,
    *,
    spaces: bool,
) -> list[Translation]:
    """The best translations of a text from those of its sentences; different ones, as far as there are any.

    Args:
        parts: the hypotheses of each sentence with their texts, best first.
        spans: where each sentence stands in the text.
        n_best: translations, at most.
        length_penalty: see `rank`.
        spaces: are sentences of the target language set apart by spaces?
    """
    if not parts:
        return [Translation("", 0.0, "translation_empty")]
    chosen: list[list[tuple[str, Hypothesis]]] = [[]]
    for part in parts:
        longer = [[*before, one] for before, one in product(chosen, part)]
        # the first one cannot fall out: of each sentence it has the best
        chosen = sorted(longer, key=lambda them: -rank(them, length_penalty))[: max(n_best, len(part))]
    found: dict[str, Translation] = {}
    for them in chosen:
        translation = _translation(them, spans, spaces)
        found.setdefault(translation.text, translation)
    return list(found.values())[:n_best]


def _translation(them: Sequence[tuple[str, Hypothesis]], spans: Sequence[tuple[int, int]], spaces: bool) -> Translation:
    text, places = joined([said for said, _ in them], spaces)
    status = "ok"
    for said, one in them:
        if not any(map(visible, said)):
            status = "translation_empty"
            break
        if not one.ended:
            status = "translation_too_long"
            break
    parts = tuple(Part(*span, *place) for span, place in zip(spans, places, strict=True))
    return Translation(text, rank(them), status, parts=parts)
