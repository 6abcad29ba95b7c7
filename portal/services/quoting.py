"""Making quotes, and ending those that were not ordered: declined, expired, superseded (Q1, Q2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.order_lines import PinnedLine
from portal.domain.periods import local_date, local_date_if_known
from portal.domain.pricing import decide_vendor_tax
from portal.domain.purchases import Purchase, plan_purchase
from portal.domain.quotes import (
    PricedQuote,
    last_valid_day,
    price_quote,
    require_open,
    subject_of_product,
    subject_of_request,
    subject_of_service,
    subject_of_subscription,
    subject_of_wallet,
)
from portal.domain.subscriptions import SubscriptionState
from portal.models import OPEN_QUOTE, Account, Cart, Quote, QuoteLine, QuoteSubject
from portal.queries.prices import get_price_book
from portal.queries.quotes import AccountBuying, Holding, list_holdings
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import SYSTEM, Actor, record
from portal.services.carts import list_wishes
from portal.services.locks import lock_account
from portal.services.numbering import take_number
from portal.services.quote_mails import tell_desk
from portal.services.quote_subjects import release_subjects
from portal.services.renewals import renew_due_of_account
from portal.services.service_arranging import require_arranged
from portal.services.suspension import require_access

__all__ = ["accept_conflicts", "close_quote", "decline_quote", "expire_quotes", "expire_quotes_of",
           "expire_quotes_of_service", "load_quote", "preview_quote", "quote_cart", "subjects_of",
           "take_back_quote", "take_back_quotes_of_request", "write_quote"]  # fmt: skip


def preview_quote(
    lines: Sequence[PinnedLine],
    states: Sequence[SubscriptionState],
    buyer: AccountBuying,
    catalogue: Catalogue,
    on: date,
    ahead: Mapping[int, date] | None = None,
) -> PricedQuote:
    """A quote as it would be priced on `on`; writes nothing, and is what the order calls too.

    `ahead` as `price_quote`: what was invoiced ahead to the account (I3).
    """
    decision = decide_vendor_tax(
        catalogue.vendor, buyer.country, buyer.vat_number, buyer.vat_status
    )
    return price_quote(lines, states, decision, buyer.currency, on, ahead)


def quote_cart(
    session: Session,
    cart: Cart,
    *,
    catalogue: Catalogue,
    actor: Actor,
    replaces: Collection[int],
    now: datetime,
) -> Quote:
    """Make a quote of what a cart wishes, superseding the open quotes in `replaces` (their ids).

    The same cart saved twice in a day has one quote, whatever the clicks (Q4).
    Errors as `plan_purchase`; DomainError `quote_would_replace` (quotes the customer was not
    warned of), `payment_unresolved` (an order on a subject is not settled), `account_suspended`,
    `service_asked_first` (Q7).
    """
    account = lock_account(session, cart.account_id)
    require_access(session, account.id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    today = local_date(now, account.time_zone)
    connection = session.connection()
    purchase = plan_purchase(
        list_wishes(session, cart.id),
        list_subscription_states(connection, account.id),
        get_price_book(connection, account.currency),
        catalogue,
        account.payment_terms,
        today,
    )
    require_arranged(session, account, purchase.services, catalogue)
    again = _quoted_before(session, cart, purchase.lines, today)
    if again is not None:
        return again
    return write_quote(
        session, account, purchase, source="cart", cart_id=cart.id, created_by_id=cart.person_id,
        valid_until=last_valid_day(today, catalogue.policy.quote_validity_days),
        catalogue=catalogue, actor=actor, replaces=replaces, now=now,
    )  # fmt: skip


def write_quote(
    session: Session,
    account: Account,
    purchase: Purchase,
    *,
    source: str,
    created_by_id: int,
    valid_until: date,
    catalogue: Catalogue,
    actor: Actor,
    replaces: Collection[int],
    now: datetime,
    cart_id: int | None = None,
    message: str = "",
    request_id: int | None = None,
) -> Quote:
    """Write an open quote of a purchase in the place of those in `replaces`; the account is locked.

    `request_id` is the change request that it is for: it has one open quote, whatever is offered.
    DomainError as `accept_conflicts`.
    """
    today = local_date(now, account.time_zone)
    subjects = subjects_of(account.id, purchase)
    if request_id is not None:
        subjects.append(subject_of_request(request_id))
    conflicts = accept_conflicts(session, account.id, subjects, replaces)
    year = local_date(now, catalogue.vendor.time_zone).year  # number series are the vendor's (P3)
    quote = Quote(
        account_id=account.id,
        number=f"Q-{year}-{take_number(session, 'quote', year):04d}",
        status="open",
        source=source,
        cart_id=cart_id,
        currency=account.currency,
        created_at=now,
        created_on=today,
        valid_until=valid_until,
        created_by_id=created_by_id,
        message=message,
    )
    session.add(quote)
    session.flush()
    _supersede(session, account, conflicts, quote, actor, now)
    session.add_all(
        QuoteLine(
            quote_id=quote.id,
            position=line.position,
            kind=line.kind,
            item_id=line.item_id,
            price_id=line.price_id,
            quantity=line.quantity,
            unit_minor=line.unit_price.minor,
            discount_basis_points=line.discount_basis_points,
            discount_minor=line.discount_minor,
            details=line.details,
        )
        for line in purchase.lines
    )
    session.add_all(QuoteSubject(quote_id=quote.id, subject=s, holds=True) for s in subjects)
    record(session, "quote_created", actor=actor, now=now, account_id=account.id,
           subject=quote.number,
           new={"seats": purchase.seats} if purchase.seats else None)  # fmt: skip
    session.flush()
    return quote


def subjects_of(account_id: int, purchase: Purchase) -> list[str]:
    """What a quote of the purchase holds: subscriptions and products, else the wallet or services (Q1).

    One of free words alone holds nothing: there may be several.
    """
    held = {subject_of_subscription(key) for key in purchase.subscriptions}
    held |= {subject_of_product(account_id, key) for key in purchase.products}
    if not held and purchase.wallet:
        held = {subject_of_wallet(account_id)}
    if not held:
        held = {subject_of_service(account_id, key) for key in purchase.services}
    return sorted(held)


def _quoted_before(
    session: Session, cart: Cart, lines: Sequence[PinnedLine], today: date
) -> Quote | None:
    """The open quote that a first click made today of the very same cart."""
    wanted = [
        (line.kind, line.item_id, line.price_id, line.quantity, line.details) for line in lines
    ]
    for quote in session.scalars(
        select(Quote).where(
            Quote.cart_id == cart.id, Quote.status == "open", Quote.created_on == today
        )
    ):
        pinned = session.execute(
            select(QuoteLine.kind, QuoteLine.item_id, QuoteLine.price_id, QuoteLine.quantity,
                   QuoteLine.details)
            .where(QuoteLine.quote_id == quote.id)
            .order_by(QuoteLine.position)
        )  # fmt: skip
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
    close_quote(session, quote, "declined", now)
    quote.decline_reason = reason
    if quote.cart_id is not None:
        session.execute(
            update(Cart).where(Cart.id == quote.cart_id, Cart.status == "open")
            .values(status="emptied", changed_at=now)
        )  # fmt: skip
    record(session, "quote_declined", actor=actor, now=now, account_id=account_id,
           subject=quote.number, new={"reason": reason} if reason else None)  # fmt: skip
    tell_desk(session, account, quote, "declined", by=actor.name, reason=reason, now=now)
    return quote


def expire_quotes(session: Session, *, now: datetime, limit: int = 200) -> int:
    """End up to `limit` open quotes whose last local day has passed; how many were ended."""
    found = session.execute(
        select(Quote.id, Quote.account_id, Quote.valid_until, Account.time_zone)
        .join(Account, Account.id == Quote.account_id)
        .where(OPEN_QUOTE, Quote.valid_until <= now.date())
        .order_by(Quote.valid_until, Quote.account_id, Quote.id)
        .limit(limit)
    ).all()
    ended = 0
    for quote_id, account_id, valid_until, time_zone in found:
        today = local_date_if_known(now, time_zone)
        if today is None or valid_until >= today:
            continue
        # The account first, then the quote, as whoever orders or declines it does.
        account = lock_account(session, account_id)
        quote = load_quote(session, account_id, quote_id)
        if quote.status == "open":
            _expire(session, account, quote, now)
            ended += 1
    session.flush()
    return ended


def expire_quotes_of(session: Session, account: Account, *, now: datetime) -> None:
    """End all open quotes of an account that cannot order them any more; the account is locked."""
    open_quotes = session.scalars(
        select(Quote)
        .where(Quote.account_id == account.id, Quote.status == "open")
        .order_by(Quote.id)
        .with_for_update()
    ).all()
    for quote in open_quotes:
        _expire(session, account, quote, now)


def expire_quotes_of_service(
    session: Session, account: Account, package_key: str, *, now: datetime
) -> None:
    """End the open quotes that offer a package which is not to be had, whatever else they offer (Q7).

    The account is locked. What is being paid already is left to its payment.
    """
    lines = session.execute(
        select(QuoteLine.quote_id, QuoteLine.details)
        .join(Quote, Quote.id == QuoteLine.quote_id)
        .where(Quote.account_id == account.id, Quote.status == "open", QuoteLine.kind == "service")
        .order_by(QuoteLine.quote_id)
    ).all()
    wanted = (quote_id for quote_id, details in lines if details.get("service") == package_key)
    for quote_id in dict.fromkeys(wanted):
        _expire(session, account, load_quote(session, account.id, quote_id), now)


def take_back_quote(session: Session, quote: Quote, *, actor: Actor, now: datetime) -> None:
    """End an open quote that nobody may order any more; the account is locked."""
    close_quote(session, quote, "withdrawn", now)
    record(session, "quote_withdrawn", actor=actor, now=now, account_id=quote.account_id,
           subject=quote.number)  # fmt: skip


def take_back_quotes_of_request(
    session: Session, account_id: int, request_id: int, *, actor: Actor, now: datetime
) -> None:
    """A request that ends without an order takes its open quote with it (Q1)."""
    for held in list_holdings(session.connection(), account_id):
        if held.subject == subject_of_request(request_id) and held.status == "open":
            take_back_quote(session, load_quote(session, account_id, held.quote_id),
                            actor=actor, now=now)  # fmt: skip


def _expire(session: Session, account: Account, quote: Quote, now: datetime) -> None:
    close_quote(session, quote, "expired", now)
    record(session, "quote_expired", actor=SYSTEM, now=now, account_id=quote.account_id,
           subject=quote.number)  # fmt: skip
    tell_desk(session, account, quote, "expired", now=now)


def _supersede(
    session: Session, account: Account, conflicts: list[Holding], by: Quote, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    for quote_id in {held.quote_id for held in conflicts}:
        old = load_quote(session, account.id, quote_id)
        close_quote(session, old, "superseded", now)
        old.superseded_by_id = by.id
        record(session, "quote_superseded", actor=actor, now=now, account_id=account.id,
               subject=old.number, new={"by": by.number})  # fmt: skip
    session.flush()


def close_quote(session: Session, quote: Quote, status: str, now: datetime) -> None:
    """End a quote that was not ordered; it no longer holds its subjects."""
    quote.status = status
    quote.closed_at = now
    quote.version += 1
    release_subjects(session, quote.id)
    session.flush()
