"""Money, dates and numbers as people of each language write them; for pages, mails and documents.

Pure: a value and a locale go in, text comes out. Every answer is remembered, because a page shows
the same few dates and prices many times and Babel takes some 20 µs for each.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_interval, format_skeleton, format_time
from babel.lists import format_list
from babel.numbers import (
    NumberPattern,
    format_decimal,
    format_percent,
    get_decimal_symbol,
    get_group_symbol,
)

from portal.domain.money import Money, major, minor_digits, round_half_away

__all__ = [
    "as_written",
    "babel_locale",
    "colon",
    "filled",
    "format_country",
    "format_day",
    "format_day_month",
    "format_day_range",
    "format_day_short",
    "format_instant",
    "format_integer",
    "format_money",
    "format_month",
    "format_month_letter",
    "format_month_short",
    "format_names",
    "format_number",
    "format_percentage",
    "format_typed",
    "format_unit_price",
    "thousands_sign",
]

# The source is British English: days before months, the week begins on Monday.
_REGIONAL = {"en": "en_GB"}
_REMEMBERED = 8192
_LEADING_ZERO = re.compile(r"\b0(?=[1-9]\b)")
_TWO_STOPS = re.compile(r"(?<=\w)\.\.(?=\s|$)")
# An article before a day that begins with a vowel when it is spoken: otto, undici.
_ARTICLE = re.compile(r"\b(I|i|[Dd]e|[Dd]a|[Aa]|[Nn]e|[Ss]u)l (?=(?:8|11) [a-z])")
# Words that lose their e before a vowel, where a value follows; and such a value, markup or not.
_ELIDED = re.compile(r"\b([Dd]|(?:[Ll]ors|[Pp]uis)?[Qq]u)e (?=%\((\w+)\)s)")
_VOWEL = re.compile(r"(?:<[^>]*>)*(?!onze\b|oui\b)[aeiouàâäæéèêëîïôöœùûü]", re.IGNORECASE)


@lru_cache(maxsize=64)
def babel_locale(locale: str) -> Locale:
    """The Babel locale of one of our language codes; British English for one we do not speak."""
    language = locale.replace("-", "_").partition("_")[0].lower()
    try:
        return Locale.parse(_REGIONAL.get(language, language))
    except ValueError:
        return Locale.parse("en_GB")


@lru_cache(maxsize=64)
def _money_pattern(locale: str, digits: int) -> NumberPattern:
    """The locale's currency pattern with the decimals of ISO 4217 (Babel would use CLDR's)."""
    pattern = copy.copy(babel_locale(locale).currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    return pattern


def _minus(text: str) -> str:
    """With a real minus: as wide as a plus, never broken off, and read out as what it is."""
    return text.replace("-", "\N{MINUS SIGN}")


@lru_cache(maxsize=_REMEMBERED)
def format_money(amount: Money, locale: str) -> str:
    """€1,234.50 · € 1.234,50 · 1 234,50 €, exact, with the currency's decimals."""
    pattern = _money_pattern(locale, minor_digits(amount.currency))
    return _minus(
        pattern.apply(
            major(amount), babel_locale(locale), currency=amount.currency, currency_digits=False
        )
    )


@lru_cache(maxsize=1024)
def format_unit_price(amount: Money, count: int, locale: str) -> str:
    """What one of `count` costs that are sold for `amount`, with a decimal more: €0.095."""
    digits = minor_digits(amount.currency) + 1
    tenths = round_half_away(Fraction(amount.minor * 10, count))
    pattern = _money_pattern(locale, digits)
    return _minus(
        pattern.apply(
            Decimal(f"{tenths}E-{digits}"),
            babel_locale(locale),
            currency=amount.currency,
            currency_digits=False,
        )
    )


def _first_of_month(text: str, on: date, locale: str) -> str:
    """French says the first of a month, and only that, as an ordinal: 1er décembre."""
    if on.day == 1 and locale.startswith("fr") and text.startswith("1 "):
        return f"1er{text[1:]}"
    return text


def filled(sentence: str, values: Mapping[str, object], locale: str) -> str:
    """`sentence` with its %(values)s, as it is written.

    French writes d’Atelier Noordzee, not de Atelier Noordzee. Only before a value: Dutch words
    that somebody typed stay as they are.
    """
    if locale == "fr" and "e %(" in sentence:
        sentence = _ELIDED.sub(
            lambda word: f"{word[1]}’" if _VOWEL.match(str(values.get(word[2]))) else word[0],
            sentence,
        )
    return as_written(sentence % values, locale)


def colon(locale: str) -> str:
    """The sign between a label and its value: French sets a space before it, and no line ends there."""
    return "\u00a0:" if locale == "fr" else ":"


