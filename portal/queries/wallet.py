"""The wallet as its pages show it: the balance, its entries, what it was used for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.money import Money
from portal.models import (
    Account,
    CreditEntry,
    Invoice,
    Order,
    OrderLine,
    PaymentMethod,
    Person,
    TopUp,
    Wallet,
)
from portal.queries.payment_methods import METHOD_COLUMNS, PaymentMethodRow
from portal.queries.quotes import AccountBuying, select_account_buying

__all__ = [
    "MONTHS_SHOWN", "EntryFilter", "EntryRow", "WalletRow", "get_wallet", "iter_entries",
    "list_entries", "list_use",
]  # fmt: skip

MONTHS_SHOWN = 12
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class WalletRow:
    """The wallet and its automatic top-up; an account that never had credits has an empty one.

    `cap` and `spent` (this month's top-ups that did not fail) are with VAT. `open_since` is when the
    top-up under way began, `failure` why the last one was not paid. `is_owed`: the money of an
    earlier one did not arrive in the end. `method` pays them.
    """

    id: int | None
    balance: int
    first_entry_at: datetime | None
    is_on: bool
    threshold: int | None
    pack_key: str | None
    cap: Money | None
    spent: Money
    declines: int
    next_try_at: datetime | None
    open_since: datetime | None
    failure: str | None
    is_owed: bool
    method: PaymentMethodRow | None

    @property
    def is_set_up(self) -> bool:
        """Whether automatic top-up was ever chosen: it can be on or off."""
        return self.pack_key is not None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """What the history is narrowed to.

    `what`: used, added or nothing; `usage` is a key of the catalogue. From `since` until before
    `until`.
    """

    what: str = ""
    usage: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry with the balance after it, and the documents of a purchase."""

    id: int
    at: datetime
    change: int
    balance_after: int
    reason: str
    usage_kind: str | None
    note: str
    details: dict[str, Any] | None
    order_id: int | None
    invoice_number: str | None
    by: str | None


# The account with its wallet; the first entry and the top-ups are found by their indexes.
_FIRST_AT = (
    select(CreditEntry.at)
    .where(CreditEntry.wallet_id == Wallet.id)
    .order_by(CreditEntry.id)
    .limit(1)
    .correlate(Wallet)
    .scalar_subquery()
)
_SPENT = (
    select(func.sum(TopUp.amount_minor))
    .where(
        TopUp.wallet_id == Wallet.id, TopUp.month == bindparam("month"), TopUp.status != "failed"
    )
    .correlate(Wallet)
    .scalar_subquery()
)
_OPEN_SINCE = (
    select(TopUp.created_at)
    # Written out, so that SQLite sees that the partial index of the open ones holds it.
    .where(text("top_up.status = 'open'"), TopUp.wallet_id == Wallet.id)
    .correlate(Wallet)
    .scalar_subquery()
)
_FAILURE = (
    select(TopUp.failure_code)
    .where(TopUp.wallet_id == Wallet.id)
    .order_by(TopUp.id.desc())
    .limit(1)
    .correlate(Wallet)
    .scalar_subquery()
)
_OWED = (
    select(func.count())
    .select_from(TopUp)
    .join(Invoice, Invoice.id == TopUp.invoice_id)
    .where(TopUp.wallet_id == Wallet.id, Invoice.status == "open")
    .correlate(Wallet)
    .scalar_subquery()
)
_WALLET = (
    select_account_buying()
    .add_columns(
        Wallet.id,
        Wallet.balance,
        _FIRST_AT,
        Wallet.auto_top_up,
        Wallet.threshold,
        Wallet.pack_key,
        Wallet.monthly_cap_minor,
        _SPENT,
        Wallet.declines,
        Wallet.next_try_at,
        _OPEN_SINCE,
        _FAILURE,
        _OWED,
        *METHOD_COLUMNS,
    )
    .outerjoin(Wallet, Wallet.account_id == Account.id)
    .outerjoin(
        PaymentMethod,
        (PaymentMethod.account_id == Account.id)
        & PaymentMethod.is_default
        & PaymentMethod.removed_at.is_(None),
    )
)

# The entries that are shown are found first, and only then what belongs to them.
_FOUND: Select[Any] = (
    select(CreditEntry.id)
    .join(Wallet, Wallet.id == CreditEntry.wallet_id)
    .where(Wallet.account_id == bindparam("account_id"))
    .limit(bindparam("limit"))
)
_INVOICE_OF_ORDER = (
    select(Invoice.id).where(Invoice.order_id == Order.id).correlate(Order).scalar_subquery()
)
_ENTRIES = (
    select(
        CreditEntry.id,
        CreditEntry.at,
        CreditEntry.change,
        CreditEntry.balance_after,
        CreditEntry.reason,
        CreditEntry.usage_kind,
        CreditEntry.note,
        CreditEntry.details,
        OrderLine.order_id,
        Invoice.number,
        Person.name,
    )
    .outerjoin(OrderLine, OrderLine.id == CreditEntry.order_line_id)
    .outerjoin(Order, Order.id == OrderLine.order_id)
    .outerjoin(TopUp, TopUp.id == CreditEntry.top_up_id)
    .outerjoin(Invoice, Invoice.id == func.coalesce(TopUp.invoice_id, _INVOICE_OF_ORDER))
    .outerjoin(Person, Person.id == CreditEntry.actor_id)
    .order_by(CreditEntry.id.desc())
)


def _narrowed(what: str, usage: bool, since: bool, until: bool) -> Select[Any]:
    found = _FOUND
    if what == "used":
        found = found.where(CreditEntry.reason == "usage")
    elif what == "added":
        # What has no kind of use is a part of an index.
        found = found.where(CreditEntry.usage_kind.is_(None), CreditEntry.change > 0)
    if usage:
        found = found.where(CreditEntry.usage_kind == bindparam("usage"))
    if since:
        found = found.where(CreditEntry.at >= bindparam("since"))
    if until:
        found = found.where(CreditEntry.at < bindparam("until"))
    # Few may be of the kind: SQLite is kept from walking through all of them in their order.
    is_few = bool(usage) or what == "added"
    return found.order_by(-CreditEntry.id if is_few else CreditEntry.id.desc())


def _of_found(found: Select[Any]) -> Select[Any]:
    return _ENTRIES.where(CreditEntry.id.in_(select(found.subquery().c.id)))


@cache
def _page(what: str, usage: bool, since: bool, until: bool) -> Select[Any]:
    return _of_found(_narrowed(what, usage, since, until).offset(bindparam("offset")))


@cache
def _chunk(what: str, usage: bool, since: bool, until: bool) -> Select[Any]:
    before = CreditEntry.id < bindparam("before")
    return _of_found(_narrowed(what, usage, since, until).where(before))


# The kinds that were ever used, each found by a step through the index; then a row a kind with a sum
# a month. Months have no arithmetic that both databases share: their first instants are compared with.
_MINE = CreditEntry.wallet_id == bindparam("wallet_id")
_KINDS = select(func.min(CreditEntry.usage_kind).label("kind")).where(_MINE).cte(recursive=True)
_KINDS = _KINDS.union_all(
    select(
        select(func.min(CreditEntry.usage_kind))
        .where(_MINE, CreditEntry.usage_kind > _KINDS.c.kind)
        .scalar_subquery()
    ).where(_KINDS.c.kind.is_not(None))
)


def _sum_of_month(place: int) -> Any:
    used = [_MINE, CreditEntry.usage_kind == _KINDS.c.kind,
            CreditEntry.at >= bindparam(f"month_{place}")]  # fmt: skip
    if place + 1 < MONTHS_SHOWN:
        used.append(CreditEntry.at < bindparam(f"month_{place + 1}"))
    return select(-func.sum(CreditEntry.change)).where(*used).correlate(_KINDS).scalar_subquery()


_USE = select(_KINDS.c.kind, *map(_sum_of_month, range(MONTHS_SHOWN))).where(
    _KINDS.c.kind.is_not(None)
)


def get_wallet(
    connection: Connection, account_id: int, month: date
) -> tuple[AccountBuying, WalletRow]:
    """The account's facts and its wallet, in one statement.

    `month` is the first day of the local month that the cap counts (W3).
    """
    row = fetch_first(connection, _WALLET, account_id=account_id, month=month)
    width = len(AccountBuying.__slots__)
    buying = AccountBuying(*row[:width])
    key, balance, first_at, is_on, threshold, pack_key, cap, spent, declines, *rest = row[width:]
    next_try_at, open_since, failure, owed, *method = rest
    return buying, WalletRow(
        id=key,
        balance=balance or 0,
        first_entry_at=first_at,
        is_on=bool(is_on),
        threshold=threshold,
        pack_key=pack_key,
        cap=Money(cap, buying.currency) if cap is not None else None,
        spent=Money(int(spent or 0), buying.currency),
        declines=declines or 0,
        next_try_at=next_try_at,
        open_since=open_since,
        failure=failure,
        is_owed=bool(owed),
        method=PaymentMethodRow(*method) if method[0] is not None else None,
    )


def list_entries(
    connection: Connection, account_id: int, wanted: EntryFilter, *, limit: int, offset: int
) -> list[EntryRow]:
    """One page of the account's entries, the latest first."""
    statement = _page(*_shape(wanted))
    rows = fetch_all(
        connection, statement, **_values(account_id, wanted), limit=limit, offset=offset
    )
    return [EntryRow(*row) for row in rows]


def iter_entries(
    connection: Connection, account_id: int, wanted: EntryFilter
) -> Iterator[EntryRow]:
    """All of them, the latest first, read a thousand at a time so that memory stays bounded."""
    statement, values = _chunk(*_shape(wanted)), _values(account_id, wanted)
    before = 2**63 - 1
    while True:
        rows = fetch_all(connection, statement, **values, limit=_CHUNK, before=before)
        for row in rows:
            yield EntryRow(*row)
        if len(rows) < _CHUNK:
            return
        before = rows[-1][0]


def list_use(
    connection: Connection, wallet_id: int, begins: Sequence[datetime]
) -> list[tuple[int, str, int]]:
    """The credits used since `begins[0]`: (place of the month, kind, credits).

    `begins` are the first instants of `MONTHS_SHOWN` months, the oldest first.
    """
    values = {f"month_{place}": at for place, at in enumerate(begins)}
    rows = fetch_all(connection, _USE, wallet_id=wallet_id, **values)
    return [
        (place, kind, int(used)) for kind, *sums in rows for place, used in enumerate(sums) if used
    ]


def _shape(wanted: EntryFilter) -> tuple[str, bool, bool, bool]:
    return (
        wanted.what, bool(wanted.usage), wanted.since is not None, wanted.until is not None,
    )  # fmt: skip


def _values(account_id: int, wanted: EntryFilter) -> dict[str, Any]:
    values: dict[str, Any] = {"account_id": account_id}
    if wanted.usage:
        values["usage"] = wanted.usage
    if wanted.since is not None:
        values["since"] = wanted.since
    if wanted.until is not None:
        values["until"] = wanted.until
    return values
