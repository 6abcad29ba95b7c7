"""Signing in and out in the browser."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.models import (
    Account,
    AuditEvent,
    Member,
    OutboxMessage,
    Person,
    SignInLink,
    SignInSession,
    StaffMember,
)
from portal.web.signed_in import ROTATED_AT
from tests.conftest import NOW
from tests.support.client import PortalClient

ADMIN = "giulia.ferrante@officine-valdarno.example"


def _ask(client: PortalClient, email: str, wanted: str = "") -> str:
    client.get(f"/sign-in?next={wanted}" if wanted else "/sign-in")
    assert client.page
    fields = client.page.fields("sign-in") | {"email": email}
    client.follow(client.post("/sign-in", fields))
    return client.page.source


def _link(session: Session) -> str:
    session.rollback()
    message = session.scalars(
        select(OutboxMessage).where(OutboxMessage.topic == "sign_in_link")
        .order_by(OutboxMessage.id.desc())
    ).first()  # fmt: skip
    assert message
    return str(message.payload["link"]).removeprefix("http://localhost")


def test_a_link_signs_in_once_and_a_get_does_not_use_it(
    client: PortalClient, session: Session
) -> None:
    _ask(client, f"  {ADMIN.upper()} ")
    link = _link(session)
    message = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc())).first()
    assert message
    assert (message.recipient, message.locale, message.payload["minutes"]) == (ADMIN, "it", 10)
    for _scanner in range(3):
        client.get(link)
    assert client.page
    assert ADMIN in client.page.text()
    answer = client.post(link)
    client.follow(answer, 200)
    assert answer.headers["Location"] == "/licences"
    client.get(link, 410)
    client.post(link, status=410)
    session.rollback()
    assert session.scalar(select(func.count()).where(SignInLink.used_at.is_not(None))) == 1
    assert (
        session.scalars(select(AuditEvent.action).order_by(AuditEvent.id.desc())).first()
        == "signed_in"
    )


def test_the_same_answer_for_an_unknown_address(client: PortalClient, session: Session) -> None:
    before = session.scalar(select(func.count(OutboxMessage.id)))
    unknown = _ask(client, "nobody@nowhere.example")
    session.rollback()
    assert session.scalar(select(func.count(OutboxMessage.id))) == before
    assert session.scalar(select(func.count(SignInLink.id))) == 0
    known = _ask(client, ADMIN)
    token = client.page.csrf_token if client.page else ""
    assert known.replace(token or "", "") == unknown.replace(token or "", "") or len(known) == len(
        unknown
    )


def test_a_link_dies_after_ten_minutes(client: PortalClient, session: Session) -> None:
    _ask(client, ADMIN)
    link = _link(session)
    clock.fix(NOW + timedelta(minutes=9, seconds=59))
    client.get(link)
    clock.fix(NOW + timedelta(minutes=10))
    client.get(link, 410)
    client.post(link, status=410)


def test_the_wanted_page_comes_after_sign_in(client: PortalClient, session: Session) -> None:
    _ask(client, ADMIN, "/activity")
    client.get(_link(session))
    assert client.post(_link(session)).headers["Location"] == "/activity"


def test_another_site_is_never_the_next_page(client: PortalClient, session: Session) -> None:
    _ask(client, ADMIN, "//evil.example")
    client.get(_link(session))
    assert client.post(_link(session)).headers["Location"] == "/licences"


def test_sign_in_begins_a_new_cookie(client: PortalClient, session: Session) -> None:
    with client.browser.session_transaction() as cookie:
        cookie["planted"] = "by an attacker"
    _ask(client, ADMIN)
    client.get(_link(session))
    client.post(_link(session))
    with client.browser.session_transaction() as cookie:
        assert "planted" not in cookie


@pytest.mark.parametrize(
    "typed", ["", "   ", "abc", "a b@c.example", "a@b", "x" * 300 + "@b.example"]
)
def test_what_is_no_address_is_422_with_its_input(client: PortalClient, typed: str) -> None:
    client.get("/sign-in")
    client.post("/sign-in", {"email": typed}, 422)
    assert client.page
    assert client.page.fields("sign-in")["email"] == typed.strip()
    assert client.page.all("div", class_="summary")


def test_a_session_ends_after_twelve_hours(client: PortalClient) -> None:
    client.sign_in(ADMIN)
    clock.fix(NOW + timedelta(hours=11, minutes=59))
    client.get("/sessions")
    clock.fix(NOW + timedelta(hours=12))
    assert "/sign-in" in client.get("/sessions", 303).headers["Location"]


def test_sign_out_ends_the_session_in_the_database(client: PortalClient, session: Session) -> None:
    client.sign_in(ADMIN)
    client.get("/sessions")
    with client.browser.session_transaction() as cookie:
        stolen = cookie["_user_id"]
    client.follow(client.post("/sign-out"))
    with client.browser.session_transaction() as cookie:
        cookie["_user_id"] = stolen
    client.get("/sessions", 303)


def test_the_token_is_replaced_every_hour_and_the_old_one_fades(
    client: PortalClient, session: Session
) -> None:
    _ask(client, ADMIN)
    client.get(_link(session))
    client.post(_link(session))
    client.get("/sessions")
    with client.browser.session_transaction() as cookie:
        first = cookie["_user_id"]
    client.post("/languages/it?next=/sessions")
    with client.browser.session_transaction() as cookie:
        assert cookie["_user_id"] == first
    later = NOW + timedelta(hours=1)
    clock.fix(later)
    client.post("/languages/it?next=/sessions")
    with client.browser.session_transaction() as cookie:
        second = cookie["_user_id"]
    assert second != first
    client.get("/sessions")
    other = PortalClient(client.app)
    with other.browser.session_transaction() as cookie:
        cookie["_user_id"] = first
    other.get("/sessions")
    clock.fix(later + timedelta(seconds=61))
    other.get("/sessions", 303)
    client.get("/sessions")
    clock.fix(NOW + timedelta(hours=12))
    client.get("/sessions", 303)


def test_sessions_are_listed_and_ended(client: PortalClient, app, session: Session) -> None:  # type: ignore[no-untyped-def]
    other, third = PortalClient(app), PortalClient(app)
    for one in (client, other, third):
        one.sign_in(ADMIN)
    client.get("/sessions")
    assert client.page
    rows = client.page.all("form")
    ends = [f.get("action") or "" for f in rows if re_end(f.get("action") or "")]
    assert len(ends) == 3
    person = session.scalars(select(Person.id).where(Person.email == ADMIN)).one()
    ids = list(session.scalars(select(SignInSession.id).where(SignInSession.person_id == person)
                               .order_by(SignInSession.id)))  # fmt: skip
    client.follow(client.post(f"/sessions/{ids[-2]}/end"))
    other.get("/sessions", 303)
    third.get("/sessions")
    client.follow(client.post("/sessions/end-others"))
    third.get("/sessions", 303)
    client.get("/sessions")
    client.follow(client.post(f"/sessions/{ids[-3]}/end"))
    client.get("/sessions", 303)


def _after_an_hour(client: PortalClient) -> None:
    """An hour later: the next POST replaces the token first."""
    with client.browser.session_transaction() as cookie:
        cookie[ROTATED_AT] = int(clock.now().timestamp())
    clock.fix(clock.now() + timedelta(hours=1))


def test_signing_out_after_an_hour_leaves_no_token_that_lets_in(client: PortalClient) -> None:
    client.sign_in(ADMIN)
    client.get("/sessions")
    _after_an_hour(client)
    with client.browser.session_transaction() as cookie:
        before = dict(cookie)
    client.post("/sign-out")
    with client.browser.session_transaction() as cookie:
        cookie.clear()
        cookie.update(before)
    client.get("/sessions", 303)


def test_a_session_whose_token_was_replaced_is_one_line_and_ends_from_a_page_opened_before(
    client: PortalClient, app: Flask
) -> None:
    phone = PortalClient(app)
    client.sign_in(ADMIN)
    phone.sign_in(ADMIN)
    client.get("/sessions")
    theirs = _ends(client)[0]  # the newest is first
    _after_an_hour(phone)
    phone.get("/sessions")
    phone.post("/languages/it?next=/sessions")
    phone.get("/sessions")
    assert phone.page
    assert len(_ends(phone)) == 2, "one line a sign-in, also while both tokens let in"
    assert len(phone.page.all("span", class_="good")) == 1, "this one"
    client.follow(client.post(theirs))
    phone.get("/sessions", 303)


def test_signing_out_in_the_list_after_an_hour_is_told_as_signing_out(client: PortalClient) -> None:
    client.sign_in(ADMIN)
    client.get("/sessions")
    _after_an_hour(client)
    answer = client.post(_ends(client)[0])
    assert answer.headers["Location"] == "/sign-in"
    client.follow(answer)
    assert client.page
    assert "Disconnessione effettuata." in client.page.text()


def _ends(client: PortalClient) -> list[str]:
    assert client.page
    actions = [form.get("action") or "" for form in client.page.all("form")]
    return [action for action in actions if re_end(action)]


def re_end(action: str) -> bool:
    return action.startswith("/sessions/") and action.endswith("/end")


def test_another_persons_session_is_404(client: PortalClient, app, session: Session) -> None:  # type: ignore[no-untyped-def]
    stranger = PortalClient(app)
    stranger.sign_in("hugo.peeters@kanto.example")
    row = session.scalars(select(SignInSession).order_by(SignInSession.id.desc())).first()
    assert row
    client.sign_in(ADMIN)
    client.get("/sessions")
    client.post(f"/sessions/{row.id}/end", status=404)
    stranger.get("/desk")


def test_staff_without_an_account_has_a_page(client: PortalClient, session: Session) -> None:
    _ask(client, "hugo.peeters@kanto.example")
    client.get(_link(session))
    client.follow(client.post(_link(session)))
    client.get("/licences", 303)


def test_staff_lands_on_the_page_of_the_desk_that_a_mail_named(
    client: PortalClient, session: Session
) -> None:
    client.get("/desk/tasks", 303)
    client.get("/sign-in?next=/desk/tasks")
    client.post("/sign-in", {"email": "hugo.peeters@kanto.example", "next": "/desk/tasks"})
    client.get(_link(session))
    assert client.post(_link(session)).headers["Location"] == "/desk/tasks"


def test_staff_that_left_gets_no_link(client: PortalClient, session: Session) -> None:
    staff = session.scalars(select(StaffMember)).first()
    assert staff
    email = session.get_one(Person, staff.person_id).email
    staff.active = False
    session.commit()
    _ask(client, email)
    assert session.scalar(select(func.count(SignInLink.id))) == 0


def test_an_account_is_chosen_and_switched_with_a_new_token(
    client: PortalClient, session: Session
) -> None:
    person = session.scalars(select(Person).where(Person.email == ADMIN)).one()
    mine = session.scalars(select(Member.account_id).where(Member.person_id == person.id)).one()
    second = session.scalars(select(Account).where(Account.id != mine).order_by(Account.id)).first()
    third = session.scalars(
        select(Account).where(Account.id != mine).order_by(Account.id.desc())
    ).first()
    assert second
    assert third
    session.add(Member(account_id=second.id, person_id=person.id, role="member", status="invited",
                       added_at=NOW))  # fmt: skip
    session.commit()
    _ask(client, ADMIN)
    client.get(_link(session))
    client.follow(client.post(_link(session)))
    assert client.page
    assert second.name in client.page.text(), "the invited member has become active"
    client.get("/licences", 303)
    with client.browser.session_transaction() as cookie:
        before = cookie["_user_id"]
    client.get("/accounts")
    client.post(f"/accounts/{third.id}", status=404)
    client.get("/accounts")
    assert client.post(f"/accounts/{second.id}").headers["Location"] == "/licences"
    with client.browser.session_transaction() as cookie:
        assert cookie["_user_id"] != before
    client.get("/activity", 403)


def test_a_post_when_signed_out_goes_to_sign_in(client: PortalClient) -> None:
    client.get("/sign-in")
    assert client.post("/sign-out").headers["Location"] == "/sign-in"


def test_a_language_chosen_before_sign_in_is_kept(client: PortalClient, session: Session) -> None:
    """The link is mailed in it, and from the first page on it is the person's (it was Italian)."""
    client.get("/sign-in")
    client.follow(client.post("/languages/nl?next=/sign-in"))
    _ask(client, ADMIN)
    link = _link(session)
    mail = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc())).first()
    assert mail
    assert mail.locale == "nl"
    client.get(link)
    answer = client.post(link)
    session.rollback()
    assert session.scalar(select(Person.locale).where(Person.email == ADMIN)) == "nl"
    client.follow(answer)
    assert client.page
    assert '<html lang="nl"' in client.page.source


