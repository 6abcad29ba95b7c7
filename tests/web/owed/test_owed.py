"""What is owed, on every page and on its own; paying it on screen, without JavaScript (M5, M1, Q4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.jobs.dunning import run_dunning
from portal.jobs.worker import run_due
from portal.models import Account, Invoice, Payment
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway, Fault
from tests.support.buying import (
    AN,
    CARD,
    DEBIT,
    GIULIA,
    JONAS,
    KATRIN,
    LOTTE,
    NO_MONEY,
    OFFICINE,
    THREE_D_SECURE,
    row_counts,
    speak,
    use_method,
)
from tests.support.client import PortalClient
from tests.support.dunning import (
    RENEWAL,
    attempts,
    case_of,
    charges_of,
    days_later,
    status_of,
    subscription_status,
    switch_method,
    unpaid_renewal,
    work,
)
from tests.support.transfers import transferred

pytestmark = pytest.mark.usefixtures("agreeing_books")

LOST = "4000000000009987"  # reported lost when it is charged


@pytest.fixture
def unpaid(app: Flask, books: Session, parts: Parts) -> Invoice:
    """A renewal whose card had no money."""
    with app.app_context():
        return unpaid_renewal(parts, books, NO_MONEY)


@pytest.fixture
def suspended(app: Flask, books: Session, parts: Parts, unpaid: Invoice) -> Invoice:
    """The same, three weeks later."""
    for days in (2, 7, 14, 21, 22):
        with app.app_context():
            work(parts, days_later(days))
    assert subscription_status(books) == "suspended"
    return unpaid


@pytest.fixture
def gateway(parts: Parts) -> Iterator[DemoGateway]:
    assert isinstance(parts.gateway, DemoGateway)
    yield parts.gateway
    parts.gateway.faults.clear()


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def amount(invoice: Invoice) -> str:
    return f"€{invoice.gross_minor / 100:,.2f}"


def switch_to(client: PortalClient, number: str) -> None:
    with client.app.app_context():
        switch_method(number)


def main_buttons(client: PortalClient) -> list[str]:
    """The buttons on the page of what is owed that stand out."""
    client.get("/billing/owed")
    assert client.page is not None
    return [client.page.text(each) for each in client.page.all("button", class_="main")]


def press_pay(client: PortalClient, invoice: Invoice) -> str:
    """Press the button on the page of what is owed; where it leads."""
    client.get("/billing/owed")
    assert f"Pay {amount(invoice)} now" in text(client)
    answer = client.post(f"/invoices/{invoice.number}/pay", {"shown": str(invoice.gross_minor)})
    return str(answer.headers["Location"])


def test_M5_the_page_says_what_why_when_and_how(client: PortalClient, unpaid: Invoice) -> None:
    client.sign_in(LOTTE)
    client.get("/billing/owed")
    for expected in (unpaid.number, amount(unpaid), "not enough money", "Next try", "Access ends",
                     f"Pay {amount(unpaid)} now", "Visa ending 9995"):  # fmt: skip
        assert expected in text(client), expected


def test_M5_the_banner_is_on_every_page_for_those_who_may_see_money(
    app: Flask, client: PortalClient, unpaid: Invoice
) -> None:
    for email, sees in ((LOTTE, True), (AN, True), (JONAS, False), (KATRIN, False)):
        speak(client, email, "en")
        client.sign_in(email)
        client.get("/licences")
        assert ("An invoice is not paid" in text(client)) is sees, email
    client.get("/billing/owed")
    assert "Nothing is owed" in text(client)


def test_M5_the_banner_says_how_much_and_why_while_nothing_is_on_its_way(
    client: PortalClient, books: Session, parts: Parts, unpaid: Invoice
) -> None:
    client.sign_in(LOTTE)
    client.get("/licences")
    for expected in (f"{amount(unpaid)} is owed.", "not enough money", "access is suspended"):
        assert expected in text(client), expected
    switch_to(client, DEBIT)
    client.get(press_pay(client, unpaid))
    assert status_of(books, unpaid) == "pending"
    client.get("/licences")  # M4: the debit is on its way, and nothing is asked of the customer
    assert "not paid" not in text(client)
    client.get("/billing/owed")
    assert "You need do nothing." in text(client)
    assert "to be paid:" not in text(client)


def test_M5_after_a_hard_decline_another_method_comes_first(
    client: PortalClient, books: Session, unpaid: Invoice
) -> None:
    switch_to(client, LOST)
    client.sign_in(LOTTE)
    assert main_buttons(client) == [f"Pay {amount(unpaid)} now"]
    client.get(press_pay(client, unpaid))
    case = case_of(books, unpaid)
    assert case is not None
    assert case.stopped_because == "lost_card"
    assert main_buttons(client) == ["Replace the payment method"]
    assert "This payment method is not tried again." in text(client)
    assert "Next try" not in text(client)


def test_M5_the_page_names_what_was_renewed_and_sums_several_invoices_up(
    app: Flask, client: PortalClient, books: Session, parts: Parts
) -> None:
    with app.app_context():
        with transaction() as own:
            use_method(own, OFFICINE, NO_MONEY)
        work(parts, RENEWAL)
    owed = books.scalars(
        select(Invoice).join(Account, Account.id == Invoice.account_id)
        .where(Account.name == OFFICINE, Invoice.status == "open")
    ).all()  # fmt: skip
    assert len(owed) == 2
    speak(client, GIULIA, "en")
    client.sign_in(GIULIA)
    client.get("/billing/owed")
    whole = f"€{sum(one.gross_minor for one in owed) / 100:,.2f}"
    for expected in (f"2 invoices are to be paid: {whole} in all.", "Kanto Desk", "Kanto Sign"):
        assert expected in text(client), expected
    client.get("/billing")
    assert "2 invoices are not paid" in text(client)
    assert f"{whole} is owed in all." in text(client)


def test_M5_the_page_goes_on_by_itself_while_a_payment_is_checked(
    client: PortalClient, gateway: DemoGateway, unpaid: Invoice
) -> None:
    client.sign_in(LOTTE)
    client.get("/billing/owed")
    assert client.page is not None
    assert not client.page.all("div", hx_trigger="every 3s")
    gateway.faults.append(Fault.AFTER)
    client.get(press_pay(client, unpaid))
    client.get("/billing/owed")
    (polling,) = client.page.all("div", hx_trigger="every 3s")
    assert polling.get("hx-get") == "/billing/owed"
    assert "This page goes on by itself" in text(client)


def test_M5_a_member_may_not_see_or_pay(client: PortalClient, unpaid: Invoice) -> None:
    client.sign_in(JONAS)
    client.get("/billing/owed", 403)
    client.post(f"/invoices/{unpaid.number}/pay", {"shown": "1"}, 403)


def test_another_accounts_invoice_is_not_found(client: PortalClient, unpaid: Invoice) -> None:
    client.sign_in(KATRIN)
    for path in ("payment", "return"):
        client.get(f"/invoices/{unpaid.number}/{path}", 404)
    for path in ("pay", "payment/check", "payment/cancel"):
        client.post(f"/invoices/{unpaid.number}/{path}", {"shown": "1"}, 404)


def test_Q4_M5_paying_with_a_card_that_works_recovers_everything(
    client: PortalClient, books: Session, parts: Parts, suspended: Invoice
) -> None:
    switch_to(client, CARD)
    client.sign_in(LOTTE)
    client.get("/licences")
    assert "Access is suspended until what is owed is paid" in text(client)
    assert press_pay(client, suspended) == f"/invoices/{suspended.number}/payment"
    client.get(f"/invoices/{suspended.number}/payment")
    assert f"Invoice {suspended.number} is paid" in text(client)
    assert (status_of(books, suspended), subscription_status(books)) == ("paid", "active")
    assert charges_of(books, suspended) == ["succeeded"]
    client.get("/licences")
    assert "suspended" not in text(client).lower()
    before = attempts(books, suspended)  # the button of an old tab
    client.post(f"/invoices/{suspended.number}/pay", {"shown": str(suspended.gross_minor)})
    assert attempts(books, suspended) == before


def test_a_decline_on_screen_says_why_and_sends_no_mail(
    client: PortalClient, books: Session, unpaid: Invoice
) -> None:
    client.sign_in(LOTTE)
    mails = row_counts(books)["outbox_message"]
    client.get(press_pay(client, unpaid))
    assert "The payment did not go through" in text(client)
    assert "There is not enough money" in text(client)
    assert row_counts(books)["outbox_message"] == mails
    case = case_of(books, unpaid)
    assert case is not None
    assert case.step == 0  # the days go on as they were


@pytest.mark.parametrize("approve", [True, False])
def test_M1_the_bank_asks_return_reload_and_a_second_tab_make_one_charge(
    client: PortalClient, books: Session, parts: Parts, unpaid: Invoice, approve: bool
) -> None:
    switch_to(client, THREE_D_SECURE)
    client.sign_in(LOTTE)
    for _ in range(2):  # two tabs
        where = press_pay(client, unpaid) if _ == 0 else client.post(
            f"/invoices/{unpaid.number}/pay", {"shown": str(unpaid.gross_minor)}
        ).headers["Location"]  # fmt: skip
        client.get(where)
        assert f"Confirm payment of {amount(unpaid)}" in text(client)
    assert client.page is not None
    (bank,) = [link for link in client.page.links() if link.startswith("/demo/pay/charges/")]
    with client.app.app_context():
        run_dunning(parts, {}, days_later(2))  # the worker does not charge meanwhile
    assert charges_of(books, unpaid) == ["requires_action"]
    client.get(bank)
    back = client.post(bank, {"answer": "approve" if approve else "fail"}).headers["Location"]
    assert back.endswith(f"/invoices/{unpaid.number}/return")
    for _ in range(2):  # reload
        client.follow(client.get(back, 303))
    if approve:
        assert f"Invoice {unpaid.number} is paid" in text(client)
        assert charges_of(books, unpaid) == ["succeeded"]
    else:
        assert "The payment was not confirmed with the bank." in text(client)
        assert charges_of(books, unpaid) == ["declined"]
    assert len(attempts(books, unpaid)) == 2


def test_a_payment_that_waits_for_the_bank_can_be_given_up(
    client: PortalClient, books: Session, parts: Parts, unpaid: Invoice
) -> None:
    switch_to(client, THREE_D_SECURE)
    client.sign_in(LOTTE)
    client.get(press_pay(client, unpaid))
    client.follow(client.post(f"/invoices/{unpaid.number}/payment/cancel"))
    assert "Nothing was charged" in text(client)
    assert charges_of(books, unpaid) == ["cancelled"]
    switch_to(client, CARD)
    client.get(press_pay(client, unpaid))
    assert charges_of(books, unpaid) == ["cancelled", "succeeded"]
    assert status_of(books, unpaid) == "paid"


@pytest.mark.parametrize("fault", list(Fault))
def test_M1_no_answer_says_that_it_is_checked_and_goes_on_by_itself(
    client: PortalClient, books: Session, parts: Parts, gateway: DemoGateway, unpaid: Invoice,
    fault: Fault,
) -> None:  # fmt: skip
    switch_to(client, CARD)
    client.sign_in(LOTTE)
    client.get("/billing/owed")
    gateway.faults.append(fault)
    client.follow(client.post(f"/invoices/{unpaid.number}/pay", {"shown": str(unpaid.gross_minor)}))
    assert "Your payment is being checked" in text(client)
    gateway.faults.append(Fault.BEFORE)
    client.follow(client.post(f"/invoices/{unpaid.number}/payment/check"))
    assert "Your payment is being checked" in text(client)
    clock.fix(clock.now() + timedelta(minutes=1))
    with client.app.app_context():
        run_due(parts, clock.now())
    client.get(f"/invoices/{unpaid.number}/payment")
    assert f"Invoice {unpaid.number} is paid" in text(client)
    assert charges_of(books, unpaid) == ["succeeded"]


def test_M4_a_debit_on_screen_is_accepted_and_asks_for_nothing_more(
    client: PortalClient, books: Session, unpaid: Invoice
) -> None:
    switch_to(client, DEBIT)
    client.sign_in(LOTTE)
    client.get(press_pay(client, unpaid))
    assert "Your bank has accepted the direct debit" in text(client)
    client.get("/billing/owed")
    assert "The direct debit is on its way" in text(client)
    assert "now" not in [b.text for b in client.page.all("button")]  # type: ignore[union-attr]


def test_another_amount_than_was_shown_is_shown_again(
    client: PortalClient, books: Session, unpaid: Invoice
) -> None:
    switch_to(client, CARD)
    client.sign_in(LOTTE)
    client.get("/billing/owed")
    for shown in ("1", "", "9" * 30, "-5"):
        answer = client.post(f"/invoices/{unpaid.number}/pay", {"shown": shown})
        assert answer.headers["Location"] == "/billing/owed"
        client.follow(answer)
        assert "The amount has changed since you saw it" in text(client)
    assert len(attempts(books, unpaid)) == 1


def test_M5_while_suspended_the_portal_is_read_only_and_says_how_to_pay(
    client: PortalClient, books: Session, suspended: Invoice
) -> None:
    client.sign_in(LOTTE)
    for path in ("/licences", "/invoices", f"/invoices/{suspended.number}", "/members",
                 "/data-export", "/data-export.zip", "/billing", "/billing/payment-method"):  # fmt: skip
        client.get(path)
    client.get("/licences")
    before = row_counts(books)
    for path in ("/cart", f"/licences/{suspended.subscription_id}/cancel"):
        answer = client.browser.post(path, data={"csrf_token": client.csrf_token()})
        if answer.status_code == 405:
            continue
        assert answer.headers["Location"] == "/billing/owed"
    client.get("/billing/owed")
    assert "Access is suspended until what is owed is paid, so nothing can be bought" in text(
        client
    )
    after = row_counts(books)
    assert {k for k in after if after[k] != before[k]} <= {"sign_in_session"}


def test_bank_transfer_shows_account_and_reference_instead_of_buttons(
    client: PortalClient, books: Session, parts: Parts, unpaid: Invoice
) -> None:
    with client.app.app_context(), transaction() as own:
        row = own.get_one(Invoice, unpaid.id)
        row.payment_terms = "bank_transfer"
        own.get_one(Account, row.account_id).payment_terms = "bank_transfer"
        for payment in own.scalars(select(Payment).where(Payment.invoice_id == row.id)):
            payment.invoice_id = None
    client.sign_in(LOTTE)
    client.get("/billing/owed")
    assert parts.catalogue.vendor.bank.iban in text(client)
    assert unpaid.number in text(client)
    assert f"Pay {amount(unpaid)} now" not in text(client)
    client.post(f"/invoices/{unpaid.number}/pay", {"shown": str(unpaid.gross_minor)})
    client.get("/billing/owed")
    assert "Your company pays by bank transfer" in text(client)


def test_a_new_method_is_begun_from_here_and_comes_back_here(
    client: PortalClient, books: Session, unpaid: Invoice
) -> None:
    client.sign_in(LOTTE)
    client.get("/billing/owed")
    answer = client.post("/billing/owed/method")
    assert answer.headers["Location"].startswith("/billing/payment-method/setups/")


def test_M5_what_is_too_little_to_be_charged_asks_for_nothing(
    client: PortalClient, app: Flask, parts: Parts, unpaid: Invoice, books: Session
) -> None:
    """A part came by transfer, and 0.30 is left: nobody can collect it."""
    with app.app_context():
        transferred(parts, unpaid, unpaid.gross_minor - 30)
    client.sign_in(LOTTE)
    client.get("/billing/owed")
    shown = text(client)
    assert "The smallest amount that can be charged is €0.50, so this one stays open." in shown
    assert client.page is not None
    assert not client.page.all("form", action=f"/invoices/{unpaid.number}/pay")
    assert "Access ends" not in shown
    assert "Overdue" not in shown
    assert case_of(books, unpaid).status == "recovered"
