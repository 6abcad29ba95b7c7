"""Removing seats on the page: dates, amounts, people, before anything is confirmed (S3 to S7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Account, Member, OutboxMessage, SubscriptionItem
from portal.parts import Parts
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    AN,
    ATELIER,
    BRIGHTWATER,
    CAMILLE,
    GIULIA,
    JONAS,
    KAREL,
    LOTTE,
    LUMIERE,
    OFFICINE,
    account_named,
    member_of,
    plan_item,
    row_counts,
    speak,
)
from tests.support.cancelling import cancelled
from tests.support.changes import removed, waiting
from tests.support.client import PortalClient
from tests.support.html import Page, check_page

HTMX = {"HX-Request": "true"}
NOOR = "noor.bakker@atelier-noordzee.example"
MILAN = "milan.dhaenens@atelier-noordzee.example"
FATIMA = "fatima.elamrani@atelier-noordzee.example"


class Remover:
    """One person removes seats of one product, in a browser without JavaScript."""

    def __init__(
        self, client: PortalClient, books: Session, email: str = LOTTE, account: str = ATELIER,
        product: str = "crm",
    ) -> None:  # fmt: skip
        self.client = client
        speak(client, email, "en")
        client.sign_in(email)
        self.item = plan_item(books, account, product)
        self.url = f"/licences/{self.item.subscription_id}/remove"

    @property
    def page(self) -> Page:
        assert self.client.page is not None
        return self.client.page

    @property
    def text(self) -> str:
        return self.page.text()

    def ticked(self) -> list[str]:
        return [box.get("value", "") for box in self.page.all("input", name="free", type="checkbox")
                if box.get("checked") is not None]  # fmt: skip

    def send(self, action: str, status: int = 200, **fields: Any) -> Any:
        kept = {**self.page.fields("removal"), "free": self.ticked()}
        return self.client.post(self.url, {**kept, **fields, "action": action}, status=status)

    def review(self, number: int, **fields: Any) -> None:
        self.client.get(self.url)
        self.send("review", remove=str(number), **fields)

    def confirmation(self) -> dict[str, Any]:
        sent = dict(self.page.fields())
        boxes = self.page.all("input", name="free", type="hidden")
        return {**sent, "free": [box.get("value", "") for box in boxes], "action": "confirm"}

    def confirm(self) -> None:
        self.client.follow(self.client.post(self.url, self.confirmation()))


@pytest.fixture
def lotte(client: PortalClient, books: Session) -> Remover:
    return Remover(client, books)


# --- before anything is confirmed ----------------------------------------------------------------


def test_S4_in_time_the_screen_says_the_day_and_until_when_it_can_be_asked(lotte: Remover) -> None:
    lotte.client.get(lotte.url)
    for words in ("Takes effect on 30 November 2026", "until 15 November 2026, 15 days before",
                  "Currently 12 licences, 10 in use", "at most 11 can be removed"):  # fmt: skip
        assert words in lotte.text


def test_S4_asked_too_late_the_screen_says_both_dates_and_offers_the_renewal_after(
    lotte: Remover, books: Session
) -> None:
    clock.fix(NOW + timedelta(days=20))
    lotte.client.sign_in(LOTTE)
    lotte.client.get(lotte.url)
    for words in ("Takes effect on 28 February 2027", "The coming renewal is on 30 November 2026",
                  "by 15 November 2026"):  # fmt: skip
        assert words in lotte.text
    lotte.review(2)
    assert "The coming renewal is on 30 November 2026" in lotte.text
    assert "Remove 2 licences on 28 February 2027" in lotte.text
    lotte.confirm()
    assert waiting(books, ATELIER)[0].effective_on.isoformat() == "2027-02-28"


def test_S5_the_preview_shows_seats_invoice_and_people_and_writes_nothing(
    lotte: Remover, books: Session
) -> None:
    before = row_counts(books)
    lotte.client.get(lotte.url)
    lotte.send("preview", remove="4")
    for words in ("From 30 November 2026 8 licences instead of 12", "€980.10 instead of €1,343.10",
                  "€810.00 plus €170.10 VAT", "8 × €75.00 = €600.00", "No credit note is given",
                  "Milan Dhaenens loses access", "Noor Bakker loses access"):  # fmt: skip
        assert words in lotte.text.replace("20268", "2026 8")
    assert "Thomas Lefevre loses access" not in lotte.text
    assert row_counts(books) == before


def test_htmx_gets_the_outcome_and_the_people_alone(lotte: Remover) -> None:
    lotte.client.get(lotte.url)
    data = {"remove": "4", "action": "preview"}
    answer = lotte.client.post(lotte.url, data, status=200, headers=HTMX)
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    page = check_page(source, whole=False)
    assert "€980.10" in page.text()
    assert page.all("div", id="people")[0].get("hx-swap-oob") == "outerHTML"
    assert "Noor Bakker" in page.text()


def test_htmx_hears_of_a_mistake_in_the_fragment(lotte: Remover) -> None:
    lotte.client.get(lotte.url)
    data = {"remove": "12", "action": "preview"}
    source = lotte.client.post(lotte.url, data, status=422, headers=HTMX).get_data(as_text=True)
    assert "<html" not in source
    assert "remove at most 11" in source


@pytest.mark.parametrize(
    ("typed", "words"),
    [("", "Enter a number"), ("x", "whole number"), ("0", "Enter at least 1"),
     ("-2", "not negative"), ("12", "remove at most 11"), ("\0", "cannot be read")],
)  # fmt: skip
def test_what_cannot_be_removed_is_said_at_the_field(
    lotte: Remover, books: Session, typed: str, words: str
) -> None:
    lotte.client.get(lotte.url)
    before = row_counts(books)
    lotte.send("review", 422, remove=typed)
    assert words in lotte.text
    assert "There is a problem" in lotte.text
    assert row_counts(books) == before


def test_a_number_in_the_address_is_shown_at_once(lotte: Remover) -> None:
    lotte.client.get(lotte.url + "?remove=2")
    assert "10 licences" in lotte.text
    assert lotte.page.fields("removal")["remove"] == "2"
    lotte.client.get(lotte.url + "?remove=99")
    assert "remove at most 11" in lotte.text


# --- confirming ----------------------------------------------------------------------------------


def test_the_last_screen_says_what_there_is_what_changes_when_and_what_is_paid(
    lotte: Remover, books: Session
) -> None:
    before = row_counts(books)
    lotte.review(4)
    for words in ("You have now 12 licences, 10 in use", "8 licences instead of 12",
                  "€980.10 instead of €1,343.10", "you can undo this", "No credit note is given",
                  "Noor Bakker", "At the end of 30 November 2026",
                  "Remove 4 licences on 30 November 2026"):  # fmt: skip
        assert words in lotte.text.replace("now12", "now 12")
    assert row_counts(books) == before


def test_confirmed_it_waits_on_the_licences_page_with_undo(lotte: Remover, books: Session) -> None:
    lotte.review(4)
    lotte.confirm()
    for words in ("Your licences change on 30 November 2026",
                  "From 30 November 2026: 8 licences Kanto CRM Pro instead of 12",
                  "2 people lose access to Kanto CRM Pro at the end of 30 November 2026",
                  "those who got theirs last lose it: Milan Dhaenens and Noor Bakker",
                  "€980.10", "10 of 12", "Undo"):  # fmt: skip
        assert words in lotte.text
    (change,) = waiting(books, ATELIER)
    assert (change.delta, change.target) == (-4, {})


@pytest.mark.parametrize("number", [4, 8])
def test_Q4_a_second_click_changes_nothing_more(
    lotte: Remover, books: Session, number: int
) -> None:
    lotte.review(number)
    sent = lotte.confirmation()
    lotte.client.post(lotte.url, sent)
    before = row_counts(books)
    lotte.client.follow(lotte.client.post(lotte.url, sent))
    assert "Your licences change on 30 November 2026" in lotte.text
    assert [change.delta for change in waiting(books, ATELIER)] == [-number]
    assert row_counts(books) == before


def test_what_changed_meanwhile_is_shown_before_it_is_confirmed(
    lotte: Remover, parts: Parts, books: Session
) -> None:
    lotte.review(4)
    sent = lotte.confirmation()
    with lotte.client.app.app_context():
        removed(parts, remove=1)
    lotte.client.post(lotte.url, sent, status=422)
    assert [change.delta for change in waiting(books, ATELIER)] == [-1]
    assert "7 licences" in lotte.text
    assert "instead of 11" in lotte.text


# --- who loses access ----------------------------------------------------------------------------


def test_S6_others_are_ticked_and_stay_so(lotte: Remover, books: Session) -> None:
    fatima, noor = (member_of(books, ATELIER, email).id for email in (FATIMA, NOOR))
    lotte.client.get(lotte.url)
    lotte.send("preview", remove="4")
    assert str(noor) in lotte.ticked()
    lotte.send("preview", free=[str(fatima), str(noor)])
    assert lotte.ticked() == [str(noor), str(fatima)]
    lotte.send("review")
    assert "Fatima El Amrani" in lotte.text
    lotte.confirm()
    assert sorted(waiting(books, ATELIER)[0].target["free"]) == sorted([fatima, noor])
    assert "You chose who loses access: Noor Bakker and Fatima El Amrani" in lotte.text


def test_S6_left_as_they_were_the_boxes_follow_the_number(lotte: Remover) -> None:
    lotte.client.get(lotte.url)
    lotte.send("preview", remove="4")
    lotte.send("preview", remove="5")
    assert len(lotte.ticked()) == 3


def test_S6_more_than_lose_access_cannot_be_chosen(lotte: Remover, books: Session) -> None:
    ids = [str(member_of(books, ATELIER, email).id) for email in (FATIMA, NOOR, MILAN)]
    lotte.client.get(lotte.url)
    lotte.send("preview", remove="4")
    lotte.send("review", 422, free=ids)
    assert "Choose at most 2" in lotte.text


@pytest.mark.parametrize("box", ["x", "0", "99999", "9" * 40])
def test_a_box_that_names_nobody_is_refused(lotte: Remover, box: str) -> None:
    lotte.client.get(lotte.url)
    lotte.send("preview", remove="4")
    lotte.send("review", 422, free=[box])
    assert "has no licence any more" in lotte.text


def test_S7_admins_are_flagged_and_cannot_be_ticked(lotte: Remover, books: Session) -> None:
    lotte.client.get(lotte.url)
    lotte.send("preview", remove="4")
    admin = member_of(books, ATELIER, LOTTE).id
    (box,) = lotte.page.all("input", id=f"free-{admin}")
    assert box.get("disabled") is not None
    assert "Admin, has to agree first" in lotte.text
    lotte.send("review", 422, free=[str(admin)])
    assert "an admin who has not agreed yet" in lotte.text


def test_S7_what_only_an_admins_consent_makes_possible_is_refused_with_the_way(
    lotte: Remover, books: Session
) -> None:
    account = account_named(books, ATELIER)
    books.execute(
        update(Member).where(Member.account_id == account.id, Member.status == "active")
        .values(role="admin").execution_options(synchronize_session=False)
    )  # fmt: skip
    before = row_counts(books)
    lotte.client.get(lotte.url)
    lotte.send("review", 422, remove="6")
    for words in ("An admin has to agree first", "who has to agree in writing first", "Noor Bakker",
                  "Ask for consent on the members page"):  # fmt: skip
        assert words in lotte.text
    assert "/members" in lotte.page.links()
    assert row_counts(books) == before


def test_nobody_loses_access_where_enough_licences_are_free(lotte: Remover, books: Session) -> None:
    lotte.review(2)
    assert "Nobody loses access" in lotte.text
    lotte.confirm()
    assert "lose access" not in lotte.text
    query = select(OutboxMessage).where(OutboxMessage.created_at >= NOW)
    assert [m for m in books.scalars(query) if m.topic == "access_loss"] == []


# --- add-ons, and what cannot be removed alone ---------------------------------------------------


def test_the_seats_of_an_add_on_are_removed_in_the_same_way(lotte: Remover, books: Session) -> None:
    lotte.client.get(lotte.url)
    link = next(link for link in lotte.page.links() if "?item=" in link and "Beyond" in lotte.text)
    add_on = books.scalars(
        select(SubscriptionItem).where(
            SubscriptionItem.subscription_id == lotte.item.subscription_id,
            SubscriptionItem.kind == "add_on", SubscriptionItem.per_seat,
        )
    ).one()  # fmt: skip
    assert link.startswith(lotte.url)
    lotte.url = f"{lotte.url}?item={add_on.id}"
    lotte.review(1)
    assert "Customer appointments Beyond" in lotte.text
    lotte.confirm()
    assert waiting(books, ATELIER)[0].item_id == add_on.id


def test_an_item_that_is_none_of_the_subscriptions_is_not_found(
    lotte: Remover, books: Session
) -> None:
    flat = books.scalars(
        select(SubscriptionItem.id).where(
            SubscriptionItem.subscription_id == lotte.item.subscription_id,
            SubscriptionItem.per_seat.is_(False),
        )
    ).one()
    foreign = plan_item(books, OFFICINE).id
    for item in (flat, foreign, 987654321, "x", ""):
        lotte.client.get(f"{lotte.url}?item={item}", 404)


@pytest.mark.parametrize(
    ("email", "account", "product", "words"),
    [
        (CAMILLE, LUMIERE, "crm", ["account executive removes licences for you", "Hugo Peeters"]),
        (GIULIA, OFFICINE, "insights", ["We do this together with you"]),
        (AMELIA, BRIGHTWATER, "crm", ["This is a trial"]),
    ],
)
def test_what_cannot_be_removed_alone_says_why_and_whom_to_ask(
    client: PortalClient, books: Session, email: str, account: str, product: str, words: list[str]
) -> None:
    remover = Remover(client, books, email, account, product)
    client.get("/licences")
    assert remover.url not in remover.page.links()
    client.get(remover.url)
    for text in words:
        assert text in remover.text
    before = row_counts(books)
    client.post(remover.url, {"remove": "1", "action": "confirm"}, status=422)
    assert row_counts(books) == before


def test_C3_a_cancelled_subscription_has_nothing_to_remove_and_ends(
    lotte: Remover, parts: Parts
) -> None:
    with lotte.client.app.app_context():
        cancelled(parts)
    lotte.client.get(lotte.url)
    assert "is cancelled; its last day is 29 November 2026" in lotte.text
    lotte.client.get("/licences")
    assert lotte.url not in lotte.page.links()
    assert "Ends on29 November 2026" in lotte.text
    assert "Renews on" not in lotte.text


def test_the_last_licence_stays(lotte: Remover, parts: Parts) -> None:
    with lotte.client.app.app_context(), transaction() as session:
        account = session.get_one(Account, account_named(session, ATELIER).id)
        session.execute(
            update(Member).where(Member.account_id == account.id).values(role="member")
            .execution_options(synchronize_session=False)
        )  # fmt: skip
    with lotte.client.app.app_context():
        removed(parts, remove=11)
        with transaction() as session:
            session.execute(
                update(Member).where(Member.id == member_of(session, ATELIER, LOTTE).id)
                .values(role="admin").execution_options(synchronize_session=False)
            )  # fmt: skip
    lotte.client.get(lotte.url)
    assert "One licence always stays" in lotte.text


def test_a_billing_admin_may_and_a_member_is_told_whom_to_ask(
    client: PortalClient, books: Session
) -> None:
    Remover(client, books, AN).review(1)
    for email in (JONAS, KAREL):
        remover = Remover(client, books, email)
        client.get("/licences")
        client.get(remover.url, 403)
        assert "Lotte Verbeke" in remover.text
