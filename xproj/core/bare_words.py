"""Words without what is glued to them, the form in which they are counted and compared.

Corpora that were cut at white space have “food,” beside “food” and “l'endroit” beside “endroit”, and a word that is
written in four ways is counted four times too rarely. The word of a corpus stays what it is; only statistics see this
form. Of text whose punctuation stands alone little is lost: “'s” is counted as “s”, and “U.S.” as “U.S”.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator

# marks between sentences or parts of one, hardly ever behind an abbreviation
BREAKS = ",;:!?،؛؟۔।॥፡።፣፤፥፦፧፨։՝՞՜၊။។៕།༎᱾᱿᠂᠃、。，；：！？｡､"
# marks that nobody sees: zero width, direction
INVISIBLE = "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
# words of French, Italian, Catalan and Occitan that lose their vowel before another one. Elsewhere an apostrophe is a
# letter (“bo'ldi”, “c'hoar”, “la'aan”, “Ma'rib”) or stands before an ending (“Van'daki”). For Python and RE2 alike
_SMALL_VOWELS = "aeiouyàáâäèéêëìíîïòóôöùúûüæœ"
_VOWELS = _SMALL_VOWELS + _SMALL_VOWELS.upper()
_BEFORE = "[LlDdJjNnSsMm]|[Qq]u|[Uu]n|(?:[Aa]|[Dd][ea]|[Nn]e|[Ss]u|[Cc]o|[Qq]ue)ll"
ELIDED = f"^(?:(?:{_BEFORE})['’]([{_VOWELS}Hh][^'’]{{2}})|[Cc]['’]([{_VOWELS}][^'’]{{2}}))"
_ELIDED = re.compile(ELIDED)
# words whose form is kept: most of a text are among the last ones that were new
REMEMBERED = 1 << 16


def _enclosing() -> Iterator[str]:
    """Brackets and quotes of all scripts."""
    brackets = ("Ps", "Pe", "Pi", "Pf")
    yield from (chr(at) for at in range(0x10000) if unicodedata.category(chr(at)) in brackets)
    yield from "'\""


ENCLOSING = "".join(_enclosing())
MARKS = f"{ENCLOSING}{INVISIBLE}{BREAKS}.…¿¡"


def bare(word: str) -> str:
    """A word without marks at its ends and without an elided word before it; marks alone stay as they are."""
    short = word.strip(MARKS) or word
    return _ELIDED.sub(r"\1\2", short) if "'" in short or "’" in short else short


def all_bare(words: pa.Array) -> pa.Array:
    """`bare` of each word, a large_string array."""
    short = pc.utf8_trim(words, characters=MARKS)
    short = pc.if_else(pc.equal(pc.binary_length(short), 0), words, short)
    return pc.replace_substring_regex(short, pattern=ELIDED, replacement=r"\1\2")


@lru_cache(maxsize=REMEMBERED)
def counted(word: str) -> str:
    """The form under which a word is counted: bare, NFC, lower case."""
    return bare(unicodedata.normalize("NFC", word)).lower()
