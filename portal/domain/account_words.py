"""The words by which the desk finds a customer: those of its names, its addresses and numbers.

Words are compared as `normal_words` has them, without case and accents, by their beginnings: so
"mull" finds Müller & Söhne, and "noord" Atelier Noordzee, whatever the database's collation is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["LONGEST_WORD", "MOST_TYPED", "normal_words", "prefix_end", "typed_words",
           "words_of_account"]  # fmt: skip

LONGEST_WORD = 200
MOST_TYPED = 4
"""So many of the words that were typed are looked for, the longest of them."""

# An address, the host of one ("@kanto.example"), or a run of letters and digits.
_WORD = re.compile(r"[^\s@,;<>]*@[^\s@,;<>]+|[^\W_]+")


def normal_words(text: str) -> list[str]:
    """The words of `text` in lower case, without accents, in their order."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign for sign in folded if not unicodedata.combining(sign))
    return [word.lstrip("@")[:LONGEST_WORD] for word in _WORD.findall(plain)]


def words_of_account(
    names: Iterable[str], emails: Iterable[str], numbers: Iterable[str]
) -> set[str]:
    """What an account is found by: each word of its names, addresses and their hosts, numbers.

    A number such as BE 0123.456.789 is one word, however it is written.
    """
    words = {word for name in names for word in normal_words(name)}
    for email in emails:
        words |= {part for word in normal_words(email) for part in (word, word.partition("@")[2])}
    words |= {"".join(normal_words(number)) for number in numbers}
    return words - {""}


def typed_words(text: str) -> tuple[str, ...]:
    """The words to look for in what was typed, the longest first; each is a beginning."""
    found = sorted(set(normal_words(text)), key=lambda word: (-len(word), word))
    return tuple(word for word in found if word)[:MOST_TYPED]


def prefix_end(word: str) -> str:
    """Behind every word that begins with `word`, in the order of code points."""
    return f"{word}\U0010ffff"
