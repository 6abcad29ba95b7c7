"""Carrying subscriptions from period to period: invoice, next period, charge (P1, P2, P3, I3).

All or nothing per subscription: whoever calls commits. A worker that was down catches up each
period exactly once, because the database holds one row a period and one current period each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from portal.domain.catalogue import Catalogue
from portal.domain.labels import item_label
from portal.domain.periods import Interval, Term, local_date
from portal.domain.pricing import decide_vendor_tax, document_totals
from portal.domain.renewals import Renewal, is_invoiced_by, plan_renewal
from portal.domain.subscriptions import SubscriptionState
from portal.models import Account, BillingPeriod, Invoice, PaymentMethod, Subscription
from portal.models import Term as TermRow
from portal.queries.quotes import get_account_buying
from portal.queries.subscriptions import list_subscription_states
from portal.services.attempts import reserve_attempt
from portal.services.audit import SYSTEM, record
from portal.services.invoicing import DraftLine, issue_invoice
from portal.services.locks import lock_account
from portal.services.outbox import open_desk_task
from portal.services.snapshots import buyer_snapshot, tax_snapshot

__all__ = [
    "DueSubscription", "list_due", "park", "renew_due_of_account", "renew_subscription",
]  # fmt: skip

# The local date may be up to 14 hours ahead of UTC's; the exact day is checked under the lock.
_DATE_LINE = timedelta(days=1)
# A parked subscription is tried again: what was wrong may have been put right meanwhile.
RETRY_PARKED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DueSubscription:
    """A subscription that may have something due."""

    account_id: int
    subscription_id: int


def list_due(
    session: Session, *, notice_days: int, now: datetime, after: int = 0, limit: int = 200
) -> list[DueSubscription]:
    """Subscriptions with ids above `after` that may renew or be invoiced; the exact day is local."""
    horizon = now.date() + _DATE_LINE
    following = aliased(BillingPeriod)
    rows = session.execute(
        select(Subscription.account_id, Subscription.id)
        .join(BillingPeriod, BillingPeriod.subscription_id == Subscription.id)
        .join(Account, Account.id == Subscription.account_id)
        .where(
            BillingPeriod.is_current,
            Subscription.status == "active",
            Subscription.parked_at.is_(None) | (Subscription.parked_at < now - RETRY_PARKED),
            Subscription.id > after,
            (BillingPeriod.ends_on <= horizon)
            | (
                (Account.payment_terms == "bank_transfer")
                & (BillingPeriod.ends_on <= horizon + timedelta(days=notice_days))
                & ~select(following.id)
                .where(
                    following.subscription_id == Subscription.id,
                    following.starts_on == BillingPeriod.ends_on,
                )
                .exists()
            ),
        )
        .order_by(Subscription.id)
        .limit(limit)
    )
    return [DueSubscription(*row) for row in rows]


def renew_subscription(
    session: Session,
    account_id: int,
    subscription_id: int,
    *,
    catalogue: Catalogue,
    now: datetime,
) -> int:
    """Do everything due for one subscription; how many periods were opened."""
    account = lock_account(session, account_id)
    opened = 0
    while _step(session, account, subscription_id, catalogue, now):
        opened += 1
    subscription = session.get_one(Subscription, subscription_id)
    if subscription.parked_at is not None:
        subscription.parked_at, subscription.parked_error = None, None
        session.flush()
    return opened


def park(
    session: Session, account_id: int, subscription_id: int, error: Exception, *, now: datetime
) -> None:
    """Put a subscription that cannot be renewed aside, with its error, before the operator."""
    subscription = session.get_one(Subscription, subscription_id)
    subscription.parked_at = now
    subscription.parked_error = {"kind": type(error).__name__, "message": str(error)[:500]}
    open_desk_task(session, "renewal_parked", dedupe_key=f"renewal_parked:{subscription_id}",
                   details={"subscription_id": subscription_id,
                            **subscription.parked_error},
                   now=now, account_id=account_id)  # fmt: skip
    session.flush()


def renew_due_of_account(
    session: Session, account: Account, *, catalogue: Catalogue, now: datetime
) -> None:
    """Before a write: the account's subscriptions whose period has ended renew first (P3)."""
    today = local_date(now, account.time_zone)
    for state in list_subscription_states(session.connection(), account.id):
        if state.status == "active" and state.period is not None and state.period.end <= today:
            renew_subscription(
                session, account.id, state.subscription_id, catalogue=catalogue, now=now
            )


def _step(
    session: Session, account: Account, subscription_id: int, catalogue: Catalogue, now: datetime
) -> bool:
    """Invoice and, on its day, open the next period; False where nothing more is due."""
    states = list_subscription_states(session.connection(), account.id)
    state = next((s for s in states if s.subscription_id == subscription_id), None)
    if state is None or state.status != "active" or state.period is None:
        return False
    today = local_date(now, account.time_zone)
    renewal_day = state.period.end
    notice = catalogue.policy.change_notice_days
    if not is_invoiced_by(renewal_day, today, notice, account.payment_terms):
        return False
    current = session.scalars(
        select(BillingPeriod).where(
            BillingPeriod.subscription_id == subscription_id, BillingPeriod.is_current
        )
    ).one()
    following = session.scalars(
        select(BillingPeriod).where(
            BillingPeriod.subscription_id == subscription_id,
            BillingPeriod.starts_on == renewal_day,
        )
    ).one_or_none()
    if following is None:
        following = _invoice_next(session, account, state, current, catalogue, now)
    if today < renewal_day:
        return False
    _enter(session, account, current, following, state, now)
    return True


