"""Importing a file: exactly what was shown happens, or nothing does (S7, S9)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.member_import import ImportPlan
from portal.models import Assignment, Member, Person, Subscription
from portal.parts import Parts
from portal.services.licence_assigning import assign_licence, free_licence
from portal.services.member_import import import_members, preview_import
from tests.conftest import NOW
from tests.support.buying import (
    AN,
    ATELIER,
    JONAS,
    KAREL,
    KATRIN,
    LOTTE,
    PIETER,
    account_named,
    actor_of,
    plan_item,
    row_counts,
)
from tests.support.members import (
    actions,
    fill_up,
    free_seats,
    held_items,
    mails,
    member_id,
)

FILE = f"""email,name,role,status,language,licence:crm,licence:crm.appointments
new.one@x.example,New One,,,fr,yes,
{KATRIN},Somebody,billing_admin,,,no,
{AN},,member,,,,
{JONAS},,,deactivated,,,
{KAREL},,,active,,yes,
{LOTTE},,admin,active,,,
"""
Carry = Callable[[str], ImportPlan]


@pytest.fixture
def account(session: Session) -> int:
    return int(account_named(session, ATELIER).id)


@pytest.fixture
def carry(session: Session, account: int, parts: Parts) -> Carry:
    """Preview a file and import it at once."""

    def work(text: str) -> ImportPlan:
        shown = preview_import(session.connection(), account, text)
        return import_members(session, account, text, shown.digest, catalogue=parts.catalogue,
                              actor=actor_of(session, LOTTE), now=NOW)  # fmt: skip

    return work


def test_a_preview_writes_nothing(session: Session, account: int) -> None:
    before = row_counts(session)
    plan = preview_import(session.connection(), account, FILE)
    session.flush()
    assert (len(plan.steps), plan.unchanged, plan.problems) == (5, 1, ())
    assert row_counts(session) == before


def test_what_was_shown_is_done(session: Session, account: int, carry: Carry) -> None:
    item, free = plan_item(session, ATELIER), free_seats(session)
    plan = carry(FILE)
    assert len(plan.steps) == 5
    new = member_id(session, "new.one@x.example")
    assert (session.get_one(Member, new).status, held_items(session, new)) == ("invited", [item.id])
    assert session.get_one(Member, member_id(session, KATRIN, ATELIER)).role == "billing_admin"
    assert session.get_one(Member, member_id(session, AN)).role == "member"
    jonas = session.get_one(Member, member_id(session, JONAS))
    assert (jonas.status, held_items(session, jonas.id)) == ("deactivated", [])
    karel = session.get_one(Member, member_id(session, KAREL))
    assert (karel.status, karel.deactivated_at) == ("active", None)
    assert held_items(session, karel.id) == [item.id]
    assert free_seats(session) == free - 1  # one freed, two given
    assert [m.payload["licences"] for m in mails(session, "invitation")[-2:]] == [1, 0]
    assert sorted(m.payload["change"] for m in mails(session, "membership_changed")) == [
        "deactivated", "reactivated", "role_changed",
    ]  # fmt: skip
    assert actions(session, last=1) == ["members_imported"]
    assert (
        session.scalars(select(Person.name).where(Person.email == KATRIN)).one() == "Katrin Müller"
    )
    assert len(carry(FILE).steps) == 0


def test_S9_what_has_changed_meanwhile_is_not_overrun(
    session: Session, account: int, parts: Parts
) -> None:
    fill_up(session, left=1)
    item = plan_item(session, ATELIER)
    free_licence(session, account, member_id(session, AN), item.id, catalogue=parts.catalogue,
                 actor=actor_of(session, LOTTE), now=NOW)  # fmt: skip
    shown = preview_import(session.connection(), account, FILE)
    assert shown.problems == ()
    assign_licence(session, account, member_id(session, AN), item.id, catalogue=parts.catalogue,
                   actor=actor_of(session, LOTTE), now=NOW)  # fmt: skip
    fill_up(session, left=-1 + 1)
    before = row_counts(session)
    with pytest.raises(DomainError, match="import_changed"):
        import_members(session, account, FILE, shown.digest, catalogue=parts.catalogue,
                       actor=actor_of(session, LOTTE), now=NOW)  # fmt: skip
    assert row_counts(session) == before


def test_another_plan_than_the_one_shown_is_refused(
    session: Session, account: int, parts: Parts
) -> None:
    for shown in ("", "0" * 64):
        with pytest.raises(DomainError, match="import_changed"):
            import_members(session, account, FILE, shown, catalogue=parts.catalogue,
                           actor=actor_of(session, LOTTE), now=NOW)  # fmt: skip


def test_S7_a_plan_with_problems_is_never_carried_out(session: Session, carry: Carry) -> None:
    with pytest.raises(DomainError, match="import_changed"):
        carry(f"email,role\n{PIETER},member\n{AN},member\n")
    assert session.get_one(Member, member_id(session, AN)).role == "billing_admin"


def test_S9_a_swap_of_the_last_licence_never_exceeds_the_seats(
    session: Session, account: int, carry: Carry
) -> None:
    item = fill_up(session)
    carry(f"email,name,licence:crm\nnew@x.example,New,yes\n{JONAS},,no\n")
    held = session.scalar(
        select(func.count()).where(Assignment.item_id == item.id, Assignment.freed_at.is_(None))
    )
    assert held == item.quantity


def test_S7_freeing_by_file_shrinks_a_recorded_overhang(
    session: Session, account: int, carry: Carry
) -> None:
    item = fill_up(session, left=-1)
    subscription = session.get_one(Subscription, item.subscription_id)
    subscription.overhang = 1
    session.flush()
    carry(f"email,licence:crm\n{JONAS},no\n")
    session.refresh(subscription)
    assert subscription.overhang == 0


def test_thousands_of_people_are_imported_in_few_statements(
    session: Session, account: int, carry: Carry
) -> None:
    lines = "".join(f"p{n}@many.example,Person {n}\n" for n in range(2_000))
    assert len(carry(f"email,name\n{lines}").steps) == 2_000
    invited = session.scalar(
        select(func.count()).where(Member.account_id == account, Member.status == "invited")
    )
    assert invited == 2_001
