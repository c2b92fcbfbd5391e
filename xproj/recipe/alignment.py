"""The table `[align]`."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from xproj.recipe.table import Table, explain

# the keys that each aligner reads, beside those that belong to the stage; others would have no effect
_ENCODER = frozenset(
    {"model", "revision", "layer", "extraction", "level", "threshold", "distortion", "dtype", "prime", "tune"}
    | {"tune_guide", "tune_steps", "tune_rate", "tune_batch_tokens", "tune_seed"}
)
OF_STAGE = frozenset({"aligner", "implementation", "refine", "min_pair_score"})
READ_BY = {
    "statistical": frozenset(
        {"symmetrization", "threshold", "iterations", "prefixes", "orthography", "capitals", "hmm", "max_pairs"}
        | {"agreement", "names", "dictionary", "model", "prime"}
    ),
    "eflomal": frozenset({"symmetrization"}),
    "given": frozenset({"links"}),
    **dict.fromkeys(("simalign", "awesome", "transalign", "labse"), _ENCODER),
    "ensemble": frozenset({"members", "combine", "threshold"}),
}


class Align(Table):
    """Who links the words of the two sentences, and which links are kept."""

    aligner: str = Field(
        "statistical", description="statistical, simalign, awesome, transalign, labse, eflomal, given or ensemble"
    )
    symmetrization: Literal["threshold", "intersection", "union", "grow-diag", "grow-diag-final-and"] = Field(
        "threshold", description="how the two directions become one set of links"
    )
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="smallest posterior of a link (symmetrization = threshold), or what both probabilities or the "
        "similarity must exceed; none = the aligner's own: statistical 0.2, awesome and transalign 0.001, labse 0.1, "
        "simalign 0, ensemble 0.2",
    )
    iterations: int = Field(6, ge=1, description="EM iterations")
    prefixes: tuple[int, ...] = Field((4, 5, 6), description="prefix lengths averaged with the whole words")
    orthography: bool = Field(True, description="prefer words that look alike after transliteration")
    capitals: bool = Field(
        True, description="a word with a capital prefers one with a capital, as far as links show it"
    )
    agreement: bool = Field(True, description="models of both directions that were trained to agree count too")
    hmm: bool = Field(True, description="a hidden Markov model has a say in the links")
    names: bool = Field(
        True, description="the fit reads names of countries, cities, languages, months and weekdays (CLDR) too"
    )
    max_pairs: int = Field(20_000_000, ge=1, description="bound on distinct word pairs; the rarest are pruned")
    model: str | None = Field(
        None,
        description="statistical: tables saved by an earlier run, no fit; encoders: a folder, or a name on the hub",
    )
    revision: str | None = Field(None, description="the commit of a model on the hub, 40 hexadecimal digits")
    layer: int | None = Field(None, ge=0, description="encoders: the layer that is read; 0 = embeddings")
    extraction: Literal["argmax", "itermax", "match", "forward", "reverse", "softmax", "entmax"] | None = Field(
        None, description="encoders: how similarities become links; none = itermax for simalign, softmax for the others"
    )
    level: Literal["subword", "word"] | None = Field(
        None, description="encoders: compare sub-words, or words as the means of their sub-words; none = subword"
    )
    distortion: float = Field(0.0, ge=0, le=1, description="encoders: how much less similar words in other places are")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="encoders: numbers of the model; half precision changes a few links"
    )
    implementation: Literal["own", "package"] = Field(
        "own", description="simalign: our batched implementation, or the package `simalign`, pair by pair"
    )
    tune: tuple[Literal["translation", "self"], ...] = Field(
        (),
        description="encoders: fine-tune on the corpus first; translation = translation LM (needs a masked-LM head), "
        "self = self-training on links; both are added up",
    )
    tune_guide: str | None = Field(
        None, description="the aligner whose links `self` learns from, e.g. statistical; none = the model's own"
    )
    tune_steps: int = Field(20_000, ge=1, description="steps of the optimizer")
    tune_rate: float = Field(2e-5, gt=0, description="largest learning rate; a model with random weights needs more")
    tune_batch_tokens: int = Field(1024, ge=1, description="sub-words of both sides in one step")
    tune_seed: int = Field(0, ge=0, description="random seed of order, masks and dropout")
    prime: str | None = Field(None, description="extra unlabelled bitext (TSV) that the fit reads too")
    dictionary: str | None = Field(
        None,
        description="statistical: a dictionary (TSV, an entry a line); the fit reads entries of known words too",
    )
    links: str | None = Field(None, description="a file of i-j[:score] lines (aligner = given)")
    members: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="ensemble: its aligners, as a list of names or a table of settings for each"
    )
    combine: Literal["mean", "vote"] = Field(
        "mean", description="ensemble: mean score of a link (threshold applies), or more than half of the members"
    )
    refine: Literal["off", "replace", "add", "filter", "fallback"] = Field(
        "off", description="what `project` does with a back-translation: that of [back], or of the input"
    )
    min_pair_score: float = Field(
        0.0, ge=0, le=1, description="pairs with a smaller pair_score get the status filtered; 0 = off"
    )

    @field_validator("members", mode="before")
    @classmethod
    def _members_by_name(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            if len(set(map(str, value))) < len(value):
                raise ValueError("members names an aligner twice; give them names of your own in [align.members.NAME]")
            return {str(name): {} for name in value}
        return value

    @model_validator(mode="after")
    def _members_are_aligners(self) -> Align:
        if self.aligner != "ensemble":
            if self.members:
                raise ValueError(f"members are those of aligner = 'ensemble', not of {self.aligner!r}")
            return self
        if len(self.members) < 2:
            raise ValueError("aligner = 'ensemble' needs two members or more, e.g. members = ['statistical', 'given']")
        for name, settings in self.members.items():
            where = f"members.{name}"
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                raise ValueError(f"{where}: a name has letters, digits, - and _ only")
            if foreign := sorted({"members", "combine", "refine", "min_pair_score"} & set(settings)):
                raise ValueError(f"{where}: {foreign[0]} belongs to the whole ensemble; set it in [align]")
            if settings.get("aligner", name) == "ensemble":
                raise ValueError(f"{where}: an ensemble cannot be a member of an ensemble")
            try:
                self.member(name)
            except ValidationError as error:
                raise ValueError(explain(error, Align, ("align", "members", name))) from error
        return self

    @model_validator(mode="after")
    def _settings_have_an_effect(self) -> Align:
        read = READ_BY.get(self.aligner)
        if read is None:  # an unknown aligner is told when it is opened
            return self
        fields = type(self).model_fields
        # a recipe that was written out by a program has all keys, most of them as they are by default
        for key in sorted(self.model_fields_set - read - OF_STAGE):
            if getattr(self, key) != fields[key].get_default(call_default_factory=True):
                others = [name for name, keys in READ_BY.items() if key in keys]
                raise ValueError(
                    f"{key} is read by {', '.join(others)}, not by aligner = {self.aligner!r}; leave it out"
                )
        return self

    def member(self, name: str) -> Align:
        """The settings of a member of an ensemble: its own table, else defaults; its name is its aligner by default."""
        return Align.model_validate({"aligner": name, **self.members[name]})