def _invoice_next(
    session: Session,
    account: Account,
    state: SubscriptionState,
    current: BillingPeriod,
    catalogue: Catalogue,
    now: datetime,
) -> BillingPeriod:
    """Write the next period with its one renewal invoice, and reserve its charge."""
    term_row = session.get_one(TermRow, current.term_id)
    subscription = session.get_one(Subscription, state.subscription_id)
    assert subscription.anchor_day is not None, "a subscription with periods has an anchor"
    term = Term(
        Interval(term_row.interval),
        term_row.first_year,
        term_row.first_month,
        subscription.anchor_day,
    )
    renewal = plan_renewal(state, term, current.number)
    invoice = _issue(session, account, state, renewal, catalogue, now) if renewal.lines else None
    following = BillingPeriod(
        subscription_id=state.subscription_id,
        term_id=current.term_id,
        number=renewal.number,
        starts_on=renewal.period.start,
        ends_on=renewal.period.end,
        is_current=False,
        renewal_invoice_id=invoice.id if invoice is not None else None,
        opened_at=now,
    )
    session.add(following)
    session.flush()
    return following


def _issue(
    session: Session,
    account: Account,
    state: SubscriptionState,
    renewal: Renewal,
    catalogue: Catalogue,
    now: datetime,
) -> Invoice:
    buyer = get_account_buying(session.connection(), account.id)
    tax = decide_vendor_tax(catalogue.vendor, buyer.country, buyer.vat_number, buyer.vat_status)
    totals = document_totals((line.net for line in renewal.lines), tax.rate, account.currency)
    items = {item.item_id: item for item in state.items}
    by_transfer = account.payment_terms == "bank_transfer"
    free = totals.gross.is_zero
    invoice = issue_invoice(
        session,
        account=account,
        catalogue=catalogue,
        kind="renewal",
        lines=[
            DraftLine(
                kind=line.kind,
                description=item_label(
                    catalogue, state.product_key, items[line.item_id or 0], account.locale
                ),
                item_id=line.item_id,
                quantity=line.quantity,
                unit_minor=line.unit_price.minor,
                discount_basis_points=0,
                days_left=None,
                days=None,
                period_starts_on=renewal.period.start,
                period_ends_on=renewal.period.end,
                net_minor=line.net.minor,
                tax_rate=str(tax.rate),
            )
            for line in renewal.lines
        ],
        net_minor=totals.net.minor,
        tax_minor=totals.tax.minor,
        tax=tax_snapshot(tax, totals),
        buyer=buyer_snapshot(buyer),
        status="paid" if free else "open",
        now=now,
        due_days=catalogue.policy.invoice_due_days if by_transfer else 0,
        subscription_id=state.subscription_id,
    )
    record(session, "invoice_issued", actor=SYSTEM, now=now, account_id=account.id,
           subject=invoice.number,
           new={"gross_minor": invoice.gross_minor, "currency": invoice.currency})  # fmt: skip
    if not by_transfer and not free:
        _charge(session, account, invoice, now)
    return invoice


def _charge(session: Session, account: Account, invoice: Invoice, now: datetime) -> None:
    """Reserve the charge of a renewal invoice; the worker makes it after the commit (M1)."""
    method = session.scalars(
        select(PaymentMethod).where(
            PaymentMethod.account_id == account.id,
            PaymentMethod.is_default,
            PaymentMethod.removed_at.is_(None),
        )
    ).one_or_none()
    if method is None:
        open_desk_task(session, "no_payment_method", dedupe_key=f"no_method:{invoice.id}",
                       details={"invoice": invoice.number}, now=now, account_id=account.id)  # fmt: skip
        return
    reserve_attempt(
        session,
        account_id=account.id,
        invoice_id=invoice.id,
        method=method,
        amount_minor=invoice.gross_minor,
        currency=invoice.currency,
        key=f"pi:invoice-{invoice.id}:1",
        now=now,
        after=timedelta(),
    )


def _enter(
    session: Session,
    account: Account,
    current: BillingPeriod,
    following: BillingPeriod,
    state: SubscriptionState,
    now: datetime,
) -> None:
    """Close the old period and make the new one current: never a gap, never two (P2)."""
    current.is_current = False
    current.closed_at = now
    session.flush()
    following.is_current = True
    record(session, "subscription_renewed", actor=SYSTEM, now=now, account_id=account.id,
           subject=state.product_key,
           old={"period": _dates(current.starts_on, current.ends_on)},
           new={"period": _dates(following.starts_on, following.ends_on)})  # fmt: skip
    session.flush()


def _dates(start: date, end: date) -> list[str]:
    return [start.isoformat(), end.isoformat()]
