"""Amounts in forms: read as the language writes them, and shown again as they were understood."""

from __future__ import annotations

from typing import Any

from portal.domain.amounts import parse_amount
from portal.domain.errors import DomainError
from portal.domain.money import Money, major
from portal.formats import format_typed, thousands_sign
from portal.web.forms import PortalForm
from portal.web.locale import speech
from portal.web.messages import error_sentence

__all__ = ["read_amount", "typed_amount", "understood_amount"]


def understood_amount(text: str, currency: str) -> Money:
    """The amount that somebody typed in the language on screen; DomainError of `parse_amount`."""
    return parse_amount(text, currency, thousands=thousands_sign(speech().locale))


def typed_amount(amount: Money) -> str:
    """An amount as one types it: 1234,56."""
    return format_typed(major(amount), speech().locale)


def read_amount(form: PortalForm, field: Any, currency: str) -> Money | None:
    """The amount of a field, which shows from now on what was understood.

    None with the reason on the field where it cannot be understood.
    """
    try:
        amount = understood_amount(field.data or "", currency)
    except DomainError as error:
        form.problem(field.short_name, error_sentence(error))
        return None
    field.data = typed_amount(amount)
    return amount
