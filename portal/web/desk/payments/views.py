"""What booking a transfer would do to an invoice that is on screen."""

from __future__ import annotations

from datetime import date

from portal.documents.invoice_document import InvoiceDocument
from portal.domain.money import Money
from portal.domain.transfers import TransferPlan, plan_transfer

__all__ = ["invoice_plan"]


def invoice_plan(
    invoice: InvoiceDocument, amount: Money, received_on: date, today: date
) -> TransferPlan:
    """The same plan that books it; DomainError as `plan_transfer`."""
    return plan_transfer(invoice.status, invoice.number, invoice.money(invoice.open_minor), amount,
                         received_on, today)  # fmt: skip
