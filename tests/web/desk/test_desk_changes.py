"""What the desk changes about a customer: who serves it, its trial, notes."""

from __future__ import annotations

from datetime import date

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Account, AccountNote, AuditEvent, OutboxMessage, Subscription
from tests.support.buying import ATELIER, BRIGHTWATER, LUMIERE, speak
from tests.support.client import PortalClient
from tests.support.desk import GRETA, HUGO, account_id, staff_id

CAMILLE = "camille.roussel@lumiere-conseil.example"


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def topics(books: Session, account: int) -> dict[str, list[str]]:
    """The mails that wait, by topic: to whom they go."""
    rows = books.execute(
        select(OutboxMessage.topic, OutboxMessage.recipient).where(
            OutboxMessage.status == "waiting", OutboxMessage.account_id == account
        )
    )
    found: dict[str, list[str]] = {}
    for topic, recipient in rows:
        found.setdefault(topic, []).append(recipient)
    return found


def test_another_account_executive_is_chosen_and_both_sides_hear_of_it(
    app: Flask, hugo: PortalClient, books: Session
) -> None:
    account = account_id(books, LUMIERE)
    path = f"/desk/accounts/{account}/executive"
    hugo.get(path)
    assert "you no longer see this customer" in text(hugo)
    assert hugo.page is not None
    assert hugo.page.fields("change-executive")["executive"] == str(staff_id(books, HUGO))
    answer = hugo.post(path, {"executive": staff_id(books, GRETA)})
    assert answer.headers["Location"] == "/desk/accounts"
    hugo.get(f"/desk/accounts/{account}", 404)

    told = topics(books, account)
    assert told["customer_assigned"] == [GRETA]
    assert CAMILLE in told["executive_changed"]
    client = PortalClient(app)
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    client.get("/activity")
    assert "Hugo Peeters made Greta Wouters the account executive." in text(client)


def test_choosing_the_same_one_again_changes_and_tells_nothing(
    hugo: PortalClient, books: Session
) -> None:
    account = account_id(books, LUMIERE)
    hugo.get(f"/desk/accounts/{account}/executive")
    hugo.post(f"/desk/accounts/{account}/executive", {"executive": staff_id(books, HUGO)})
    assert topics(books, account) == {}
    assert not books.scalars(
        select(AuditEvent.id).where(AuditEvent.action == "executive_changed")
    ).all()


def test_who_does_not_work_here_cannot_serve_anybody(hugo: PortalClient, books: Session) -> None:
    account = account_id(books, LUMIERE)
    hugo.get(f"/desk/accounts/{account}/executive")
    for wrong in ("", "0", "99999", "hugo"):
        hugo.post(f"/desk/accounts/{account}/executive", {"executive": wrong}, status=422)
        assert "There is a problem" in text(hugo)
    row = books.scalars(select(Account).where(Account.id == account)).one()
    assert row.account_executive_id == staff_id(books, HUGO)


def test_C5_a_trial_gets_more_time_and_its_admins_hear_of_it(
    greta: PortalClient, books: Session
) -> None:
    account = account_id(books, BRIGHTWATER)
    trial = books.scalars(select(Subscription).where(Subscription.account_id == account)).one()
    path = f"/desk/accounts/{account}/trials/{trial.id}"
    greta.get(path)
    before = trial.trial_ends_on
    assert before is not None
    for wrong, words in (
        ("", "Enter a date."), ("soon", "Enter a date."),
        (before.isoformat(), "Choose a later day."), ("2020-01-01", "This day is over"),
        ("2099-01-01", "a trial is extended by a year at most"),
    ):  # fmt: skip
        greta.post(path, {"until": wrong}, status=422)
        assert words in text(greta), wrong
    greta.post(path, {"until": "2026-12-24"})
    books.expire_all()
    assert books.get_one(Subscription, trial.id).trial_ends_on == date(2026, 12, 24)
    greta.get(f"/desk/accounts/{account}")
    assert "The trial lasts until 24 December 2026" in text(greta)
    assert "trial_extended" in topics(books, account)
    event = books.scalars(select(AuditEvent).where(AuditEvent.action == "trial_extended")).one()
    assert (event.actor_kind, event.actor_name) == ("staff", "Greta Wouters")


def test_what_was_bought_is_no_trial_to_extend(greta: PortalClient, books: Session) -> None:
    account = account_id(books, ATELIER)
    bought = books.scalars(select(Subscription).where(Subscription.account_id == account)).first()
    assert bought is not None
    answer = greta.get(f"/desk/accounts/{account}/trials/{bought.id}", 303)
    greta.follow(answer)
    assert "This is no trial any more" in text(greta)


def test_a_note_is_seen_on_the_desk_alone_and_can_be_taken_away(
    app: Flask, hugo: PortalClient, greta: PortalClient, books: Session
) -> None:
    account = account_id(books, LUMIERE)
    path = f"/desk/accounts/{account}/notes"
    hugo.get(path)
    hugo.post(path, {"text": "  "}, status=422)
    assert "Enter the note." in text(hugo)
    hugo.post(path, {"text": "Calls on Mondays.\nLikes <b>numbers</b>."})
    greta.get(f"/desk/accounts/{account}")
    assert "Calls on Mondays." in text(greta)
    assert "<b>numbers</b>" in text(greta), "what was typed, and no markup"

    client = PortalClient(app)
    client.sign_in(CAMILLE)
    for page in ("/licences", "/activity", "/billing"):
        assert "Mondays" not in client.get(page).get_data(as_text=True)

    note = books.scalars(select(AccountNote)).one()
    other = account_id(books, "Officine Valdarno S.p.A.")
    greta.get(path)
    greta.post(f"/desk/accounts/{other}/notes/{note.id}/remove", {}, status=404)
    greta.post(f"{path}/{note.id}/remove", {})
    hugo.get(path)
    assert "Calls on Mondays." not in text(hugo)
    row = books.scalars(select(AccountNote).execution_options(populate_existing=True)).one()
    assert row.removed_at is not None
