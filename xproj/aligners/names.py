"""Names that are known in both languages: those of countries, regions, cities, languages, months and weekdays.

A name that occurs once in a small corpus has no statistics, but many of these are in the Common Locale Data Repository
(CLDR) of Unicode, which the package Babel brings for some 300 languages. The fit of the statistical aligner reads them
as more sentence pairs, of a name each, so that they share all that it does with words: prefixes, looks, capitals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xproj.columns import TokenColumn
from xproj.core.words import words
from xproj.languages import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from babel import Locale

    from xproj.languages import Language

UNDETERMINED = ("", "und")


def name_pairs(source: str, target: str) -> tuple[TokenColumn, TokenColumn] | None:
    """The words of each name in both languages, as two columns of equal length.

    Args:
        source: code of the source language.
        target: code of the target language.

    Returns:
        None where a language is undetermined or unknown to CLDR, or both are the same.
    """
    if source == target or source in UNDETERMINED or target in UNDETERMINED:
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
    locale = _locale(language)
    if locale is None:
        return {}
    kinds = {
        "territory": locale.territories.items(),
        "language": locale.languages.items(),
        "month": locale.months["format"]["wide"].items(),
        "weekday": locale.days["format"]["wide"].items(),
        "city": _cities(locale, language),
    }
    return {(kind, str(code)): name for kind, found in kinds.items() for code, name in found if name}


def _cities(locale: Locale, language: Language) -> Iterator[tuple[str, str]]:
    """Cities that stand for time zones. CLDR has those that differ from the English name in the code of the zone."""
    from babel.core import get_global

    for zone in get_global("zone_territories"):
        name = locale.time_zones.get(zone, {}).get("city")
        if name is None and language.script == "Latn" and "/" in zone:
            name = zone.rpartition("/")[2].replace("_", " ")
        if name:
            yield zone, name


def _locale(language: Language) -> Locale | None:
    """What CLDR has of a language in its script."""
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(language.bcp47, sep="-")
    except UnknownLocaleError:
        return None
    # Babel takes the usual script where it has no names in the one that is asked for
    return locale if locale.script or "-" not in language.bcp47 else None
