"""A trial that is bought: the same subscription goes on, paid from its end or at once (C5, P1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.catalogue import TrialPaidStart
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.domain.wishes import AddOnChoice, Seats, Start
from portal.jobs.renewals import run_renewals
from portal.models import (
    Assignment,
    AuditEvent,
    BillingPeriod,
    Entitlement,
    Invoice,
    InvoiceLine,
    Member,
    Order,
    OrderLine,
    QuoteSubject,
    Subscription,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.queries.quotes import get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.quoting import preview_quote
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    BRIGHTWATER,
    CARD,
    account_named,
    collected,
    held_by,
    member_of,
    placed,
    plan_item,
    ready,
    use_method,
)
from tests.support.ledger import the_books_agree
from tests.support.purchases import add_on_item, bought_wishes, quoted_wishes, state_of_product

pytestmark = pytest.mark.usefixtures("app_context", "with_a_card")
LAST_DAY = date(2026, 11, 4)  # of Brightwater's trial: CRM Pro, 5 licences, 4 of them in use
PAID_FROM = LAST_DAY + timedelta(days=1)
CRM = Start("crm", "pro", Interval.MONTH, 4)


@pytest.fixture
def with_a_card(app_context: None) -> None:
    with transaction() as own:
        use_method(own, BRIGHTWATER, CARD)


def bought(parts: Parts, wish: Start = CRM) -> int:
    return bought_wishes(parts, wish, account=BRIGHTWATER, email=AMELIA)


def quoted(parts: Parts, *wishes: Start | Seats) -> int:
    return quoted_wishes(parts, *wishes, account=BRIGHTWATER, email=AMELIA)


def with_policy(parts: Parts, policy: TrialPaidStart) -> Parts:
    own = replace(parts.catalogue.policy, trial_paid_start=policy)
    return replace(parts, catalogue=replace(parts.catalogue, policy=own))


def subscription_of(books: Session) -> Subscription:
    books.rollback()
    return books.get_one(Subscription, plan_item(books, BRIGHTWATER).subscription_id)


def periods_of(books: Session) -> list[tuple[date, date, bool]]:
    query = select(BillingPeriod).where(
        BillingPeriod.subscription_id == subscription_of(books).id
    )  # fmt: skip
    return [(row.starts_on, row.ends_on, row.is_current) for row in books.scalars(query)]


def free_add_on(books: Session) -> int:
    """The item of the trial's free add-on: customer appointments Basic, 2 licences, 1 in use."""
    return int(add_on_item(books, BRIGHTWATER, "appointments").id)


def test_C5_a_trial_that_is_bought_stays_the_same_subscription_with_its_people(
    books: Session, parts: Parts
) -> None:
    before = plan_item(books, BRIGHTWATER)
    key, item_id, people = before.subscription_id, before.id, held_by(books, before.id)
    order_id = bought(parts)
    row = subscription_of(books)
    assert (row.id, row.status, row.trial_ends_on) == (key, "active", LAST_DAY)
    state = state_of_product(books, BRIGHTWATER)
    assert (state.plan_item.item_id, state.plan_item.quantity) == (item_id, 4)
    assert state.plan_item.unit_price is not None
    assert state.plan_item.unit_price.minor == 2350
    assert held_by(books, item_id) == people
    assert books.get_one(Order, order_id).status in ("paid", "done")
    assert books.scalar(select(func.count()).where(Subscription.account_id == row.account_id)) == 1


def test_C5_the_paid_period_begins_when_the_trial_ends_and_sets_the_anchor(
    books: Session, parts: Parts
) -> None:
    order_id = bought(parts)
    assert subscription_of(books).anchor_day == PAID_FROM.day
    assert periods_of(books) == [(PAID_FROM, date(2026, 12, 5), True)]
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
    (line,) = books.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
    assert (line.period_starts_on, line.period_ends_on) == (PAID_FROM, date(2026, 12, 5))
    assert (line.net_minor, invoice.status) == (4 * 2350, "paid")


def test_C5_at_once_where_the_vendor_says_so(books: Session, parts: Parts) -> None:
    bought(with_policy(parts, TrialPaidStart.AT_ONCE))
    assert periods_of(books) == [(NOW.date(), date(2026, 11, 29), True)]
    assert subscription_of(books).anchor_day == NOW.day


def test_C5_what_was_shown_holds_when_the_policy_changes_before_the_payment(
    books: Session, parts: Parts
) -> None:
    quote_id = quoted(parts, CRM)
    other = with_policy(parts, TrialPaidStart.AT_ONCE)
    ready(other, quote_id)
    collected(other, placed(other, quote_id, email=AMELIA).attempt_id)
    assert periods_of(books)[0][0] == PAID_FROM


