"""Phrases that mails, documents and pages share: one language in, one text out."""

from __future__ import annotations

from decimal import Decimal

from portal.domain.money import Money
from portal.languages import Language

__all__ = ["formula_words", "method_words"]


def formula_words(
    words: Language,
    *,
    quantity: int,
    unit: Money,
    days_left: int | None = None,
    days: int | None = None,
    discount_basis_points: int = 0,
) -> str:
    """How a line's amount came about: `3 × €75.00 × 32/91 days` (S2)."""
    _ = words.gettext
    text = f"{words.integer(quantity)} × {words.money(unit)}"
    if days_left is not None and days:
        text = _(
            "%(price)s × %(left)s/%(days)s days",
            price=text,
            left=words.integer(days_left),
            days=words.integer(days),
        )
    if discount_basis_points:
        text = f"{text} − {words.percent(Decimal(discount_basis_points) / 100)}"
    return text


def method_words(words: Language, kind: str, brand: str = "", last4: str = "") -> str:
    """How a payment method is named: `Visa ending 4242`."""
    _ = words.gettext
    if kind == "bank_transfer":
        return _("bank transfer")
    if kind == "sepa_debit":
        return _("SEPA direct debit from the account ending %(last4)s", last4=last4)
    shown = brand if brand != brand.lower() else brand.replace("_", " ").title()
    return _("%(brand)s ending %(last4)s", brand=shown or _("Card"), last4=last4)
