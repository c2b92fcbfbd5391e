"""Entities as marks in the text, through any translator of plain text, with what helps to find lost ones again.

The stand-alone translation of each distinct entity is asked for in the same call. An answer that lacks marks is asked
for again with another pair of brackets, then taken from the translator's next hypotheses, if one of them has all marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xproj.core import text_markers
from xproj.core.text_markers import STYLES
from xproj.errors import RecipeError
from xproj.rows import add_counts
from xproj.translators import Part, Translation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.core.markers import Marked
    from xproj.core.text_markers import Form
    from xproj.translators import Translator

STYLES_OF_TEXT = frozenset({"brackets", "xml"})
# a full stop that a translator sets behind a name on its own
STOPS = ".。।"


class Answer(NamedTuple):
    """A translation, the form that was sent, and how its marks were read."""

    translation: Translation
    form: Form
    marked: Marked
    whole: bool


def by_text(
    translator: Translator,
    sentences: Sequence[Marked],
    *,
    source: str,
    target: str,
    markers: str,
    n_best: int = 1,
) -> list[Translation]:
    """One translation of each sentence; `marked` is what came back, `alone` the stand-alone translations of its pieces.

    Args:
        translator: translates plain text; its counts, if it has any, are those of all calls together.
        sentences: with their entities as pieces.
        source: language code.
        target: language code.
        markers: brackets or xml.
        n_best: hypotheses that are looked at where marks are missing.

    Raises:
        RecipeError: other markers.
    """
    if markers not in STYLES_OF_TEXT:
        raise RecipeError(f"no markers {markers!r} in plain text; these are {' and '.join(sorted(STYLES_OF_TEXT))}")
    calls = _Calls(translator, {"source": source, "target": target})
    forms = [text_markers.forms(sentence, markers) for sentence in sentences]
    names = [[sentence.text[p.start : p.end] for p in sentence.pieces] for sentence in sentences]
    distinct = list(dict.fromkeys(name for row in names for name in row if name.strip()))
    texts = [form[0].text for form in forms]
    found = calls.translate([*texts, *distinct])
    alone = {name: stand_alone(name, best) for name, (best, *_) in zip(distinct, found[len(texts) :], strict=True)}
    answers = [_read(row[0], form[0]) for row, form in zip(found, forms, strict=False)]
    _retry(answers, {row: forms[row][1] for row in _broken(answers) if len(forms[row]) > 1}, calls, 1)
    if n_best > 1:
        _retry(answers, {row: forms[row][0] for row in _broken(answers)}, calls, n_best)
    if hasattr(translator, "counts"):
        translator.counts = calls.counts
    return [
        _translation(answer, sentence.text, markers, tuple(alone.get(name, "") for name in row))
        for answer, sentence, row in zip(answers, sentences, names, strict=True)
    ]


def _broken(answers: Sequence[Answer]) -> list[int]:
    return [row for row, answer in enumerate(answers) if not answer.whole and answer.translation.status == "ok"]


def _retry(answers: list[Answer], forms: dict[int, Form], calls: _Calls, n_best: int) -> None:
    """Replace answers by the first hypothesis that has all marks; where none has, they stay."""
    again = calls.translate([form.text for form in forms.values()], n_best)
    for (row, form), hypotheses in zip(forms.items(), again, strict=True):
        read = (_read(one, form) for one in hypotheses if one.status == "ok")
        answers[row] = next((answer for answer in read if answer.whole), answers[row])


def _read(translation: Translation, form: Form) -> Answer:
    marked = text_markers.read(translation.text, form)
    pieces = len(marked.pieces)
    return Answer(translation, form, marked, pieces == text_markers.kept(marked) == form.marks)


def stand_alone(name: str, translation: Translation) -> str:
    """The translation of a name without the full stop that translators set behind it; empty where it failed."""
    if translation.status != "ok":
        return ""
    text = translation.text.strip()
    return text if name.rstrip().endswith(tuple(STOPS)) else text.rstrip(STOPS).rstrip()


def _translation(answer: Answer, source: str, markers: str, alone: tuple[str, ...]) -> Translation:
    best, text = answer.translation, answer.marked.text
    status = best.status if text or best.status != "ok" else "translation_empty"
    raw = STYLES[markers].encode(answer.marked) if text else None
    return Translation(text, best.score, status, raw, _parts(answer, source), alone)


def _parts(answer: Answer, source: str) -> tuple[Part, ...]:
    """The sentences of an answer, where they stand in both texts without marks; none where marks hide it."""
    parts, form = answer.translation.parts, answer.form
    ours = _placed(source, [form.text[part.source_start : part.source_end] for part in parts], form)
    theirs = _placed(answer.marked.text, [answer.translation.text[part.start : part.end] for part in parts], form)
    if ours is None or theirs is None:
        return ()
    return tuple(Part(*one, *other) for one, other in zip(ours, theirs, strict=True))


def _placed(whole: str, parts: Sequence[str], form: Form) -> list[tuple[int, int]] | None:
    for bare in zip(*(text_markers.bare(part, form) for part in parts), strict=True):
        found = text_markers.places(whole, bare)
        if found is not None:
            return found
    return None


class _Calls:
    """A translator in two languages, and its counts summed up."""

    def __init__(self, translator: Translator, codes: dict[str, str]) -> None:
        self._translator, self._codes = translator, codes
        self.counts: dict[str, int] = {}

    def translate(self, texts: Sequence[str], n_best: int = 1) -> list[list[Translation]]:
        """See Translator.translate."""
        if not texts:
            return []
        found = self._translator.translate(texts, **self._codes, n_best=n_best)
        self.counts = add_counts([self.counts, getattr(self._translator, "counts", {})])
        return found
