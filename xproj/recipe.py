"""Recipes: one frozen pydantic table per stage, loaded from TOML, overridden by `--set`, resolved against a folder.

Only `[runtime]` never changes a result; every other value a stage reads is part of its fingerprint.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from xproj.errors import RecipeError, unknown
from xproj.languages import lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

Route = Literal["bitext", "translate-train", "translate-test"]


class Table(BaseModel):
    """A table of a recipe: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Ingest(Table):
    """Where the corpus is and how it is read."""

    path: str | None = Field(None, description="one file, folder or glob")
    source_path: str | None = Field(None, description="the labelled side, when the sides are apart")
    target_path: str | None = Field(None, description="the other side; labels in it become target_gold")
    format: Literal["auto", "conll", "jsonl", "parquet", "text", "tsv"] = Field("auto", description="file format")
    splitter: str = Field("icu", description="how raw text is cut into words: icu, whitespace, characters or spacy")
    labels: dict[str, str] = Field(default_factory=dict, description="rename labels; 'O' drops them")
    labels_allowed: tuple[str, ...] = Field((), description="refuse any other label, when given")
    strict_labels: bool = Field(False, description="refuse invalid IOB2 sequences instead of repairing them")
    max_words: int = Field(1000, ge=1, description="longer sentences get the status too_long")
    limit: int = Field(0, ge=0, description="only the first N sentences; 0 = all")
    shard_size: int = Field(5000, ge=1, description="sentences in one part file")


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


