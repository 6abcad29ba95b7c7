"""The e-mails of change requests: to both sides at every step, each in the reader's language.

What comes with a receipt or the licences is mailed to the customer there; the account executive
hears of it here. The invoice itself goes to whoever gets the invoices, so who asked is told of it. Whoever does something at the desk is not told of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.labels import label_of
from portal.domain.permissions import Permission, is_allowed
from portal.domain.requests import RequestKind, RequestStep
from portal.models import Account, ChangeRequest, Member, Person, StaffMember
from portal.queries.activity import ItemKeys, list_item_keys
from portal.queries.admins import list_admins
from portal.services.audit import SYSTEM, Actor
from portal.services.outbox import enqueue_mail

__all__ = ["Telling", "tell_of_message", "tell_of_sending", "tell_of_step"]

_CUSTOMER_HEARS = {
    RequestStep.TAKE,
    RequestStep.INVOICE,
    RequestStep.LAPSE,
    RequestStep.CONFIRM,
    RequestStep.FINISH,
    RequestStep.DECLINE,
    RequestStep.WITHDRAW,
}


@dataclass(frozen=True, slots=True)
class Telling:
    """Who acts; with a catalogue the mails name what is asked, and reach support without an executive.

    `facts` are what the step's mail to the customer says beyond what the request itself knows.
    """

    actor: Actor = SYSTEM
    catalogue: Catalogue | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def tell_of_sending(
    session: Session, account: Account, request: ChangeRequest, telling: Telling, *, now: datetime
) -> None:
    """A request was sent: the sender has it in writing, the account executive has work."""
    _tell_customer(session, account, request, "sent", telling, now)
    _tell_desk(session, account, request, "sent", telling, now)


def tell_of_step(
    session: Session, account: Account, request: ChangeRequest, step: RequestStep,
    telling: Telling, *, now: datetime,
) -> None:  # fmt: skip
    """A request went on by `step`."""
    in_words = step is RequestStep.ACTIVATE and request.kind == RequestKind.OTHER
    happened = "lapsed" if step is RequestStep.LAPSE else request.status
    if step in _CUSTOMER_HEARS or in_words:  # no licences that would be announced
        by_hand = step is RequestStep.LAPSE and telling.actor.kind == "staff"
        _tell_customer(
            session, account, request, "taken_back" if by_hand else happened, telling, now
        )
    _tell_desk(session, account, request, happened, telling, now)


def tell_of_message(
    session: Session, account: Account, request: ChangeRequest, text: str, telling: Telling, *,
    now: datetime,
) -> None:  # fmt: skip
    """Something was written about a request: the other side has it by mail."""
    actor = telling.actor
    said = {"text": text, "author_name": actor.name}
    if actor.kind == "staff":
        author = session.get_one(Person, actor.person_id)
        for reader in _customers(session, account, request):
            _mail(session, "request_answered", reader, account, request, telling, now,
                  {**said, "author_email": author.email})  # fmt: skip
        return
    author = session.get_one(Person, actor.person_id)
    for reader in _staff(session, account, request, telling, author):
        _mail(session, "desk_request_message", reader, account, request, telling, now,
              {**said, "author_email": author.email})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reader:
    email: str
    locale: str


def _tell_customer(
    session: Session, account: Account, request: ChangeRequest, status: str, telling: Telling,
    now: datetime,
) -> None:  # fmt: skip
    facts: dict[str, Any] = {"status": status, "by": telling.actor.name, **telling.facts}
    if status == "declined":
        facts["reason"] = request.decline_reason
    if request.effective_on is not None:
        facts["effective_on"] = request.effective_on.isoformat()
    executive = _executive(session, account, request)
    if executive is not None:
        facts["answers_to"] = executive.email
    elif telling.catalogue is not None:
        facts["answers_to"] = telling.catalogue.vendor.support.email
    for reader in _customers(session, account, request):
        _mail(session, "request_step", reader, account, request, telling, now, facts)


def _tell_desk(
    session: Session, account: Account, request: ChangeRequest, happened: str, telling: Telling,
    now: datetime,
) -> None:  # fmt: skip
    sender = session.get_one(Person, request.sent_by_id)
    facts = {
        "happened": happened, "details": request.details, "purchase_order": request.purchase_order,
        "author_name": sender.name, "author_email": sender.email,
    }  # fmt: skip
    for reader in _staff(session, account, request, telling, sender):
        _mail(session, "desk_request_step", reader, account, request, telling, now, facts)


def _mail(
    session: Session, topic: str, reader: _Reader, account: Account, request: ChangeRequest,
    telling: Telling, now: datetime, facts: Mapping[str, Any],
) -> None:  # fmt: skip
    payload: dict[str, Any] = {
        "account_name": account.name,
        "change_request_id": request.id,
        "request_number": request.id,
        "kind": request.kind,
        "quantity": request.quantity or 0,
        "sent_on": request.sent_on.isoformat(),
        **facts,
    }
    if topic.startswith("desk_"):
        payload["desk_account_id"] = account.id
    if request.item_id is not None and telling.catalogue is not None:
        keys = list_item_keys(session.connection(), account.id, [request.item_id])
        payload |= _names(keys[request.item_id], request, telling.catalogue, reader.locale)
    enqueue_mail(session, topic, recipient=reader.email, locale=reader.locale, payload=payload,
                 now=now, account_id=account.id)  # fmt: skip


def _names(
    keys: ItemKeys, request: ChangeRequest, catalogue: Catalogue, locale: str
) -> dict[str, str]:
    """What is asked in the reader's language: the item, and the plan that is wanted."""
    label = label_of(
        catalogue, keys.product_key, keys.plan_key, keys.add_on_key, keys.package_key, locale
    )
    target = request.target
    if request.kind == RequestKind.PLAN:
        target = label_of(catalogue, keys.product_key, request.target, None, None, locale)
    return {"label": label, "target": target}


