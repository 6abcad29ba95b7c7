"""Bringing the vendor's present customers in: accounts, members, subscriptions, trials.

All or nothing, and idempotent by `external_ref`: what is there stays as it is, what is missing is
added. A running subscription goes on where it stands; its present period was invoiced elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.account_file import AccountRow, ItemRow, MemberRow, SubscriptionRow
from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.domain.permissions import StaffRole
from portal.models import (
    Account,
    AddOn,
    Assignment,
    BillingPeriod,
    Member,
    Person,
    Plan,
    Price,
    Product,
    SeatEntry,
    StaffMember,
    Subscription,
    SubscriptionItem,
    Term,
    Wallet,
)
from portal.services.audit import SYSTEM, Actor, record
from portal.services.catalogue_sync import sync_catalogue
from portal.services.entitlements import announce_entitlements

__all__ = [
    "ImportStep", "KnownAccount", "import_accounts", "known_accounts", "list_executives",
    "plan_account_import",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """What an account of the file has already: e-mail addresses, and products it ever had."""

    emails: frozenset[str]
    products: frozenset[str]


@dataclass(frozen=True, slots=True)
class ImportStep:
    """One thing that an import adds, or finds there. `what`: account, member, subscription, trial."""

    what: str
    ref: str
    name: str
    added: bool


def plan_account_import(
    rows: Iterable[AccountRow], known: Mapping[str, KnownAccount]
) -> tuple[ImportStep, ...]:
    """What an import does, in the order of the file; pure."""
    steps: list[ImportStep] = []
    for row in rows:
        there = known.get(row.ref)
        has = there or KnownAccount(frozenset(), frozenset())
        steps.append(ImportStep("account", row.ref, row.name, there is None))
        for member in row.members:
            new = member.email not in has.emails
            steps.append(ImportStep("member", row.ref, member.email, new))
        for subscription in row.subscriptions:
            what = "subscription" if subscription.term is not None else "trial"
            new = subscription.product not in has.products
            steps.append(ImportStep(what, row.ref, subscription.product, new))
    return tuple(steps)


def known_accounts(session: Session, refs: Iterable[str]) -> dict[str, KnownAccount]:
    """What the accounts with these external references have already."""
    wanted = list(refs)
    found = dict(
        session.execute(
            select(Account.id, Account.external_ref).where(Account.external_ref.in_(wanted))
        ).all()
    )
    emails: dict[int, set[str]] = {account_id: set() for account_id in found}
    products: dict[int, set[str]] = {account_id: set() for account_id in found}
    for account_id, email in session.execute(
        select(Member.account_id, Person.email)
        .join(Person, Person.id == Member.person_id)
        .where(Member.account_id.in_(found))
    ):
        emails[account_id].add(email)
    # Ended ones too: what a customer cancelled does not come back with an old file.
    for account_id, key in session.execute(
        select(Subscription.account_id, Product.key)
        .join(Product, Product.id == Subscription.product_id)
        .where(Subscription.account_id.in_(found))
    ):
        products[account_id].add(key)
    return {
        str(ref): KnownAccount(frozenset(emails[key]), frozenset(products[key]))
        for key, ref in found.items()
    }


def list_executives(session: Session) -> dict[str, int]:
    """The ids of the vendor's account executives and operators by e-mail address."""
    rows = session.execute(
        select(Person.email, StaffMember.id)
        .join(Person, Person.id == StaffMember.person_id)
        .where(
            StaffMember.active,
            StaffMember.role.in_([StaffRole.ACCOUNT_EXECUTIVE, StaffRole.OPERATOR]),
        )
    )
    return dict(rows.all())


def import_accounts(
    session: Session,
    rows: tuple[AccountRow, ...],
    catalogue: Catalogue,
    now: datetime,
    *,
    actor: Actor = SYSTEM,
) -> tuple[ImportStep, ...]:
    """Add what is missing, and say of every row whether it was added or there.

    Syncs the catalogue first, so that a price can be pinned (errors as `sync_catalogue`).
    DomainError `import_currency` (`ref`) where an account is there in another currency.
    """
    sync_catalogue(session, catalogue, now, actor=actor)
    steps = plan_account_import(rows, known_accounts(session, [row.ref for row in rows]))
    executives = list_executives(session)
    added = {(step.what, step.ref, step.name) for step in steps if step.added}
    for row in rows:
        account = _account(session, row, executives, now)
        members = {member.email: _member(session, account, member, now) for member in row.members}
        started = [
            _subscription(session, account, row, subscription, members, now)
            for subscription in row.subscriptions
            if {("subscription", row.ref, subscription.product),
                ("trial", row.ref, subscription.product)} & added
        ]  # fmt: skip
        if started:
            announce_entitlements(session, account, started, catalogue, now)
        new = [step for step in steps if step.added and step.ref == row.ref]
        if new:
            record(session, "account_imported", actor=actor, now=now, account_id=account.id,
                   subject=account.name, new={"count": len(new)})  # fmt: skip
    session.flush()
    return steps