class Tag(Table):
    """Who labels the source side where it has no labels."""

    tagger: str = Field("spacy", description="tagger back end")
    model: str = Field(..., description="a model folder or name")
    labels: dict[str, str] = Field(default_factory=dict, description="rename labels; 'O' drops them")


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
    hmm: Literal["auto", "on", "off"] = Field("auto", description="HMM on top of IBM-1; auto: by corpus size")
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
                raise ValueError(_explain(error, Align, ("align", "members", name))) from error
        return self

    def member(self, name: str) -> Align:
        """The settings of a member of an ensemble: its own table, else defaults; its name is its aligner by default."""
        return Align.model_validate({"aligner": name, **self.members[name]})


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
    translator: str | None = Field(None, description="translator back end")
    translator_model: str | None = Field(None, description="the translator's model: a folder or name")
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
    filter: Literal["auto", "none", "strict"] | tuple[str, ...] = Field(
        "auto", description="completeness filter: auto = none for gold, strict for predicted labels"
    )
    drop: Literal["entity", "sentence"] = Field("entity", description="what a lost entity takes with it")

    @model_validator(mode="before")
    @classmethod
    def _markers_score_themselves(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("candidates") == "markers":
            return {"scores": {"markers": 1.0}, **data}
        return data

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

    @property
    def needs_links(self) -> bool:
        """Does it read word links? Marks alone need none, unless links are asked to judge them."""
        judged = "alignment" in self.scores or self.filter not in ("auto", "none")
        return self.candidates != "markers" or judged

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


class Silver(Table):
    """How the silver corpus is written."""

    split: dict[str, float] = Field(default_factory=dict, description="shares by hash of id, e.g. train = 0.9")
    hold_out: str | None = Field(None, description="a corpus whose target sentences must not be in the silver data")
    licences: tuple[str, ...] = Field((), description="licences of the texts, for the dataset card")
    length_ratio: tuple[float, float] | None = Field(None, description="legal range of target length / source length")
    max_dropped: float = Field(1.0, ge=0, le=1, description="largest share of its entities that a sentence may lose")
    min_confidence: float = Field(0.0, ge=0, description="smallest mean score of the spans of a sentence")
    drop_duplicates: bool = Field(False, description="only the first of sentences with the same target words")
    check_language: bool = Field(False, description="leave out what py3langid takes for another language")
    max_unlabelled: float | None = Field(None, ge=0, description="sentences without entities for each one with some")


class Train(Table):
    """The tagger trained on the silver corpus."""

    tagger: str = Field("spacy", description="tagger back end")
    epochs: int = Field(12, ge=1, description="passes over the data at most")
    patience: int = Field(3, ge=1, description="epochs without gain (dev F1, else training loss) before it stops")
    max_words: int = Field(1_500_000, ge=1, description="words seen at most, over all epochs")
    seed: int = Field(0, ge=0, description="random seed")
    dropout: float = Field(0.35, ge=0, lt=1, description="dropout")
    labels: dict[str, str] = Field(default_factory=dict, description="rename labels; 'O' drops them")
    dev: str | None = Field(None, description="a gold corpus that picks the best epoch")


class Evaluate(Table):
    """What is scored, and on which gold corpus."""

    gold: str | None = Field(None, description="gold corpus on which the trained tagger is scored")
    labels: dict[str, str] = Field(default_factory=dict, description="rename gold labels; 'O' drops them")
    bootstrap: int = Field(1000, ge=0, description="resamples of the confidence interval")


class Runtime(Table):
    """How it runs. Never hashed."""

    executor: Literal["local"] = Field("local", description="how shards are run")
    workers: int = Field(1, ge=1, description="processes")
    batch_tokens: int = Field(16384, ge=1, description="sub-words in one batch of a model")
    device: str = Field("auto", description="auto, cpu or cuda")


class Recipe(Table):
    """A whole recipe. Paths in it are relative to `folder`."""

    route: Route = Field("bitext", description="bitext, translate-train or translate-test")
    language: str | None = Field(None, description="the language to label, e.g. swh_Latn; any known code")
    source: str = Field("eng_Latn", description="the language that has labels")
    ingest: Ingest
    translate: Translate | None = None
    tag: Tag | None = None
    back: Back | None = None
    align: Align = Align()
    score: Score | None = None
    project: Project = Project()
    silver: Silver = Silver()
    train: Train | None = None
    evaluate: Evaluate | None = None
    runtime: Runtime = Runtime()

    @model_validator(mode="before")
    @classmethod
    def _tables_that_follow_translate(cls, data: Any) -> Any:
        translate = data.get("translate") if isinstance(data, dict) else None
        if not isinstance(translate, dict):
            return data
        back, project = data.get("back") or {}, data.get("project") or {}
        if translate.get("back_translate") is True and isinstance(back, dict):
            # Apertium's modes have a direction, and marks in this one need labels in that
            shared = {key: translate[key] for key in translate if key not in ("back_translate", "mode", "markers")}
            data = {**data, "back": {**shared, **back}}
        marked = isinstance(project, dict) and project.get("candidates") == "markers" and translate.get("markers")
        style = "blanks" if marked == "constrained" else marked
        return {**data, "project": {"markers": style, **project}} if marked else data

    @model_validator(mode="after")
    def _marks_are_read_as_written(self) -> Recipe:
        written = self.translate and self.translate.style
        if written and self.project.candidates == "markers" and self.project.markers != written:
            raise ValueError(
                f"[project] markers = {self.project.markers!r}, but [translate] writes {written!r}; leave the first out"
            )
        return self


TABLES: dict[str, type[Table]] = {
    "ingest": Ingest,
    "translate": Translate,
    "tag": Tag,
    "back": Back,
    "align": Align,
    "score": Score,
    "project": Project,
    "silver": Silver,
    "train": Train,
    "evaluate": Evaluate,
    "runtime": Runtime,
}
# scores that `project` computes itself; any other one is a column that the stage `score` makes
COMPUTED = ("alignment", "orthographic", "markers")
# what is no folder is the name of a model
MODEL_KEYS = ("model", "translator_model", "tokenizer")
PATH_KEYS = {
    "ingest": ("path", "source_path", "target_path"),
    "translate": ("model", "tokenizer"),
    "tag": ("model",),
    "back": ("model", "tokenizer"),
    "align": ("model", "prime", "links"),
    "score": ("model", "translator_model"),
    "silver": ("hold_out",),
    "train": ("dev",),
    "evaluate": ("gold",),
}


def load(path: Path, overrides: list[str] | None = None, language: str | None = None) -> Recipe:
    """Read a TOML (or frozen JSON) recipe, apply `table.key=value` overrides and a language, make its paths absolute.

    Languages become NLLB codes.

    Raises:
        RecipeError: no such file, not TOML, an unknown key, or an illegal value; names file and key.
    """
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}; `xproj new bitext > {path}` writes a starter recipe") from error
    except ValueError as error:
        raise RecipeError(f"{path}: not valid {kind}: {error}; correct that line") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{path}: not a recipe but a {type(data).__name__}; `xproj new bitext` writes one")
    apply_overrides(data, overrides or [])
    if language is not None:
        data["language"] = language
    recipe = parse(data, str(path))
    codes = {"source": lookup(recipe.source).code, "language": recipe.language and lookup(recipe.language).code}
    return resolve(recipe.model_copy(update=codes), path.parent)


