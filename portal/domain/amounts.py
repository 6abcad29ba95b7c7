"""Amounts of money as people type them."""

from __future__ import annotations

import re

from portal.domain.errors import DomainError
from portal.domain.money import Money, minor_digits

__all__ = ["parse_amount"]

_MOST_DIGITS = 12
_LONGEST = 24
_PLAIN = re.compile(r"(?P<whole>[0-9]+)(?:[.,](?P<decimals>[0-9]+))?")
# 1.234,56 · 1,234.56 · 1 234,56 · 1'234.56: one sign between the thousands, another after them.
_GROUPED = re.compile(
    r"(?P<whole>[1-9][0-9]{0,2}(?P<sign>[.,' ])[0-9]{3}(?:(?P=sign)[0-9]{3})*)"
    r"(?:(?!(?P=sign))[.,](?P<decimals>[0-9]+))?"
)
_AS_TYPED = str.maketrans({"’": "'", "\u00a0": " ", "\u2009": " ", "\u202f": " "})


def parse_amount(text: str, currency: str, *, thousands: str = "") -> Money:
    """The amount that `text` says, with a point or a comma before the decimals.

    Thousands may be set apart as any of our languages does it. Nothing is guessed: '1.000' alone
    may be a thousand or one, and is a thousand only where `thousands`, the sign of the language
    that is spoken, says so. DomainError `amount_empty`, `amount_malformed`, `amount_ambiguous`.
    """
    typed = text.strip().translate(_AS_TYPED)
    if not typed:
        raise DomainError("amount_empty")
    digits = minor_digits(currency)
    plain, grouped = _PLAIN.fullmatch(typed), _GROUPED.fullmatch(typed)
    found = plain or grouped
    if plain is not None and grouped is not None:  # 1.000: one sign, and three digits after it
        is_thousand, may_be_decimals = grouped["sign"] == thousands, digits == 3
        if is_thousand == may_be_decimals:
            raise DomainError("amount_ambiguous", typed=typed)
        found = grouped if is_thousand else plain
    if found is None or len(typed) > _LONGEST or len(found["decimals"] or "") > digits:
        raise DomainError("amount_malformed")
    whole = re.sub(r"[^0-9]", "", found["whole"])
    if len(whole) > _MOST_DIGITS:
        raise DomainError("amount_malformed")
    return Money(int(whole + (found["decimals"] or "").ljust(digits, "0")), currency)
