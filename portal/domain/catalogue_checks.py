"""Checks of single values of the catalogue file.

Each takes what the file says and answers None, or a `Flaw` in plain English.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import get_global
from babel.numbers import list_currencies
from stdnum import bic, iban
from stdnum.eu import vat

from portal.domain.money import minor_digits
from portal.domain.tax import vat_prefix


class Flaw(NamedTuple):
    """What is wrong with a value: a code for programs and a sentence for people."""

    code: str
    message: str


_SLUG = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_EMAIL = re.compile(
    r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+"
    r"[A-Za-z]{2,63}"
)
_PHONE = re.compile(r"\+[1-9][0-9 ]{6,20}")
_PREFIX = re.compile(r"[A-Z][A-Z0-9]{0,7}")
_LOGO = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*\.(?:svg|png|webp)")
_AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]+))?")
_LEAST_CONTRAST = 4.5
_NOT_COUNTRIES = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}


def suggestion(word: str, known: list[str]) -> str:
    """' Did you mean "…"?', or nothing where no known word is near."""
    near = get_close_matches(word[:80], known, n=1)
    return f' Did you mean "{near[0]}"?' if near else ""


def check_slug(key: str) -> Flaw | None:
    """A key: small letters, digits and single hyphens, starting with a letter."""
    if len(key) <= 40 and _SLUG.fullmatch(key):
        return None
    return Flaw(
        "bad_key",
        "A key has small letters, digits and single hyphens, starts with a letter and is "
        'at most 40 long, such as "data-vault".',
    )


def check_text(text: str) -> Flaw | None:
    """Words for people: not empty, no control characters, no spaces around."""
    if not text.strip():
        return Flaw("empty", "This text is empty.")
    if any(c != "\n" and unicodedata.category(c) in ("Cc", "Cs") for c in text):
        return Flaw("bad_text", "This text has a control character in it.")
    if text != text.strip():
        return Flaw("bad_text", "This text starts or ends with a space or an empty line.")
    return None


def check_colour(text: str) -> Flaw | None:
    """'#rrggbb', dark enough that white text on it can be read (WCAG 1.4.3: 4.5 to 1)."""
    if not _COLOUR.fullmatch(text):
        return Flaw("bad_colour", 'Write the colour as "#rrggbb", such as "#2855d9".')
    contrast = _contrast_with_white(text)
    if contrast < _LEAST_CONTRAST:
        return Flaw(
            "low_contrast",
            f"White text on {text} has a contrast of {contrast:.2f} to 1; "
            f"{_LEAST_CONTRAST} is the least. Choose a darker colour.",
        )
    return None


def _contrast_with_white(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def check_vat_number(text: str) -> Flaw | None:
    """A VAT number of an EU country, with its country letters and check digits."""
    if text.isascii() and vat.is_valid(text):
        return None
    return Flaw(
        "bad_vat_number",
        "This is not a valid EU VAT number with its country letters: check the digits.",
    )


def check_vat_country(vat_number: str, country: str) -> Flaw | None:
    """The VAT number and the address are of one country."""
    if vat_number[:2] == vat_prefix(country):
        return None
    return Flaw(
        "vat_country",
        f'The VAT number is of "{vat_number[:2]}", but the address is in "{country}".',
    )


def check_iban(text: str) -> Flaw | None:
    """An IBAN with right length and check digits (the country's own rules are not asked)."""
    if text.isascii() and iban.is_valid(text, check_country=False):
        return None
    return Flaw("bad_iban", "This is not a valid IBAN: check the digits.")


def check_bic(text: str) -> Flaw | None:
    """A BIC of 8 or 11 characters."""
    if text.isascii() and bic.is_valid(text):
        return None
    return Flaw("bad_bic", 'This is not a valid BIC of 8 or 11 characters, as "ABCDBE22".')


def check_time_zone(text: str) -> Flaw | None:
    """A time zone that the machine knows, such as 'Europe/Brussels'."""
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        hint = suggestion(text, sorted(get_global("zone_territories")))
        return Flaw("bad_time_zone", f'No such time zone; write one as "Europe/Brussels".{hint}')
    return None


@cache
def _countries() -> frozenset[str]:
    codes = (str(code) for code in Locale("en").territories)
    return frozenset(code for code in codes if len(code) == 2 and code not in _NOT_COUNTRIES)


def check_country(text: str) -> Flaw | None:
    """A country by its ISO code of two capitals."""
    if text in _countries():
        return None
    return Flaw("bad_country", 'Write the country as its two capitals, such as "BE".')


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def check_currency(code: str) -> Flaw | None:
    """A currency by its ISO code of three capitals."""
    if code in _currencies():
        return None
    hint = suggestion(code.upper(), ["EUR", "GBP", "CHF", "USD", "SEK", "NOK", "DKK", "PLN"])
    return Flaw("bad_currency", f'No such currency; write its ISO code, as "EUR".{hint}')


def check_email(text: str) -> Flaw | None:
    """An e-mail address, such as 'support@kanto.example'."""
    if len(text) <= 254 and _EMAIL.fullmatch(text):
        return None
    return Flaw("bad_email", "This is not an e-mail address.")


def check_phone(text: str) -> Flaw | None:
    """A telephone number with its country, such as '+32 59 00 01 40'."""
    if _PHONE.fullmatch(text):
        return None
    return Flaw(
        "bad_phone", 'Write the number with its country and spaces only: "+32 59 00 01 40".'
    )


def check_prefix(text: str) -> Flaw | None:
    """The first part of invoice numbers; may be empty."""
    if not text or _PREFIX.fullmatch(text):
        return None
    return Flaw(
        "bad_prefix", 'A prefix has at most 8 capitals and digits, such as "KAN", or is "".'
    )


def check_logo(text: str) -> Flaw | None:
    """A picture's file name, relative to the catalogue file."""
    if _LOGO.fullmatch(text):
        return None
    return Flaw(
        "bad_logo",
        'Name an svg, png or webp file beside this file, such as "logo.svg".',
    )


def check_url(text: str) -> Flaw | None:
    """An https address without a user name."""
    flaw = Flaw("bad_url", "Write a full address that starts with https://.")
    if not text.isascii() or not text.isprintable() or " " in text:
        return flaw
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError:
        return flaw
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        return flaw
    return None


def read_amount(text: str, currency: str) -> int | Flaw:
    """The minor units of a decimal such as '75.00', exactly and without a float.

    The fraction is absent or has just as many digits as the currency: two for EUR,
    none for JPY.
    """
    digits = minor_digits(currency)
    example = f'"75.{"0" * digits}"' if digits else '"75"'
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return Flaw(
            "bad_price",
            f"Write the price with digits and a point, without a sign, a space, a comma or "
            f"a currency, as {example}.",
        )
    whole, fraction = match[1], match[2]
    if fraction is not None and len(fraction) != digits:
        return Flaw("bad_price", f"A price in {currency} is written as {example}.")
    return int(whole + (fraction or "0" * digits))
