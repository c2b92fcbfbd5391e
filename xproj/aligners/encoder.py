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
from xproj.aligners.sides import Side
from xproj.columns import LinkColumn, TokenColumn
from xproj.encoders.pieces import ranges, sums
from xproj.errors import BackendError, RecipeError
from xproj.recipe import Align, Runtime

if TYPE_CHECKING:
    from pathlib import Path

    from xproj.aligners import Pairs, Progress
    from xproj.encoders.pairs import Guide
    from xproj.encoders.transformer import Encoder

# sub-words of both sides whose vectors are held at a time
BLOCK = 32_768


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
            was looked at), sentences in windows, sentences with vectors that are not finite (their words are in no
            link), batches halved for lack of memory.
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

    @property
    def in_torch(self) -> bool:
        """Links are extracted where the vectors are: on a GPU in torch, on a CPU in numba, which is faster there."""
        return self.encoder.device.type != "cpu"

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
        before = encoder.counts()
        for language in languages:
            encoder.special(language)
        pieces = encoder.pieces(source), encoder.pieces(target)
        sides = [
            Side(encoder, part, language, as_tensors=self.in_torch)
            for part, language in zip(pieces, languages, strict=True)
        ]
        rows, found = self._align(sides[0], sides[1])
        self.counts = {name: count - before[name] for name, count in encoder.counts().items()}
        lengths = np.zeros(len(source), dtype=np.int64)
        lengths[rows] = np.diff(found[0])
        starts = np.zeros(len(source), dtype=np.int64)
        starts[rows] = found[0][:-1]
        index = ranges(starts, lengths)
        _, heads, tails, scores = found
        return LinkColumn(sums(lengths), heads[index], tails[index], scores[index], source.valid & target.valid)

    def _align(self, source: Side, target: Side) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
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

    def _links(self, source: Side, target: Side, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Links of some rows: offsets, source, target, score."""
        from torch import OutOfMemoryError

        from xproj.core import similarity

        work: Any = similarity
        if self.in_torch:
            from xproj.aligners import extraction_torch as work
        choice = self.chosen
        pool = work.pooled_block if choice.level == "word" else None
        try:
            found: tuple[np.ndarray, ...] = work.links_of_block(
                *source.units(rows, pool),
                *target.units(rows, pool),
                choice.extraction,
                choice.threshold,
                self.settings.distortion,
                normalise=choice.extraction not in similarity.PROBABILISTIC,
            )
        except OutOfMemoryError as error:
            raise BackendError(
                f"model {choice.model}: the vectors of {len(rows)} sentence pairs do not fit on {self.encoder.device}; "
                'set runtime.device = "cpu"'
            ) from error
        return found
