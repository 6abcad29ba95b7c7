"""Importing members from a file: the plan that was shown is carried out, or nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.member_file import licence_columns, read_member_file
from portal.domain.member_import import ImportPlan, Step, plan_member_import
from portal.domain.permissions import Role
from portal.models import Assignment, Member, Person
from portal.queries.members import list_member_facts
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor, record
from portal.services.inviting import Invited, invite_people, send_invitations
from portal.services.licence_assigning import settle_overhang
from portal.services.member_roles import put_role
from portal.services.membership import OpenedAccount, Who, open_account, tell_person

__all__ = ["import_members", "preview_import"]

_AT_ONCE = 500


def preview_import(
    connection: Connection, account_id: int, text: str, on: date | None = None
) -> ImportPlan:
    """What importing the file's text would change on the account's day `on`; writes nothing.

    DomainError as `read_member_file`.
    """
    states = list_subscription_states(connection, account_id, on)
    columns = licence_columns(states)
    file = read_member_file(text, columns)
    return plan_member_import(file, list_member_facts(connection, account_id), states, columns)


def import_members(
    session: Session, account_id: int, text: str, shown: str, *, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> ImportPlan:  # fmt: skip
    """Carry the file out; `shown` is the digest of the plan that was on screen.

    DomainError `import_changed` where it is another plan by now, or one with problems.
    """
    opened = open_account(session, account_id, catalogue=catalogue, now=now)
    plan = preview_import(session.connection(), account_id, text)
    if plan.digest != shown or plan.problems:
        raise DomainError("import_changed")
    people = _load(session, account_id, plan)
    _free(session, opened, plan, people, actor, now)
    _change(session, opened, plan, people, actor, now)
    _invite(session, opened, plan, people, actor, now)
    _assign(session, opened, plan, people, actor, now)
    invited = [people[step.email] for step in plan.steps if step.is_new]
    for start in range(0, len(invited), _AT_ONCE):
        send_invitations(session, opened.account, invited[start : start + _AT_ONCE], actor=actor,
                         now=now)  # fmt: skip
    record(session, "members_imported", actor=actor, now=now, account_id=account_id,
           new={"count": len(plan.steps)})  # fmt: skip
    session.flush()
    return plan


def _load(session: Session, account_id: int, plan: ImportPlan) -> dict[str, Who]:
    """The present members of the plan by address, locked in the order of their ids."""
    ids = sorted(step.member_id for step in plan.steps if step.member_id is not None)
    people: dict[str, Who] = {}
    for start in range(0, len(ids), _AT_ONCE):
        rows = session.execute(
            select(Member, Person)
            .join(Person, Person.id == Member.person_id)
            .where(Member.account_id == account_id, Member.id.in_(ids[start : start + _AT_ONCE]))
            .order_by(Member.id)
            .with_for_update(of=Member)
            .execution_options(populate_existing=True)
        )
        people |= {person.email: Who(member, person) for member, person in rows}
    # Signing in takes no lock of the account: somebody may have accepted since the plan was made.
    for step in plan.steps:
        if not step.is_new and people[step.email].member.status != step.status_before:
            raise DomainError("import_changed")
    return people


def _free(
    session: Session, opened: OpenedAccount, plan: ImportPlan, people: Mapping[str, Who],
    actor: Actor, now: datetime,
) -> None:  # fmt: skip
    """First what becomes free: so the numbers hold at every moment (S9)."""
    losing = {
        people[step.email].member.id: (step, people[step.email])
        for step in plan.steps
        if step.freed
    }
    ids = sorted(losing)
    for start in range(0, len(ids), _AT_ONCE):
        for held in session.scalars(
            select(Assignment)
            .where(Assignment.member_id.in_(ids[start : start + _AT_ONCE]),
                   Assignment.freed_at.is_(None))
            .order_by(Assignment.id)
        ):  # fmt: skip
            step, who = losing[held.member_id]
            if held.item_id in step.freed:
                held.freed_at, held.freed_because = now, "import"
                record(session, "licence_freed", actor=actor, now=now,
                       account_id=opened.account.id, subject=who.person.name,
                       old={"member_id": who.member.id, "item_id": held.item_id})  # fmt: skip
    session.flush()
    if any(state.overhang for state in opened.states):
        settle_overhang(session, opened.account.id)


def _change(
    session: Session, opened: OpenedAccount, plan: ImportPlan, people: Mapping[str, Who],
    actor: Actor, now: datetime,
) -> None:  # fmt: skip
    for step in plan.steps:
        if step.is_new:
            continue
        who = people[step.email]
        if step.changes_role:
            put_role(session, opened.account, who, Role(step.role), actor=actor, now=now)
        if step.changes_status:
            _put_status(session, opened, step, who, actor, now)
    session.flush()


def _put_status(
    session: Session, opened: OpenedAccount, step: Step, who: Who, actor: Actor, now: datetime
) -> None:
    gone = step.status == "deactivated"
    who.member.status = step.status
    who.member.deactivated_at = now if gone else None
    action = "member_deactivated" if gone else "member_reactivated"
    record(session, action, actor=actor, now=now, account_id=opened.account.id,
           subject=who.person.name,
           old={"member_id": who.member.id, "status": step.status_before},
           new={"member_id": who.member.id, "status": step.status})  # fmt: skip
    tell_person(session, opened.account, who, "deactivated" if gone else "reactivated",
                actor=actor, now=now)  # fmt: skip


def _invite(
    session: Session, opened: OpenedAccount, plan: ImportPlan, people: dict[str, Who],
    actor: Actor, now: datetime,
) -> None:  # fmt: skip
    new = [step for step in plan.steps if step.is_new]
    for start in range(0, len(new), _AT_ONCE):
        some = new[start : start + _AT_ONCE]
        known = {
            person.email: person
            for person in session.scalars(
                select(Person).where(Person.email.in_([step.email for step in some]))
            )
        }
        wanted = [
            (known.get(step.email),
             Invited(step.email, step.name, Role(step.role), step.locale or opened.account.locale))
            for step in some
        ]  # fmt: skip
        for who in invite_people(session, opened, wanted, actor=actor, now=now):
            people[who.person.email] = who


def _assign(
    session: Session, opened: OpenedAccount, plan: ImportPlan, people: Mapping[str, Who],
    actor: Actor, now: datetime,
) -> None:  # fmt: skip
    for step in plan.steps:
        who = people[step.email]
        for item_id in step.assigned:
            session.add(Assignment(item_id=item_id, member_id=who.member.id, assigned_at=now))
            record(session, "licence_assigned", actor=actor, now=now,
                   account_id=opened.account.id, subject=who.person.name,
                   new={"member_id": who.member.id, "item_id": item_id})  # fmt: skip
    session.flush()
