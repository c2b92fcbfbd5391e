"""Names that are known in both languages: those of countries, regions, cities, languages, months and weekdays.

A name that occurs once in a small corpus has no statistics, but many of these are in the Common Locale Data Repository
(CLDR) of Unicode, which the package Babel brings for some 300 languages. The fit of the statistical aligner reads them
as more sentence pairs, of a name each, so that they share all that it does with words: prefixes, looks, capitals.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xproj.columns import TokenColumn
from xproj.core.words import words
from xproj.errors import BackendError
from xproj.languages import lookup

if TYPE_CHECKING:
    from babel import Locale

    from xproj.languages import Language

UNDETERMINED = "und"
# codes of what no text names: private use, tests of software, nothing known
UNNAMED = frozenset({"XA", "XB", "ZZ", "und", "mul", "mis", "zxx", "Etc/Unknown"})
LATIN = re.compile("[A-Za-z]")


def name_pairs(source: str, target: str) -> tuple[TokenColumn, TokenColumn] | None:
    """The words of each name in both languages, as two columns of equal length.

    Args:
        source: code of the source language.
        target: code of the target language.

    Returns:
        None where a language is undetermined or unknown to CLDR, or both are the same.

    Raises:
        BackendError: Babel is not installed.
    """
    if source == target or UNDETERMINED in (source, target):
        return None
    sides = [lookup(code) for code in (source, target)]
    known = [_names(side) for side in sides]
    shared = [key for key in known[0] if key in known[1]]
    if not shared:
        return None
    first, second = (
        TokenColumn.of([words(names[key], side) for key in shared]) for side, names in zip(sides, known, strict=True)
    )
    return first, second


def _names(language: Language) -> dict[tuple[str, str], str]:
    """The name of each thing that CLDR names in a language, by the kind of thing and its code."""
    locale = _locale(language.bcp47)
    if locale is None:
        return {}
    names = _all_names(locale)
    if locale.language == "en":
        # CLDR leaves out cities whose English name is in the code of their time zone
        return {("city", zone): zone.rpartition("/")[2].replace("_", " ") for zone in _zones()} | names
    from babel import Locale

    # what a language lacks has the name of the root, a code or an English one
    root = _all_names(Locale("root"))
    return {
        key: name
        for key, name in names.items()
        if name != root.get(key) and (language.script == "Latn" or not LATIN.search(name))
    }


def _all_names(locale: Locale) -> dict[tuple[str, str], str]:
    kinds = {
        "territory": locale.territories,
        "language": locale.languages,
        "month": locale.months["format"]["wide"],
        "weekday": locale.days["format"]["wide"],
        "city": {zone: names.get("city") for zone, names in locale.time_zones.items()},
    }
    return {
        (kind, str(code)): name
        for kind, names in kinds.items()
        for code, name in names.items()
        if name and code not in UNNAMED
    }


def _zones() -> list[str]:
    """The time zones that are called after a city."""
    from babel.core import get_global

    return [zone for zone in get_global("zone_territories") if "/" in zone and not zone.startswith("Etc/")]


def _locale(tag: str) -> Locale | None:
    """What CLDR has of a language (BCP 47) in its script."""
    try:
        from babel import Locale, UnknownLocaleError
    except ImportError as error:
        raise BackendError(
            "the package babel is missing: install xproj again (pip install .), or set align.names=false"
        ) from error
    try:
        locale = Locale.parse(tag, sep="-")
    except UnknownLocaleError:
        return None
    # Babel takes the usual script where it has no names in the one that is asked for
    return locale if locale.script or "-" not in tag else None
