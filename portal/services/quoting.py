"""Making quotes, and ending those that were not ordered: declined, expired, superseded (Q1, Q2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.domain.pricing import decide_vendor_tax
from portal.domain.quotes import (
    PinnedLine,
    PricedQuote,
    last_valid_day,
    price_quote,
    require_open,
    subject_of_subscription,
)
from portal.domain.seats import SeatIncrease, may_add_seats, plan_seat_increase
from portal.domain.subscriptions import SubscriptionState
from portal.models import Account, Cart, CartLine, Quote, QuoteLine, QuoteSubject
from portal.queries.quotes import AccountBuying, Holding, list_holdings
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import SYSTEM, Actor, record
from portal.services.locks import lock_account
from portal.services.numbering import take_number
from portal.services.renewals import renew_due_of_account

__all__ = ["accept_conflicts", "decline_quote", "expire_quotes", "load_quote", "preview_quote",
           "quote_cart", "release_subjects"]  # fmt: skip


def preview_quote(
    lines: Sequence[PinnedLine],
    states: Sequence[SubscriptionState],
    buyer: AccountBuying,
    catalogue: Catalogue,
    on: date,
) -> PricedQuote:
    """A quote as it would be priced on `on`; writes nothing, and is what the order calls too."""
    decision = decide_vendor_tax(
        catalogue.vendor, buyer.country, buyer.vat_number, buyer.vat_status
    )
    return price_quote(lines, states, decision, buyer.currency, on)


def quote_cart(
    session: Session,
    cart: Cart,
    *,
    catalogue: Catalogue,
    actor: Actor,
    replaces: Collection[int],
    now: datetime,
) -> Quote:
    """Make a quote of a cart's seats, superseding the open quotes in `replaces` (their ids).

    The same cart saved twice in a day has one quote, whatever the clicks (Q4).
    Rejected as `plan_seat_increase`; DomainError `quote_would_replace` (quotes the customer was
    not warned of), `payment_unresolved` (an order on a subject is not settled), `not_self_service`.
    """
    account = lock_account(session, cart.account_id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    today = local_date(now, account.time_zone)
    states = list_subscription_states(session.connection(), account.id)
    totals = {
        item_id: quantity
        for item_id, quantity in session.execute(
            select(CartLine.item_id, CartLine.quantity)
            .where(CartLine.cart_id == cart.id, CartLine.kind == "seats")
            .order_by(CartLine.id)
        )
        if item_id is not None
    }
    increases = plan_seat_increase(states, totals, today)
    where = {state.subscription_id: state for state in states}
    for increase in increases:
        reason = may_add_seats(
            where[increase.subscription_id], increase.item, catalogue, account.payment_terms
        )
        if reason is not None:
            raise DomainError("not_self_service", reason=reason)

    again = _quoted_before(session, cart, increases, today)
    if again is not None:
        return again
    subjects = sorted({subject_of_subscription(i.subscription_id) for i in increases})
    conflicts = accept_conflicts(session, account.id, subjects, replaces)
    year = local_date(now, catalogue.vendor.time_zone).year  # number series are the vendor's (P3)
    quote = Quote(
        account_id=account.id,
        number=f"Q-{year}-{take_number(session, 'quote', year):04d}",
        status="open",
        source="cart",
        cart_id=cart.id,
        currency=account.currency,
        created_at=now,
        created_on=today,
        valid_until=last_valid_day(today, catalogue.policy.quote_validity_days),
        created_by_id=cart.person_id,
    )
    session.add(quote)
    session.flush()
    _supersede(session, account, conflicts, quote, actor, now)
    for position, increase in enumerate(increases, start=1):
        assert increase.item.unit_price is not None
        session.add(
            QuoteLine(
                quote_id=quote.id,
                position=position,
                kind="seats",
                item_id=increase.item.item_id,
                price_id=increase.item.price_id,
                quantity=increase.added,
                unit_minor=increase.item.unit_price.minor,
            )
        )
    session.add_all(QuoteSubject(quote_id=quote.id, subject=s, holds=True) for s in subjects)
    record(session, "quote_created", actor=actor, now=now, account_id=account.id,
           subject=quote.number, new={"seats": sum(i.added for i in increases)})  # fmt: skip
    session.flush()
    return quote


def _quoted_before(
    session: Session, cart: Cart, increases: Sequence[SeatIncrease], today: date
) -> Quote | None:
    """The open quote that a first click made today of the very same cart."""
    wanted = [(i.item.item_id, i.item.price_id, i.added) for i in increases]
    for quote in session.scalars(
        select(Quote).where(
            Quote.cart_id == cart.id, Quote.status == "open", Quote.created_on == today
        )
    ):
        pinned = session.execute(
            select(QuoteLine.item_id, QuoteLine.price_id, QuoteLine.quantity)
            .where(QuoteLine.quote_id == quote.id)
            .order_by(QuoteLine.position)
        )
        if [tuple(line) for line in pinned] == wanted:
            return quote
    return None


def accept_conflicts(
    session: Session, account_id: int, subjects: Collection[str], replaces: Collection[int]
) -> list[Holding]:
    """The open quotes that a new one on `subjects` supersedes, all of them in `replaces` (Q1)."""
    conflicts = [
        h for h in list_holdings(session.connection(), account_id) if h.subject in subjects
    ]
    for held in conflicts:
        if held.order_id is not None:
            raise DomainError("payment_unresolved", order_id=held.order_id,
                              order_number=held.order_number)  # fmt: skip
    unknown = {h.quote_id: h.number for h in conflicts if h.quote_id not in replaces}
    if unknown:
        raise DomainError("quote_would_replace", quotes=unknown)
    return conflicts


def load_quote(session: Session, account_id: int, quote_id: int) -> Quote:
    """A quote of the account, locked; DomainError `quote_unknown` (also for another account's)."""
    quote = session.scalars(
        select(Quote).where(Quote.id == quote_id, Quote.account_id == account_id).with_for_update()
    ).one_or_none()
    if quote is None:
        raise DomainError("quote_unknown")
    return quote


def decline_quote(
    session: Session, account_id: int, quote_id: int, *, reason: str, actor: Actor, now: datetime
) -> Quote:
    """The customer says no, with an optional reason; errors as `require_open`."""
    account = lock_account(session, account_id)
    quote = load_quote(session, account_id, quote_id)
    require_open(quote.status, quote.valid_until, local_date(now, account.time_zone))
    _close(session, quote, "declined", now)
    quote.decline_reason = reason
    if quote.cart_id is not None:
        session.execute(
            update(Cart).where(Cart.id == quote.cart_id, Cart.status == "open")
            .values(status="emptied", changed_at=now)
        )  # fmt: skip
    record(session, "quote_declined", actor=actor, now=now, account_id=account_id,
           subject=quote.number, new={"reason": reason} if reason else None)  # fmt: skip
    return quote


def expire_quotes(session: Session, *, now: datetime, limit: int = 200) -> int:
    """End up to `limit` open quotes whose last local day has passed; how many were ended."""
    found = session.execute(
        select(Quote.id, Quote.account_id, Quote.valid_until, Account.time_zone)
        .join(Account, Account.id == Quote.account_id)
        .where(Quote.status == "open", Quote.valid_until <= now.date())
        .order_by(Quote.valid_until, Quote.account_id, Quote.id)
        .limit(limit)
    ).all()
    ended = 0
    for quote_id, account_id, valid_until, time_zone in found:
        if valid_until >= local_date(now, time_zone):
            continue
        # The account first, then the quote, as whoever orders or declines it does.
        lock_account(session, account_id)
        quote = load_quote(session, account_id, quote_id)
        if quote.status == "open":
            _close(session, quote, "expired", now)
            record(session, "quote_expired", actor=SYSTEM, now=now, account_id=quote.account_id,
                   subject=quote.number)  # fmt: skip
            ended += 1
    session.flush()
    return ended


def release_subjects(session: Session, quote_id: int) -> None:
    """The quote no longer holds its subjects: a new one may."""
    session.execute(
        update(QuoteSubject)
        .where(QuoteSubject.quote_id == quote_id)
        .values(holds=False)
        .execution_options(synchronize_session=False)
    )


def _supersede(
    session: Session, account: Account, conflicts: list[Holding], by: Quote, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    for quote_id in {held.quote_id for held in conflicts}:
        old = load_quote(session, account.id, quote_id)
        _close(session, old, "superseded", now)
        old.superseded_by_id = by.id
        record(session, "quote_superseded", actor=actor, now=now, account_id=account.id,
               subject=old.number, new={"by": by.number})  # fmt: skip
    session.flush()


def _close(session: Session, quote: Quote, status: str, now: datetime) -> None:
    quote.status = status
    quote.closed_at = now
    quote.version += 1
    release_subjects(session, quote.id)
    session.flush()
