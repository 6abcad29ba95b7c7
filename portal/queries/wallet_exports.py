"""The files of a data export that are about credits (see portal.queries.export_files)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, bindparam, cast, select

from portal.models import (
    Account,
    CreditEntry,
    Invoice,
    Order,
    OrderLine,
    Person,
    TopUp,
    Wallet,
)
from portal.queries.exports import Dataset, dataset

__all__ = ["WALLET_DATASETS"]

_ACCOUNT: Any = bindparam("account_id")
_BY = Person.__table__.alias("by_person")

WALLET_DATASETS: tuple[Dataset, ...] = (
    dataset(
        "wallet_entries",
        select(CreditEntry.id)
        .join(Wallet, Wallet.id == CreditEntry.wallet_id)
        .outerjoin(_BY, _BY.c.id == CreditEntry.actor_id)
        .outerjoin(OrderLine, OrderLine.id == CreditEntry.order_line_id)
        .outerjoin(Order, Order.id == OrderLine.order_id),
        (
            (CreditEntry.at, "at", "instant", "When it was booked"),
            (CreditEntry.change, "credits", "int", "Credits added, or used if negative"),
            (CreditEntry.balance_after, "balance_after", "int", "Credits left after it"),
            (CreditEntry.reason, "reason", "text", "purchase, top_up, usage, manual or correction"),
            (CreditEntry.usage_kind, "usage", "text", "What they were used for"),
            (Order.number, "order", "text", "Number of the order that bought them"),
            (CreditEntry.top_up_id, "top_up_id", "int", "The top-up that brought them, see top_ups"),
            (CreditEntry.note, "note", "text", "Note"),
            (CreditEntry.details, "details", "json", "Details"),
            (_BY.c.name, "by", "text", "Who did it"),
        ),
        (CreditEntry.id,),
        Wallet.account_id == _ACCOUNT,
    ),
    dataset(
        "top_ups",
        select(TopUp.id)
        .join(Wallet, Wallet.id == TopUp.wallet_id)
        .outerjoin(Invoice, Invoice.id == TopUp.invoice_id),
        (
            (TopUp.id, "top_up_id", "int", "The automatic purchase of credits"),
            (TopUp.created_at, "created_at", "instant", "When it began"),
            (TopUp.settled_at, "settled_at", "instant", "When it was paid, or failed"),
            (TopUp.pack_key, "pack", "text", "Key of the pack"),
            (TopUp.credits, "credits", "int", "Credits of the pack"),
            (TopUp.currency, "currency", "text", "Currency (ISO 4217)"),
            (TopUp.net_minor, "net", "money", "Price without VAT"),
            (TopUp.tax_minor, "tax", "money", "VAT"),
            (TopUp.amount_minor, "gross", "money", "Price with VAT"),
            (TopUp.status, "status", "text", "open, done or failed"),
            (TopUp.failure_code, "failure", "text", "Why it was not paid"),
            (Invoice.number, "invoice", "text", "Number of the invoice"),
        ),
        (TopUp.id,),
        Wallet.account_id == _ACCOUNT,
    ),
    dataset(
        "wallet",
        select(Wallet.id).join(Account, Account.id == Wallet.account_id),
        (
            (Wallet.balance, "balance", "int", "Credits at present"),
            (cast(Wallet.auto_top_up, Integer), "auto_top_up", "int",
             "1 where packs are bought automatically"),
            (Wallet.threshold, "threshold", "int", "Below so many credits"),
            (Wallet.pack_key, "pack", "text", "Key of the pack that is bought"),
            (Account.currency, "currency", "text", "Currency (ISO 4217)"),
            (Wallet.monthly_cap_minor, "monthly_cap", "money", "At most so much a month, with VAT"),
        ),
        (Wallet.id,),
        Wallet.account_id == _ACCOUNT,
    ),
)  # fmt: skip
