"""Removing seats and choosing who loses access: what is written, refused, and undone (S3 to S9)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.jobs.worker import run_due
from portal.models import (
    Account,
    AuditEvent,
    Consent,
    Member,
    OutboxMessage,
    Person,
    ScheduledChange,
)
from portal.parts import Parts
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor
from portal.services.scheduling import undo_change
from portal.services.seat_removal import choose_who_loses, remove_seats
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    LOTTE,
    LUMIERE,
    MUELLER,
    PIETER,
    account_named,
    actor_of,
    collected,
    held_by,
    member_of,
    order_ready_to_pay,
    plan_item,
    row_counts,
)
from tests.support.changes import removal_key, removed, waiting

pytestmark = pytest.mark.usefixtures("app_context")
NOOR = "noor.bakker@atelier-noordzee.example"
MILAN = "milan.dhaenens@atelier-noordzee.example"
FATIMA = "fatima.elamrani@atelier-noordzee.example"


def mails(session: Session) -> list[OutboxMessage]:
    query = select(OutboxMessage).where(
        OutboxMessage.topic == "access_loss", OutboxMessage.created_at >= NOW
    )
    return list(session.scalars(query.order_by(OutboxMessage.id)))


def undo(parts: Parts, change_id: int, account: str = ATELIER) -> None:
    with transaction() as session:
        undo_change(
            session, account_named(session, account).id, change_id, catalogue=parts.catalogue,
            actor=actor_of(session, LOTTE), now=clock.now(),
        )  # fmt: skip


def choose(parts: Parts, change_id: int, *chosen: int, account: str = ATELIER) -> None:
    with transaction() as session:
        choose_who_loses(
            session, account_named(session, account).id, change_id, chosen,
            catalogue=parts.catalogue, actor=actor_of(session, LOTTE), now=clock.now(),
        )  # fmt: skip


def test_S1_a_reduction_waits_and_nothing_else_changes(parts: Parts, books: Session) -> None:
    item = plan_item(books, ATELIER)
    people = held_by(books, item.id)
    on = removed(parts, remove=4)
    (change,) = waiting(books, ATELIER)
    assert (change.delta, change.effective_on, change.item_id) == (-4, on, item.id)
    assert plan_item(books, ATELIER).quantity == 12
    assert held_by(books, item.id) == people
    event = books.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.action, event.new) == (
        "reduction_asked", {"item_id": item.id, "seats": 8, "effective_on": on.isoformat()},
    )  # fmt: skip


def test_S3_what_is_recorded_counts_the_reductions_that_come_before(
    parts: Parts, books: Session
) -> None:
    """12 licences; 2 and then 1 go on 30 November, 3 on 28 February, and those 3 are kept after all."""
    clock.fix(datetime(2026, 11, 10, 9, tzinfo=UTC))
    removed(parts, remove=2)
    removed(parts, remove=1)
    clock.fix(datetime(2026, 11, 20, 9, tzinfo=UTC))
    late = removed(parts, remove=3)
    assert late == date(2027, 2, 28)
    undo(parts, next(c.id for c in waiting(books, ATELIER) if c.effective_on == late))
    events = books.scalars(
        select(AuditEvent).where(AuditEvent.action.in_(["reduction_asked", "reduction_undone"]))
        .order_by(AuditEvent.id.desc()).limit(4)
    ).all()  # fmt: skip
    assert [((e.old or {}).get("seats"), (e.new or {}).get("seats")) for e in reversed(events)] == [
        (None, 10), (10, 9), (None, 6), (6, None),
    ]  # fmt: skip


def test_S6_every_admin_is_told_at_once_in_the_own_language(parts: Parts, books: Session) -> None:
    on = removed(parts, remove=4)
    told = mails(books)
    assert [(m.recipient, m.locale) for m in told] == [(LOTTE, "en"), (PIETER, "nl")]
    payload = told[0].payload
    assert (payload["on"], payload["seats"], payload["more"]) == (on.isoformat(), 8, 0)
    assert payload["people"] == ["Milan Dhaenens", "Noor Bakker"]
    assert payload["change_id"] == waiting(books, ATELIER)[0].id


def test_S6_nobody_is_told_where_nobody_loses_anything(parts: Parts, books: Session) -> None:
    removed(parts, remove=2)
    assert mails(books) == []


def test_Q4_two_clicks_reduce_once(parts: Parts, books: Session) -> None:
    with transaction() as session:
        shown = removal_key(
            parts, session, account_named(session, ATELIER), plan_item(session, ATELIER), 4
        )
    first = removed(parts, remove=4, shown=shown)
    before = row_counts(books)
    assert removed(parts, remove=4, shown=shown) == first
    assert row_counts(books) == before
    assert [change.delta for change in waiting(books, ATELIER)] == [-4]


def test_what_became_different_since_it_was_shown_is_refused(parts: Parts, books: Session) -> None:
    with transaction() as session:
        account, item = account_named(session, ATELIER), plan_item(session, ATELIER)
        shown = removal_key(parts, session, account, item, 4)
    collected(parts, order_ready_to_pay(parts, added=1).attempt_id)
    before = row_counts(books)
    with pytest.raises(DomainError, match="change_differs"):
        removed(parts, remove=4, shown=shown)
    assert row_counts(books) == before


def test_S4_at_midnight_the_other_date_must_be_seen_first(parts: Parts, books: Session) -> None:
    clock.fix(NOW + timedelta(days=17, hours=13))  # 15 November 2026, 23:00 in Brussels
    with transaction() as session:
        shown = removal_key(
            parts, session, account_named(session, ATELIER), plan_item(session, ATELIER), 4
        )
    clock.fix(NOW + timedelta(days=17, hours=14, minutes=1))
    with pytest.raises(DomainError, match="change_differs"):
        removed(parts, remove=4, shown=shown)
    assert removed(parts, remove=4).isoformat() == "2027-02-28"


def test_S3_an_increase_meanwhile_keeps_the_reduction(parts: Parts, books: Session) -> None:
    removed(parts, remove=4)
    collected(parts, order_ready_to_pay(parts, added=3).attempt_id)
    with transaction() as session:
        account = account_named(session, ATELIER)
        (state,) = list_subscription_states(session.connection(), account.id)
    assert (state.plan_item.quantity, state.plan_item.quantity_at_renewal) == (15, 11)


def test_S5_undo_restores_everything_that_can_be_seen(parts: Parts, books: Session) -> None:
    def seen() -> object:
        with transaction() as session:
            account = account_named(session, ATELIER)
            return list_subscription_states(session.connection(), account.id)

    before = seen()
    removed(parts, remove=4)
    assert seen() != before
    undo(parts, waiting(books, ATELIER)[0].id)
    assert seen() == before
    assert books.scalar(select(func.count()).where(ScheduledChange.status == "undone")) == 1
    with pytest.raises(DomainError, match="change_unknown"):
        undo(parts, books.scalar(select(func.max(ScheduledChange.id))) or 0)


def test_S7_without_consent_it_is_refused_and_with_it_accepted(
    parts: Parts, books: Session
) -> None:
    everybody_an_admin(books)
    before = row_counts(books)
    with pytest.raises(DomainError, match="admins_must_consent"):
        removed(parts, remove=4)
    assert row_counts(books) == before
    with transaction() as session:
        for email in (NOOR, FATIMA):
            member = member_of(session, ATELIER, email)
            session.add(
                Consent(member_id=member.id, subject="deactivation", token_hash=email, words="Yes",
                        locale="en", asked_at=NOW, answered_at=NOW, answer="given")
            )  # fmt: skip
    removed(parts, remove=4)
    assert mails(books)[0].payload["people"] == ["Noor Bakker", "Fatima El Amrani"]


def everybody_an_admin(books: Session) -> None:
    account = account_named(books, ATELIER)
    books.execute(
        update(Member)
        .where(Member.account_id == account.id, Member.status != "deactivated")
        .values(role="admin", status="active")
        .execution_options(synchronize_session=False)
    )


def test_S6_others_are_chosen_when_it_is_asked_and_later(parts: Parts, books: Session) -> None:
    fatima, noor = (member_of(books, ATELIER, email).id for email in (FATIMA, NOOR))
    removed(parts, remove=3, chosen=(fatima,))
    (change,) = waiting(books, ATELIER)
    assert change.target == {"free": [fatima]}
    assert mails(books)[0].payload["people"] == ["Fatima El Amrani"]
    choose(parts, change.id, noor)
    (change,) = waiting(books, ATELIER)
    assert change.target == {"free": [noor]}
    event = books.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.action, event.new and event.new["people"]) == (
        "access_loss_chosen", ["Noor Bakker"],
    )  # fmt: skip
    before = row_counts(books)
    choose(parts, change.id, noor)  # as it is
    assert row_counts(books) == before
    choose(parts, change.id)
    assert waiting(books, ATELIER)[0].target == {}


def test_S7_an_admin_is_not_chosen_without_consent(parts: Parts, books: Session) -> None:
    pieter = member_of(books, ATELIER, PIETER).id
    with pytest.raises(Rejected) as refused:
        removed(parts, remove=3, chosen=(pieter,))
    assert refused.value.problems[0].code == "admin_not_consented"
    removed(parts, remove=3)
    (change,) = waiting(books, ATELIER)
    with pytest.raises(Rejected):
        choose(parts, change.id, pieter)
    assert waiting(books, ATELIER)[0].target == {}


@pytest.mark.parametrize("chooses", [False, True])
def test_S6_who_was_named_is_who_loses_it_once_the_renewal_date_is_over(
    parts: Parts, books: Session, chooses: bool
) -> None:
    chosen = (member_of(books, ATELIER, FATIMA).id,) if chooses else None
    removed(parts, remove=4, chosen=chosen)
    named = mails(books)[0].payload["people"]
    item = plan_item(books, ATELIER)
    for now in (NOW + timedelta(days=32), NOW + timedelta(days=32, hours=13)):
        clock.fix(now)  # the 30th, until 23:00 in Brussels
        run_due(parts, now)
        assert plan_item(books, ATELIER).quantity == 8
        assert len(held_by(books, item.id)) == 10
    before = set(held_by(books, item.id))
    query = select(Member.id, Person.name).join(Person, Person.id == Member.person_id)
    names = {row.id: row.name for row in books.execute(query)}  # an invited one is removed (S8)
    clock.fix(NOW + timedelta(days=32, hours=15))
    run_due(parts, clock.now())
    lost = before - set(held_by(books, item.id))
    assert sorted(names[one] for one in lost) == sorted(named)


def test_another_accounts_change_and_subscription_are_not_there(
    parts: Parts, books: Session
) -> None:
    removed(parts, remove=3)
    (change,) = waiting(books, ATELIER)
    with pytest.raises(DomainError, match="change_unknown"):
        choose(parts, change.id, account=MUELLER)
    item = plan_item(books, ATELIER)
    with transaction() as session, pytest.raises(DomainError, match="subscription_unknown"):
        remove_seats(
            session, account_named(session, MUELLER).id, item.subscription_id, item.id, 1,
            chosen=None, shown="", catalogue=parts.catalogue, actor=actor_of(session, LOTTE),
            now=NOW,
        )  # fmt: skip


def test_a_customer_that_pays_by_transfer_cannot_alone_and_staff_can_for_them(
    parts: Parts, books: Session
) -> None:
    with pytest.raises(DomainError, match="not_self_service") as refused:
        removed(parts, LUMIERE, 1, email=CAMILLE)
    assert refused.value.data == {"reason": "bank_transfer"}
    item = plan_item(books, LUMIERE)
    with transaction() as session:
        account = session.get_one(Account, account_named(session, LUMIERE).id)
        person = session.scalars(select(Person).where(Person.email == CAMILLE)).one()
        asked_at = NOW - timedelta(days=3)
        remove_seats(
            session, account.id, item.subscription_id, item.id, 1, chosen=None,
            shown=removal_key(parts, session, account, item, 1), catalogue=parts.catalogue,
            actor=Actor("staff", person.name, person.id), now=NOW, asked_at=asked_at,
        )  # fmt: skip
    assert waiting(books, LUMIERE)[0].asked_at == asked_at
