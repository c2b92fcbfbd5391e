"""Constrained marker placement with a model of transformers (Le et al. 2024, "CODEC"; see core.placement).

The translation is made from the clean source, so it is as good as without markers. Then, for each entity, the source
is read once with markers round that entity alone, and the translation is decoded by force with markers inserted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from transformers.modeling_outputs import BaseModelOutput

from xproj.core import placement, words
from xproj.core.markers import CONTROL, SURROGATE, Marked, Piece, encode_spans
from xproj.errors import BackendError
from xproj.languages import lookup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.core.placement import Found, Insertions, Target
    from xproj.languages import Language
    from xproj.translators import Part, Translation
    from xproj.translators.engine_torch import TorchEngine
    from xproj.translators.subwords import Codes, Subwords

    Wanted = Sequence[Sequence[tuple[int, ...]]]

MARKERS = "[", "]"
# sequences that are decoded at a time: after each batch, the best one rules others out
ROWS = {"cpu": 16, "cuda": 64}
# sub-words whose log-softmax over the vocabulary is taken at a time
POSITIONS = 256


class Pair(NamedTuple):
    """The sub-words of the opening and of the closing marker."""

    opening: list[int]
    closing: list[int]


class Place(NamedTuple):
    """Where an entity is: the sub-words of its source with markers, and the target with its possible spans."""

    source: tuple[int, ...]
    target: Target
    spans: Insertions
    start: int
    """The first word of the target, counted in the whole translation."""


class Placer:
    """Places markers in translations.

    Args:
        engine: a loaded model.
        subwords: its tokenizer.
        positions: sub-words that the model can read, codes and end not counted.
        tokens: rows times sub-words of a batch, at most.
        limit: spans scored for each entity, at most; None for all.

    Attributes:
        counts: of the last call: entities, those placed, those whose best span is proven to be the best of all, those
            that more spans were left out of than could be ruled out, those too long, and whole sequences scored.

    Raises:
        BackendError: the tokenizer does not know a marker.
    """

    def __init__(
        self, engine: TorchEngine, subwords: Subwords, *, positions: int, tokens: int, limit: int | None
    ) -> None:
        self._engine, self._subwords, self._limit = engine, subwords, limit
        self._positions, self._tokens = positions, tokens
        self._pair = Pair(*subwords.encode_targets(list(MARKERS)))
        for marker, ids in zip(MARKERS, self._pair, strict=True):
            if not ids or subwords.tokenizer.unk_token_id in ids:
                raise BackendError(
                    f"[translate] markers = 'constrained': the tokenizer does not know the marker {marker!r}; choose a "
                    "model that does, or another kind of markers"
                )
        self.counts: dict[str, int] = {}

    def place(
        self, sentences: Sequence[Marked], translations: Sequence[Translation], *, source: str, target: str
    ) -> list[Translation]:
        """The translations, those with status ok with the spans of the entities in `marked`.

        An entity that lies in several sentences of a text is looked for in the translations of all of them together.

        Raises:
            RecipeError: the model lacks a language.
            BackendError: a single sequence does not fit on the device.
        """
        codes, there = self._subwords.languages(source, target), lookup(target)
        names = ("entities", "placed", "proven", "capped", "too_long", "scored")
        self.counts = {f"placement.{name}": 0 for name in names}
        return [
            self._marked(sentence, one, codes, there) if one.status == "ok" else one
            for sentence, one in zip(sentences, translations, strict=True)
        ]

    def _marked(self, sentence: Marked, translation: Translation, codes: Codes, there: Language) -> Translation:
        text = translation.text
        places = words.split(text, there)
        targets: dict[tuple[int, int], tuple[Target, Insertions, int]] = {}
        pieces: list[Piece] = []
        for piece in sentence.pieces:
            self.counts["placement.entities"] += 1
            part = _segment(sentence, piece, translation)
            reach = part[2], part[3]
            if reach not in targets:
                targets[reach] = self._target(text, places, reach)
            found, spans, first = targets[reach]
            if not len(spans.words):
                continue
            source = self._subwords.encode([_source(sentence.text, piece, part)], codes)[0]
            best = self._best(Place(tuple(source), found, spans, first), codes)
            if best is not None:
                start, end = spans.words[best.span] + first
                pieces.append(Piece(places[start][0], places[end - 1][1], piece.entity))
        return translation._replace(marked=encode_spans(Marked(text, tuple(pieces))))

    def _target(
        self, text: str, places: Sequence[tuple[int, int]], reach: tuple[int, int]
    ) -> tuple[Target, Insertions, int]:
        """The target between two characters, its spans, and the number of its first word."""
        start, end = reach
        inside = [k for k, (a, b) in enumerate(places) if start <= a and b <= end]
        found = placement.target(
            text[start:end], [(places[k][0] - start, places[k][1] - start) for k in inside], self._encode
        )
        return found, placement.insertions(found), inside[0] if inside else 0

    def _encode(self, chunks: list[str]) -> list[tuple[list[int], list[str]]]:
        return [(ids, self._subwords.tokens(ids)) for ids in self._subwords.encode_targets(chunks)]

    def _best(self, place: Place, codes: Codes) -> Found | None:
        longest = max(len(place.source), len(place.target.ids) + len(self._pair.opening) + len(self._pair.closing))
        if longest > self._positions:
            self.counts["placement.too_long"] += 1
            return None
        forced = Forced(self._engine, place.source, place.target.ids, codes.target, self._pair, self._tokens)
        found = placement.search(forced, place.spans.places, self._limit)
        self.counts["placement.placed"] += 1
        self.counts["placement.scored"] += found.scored
        self.counts["placement.proven" if found.proven else "placement.capped"] += 1
        return found


def _segment(sentence: Marked, piece: Piece, translation: Translation) -> tuple[int, int, int, int]:
    """The characters of the source and of the target in which an entity lies: from its first sentence to its last."""
    touched: list[Part] = [p for p in translation.parts if p.source_start < piece.end and piece.start < p.source_end]
    if not touched:
        return 0, len(sentence.text), 0, len(translation.text)
    return touched[0].source_start, touched[-1].source_end, touched[0].start, touched[-1].end


def _source(text: str, piece: Piece, part: tuple[int, int, int, int]) -> str:
    """The source of a segment with spaced markers round one entity."""
    # an entity may reach beyond the sentences that were translated, e.g. by an invisible character
    start, end = max(piece.start, part[0]), min(piece.end, part[1])
    before = text[part[0] : start]
    gap = " " if before and not before[-1].isspace() else ""
    opening, closing = MARKERS
    marked = f"{before}{gap}{opening} {text[start:end]} {closing}{text[end : part[1]]}"
    return SURROGATE.sub("\ufffd", CONTROL.sub(" ", marked))


class Forced:
    """Forced decoding of one target with markers, given one source; a `placement.Scorer`.

    The source is read once. log p of what stands before a marker is taken over from the pass before, so that the
    vocabulary is looked at only from there on; and at `POSITIONS` sub-words at a time, so that memory does not grow
    with the number of spans.
    """

    def __init__(
        self,
        engine: TorchEngine,
        source: Sequence[int],
        target: Sequence[int],
        code: int | None,
        pair: Pair,
        tokens: int,
    ) -> None:
        self._engine, self._target, self._pair = engine, list(target), pair
        self._first = [engine.start] if code is None else [engine.start, code]
        self._skip = len(self._first) - 1
        length = len(self._first) + len(target) + len(pair.opening) + len(pair.closing)
        self.rows = max(1, min(ROWS.get(engine.device.type, ROWS["cpu"]), tokens // length))
        self._before = np.zeros(1)
        ids = torch.tensor([list(source)], device=engine.device)
        self._mask = torch.ones_like(ids)
        with torch.inference_mode():
            self._states = engine.model.get_encoder()(input_ids=ids, attention_mask=self._mask).last_hidden_state

    def clean(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Scorer`."""
        wanted = [*self._target, self._engine.end]
        (found,) = self._scores([self._target], [0], [[(one, self._pair.opening[0]) for one in wanted]])
        self._before = np.concatenate([np.zeros(1), np.cumsum(found[:, 0])])
        return found[:, 0], found[:, 1]

    def opened(self, places: np.ndarray) -> np.ndarray:
        """See `Scorer`; after `clean`."""
        y, (opening, closing) = self._target, self._pair
        inputs = [[*y[:i], *opening, *y[i:]] for i in places]
        wanted = [[(one, closing[0]) for one in (*opening, *y[i:], self._engine.end)] for i in places]
        result = np.full((len(places), len(y) + 1), -np.inf)
        for row, (i, found) in enumerate(zip(places, self._scores(inputs, places, wanted), strict=True)):
            begun = self._before[i] + np.cumsum(found[:-1, 0])
            # up to the sub-word before j, then the closing marker in the stead of the one at j
            result[row, i + 1 :] = begun[len(opening) :] + found[len(opening) + 1 :, 1]
        return result

    def placed(self, places: np.ndarray, begun: np.ndarray) -> np.ndarray:
        """See `Scorer`."""
        y, (opening, closing) = self._target, self._pair
        inputs = [[*y[:i], *opening, *y[i:j], *closing, *y[j:]] for i, j in places]
        wanted = [[(one,) for one in (*closing[1:], *y[j:], self._engine.end)] for _, j in places]
        starts = places[:, 1] + len(opening) + 1
        rest = [found.sum(dtype=np.float64) for found in self._scores(inputs, starts, wanted)]
        return np.asarray(begun + np.array(rest))

    def _scores(
        self,
        inputs: Sequence[Sequence[int]],
        starts: Sequence[int] | np.ndarray,
        wanted: Wanted,
    ) -> list[np.ndarray]:
        """log p of sub-words in sequences of the same length.

        Args:
            inputs: the sequences, (rows, length).
            starts: of each row, the first place whose sub-word is asked for, 0 to length.
            wanted: of each row, what is asked for at each place from there on, some sub-words each.

        Returns:
            For each row (places, sub-words) float64.
        """
        rows = np.repeat(np.arange(len(inputs)), [len(one) for one in wanted])
        columns = np.concatenate([np.arange(len(one)) + start for one, start in zip(wanted, starts, strict=True)])
        chosen = torch.tensor([ids for one in wanted for ids in one], device=self._engine.device)
        with torch.inference_mode():
            hidden = self._hidden(inputs)[
                torch.from_numpy(rows).to(chosen.device), torch.from_numpy(columns + self._skip).to(chosen.device)
            ]
            parts = [
                self._log_softmax(some, ids)
                for some, ids in zip(torch.split(hidden, POSITIONS), torch.split(chosen, POSITIONS), strict=True)
            ]
            flat = torch.cat(parts).cpu().numpy().astype(np.float64)
        ends = np.cumsum([len(one) for one in wanted])
        return [flat[end - len(one) : end] for one, end in zip(wanted, ends, strict=True)]

    def _hidden(self, inputs: Sequence[Sequence[int]]) -> torch.Tensor:
        """What the decoder gives to the last layer of the model, (rows, first + length, dimensions).

        Raises:
            BackendError: a single row does not fit on the device.
        """
        try:
            return self._forward(inputs)
        except torch.OutOfMemoryError as error:
            if len(inputs) == 1:
                raise BackendError(
                    f"a sentence of {len(self._target)} sub-words does not fit on {self._engine.device}; set "
                    'runtime.device = "cpu"'
                ) from error
        self._engine.forget()
        half = len(inputs) // 2
        return torch.cat([self._hidden(inputs[:half]), self._hidden(inputs[half:])])

    def _forward(self, inputs: Sequence[Sequence[int]]) -> torch.Tensor:
        model: Any = self._engine.model
        kept: list[torch.Tensor] = []

        def keep(_: Any, arguments: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            # some families scale the states before their last layer: here they are scaled, and no logits are made
            kept.append(arguments[0])
            return (arguments[0][:1, :1],)

        ids = torch.tensor([[*self._first, *row] for row in inputs], device=self._engine.device)
        hook = model.get_output_embeddings().register_forward_pre_hook(keep)
        try:
            model(
                encoder_outputs=BaseModelOutput(last_hidden_state=self._states.expand(len(ids), -1, -1)),
                attention_mask=self._mask.expand(len(ids), -1),
                decoder_input_ids=ids,
                use_cache=False,
            )
        finally:
            hook.remove()
        return kept[0]

    def _log_softmax(self, hidden: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """log p of `ids` (places, sub-words) behind the states (places, dimensions)."""
        model: Any = self._engine.model
        logits = model.get_output_embeddings()(hidden)
        bias = getattr(model, "final_logits_bias", None)
        logits = (logits if bias is None else logits + bias).float()
        if self._engine.never:
            logits[:, self._engine.never] = -torch.inf
        scores: torch.Tensor = logits.gather(1, ids) - logits.logsumexp(dim=1, keepdim=True)
        return scores
