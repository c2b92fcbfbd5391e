"""Words without what is glued to them, the form in which they are counted and compared.

Corpora that were cut at white space have “food,” beside “food” and “l'endroit” beside “endroit”, and a word that is
written in four ways is counted four times too rarely. The word of a corpus stays what it is; only statistics see this
form. Of text whose punctuation stands alone nothing is lost but apostrophes: “'s” is counted as “s”.
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

SENTENCE_MARKS = ".,;:!?…'\"¿¡،؛؟۔।॥။、。，；：！？｡､"
# an article or a preposition whose vowel is left out: one letter, two to four small ones, or Qu. “Van'daki” and
# “AB'nin” (Turkish) are names with an ending, and “Ma'rib” is one name. For Python and RE2 alike
ELIDED = "^(?:[A-Za-zÀ-ÿ]|Qu|[a-zß-ÿ]{2,4})['’]([^'’]{3})"
_ELIDED = re.compile(ELIDED)
# words whose form is kept: most of a text are among the last ones that were new
REMEMBERED = 1 << 16


def _marks() -> Iterator[str]:
    """Brackets and quotes of all scripts, and what ends sentences or parts of them."""
    brackets = ("Ps", "Pe", "Pi", "Pf")
    yield from (chr(at) for at in range(0x10000) if unicodedata.category(chr(at)) in brackets)
    yield from SENTENCE_MARKS


MARKS = "".join(_marks())


def bare(word: str) -> str:
    """A word without marks at its ends and without an elided word before it; marks alone stay as they are."""
    short = word.strip(MARKS) or word
    return _ELIDED.sub(r"\1", short) if "'" in short or "’" in short else short


def all_bare(words: pa.Array) -> pa.Array:
    """`bare` of each word, a large_string array."""
    short = pc.utf8_trim(words, characters=MARKS)
    short = pc.if_else(pc.equal(pc.binary_length(short), 0), words, short)
    return pc.replace_substring_regex(short, pattern=ELIDED, replacement=r"\1")


@lru_cache(maxsize=REMEMBERED)
def counted(word: str) -> str:
    """The form under which a word is counted: bare, NFC, lower case."""
    return bare(unicodedata.normalize("NFC", word)).lower()
