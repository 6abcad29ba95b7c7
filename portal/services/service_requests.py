"""Service packages: asking the vendor for one, one that was bought, and how it goes on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.service_packages import (
    RequestStatus,
    WayTo,
    next_request_status,
    way_to_package,
    words_on,
)
from portal.models import Account, DeskTask, Order, OrderLine, Person, ServiceRequest
from portal.queries.prices import get_service_package_price
from portal.services.audit import Actor, record
from portal.services.locks import lock_account
from portal.services.outbox import enqueue_mail, open_desk_task
from portal.services.quoting import expire_quotes_of_service
from portal.services.service_arranging import open_request
from portal.services.suspension import require_access
from portal.services.vendor_mails import tell_vendor

__all__ = ["answer_request", "ask_for_package", "order_package", "withdraw_request"]


def ask_for_package(
    session: Session, account_id: int, package_key: str, wishes: str, *, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> ServiceRequest:  # fmt: skip
    """Ask the vendor for a package; it costs nothing until it is bought.

    One request is open a package: a second click finds the first's. DomainError `not_offered`,
    `account_suspended`.
    """
    account = lock_account(session, account_id)
    require_access(session, account_id)
    waiting = open_request(session, account_id, package_key)
    package = next((p for p in catalogue.offered_service_packages if p.key == package_key), None)
    if package is None:
        raise DomainError("not_offered")
    price = get_service_package_price(session.connection(), package_key, account.currency)
    way = way_to_package(
        package, is_priced=price is not None, payment_terms=account.payment_terms,
        status=waiting.status if waiting is not None else None,
    )  # fmt: skip
    if waiting is not None:
        return waiting
    if way is not WayTo.ASK:
        raise DomainError("not_offered")
    assert actor.person_id is not None, "a person asks"
    request = ServiceRequest(
        account_id=account_id, package_key=package_key, status=RequestStatus.ASKED,
        wishes=wishes, asked_by_id=actor.person_id, asked_at=now, changed_at=now,
    )  # fmt: skip
    session.add(request)
    session.flush()
    record(session, "service_asked", actor=actor, now=now, account_id=account_id,
           subject=package_key)  # fmt: skip
    _tell_vendor(session, request, account, catalogue, now)
    return request


def order_package(
    session: Session, order: Order, line: OrderLine, package_key: str, *, catalogue: Catalogue,
    now: datetime,
) -> ServiceRequest:  # fmt: skip
    """A package was paid: the vendor delivers it. Once a line; the account is locked by the caller.

    What was asked for before becomes what was ordered.
    """
    there = session.scalars(
        select(ServiceRequest).where(ServiceRequest.order_line_id == line.id)
    ).one_or_none()
    if there is not None:
        return there
    request = open_request(session, order.account_id, package_key)
    if request is None or request.order_line_id is not None:
        request = ServiceRequest(account_id=order.account_id, package_key=package_key,
                                 asked_by_id=order.placed_by_id, asked_at=now)  # fmt: skip
        session.add(request)
    request.order_line_id = line.id
    request.status, request.changed_at = RequestStatus.ORDERED, now
    session.flush()
    buyer = session.get_one(Person, order.placed_by_id)
    record(session, "service_ordered", actor=Actor("person", buyer.name, buyer.id), now=now,
           account_id=order.account_id, subject=package_key)  # fmt: skip
    account = session.get_one(Account, order.account_id)
    _tell_vendor(session, request, account, catalogue, now, order_number=order.number)
    return request


def answer_request(
    session: Session, request_id: int, word: str, answer: str, *, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> ServiceRequest:  # fmt: skip
    """The vendor confirms, declines, or has delivered; who asked is told by mail, with `answer`.

    A second click finds the first's. DomainError `request_unknown`, `request_moved_on` (its
    `status`).
    """
    account_id = session.scalar(
        select(ServiceRequest.account_id).where(ServiceRequest.id == request_id)
    )
    if account_id is None:
        raise DomainError("request_unknown")
    account = lock_account(session, account_id)
    request = session.get_one(ServiceRequest, request_id, populate_existing=True)
    if (request.status, request.answer) == (word, answer.strip()):
        return request
    if word not in words_on(request.status, by_vendor=True):
        raise DomainError("request_moved_on", status=request.status)
    request.status = next_request_status(request.status, word)
    request.answer, request.changed_at = answer.strip(), now
    _close_tasks(session, request, actor, now)
    if RequestStatus(request.status).is_final:
        request.closed_at = now
        # A quote of what was confirmed, and is not to be had after all, cannot be paid any more.
        expire_quotes_of_service(session, account, request.package_key, now=now)
    session.flush()
    record(session,
           {RequestStatus.CONFIRMED: "service_confirmed", RequestStatus.DECLINED: "service_declined",
            RequestStatus.DONE: "service_done"}[RequestStatus(request.status)],
           actor=actor, now=now, account_id=account_id, subject=request.package_key)  # fmt: skip
    asker = session.get_one(Person, request.asked_by_id)
    price = get_service_package_price(session.connection(), request.package_key, account.currency)
    enqueue_mail(
        session, "service_answered", recipient=asker.email, locale=asker.locale, now=now,
        account_id=account_id,
        payload={
            "package": catalogue.service_package(request.package_key).name.in_(asker.locale),
            "package_key": request.package_key, "status": request.status,
            "answer": request.answer, "support_email": catalogue.vendor.support.email,
            "can_be_bought": int(price is not None and account.payment_terms != "bank_transfer"),
        },
    )  # fmt: skip
    return request


def withdraw_request(
    session: Session, account_id: int, request_id: int, *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> ServiceRequest:  # fmt: skip
    """Who asked does not want it after all, and the vendor is told; once it is arranged it is too late.

    A second click finds the first's. DomainError `request_unknown` (also for another account's),
    `request_moved_on` (its `status`).
    """
    account = lock_account(session, account_id)
    request = session.get(ServiceRequest, request_id, populate_existing=True)
    if request is None or request.account_id != account_id:
        raise DomainError("request_unknown")
    if request.status == RequestStatus.WITHDRAWN:
        return request
    request.status = next_request_status(request.status, RequestStatus.WITHDRAWN)
    request.changed_at = request.closed_at = now
    _close_tasks(session, request, actor, now)
    session.flush()
    record(session, "service_withdrawn", actor=actor, now=now, account_id=account_id,
           subject=request.package_key)  # fmt: skip
    assert actor.person_id is not None, "a person withdraws"
    author = session.get_one(Person, actor.person_id)
    package = catalogue.service_package(request.package_key)
    tell_vendor(
        session, "service_withdrawn", account, author,
        {"package": package.name.in_(author.locale), "request_number": request.id},
        catalogue=catalogue, now=now,
    )  # fmt: skip
    session.flush()
    return request


def _tell_vendor(
    session: Session, request: ServiceRequest, account: Account, catalogue: Catalogue,
    now: datetime, *, order_number: str = "",
) -> None:  # fmt: skip
    """A task on the desk, and a mail: somebody has to get in touch."""
    details: dict[str, Any] = {"request_id": request.id, "package": request.package_key}
    if order_number:
        details["order"] = order_number
    open_desk_task(session, f"service_{request.status}", account_id=account.id, now=now,
                   dedupe_key=f"service_{request.status}:{request.id}", details=details)  # fmt: skip
    author = session.get_one(Person, request.asked_by_id)
    package = catalogue.service_package(request.package_key)
    tell_vendor(
        session, "service_asked", account, author,
        {"package": package.name.in_(author.locale), "wishes": request.wishes,
         "order_number": order_number, "request_number": request.id},
        catalogue=catalogue, now=now,
    )  # fmt: skip
    session.flush()


def _close_tasks(session: Session, request: ServiceRequest, actor: Actor, now: datetime) -> None:
    """The task of what was asked or ordered is done: the vendor has said its word on it."""
    session.execute(
        update(DeskTask)
        .where(
            DeskTask.dedupe_key.in_(
                [f"service_{status}:{request.id}" for status in ("asked", "ordered")]
            ),
            DeskTask.done_at.is_(None),
        )
        .values(done_at=now, done_by_id=actor.person_id)
        .execution_options(synchronize_session=False)
    )
