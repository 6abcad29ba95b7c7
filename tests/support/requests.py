"""Change requests as tests send and handle them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.late_reductions import confirmation_key, plan_late_credits
from portal.domain.requests import RequestKind, Wanted
from portal.domain.seat_removal import plan_seat_removal
from portal.models import ChangeRequest, RequestStep
from portal.parts import Parts
from portal.queries.holders import count_active_admins, list_subscription_held
from portal.queries.requests import get_request_to_handle
from portal.queries.subscriptions import list_subscription_states
from portal.services.request_handling import (
    confirm_request,
    decline_request,
    finish_request,
    take_request,
)
from portal.services.request_sending import send_request, withdraw_request, write_message
from tests.support.buying import CAMILLE, LUMIERE, account_named, actor_of, plan_item
from tests.support.desk import HUGO, person_named

__all__ = [
    "act", "asked_for", "confirmed", "request_of", "say", "shown_key", "statuses",
    "steps_of", "withdrawn",
]  # fmt: skip

_ACTS = {"take": take_request, "finish": finish_request}


def asked_for(
    parts: Parts, kind: RequestKind = RequestKind.FEWER_SEATS, quantity: int | None = 2, *,
    product: str = "crm", target: str = "", details: str = "We close a shop.", order: str = "",
    account: str = LUMIERE, email: str = CAMILLE,
) -> int:  # fmt: skip
    """Somebody asked the account executive for a change; the request's number."""
    with transaction() as session:
        wanted = Wanted(
            kind,
            item_id=plan_item(session, account, product).id if kind.of_item else None,
            quantity=quantity if kind.counts else None,
            target=target,
            details=details,
            purchase_order=order,
        )
        return int(
            send_request(
                session, account_named(session, account).id, wanted, catalogue=parts.catalogue,
                actor=actor_of(session, email), now=clock.now(),
            ).id
        )  # fmt: skip


def request_of(session: Session, number: int) -> ChangeRequest:
    """The request as it is stored now."""
    return session.get_one(ChangeRequest, number, populate_existing=True)


def act(
    parts: Parts, number: int, what: str, *, by: str = HUGO, version: int | None = None,
    reason: str = "It is not sold so.",
) -> None:  # fmt: skip
    """Somebody at the desk takes, finishes or declines a request as they saw it in `version`."""
    with transaction() as session:
        request = request_of(session, number)
        seen = version if version is not None else request.version
        actor = person_named(session, by)
        if what == "decline":
            decline_request(session, request.account_id, number, reason, version=seen,
                            catalogue=parts.catalogue, actor=actor, now=clock.now())  # fmt: skip
        else:
            _ACTS[what](session, request.account_id, number, version=seen,
                        catalogue=parts.catalogue, actor=actor, now=clock.now())  # fmt: skip


def confirmed(
    parts: Parts, number: int, *, by: str = HUGO, version: int | None = None,
    shown: str | None = None,
) -> None:  # fmt: skip
    """Somebody at the desk confirms a reduction as it is shown."""
    with transaction() as session:
        request = request_of(session, number)
        confirm_request(
            session, request.account_id, number,
            version=version if version is not None else request.version,
            shown=shown if shown is not None else shown_key(session, parts, request),
            catalogue=parts.catalogue, actor=person_named(session, by), now=clock.now(),
        )  # fmt: skip


def shown_key(session: Session, parts: Parts, request: ChangeRequest) -> str:
    """What the desk's page of a reduction shows, in a word."""
    connection = session.connection()
    states = list_subscription_states(connection, request.account_id)
    state = next(s for s in states if s.item(request.item_id) is not None)
    held = list_subscription_held(connection, request.account_id, state.subscription_id)
    assert request.item_id is not None
    notice = parts.catalogue.policy.change_notice_days
    key = plan_seat_removal(
        state, request.item_id, request.quantity or 0, held=[one.held for one in held],
        active_admins=count_active_admins(connection, request.account_id),
        asked_on=request.sent_on, notice_days=notice,
    ).key  # fmt: skip
    found = get_request_to_handle(connection, request.account_id, request.id)
    assert found is not None
    late = plan_late_credits(request.sent_on, request.quantity or 0, found.invoiced, notice)
    return confirmation_key(key, late)


def withdrawn(
    parts: Parts, number: int, *, email: str = CAMILLE, version: int | None = None
) -> None:  # fmt: skip
    """The customer takes a request back."""
    with transaction() as session:
        request = request_of(session, number)
        withdraw_request(
            session, request.account_id, number,
            version=version if version is not None else request.version,
            catalogue=parts.catalogue, actor=actor_of(session, email), now=clock.now(),
        )  # fmt: skip


def say(parts: Parts, number: int, text: str, *, by: str = CAMILLE) -> None:
    """A message about a request; of the staff where the address is one of theirs."""
    with transaction() as session:
        actor = (
            person_named(session, by) if by.endswith("@kanto.example") else actor_of(session, by)
        )
        write_message(
            session, request_of(session, number).account_id, number, text,
            catalogue=parts.catalogue, actor=actor, now=clock.now(),
        )  # fmt: skip


def steps_of(session: Session, number: int) -> list[RequestStep]:
    """The steps of a request, in their order."""
    return list(
        session.scalars(
            select(RequestStep).where(RequestStep.request_id == number).order_by(RequestStep.id)
        )
    )


def statuses(session: Session, number: int) -> list[str]:
    """What a request has come to, one after the other."""
    session.expire_all()
    return [step.status for step in steps_of(session, number)]
