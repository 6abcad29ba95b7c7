"""Issuing invoices: numbered, frozen, in the transaction that causes them (I1, I2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.labels import label_of
from portal.domain.order_lines import Sold, SoldOnce, first_term, start_of
from portal.domain.payment_references import reference_for
from portal.domain.periods import Interval, local_date
from portal.domain.trials import is_unpaid_trial
from portal.languages import language
from portal.models import (
    Account,
    AddOn,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    Plan,
    Product,
    Subscription,
    SubscriptionItem,
)
from portal.queries.subscriptions import list_subscription_states
from portal.services.numbering import take_number
from portal.services.snapshots import seller_snapshot
from portal.wording import goods_words, line_words

__all__ = ["DraftLine", "invoice_number", "issue_invoice", "issue_order_invoice", "item_labels",
           "transfer_reference"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One line of an invoice to be; amounts in minor units, `tax_rate` in per cent as text."""

    kind: str
    description: str
    item_id: int | None
    quantity: int
    unit_minor: int
    discount_basis_points: int
    days_left: int | None
    days: int | None
    period_starts_on: date | None
    period_ends_on: date | None
    net_minor: int
    tax_rate: str
    discount_minor: int = 0


def invoice_number(prefix: str, year: int, sequence: int) -> str:
    """How a number reads: 2026-00412, or KAN-2026-00412 with the vendor's prefix."""
    number = f"{year}-{sequence:05d}"
    return f"{prefix}-{number}" if prefix else number


def transfer_reference(payment_terms: str, year: int, sequence: int, country: str) -> str:
    """What identifies the transfer of an invoice; empty for who does not pay by bank transfer."""
    if payment_terms != "bank_transfer":
        return ""
    return reference_for(year, sequence, country)


def issue_invoice(
    session: Session,
    *,
    account: Account,
    catalogue: Catalogue,
    kind: str,
    lines: Iterable[DraftLine],
    net_minor: int,
    tax_minor: int,
    tax: Mapping[str, Any],
    buyer: Mapping[str, Any],
    status: str,
    now: datetime,
    due_days: int = 0,
    order_id: int | None = None,
    subscription_id: int | None = None,
) -> Invoice:
    """Issue an invoice on the vendor's date (P3), with the next number of its series (I2)."""
    vendor = catalogue.vendor
    issued_on = local_date(now, vendor.time_zone)
    sequence = take_number(session, "invoice", issued_on.year)
    gross = net_minor + tax_minor
    invoice = Invoice(
        account_id=account.id,
        series="invoice",
        year=issued_on.year,
        sequence=sequence,
        number=invoice_number(vendor.invoice_prefix, issued_on.year, sequence),
        kind=kind,
        order_id=order_id,
        subscription_id=subscription_id,
        issued_at=now,
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=due_days),
        currency=account.currency,
        net_minor=net_minor,
        tax_minor=tax_minor,
        gross_minor=gross,
        tax=dict(tax),
        locale=account.locale,
        seller=seller_snapshot(vendor),
        buyer=dict(buyer),
        payment_terms=account.payment_terms,
        payment_reference=transfer_reference(
            account.payment_terms, issued_on.year, sequence, buyer.get("country", "")
        ),
        status=status,
        paid_minor=gross if status == "paid" else 0,
        paid_at=now if status == "paid" else None,
    )
    session.add(invoice)
    session.flush()
    session.add_all(
        InvoiceLine(
            invoice_id=invoice.id,
            position=position,
            kind=line.kind,
            description=line.description,
            item_id=line.item_id,
            quantity=line.quantity,
            unit_minor=line.unit_minor,
            discount_basis_points=line.discount_basis_points,
            discount_minor=line.discount_minor,
            days_left=line.days_left,
            days=line.days,
            period_starts_on=line.period_starts_on,
            period_ends_on=line.period_ends_on,
            net_minor=line.net_minor,
            tax_rate=line.tax_rate,
        )
        for position, line in enumerate(lines, start=1)
    )
    session.flush()
    return invoice


