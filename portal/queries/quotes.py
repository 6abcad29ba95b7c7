"""Quotes and carts as pages and services read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, or_, select
from sqlalchemy.engine import Connection

from portal.db import among, fetch_all, fetch_first
from portal.domain.money import Money
from portal.domain.order_lines import PinnedLine, Sold, SoldOnce
from portal.domain.tax import EU_COUNTRIES, VatStatus
from portal.domain.wishes import Seats, Wish, wish_from_row
from portal.models import (
    LIVE_ORDER,
    Account,
    Cart,
    CartLine,
    ChangeRequest,
    Order,
    Person,
    Quote,
    QuoteLine,
    QuoteSubject,
    StaffMember,
)

__all__ = [
    "AccountBuying", "Holding", "QuoteRow", "QuoteSummary", "get_account_buying",
    "get_account_overview", "get_cart_totals", "get_cart_wishes",
    "get_quote", "list_account_buying", "list_holdings", "list_quotes", "select_account_buying",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccountBuying:
    """What buying needs to know of an account: who it is for VAT, how it pays, who serves it."""

    account_id: int
    company_name: str
    address_line1: str
    address_line2: str
    postal_code: str
    city: str
    country: str
    vat_number: str | None
    vat_status: str
    billing_contact: str
    billing_email: str
    purchase_order: str
    currency: str
    locale: str
    time_zone: str
    payment_terms: str
    executive_name: str | None
    executive_email: str | None
    executive_phone: str | None
    executive_hours: dict[str, str] | None

    @property
    def vat_waits_for_check(self) -> bool:
        """Whether the VAT number is still to be checked: VIES knows those of the EU alone (I4)."""
        return self.vat_status == VatStatus.UNCHECKED and self.country in EU_COUNTRIES


@dataclass(frozen=True, slots=True)
class Holding:
    """A quote that holds a subject (Q1): open, or accepted with an unresolved order."""

    subject: str
    quote_id: int
    number: str
    status: str
    valid_until: date
    order_id: int | None
    order_number: str | None
    order_status: str | None

    def waits_on(self, today: date) -> bool:
        """Whether it waits for the customer: an order to be paid, or a quote not yet expired."""
        return self.order_id is not None or today <= self.valid_until


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """One quote with its pinned lines.

    `purchase_order` is the customer's own number, where the request that it answers gave one.
    """

    id: int
    number: str
    status: str
    source: str
    currency: str
    created_at: datetime
    created_on: date
    valid_until: date
    created_by: str
    message: str
    decline_reason: str
    closed_at: datetime | None
    superseded_by_id: int | None
    superseded_by_number: str | None
    cart_id: int | None
    order_id: int | None
    order_number: str | None
    order_status: str | None
    purchase_order: str
    lines: tuple[PinnedLine, ...]


@dataclass(frozen=True, slots=True)
class QuoteSummary:
    """One quote in a list; `lines` counts them, `quantity` sums the units, `kind` is the first's."""

    id: int
    number: str
    status: str
    source: str
    created_on: date
    valid_until: date
    created_by: str
    lines: int
    quantity: int
    kind: str
    order_id: int | None


_EXECUTIVE = Person.__table__.alias("executive")
_ACCOUNTS: Any = (
    select(
        Account.id,
        Account.company_name,
        Account.address_line1,
        Account.address_line2,
        Account.postal_code,
        Account.city,
        Account.country,
        Account.vat_number,
        Account.vat_status,
        Account.billing_contact,
        Account.billing_email,
        Account.purchase_order,
        Account.currency,
        Account.locale,
        Account.time_zone,
        Account.payment_terms,
        _EXECUTIVE.c.name,
        _EXECUTIVE.c.email,
        StaffMember.phone,
        StaffMember.working_hours,
    )
    # Who has left serves nobody: customers are not led to them.
    .outerjoin(StaffMember, (StaffMember.id == Account.account_executive_id) & StaffMember.active)
    .outerjoin(_EXECUTIVE, _EXECUTIVE.c.id == StaffMember.person_id)
)
_ACCOUNT = _ACCOUNTS.where(Account.id == bindparam("account_id"))
_MANY_ACCOUNTS = _ACCOUNTS.where(among(Account.id, "account_ids"))

