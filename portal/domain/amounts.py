"""Amounts of money as people type them."""

from __future__ import annotations

import re

from portal.domain.errors import DomainError
from portal.domain.money import Money, minor_digits

__all__ = ["parse_amount"]

_LONGEST = 12
_AMOUNT = re.compile(r"([0-9]+)(?:[.,]([0-9]+))?")


def parse_amount(text: str, currency: str) -> Money:
    """The amount that `text` says in plain digits, with a point or a comma before the decimals.

    Nothing is guessed: '1.000' may be a thousand or one, so it is refused, like '1,000.00'.
    DomainError `amount_empty`, `amount_malformed`.
    """
    typed = text.strip()
    if not typed:
        raise DomainError("amount_empty")
    digits = minor_digits(currency)
    found = _AMOUNT.fullmatch(typed) if len(typed) <= _LONGEST else None
    if found is None or len(found[2] or "") > digits:
        raise DomainError("amount_malformed")
    decimals = (found[2] or "").ljust(digits, "0")
    return Money(int(found[1] + decimals), currency)
