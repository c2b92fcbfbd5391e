"""What is wrong with translations, as the stages that translate ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.languages import Language
    from xproj.translators import Translation


class Checks:
    """What is wrong with translations: sentence by sentence where they have parts; their language as a whole."""

    def __init__(self, here: Language, there: Language, *, language: bool = True) -> None:
        from xproj.identification import Identifier

        self.language = language
        self._same = here == there
        self._identifier = Identifier(there) if language else None

    def checked(self, texts: Sequence[str], translations: Sequence[Translation]) -> list[Translation]:
        """The translations with a status each; one that has failed keeps its own."""
        from xproj.core import translation_checks

        rows: list[int] = []
        sources: list[str] = []
        targets: list[str] = []
        for row, (text, one) in enumerate(zip(texts, translations, strict=True)):
            if one.status != "ok":
                continue
            for part in one.parts or [(0, len(text), 0, len(one.text))]:
                rows.append(row)
                sources.append(text[part[0] : part[1]])
                targets.append(one.text[part[2] : part[3]])
        statuses: dict[int, str] = {}
        checked = translation_checks.check(sources, targets, same_language=self._same)
        for row, status in zip(rows, checked, strict=True):
            if statuses.get(row, "ok") == "ok":
                statuses[row] = status
        for row, status in statuses.items():
            if status == "ok" and self._wrong(translations[row]):
                statuses[row] = "translation_wrong_language"
        return [one._replace(status=statuses.get(row, one.status)) for row, one in enumerate(translations)]

    def unchecked(self, translations: Sequence[Translation]) -> int:
        """Translations without a fault whose language could not be told."""
        return sum(one.status == "ok" and self._wrong(one) is None for one in translations)

    def _wrong(self, translation: Translation) -> bool | None:
        return None if self._identifier is None else self._identifier.is_wrong(translation.text)
