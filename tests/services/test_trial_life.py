"""The life of a trial that nobody buys: reminders, read-only, the end, more time (C5)."""

from __future__ import annotations

import dataclasses
from datetime import date, time, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.domain.wishes import Start
from portal.jobs.trials import end_trials, remind_of_trial_ends
from portal.jobs.worker import run_due
from portal.models import (
    Account,
    Entitlement,
    Member,
    OutboxMessage,
    Person,
    Subscription,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.services.audit import Actor
from portal.services.licence_assigning import assign_licence
from portal.services.locks import lock_account
from portal.services.trial_ending import end_due_trials
from portal.services.trial_extending import extend_trial
from tests.conftest import NOW, Database
from tests.support.buying import (
    AMELIA,
    BRIGHTWATER,
    CARD,
    account_named,
    actor_of,
    placed,
    ready,
    use_method,
)
from tests.support.purchases import quoted_wishes
from tests.support.trials import LAST_DAY, events_of, held_by, local, mails_of, trial_row

pytestmark = pytest.mark.usefixtures("app_context")

OPERATOR = Actor("staff", "")
DAY = timedelta(days=1)
FIRST_MINUTE, LAST_MINUTE = time(0, 1), time(23, 59)


def without_reading(parts: Parts, days: int) -> Parts:
    """The same vendor with another policy."""
    catalogue = parts.catalogue
    policy = dataclasses.replace(catalogue.policy, trial_read_only_days=days)
    return dataclasses.replace(parts, catalogue=dataclasses.replace(catalogue, policy=policy))


def grants_of_trial(books: Session, subscription_id: int) -> tuple[int, str]:
    books.rollback()
    query = select(Entitlement).where(Entitlement.subscription_id == subscription_id)
    row = books.scalars(query.execution_options(populate_existing=True)).one()
    return row.version, row.grants["status"]


def second_admin(name: str = "Priya Nair") -> None:
    with transaction() as session:
        person = session.scalars(select(Person).where(Person.name == name)).one()
        person.locale = "de"
        session.execute(update(Member).where(Member.person_id == person.id).values(role="admin"))


# --- reminders -------------------------------------------------------------------------------------


def test_C5_every_admin_is_reminded_7_3_and_1_days_before_in_their_language_once_each(
    parts: Parts, books: Session
) -> None:
    second_admin()
    # Extended by a few days, so that the first reminder is still to come.
    with transaction() as session:
        extend_trial(
            session, account_named(session, BRIGHTWATER).id, "crm", LAST_DAY + 6 * DAY,
            catalogue=parts.catalogue, actor=OPERATOR, now=clock.now(),
        )  # fmt: skip
    last = LAST_DAY + 6 * DAY
    told = []
    day = last - 9 * DAY
    while day <= last + DAY:
        for at in (FIRST_MINUTE, time(12), LAST_MINUTE):  # running again changes nothing
            before = len(mails_of(books, "trial_ending"))
            remind_of_trial_ends(parts, {}, local(day, at))
            if new := mails_of(books, "trial_ending")[before:]:
                told.append(((last - day).days, at, {(m.locale, m.payload["days"]) for m in new}))
        day += DAY
    assert told == [(n, FIRST_MINUTE, {("en", n), ("de", n)}) for n in (7, 3, 1)]
    first = mails_of(books, "trial_ending")[0]
    assert first.payload["ends_on"] == last.isoformat()
    assert first.payload["read_until_on"] == (last + 14 * DAY).isoformat()


def test_C5_a_worker_that_was_down_reminds_once_of_what_is_left(
    parts: Parts, books: Session
) -> None:
    remind_of_trial_ends(parts, {}, local(LAST_DAY - 2 * DAY))
    [mail] = mails_of(books, "trial_ending")
    assert mail.payload["days"] == 2
    remind_of_trial_ends(parts, {}, local(LAST_DAY - 2 * DAY, LAST_MINUTE))
    assert len(mails_of(books, "trial_ending")) == 1


def test_C5_nobody_is_reminded_of_what_was_bought_or_is_being_paid(
    parts: Parts, books: Session
) -> None:
    wish = Start("crm", "pro", Interval.MONTH, 5)
    quote_id = quoted_wishes(parts, wish, account=BRIGHTWATER, email=AMELIA)
    remind_of_trial_ends(parts, {}, local(LAST_DAY - 3 * DAY))
    assert len(mails_of(books, "trial_ending")) == 1, "a quote alone buys nothing"
    with transaction() as session:
        use_method(session, BRIGHTWATER, CARD)
    ready(parts, quote_id)
    placed(parts, quote_id, email=AMELIA)
    remind_of_trial_ends(parts, {}, local(LAST_DAY - DAY))
    assert len(mails_of(books, "trial_ending")) == 1
    # What is being paid is not taken away for good under the order's feet, either.
    end_trials(parts, {}, local(LAST_DAY + DAY))
    assert trial_row(books).status == "read_only"
    end_trials(parts, {}, local(LAST_DAY + 40 * DAY))
    assert trial_row(books).status == "read_only"


# --- the end ---------------------------------------------------------------------------------------


def test_C5_a_trial_works_to_the_end_of_its_last_day_is_read_only_and_then_ends(
    parts: Parts, books: Session
) -> None:
    trial = trial_row(books)
    version, status = grants_of_trial(books, trial.id)
    held = held_by(books, trial.id)
    assert (status, held) == ("trial", 5)

    end_trials(parts, {}, local(LAST_DAY, LAST_MINUTE))
    assert trial_row(books).status == "trial"

    for at in (FIRST_MINUTE, time(12)):
        end_trials(parts, {}, local(LAST_DAY + DAY, at))
        trial = trial_row(books)
        assert (trial.status, trial.read_only_from) == ("read_only", LAST_DAY + DAY)
        assert grants_of_trial(books, trial.id) == (version + 1, "read_only")
    assert held_by(books, trial.id) == held, "who had a licence may read"
    [mail] = mails_of(books, "trial_over")
    assert mail.payload["read_until_on"] == (LAST_DAY + 14 * DAY).isoformat()

    end_trials(parts, {}, local(LAST_DAY + 14 * DAY, LAST_MINUTE))
    assert trial_row(books).status == "read_only"

    for at in (FIRST_MINUTE, time(12)):
        end_trials(parts, {}, local(LAST_DAY + 15 * DAY, at))
    trial = trial_row(books)
    assert (trial.status, trial.ended_on) == ("ended", LAST_DAY + 15 * DAY)
    assert grants_of_trial(books, trial.id) == (version + 2, "ended")
    assert held_by(books, trial.id) == 0
    assert "read_until_on" not in mails_of(books, "trial_over")[-1].payload
    assert len(mails_of(books, "trial_over")) == 2
    assert events_of(books)[-2:] == ["trial_read_only", "trial_ended"]
    active = select(func.count()).where(Member.account_id == trial.account_id,
                                        Member.status == "active")  # fmt: skip
    assert books.scalar(active) == 3, "who loses a product is still a member"


def test_C5_the_day_is_the_customers_own(parts: Parts, books: Session) -> None:
    with transaction() as session:
        account_named(session, BRIGHTWATER).time_zone = "Pacific/Auckland"
    end_trials(parts, {}, local(LAST_DAY, LAST_MINUTE, "Pacific/Auckland"))
    assert trial_row(books).status == "trial"
    end_trials(parts, {}, local(LAST_DAY + DAY, FIRST_MINUTE, "Pacific/Auckland"))
    assert trial_row(books).status == "read_only", "where UTC still writes the trial's last day"


def test_C5_one_whose_day_cannot_be_told_keeps_no_other_trial_from_ending(
    parts: Parts, books: Session
) -> None:
    with transaction() as session:
        account_named(session, "Rijwielhandel De Ketting V.O.F.").time_zone = "Nowhere/Else"
    end_trials(parts, {}, local(LAST_DAY + DAY))
    remind_of_trial_ends(parts, {}, local(LAST_DAY - DAY))
    assert trial_row(books).status == "read_only"


def test_C5_where_the_policy_has_no_days_of_reading_it_ends_at_once(
    parts: Parts, books: Session
) -> None:
    end_trials(without_reading(parts, 0), {}, local(LAST_DAY + DAY))
    trial = trial_row(books)
    assert (trial.status, trial.ended_on) == ("ended", LAST_DAY + DAY)
    assert held_by(books, trial.id) == 0
    [mail] = mails_of(books, "trial_over")
    assert "read_until_on" not in mail.payload


def test_C5_batches_of_one_end_every_trial_and_skip_none(parts: Parts, books: Session) -> None:
    now = local(LAST_DAY + 30 * DAY)
    after, rounds = (date.min, 0), 0
    while after is not None:
        with transaction() as session:
            after = end_due_trials(  # type: ignore[assignment]
                session, catalogue=parts.catalogue, now=now, after=after, limit=1
            )
        rounds += 1
    assert rounds == 3  # two trials, and nothing more
    assert trial_row(books).status == "read_only"
    assert trial_row(books, "Rijwielhandel De Ketting V.O.F.").status == "ended"


def test_C5_a_trial_that_a_person_is_buying_is_passed_over_and_not_forgotten(
    parts: Parts, books: Session, database: Database
) -> None:
    if database.name == "sqlite":
        pytest.skip("SQLite's writers stand in line: nobody is passed over")
    now = local(LAST_DAY + DAY)
    with transaction() as buying:
        lock_account(buying, account_named(buying, BRIGHTWATER).id)
        end_trials(parts, {}, now)
        assert trial_row(books).status == "trial"
    end_trials(parts, {}, now)
    assert trial_row(books).status == "read_only"


def test_C5_the_worker_does_it_all(parts: Parts, books: Session) -> None:
    for day in (LAST_DAY - DAY, LAST_DAY + DAY, LAST_DAY + 15 * DAY):
        clock.fix(local(day))
        run_due(parts, clock.now())
    assert trial_row(books).status == "ended"
    sent = select(OutboxMessage.topic).where(
        OutboxMessage.topic.like("trial_%"), OutboxMessage.recipient == AMELIA,
        OutboxMessage.created_at >= NOW,
    )  # fmt: skip
    books.rollback()
    assert sorted(books.scalars(sent)) == ["trial_ending", "trial_over", "trial_over"]


def test_C5_no_licence_of_a_trial_that_is_over_is_given_also_where_the_worker_is_late(
    parts: Parts, books: Session
) -> None:
    clock.fix(local(LAST_DAY + DAY))
    query = select(SubscriptionItem.id).where(
        SubscriptionItem.subscription_id == trial_row(books).id, SubscriptionItem.kind == "add_on"
    )
    with transaction() as session:
        account = account_named(session, BRIGHTWATER)
        member = session.scalars(
            select(Member)
            .join(Person, Person.id == Member.person_id)
            .where(Person.name == "Priya Nair")
        ).one()  # fmt: skip
        with pytest.raises(DomainError) as refused:
            assign_licence(
                session, account.id, member.id, session.scalars(query).one(),
                catalogue=parts.catalogue, actor=actor_of(session, AMELIA), now=clock.now(),
            )  # fmt: skip
        assert refused.value.code == "licence_read_only"


# --- more time -------------------------------------------------------------------------------------


def extended(parts: Parts, until: date) -> date:
    with transaction() as session:
        return extend_trial(
            session, account_named(session, BRIGHTWATER).id, "crm", until,
            catalogue=parts.catalogue, actor=OPERATOR, now=clock.now(),
        )  # fmt: skip


def test_C5_an_extended_trial_works_longer_and_its_admins_are_told(
    parts: Parts, books: Session
) -> None:
    second_admin()
    assert extended(parts, LAST_DAY + 10 * DAY) == LAST_DAY
    assert trial_row(books).trial_ends_on == LAST_DAY + 10 * DAY
    assert {mail.locale for mail in mails_of(books, "trial_extended")} == {"en", "de"}
    assert events_of(books)[-1] == "trial_extended"
    end_trials(parts, {}, local(LAST_DAY + DAY))
    assert trial_row(books).status == "trial"


def test_C5_a_trial_that_can_only_be_read_works_again_once_it_is_extended(
    parts: Parts, books: Session
) -> None:
    clock.fix(local(LAST_DAY + 3 * DAY))
    end_trials(parts, {}, clock.now())
    version, _status = grants_of_trial(books, trial_row(books).id)
    extended(parts, LAST_DAY + 10 * DAY)
    trial = trial_row(books)
    assert (trial.status, trial.read_only_from) == ("trial", None)
    assert grants_of_trial(books, trial.id) == (version + 1, "trial")
    # It comes to its end anew: with its reminders, and all the days of reading.
    remind_of_trial_ends(parts, {}, local(LAST_DAY + 9 * DAY))
    assert len(mails_of(books, "trial_ending")) == 1
    end_trials(parts, {}, local(LAST_DAY + 11 * DAY))
    assert trial_row(books).read_only_from == LAST_DAY + 11 * DAY
    assert len(mails_of(books, "trial_over")) == 2


@pytest.mark.parametrize("status", ["ended", "active"])
def test_C5_what_has_ended_or_was_bought_is_not_extended(
    parts: Parts, books: Session, status: str
) -> None:
    trial = trial_row(books)
    with transaction() as session:
        row = session.get_one(Subscription, trial.id)
        row.status, row.ended_on = status, LAST_DAY if status == "ended" else None
    with pytest.raises(DomainError) as refused:
        extended(parts, LAST_DAY + 10 * DAY)
    assert refused.value.code == ("trial_unknown" if status == "ended" else "trial_bought")


def test_C5_an_account_that_is_none_has_no_trial_to_extend(parts: Parts) -> None:
    with transaction() as session:
        last = session.scalar(select(func.max(Account.id))) or 0
        with pytest.raises(DomainError) as refused:
            extend_trial(
                session, last + 1, "crm", LAST_DAY + DAY, catalogue=parts.catalogue,
                actor=OPERATOR, now=clock.now(),
            )  # fmt: skip
    assert refused.value.code == "account_unknown"
