"""Choosing the billing period: compared, confirmed with its dates and amounts, undone (C4, S4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Price, Subscription
from portal.parts import Parts
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    AN,
    ATELIER,
    BRIGHTWATER,
    CAMILLE,
    GIULIA,
    KATRIN,
    LOTTE,
    LUMIERE,
    MUELLER,
    OFFICINE,
    plan_item,
    row_counts,
    speak,
)
from tests.support.changes import wait_for_fewer_seats, waiting
from tests.support.client import PortalClient

ACCOUNTS = {LOTTE: ATELIER, AN: ATELIER, KATRIN: MUELLER, CAMILLE: LUMIERE, GIULIA: OFFICINE,
            AMELIA: BRIGHTWATER}  # fmt: skip


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


class Chooser:
    """One person at the billing periods."""

    def __init__(
        self, client: PortalClient, books: Session, email: str = LOTTE, product: str = "crm"
    ) -> None:
        self.client = client
        speak(client, email, "en")
        client.sign_in(email)
        item = plan_item(books, ACCOUNTS[email], product)
        self.url = f"/billing/period/{item.subscription_id}"

    def look(self) -> str:
        self.client.get("/billing/period")
        return text(self.client)

    def confirm(self, to: str) -> str:
        self.client.get(f"{self.url}?to={to}")
        return text(self.client)

    def ask(self, to: str) -> None:
        self.confirm(to)
        assert self.client.page is not None
        answer = self.client.post(self.url, self.client.page.fields())
        assert answer.headers["Location"] == "/billing/period"
        self.client.follow(answer)


@pytest.fixture
def lotte(client: PortalClient, books: Session) -> Chooser:
    return Chooser(client, books)


def test_the_periods_are_compared_for_what_there_is(lotte: Chooser, books: Session) -> None:
    before = row_counts(books)
    words = lotte.look()
    # 12 × 75 + 3 × 25 + 135; 12 × 27 + 3 × 9 + 49; 12 × 285 + 3 × 96 + 510
    for expected in ("€1,110.00", "€4,440.00", "€400.00", "€4,800.00", "€4,218.00",
                     "€360.00 (7%)", "€582.00 (12%)", "Quarterly now",
                     "that you ask for by 15 November 2026 begins with the renewal on 30 November"
                     ):  # fmt: skip
        assert expected in words, expected
    assert lotte.client.page is not None
    assert f"{lotte.url}?to=year" in lotte.client.page.links()
    assert f"{lotte.url}?to=quarter" not in lotte.client.page.links()
    assert row_counts(books) == before


def test_C1_another_period_is_confirmed_waits_and_is_undone(lotte: Chooser, books: Session) -> None:
    before = row_counts(books)
    words = lotte.confirm("year")
    for expected in (
        "Yearly billing for Kanto CRM", "Nothing is charged today",
        "begins with the renewal on 30 November 2026", "You can ask for it until 15 November 2026",
        "Quarterly, 30 Nov 2026 – 27 Feb 2027", "€1,343.10",
        "Yearly, 30 Nov 2026 – 29 Nov 2027", "€5,103.78", "12 × €285.00",
        "Bill yearly from 30 Nov 2026: €5,103.78",
    ):  # fmt: skip
        assert expected in words, expected
    assert row_counts(books) == before
    lotte.ask("year")
    words = text(lotte.client)
    assert "From 30 November 2026 you are billed yearly. Until then you can undo it." in words
    assert "Yearly from 30 Nov 2026" in words
    [change] = waiting(books, ATELIER)
    assert (change.kind, change.effective_on.isoformat()) == ("period", "2026-11-30")
    lotte.client.follow(
        lotte.client.post(f"/changes/{change.id}/undo", {"next": "/billing/period"})
    )
    assert waiting(books, ATELIER) == []
    assert "the billing period stays as it is" in text(lotte.client)


def test_Q4_a_double_click_asks_once(lotte: Chooser, books: Session) -> None:
    lotte.confirm("year")
    assert lotte.client.page is not None
    fields = lotte.client.page.fields()
    lotte.client.post(lotte.url, fields)
    before = row_counts(books)
    lotte.client.post(lotte.url, fields)
    assert row_counts(books) == before
    assert len(waiting(books, ATELIER)) == 1


def test_a_second_choice_takes_the_place_of_the_first(lotte: Chooser, books: Session) -> None:
    lotte.ask("year")
    words = lotte.confirm("month")
    assert (
        "This takes the place of a change that waits: From 30 November 2026: billed yearly" in words
    )
    lotte.ask("month")
    [change] = waiting(books, ATELIER)
    assert change.target["interval"] == "month"


def test_C2_what_waits_already_is_in_both_amounts(
    lotte: Chooser, parts: Parts, app_context: None
) -> None:
    wait_for_fewer_seats(parts, ATELIER, remove=2)
    words = lotte.confirm("year")
    assert "Both amounts include what waits already" in words
    assert "10 × €75.00" in words
    assert "10 × €285.00" in words


def test_C2_what_moves_with_it_is_named_with_both_days(
    lotte: Chooser, parts: Parts, books: Session, app_context: None
) -> None:
    clock.fix(datetime(2026, 11, 20, 9, tzinfo=UTC))  # too late for 30 November
    wait_for_fewer_seats(parts, ATELIER, remove=2)
    clock.fix(NOW)  # what is asked now would have come before it
    words = lotte.confirm("year")
    assert "What waits already moves to another renewal" in words
    assert (
        "From 30 November 2027: 10 licences Kanto CRM Pro instead of 12 "
        "(until now planned for 28 February 2027)"
    ) in words
    lotte.ask("year")
    assert {change.kind: change.effective_on.isoformat() for change in waiting(books, ATELIER)} == {
        "seats": "2027-11-30", "period": "2026-11-30",
    }  # fmt: skip
    words = lotte.confirm("month")  # in its place
    assert (
        "From 31 December 2026: 10 licences Kanto CRM Pro instead of 12 "
        "(until now planned for 30 November 2027)"
    ) in words


def test_S4_too_late_both_dates_stand_before_the_button(
    client: PortalClient, books: Session
) -> None:
    katrin = Chooser(client, books, KATRIN)  # renews in 9 days
    words = katrin.look()
    assert "For the renewal on 7 November 2026 a change had to be asked by 23 October 2026" in words
    assert "begins with the renewal after it, on 7 December 2026" in words
    words = katrin.confirm("year")
    assert "It is too late for the renewal on 7 November 2026" in words
    assert "still brings an invoice of €" in words
    katrin.ask("year")
    [change] = waiting(books, MUELLER)
    assert change.effective_on.isoformat() == "2026-12-07"


def test_P1_where_months_are_too_short_the_page_says_so(
    client: PortalClient, books: Session, app_context: None
) -> None:
    with transaction() as session:
        item = plan_item(session, ATELIER)
        session.execute(
            update(Subscription).where(Subscription.id == item.subscription_id)
            .values(anchor_day=31)
        )  # fmt: skip
    lotte = Chooser(client, books)
    words = "Periods begin on day 31 of the month, and on the last day where a month is shorter."
    assert words in lotte.look()
    assert words in lotte.confirm("year")


def test_C4_a_price_that_changed_meanwhile_is_shown_before_it_is_agreed_to(
    lotte: Chooser, books: Session, app_context: None
) -> None:
    lotte.confirm("year")
    assert lotte.client.page is not None
    fields = lotte.client.page.fields()
    with transaction() as session:
        session.execute(update(Price).where(Price.unit_minor == 28_500).values(unit_minor=29_000))
    before = row_counts(books)
    lotte.client.post(lotte.url, fields, status=422)
    assert row_counts(books) == before
    assert "Something has changed since this page was shown" in text(lotte.client)
    assert "12 × €290.00" in text(lotte.client)
    lotte.client.post(lotte.url, lotte.client.page.fields())
    [change] = waiting(books, ATELIER)
    assert 29_000 in [pinned[1] for pinned in change.target["prices"].values()]


def test_C4_without_a_price_nothing_is_offered(
    lotte: Chooser, books: Session, app_context: None
) -> None:
    lotte.confirm("year")
    assert lotte.client.page is not None
    fields = lotte.client.page.fields()
    with transaction() as session:
        session.execute(
            update(Price).where(Price.interval == "year").values(retired_at=clock.now())
        )
    assert "Yearly" not in lotte.look()
    lotte.client.post(lotte.url, fields, status=422)
    assert "This is not sold in your currency and billing period." in text(lotte.client)
    lotte.client.get(f"{lotte.url}?to=year", 422)
    assert waiting(books, ATELIER) == []


@pytest.mark.parametrize("to", ["", "decade", "\0", "quarter"])
def test_what_is_no_other_period_is_refused(lotte: Chooser, books: Session, to: str) -> None:
    lotte.look()
    before = row_counts(books)
    lotte.client.post(lotte.url, {"to": to}, status=422)
    assert "There is a problem" in text(lotte.client)
    assert row_counts(books) == before


@pytest.mark.parametrize(
    ("email", "product", "words"),
    [
        (CAMILLE, "crm", "your account executive changes the billing period with you"),
        (AMELIA, "crm", "This is a trial: nothing is billed yet."),
        (GIULIA, "insights", "Hugo Peeters"),
    ],
)
def test_who_does_not_choose_alone_is_told_why(
    client: PortalClient, books: Session, email: str, product: str, words: str
) -> None:
    chooser = Chooser(client, books, email, product)
    client.get(chooser.url)
    assert words in text(client)
    assert client.page is not None
    assert not any("?to=" in link for link in client.page.links())
    client.get(f"{chooser.url}?to=year")  # the same page, with the reason
    before = row_counts(books)
    client.post(chooser.url, {"to": "year"}, status=422)
    assert row_counts(books) == before


def test_a_suspended_subscription_is_explained(
    client: PortalClient, books: Session, app_context: None
) -> None:
    with transaction() as session:
        session.execute(
            update(Subscription)
            .where(Subscription.id == plan_item(session, ATELIER).subscription_id)
            .values(status="suspended")
        )
    assert "suspended until what is owed is paid" in Chooser(client, books).look()


def test_another_accounts_subscription_is_not_there(
    client: PortalClient, books: Session, lotte: Chooser
) -> None:
    foreign = plan_item(books, MUELLER).subscription_id
    lotte.look()
    before = row_counts(books)
    for subscription_id in (foreign, 987_654_321):
        client.get(f"/billing/period/{subscription_id}?to=year", 404)
        client.post(f"/billing/period/{subscription_id}", {"to": "year"}, status=404)
    assert row_counts(books) == before


def test_P3_on_the_renewal_day_the_page_works_before_the_worker_has_run(
    client: PortalClient, books: Session
) -> None:
    clock.fix(NOW + timedelta(days=32))
    lotte = Chooser(client, books)
    assert "begins with the renewal on 28 February 2027" in lotte.confirm("year")
    lotte.ask("year")
    [change] = waiting(books, ATELIER)
    assert change.effective_on.isoformat() == "2027-02-28"
