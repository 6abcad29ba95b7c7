"""The steps of a change request: each is recorded with its author, and noticed by a stale click.

What a request is about happens elsewhere (an order, a reduction); here stands how far it is, and
who is told. The account's lock is taken first, as everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.requests import RequestKind, RequestStatus, RequestStep, can_take, next_status
from portal.models import Account, ChangeRequest, Invoice, Person, StaffMember
from portal.models import RequestStep as StepRow
from portal.services.audit import SYSTEM, Actor, record
from portal.services.locks import lock_account
from portal.services.request_mails import Telling, tell_of_step

__all__ = [
    "add_step", "load_request", "mark_invoiced", "mark_quoted", "request_activated",
    "request_lapsed", "request_of_quote", "request_paid_for_invoice", "require_current",
    "take_step",
]  # fmt: skip

_RECORDED = {
    RequestStep.TAKE: "request_taken",
    RequestStep.INVOICE: "request_invoiced",
    RequestStep.PAY: "request_paid",
    RequestStep.ACTIVATE: "request_activated",
    RequestStep.LAPSE: "request_lapsed",
    RequestStep.CONFIRM: "request_confirmed",
    RequestStep.FINISH: "request_finished",
    RequestStep.DECLINE: "request_declined",
    RequestStep.WITHDRAW: "request_withdrawn",
}
_REACHED = {
    RequestStep.TAKE: "preparing",
    RequestStep.CONFIRM: "confirmed",
    RequestStep.FINISH: "done",
    RequestStep.DECLINE: "declined",
    RequestStep.WITHDRAW: "withdrawn",
}


def load_request(
    session: Session, account_id: int, request_id: int
) -> tuple[Account, ChangeRequest]:
    """The account and its request, locked; DomainError `change_request_unknown`."""
    account = lock_account(session, account_id)
    request = session.scalars(
        select(ChangeRequest)
        .where(ChangeRequest.id == request_id, ChangeRequest.account_id == account_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if request is None:
        raise DomainError("change_request_unknown")
    return account, request


def require_current(
    session: Session, request: ChangeRequest, version: int, step: RequestStep, actor: Actor
) -> bool:
    """Whether `step` is still to be taken on what was shown as `version`.

    False where the same person took that very step by now: the second of two clicks (Q4).
    DomainError `request_overtaken` (`by`, `at`) where somebody else came first, `request_went_on`
    (`at`) where it went on by itself.
    """
    if request.version == version:
        return True
    last = session.execute(
        select(StepRow.status, StepRow.at, StepRow.author_id, Person.name)
        .outerjoin(Person, Person.id == StepRow.author_id)
        .where(StepRow.request_id == request.id)
        .order_by(StepRow.id.desc())
        .limit(1)
    ).one()
    if (last.author_id, last.status) == (actor.person_id, _REACHED.get(step)):
        return False
    if last.name is None:
        raise DomainError("request_went_on", at=last.at)
    raise DomainError("request_overtaken", by=last.name, at=last.at)


def take_step(
    session: Session,
    account: Account,
    request: ChangeRequest,
    step: RequestStep,
    *,
    actor: Actor,
    now: datetime,
    effective_on: date | None = None,
    telling: Telling | None = None,
) -> None:
    """Bring a request on by `step`, record it, tell both sides. DomainError `change_request_moved_on`."""
    request.status = next_status(
        RequestKind(request.kind), RequestStatus(request.status), step
    ).value
    request.version += 1
    if actor.kind == "staff":  # whoever acts at the desk handles it from now on
        request.handled_by_id = session.scalars(
            select(StaffMember.id).where(StaffMember.person_id == actor.person_id)
        ).one()
    if effective_on is not None:
        request.effective_on = effective_on
    if RequestStatus(request.status).is_final:
        request.closed_at = now
    add_step(session, request, RequestStatus(request.status), actor=actor, now=now)
    facts: dict[str, object] = {}
    if request.effective_on is not None:
        facts["effective_on"] = request.effective_on.isoformat()
    if step is RequestStep.DECLINE and request.decline_reason:
        facts["comment"] = request.decline_reason
    record(session, _RECORDED[step], actor=actor, now=now, account_id=account.id,
           subject=str(request.id), new=facts or None)  # fmt: skip
    known = telling or Telling()
    tell_of_step(session, account, request, step, replace(known, actor=actor), now=now)
    session.flush()


def add_step(
    session: Session, request: ChangeRequest, status: RequestStatus, *, actor: Actor, now: datetime
) -> None:
    """Append what happened to the request's timeline."""
    session.add(
        StepRow(request_id=request.id, at=now, status=status.value, author_id=actor.person_id,
                from_staff=actor.kind == "staff")
    )  # fmt: skip
    session.flush()


