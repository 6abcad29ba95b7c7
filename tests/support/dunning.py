"""Owed invoices for tests: a renewal that fails, the clock, what became of everything."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.jobs.worker import run_due
from portal.models import (
    DemoObject,
    DunningCase,
    Invoice,
    MethodSetup,
    OutboxMessage,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    Person,
    Subscription,
)
from portal.parts import Parts
from portal.payments.demo_books import add_object
from portal.payments.gateway import MethodFacts, MethodKind, SetupOutcome, SetupStatus
from portal.services.method_setup import begin_method_setup, settle_method_setup
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    LOTTE,
    account_named,
    plan_item,
    test_number,
    use_method,
)

__all__ = [
    "RENEWAL", "attempts", "case_of", "charges_of", "day", "days_later", "mails", "new_method",
    "payments", "renewal_invoice", "status_of", "subscription_status", "switch_method", "unpaid_renewal", "work",
]  # fmt: skip

RENEWAL = NOW + timedelta(days=32)
"""The CRM of the account has been renewed by then, for a quarter."""


def work(parts: Parts, now: datetime) -> None:
    """The worker runs at `now`."""
    clock.fix(now)
    run_due(parts, now)


def days_later(days: int) -> datetime:
    """So many days after the charge of the renewal failed."""
    return RENEWAL + timedelta(days=days)


def day(days: int) -> date:
    """The account's local day `days` after it failed."""
    return days_later(days).date()


def unpaid_renewal(parts: Parts, books: Session, number: str, account: str = ATELIER) -> Invoice:
    """The renewal's invoice after its charge with that test number."""
    with transaction() as own:
        use_method(own, account, number)
    work(parts, RENEWAL)
    return renewal_invoice(books, account)


def renewal_invoice(books: Session, account: str = ATELIER) -> Invoice:
    """The invoice of the renewal, whose charge was asked for when it was due."""
    return books.scalars(
        select(Invoice)
        .join(Payment, Payment.invoice_id == Invoice.id)
        .where(
            Invoice.account_id == account_named(books, account).id, Payment.created_at == RENEWAL
        )
        .execution_options(populate_existing=True)
    ).one()


def _attached(session: Session, number: str, account: str = ATELIER) -> str:
    """A test number in the provider's books as another method of the account's own customer."""
    row, test = account_named(session, account), test_number(number)
    card = test.kind is MethodKind.CARD
    data = {
        "customer": row.gateway_customer, "method_kind": test.kind.value, "brand": test.brand,
        "last4": test.last4, "expires_year": 2034 if card else None,
        "expires_month": 12 if card else None, "funding": test.funding, "mandate_ref": "",
        "behaviour": test.behaviour.value,
    }  # fmt: skip
    return str(add_object(session, "method", "attached", data, clock.now()).ref)


def switch_method(number: str, account: str = ATELIER) -> None:
    """The account's default is another method from now on, and nothing is collected by that."""
    with transaction() as own:
        row, test = account_named(own, account), test_number(number)
        own.execute(
            update(PaymentMethod)
            .where(PaymentMethod.account_id == row.id, PaymentMethod.removed_at.is_(None))
            .values(is_default=False, removed_at=clock.now())
        )
        own.add(PaymentMethod(
            account_id=row.id, kind=test.kind.value, gateway_ref=_attached(own, number, account),
            brand=test.brand, last4=test.last4, funding=test.funding, is_default=True,
            added_at=clock.now(),
        ))  # fmt: skip


def new_method(number: str, *, times: int = 1) -> None:
    """A card confirmed on the provider's page, its news coming `times` times."""
    with transaction() as own:
        account, ref = account_named(own, ATELIER), _attached(own, number)
        person = own.scalars(select(Person).where(Person.email == LOTTE)).one()
        setup = begin_method_setup(own, account.id, person.id, "/", clock.now())
        outcome = SetupOutcome(
            ref=f"cs_{setup.id}", status=SetupStatus.COMPLETED,
            customer_ref=account.gateway_customer or "", reference=setup.idempotency_key,
            method=MethodFacts(ref, MethodKind.CARD, "visa", number[-4:], 2034, 12, "credit"),
        )  # fmt: skip
        setup_id = setup.id
    for _ in range(times):
        with transaction() as own:
            settle_method_setup(own, setup_id, outcome, clock.now())
    with transaction() as own:
        assert own.get_one(MethodSetup, setup_id).status == "completed"


def case_of(books: Session, invoice: Invoice) -> DunningCase | None:
    """The invoice's case as it is now."""
    return books.scalars(
        select(DunningCase)
        .where(DunningCase.invoice_id == invoice.id)
        .execution_options(populate_existing=True)
    ).one_or_none()


def payments(books: Session, invoice: Invoice) -> list[str]:
    """The status of each payment of the invoice."""
    query = select(Payment.status).where(Payment.invoice_id == invoice.id).order_by(Payment.id)
    return list(books.scalars(query))


def attempts(books: Session, invoice: Invoice) -> list[tuple[str, str]]:
    """Key (without what all share) and status of each attempt, the oldest first."""
    rows = books.execute(
        select(PaymentAttempt.idempotency_key, PaymentAttempt.status)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(Payment.invoice_id == invoice.id)
        .order_by(PaymentAttempt.id)
    )
    return [(key.removeprefix(f"pi:invoice-{invoice.id}:"), status) for key, status in rows]


def status_of(books: Session, invoice: Invoice) -> str | None:
    """The invoice's status as it is now."""
    return books.scalar(select(Invoice.status).where(Invoice.id == invoice.id))


def subscription_status(books: Session, account: str = ATELIER) -> str | None:
    """The status of the account's CRM."""
    key = plan_item(books, account).subscription_id
    return books.scalar(select(Subscription.status).where(Subscription.id == key))


def mails(books: Session, invoice: Invoice, recipient: str = LOTTE) -> list[tuple[str, date]]:
    """What of this invoice was written to somebody, with the day, the oldest first."""
    rows = books.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.topic.like("owed_%"), OutboxMessage.recipient == recipient)
        .order_by(OutboxMessage.id)
    )
    return [
        (row.topic.removeprefix("owed_"), row.created_at.date())
        for row in rows
        if row.payload["invoice_number"] == invoice.number
    ]


def charges_of(books: Session, invoice: Invoice) -> list[str]:
    """What stands in the provider's books of the invoice's charges."""
    books.expire_all()
    ids = {
        f"payment:{key}"
        for key in books.scalars(select(Payment.id).where(Payment.invoice_id == invoice.id))
    }
    query = select(DemoObject).where(DemoObject.kind == "charge").order_by(DemoObject.id)
    return [row.status for row in books.scalars(query) if row.data["reference"] in ids]
