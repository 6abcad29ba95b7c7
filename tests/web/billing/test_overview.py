"""The billing overview: what is billed next, in which periods, to whom, and how it is paid."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.models import Account, AccountBalance, Subscription
from portal.parts import Parts
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    AN,
    ATELIER,
    CAMILLE,
    GIULIA,
    JONAS,
    KAREL,
    KATRIN,
    LOTTE,
    MUELLER,
    account_named,
    row_counts,
    speak,
)
from tests.support.changes import wait_for_fewer_seats
from tests.support.client import PortalClient


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def opened(client: PortalClient, email: str, path: str = "/billing") -> str:
    speak(client, email, "en")
    client.sign_in(email)
    client.get(path)
    return text(client)


def test_it_says_what_is_billed_next_to_whom_and_how(client: PortalClient) -> None:
    words = opened(client, LOTTE)
    for expected in (
        "Next invoice · 30 November 2026", "€1,343.10", "Kanto CRM Pro", "Quarterly",
        "Renews on 30 November 2026", "Atelier Noordzee BV", "Checked on",
        "Latest invoices",
    ):  # fmt: skip
        assert expected in words
    assert client.page is not None
    for link in ("/billing/next-invoice", "/billing/period", "/billing/details",
                 "/billing/payment-method", "/invoices"):  # fmt: skip
        assert link in client.page.links()


@pytest.mark.parametrize("coming", [True, False])
def test_M6_what_the_account_is_owed_stands_here_with_what_uses_it(
    client: PortalClient, app_context: None, coming: bool
) -> None:
    assert "Account balance" not in opened(client, LOTTE)
    with transaction() as session:
        account = account_named(session, ATELIER)
        session.add(
            AccountBalance(
                account_id=account.id, at=NOW, amount_minor=12_345, currency="EUR",
                reason="correction",
            )
        )  # fmt: skip
        if not coming:
            session.execute(
                update(Subscription)
                .where(Subscription.account_id == account.id)
                .values(status="ended", ended_on=NOW.date())
            )
    words = opened(client, LOTTE)
    assert "Account balance" in words
    assert "€123.45" in words
    used, back = (
        "Your next invoice uses it; only the rest is collected.",
        "To have it paid back, ask",
    )
    assert (used in words, back in words) == (coming, not coming)


def test_a_waiting_change_stands_with_its_subscription_and_is_undone_here(
    client: PortalClient, parts: Parts, app_context: None
) -> None:
    change = wait_for_fewer_seats(parts, ATELIER, remove=2)
    assert "From 30 November 2026: 10 licences" in opened(client, LOTTE)
    answer = client.post(f"/changes/{change}/undo", {"next": "/billing"})
    assert answer.headers["Location"] == "/billing"
    client.follow(answer)
    assert "10 licences" not in text(client)


def test_I3_who_transfers_sees_the_terms_and_the_account_executive(client: PortalClient) -> None:
    words = opened(client, CAMILLE)
    assert "You pay by bank transfer" in words
    assert "15 days before the renewal and are due 30 days later" in words
    assert "Hugo Peeters" in words
    assert client.page is not None
    assert "/billing/period" not in client.page.links()


def test_five_products_and_a_trial(client: PortalClient) -> None:
    words = opened(client, GIULIA)
    assert "2 next invoices · 18 November 2026" in words
    words = opened(client, AMELIA)
    assert "No billing during the trial" in words
    assert "There are no invoices yet." in words
    assert "does not know numbers of your country" in words


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("unchecked", "Until it confirms the number, VAT of 19% is charged."),
        ("invalid", "Your VAT number is not valid"),
    ],
)
def test_I4_the_state_of_the_vat_number_is_said(
    client: PortalClient, app_context: None, status: str, words: str
) -> None:
    with transaction() as session:
        session.execute(update(Account).where(Account.name == MUELLER).values(vat_status=status))
    assert words in opened(client, KATRIN)


@pytest.mark.parametrize("path", ["/billing", "/billing/next-invoice", "/billing/period",
                                  "/billing/details"])  # fmt: skip
def test_admins_and_billing_admins_alone_see_money(
    client: PortalClient, books: Session, path: str
) -> None:
    before = row_counts(books)
    opened(client, AN, path)
    for email in (JONAS, KAREL):
        client.sign_in(email)
        client.get(path, 403)
    after = row_counts(books)
    del before["sign_in_session"], after["sign_in_session"]
    assert after == before