def _customers(session: Session, account: Account, request: ChangeRequest) -> list[_Reader]:
    """Who sent the request; where they may ask no more, the admins."""
    sender = session.execute(
        select(Person.email, Person.locale, Member.role, Member.status)
        .join(Member, Member.person_id == Person.id)
        .where(Member.account_id == account.id, Person.id == request.sent_by_id)
    ).first()
    if sender is not None and is_allowed(sender.role, sender.status, Permission.BUY):
        return [_Reader(sender.email, sender.locale)]
    admins = list_admins(session.connection(), account.id)
    return [_Reader(admin.email, admin.locale) for admin in admins]


def _staff(
    session: Session, account: Account, request: ChangeRequest, telling: Telling, author: Person
) -> list[_Reader]:
    """The account executive, and the operator who took the request; else the support address.

    An executive who took it and serves the customer no more does not read on. A mailbox has no language of its own: it reads what the customer speaks.
    """
    serving = or_(
        StaffMember.id == account.account_executive_id,
        and_(StaffMember.id == request.handled_by_id, StaffMember.role == "operator"),
    )
    found = session.execute(
        select(Person.id, Person.email, Person.locale)
        .join(StaffMember, StaffMember.person_id == Person.id)
        .where(serving, StaffMember.active)
        .order_by(StaffMember.id)
    ).all()
    if not found and telling.catalogue is not None:
        return [_Reader(telling.catalogue.vendor.support.email, author.locale)]
    acting = telling.actor.person_id if telling.actor.kind == "staff" else None
    return [_Reader(row.email, row.locale) for row in found if row.id != acting]


def _executive(session: Session, account: Account, request: ChangeRequest) -> _Reader | None:
    row = session.execute(
        select(Person.email, Person.locale)
        .join(StaffMember, StaffMember.person_id == Person.id)
        .where(StaffMember.id == account.account_executive_id, StaffMember.active)
    ).first()
    return _Reader(row.email, row.locale) if row is not None else None
