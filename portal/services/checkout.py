"""The checkout's payment step: contact, method and billing address, kept until the order (Q5)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.email_addresses import normal_email
from portal.domain.errors import DomainError, Problem, Rejected
from portal.models import Checkout, Member, PaymentMethod, Person
from portal.services.audit import Actor
from portal.services.billing_details import details_of, save_billing_details
from portal.services.locks import lock_account
from portal.services.quoting import load_quote

__all__ = [
    "BillingAddress", "Contact", "is_present_admin", "save_billing_address", "save_choice",
    "save_contact",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Contact:
    """The admin contact: an existing admin's member id, or name and e-mail of a new one."""

    member_id: int | None
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class BillingAddress:
    """Company and address as printed on the next documents."""

    company_name: str
    address_line1: str
    address_line2: str
    postal_code: str
    city: str
    country: str
    vat_number: str | None
    billing_email: str
    purchase_order: str


def _checkout(session: Session, account_id: int, quote_id: int, now: datetime) -> Checkout:
    load_quote(session, account_id, quote_id)
    checkout = session.scalars(
        select(Checkout).where(Checkout.quote_id == quote_id).with_for_update()
    ).one_or_none()
    if checkout is None:
        checkout = Checkout(quote_id=quote_id, changed_at=now, completed=False)
        session.add(checkout)
    checkout.changed_at = now
    return checkout


def is_present_admin(member: Member | None) -> bool:
    """Whether naming `member` as admin contact leaves everybody's role as it is."""
    return member is not None and member.role == "admin" and member.status != "deactivated"


def save_contact(
    session: Session,
    account_id: int,
    quote_id: int,
    contact: Contact,
    now: datetime,
    *,
    may_manage_members: bool,
) -> None:
    """Keep who the admin contact is to be; nothing is created before the order.

    The address of a present member is taken as that member. Rejected on `contact`:
    `contact_unknown` for a foreign or past admin, `contact_needs_admin` where the contact would
    become an admin and the one who names them may not make one (DESIGN 1: a billing admin does not
    change people's roles); on `contact_email`: `email_malformed`. DomainError `quote_unknown`.
    """
    lock_account(session, account_id)
    checkout = _checkout(session, account_id, quote_id, now)
    if contact.member_id is not None:
        member = session.scalars(
            select(Member).where(
                Member.id == contact.member_id, Member.account_id == account_id
            )
        ).one_or_none()  # fmt: skip
        named_before = member is not None and member.id == checkout.contact_member_id
        if member is None or not (is_present_admin(member) or named_before):
            raise Rejected([Problem("contact", "contact_unknown")])
        _require_leave(member, may_manage_members)
        checkout.contact_member_id = member.id
        checkout.contact_name = checkout.contact_email = ""
    else:
        email = _address(contact)
        existing = session.scalars(
            select(Member)
            .join(Person, Person.id == Member.person_id)
            .where(Member.account_id == account_id, Person.email == email)
        ).one_or_none()
        _require_leave(existing, may_manage_members)
        checkout.contact_member_id = existing.id if existing is not None else None
        checkout.contact_name = contact.name if existing is None else ""
        checkout.contact_email = email if existing is None else ""
    session.flush()


def _address(contact: Contact) -> str:
    """In the one form in which people are written: the order makes a person of it."""
    try:
        return normal_email(contact.email)
    except DomainError as error:
        raise Rejected([Problem("contact_email", error.code, error.data)]) from None


def _require_leave(member: Member | None, may_manage_members: bool) -> None:
    if not may_manage_members and not is_present_admin(member):
        raise Rejected([Problem("contact", "contact_needs_admin")])


def save_choice(
    session: Session,
    account_id: int,
    quote_id: int,
    *,
    payment_method_id: int | None,
    completed: bool,
    now: datetime,
) -> None:
    """Keep which payment method is to be charged; Rejected `method_unknown` for any other's."""
    lock_account(session, account_id)
    if payment_method_id is not None:
        found = session.scalar(
            select(PaymentMethod.id).where(
                PaymentMethod.id == payment_method_id,
                PaymentMethod.account_id == account_id,
                PaymentMethod.removed_at.is_(None),
            )
        )
        if found is None:
            raise Rejected([Problem("payment_method", "method_unknown")])
    checkout = _checkout(session, account_id, quote_id, now)
    checkout.payment_method_id = payment_method_id
    checkout.completed = completed
    session.flush()


def save_billing_address(
    session: Session, account_id: int, address: BillingAddress, *, actor: Actor, now: datetime
) -> None:
    """Change the billing details that the checkout shows; the others stay, errors as theirs."""
    account = lock_account(session, account_id)
    details = replace(details_of(account), **asdict(address))
    save_billing_details(session, account_id, details, actor=actor, now=now)
