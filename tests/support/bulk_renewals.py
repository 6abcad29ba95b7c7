"""Subscriptions that renew on one day, by the thousand, with all that a renewal meets.

    customers = RenewingCustomers(connection, catalogue, now, random.Random(1))
    customers.add(due_on)        # an account: CRM with an add-on, and Desk
    customers.write()

Mostly nothing waits. Of a hundred subscriptions a dozen have a change that waits: reductions,
other plans and billing periods, an add-on that goes, a cancellation; some accounts pay by bank
transfer, some have a VAT number, some are abroad, some have no payment method.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from portal.domain.catalogue import Catalogue
from portal.domain.periods import Interval, Term
from portal.models import (
    Account,
    AddOn,
    Assignment,
    BillingPeriod,
    Entitlement,
    PaymentMethod,
    Plan,
    Price,
    Product,
    ScheduledChange,
    SeatEntry,
    Subscription,
    SubscriptionItem,
)
from portal.models import Term as TermRow
from tests.support.bulk import Customers

__all__ = ["RenewingCustomers"]

_PLACES = (("BE", None), ("BE", None), ("BE", "BE0950143209"), ("NL", "NL004495445B01"),
           ("DE", None), ("FR", None), ("GB", None))  # fmt: skip
_ZONES = ("Europe/Brussels", "Europe/Paris", "Europe/London", "Europe/Rome")
_LOCALES = ("nl", "fr", "de", "it", "en")


@dataclass(frozen=True, slots=True)
class _Sold:
    """A plan or an add-on's package with its prices by interval."""

    id: int
    prices: dict[str, list[int]]


