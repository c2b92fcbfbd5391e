"""The stage that translates the labelled source sentence into the target language, as evidence for the alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import combine
from xproj.core.markers import Marked
from xproj.errors import RecipeError
from xproj.evidence import mentions
from xproj.rows import count_rows, ok_rows, total
from xproj.schema import COLUMNS
from xproj.stages.base import Mapped, language_of
from xproj.stages.translate import Translate
from xproj.translators import marking

if TYPE_CHECKING:
    from xproj import recipe as recipes
    from xproj.core.recovery import Mention
    from xproj.languages import Language
    from xproj.recipe import Recipe
    from xproj.translators import Translation


class Back(Translate):
    """The back-translation of each row with entities, and those of its entities that are found in it.

    It comes after `tag`, as it needs labels. A back-translation that fails is no status of the row, which has its
    direct path still: the row has none, and is counted.
    """

    name = "back"
    version = 3
    required = ("id", "source_tokens", "source_entities")
    optional = ("source_text", "back_tokens", "back_entities", "status")
    adds = ("back_tokens", "back_entities")
    keys = ("language", "source")

    @classmethod
    def planned(cls, recipe: Recipe) -> bool:
        """On any route that has labels of the source side and a target sentence that was not translated from it."""
        return recipe.back is not None

    @property
    def _settings(self) -> recipes.Translate:
        assert self.recipe.back is not None
        return self.recipe.back

    @property
    def _sides(self) -> tuple[str, str]:
        return "source", "target"

    def _check(self) -> None:
        if self.recipe.route == "translate-train":
            raise RecipeError(
                "[back] on route = 'translate-train': the target sentence is that translation already; leave [back] "
                "and translate.back_translate out"
            )

    def reads(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """As declared: entities are read with and without marks."""
        return self.required, self.optional

    def one_of(self) -> tuple[str, ...]:
        """As declared: words are required."""
        return ()

    def adding(self) -> tuple[str, ...]:
        """The back-translation."""
        return self.adds

    def map(self, table: pa.Table, first_row: int = 0) -> Mapped:
        """Translate the rows that are ok and have entities; a back-translation of the input stays."""
        here, there = (language_of(code) for code in self.languages)
        tokens, found = (combine(table[name]).to_pylist() for name in self.adds)
        sizes = pc.fill_null(pc.list_value_length(combine(table["source_entities"])), 0).to_numpy()
        given = pc.is_valid(combine(table["back_tokens"])).to_numpy(zero_copy_only=False)
        wanted = np.flatnonzero(ok_rows(table) & (sizes > 0) & ~given)
        rows = table.take(pa.array(wanted, pa.int64()))
        translations, counts = self._translate(self._sentences(rows, here), here, there)
        known = self._alone(rows, here, there)
        failed = 0
        for row, best in zip(wanted.tolist(), translations, strict=True):
            if best.status != "ok":
                failed += 1
                continue
            words, entities = table["source_tokens"][row].as_py(), table["source_entities"][row].as_py()
            alone = best.alone or [known.get(tuple(words[e["start"] : e["end"]]), "") for e in entities]
            tokens[row] = self._words(best, there)
            found[row] = self._found(best, tokens[row], mentions(words, entities, alone))
        made = zip(self.adds, (tokens, found), strict=True)
        columns = {name: pa.array(values, COLUMNS[name]) for name, values in made}
        numbers = {
            "rows.translated": len(wanted),
            "rows.failed": failed,
            "entities": int(sizes[ok_rows(table)].sum()),
            "entities.back": total(columns["back_entities"]),
        }
        return Mapped(columns, count_rows(table) | numbers | counts)

    def _found(self, best: Translation, tokens: list[str], asked: list[Mention]) -> list[dict[str, Any]]:
        """The back entities, in the order of the source entities; those that are lost are not among them."""
        from xproj.core import recovery, text_markers

        style, raw = self._settings.style, best.marked
        if style is None or raw is None:  # nothing but the words to go by
            style, raw = "brackets", text_markers.encode_brackets(Marked(best.text))
        places = recovery.places(style, raw, tokens, asked)
        assert places is not None, "the words are those of this text"
        return [
            {"start": p.start, "end": p.end, "label": asked[k].label, "score": p.likeness, "source_entity": k}
            for k, p in sorted(places.items())
            if k < len(asked)
        ]

    def _alone(self, rows: pa.Table, here: Language, there: Language) -> dict[tuple[str, ...], str]:
        """The stand-alone translation of each distinct entity, by its words, where no marks are to find it."""
        from xproj.core.words import join

        if self._settings.markers:
            return {}
        pairs = zip(rows["source_tokens"].to_pylist(), rows["source_entities"].to_pylist(), strict=True)
        names = list(dict.fromkeys(tuple(words[e["start"] : e["end"]]) for words, row in pairs for e in row))
        texts = [join(name, here) for name in names]
        found = self._translator.translate(texts, source=here.code, target=there.code)
        return {
            name: marking.stand_alone(text, best) for name, text, (best, *_) in zip(names, texts, found, strict=True)
        }
