"""A bank statement on the desk: imported, reviewed, booked; nothing by itself, nothing twice."""

from __future__ import annotations

from io import BytesIO

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.models import BankEntry, BankStatement, Invoice
from portal.parts import Parts
from tests.support.buying import LUMIERE, account_named
from tests.support.client import PortalClient
from tests.support.ledger import the_books_agree
from tests.support.transfers import HUGO, OPERATOR, Line, an_open_invoice, camt
from tests.web.desk.test_payments import at_desk, fields, text


def opened(client: PortalClient, parts: Parts, net: int = 10_000) -> Invoice:
    with client.app.app_context():
        return an_open_invoice(parts, net)


def agree(client: PortalClient, parts: Parts) -> None:
    with client.app.app_context():
        the_books_agree(parts)


def upload(client: PortalClient, content: bytes, status: int = 303) -> str:
    client.get("/desk/statements/new")
    answer = client.post("/desk/statements/new", {"file": (BytesIO(content), "bank.xml")},
                         status=status, content_type="multipart/form-data")  # fmt: skip
    return answer.headers.get("Location", "")


def now_of(books: Session, invoice: Invoice) -> tuple[str, int]:
    books.expire_all()
    row = books.get_one(Invoice, invoice.id)
    return row.status, row.paid_minor


def test_what_fits_is_chosen_and_booked_and_the_rest_waits(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    exact, part, slip = (opened(client, parts, net) for net in (10_000, 20_000, 30_000))
    wrong = slip.payment_reference[:-1] + str((int(slip.payment_reference[-1]) + 1) % 10)
    content = camt(
        Line(10_000, exact.payment_reference), Line(5_000, text=f"ref {part.payment_reference}"),
        Line(29_000, wrong), Line(4_711, payer="Nobody"), Line(-300, payer="Rent"),
        Line(100, part.payment_reference, currency="USD"),
    )  # fmt: skip
    where = upload(at_desk(client, HUGO), content)
    assert [now_of(books, one)[1] for one in (exact, part, slip)] == [0, 0, 0], "nothing by itself"
    client.get(where)
    for sentence in ("Reference and amount fit invoice", "this is a part of it", "No reference fits",
                     "No invoice fits", "is in another currency"):  # fmt: skip
        assert sentence in text(client), sentence
    form = fields(client)
    chosen = {name: value for name, value in form.items() if name.startswith("entry_") and value}
    assert len(chosen) == 1, "only what is certain is chosen beforehand"
    client.follow(client.post(f"{where}/book", form))
    assert "1 payment is booked: €100.00." in text(client)
    assert [now_of(books, one) for one in (exact, part, slip)] == [
        ("paid", 10_000), ("open", 0), ("open", 0),
    ]  # fmt: skip
    client.post(f"{where}/book", form)  # a second click
    client.get(where)
    assert now_of(books, exact) == ("paid", 10_000)
    client.get(f"{where}?show=all")
    assert exact.number in text(client)
    assert "Money that left" in text(client)
    agree(client, parts)


def test_the_same_file_again_says_so(client: PortalClient, parts: Parts, books: Session) -> None:
    content = camt(Line(100), Line(200))
    upload(at_desk(client, HUGO), content)
    client.get(upload(client, content))
    assert "Every entry of this file was imported before" in text(client)
    assert len(books.scalars(select(BankStatement)).all()) == 1
    assert len(books.scalars(select(BankEntry)).all()) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"<x/>", "no CAMT.053"),
        (camt(Line(1), iban="BE71096123456769"), "another bank account"),
        (b" " * (10 * 1024 * 1024 + 1), "too large"),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(
    client: PortalClient, books: Session, content: bytes, said: str
) -> None:
    upload(at_desk(client, HUGO), content, 422)
    assert said in text(client)
    assert books.scalars(select(BankStatement)).first() is None


def test_an_enormous_file_is_not_even_read(client: PortalClient, books: Session) -> None:
    at_desk(client, HUGO).get("/desk/statements/new")
    answer = client.browser.post(
        "/desk/statements/new", content_type="multipart/form-data",
        data={"file": (BytesIO(b" " * 12_000_000), "bank.xml"), "csrf_token": client.csrf_token()},
    )  # fmt: skip
    assert answer.status_code == 413
    small = client.browser.post("/desk/statements", data={"x": "y" * 2_000_000})
    assert small.status_code in (405, 413), "only the import takes large files"


def test_an_entry_is_looked_for_and_booked_or_set_aside(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    invoice = opened(client, parts, 30_000)
    where = upload(at_desk(client, HUGO), camt(Line(12_345, text="sans référence"), Line(99)))
    one, other = books.scalars(select(BankEntry.id).order_by(BankEntry.id)).all()
    client.get(f"/desk/statements/entries/{one}?q=KAN-1999-00001")
    assert "No invoice and no customer" in text(client)
    client.get(f"/desk/statements/entries/{one}?q={invoice.number}")
    assert "€176.55 stays open" in text(client)
    assert client.page is not None
    inputs = [field.get("value", "") for field in client.page.all("input", name="target")]
    target = next(value for value in inputs if value.startswith("invoice:"))
    client.follow(client.post(f"/desk/statements/entries/{one}/book", {"target": target}))
    assert now_of(books, invoice) == ("open", 12_345)
    client.get(f"/desk/statements/entries/{other}?q={invoice.account_id}")
    assert "Balance of" in text(client)
    client.follow(client.post(f"/desk/statements/entries/{other}/book", {"target": "aside"}))
    client.follow(client.post(f"/desk/statements/entries/{other}/book", {"target": "back"}))
    client.follow(client.post(f"/desk/statements/entries/{other}/book",
                              {"target": f"account:{invoice.account_id}"}))  # fmt: skip
    client.get(where)
    assert "Nothing left to decide" in text(client)
    agree(client, parts)


@pytest.mark.parametrize("target", ["", "x", "invoice:", "invoice:1:N", "account:", "account:abc", "invoice:9:a:b:c:d",
                                    "account:987654321", "invoice:987654321:KAN-1:1:0:0"])  # fmt: skip
def test_made_up_choices_book_nothing(
    client: PortalClient, parts: Parts, books: Session, target: str
) -> None:
    where = upload(at_desk(client, HUGO), camt(Line(100)))
    (entry,) = books.scalars(select(BankEntry)).all()
    client.post(f"/desk/statements/entries/{entry.id}/book", {"target": target})
    client.post(
        f"{where}/book", {f"entry_{entry.id}": target, "entry_987654": "aside", "entry_x": "aside"}
    )
    books.expire_all()
    assert books.get_one(BankEntry, entry.id).status == "waiting"


def test_an_account_executive_books_for_their_own_customers_alone(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    invoice = opened(client, parts)
    with client.app.app_context(), transaction() as session:
        account_named(session, LUMIERE).account_executive_id = None
    where = upload(at_desk(client, HUGO), camt(Line(10_000, invoice.payment_reference)))
    client.get(where)
    assert invoice.number not in text(client)
    assert "No invoice fits" in text(client)
    (entry,) = books.scalars(select(BankEntry)).all()
    target = f"invoice:{invoice.account_id}:{invoice.number}:10000:0:0"
    client.post(f"/desk/statements/entries/{entry.id}/book", {"target": target})
    assert now_of(books, invoice) == ("open", 0)
    operator = at_desk(PortalClient(client.app), OPERATOR)
    operator.get(where)
    assert invoice.number in text(operator)
    foreign = upload(operator, camt(Line(55), number="9"))
    client.get(foreign, status=404)
    client.post(f"{foreign}/book", {}, status=404)
