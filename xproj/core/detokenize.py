"""Words back to text: where the spaces go.

One rule per kind of mark, no dictionary: nothing before closing marks, nothing after opening ones, quotes by turns,
no spaces at all in scripts that have none. It does not restore the very text that was split (nobody can), but text
that splits into the same words, and reads well.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xproj.core.words import WordRules

# languages that write the article and the noun as one, with an apostrophe between them
ELIDING = frozenset({"ca", "fr", "fur", "it", "lij", "lmo", "oc", "sc", "scn", "vec"})
# which marks end a quotation that a mark has begun; » and ” begin one in German, Danish, Swedish and Finnish
QUOTES = {
    '"': '"',
    "“": "”",
    "„": "“”‟",
    "”": "”",
    "«": "»",
    "»": "«",
    "‘": "’",
    "‚": "‘’",
    "‹": "›",
    "›": "‹",
}
TIGHT = frozenset("-‐‑/_@")
SPACED = frozenset("&*+=<>|–—")
OPENING = frozenset("¿¡#$£")
FRENCH_SPACED = frozenset(":;!?»")


def join(words: Sequence[str], language: WordRules) -> str:
    """The text of a sentence.

    Example: `["He", "said", "(", "no", ")", "."]` → `He said (no).`
    """
    spaces = spaces_after(words, language)
    return "".join(word + " " * space for word, space in zip(words, spaces, strict=True)).rstrip(" ")


def spaces_after(words: Sequence[str], language: WordRules) -> list[bool]:
    """For each word, does a space follow it? (n_words,); the last is False."""
    kinds = _kinds(words, language)
    follows = [_space(words, kinds, i, language.spaces) for i in range(len(words) - 1)]
    return [*follows, False] if words else []


def _space(words: Sequence[str], kinds: list[str], i: int, spaces: bool) -> bool:
    if kinds[i] in ("opening", "tight") or kinds[i + 1] in ("closing", "tight"):
        return False
    left, right = words[i][-1:], words[i + 1][:1]
    return spaces or (_spaced_script(left) and _spaced_script(right))


def _spaced_script(character: str) -> bool:
    """Does it belong to a script with spaces? In Chinese text, two Latin words still have one between them."""
    return character.isalnum() and ord(character) < 0x0E00


def _kinds(words: Sequence[str], language: WordRules) -> list[str]:
    """What each word does to the spaces around it: word, opening, closing, tight or spaced."""
    primary = language.bcp47.partition("-")[0]
    open_quotes: list[str] = []
    kinds = []
    for word in words:
        if word in QUOTES or any(word in closers for closers in QUOTES.values() if word):
            kind = _quote(word, open_quotes)
        else:
            kind = _mark(word, primary)
        if primary == "fr" and (word in FRENCH_SPACED or word == "«"):
            kind = "spaced"
        kinds.append(kind)
    return kinds


def _quote(mark: str, open_quotes: list[str]) -> str:
    if open_quotes and mark in QUOTES[open_quotes[-1]]:
        open_quotes.pop()
        return "closing"
    if mark not in QUOTES:
        return "closing"  # an apostrophe, or the end of something that began elsewhere
    open_quotes.append(mark)
    return "opening"


def _mark(word: str, primary: str) -> str:
    if len(word) > 1:
        if word[0] in "'’" and word[1:].isalpha() and len(word) <= 3:
            return "closing"  # 's, 're, 'll
        if primary in ELIDING and word[-1] in "'’" and word[:-1].isalpha():
            return "opening"  # l', dell'
        if all(unicodedata.category(character)[0] == "P" for character in word):
            return "closing" if word[0] in ".!?…" else "spaced"
        return "word"
    if word in TIGHT:
        return "tight"
    if word in OPENING:
        return "opening"
    category = unicodedata.category(word) if word else "Lo"
    if category in ("Ps", "Pi"):
        return "opening"
    if category in ("Pe", "Pf") or (category == "Po" and word not in SPACED) or word == "'":
        return "closing"
    return "word"
