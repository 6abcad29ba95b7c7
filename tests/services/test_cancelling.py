"""Cancelling: when it ends, who is told, the way back, the renewal invoiced ahead (C3, S4, P2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import PlannedChange, plan_period_change
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.subscriptions import SubscriptionState
from portal.models import (
    AccountBalance,
    AuditEvent,
    BillingPeriod,
    CreditNote,
    DeskTask,
    Invoice,
    OutboxMessage,
    ScheduledChange,
    Term,
)
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.queries.subscriptions import list_subscription_states
from portal.services.cancelling import cancel_subscription
from portal.services.renewals import renew_subscription
from portal.services.scheduling import open_subscription, schedule_change, undo_change
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    AN,
    ATELIER,
    BRIGHTWATER,
    CAMILLE,
    LOTTE,
    LUMIERE,
    MUELLER,
    PIETER,
    account_named,
    actor_of,
    plan_item,
)
from tests.support.cancelling import RENEWAL, cancelled
from tests.support.changes import scheduled, wait_for_fewer_seats

pytestmark = pytest.mark.usefixtures("app_context")

AFTER_IT = date(2027, 2, 28)
TRANSFER_RENEWAL = date(2027, 2, 2)  # of Lumière Conseil, which pays by bank transfer
CLOSES = datetime(2027, 1, 18, 9, tzinfo=UTC)  # the last day on which it can still be met


@pytest.fixture(autouse=True)
def _time() -> Iterator[None]:
    yield
    clock.fix(NOW)


def undone(parts: Parts, change_id: int, account: str = ATELIER, email: str = LOTTE) -> None:
    with transaction() as session:
        undo_change(
            session,
            account_named(session, account).id,
            change_id,
            catalogue=parts.catalogue,
            actor=actor_of(session, email),
            now=clock.now(),
        )


def state_of(books: Session, account: str = ATELIER, product: str = "crm") -> SubscriptionState:
    states = list_subscription_states(books.connection(), account_named(books, account).id)
    return next(state for state in states if state.product_key == product)


def mails(books: Session, topic: str) -> dict[str, OutboxMessage]:
    query = select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)
    return {row.recipient: row for row in books.scalars(query)}


# --- cancelling, undoing, cancelling again -----------------------------------------------------


def test_C3_everything_goes_on_until_the_last_day(parts: Parts, books: Session) -> None:
    before = state_of(books)
    change = books.get(ScheduledChange, cancelled(parts))
    assert change is not None
    assert (change.kind, change.status, change.effective_on) == ("cancel", "waiting", RENEWAL)
    after = state_of(books)
    assert (after.items, after.period, after.status) == (before.items, before.period, "active")
    assert after.ends_on == RENEWAL


def test_C3_the_confirmation_goes_to_each_admin_and_the_canceller_in_their_language(
    parts: Parts, books: Session
) -> None:
    cancelled(parts, email=AN, reason="not_used", comment="Te duur voor ons")
    sent = mails(books, "cancellation_confirmed")
    assert {who: row.locale for who, row in sent.items()} == {LOTTE: "en", PIETER: "nl", AN: "nl"}
    payload = sent[AN].payload
    assert payload["last_day"] == "2026-11-29"
    assert payload["asked_on"] == "2026-10-29"
    assert payload["asked_by"] == "An Declercq"
    assert payload["product_export_url"].startswith("https://crm.")


def test_C3_the_reason_is_kept_and_shown_in_the_activity(parts: Parts, books: Session) -> None:
    change = books.get_one(ScheduledChange, cancelled(parts, reason="other", comment="We merge."))
    assert change.target == {"reason": "other", "comment": "We merge."}
    event = books.scalars(select(AuditEvent).where(AuditEvent.action == "cancellation_asked")).one()
    assert event.new == {"effective_on": "2026-11-30", "reason": "other", "comment": "We merge."}


def test_C3_cancel_undo_cancel_again(parts: Parts, books: Session) -> None:
    before = state_of(books)
    first = cancelled(parts)
    undone(parts, first, email=PIETER)
    assert state_of(books) == before  # S5: exactly what was there
    told = mails(books, "cancellation_undone")
    assert set(told) == {LOTTE, PIETER}
    assert told[LOTTE].payload["renews_on"] == "2026-11-30"
    second = cancelled(parts)
    assert second != first
    assert state_of(books).ends_on == RENEWAL
    query = select(OutboxMessage.id).where(OutboxMessage.topic == "cancellation_confirmed")
    assert len(books.scalars(query).all()) == 4  # a confirmation each time
    undone(parts, second)
    assert state_of(books) == before


def test_C3_what_else_waits_is_there_again_after_the_undo(parts: Parts, books: Session) -> None:
    wait_for_fewer_seats(parts, ATELIER, remove=2)
    before = state_of(books)
    undone(parts, cancelled(parts))
    assert state_of(books) == before


def test_C3_it_is_not_cancelled_twice(parts: Parts) -> None:
    cancelled(parts)
    with pytest.raises(DomainError, match="subscription_ends"):
        cancelled(parts)


def test_C3_a_trial_has_nothing_to_cancel(parts: Parts) -> None:
    with pytest.raises(DomainError, match="not_running"):
        cancelled(parts, BRIGHTWATER, AMELIA)


def test_C3_another_customers_subscription_is_unknown(parts: Parts, books: Session) -> None:
    foreign = plan_item(books, MUELLER).subscription_id
    with transaction() as session, pytest.raises(DomainError, match="subscription_unknown"):
        cancel_subscription(
            session, account_named(session, ATELIER).id, foreign, shown_on=RENEWAL,
            catalogue=parts.catalogue, actor=actor_of(session, LOTTE), now=clock.now(),
        )  # fmt: skip


def test_S4_asked_too_late_it_ends_at_the_renewal_after(parts: Parts, books: Session) -> None:
    clock.fix(datetime(2026, 11, 15, 9, tzinfo=UTC))  # the last day
    undone(parts, cancelled(parts, on=RENEWAL))
    clock.fix(datetime(2026, 11, 16, 9, tzinfo=UTC))
    cancelled(parts, on=AFTER_IT)
    assert state_of(books).ends_on == AFTER_IT


def test_S4_nobody_is_bound_for_longer_than_the_page_said(parts: Parts, books: Session) -> None:
    clock.fix(datetime(2026, 11, 16, 9, tzinfo=UTC))
    with pytest.raises(DomainError, match="cancellation_moved") as error:
        cancelled(parts, on=RENEWAL)
    assert error.value.data == {"day": date(2027, 2, 27)}
    assert state_of(books).ends_on is None


# --- the renewal that was invoiced ahead -------------------------------------------------------


def invoiced_ahead(parts: Parts, books: Session) -> BillingPeriod:
    """The morning of the last day of the notice window: the renewal is invoiced (I3)."""
    clock.fix(CLOSES)
    with transaction() as session:
        item = plan_item(session, LUMIERE)
        renew_subscription(
            session, account_named(session, LUMIERE).id, item.subscription_id,
            catalogue=parts.catalogue, now=clock.now(),
        )  # fmt: skip
    found = following(books)
    assert found is not None
    return found


def following(books: Session) -> BillingPeriod | None:
    books.expire_all()
    query = select(BillingPeriod).where(
        BillingPeriod.subscription_id == plan_item(books, LUMIERE).subscription_id,
        BillingPeriod.starts_on == TRANSFER_RENEWAL,
    )
    return books.scalars(query).one_or_none()


def test_I2_a_cancellation_credits_the_renewal_that_was_invoiced_that_morning(
    parts: Parts, books: Session
) -> None:
    period = invoiced_ahead(parts, books)
    invoice = books.get_one(Invoice, period.renewal_invoice_id)
    cancelled(parts, LUMIERE, CAMILLE, on=TRANSFER_RENEWAL)
    books.expire_all()
    note = books.scalars(select(CreditNote)).one()
    assert (note.invoice_id, note.gross_minor) == (invoice.id, invoice.gross_minor)
    assert note.reason == "renewal_ends"
    assert (invoice.status, invoice.credited_minor) == ("credited", invoice.gross_minor)
    assert following(books) is None  # P2: no period without a renewal
    assert mails(books, "cancellation_confirmed")[CAMILLE].payload["credited"] == invoice.number


def test_P2_the_undo_invoices_the_renewal_again_and_the_period_points_to_it(
    parts: Parts, books: Session
) -> None:
    first = invoiced_ahead(parts, books).renewal_invoice_id
    change_id = cancelled(parts, LUMIERE, CAMILLE, on=TRANSFER_RENEWAL)
    undone(parts, change_id, LUMIERE, CAMILLE)
    with transaction() as session:  # the worker's next run
        renew_subscription(
            session, account_named(session, LUMIERE).id,
            plan_item(session, LUMIERE).subscription_id, catalogue=parts.catalogue,
            now=clock.now(),
        )  # fmt: skip
    period = following(books)
    assert period is not None
    second = books.get_one(Invoice, period.renewal_invoice_id)
    assert second.id != first
    assert second.gross_minor == books.get_one(Invoice, first).gross_minor
    assert second.status == "open"


def test_P2_a_reduction_undone_after_its_invoice_credits_it_and_issues_it_anew(
    parts: Parts, books: Session
) -> None:
    change_id = wait_for_fewer_seats(parts, LUMIERE, remove=2, email=CAMILLE)
    period = invoiced_ahead(parts, books)
    old = books.get_one(Invoice, period.renewal_invoice_id)
    undone(parts, change_id, LUMIERE, CAMILLE)
    period = following(books)
    assert period is not None
    new = books.get_one(Invoice, period.renewal_invoice_id)
    assert new.id != old.id
    assert new.net_minor - old.net_minor == 2 * plan_unit(books)
    books.refresh(old)
    assert old.status == "credited"
    note = books.scalars(select(CreditNote)).one()
    assert (note.invoice_id, note.reason) == (old.id, "renewal_changed")


def plan_unit(books: Session) -> int:
    price = state_of(books, LUMIERE).plan_item.unit_price
    assert price is not None
    return price.minor


def test_P2_what_does_not_touch_that_renewal_leaves_its_invoice(
    parts: Parts, books: Session
) -> None:
    invoice_id = invoiced_ahead(parts, books).renewal_invoice_id
    clock.fix(CLOSES + timedelta(days=1))  # too late: it ends a year later
    change_id = cancelled(parts, LUMIERE, CAMILLE, on=date(2028, 2, 2))
    undone(parts, change_id, LUMIERE, CAMILLE)
    period = following(books)
    assert period is not None
    assert period.renewal_invoice_id == invoice_id
    assert books.scalars(select(CreditNote)).all() == []


def test_M6_what_was_paid_ahead_is_owed_to_the_customer(parts: Parts, books: Session) -> None:
    period = invoiced_ahead(parts, books)
    with transaction() as session:
        invoice = session.get_one(Invoice, period.renewal_invoice_id)
        invoice.paid_minor = 5_000
    cancelled(parts, LUMIERE, CAMILLE, on=TRANSFER_RENEWAL)
    entry = books.scalars(select(AccountBalance)).one()
    assert (entry.amount_minor, entry.reason) == (5_000, "credit_note")
    assert entry.invoice_id == period.renewal_invoice_id


def test_I3_an_invoice_that_an_order_has_overtaken_is_left_to_people(
    parts: Parts, books: Session
) -> None:
    change_id = wait_for_fewer_seats(parts, LUMIERE, remove=2, email=CAMILLE)
    invoice_id = invoiced_ahead(parts, books).renewal_invoice_id
    with transaction() as session:  # seats bought meanwhile: their order has billed that period
        plan_item(session, LUMIERE).quantity += 1
    undone(parts, change_id, LUMIERE, CAMILLE)
    period = following(books)
    assert period is not None
    assert period.renewal_invoice_id == invoice_id
    assert books.scalars(select(CreditNote)).all() == []
    task = books.scalars(select(DeskTask).where(DeskTask.kind == "renewal_differs")).one()
    assert task.details["invoice"] == books.get_one(Invoice, invoice_id).number


def test_P1_a_period_change_on_the_last_day_takes_its_term_with_it(
    parts: Parts, books: Session
) -> None:
    """Yearly was invoiced that morning; monthly is asked at noon, and taken back at night."""
    yearly = invoiced_ahead(parts, books)
    subscription_id, ends_on, number = yearly.subscription_id, yearly.ends_on, yearly.number
    terms = select(Term.id).where(Term.subscription_id == subscription_id)
    before = books.scalars(terms).all()
    with transaction() as session:
        account_id = account_named(session, LUMIERE).id
        opened = open_subscription(
            session, account_id, subscription_id, catalogue=parts.catalogue, now=CLOSES
        )
        book = get_price_book(session.connection(), opened.account.currency)
        planned = plan_period_change(
            opened.state, Interval.MONTH, book, opened.today,
            parts.catalogue.policy.change_notice_days,
        )  # fmt: skip
        change = schedule_change(
            session, opened, planned, actor=actor_of(session, CAMILLE), now=CLOSES
        )
        change_id = change.id
    monthly = following(books)
    assert monthly is not None
    assert monthly.ends_on == date(2027, 3, 2)
    assert len(books.scalars(terms).all()) == len(before) + 1
    undone(parts, change_id, LUMIERE, CAMILLE)
    again = following(books)
    assert again is not None
    assert (again.ends_on, again.number) == (ends_on, number)
    assert books.scalars(terms).all() == before
    notes = books.scalars(select(CreditNote).order_by(CreditNote.id)).all()
    assert [note.reason for note in notes] == ["renewal_changed", "renewal_changed"]
    assert len({note.invoice_id for note in notes} | {again.renewal_invoice_id}) == 3


def test_C3_an_end_that_an_undone_period_change_moves_is_confirmed_anew(
    parts: Parts, books: Session
) -> None:
    def to_monthly(state: SubscriptionState, book: PriceBook, on: date, days: int) -> PlannedChange:
        return plan_period_change(state, Interval.MONTH, book, on, days)

    period = scheduled(parts, ATELIER, to_monthly)
    clock.fix(datetime(2026, 11, 20, 9, tzinfo=UTC))  # too late for 30 November
    cancelled(parts, on=date(2026, 12, 31))
    clock.fix(datetime(2026, 11, 21, 9, tzinfo=UTC))
    undone(parts, period, ATELIER, PIETER)
    query = select(OutboxMessage).where(OutboxMessage.topic == "cancellation_confirmed")
    told = [
        (mail.recipient, mail.payload["last_day"], mail.payload["asked_by"],
         mail.payload["asked_on"])
        for mail in books.scalars(query.order_by(OutboxMessage.id))
    ]  # fmt: skip
    assert sorted(told) == sorted(
        (who, day, "Lotte Verbeke", "2026-11-20")
        for who in (LOTTE, PIETER)
        for day in ("2026-12-30", "2027-02-27")
    )
