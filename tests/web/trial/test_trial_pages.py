"""The banner that counts a trial's days, and the page about the trial (C5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.periods import Interval
from portal.domain.wishes import Start
from portal.jobs.trials import end_trials
from portal.models import Member, Person
from portal.parts import Parts
from tests.support.buying import (
    AMELIA,
    BRIGHTWATER,
    CARD,
    GIULIA,
    LOTTE,
    collected,
    placed,
    ready,
    row_counts,
    speak,
    use_method,
)
from tests.support.client import PortalClient
from tests.support.purchases import quoted_wishes
from tests.support.trials import LAST_DAY, SANNE, local, trial_row

OWEN = "owen.price@brightwater.example"  # a member
PAGES = ("/licences", "/billing", "/quotes", "/invoices", "/members", "/activity", "/subscribe",
         "/data-export", "/billing/details")  # fmt: skip
DAY = timedelta(days=1)


def opened(client: PortalClient, email: str, path: str = "/trial") -> str:
    speak(client, email, "en")
    client.sign_in(email)
    client.get(path)
    assert client.page is not None
    return client.page.text()


def links(client: PortalClient) -> list[str]:
    assert client.page is not None
    return list(client.page.links())


# --- the banner ------------------------------------------------------------------------------------


def test_C5_every_page_of_a_trial_account_counts_the_days_and_leads_to_buying(
    client: PortalClient,
) -> None:
    for path in PAGES:
        words = opened(client, AMELIA, path)
        assert "Your trial of Kanto CRM ends in 6 days" in words, path
        assert "It works until the end of 4 November 2026." in words
        assert {"/subscribe/crm", "/trial"} <= set(links(client)), path


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (-1, "Your trial of Kanto CRM ends tomorrow"),
        (0, "Your trial of Kanto CRM ends today"),
        # No worker has run: the page says what the day is all the same (P3).
        (1, "Your trial of Kanto CRM is over: you can read it until 18 November 2026"),
    ],
)
def test_C5_the_banner_counts_down_to_the_end(
    client: PortalClient, days: int, expected: str
) -> None:
    clock.fix(local(LAST_DAY + days * DAY))
    assert expected in opened(client, AMELIA, "/licences")


def test_C5_a_read_only_trial_says_until_when_it_can_be_read_and_bought(
    client: PortalClient,
) -> None:
    words = opened(client, SANNE, "/licences")
    assert "Your trial of Kanto CRM is over: you can read it until 8 November 2026" in words
    assert "Read-only" in words
    assert "/subscribe/crm" in links(client)


def test_C5_a_member_sees_the_days_and_is_told_who_can_buy(client: PortalClient) -> None:
    words = opened(client, OWEN, "/licences")
    assert "Your trial of Kanto CRM ends in 6 days" in words
    assert "An admin of your company can buy it." in words
    assert "/subscribe/crm" not in links(client)
    words = opened(client, OWEN)
    assert "An admin of your company can buy it." in words
    assert "£" not in words
    assert "/subscribe/crm" not in links(client)


@pytest.mark.parametrize("email", [LOTTE, GIULIA])
def test_an_account_without_a_trial_has_no_banner_and_no_entry(
    client: PortalClient, email: str
) -> None:
    assert "trial" not in opened(client, email, "/licences").lower()
    assert "/trial" not in links(client)
    assert "No trial" in opened(client, email)


def test_someone_deactivated_is_not_asked_to_buy(client: PortalClient, app_context: None) -> None:
    with transaction() as session:
        session.execute(
            update(Member)
            .where(Member.person_id.in_(session.query(Person.id).where(Person.email == OWEN)))
            .values(status="deactivated", deactivated_at=clock.now())
        )
    assert "ends in 6 days" not in opened(client, OWEN, "/licences")


# --- the page --------------------------------------------------------------------------------------


def test_C5_the_page_says_what_is_tried_how_long_what_happens_then_and_what_it_costs(
    client: PortalClient,
) -> None:
    words = opened(client, AMELIA)
    for expected in (
        "6 days left", "Day 9 of 15", "Kanto CRM", "Pro", "What is included",
        "It works until 4 November 2026", "It can be read until 18 November 2026",
        "Then access ends", "a month for a licence of Pro, without VAT", "£",
        "The paid period begins when the trial ends, on 5 November 2026",
        "Also on trial: Customer appointments Basic.", "4 of 5",
    ):  # fmt: skip
        assert expected in words, expected
    assert "/subscribe/crm" in links(client)
    assert "ends in 6 days" not in words, "the page itself counts: no banner above it"


def test_C5_once_it_is_read_only_the_page_says_that_buying_starts_at_once(
    client: PortalClient,
) -> None:
    words = opened(client, SANNE)
    for expected in (
        "Read-only", "Your data is kept until 8 November 2026.", "It worked until 25 October 2026",
        "The paid period begins at once, and everybody goes on where they stopped.",
    ):  # fmt: skip
        assert expected in words, expected
    assert "/subscribe/crm" in links(client)


def test_C5_after_the_purchase_nothing_counts_any_more_and_the_page_says_from_when_it_is_paid(
    client: PortalClient, parts: Parts, app_context: None
) -> None:
    with transaction() as session:
        use_method(session, BRIGHTWATER, CARD)
    wish = Start("crm", "pro", Interval.MONTH, 5)
    quote_id = quoted_wishes(parts, wish, account=BRIGHTWATER, email=AMELIA)
    ready(parts, quote_id)
    collected(parts, placed(parts, quote_id, email=AMELIA).attempt_id)
    words = opened(client, AMELIA, "/licences")
    assert "Your trial of" not in words
    assert "Trial until" in words
    assert "First paid period" in words
    assert "The paid period begins on 5 November 2026." in opened(client, AMELIA)
    assert "/subscribe/crm" not in links(client)


def test_C5_an_ended_trial_is_among_the_ended_subscriptions_and_can_be_subscribed_to(
    client: PortalClient, parts: Parts, app_context: None
) -> None:
    clock.fix(local(LAST_DAY + DAY))
    end_trials(parts, {}, clock.now())
    clock.fix(local(LAST_DAY + 15 * DAY))
    end_trials(parts, {}, clock.now())
    words = opened(client, AMELIA, "/licences")
    assert "Your trial of" not in words
    assert "Ended; the last day with access was 18 November 2026." in words
    assert "/subscribe/crm" in links(client)
    words = opened(client, AMELIA, "/activity")
    assert "The trial for Kanto CRM is over: it can only be read." in words
    assert "The trial for Kanto CRM ended unpaid." in words


def test_a_get_of_the_trial_writes_nothing(
    client: PortalClient, session: Session, app_context: None
) -> None:
    client.sign_in(AMELIA)
    before = row_counts(session)
    client.get("/trial")
    assert row_counts(session) == before
    assert trial_row(session).status == "trial"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("add", "Licences can be added once it is a paid subscription."),
        ("remove", "This is a trial"),
        ("cancel", "This trial is over and can only be read for some days more."),
        ("add-ons", "This is a trial"),
        ("plan", "Plans of Kanto CRM"),
    ],
)
def test_C5_the_pages_of_a_read_only_trial_say_why_nothing_is_changed(
    client: PortalClient, session: Session, path: str, expected: str
) -> None:
    key = trial_row(session, "Rijwielhandel De Ketting V.O.F.").id
    assert expected in opened(client, SANNE, f"/licences/{key}/{path}")
    assert "The trial is over; nothing is billed" in opened(client, SANNE, "/billing")


def test_C5_the_plans_of_a_trial_are_compared_where_it_is_bought(client: PortalClient) -> None:
    opened(client, AMELIA)
    assert "/subscribe/crm" in links(client)
    assert not [link for link in links(client) if link.endswith("/plan")], "shows no prices"


def test_C5_licences_of_a_trial_that_is_over_are_read_only_and_not_suspended(
    client: PortalClient,
) -> None:
    text = opened(client, SANNE, "/members/invite")
    assert "Read-only" in text
    assert "Suspended" not in text
