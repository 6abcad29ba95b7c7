"""The customer's side of change requests: sending one, writing about it, withdrawing it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.domain.requests import RequestStatus, RequestStep, Wanted, check_wanted
from portal.models import ChangeRequest, RequestMessage
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor, record
from portal.services.locks import lock_account
from portal.services.quoting import take_back_quotes_of_request
from portal.services.renewals import renew_due_of_account
from portal.services.request_mails import Telling, tell_of_message, tell_of_sending
from portal.services.requests import add_step, load_request, require_current, take_step
from portal.services.suspension import require_access
from portal.services.writing_limit import require_not_too_many

__all__ = ["send_request", "withdraw_request", "write_message"]

_SAME_CLICK = timedelta(minutes=10)


def send_request(
    session: Session, account_id: int, wanted: Wanted, *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> ChangeRequest:  # fmt: skip
    """Send what is `wanted` to the account executive; the account's local day counts for S4.

    The very same of the same person within ten minutes is one request: a button pressed twice.
    DomainError `requests_not_needed` (the account pays automatically and changes by itself),
    `account_suspended`, `too_many_messages`, and as `check_wanted`.
    """
    account = lock_account(session, account_id)
    require_access(session, account_id)
    if account.payment_terms != "bank_transfer":
        raise DomainError("requests_not_needed")
    assert actor.person_id is not None, "a person asks"
    again = _sent_just_now(session, account_id, wanted, actor.person_id, now)
    if again is not None:
        return again
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    today = local_date(now, account.time_zone)
    states = list_subscription_states(session.connection(), account_id)
    check_wanted(wanted, states, catalogue, today)
    _require_not_too_many(session, account_id, now)
    request = ChangeRequest(
        account_id=account_id, kind=wanted.kind.value, item_id=wanted.item_id,
        quantity=wanted.quantity, target=wanted.target, details=wanted.details,
        purchase_order=wanted.purchase_order, status=RequestStatus.SENT.value, sent_at=now,
        sent_on=today, sent_by_id=actor.person_id,
    )  # fmt: skip
    session.add(request)
    session.flush()
    add_step(session, request, RequestStatus.SENT, actor=actor, now=now)
    facts = {"item_id": wanted.item_id, "seats": wanted.quantity, "comment": wanted.details}
    record(session, "request_sent", actor=actor, now=now, account_id=account_id,
           subject=str(request.id),
           new={key: value for key, value in facts.items() if value} or None)  # fmt: skip
    tell_of_sending(session, account, request, Telling(actor, catalogue), now=now)
    session.flush()
    return request


def write_message(
    session: Session, account_id: int, request_id: int, text: str, *, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> ChangeRequest:  # fmt: skip
    """Say something about a request, from either side; the other one has it by mail, too.

    DomainError `change_request_unknown`, `too_many_messages`.
    """
    account, request = load_request(session, account_id, request_id)
    assert actor.person_id is not None, "a person writes"
    from_staff = actor.kind == "staff"
    last = session.scalars(
        select(RequestMessage)
        .where(RequestMessage.request_id == request.id)
        .order_by(RequestMessage.id.desc())
        .limit(1)
    ).first()
    if (
        last is not None
        and (last.author_id, last.text, last.from_staff) == (actor.person_id, text, from_staff)
        and last.at > now - _SAME_CLICK
    ):
        return request
    if not from_staff:
        _require_not_too_many(session, account_id, now)
    session.add(RequestMessage(request_id=request.id, at=now, author_id=actor.person_id,
                               from_staff=from_staff, text=text))  # fmt: skip
    session.flush()
    record(session, "request_answered" if from_staff else "request_replied", actor=actor, now=now,
           account_id=account_id, subject=str(request.id))  # fmt: skip
    tell_of_message(session, account, request, text, Telling(actor, catalogue), now=now)
    session.flush()
    return request


def withdraw_request(
    session: Session, account_id: int, request_id: int, *, version: int, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> ChangeRequest:  # fmt: skip
    """Take a request back that nothing has come of yet, and with it the quote that was sent for it.

    DomainError `change_request_unknown`, `request_overtaken`, `change_request_moved_on`.
    """
    account, request = load_request(session, account_id, request_id)
    if require_current(session, request, version, RequestStep.WITHDRAW, actor):
        take_back_quotes_of_request(session, account_id, request_id, actor=actor, now=now)
        take_step(session, account, request, RequestStep.WITHDRAW, actor=actor, now=now,
                  telling=Telling(actor, catalogue))  # fmt: skip
    return request


def _sent_just_now(
    session: Session, account_id: int, wanted: Wanted, person_id: int, now: datetime
) -> ChangeRequest | None:
    found = session.scalars(
        select(ChangeRequest).where(
            ChangeRequest.account_id == account_id,
            ChangeRequest.sent_by_id == person_id,
            ChangeRequest.closed_at.is_(None),
            ChangeRequest.sent_at > now - _SAME_CLICK,
        )
    )
    same = (wanted.kind, wanted.item_id, wanted.quantity, wanted.target, wanted.details,
            wanted.purchase_order)  # fmt: skip
    return next((r for r in found if (r.kind, r.item_id, r.quantity, r.target, r.details,
                                      r.purchase_order) == same), None)  # fmt: skip


def _require_not_too_many(session: Session, account_id: int, now: datetime) -> None:
    hour_ago = now - timedelta(hours=1)
    of_account = ChangeRequest.account_id == account_id
    require_not_too_many(
        session,
        select(ChangeRequest.id).where(of_account, ChangeRequest.sent_at > hour_ago),
        select(RequestMessage.id)
        .join(ChangeRequest, ChangeRequest.id == RequestMessage.request_id)
        .where(of_account, RequestMessage.at > hour_ago, ~RequestMessage.from_staff),
    )