# Comparisons, not IN: a list is expanded anew at every execution. An order that waits for a
# transfer is unresolved, too, where its quote still holds a subject.
_UNRESOLVED = and_(
    LIVE_ORDER,
    or_(Order.status == "placed", Order.status == "requires_action", Order.status == "invoiced"),
)
_HOLDING_COLUMNS = (
    QuoteSubject.subject,
    Quote.id,
    Quote.number,
    Quote.status,
    Quote.valid_until,
    Order.id,
    Order.number,
    Order.status,
)
_HOLDINGS = (
    select(*_HOLDING_COLUMNS)
    .join(Quote, Quote.id == QuoteSubject.quote_id)
    .outerjoin(Order, (Order.quote_id == Quote.id) & _UNRESOLVED)
    .where(Quote.account_id == bindparam("account_id"), QuoteSubject.holds)
    .order_by(Quote.id, QuoteSubject.subject)
)

# The account and what its quotes hold, in one statement: a row a holding, or one row without.
_OVERVIEW = (
    _ACCOUNT.add_columns(*_HOLDING_COLUMNS)
    .outerjoin(
        QuoteSubject,
        and_(
            QuoteSubject.holds,
            QuoteSubject.quote_id.in_(
                select(Quote.id).where(Quote.account_id == bindparam("account_id"))
            ),
        ),
    )
    .outerjoin(Quote, Quote.id == QuoteSubject.quote_id)
    .outerjoin(Order, (Order.quote_id == Quote.id) & _UNRESOLVED)
    .order_by(Quote.id, QuoteSubject.subject)
)

_NEXT = Quote.__table__.alias("next_quote")
_LIVE_ORDER = (
    select(func.max(Order.id))
    .where(Order.quote_id == Quote.id, LIVE_ORDER)
    .correlate(Quote)
    .scalar_subquery()
)
# The request's own purchase order: whatever way leads to its invoice, that number stands on it.
_NUMBER_GIVEN = func.coalesce(
    select(ChangeRequest.purchase_order)
    .where(ChangeRequest.quote_id == Quote.id)
    .order_by(ChangeRequest.id.desc())
    .limit(1)
    .correlate(Quote)
    .scalar_subquery(),
    "",
)
_QUOTE = (
    select(
        Quote.id,
        Quote.number,
        Quote.status,
        Quote.source,
        Quote.currency,
        Quote.created_at,
        Quote.created_on,
        Quote.valid_until,
        Person.name,
        Quote.message,
        Quote.decline_reason,
        Quote.closed_at,
        Quote.superseded_by_id,
        _NEXT.c.number,
        Quote.cart_id,
        Order.id,
        Order.number,
        Order.status,
        _NUMBER_GIVEN,
        QuoteLine.position,
        QuoteLine.kind,
        QuoteLine.item_id,
        QuoteLine.price_id,
        QuoteLine.quantity,
        QuoteLine.unit_minor,
        QuoteLine.discount_basis_points,
        QuoteLine.discount_minor,
        QuoteLine.details,
    )
    .join(Person, Person.id == Quote.created_by_id)
    .join(QuoteLine, QuoteLine.quote_id == Quote.id)
    .outerjoin(_NEXT, _NEXT.c.id == Quote.superseded_by_id)
    .outerjoin(Order, Order.id == _LIVE_ORDER)
    .where(Quote.account_id == bindparam("account_id"), Quote.id == bindparam("quote_id"))
    .order_by(QuoteLine.position)
)

