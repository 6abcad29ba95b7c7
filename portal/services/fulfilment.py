"""Writing what the lines of an order bought: seats, another plan, an add-on, a subscription, credits.

Each line of a subscription is applied by `portal.domain.order_lines.with_line`, as the quote's
preview was; what it makes of the subscription is what is written.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.order_lines import (
    SUBSCRIPTION_KINDS,
    PinnedLine,
    Sold,
    SoldOnce,
    item_of,
    require_fit,
    state_of,
    unpaid_items,
    with_item_id,
    with_line,
)
from portal.domain.periods import local_date
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.domain.trials import is_unpaid_trial
from portal.models import (
    Account,
    AddOn,
    Assignment,
    BillingPeriod,
    Order,
    OrderLine,
    Plan,
    Product,
    QuoteLine,
    ScheduledChange,
    SeatEntry,
    Subscription,
    SubscriptionItem,
    Term,
)
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor, record
from portal.services.outbox import open_desk_task
from portal.services.service_requests import order_package
from portal.services.wallet_entries import credit

__all__ = ["NOT_GRANTED", "Fulfilment", "pinned_line"]

NOT_GRANTED = "not_granted"
"""The desk's task of a line that could not be given, and why its order is not done."""


class Fulfilment:
    """The lines of one order, granted one after the other; the account is locked by the caller.

    `items` are those touched, by id, `added` the seats that each got; `refused` are the lines that
    could not be granted, by position.
    """

    def __init__(
        self,
        session: Session,
        order: Order,
        account: Account,
        catalogue: Catalogue,
        actor: Actor,
        now: datetime,
    ) -> None:
        self.session, self.order, self.account = session, order, account
        self.catalogue, self.actor, self.now = catalogue, actor, now
        self.today = local_date(now, account.time_zone)
        self.items: dict[int, SubscriptionItem] = {}
        self.added: dict[int, int] = {}
        self.refused: list[int] = []
        self._begun: set[int] = set()
        self._tried: list[int] = []
        session.flush()
        self._states = {
            state.subscription_id: state
            for state in list_subscription_states(session.connection(), account.id)
        }

    @property
    def subscriptions(self) -> list[int]:
        """The subscriptions that were changed or begun."""
        return sorted({item.subscription_id for item in self.items.values()})

    def grant(self, row: OrderLine) -> None:
        """Write one line, once (Q4). What it was for may be gone: then people look after it."""
        once = SoldOnce.read(row.details)
        if once is not None:
            self._grant_once(row, once)
            return
        if row.kind not in SUBSCRIPTION_KINDS or row.kind == "plan_credit":
            return
        line = pinned_line(row, self.order.currency)
        try:
            before = state_of(line, self._states.values())
            if (
                row.kind == "start"
                and before is not None
                and not is_unpaid_trial(before)
                and before.subscription_id not in self._begun
            ):
                raise DomainError("already_subscribed", product=before.product_key)
            after = with_line(before, line, self.today)
        except DomainError as error:
            self.refused.append(row.position)
            open_desk_task(self.session, NOT_GRANTED, dedupe_key=f"not_granted:{row.id}",
                           details={"order": self.order.number, "line": row.position,
                                    "reason": error.code},
                           now=self.now, account_id=self.account.id)  # fmt: skip
            return
        if before is None or is_unpaid_trial(before):
            after = self._begin(after, before)
        state = item_of(after, line)
        assert state is not None, "a line of a subscription is about an item of it"
        if state.item_id < 0:  # not stored yet
            item = self._new_item(after, state)
            after = with_item_id(after, state.item_id, item.id)
        else:
            item = self.session.scalars(
                select(SubscriptionItem)
                .where(SubscriptionItem.id == state.item_id)
                .with_for_update()
                .execution_options(populate_existing=True)
            ).one()
            self._alter(item, after.product_key, state)
        if before is not None:
            self._settle_changes(before, after)
        old = item_of(before, line) if before is not None else None
        self._note_misfit(line, before)
        self._enter(row, old, item, state)
        self._states[after.subscription_id] = after
        self.items[item.id] = item

    def _note_misfit(self, line: PinnedLine, before: SubscriptionState | None) -> None:
        """It was paid for, so it is given; what it cost was worked out for something else (C1)."""
        try:
            require_fit(line, before)
        except DomainError as error:
            if error.code == "item_changed":
                open_desk_task(self.session, "granted_otherwise",
                               dedupe_key=f"granted_otherwise:{self.order.id}",
                               details={"order": self.order.number}, now=self.now,
                               account_id=self.account.id)  # fmt: skip

    def take_unpaid(self) -> None:
        """Once all is granted: what a trial had and nobody bought with it ends (C5).

        People who began to work with a trial after it was ordered may be more than was bought: they
        are an overhang, as after a renewal (S6, S7).
        """
        for key in self._tried:
            state = self._states[key]
            for item in unpaid_items(state):
                self._take(item)
            beyond = sum(
                max(item.assigned - item.quantity, 0)
                for item in state.items
                if item.per_seat and item.unit_price is not None
            )
            if beyond:
                self.session.get_one(Subscription, key).overhang = beyond
        self.session.flush()

    def _take(self, state: ItemState) -> None:
        item = self.session.get_one(SubscriptionItem, state.item_id)
        if item.quantity:
            self.session.add(
                SeatEntry(item_id=item.id, at=self.now, effective_on=self.today,
                          change=-item.quantity, quantity_after=0, reason="removal",
                          actor_id=self.order.placed_by_id)
            )  # fmt: skip
        item.quantity, item.removed_at = 0, self.now
        self.session.execute(
            update(Assignment)
            .where(Assignment.item_id == item.id, Assignment.freed_at.is_(None))
            .values(freed_at=self.now, freed_because="removal")
            .execution_options(synchronize_session=False)
        )
        record(self.session, "trial_add_on_ended", actor=self.actor, now=self.now,
               account_id=self.account.id, subject=self.order.number,
               old={"item_id": item.id})  # fmt: skip

    def _grant_once(self, row: OrderLine, once: SoldOnce) -> None:
        """Credits for the wallet (W2), or a service that the vendor is told of; free words are words."""
        if once.text is not None:
            return
        if once.service is not None:
            order_package(self.session, self.order, row, once.service, catalogue=self.catalogue,
                          now=self.now)  # fmt: skip
            return
        credit(self.session, self.account.id, once.credits, reason="purchase", now=self.now,
               order_line_id=row.id, actor_id=self.order.placed_by_id)  # fmt: skip
        record(self.session, "credits_bought", actor=self.actor, now=self.now,
               account_id=self.account.id, subject=self.order.number,
               new={"credits": once.credits})  # fmt: skip

    def _begin(
        self, state: SubscriptionState, tried: SubscriptionState | None
    ) -> SubscriptionState:
        """The subscription with its term and first period, whose first day is its anchor (P1).

        A trial that is bought goes on as it is, paid (C5).
        """
        assert state.term is not None and state.period is not None
        if tried is not None:
            subscription = self.session.get_one(Subscription, tried.subscription_id)
            subscription.status, subscription.read_only_from = "active", None
            subscription.anchor_day = state.term.anchor_day
            subscription.version += 1
            self._tried.append(subscription.id)
        else:
            subscription = Subscription(
                account_id=self.account.id,
                product_id=self._product_id(state.product_key),
                status="active",
                anchor_day=state.term.anchor_day,
                started_on=state.period.start,
                created_at=self.now,
            )
            self.session.add(subscription)
        self.session.flush()
        term = Term(subscription_id=subscription.id, number=1, interval=state.term.interval.value,
                    first_year=state.term.first_year, first_month=state.term.first_month)  # fmt: skip
        self.session.add(term)
        self.session.flush()
        self.session.add(
            BillingPeriod(
                subscription_id=subscription.id,
                term_id=term.id,
                number=1,
                starts_on=state.period.start,
                ends_on=state.period.end,
                is_current=True,
                opened_at=self.now,
            )
        )
        self.session.flush()
        self._begun.add(subscription.id)
        return replace(state, subscription_id=subscription.id)

    def _settle_changes(self, before: SubscriptionState, after: SubscriptionState) -> None:
        """What waited is replaced, or its pinned prices extended, as the plan says (C1, C4)."""
        for change in before.changes:
            kept = after.change(change.id)
            if kept is not None and kept.target == change.target:
                continue
            values: dict[str, Any] = {"status": "replaced", "settled_at": self.now}
            if kept is not None:
                values = {"target": dict(kept.target)}
            self.session.execute(
                update(ScheduledChange)
                .where(ScheduledChange.id == change.id)
                .values(**values)
                .execution_options(synchronize_session=False)
            )

    def _new_item(self, after: SubscriptionState, state: ItemState) -> SubscriptionItem:
        plan_id, add_on_id = self._sold_ids(after.product_key, state)
        item = SubscriptionItem(
            subscription_id=after.subscription_id,
            kind=state.kind,
            plan_id=plan_id,
            add_on_id=add_on_id,
            per_seat=state.per_seat,
            quantity=state.quantity,
            price_id=state.price_id,
            added_at=self.now,
        )
        self.session.add(item)
        self.session.flush()
        return item

    def _alter(self, item: SubscriptionItem, product_key: str, state: ItemState) -> None:
        item.quantity = state.quantity
        if item.price_id != state.price_id:
            item.price_id = state.price_id
            item.plan_id, item.add_on_id = self._sold_ids(product_key, state)
        self.session.flush()

    def _enter(
        self,
        row: OrderLine,
        old: ItemState | None,
        item: SubscriptionItem,
        state: ItemState,
    ) -> None:
        """The ledger's row, which is there once a line, and what the activity page tells."""
        change = state.quantity - (old.quantity if old is not None else 0)
        self.added[item.id] = self.added.get(item.id, 0) + change
        reason = {"start": "start", "plan_charge": "plan_change"}.get(row.kind, "order")
        self.session.add(
            SeatEntry(
                item_id=item.id,
                at=self.now,
                effective_on=self.today if row.kind == "start" else self.order.placed_on,
                change=change,
                quantity_after=state.quantity,
                reason=reason,
                order_line_id=row.id,
                actor_id=self.order.placed_by_id,
            )
        )
        self.session.flush()
        if row.kind == "start" and state.kind == "plan" and old is not None:
            assert row.details is not None
            record(self.session, "trial_bought", actor=self.actor, now=self.now,
                   account_id=self.account.id, subject=row.details["product"],
                   old={"plan": old.plan_key, "seats": old.quantity},
                   new={"plan": state.plan_key, "seats": state.quantity,
                        "interval": row.details["interval"]})  # fmt: skip
        elif row.kind == "start" and state.kind == "plan":
            assert row.details is not None
            record(self.session, "subscription_started", actor=self.actor, now=self.now,
                   account_id=self.account.id, subject=row.details["product"],
                   new={"plan": state.plan_key, "seats": state.quantity,
                        "interval": row.details["interval"]})  # fmt: skip
        elif old is None or row.kind == "start":
            record(self.session, "add_on_added", actor=self.actor, now=self.now,
                   account_id=self.account.id, subject=self.order.number,
                   new={"item_id": item.id}
                   | ({"seats": state.quantity} if state.per_seat else {}))  # fmt: skip
        elif row.kind == "plan_charge":
            key = "plan" if state.kind == "plan" else "package"
            record(self.session, "item_upgraded", actor=self.actor, now=self.now,
                   account_id=self.account.id, subject=self.order.number,
                   old={"item_id": item.id, key: getattr(old, f"{key}_key")},
                   new={"item_id": item.id, key: getattr(state, f"{key}_key")})  # fmt: skip
        else:
            record(self.session, "seats_added", actor=self.actor, now=self.now,
                   account_id=self.account.id, subject=self.order.number,
                   old={"item_id": item.id, "seats": old.quantity},
                   new={"item_id": item.id, "seats": state.quantity})  # fmt: skip

    def _product_id(self, key: str) -> int:
        return self.session.scalars(select(Product.id).where(Product.key == key)).one()

    def _sold_ids(self, product_key: str, state: ItemState) -> tuple[int | None, int | None]:
        product_id = self._product_id(product_key)
        if state.plan_key is not None:
            query = select(Plan.id).where(Plan.product_id == product_id, Plan.key == state.plan_key)
            return self.session.scalars(query).one(), None
        add_on = select(AddOn.id).where(
            AddOn.product_id == product_id,
            AddOn.key == state.add_on_key,
            AddOn.package_key == state.package_key,
        )
        return None, self.session.scalars(add_on).one()


def pinned_line(row: OrderLine | QuoteLine, currency: str) -> PinnedLine:
    """A stored line as the rules see it."""
    return PinnedLine(
        row.position, row.kind, row.item_id, row.price_id, row.quantity,
        Money(row.unit_minor, currency), row.discount_basis_points, Sold.read(row.details),
        SoldOnce.read(row.details), row.discount_minor,
    )  # fmt: skip
