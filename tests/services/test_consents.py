"""An admin's consent in writing: asked, given, refused, withdrawn; the last admin stays (S7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.access import Held, ItemFreeing, plan_freeing
from portal.domain.errors import DomainError
from portal.domain.permissions import Role
from portal.models import Consent, Member, SubscriptionItem
from portal.parts import Parts
from portal.queries.holders import list_subscription_held
from portal.services.consents import (
    answer_consent,
    ask_to_deactivate,
    ask_to_free_at_renewal,
    ask_to_give_up_rights,
    withdraw_request,
)
from portal.services.licence_assigning import assign_licence, free_licence
from portal.services.member_status import reactivate_member
from portal.web.signed_in import token_hash
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    JONAS,
    LOTTE,
    PIETER,
    account_named,
    actor_of,
    plan_item,
)
from tests.support.members import (
    actions,
    deactivate_all_but,
    held_items,
    mails,
    member_id,
    token_in,
)

ADDRESS = "http://localhost/consents"
LATER = NOW + timedelta(hours=3)


def held_of(session: Session, account_id: int, item: SubscriptionItem) -> list[Held]:
    """The licences of an item, as the rules see them."""
    everybody = list_subscription_held(session.connection(), account_id, item.subscription_id)
    return [each.held for each in everybody if each.held.item_id == item.id]


@pytest.fixture
def account(session: Session) -> int:
    return int(account_named(session, ATELIER).id)


@pytest.fixture
def by(session: Session) -> dict[str, Any]:
    """Lotte asks, now."""
    return {"address": ADDRESS, "actor": actor_of(session, LOTTE), "now": NOW}


def last_token(session: Session) -> str:
    return token_in(mails(session, "consent_request")[-1])


def test_S7_a_request_is_mailed_in_the_persons_language_and_changes_nothing(
    session: Session, account: int, by: dict[str, Any]
) -> None:
    pieter = member_id(session, PIETER)
    asked = ask_to_deactivate(session, account, pieter, **by)
    [mail] = mails(session, "consent_request")
    assert (mail.recipient, mail.locale) == (PIETER, "nl")
    assert asked.locale == "nl"
    assert mail.payload["words"] == asked.words
    assert "Atelier Noordzee BV" in asked.words
    assert asked.token_hash == token_hash(last_token(session))
    assert last_token(session) not in repr(asked.__dict__)
    assert session.get_one(Member, pieter).status == "active"
    assert actions(session, last=1) == ["consent_asked"]


def test_S7_agreeing_deactivates_at_once_with_everything_recorded(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    pieter = member_id(session, PIETER)
    asked = ask_to_deactivate(session, account, pieter, **by)
    answered = answer_consent(session, last_token(session), True, catalogue=parts.catalogue,
                              now=LATER)  # fmt: skip
    assert (answered.agreed, answered.words) == (True, asked.words)
    row = session.get_one(Consent, asked.id)
    assert (row.answer, row.answered_at) == ("given", LATER)
    member = session.get_one(Member, pieter)
    assert (member.status, member.deactivated_at) == ("deactivated", LATER)
    assert held_items(session, pieter) == []
    done = actions(session)
    done = done[done.index("consent_asked") :]
    assert done.index("consent_given") < done.index("member_deactivated")
    [told] = mails(session, "consent_answered")
    assert (told.recipient, told.payload["answer"]) == (LOTTE, "given")
    assert [m.recipient for m in mails(session, "membership_changed")] == [PIETER]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.BILLING_ADMIN])
def test_S7_agreeing_changes_the_role_at_once(
    session: Session, account: int, by: dict[str, Any], parts: Parts, role: Role
) -> None:
    pieter = member_id(session, PIETER)
    before = held_items(session, pieter)
    ask_to_give_up_rights(session, account, pieter, role, **by)
    answer_consent(session, last_token(session), True, catalogue=parts.catalogue, now=LATER)
    member = session.get_one(Member, pieter)
    assert (member.role, member.status) == (role, "active")
    assert held_items(session, pieter) == before


def test_S7_refusing_is_recorded_and_changes_nothing(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    pieter = member_id(session, PIETER)
    asked = ask_to_deactivate(session, account, pieter, **by)
    answer_consent(session, last_token(session), False, catalogue=parts.catalogue, now=LATER)
    assert session.get_one(Consent, asked.id).answer == "refused"
    assert session.get_one(Member, pieter).status == "active"
    assert actions(session, last=1) == ["consent_refused"]
    assert mails(session, "consent_answered")[-1].payload["answer"] == "refused"


def test_S7_an_admin_asks_for_their_own_leave_in_writing_too(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    lotte = member_id(session, LOTTE)
    ask_to_give_up_rights(session, account, lotte, Role.MEMBER, **by)
    answer_consent(session, last_token(session), True, catalogue=parts.catalogue, now=LATER)
    assert session.get_one(Member, lotte).role == "member"
    assert mails(session, "consent_answered") == []  # who asked knows


def test_S7_the_last_active_admin_is_not_even_asked(
    session: Session, account: int, by: dict[str, Any]
) -> None:
    deactivate_all_but(session, ATELIER, LOTTE)
    lotte = member_id(session, LOTTE)
    with pytest.raises(DomainError, match="last_admin"):
        ask_to_deactivate(session, account, lotte, **by)
    with pytest.raises(DomainError, match="last_admin"):
        ask_to_give_up_rights(session, account, lotte, Role.MEMBER, **by)
    ask_to_free_at_renewal(session, account, lotte, **by)  # a licence may go, if another stays


def test_S7_who_has_become_the_last_admin_meanwhile_cannot_agree(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    pieter = member_id(session, PIETER)
    asked = ask_to_deactivate(session, account, pieter, **by)
    token = last_token(session)
    deactivate_all_but(session, ATELIER, PIETER)
    with pytest.raises(DomainError, match="last_admin"):
        answer_consent(session, token, True, catalogue=parts.catalogue, now=LATER)
    assert session.get_one(Consent, asked.id).answered_at is None  # the link still waits
    answer_consent(session, token, False, catalogue=parts.catalogue, now=LATER)


@pytest.mark.parametrize("email", [JONAS, "karel.ostyn@atelier-noordzee.example",
                                   "milan.dhaenens@atelier-noordzee.example"])  # fmt: skip
def test_only_active_admins_are_asked(
    session: Session, account: int, by: dict[str, Any], email: str
) -> None:
    with pytest.raises(DomainError, match="consent_not_needed"):
        ask_to_deactivate(session, account, member_id(session, email), **by)


def test_an_answer_counts_once_and_unknown_links_say_so(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    ask_to_deactivate(session, account, member_id(session, PIETER), **by)
    token = last_token(session)
    answer_consent(session, token, False, catalogue=parts.catalogue, now=LATER)
    for wrong in (token, "nobody-sent-this", "", "\udcff"):
        with pytest.raises(DomainError, match="consent_link_invalid"):
            answer_consent(session, wrong, True, catalogue=parts.catalogue, now=LATER)
    assert session.get_one(Member, member_id(session, PIETER)).status == "active"


def test_a_newer_request_takes_the_older_ones_place(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    pieter = member_id(session, PIETER)
    first = ask_to_deactivate(session, account, pieter, **by)
    old = last_token(session)
    with pytest.raises(DomainError, match="asked_too_soon"):
        ask_to_free_at_renewal(session, account, pieter, **by)
    ask_to_free_at_renewal(session, account, pieter, **{**by, "now": LATER})
    assert session.get_one(Consent, first.id).answer == "withdrawn"
    with pytest.raises(DomainError, match="consent_link_invalid"):
        answer_consent(session, old, True, catalogue=parts.catalogue, now=LATER)
    answer_consent(session, last_token(session), True, catalogue=parts.catalogue, now=LATER)
    assert session.get_one(Member, pieter).status == "active"  # the renewal decides


def test_a_request_is_withdrawn_and_grows_old(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    pieter = member_id(session, PIETER)
    asked = ask_to_deactivate(session, account, pieter, **by)
    withdraw_request(session, account, pieter, asked.id, actor=by["actor"], now=NOW)
    assert session.get_one(Consent, asked.id).answer == "withdrawn"
    assert actions(session, last=1) == ["consent_withdrawn"]
    with pytest.raises(DomainError, match="consent_answered"):
        withdraw_request(session, account, pieter, asked.id, actor=by["actor"], now=NOW)
    ask_to_deactivate(session, account, pieter, **by)
    with pytest.raises(DomainError, match="consent_link_invalid"):
        answer_consent(session, last_token(session), True, catalogue=parts.catalogue,
                       now=NOW + timedelta(days=30))  # fmt: skip


def test_a_request_ends_with_the_rights_it_is_about(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    pieter = member_id(session, PIETER)
    ask_to_deactivate(session, account, pieter, **by)
    ask_to_give_up_rights(session, account, pieter, Role.MEMBER, **by)
    answer_consent(session, last_token(session), True, catalogue=parts.catalogue, now=LATER)
    answers = session.scalars(
        select(Consent.answer).where(Consent.member_id == pieter).order_by(Consent.id)
    ).all()
    assert answers == ["withdrawn", "given"]


def test_S7_consent_to_a_renewal_holds_until_a_licence_is_given_anew(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    pieter, item = member_id(session, PIETER), plan_item(session, ATELIER)

    def consented() -> bool:
        session.flush()
        held = held_of(session, account, item)
        return next(each.consented for each in held if each.member_id == pieter)

    assert not consented()
    ask_to_free_at_renewal(session, account, pieter, **by)
    answer_consent(session, last_token(session), True, catalogue=parts.catalogue, now=LATER)
    assert consented()
    held = held_of(session, account, item)
    plan = plan_freeing([ItemFreeing(held, len(held) - 1, {pieter})], active_admins=2)
    assert [each.member_id for each in plan.freed] == [pieter]

    acting = {"catalogue": parts.catalogue, "actor": by["actor"], "now": LATER + timedelta(days=1)}
    free_licence(session, account, pieter, item.id, **acting)
    assign_licence(session, account, pieter, item.id, **acting)
    assert not consented()


def test_S7_consent_to_being_deactivated_does_not_outlive_coming_back(
    session: Session, account: int, by: dict[str, Any], parts: Parts
) -> None:
    pieter, item = member_id(session, PIETER), plan_item(session, ATELIER)
    ask_to_deactivate(session, account, pieter, **by)
    answer_consent(session, last_token(session), True, catalogue=parts.catalogue, now=LATER)
    reactivate_member(session, account, pieter, [item.id], catalogue=parts.catalogue,
                      actor=by["actor"], now=LATER + timedelta(days=1))  # fmt: skip
    held = held_of(session, account, item)
    assert not next(each.consented for each in held if each.member_id == pieter)
