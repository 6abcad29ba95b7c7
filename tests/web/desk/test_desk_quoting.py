"""Offers at the desk, as the account executive and the customer see them, without JavaScript (Q1, Q3)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.requests import RequestKind
from portal.models import Account, CartLine, ChangeRequest, Invoice, Order, Quote
from portal.parts import Parts
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    LUMIERE,
    account_named,
    plan_item,
    speak,
)
from tests.support.client import PortalClient
from tests.support.desk import GRETA
from tests.support.offers import HUGO, offered
from tests.support.requests import asked_for


class Desk:
    """The account executive at the pages of one customer."""

    def __init__(self, client: PortalClient, account: str = LUMIERE, *, email: str = HUGO) -> None:
        self.client = client
        speak(client, email, "en")
        client.sign_in(email)
        with client.app.app_context(), transaction() as session:
            self.account_id = account_named(session, account).id
            self.item_id = plan_item(session, account).id
        self.base = f"/desk/accounts/{self.account_id}"
        self.draft = f"{self.base}/quotes/new"

    @property
    def text(self) -> str:
        assert self.client.page is not None
        return self.client.page.text()

    def fields(self, form: str) -> dict[str, Any]:
        assert self.client.page is not None
        return self.client.page.fields(form)

    def add_seats(self, number: str = "3", **more: Any) -> None:
        self.client.get(self.draft)
        answer = self.client.post(
            f"{self.draft}/lines", {"what": f"seats:{self.item_id}", "quantity": number, **more}
        )
        self.client.get(answer.headers["Location"])

    def send(self, **changed: str) -> str:
        answer = self.client.post(self.draft, {**self.fields("offer"), "action": "send", **changed})
        where = answer.headers["Location"]
        self.client.get(where)
        return where


@pytest.fixture
def desk(client: PortalClient) -> Desk:
    return Desk(client)


def another(client: PortalClient, email: str) -> PortalClient:
    own = PortalClient(client.app)
    speak(own, email, "en")
    own.sign_in(email)
    return own


def test_a_quote_is_drafted_sent_accepted_and_invoiced(desk: Desk, books: Session) -> None:
    desk.add_seats()
    assert "3 licences Kanto CRM Enterprise" in desk.text
    desk.client.post(
        f"{desk.draft}/free", {"text": "Atelier à Lyon", "pieces": "2", "unit_price": "450,00"}
    )
    desk.client.get(desk.draft)
    assert "Atelier à Lyon" in desk.text
    assert "€900.00" in desk.text
    names = [name for name in desk.fields("offer") if name.startswith("discount_")]
    desk.client.post(f"{desk.draft}/discounts", {names[0]: "10 %", names[1]: "100"})
    desk.client.get(desk.draft)
    assert "10% discount" in desk.text
    assert "€100.00 discount" in desk.text
    assert "€800.00" in desk.text
    where = desk.send(message="Comme convenu.")
    assert "Comme convenu." in desk.text
    quote_id = int(where.rpartition("/")[2])

    customer = another(desk.client, CAMILLE)
    customer.get(f"/quotes/{quote_id}")
    assert customer.page is not None
    quote_total = books.get_one(Quote, quote_id)
    assert "Accept and get the invoice of" in customer.page.text()
    answer = customer.post(f"/quotes/{quote_id}/accept", customer.page.fields("accept"))
    customer.get(answer.headers["Location"])
    assert "We wait for your bank transfer of" in customer.page.text()
    order = books.scalars(select(Order).where(Order.quote_id == quote_total.id)).one()
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order.id)).one()
    assert (order.status, invoice.status) == ("invoiced", "open")

    desk.client.get(f"{desk.base}/orders/{order.id}")
    assert "We wait for a bank transfer" in desk.text
    refused = desk.client.post(f"{desk.base}/orders/{order.id}/grant", {"reason": " "}, status=422)
    assert refused.status_code == 422
    assert "Enter the reason." in desk.text
    desk.client.post(f"{desk.base}/orders/{order.id}/grant", {"reason": "They always pay."})
    desk.client.get(f"{desk.base}/orders/{order.id}")
    assert "What you asked for works. Its invoice is still to be paid." in desk.text
    customer.get("/activity")
    assert "work before its money came" in customer.page.text()


def test_what_cannot_be_understood_is_said_at_its_field(desk: Desk) -> None:
    desk.client.get(desk.draft)
    desk.client.post(f"{desk.draft}/lines", {"what": f"seats:{desk.item_id}", "quantity": "x"},
                     status=422)  # fmt: skip
    assert "Enter a whole number in digits" in desk.text
    desk.client.post(f"{desk.draft}/lines", {"what": "seats:999999", "quantity": "1"}, status=422)
    assert "This is not sold any more" in desk.text
    desk.client.post(f"{desk.draft}/free", {"text": "", "pieces": "0", "unit_price": "-1"},
                     status=422)  # fmt: skip
    assert "Enter what it is." in desk.text
    desk.add_seats()
    name = next(n for n in desk.fields("offer") if n.startswith("discount_"))
    for typed, said in (("101 %", "from 0 to 100 per cent"), ("1e3 %", "from 0 to 100 per cent"),
                        ("ten", "in digits")):  # fmt: skip
        desk.client.post(f"{desk.draft}/discounts", {name: typed}, status=422)
        assert said in desk.text, typed
        assert desk.fields("offer")[name] == typed
    desk.client.get(desk.draft)
    fields = {**desk.fields("offer"), "action": "send", "valid_until": "2026-10-28"}
    desk.client.post(desk.draft, fields, status=422)
    assert "This day has passed" in desk.text


def test_discounts_are_shown_again_as_they_were_understood(desk: Desk) -> None:
    desk.client.get(desk.draft)
    desk.add_seats()
    desk.client.post(f"{desk.draft}/free", {"text": "A day", "unit_price": "1 234,50"})
    desk.client.get(desk.draft)
    assert "€1,234.50" in desk.text
    first, second = [n for n in desk.fields("offer") if n.startswith("discount_")][:2]
    for typed, shown in (("1’0,5 %", None), ("12,50 %", "12.5 %"), ("1 234,5", "1234.50")):
        fields = {first: typed, second: "ten"}
        desk.client.post(f"{desk.draft}/discounts", fields, status=422)
        assert desk.fields("offer")[first] == (shown or typed)


def test_W2_a_discount_that_gives_too_many_credits_away_leads_to_giving_them_by_hand(
    desk: Desk,
) -> None:
    desk.client.get(desk.draft)
    desk.client.post(f"{desk.draft}/lines", {"what": "credits:large", "quantity": "1"})
    desk.client.get(desk.draft)
    name = next(n for n in desk.fields("offer") if n.startswith("discount_"))
    desk.client.post(f"{desk.draft}/discounts", {name: "50 %"})
    desk.client.get(desk.draft)
    assert "give away 5,000 credits, and more than 1,000 need a second person" in desk.text
    assert "Send the quote" not in desk.text
    assert "Give credits" not in desk.text  # an operator does
    desk.client.post(f"{desk.draft}/discounts", {name: "10 %"})
    desk.client.get(desk.draft)
    assert "Send the quote" in desk.text

    operator = Desk(PortalClient(desk.client.app), email=GRETA)
    operator.client.get(operator.draft)
    operator.client.post(f"{operator.draft}/lines", {"what": "credits:large", "quantity": "1"})
    operator.client.get(operator.draft)
    name = next(n for n in operator.fields("offer") if n.startswith("discount_"))
    operator.client.post(f"{operator.draft}/discounts", {name: "50 %"})
    operator.client.get(operator.draft)
    assert operator.client.page is not None
    assert operator.client.page.all("a", href=f"{desk.base}/credits/new")


@pytest.mark.parametrize(
    "what",
    ["seats:²", f"seats:{'9' * 30}", f"switch:{'9' * 30}:enterprise", "switch:999999:enterprise",
     "credits:nope", "start:nope:nope:year", "add_on:999999:a:b", "with:crm:a:b", "seats"],
)  # fmt: skip
def test_what_no_list_offers_is_not_put_into_the_draft(
    desk: Desk, books: Session, what: str
) -> None:
    before = books.scalar(select(func.count(CartLine.id)))
    desk.client.get(desk.draft)
    desk.client.post(f"{desk.draft}/lines", {"what": what, "quantity": "1"}, 422)
    assert "This is not sold any more" in desk.text
    assert books.scalar(select(func.count(CartLine.id))) == before


def test_made_up_numbers_name_nothing(desk: Desk) -> None:
    beyond = "9" * 30
    desk.add_seats()
    desk.client.post(f"{desk.draft}/discounts", {"remove": beyond}, 303)
    desk.client.get(f"{desk.draft}?request={beyond}")
    assert "Kanto CRM Enterprise" in desk.text
    desk.client.post(
        desk.draft, {**desk.fields("offer"), "action": "invoice", "request": beyond}, 303
    )


def test_an_amount_beyond_the_line_is_refused(desk: Desk) -> None:
    desk.add_seats("1")
    name = next(n for n in desk.fields("offer") if n.startswith("discount_"))
    desk.client.post(f"{desk.draft}/discounts", {name: "999999"})
    desk.client.get(desk.draft)
    assert "more than the line costs" in desk.text
    assert "Send the quote" not in desk.text


def test_a_line_is_taken_away(desk: Desk) -> None:
    desk.add_seats()
    name = next(n for n in desk.fields("offer") if n.startswith("discount_"))
    desk.client.post(f"{desk.draft}/discounts", {"remove": name.removeprefix("discount_")})
    desk.client.get(desk.draft)
    assert "Nothing is offered yet" in desk.text


def test_Q1_replacing_an_open_quote_is_said_first(desk: Desk, books: Session) -> None:
    desk.add_seats()
    first = int(desk.send().rpartition("/")[2])
    desk.add_seats("2")
    desk.client.post(desk.draft, {**desk.fields("offer"), "action": "send"}, status=422)
    number = books.get_one(Quote, first).number
    assert f"This replaces quote {number}" in desk.text
    desk.send()
    books.expire_all()
    assert books.get_one(Quote, first).status == "superseded"


def test_a_quote_is_withdrawn_at_the_desk(desk: Desk) -> None:
    desk.add_seats()
    where = desk.send()
    desk.client.post(f"{where}/withdraw")
    customer = another(desk.client, CAMILLE)
    customer.get(f"/quotes/{where.rpartition('/')[2]}")
    assert customer.page is not None
    assert "This quote was withdrawn" in customer.page.text()
    assert "Accept" not in customer.page.text()


def test_Q2_a_stale_accept_shows_the_new_amount(desk: Desk, books: Session) -> None:
    desk.add_seats()
    quote_id = int(desk.send().rpartition("/")[2])
    customer = another(desk.client, CAMILLE)
    customer.get(f"/quotes/{quote_id}")
    assert customer.page is not None
    fields = {**customer.page.fields("accept"), "shown": "old", "purchase_order": "BC-77"}
    customer.post(f"/quotes/{quote_id}/accept", fields, status=422)
    assert "The amount has changed" in customer.page.text()
    assert customer.page.fields("accept")["purchase_order"] == "BC-77"
    assert books.get_one(Quote, quote_id).status == "open"


def test_both_sides_download_the_quote(desk: Desk) -> None:
    desk.add_seats()
    where = desk.send()
    quote_id = where.rpartition("/")[2]
    for client, path in ((desk.client, f"{where}.pdf"),
                         (another(desk.client, CAMILLE), f"/quotes/{quote_id}.pdf")):  # fmt: skip
        answer = client.browser.get(path)
        assert answer.status_code == 200
        assert answer.data.startswith(b"%PDF")
        assert "attachment" in answer.headers["Content-Disposition"]


def ask(client: PortalClient) -> int:
    """The customer asked for four licences more."""
    with client.app.app_context():
        parts: Parts = client.app.extensions["portal"]
        return asked_for(parts, RequestKind.MORE_SEATS, 4, order="BC-9")


def test_a_request_becomes_an_invoice_in_two_clicks(desk: Desk, books: Session) -> None:
    request_id = ask(desk.client)
    desk.client.get(f"{desk.base}/requests/{request_id}/invoice")  # the first click
    assert "4 licences Kanto CRM Enterprise" in desk.text
    assert "of 365 days" in desk.text
    fields = desk.fields("send")  # the second
    where = desk.client.post(f"{desk.base}/requests/{request_id}/invoice", fields)
    desk.client.get(where.headers["Location"])
    assert "We wait for a bank transfer" in desk.text
    request = books.get_one(ChangeRequest, request_id)
    invoice = books.get_one(Invoice, request.invoice_id)
    assert request.status == "invoiced"
    assert invoice.buyer["purchase_order"] == "BC-9"
    again = desk.client.post(f"{desk.base}/requests/{request_id}/invoice", fields)
    assert again.headers["Location"] == where.headers["Location"]  # a double click
    assert len(books.scalars(select(Order).where(Order.quote_id == request.quote_id)).all()) == 1


def test_a_colleague_who_comes_second_sees_what_happened(desk: Desk, books: Session) -> None:
    request_id = ask(desk.client)
    desk.client.get(f"{desk.base}/requests/{request_id}/invoice")
    fields = desk.fields("send")
    greta = another(desk.client, GRETA)
    greta.get(f"{desk.base}/requests/{request_id}/invoice")
    assert greta.page is not None
    greta.post(f"{desk.base}/requests/{request_id}/invoice", greta.page.fields("send"))
    late = desk.client.post(f"{desk.base}/requests/{request_id}/invoice", fields)
    assert late.headers["Location"] == f"{desk.base}/requests/{request_id}"
    assert len(books.scalars(select(Invoice).where(Invoice.kind == "order")).all()) >= 1
    request = books.get_one(ChangeRequest, request_id)
    assert request.status == "invoiced"


def test_another_customers_quote_and_order_answer_404(desk: Desk, books: Session) -> None:
    with desk.client.app.app_context():
        foreign = offered(desk.client.app.extensions["portal"], account=ATELIER)
    for path in (f"quotes/{foreign}", f"quotes/{foreign}.pdf"):
        desk.client.get(f"{desk.base}/{path}", 404)
    order = books.scalars(
        select(Order.id)
        .join(Account, Account.id == Order.account_id)
        .where(Account.name == ATELIER)
    ).first()
    desk.client.get(f"{desk.base}/orders/{order}", 404)
    desk.client.get(desk.draft)
    desk.client.post(f"{desk.base}/quotes/{foreign}/withdraw", status=404)
    assert books.get_one(Quote, foreign).status == "open"


def typed_on(desk: Desk, **typed: str) -> dict[str, Any]:
    """The draft's one form as the page has it, with what was typed into it."""
    desk.client.get(desk.draft)
    return {**desk.fields("offer"), **typed}


