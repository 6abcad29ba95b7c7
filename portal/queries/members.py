"""People of an account as pages offer them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MOST_ADMINS", "AdminRow"]

MOST_ADMINS = 50  # offered in a list; an account with more types the address


@dataclass(frozen=True, slots=True)
class AdminRow:
    """An admin of the account who may be the contact of an order."""

    member_id: int
    person_id: int
    name: str
    email: str