def test_a_language_nobody_chose_changes_nothing(client: PortalClient, session: Session) -> None:
    """Neither what the browser accepts nor what the last person spoke is a choice."""
    client.get("/sign-in", headers={"Accept-Language": "de"})
    client.sign_in("hugo.peeters@kanto.example")
    client.get("/sessions")
    client.follow(client.post("/languages/fr?next=/sessions"))
    client.follow(client.post("/sign-out"))
    _ask(client, ADMIN)
    link = _link(session)
    client.get(link)
    client.post(link)
    session.rollback()
    assert session.scalar(select(Person.locale).where(Person.email == ADMIN)) == "it"


@pytest.mark.parametrize(
    ("wanted", "lands"),
    [("/invoices?year=2026", "/invoices?year=2026"), ("//evil.example", "/licences")],
)
def test_the_wanted_page_survives_the_choice_of_an_account(
    client: PortalClient, session: Session, wanted: str, lands: str
) -> None:
    person = session.scalars(select(Person).where(Person.email == ADMIN)).one()
    mine = session.scalars(select(Member.account_id).where(Member.person_id == person.id)).one()
    other = session.scalars(select(Account.id).where(Account.id != mine)).first()
    assert other
    session.add(Member(account_id=other, person_id=person.id, role="member", status="active",
                       added_at=NOW))  # fmt: skip
    session.commit()
    _ask(client, ADMIN, wanted)
    client.get(_link(session))
    client.follow(client.post(_link(session)))
    assert client.page
    forms = [f for f in client.page.all("form") if f.get("action") == f"/accounts/{mine}"]
    assert len(forms) == 1
    kept = re.findall(r'name="next" value="([^"]*)"', client.page.source)
    assert set(kept) <= {lands}
    fields = {"next": kept[0]} if kept else {}
    assert client.post(f"/accounts/{mine}", fields).headers["Location"] == lands
    client.get("/accounts?next=//evil.example")
    assert 'name="next"' not in client.page.source
    answer = client.post(f"/accounts/{mine}", {"next": "//evil.example"})
    assert answer.headers["Location"] == "/licences"
