"""The cancellation page: three actions, all that matters said before, the way back (C3, S4, S5)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import AuditEvent, OutboxMessage, ScheduledChange, Subscription
from portal.parts import Parts
from tests.support.buying import (
    AMELIA,
    AN,
    ATELIER,
    BRIGHTWATER,
    CAMILLE,
    JONAS,
    LOTTE,
    LUMIERE,
    MUELLER,
    plan_item,
    row_counts,
    speak,
)
from tests.support.cancelling import cancelled
from tests.support.client import PortalClient
from tests.support.html import Page

LAST_DAY = "29 November 2026"


@pytest.fixture
def lotte(client: PortalClient) -> PortalClient:
    client.sign_in(LOTTE)
    return client


def page_of(books: Session, account: str = ATELIER, product: str = "crm") -> str:
    return f"/licences/{plan_item(books, account, product).subscription_id}/cancel"


def on_screen(client: PortalClient) -> Page:
    assert client.page is not None
    return client.page


def told(client: PortalClient) -> str:
    """The text of the page, then its facts as "name: value" and its rows as "name: cell, cell"."""
    page = on_screen(client)
    facts = [
        f"{page.text(name)}: {page.text(value)}"
        for name, value in zip(page.all("dt"), page.all("dd"), strict=True)
    ]
    rows = [
        f"{page.text(cells[0])}: {', '.join(page.text(cell) for cell in cells[1:])}"
        for row in page.all("tr")
        if len(cells := list(row)) > 1
    ]
    return " · ".join([page.text(), *facts, *rows])


def send(client: PortalClient, url: str, status: int = 303, **changed: Any) -> None:
    """Open the page and press its button, with a few answers changed."""
    client.get(url)
    fields = {**on_screen(client).fields("cancel"), **changed}
    answer = client.post(url, fields, status=status)
    if status == 303:
        client.follow(answer)


def waiting(books: Session) -> list[ScheduledChange]:
    books.expire_all()
    query = select(ScheduledChange).where(
        ScheduledChange.kind == "cancel", ScheduledChange.status == "waiting"
    )
    return list(books.scalars(query))


# --- what the page says --------------------------------------------------------------------------


def test_C3_the_page_says_what_happens_and_when(lotte: PortalClient, books: Session) -> None:
    before = row_counts(books)
    lotte.get(page_of(books))
    assert row_counts(books) == before
    text = told(lotte)
    for words in (
        f"Last day with access {LAST_DAY}",
        "On 30 November 2026 it is not renewed.",
        "The quarterly invoice of €1,343.10 does not come any more.",
        "Nothing is paid back for the days left until then.",
        "Your next invoice now: €1,343.10",
        "Your next invoice after cancelling: none",
        "Kanto CRM Pro: 10 of 12",
        "Customer appointments Beyond: 2 of 3",
        "Data vault: for everyone",
        "10 people use it and lose access.",
        "to every admin of your company",
    ):
        assert words in text
    assert "It is too late" not in text


def test_C3_three_actions_lead_there_and_one_button_does_it(
    lotte: PortalClient, books: Session
) -> None:
    lotte.get("/licences")
    assert page_of(books) in on_screen(lotte).links()  # 1. Options, 2. Cancel subscription
    lotte.get(page_of(books))
    buttons = [on_screen(lotte).text(b) for b in on_screen(lotte).all("button")]
    assert buttons.count(f"Cancel Kanto CRM at the end of {LAST_DAY}") == 1
    send(lotte, page_of(books))  # 3. the button: nothing has to be filled in
    assert on_screen(lotte).text().count("Kanto CRM is cancelled") >= 1
    assert len(waiting(books)) == 1


def test_C3_what_can_be_done_instead_has_links_and_figures(
    lotte: PortalClient, books: Session
) -> None:
    url = page_of(books)
    lotte.get(url)
    text, links = on_screen(lotte).text(), on_screen(lotte).links()
    here = url.removesuffix("/cancel")
    routes = {rule.rule for rule in lotte.app.url_map.iter_rules()}
    if "/licences/<int:subscription_id>/remove" in routes:
        assert f"{here}/remove" in links
        assert "Give back the 2 licences that nobody uses" in text
        # 12 × 75.00 + 3 × 25.00 + 135.00, and two licences less
        assert "€960.00 per period instead of €1,110.00, without VAT" in text
    if "/licences/<int:subscription_id>/plan" in routes:
        assert f"{here}/plan" in links
        assert "Change to the plan Start" in text
    if "/billing/period" in routes:
        assert "/billing/period" in links
        assert re.search(r"save €[\d,.]+ a year", text)
        assert "a year instead of €4,440.00, without VAT" in text
    for link in links:  # nothing leads nowhere
        if link.startswith(("/licences", "/billing", "/data-export")):
            assert lotte.browser.get(link).status_code == 200, link


def test_C3_the_data_can_be_taken_along(lotte: PortalClient, books: Session) -> None:
    lotte.get(page_of(books))
    links = on_screen(lotte).links()
    assert "https://crm.kanto.example/settings/export" in links
    assert "/data-export" in links
    assert f"can be downloaded there until {LAST_DAY}" in on_screen(lotte).text()


def test_S4_too_late_it_says_so_with_both_dates(lotte: PortalClient, books: Session) -> None:
    clock.fix(datetime(2026, 11, 16, 9, tzinfo=UTC))
    lotte.sign_in(LOTTE)
    lotte.get(page_of(books))
    text = told(lotte)
    for words in (
        "It is too late for the renewal on 30 November 2026",
        "15 days before the renewal: for this one until 15 November 2026",
        "at the renewal after, on 28 February 2027",
        "Last day with access 27 February 2027",
        "Your next invoice after cancelling: €1,343.10",
        "Cancel Kanto CRM at the end of 27 February 2027",
    ):
        assert words in text
    send(lotte, page_of(books))
    assert [change.effective_on for change in waiting(books)] == [date(2027, 2, 28)]


def test_S4_a_page_opened_in_time_binds_nobody_for_longer(
    lotte: PortalClient, books: Session
) -> None:
    clock.fix(datetime(2026, 11, 15, 22, 59, tzinfo=UTC))  # a minute to midnight in Brussels
    lotte.sign_in(LOTTE)
    url = page_of(books)
    lotte.get(url)
    fields = on_screen(lotte).fields("cancel")
    clock.fix(datetime(2026, 11, 15, 23, 0, tzinfo=UTC))
    lotte.post(url, {**fields, "comment": "We close."}, status=422)
    text = on_screen(lotte).text()
    assert "the last day has become 27 February 2027. Nothing was saved" in text
    assert waiting(books) == []
    kept = on_screen(lotte).fields("cancel")
    assert (kept["on"], kept["comment"]) == ("2027-02-28", "We close.")
    lotte.post(url, kept)
    assert len(waiting(books)) == 1


def test_another_subscription_is_still_invoiced(client: PortalClient, books: Session) -> None:
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    client.get(page_of(books, LUMIERE))
    now, after = re.findall(r"Your next invoice (?:now|after cancelling): (€[\d,.]+)", told(client))
    assert now != after  # Kanto Sign goes on


# --- the reason ----------------------------------------------------------------------------------


def test_C3_the_reason_is_optional_and_kept(lotte: PortalClient, books: Session) -> None:
    send(lotte, page_of(books), reason="too_expensive", comment=" Half the team left. ")
    [change] = waiting(books)
    assert change.target == {"reason": "too_expensive", "comment": "Half the team left."}
    lotte.get("/activity")
    text = on_screen(lotte).text()
    assert "Lotte Verbeke cancelled Kanto CRM." in text
    assert "It costs too much" in text
    assert "Half the team left." in text


def test_nonsense_in_the_form_cancels_nothing(lotte: PortalClient, books: Session) -> None:
    url = page_of(books)
    before = row_counts(books)
    for changed in (
        {"reason": "because"}, {"comment": "x" * 2_001}, {"comment": "\0"},
        {"on": ""}, {"on": "tomorrow"}, {"on": "9999-99-99"}, {"on": "2027-02-28"},
    ):  # fmt: skip
        send(lotte, url, status=422, **changed)
    assert row_counts(books) == before


# --- afterwards ----------------------------------------------------------------------------------


def test_C3_undo_until_the_end_and_cancel_again(lotte: PortalClient, books: Session) -> None:
    url = page_of(books)
    send(lotte, url)
    text = on_screen(lotte).text()
    assert f"Last day with access {LAST_DAY}" in text
    undo = next(
        form.get("action", "") for form in on_screen(lotte).all("form")
        if form.get("action", "").endswith("/undo")
    )  # fmt: skip
    lotte.follow(lotte.post(undo, {"next": "/licences"}))
    assert "the subscription goes on and renews as before" in on_screen(lotte).text()
    assert waiting(books) == []
    send(lotte, url)
    assert len(waiting(books)) == 1
    topics = books.scalars(
        select(OutboxMessage.topic)
        .where(OutboxMessage.recipient == LOTTE, OutboxMessage.topic.like("cancellation_%"))
        .order_by(OutboxMessage.id)
    ).all()
    assert topics == ["cancellation_confirmed", "cancellation_undone", "cancellation_confirmed"]


def test_Q4_pressed_twice_it_is_cancelled_once(lotte: PortalClient, books: Session) -> None:
    url = page_of(books)
    lotte.get(url)
    fields = on_screen(lotte).fields("cancel")
    for _ in range(2):
        answer = lotte.post(url, fields)
        assert answer.headers["Location"] == url
    assert len(waiting(books)) == 1
    events = books.scalars(select(AuditEvent).where(AuditEvent.action == "cancellation_asked"))
    assert len(events.all()) == 1


def test_C3_it_works_on_until_the_last_day(lotte: PortalClient, books: Session) -> None:
    url = page_of(books)
    send(lotte, url)
    lotte.get("/licences")
    text = on_screen(lotte).text()
    assert f"Kanto CRM works until {LAST_DAY}" in text
    assert "10 of 12" in text
    assert url.replace("/cancel", "/add") in on_screen(lotte).links()


# --- who, and what cannot be cancelled -----------------------------------------------------------


@pytest.mark.parametrize(("account", "email"), [(LUMIERE, CAMILLE), (ATELIER, AN)])
def test_C3_it_stays_in_the_customers_own_hands(
    client: PortalClient, books: Session, account: str, email: str
) -> None:
    """By bank transfer too, and for a billing admin."""
    speak(client, email, "en")
    client.sign_in(email, account)
    send(client, page_of(books, account))
    assert "Kanto CRM is cancelled" in on_screen(client).text()
    assert len(waiting(books)) == 1


def test_a_member_cannot_cancel(client: PortalClient, books: Session) -> None:
    client.sign_in(JONAS)
    client.get(page_of(books), status=403)
    client.post(page_of(books), {}, status=403)


def test_another_customers_subscription_is_not_found(lotte: PortalClient, books: Session) -> None:
    foreign = page_of(books, MUELLER)
    lotte.get(foreign, status=404)
    lotte.post(foreign, {"on": "2026-11-07", "reason": ""}, status=404)
    assert waiting(books) == []


def test_C5_a_trial_ends_by_itself(client: PortalClient, books: Session) -> None:
    client.sign_in(AMELIA)
    url = page_of(books, BRIGHTWATER)
    client.get(url)
    assert "There is nothing to cancel" in on_screen(client).text()
    client.post(url, {"on": "2026-11-30", "reason": ""}, status=422)
    assert waiting(books) == []


def test_M5_a_suspended_subscription_ends_without_another_invoice(
    app: Flask, lotte: PortalClient, books: Session
) -> None:
    with app.app_context(), transaction() as session:
        session.execute(
            update(Subscription)
            .where(Subscription.id == plan_item(session, ATELIER).subscription_id)
            .values(status="suspended")
        )
    lotte.get(page_of(books))
    text = on_screen(lotte).text()
    assert "it ends by itself on 30 November 2026, and no further invoice comes" in text
    lotte.post(page_of(books), {"on": "2026-11-30", "reason": ""}, status=422)


def test_somebody_else_cancels_meanwhile(app: Flask, lotte: PortalClient, parts: Parts) -> None:
    with app.app_context():
        books_url = None
        with transaction() as session:
            books_url = f"/licences/{plan_item(session, ATELIER).subscription_id}/cancel"
        lotte.get(books_url)
        fields = on_screen(lotte).fields("cancel")
        cancelled(parts)
    answer = lotte.post(books_url, fields)
    lotte.follow(answer)
    assert "Kanto CRM is cancelled" in on_screen(lotte).text()
