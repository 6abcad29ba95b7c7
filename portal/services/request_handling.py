"""The desk's side of change requests: taking one, declining it, letting it wait for a renewal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.late_reductions import (
    LateCredit,
    confirmation_key,
    credited_by,
    plan_late_credits,
)
from portal.domain.periods import Interval
from portal.domain.requests import RequestKind, RequestStatus, RequestStep, next_status
from portal.models import Account, ChangeRequest, Invoice, SubscriptionItem
from portal.queries.requests import get_request_to_handle
from portal.services.audit import Actor
from portal.services.crediting import credit_invoice
from portal.services.period_changes import ask_for_period
from portal.services.plan_changes import ask_plan_change
from portal.services.quoting import take_back_quotes_of_request
from portal.services.renewals import renew_due_of_account
from portal.services.request_mails import Telling
from portal.services.requests import load_request, require_current, take_step
from portal.services.seat_removal import remove_seats

__all__ = ["ASKED_IN_TIME", "confirm_request", "decline_request", "finish_request", "take_request"]

ASKED_IN_TIME = "asked_in_time"
"""Why the invoice was credited: a code of portal.documents.credit_note_words."""


def take_request(
    session: Session, account_id: int, request_id: int, *, version: int, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> ChangeRequest:  # fmt: skip
    """See to a request: the customer reads that it is being prepared, and by whom.

    One that a colleague has begun goes over to whoever takes it. DomainError
    `change_request_unknown`, `request_overtaken`, `change_request_moved_on`.
    """
    account, request = load_request(session, account_id, request_id)
    if require_current(session, request, version, RequestStep.TAKE, actor):
        _take(session, account, request, RequestStep.TAKE, catalogue, actor, now)
    return request


def decline_request(
    session: Session, account_id: int, request_id: int, reason: str, *, version: int,
    catalogue: Catalogue, actor: Actor, now: datetime,
) -> ChangeRequest:  # fmt: skip
    """Say no, with the reason in words; a quote that was sent for it can be accepted no more.

    DomainError as `take_request`, and `reason_missing`.
    """
    account, request = load_request(session, account_id, request_id)
    if not require_current(session, request, version, RequestStep.DECLINE, actor):
        return request
    if not reason.strip():
        raise DomainError("reason_missing")
    request.decline_reason = reason.strip()
    take_back_quotes_of_request(session, account_id, request_id, actor=actor, now=now)
    _take(session, account, request, RequestStep.DECLINE, catalogue, actor, now)
    return request


def finish_request(
    session: Session, account_id: int, request_id: int, *, version: int, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> ChangeRequest:  # fmt: skip
    """What was asked in words is done. DomainError as `take_request`."""
    account, request = load_request(session, account_id, request_id)
    if require_current(session, request, version, RequestStep.FINISH, actor):
        _take(session, account, request, RequestStep.FINISH, catalogue, actor, now)
    return request


def confirm_request(
    session: Session, account_id: int, request_id: int, *, version: int, shown: str,
    catalogue: Catalogue, actor: Actor, now: datetime,
) -> ChangeRequest:  # fmt: skip
    """Let what was asked wait for the renewal that the day of sending leaves it (S4).

    `shown` is the key of what was on screen. What fewer licences cost since a renewal that they
    were asked in time for is credited with it (I2). DomainError as `take_request`, and as
    `remove_seats`, `ask_plan_change`, `ask_for_period` or `credit_invoice`; nothing is written then.
    """
    account, request = load_request(session, account_id, request_id)
    if not require_current(session, request, version, RequestStep.CONFIRM, actor):
        return request
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    kind = RequestKind(request.kind)
    next_status(kind, RequestStatus(request.status), RequestStep.CONFIRM)
    assert request.item_id is not None, "what waits for a renewal is of an item"
    subscription_id = session.scalars(
        select(SubscriptionItem.subscription_id).where(SubscriptionItem.id == request.item_id)
    ).one()
    late: tuple[LateCredit, ...] = ()
    if kind is RequestKind.FEWER_SEATS:
        late = _late_credits(session, request, catalogue)
        shown, net = _without(shown, late), credited_by(late)
        on = remove_seats(
            session, account_id, subscription_id, request.item_id, request.quantity or 0,
            chosen=None, shown=shown, catalogue=catalogue, actor=actor, now=now,
            asked_at=request.sent_at, credited=net.minor if net is not None else 0,
        )  # fmt: skip
    elif kind is RequestKind.PLAN:
        on = ask_plan_change(
            session, account_id, subscription_id, request.target, shown=shown,
            catalogue=catalogue, actor=actor, now=now, asked_at=request.sent_at,
        ).effective_on  # fmt: skip
    else:
        on = ask_for_period(
            session, account_id, subscription_id, Interval(request.target), shown=shown,
            catalogue=catalogue, actor=actor, now=now, asked_at=request.sent_at,
        ).time.effective_on  # fmt: skip
    facts = _credit(session, late, catalogue=catalogue, actor=actor, now=now)
    take_step(session, account, request, RequestStep.CONFIRM, actor=actor, now=now,
              effective_on=on, telling=Telling(actor, catalogue, facts))  # fmt: skip
    return request


def _late_credits(
    session: Session, request: ChangeRequest, catalogue: Catalogue
) -> tuple[LateCredit, ...]:
    session.flush()
    found = get_request_to_handle(session.connection(), request.account_id, request.id)
    assert found is not None, "it was loaded"
    return plan_late_credits(
        request.sent_on, request.quantity or 0, found.invoiced, catalogue.policy.change_notice_days
    )


def _without(shown: str, late: tuple[LateCredit, ...]) -> str:
    """The key of the reduction alone; DomainError `change_differs` where another amount was shown."""
    key = shown.partition("+")[0]
    if confirmation_key(key, late) != shown:
        raise DomainError("change_differs")
    return key


def _credit(
    session: Session, late: tuple[LateCredit, ...], *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> dict[str, Any]:  # fmt: skip
    """Issue the credit notes; what the customer is told of them."""
    for one in late:
        invoice = session.get_one(Invoice, one.invoice_id)
        credit_invoice(session, invoice, reason=ASKED_IN_TIME, amounts={one.position: one.net.minor},
                       catalogue=catalogue, actor=actor, now=now)  # fmt: skip
    net = credited_by(late)
    return {} if net is None else {"credited_minor": net.minor, "currency": net.currency}


def _take(
    session: Session, account: Account, request: ChangeRequest, step: RequestStep,
    catalogue: Catalogue, actor: Actor, now: datetime,
) -> None:  # fmt: skip
    take_step(session, account, request, step, actor=actor, now=now,
              telling=Telling(actor, catalogue))  # fmt: skip