# --- what quotes, invoices and payments tell a request -------------------------------------------


def mark_quoted(
    session: Session, request_id: int, quote_id: int, *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> ChangeRequest:  # fmt: skip
    """A quote was prepared for a request: its page leads there. The account is locked.

    DomainError `change_request_moved_on` where it is invoiced or closed by now.
    """
    request = session.get_one(ChangeRequest, request_id, populate_existing=True)
    account = session.get_one(Account, request.account_id)
    kind, status = RequestKind(request.kind), RequestStatus(request.status)
    if not can_take(kind, status, RequestStep.INVOICE):
        raise DomainError("change_request_moved_on", status=request.status)
    request.quote_id = quote_id
    if status is RequestStatus.SENT:
        take_step(session, account, request, RequestStep.TAKE, actor=actor, now=now,
                  telling=Telling(actor, catalogue))  # fmt: skip
    session.flush()
    return request


def request_of_quote(session: Session, quote_id: int) -> ChangeRequest | None:
    """The request that a quote was prepared for, if any."""
    return session.scalars(
        select(ChangeRequest)
        .where(ChangeRequest.quote_id == quote_id)
        .order_by(ChangeRequest.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).first()


def mark_invoiced(
    session: Session, request_id: int, invoice_id: int, *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> ChangeRequest:  # fmt: skip
    """The invoice of a request was issued and shared. The account is locked.

    DomainError `change_request_moved_on` where it is invoiced or closed by now.
    """
    request = session.get_one(ChangeRequest, request_id, populate_existing=True)
    account = session.get_one(Account, request.account_id)
    request.invoice_id = invoice_id
    take_step(session, account, request, RequestStep.INVOICE, actor=actor, now=now,
              telling=Telling(actor, catalogue))  # fmt: skip
    return request


def request_paid_for_invoice(
    session: Session, invoice: Invoice, *, catalogue: Catalogue, now: datetime
) -> None:
    """The money of an invoice was booked in full: so it says on its request, if it has one.

    Licences that worked before the money came (Q3) have finished the request; it is noted there.
    """
    request = _of_invoice(session, invoice)
    if request is None:
        return
    account = session.get_one(Account, request.account_id)
    if request.status == RequestStatus.DONE:
        if not _has_step(session, request, RequestStatus.PAID):
            add_step(session, request, RequestStatus.PAID, actor=SYSTEM, now=now)
    elif request.status == RequestStatus.INVOICED:
        take_step(session, account, request, RequestStep.PAY, actor=SYSTEM, now=now,
                  telling=Telling(SYSTEM, catalogue))  # fmt: skip


def request_activated(
    session: Session, invoice: Invoice, *, catalogue: Catalogue, now: datetime,
    actor: Actor = SYSTEM,
) -> None:  # fmt: skip
    """What an invoice was for works by now: its request is done. Paid in full, it says that first."""
    request = _of_invoice(session, invoice)
    if request is None:
        return
    if invoice.status == "paid":
        request_paid_for_invoice(session, invoice, catalogue=catalogue, now=now)
    if request.status in (RequestStatus.INVOICED, RequestStatus.PAID):
        account = session.get_one(Account, request.account_id)
        take_step(session, account, request, RequestStep.ACTIVATE, actor=actor, now=now,
                  telling=Telling(actor, catalogue))  # fmt: skip


def request_lapsed(
    session: Session, invoice: Invoice, *, catalogue: Catalogue, now: datetime,
    actor: Actor = SYSTEM,
) -> ChangeRequest | None:  # fmt: skip
    """An invoice was credited before its money came: its request is prepared anew (Q3)."""
    request = _of_invoice(session, invoice)
    if request is None or request.status != RequestStatus.INVOICED:
        return None
    account = session.get_one(Account, request.account_id)
    request.invoice_id = request.quote_id = None
    take_step(session, account, request, RequestStep.LAPSE, actor=actor, now=now,
              telling=Telling(actor, catalogue))  # fmt: skip
    return request


def _of_invoice(session: Session, invoice: Invoice) -> ChangeRequest | None:
    return session.scalars(
        select(ChangeRequest)
        .where(ChangeRequest.invoice_id == invoice.id)
        .order_by(ChangeRequest.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).first()


def _has_step(session: Session, request: ChangeRequest, status: RequestStatus) -> bool:
    query = select(StepRow.id).where(
        StepRow.request_id == request.id, StepRow.status == status.value
    )
    return session.scalars(query.limit(1)).first() is not None
