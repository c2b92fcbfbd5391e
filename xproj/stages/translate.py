"""The stage that makes the missing side of each pair: text, words, and a status for what went wrong."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xproj import schema
from xproj.errors import RecipeError
from xproj.rows import OK, count_rows
from xproj.schema import STATUSES
from xproj.stages.base import TEXTS, TOKENS, Mapped, Stage, language_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xproj import recipe as recipes
    from xproj.core.markers import Marked
    from xproj.languages import Language
    from xproj.recipe import Recipe
    from xproj.stages.base import Counts
    from xproj.translators import Translation


class Translate(Stage):
    """The missing side of each pair: the target's, on the route translate-test the source's."""

    name = "translate"
    version = 3
    optional = (*TEXTS, *TOKENS, "status")
    keys = ("route", "language", "source")

    def __init__(self, recipe: Recipe, fitted: Path | None = None) -> None:
        super().__init__(recipe, fitted)
        if self._settings.markers is None:
            return
        if self._sides[0] == "target":
            raise RecipeError("[translate] markers needs labels on the side that is translated; leave markers out")
        if recipe.tag is not None:
            raise RecipeError(
                "[tag] labels sentences after they were translated, too late for [translate] markers; label the corpus "
                "first (`xproj tag`) and leave [tag] out"
            )

    @property
    def _settings(self) -> recipes.Translate:
        assert self.recipe.translate is not None
        return self.recipe.translate

    @property
    def _sides(self) -> tuple[str, str]:
        return ("target", "source") if self.recipe.route == "translate-test" else ("source", "target")

    @classmethod
    def planned(cls, recipe: Recipe) -> bool:
        """A bitext has both sides."""
        return recipe.translate is not None and recipe.route != "bitext"

    def reads(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """With the entities that are to be marked."""
        marked = ("source_entities",) if self._settings.markers else ()
        return self.required, (*self.optional, *marked)

    def adding(self) -> tuple[str, ...]:
        """Text and words of the side that is made, and the raw answers where entities were marked."""
        made = self._sides[1]
        marked = ("marked_text",) if self._settings.markers else ()
        return f"{made}_text", f"{made}_tokens", "translation_score", *marked, "status"

    def resolved(self) -> dict[str, Any]:
        """The engine that `auto` stands for on this machine."""
        settings = self._settings
        if settings.translator != "nllb" or settings.engine != "auto":
            return {}
        from xproj.encoders import loading
        from xproj.translators import engines

        assert settings.model is not None
        folder = loading.folder(settings.model, settings.revision)
        return {"engine": engines.resolve("auto", settings.compute_type, self.recipe.runtime.device, folder)}

    def runs_model(self) -> bool:
        """As the translator does."""
        from xproj import translators

        return self._settings.translator not in translators.WITHOUT_MODEL

    def runtime_keys(self) -> tuple[str, ...]:
        """In half precision, rounding depends on the batches."""
        half = self._settings.compute_type in ("float16", "bfloat16")
        return ("batch_tokens",) if self._settings.translator == "nllb" and half else ()

    def remarks(self, counts: Mapping[str, int]) -> list[str]:
        """What the self-test found, and what no identifier could check."""
        found = []
        kept, otherwise = counts.get("self_test.kept", 0), counts.get("self_test.kept_otherwise", 0)
        if otherwise > kept:
            setting = str(not self._settings.legacy_behaviour).lower()
            found.append(
                f"self-test: the model keeps {kept} of {counts['self_test.markers']} marker pairs, with "
                f"legacy_behaviour = {setting} {otherwise}; try that, or the tokenizer of the base model"
            )
        if unchecked := counts.get("rows.language_unchecked", 0):
            found.append(f"{unchecked} of {counts['rows.translated']} translations: their language could not be told")
        return found

    @cached_property
    def _translator(self) -> Any:
        from xproj import translators

        settings = self._settings
        translator = translators.open(
            settings.translator, settings.model, mode=settings.mode, settings=settings, runtime=self.recipe.runtime
        )
        if self._settings.markers and "markers" not in translator.capabilities:
            raise RecipeError(
                f"[translate] translator = {self._settings.translator!r} carries no markers; leave them out"
            )
        return translator

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Translate the rows that lack the other side; the others keep what they have."""
        from xproj.core import words

        given, made = self._sides
        code = dict(zip(("source", "target"), self.languages, strict=True))
        here, there = language_of(code[given]), language_of(code[made])
        codes = schema.status_codes(table).copy()
        texts, tokens = table[f"{made}_text"].to_pylist(), table[f"{made}_tokens"].to_pylist()
        missing = [r for r in np.flatnonzero(codes == OK).tolist() if not texts[r] and not tokens[r]]
        sentences = self._sentences(table.take(pa.array(missing, pa.int64())), here)
        translations, more = self._translate(sentences, here, there)
        scores = np.full(table.num_rows, np.nan, dtype=np.float32)
        raw: list[str | None] = [None] * table.num_rows
        for row, best in zip(missing, translations, strict=True):
            texts[row], tokens[row], raw[row] = best.text, words.words(best.text, there), best.marked
            codes[row], scores[row] = STATUSES.index(best.status), best.score
        if "score" not in self._translator.capabilities:
            scores[:] = np.nan
        columns = {
            f"{made}_text": pa.array(texts, pa.string()),
            f"{made}_tokens": pa.array(tokens, pa.list_(pa.string())),
            "translation_score": pa.array(scores, mask=np.isnan(scores)),
            "marked_text": pa.array(raw, pa.string()),
            "status": schema.status_array(codes),
        }
        columns = {name: columns[name] for name in self.adding()}
        return Mapped(columns, count_rows(table, codes) | {"rows.translated": len(missing)} | more)

    def _sentences(self, table: pa.Table, here: Language) -> list[Marked]:
        """The given side as text; with the source entities as marks, where marks are asked for."""
        from xproj.core import markers, words

        sides = (table[f"{self._sides[0]}_{kind}"].to_pylist() for kind in ("text", "tokens"))
        pairs = [(text or words.join(tokens or [], here), tokens or []) for text, tokens in zip(*sides, strict=True)]
        if not self._settings.markers:
            return [markers.Marked(text) for text, _ in pairs]
        schema.check_spans(table, "source_entities", "source_tokens")
        marked = []
        for (text, tokens), entities in zip(pairs, table["source_entities"].to_pylist(), strict=True):
            places = markers.locate(text, tokens)
            if places is None:  # a text that was changed after it was split
                text = words.join(tokens, here)
                places = markers.locate(text, tokens)
            assert places is not None
            marked.append(markers.mark(text, places, [(e["start"], e["end"]) for e in entities or []]))
        return marked

    def _translate(
        self, sentences: Sequence[Marked], here: Language, there: Language
    ) -> tuple[list[Translation], Counts]:
        """The best translation of each sentence that has no fault, else the best; and what there is to count."""
        codes = {"source": here.code, "target": there.code}
        texts = [sentence.text for sentence in sentences]
        rows: list[list[Translation]]
        if self._settings.markers:
            marked = self._translator.translate_marked(sentences, **codes, markers=self._settings.markers)
            rows = [[one] for one in marked]
        else:
            rows = self._translator.translate(texts, **codes, n_best=self._settings.n_best)
        counts = dict(getattr(self._translator, "counts", {}))
        if hasattr(self._translator, "self_test") and texts:
            counts |= self._translator.self_test(**codes)
        best = [first for first, *_ in rows]
        if not self._settings.checks:
            return best, counts
        # `fake` speaks no language that anybody knows
        checks = Checks(here, there, language=self._settings.translator != "fake")
        found = checks.checked(texts, best)
        for rank in range(1, self._settings.n_best):
            tried = [
                row[rank] if one.status != "ok" and rank < len(row) else one
                for row, one in zip(rows, found, strict=True)
            ]
            found = [
                new if new.status == "ok" else old for new, old in zip(checks.checked(texts, tried), found, strict=True)
            ]
        if checks.language:
            counts["rows.language_unchecked"] = checks.unchecked(found)
        return found, counts


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
