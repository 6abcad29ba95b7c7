"""Quantities as people type them."""

from __future__ import annotations

import re

from portal.domain.errors import DomainError

__all__ = ["parse_quantity"]

_LONGEST = 18
_WHOLE = re.compile(r"[0-9]+")
_POINTED = re.compile(r"[0-9]+([.,/][0-9]*)+|[.,][0-9]+")


def parse_quantity(text: str, *, minimum: int, maximum: int) -> int:
    """The whole number that `text` says in plain digits, from `minimum` to `maximum`.

    Spaces around it do not matter. Nothing is guessed: '1.000' may be a thousand or one, so it
    is refused like '1,5'. DomainError, one code for each mistake:

    - `quantity_empty`
    - `quantity_not_a_number`: letters, '1e3', '1 000', digits of other scripts, NUL
    - `quantity_negative`: any number with a minus
    - `quantity_not_whole`: with a point, comma or stroke
    - `quantity_too_small` (`minimum`), `quantity_too_large` (`maximum`)
    """
    typed = text.strip()
    if not typed:
        raise DomainError("quantity_empty")
    number = typed.removeprefix("-").removeprefix("\N{MINUS SIGN}")
    whole = _WHOLE.fullmatch(number)
    if whole and len(number) > _LONGEST:
        raise DomainError("quantity_too_large", maximum=maximum)
    if len(typed) > _LONGEST or not (whole or _POINTED.fullmatch(number)):
        raise DomainError("quantity_not_a_number")
    if number != typed:
        raise DomainError("quantity_negative")
    if not whole:
        raise DomainError("quantity_not_whole")
    quantity = int(number)
    if quantity < minimum:
        raise DomainError("quantity_too_small", minimum=minimum)
    if quantity > maximum:
        raise DomainError("quantity_too_large", maximum=maximum)
    return quantity
