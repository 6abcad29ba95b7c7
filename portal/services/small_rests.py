"""What is owed and cannot be charged, because it is too little: it stays open and harms nobody (M5)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.models import Account, Invoice
from portal.services.case_closing import get_case
from portal.services.invoice_charges import InvoiceCharges, is_uncollectable, not_chargeable_key
from portal.services.outbox import open_desk_task
from portal.services.renewals import renew_due_of_account
from portal.services.suspension import restore_access

__all__ = ["leave_open"]


def leave_open(
    session: Session,
    account: Account,
    invoice: Invoice,
    charges: InvoiceCharges,
    *,
    catalogue: Catalogue,
    now: datetime,
) -> bool:
    """Put what the provider does not take before the desk, and nothing else; False where it does.

    No customer loses access for cents that they cannot pay: a case that was open for more closes,
    and access is back. The invoice stays open for a transfer or a credit note. The account is
    locked.
    """
    if charges.unsettled is not None or not is_uncollectable(invoice, charges):
        return False
    open_desk_task(session, "amount_not_chargeable", account_id=account.id, now=now,
                   dedupe_key=not_chargeable_key(invoice.id),
                   details={"invoice": invoice.number})  # fmt: skip
    case = get_case(session, invoice)
    if case is not None and case.status == "open":
        restored = restore_access(session, account, case, invoice, catalogue=catalogue, now=now)
        # As where the money came: a case of this status begins anew if more is owed again.
        case.status, case.closed_at, case.next_on = "recovered", now, None
        session.flush()
        if restored:
            renew_due_of_account(session, account, catalogue=catalogue, now=now)
    return True
