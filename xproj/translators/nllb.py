"""The `nllb` translator: any seq2seq checkpoint of NLLB, M2M-100, OPUS-MT (Marian) or MADLAD-400.

Texts go to the model one sentence at a time, because these models drop whole sentences of a text that has several; a
sentence that is too long goes in pieces. Each distinct sentence is translated once, in batches of similar lengths.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from xproj import recipe
from xproj.core.sentences import cut, sentences
from xproj.encoders import files, loading
from xproj.errors import BackendError, RecipeError
from xproj.languages import lookup
from xproj.translators.engines import OutOfMemory, place, resolve
from xproj.translators.hypotheses import rank, shown, together
from xproj.translators.marking import STYLES_OF_TEXT, by_text
from xproj.translators.subwords import Codes, Subwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xproj.core.markers import Marked
    from xproj.translators import Translation
    from xproj.translators.engine_torch import TorchEngine
    from xproj.translators.engines import Engine, Hypothesis
    from xproj.translators.placement import Placer

    Found = TypeVar("Found")

# one character for one, so that offsets stay: controls mean nothing to a model, half a surrogate pair is no character
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SURROGATE = re.compile("[\ud800-\udfff]")
# numbers in the logits of one step, at most: rows · beams · vocabulary, or rows · sub-words · vocabulary in `score`
LOGITS = {"cpu": 1 << 26, "cuda": 1 << 28}
SELF_TEST = (("[ Peter Miller ] lives in [ Nairobi ].", 2), ("[ Anna Weber ] works for [ Siemens ] in [ Munich ].", 3))
MARKER = re.compile(r"\[[^\[\]]+\]")


class NllbTranslator:
    """A seq2seq model with its tokenizer, run by transformers or by CTranslate2.

    Attributes:
        engine: hf or ct2.
        counts: of the last call: sentences, distinct ones, pieces of sentences that were too long, halved batches, and
            marker pairs of the self-test that came back.
    """

    capabilities = frozenset({"score", "n_best", "markers"})
    styles = STYLES_OF_TEXT

    def __init__(
        self, model: str, settings: recipe.Translate | None = None, runtime: recipe.Runtime | None = None
    ) -> None:
        self.settings = settings or recipe.Translate(translator="nllb", model=model)
        self._runtime = runtime or recipe.Runtime()
        self._model = model
        self.counts: dict[str, int] = {}
        self._tested: dict[tuple[str, str], dict[str, int]] = {}
        self._load()

    def _load(self) -> None:
        from transformers import AutoConfig

        settings, device = self.settings, self._runtime.device
        loading.device(device)  # before anything slow
        path = files.folder(self._model, settings.revision)
        self.engine = resolve(settings.engine, settings.compute_type, device, path)
        other = settings.tokenizer
        words = files.folder(other, settings.tokenizer_revision, config=False) if other else path
        config = AutoConfig.from_pretrained(path, **loading.SAFE)
        tokenizer = loading.tokenizer(words, other or self._model)
        self.subwords = Subwords(tokenizer, config, self._model, legacy=settings.legacy_behaviour)
        positions = getattr(config, "max_position_embeddings", None) or settings.max_length + 4
        self._positions = positions - 4  # codes, end, and a place to spare
        self._limit = min(settings.max_length, self._positions)
        self._batch = self._runtime.batch_tokens
        self._logits = LOGITS[place(device)[0]] // config.vocab_size
        self._engine = self._open(path, words)

    def _open(self, path: Any, words: Any) -> Engine:
        kind, device = self.settings.compute_type, self._runtime.device
        if self.engine == "hf":
            from xproj.translators.engine_torch import TorchEngine

            return TorchEngine(path, self._model, compute_type=kind, device=device)
        from xproj.translators.conversion import converted
        from xproj.translators.engine_ct2 import Ct2Engine

        folder = converted(path, words, self._model, compute_type=kind)
        return Ct2Engine(folder, self._model, self.subwords, compute_type=kind, device=device)

    def translate(self, texts: Sequence[str], *, source: str, target: str, n_best: int = 1) -> list[list[Translation]]:
        """At most `n_best` translations of each text, by their scores; `parts` say where its sentences went.

        The score is Σ log p / n over all sub-words of its sentences behind the language code, ends included.

        Raises:
            RecipeError: the model lacks a language, or the beam is smaller than `n_best`.
            BackendError: a single sentence does not fit on the GPU.
        """
        beam = self.settings.beam
        if n_best > beam:
            raise RecipeError(f"[translate] n_best = {n_best} of beam = {beam}: a beam gives no more; set a wider one")
        codes = self.subwords.languages(source, target)
        there = lookup(target)
        cleaned = [SURROGATE.sub("\ufffd", CONTROL.sub(" ", text)) for text in texts]
        self.counts = dict.fromkeys(("sentences", "sentences.distinct", "sentences.cut", "batches.halved"), 0)
        spans = [self._split(text, clean, source) for text, clean in zip(texts, cleaned, strict=True)]
        wanted = [[clean[a:b] for a, b in found] for clean, found in zip(cleaned, spans, strict=True)]
        known = self._translate(list(dict.fromkeys(part for parts in wanted for part in parts)), codes)
        self.counts["sentences"] = sum(map(len, wanted))
        self.counts["sentences.distinct"] = len(known)
        return [
            together([known[part] for part in parts], found, n_best, self.settings.length_penalty, spaces=there.spaces)
            for parts, found in zip(wanted, spans, strict=True)
        ]

    def translate_marked(
        self, sentences: Sequence[Marked], *, source: str, target: str, markers: str
    ) -> list[Translation]:
        """One translation of each sentence, marks being part of the text; raises like `translate`."""
        return by_text(self, sentences, source=source, target=target, markers=markers, n_best=self.settings.beam)

    def _split(self, text: str, clean: str, source: str) -> list[tuple[int, int]]:
        """The sentences of a text, those that are too long in pieces; none that shows nothing."""
        found = []
        for start, end in sentences(text, lookup(source).bcp47):
            pieces = cut(clean[start:end], self._fits)
            self.counts["sentences.cut"] += len(pieces) > 1
            found += [shown(clean, start + a, start + b) for a, b in pieces]
        return [(a, b) for a, b in found if a < b]

    def _fits(self, text: str) -> bool:
        # at worst a sub-word for each byte: most texts need no tokenizer to know
        return 4 * len(text) <= self._limit or len(self.subwords.encode_targets([text])[0]) <= self._limit

    def _translate(self, texts: Sequence[str], codes: Codes) -> dict[str, list[tuple[str, Hypothesis]]]:
        """The hypotheses of each text, best first by their mean log-probability, with their texts."""
        sources = self.subwords.encode(texts, codes)
        beam = self.settings.beam

        def run(rows: Sequence[int]) -> list[list[Hypothesis]]:
            return self._engine.generate(
                [sources[row] for row in rows],
                code=codes.target,
                beam=beam,
                length_penalty=self.settings.length_penalty,
                limit=self._limit,
            )

        found = self._batched([len(ids) for ids in sources], max(1, self._logits // beam), run)
        said = self.subwords.decode(one.ids for hypotheses in found for one in hypotheses)
        pairs = iter(zip(said, (one for hypotheses in found for one in hypotheses), strict=True))
        return {
            text: self._ranked([next(pairs) for _ in hypotheses]) for text, hypotheses in zip(texts, found, strict=True)
        }

    def _ranked(self, pairs: list[tuple[str, Hypothesis]]) -> list[tuple[str, Hypothesis]]:
        """Best first; what the limit cut off, e.g. a stutter of high probability, only where nothing else is."""
        ended = [pair for pair in pairs if pair[1].ended]
        return sorted(ended or pairs, key=lambda pair: -rank([pair], self.settings.length_penalty))

    def _batched(
        self, lengths: Sequence[int], rows: int, run: Callable[[Sequence[int]], list[Found]], each: int = 0
    ) -> list[Found]:
        """What `run` gives for each row, in batches of similar lengths; one that does not fit in memory is halved.

        Args:
            lengths: sub-words of each row.
            rows: rows of a batch, or where `each` is given, rows times the longest, at most.
            run: called with the numbers of some rows.
            each: added to the longest row before it is multiplied.
        """
        order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
        found: dict[int, Found] = {}
        for batch in batches([lengths[row] for row in order], self._batch, rows, each):
            waiting = [[order[k] for k in batch]]
            while waiting:
                now = waiting.pop()
                try:
                    found |= zip(now, run(now), strict=True)
                    continue
                except OutOfMemory as error:
                    if len(now) == 1:
                        raise BackendError(
                            f"model {self._model}: a sentence of {lengths[now[0]]} sub-words does not fit on the "
                            'device; set runtime.device = "cpu" or translate.compute_type = "float16"'
                        ) from error
                # outside of the handler, as that holds the tensors of the failed batch
                self._engine.forget()
                self.counts["batches.halved"] = self.counts.get("batches.halved", 0) + 1
                waiting += [now[len(now) // 2 :], now[: len(now) // 2]]
        return [found[row] for row in range(len(lengths))]

    def score(self, sources: Sequence[str], targets: Sequence[str], *, source: str, target: str) -> np.ndarray:
        """The mean log-probability of the sub-words of each given target and its end, by forced decoding, float32 (n,).

        Texts are read whole. A text that is longer than the model can read has -inf.

        Raises:
            RecipeError: the model lacks a language.
            BackendError: a single pair does not fit on the GPU.
        """
        codes = self.subwords.languages(source, target)
        self.counts = {}
        pairs = list(zip(sources, targets, strict=True))
        distinct = list(dict.fromkeys(pairs))
        means = self._score(distinct, codes)
        known = dict(zip(distinct, means, strict=True))
        return np.array([known[pair] for pair in pairs], dtype=np.float32)

    def _score(self, pairs: Sequence[tuple[str, str]], codes: Codes) -> np.ndarray:
        cleaned = [[SURROGATE.sub("\ufffd", CONTROL.sub(" ", text)) for text in pair] for pair in pairs]
        ours = self.subwords.encode([source for source, _ in cleaned], codes)
        theirs = self.subwords.encode_targets([target for _, target in cleaned])
        means = np.full(len(pairs), -np.inf)
        fits = [k for k in range(len(pairs)) if max(len(ours[k]), len(theirs[k])) <= self._positions]

        def run(rows: Sequence[int]) -> list[np.ndarray]:
            chosen = [fits[row] for row in rows]
            return self._engine.score([ours[k] for k in chosen], [theirs[k] for k in chosen], code=codes.target)

        lengths = [max(len(ours[k]), len(theirs[k])) for k in fits]
        for k, found in zip(fits, self._batched(lengths, self._logits, run, each=2), strict=True):
            means[k] = found.mean(dtype=np.float64)
        return means

    def placer(self, limit: int | None) -> Placer:
        """What places markers in its translations (see `Placer`).

        Raises:
            BackendError: the engine is not hf, or the tokenizer does not know the markers.
        """
        if self.engine != "hf":
            raise BackendError("[translate] markers = 'constrained' needs engine = 'hf'; set it")
        from xproj.translators.placement import Placer

        engine = cast("TorchEngine", self._engine)
        return Placer(engine, self.subwords, positions=self._positions, tokens=self._batch, limit=limit)

    def self_test(self, source: str, target: str) -> dict[str, int]:
        """How many of five marker pairs come back, with the setting `legacy_behaviour` and with its opposite.

        NLLB checkpoints were tuned with the language code behind the source or before it, and say nothing of it; with
        the wrong order, or the wrong tokenizer, they translate badly and lose markers first of all.

        Returns:
            `self_test.markers`, `self_test.kept`, `self_test.kept_otherwise`; empty for a model without such a choice.
        """
        if self.subwords.languages(source, target).target is None:
            return {}
        if (source, target) not in self._tested:
            kept = []
            for legacy in (self.settings.legacy_behaviour, not self.settings.legacy_behaviour):
                self.subwords.legacy = legacy
                codes = self.subwords.languages(source, target)
                found = self._translate([text for text, _ in SELF_TEST], codes)
                kept.append(sum(min(n, len(MARKER.findall(found[text][0][0]))) for text, n in SELF_TEST))
            self.subwords.legacy = self.settings.legacy_behaviour
            names = "self_test.markers", "self_test.kept", "self_test.kept_otherwise"
            everything = sum(n for _, n in SELF_TEST)
            self._tested[source, target] = dict(zip(names, (everything, *kept), strict=True))
        return self._tested[source, target]


def batches(lengths: Sequence[int], tokens: int, rows: int, each: int = 0) -> Iterator[range]:
    """Ranges of rows that are sorted by length, longest first.

    Args:
        lengths: of the rows.
        tokens: rows times the longest row of a batch, at most; a row alone may be longer.
        rows: rows in a batch, at most; where `each` is given, rows times (longest + each).
        each: see `rows`.
    """
    start = 0
    while start < len(lengths):
        longest = max(1, lengths[start])
        most = rows // (longest + each) if each else rows
        size = max(1, min(tokens // longest, most))
        yield range(start, min(start + size, len(lengths)))
        start += size
