"""Inviting, roles, deactivating, licences: what each does, refuses, records and mails (S7, S8, S9)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError, Rejected
from portal.domain.permissions import Role
from portal.models import Assignment, Checkout, Member, Person, SeatEntry, Subscription
from portal.parts import Parts
from portal.services.inviting import (
    Invited,
    invite_member,
    resend_invitation,
    withdraw_invitation,
)
from portal.services.licence_assigning import assign_licence, free_licence
from portal.services.member_roles import change_role
from portal.services.member_status import deactivate_member, reactivate_member
from portal.services.sign_in import open_session, send_link
from tests.conftest import NOW
from tests.support.buying import (
    AN,
    ATELIER,
    JONAS,
    KAREL,
    KATRIN,
    LOTTE,
    MUELLER,
    PIETER,
    account_named,
    actor_of,
    plan_item,
    quoted,
    ready,
)
from tests.support.members import (
    actions,
    deactivate_all_but,
    fill_up,
    free_seats,
    held_items,
    mails,
    member_id,
)

MILAN = "milan.dhaenens@atelier-noordzee.example"  # invited
NEW = Invited("New.Person@x.example", "New Person", Role.MEMBER, "fr")


@pytest.fixture
def acting(session: Session, parts: Parts) -> dict[str, Any]:
    """What every service wants: Lotte acts, now."""
    return {"catalogue": parts.catalogue, "actor": actor_of(session, LOTTE), "now": NOW}


@pytest.fixture
def account(session: Session) -> int:
    return int(account_named(session, ATELIER).id)


def quantities(session: Session) -> list[int]:
    return [plan_item(session, ATELIER).quantity,
            session.scalar(select(func.count()).select_from(SeatEntry)) or 0]  # fmt: skip


# --- inviting ----------------------------------------------------------------------------------


def test_an_invitation_reserves_its_licences_and_is_mailed_in_its_language(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    item = plan_item(session, ATELIER)
    member = invite_member(session, account, NEW, [item.id], **acting)
    assert (member.status, member.role, member.invited_at) == ("invited", "member", NOW)
    assert held_items(session, member.id) == [item.id]
    [mail] = mails(session, "invitation")[-1:]
    assert (mail.recipient, mail.locale) == ("new.person@x.example", "fr")
    assert mail.payload["licences"] == 1
    assert actions(session, last=2) == ["member_invited", "licence_assigned"]


def test_a_person_the_portal_knows_keeps_name_and_language(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    known = Invited(KATRIN.upper(), "Somebody else", Role.BILLING_ADMIN, "fr")
    member = invite_member(session, account, known, [], **acting)
    person = session.get_one(Person, member.person_id)
    assert (person.name, person.locale) == ("Katrin Müller", "de")
    assert mails(session, "invitation")[-1].payload["licences"] == 0


@pytest.mark.parametrize(
    ("email", "code"),
    [
        (JONAS, "member_exists"),
        (MILAN, "member_invited_already"),
        (KAREL, "member_was_deactivated"),
    ],
)
def test_who_belongs_to_the_account_is_not_invited_again(
    session: Session, account: int, acting: dict[str, Any], email: str, code: str
) -> None:
    with pytest.raises(Rejected) as refused:
        invite_member(session, account, Invited(email, "X", Role.MEMBER, "en"), [], **acting)
    assert [(p.field, p.code) for p in refused.value.problems] == [("email", code)]


def test_S9_an_invitation_reserves_no_licence_that_is_not_free(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    item = fill_up(session)
    with pytest.raises(Rejected) as refused:
        invite_member(session, account, NEW, [item.id], **acting)
    assert [(p.field, p.code) for p in refused.value.problems] == [("licences", "no_seat_free")]


def test_all_other_admins_hear_of_an_invited_admin(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    invite_member(session, account, Invited("n@x.example", "N", Role.ADMIN, "en"), [], **acting)
    assert [mail.recipient for mail in mails(session, "new_admin_contact")] == [PIETER]


def test_an_invitation_goes_out_once_a_minute_at_most(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    member = invite_member(session, account, NEW, [], **acting)
    later = {**acting, "now": NOW + timedelta(seconds=59)}
    with pytest.raises(DomainError, match="resent_too_soon"):
        resend_invitation(session, account, member.id, **later)
    later["now"] = NOW + timedelta(seconds=60)
    resend_invitation(session, account, member.id, **later)
    assert len(mails(session, "invitation")) == 2
    assert actions(session, last=1) == ["invitation_resent"]


def test_a_withdrawn_invitation_leaves_nothing_but_its_history(
    session: Session, account: int, acting: dict[str, Any], parts: Parts
) -> None:
    item = plan_item(session, ATELIER)
    before = free_seats(session)
    member = invite_member(session, account, NEW, [item.id], **acting)
    withdraw_invitation(session, account, member.id, **acting)
    assert free_seats(session) == before
    assert session.scalar(select(Member.id).where(Member.id == member.id)) is None
    assert actions(session, last=2) == ["licence_freed", "invitation_withdrawn"]
    # Whoever never accepted cannot sign in, not even to read.
    assert send_link(session, NEW.email, address="x", next_path="", now=NOW) is None
    invite_member(session, account, NEW, [item.id], **acting)  # and may be asked again


def test_an_invited_contact_of_a_checkout_can_be_withdrawn(
    app_context: None, parts: Parts, session: Session
) -> None:
    session.rollback()
    quote_id = quoted(parts)
    ready(parts, quote_id)
    account = int(account_named(session, ATELIER).id)
    acting = {"catalogue": parts.catalogue, "actor": actor_of(session, LOTTE), "now": NOW}
    admin = Invited("n@x.example", "N", Role.ADMIN, "en")
    member = invite_member(session, account, admin, [], **acting)
    checkout = session.scalars(select(Checkout).where(Checkout.quote_id == quote_id)).one()
    checkout.contact_member_id = member.id
    session.flush()
    withdraw_invitation(session, account, member.id, **acting)
    session.refresh(checkout)
    assert (checkout.contact_member_id, checkout.completed) == (None, False)


def test_an_accepted_invitation_is_recorded_and_not_withdrawn_any_more(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    member = member_id(session, MILAN)
    send_link(session, MILAN, address="http://x", next_path="", now=NOW)
    session.flush()
    token = mails(session, "sign_in_link")[-1].payload["link"].rpartition("/")[2]
    open_session(session, token, browser="", address="", now=NOW)
    session.flush()
    assert session.get_one(Member, member).status == "active"
    assert "member_activated" in actions(session)
    for refused in (resend_invitation, withdraw_invitation):
        with pytest.raises(DomainError, match="not_invited"):
            refused(session, account, member, **acting)


# --- licences ----------------------------------------------------------------------------------


def test_S9_licences_are_given_until_none_is_free(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    item = fill_up(session, left=1)
    first, second = member_id(session, AN), member_id(session, MILAN)
    for member in (first, second):
        free_licence(session, account, member, item.id, **acting)
    fill_up(session, left=1)
    assign_licence(session, account, first, item.id, **acting)
    assign_licence(session, account, first, item.id, **acting)  # who has it keeps it
    with pytest.raises(DomainError, match="no_seat_free"):
        assign_licence(session, account, second, item.id, **acting)
    assert free_seats(session) == 0


def test_S8_giving_and_freeing_change_no_quantity(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    before = quantities(session)
    member, item = member_id(session, JONAS), plan_item(session, ATELIER)
    free_licence(session, account, member, item.id, **acting)
    assert item.id not in held_items(session, member)
    assert session.get_one(Member, member).status == "active"
    assign_licence(session, account, member, item.id, **acting)
    assert quantities(session) == before
    row = session.scalars(
        select(Assignment).where(Assignment.member_id == member).order_by(Assignment.id)
    ).first()
    assert row is not None
    assert (row.freed_at, row.freed_because) == (NOW, "by_hand")
    assert actions(session, last=2) == ["licence_freed", "licence_assigned"]


def test_a_deactivated_member_gets_no_licence(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    with pytest.raises(DomainError, match="member_deactivated"):
        assign_licence(session, account, member_id(session, KAREL),
                       plan_item(session, ATELIER).id, **acting)  # fmt: skip


def test_another_accounts_items_and_members_are_unknown(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    theirs = plan_item(session, MUELLER).id
    with pytest.raises(DomainError, match="licence_unknown"):
        assign_licence(session, account, member_id(session, KAREL.replace(KAREL, AN)), theirs,
                       **acting)  # fmt: skip
    katrin = member_id(session, KATRIN, MUELLER)
    for refused in (partial(assign_licence, item_id=theirs), deactivate_member,
                    partial(reactivate_member, items=[theirs]), resend_invitation,
                    withdraw_invitation):  # fmt: skip
        with pytest.raises(DomainError, match="member_unknown"):
            refused(session, account, katrin, **acting)


def test_S7_nothing_is_given_while_an_overhang_lasts_and_freeing_shrinks_it(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    item = fill_up(session, left=-1)
    subscription = session.get_one(Subscription, item.subscription_id)
    subscription.overhang = 1
    session.flush()
    add_on = next(i for i in held_items(session, member_id(session, LOTTE)) if i != item.id)
    with pytest.raises(DomainError, match="overhang_recorded"):
        assign_licence(session, account, member_id(session, AN), add_on, **acting)
    free_licence(session, account, member_id(session, JONAS), item.id, **acting)
    session.refresh(subscription)
    assert subscription.overhang == 0
    with pytest.raises(DomainError, match="no_seat_free"):
        assign_licence(session, account, member_id(session, JONAS), item.id, **acting)


# --- deactivating, coming back, roles ----------------------------------------------------------


def test_S8_deactivating_frees_the_licences_and_changes_no_quantity(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    before, free = quantities(session), free_seats(session)
    member = member_id(session, JONAS)
    freed = deactivate_member(session, account, member, **acting)
    assert freed == len({*held_items(session, member)}) + freed
    row = session.get_one(Member, member)
    assert (row.status, row.deactivated_at) == ("deactivated", NOW)
    assert held_items(session, member) == []
    assert quantities(session) == before
    assert free_seats(session) == free + 1
    [mail] = mails(session, "membership_changed")
    assert (mail.recipient, mail.payload["change"]) == (JONAS, "deactivated")
    assert actions(session, last=1) == ["member_deactivated"]
    with pytest.raises(DomainError, match="member_not_active"):
        deactivate_member(session, account, member, **acting)


def test_S7_an_admin_is_neither_deactivated_nor_demoted_without_consent(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    pieter = member_id(session, PIETER)
    with pytest.raises(DomainError, match="admin_must_consent"):
        deactivate_member(session, account, pieter, **acting)
    with pytest.raises(DomainError, match="admin_must_consent"):
        change_role(session, account, pieter, Role.MEMBER, actor=acting["actor"], now=NOW)


def test_reactivating_gives_a_licence_and_needs_one(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    member, item = member_id(session, KAREL), plan_item(session, ATELIER)
    with pytest.raises(DomainError, match="licence_needed"):
        reactivate_member(session, account, member, [], **acting)
    reactivate_member(session, account, member, [item.id], **acting)
    row = session.get_one(Member, member)
    assert (row.status, row.deactivated_at) == ("active", None)
    assert held_items(session, member) == [item.id]
    assert mails(session, "membership_changed")[-1].payload["change"] == "reactivated"
    with pytest.raises(DomainError, match="member_not_deactivated"):
        reactivate_member(session, account, member, [item.id], **acting)


def test_S9_nobody_comes_back_with_a_licence_that_is_not_free(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    item = fill_up(session)
    with pytest.raises(DomainError, match="no_seat_free"):
        reactivate_member(session, account, member_id(session, KAREL), [item.id], **acting)


def test_a_new_admin_is_told_and_so_are_the_others(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    by = {"actor": acting["actor"], "now": NOW}
    assert change_role(session, account, member_id(session, JONAS), Role.ADMIN, **by)
    assert not change_role(session, account, member_id(session, JONAS), Role.ADMIN, **by)
    assert [m.recipient for m in mails(session, "membership_changed")] == [JONAS]
    assert [m.recipient for m in mails(session, "new_admin_contact")] == [PIETER]
    assert actions(session, last=1) == ["role_changed"]


def test_an_invited_persons_role_changes_without_a_word(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    by = {"actor": acting["actor"], "now": NOW}
    milan = member_id(session, MILAN)
    change_role(session, account, milan, Role.ADMIN, **by)
    change_role(session, account, milan, Role.MEMBER, **by)  # there are no rights to lose yet
    assert mails(session, "membership_changed") == []


def test_S7_even_the_last_admin_may_be_joined_by_another(
    session: Session, account: int, acting: dict[str, Any]
) -> None:
    deactivate_all_but(session, ATELIER, LOTTE)
    change_role(session, account, member_id(session, JONAS), Role.ADMIN,
                actor=acting["actor"], now=NOW)  # fmt: skip
    assert session.get_one(Member, member_id(session, JONAS)).role == "admin"
