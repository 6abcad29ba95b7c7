"""Nobody loses access for cents that the provider does not take (M5, M6, Q2)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.models import (
    AccountBalance,
    DeskTask,
    Invoice,
    Order,
    OutboxMessage,
    Payment,
    Quote,
)
from portal.parts import Parts
from portal.payments import smallest_charge as charges_table
from portal.payments.demo_gateway import DemoGateway
from portal.payments.gateway import ChargeRequest, GatewayRefused, Patience
from portal.services.balance_use import plan_uses
from portal.services.invoice_charges import pay_invoice
from portal.services.transfer_booking import Transfer, book_deposit
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CARD,
    LOTTE,
    LUMIERE,
    NO_MONEY,
    account_named,
    actor_of,
    collected,
    order_ready_to_pay,
    plan_item,
    use_method,
)
from tests.support.dunning import (
    RENEWAL,
    attempts,
    case_of,
    days_later,
    mails,
    new_method,
    payments,
    renewal_invoice,
    status_of,
    subscription_status,
    unpaid_renewal,
    work,
)
from tests.support.transfers import OPERATOR, staff, transferred

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")

GROSS = 134_310


def deposit(parts: Parts, minor: int, account: str = ATELIER) -> None:
    """So much of the account's balance came by transfer."""
    actor = staff(OPERATOR)
    with transaction() as session:
        book_deposit(
            session, account_named(session, account).id,
            Transfer(Money(minor, "EUR"), NOW.date(), "early"), catalogue=parts.catalogue,
            actor=actor, now=clock.now(),
        )  # fmt: skip


def latest_invoice(books: Session, account: str = ATELIER) -> Invoice:
    """The newest invoice of the account's CRM, whether or not it was charged."""
    key = plan_item(books, account).subscription_id
    return books.scalars(
        select(Invoice)
        .where(Invoice.subscription_id == key)
        .order_by(Invoice.id.desc())
        .execution_options(populate_existing=True)
    ).first()  # type: ignore[return-value]


def tasks(books: Session, invoice: Invoice) -> list[str]:
    """The kinds of the desk's tasks about this invoice."""
    rows = books.scalars(select(DeskTask).order_by(DeskTask.id))
    return [row.kind for row in rows if row.details.get("invoice") == invoice.number]


