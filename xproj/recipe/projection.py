"""The tables `[score]` and `[project]`."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from xproj.recipe.table import Table

# scores that `project` computes itself; any other one is a column that the stage `score` makes
COMPUTED = ("alignment", "orthographic", "markers")
Filter = Literal["strict", "comp_src", "comp_tgt", "restr_tgt", "capitals", "doubtful"]
FILTERS: tuple[str, ...] = get_args(Filter)


class Score(Table):
    """Model scores of target spans."""

    candidates: Literal["ngrams", "tagged"] = Field(
        "ngrams", description="spans near the aligned words of an entity, or those that the tagger finds"
    )
    sub_spans: bool = Field(False, description="tagged: the spans inside them too")
    max_words: int = Field(12, ge=1, description="longest candidate")
    scorers: tuple[str, ...] = Field(..., description="tagger, tagger_span, translation, self_training")
    tagger: str = Field("spacy", description="tagger back end")
    model: str | None = Field(None, description="the tagger's model: a folder or name, of the target language")
    revision: str | None = Field(
        None, description="transformers: the commit of the tagger's model on the hub, 40 hexadecimal digits"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="transformers: numbers of the tagger's model"
    )
    translator: str | None = Field(None, description="translator back end")
    translator_model: str | None = Field(None, description="the translator's model: a folder or name")
    translator_revision: str | None = Field(
        None, description="the commit of the translator's model on the hub, 40 hexadecimal digits"
    )
    folds: int = Field(5, ge=2, description="self_training: taggers trained; each scores what it has not seen")
    epochs: int = Field(6, ge=1, description="self_training: passes over the data at most")


class Project(Table):
    """How source entities find their target spans."""

    candidates: Literal["ngrams", "aligned", "tagged", "markers"] = Field(
        "ngrams", description="where target spans come from"
    )
    markers: Literal["blanks", "brackets", "xml"] = Field(
        "blanks", description="how the marks of marked_text are written; in a recipe as [translate] says"
    )
    scores: dict[str, float] = Field(
        default_factory=lambda: {"alignment": 1.0},
        description="weight of each score; with candidates = markers only markers (how sure the marks are) by default",
    )
    alignment_form: Literal["posterior", "bounded", "raw"] = Field("posterior", description="alignment score")
    precedents: bool = Field(
        True,
        description="posterior score, solver exact, greedy or ilp: how the same phrase and the words at its edges are "
        "projected elsewhere helps to choose the span",
    )
    lengths: bool = Field(
        True,
        description="posterior score, solver exact, greedy or ilp: spans as long, in letters, as the corpus gives to "
        "such entities are preferred, and may reach over unlinked words for it",
    )
    solver: Literal["exact", "ilp", "greedy", "heuristic", "hull"] = Field("exact", description="how spans are chosen")
    min_score: float = Field(0.0, description="smallest total score of a span")
    max_words: int = Field(25, ge=1, description="longest target span")
    min_link: float = Field(0.3, ge=0, le=1, description="weaker links do not count as links (hard-link methods)")
    max_gap: int = Field(1, ge=0, description="words that a heuristic run may skip")
    min_length_ratio: float = Field(
        0.8, ge=0, description="heuristic: run length / entity length must exceed this; 0 = off"
    )
    max_runs: int = Field(1, ge=0, description="heuristic: runs that an entity may have, longest first; 0 = all")
    merge_inside_only: bool = Field(
        False, description="heuristic: a run that begins at the entity's first word joins none before it"
    )
    constraint: Literal["<=", "=", ">="] = Field("<=", description="ilp: how many spans each entity has …")
    projections: int = Field(1, ge=0, description="ilp: … than, or exactly, this number")
    ilp_solver: Literal["auto", "highs", "cbc"] = Field("auto", description="ilp: auto = HiGHS if installed, else CBC")
    overlap: Literal["overwrite", "skip"] = Field(
        "overwrite", description="hull: what a later entity does to words of an earlier one"
    )
    boundary_punctuation: bool = Field(True, description="may a span start or end with punctuation")
    filter: Literal["auto", "none", "strict"] | tuple[Filter, ...] = Field(
        "auto",
        description="which spans are dropped: auto = adjectives, doubtful ones, incomplete ones of predicted labels",
    )
    drop: Literal["entity", "sentence"] = Field("entity", description="what a lost entity takes with it")

    @model_validator(mode="before")
    @classmethod
    def _markers_score_themselves(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("candidates") == "markers":
            return {"scores": {"markers": 1.0}, **data}
        return data

    @field_validator("filter", mode="before")
    @classmethod
    def _filters_are_known(cls, value: Any) -> Any:
        known = f"it is auto, none, strict, or a list of {', '.join(FILTERS)}"
        if not isinstance(value, (str, list, tuple)):
            raise ValueError(f"{value!r} is no filter; {known}")
        if value in ("auto", "none", "strict"):
            return value
        named = (value,) if isinstance(value, str) else tuple(value)
        for name in named:
            if name in ("auto", "none"):
                raise ValueError(f"{name!r} stands alone and not in a list; {known}")
            if name not in FILTERS:
                raise ValueError(f"{name!r} is no filter; {known}")
        return named

    @field_validator("scores")
    @classmethod
    def _a_score_counts(cls, value: dict[str, float]) -> dict[str, float]:
        if not any(value.values()):
            raise ValueError("no score has a weight, so no span could be chosen; e.g. scores = { alignment = 1.0 }")
        return value

    @model_validator(mode="after")
    def _markers_fit(self) -> Project:
        if self.candidates != "markers":
            if "markers" in self.scores:
                raise ValueError("the score 'markers' needs candidates = 'markers'; leave one out or add the other")
            return self
        if self.solver in ("heuristic", "hull"):
            raise ValueError(f"solver = {self.solver!r} reads links, not markers; use exact, greedy or ilp")
        if models := [name for name in self.scores if name not in COMPUTED]:
            raise ValueError(f"candidates = 'markers' have no score {models[0]!r}; choose of {', '.join(COMPUTED)}")
        return self

    @model_validator(mode="after")
    def _doubt_knows_enough(self) -> Project:
        if "doubtful" in self.filter and not self.knows_confidence:
            raise ValueError(
                "filter 'doubtful' needs the posterior alignment score alone, precedents and lengths, spans near the "
                "links and constraint = '<='; use the defaults for these, or leave it out"
            )
        return self

    @property
    def needs_links(self) -> bool:
        """Does it read word links? Marks alone need none, unless links are asked to judge them."""
        judged = "alignment" in self.scores or self.filter not in ("auto", "none")
        return self.candidates != "markers" or judged

    @property
    def weighs_corpus(self) -> bool:
        """Does the score by which spans are chosen ask what is known of the whole corpus?"""
        weighed = bool(self.scores.get("alignment")) and self.alignment_form == "posterior"
        return weighed and self.solver in ("exact", "greedy", "ilp")

    @property
    def weighs_lengths(self) -> bool:
        """Do lengths count?"""
        return self.lengths and self.weighs_corpus

    @property
    def grows(self) -> bool:
        """May candidates reach over unlinked words, because they are too short?"""
        alone = all(name in COMPUTED for name in self.scores)
        return self.weighs_lengths and self.candidates == "ngrams" and alone

    @property
    def weighs_precedents(self) -> bool:
        """Do precedents count?"""
        return self.precedents and self.weighs_corpus

    @property
    def completeness(self) -> tuple[str, ...]:
        """The rules of the completeness filter; with `auto` those for rows with predicted labels."""
        if isinstance(self.filter, str):
            return () if self.filter == "none" else ("strict",)
        return tuple(rule for rule in self.filter if rule not in ("capitals", "doubtful"))

    @property
    def filters_capitals(self) -> bool:
        """Are spans in small letters dropped where names have capitals?"""
        return self.weighs_corpus if self.filter == "auto" else "capitals" in self.filter

    @property
    def knows_confidence(self) -> bool:
        """Is all known that says how sure a span is (see `core.confidence`)?"""
        # a score of a model brings candidates of its own, whatever its weight
        alone = all(name == "alignment" or (name in COMPUTED and not weight) for name, weight in self.scores.items())
        own = self.candidates in ("ngrams", "aligned") and self.weighs_lengths and self.weighs_precedents
        return alone and own and self.constraint == "<=" and self.projections == 1

    @property
    def filters_doubtful(self) -> bool:
        """Are spans dropped that are hardly right?"""
        return self.knows_confidence if self.filter == "auto" else "doubtful" in self.filter

    @property
    def learns_spans(self) -> bool:
        """Does it ask what a first projection of the corpus finds?"""
        return self.weighs_precedents or self.weighs_lengths or self.filters_capitals

    @model_validator(mode="after")
    def _constraint_has_an_effect(self) -> Project:
        if (self.constraint, self.projections) != ("<=", 1) and self.solver != "ilp":
            raise ValueError(
                f"solver = {self.solver!r} gives at most one span to each entity by its own rules; constraint = "
                f"'{self.constraint}' with projections = {self.projections} needs solver = 'ilp'"
            )
        if self.projections == 0 and self.constraint != ">=":
            raise ValueError(f"constraint = '{self.constraint}' with projections = 0 projects nothing; use 1 or more")
        return self
