"""Word alignment from the vectors of a multilingual encoder: SimAlign, AWESoME, TransAlign and LaBSE.

    simalign     Jalili Sabet et al. 2020 (arXiv 2004.08728): cosine similarities, itermax
    awesome      Dou and Neubig 2021 (arXiv 2101.08231): softmax of dot products in both directions
    transalign   Ebing et al. 2025 (arXiv 2510.27337): AWESoME on the encoder of a translation model
    labse        layer and threshold of AccAlign (Wang et al. 2022, arXiv 2301.12140), without its adapter

They differ in model, layer and extraction alone, so a preset names these, and the recipe may replace each of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from xproj import encoders
from xproj.columns import LinkColumn, TokenColumn
from xproj.encoders.pieces import Pieces, ranges, sums
from xproj.errors import RecipeError
from xproj.recipe import Align, Runtime

if TYPE_CHECKING:
    from pathlib import Path

    from xproj.aligners import Pairs, Progress
    from xproj.encoders.pairs import Guide
    from xproj.encoders.transformer import Encoder

# sub-words of both sides whose vectors are held at a time
BLOCK = 32_768
# bytes of vectors kept for sentences that come again in a later block
KEPT = 256 << 20


@dataclass(frozen=True)
class Preset:
    """What makes an aligner of an encoder."""

    model: str
    revision: str | None
    layer: int | None
    extraction: str
    threshold: float
    level: str = "subword"


MBERT = "google-bert/bert-base-multilingual-cased", "3f076fdb1ab68d5b2880cb87a0886f315b8146f8"
NLLB = "facebook/nllb-200-distilled-600M", "f8d333a098d19b4fd9a8b18f94170487ad3f821d"
LABSE = "sentence-transformers/LaBSE", "836121a0533e5664b21c7aacc5d22951f2b8b25b"
PRESETS = {
    "simalign": Preset(*MBERT, 8, "itermax", 0.0),
    "awesome": Preset(*MBERT, 8, "softmax", 0.001),
    "transalign": Preset(*NLLB, 12, "softmax", 0.001),
    "labse": Preset(*LABSE, 6, "softmax", 0.1),
}


def chosen(settings: Align) -> Preset:
    """The preset of an aligner with what the recipe says otherwise.

    A model of one's own does not have the commit of the preset's.

    Raises:
        RecipeError: a distortion of probabilities, which has no meaning.
    """
    found = PRESETS[settings.aligner]
    if settings.model is not None:
        found = replace(found, model=settings.model, revision=None)
    keys = ("revision", "layer", "extraction", "threshold", "level")
    given: dict[str, Any] = {key: getattr(settings, key) for key in keys}
    found = replace(found, **{key: value for key, value in given.items() if value is not None})
    if settings.distortion and found.extraction in ("softmax", "entmax"):
        raise RecipeError(
            f"[align] distortion weights similarities, and extraction = {found.extraction!r} reads probabilities; "
            "leave distortion out, or set extraction to itermax, argmax or match"
        )
    return found


class EncoderAligner:
    """See the module. Settings read: model, revision, layer, extraction, level, threshold, distortion, dtype.

    Attributes:
        counts: of the last `align`: words without sub-words and words cut (they are in no link, or only their beginning
            was looked at), sentences in windows, batches halved for lack of memory.
    """

    def __init__(self, settings: Align, fitted: Path | None = None, runtime: Runtime | None = None) -> None:
        self.settings = settings
        self.needs_fit = bool(settings.tune)
        if settings.tune_guide is not None and "self" not in settings.tune:
            raise RecipeError(
                "[align] tune_guide gives links to the objective 'self'; add that to tune, or leave tune_guide out"
            )
        self.chosen = chosen(settings)
        if self.needs_fit and fitted is not None:
            self.chosen = replace(self.chosen, model=str(fitted), revision=None)
        self.runtime = runtime or Runtime()
        self.counts: dict[str, int] = {}

    @cached_property
    def encoder(self) -> Encoder:
        """The model, loaded when it is first needed."""
        return encoders.open(self._encoder_settings())

    def _encoder_settings(self) -> encoders.EncoderSettings:
        return encoders.EncoderSettings(
            model=self.chosen.model,
            revision=self.chosen.revision,
            layer=self.chosen.layer,
            dtype=self.settings.dtype,
            device=self.runtime.device,
            batch_tokens=self.runtime.batch_tokens,
        )

    def fit(
        self, parts: Pairs, *, languages: tuple[str, str], output: Path, progress: Progress | None = None
    ) -> dict[str, int | float]:
        """Fine-tune the model where the recipe says so (`tune`), and save it in the folder `output`.

        A run that was killed goes on from its last checkpoint, in a hidden folder beside `output`.
        """
        if not self.needs_fit:
            return {}
        from xproj.encoders.tuning import Tuning, tune

        output.mkdir(parents=True, exist_ok=True)
        settings = self.settings
        digest = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:12]
        checkpoints = output.parent / f".tuning-{digest}"
        guide = None
        if settings.tune_guide is not None:
            guide = self._guide(settings.tune_guide, parts, languages, checkpoints / "guide")
        tuning = Tuning(
            objectives=settings.tune,
            steps=settings.tune_steps,
            rate=settings.tune_rate,
            batch_tokens=settings.tune_batch_tokens,
            seed=settings.tune_seed,
        )
        return tune(
            self._encoder_settings(),
            tuning,
            parts,
            languages=languages,
            output=output,
            guide=guide,
            checkpoints=checkpoints,
            progress=progress,
        )

    def _guide(self, name: str, parts: Pairs, languages: tuple[str, str], folder: Path) -> Guide:
        """The aligner that gives links to learn from, with its own defaults, fitted on the same pairs."""
        from xproj import aligners

        settings = Align(aligner=name, prime=self.settings.prime)
        guide = aligners.open(settings, runtime=self.runtime)
        if guide.needs_fit:
            folder.mkdir(parents=True, exist_ok=True)
            guide.fit(parts, languages=languages, output=folder)
            guide = aligners.open(settings, fitted=folder, runtime=self.runtime)
        return partial(guide.align, languages=languages)

    def align(self, source: TokenColumn, target: TokenColumn, *, languages: tuple[str, str]) -> LinkColumn:
        """The links of every row; memory is bounded by a block of rows.

        Raises:
            RecipeError: a language, a layer or a model name that cannot be used.
            BackendError: no such model or device, or a GPU that is too small.
        """
        encoder = self.encoder
        before = _counts(encoder)
        for language in languages:
            encoder.special(language)
        pieces = encoder.pieces(source), encoder.pieces(target)
        rows, found = self._align(_Side(encoder, pieces[0], languages[0]), _Side(encoder, pieces[1], languages[1]))
        self.counts = {name: count - before[name] for name, count in _counts(encoder).items()}
        lengths = np.zeros(len(source), dtype=np.int64)
        lengths[rows] = np.diff(found[0])
        starts = np.zeros(len(source), dtype=np.int64)
        starts[rows] = found[0][:-1]
        index = ranges(starts, lengths)
        _, heads, tails, scores = found
        return LinkColumn(sums(lengths), heads[index], tails[index], scores[index], source.valid & target.valid)

    def _align(self, source: _Side, target: _Side) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Rows in the order of the work, and their links: offsets, source, target, score."""
        lengths = source.pieces.lengths, target.pieces.lengths
        rows = np.lexsort((lengths[1], source.numbers, lengths[0]))
        rows = rows[(lengths[0][rows] > 0) & (lengths[1][rows] > 0)]
        sizes = (lengths[0] + lengths[1])[rows]
        blocks = (np.cumsum(sizes) - sizes) // BLOCK
        for side in (source, target):
            side.expect(rows)
        cuts = np.flatnonzero(np.diff(blocks)) + 1
        pieces = [self._links(source, target, block) for block in np.split(rows, cuts) if len(block)]
        columns = [
            np.concatenate([np.zeros(0, dtype=kind), *(piece[k] for piece in pieces)])
            for k, kind in ((1, np.int32), (2, np.int32), (3, np.float32))
        ]
        counts = np.concatenate([np.zeros(0, dtype=np.int64), *(np.diff(piece[0]) for piece in pieces)])
        return rows, (sums(counts), *columns)

    def _links(self, source: _Side, target: _Side, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Links of some rows: offsets, source, target, score."""
        from xproj.core.similarity import PROBABILISTIC, links_of_block

        choice = self.chosen
        sides = [side.units(rows, choice.level) for side in (source, target)]
        return links_of_block(
            *sides[0],
            *sides[1],
            choice.extraction,
            choice.threshold,
            self.settings.distortion,
            normalise=choice.extraction not in PROBABILISTIC,
        )


class _Side:
    """One side of a part: its sentences, and the vectors of those that come again."""

    def __init__(self, encoder: Encoder, pieces: Pieces, language: str) -> None:
        self.encoder, self.pieces, self.language = encoder, pieces, language
        self.numbers, self._first = pieces.distinct()
        self._uses = np.zeros(len(self._first), dtype=np.int64)
        self._kept: dict[int, np.ndarray] = {}
        self._room = KEPT

    def expect(self, rows: np.ndarray) -> None:
        """These rows will be asked for, once each."""
        self._uses = np.bincount(self.numbers[rows], minlength=len(self._first))

    def units(self, rows: np.ndarray, level: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vectors, offsets and words of the units of some rows: their sub-words, or means over words."""
        from xproj.core.similarity import pooled_block

        wanted, place, counts = np.unique(self.numbers[rows], return_inverse=True, return_counts=True)
        sentences = self.pieces.take(self._first[wanted])
        vectors = self._vectors(wanted, sentences, counts)
        offsets, words = sentences.offsets, sentences.words
        if level == "word":
            vectors, offsets, words = pooled_block(vectors, offsets, words)
        lengths = np.diff(offsets)[place]
        index = ranges(offsets[:-1][place], lengths)
        return vectors[index], sums(lengths), words[index]

    def _vectors(self, wanted: np.ndarray, sentences: Pieces, counts: np.ndarray) -> np.ndarray:
        """Vectors of distinct sentences; those that are used again later are kept, as far as there is room."""
        old = np.array([number in self._kept for number in wanted.tolist()], dtype=bool)
        new = np.flatnonzero(~old)
        vectors = self.encoder.vectors(sentences if not old.any() else sentences.take(new), language=self.language)
        if old.any():
            made, vectors = vectors, np.empty((len(sentences.ids), self.encoder.dim), dtype=np.float32)
            vectors[ranges(sentences.offsets[:-1][new], sentences.lengths[new])] = made
        self._uses[wanted] -= counts
        for k in np.flatnonzero(old | (self._uses[wanted] > 0)).tolist():
            number, place = int(wanted[k]), slice(sentences.offsets[k], sentences.offsets[k + 1])
            if old[k]:
                vectors[place] = self._kept[number]
            if self._uses[number] == 0:
                self._room += self._kept.pop(number).nbytes
            elif not old[k] and vectors[place].nbytes <= self._room:
                self._kept[number] = vectors[place].copy()
                self._room -= self._kept[number].nbytes
        return vectors


def _counts(encoder: Encoder) -> dict[str, int]:
    """What is counted of an encoder's work, as the report names it."""
    return {
        "words.without_subwords": encoder.wordless,
        "words.cut": encoder.cut_words,
        "sentences.windowed": encoder.windowed,
        "batches.halved": encoder.halved,
    }
