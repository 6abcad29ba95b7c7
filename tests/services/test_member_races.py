"""Several people at once: never more licences than there are, never no admin (S7, S9)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import Role
from portal.models import Assignment, Member
from portal.parts import Parts
from portal.services.consents import answer_consent, ask_to_deactivate
from portal.services.inviting import Invited, invite_member, withdraw_invitation
from portal.services.licence_assigning import assign_licence
from portal.services.member_import import import_members, preview_import
from portal.services.sign_in import open_session, send_link
from tests.conftest import NOW
from tests.support.buying import ATELIER, LOTTE, PIETER, account_named, actor_of
from tests.support.members import fill_up, mails, member_id, token_in

pytestmark = pytest.mark.usefixtures("app_context")
MILAN = "milan.dhaenens@atelier-noordzee.example"


def at_once(app: Flask, *works: Callable[[], object]) -> list[str]:
    """Run the works at the same instant; the codes of what was refused, failures raised."""
    refused: list[str] = []
    failed: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        with app.app_context():
            try:
                start.wait(30)
                work()
            except DomainError as error:
                refused.append(error.code)
            except BaseException as error:
                failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failed == []
    return refused


@pytest.fixture
def account() -> int:
    with transaction() as session:
        return int(account_named(session, ATELIER).id)


def acting(parts: Parts) -> dict[str, Any]:
    with transaction() as session:
        return {"catalogue": parts.catalogue, "actor": actor_of(session, LOTTE), "now": NOW}


def people_without(account: int, count: int, parts: Parts) -> list[int]:
    """New members who hold nothing."""
    with transaction() as session:
        by = {"catalogue": parts.catalogue, "actor": actor_of(session, LOTTE), "now": NOW}
        return [
            invite_member(session, account, Invited(f"r{n}@x.example", "R", Role.MEMBER, "en"), [],
                          **by).id
            for n in range(count)
        ]  # fmt: skip


def held(item_id: int) -> int:
    with transaction() as session:
        found = session.scalar(
            select(func.count()).where(Assignment.item_id == item_id, Assignment.freed_at.is_(None))
        )
        return found or 0


def test_S9_eight_clicks_at_once_give_no_more_licences_than_are_free(
    app: Flask, parts: Parts, account: int
) -> None:
    by, people = acting(parts), people_without(account, 8, parts)
    with transaction() as session:
        item = fill_up(session, left=3)
        item_id, quantity = item.id, item.quantity

    def click(member: int) -> Callable[[], None]:
        def work() -> None:
            with transaction() as session:
                assign_licence(session, account, member, item_id, **by)

        return work

    refused = at_once(app, *(click(member) for member in people))
    assert refused == ["no_seat_free"] * 5
    assert held(item_id) == quantity


def test_S7_two_admins_who_agree_to_go_at_once_leave_one(
    app: Flask, parts: Parts, account: int
) -> None:
    tokens = []
    for email in (LOTTE, PIETER):
        with transaction() as session:
            other = PIETER if email == LOTTE else LOTTE
            ask_to_deactivate(session, account, member_id(session, email), address="/consents",
                              actor=actor_of(session, other), now=NOW)  # fmt: skip
            tokens.append(token_in(mails(session, "consent_request")[-1]))

    def agree(token: str) -> Callable[[], None]:
        def work() -> None:
            with transaction() as session:
                answer_consent(session, token, True, catalogue=parts.catalogue, now=NOW)

        return work

    assert at_once(app, *(agree(token) for token in tokens)) == ["last_admin"]
    with transaction() as session:
        admins = session.scalar(
            select(func.count()).where(
                Member.account_id == account, Member.role == "admin", Member.status == "active"
            )
        )
        assert admins == 1


def test_S7_one_link_pressed_twice_at_once_is_answered_once(
    app: Flask, parts: Parts, account: int
) -> None:
    with transaction() as session:
        ask_to_deactivate(session, account, member_id(session, PIETER), address="/consents",
                          actor=actor_of(session, LOTTE), now=NOW)  # fmt: skip
        token = token_in(mails(session, "consent_request")[-1])

    def press(agreed: bool) -> Callable[[], None]:
        def work() -> None:
            with transaction() as session:
                answer_consent(session, token, agreed, catalogue=parts.catalogue, now=NOW)

        return work

    assert at_once(app, press(True), press(False)) == ["consent_link_invalid"]


def test_S9_an_import_and_clicks_at_once_give_no_more_than_are_free(
    app: Flask, parts: Parts, account: int
) -> None:
    by, people = acting(parts), people_without(account, 4, parts)
    with transaction() as session:
        item = fill_up(session, left=4)
        item_id, quantity = item.id, item.quantity
    text = "email,name,licence:crm\n" + "".join(f"i{n}@x.example,I,yes\n" for n in range(3))
    with transaction() as session:
        shown = preview_import(session.connection(), account, text).digest

    def bring_in() -> None:
        with transaction() as session:
            import_members(session, account, text, shown, **by)

    def click(member: int) -> Callable[[], None]:
        def work() -> None:
            with transaction() as session:
                assign_licence(session, account, member, item_id, **by)

        return work

    at_once(app, bring_in, bring_in, *(click(member) for member in people))
    assert held(item_id) <= quantity
    with transaction() as session:
        invited = session.scalar(
            select(func.count()).select_from(Member).where(Member.invited_at == NOW,
                                                           Member.account_id == account)
        )  # fmt: skip
        assert invited in {4, 7}  # the file once, whole, or not at all


def test_an_invitation_is_accepted_or_withdrawn_never_half(
    app: Flask, parts: Parts, account: int
) -> None:
    by = acting(parts)
    with transaction() as session:
        milan = member_id(session, MILAN)
        send_link(session, MILAN, address="http://x", next_path="", now=NOW)
        session.flush()
        token = mails(session, "sign_in_link")[-1].payload["link"].rpartition("/")[2]

    def accept() -> None:
        with transaction() as session:
            open_session(session, token, browser="", address="", now=NOW)

    def withdraw() -> None:
        with transaction() as session:
            withdraw_invitation(session, account, milan, **by)

    refused = at_once(app, accept, withdraw)
    with transaction() as session:
        member = session.get(Member, milan)
        status = member.status if member is not None else None
    assert (status, refused) in [("active", ["not_invited"]), (None, []),
                                 (None, ["sign_in_link_invalid"])]  # fmt: skip