def test_C5_a_trial_that_is_over_begins_at_once_and_keeps_its_people(
    books: Session, parts: Parts
) -> None:
    people = held_by(books, plan_item(books, BRIGHTWATER).id)
    clock.fix(datetime(2026, 11, 9, 9, 0, tzinfo=UTC))
    bought(parts)
    row = subscription_of(books)
    assert (row.status, row.read_only_from) == ("active", None)
    assert periods_of(books)[0][0] == date(2026, 11, 9)
    assert held_by(books, plan_item(books, BRIGHTWATER).id) == people


def test_P1_the_first_renewal_follows_the_paid_period(books: Session, parts: Parts) -> None:
    bought(parts)
    clock.fix(datetime(2026, 12, 5, 9, 0, tzinfo=UTC))
    run_renewals(parts, {}, clock.now())
    assert [row[:2] for row in periods_of(books)] == [
        (PAID_FROM, date(2026, 12, 5)), (date(2026, 12, 5), date(2027, 1, 5)),
    ]  # fmt: skip


def test_S2_licences_added_before_the_paid_period_begins_cost_a_whole_one(
    books: Session, parts: Parts
) -> None:
    bought(parts)
    item = plan_item(books, BRIGHTWATER)
    order_id = bought_wishes(parts, Seats(item.id, 6), account=BRIGHTWATER, email=AMELIA)
    books.rollback()
    (line,) = books.scalars(select(OrderLine).where(OrderLine.order_id == order_id))
    assert (line.quantity, line.net_minor) == (2, 2 * 2350)
    assert (line.days_left, line.days) == (30, 30)
    assert line.period_starts_on == PAID_FROM


@pytest.mark.parametrize("number", [1, 3])
def test_C5_fewer_licences_than_people_are_refused(parts: Parts, number: int) -> None:
    with pytest.raises(DomainError) as refused:
        quoted(parts, replace(CRM, quantity=number))
    assert (refused.value.code, refused.value.data) == ("licences_in_use", {"minimum": 4})


def test_Q2_a_quote_for_fewer_than_work_with_it_by_now_cannot_be_ordered(
    books: Session, parts: Parts
) -> None:
    with transaction() as own:
        own.delete(own.scalars(select(Assignment).where(
            Assignment.item_id == plan_item(own, BRIGHTWATER).id).limit(1)).one())  # fmt: skip
    quote_id = quoted(parts, replace(CRM, quantity=3))
    with transaction() as own:
        amelia = member_of(own, BRIGHTWATER, AMELIA)
        item = plan_item(own, BRIGHTWATER)
        held = held_by(own, item.id)
        own.add(Assignment(item_id=item.id, assigned_at=NOW, member_id=amelia.id
                           if amelia.id not in held else _other(own, held, amelia.account_id)))  # fmt: skip
    ready(parts, quote_id)
    with pytest.raises(DomainError, match="licences_in_use"):
        placed(parts, quote_id, email=AMELIA)


def _other(session: Session, held: list[int], account_id: int) -> int:
    query = select(Member.id).where(Member.account_id == account_id, Member.id.not_in(held))
    return session.scalars(query).one()


def test_S7_people_who_came_while_the_payment_ran_are_a_recorded_overhang(
    books: Session, parts: Parts
) -> None:
    with transaction() as own:
        held = own.scalars(select(Assignment).where(
            Assignment.item_id == plan_item(own, BRIGHTWATER).id).limit(1)).one()  # fmt: skip
        member_id = held.member_id
        own.delete(held)
    quote_id = quoted(parts, replace(CRM, quantity=3))
    ready(parts, quote_id)
    order = placed(parts, quote_id, email=AMELIA)
    with transaction() as own:
        own.add(Assignment(item_id=plan_item(own, BRIGHTWATER).id, member_id=member_id,
                           assigned_at=NOW))  # fmt: skip
    collected(parts, order.attempt_id)
    row = subscription_of(books)
    assert (row.status, row.overhang) == ("active", 1)
    assert len(held_by(books, plan_item(books, BRIGHTWATER).id)) == 4
    clock.fix(datetime(2026, 11, 6, 9, 0, tzinfo=UTC))  # the first paid day is over (S6)
    run_renewals(parts, {}, clock.now())
    assert subscription_of(books).overhang == 0
    assert len(held_by(books, plan_item(books, BRIGHTWATER).id)) == 3


