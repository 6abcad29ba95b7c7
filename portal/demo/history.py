"""How a demo customer came to what it has: subscription, renewals, seats bought on the way."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.demo.holders import assign_seats, seat_first_admin
from portal.demo.plans import AddOnPlan, CustomerPlan, SubscriptionPlan
from portal.demo.rows import book_charge, collect, price_of
from portal.demo.timeline import Event, Timeline, term_renewing_in
from portal.domain.catalogue import Catalogue
from portal.domain.labels import label_of
from portal.domain.money import Money
from portal.domain.payment_methods import expires_before
from portal.domain.periods import Term, local_date
from portal.domain.pricing import decide_vendor_tax, document_totals
from portal.domain.quotes import terms_key
from portal.domain.renewals import plan_renewal_lines
from portal.domain.trials import REMINDER_DAYS
from portal.models import (
    Account,
    AddOn,
    BillingPeriod,
    Checkout,
    Invoice,
    Member,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    Person,
    Plan,
    Product,
    SeatEntry,
    Subscription,
    SubscriptionItem,
)
from portal.models import Term as TermRow
from portal.payments.gateway import ChargeOutcome, ChargeStatus
from portal.queries.quotes import get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import SYSTEM, Actor, record
from portal.services.carts import save_seat_cart
from portal.services.entitlements import announce_entitlements
from portal.services.invoicing import DraftLine, issue_invoice, item_labels
from portal.services.ordering import place_order
from portal.services.payment_settlement import settle_charge
from portal.services.quoting import preview_quote, quote_cart
from portal.services.snapshots import buyer_snapshot, tax_snapshot
from portal.services.trial_ending import end_due_trials_of_account
from portal.services.trial_reminders import remind_of_trials

_Row = TypeVar("_Row")

__all__ = ["SubscriptionHistory"]


class SubscriptionHistory:
    """One subscription of a demo customer, from its start to today."""

    def __init__(
        self,
        session: Session,
        catalogue: Catalogue,
        customer: CustomerPlan,
        plan: SubscriptionPlan,
        timeline: Timeline,
    ) -> None:
        self.session = session
        self.catalogue = catalogue
        self.customer = customer
        self.plan = plan
        self.timeline = timeline
        self.today = local_date(timeline.now, customer.time_zone)
        self.account: Account
        self.subscription: Subscription
        self.plan_item: SubscriptionItem
        self._term_row: TermRow
        self._invoices: dict[int, Invoice] = {}
        self._term: Term | None = None
        if plan.interval is not None:
            self._term = term_renewing_in(self.today, plan.renews_in, plan.interval, plan.periods)

    def schedule(self, account: Account) -> None:
        """Enter everything that happened into the timeline; the account exists when it is lived."""
        self.account = account
        zone = self.customer.time_zone
        if self._term is None:
            began = self.today + timedelta(days=self.plan.renews_in - self.plan.trial_days)
            self.timeline.on(began, self._start, hour=8, minute=40, time_zone=zone)
            self.timeline.on(began, self._assign, hour=8, minute=41, time_zone=zone)
            ends_on = self.today + timedelta(days=self.plan.renews_in)
            for days in REMINDER_DAYS:
                told = ends_on - timedelta(days=days)
                if told < self.today:
                    self.timeline.on(told, self._remind, hour=9, minute=0, time_zone=zone)
            if self.plan.renews_in < 0:
                over = self.today + timedelta(days=self.plan.renews_in + 1)
                self.timeline.on(over, self._trial_is_over, hour=0, minute=5, time_zone=zone)
            return
        first = self._term.start_of(0)
        transfer = self.customer.payment_terms == "bank_transfer"
        notice = timedelta(days=self.catalogue.policy.change_notice_days)
        self.timeline.on(first, self._start, hour=8, minute=40, time_zone=zone)
        for k in range(self.plan.periods):
            starts = self._term.start_of(k)
            # A bank transfer is invoiced when the notice window closes, but for the first (I3).
            early = notice if transfer and k > 0 else timedelta()
            invoiced = starts - early
            self.timeline.on(invoiced, self._invoicing(k), hour=8, minute=45, time_zone=zone)
            paid = invoiced + timedelta(days=19 if transfer else 0)
            if paid < self.today:
                self.timeline.on(paid, self._paying(k), hour=8, minute=55, time_zone=zone)
            self.timeline.on(starts, self._opening(k), hour=8, minute=50, time_zone=zone)
        for order in self.plan.orders:
            self.timeline.ago(order.days_ago, self._order_of(order.seats), minutes=95)
        self.timeline.at(self.timeline.now, self._assign)

    @property
    def _name(self) -> str:
        plan = self.plan
        return label_of(self.catalogue, plan.product, plan.plan, None, None, self.customer.locale)

    # --- the start -----------------------------------------------------------------------------

    def _start(self, at: datetime) -> None:
        on = local_date(at, self.customer.time_zone)
        product = self._one(select(Product).where(Product.key == self.plan.product))
        trial = self._term is None
        self.subscription = Subscription(
            account_id=self.account.id,
            product_id=product.id,
            status="trial" if trial else "active",
            anchor_day=self._term.anchor_day if self._term else None,
            started_on=on,
            trial_ends_on=self.today + timedelta(days=self.plan.renews_in) if trial else None,
            created_at=at,
        )
        self.session.add(self.subscription)
        self.session.flush()
        if self._term is not None:
            self._term_row = TermRow(
                subscription_id=self.subscription.id,
                number=1,
                interval=self._term.interval.value,
                first_year=self._term.first_year,
                first_month=self._term.first_month,
            )
            self.session.add(self._term_row)
            self.session.flush()
        bought = sum(order.seats for order in self.plan.orders)
        row = self._one(
            select(Plan).where(Plan.product_id == product.id, Plan.key == self.plan.plan)
        )
        self.plan_item = self._item("plan", row, self.plan.seats - bought, at, on)
        seat_first_admin(self.session, self.account, self.plan_item, at)
        for add_on in self.plan.add_ons:
            self._item("add_on", self._add_on(product.id, add_on), add_on.quantity, at, on)
        announce_entitlements(
            self.session, self.account, [self.subscription.id], self.catalogue, at
        )
        record(self.session, "trial_started" if trial else "subscription_started",
               actor=self._admin(), now=at, account_id=self.account.id, subject=self.plan.product,
               new={"plan": self.plan.plan, "seats": self.plan_item.quantity})  # fmt: skip

    def _assign(self, at: datetime) -> None:
        assign_seats(self.session, self.account, self.subscription, self.plan)

    def _remind(self, at: datetime) -> None:
        remind_of_trials(
            self.session, catalogue=self.catalogue, now=at, after=(date.min, 0), limit=100
        )  # fmt: skip

    def _trial_is_over(self, at: datetime) -> None:
        end_due_trials_of_account(self.session, self.account, catalogue=self.catalogue, now=at)

    def _add_on(self, product_id: int, plan: AddOnPlan) -> AddOn:
        return self._one(
            select(AddOn).where(
                AddOn.product_id == product_id,
                AddOn.key == plan.key,
                AddOn.package_key == plan.package,
            )
        )

    def _item(
        self, kind: str, row: Plan | AddOn, quantity: int, at: datetime, on: date
    ) -> SubscriptionItem:
        interval = self.plan.interval
        price = price_of(self.session, row, interval, self.customer.currency) if interval else None
        item = SubscriptionItem(
            subscription_id=self.subscription.id,
            kind=kind,
            plan_id=row.id if isinstance(row, Plan) else None,
            add_on_id=row.id if isinstance(row, AddOn) else None,
            per_seat=row.per_seat if isinstance(row, AddOn) else True,
            quantity=quantity,
            price_id=price.id if price else None,
            added_at=at,
        )
        self.session.add(item)
        self.session.flush()
        self.session.add(
            SeatEntry(item_id=item.id, at=at, effective_on=on, change=quantity,
                      quantity_after=quantity, reason="start")
        )  # fmt: skip
        self.session.flush()
        return item

    # --- renewals ------------------------------------------------------------------------------

    def _invoicing(self, k: int) -> Event:
        def invoice(at: datetime) -> None:
            assert self._term is not None
            period = self._term.period(k)
            state = next(
                s for s in list_subscription_states(self.session.connection(), self.account.id)
                if s.subscription_id == self.subscription.id
            )  # fmt: skip
            lines = plan_renewal_lines(state.items)
            buyer = get_account_buying(self.session.connection(), self.account.id)
            decision = decide_vendor_tax(
                self.catalogue.vendor, buyer.country, buyer.vat_number, buyer.vat_status
            )
            totals = document_totals(
                (line.net for line in lines), decision.rate, self.customer.currency
            )
            labels = item_labels(
                self.session, [line.item_id or 0 for line in lines], self.catalogue,
                self.account.locale,
            )  # fmt: skip
            transfer = self.customer.payment_terms == "bank_transfer"
            issued = issue_invoice(
                self.session,
                account=self.account,
                catalogue=self.catalogue,
                kind="renewal",
                lines=[
                    DraftLine(line.kind, labels[line.item_id or 0], line.item_id, line.quantity,
                              line.unit_price.minor, line.discount_basis_points, None, None,
                              period.start, period.end, line.net.minor, str(decision.rate))
                    for line in lines
                ],
                net_minor=totals.net.minor,
                tax_minor=totals.tax.minor,
                tax=tax_snapshot(decision, totals),
                buyer=buyer_snapshot(buyer),
                status="open",
                now=at,
                due_days=self.catalogue.policy.invoice_due_days if transfer else 0,
                subscription_id=self.subscription.id,
            )  # fmt: skip
            self._invoices[k] = issued
            record(self.session, "invoice_issued", actor=SYSTEM, now=at,
                   account_id=self.account.id, subject=issued.number,
                   new={"gross_minor": issued.gross_minor, "currency": issued.currency})  # fmt: skip

        return invoice

    def _paying(self, k: int) -> Event:
        def pay(at: datetime) -> None:
            collect(self.session, self._invoices[k], at)

        return pay

    def _opening(self, k: int) -> Event:
        def open_period(at: datetime) -> None:
            assert self._term is not None
            period = self._term.period(k)
            for row in self.session.scalars(
                select(BillingPeriod).where(
                    BillingPeriod.subscription_id == self.subscription.id, BillingPeriod.is_current
                )
            ):
                row.is_current, row.closed_at = False, at
            self.session.flush()
            self.session.add(
                BillingPeriod(
                    subscription_id=self.subscription.id,
                    term_id=self._term_row.id,
                    number=k + 1,
                    starts_on=period.start,
                    ends_on=period.end,
                    is_current=True,
                    renewal_invoice_id=self._invoices[k].id,
                    opened_at=at,
                )
            )
            if k:
                record(self.session, "subscription_renewed", actor=SYSTEM, now=at,
                       account_id=self.account.id, subject=self._name,
                       new={"starts_on": period.start.isoformat(),
                            "ends_on": period.end.isoformat()})  # fmt: skip
            self.session.flush()

        return open_period

    # --- seats bought on the way, by the same services as on any day ---------------------------

    def _order_of(self, seats: int) -> Event:
        def order(at: datetime) -> None:
            actor = self._admin()
            assert actor.person_id is not None
            method = self._one(
                select(PaymentMethod).where(PaymentMethod.account_id == self.account.id)
            )
            today = local_date(at, self.customer.time_zone)
            assert not expires_before(method.expires_year, method.expires_month, today)
            cart = save_seat_cart(
                self.session, self.account.id, actor.person_id,
                {self.plan_item.id: self.plan_item.quantity + seats}, at,
            )  # fmt: skip
            quote = quote_cart(
                self.session, cart, catalogue=self.catalogue, actor=actor, replaces=(), now=at
            )
            contact = self._one(
                select(Member).where(
                    Member.account_id == self.account.id, Member.person_id == actor.person_id
                )
            )
            self.session.add(
                Checkout(quote_id=quote.id, contact_member_id=contact.id, contact_name=actor.name,
                         payment_method_id=method.id, completed=True, changed_at=at)
            )  # fmt: skip
            self.session.flush()
            placed = place_order(
                self.session, self.account.id, quote.id, shown=self._shown(quote.id, today),
                catalogue=self.catalogue, actor=actor, now=at,
            )  # fmt: skip
            assert placed.attempt_id is not None
            attempt = self.session.get_one(PaymentAttempt, placed.attempt_id)
            payment = self.session.get_one(Payment, attempt.payment_id)
            ref = book_charge(
                self.session, self.account, method, payment, str(attempt.id), quote.number
            )
            outcome = ChargeOutcome(
                ref, ChargeStatus.SUCCEEDED, Money(payment.amount_minor, payment.currency)
            )
            settle_charge(
                self.session, attempt.id, outcome, catalogue=self.catalogue,
                now=at + timedelta(seconds=3),
            )  # fmt: skip

        return order

    def _shown(self, quote_id: int, on: date) -> str:
        connection = self.session.connection()
        row = get_quote(connection, self.account.id, quote_id)
        assert row is not None
        states = list_subscription_states(connection, self.account.id)
        buyer = get_account_buying(connection, self.account.id)
        return terms_key(preview_quote(row.lines, states, buyer, self.catalogue, on))

    def _admin(self) -> Actor:
        person = self._one(
            select(Person)
            .join(Member, Member.person_id == Person.id)
            .where(Member.account_id == self.account.id, Member.role == "admin")
            .order_by(Member.id)
            .limit(1)
        )
        return Actor("person", person.name, person.id)

    def _one(self, query: Select[_Row]) -> _Row:
        return self.session.scalars(query).one()
