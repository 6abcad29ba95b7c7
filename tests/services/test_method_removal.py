"""Removing the payment method, and the vendor's choice of how an account pays (M3, I3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from sqlalchemy import delete, select, update

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.models import (
    Account,
    AuditEvent,
    ChangeRequest,
    Invoice,
    Job,
    PaymentMethod,
    Person,
    Quote,
    QuoteSubject,
    Subscription,
    SubscriptionItem,
    Wallet,
)
from portal.parts import Parts
from portal.services.audit import Actor
from portal.services.method_removal import remove_method
from portal.services.method_setup import begin_method_setup, settle_method_setup
from portal.services.payment_terms import change_payment_terms
from tests.payments.test_method_setup import outcome_of
from tests.support.buying import (
    CARD,
    DEBIT,
    THREE_D_SECURE,
    collected,
    order_ready_to_pay,
    quoted,
    use_method,
)
from tests.support.subscriptions import Customer, make_customer

pytestmark = pytest.mark.usefixtures("app_context")

STAFF = Actor("staff", "")


@pytest.fixture
def customer() -> Customer:
    """Subscribed, with a card."""
    with transaction() as session:
        found = make_customer(
            session, start=date(2026, 10, 5), anchor_day=5, interval=Interval.YEAR, name="Zaak BV"
        )
        use_method(session, "Zaak BV", CARD)
        return found


def ended(customer: Customer) -> None:
    """Nothing of it renews any more."""
    with transaction() as session:
        session.execute(
            update(Subscription)
            .where(Subscription.account_id == customer.account_id)
            .values(status="ended", ended_on=date(2026, 10, 20))
        )


def method_of(customer: Customer) -> PaymentMethod | None:
    with transaction() as session:
        query = select(PaymentMethod).where(
            PaymentMethod.account_id == customer.account_id, PaymentMethod.removed_at.is_(None)
        )
        return session.scalars(query).one_or_none()


def remove(customer: Customer, method_id: int | None = None) -> bool:
    method = method_of(customer)
    shown = method_id if method_id is not None else getattr(method, "id", 0)
    with transaction() as session:
        return remove_method(
            session, customer.account_id, shown, actor=Actor("person", "Eva"), now=clock.now()
        )


def choose(customer: Customer, terms: str) -> bool:
    with transaction() as session:
        return change_payment_terms(
            session, customer.account_id, terms, actor=STAFF, now=clock.now()
        )


def actions(customer: Customer) -> list[str]:
    with transaction() as session:
        query = select(AuditEvent.action).where(AuditEvent.account_id == customer.account_id)
        return list(session.scalars(query.order_by(AuditEvent.id)))


def detached() -> list[str]:
    with transaction() as session:
        jobs = session.scalars(select(Job).where(Job.kind == "detach_method"))
        return [job.payload["method_ref"] for job in jobs]


def test_M3_a_method_goes_once_nothing_is_charged(customer: Customer) -> None:
    ended(customer)
    method = method_of(customer)
    assert method is not None
    assert remove(customer)
    assert method_of(customer) is None
    assert actions(customer)[-1] == "payment_method_removed"
    assert detached() == [method.gateway_ref]
    assert not remove(customer, method.id)  # pressed twice
    assert actions(customer).count("payment_method_removed") == 1


def test_M3_a_method_of_another_account_is_unknown(customer: Customer, parts: Parts) -> None:
    with transaction() as session:
        others = session.scalars(
            select(PaymentMethod.id).where(PaymentMethod.account_id != customer.account_id)
        ).first()
    with pytest.raises(DomainError, match="method_unknown"):
        remove(customer, others)


def test_M3_one_that_was_replaced_since_is_not_the_one_shown(customer: Customer) -> None:
    ended(customer)
    old = method_of(customer)
    assert old is not None
    with transaction() as session:
        use_method(session, "Zaak BV", DEBIT)
    assert not remove(customer, old.id)
    assert method_of(customer) is not None


def free_of_charge(customer: Customer) -> None:
    with transaction() as session:
        session.execute(
            update(SubscriptionItem)
            .where(SubscriptionItem.subscription_id == customer.subscription_id)
            .values(price_id=None)
        )


def test_M3_a_subscription_without_a_price_needs_no_method(customer: Customer) -> None:
    free_of_charge(customer)
    assert remove(customer)


def test_M3_a_renewal_keeps_the_method(customer: Customer) -> None:
    with pytest.raises(DomainError, match="method_needed"):
        remove(customer)
    assert method_of(customer) is not None


def order_waits(customer: Customer, parts: Parts) -> None:
    with transaction() as session:
        use_method(session, "Zaak BV", THREE_D_SECURE)
    order = order_ready_to_pay(parts, account="Zaak BV", email=customer.admin_email)
    collected(parts, order.attempt_id)


def debit_runs(customer: Customer, parts: Parts) -> None:
    with transaction() as session:
        use_method(session, "Zaak BV", DEBIT)
    order = order_ready_to_pay(parts, account="Zaak BV", email=customer.admin_email)
    collected(parts, order.attempt_id)


def invoice_open(customer: Customer, parts: Parts) -> None:
    order = order_ready_to_pay(parts, account="Zaak BV", email=customer.admin_email)
    collected(parts, order.attempt_id)
    with transaction() as session:
        session.execute(
            update(Invoice)
            .where(Invoice.account_id == customer.account_id)
            .values(status="open", paid_minor=0, paid_at=None)
        )


def tops_up(customer: Customer, parts: Parts) -> None:
    with transaction() as session:
        session.execute(delete(Wallet).where(Wallet.account_id == customer.account_id))
        session.add(Wallet(account_id=customer.account_id, balance=0, auto_top_up=True,
                           threshold=50, pack_key="small", monthly_cap_minor=20_000))  # fmt: skip


def request_waits(customer: Customer, parts: Parts) -> None:
    with transaction() as session:
        person = session.scalars(
            select(Person.id).where(Person.email == customer.admin_email)
        ).one()
        session.add(
            ChangeRequest(
                account_id=customer.account_id, kind="other", details="", status="sent",
                sent_at=clock.now(), sent_on=clock.now().date(), sent_by_id=person,
            )
        )  # fmt: skip


Before = Callable[[Customer, Parts], None]


@pytest.mark.parametrize("before", [order_waits, debit_runs, invoice_open, tops_up])
def test_M3_what_is_still_to_be_paid_keeps_the_method(
    customer: Customer, parts: Parts, before: Before
) -> None:
    before(customer, parts)
    ended(customer)
    with pytest.raises(DomainError, match="method_needed"):
        remove(customer)
    assert method_of(customer) is not None
    assert not detached()


# --- how an account pays ---------------------------------------------------------------


def test_I3_to_bank_transfer_the_method_is_removed(customer: Customer) -> None:
    method = method_of(customer)
    assert method is not None
    assert choose(customer, "bank_transfer")
    assert method_of(customer) is None
    assert detached() == [method.gateway_ref]
    assert actions(customer)[-1] == "payment_terms_changed"
    assert not choose(customer, "bank_transfer")
    assert choose(customer, "automatic")
    assert actions(customer).count("payment_terms_changed") == 2


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (order_waits, "terms_order_open"),
        (debit_runs, "terms_order_open"),
        (invoice_open, "terms_invoice_open"),
        (tops_up, "terms_top_up"),
        (request_waits, "terms_request_open"),
    ],
)
def test_I3_nothing_is_left_half_done(
    customer: Customer, parts: Parts, before: Before, code: str
) -> None:
    before(customer, parts)
    with pytest.raises(DomainError, match=code):
        choose(customer, "bank_transfer")
    with transaction() as session:
        assert session.get_one(Account, customer.account_id).payment_terms == "automatic"
    assert method_of(customer) is not None


def test_I3_Q1_quotes_that_cannot_be_ordered_any_more_expire_at_once(
    customer: Customer, parts: Parts
) -> None:
    quote_id = quoted(parts, account=customer.account_name, email=customer.admin_email)
    assert choose(customer, "bank_transfer")
    with transaction() as session:
        quote = session.get_one(Quote, quote_id)
        assert (quote.status, quote.closed_at) == ("expired", clock.now())
        held = select(QuoteSubject.id).where(QuoteSubject.quote_id == quote_id, QuoteSubject.holds)
        assert session.scalars(held).all() == []
    assert actions(customer)[-2:] == ["quote_expired", "payment_terms_changed"]


def test_I3_an_account_that_is_not_there(customer: Customer) -> None:
    with pytest.raises(DomainError, match="account_unknown"), transaction() as session:
        change_payment_terms(session, 987654, "automatic", actor=STAFF, now=clock.now())


def test_M3_a_method_saved_while_the_vendor_changed_it_is_not_taken(customer: Customer) -> None:
    with transaction() as session:
        person = session.scalars(
            select(Person.id).where(Person.email == customer.admin_email)
        ).one()
        setup_id = begin_method_setup(session, customer.account_id, person, "/", clock.now()).id
    choose(customer, "bank_transfer")
    with transaction() as session:
        done = settle_method_setup(
            session, setup_id, outcome_of(setup_id, customer.account_id), clock.now()
        )
        assert (done.status, done.refusal) == ("refused", "method_not_for_bank_transfer")
    assert method_of(customer) is None
    assert "pm_x" in detached()
