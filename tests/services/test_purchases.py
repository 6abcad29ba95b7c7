"""Buying plans, add-ons and subscriptions: quoted, ordered, granted, invoiced, renewed (C1-C4, Q1-Q6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import (
    plan_add_on_removal,
    plan_add_on_switch,
    plan_period_change,
    plan_plan_change,
)
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.domain.renewals import plan_next_period
from portal.domain.wishes import AddOnChoice, NewAddOn, Seats, Start, Switch
from portal.jobs.renewals import run_renewals
from portal.models import (
    AuditEvent,
    BillingPeriod,
    DeskTask,
    Entitlement,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    OutboxMessage,
    Payment,
    Plan,
    Quote,
    QuoteLine,
    QuoteSubject,
    ScheduledChange,
    SeatEntry,
    Subscription,
    SubscriptionItem,
    Term,
)
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.queries.quotes import get_account_buying, get_quote
from portal.services.add_on_changes import ask_add_on_removal, ask_package_change
from portal.services.desk_tasks import finish_task
from portal.services.entitlements import acknowledge_entitlement
from portal.services.plan_changes import ask_plan_change
from portal.services.provisioning import report_overdue_orders
from portal.services.quoting import preview_quote
from portal.services.scheduling import undo_change
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    KATRIN,
    LOTTE,
    LUMIERE,
    MUELLER,
    account_named,
    actor_of,
    collected,
    held_by,
    member_of,
    placed,
    plan_item,
    ready,
    row_counts,
)
from tests.support.changes import wait_for_fewer_seats, waiting
from tests.support.desk import HUGO, person_named
from tests.support.purchases import (
    add_on_item,
    asked,
    bought_wishes,
    quoted_wishes,
    state_of_product,
)

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")
NOTICE = 15
TODAY = NOW.date()
RENEWAL = date(2026, 11, 30)  # Atelier Noordzee's, by the quarter


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 9, 0, tzinfo=UTC)


def renew(parts: Parts, now: datetime) -> None:
    clock.fix(now)
    run_renewals(parts, {}, now)


def order_status(session: Session, order_id: int) -> str:
    session.expire_all()
    return session.get_one(Order, order_id).status


def lines_of(session: Session, invoice_id: int) -> list[InvoiceLine]:
    query = (
        select(InvoiceLine)
        .where(InvoiceLine.invoice_id == invoice_id)
        .order_by(InvoiceLine.position)
    )
    return list(session.scalars(query))


def invoice_of(session: Session, order_id: int) -> Invoice:
    return session.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()


def last_renewal(session: Session, subscription_id: int) -> Invoice:
    query = (
        select(Invoice)
        .where(Invoice.subscription_id == subscription_id, Invoice.kind == "renewal")
        .order_by(Invoice.id.desc())
    )
    found = session.scalars(query).first()
    assert found is not None
    return found


def upgrade(session: Session, key: str = "enterprise", account: str = ATELIER) -> Switch:
    return Switch(plan_item(session, account).id, key)


# --- a plan, upgraded now (C1) -----------------------------------------------------------------


def test_C1_an_upgrade_is_granted_and_the_renewal_bills_the_new_price(
    books: Session, parts: Parts
) -> None:
    item = plan_item(books, ATELIER)
    old_price = item.price_id
    order_id = bought_wishes(parts, upgrade(books))
    item = plan_item(books, ATELIER)
    assert books.get_one(Plan, item.plan_id).key == "enterprise"
    assert item.quantity == 12
    assert item.price_id != old_price
    entry = books.scalars(
        select(SeatEntry).where(SeatEntry.item_id == item.id).order_by(SeatEntry.id.desc())
    ).first()
    assert entry is not None
    assert (entry.change, entry.quantity_after, entry.reason) == (0, 12, "plan_change")
    assert books.get_one(Order, order_id).status == "done"
    assert books.get_one(Entitlement, 1).grants["items"][0]["plan"] in {"enterprise", "pro"}

    renew(parts, at(2026, 11, 30))
    books.rollback()
    (seats, *_add_ons) = lines_of(books, last_renewal(books, item.subscription_id).id)
    assert (seats.quantity, seats.unit_minor, seats.net_minor) == (12, 13500, 162_000)


def test_C1_I1_the_invoice_has_both_lines_in_the_accounts_language(
    books: Session, parts: Parts
) -> None:
    invoice = invoice_of(books, bought_wishes(parts, upgrade(books)))
    credit, charge = lines_of(books, invoice.id)
    assert invoice.locale == "nl"
    assert credit.description.endswith("Kanto CRM Pro")
    assert len(credit.description) > len("Kanto CRM Pro")
    assert charge.description == "Kanto CRM Enterprise"
    assert (credit.net_minor, charge.net_minor) == (-31648, 56967)
    assert (credit.days_left, credit.days, charge.days_left, charge.days) == (32, 91, 32, 91)
    assert (invoice.net_minor, invoice.tax_minor, invoice.gross_minor) == (25319, 5317, 30636)
    payment = books.scalars(select(Payment).where(Payment.invoice_id == invoice.id)).one()
    assert payment.amount_minor == 30636


def test_C1_an_upgrade_takes_the_place_of_a_downgrade_that_waits(
    books: Session, parts: Parts
) -> None:
    change_id = asked(parts, lambda s, book, day: plan_plan_change(s, "start", book, day, NOTICE))
    bought_wishes(parts, upgrade(books))
    books.expire_all()
    row = books.get_one(ScheduledChange, change_id)
    assert (row.status, row.settled_at) == ("replaced", NOW)
    assert state_of_product(books, ATELIER).changes == ()
    renew(parts, at(2026, 11, 30))
    books.rollback()
    (seats, *_rest) = lines_of(books, last_renewal(books, row.subscription_id).id)
    assert seats.unit_minor == 13500


def test_Q3_a_downgrade_goes_on_waiting_until_the_upgrade_is_paid(
    books: Session, parts: Parts
) -> None:
    asked(parts, lambda s, book, day: plan_plan_change(s, "start", book, day, NOTICE))
    quote_id = quoted_wishes(parts, upgrade(books))
    ready(parts, quote_id)
    placed(parts, quote_id)
    assert [change.kind for change in waiting(books, ATELIER)] == ["plan"]


def test_C1_a_smaller_plan_makes_no_quote(books: Session, parts: Parts) -> None:
    before = row_counts(books)
    with pytest.raises(DomainError, match="not_an_upgrade"):
        quoted_wishes(parts, upgrade(books, "start"))
    assert row_counts(books) == before


def test_who_pays_by_bank_transfer_makes_no_quote_of_an_upgrade(
    books: Session, parts: Parts
) -> None:
    start = Start("forms", "standard", Interval.YEAR, 3)
    with pytest.raises(DomainError, match="not_self_service"):
        quoted_wishes(parts, start, account=LUMIERE, email=CAMILLE)


def test_Q2_the_upgrade_is_prorated_on_the_day_it_is_ordered(books: Session, parts: Parts) -> None:
    quote_id = quoted_wishes(parts, upgrade(books))
    clock.fix(at(2026, 11, 8))
    ready(parts, quote_id)
    order = placed(parts, quote_id)
    lines = books.scalars(
        select(OrderLine).where(OrderLine.order_id == order.order_id).order_by(OrderLine.position)
    ).all()
    assert [(line.days_left, line.days) for line in lines] == [(22, 91), (22, 91)]
    assert [line.details["plan"] for line in lines if line.details] == ["pro", "enterprise"]


def test_Q2_an_upgrade_quoted_before_a_renewal_that_changed_the_period_cannot_be_ordered(
    books: Session, parts: Parts
) -> None:
    asked(parts, lambda s, book, day: plan_period_change(s, Interval.YEAR, book, day, NOTICE))
    clock.fix(at(2026, 11, 20))
    quote_id = quoted_wishes(parts, upgrade(books))
    renew(parts, at(2026, 11, 30))
    ready(parts, quote_id)
    with pytest.raises(DomainError, match="item_changed"):
        placed(parts, quote_id)


def test_Q4_the_same_cart_saved_twice_and_ordered_twice_has_one_effect(
    books: Session, parts: Parts
) -> None:
    wish = upgrade(books)
    quote_id = quoted_wishes(parts, wish)
    assert quoted_wishes(parts, wish) == quote_id
    ready(parts, quote_id)
    first, second = placed(parts, quote_id), placed(parts, quote_id, shown="")
    assert (first.order_id, second.created) == (second.order_id, False)
    collected(parts, first.attempt_id)
    collected(parts, first.attempt_id)
    assert books.scalar(select(func.count()).where(Order.quote_id == quote_id)) == 1
    entries = select(func.count()).select_from(SeatEntry).join(
        OrderLine, OrderLine.id == SeatEntry.order_line_id
    ).where(OrderLine.order_id == first.order_id)  # fmt: skip
    assert books.scalar(entries) == 1


def test_Q1_an_upgrade_replaces_an_open_quote_for_seats_of_the_same_subscription(
    books: Session, parts: Parts
) -> None:
    item = plan_item(books, ATELIER)
    seats = quoted_wishes(parts, Seats(item.id, item.quantity + 1))
    with pytest.raises(DomainError, match="quote_would_replace"):
        quoted_wishes(parts, upgrade(books))
    quoted_wishes(parts, upgrade(books), replaces=[seats])
    books.expire_all()
    assert books.get_one(Quote, seats).status == "superseded"


# --- add-ons -----------------------------------------------------------------------------------


def test_a_package_is_upgraded_now_and_its_licences_stay(books: Session, parts: Parts) -> None:
    item = add_on_item(books, MUELLER, "appointments")
    held = held_by(books, item.id)
    order_id = bought_wishes(parts, Switch(item.id, "beyond"), account=MUELLER, email=KATRIN)
    books.expire_all()
    state = state_of_product(books, MUELLER)
    beyond = next(i for i in state.items if i.add_on_key == "appointments")
    assert (beyond.item_id, beyond.package_key, beyond.quantity) == (item.id, "beyond", 4)
    assert held_by(books, item.id) == held
    credit, charge = lines_of(books, invoice_of(books, order_id).id)
    assert credit.net_minor < 0 < charge.net_minor
    event = books.scalars(
        select(AuditEvent).where(AuditEvent.action == "item_upgraded")
    ).one()  # fmt: skip
    assert event.old == {"item_id": item.id, "package": "basic"}
    assert event.new == {"item_id": item.id, "package": "beyond"}


def test_C4_a_new_add_on_while_a_period_change_waits_is_billed_in_the_new_period(
    books: Session, parts: Parts
) -> None:
    asked(
        parts, lambda s, book, day: plan_period_change(s, Interval.YEAR, book, day, NOTICE),
        account=MUELLER, email=KATRIN,
    )  # fmt: skip
    subscription_id = plan_item(books, MUELLER).subscription_id
    wish = NewAddOn(subscription_id, AddOnChoice("data-vault", "standard"))
    bought_wishes(parts, wish, account=MUELLER, email=KATRIN)
    vault = add_on_item(books, MUELLER, "data-vault")
    (change,) = waiting(books, MUELLER)
    assert change.target is not None
    assert vault.quantity == 1
    renew(parts, datetime.combine(change.effective_on, NOW.timetz()))
    books.rollback()
    invoice = last_renewal(books, subscription_id)
    assert len(lines_of(books, invoice.id)) == 3
    yearly = next(x for x in lines_of(books, invoice.id) if x.item_id == vault.id)
    assert yearly.unit_minor == change.target["prices"]["add_on:data-vault:standard"][1]
    assert (yearly.period_ends_on - yearly.period_starts_on).days >= 365  # type: ignore[operator]


@pytest.mark.forges_rows
def test_Q5_the_contact_gets_a_licence_of_a_new_add_on_by_the_person(
    books: Session, parts: Parts
) -> None:
    with transaction() as own:
        gone = add_on_item(own, ATELIER, "appointments")
        gone.removed_at = NOW
    wish = NewAddOn(gone.subscription_id, AddOnChoice("appointments", "basic", 2))
    bought_wishes(parts, wish)
    books.expire_all()
    state = state_of_product(books, ATELIER)
    item = next(i for i in state.items if i.add_on_key == "appointments")
    assert held_by(books, item.item_id) == [member_of(books, ATELIER, LOTTE).id]
    told = books.scalars(
        select(OutboxMessage).where(OutboxMessage.topic == "licences_granted")
        .order_by(OutboxMessage.id.desc())
    ).first()  # fmt: skip
    assert told is not None
    assert (told.payload["added"], told.payload["total"]) == (2, 2)


@pytest.mark.forges_rows
def test_what_is_gone_when_the_payment_comes_is_put_before_the_desk(
    books: Session, parts: Parts
) -> None:
    item = add_on_item(books, MUELLER, "appointments")
    quote_id = quoted_wishes(parts, Switch(item.id, "beyond"), account=MUELLER, email=KATRIN)
    ready(parts, quote_id)
    order = placed(parts, quote_id, email=KATRIN)
    with transaction() as own:
        own.get_one(SubscriptionItem, item.id).removed_at = NOW
    collected(parts, order.attempt_id)
    books.expire_all()
    paid = books.get_one(Order, order.order_id)
    assert (paid.status, paid.provisioned_at) == ("paid", None)
    assert paid.paid_at is not None
    task = books.scalars(select(DeskTask).where(DeskTask.kind == "not_granted")).one()
    assert task.details["reason"] == "item_gone"
    with transaction() as own:
        later = NOW + timedelta(days=2)
        assert report_overdue_orders(own, processing_hours=24, now=later) == 0  # told already


def test_Q6_an_order_with_a_line_that_was_not_granted_is_done_when_people_have_seen_to_it(
    books: Session, parts: Parts
) -> None:
    old = plan_item(books, ATELIER).subscription_id
    with transaction() as own:
        own.get_one(Subscription, old).status = "ended"
    quote_id = quoted_wishes(
        parts, Start("crm", "pro", Interval.QUARTER, 2, (AddOnChoice("data-vault", "standard"),))
    )
    ready(parts, quote_id)
    order = placed(parts, quote_id)
    with transaction() as own:
        own.get_one(Subscription, old).status = "active"
    collected(parts, order.attempt_id)
    tasks = books.scalars(select(DeskTask.id).where(DeskTask.kind == "not_granted")).all()
    assert len(tasks) == 2
    for left, task_id in ((True, tasks[0]), (False, tasks[1])):
        assert order_status(books, order.order_id) == "paid"
        with transaction() as own:
            finish_task(own, task_id, catalogue=parts.catalogue,
                        actor=person_named(own, HUGO), now=NOW)  # fmt: skip
        assert (order_status(books, order.order_id) == "paid") is left
    assert order_status(books, order.order_id) == "done"


@pytest.mark.parametrize("place", range(5))
def test_the_outlook_of_a_quote_is_what_granting_makes_of_the_subscription(
    books: Session, parts: Parts, place: int
) -> None:
    asked(
        parts, lambda s, book, day: plan_period_change(s, Interval.YEAR, book, day, NOTICE),
        account=MUELLER, email=KATRIN,
    )  # fmt: skip
    item, appointments = plan_item(books, MUELLER), add_on_item(books, MUELLER, "appointments")
    vault = NewAddOn(item.subscription_id, AddOnChoice("data-vault", "standard"))
    wishes = [
        [Switch(item.id, "enterprise")],
        [Switch(appointments.id, "beyond"), vault],
        [Seats(item.id, item.quantity + 2), Switch(item.id, "enterprise")],
        [vault, Seats(appointments.id, appointments.quantity + 1)],
        [Switch(item.id, "enterprise"), Switch(appointments.id, "beyond"), vault],
    ][place]
    quote_id = quoted_wishes(parts, *wishes, account=MUELLER, email=KATRIN)
    account = account_named(books, MUELLER)
    row = get_quote(books.connection(), account.id, quote_id)
    assert row is not None
    (outlook,) = preview_quote(
        row.lines, [state_of_product(books, MUELLER)],
        get_account_buying(books.connection(), account.id), parts.catalogue, clock.today("UTC"),
    ).outlook  # fmt: skip
    ready(parts, quote_id)
    collected(parts, placed(parts, quote_id, email=KATRIN).attempt_id)
    following = plan_next_period(state_of_product(books, MUELLER))
    assert (following.on, following.net("EUR")) == (outlook.on, outlook.net_after)
    assert following.net("EUR") > outlook.net_before


# --- a start (P1, C3) --------------------------------------------------------------------------

SIGN = Start("sign", "essential", Interval.MONTH, 5)


@pytest.mark.parametrize(
    ("day", "interval", "end"),
    [
        (at(2027, 1, 31), Interval.MONTH, date(2027, 2, 28)),
        (at(2028, 2, 29), Interval.YEAR, date(2029, 2, 28)),
        (at(2026, 10, 30), Interval.QUARTER, date(2027, 1, 30)),
    ],
)
def test_P1_a_start_opens_a_subscription_whose_day_is_its_anchor(
    books: Session, parts: Parts, day: datetime, interval: Interval, end: date
) -> None:
    clock.fix(day)
    order_id = bought_wishes(parts, replace(SIGN, interval=interval))
    state = state_of_product(books, ATELIER, "sign")
    row = books.get_one(Subscription, state.subscription_id)
    assert (row.status, row.anchor_day, row.started_on) == ("active", day.day, day.date())
    period = books.scalars(
        select(BillingPeriod).where(BillingPeriod.subscription_id == row.id)
    ).one()
    assert (period.number, period.starts_on, period.ends_on, period.is_current) == (
        1, day.date(), end, True,
    )  # fmt: skip
    term = books.get_one(Term, period.term_id)
    assert (term.number, term.interval) == (1, interval.value)
    (line,) = lines_of(books, invoice_of(books, order_id).id)
    assert (line.kind, line.description, line.quantity) == ("start", "Kanto Sign Essential", 5)
    assert (line.period_starts_on, line.period_ends_on) == (day.date(), end)
    assert line.days is None


def test_P1_P2_a_started_subscription_renews_on_its_anchor(books: Session, parts: Parts) -> None:
    clock.fix(at(2027, 1, 31))
    bought_wishes(parts, SIGN)
    subscription_id = state_of_product(books, ATELIER, "sign").subscription_id
    renew(parts, at(2027, 4, 2))
    books.rollback()
    periods = books.execute(
        select(BillingPeriod.starts_on, BillingPeriod.ends_on)
        .where(BillingPeriod.subscription_id == subscription_id)
        .order_by(BillingPeriod.starts_on)
    ).all()
    assert [tuple(period) for period in periods] == [
        (date(2027, 1, 31), date(2027, 2, 28)),
        (date(2027, 2, 28), date(2027, 3, 31)),
        (date(2027, 3, 31), date(2027, 4, 30)),
    ]
    (line,) = lines_of(books, last_renewal(books, subscription_id).id)
    assert (line.quantity, line.unit_minor) == (5, 900)


def test_a_start_with_add_ons_writes_every_item_its_ledger_and_the_contacts_licences(
    books: Session, parts: Parts
) -> None:
    with transaction() as own:
        own.get_one(Subscription, plan_item(own, ATELIER).subscription_id).status = "ended"
    start = Start("crm", "pro", Interval.QUARTER, 4,
                  (AddOnChoice("appointments", "basic", 2), AddOnChoice("data-vault", "standard")))  # fmt: skip
    bought_wishes(parts, start)
    state = state_of_product(books, ATELIER)
    assert [(i.plan_key or i.add_on_key, i.quantity, i.per_seat) for i in state.items] == [
        ("pro", 4, True), ("appointments", 2, True), ("data-vault", 1, False),
    ]  # fmt: skip
    entries = books.execute(
        select(SeatEntry.change, SeatEntry.quantity_after, SeatEntry.reason)
        .where(SeatEntry.item_id.in_([item.item_id for item in state.items]))
        .order_by(SeatEntry.id)
    ).all()
    assert [tuple(entry) for entry in entries] == [
        (4, 4, "start"), (2, 2, "start"), (1, 1, "start"),
    ]  # fmt: skip
    lotte = member_of(books, ATELIER, LOTTE).id
    assert [held_by(books, item.item_id) for item in state.items] == [[lotte], [lotte], []]
    grants = books.scalars(
        select(Entitlement.grants).where(Entitlement.subscription_id == state.subscription_id)
    ).one()
    assert [item["seats"] for item in grants["items"]] == [4, 2, None]


def test_C3_subscribing_again_makes_a_new_subscription(books: Session, parts: Parts) -> None:
    old = plan_item(books, ATELIER).subscription_id
    with transaction() as own:
        own.get_one(Subscription, old).status = "ended"
    bought_wishes(parts, Start("crm", "pro", Interval.YEAR, 2))
    books.rollback()
    rows = books.execute(
        select(Subscription.id, Subscription.status)
        .where(Subscription.account_id == account_named(books, ATELIER).id)
        .order_by(Subscription.id)
    ).all()
    assert [status for _id, status in rows] == ["ended", "active"]
    assert rows[1][0] != old


def test_a_start_paid_when_the_product_runs_already_touches_nothing_of_it(
    books: Session, parts: Parts
) -> None:
    old = plan_item(books, ATELIER).subscription_id
    with transaction() as own:
        own.get_one(Subscription, old).status = "ended"
    vault = AddOnChoice("data-vault", "standard")
    quote_id = quoted_wishes(parts, Start("crm", "pro", Interval.QUARTER, 2, (vault,)))
    ready(parts, quote_id)
    order = placed(parts, quote_id)
    with transaction() as own:
        own.get_one(Subscription, old).status = "active"
    before = state_of_product(books, ATELIER)
    collected(parts, order.attempt_id)
    assert state_of_product(books, ATELIER) == before
    tasks = books.scalars(select(DeskTask.details).where(DeskTask.kind == "not_granted")).all()
    assert [task["reason"] for task in tasks] == ["already_subscribed"] * 2


def test_Q1_a_start_holds_the_product_of_its_own_account_alone(
    books: Session, parts: Parts
) -> None:
    first = quoted_wishes(parts, SIGN)
    other = quoted_wishes(parts, SIGN, account=MUELLER, email=KATRIN)
    subjects = books.scalars(
        select(QuoteSubject.subject).where(QuoteSubject.quote_id.in_([first, other]))
    ).all()
    assert len(set(subjects)) == 2
    with pytest.raises(DomainError, match="quote_would_replace"):
        quoted_wishes(parts, replace(SIGN, quantity=6))
    with pytest.raises(DomainError, match="already_subscribed"):
        quoted_wishes(parts, Start("crm", "pro", Interval.MONTH, 1))


def test_Q2_a_quote_pins_the_prices_of_a_start(books: Session, parts: Parts) -> None:
    quote_id = quoted_wishes(parts, SIGN)
    (line,) = books.scalars(select(QuoteLine).where(QuoteLine.quote_id == quote_id))
    assert (line.kind, line.quantity, line.unit_minor) == ("start", 5, 900)
    assert line.details is not None
    assert {"product", "plan", "interval", "prices"} <= set(line.details)


def test_Q6_a_start_is_done_when_its_product_said_so(books: Session, parts: Parts) -> None:
    told = replace(
        parts.catalogue,
        products=tuple(
            replace(p, entitlement_url="https://product.example/grants") for p in parts.catalogue.products
        ),
    )  # fmt: skip
    quote_id = quoted_wishes(parts, SIGN)
    ready(parts, quote_id)
    order = placed(parts, quote_id)
    collected(replace(parts, catalogue=told), order.attempt_id)
    books.expire_all()
    assert books.get_one(Order, order.order_id).status == "paid"
    subscription_id = state_of_product(books, ATELIER, "sign").subscription_id
    with transaction() as own:
        acknowledge_entitlement(own, subscription_id, 1, NOW)
    books.rollback()
    assert books.get_one(Order, order.order_id).status == "done"


# --- what waits for the renewal (S4, S5) -------------------------------------------------------


def shown_start(session: Session, on: date = TODAY) -> str:
    """What the page shows of a change to Start on a day."""
    state = state_of_product(session, ATELIER)
    return plan_plan_change(state, "start", get_price_book(session.connection(), "EUR"), on, 15).key


def ask_start(parts: Parts, session: Session, shown: str | None = None, **who: str) -> int:
    account, email = who.get("account", ATELIER), who.get("email", LOTTE)
    subscription_id = plan_item(session, account).subscription_id
    shown = shown_start(session) if shown is None else shown
    with transaction() as own:
        return int(
            ask_plan_change(
                own, account_named(own, account).id, subscription_id, who.get("plan", "start"),
                shown=shown, catalogue=parts.catalogue, actor=actor_of(own, email),
                now=clock.now(),
            ).id
        )  # fmt: skip


def test_S4_a_downgrade_waits_for_the_date_that_was_shown_and_no_other(
    books: Session, parts: Parts
) -> None:
    late = shown_start(books, date(2026, 11, 16))
    with pytest.raises(DomainError, match="date_moved"):
        ask_start(parts, books, late)
    clock.fix(at(2026, 11, 16))  # a day after the notice closed
    with pytest.raises(DomainError) as moved:
        ask_start(parts, books)
    assert moved.value.data["on"] == date(2027, 2, 28)
    assert waiting(books, ATELIER) == []
    ask_start(parts, books, late)
    assert [change.effective_on for change in waiting(books, ATELIER)] == [date(2027, 2, 28)]


def test_C4_a_downgrade_at_another_price_than_was_shown_is_not_asked(
    books: Session, parts: Parts
) -> None:
    shown = shown_start(books)
    wait_for_fewer_seats(parts, ATELIER, remove=2)  # somebody else, meanwhile
    before = row_counts(books)
    for wrong in (shown, "", "nonsense.1.2"):
        with pytest.raises(DomainError, match="change_differs"):
            ask_start(parts, books, wrong)
    assert row_counts(books) == before


def test_Q4_a_downgrade_asked_twice_waits_once(books: Session, parts: Parts) -> None:
    shown = shown_start(books)
    first = ask_start(parts, books, shown)
    before = row_counts(books)
    assert ask_start(parts, books, shown) == first
    assert row_counts(books) == before


def test_C1_a_downgrade_takes_effect_at_the_renewal_and_bills_the_price_that_was_shown(
    books: Session, parts: Parts
) -> None:
    ask_start(parts, books)
    renew(parts, at(2026, 11, 30))
    books.rollback()
    item = plan_item(books, ATELIER)
    assert books.get_one(Plan, item.plan_id).key == "start"
    (seats, *_rest) = lines_of(books, last_renewal(books, item.subscription_id).id)
    assert (seats.unit_minor, seats.net_minor) == (3300, 12 * 3300)


def test_S5_undoing_a_downgrade_restores_what_was_there(books: Session, parts: Parts) -> None:
    before = state_of_product(books, ATELIER)
    change_id = ask_start(parts, books)
    with transaction() as own:
        undo_change(
            own, account_named(own, ATELIER).id, change_id, catalogue=parts.catalogue,
            actor=actor_of(own, LOTTE), now=NOW,
        )  # fmt: skip
    assert state_of_product(books, ATELIER) == before


def test_a_plan_change_is_refused_where_help_is_needed(books: Session, parts: Parts) -> None:
    with pytest.raises(DomainError, match="not_self_service"):
        ask_start(parts, books, account=LUMIERE, email=CAMILLE)
    with pytest.raises(DomainError, match="not_offered"):
        ask_start(parts, books, plan="gone")


def test_S4_a_smaller_package_or_no_add_on_waits_and_applies(books: Session, parts: Parts) -> None:
    item = add_on_item(books, ATELIER, "appointments")
    vault = add_on_item(books, ATELIER, "data-vault")
    common = {"catalogue": parts.catalogue, "now": NOW}
    book = get_price_book(books.connection(), "EUR")
    on = TODAY
    for _click in (1, 2):
        state = state_of_product(books, ATELIER)
        shown = plan_add_on_switch(state, item.id, "basic", book, on, 15).key
        with transaction() as own:
            account_id, actor = account_named(own, ATELIER).id, actor_of(own, LOTTE)
            ask_package_change(own, account_id, item.subscription_id, "appointments", "basic",
                               shown=shown, actor=actor, **common)  # fmt: skip
    state = state_of_product(books, ATELIER)
    shown = plan_add_on_removal(state, vault.id, on, 15).key
    for _click in (1, 2):
        with transaction() as own:
            ask_add_on_removal(own, account_id, item.subscription_id, "data-vault",
                               shown=shown, actor=actor, **common)  # fmt: skip
    assert len(waiting(books, ATELIER)) == 2
    with pytest.raises(DomainError, match="not_offered"), transaction() as own:
        ask_package_change(own, account_id, item.subscription_id, "appointments", "gone",
                           shown="", actor=actor, **common)  # fmt: skip
    with pytest.raises(DomainError, match="item_unknown"), transaction() as own:
        ask_add_on_removal(own, account_id, item.subscription_id, "gone", shown="", actor=actor,
                           **common)  # fmt: skip
    renew(parts, at(2026, 11, 30))
    state = state_of_product(books, ATELIER)
    assert [(i.add_on_key, i.package_key) for i in state.items[1:]] == [("appointments", "basic")]
