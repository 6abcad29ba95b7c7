"""What waits, on every page: undone by one button; whom a reduction concerns is chosen (S3 to S7)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.domain.changes import (
    plan_add_on_removal,
    plan_add_on_switch,
    plan_cancellation,
    plan_period_change,
    plan_plan_change,
    plan_reduction,
)
from portal.domain.periods import Interval
from portal.jobs.renewals import run_renewals
from portal.models import (
    Assignment,
    Consent,
    Member,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
)
from portal.parts import Parts
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    GIULIA,
    JONAS,
    KATRIN,
    LOTTE,
    OFFICINE,
    PIETER,
    WebPurchase,
    account_named,
    member_of,
    plan_item,
    row_counts,
    speak,
)
from tests.support.cancelling import cancelled
from tests.support.changes import Decide, removed, scheduled, waiting
from tests.support.client import PortalClient
from tests.support.html import Page

NOOR = "noor.bakker@atelier-noordzee.example"
FATIMA = "fatima.elamrani@atelier-noordzee.example"
RENEWAL, AFTER = "30 November 2026", "28 February 2027"


@pytest.fixture
def lotte(client: PortalClient) -> PortalClient:
    speak(client, LOTTE, "en")
    client.sign_in(LOTTE)
    return client


def page(client: PortalClient) -> Page:
    assert client.page is not None
    return client.page


def text(client: PortalClient) -> str:
    return page(client).text()


def reduce(app: Flask, parts: Parts, number: int = 4, **more: object) -> None:
    with app.app_context():
        removed(parts, remove=number, **more)  # type: ignore[arg-type]


def add_on_item(books: Session) -> int:
    item = plan_item(books, ATELIER)
    query = select(SubscriptionItem.id).where(
        SubscriptionItem.subscription_id == item.subscription_id,
        SubscriptionItem.kind == "add_on", SubscriptionItem.per_seat,
    )  # fmt: skip
    return int(books.scalars(query).one())


# --- undo ----------------------------------------------------------------------------------------


def kinds(add_on: int) -> list[tuple[Decide, str]]:
    """A change of every kind, and its sentence."""
    return [
        (lambda state, book, on, notice: plan_plan_change(state, "start", book, on, notice),
         f"From {RENEWAL}: Kanto CRM Start instead of Kanto CRM Pro"),
        (lambda state, book, on, notice: plan_period_change(state, Interval.YEAR, book, on, notice),
         f"From {RENEWAL}: billed yearly"),
        (lambda state, book, on, notice: plan_period_change(state, Interval.MONTH, book, on, notice),
         f"From {RENEWAL}: billed monthly"),
        (lambda state, book, on, notice: plan_add_on_switch(state, add_on, "basic", book, on, notice),
         f"From {RENEWAL}: Customer appointments Basic instead of Customer appointments Beyond"),
        (lambda state, _book, on, notice: plan_add_on_removal(state, add_on, on, notice),
         f"From {RENEWAL}: without Customer appointments Beyond"),
        (lambda state, _book, on, notice: plan_reduction(state, add_on, 1, on, notice),
         f"From {RENEWAL}: 2 licences Customer appointments Beyond instead of 3"),
        (lambda state, _book, on, notice: plan_cancellation(state, "", on, notice),
         "Cancelled: Kanto CRM works until 29 November 2026"),
    ]  # fmt: skip


@pytest.mark.parametrize("place", range(7))
def test_S5_every_kind_of_change_is_one_sentence_with_its_undo(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session, place: int
) -> None:
    decide, words = kinds(add_on_item(books))[place]
    lotte.get("/licences")
    before = text(lotte)
    with app.app_context():
        change = scheduled(parts, ATELIER, decide)
    lotte.get("/licences")
    assert words in text(lotte)
    answer = lotte.post(f"/changes/{change}/undo", {"next": "/licences"})
    assert answer.headers["Location"] == "/licences"
    lotte.follow(answer)
    assert "Undone:" in text(lotte)
    lotte.get("/licences")
    assert text(lotte) == before


def test_S5_undo_restores_what_the_page_showed(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    lotte.get("/licences")
    before = text(lotte)
    reduce(app, parts)
    lotte.get("/licences")
    changed = text(lotte)
    assert changed != before
    lotte.follow(lotte.post(f"/changes/{waiting(books, ATELIER)[0].id}/undo"))
    assert text(lotte).replace("Undone: all licences stay.", "").replace("  ", " ") == before
    lotte.get("/licences")
    assert text(lotte) == before


def test_undo_goes_back_to_where_one_was_and_nowhere_else(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    for wanted, reached in (
        ("/activity?page=1", "/activity?page=1"), ("https://evil.example/", "/licences"),
        ("//evil.example", "/licences"), ("", "/licences"),
    ):  # fmt: skip
        reduce(app, parts, 1)
        change = waiting(books, ATELIER)[0].id
        lotte.get("/licences")
        answer = lotte.post(f"/changes/{change}/undo", {"next": wanted})
        assert answer.headers["Location"] == reached


def test_what_waits_no_more_says_so_instead_of_being_lost(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    reduce(app, parts, 1)
    older = waiting(books, ATELIER)[0].id
    reduce(app, parts, 1)  # both in one: the link of the first mail is overtaken
    newer = waiting(books, ATELIER)[0].id
    assert newer != older
    lotte.post(f"/changes/{newer}/undo")
    words = "This change does not wait any more."
    for change in (older, newer):
        assert lotte.get(f"/changes/{change}/people", 303).headers["Location"] == "/licences"
        lotte.get("/licences")
        assert words in text(lotte)
        answer = lotte.post(f"/changes/{change}/undo", {"next": "/activity"})
        assert answer.headers["Location"] == "/activity"
        lotte.get("/activity")
        assert words in text(lotte)
        lotte.post(f"/changes/{change}/people", {"free": "1"}, status=303)


def test_another_accounts_change_and_a_member_undo_nothing(
    app: Flask, parts: Parts, client: PortalClient, books: Session
) -> None:
    reduce(app, parts)
    change = waiting(books, ATELIER)[0].id
    client.sign_in(KATRIN)
    before = row_counts(books)
    client.post(f"/changes/{change}/undo", status=404)
    client.get(f"/changes/{change}/people", 404)
    client.post(f"/changes/{change}/people", {"free": "1"}, status=404)
    assert row_counts(books) == before
    client.sign_in(JONAS)
    client.get("/licences")
    before = row_counts(books)
    client.post(f"/changes/{change}/undo", status=403)
    client.post(f"/changes/{change}/people", {"free": "1"}, status=403)
    assert row_counts(books) == before


# --- the licences page ---------------------------------------------------------------------------


def test_S6_the_banner_names_who_loses_access_and_a_member_sees_it_without_buttons(
    app: Flask, parts: Parts, client: PortalClient, lotte: PortalClient
) -> None:
    reduce(app, parts)
    lotte.get("/licences")
    for words in (f"2 people lose access to Kanto CRM Pro at the end of {RENEWAL}",
                  f"From {RENEWAL} there are 8 licences instead of 12",
                  "Milan Dhaenens and Noor Bakker", "Keep all 12 licences", "After 30 Nov"):  # fmt: skip
        assert words in text(lotte)
    assert any(link.endswith("/people") for link in page(lotte).links())
    speak(client, JONAS, "en")
    client.sign_in(JONAS)
    client.get("/licences")
    assert "Milan Dhaenens and Noor Bakker" in text(client)
    assert "Keep all" not in text(client)
    assert "Undo" not in text(client)


def test_S3_several_reductions_at_different_renewals_each_have_their_numbers(
    app: Flask, parts: Parts, lotte: PortalClient
) -> None:
    reduce(app, parts, 3)
    clock.fix(NOW + timedelta(days=20))
    reduce(app, parts, 2)
    lotte.sign_in(LOTTE)
    lotte.get("/licences")
    for words in (f"From {RENEWAL}: 9 licences Kanto CRM Pro instead of 12",
                  f"From {AFTER}: 7 licences Kanto CRM Pro instead of 9",
                  f"1 person loses access to Kanto CRM Pro at the end of {RENEWAL}",
                  f"2 people lose access to Kanto CRM Pro at the end of {AFTER}",
                  "lose it: Milan Dhaenens.", "lose it: Noor Bakker and Thomas Lefevre."):  # fmt: skip
        assert words in text(lotte)
    assert "€1,070.85" in text(lotte)  # the next invoice has the first in it
    assert "with what changes then" in text(lotte)


def test_S3_adding_says_that_the_reduction_stays(
    app: Flask, parts: Parts, client: PortalClient
) -> None:
    reduce(app, parts)
    buyer = WebPurchase(client, LOTTE)
    fields = buyer.open_form()
    assert f"8 from {RENEWAL}" in buyer.text
    first = next(name for name in fields if name.startswith("item_"))
    stays = f"The reduction on {RENEWAL} stays: from then on there are 11 licences Kanto CRM Pro."
    client.post(buyer.add_url, {**fields, first: "15", "action": "preview"}, status=200)
    assert stays in buyer.text
    assert "11 × €75.00 = €825.00" in buyer.text
    buyer.save_cart(3)
    assert stays in buyer.text


def test_S7_where_it_has_become_impossible_the_page_says_so(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    reduce(app, parts)
    account = account_named(books, ATELIER)
    books.execute(
        update(Member).where(Member.account_id == account.id).values(role="admin", status="active")
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    lotte.get("/licences")
    assert "An admin has to agree to lose access to Kanto CRM Pro" in text(lotte)
    assert "2 licences cannot be freed" in text(lotte)
    assert "/members" in page(lotte).links()


def test_S7_an_overhang_is_shown_with_its_reason(lotte: PortalClient, books: Session) -> None:
    item = plan_item(books, ATELIER)
    books.execute(update(SubscriptionItem).where(SubscriptionItem.id == item.id).values(quantity=9))
    books.execute(
        update(Subscription).where(Subscription.id == item.subscription_id).values(overhang=1)
    )
    lotte.get("/licences")
    assert "1 more licence is in use than there are" in text(lotte)
    assert "nobody else gets a licence" in text(lotte)


def test_S6_on_the_renewal_date_they_have_access_until_its_end(
    app: Flask, parts: Parts, lotte: PortalClient
) -> None:
    reduce(app, parts)
    clock.fix(NOW + timedelta(days=32))
    lotte.sign_in(LOTTE)
    lotte.get("/licences")
    assert "2 people still have access until the end of today" in text(lotte)


def test_S6_on_the_last_day_the_page_still_names_them_as_they_will_be_freed(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    reduce(app, parts)
    change = waiting(books, ATELIER)[0].id
    fatima = member_of(books, ATELIER, FATIMA).id
    lotte.get(f"/changes/{change}/people")
    lotte.post(f"/changes/{change}/people", {"free": str(fatima), "usual": "0"}, status=303)
    clock.fix(NOW + timedelta(days=32))
    with app.app_context():
        run_renewals(parts, {}, clock.now())
    lotte.sign_in(LOTTE)
    lotte.get("/licences")
    words = text(lotte)
    assert "2 people still have access until the end of today" in words
    named = words.split("On that day it is taken from: ")[1].split(". Until then")[0]
    assert named == "Fatima El Amrani and Milan Dhaenens"
    clock.fix(NOW + timedelta(days=33))
    with app.app_context():
        run_renewals(parts, {}, clock.now())
    lotte.sign_in(LOTTE)
    lotte.get("/licences")
    assert "On that day it is taken from" not in text(lotte)
    assert "Fatima El Amrani" not in text(lotte)


def test_C3_a_cancelled_subscription_offers_its_undo_and_no_other_change(
    app: Flask, parts: Parts, lotte: PortalClient
) -> None:
    reduce(app, parts)
    with app.app_context():
        cancelled(parts)
    lotte.get("/licences")
    assert "Ends on29 November 2026" in text(lotte)
    assert "lose access" not in text(lotte)
    links = page(lotte).links()
    assert not [link for link in links if link.endswith(("/remove", "/plan", "/cancel"))]


def test_the_demo_has_a_reduction_that_waits(client: PortalClient, books: Session) -> None:
    speak(client, GIULIA, "en")
    client.sign_in(GIULIA)
    client.get("/licences")
    (change,) = waiting(books, OFFICINE)
    assert change.delta == -5
    assert "7 licences" in text(client)
    assert "1 person loses access" in text(client)


def test_of_many_losers_some_are_named_and_all_are_counted(
    app: Flask, parts: Parts, client: PortalClient, books: Session
) -> None:
    speak(client, GIULIA, "en")
    client.sign_in(GIULIA)
    item = plan_item(books, OFFICINE, "forms")
    books.add(
        ScheduledChange(
            subscription_id=item.subscription_id, item_id=item.id, kind="seats", delta=-40,
            target={}, effective_on=(NOW + timedelta(days=210)).date(), status="waiting",
            asked_at=NOW,
        )
    )  # fmt: skip
    books.flush()
    client.get("/licences")
    assert "38 people lose access to Kanto Forms" in text(client)
    assert "and 28 more people." in text(client)


# --- choosing who loses access -------------------------------------------------------------------


def choice(client: PortalClient, change: int, *ticked: int, status: int = 303) -> None:
    fields = page(client).fields("people")
    client.post(
        f"/changes/{change}/people", {**fields, "free": [str(key) for key in ticked]}, status=status
    )


def test_S6_others_are_chosen_and_shown(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    reduce(app, parts)
    change = waiting(books, ATELIER)[0].id
    lotte.get(f"/changes/{change}/people")
    assert f"2 people lose access at the end of {RENEWAL}" in text(lotte)
    noor, fatima = (member_of(books, ATELIER, email).id for email in (NOOR, FATIMA))
    choice(lotte, change, noor, fatima)
    lotte.get("/licences")
    assert "You chose who loses access: Noor Bakker and Fatima El Amrani" in text(lotte)
    lotte.get(f"/changes/{change}/people")
    before = row_counts(books)
    choice(lotte, change, noor, fatima)  # left as it is
    assert row_counts(books) == before
    lotte.get(f"/changes/{change}/people")
    choice(lotte, change)
    assert waiting(books, ATELIER)[0].target == {}


def test_S6_too_many_are_refused_and_stay_ticked(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    reduce(app, parts, 3)
    change = waiting(books, ATELIER)[0].id
    lotte.get(f"/changes/{change}/people")
    noor, fatima = (member_of(books, ATELIER, email).id for email in (NOOR, FATIMA))
    choice(lotte, change, noor, fatima, status=422)
    assert "Choose at most 1" in text(lotte)
    ticked = [
        box for box in page(lotte).all("input", name="free") if box.get("checked") is not None
    ]
    assert len(ticked) == 2


def test_S7_an_admin_is_chosen_only_with_consent(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    reduce(app, parts)
    change = waiting(books, ATELIER)[0].id
    pieter, noor = (member_of(books, ATELIER, email).id for email in (PIETER, NOOR))
    lotte.get(f"/changes/{change}/people")
    choice(lotte, change, pieter, noor, status=422)
    assert "an admin who has not agreed yet" in text(lotte)
    books.add(
        Consent(member_id=pieter, subject="deactivation", token_hash="t", words="Yes", locale="nl",
                asked_at=NOW, answered_at=NOW, answer="given")
    )  # fmt: skip
    books.flush()
    lotte.get(f"/changes/{change}/people")
    assert "Admin, has agreed" in text(lotte)
    choice(lotte, change, pieter, noor)
    assert sorted(waiting(books, ATELIER)[0].target["free"]) == sorted([pieter, noor])


def test_nobody_loses_access_any_more(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    reduce(app, parts)
    books.execute(
        delete(Assignment).where(
            Assignment.member_id == member_of(books, ATELIER, NOOR).id
        ).execution_options(synchronize_session=False)
    )  # fmt: skip
    reduced = waiting(books, ATELIER)[0]
    lotte.get(f"/changes/{reduced.id}/people")
    assert "1 person loses access" in text(lotte)


def test_only_a_reduction_has_such_a_page(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    with app.app_context():
        change = scheduled(parts, ATELIER, kinds(add_on_item(books))[0][0])
    lotte.get(f"/changes/{change}/people", 404)
    lotte.get("/changes/987654321/people", 404)
