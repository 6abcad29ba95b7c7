"""Finishing what was put before the vendor's people, and taking that back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.models import DeskTask, Invoice, Order
from portal.services.audit import Actor
from portal.services.entitlements import finish_order
from portal.services.fulfilment import NOT_GRANTED
from portal.services.locks import lock_account
from portal.services.requests import request_activated

__all__ = ["finish_task", "reopen_task"]


def finish_task(
    session: Session, task_id: int, *, catalogue: Catalogue, actor: Actor, now: datetime
) -> bool:
    """The task is done, by `actor`; False where somebody was first. DomainError `task_unknown`.

    With the last one about what an order could not give, the order is done.
    """
    account_id = session.scalar(
        select(DeskTask.account_id).where(DeskTask.id == task_id, DeskTask.kind == NOT_GRANTED)
    )
    if account_id is not None:
        lock_account(session, account_id)  # the account first, as everywhere
    task = _task(session, task_id)
    if task.done_at is not None:
        return False
    task.done_at, task.done_by_id = now, actor.person_id
    session.flush()
    if account_id is not None:
        _seen_to(session, account_id, str(task.details.get("order")), catalogue, now)
    return True


def reopen_task(session: Session, task_id: int) -> bool:
    """The task is to be done after all; False where it is open. DomainError `task_unknown`."""
    task = _task(session, task_id)
    if task.done_at is None:
        return False
    task.done_at = task.done_by_id = None
    session.flush()
    return True


def _seen_to(
    session: Session, account_id: int, number: str, catalogue: Catalogue, now: datetime
) -> None:
    """People have seen to a line that could not be given; once to all of them, the order goes on."""
    open_tasks = session.scalars(
        select(DeskTask).where(
            DeskTask.account_id == account_id, DeskTask.kind == NOT_GRANTED,
            DeskTask.done_at.is_(None),
        )
    )  # fmt: skip
    order = session.scalars(
        select(Order)
        .where(Order.account_id == account_id, Order.number == number)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if order is None or any(task.details.get("order") == number for task in open_tasks):
        return
    order.failure = None
    finish_order(session, order, now)
    invoice = session.scalars(select(Invoice).where(Invoice.order_id == order.id)).one_or_none()
    if invoice is not None:
        request_activated(session, invoice, catalogue=catalogue, now=now)
    session.flush()


def _task(session: Session, task_id: int) -> DeskTask:
    task = session.scalars(
        select(DeskTask)
        .where(DeskTask.id == task_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if task is None:
        raise DomainError("task_unknown")
    return task