def test_C5_an_add_on_of_the_trial_that_is_not_chosen_ends_and_costs_nothing(
    books: Session, parts: Parts
) -> None:
    free = free_add_on(books)
    order_id = bought(parts)
    books.rollback()
    assert [item.kind for item in state_of_product(books, BRIGHTWATER).items] == ["plan"]
    item = books.get_one(SubscriptionItem, free)
    assert (item.quantity, item.removed_at) == (0, NOW)
    assert held_by(books, free) == []
    assert books.scalar(select(func.count()).where(OrderLine.order_id == order_id)) == 1
    event = books.scalars(select(AuditEvent).where(AuditEvent.action == "trial_add_on_ended")).one()
    assert event.old == {"item_id": free}


def test_C5_an_add_on_that_is_chosen_stays_with_the_people_who_work_with_it(
    books: Session, parts: Parts
) -> None:
    free = free_add_on(books)
    people = held_by(books, free)
    bought(parts, replace(CRM, add_ons=(AddOnChoice("appointments", "beyond", 2),)))
    books.rollback()
    add_on = state_of_product(books, BRIGHTWATER).items[1]
    assert (add_on.item_id, add_on.package_key, add_on.quantity) == (free, "beyond", 2)
    assert add_on.unit_price is not None
    assert set(people) <= set(held_by(books, free))


def test_C5_fewer_licences_of_an_add_on_than_people_are_refused(
    books: Session, parts: Parts
) -> None:
    free = free_add_on(books)
    with transaction() as own:
        (held,) = held_by(own, free)
        other = next(key for key in held_by(own, plan_item(own, BRIGHTWATER).id) if key != held)
        own.add(Assignment(item_id=free, member_id=other, assigned_at=NOW))
    with pytest.raises(DomainError, match="licences_in_use"):
        quoted(parts, replace(CRM, add_ons=(AddOnChoice("appointments", "basic", 1),)))


def test_C5_another_plan_than_the_trials_works_at_once(books: Session, parts: Parts) -> None:
    bought(parts, replace(CRM, plan="start", interval=Interval.YEAR))
    state = state_of_product(books, BRIGHTWATER)
    assert (state.plan_item.plan_key, state.interval) == ("start", Interval.YEAR)
    grants = books.scalars(
        select(Entitlement).where(Entitlement.subscription_id == state.subscription_id)
    ).one().grants  # fmt: skip
    assert (grants["status"], grants["items"][0]["plan"]) == ("active", "start")


def test_Q1_the_quote_holds_the_subscription_and_the_product(books: Session, parts: Parts) -> None:
    quote_id = quoted(parts, CRM)
    account, row = account_named(books, BRIGHTWATER), plan_item(books, BRIGHTWATER)
    held = books.scalars(select(QuoteSubject.subject).where(QuoteSubject.quote_id == quote_id))
    assert set(held) == {f"product:{account.id}:crm", f"subscription:{row.subscription_id}"}


def test_Q3_nothing_changes_before_the_payment(books: Session, parts: Parts) -> None:
    quote_id = quoted(parts, CRM)
    ready(parts, quote_id)
    placed(parts, quote_id, email=AMELIA)
    row = subscription_of(books)
    assert (row.status, row.anchor_day, periods_of(books)) == ("trial", None, [])


def test_C5_a_trial_that_ended_before_the_payment_came_begins_anew(
    books: Session, parts: Parts
) -> None:
    quote_id = quoted(parts, CRM)
    ready(parts, quote_id)
    order = placed(parts, quote_id, email=AMELIA)
    old = plan_item(books, BRIGHTWATER).subscription_id
    with transaction() as own:
        own.get_one(Subscription, old).status = "ended"
    collected(parts, order.attempt_id)
    state = state_of_product(books, BRIGHTWATER)
    assert state.subscription_id != old
    assert state.period is not None
    assert (state.period.start, state.plan_item.quantity) == (NOW.date(), 4)


def test_C5_the_preview_says_when_the_paid_period_begins(books: Session, parts: Parts) -> None:
    quote_id = quoted(parts, CRM)
    connection, account = books.connection(), account_named(books, BRIGHTWATER)
    row = get_quote(connection, account.id, quote_id)
    assert row is not None
    states = list_subscription_states(connection, account.id, NOW.date())
    buying = get_account_buying(connection, account.id)
    (outlook,) = preview_quote(
        row.lines, states, buying, parts.catalogue, NOW.date()
    ).outlook  # fmt: skip
    assert (outlook.begins_on, outlook.on) == (PAID_FROM, date(2026, 12, 5))
    assert outlook.was_trial
    assert outlook.net_before.is_zero


def test_M7_the_books_agree_after_it(books: Session, parts: Parts) -> None:
    bought(parts)
    the_books_agree(parts)