def _account(
    session: Session, row: AccountRow, executives: Mapping[str, int], now: datetime
) -> Account:
    account = session.scalars(select(Account).where(Account.external_ref == row.ref)).one_or_none()
    if account is not None:
        if account.currency != row.currency:
            raise DomainError("import_currency", ref=row.ref, currency=account.currency)
        return account
    account = Account(
        name=row.name,
        locale=row.locale,
        time_zone=row.time_zone,
        currency=row.currency,
        payment_terms=row.payment_terms,
        account_executive_id=executives[row.executive] if row.executive else None,
        company_name=row.company_name,
        address_line1=row.address_line1,
        address_line2=row.address_line2,
        postal_code=row.postal_code,
        city=row.city,
        country=row.country,
        vat_number=row.vat_number,
        vat_status=row.vat_status,
        vat_checked_at=now if row.vat_status == "valid" else None,
        billing_email=row.billing_email,
        invoice_recipients=[],
        purchase_order=row.purchase_order,
        created_at=now,
        external_ref=row.ref,
    )
    session.add(account)
    session.flush()
    session.add(Wallet(account_id=account.id, balance=0))
    session.flush()
    return account


def _member(session: Session, account: Account, row: MemberRow, now: datetime) -> Member:
    person = session.scalars(select(Person).where(Person.email == row.email)).one_or_none()
    if person is None:
        person = Person(email=row.email, name=row.name, locale=row.locale, created_at=now)
        session.add(person)
        session.flush()
    member = session.scalars(
        select(Member).where(Member.account_id == account.id, Member.person_id == person.id)
    ).one_or_none()
    if member is None:
        member = Member(account_id=account.id, person_id=person.id, role=row.role,
                        status="active", added_at=now)  # fmt: skip
        session.add(member)
        session.flush()
    return member


def _subscription(
    session: Session,
    account: Account,
    row: AccountRow,
    wanted: SubscriptionRow,
    members: Mapping[str, Member],
    now: datetime,
) -> int:
    today = local_date(now, account.time_zone)
    product = session.scalars(select(Product).where(Product.key == wanted.product)).one()
    term = wanted.term
    subscription = Subscription(
        account_id=account.id,
        product_id=product.id,
        status="trial" if term is None else "active",
        anchor_day=term.anchor_day if term else None,
        started_on=term.start_of(0) if term else today,
        trial_ends_on=wanted.trial_ends_on,
        created_at=now,
    )
    session.add(subscription)
    session.flush()
    if term is not None:
        term_row = Term(
            subscription_id=subscription.id,
            number=1,
            interval=term.interval.value,
            first_year=term.first_year,
            first_month=term.first_month,
        )
        session.add(term_row)
        session.flush()
        present = term.period(0)
        session.add(
            BillingPeriod(
                subscription_id=subscription.id,
                term_id=term_row.id,
                number=1,
                starts_on=present.start,
                ends_on=present.end,
                is_current=True,
                opened_at=now,
            )
        )
    for item in wanted.items:
        added = _item(session, subscription, product, item, wanted, row.currency, now)
        session.add(
            SeatEntry(item_id=added.id, at=now, effective_on=today, change=item.quantity,
                      quantity_after=item.quantity, reason="import")
        )  # fmt: skip
        session.add_all(
            Assignment(item_id=added.id, member_id=members[email].id, assigned_at=now)
            for email in item.holders
        )
    session.flush()
    return subscription.id


def _item(
    session: Session,
    subscription: Subscription,
    product: Product,
    item: ItemRow,
    wanted: SubscriptionRow,
    currency: str,
    now: datetime,
) -> SubscriptionItem:
    subject: Plan | AddOn
    if item.kind == "plan":
        subject = session.scalars(
            select(Plan).where(Plan.product_id == product.id, Plan.key == item.keys[0])
        ).one()
    else:
        subject = session.scalars(
            select(AddOn).where(
                AddOn.product_id == product.id,
                AddOn.key == item.keys[0],
                AddOn.package_key == item.keys[1],
            )
        ).one()
    price = None
    if wanted.term is not None:
        interval = wanted.term.interval.value
        price = _price(session, subject, interval, currency, item.price_minor, now)
    row = SubscriptionItem(
        subscription_id=subscription.id,
        kind=item.kind,
        plan_id=subject.id if isinstance(subject, Plan) else None,
        add_on_id=subject.id if isinstance(subject, AddOn) else None,
        per_seat=item.per_seat,
        quantity=item.quantity,
        price_id=price.id if price else None,
        added_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _price(
    session: Session, subject: Plan | AddOn, interval: str, currency: str, minor: int | None,
    now: datetime,
) -> Price:  # fmt: skip
    """The price to pin: today's, or the customer's own, which is never offered to anybody (C4)."""
    is_subject = (
        Price.plan_id == subject.id if isinstance(subject, Plan) else Price.add_on_id == subject.id
    )
    todays = session.scalars(
        select(Price).where(
            is_subject,
            Price.interval == interval,
            Price.currency == currency,
            Price.retired_at.is_(None),
        )
    ).one_or_none()
    if todays is not None and (minor is None or todays.unit_minor == minor):
        return todays
    assert minor is not None, "the file is checked: there is a price"
    own = Price(
        plan_id=subject.id if isinstance(subject, Plan) else None,
        add_on_id=subject.id if isinstance(subject, AddOn) else None,
        interval=interval,
        currency=currency,
        unit_minor=minor,
        created_at=now,
        retired_at=now,
    )
    session.add(own)
    session.flush()
    return own
