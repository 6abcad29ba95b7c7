"""The wallet: what there is, what it buys, for how long, what was used; for each kind of reader."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from portal.clock import clock
from portal.db import transaction
from portal.models import CreditEntry, PaymentMethod, Wallet
from portal.parts import Parts
from portal.services.auto_top_up import start_top_up
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    ATELIER,
    CAMILLE,
    DEBIT,
    GIULIA,
    JONAS,
    KAREL,
    LOTTE,
    NO_MONEY,
    account_named,
    speak,
)
from tests.support.client import PortalClient
from tests.support.html import Page
from tests.support.wallets import debit, fill, switch_on, wallet_row, work_at


def page_of(client: PortalClient, email: str, path: str = "/wallet") -> str:
    """The text of the page in English, a space between what stands in different elements."""
    speak(client, email, "en")
    client.sign_in(email)
    client.get(path)
    assert client.page is not None
    return " ".join(" ".join(client.page.body.itertext()).split()).replace(" .", ".")


_SVG = "{http://www.w3.org/2000/svg}"


def bar_titles(page: Page) -> list[str]:
    """What the bars of the chart say when one points at them."""
    return [page.text(title) for title in page.root.iter(f"{_SVG}title")]


def set_wallet(app: Flask, **values: object) -> None:
    with app.app_context(), transaction() as session:
        wallet = wallet_row(session, account_named(session, ATELIER).id)
        for name, value in values.items():
            setattr(wallet, name, value)


def test_the_balance_the_pace_the_packs_and_what_credits_buy(
    app: Flask, client: PortalClient, parts: Parts
) -> None:
    with app.app_context():
        fill(1_240)
    text = page_of(client, LOTTE)
    assert "Balance 1,240 credits about" in text
    assert "weeks at your present use" in text
    for words in ("500 credits €50.00 €0.100 each", "2,000 credits €180.00 €0.090 each",
                  "10,000 credits €800.00 €0.080 each"):  # fmt: skip
        assert words in text
    assert "Letter by post One letter of up to four pages" in text
    assert "4 credits Your balance is enough for: 310" in text
    assert client.page is not None
    assert "/wallet/buy?pack=large" in client.page.links()


def test_use_by_month_is_drawn_and_told_in_a_table(
    app: Flask, client: PortalClient, parts: Parts
) -> None:
    with app.app_context():
        account_id = fill(1_000)
        debit(parts, account_id, 30, key="a", kind="letter")
        debit(parts, account_id, 7, key="b", kind="sms")
    page_of(client, LOTTE)
    page = client.page
    assert page is not None
    charts = [e for e in page.root.iter(f"{_SVG}svg") if e.get("role") == "img"]
    assert ["table below" in (chart.get("aria-label") or "") for chart in charts] == [True]
    october = {}
    for title in bar_titles(page):
        words, _colon, figure = title.rpartition(": ")
        if words.endswith(", October 2026"):
            october[words] = int(figure)
    table = page.all("details", class_="fold")[0]
    rows = [row for row in table.iter() if str(row.tag).endswith("}tr")]
    (row,) = [row for row in rows if "October 2026" in page.text(row)]
    figures = [int(page.text(cell)) for cell in row if str(cell.tag).endswith("}td")]
    # The bars and the table say the same, and the table adds up.
    assert figures[:3] == [october[f"{name}, October 2026"] for name in
                           ("Company data lookup", "Text message", "Letter by post")]  # fmt: skip
    assert sum(figures[:3]) == figures[3]
    assert "/wallet/history?kind=used&month=2026-10" in page.links()


def test_a_month_is_the_accounts_own(app: Flask, client: PortalClient, parts: Parts) -> None:
    """Half an hour before midnight UTC it is November in Brussels already."""
    with app.app_context():
        account_id = fill(100)
        clock.fix(NOW.replace(day=31, hour=23, minute=30))
        debit(parts, account_id, 3, key="late", kind="letter")
    page_of(client, LOTTE)
    page = client.page
    assert page is not None
    assert "Letter by post, November 2026: 12" in bar_titles(page)


def test_a_kind_that_the_catalogue_has_forgotten_is_still_told(
    app: Flask, client: PortalClient
) -> None:
    with app.app_context():
        account_id = fill(100)
        with transaction() as session:
            wallet = wallet_row(session, account_id)
            wallet.balance = 90
            session.add(CreditEntry(wallet_id=wallet.id, at=NOW, change=-10, balance_after=90,
                                    reason="usage", usage_kind="fax", idempotency_key="f"))  # fmt: skip
    text = page_of(client, LOTTE)
    assert client.page is not None
    assert "fax, October 2026: 10" in bar_titles(client.page)
    assert "fax −10" in text


def test_the_latest_entries_with_running_balance_and_invoice(client: PortalClient) -> None:
    text = page_of(client, LOTTE, "/wallet/history?kind=added")
    assert "Credits bought · Invoice KAN-2026-" in text
    assert "by Lotte Verbeke" in text
    assert client.page is not None
    (invoice, *_more) = [a for a in client.page.links() if a.startswith("/invoices/KAN")]
    client.get(invoice)


def test_an_empty_wallet_says_what_to_do(client: PortalClient) -> None:
    text = page_of(client, AMELIA)
    assert "Balance 0 credits" in text
    assert "Nothing here yet" in text
    assert "at your present use" not in text
    assert "Use by month" not in text
    assert "£43.00" in text


def test_an_account_without_a_wallet_has_an_empty_one(app: Flask, client: PortalClient) -> None:
    with app.app_context(), transaction() as session:
        account = account_named(session, "Brightwater Studio Ltd")
        session.delete(session.query(Wallet).filter_by(account_id=account.id).one())
    assert "Balance 0 credits" in page_of(client, AMELIA)
    assert "No entries" in page_of(client, AMELIA, "/wallet/history")
    page_of(client, AMELIA, "/wallet/auto-top-up")


def test_a_member_sees_credits_and_no_money(client: PortalClient) -> None:
    text = page_of(client, JONAS)
    assert "credits about" in text
    assert "Use by month" in text
    assert "An admin of your company buys credits." in text
    assert "€" not in text
    assert client.page is not None
    assert not [a for a in client.page.links() if a.startswith(("/wallet/buy", "/wallet/auto"))]
    history = page_of(client, JONAS, "/wallet/history?kind=added")
    assert "Credits bought" in history
    assert "Invoice" not in history
    assert "Lotte" not in history
    for path in ("/wallet/buy", "/wallet/auto-top-up"):
        client.get(path, 403)
    client.post("/wallet/auto-top-up/off", status=403)


def test_S6_a_deactivated_person_does_not_see_the_wallet(client: PortalClient) -> None:
    client.sign_in(KAREL)
    for path in ("/wallet", "/wallet/history", "/wallet/history.csv", "/wallet/buy"):
        client.get(path, 403)


def test_who_pays_by_bank_transfer_is_told_who_helps(client: PortalClient) -> None:
    text = page_of(client, CAMILLE)
    assert "your account executive adds credits for you" in text
    assert "Hugo Peeters" in text
    assert "Automatic top-up" not in text
    assert client.page is not None
    assert "/wallet/buy" not in client.page.links()
    assert "Hugo Peeters" in page_of(client, CAMILLE, "/wallet/buy")
    assert "Hugo Peeters" in page_of(client, CAMILLE, "/wallet/auto-top-up")


def test_a_low_balance_says_so(app: Flask, client: PortalClient) -> None:
    with app.app_context():
        fill(99)  # the vendor calls fewer than 100 few
    assert "Balance low 99 credits" in page_of(client, LOTTE)
    with app.app_context():
        fill(100)
    assert "Balance 100 credits" in page_of(client, LOTTE)


# --- automatic top-up: each state says what is wrong and what to do (W3) ------------------------


def test_W3_switched_on_it_says_when_what_and_how_much(client: PortalClient) -> None:
    text = page_of(client, GIULIA)
    assert "Automatic top-up on" in text
    assert ("When fewer than 200 credits are left, 2,000 credits are bought for €180.00. "
            "At most €540.00 a month.") in text  # fmt: skip
    assert "Amounts include VAT" not in text  # reverse charge: there is none


def test_W3_after_a_decline_it_says_when_it_tries_again(
    app: Flask, client: PortalClient, parts: Parts
) -> None:
    with app.app_context():
        fill(40)
        switch_on(parts, threshold=50, card=NO_MONEY)
        work_at(parts, NOW + timedelta(minutes=5))
    text = page_of(client, LOTTE)
    assert "on, but waiting" in text
    assert "The last payment was declined, and nothing was charged." in text
    assert "It is tried again after 30 Oct 2026" in text
    assert "There is not enough money on the card or account." in text
    assert client.page is not None
    assert "/billing/payment-method" in client.page.links()


def test_W3_after_three_declines_it_is_off_and_says_why(
    app: Flask, client: PortalClient, parts: Parts
) -> None:
    with app.app_context():
        fill(40)
        switch_on(parts, threshold=50, card=NO_MONEY)
        for days in range(9):
            work_at(parts, NOW + timedelta(days=days, minutes=5))
    text = page_of(client, LOTTE)
    assert "Automatic top-up stopped" in text
    assert "declined 3 times in a row, so automatic top-up is off" in text
    assert "Turn on again" in text


def test_W3_one_that_the_customer_switched_off_after_a_decline_is_just_off(
    app: Flask, client: PortalClient, parts: Parts
) -> None:
    with app.app_context():
        fill(40)
        switch_on(parts, threshold=50, card=NO_MONEY)
        work_at(parts, NOW + timedelta(minutes=5))
    client.sign_in(LOTTE)
    client.post("/wallet/auto-top-up/off", status=303)
    text = page_of(client, LOTTE)
    assert "Automatic top-up off" in text
    assert "declined" not in text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"monthly_cap_minor": 6_049}, "It begins anew on 1 November 2026."),
        ({"pack_key": "gone"}, "The pack that you chose is not sold any more. Choose another."),
        ({"auto_top_up": False}, "Automatic top-up off When fewer than 50 credits are left"),
    ],
)  # fmt: skip
def test_W3_what_keeps_it_from_working_is_said_before_credits_are_missing(
    app: Flask, client: PortalClient, parts: Parts, values: dict[str, object], words: str
) -> None:
    with app.app_context():
        fill(500)
        switch_on(parts, threshold=50)
    set_wallet(app, **values)
    assert words in page_of(client, LOTTE)


def test_W3_without_a_method_it_says_so(app: Flask, client: PortalClient, parts: Parts) -> None:
    with app.app_context():
        fill(500)
        switch_on(parts, threshold=50)
        with transaction() as session:
            session.query(PaymentMethod).update({"is_default": False, "removed_at": clock.now()})
    assert "There is no payment method that can be charged." in page_of(client, LOTTE)


def test_W3_while_a_debit_is_not_answered_it_says_that_one_is_under_way(
    app: Flask, client: PortalClient, parts: Parts
) -> None:
    with app.app_context():
        account_id = fill(10)
        switch_on(parts, threshold=50, card=DEBIT)
        with transaction() as writing:
            start_top_up(writing, account_id, catalogue=parts.catalogue, now=NOW)
    assert "A top-up is under way." in page_of(client, LOTTE)
