"""Placing an order: once, and for exactly what was shown (Q2, Q4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.models import (
    BillingPeriod,
    Cart,
    Checkout,
    Job,
    NumberSeries,
    Order,
    OrderLine,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    Quote,
)
from portal.parts import Parts
from portal.services.checkout import Contact
from portal.services.ordering import place_order
from tests.conftest import NOW
from tests.support.buying import (
    AN,
    ATELIER,
    CAMILLE,
    JONAS,
    KAREL,
    LUMIERE,
    OFFICINE,
    account_named,
    actor_of,
    placed,
    plan_item,
    quoted,
    ready,
    row_counts,
    shown_terms,
)

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")


@pytest.fixture
def quote_id(parts: Parts) -> int:
    """A quote of three seats whose payment step is complete."""
    made = quoted(parts)
    ready(parts, made)
    return made


def refused(parts: Parts, quote_id: int, shown: str | None = None) -> str:
    """The code with which placing is refused."""
    with pytest.raises(DomainError) as error:
        placed(parts, quote_id, shown=shown)
    return error.value.code


def test_an_order_holds_what_was_shown_and_reserves_its_attempt(
    books: Session, parts: Parts, quote_id: int
) -> None:
    taken = books.scalar(
        select(NumberSeries.last).where(NumberSeries.series == "order", NumberSeries.year == 2026)
    )
    made = placed(parts, quote_id)
    order = books.get_one(Order, made.order_id)
    assert (order.number, order.status) == (f"O-2026-{(taken or 0) + 1:05d}", "placed")
    assert (order.net_minor, order.tax_minor, order.gross_minor) == (7912, 1662, 9574)
    assert (order.placed_at, order.placed_on) == (NOW, date(2026, 10, 29))
    assert order.buyer["company_name"] == ATELIER
    assert order.tax["treatment"] == "domestic"
    line = books.scalars(select(OrderLine).where(OrderLine.order_id == order.id)).one()
    assert (line.quantity, line.unit_minor, line.days_left, line.days, line.net_minor) == (
        3, 7500, 32, 91, 7912,
    )  # fmt: skip
    assert (line.period_starts_on, line.period_ends_on) == (date(2026, 10, 29), date(2026, 11, 30))

    payment = books.scalars(select(Payment).where(Payment.order_id == order.id)).one()
    attempt = books.scalars(
        select(PaymentAttempt).where(PaymentAttempt.payment_id == payment.id)
    ).one()
    assert made.attempt_id == attempt.id
    assert (payment.amount_minor, payment.status) == (9574, "unresolved")
    assert (attempt.status, attempt.idempotency_key) == ("reserved", f"pi:order-{order.id}:1")
    job = books.scalars(select(Job).where(Job.kind == "settle_attempt", Job.status == "waiting"))
    assert job.one().payload == {"attempt_id": attempt.id}  # M1: somebody finishes it whatever

    quote = books.get_one(Quote, quote_id)
    assert (quote.status, quote.closed_at) == ("accepted", NOW)
    assert books.get_one(Cart, quote.cart_id).status == "ordered"
    assert plan_item(books, ATELIER).quantity == 12  # Q3: nothing is granted before it is paid


def test_Q4_the_second_click_finds_the_order_of_the_first(
    books: Session, parts: Parts, quote_id: int
) -> None:
    shown = shown_terms(parts, quote_id)
    first = placed(parts, quote_id, shown=shown)
    before = row_counts(books)
    second = placed(parts, quote_id, shown=shown)
    assert (second.order_id, second.attempt_id, second.created) == (first.order_id, None, False)
    assert placed(parts, quote_id, shown="from an old page").order_id == first.order_id
    assert row_counts(books) == before


# --- what was shown is what is charged (Q2) ----------------------------------------------------


def test_Q2_another_day_has_another_amount_which_is_shown_first(
    books: Session, parts: Parts, quote_id: int
) -> None:
    shown = shown_terms(parts, quote_id)
    clock.fix(NOW + timedelta(days=1))
    before = row_counts(books)
    assert refused(parts, quote_id, shown) == "terms_changed"
    assert row_counts(books) == before
    order = books.get_one(Order, placed(parts, quote_id).order_id)
    assert order.net_minor == 7665  # 3 × 75.00 × 31 ÷ 91


def test_Q2_the_day_is_the_accounts_own(books: Session, parts: Parts, quote_id: int) -> None:
    shown = shown_terms(parts, quote_id)
    clock.fix(datetime(2026, 10, 29, 22, 59, tzinfo=UTC))  # 23:59 in Brussels
    assert shown_terms(parts, quote_id) == shown
    clock.fix(datetime(2026, 10, 29, 23, 0, tzinfo=UTC))
    assert refused(parts, quote_id, shown) == "terms_changed"


@pytest.mark.parametrize(
    ("country", "number", "status"),
    [
        ("BE", "BE0940180319", "valid"),  # as it is: no change
        ("DE", None, "none"),
        ("DE", "DE299180232", "valid"),
        ("GB", None, "none"),
    ],
)
def test_Q2_I4_another_vat_situation_is_shown_first(
    parts: Parts, quote_id: int, country: str, number: str | None, status: str
) -> None:
    shown = shown_terms(parts, quote_id)
    with transaction() as own:
        account = account_named(own, ATELIER)
        account.country, account.vat_number, account.vat_status = country, number, status
    if country == "BE":
        assert placed(parts, quote_id, shown=shown).created
    else:
        assert refused(parts, quote_id, shown) == "terms_changed"
        assert placed(parts, quote_id).created


def test_P3_an_order_on_the_renewal_day_is_of_the_new_period_even_if_the_worker_is_late(
    books: Session, parts: Parts
) -> None:
    clock.fix(NOW + timedelta(days=25))
    quote_id = quoted(parts)
    clock.fix(NOW + timedelta(days=32))  # 30 November: the renewal, and no worker has run
    ready(parts, quote_id)
    shown = shown_terms(parts, quote_id)  # what the page shows of the period to come
    order = books.get_one(Order, placed(parts, quote_id, shown=shown).order_id)
    line = books.scalars(select(OrderLine).where(OrderLine.order_id == order.id)).one()
    assert (line.days_left, line.days, line.net_minor) == (90, 90, 3 * 7500)
    item = plan_item(books, ATELIER)
    current = books.scalars(
        select(BillingPeriod).where(
            BillingPeriod.subscription_id == item.subscription_id, BillingPeriod.is_current
        )
    ).one()
    assert (current.starts_on, current.ends_on) == (date(2026, 11, 30), date(2027, 2, 28))


# --- what cannot be placed ---------------------------------------------------------------------


def test_Q1_a_closed_quote_is_not_ordered(books: Session, parts: Parts, quote_id: int) -> None:
    before = row_counts(books)
    for status in ("declined", "expired", "superseded"):
        with transaction() as own:
            own.get_one(Quote, quote_id).status = status
        assert refused(parts, quote_id, "") == f"quote_{status}"
    assert row_counts(books) == before


def test_Q1_the_last_day_has_passed(parts: Parts, quote_id: int) -> None:
    clock.fix(NOW + timedelta(days=31))
    assert refused(parts, quote_id, "") == "quote_expired"


def test_a_quote_of_another_account_is_unknown(parts: Parts, quote_id: int) -> None:
    with pytest.raises(DomainError, match="quote_unknown"), transaction() as own:
        place_order(
            own, account_named(own, OFFICINE).id, quote_id, shown="", catalogue=parts.catalogue,
            actor=actor_of(own, CAMILLE), now=NOW,
        )  # fmt: skip


def test_the_payment_step_comes_first(parts: Parts) -> None:
    quote_id = quoted(parts)
    assert refused(parts, quote_id) == "checkout_incomplete"
    ready(parts, quote_id)
    with transaction() as own:
        checkout = own.scalars(select(Checkout).where(Checkout.quote_id == quote_id)).one()
        checkout.completed = False
    assert refused(parts, quote_id) == "checkout_incomplete"


@pytest.mark.parametrize("email", ["eva.claes@atelier-noordzee.example", AN, JONAS, KAREL])
def test_DESIGN1_a_billing_admin_orders_no_new_admin_that_an_admin_had_named(
    books: Session, parts: Parts, email: str
) -> None:
    quote_id = quoted(parts)
    ready(parts, quote_id, Contact(None, "Whoever", email))
    before = row_counts(books)
    with pytest.raises(DomainError, match="contact_needs_admin"):
        placed(parts, quote_id, email=AN)
    assert row_counts(books) == before
    assert placed(parts, quote_id).created  # the admin may


def test_DESIGN1_a_billing_admin_orders_with_an_admin_as_contact(
    parts: Parts, quote_id: int
) -> None:
    assert placed(parts, quote_id, email=AN).created


def test_a_bank_transfer_account_does_not_order_alone(parts: Parts, quote_id: int) -> None:
    with transaction() as own:
        account_named(own, ATELIER).payment_terms = "bank_transfer"
    assert refused(parts, quote_id) == "bank_transfer"
    with transaction() as own:
        assert account_named(own, LUMIERE).payment_terms == "bank_transfer"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"removed_at": NOW, "is_default": False}, "method_missing"),
        ({"funding": "prepaid"}, "prepaid_card"),
        ({"expires_year": 2026, "expires_month": 9}, "expired_card"),
    ],
)
def test_M3_a_method_that_is_not_taken(
    books: Session, parts: Parts, quote_id: int, changed: dict[str, object], code: str
) -> None:
    with transaction() as own:
        account_id = account_named(own, ATELIER).id
        method = own.scalars(
            select(PaymentMethod).where(PaymentMethod.account_id == account_id)
        ).one()
        for name, value in changed.items():
            setattr(method, name, value)
    before = row_counts(books)
    assert refused(parts, quote_id) == code
    assert row_counts(books) == before


@pytest.mark.parametrize(
    ("time_zone", "now", "good"),
    [
        # 31 October, 12:00 UTC is 1 November on Kiritimati, and 31 October elsewhere.
        ("Pacific/Kiritimati", datetime(2026, 10, 31, 12, tzinfo=UTC), False),
        ("Europe/Brussels", datetime(2026, 10, 31, 12, tzinfo=UTC), True),
        ("Pacific/Pago_Pago", datetime(2026, 11, 1, 10, tzinfo=UTC), True),
    ],
)
def test_M3_P3_a_card_expires_with_the_accounts_own_month(
    parts: Parts, time_zone: str, now: datetime, good: bool
) -> None:
    with transaction() as own:
        account = account_named(own, ATELIER)
        account.time_zone = time_zone
        method = own.scalars(
            select(PaymentMethod).where(PaymentMethod.account_id == account.id)
        ).one()
        method.expires_year, method.expires_month = 2026, 10
    clock.fix(now)
    quote_id = quoted(parts)
    ready(parts, quote_id)
    if good:
        assert placed(parts, quote_id).created
    else:
        assert refused(parts, quote_id) == "expired_card"


def test_Q1_after_a_failure_the_same_quote_is_ordered_again_with_a_key_of_its_own(
    books: Session, parts: Parts, quote_id: int
) -> None:
    first = placed(parts, quote_id)
    with transaction() as own:
        own.get_one(Order, first.order_id).status = "failed"
        own.get_one(Quote, quote_id).status = "open"
    second = placed(parts, quote_id)
    assert second.created
    assert second.order_id != first.order_id
    keys = books.scalars(
        select(PaymentAttempt.idempotency_key).where(
            PaymentAttempt.idempotency_key.like("pi:order-%")
        )
    ).all()
    assert f"pi:order-{second.order_id}:1" in keys
    assert len(set(keys)) == len(keys)
