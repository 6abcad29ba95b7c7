"""The words and formats of one language, for what is written without a request: mails, documents.

On screen Flask-Babel does this; here the language is the recipient's, or the one an invoice
was frozen in. The catalogues are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from gettext import NullTranslations

from babel.support import Translations

from portal import formats
from portal.config import LOCALES, ROOT
from portal.domain.money import Money

__all__ = ["Language", "language"]


@dataclass(frozen=True, slots=True)
class Language:
    """One of the portal's languages: translate with `_ = language.gettext`, format with the rest."""

    locale: str
    translations: NullTranslations = field(repr=False)

    def gettext(self, text: str, /, **values: object) -> str:
        """`text` in this language, its %(name)s filled in."""
        found = self.translations.gettext(text)
        return formats.filled(found, values, self.locale) if values else found

    def ngettext(self, one: str, many: str, number: int, /, **values: object) -> str:
        """The form for `number`, which fills %(num)s."""
        found = self.translations.ngettext(one, many, number)
        return formats.filled(found, {"num": number, **values}, self.locale)

    def money(self, amount: Money) -> str:
        """An amount with its currency, as this language writes it."""
        return formats.format_money(amount, self.locale)

    def day(self, on: date) -> str:
        """A date in full: 1 December 2026."""
        return formats.format_day(on, self.locale)

    def day_short(self, on: date) -> str:
        """A date in short: 1 Dec 2026."""
        return formats.format_day_short(on, self.locale)

    def days(self, first: date, last: date) -> str:
        """From a day to a day, both part of it: 1 Sept – 30 Nov 2026."""
        if first == last:
            return formats.format_day_short(first, self.locale)
        return formats.format_day_range(first, last, self.locale)

    def country(self, code: str) -> str:
        """The name of a country: Belgium for BE."""
        return formats.format_country(code, self.locale)

    def integer(self, number: int) -> str:
        """A whole number with its separators."""
        return formats.format_integer(number, self.locale)

    def percent(self, rate: Decimal) -> str:
        """A rate given in per cent: Decimal('21') is 21 %."""
        return formats.format_percentage(rate, self.locale)


@cache
def language(locale: str) -> Language:
    """The language of `locale`; English for one that the portal does not have."""
    known = locale if locale in LOCALES else "en"
    # English is the source: it has no catalogue, and load() answers with NullTranslations.
    return Language(known, Translations.load(str(ROOT / "translations"), [known]))