def test_what_was_typed_elsewhere_on_the_page_survives_adding_a_line(desk: Desk) -> None:
    desk.add_seats()
    first = next(n for n in desk.fields("offer") if n.startswith("discount_"))
    said = {"message": "Comme convenu.\nÀ bientôt.", "valid_until": "2026-11-20"}
    words = {"text": "Atelier", "pieces": "1", "unit_price": "450"}
    desk.client.post(f"{desk.draft}/free", typed_on(desk, **{first: "10 %"}, **said, **words))
    desk.client.get(desk.draft)
    kept = desk.fields("offer")
    assert (kept[first], kept["message"], kept["valid_until"]) == ("10 %", *said.values())
    assert "10% discount" in desk.text
    assert "Atelier" in desk.text
    seats = {"what": f"seats:{desk.item_id}", "quantity": "4"}
    desk.client.post(f"{desk.draft}/lines", typed_on(desk, message="Anders.", **seats))
    desk.client.get(desk.draft)
    assert desk.fields("offer")["message"] == "Anders."
    gone = next(n for n in desk.fields("offer") if n.startswith("discount_"))
    desk.client.post(f"{desk.draft}/discounts",
                     typed_on(desk, **{gone: "ten"}, remove=gone.removeprefix("discount_")))  # fmt: skip
    desk.client.get(desk.draft)
    assert gone not in desk.fields("offer"), "what is wrong with a line goes with it"
    where = desk.send()
    desk.client.get(where)
    assert "Anders." in desk.text
    desk.client.get(desk.draft)
    assert desk.fields("offer")["message"] == "", "the next quote begins anew"


