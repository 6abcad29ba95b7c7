"""A subscription's life at random: any action on any day, checked against the plain rules.

After every step the database is compared with `plain_rules.World`, which was written from the
rules and shares no code with the portal: what there is, what waits, what was invoiced and what
the next invoice would be (P1-P3, S1-S9, C1-C4, I2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import (
    PlannedChange,
    plan_add_on_removal,
    plan_add_on_switch,
    plan_cancellation,
    plan_period_change,
    plan_plan_change,
    plan_reduction,
)
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.renewals import plan_next_period
from portal.domain.subscriptions import ChangeKind, SubscriptionState
from portal.domain.wishes import Switch
from portal.jobs.renewals import run_renewals
from portal.models import (
    Assignment,
    BillingPeriod,
    Invoice,
    Member,
    NumberSeries,
    SeatEntry,
    Subscription,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.queries.subscriptions import list_subscription_states
from portal.services.scheduling import open_subscription, schedule_change, undo_change
from tests.conftest import Database
from tests.scenarios.plain_rules import MONTHS, Refused, Wait, World
from tests.support.buying import CARD, actor_of, collected, placed, quoted, ready, use_method
from tests.support.ledger import the_books_agree
from tests.support.purchases import bought_wishes
from tests.support.soak import count_of
from tests.support.subscriptions import Customer, instant, make_customer

STARTS = [date(2026, 1, 29), date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 28),
          date(2028, 2, 29), date(2026, 5, 31), date(2026, 8, 15), date(2026, 12, 31)]  # fmt: skip
ZONES = ["Pacific/Niue", "Europe/Brussels", "Pacific/Kiritimati"]
ITEMS = ["plan", "add_on"]


@dataclass(frozen=True)
class Here:
    """Where the machine lives; set by the test that runs it."""

    parts: Parts
    app: Flask
    database: Database


HERE: list[Here] = []


class Life(RuleBasedStateMachine):
    """One customer, one subscription, many days."""

    customer: Customer
    world: World
    held: list[int]
    stale = False  # the worker has not run since the day changed
    freed_on: date | None = None  # when what exceeds the seats was last looked for
    renewed = 0  # how many renewals had been run by then
    began: datetime | None = None

    @initialize(
        start=st.sampled_from(STARTS), interval=st.sampled_from(sorted(MONTHS)),
        zone=st.sampled_from(ZONES), ultimo=st.booleans(),
    )  # fmt: skip
    def begin(self, start: date, interval: str, zone: str, ultimo: bool) -> None:
        here = HERE[0]
        self.parts = here.parts
        here.database.reset()
        self.zone = zone
        month_end = start.month in (2, 4, 6, 9, 11) and start.day >= 28
        anchor = 31 if ultimo and month_end and start.day != 29 else start.day
        self._at(start)
        self.began = clock.now()
        with transaction() as session:
            self.customer = make_customer(
                session, start=start, anchor_day=anchor, interval=Interval(interval),
                time_zone=zone, add_on_seats=3,
            )  # fmt: skip
            use_method(session, self.customer.account_name, CARD)
            self.book = get_price_book(session.connection(), "EUR")
        prices = {
            (key, each): self._price(key, each)
            for key in ("start", "pro", "enterprise", "basic", "beyond")
            for each in MONTHS
        }
        self.world = World(anchor, start, interval, prices, {"plan": 6, "add_on": 3},
                           {"plan": "pro", "add_on": "beyond"}, start)  # fmt: skip
        self.held = list(self.customer.members)
        self.ids: dict[int, Wait] = {}

    # --- what may happen -----------------------------------------------------------------------

    @rule(item=st.sampled_from(ITEMS), number=st.integers(1, 7))
    def remove_seats(self, item: str, number: int) -> None:
        self._ask("seats", item, number, lambda s: plan_reduction(
            s, self._item_id(item), number, self.world.today, 15))  # fmt: skip

    @rule(plan=st.sampled_from(["start", "pro", "enterprise"]))
    def change_plan(self, plan: str) -> None:
        self._ask("plan", "plan", plan, lambda s: plan_plan_change(
            s, plan, self.book, self.world.today, 15))  # fmt: skip

    @rule(package=st.sampled_from(["basic", "beyond", None]))
    def change_add_on(self, package: str | None) -> None:
        def planned(state: SubscriptionState) -> PlannedChange:
            item_id = self._item_id("add_on")
            if package is None:
                return plan_add_on_removal(state, item_id, self.world.today, 15)
            return plan_add_on_switch(state, item_id, package, self.book, self.world.today, 15)

        self._ask("add_on", "add_on", package, planned)

    @rule(interval=st.sampled_from(sorted(MONTHS)))
    def change_period(self, interval: str) -> None:
        self._ask("period", None, interval, lambda s: plan_period_change(
            s, Interval(interval), self.book, self.world.today, 15))  # fmt: skip

    @rule()
    def cancel(self) -> None:
        self._ask("cancel", None, "", lambda s: plan_cancellation(s, "", self.world.today, 15))

    @precondition(lambda self: self.world.waits)
    @rule(place=st.integers(0, 20))
    def undo(self, place: int) -> None:
        wait = self.world.waits[place % len(self.world.waits)]
        (change_id,) = [key for key, each in self.ids.items() if each is wait]
        with transaction() as session:
            undo_change(
                session, self.customer.account_id, change_id, catalogue=self.parts.catalogue,
                actor=actor_of(session, self.customer.admin_email), now=clock.now(),
            )  # fmt: skip
        self.world.undo(wait)
        self._has_renewed()

    @precondition(lambda self: self.world.ended_on is None)
    @rule(number=st.integers(1, 3))
    def add_seats(self, number: int) -> None:
        """S1, S3: bought, paid and granted now; what waits stays."""
        who = self.customer
        total = self.world.quantity["plan"] + number
        quote_id = quoted(self.parts, account=who.account_name, email=who.admin_email,
                          totals={who.plan_item_id: total})  # fmt: skip
        ready(self.parts, quote_id)
        order = placed(self.parts, quote_id, email=who.admin_email)
        assert collected(self.parts, order.attempt_id)
        self.world.quantity["plan"] = total
        self._has_renewed()

    @rule(
        choice=st.sampled_from([("plan", "pro"), ("plan", "enterprise"), ("add_on", "beyond")]),
    )
    def upgrade(self, choice: tuple[str, str]) -> None:
        """C1: more of a plan or add-on, bought, paid and granted now."""
        item, key = choice
        who, refused = self.customer, False
        try:
            bought_wishes(self.parts, Switch(self._item_id(item), key),
                          account=who.account_name, email=who.admin_email)  # fmt: skip
        except DomainError:
            refused = True
        try:
            self.world.upgrade(item, key)
        except Refused as expected:
            if not refused:
                raise AssertionError(f"the rules refuse: {expected}") from expected
            return
        assert not refused
        self._has_renewed()

    @rule(days=st.sampled_from([1, 1, 2, 5, 14, 15, 16, 28, 31, 40, 91, 370]), works=st.booleans())
    def pass_days(self, days: int, works: bool) -> None:
        """Days go by; the worker may be down all the while (P3)."""
        self.world.pass_days(days)
        self._at(self.world.today)
        self.stale = True
        if works:
            run_renewals(self.parts, {}, clock.now())
            self._has_renewed()
            self.freed_on = self.world.today

    # --- what must hold ------------------------------------------------------------------------

    @invariant()
    def what_there_is_is_what_the_rules_say(self) -> None:
        state = self._state()
        world = self.world
        if world.ended_on is not None:
            assert state is None
            return
        assert state is not None
        assert state.period is not None
        assert (state.period.end, state.interval) == (world.end, world.interval)
        found = {item.kind: (item.quantity, item.plan_key or item.package_key, item.unit_price.minor)
                 for item in state.items if item.unit_price}  # fmt: skip
        assert found == {
            item: (world.quantity[item], world.sold[item], world.pinned[item])
            for item in world.quantity
        }
        assert sorted(map(self._told, state.changes), key=str) == sorted(
            ((w.what, w.item, w.value, w.on) for w in world.waits), key=str
        )
        after = _copy(world)
        after.renew()
        following = plan_next_period(state)
        assert following.ends == (after.ended_on is not None)
        assert following.net("EUR").minor == (0 if following.ends else after.net())

    @invariant()
    def the_books_add_up(self) -> None:
        if self.stale:
            return
        with transaction() as session:
            periods = session.execute(
                select(BillingPeriod.starts_on, BillingPeriod.ends_on, Invoice.net_minor)
                .outerjoin(Invoice, Invoice.id == BillingPeriod.renewal_invoice_id)
                .where(BillingPeriod.subscription_id == self.customer.subscription_id)
                .order_by(BillingPeriod.starts_on)
            ).all()
            assert [tuple(p) for p in periods[1:]] == self.world.invoices  # P2, P3, C2
            invoices = session.execute(
                select(Invoice.year, func.count(), func.max(Invoice.sequence)).group_by(
                    Invoice.year
                )
            ).all()
            series = session.execute(
                select(NumberSeries.year, NumberSeries.last).where(NumberSeries.series == "invoice")
            )
            last = {row.year: row.last for row in series}
            assert all(count == most == last[year] for year, count, most in invoices)  # I2
            ledger = session.execute(
                select(SubscriptionItem.quantity, func.sum(SeatEntry.change))
                .join(SeatEntry, SeatEntry.item_id == SubscriptionItem.id)
                .where(
                    SubscriptionItem.subscription_id == self.customer.subscription_id,
                    SubscriptionItem.removed_at.is_(None),
                )
                .group_by(SubscriptionItem.id)
            ).all()
            if self.world.ended_on is None:
                assert all(quantity == entries for quantity, entries in ledger)
            self._check_access(session)

    def _check_access(self, session: Any) -> None:
        """S6, S7, S9: never more licences than seats, but for a recorded overhang of admins."""
        subscription = session.get_one(Subscription, self.customer.subscription_id)
        held = session.execute(
            select(Assignment.member_id, Member.role)
            .join(Member, Member.id == Assignment.member_id)
            .where(Assignment.item_id == self.customer.plan_item_id, Assignment.freed_at.is_(None))
            .order_by(Assignment.assigned_at)
        ).all()
        if self.world.ended_on is not None:
            assert held == []
            return
        seats = self.world.quantity["plan"]
        surplus = max(len(held) - seats, 0)
        assert subscription.overhang == surplus
        began = self.world.invoices[-1][0] if self.world.invoices else self.world.start
        if surplus and self.freed_on is not None and self.freed_on > began:
            assert all(role == "admin" for _, role in held)
        # Whoever lost a licence got theirs after everyone but the admins who still has one.
        lost = [m for m in self.held if m not in {member for member, _ in held}]
        kept = [member for member, role in held if role != "admin"]
        assert all(k < m for m in lost for k in kept)

    def teardown(self) -> None:
        """A life that came to its end left books that agree (M7)."""
        if self.began is not None:
            the_books_agree(self.parts, since=self.began)

    # --- how -----------------------------------------------------------------------------------

    def _at(self, on: date) -> None:
        clock.fix(instant(on, self.zone))

    def _price(self, key: str, interval: str) -> int:
        book: PriceBook = self.book
        found = book.plan("crm", key, Interval(interval)) or book.add_on(
            "crm", "appointments", key, Interval(interval)
        )
        assert found is not None
        return found.unit.minor

    def _item_id(self, item: str) -> int:
        found = self.customer.plan_item_id if item == "plan" else self.customer.add_on_item_id
        assert found is not None
        return found

    def _state(self) -> SubscriptionState | None:
        with transaction() as session:
            states = list_subscription_states(
                session.connection(), self.customer.account_id, self.world.today
            )
        return states[0] if states else None

    def _ask(
        self, what: str, item: str | None, value: Any,
        plan: Callable[[SubscriptionState], PlannedChange],
    ) -> None:  # fmt: skip
        refused: DomainError | None = None
        now: datetime = clock.now()
        try:
            with transaction() as session:
                opened = open_subscription(
                    session, self.customer.account_id, self.customer.subscription_id,
                    catalogue=self.parts.catalogue, now=now,
                )  # fmt: skip
                row = schedule_change(
                    session, opened, plan(opened.state), now=now,
                    actor=actor_of(session, self.customer.admin_email),
                )  # fmt: skip
                change_id = row.id
        except DomainError as error:
            refused = error
        wait: Wait | None = None
        expected: Refused | None = None
        try:
            wait = self.world.ask(what, item, value)
        except Refused as error:
            expected = error
        if wait is None:
            assert refused is not None, f"the rules refuse: {expected}"
            return
        assert refused is None, refused
        self.ids = {key: each for key, each in self.ids.items() if each in self.world.waits}
        self.ids[change_id] = wait
        self._has_renewed()

    def _has_renewed(self) -> None:
        """A write, or the worker, has run what was due; a renewal run late also frees what it
        leaves over, and only the worker what one of its own day left over."""
        self.stale = False
        if len(self.world.invoices) > self.renewed:
            self.renewed = len(self.world.invoices)
            self.freed_on = self.world.today

    def _told(self, change: Any) -> tuple[str, str | None, Any, date]:
        item = None
        if change.item_id is not None:
            item = "plan" if change.item_id == self.customer.plan_item_id else "add_on"
        value = {
            ChangeKind.SEATS: -(change.delta or 0),
            ChangeKind.PLAN: change.target.get("plan"),
            ChangeKind.ADD_ON: change.target.get("package"),
            ChangeKind.PERIOD: change.target.get("interval"),
            ChangeKind.CANCEL: "",
        }[change.kind]
        return change.kind.value, item, value, change.effective_on


def _copy(world: World) -> World:
    copy = World(world.anchor, world.start, world.interval, world.prices, dict(world.quantity),
                 dict(world.sold), world.today, list(world.waits))  # fmt: skip
    copy.first, copy.k, copy.pinned = world.first, world.k, dict(world.pinned)
    return copy


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.timeout(0)
def test_any_history_follows_the_rules(app: Flask, parts: Parts, database: Database) -> None:
    if database.name != "sqlite" and count_of(0, 1) == 0:
        pytest.skip("a sample on one database is enough; `make soak` runs both")
    HERE[:] = [Here(parts, app, database)]
    with app.app_context():
        run_state_machine_as_test(
            Life,
            settings=settings(
                max_examples=count_of(25, 2_000),
                stateful_step_count=count_of(15, 30),
                deadline=None,
                derandomize=count_of(0, 1) == 0,
                suppress_health_check=list(HealthCheck),
            ),
        )
