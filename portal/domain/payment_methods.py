"""Which payment methods are taken (M3)."""

from __future__ import annotations

from datetime import date

__all__ = ["expires_before", "refusal_of"]


def expires_before(year: int | None, month: int | None, on: date) -> bool:
    """Whether a card that is good through `month` of `year` is no longer good on `on`.

    A method without an expiry (a debit mandate) never expires.
    """
    if year is None or month is None:
        return False
    return (year, month) < (on.year, on.month)


def refusal_of(funding: str, year: int | None, month: int | None, today: date) -> str | None:
    """Why a method is refused (M3): `prepaid_card` or `expired_card`; None for one that is fine.

    `funding` is the provider's word (credit, debit, prepaid, '' for a debit mandate); `today` is
    the account's local day.
    """
    if funding == "prepaid":
        return "prepaid_card"
    if expires_before(year, month, today):
        return "expired_card"
    return None
