"""Credit notes for tests."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Invoice
from portal.parts import Parts
from portal.services.audit import SYSTEM
from portal.services.crediting import credit_invoice
from tests.support.buying import ATELIER, account_named

__all__ = ["an_invoice", "credited"]


def an_invoice(session: Session, account: str = ATELIER, *, paid: int | None = None) -> Invoice:
    """The account's latest renewal invoice; `paid` makes it an open one of which that was paid."""
    invoice = session.scalars(
        select(Invoice)
        .where(Invoice.account_id == account_named(session, account).id, Invoice.kind == "renewal")
        .order_by(Invoice.id.desc())
    ).first()
    assert invoice is not None
    if paid is not None:
        invoice.status, invoice.paid_minor, invoice.paid_at = "open", paid, None
        session.flush()
    return invoice


def credited(
    parts: Parts,
    account: str = ATELIER,
    *,
    paid: int | None = None,
    amounts: dict[int, int] | None = None,
) -> int:
    """A credit note for `amounts` (net by line), or for all of that invoice; its id."""
    with transaction() as session:
        note = credit_invoice(
            session, an_invoice(session, account, paid=paid), reason="renewal_changed",
            amounts=amounts, catalogue=parts.catalogue, actor=SYSTEM, now=clock.now(),
        )  # fmt: skip
        return int(note.id)