def test_a_mistake_in_one_place_keeps_what_was_typed_in_the_others(desk: Desk) -> None:
    desk.add_seats()
    first = next(n for n in desk.fields("offer") if n.startswith("discount_"))
    wrong = typed_on(desk, **{first: "ten"}, message="Bonjour", text="Atelier", unit_price="450")
    desk.client.post(f"{desk.draft}/free", wrong, status=422)
    kept = desk.fields("offer")
    assert (kept[first], kept["message"], kept["text"]) == ("ten", "Bonjour", "Atelier")
    assert "Atelier" not in desk.text, "nothing was added"


def test_Q2_a_discount_that_was_not_yet_counted_is_shown_before_the_quote_is_sent(
    desk: Desk, books: Session
) -> None:
    desk.add_seats()
    first = next(n for n in desk.fields("offer") if n.startswith("discount_"))
    typed = typed_on(desk, **{first: "50 %"}, message="Bonjour", action="send")
    answer = desk.client.post(desk.draft, typed)
    desk.client.get(answer.headers["Location"])
    assert "The discounts change the amount." in desk.text
    assert "50% discount" in desk.text
    assert desk.fields("offer")["message"] == "Bonjour"
    quotes = select(func.count(Quote.id))
    before = books.scalar(quotes)
    books.rollback()
    desk.send()
    assert (before or 0) + 1 == books.scalar(quotes)


def test_the_enter_key_adds_the_line_that_was_typed(desk: Desk) -> None:
    desk.client.post(f"{desk.draft}/discounts",
                     typed_on(desk, enter="1", text="Atelier", unit_price="450"))  # fmt: skip
    desk.client.get(desk.draft)
    assert "Atelier" in desk.text
    seats = {"what": f"seats:{desk.item_id}", "quantity": "3"}
    desk.client.post(f"{desk.draft}/discounts", typed_on(desk, enter="1", **seats))
    desk.client.get(desk.draft)
    assert "3 licences Kanto CRM Enterprise" in desk.text
    lines = [name for name in desk.fields("offer") if name.startswith("discount_")]
    desk.client.post(f"{desk.draft}/discounts", typed_on(desk, enter="1", **{lines[0]: "5 %"}))
    desk.client.get(desk.draft)
    assert desk.fields("offer")[lines[0]] == "5 %"
    assert len([name for name in desk.fields("offer") if name.startswith("discount_")]) == 2