def parse(data: dict[str, Any], where: str) -> Recipe:
    """Validate a recipe given as a dict.

    Raises:
        RecipeError: with every mistake in one message.
    """
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"{where}: {_explain(error, Recipe)}") from error


def settings(table: str, overrides: list[str], where: str = "--set") -> Table:
    """The settings of one table from its defaults and `table.key=value` overrides (the plain form).

    Raises:
        RecipeError: an unknown key, an illegal value, or another table's key.
    """
    data: dict[str, Any] = {}
    apply_overrides(data, overrides)
    try:
        return TABLES[table].model_validate(data.get(table, {}))
    except ValidationError as error:
        raise RecipeError(f"{where}: {_explain(error, TABLES[table], (table,))}") from error


def apply_overrides(data: dict[str, Any], overrides: list[str]) -> None:
    """Write `table.key=value` (or `key=value` at the top) into a recipe's dict; values are TOML, bare words strings.

    Raises:
        RecipeError: not of that form, or an unknown table.
    """
    for override in overrides:
        key, equals, raw = override.partition("=")
        if not equals or not key.strip():
            raise RecipeError(f"--set {override}: not of the form table.key=value; e.g. --set project.solver=greedy")
        *tables, name = key.strip().split(".")
        node = data
        for depth, table in enumerate(tables):
            if depth == 0 and table not in TABLES:
                raise RecipeError(unknown("table", table, TABLES, f"--set {override}"))
            node = node.setdefault(table, {})
            if not isinstance(node, dict):
                raise RecipeError(f"--set {override}: {table!r} is not a table; give it a value instead")
        node[name] = _value(raw.strip())


def _value(raw: str) -> Any:
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def _explain(error: ValidationError, root: type[BaseModel], prefix: tuple[str, ...] = ()) -> str:
    parts = []
    for item in error.errors():
        location = [*prefix, *(str(part) for part in item["loc"])]
        key = ".".join(location)
        if item["type"] == "extra_forbidden":
            table = TABLES.get(location[0], root) if len(location) > 1 else root
            parts.append(unknown("key", key.rsplit(".", 1)[-1], table.model_fields, f"[{'.'.join(location[:-1])}]"))
        elif item["type"] == "missing":
            parts.append(f"{key} is missing; {item['msg'].lower()}")
        elif item["type"] == "value_error":
            parts.append(f"[{key}] {item['ctx']['error']}" if key else str(item["ctx"]["error"]))
        else:
            parts.append(f"{key} = {item['input']!r}: {item['msg']}")
    return "; ".join(parts)


def resolve(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with `{language}` filled in and its paths absolute (a model that is no folder stays a name)."""
    update: dict[str, Table] = {}
    for table in PATH_KEYS:
        value: Table | None = getattr(recipe, table)
        if value is None:
            continue
        changed = {}
        for key, raw in paths(table, value).items():
            path = folder / raw.replace("{language}", recipe.language or "{language}")
            if not is_model(key) or path.exists():
                changed[key] = str(path.absolute())
        update[table] = value.model_copy(update=with_paths(value.model_dump(), changed))
    return recipe.model_copy(update=update)


def paths(name: str, table: Table) -> dict[str, str]:
    """The paths and model names in the table `name`, by key; those of an ensemble's members as `members.NAME.key`."""
    keys = PATH_KEYS.get(name, ())
    found = {key: getattr(table, key) for key in keys}
    for member, settings in getattr(table, "members", {}).items():
        found |= {f"members.{member}.{key}": settings.get(key) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


def with_paths(table: dict[str, Any], changed: Mapping[str, str]) -> dict[str, Any]:
    """A table's values with other paths, by the keys of `paths`."""
    for key, value in changed.items():
        *tables, last = key.split(".")
        node = table
        for inner in tables:
            node = node[inner]
        node[last] = value
    return table


def is_model(key: str) -> bool:
    """May the value of this key, as `paths` names it, be a model's name instead of a path?"""
    return key.rpartition(".")[2] in MODEL_KEYS
