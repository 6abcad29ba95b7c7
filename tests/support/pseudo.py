"""The pseudo-locale: every word of the portal bracketed, and at least 40 % longer.

It is made from the catalogue while a test runs, takes the place of all languages, and is no
language of the portal. What is on screen without brackets never went through the translation;
what a longer word breaks, German will.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, wraps
from pathlib import Path
from typing import Any

import pytest
from babel import support
from babel.messages.pofile import read_po

from portal import formats
from portal.config import ROOT
from portal.domain.catalogue import LocalizedText

__all__ = ["CLOSE", "OPEN", "PSEUDO_START", "install", "outside", "pseudo", "unexplained"]

OPEN, CLOSE = "⟦", "⟧"
PSEUDO_START = Path(__file__).with_name("pseudo_start")
"""The folder that makes a process speak the pseudo-locale where it stands on the PYTHONPATH."""
_LONGER = 1.4
# What is not words: placeholders, markup, entities, {pages}, addresses.
_KEPT = re.compile(r"%\(\w+\)[-#0 +]*\d*[a-z]|%%|<[^>]*>|&#?\w+;|\{\w*\}|https?://\S+|\n")
_VOWEL = re.compile(r"[aeiouAEIOU]")
# Dates, months and countries are words that Babel knows; they count as translated.
_WORDY = ("format_country", "format_day", "format_day_month", "format_day_range",
          "format_day_short", "format_instant", "format_month", "format_month_letter",
          "format_month_short", "format_names")  # fmt: skip

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESS = re.compile(
    r"https?://\S+|(?<![\w.])[a-z-]+(?:\.[a-z-]+)*\.example\b|/[\w/.-]+|\w+\.(?:csv|json|pdf|xml)\b"
)
_NUMBERED = re.compile(r"(?<![^\W_])[A-Z]*[-A-Z0-9·/]*\d[-\w·/.:]*")  # KAN-2026-00012, IBANs
_WORD = re.compile(r"[^\W\d_]{2,}")
_NAMES_OF_THINGS = ("IBAN", "BIC", "EUR", "USD", "GBP", "CHF", "PDF", "CSV", "VIES", "RF",
                    "Visa", "Mastercard", "American Express", "Kanto", "Europe/Brussels",
                    "English", "Nederlands", "Français", "Italiano", "Deutsch")  # fmt: skip


def pseudo(text: str) -> str:
    """`text` with its vowels doubled until it is long enough, in brackets, its placeholders kept."""
    parts, at = [], 0
    for kept in _KEPT.finditer(text):
        parts += [(text[at : kept.start()], True), (kept[0], False)]
        at = kept.end()
    parts.append((text[at:], True))
    longer = "".join(
        _VOWEL.sub(lambda vowel: vowel[0] + vowel[0].lower(), part) if is_words else part
        for part, is_words in parts
    )
    words = sum(len(part) for part, is_words in parts if is_words)
    lacking = int(words * _LONGER + 0.999) - words - (len(longer) - len(text))
    return f"{OPEN}{longer}{'·' * max(lacking, 0)}{CLOSE}"


@cache
def _translations() -> support.Translations:
    made = support.Translations()
    made.plural = lambda number: int(number != 1)
    with (ROOT / "translations" / "nl" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        for message in read_po(file, locale="nl"):
            if isinstance(message.id, str) and message.id:
                made._catalog[message.id] = pseudo(message.id)
            elif message.id:
                for form, text in enumerate(message.id):
                    made._catalog[message.id[0], form] = pseudo(text)
    return made


def install(patch: pytest.MonkeyPatch) -> None:
    """Every language speaks the pseudo-locale, until `patch` is undone."""
    real_load: Any = support.Translations.load.__func__  # type: ignore[attr-defined]

    def load(cls: Any, dirname: Any = None, locales: Any = None, domain: Any = None) -> Any:
        ours = domain in {None, "messages"}
        return _translations() if ours else real_load(cls, dirname, locales, domain)

    patch.setattr(support.Translations, "load", classmethod(load))
    patch.setattr(LocalizedText, "in_", lambda text, locale: pseudo(text.en))
    for name in _WORDY:
        patch.setattr(formats, name, _bracketed(getattr(formats, name)))


def _bracketed(format_: Callable[..., str]) -> Callable[..., str]:
    @wraps(format_)
    def formatted(*values: Any) -> str:
        return f"{OPEN}{format_(*values)}{CLOSE}"

    return formatted


def outside(text: str) -> list[str]:
    """The pieces of `text` that no bracket holds; ValueError where brackets do not match."""
    pieces, depth = [""], 0
    for sign in text:
        if sign == OPEN:
            depth += 1
        elif sign == CLOSE:
            depth -= 1
            pieces.append("")
        elif depth == 0:
            pieces[-1] += sign
        if depth < 0:
            raise ValueError(f"a bracket closes nothing: {text!r}")
    if depth:
        raise ValueError(f"a bracket stays open: {text!r}")
    return [piece for piece in pieces if piece.strip()]


def unexplained(text: str, data: Iterable[str] = ()) -> list[str]:
    """What stands outside the brackets and is neither data nor a name, a number, an address."""
    found = []
    for piece in outside(text):
        rest = _ADDRESS.sub(" ", _EMAIL.sub(" ", piece))
        for known in sorted({*data, *_NAMES_OF_THINGS}, key=len, reverse=True):
            rest = re.sub(rf"(?<!\w){re.escape(known)}(?!\w)", " ", rest)
        if _WORD.search(_NUMBERED.sub(" ", rest)):
            found.append(piece.strip())
    return found
