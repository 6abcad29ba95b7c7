"""Changing whom invoices are addressed to: the next ones, as those issued keep theirs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.domain.email_addresses import known_email, normal_email
from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.tax import VatStatus
from portal.domain.vat_numbers import KnownNumber, plan_vat_number
from portal.models import Account
from portal.services.audit import Actor, record
from portal.services.locks import lock_account
from portal.services.vat_checking import enqueue_vat_check

__all__ = [
    "MOST_RECIPIENTS", "BillingDetails", "check_recipients", "details_of", "known_number",
    "save_billing_details",
]  # fmt: skip

MOST_RECIPIENTS = 10
"""Extra addresses that get the account's invoices."""


@dataclass(frozen=True, slots=True)
class BillingDetails:
    """Company, address and contact as the next documents print them, and who gets these.

    `invoice_recipients` get invoices beside `billing_email`.
    """

    company_name: str
    address_line1: str
    address_line2: str
    postal_code: str
    city: str
    country: str
    vat_number: str | None
    billing_contact: str
    billing_email: str
    invoice_recipients: tuple[str, ...]
    purchase_order: str


def details_of(account: Account) -> BillingDetails:
    """The account's present details."""
    return BillingDetails(
        company_name=account.company_name,
        address_line1=account.address_line1,
        address_line2=account.address_line2,
        postal_code=account.postal_code,
        city=account.city,
        country=account.country,
        vat_number=account.vat_number,
        billing_contact=account.billing_contact,
        billing_email=account.billing_email,
        invoice_recipients=tuple(account.invoice_recipients),
        purchase_order=account.purchase_order,
    )


def known_number(account: Account) -> KnownNumber:
    """The account's VAT number and what is known of it."""
    return KnownNumber(account.country, account.vat_number, VatStatus(account.vat_status))


def check_recipients(addresses: Iterable[str], billing_email: str) -> tuple[str, ...]:
    """The extra recipients in lower case, once each, the billing contact's own left out.

    Rejected on `invoice_recipients`: `recipient_malformed` (`address`), `too_many_recipients`
    (`maximum`).
    """
    found: dict[str, None] = {}
    problems: list[Problem] = []
    for address in addresses:
        try:
            normal = normal_email(address)
        except DomainError:
            problems.append(
                Problem("invoice_recipients", "recipient_malformed", {"address": address[:60]})
            )
        else:
            if normal != known_email(billing_email):
                found[normal] = None
    if len(found) > MOST_RECIPIENTS:
        problems.append(
            Problem("invoice_recipients", "too_many_recipients", {"maximum": MOST_RECIPIENTS})
        )
    if problems:
        raise Rejected(problems)
    return tuple(found)


def save_billing_details(
    session: Session, account_id: int, details: BillingDetails, *, actor: Actor, now: datetime
) -> None:
    """Change the account's billing details; issued invoices keep theirs.

    Rejected with `vat_number_*` on `vat_number`, and as `check_recipients`. A new number, or an old
    one with another country, is unchecked until VIES or an operator has said yes (I4); the job that
    asks VIES is written with it.
    """
    account = lock_account(session, account_id)
    old, present = details_of(account), known_number(account)
    try:
        known = plan_vat_number(present, details.vat_number or "", details.country)
    except DomainError as error:
        raise Rejected([Problem("vat_number", error.code, error.data)]) from error
    recipients = check_recipients(details.invoice_recipients, details.billing_email)
    if known != present:
        account.vat_number = known.number
        account.vat_status = known.status.value
        account.vat_checked_at = None
    account.company_name = details.company_name
    account.address_line1 = details.address_line1
    account.address_line2 = details.address_line2
    account.postal_code = details.postal_code
    account.city = details.city
    account.country = details.country
    account.billing_contact = details.billing_contact
    account.billing_email = details.billing_email
    account.invoice_recipients = list(recipients)
    account.purchase_order = details.purchase_order
    before, after = _facts(old), _facts(details_of(account))
    changed = sorted(key for key in after if after[key] != before[key])
    if changed:
        record(session, "billing_details_changed", actor=actor, now=now, account_id=account_id,
               old={key: before[key] for key in changed},
               new={key: after[key] for key in changed})  # fmt: skip
    if known != present and known.is_askable:
        enqueue_vat_check(session, account, now=now)
    session.flush()


def _facts(details: BillingDetails) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(details).items()
    }
