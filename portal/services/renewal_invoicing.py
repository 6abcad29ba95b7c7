"""The renewal invoices of a batch, with their charges: numbered in one go, gapless (I2, I3, M1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.money import Money
from portal.domain.periods import local_date
from portal.models import DeskTask, Invoice, InvoiceLine, Job, Payment, PaymentAttempt
from portal.payments.smallest_charge import is_too_small
from portal.services.balance_use import plan_uses, write_uses
from portal.services.bulk_rows import as_json, insert_rows, take_ids
from portal.services.invoice_charges import not_chargeable_key
from portal.services.invoicing import invoice_number, transfer_reference
from portal.services.numbering import take_numbers
from portal.services.renewal_loading import Payer
from portal.services.renewal_planning import DraftInvoice, Step
from portal.services.snapshots import seller_snapshot

__all__ = ["Issued", "issue_invoices"]

_INVOICES: Table = Invoice.__table__
_LINES: Table = InvoiceLine.__table__
_PAYMENTS: Table = Payment.__table__
_ATTEMPTS: Table = PaymentAttempt.__table__
_JOBS: Table = Job.__table__
_TASKS: Table = DeskTask.__table__

_INVOICE = (
    "id", "account_id", "series", "year", "sequence", "number", "kind", "subscription_id",
    "issued_at", "issued_on", "due_on", "currency", "net_minor", "tax_minor", "gross_minor",
    "tax", "locale", "seller", "buyer", "payment_terms", "payment_reference", "status",
    "paid_minor", "credited_minor", "paid_at",
)  # fmt: skip
_LINE = (
    "invoice_id", "position", "kind", "description", "item_id", "quantity", "unit_minor",
    "discount_basis_points", "period_starts_on", "period_ends_on", "net_minor", "tax_rate",
)  # fmt: skip
_PAYMENT = ("id", "account_id", "invoice_id", "kind", "amount_minor", "refunded_minor", "currency",
            "status", "method_id", "bank_reference", "created_at")  # fmt: skip
_ATTEMPT = ("id", "payment_id", "number", "idempotency_key", "method_id", "status", "action_url",
            "created_at")  # fmt: skip
_JOB = ("kind", "payload", "dedupe_key", "status", "run_at", "created_at", "attempts", "fence",
        "last_error")  # fmt: skip
_TASK = ("account_id", "kind", "dedupe_key", "details", "created_at")


@dataclass(frozen=True, slots=True)
class Issued:
    """An invoice that was issued; `collected`: the charge of its `rest_minor` is reserved.

    `used_minor` of it was paid from the account's balance; `reference` is that of a transfer.
    `left_open`: its rest is less than can be charged, so nobody asks for it (M5).
    """

    id: int
    sequence: int
    number: str
    due_on: date
    draft: DraftInvoice
    used_minor: int
    collected: bool
    left_open: bool
    reference: str

    @property
    def rest_minor(self) -> int:
        """What is left to be paid."""
        return self.draft.gross_minor - self.used_minor


def issue_invoices(
    session: Session, steps: Sequence[Step], *, catalogue: Catalogue, now: datetime
) -> dict[int, Issued]:
    """Issue what the steps drafted and reserve the charges; by subscription.

    Dates and numbers are the vendor's (P3). The account's balance is used first (M6); an invoice
    of which nothing is left to be paid is issued paid.
    """
    drafted = [(step, step.invoice) for step in steps if step.invoice is not None]
    if not drafted:
        return {}
    connection = session.connection()
    vendor = catalogue.vendor
    issued_on = local_date(now, vendor.time_zone)
    seller = as_json(seller_snapshot(vendor))
    later = issued_on + timedelta(days=catalogue.policy.invoice_due_days)
    ids = take_ids(connection, _INVOICES, len(drafted))
    uses = plan_uses(connection, [
        (step.payer.id, key, Money(draft.gross_minor, step.payer.buyer.currency))
        for (step, draft), key in zip(drafted, ids, strict=True)
    ], {step.payer.id for step, _draft in drafted if step.payer.by_transfer})  # fmt: skip
    sequences = take_numbers(session, "invoice", issued_on.year, len(drafted))
    year = issued_on.year
    issued: dict[int, Issued] = {}
    for (step, draft), key, sequence in zip(drafted, ids, sequences, strict=True):
        payer = step.payer
        used = uses[key].used.minor if key in uses else 0
        rest = draft.gross_minor - used
        left_open = not payer.by_transfer and is_too_small(Money(rest, payer.buyer.currency))
        charged = rest != 0 and not left_open and not payer.by_transfer
        collected = charged and bool(payer.method_id)
        number = invoice_number(vendor.invoice_prefix, year, sequence)
        due_on = later if payer.by_transfer else issued_on
        issued[step.subscription_id] = Issued(
            key, sequence, number, due_on, draft, used, collected, left_open,
            transfer_reference(payer.buyer.payment_terms, year, sequence,
                               payer.buyer.country),
        )  # fmt: skip
    insert_rows(
        connection, _INVOICES, _INVOICE,
        (_invoice(step, issued[step.subscription_id], issued_on, seller, now)
         for step, _draft in drafted),
    )  # fmt: skip
    insert_rows(
        connection, _LINES, _LINE,
        (row for step, _draft in drafted for row in _lines(step, issued[step.subscription_id])),
    )  # fmt: skip
    write_uses(connection, uses.values(), now)
    _reserve_charges(session, [(step.payer, issued[step.subscription_id]) for step, _ in drafted],
                     now)  # fmt: skip
    return issued


def _invoice(
    step: Step, invoice: Issued, issued_on: date, seller: str, now: datetime
) -> tuple[Any, ...]:
    draft, buyer = invoice.draft, step.payer.buyer
    free = invoice.rest_minor == 0
    return (
        invoice.id, buyer.account_id, "invoice", issued_on.year, invoice.sequence, invoice.number,
        "renewal", step.subscription_id, now, issued_on, invoice.due_on, buyer.currency,
        draft.net_minor, draft.tax_minor, draft.gross_minor, draft.tax, buyer.locale, seller,
        draft.buyer, buyer.payment_terms, invoice.reference, "paid" if free else "open", invoice.used_minor, 0,
        now if free else None,
    )  # fmt: skip


def _lines(step: Step, invoice: Issued) -> Iterator[tuple[Any, ...]]:
    period = step.plan.after.period
    assert period is not None
    start, end, rate = period.start, period.end, invoice.draft.rate
    for position, line in enumerate(invoice.draft.lines, start=1):
        kind, description, item_id, quantity, unit_minor, net_minor = line
        yield (
            invoice.id, position, kind, description, item_id, quantity, unit_minor, 0, start, end,
            net_minor, rate,
        )  # fmt: skip


def _reserve_charges(
    session: Session, invoices: Sequence[tuple[Payer, Issued]], now: datetime
) -> None:
    """Payment, attempt and key are stored, with a job each: the worker charges after the commit."""
    connection = session.connection()
    charged = [(payer, invoice) for payer, invoice in invoices if invoice.collected]
    payment_ids = take_ids(connection, _PAYMENTS, len(charged))
    attempt_ids = take_ids(connection, _ATTEMPTS, len(charged))
    ids = list(zip(charged, payment_ids, attempt_ids, strict=True))
    insert_rows(connection, _PAYMENTS, _PAYMENT, (
        (payment_id, payer.id, invoice.id, "automatic", invoice.rest_minor, 0,
         payer.buyer.currency, "unresolved", payer.method_id, "", now)
        for (payer, invoice), payment_id, _ in ids
    ))  # fmt: skip
    insert_rows(connection, _ATTEMPTS, _ATTEMPT, (
        (attempt_id, payment_id, 1, f"pi:invoice-{invoice.id}:1", payer.method_id, "reserved", "",
         now)
        for (payer, invoice), payment_id, attempt_id in ids
    ))  # fmt: skip
    insert_rows(connection, _JOBS, _JOB, (
        ("settle_attempt", f'{{"attempt_id": {key}}}', f"settle_attempt:{key}", "waiting", now,
         now, 0, 0, "")
        for key in attempt_ids
    ))  # fmt: skip
    insert_rows(connection, _TASKS, _TASK, (
        (payer.id, *_task(invoice), as_json({"invoice": invoice.number}), now)
        for payer, invoice in invoices
        if not invoice.collected and not payer.by_transfer and invoice.rest_minor
    ))  # fmt: skip


def _task(invoice: Issued) -> tuple[str, str]:
    """Why an invoice is not collected: the kind of its desk task, and what makes it one."""
    if invoice.left_open:
        return "amount_not_chargeable", not_chargeable_key(invoice.id)
    return "no_payment_method", f"no_method:{invoice.id}"
