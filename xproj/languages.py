"""One table of languages: NLLB code, ISO 639-3, BCP-47, name, script, and what word splitters and engines call them.

The table is `data/languages.tsv`: the 204 languages of FLORES-200, which are those of NLLB-200 and the two that only
have evaluation data, and three more that Apertium translates. It is read on first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from xproj.errors import RecipeError, unknown

ALIASES = {
    "ace": "ace_Latn",
    "aym": "ayr_Latn",
    "aze": "azj_Latn",
    "bjn": "bjn_Latn",
    "cmn": "zho_Hans",
    "ekk": "est_Latn",
    "fas": "pes_Arab",
    "ff": "fuv_Latn",
    "fil": "tgl_Latn",
    "iw": "heb_Hebr",
    "knc": "knc_Latn",
    "kur": "kmr_Latn",
    "lav": "lvs_Latn",
    "min": "min_Latn",
    "mlg": "plt_Latn",
    "mon": "khk_Cyrl",
    "msa": "zsm_Latn",
    "nep": "npi_Deva",
    "no": "nob_Latn",
    "nor": "nob_Latn",
    "ori": "ory_Orya",
    "orm": "gaz_Latn",
    "pus": "pbt_Arab",
    "que": "quy_Latn",
    "sqi": "als_Latn",
    "swa": "swh_Latn",
    "uzb": "uzn_Latn",
    "yid": "ydd_Hebr",
    "zh-tw": "zho_Hant",
}


@dataclass(frozen=True)
class Language:
    """A language in one script."""

    code: str
    """NLLB code, e.g. `swh_Latn`; it names folders and fills the language column."""
    iso639_3: str
    bcp47: str
    name: str
    script: str
    """ISO 15924, e.g. `Latn`."""
    spaces: bool
    """Are words separated by spaces?"""
    right_to_left: bool
    spacy: str
    """Code of the blank spaCy pipeline, `xx` where spaCy has none."""
    apertium: tuple[str, ...] = ()
    """What Apertium's modes call it, the usual code first: old pairs have codes of two letters, new ones of three."""
    m2m100: str = ""
    """Code of M2M-100, e.g. `sw`; empty where that model lacks the language."""
    marian: tuple[str, ...] = ()
    """What OPUS-MT models call it, in the order in which they are looked for: `>>swh<<`, in old models `>>sw<<`."""
    madlad: str = ""
    """Code of MADLAD-400, e.g. `sw` of `<2sw>`; empty where that model lacks the language."""
    splitter: str = "icu"
    """The word splitter of public NER corpora: `characters` where they have a label for each character, else `icu`."""


@cache
def all_languages() -> tuple[Language, ...]:
    """All languages, sorted by code."""
    text = files("xproj").joinpath("data/languages.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return tuple(_language(*row) for row in rows)


def _language(code: str, iso639_3: str, bcp47: str, name: str, script: str, *rest: str) -> Language:
    spaces, right_to_left, spacy, apertium, m2m100, marian, madlad, splitter = rest
    return Language(
        *(code, iso639_3, bcp47, name, script, spaces == "yes", right_to_left == "yes", spacy),
        *(_codes(apertium), m2m100.strip("-"), _codes(marian), madlad.strip("-"), splitter),
    )


def _codes(cell: str) -> tuple[str, ...]:
    """The codes of a cell; a dash stands for none."""
    return () if cell == "-" else tuple(cell.split())


@cache
def _index() -> dict[str, Language]:
    by_code = {language.code.lower(): language for language in all_languages()}
    index = {alias: by_code[code.lower()] for alias, code in ALIASES.items()}
    for language in all_languages():
        index.setdefault(language.iso639_3, language)
        index.setdefault(language.bcp47.lower(), language)
    return index | by_code


def lookup(code: str) -> Language:
    """The language of an NLLB (`swh_Latn`), ISO 639-3 (`swh`, `swa`) or BCP-47 code (`sw`), in any case.

    Where a code has several scripts, it means the usual one (`zh` → `zho_Hans`); a region is ignored (`pt-BR` → `pt`).

    Raises:
        RecipeError: an unknown code; names the closest known ones.
    """
    index = _index()
    key = code.strip().lower()
    for form in (key, key.replace("-", "_"), key.replace("_", "-")):
        if form in index:
            return index[form]
    primary, _, region = key.replace("_", "-").partition("-")
    if primary in index and len(region) == 2:
        return index[primary]
    names = {language.name.lower(): language for language in all_languages()}
    if key in names:
        return names[key]
    if close := [language for name, language in names.items() if key and key in name]:
        found = ", ".join(f"{language.code} ({language.name})" for language in close[:5])
        raise RecipeError(f"unknown language {code!r}; did you mean {found}?")
    known = [language.code for language in all_languages()]
    message = unknown("language", code, known)
    if "; known: " in message:
        message = f"unknown language {code!r}; `xproj languages` lists the {len(known)} known codes"
    raise RecipeError(message)
