"""Subscriptions that have ended: still told, with the invoices and the way back (C3)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from flask import Flask
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import reading, transaction
from portal.jobs.worker import run_due
from portal.models import Invoice, Subscription, SubscriptionItem
from portal.parts import Parts
from portal.queries.ended import Ended, get_account_overview_with_ended
from tests.support.buying import ATELIER, GIULIA, JONAS, LOTTE, OFFICINE, account_named, speak
from tests.support.cancelling import cancelled
from tests.support.client import PortalClient

ENDED_ON = date(2026, 10, 20)
# Brussels is an hour ahead of UTC then.
LAST_EVENING = datetime(2026, 11, 29, 22, 59, tzinfo=UTC)
DAY_AFTER = datetime(2026, 11, 29, 23, 5, tzinfo=UTC)


def end(app: Flask, account: str, *products: str) -> None:
    """What the renewal leaves of a cancelled subscription; of all without `products`."""
    with app.app_context(), transaction() as session:
        account_id = account_named(session, account).id
        for item in session.scalars(
            select(SubscriptionItem)
            .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
            .where(Subscription.account_id == account_id)
        ):
            item.removed_at = clock.now()
        session.execute(
            update(Subscription)
            .where(Subscription.account_id == account_id)
            .values(status="ended", ended_on=ENDED_ON)
        )


@pytest.fixture
def former(app: Flask, client: PortalClient) -> PortalClient:
    """An admin of a customer that has nothing any more."""
    end(app, ATELIER)
    client.sign_in(LOTTE)
    return client


def test_C3_after_the_end_one_signs_in_and_reads(former: PortalClient, books: Session) -> None:
    former.get("/licences")
    assert former.page is not None
    text, links = former.page.text(), former.page.links()
    assert "Ended subscriptions" in text
    assert "Kanto CRM" in text
    assert "the last day with access was 19 October 2026" in text
    for link in ("/invoices", "/data-export"):
        assert link in links
    number = books.scalars(
        select(Invoice.number).where(Invoice.account_id == account_named(books, ATELIER).id)
    ).first()
    for path in ("/invoices", f"/invoices/{number}", "/activity", "/data-export"):
        former.get(path)
    assert former.browser.get(f"/invoices/{number}.pdf").data.startswith(b"%PDF")


def test_C3_it_can_be_subscribed_to_again(former: PortalClient) -> None:
    former.get("/licences")
    assert former.page is not None
    if any(rule.rule.startswith("/subscribe/") for rule in former.app.url_map.iter_rules()):
        assert "/subscribe/crm" in former.page.links()
        former.get("/subscribe/crm")


def test_a_member_reads_what_ended_and_changes_nothing(app: Flask, client: PortalClient) -> None:
    end(app, ATELIER)
    client.sign_in(JONAS)
    speak(client, JONAS, "en")
    client.get("/licences")
    assert client.page is not None
    assert "Ended subscriptions" in client.page.text()
    assert "/data-export" not in client.page.links()


def test_who_has_everything_is_told_of_no_end(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    client.get("/licences")
    assert client.page is not None
    assert "Ended subscriptions" not in client.page.text()


def test_C3_a_product_that_is_back_has_not_ended(app: Flask) -> None:
    """One line a product, of its last end; none for what the account has (again)."""
    with app.app_context():
        with transaction() as session:
            account_id = account_named(session, OFFICINE).id
            live = session.execute(
                select(Subscription.product_id, Subscription.id)
                .where(Subscription.account_id == account_id)
                .order_by(Subscription.id)
            ).all()
            again, gone = live[0].product_id, live[1]
            for product_id, ended_on in (
                (again, date(2024, 5, 1)),
                (gone.product_id, date(2023, 1, 31)),
                (gone.product_id, date(2025, 1, 31)),
            ):
                session.execute(
                    insert(Subscription).values(
                        account_id=account_id, product_id=product_id, status="ended",
                        started_on=date(2020, 1, 1), ended_on=ended_on, overhang=0, version=1,
                        created_at=clock.now(),
                    )
                )  # fmt: skip
            session.execute(
                update(Subscription)
                .where(Subscription.id == gone.id)
                .values(status="ended", ended_on=ENDED_ON)
            )
        with reading() as connection:
            buying, holdings, ended = get_account_overview_with_ended(connection, account_id)
    assert buying.account_id == account_id
    assert holdings  # the open quote is still told
    assert [each.ended_on for each in ended] == [ENDED_ON]
    assert isinstance(ended[0], Ended)


def test_C3_the_ones_that_go_on_stand_above(app: Flask, client: PortalClient) -> None:
    with app.app_context(), transaction() as session:
        last = session.scalars(
            select(Subscription)
            .where(Subscription.account_id == account_named(session, OFFICINE).id)
            .order_by(Subscription.id.desc())
        ).first()
        assert last is not None
        last.status, last.ended_on = "ended", ENDED_ON
    speak(client, GIULIA, "en")
    client.sign_in(GIULIA)
    client.get("/licences")
    assert client.page is not None
    headings = [client.page.text(heading) for heading in client.page.all("h2")]
    assert headings[-1] == "Ended subscriptions"
    assert "Kanto CRM" in headings


def test_C3_a_cancelled_subscription_ends_with_its_last_day(
    app: Flask, client: PortalClient, parts: Parts, books: Session
) -> None:
    """From the button to the day after: the worker ends it, and nothing is invoiced."""
    with app.app_context():
        cancelled(parts)
        for moment in (LAST_EVENING, DAY_AFTER):
            clock.fix(moment)
            run_due(parts, moment)
            client.sign_in(LOTTE)
            client.get("/licences")
            assert client.page is not None
            text = client.page.text()
            if moment == LAST_EVENING:
                assert "10 of 12" in text
                assert "Ended subscriptions" not in text
        assert "the last day with access was 29 November 2026" in text
        account_id = account_named(books, ATELIER).id
        books.expire_all()
        ended = books.scalars(select(Subscription).where(Subscription.account_id == account_id))
        assert [(s.status, s.ended_on) for s in ended] == [("ended", date(2026, 11, 30))]
        own = select(Invoice.id).where(Invoice.account_id == account_id)
        assert books.scalars(own.where(Invoice.issued_at > LAST_EVENING)).all() == []
    client.get("/data-export")
    # The link of the confirmation by e-mail still leads somewhere.
    link = f"/licences/{ended_id(books)}/cancel"
    assert client.get(link, status=303).headers["Location"] == "/licences"
    client.post(link, {"on": "2026-11-07", "reason": ""}, status=303)


def ended_id(books: Session) -> int:
    return books.scalars(
        select(Subscription.id).where(Subscription.account_id == account_named(books, ATELIER).id)
    ).one()
