"""What the demo's customers wrote to the vendor, and the help and changes that they asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from portal.demo.plans import MessagePlan, PackagePlan, RequestPlan
from portal.demo.timeline import Event
from portal.domain.catalogue import Catalogue
from portal.domain.requests import RequestKind, Wanted
from portal.models import Account
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor
from portal.services.request_handling import finish_request, take_request
from portal.services.request_sending import send_request, write_message
from portal.services.service_requests import answer_request, ask_for_package
from portal.services.support_answers import answer_message
from portal.services.support_messages import send_message

__all__ = ["ask_executive", "ask_for_help", "write_to_vendor"]


def write_to_vendor(
    session: Session, catalogue: Catalogue, account: Account, plan: MessagePlan,
    admin: Callable[[], Actor], staff: Actor,
) -> tuple[Event, Event]:  # fmt: skip
    """An admin wrote, and was answered."""
    numbers: list[int] = []

    def write(at: datetime) -> None:
        message = send_message(session, account.id, plan.about, plan.text, catalogue=catalogue,
                               actor=admin(), now=at)  # fmt: skip
        numbers.append(message.id)

    def answer(at: datetime) -> None:
        answer_message(session, numbers[0], plan.answer, catalogue=catalogue, actor=staff, now=at)

    return write, answer


def ask_for_help(
    session: Session, catalogue: Catalogue, account: Account, plan: PackagePlan,
    admin: Callable[[], Actor], staff: Actor,
) -> tuple[Event, Event]:  # fmt: skip
    """An admin asked for a package, and the vendor arranged it."""
    numbers: list[int] = []

    def ask(at: datetime) -> None:
        request = ask_for_package(session, account.id, plan.package, plan.wishes,
                                  catalogue=catalogue, actor=admin(), now=at)  # fmt: skip
        numbers.append(request.id)

    def confirm(at: datetime) -> None:
        answer_request(session, numbers[0], "confirmed", plan.answer, catalogue=catalogue,
                       actor=staff, now=at)  # fmt: skip

    return ask, confirm


def ask_executive(
    session: Session, catalogue: Catalogue, account: Account, plan: RequestPlan,
    admin: Callable[[], Actor], staff: Actor,
) -> tuple[Event, Event]:  # fmt: skip
    """An admin asked for a change; the account executive sees to it, and has written back."""
    numbers: list[int] = []

    def item_id() -> int | None:
        states = list_subscription_states(session.connection(), account.id)
        return next((s.plan_item.item_id for s in states if s.product_key == plan.product), None)

    def ask(at: datetime) -> None:
        wanted = Wanted(
            RequestKind.MORE_SEATS if plan.quantity else RequestKind.OTHER,
            item_id=item_id() if plan.quantity else None,
            quantity=plan.quantity, details=plan.details, purchase_order=plan.purchase_order,
        )  # fmt: skip
        request = send_request(session, account.id, wanted, catalogue=catalogue, actor=admin(),
                               now=at)  # fmt: skip
        numbers.append(request.id)

    def answer(at: datetime) -> None:
        [number] = numbers
        handle = finish_request if plan.done else take_request
        write_message(session, account.id, number, plan.answer, catalogue=catalogue, actor=staff,
                      now=at)  # fmt: skip
        handle(session, account.id, number, version=1, catalogue=catalogue, actor=staff, now=at)

    return ask, answer