class RenewingCustomers(Customers):
    """Collects accounts whose two subscriptions renew on a day; `write()` inserts them."""

    def __init__(
        self, connection: Connection, catalogue: Catalogue, now: datetime, chance: random.Random
    ) -> None:
        super().__init__(connection, catalogue, now)
        self.chance = chance
        self._sold = self._read_sold()
        self._products = {
            row[0]: row[1] for row in connection.execute(select(Product.key, Product.id))
        }

    def add_renewing(self, due_on: date, *, interval: Interval = Interval.MONTH) -> list[int]:
        """One account with its two subscriptions, whose ids come back; `due_on` they renew."""
        chance = self.chance
        number = self._next_id(Account)
        country, vat_number = chance.choice(_PLACES)
        transfer = chance.random() < 0.05
        locale = chance.choice(_LOCALES)
        account_id = self._row(Account, **{
            **self._account(number, locale), "time_zone": chance.choice(_ZONES),
            "country": country, "vat_number": vat_number,
            "vat_status": "valid" if vat_number else "none",
            "payment_terms": "bank_transfer" if transfer else "automatic",
            "invoice_recipients": [f"books{number}@bulk.example"] * (chance.random() < 0.2),
        })  # fmt: skip
        members = [self._member(account_id, number, place, locale) for place in range(3)]
        if not transfer and chance.random() > 0.01:
            self._row(
                PaymentMethod, account_id=account_id, kind="card",
                gateway_ref=f"bulk_pm_{account_id}", brand="visa", last4="4242",
                expires_year=self.now.year + 3, expires_month=12, funding="credit",
                mandate_ref="", is_default=True, added_at=self.now, removed_at=None,
            )  # fmt: skip
        on = due_on + timedelta(days=10) if transfer else due_on
        return [
            self._renewing(account_id, "crm", "pro", on, interval, members, add_on=True),
            self._renewing(account_id, "desk", "business", on, interval, members, add_on=False),
        ]

    def _renewing(
        self,
        account_id: int,
        product: str,
        plan: str,
        due_on: date,
        interval: Interval,
        members: list[int],
        *,
        add_on: bool,
    ) -> int:
        began = _months_before(due_on, 3 * interval.months)
        term = Term.opening_at(began, interval, due_on.day)
        subscription_id = self._row(
            Subscription, account_id=account_id, product_id=self._products[product],
            status="active", anchor_day=due_on.day, started_on=began, trial_ends_on=None,
            read_only_from=None, ended_on=None, overhang=0, version=1, created_at=self.now,
            parked_at=None, parked_error=None,
        )  # fmt: skip
        term_id = self._row(
            TermRow, subscription_id=subscription_id, number=1, interval=interval.value,
            first_year=term.first_year, first_month=term.first_month,
        )  # fmt: skip
        for k in range(3):
            self._row(
                BillingPeriod, subscription_id=subscription_id, term_id=term_id, number=k + 1,
                starts_on=term.start_of(k), ends_on=term.start_of(k + 1), is_current=k == 2,
                renewal_invoice_id=None, opened_at=self.now,
                closed_at=None if k == 2 else self.now,
            )  # fmt: skip
        seats = self.chance.randint(4, 40)
        item_id = self._item(subscription_id, plan, None, seats, interval, began)
        for place, member_id in enumerate(members[:2] if add_on else members):
            self._row(
                Assignment, item_id=item_id, member_id=member_id, freed_at=None,
                freed_because=None,
                assigned_at=self.now - timedelta(days=60) + timedelta(seconds=place),
            )  # fmt: skip
        items = [{"plan": plan, "add_on": None, "package": None, "seats": seats}]
        extra = None
        if add_on:
            some = max(seats // 3, 1)
            extra = self._item(subscription_id, None, "beyond", some, interval, began)
            items.append({"plan": None, "add_on": "appointments", "package": "beyond",
                          "seats": some})  # fmt: skip
        self._row(
            Entitlement, subscription_id=subscription_id, version=1, acknowledged_version=1,
            grants={"account": f"bulk-{account_id}", "product": product, "status": "active",
                    "items": items},
            changed_at=self.now, acknowledged_at=self.now,
        )  # fmt: skip
        self._waiting(subscription_id, product, item_id, extra, seats, due_on, interval)
        return subscription_id

    def _item(
        self, subscription_id: int, plan: str | None, package: str | None, quantity: int,
        interval: Interval, on: date,
    ) -> int:  # fmt: skip
        sold = self._sold[plan or package or ""]
        item_id = self._row(
            SubscriptionItem, subscription_id=subscription_id,
            kind="plan" if plan else "add_on", plan_id=sold.id if plan else None,
            add_on_id=None if plan else sold.id, per_seat=True, quantity=quantity,
            price_id=sold.prices[interval.value][0], added_at=self.now, removed_at=None,
        )  # fmt: skip
        self._row(
            SeatEntry, item_id=item_id, at=self.now, effective_on=on, change=quantity,
            quantity_after=quantity, reason="start", order_line_id=None,
            scheduled_change_id=None, actor_id=None,
        )  # fmt: skip
        return item_id

    def _waiting(
        self, subscription_id: int, product: str, item_id: int, extra: int | None, seats: int,
        due_on: date, interval: Interval,
    ) -> None:  # fmt: skip
        chance = self.chance
        if chance.random() < 0.08:
            fewer = chance.choice((1, seats // 2, seats - 1))
            self._change(subscription_id, "seats", item_id, -fewer, {}, due_on)
        smaller = "start" if product == "crm" else "team"
        if chance.random() < 0.03:
            target: dict[str, Any] = {"plan": smaller, "prices": self._sold[smaller].prices}
            self._change(subscription_id, "plan", item_id, None, target, due_on)
        if chance.random() < 0.02:
            wanted = "year" if interval is not Interval.YEAR else "month"
            bigger = "pro" if product == "crm" else "business"
            prices = {f"plan:{key}": self._sold[key].prices[wanted] for key in (bigger, smaller)}
            if extra is not None:
                prices["add_on:appointments:beyond"] = self._sold["beyond"].prices[wanted]
            target = {"interval": wanted, "prices": prices}
            self._change(subscription_id, "period", None, None, target, due_on)
        if extra is not None and chance.random() < 0.01:
            self._change(subscription_id, "add_on", extra, None, {"remove": True}, due_on)
        if chance.random() < 0.01:
            self._change(subscription_id, "cancel", None, None, {"reason": ""}, due_on)

    def _change(
        self, subscription_id: int, kind: str, item_id: int | None, delta: int | None,
        target: dict[str, Any], on: date,
    ) -> None:  # fmt: skip
        self._row(
            ScheduledChange, subscription_id=subscription_id, item_id=item_id, kind=kind,
            delta=delta, target=target, effective_on=on, status="waiting",
            asked_at=self.now - timedelta(days=20), asked_by_id=None, settled_at=None,
        )  # fmt: skip

    def _read_sold(self) -> dict[str, _Sold]:
        found: dict[str, _Sold] = {}
        plans = (
            select(Plan.key, Plan.id, Price.interval, Price.id, Price.unit_minor)
            .join(Price, Price.plan_id == Plan.id)
            .where(Plan.key.in_(("start", "pro", "team", "business")))
        )
        packages = (
            select(AddOn.package_key, AddOn.id, Price.interval, Price.id, Price.unit_minor)
            .join(Price, Price.add_on_id == AddOn.id)
            .where(AddOn.key == "appointments", AddOn.package_key == "beyond")
        )
        for query in (plans, packages):
            query = query.where(Price.currency == "EUR", Price.retired_at.is_(None))
            for key, row_id, interval, price_id, minor in self.connection.execute(query):
                sold = found.setdefault(key, _Sold(row_id, {}))
                sold.prices[interval] = [price_id, minor]
        return found


def _months_before(on: date, months: int) -> date:
    years, month = divmod(12 * on.year + on.month - 1 - months, 12)
    return date(years, month + 1, on.day)
