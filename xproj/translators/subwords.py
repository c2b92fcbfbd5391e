"""Text to the sub-words of a seq2seq model and back, and its language codes: four families, told apart by themselves.

family    source                         target begins with    models
code      code, sub-words, end           code                  NLLB, M2M-100, mBART-50 (legacy: sub-words, end, code)
tag       tag, sub-words, end            -                     MADLAD-400 (`<2sw>`), OPUS-MT with targets (`>>swh<<`)
pair      sub-words, end                 -                     OPUS-MT of one pair
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from xproj.errors import BackendError, RecipeError
from xproj.languages import lookup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xproj.languages import Language

# how codes look in a vocabulary; the group is the code itself
NLLB = re.compile(r"([a-z]{3}_[A-Z][a-z]{3})")
M2M100 = re.compile(r"__([a-z]{2,3})__")
MBART = re.compile(r"([a-z]{2}_[A-Z]{2})")
MARIAN = re.compile(r">>([A-Za-z_]+)<<")
MADLAD = re.compile(r"<2([a-z]{2,3}(?:_[A-Za-z]+)*)>")
CODED = frozenset({"m2m_100", "nllb-moe", "mbart"})
TAGGED = frozenset({"t5", "mt5", "umt5"})
NEAREST = 3


class Codes(NamedTuple):
    """What marks the languages: ids before and behind the source, and the first of the target, if there is one."""

    before: tuple[int, ...]
    behind: tuple[int, ...]
    target: int | None


class Subwords:
    """A tokenizer and what the model's kind asks of it.

    Args:
        tokenizer: of transformers.
        config: of the model, which need not be of the same folder.
        name: the model's name, for messages.
        legacy: the language code stands behind the source (NLLB checkpoints tuned before 2023).
    """

    def __init__(self, tokenizer: Any, config: Any, name: str, *, legacy: bool = False) -> None:
        self.tokenizer, self.config, self._name = tokenizer, config, name
        self.legacy = legacy or type(tokenizer).__name__.startswith("MBartTokenizer")
        self.vocabulary: dict[str, int] = tokenizer.get_vocab()
        self._codes: dict[str, str] = {}
        patterns = self._patterns()
        for token in self.vocabulary:
            for pattern in patterns:
                if found := pattern.fullmatch(token):
                    self._codes[found[1]] = token
        self._check()

    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        kind = self.config.model_type
        if kind in CODED:
            return NLLB, M2M100, MBART
        if kind in TAGGED:
            return (MADLAD,)
        if kind == "marian":
            return (MARIAN,)
        raise BackendError(
            f"model {self._name}: {kind} is no known translation model; use NLLB, M2M-100, OPUS-MT or MADLAD-400"
        )

    def _check(self) -> None:
        """The tokenizer must be one that the model was trained with, as far as that can be seen.

        Raises:
            BackendError: its sub-words are not those of the model, or it has no language codes.
        """
        rows, largest = self.config.vocab_size, max(self.vocabulary.values())
        if largest >= rows:
            raise BackendError(
                f"model {self._name}: its tokenizer has {largest + 1} sub-words, the model only {rows}; "
                "set tokenizer to that of the base model"
            )
        end = self.config.eos_token_id
        if end is not None and self.tokenizer.eos_token_id not in (end if isinstance(end, list) else [end]):
            raise BackendError(
                f"model {self._name}: sentences of its tokenizer end with sub-word {self.tokenizer.eos_token_id}, "
                f"those of the model with {end}; set tokenizer to that of the base model"
            )
        if not self._codes and self.config.model_type != "marian":
            raise BackendError(
                f"model {self._name}: its tokenizer has no language codes; set tokenizer to that of the base model"
            )

    @property
    def codes(self) -> list[str]:
        """The language codes in its vocabulary, sorted; none of a model for one pair."""
        return sorted(self._codes)

    def languages(self, source: str, target: str) -> Codes:
        """What marks two languages.

        Raises:
            RecipeError: the model lacks a language; names the nearest codes that it has.
        """
        end = int(self.tokenizer.eos_token_id)
        kind = self.config.model_type
        if kind in CODED:
            ours, theirs = self._id(source), self._id(target)
            return Codes((), (end, ours), theirs) if self.legacy else Codes((ours,), (end,), theirs)
        if self._codes:
            if kind in TAGGED:
                self._id(source)  # the model reads no code of the source, but must know the language
            return Codes((self._id(target),), (end,), None)
        for side, language in (("source", source), ("target", target)):
            given = getattr(self.tokenizer, f"{side}_lang", None)
            if given and given not in _names(lookup(language)):
                raise RecipeError(
                    f"model {self._name}: its {side} language is {given!r}, not {language!r}; choose another model"
                )
        return Codes((), (end,), None)

    def _id(self, code: str) -> int:
        language = lookup(code)
        for name in _names(language):
            if name in self._codes:
                return self.vocabulary[self._codes[name]]
        for name in (language.bcp47.partition("-")[0], language.iso639_3):
            # mBART: the code of the language, and some region
            if regions := [known for known in self._codes if MBART.fullmatch(known) and known.startswith(f"{name}_")]:
                return self.vocabulary[self._codes[min(regions)]]
        raise RecipeError(
            f"model {self._name}: no code for {language.code} ({language.name}); the nearest of its {len(self._codes)} "
            f"are {', '.join(nearest(language, self.codes))}"
        )

    def encode(self, texts: Sequence[str], codes: Codes) -> list[list[int]]:
        """Sub-words of source texts, with language codes and end."""
        return [[*codes.before, *ids, *codes.behind] for ids in self._plain(texts)]

    def encode_targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Sub-words of target texts, without code and end."""
        return self._plain(texts, key="text_target" if self.config.model_type == "marian" else "text")

    def _plain(self, texts: Sequence[str], key: str = "text") -> list[list[int]]:
        if not texts:
            return []
        # markers of sub-words and of languages in the text are no more than text
        given: dict[str, Any] = {key: list(texts), "add_special_tokens": False, "return_attention_mask": False}
        found = self.tokenizer(**given, verbose=False, split_special_tokens=True)
        return [list(ids) for ids in found["input_ids"]]

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """The texts of target sub-words, without special ones."""
        given = [list(row) for row in ids]
        found = self.tokenizer.batch_decode(given, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [" ".join(text.split()) for text in found]

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The names of sub-words."""
        return list(self.tokenizer.convert_ids_to_tokens(list(ids)))


def nearest(language: Language, codes: Sequence[str]) -> list[str]:
    """The codes that are most like those of a language: first those of the same language in another script."""
    same = [code for code in codes if code.partition("_")[0] in (language.iso639_3, language.bcp47.partition("-")[0])]
    close = get_close_matches(language.code if "_" in "".join(codes) else language.bcp47, codes, NEAREST, cutoff=0.0)
    return list(dict.fromkeys([*same, *close]))[:NEAREST]


def _names(language: Language) -> list[str]:
    """What models call a language, NLLB's code first."""
    named = [language.code, language.m2m100, language.madlad, *language.marian, language.bcp47, language.iso639_3]
    return list(dict.fromkeys(name for name in named if name))
