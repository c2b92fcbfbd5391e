"""The stage that makes the missing side of each pair: text, words, and a status for what went wrong."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from xproj import schema
from xproj.errors import RecipeError
from xproj.rows import OK, count_rows
from xproj.schema import STATUSES
from xproj.stages.base import TEXTS, TOKENS, Mapped, Stage, language_of
from xproj.stages.checks import Checks

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
    version = 6
    ignores = ("back_translate",)
    required: ClassVar[tuple[str, ...]] = ("id",)
    optional: ClassVar[tuple[str, ...]] = (*TEXTS, *TOKENS, "status")
    keys: ClassVar[tuple[str, ...]] = ("route", "language", "source")

    def __init__(self, recipe: Recipe, fitted: Path | None = None) -> None:
        super().__init__(recipe, fitted)
        self._check()

    def _check(self) -> None:
        """Refuse marks where there are no labels yet.

        Raises:
            RecipeError: what to do instead.
        """
        if self._settings.markers is None:
            return
        if self._sides[0] == "target":
            raise RecipeError("[translate] markers needs labels on the side that is translated; leave markers out")
        if self.recipe.tag is not None:
            raise RecipeError(
                "[tag] labels sentences after they were translated, too late for [translate] markers; label the corpus "
                "first (`xproj tag`) and leave [tag] out"
            )

    def check(self) -> None:
        """There must be such a translator with what is asked of it; engines must know both languages.

        A model must be a folder, or a hub name with a commit.
        """
        from xproj import translators
        from xproj.encoders import files

        settings = self._settings
        translators.check(settings, self.name)
        if self.recipe.language is None and settings.translator not in translators.WITHOUT_LANGUAGE:
            raise RecipeError(
                f"{self.name}: the target language is not named; add --language, e.g. --language swh_Latn "
                "(`xproj languages` lists them)"
            )
        if settings.translator == "nllb" and settings.model is not None:
            files.check(settings.model, settings.revision)

    def check_machine(self) -> None:
        """A program must be installed, with a mode for the two languages."""
        from xproj import translators

        if self._settings.translator in translators.PROGRAMS:
            codes = dict(zip(("source", "target"), self.languages, strict=True))
            self._translator.mode(*(language_of(codes[side]).code for side in self._sides))

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
        marked = ("source_tokens", "source_entities") if self._settings.markers else ()
        return (*self.required, *marked), tuple(name for name in self.optional if name not in marked)

    def one_of(self) -> tuple[str, ...]:
        """Text or words of the side that is given."""
        return f"{self._sides[0]}_text", f"{self._sides[0]}_tokens"

    def adding(self) -> tuple[str, ...]:
        """Text and words of the side that is made, and the raw answers where entities were marked."""
        made = self._sides[1]
        marked: tuple[str, ...] = ("marked_text",) if self._settings.markers else ()
        if self._settings.markers in ("brackets", "xml"):
            marked += ("entity_translations",)
        return f"{made}_text", f"{made}_tokens", "translation_score", *marked, "status"

    def resolved(self) -> dict[str, Any]:
        """The engine that `auto` stands for on this machine."""
        settings = self._settings
        if settings.translator != "nllb" or settings.engine != "auto":
            return {}
        if settings.markers == "constrained":
            return {"engine": "hf"}
        from xproj.encoders import files
        from xproj.translators import engines

        assert settings.model is not None
        folder = files.config_file(settings.model, settings.revision).parent
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
        if lost := counts.get("placement.entities", 0) - counts.get("placement.placed", 0):
            found.append(
                f"{lost} of {counts['placement.entities']} entities: no place for markers, or too long a sentence"
            )
        return found

    @cached_property
    def _translator(self) -> Any:
        from xproj import translators

        settings = self._settings.model_copy(update=self.resolved())
        return translators.open(
            settings.translator, settings.model, mode=settings.mode, settings=settings, runtime=self.recipe.runtime
        )

    @cached_property
    def _placer(self) -> Any:
        settings = self._settings
        return self._translator.placer(settings.placement_limit if settings.placement_candidates == "reduced" else None)

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Translate the rows that lack the other side; the others keep what they have.

        A row that has nothing to translate is empty, whatever an engine would make of it.
        """
        given, made = self._sides
        code = dict(zip(("source", "target"), self.languages, strict=True))
        here, there = language_of(code[given]), language_of(code[made])
        codes = schema.status_codes(table).copy()
        texts, tokens = table[f"{made}_text"].to_pylist(), table[f"{made}_tokens"].to_pylist()
        missing = [r for r in np.flatnonzero(codes == OK).tolist() if not texts[r] and not tokens[r]]
        empty = self._empty(table, missing)
        codes[empty] = STATUSES.index(f"empty_{given}")
        missing = [row for row in missing if codes[row] == OK]
        sentences = self._sentences(table.take(pa.array(missing, pa.int64())), here)
        translations, more = self._translate(sentences, here, there)
        scores = np.full(table.num_rows, np.nan, dtype=np.float32)
        raw: list[str | None] = [None] * table.num_rows
        alone: list[tuple[str, ...] | None] = [None] * table.num_rows
        for row, best in zip(missing, translations, strict=True):
            texts[row], tokens[row], raw[row] = best.text, self._words(best, there), best.marked
            alone[row] = best.alone
            codes[row], scores[row] = STATUSES.index(best.status), best.score
        if "score" not in self._translator.capabilities:
            scores[:] = np.nan
        columns = {
            f"{made}_text": pa.array(texts, pa.string()),
            f"{made}_tokens": pa.array(tokens, pa.list_(pa.string())),
            "translation_score": pa.array(scores, mask=np.isnan(scores)),
            "marked_text": pa.array(raw, pa.string()),
            "entity_translations": pa.array(alone, pa.list_(pa.string())),
            "status": schema.status_array(codes),
        }
        columns = {name: columns[name] for name in self.adding()}
        return Mapped(columns, count_rows(table, codes) | {"rows.translated": len(missing)} | more)

    def _empty(self, table: pa.Table, rows: Sequence[int]) -> list[int]:
        """Those of the rows whose given side has nothing but white space."""
        chosen = table.take(pa.array(rows, pa.int64()))
        texts, tokens = (chosen[f"{self._sides[0]}_{kind}"].to_pylist() for kind in ("text", "tokens"))
        said = [f"{text or ''}{''.join(words or [])}".strip() for text, words in zip(texts, tokens, strict=True)]
        return [row for row, letters in zip(rows, said, strict=True) if not letters]

    def _words(self, best: Translation, there: Language) -> list[str]:
        """The words of a translation; a marked entity is words of its own where marks are cut out of the text."""
        from xproj.core import text_markers, words

        style = self._settings.style
        if best.marked is None or style in (None, "blanks"):
            return words.words(best.text, there)
        marked = text_markers.STYLES[style].decode(best.marked)
        return [word for segment in text_markers.segments(marked) for word in words.words(segment, there)]

    def _sentences(self, table: pa.Table, here: Language) -> list[Marked]:
        """The given side as text that engines read; with the source entities as marks, where marks are asked for."""
        from xproj.core import markers, words

        sides = (table[f"{self._sides[0]}_{kind}"].to_pylist() for kind in ("text", "tokens"))
        pairs = [
            (text if text and text.strip() else words.join(tokens or [], here), tokens or [])
            for text, tokens in zip(*sides, strict=True)
        ]
        if not self._settings.markers:
            return [markers.readable(markers.Marked(text)) for text, _ in pairs]
        schema.check_spans(table, "source_entities", "source_tokens")
        marked = []
        for (text, tokens), entities in zip(pairs, table["source_entities"].to_pylist(), strict=True):
            places = markers.locate(text, tokens)
            if places is None:  # a text that was changed after it was split
                text = words.join(tokens, here)
                places = markers.locate(text, tokens)
            assert places is not None
            sentence = markers.mark(text, places, [(e["start"], e["end"]) for e in entities or []])
            marked.append(markers.readable(sentence))
        return marked

    def _translate(
        self, sentences: Sequence[Marked], here: Language, there: Language
    ) -> tuple[list[Translation], Counts]:
        """The best translation of each sentence that has no fault, else the best; and what there is to count."""
        codes = {"source": here.code, "target": there.code}
        texts = [sentence.text for sentence in sentences]
        rows: list[list[Translation]]
        if self._settings.markers not in (None, "constrained"):
            marked = self._translator.translate_marked(sentences, **codes, markers=self._settings.markers)
            rows = [[one] for one in marked]
        else:
            rows = self._translator.translate(texts, **codes, n_best=self._settings.n_best)
        counts = dict(getattr(self._translator, "counts", {})) | self._marks(sentences, [first for first, *_ in rows])
        if hasattr(self._translator, "self_test") and texts:
            counts |= self._translator.self_test(**codes)
        found, more = self._checked(texts, rows, here, there)
        if self._settings.markers == "constrained":
            found = self._placer.place(sentences, found, **codes)
            more |= self._placer.counts
        return found, counts | more

    def _checked(
        self, texts: Sequence[str], rows: Sequence[list[Translation]], here: Language, there: Language
    ) -> tuple[list[Translation], Counts]:
        """Of each text the best translation without a fault, else the best; and what there is to count."""
        best = [first for first, *_ in rows]
        if not self._settings.checks:
            return best, {}
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
        return found, {"rows.language_unchecked": checks.unchecked(found)} if checks.language else {}

    def _marks(self, sentences: Sequence[Marked], found: Sequence[Translation]) -> Counts:
        """Entities that were sent with marks, and those of them whose marks came back."""
        from xproj.core import text_markers

        style = self._settings.markers
        if style in (None, "constrained"):
            return {}
        sent = [len(sentence.pieces) for sentence in sentences]
        decode = text_markers.STYLES[style].decode
        back = [text_markers.kept(decode(one.marked)) if one.marked else 0 for one in found]
        return {"marks.sent": sum(sent), "marks.kept": sum(map(min, sent, back))}
