"""The tables `[translate]` and `[back]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from xproj.recipe.table import Table


class Translate(Table):
    """Who makes the missing side."""

    translator: str = Field(
        "bitext",
        description="bitext (the text is given), nllb (NLLB, M2M-100, OPUS-MT and MADLAD models), apertium (rules) or "
        "fake (for trying out)",
    )
    model: str | None = Field(None, description="nllb: a folder, or a name on the hub")
    revision: str | None = Field(None, description="the commit of a model on the hub, 40 hexadecimal digits")
    tokenizer: str | None = Field(
        None,
        description="nllb: where the tokenizer is, if not with the model; tuned models often come with a wrong one",
    )
    tokenizer_revision: str | None = Field(None, description="the commit of a tokenizer on the hub")
    legacy_behaviour: bool = Field(
        False,
        description="nllb: the language code stands behind the source, as before 2023; see the self-test's remark",
    )
    engine: Literal["auto", "hf", "ct2"] = Field(
        "auto", description="nllb: hf (transformers), ct2 (CTranslate2), or auto: ct2 where it can run"
    )
    compute_type: Literal["float32", "float16", "bfloat16", "int8"] = Field(
        "float32", description="nllb: numbers of the model; int8 is of ct2, and the fastest on a CPU"
    )
    beam: int = Field(4, ge=1, description="nllb: hypotheses that are followed; 1 = greedy")
    n_best: int = Field(
        1, ge=1, description="translations of a sentence (at most beam), of which the first without a fault is taken"
    )
    length_penalty: float = Field(1.0, ge=0, description="nllb: hypotheses are ranked by Σ log p / length^penalty")
    max_length: int = Field(256, ge=8, description="nllb: sub-words of a sentence, on either side; longer ones are cut")
    mode: str | None = Field(
        None,
        description="apertium: an installed mode, e.g. eng-cat_valencia; else by language; fake: what becomes of "
        "markers: keep, lose, reorder, duplicate or mixed",
    )
    markers: Literal["blanks", "brackets", "xml", "constrained"] | None = Field(
        None,
        description="entities travel as marks in the text: blanks (Apertium's word-bound blanks), brackets "
        "(EasyProject) or xml (LabelPigeon), both of nllb; or are found in the finished translation: constrained "
        "(nllb with engine hf)",
    )
    placement_candidates: Literal["reduced", "all"] = Field(
        "reduced", description="constrained: spans that are scored, the most promising ones or all"
    )
    placement_limit: int = Field(64, ge=1, description="constrained, reduced: spans scored for each entity, at most")
    checks: bool = Field(
        True,
        description="look for copied, repeated, too long and too short translations, and, with py3langid, for other "
        "languages",
    )
    back_translate: bool = Field(
        False,
        description="translate the labelled source sentence into the target language as well, for align.refine; what "
        "[back] does not say is as here, but mode and markers",
    )

    @model_validator(mode="after")
    def _model_fits(self) -> Translate:
        if self.translator == "nllb" and self.model is None:
            raise ValueError('translator = "nllb" needs a model; add model = "…", a folder or a name on the hub')
        if self.n_best > (self.beam if self.translator == "nllb" else 1) and self.translator != "fake":
            raise ValueError(f"n_best = {self.n_best} needs translator = 'nllb' with a beam as wide; set beam")
        return self

    @model_validator(mode="after")
    def _markers_fit(self) -> Translate:
        if self.markers == "constrained" and self.translator != "nllb":
            raise ValueError("markers = 'constrained' needs translator = 'nllb'")
        if self.markers == "constrained" and (self.engine == "ct2" or self.compute_type == "int8"):
            raise ValueError("markers = 'constrained' needs engine = 'hf', which has no int8")
        return self

    @property
    def style(self) -> str | None:
        """How the marks in `marked_text` are written: those that are placed afterwards as Apertium's."""
        return "blanks" if self.markers == "constrained" else self.markers


class Back(Translate):
    """Who translates the labelled source sentence into the target language, for `align.refine`."""

    back_translate: Literal[False] = Field(False, description="of [translate] only")
