"""The filters of a silver corpus: each sentence that they leave out has a reason, the first that applies.

length_ratio     its length does not fit that of the source sentence
dropped          too large a share of its source entities was dropped
confidence       the mean score of its spans is too low
duplicate        the same words were there before
language         it is in another language, as far as that can be told
unlabelled       there are enough sentences without entities
"""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj.columns import TokenColumn, combine, flatten
from xproj.core import selection
from xproj.core.words import join
from xproj.corpora.ids import Digests, Seen, digests
from xproj.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xproj.columns import Bool, Int64
    from xproj.languages import Language
    from xproj.recipe import Silver

REASONS = ("length_ratio", "dropped", "confidence", "duplicate", "language", "unlabelled")
SEPARATOR = "\x1f"
MIN_LETTERS = 20


class Selection:
    """The filters that `settings` asks for; tables go through `rejected` one after the other.

    With `max_unlabelled` the corpus goes first through `survey`, which counts what there is to choose from.

    Raises:
        RecipeError: an impossible length ratio.
    """

    def __init__(self, settings: Silver, target: Language, source: Language | None = None) -> None:
        low, high = settings.length_ratio or (0.0, np.inf)
        if not 0 <= low <= high:
            raise RecipeError(f"silver.length_ratio = [{low}, {high}]: not a range; e.g. [0.5, 2.0]")
        self._settings = settings
        self._target, self._source = target, source
        self._seen = Seen()
        self._identifier = _identifier(target) if settings.check_language else None
        self._labelled = 0
        self._bound: np.uint64 | None = None
        self.active = tuple(reason for reason in REASONS if self._asks(reason))
        self.left_out: Counter[str] = Counter(dict.fromkeys(self.active, 0))
        """Sentences left out, by reason."""
        self.unchecked = 0
        """Sentences whose language could not be told."""

    def _asks(self, reason: str) -> bool:
        settings = self._settings
        return {
            "length_ratio": settings.length_ratio is not None,
            "dropped": settings.max_dropped < 1,
            "confidence": settings.min_confidence > 0,
            "duplicate": settings.drop_duplicates,
            "language": settings.check_language,
            "unlabelled": settings.max_unlabelled is not None,
        }[reason]

    def survey(self, tables: Iterable[pa.Table]) -> None:
        """Read all candidates once and fix which sentences without entities may stay."""
        if self._settings.max_unlabelled is None:
            return
        first = Selection(self._settings.model_copy(update={"max_unlabelled": None}), self._target, self._source)
        labelled, hashes = 0, [np.zeros(0, dtype=np.uint64)]
        for table in tables:
            kept = table.filter(pa.array(~first.rejected(table)))
            without = _without_entities(kept)
            labelled += int((~without).sum())
            hashes.append(_hashes(kept.filter(pa.array(without))["id"]))
        allowed = int(self._settings.max_unlabelled * labelled)
        self._bound = selection.bound_of_smallest(np.concatenate(hashes), allowed)

    def rejected(self, table: pa.Table) -> Bool:
        """Which rows to leave out, (n,); counts them.

        `table` has the columns target_tokens, target_entities, source_tokens, source_entities and dropped.
        """
        out = np.zeros(table.num_rows, dtype=bool)
        for reason in self.active:
            rows = np.flatnonzero(~out)
            wrong = rows[getattr(self, f"_{reason}")(table.take(pa.array(rows)) if len(rows) < len(out) else table)]
            self.left_out[reason] += len(wrong)
            out[wrong] = True
        return out

    def _length_ratio(self, table: pa.Table) -> Bool:
        assert self._settings.length_ratio is not None
        source = _lengths(table["source_tokens"], self._source is None or self._source.spaces)
        target = _lengths(table["target_tokens"], self._target.spaces)
        return selection.ratio_outside(source, target, *self._settings.length_ratio)

    def _dropped(self, table: pa.Table) -> Bool:
        lost, all_ = (np.diff(flatten(table[name])[0]) for name in ("dropped", "source_entities"))
        return selection.share_above(lost, all_, self._settings.max_dropped)

    def _confidence(self, table: pa.Table) -> Bool:
        return np.asarray(confidences(table["target_entities"]) < np.float32(self._settings.min_confidence))

    def _duplicate(self, table: pa.Table) -> Bool:
        again = np.zeros(table.num_rows, dtype=bool)
        again[self._seen.add([SEPARATOR.join(words) for words in table["target_tokens"].to_pylist()])] = True
        return again

    def _language(self, table: pa.Table) -> Bool:
        other = np.zeros(table.num_rows, dtype=bool)
        if self._identifier is None:
            self.unchecked += table.num_rows
            return other
        for row, words in enumerate(table["target_tokens"].to_pylist()):
            text = join(words, self._target)
            if sum(map(str.isalpha, text)) < MIN_LETTERS:
                self.unchecked += 1
            else:
                other[row] = self._identifier.classify(text)[0] != self._target.bcp47
        return other

    def _unlabelled(self, table: pa.Table) -> Bool:
        out = _without_entities(table)
        if self._bound is None:
            return np.zeros(len(out), dtype=bool)
        without = np.flatnonzero(out)
        out[without] = _hashes(table["id"].take(pa.array(without))) > self._bound
        return out


def confidences(entities: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The mean score of the spans of each row, (n,) float32; 1 without any, and a missing score (null or NaN) counts
    as 1."""
    offsets, values, _ = flatten(entities)
    score = pc.fill_null(pc.struct_field(values, "score"), 1.0).to_numpy(zero_copy_only=False)
    return selection.mean_of_lists(offsets, np.where(np.isnan(score), 1.0, score), 1.0)


def _without_entities(table: pa.Table) -> Bool:
    return np.asarray(np.diff(flatten(table["target_entities"])[0]) == 0)


def _hashes(ids: pa.ChunkedArray | pa.Array) -> Digests:
    """Hashes of ids that have nothing to do with those that decide on the split."""
    return digests(f"unlabelled {name}" for name in ids.to_pylist())


def _lengths(tokens: pa.ChunkedArray | pa.Array, words: bool) -> Int64:
    """The length of each sentence, (n,): in words, or in characters."""
    column = TokenColumn.read(tokens)
    if words:
        return column.lengths
    characters = pc.utf8_length(combine(column.values)).to_numpy(zero_copy_only=False)
    sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(characters, dtype=np.int64)])
    return np.asarray(np.diff(sums[column.offsets]))


def _identifier(language: Language) -> Any:
    """py3langid's identifier; None where it is not installed, or does not know the language."""
    if find_spec("py3langid") is None:
        return None
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    return found if language.bcp47 in found.labels else None
