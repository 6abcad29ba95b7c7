"""The sign-in service on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.models import AuditEvent, Member, OutboxMessage, Person, SignInSession
from portal.services import sign_in
from tests.conftest import NOW

ADMIN = "giulia.ferrante@officine-valdarno.example"


def _token(session: Session) -> str:
    sign_in.send_link(session, ADMIN, address="http://x/sign-in", next_path="", now=NOW)
    session.commit()
    message = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc())).first()
    assert message
    return str(message.payload["link"]).rpartition("/")[2]


def test_a_link_works_once_under_twenty_simultaneous_presses(app: Flask, session: Session) -> None:
    token = _token(session)

    def press(_number: int) -> str | None:
        with app.app_context():
            try:
                with transaction() as own:
                    sign_in.open_session(own, token, browser="", address="", now=NOW)
                return None
            except DomainError as error:
                return error.code

    before = session.scalar(select(func.count(SignInSession.id))) or 0
    session.rollback()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(press, range(20)))
    assert sorted(answers, key=str) == [None] + ["sign_in_link_invalid"] * 19
    assert session.scalar(select(func.count(SignInSession.id))) == before + 1


def test_five_links_in_ten_minutes_are_the_most(session: Session) -> None:
    def send(minutes: int) -> bool:
        at = NOW + timedelta(minutes=minutes)
        made = sign_in.send_link(session, ADMIN, address="x", next_path="", now=at)
        session.flush()
        return made is not None

    assert [send(minute) for minute in range(6)] == [True] * 5 + [False]
    assert send(11)


def test_only_the_hash_of_a_token_is_kept_in_links_and_sessions(session: Session) -> None:
    token = _token(session)
    opened = sign_in.open_session(session, token, browser="b", address="a", now=NOW)
    session.flush()
    row = session.scalars(select(SignInSession).order_by(SignInSession.id.desc())).first()
    assert row
    assert row.token_hash != opened.token
    assert len(row.token_hash) == 64
    assert row.expires_at == NOW + timedelta(hours=12)


def test_an_invited_member_becomes_active_and_it_is_recorded(session: Session) -> None:
    member = session.scalars(
        select(Member).join(Person, Person.id == Member.person_id).where(Person.email == ADMIN)
    ).one()
    member.status = "invited"
    session.commit()
    sign_in.open_session(session, _token(session), browser="", address="", now=NOW)
    session.flush()
    assert member.status == "active"
    recorded = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id.desc()).limit(2))
    assert set(recorded) == {"member_activated", "signed_in"}


def test_a_token_is_renewed_once_an_hour_by_one_request_only(session: Session) -> None:
    opened = sign_in.open_session(session, _token(session), browser="", address="", now=NOW)
    session.flush()
    row = session.scalars(select(SignInSession).order_by(SignInSession.id.desc())).first()
    assert row
    assert sign_in.renew_token(session, row.id, now=NOW + timedelta(minutes=59)) is None
    later = NOW + timedelta(hours=1)
    renewed = sign_in.renew_token(session, row.id, now=later)
    session.flush()
    assert renewed not in (None, opened.token)
    assert sign_in.renew_token(session, row.id, now=later) is None
    session.refresh(row)
    assert row.expires_at == later + timedelta(seconds=60)


def _opened(session: Session) -> SignInSession:
    """The row of a sign-in that has just begun."""
    sign_in.open_session(session, _token(session), browser="", address="", now=NOW)
    session.commit()
    return session.scalars(select(SignInSession).order_by(SignInSession.id.desc())).first()  # type: ignore[return-value]


def _live(session: Session, now: datetime) -> set[str]:
    """The sign-ins that a token still lets in, by their family."""
    return set(
        session.scalars(
            select(SignInSession.family).where(
                SignInSession.ended_at.is_(None), SignInSession.expires_at > now
            )
        )
    )


def test_ending_a_session_by_a_row_whose_token_was_replaced_ends_the_sign_in(
    session: Session,
) -> None:
    laptop, phone = _opened(session), _opened(session)
    later = NOW + timedelta(hours=2)
    assert sign_in.renew_token(session, phone.id, now=later)
    session.flush()
    much = later + timedelta(minutes=10)
    assert len(sign_in.end_session(session, phone.person_id, phone.id, now=much)) == 2
    assert _live(session, much) == {laptop.family}
    assert not sign_in.end_session(session, phone.person_id, phone.id, now=much), "it had ended"
    session.flush()
    counts = session.scalars(select(AuditEvent.new).where(AuditEvent.action == "sessions_ended"))
    assert list(counts) == [{"count": 1}]


def test_ending_a_session_ends_it_in_the_account_that_was_entered_since(session: Session) -> None:
    row = _opened(session)
    assert row.account_id is not None
    sign_in.switch_account(session, row.id, row.person_id, row.account_id, now=NOW)
    session.flush()
    assert _live(session, NOW) == {row.family}
    assert sign_in.end_session(session, row.person_id, row.id, now=NOW)
    assert _live(session, NOW) == set()


def test_the_others_are_counted_by_sign_in_and_a_token_of_ones_own_lives_on(
    session: Session,
) -> None:
    own, other = _opened(session), _opened(session)
    later = NOW + timedelta(hours=1)
    assert sign_in.renew_token(session, own.id, now=later)
    assert sign_in.renew_token(session, other.id, now=later)
    session.flush()
    last = session.scalars(select(SignInSession.id).where(SignInSession.family == own.family)).all()
    soon = later + timedelta(seconds=5)  # within the minute of both old tokens
    assert sign_in.end_other_sessions(session, own.person_id, max(last), now=soon) == 1
    assert _live(session, soon) == {own.family}
    assert sign_in.end_other_sessions(session, own.person_id, max(last), now=soon) == 0


def test_a_session_that_ends_while_its_token_is_replaced_does_not_live_on(
    app: Flask, session: Session
) -> None:
    rows = [_opened(session) for _number in range(5)]
    later = NOW + timedelta(hours=1)
    wanted = [(row.id, row.person_id) for row in rows]
    session.rollback()

    def act(work: tuple[str, int, int]) -> None:
        what, session_id, person_id = work
        with app.app_context(), transaction() as own:
            if what == "end":
                sign_in.end_session(own, person_id, session_id, now=later)
            else:
                sign_in.renew_token(own, session_id, now=later)

    works = [(what, *each) for each in wanted for what in ("renew", "end")]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(act, works))
    assert _live(session, later) == set()


def test_a_person_is_found_by_their_address_however_it_is_written(session: Session) -> None:
    person = session.scalars(select(Person).where(Person.email == ADMIN)).one()
    person.email = "giulia@müller.example"
    session.commit()
    for typed in ("giulia@xn--mller-kva.example", " Giulia@MÜLLER.example "):
        assert sign_in.send_link(session, typed, address="x", next_path="", now=NOW), typed
    for nobody in ("giulia", "@", "giulia@-.example", ""):
        assert sign_in.send_link(session, nobody, address="x", next_path="", now=NOW) is None


def test_a_foreign_account_cannot_be_entered(session: Session) -> None:
    opened = sign_in.open_session(session, _token(session), browser="", address="", now=NOW)
    session.flush()
    row = session.scalars(select(SignInSession).order_by(SignInSession.id.desc())).first()
    assert row
    with pytest.raises(DomainError, match="account_unknown"):
        sign_in.switch_account(session, row.id, opened.person_id, 10**9, now=NOW)