_COUNT = select(func.count()).where(QuoteLine.quote_id == Quote.id).correlate(Quote)
_UNITS = select(func.sum(QuoteLine.quantity)).where(QuoteLine.quote_id == Quote.id).correlate(Quote)
_KIND = (
    select(QuoteLine.kind)
    .where(QuoteLine.quote_id == Quote.id)
    .order_by(QuoteLine.position)
    .limit(1)
    .correlate(Quote)
)
_QUOTES = (
    select(
        Quote.id,
        Quote.number,
        # An open quote past its last day is expired, whether or not a job has said so yet.
        case(
            ((Quote.status == "open") & (Quote.valid_until < bindparam("today")), "expired"),
            else_=Quote.status,
        ),
        Quote.source,
        Quote.created_on,
        Quote.valid_until,
        Person.name,
        _COUNT.scalar_subquery(),
        _UNITS.scalar_subquery(),
        _KIND.scalar_subquery(),
        _LIVE_ORDER,
    )
    .join(Person, Person.id == Quote.created_by_id)
    .where(Quote.account_id == bindparam("account_id"))
    .order_by(Quote.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)

_CART = (
    select(
        CartLine.kind, CartLine.item_id, CartLine.quantity, CartLine.subject_key, CartLine.details
    )
    .join(Cart, Cart.id == CartLine.cart_id)
    .where(
        Cart.account_id == bindparam("account_id"),
        Cart.person_id == bindparam("person_id"),
        Cart.status == "open",
    )
    .order_by(CartLine.id)
)


def select_account_buying() -> Select[Any]:
    """The statement of an account's `AccountBuying`, for pages that read more beside it."""
    return _ACCOUNT


def get_account_buying(connection: Connection, account_id: int) -> AccountBuying:
    """The facts of an account that exists."""
    return AccountBuying(*fetch_first(connection, _ACCOUNT, account_id=account_id))


def list_account_buying(
    connection: Connection, account_ids: Collection[int]
) -> dict[int, AccountBuying]:
    """The facts of many accounts, by id: for a batch."""
    rows = fetch_all(connection, _MANY_ACCOUNTS, account_ids=list(account_ids))
    return {row[0]: AccountBuying(*row) for row in rows}


def get_account_overview(
    connection: Connection, account_id: int
) -> tuple[AccountBuying, tuple[Holding, ...]]:
    """The facts of an account and what its quotes hold (Q1): one statement."""
    return read_account_overview(fetch_all(connection, _OVERVIEW, account_id=account_id))


def select_account_overview() -> Select[Any]:
    """The statement of `get_account_overview`, for pages that read more beside it."""
    return _OVERVIEW


def read_account_overview(
    rows: Sequence[Any],
) -> tuple[AccountBuying, tuple[Holding, ...]]:
    """What its rows tell; further columns are the caller's."""
    width = len(AccountBuying.__slots__)
    end = width + len(_HOLDING_COLUMNS)
    holdings = tuple(Holding(*row[width:end]) for row in rows if row[width] is not None)
    return AccountBuying(*rows[0][:width]), holdings


def list_holdings(connection: Connection, account_id: int) -> tuple[Holding, ...]:
    """What the account's quotes hold at present (Q1), a row a subject."""
    return tuple(Holding(*row) for row in fetch_all(connection, _HOLDINGS, account_id=account_id))


def get_quote(connection: Connection, account_id: int, quote_id: int) -> QuoteRow | None:
    """One quote of the account with its lines, or None (also for another account's)."""
    rows = fetch_all(connection, _QUOTE, account_id=account_id, quote_id=quote_id)
    if not rows:
        return None
    first = rows[0]
    lines = tuple(_pinned(row[19:], first[4]) for row in rows)
    return QuoteRow(*(*first[:19], lines))


def list_quotes(
    connection: Connection, account_id: int, today: date, *, limit: int, offset: int
) -> list[QuoteSummary]:
    """One page of the account's quotes, newest first."""
    rows = fetch_all(
        connection, _QUOTES, account_id=account_id, today=today, limit=limit, offset=offset
    )
    return [QuoteSummary(*row) for row in rows]


def get_cart_wishes(connection: Connection, account_id: int, person_id: int) -> list[Wish]:
    """What is wished in the person's open cart."""
    rows = fetch_all(connection, _CART, account_id=account_id, person_id=person_id)
    return [wish for row in rows if (wish := wish_from_row(*row)) is not None]


def get_cart_totals(connection: Connection, account_id: int, person_id: int) -> dict[int, int]:
    """The new totals of seats by item that stand in the person's open cart."""
    wishes = get_cart_wishes(connection, account_id, person_id)
    return {wish.item_id: wish.total for wish in wishes if isinstance(wish, Seats)}


def _pinned(row: tuple[Any, ...], currency: str) -> PinnedLine:
    return PinnedLine(
        position=row[0],
        kind=row[1],
        item_id=row[2],
        price_id=row[3],
        quantity=row[4],
        unit_price=Money(row[5], currency),
        discount_basis_points=row[6],
        discount_minor=row[7],
        sold=Sold.read(row[8]),
        once=SoldOnce.read(row[8]),
    )
