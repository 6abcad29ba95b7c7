"""The e-mails of an invoice that is owed: to the billing address and every admin, one a step (M5)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.dunning import DunningMail
from portal.domain.email_addresses import known_email
from portal.domain.payment_references import display_reference
from portal.models import Account, DunningCase, Invoice, Member, Person
from portal.services.outbox import enqueue_mail

__all__ = ["tell_of_case"]


def tell_of_case(
    session: Session,
    account: Account,
    case: DunningCase,
    invoice: Invoice,
    mail: DunningMail,
    *,
    today: date,
    now: datetime,
    retry_on: date | None = None,
    ends_on: date | None = None,
) -> None:
    """Write one e-mail to each who should know, in their language; once a case, kind and day.

    `retry_on` is the day of the next try, if there is one; `ends_on` the renewal with which what
    is suspended ends. Nobody gets two where the billing address is an admin's own.
    """
    payload = {
        "account_name": account.name,
        "invoice_number": invoice.number,
        "currency": invoice.currency,
        "owed_minor": max(
            invoice.gross_minor - invoice.credited_minor - invoice.paid_minor, 0
        ),
        "reason": case.reason,
        "retry_on": retry_on.isoformat() if retry_on is not None else "",
        "access_ends_on": case.suspends_on.isoformat() if case.suspends_on is not None else "",
        "ends_on": ends_on.isoformat() if ends_on is not None else "",
        "by_transfer": account.payment_terms == "bank_transfer",  # how it can pay today
        "iban": invoice.seller.get("iban", ""),
        "bic": invoice.seller.get("bic", ""),
        "reference": display_reference(invoice.payment_reference) or invoice.number,
    }  # fmt: skip
    told: set[str] = set()
    for address, locale in _recipients(session, account):
        if known_email(address) in told:
            continue
        told.add(known_email(address))
        enqueue_mail(
            session,
            f"owed_{mail.value}",
            recipient=address,
            locale=locale,
            payload=payload,
            now=now,
            account_id=account.id,
            dedupe_key=f"owed:{case.id}:{mail.value}:{today.isoformat()}:{address}",
        )
    session.flush()


def _recipients(session: Session, account: Account) -> list[tuple[str, str]]:
    admins = session.execute(
        select(Person.email, Person.locale)
        .join(Member, Member.person_id == Person.id)
        .where(
            Member.account_id == account.id,
            Member.role.in_(("admin", "billing_admin")),
            Member.status == "active",
        )
        .order_by(Person.id)
    )
    return [*((email, locale) for email, locale in admins),
            (account.billing_email, account.locale)]  # fmt: skip
