"""The form of automatic top-up: on, changed, off; what was typed wrongly is said at its field."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.models import PaymentMethod, Wallet
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    ATELIER,
    CAMILLE,
    GIULIA,
    LOTTE,
    OFFICINE,
    account_named,
    speak,
)
from tests.support.client import PortalClient
from tests.support.wallets import fill, wallet_row

HERE = "/wallet/auto-top-up"


@pytest.fixture
def admin(app: Flask, client: PortalClient) -> PortalClient:
    """Lotte, with plenty of credits."""
    with app.app_context():
        fill(1_000)
    client.sign_in(LOTTE)
    return client


def form(client: PortalClient) -> dict[str, Any]:
    client.get(HERE)
    assert client.page is not None
    return client.page.fields("top-up")


def stored(books: Session, account: str = ATELIER) -> tuple[Any, ...]:
    books.rollback()
    wallet = wallet_row(books, account_named(books, account).id)
    return wallet.auto_top_up, wallet.threshold, wallet.pack_key, wallet.monthly_cap_minor


def test_W3_it_is_switched_on_with_what_was_suggested(admin: PortalClient, books: Session) -> None:
    fields = form(admin)
    assert {name: fields[name] for name in ("threshold", "pack", "cap")} == {
        "threshold": "100", "pack": "medium", "cap": "435.60",
    }  # fmt: skip
    answer = admin.post(HERE, fields)
    assert answer.headers["Location"] == "/wallet"
    admin.follow(answer)
    assert admin.page is not None
    assert "Automatic top-up is on, for at most €" in admin.page.text()
    assert "At most €435.60 a month." in admin.page.text()
    assert stored(books) == (True, 100, "medium", 43_560)


def test_W3_it_is_changed_and_keeps_what_it_was_set_to(
    client: PortalClient, books: Session
) -> None:
    speak(client, GIULIA, "it")
    client.sign_in(GIULIA)
    fields = form(client)
    assert (fields["threshold"], fields["pack"], fields["cap"]) == ("200", "medium", "540,00")
    client.post(HERE, {**fields, "threshold": "350", "cap": "1000,50", "pack": "large"})
    assert stored(books, OFFICINE) == (True, 350, "large", 100_050)


def test_W3_switching_it_off_keeps_the_choice_for_the_next_time(
    client: PortalClient, books: Session
) -> None:
    speak(client, GIULIA, "en")
    client.sign_in(GIULIA)
    client.get("/wallet")
    answer = client.post(f"{HERE}/off")
    client.follow(answer)
    assert client.page is not None
    assert "No more credits are bought without you." in client.page.text()
    assert stored(books, OFFICINE) == (False, 200, "medium", 54_000)
    # A second press says nothing new.
    client.follow(client.post(f"{HERE}/off"))
    assert "No more credits" not in client.page.text()
    client.post(HERE, form(client))
    assert stored(books, OFFICINE) == (True, 200, "medium", 54_000)


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"threshold": ""}, "threshold", "Enter a number."),
        ({"threshold": "0"}, "threshold", "Enter at least 1."),
        ({"threshold": "99999999999"}, "threshold", "Enter at most 10,000,000."),
        ({"cap": ""}, "cap", "Enter an amount."),
        ({"cap": "much"}, "cap", "Enter an amount in digits, for example 250."),
        ({"cap": "1.000"}, "cap", "“1.000” can be read as two amounts."),
        ({"cap": "217.79"}, "cap", "€217.80"),
        ({"pack": "gone"}, "pack", ""),
        ({"pack": ""}, "pack", ""),
    ],
)
def test_W3_mistakes_are_said_at_their_field_and_nothing_is_switched_on(
    admin: PortalClient, books: Session, typed: dict[str, str], field: str, words: str
) -> None:
    fields = {**form(admin), **typed}
    admin.post(HERE, fields, 422)
    page = admin.page
    assert page is not None
    assert page.title.startswith("Error:")
    (problem,) = [e for e in page.all("span", class_="why") if e.get("id") == f"{field}-error"]
    assert words in page.text(problem)
    kept = page.fields("top-up")
    assert all(kept.get(name, "") == typed[name] for name in typed if name != "pack")
    assert stored(books)[0] is False


def test_W3_without_a_method_it_asks_for_one_first(client: PortalClient, books: Session) -> None:
    client.sign_in(AMELIA)
    client.get(HERE)
    assert client.page is not None
    assert "A payment method is needed first" in client.page.text()
    assert not client.page.all("form", id="top-up")
    client.post(HERE, {"threshold": "100", "pack": "small", "cap": "500"}, 422)
    assert stored(books, "Brightwater Studio Ltd")[0] is False


def test_who_pays_by_bank_transfer_cannot_switch_it_on(
    client: PortalClient, books: Session
) -> None:
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    client.get("/wallet")
    client.post(HERE, {"threshold": "100", "pack": "small", "cap": "500"}, 422)
    assert stored(books, "Lumière Conseil SAS")[0] is False


def test_an_expired_card_is_no_method(app: Flask, admin: PortalClient, books: Session) -> None:
    with app.app_context(), transaction() as session:
        for method in session.query(PaymentMethod):
            method.expires_year, method.expires_month = NOW.year, NOW.month - 1
    admin.get(HERE)
    assert admin.page is not None
    assert "A payment method is needed first" in admin.page.text()


def test_W3_switched_on_below_the_threshold_a_pack_is_wanted_at_once(
    app: Flask, admin: PortalClient, books: Session
) -> None:
    admin.post(HERE, {**form(admin), "threshold": "1001"})
    books.rollback()
    wallet = books.query(Wallet).filter_by(id=wallet_row(books, 1).id).one()
    assert wallet.top_up_asked
