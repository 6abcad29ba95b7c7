"""One history at the provider, told by its webhooks in any order: shuffled, five times, days late.

Four customers: one confirms a payment with the bank and never comes back, one pays by a debit that
settles and is taken back, one is declined and its call's answer is lost, and one saves, replaces
and loses methods. What became of them must not depend on how the news came (M2).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from portal.clock import clock
from portal.db import transaction
from portal.domain.periods import Interval
from portal.models import (
    Account,
    AccountBalance,
    Invoice,
    MethodSetup,
    Order,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    Person,
    Quote,
    SeatEntry,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.payments.gateway import Patience
from portal.services.gateway_events import receive_event
from portal.services.method_refreshing import refresh_method
from portal.services.method_setup import (
    SetupAddresses,
    begin_method_setup,
    finish_method_setup,
    open_method_setup,
)
from tests.payments.harness import PUBLIC_URL, Harness
from tests.support.buying import (
    CARD,
    DEBIT,
    DEBIT_REVERSED,
    NO_MONEY,
    THREE_D_SECURE,
    collected,
    order_ready_to_pay,
)
from tests.support.subscriptions import Customer, make_customer

__all__ = ["History", "Outcome"]

COPIES = 5
LATEST = timedelta(days=12)
_ADDRESSES = SetupAddresses(f"{PUBLIC_URL}/return", f"{PUBLIC_URL}/cancelled")
PREPAID = "5105105105105100"

Outcome = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _News:
    """One event of the provider: it may be delivered from `at` on."""

    event_id: str
    type: str
    about: str
    ref: str
    at: datetime


@dataclass
class History:
    """Runs the history once, its news delivered as `seed` says."""

    parts: Parts
    provider: Harness
    renew_card: Callable[[str, int], None]
    """Gives a card another year at the provider's."""
    seed: str
    start: datetime
    news: list[_News] = field(default_factory=list)
    customers: dict[str, Customer] = field(default_factory=dict)
    setups: dict[str, int] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    outcomes: list[str] = field(default_factory=list)
    _due: list[tuple[datetime, float, _News]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gateway = self.provider.gateway
        self.parts = replace(self.parts, gateway=self.gateway)

    def run(self) -> Outcome:
        """Everything that happens, in the order of the days; what is there in the end."""
        lots = random.Random(self.seed)
        clock.fix(self.start)
        for name in ("secure", "debit", "declined", "methods"):
            with transaction() as session:
                self.customers[name] = make_customer(
                    session, start=date(2026, 10, 5), anchor_day=5, interval=Interval.YEAR,
                    name=f"{name} {self.seed}",
                )  # fmt: skip
        for hours, step in self._steps():
            self._go_to(self.start + timedelta(hours=hours), lots)
            known = len(self.news)
            step()
            self._plan(self.news[known:], lots)
        self._go_to(datetime.max.replace(tzinfo=self.start.tzinfo), lots)
        self._let_jobs_look()
        return {name: self._seen(customer) for name, customer in self.customers.items()}

    # --- the deliveries ------------------------------------------------------------

    def _plan(self, news: list[_News], lots: random.Random) -> None:
        for each in news:
            for _ in range(COPIES):
                late = LATEST * lots.choice((0, lots.random() / 100, lots.random()))
                self._due.append((each.at + late, lots.random(), each))

    def _go_to(self, moment: datetime, lots: random.Random) -> None:
        """Deliver what is due until then, each copy signed when it is sent."""
        self._due.sort(key=lambda due: due[:2])
        while self._due and self._due[0][0] <= moment:
            at, _, news = self._due.pop(0)
            clock.fix(at)
            self._deliver(news)
        if moment.year < 9999:
            clock.fix(moment)
            self.provider.pass_days(0)

    def _deliver(self, news: _News) -> None:
        at = int(clock.now().timestamp())
        body, headers = self.provider.signed_event(
            news.event_id, news.type, news.about, news.ref, at
        )
        self.outcomes.append(
            receive_event(
                body, headers, gateway=self.gateway, transaction=transaction,
                catalogue=self.parts.catalogue, now=clock.now(),
            )
        )  # fmt: skip

    def _tell(self, type_: str, about: str, ref: str) -> None:
        number = len(self.news)
        self.news.append(
            _News(f"evt_{self.seed}_{number}", f"{about}.{type_}", about, ref, clock.now())
        )

    # --- what happens ----------------------------------------------------------------

    def _steps(self) -> list[tuple[int, Callable[[], None]]]:
        """Each at its hour."""
        return [
            (0, lambda: self._order("secure", THREE_D_SECURE)),
            (1, lambda: self._order("debit", DEBIT_REVERSED)),
            (2, lambda: self._order("declined", NO_MONEY, lost=True)),
            (3, lambda: self._save("first", CARD)),
            (4, lambda: self._save("second", "5555555555554444")),
            (5, lambda: self._save("prepaid", PREPAID)),
            (6, lambda: self._open("left")),
            (26, self._approve),
            (31, lambda: self._renew("second", 2039)),
            (50, lambda: self._pass_time("left", "setup", "expired")),
            (60, lambda: self._lose("first")),
            (100, lambda: self._save("third", DEBIT)),
            (130, lambda: self._lose("third")),
            (240, lambda: self._pass_time("debit", "charge", "succeeded")),
            (720, lambda: self._pass_time("debit", "charge", "reversed")),
        ]

    def _order(self, name: str, number: str, *, lost: bool = False) -> None:
        customer = self.customers[name]
        self._open(f"{name} method", customer)
        self.provider.save_method(self.refs[f"{name} method"], number)
        self._come_back(f"{name} method")
        order = order_ready_to_pay(
            self.parts, account=customer.account_name, email=customer.admin_email, added=2
        )
        if lost:
            self.provider.lose_answer(after_effect=True)
        assert collected(self.parts, order.attempt_id) is not lost
        with transaction() as session:
            attempt = session.get_one(PaymentAttempt, order.attempt_id)
            ref, reference = attempt.gateway_ref, f"payment:{attempt.payment_id}"
        around = timedelta(hours=2)
        made = self.gateway.list_charges(clock.now() - around, clock.now() + around)
        self.refs[name] = ref or next(one.ref for one in made if one.reference == reference)
        self._tell("made", "charge", self.refs[name])

    def _approve(self) -> None:
        self.provider.authenticate(self.refs["secure"], approve=True)
        self._tell("succeeded", "charge", self.refs["secure"])

    def _open(self, name: str, customer: Customer | None = None) -> None:
        owner = customer or self.customers["methods"]
        with transaction() as session:
            person = session.scalars(
                select(Person.id).where(Person.email == owner.admin_email)
            ).one()
            visit = begin_method_setup(session, owner.account_id, person, "/", clock.now())
            setup_id = int(visit.id)
        open_method_setup(
            transaction, self.gateway, setup_id, _ADDRESSES, now=clock.now(),
            patience=Patience.ON_SCREEN,
        )  # fmt: skip
        self.setups[name] = setup_id
        with transaction() as session:
            self.refs[name] = str(session.get_one(MethodSetup, setup_id).gateway_ref)

    def _come_back(self, name: str) -> None:
        finish_method_setup(
            transaction, self.gateway, self.setups[name], now=clock.now(),
            patience=Patience.ON_SCREEN,
        )  # fmt: skip

    def _save(self, name: str, number: str) -> None:
        self._open(name)
        self.provider.save_method(self.refs[name], number)
        self._tell("completed", "setup", self.refs[name])
        if name == "second":  # the one whose customer comes back
            self._come_back(name)

    def _method_of(self, name: str) -> str:
        found = self.gateway.get_setup(self.refs[name], Patience.ON_SCREEN).method
        assert found is not None
        return found.ref

    def _renew(self, name: str, year: int) -> None:
        ref = self._method_of(name)
        self.renew_card(ref, year)
        self._tell("automatically_updated", "method", ref)

    def _lose(self, name: str) -> None:
        ref = self._method_of(name)
        self.gateway.detach_method(ref, Patience.BACKGROUND)
        self._tell("detached", "method", ref)

    def _pass_time(self, name: str, about: str, type_: str) -> None:
        self.provider.pass_days(0)  # until now, where we are
        self._tell(type_, about, self.refs[name])

    def _let_jobs_look(self) -> None:
        """The job that each new method brings: its news may have come before it was known."""
        with transaction() as session:
            refs = session.scalars(
                select(PaymentMethod.gateway_ref).where(
                    PaymentMethod.account_id == self.customers["methods"].account_id
                )
            ).all()
        for ref in refs:
            refresh_method(
                transaction, self.gateway, ref, patience=Patience.BACKGROUND, now=clock.now()
            )

    # --- what there is ---------------------------------------------------------------

    def _seen(self, customer: Customer) -> Outcome:
        with transaction() as session:
            mine = customer.account_id

            def rows(query: Any) -> list[tuple[Any, ...]]:
                return [tuple(row) for row in session.execute(query)]

            return {
                "orders": rows(
                    select(Order.status, Order.gross_minor, Quote.status)
                    .join(Quote, Quote.id == Order.quote_id)
                    .where(Order.account_id == mine)
                    .order_by(Order.id)
                ),
                "invoices": rows(
                    select(Invoice.kind, Invoice.status, Invoice.gross_minor, Invoice.paid_minor)
                    .where(Invoice.account_id == mine)
                    .order_by(Invoice.id)
                ),
                "payments": rows(
                    select(
                        Payment.status, Payment.amount_minor, PaymentAttempt.status,
                        PaymentAttempt.decline_code, PaymentAttempt.gateway_ref.is_not(None),
                        PaymentAttempt.settled_at.is_not(None),
                    )
                    .join(PaymentAttempt, PaymentAttempt.payment_id == Payment.id)
                    .where(Payment.account_id == mine)
                    .order_by(PaymentAttempt.id)
                ),
                "seats": rows(
                    select(SubscriptionItem.quantity, func.sum(SeatEntry.change))
                    .join(SeatEntry, SeatEntry.item_id == SubscriptionItem.id)
                    .where(SubscriptionItem.subscription_id == customer.subscription_id)
                    .group_by(SubscriptionItem.id, SubscriptionItem.quantity)
                ),
                # A method that another one had replaced before it was known was never used.
                "setups": [
                    status if refusal != "setup_overtaken" else "completed"
                    for status, refusal in rows(
                        select(MethodSetup.status, MethodSetup.refusal)
                        .where(MethodSetup.account_id == mine)
                        .order_by(MethodSetup.id)
                    )
                ],
                "method": rows(
                    select(PaymentMethod.last4, PaymentMethod.expires_year).where(
                        PaymentMethod.account_id == mine,
                        PaymentMethod.is_default,
                        PaymentMethod.removed_at.is_(None),
                    )
                ),
                "balance": rows(
                    select(func.coalesce(func.sum(AccountBalance.amount_minor), 0)).where(
                        AccountBalance.account_id == mine
                    )
                ),
                "terms": rows(select(Account.payment_terms).where(Account.id == mine)),
            }  # fmt: skip
