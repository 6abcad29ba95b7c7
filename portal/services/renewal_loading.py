"""What renewals work with, loaded for many subscriptions in few statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session, aliased

from portal.db import among, fetch_all
from portal.domain.order_lines import Sold
from portal.domain.subscriptions import SubscriptionState
from portal.models import (
    Account,
    AddOn,
    BillingPeriod,
    Invoice,
    Order,
    OrderLine,
    PaymentMethod,
    Plan,
    Product,
    Subscription,
    SubscriptionItem,
    Term,
)
from portal.queries.quotes import AccountBuying, list_account_buying
from portal.queries.subscriptions import read_states, select_states

__all__ = ["CatalogueIds", "Following", "Payer", "Renewing", "load_catalogue_ids",
           "load_renewing"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Payer:
    """The account that a renewal is for; `method_id` is what it pays with, if anything."""

    id: int
    buyer: AccountBuying
    name: str
    external_ref: str | None
    recipients: tuple[str, ...]
    method_id: int | None
    by_transfer: bool


@dataclass(frozen=True, slots=True)
class Following:
    """The next period where it was written and invoiced ahead (I3).

    `net_minor` is what was invoiced of it: by its own invoice, and by orders since.
    """

    id: int
    term_id: int
    ends_on: date
    invoice_number: str | None
    net_minor: int


@dataclass(frozen=True, slots=True)
class Renewing:
    """A subscription whose renewal may be due, with the rows around it; its account is locked."""

    payer: Payer
    state: SubscriptionState
    period_id: int
    term_id: int
    terms: int
    following: Following | None
    parked: bool


@dataclass(frozen=True, slots=True)
class CatalogueIds:
    """The rows of what a change names by key: (product, plan) and (product, add-on, package)."""

    plans: Mapping[tuple[str, str], int]
    add_ons: Mapping[tuple[str, str, str], int]


_STATES = select_states(among(Subscription.id))
_FOLLOWING = aliased(BillingPeriod)
_LAST_TERM = (
    select(func.max(Term.number))
    .where(Term.subscription_id == Subscription.id)
    .correlate(Subscription)
    .scalar_subquery()
)
_AROUND = (
    select(
        Subscription.id,
        Subscription.account_id,
        Subscription.parked_at,
        BillingPeriod.id,
        BillingPeriod.term_id,
        _LAST_TERM,
        _FOLLOWING.id,
        _FOLLOWING.term_id,
        _FOLLOWING.ends_on,
        _FOLLOWING.renewal_invoice_id,
    )
    .join(
        BillingPeriod,
        and_(BillingPeriod.subscription_id == Subscription.id, BillingPeriod.is_current),
    )
    .outerjoin(
        _FOLLOWING,
        and_(
            _FOLLOWING.subscription_id == Subscription.id,
            _FOLLOWING.starts_on == BillingPeriod.ends_on,
        ),
    )
    .where(among(Subscription.id))
)
# Apart, and only where something was invoiced ahead: a plan for the few would read all invoices.
_INVOICES = select(Invoice.id, Invoice.number, Invoice.net_minor).where(among(Invoice.id))
_ORDERED = (
    select(
        SubscriptionItem.subscription_id,
        OrderLine.details,
        OrderLine.net_minor,
        OrderLine.period_ends_on,
    )
    .join(Order, Order.id == OrderLine.order_id)
    .outerjoin(SubscriptionItem, SubscriptionItem.id == OrderLine.item_id)
    .where(
        among(Order.account_id),
        or_(Order.status == "paid", Order.status == "done"),
        OrderLine.kind == "coming",
    )
)
_ACCOUNTS = select(
    Account.id, Account.name, Account.external_ref, Account.invoice_recipients
).where(among(Account.id))
_METHODS = select(PaymentMethod.account_id, PaymentMethod.id).where(
    among(PaymentMethod.account_id),
    PaymentMethod.is_default,
    PaymentMethod.removed_at.is_(None),
)


def load_renewing(session: Session, subscription_ids: Collection[int]) -> list[Renewing]:
    """The subscriptions among these that are in a period, in the given order.

    Their accounts are locked by the caller: what is read here stays so until the commit.
    """
    connection = session.connection()
    ids = list(subscription_ids)
    if not ids:
        return []
    around = {row[0]: row for row in fetch_all(connection, _AROUND, ids=ids)}
    ahead = [row[-1] for row in around.values() if row[-1] is not None]
    invoices = {
        row[0]: row for row in (fetch_all(connection, _INVOICES, ids=ahead) if ahead else ())
    }
    ordered = _ordered_ahead(connection, around) if ahead else {}
    payers = _payers(connection, {row[1] for row in around.values()})
    states = {
        row.state.subscription_id: row.state
        for row in read_states(fetch_all(connection, _STATES, ids=ids))
    }
    return [
        _renewing(around[one], payers[around[one][1]], states[one], invoices, ordered.get(one, 0))
        for one in ids
        if one in around and one in states
    ]


def _renewing(
    row: Any, payer: Payer, state: SubscriptionState, invoices: Mapping[int, Any], ordered: int
) -> Renewing:
    (_id, _account, parked_at, period_id, term_id, terms, next_id, next_term, next_end,
     invoice_id) = row  # fmt: skip
    following = None
    if next_id is not None:
        _key, number, net_minor = invoices.get(invoice_id, (None, None, 0))
        following = Following(next_id, next_term, next_end, number, net_minor + ordered)
    return Renewing(
        payer, state, period_id, term_id, terms, following, parked=parked_at is not None
    )


def _ordered_ahead(connection: Connection, around: Mapping[int, Any]) -> dict[int, int]:
    """What granted orders have billed of the coming periods, by subscription (I3)."""
    found: dict[int, int] = {}
    ids = sorted({row[1] for row in around.values()})
    for of_item, details, net_minor, ends_on in fetch_all(connection, _ORDERED, ids=ids):
        sold = Sold.read(details)
        key = of_item or (sold.subscription_id if sold is not None else None) or 0
        if key in around and around[key][-2] == ends_on:
            found[key] = found.get(key, 0) + net_minor
    return found


def _payers(connection: Connection, account_ids: Collection[int]) -> dict[int, Payer]:
    ids = list(account_ids)
    buyers = list_account_buying(connection, ids)
    methods = {row[0]: row[1] for row in fetch_all(connection, _METHODS, ids=ids)}
    return {
        key: Payer(key, buyers[key], name, external_ref, tuple(recipients or ()), methods.get(key),
                   by_transfer=buyers[key].payment_terms == "bank_transfer")
        for key, name, external_ref, recipients in fetch_all(connection, _ACCOUNTS, ids=ids)
    }  # fmt: skip


def load_catalogue_ids(session: Session) -> CatalogueIds:
    """The ids of all plans and add-ons: a catalogue is small."""
    plans = session.execute(
        select(Product.key, Plan.key, Plan.id).join(Plan, Plan.product_id == Product.id)
    )
    add_ons = session.execute(
        select(Product.key, AddOn.key, AddOn.package_key, AddOn.id).join(
            AddOn, AddOn.product_id == Product.id
        )
    )
    return CatalogueIds(
        plans={(product, plan): key for product, plan, key in plans},
        add_ons={(product, add_on, package): key for product, add_on, package, key in add_ons},
    )
