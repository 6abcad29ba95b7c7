"""Booking, paying back and crediting at the desk, without JavaScript: shown first, then done."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.wishes import Credits
from portal.models import AccountBalance, CreditNote, Invoice
from portal.parts import Parts
from tests.support.buying import ATELIER, CAMILLE, CARD, LUMIERE, account_named, speak, use_method
from tests.support.client import PortalClient
from tests.support.ledger import the_books_agree
from tests.support.purchases import bought_wishes
from tests.support.transfers import HUGO, OPERATOR, an_open_invoice

TODAY = "2026-10-29"


@pytest.fixture
def invoice(app: Flask, parts: Parts) -> Invoice:
    with app.app_context():
        return an_open_invoice(parts)


def at_desk(client: PortalClient, email: str) -> PortalClient:
    speak(client, email, "en")
    client.sign_in(email)
    return client


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def fields(client: PortalClient) -> dict[str, str]:
    assert client.page is not None
    return dict(client.page.fields())


def action(client: PortalClient, ending: str) -> str:
    """Where the form of the page goes whose address ends so."""
    assert client.page is not None
    found = [form.get("action", "") for form in client.page.all("form")]
    return next(url for url in found if url.endswith(ending))


def book(
    client: PortalClient, url: str, amount: str, action: str, status: int = 200, **more: str
) -> str:
    shown = client.page.fields().get("shown", "") if client.page else ""
    data = {"amount": amount, "received_on": TODAY, "reference": "merci", "shown": shown,
            "action": action, **more}  # fmt: skip
    answer = client.post(url, data, status=status)
    return answer.headers.get("Location", "")


def url_of(invoice: Invoice, page: str = "payment") -> str:
    return f"/desk/accounts/{invoice.account_id}/invoices/{invoice.number}/{page}"


def test_a_transfer_is_shown_and_then_booked(client: PortalClient, invoice: Invoice, books: Session,
                                             parts: Parts) -> None:  # fmt: skip
    at_desk(client, HUGO).get(f"/desk/accounts/{invoice.account_id}/payments")
    assert invoice.number in text(client)
    client.get(url_of(invoice))
    book(client, url_of(invoice), "125.00", "preview")
    assert "€100.00" in text(client)
    assert "€25.00" in text(client)
    assert "Book €125.00" in text(client)
    assert books.get_one(Invoice, invoice.id).status == "open", "nothing is booked by looking"
    where = book(client, url_of(invoice), "125.00", "book", 303)
    client.get(where)
    assert "€125.00 is booked" in text(client)
    assert "€25.00 stands on the customer" in text(client)
    client.get(f"/desk/accounts/{invoice.account_id}/payments")
    assert "Paid too much" in text(client)
    with client.app.app_context():
        the_books_agree(parts)


def test_what_was_not_shown_is_not_booked(
    client: PortalClient, invoice: Invoice, books: Session
) -> None:
    at_desk(client, HUGO).get(url_of(invoice))
    book(client, url_of(invoice), "40", "preview")
    shown = fields(client)["shown"]
    book(client, url_of(invoice), "40", "book", 303)
    book(client, url_of(invoice), "40", "book", 422, shown=shown)
    assert "Something has changed for invoice" in text(client)
    assert "€20.00" in text(client), "what it would do now is on screen"
    books.expire_all()
    assert books.get_one(Invoice, invoice.id).paid_minor == 4_000


@pytest.mark.parametrize("amount", ["", "abc", "1.000", "0", "-5", "1.0005"])
def test_a_wrong_amount_keeps_what_was_typed(
    client: PortalClient, invoice: Invoice, amount: str
) -> None:
    at_desk(client, HUGO).get(url_of(invoice))
    book(client, url_of(invoice), amount, "preview", 422)
    assert fields(client)["reference"] == "merci"


@pytest.mark.parametrize(
    ("locale", "amount", "field", "said"),
    [
        ("en", "1,234.50", "1234.50", "Book €1,234.50"),
        ("en", "1,234", "1234.00", "Book €1,234.00"),
        ("de", "1.234,5", "1234,50", "1.234,50 €"),
        ("de", "1.234", "1234,00", "1.234,00 €"),
        ("de", "1'234,50", "1234,50", "1.234,50 €"),
        ("fr", "1 234,50", "1234,50", "1 234,50 €"),
    ],
)
def test_an_amount_is_shown_again_as_it_was_understood(
    client: PortalClient, invoice: Invoice, locale: str, amount: str, field: str, said: str
) -> None:
    at_desk(client, HUGO).get(url_of(invoice))
    client.post(f"/languages/{locale}", {})
    client.get(url_of(invoice))
    book(client, url_of(invoice), amount, "preview")
    assert fields(client)["amount"] == field
    assert said in text(client)


def test_a_paid_invoice_says_so_and_offers_the_balance(
    client: PortalClient, invoice: Invoice, books: Session
) -> None:
    at_desk(client, HUGO).get(url_of(invoice))
    book(client, url_of(invoice), "100", "preview")
    book(client, url_of(invoice), "100", "book", 303)
    client.get(url_of(invoice))
    assert "is paid already" in text(client)
    client.post(
        url_of(invoice), {"amount": "1", "received_on": TODAY, "action": "book"}, status=422
    )
    url = f"/desk/accounts/{invoice.account_id}/payments/deposit"
    client.get(url)
    book(client, url, "100", "preview")
    data = {
        "amount": "100",
        "received_on": TODAY,
        "shown": fields(client)["shown"],
        "action": "book",
    }
    client.post(url, data)
    client.get(url)
    client.post(url, data, status=422)
    assert "The balance has changed since" in text(client)


def test_another_account_executives_customer_and_a_foreign_invoice_are_absent(
    client: PortalClient, invoice: Invoice, books: Session
) -> None:
    other = account_named(books, ATELIER)
    foreign = books.scalars(select(Invoice).where(Invoice.account_id == other.id)).first()
    assert foreign is not None
    with client.app.app_context(), transaction() as session:
        account_named(session, ATELIER).account_executive_id = None
    at_desk(client, HUGO).get("/desk")
    client.get(f"/desk/accounts/{other.id}/payments", status=404)
    client.get(f"/desk/accounts/{other.id}/invoices/{foreign.number}/payment", status=404)
    client.get(f"/desk/accounts/{invoice.account_id}/invoices/{foreign.number}/payment", status=404)
    client.get(f"/desk/accounts/{invoice.account_id}/payments/pay-back", status=403)
    client.get(url_of(invoice, "credit"), status=403)


def test_a_balance_is_paid_back_by_an_operator(
    client: PortalClient, invoice: Invoice, books: Session
) -> None:
    with client.app.app_context(), transaction() as session:
        session.add(AccountBalance(account_id=invoice.account_id, at=invoice.issued_at,
                                   amount_minor=5_000, currency="EUR", reason="correction"))  # fmt: skip
    url = f"/desk/accounts/{invoice.account_id}/payments/pay-back"
    at_desk(client, OPERATOR).get(url)
    form = fields(client)
    assert form["amount"] == "50.00"
    client.post(url, {**form, "amount": "50.01", "note": "FR76"}, status=422)
    assert "At most €50.00" in text(client)
    client.post(url, {**form, "note": ""}, status=422)
    client.post(url, {**form, "note": "to FR76, ref 12"})
    client.post(url, {**form, "note": "to FR76, ref 12"}, status=422)


def test_an_invoice_is_credited_by_line(
    client: PortalClient, invoice: Invoice, books: Session
) -> None:
    url = url_of(invoice, "credit")
    at_desk(client, OPERATOR).get(url)
    client.post(url, {"line_1": "100.01", "reason": "Too much", "action": "preview"}, status=422)
    assert "At most €100.00" in text(client)
    client.post(url, {"line_1": "20", "reason": "", "action": "preview"}, status=422)
    client.post(url, {"line_1": "20", "reason": "One hour fewer", "action": "preview"}, status=200)
    assert "Credit €20.00" in text(client)
    form = fields(client)
    client.follow(client.post(url, {**form, "action": "issue"}))
    note = books.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice.id)).one()
    assert (note.gross_minor, note.reason) == (2_000, "One hour fewer")


def test_a_booking_is_taken_back_and_a_foreign_payment_is_absent(
    client: PortalClient, invoice: Invoice, books: Session
) -> None:
    at_desk(client, HUGO).get(url_of(invoice))
    book(client, url_of(invoice), "100", "preview")
    book(client, url_of(invoice), "100", "book", 303)
    client.get(f"/desk/accounts/{invoice.account_id}/payments")
    back = action(client, "/take-back")
    client.follow(client.post(back))
    books.expire_all()
    assert books.get_one(Invoice, invoice.id).status == "open"
    client.post(back.replace("/payments/", "/payments/9"), status=404)


def test_the_customer_sees_where_to_pay_and_the_code_to_scan(
    client: PortalClient, invoice: Invoice
) -> None:
    at_desk(client, CAMILLE).get(f"/invoices/{invoice.number}")
    body = text(client)
    assert "BE68 5390 0754 7034" in body
    assert "NOBKBEBB" in body
    assert f"RF{invoice.payment_reference[2:4]} {invoice.payment_reference[4:8]}" in body
    html = client.browser.get(f"/invoices/{invoice.number}").get_data(as_text=True)
    assert "<svg" in html
    assert 'role="img"' in html
    assert client.browser.get(f"/invoices/{invoice.number}.pdf").status_code == 200


def test_credits_are_given_and_approved_by_a_second_person(
    client: PortalClient, invoice: Invoice, books: Session
) -> None:
    account_id = account_named(books, LUMIERE).id
    url = f"/desk/accounts/{account_id}/credits/new"
    at_desk(client, OPERATOR).get(url)
    client.post(url, {**fields(client), "credits": "many", "reason": ""}, status=422)
    client.get(url)
    client.follow(client.post(url, {**fields(client), "credits": "5000", "reason": "Goodwill"}))
    assert "Waits for a second person" in text(client)
    client.get("/desk/credit-grants")
    assert "Goodwill" in text(client)
    assert "Somebody else has to approve" in text(client)
    own = action(client, "/answer")
    client.follow(client.post(own, {"action": "approve"}))
    assert "Somebody else has to approve" in text(client)
    client.post(own, {"action": "nonsense"}, status=422)
    client.follow(client.post(own, {"action": "withdraw"}))
    assert "Taken back" in text(client)


def test_W2_the_credits_of_a_credited_pack_stay_or_are_taken_back(
    client: PortalClient, app: Flask, parts: Parts, books: Session
) -> None:
    with app.app_context():
        with transaction() as session:
            use_method(session, ATELIER, CARD)
        order_id = bought_wishes(parts, Credits("medium"))
    pack = books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
    url = url_of(pack, "credit")
    at_desk(client, OPERATOR).get(url)
    client.post(url, {"reason": "By mistake", "action": "preview"}, status=200)
    assert "This invoice put 2,000 credits into the wallet. They stay there" in text(client)
    assert "Take back 2,000 credits" in text(client)
    form = {**fields(client), "action": "issue"}
    client.post(url, {**form, "credits_back": "1999"}, status=422)
    client.follow(client.post(url, {**form, "credits_back": "2000"}))
    client.get(f"/desk/accounts/{pack.account_id}/wallet")
    assert "−2,000" in text(client)
    client.get(f"/desk/accounts/{pack.account_id}/activity")
    assert f"took credits of invoice {pack.number} back" in text(client)
