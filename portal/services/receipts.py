"""The receipt of a settled order, to the billing contact in the account's language."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Account, Invoice, InvoiceLine, Order, Payment, PaymentMethod
from portal.services.outbox import enqueue_mail

__all__ = ["send_receipt"]


def send_receipt(
    session: Session,
    order: Order,
    invoice: Invoice,
    account: Account,
    payment: Payment | None,
    now: datetime,
) -> None:
    """Enqueue the receipt with its invoice, once an order and recipient."""
    lines = session.scalars(
        select(InvoiceLine)
        .where(InvoiceLine.invoice_id == invoice.id)
        .order_by(InvoiceLine.position)
    ).all()
    method = session.get(PaymentMethod, payment.method_id) if payment is not None else None
    payload = {
        "account_name": account.name,
        "order_id": order.id,
        "order_number": order.number,
        "invoice_id": invoice.id,
        "invoice_number": invoice.number,
        "invoice_status": invoice.status,
        "currency": invoice.currency,
        "net_minor": invoice.net_minor,
        "tax_minor": invoice.tax_minor,
        "gross_minor": invoice.gross_minor,
        "method": (
            {"kind": method.kind, "brand": method.brand, "last4": method.last4} if method else None
        ),
        "lines": [
            {
                "description": line.description,
                "quantity": line.quantity,
                "unit_minor": line.unit_minor,
                "days_left": line.days_left,
                "days": line.days,
                "discount_basis_points": line.discount_basis_points,
                "discount_minor": line.discount_minor,
                "net_minor": line.net_minor,
            }
            for line in lines
        ],
    }
    for recipient in dict.fromkeys([account.billing_email, *account.invoice_recipients]):
        enqueue_mail(session, "receipt", recipient=recipient, locale=account.locale,
                     payload=payload, now=now, account_id=account.id,
                     dedupe_key=f"receipt:{order.id}:{recipient}")  # fmt: skip