@pytest.fixture
def expensive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider takes nothing below 2,000 euro: the renewal is smaller than that."""
    monkeypatch.setitem(charges_table._SMALLEST, "EUR", 200_000)


def test_M6_a_balance_leaves_a_rest_that_the_provider_takes(parts: Parts, books: Session) -> None:
    """1,343.10 euro with a balance of 1,342.80: 0.50 is charged, and not 0.30."""
    with transaction() as session:
        use_method(session, ATELIER, CARD)
    deposit(parts, 134_280)
    work(parts, RENEWAL)
    invoice = renewal_invoice(books)
    assert invoice.gross_minor == GROSS
    assert (status_of(books, invoice), attempts(books, invoice)) == ("paid", [("1", "succeeded")])
    amount = books.scalars(select(Payment.amount_minor).where(Payment.invoice_id == invoice.id))
    assert amount.all() == [50]
    left = books.scalars(
        select(AccountBalance.amount_minor).where(AccountBalance.account_id == invoice.account_id)
    )
    assert sum(left) == 20, "what was not used waits for the next invoice"


def test_M6_who_pays_by_transfer_uses_the_whole_balance(parts: Parts, books: Session) -> None:
    deposit(parts, 10, LUMIERE)
    with transaction() as session:
        account = account_named(session, LUMIERE)
        due = [(account.id, 1, Money(30, "EUR"))]
        by_transfer = plan_uses(session.connection(), due, {account.id})
        automatic = plan_uses(session.connection(), due, set())
    assert by_transfer[1].used == Money(10, "EUR")
    assert automatic == {}


@pytest.mark.usefixtures("expensive")
def test_M5_an_invoice_below_the_smallest_charge_stays_open_and_harms_nobody(
    parts: Parts, books: Session
) -> None:
    with transaction() as session:
        use_method(session, ATELIER, CARD)
    work(parts, RENEWAL)
    invoice = latest_invoice(books)
    assert (status_of(books, invoice), payments(books, invoice)) == ("open", [])
    for day in (1, 2, 7, 14, 21, 22, 40):
        work(parts, days_later(day))
    assert case_of(books, invoice) is None, "nothing says when access ends"
    assert (subscription_status(books), mails(books, invoice)) == ("active", [])
    assert tasks(books, invoice) == ["amount_not_chargeable"]
    told = books.scalars(
        select(OutboxMessage).where(
            OutboxMessage.dedupe_key.like(f"renewal_invoice:{invoice.id}:%")
        )
    ).all()
    assert told
    assert all(one.payload["left_open"] for one in told)
    assert not any(one.payload["will_be_collected"] for one in told)


@pytest.mark.usefixtures("expensive")
def test_M5_a_new_card_is_not_tried_on_what_no_card_can_pay(parts: Parts, books: Session) -> None:
    work(parts, RENEWAL)
    invoice = latest_invoice(books)
    new_method(CARD)
    work(parts, days_later(1))
    assert (status_of(books, invoice), payments(books, invoice)) == ("open", [])
    with pytest.raises(DomainError) as refused, transaction() as session:
        pay_invoice(
            session, invoice.account_id, invoice.number, shown=Money(invoice.gross_minor, "EUR"),
            actor=actor_of(session, LOTTE), now=clock.now(),
        )  # fmt: skip
    assert (refused.value.code, refused.value.data) == (
        "invoice_too_small", {"smallest": Money(200_000, "EUR")},
    )  # fmt: skip


def test_M5_access_comes_back_once_the_rest_is_too_small_to_be_charged(
    parts: Parts, books: Session
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    for day in (2, 7, 14, 21):
        work(parts, days_later(day))
    assert subscription_status(books) == "suspended"
    transferred(parts, invoice, invoice.gross_minor - 30)
    books.expire_all()
    assert subscription_status(books) == "active"
    case = case_of(books, invoice)
    assert case is not None
    assert (case.status, case.next_on) == ("recovered", None)
    assert status_of(books, invoice) == "open"
    assert tasks(books, invoice).count("amount_not_chargeable") == 1
    tried = attempts(books, invoice)
    work(parts, days_later(40))
    assert (attempts(books, invoice), subscription_status(books)) == (tried, "active")
    transferred(parts, invoice, 30)
    assert status_of(books, invoice) == "paid"


def test_M5_a_rest_that_can_be_charged_goes_on_as_before(parts: Parts, books: Session) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    transferred(parts, invoice, invoice.gross_minor - 50)
    case = case_of(books, invoice)
    assert case is not None
    assert case.status == "open"
    new_method(CARD)
    work(parts, days_later(1))
    assert status_of(books, invoice) == "paid"


def test_M5_what_the_provider_itself_finds_too_small_suspends_nobody(
    parts: Parts, books: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds amounts against the currency of the vendor's bank account, too."""

    def refuse(_self: DemoGateway, _request: ChargeRequest, _patience: Patience) -> None:
        raise GatewayRefused("amount_too_small")

    monkeypatch.setattr(DemoGateway, "charge", refuse)
    invoice = unpaid_renewal(parts, books, CARD)
    for day in (1, 2, 7, 14, 21, 22):
        work(parts, days_later(day))
    new_method(CARD)
    work(parts, days_later(23))
    assert attempts(books, invoice) == [("1", "declined")]
    assert (status_of(books, invoice), case_of(books, invoice)) == ("open", None)
    assert (subscription_status(books), mails(books, invoice)) == ("active", [])
    assert tasks(books, invoice) == ["amount_not_chargeable"]


@pytest.mark.usefixtures("expensive")
def test_Q2_an_order_below_the_smallest_charge_is_not_placed_and_nothing_is_lost(
    parts: Parts, books: Session
) -> None:
    before = set(books.scalars(select(Order.id)))
    with pytest.raises(DomainError) as refused:
        order_ready_to_pay(parts)
    assert (refused.value.code, refused.value.data) == (
        "amount_too_small", {"smallest": Money(200_000, "EUR")},
    )  # fmt: skip
    books.rollback()
    assert set(books.scalars(select(Order.id))) == before
    quote = books.scalars(select(Quote).order_by(Quote.id.desc())).first()
    assert quote is not None
    assert quote.status == "open"


def test_Q2_an_order_that_the_provider_takes_is_paid(
    parts: Parts, books: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_ready_to_pay(parts)
    gross = books.get_one(Order, order.order_id).gross_minor
    monkeypatch.setitem(charges_table._SMALLEST, "EUR", gross)
    assert collected(parts, order.attempt_id)
    books.expire_all()
    assert books.get_one(Order, order.order_id).status in ("paid", "done")