def issue_order_invoice(
    session: Session,
    order: Order,
    *,
    account: Account,
    catalogue: Catalogue,
    status: str,
    now: datetime,
    due_days: int = 0,
) -> Invoice:
    """The invoice of an order (I3): line by line what was shown and charged (Q2).

    One that is issued before the money has come does not know yet when a start will be paid for.
    """
    lines = session.scalars(
        select(OrderLine).where(OrderLine.order_id == order.id).order_by(OrderLine.position)
    ).all()
    labels = item_labels(
        session, [x.item_id for x in lines if x.item_id is not None], catalogue, account.locale
    )
    starts = {}
    if status != "open":
        starts = _starts(session, lines, account, local_date(now, account.time_zone))
    rate = str(order.tax["rate"])
    return issue_invoice(
        session,
        account=account,
        catalogue=catalogue,
        kind="order",
        lines=[
            _draft(line, labels.get(line.item_id or 0, ""), catalogue, account.locale, rate, starts)
            for line in lines
        ],
        net_minor=order.net_minor,
        tax_minor=order.tax_minor,
        tax=order.tax,
        buyer=order.buyer,
        status=status,
        now=now,
        due_days=due_days,
        order_id=order.id,
    )


def _starts(
    session: Session, lines: Iterable[OrderLine], account: Account, today: date
) -> dict[str, date]:
    """The first day that each product that is begun is paid for: paying grants it (Q3, C5)."""
    begun = [
        sold
        for line in lines
        if line.kind == "start" and (sold := Sold.read(line.details)) is not None and sold.plan
    ]
    if not begun:
        return {}
    states = list_subscription_states(session.connection(), account.id)
    tried = {state.product_key: state for state in states if is_unpaid_trial(state)}
    return {sold.product: start_of(sold, tried.get(sold.product), today) for sold in begun}


def _draft(
    line: OrderLine, item_label: str, catalogue: Catalogue, locale: str, rate: str,
    starts: Mapping[str, date],
) -> DraftLine:  # fmt: skip
    """An order's line as the invoice says it, in the account's language."""
    sold = Sold.read(line.details)
    starts_on, ends_on = line.period_starts_on, line.period_ends_on
    if line.kind == "start" and sold is not None and sold.product in starts:
        period = first_term(starts[sold.product], Interval(sold.interval)).period(0)
        starts_on, ends_on = period.start, period.end
    return DraftLine(
        kind=line.kind,
        description=line_words(
            language(locale), line.kind,
            goods_words(language(locale), catalogue, sold or SoldOnce.read(line.details))
            or item_label,
        ),
        item_id=line.item_id,
        quantity=line.quantity,
        unit_minor=line.unit_minor,
        discount_basis_points=line.discount_basis_points,
        days_left=line.days_left,
        days=line.days,
        period_starts_on=starts_on,
        period_ends_on=ends_on,
        net_minor=line.net_minor,
        tax_rate=rate,
        discount_minor=line.discount_minor,
    )  # fmt: skip


def item_labels(
    session: Session, item_ids: Iterable[int], catalogue: Catalogue, locale: str
) -> dict[int, str]:
    """What each subscription item is called in `locale`, for example 'Kanto CRM Pro'."""
    rows = session.execute(
        select(SubscriptionItem.id, Product.key, Plan.key, AddOn.key, AddOn.package_key)
        .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
        .join(Product, Product.id == Subscription.product_id)
        .outerjoin(Plan, Plan.id == SubscriptionItem.plan_id)
        .outerjoin(AddOn, AddOn.id == SubscriptionItem.add_on_id)
        .where(SubscriptionItem.id.in_(list(item_ids)))
    )
    return {row[0]: label_of(catalogue, row[1], row[2], row[3], row[4], locale) for row in rows}