def as_written(text: str, locale: str) -> str:
    """A sentence whose names and dates were filled in, as it is written.

    The full stop of `Valdarno S.p.A.` ends a sentence, too. Italian says dell’8 and l’11 dicembre,
    not del 8 and il 11.
    """
    if ".." in text:
        text = _TWO_STOPS.sub(".", text)
    return _ARTICLE.sub(_without_vowel, text) if locale == "it" else text


def _without_vowel(article: re.Match[str]) -> str:
    before = article[1]  # il: an l; del: dell
    return f"{'L' if before == 'I' else 'l' if before == 'i' else before + 'll'}’"


@lru_cache(maxsize=_REMEMBERED)
def format_day(on: date, locale: str) -> str:
    """1 December 2026."""
    return _first_of_month(str(format_date(on, "long", locale=babel_locale(locale))), on, locale)


@lru_cache(maxsize=_REMEMBERED)
def format_day_short(on: date, locale: str) -> str:
    """1 Dec 2026."""
    return _first_of_month(str(format_date(on, "medium", locale=babel_locale(locale))), on, locale)


@lru_cache(maxsize=_REMEMBERED)
def format_day_month(on: date, locale: str) -> str:
    """1 Dec: where the year is plain from what stands around it."""
    text = str(format_skeleton("MMMd", on, locale=babel_locale(locale)))
    return _first_of_month(text, on, locale)


@lru_cache(maxsize=_REMEMBERED)
def format_day_range(first: date, last: date, locale: str) -> str:
    """1 Sept – 30 Nov 2026: both days are part of it."""
    text = str(format_interval(first, last, "yMMMd", locale=babel_locale(locale)))
    text = _LEADING_ZERO.sub("", text)  # Italian has '01 mar' in ranges, and '1 mar' elsewhere
    text = _first_of_month(text, first, locale)
    if first == last:
        return text
    head, dash, tail = text.rpartition("–")
    day = tail.lstrip()
    return head + dash + tail[: len(tail) - len(day)] + _first_of_month(day, last, locale)


@lru_cache(maxsize=1024)
def format_month(on: date, locale: str) -> str:
    """December 2026."""
    return str(format_skeleton("yMMMM", on, locale=babel_locale(locale)))


@lru_cache(maxsize=1024)
def format_month_short(on: date, locale: str) -> str:
    """Dec: where the year is plain from what stands around it."""
    return str(format_date(on, "LLL", locale=babel_locale(locale)))


@lru_cache(maxsize=1024)
def format_month_letter(on: date, locale: str) -> str:
    """D: where there is hardly any room, such as under a narrow chart."""
    return str(format_date(on, "LLLLL", locale=babel_locale(locale)))


@lru_cache(maxsize=_REMEMBERED)
def format_instant(at: datetime, locale: str, time_zone: str) -> str:
    """29 Oct 2026, 10:00 in `time_zone`; `at` is aware."""
    if at.tzinfo is None:
        raise ValueError("an instant must be aware")
    local = at.astimezone(ZoneInfo(time_zone))
    time = format_time(local, "short", tzinfo=local.tzinfo, locale=babel_locale(locale))
    return f"{format_day_short(local.date(), locale)}, {time}"


@lru_cache(maxsize=_REMEMBERED)
def format_names(names: tuple[str, ...], locale: str) -> str:
    """T. Maes, A. Roy and J. Okafor."""
    return str(format_list(names, locale=babel_locale(locale)))


@lru_cache(maxsize=_REMEMBERED)
def format_integer(number: int, locale: str) -> str:
    """1,240."""
    return _minus(format_decimal(number, locale=babel_locale(locale)))


@lru_cache(maxsize=_REMEMBERED)
def format_number(number: Decimal, locale: str) -> str:
    """0.105, with the decimals it has."""
    return _minus(format_decimal(number, locale=babel_locale(locale), decimal_quantization=False))


def format_typed(number: Decimal, locale: str) -> str:
    """1240.50 as one types it into a form: the language's decimal sign, and no groups."""
    return str(number).replace(".", get_decimal_symbol(babel_locale(locale)))


def thousands_sign(locale: str) -> str:
    """What the language writes between thousands: 1,240 · 1.240 · 1 240."""
    return str(get_group_symbol(babel_locale(locale)))


@lru_cache(maxsize=256)
def format_percentage(percent: Decimal, locale: str) -> str:
    """Decimal('21') is 21 %, Decimal('5.5') is 5.5 %, as the language writes it."""
    return _minus(
        format_percent(percent / 100, locale=babel_locale(locale), decimal_quantization=False)
    )


@lru_cache(maxsize=1024)
def format_country(code: str, locale: str) -> str:
    """Belgium for BE; the code itself where it is unknown."""
    return str(babel_locale(locale).territories.get(code, code))
