"""Phrases that mails, documents and pages share: one language in, one text out."""

from __future__ import annotations

from decimal import Decimal

from portal.domain.catalogue import Catalogue
from portal.domain.labels import sold_label
from portal.domain.money import Money
from portal.domain.order_lines import Sold, SoldOnce
from portal.domain.payment_methods import card_brand
from portal.languages import Language

__all__ = ["consent_words", "formula_words", "goods_words", "line_words", "method_words"]


def goods_words(words: Language, catalogue: Catalogue, sold: Sold | SoldOnce | None) -> str:
    """What a line sells: `Kanto CRM Pro`, `2,000 credits`, `Onboarding: Together`; else nothing."""
    if isinstance(sold, Sold):
        return sold_label(catalogue, sold, words.locale)
    if sold is None:
        return ""
    if sold.text is not None:
        return sold.text
    if sold.service is None:
        return words.ngettext("%(count)s credit", "%(count)s credits", sold.credits,
                              count=words.integer(sold.credits))  # fmt: skip
    try:
        package = catalogue.service_package(sold.service).name.in_(words.locale)
    except KeyError:  # it left the file: no page fails for it
        package = sold.service
    return words.gettext("Onboarding: %(package)s", package=package)


def line_words(words: Language, kind: str, label: str) -> str:
    """What a line is for: its label, or `Credit for the unused part of Kanto CRM Start` (C1)."""
    if kind == "plan_credit":
        return words.gettext("Credit for the unused part of %(product)s", product=label)
    return label


def formula_words(
    words: Language,
    *,
    quantity: int,
    unit: Money,
    days_left: int | None = None,
    days: int | None = None,
    discount_basis_points: int = 0,
    discount: Money | None = None,
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
    if discount is not None and not discount.is_zero:
        text = f"{text} − {words.money(discount)}"
    return text


def method_words(words: Language, kind: str, brand: str = "", last4: str = "") -> str:
    """How a payment method is named: `Visa ending 4242`."""
    _ = words.gettext
    if kind == "bank_transfer":
        return _("bank transfer")
    if kind == "sepa_debit":
        return _("SEPA direct debit from the account ending %(last4)s", last4=last4)
    name = card_brand(brand)
    if not name:
        return _("Card ending %(last4)s", last4=last4)
    return _("%(brand)s ending %(last4)s", brand=name, last4=last4)


def consent_words(words: Language, account: str, when: str, role: str | None) -> str:
    """The exact words an admin of `account` agrees to or refuses (S7): they are stored as shown.

    `when` is now (with the `role` that follows, else deactivation) or renewal.
    """
    _ = words.gettext
    if when == "renewal":
        return _(
            "I agree that a renewal with fewer licences may take my licences for %(account)s, "
            "and that I am deactivated when none is left to me.",
            account=account,
        )
    if role == "billing_admin":
        return _(
            "I agree to give up my admin rights in %(account)s at once. From then on I am a billing "
            "admin: I manage money and licences, but not people.",
            account=account,
        )
    if role == "member":
        return _(
            "I agree to give up my admin rights in %(account)s at once. From then on I am a member: "
            "I see the licences and change nothing.",
            account=account,
        )
    return _(
        "I agree to be deactivated in %(account)s at once: my licences become free, I lose my admin "
        "rights, and I can sign in only to read.",
        account=account,
    )
