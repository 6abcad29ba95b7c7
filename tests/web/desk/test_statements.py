"""A bank statement on the desk: imported, reviewed, booked; nothing by itself, nothing twice."""

from __future__ import annotations

from datetime import date
from io import BytesIO

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.permissions import StaffRole
from portal.models import BankEntry, BankStatement, Invoice, Person
from portal.parts import Parts
from portal.services.staff import create_staff_member
from tests.support.buying import LUMIERE, account_named
from tests.support.client import PortalClient
from tests.support.desk import staff_id
from tests.support.ledger import the_books_agree
from tests.support.transfers import HUGO, OPERATOR, Line, an_open_invoice, camt
from tests.web.desk.test_payments import at_desk, book, fields, text


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


@pytest.mark.parametrize(
    ("name", "kept"),
    [("ba\0nk.xml", "ba\ufffdnk.xml"), ("bank\x1b[31m\x85.xml", "bank\ufffd[31m\ufffd.xml"),
     ("é\u2028" * 200, ("é\u2028" * 200)[:200])],
)  # fmt: skip
def test_a_file_may_be_called_as_it_likes(
    client: PortalClient, parts: Parts, books: Session, name: str, kept: str
) -> None:
    """PostgreSQL keeps no NUL, and a control character is no HTML."""
    client = at_desk(client, HUGO)
    client.get("/desk/statements/new")
    body = (
        f'--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{client.csrf_token()}\r\n'
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/xml\r\n\r\n"
    ).encode() + camt(Line(100)) + b"\r\n--x--\r\n"  # fmt: skip
    answer = client.browser.post(
        "/desk/statements/new", data=body, content_type="multipart/form-data; boundary=x"
    )
    assert answer.status_code == 303
    assert books.scalars(select(BankStatement.file_name)).all() == [kept]
    client.get(answer.headers["Location"])


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


def test_what_the_bank_took_back_is_put_before_people_and_never_booked(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    """A transfer is returned days later: whoever serves the customer has to know."""
    invoice = opened(client, parts)
    where = upload(at_desk(client, HUGO), camt(Line(10_000, invoice.payment_reference)))
    client.get(where)
    client.post(f"{where}/book", fields(client))
    assert now_of(books, invoice) == ("paid", 10_000)
    where = upload(client, camt(
        Line(-10_000, invoice.payment_reference, reversal=True),
        Line(5_000, payer="Lumière", reversal=True, bank_ref="7"), number="213",
    ))  # fmt: skip
    client.get(where)
    assert f"The bank took a transfer for invoice {invoice.number} back." in text(client)
    assert "A transfer that had left came back." in text(client)
    form = fields(client)
    assert not any(value.startswith("invoice:") for value in form.values())
    taken = books.scalars(select(BankEntry).where(BankEntry.amount_minor < 0)).one()
    page = f"/desk/statements/entries/{taken.id}"
    client.get(page)
    assert "Search" not in text(client)
    client.post(f"{page}/book", {**fields(client), "target": f"account:{invoice.account_id}"})
    books.refresh(taken)
    assert taken.status == "waiting", "money that left is nobody's deposit"
    client.get(page)
    client.post(f"{page}/book", {**fields(client), "target": "aside"})
    books.refresh(taken)
    assert taken.status == "set_aside"
    back = books.scalars(select(BankEntry).where(BankEntry.amount_minor == 5_000)).one()
    client.get(f"/desk/statements/entries/{back.id}?q={invoice.account_id}")
    target = f"account:{invoice.account_id}"
    client.post(f"/desk/statements/entries/{back.id}/book", {**fields(client), "target": target})
    books.refresh(back)
    assert back.status == "booked"
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
        (camt(Line(1)).replace(b">CRDT<", b">C<"), "cannot be read"),
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
    assert "Goes on the balance" in text(client)
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


IVA = "iva.horvat@kanto.example"  # a second account executive


def handed_to(client: PortalClient, email: str | None) -> None:
    """Lumière has another account executive, or none."""
    with client.app.app_context(), transaction() as session:
        if (
            email == IVA
            and session.scalars(select(Person).where(Person.email == IVA)).first() is None
        ):
            create_staff_member(session, IVA, "Iva Horvat", role=StaffRole.ACCOUNT_EXECUTIVE,
                                now=clock.now())  # fmt: skip
        served = staff_id(session, email) if email is not None else None
        account_named(session, LUMIERE).account_executive_id = served


def test_an_account_executive_books_for_their_own_customers_alone(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    invoice = opened(client, parts)
    handed_to(client, None)
    lines = (Line(10_000, invoice.payment_reference), Line(4_711, payer="Nobody"))
    where = upload(at_desk(client, HUGO), camt(*lines))
    client.get(where)
    assert invoice.number not in text(client)
    assert "Lumière" not in text(client), "who pays is no business of who does not serve them"
    assert "1 entry is of a customer whom you do not serve." in text(client)
    assert "Nobody" in text(client), "an entry of nobody's is its importer's"
    entry = books.scalars(select(BankEntry.id).order_by(BankEntry.id)).first()
    target = f"invoice:{invoice.account_id}:{invoice.number}:10000:0:0"
    client.get(f"/desk/statements/entries/{entry}", status=404)
    client.post(f"/desk/statements/entries/{entry}/book", {"target": target}, status=404)
    for form in (f"{where}/book", "/desk/statements/waiting/book"):
        client.post(form, {f"entry_{entry}": target})
    assert now_of(books, invoice) == ("open", 0)
    operator = at_desk(PortalClient(client.app), OPERATOR)
    operator.get(where)
    assert invoice.number in text(operator)
    foreign = upload(operator, camt(Line(55), number="9"))
    client.get(foreign, status=404)
    client.post(f"{foreign}/book", {}, status=404)


def test_what_a_colleague_imported_waits_for_who_serves_the_customer(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    by_reference, by_slip, by_number = (opened(client, parts, net) for net in (100, 200, 300))
    handed_to(client, IVA)
    slip = by_slip.payment_reference[:-1] + str((int(by_slip.payment_reference[-1]) + 1) % 10)
    upload(at_desk(client, HUGO), camt(
        Line(100, by_reference.payment_reference, payer="A"), Line(150, slip, payer="B"),
        Line(250, text=f"facture {by_number.number}", payer="C"), Line(300, payer="Nobody"),
    ))  # fmt: skip
    iva = at_desk(PortalClient(client.app), IVA)
    iva.get("/desk/statements")
    assert "Entries that wait for you 3" in text(iva)
    iva.get("/desk/statements/waiting")
    assert "Nobody" not in text(iva), "that an amount is the same says nothing of who paid"
    assert "Reference and amount fit invoice" in text(iva)
    form = fields(iva)
    assert len([value for value in form.values() if value.startswith("invoice:")]) == 1
    iva.follow(iva.post("/desk/statements/waiting/book", form))
    assert "1 payment is booked: €1.00." in text(iva)
    assert now_of(books, by_reference) == ("paid", 100)
    entry = books.scalars(select(BankEntry.id).where(BankEntry.payer_name == "B")).one()
    iva.get(f"/desk/statements/entries/{entry}")
    assert iva.page is not None
    assert "/desk/statements/waiting" in iva.page.links(), "the import is not hers to open"
    iva.follow(iva.post(f"/desk/statements/entries/{entry}/book", {"target": "aside"}))
    client.get("/desk/statements/waiting")
    assert "Nobody" in text(client)
    handed_to(client, HUGO)
    client.get("/desk/statements/waiting")
    assert by_number.number in text(client), "entries follow their customer"
    iva.get("/desk/statements/waiting")
    assert "Nothing left to decide" in text(iva)
    agree(client, parts)


def test_the_wrong_character_of_a_reference_is_marked_and_named(
    client: PortalClient, parts: Parts
) -> None:
    invoice = opened(client, parts)
    right = invoice.payment_reference
    other = str((int(right[5]) + 1) % 10)
    client.get(upload(at_desk(client, HUGO), camt(Line(10_000, f"{right[:5]}{other}{right[6:]}"))))
    assert (
        f"Character 6 of the reference is {other}; on invoice {invoice.number} it is {right[5]}."
    ) in text(client)
    assert client.page is not None
    assert [mark.text for mark in client.page.all("mark")] == [other, right[5]]
    assert not [value for value in fields(client).values() if value.startswith("invoice:")]


def test_a_paid_invoice_that_the_words_name_is_said_to_be_paid(
    client: PortalClient, parts: Parts
) -> None:
    paid, _same_amount = opened(client, parts), opened(client, parts)
    content = camt(Line(10_000, paid.payment_reference))
    client.get(upload(at_desk(client, HUGO), content))
    client.post(f"{upload_of(client)}", fields(client))
    client.get(upload(client, camt(Line(10_000, text=f"again {paid.number}"), number="213")))
    assert f"Invoice {paid.number} is paid already." in text(client)
    assert "Goes on the balance" in text(client)
    assert "No invoice fits" not in text(client)


def test_what_resembles_a_paid_invoice_can_go_on_the_balance(
    client: PortalClient, parts: Parts
) -> None:
    paid = opened(client, parts)
    right = paid.payment_reference
    client.get(upload(at_desk(client, HUGO), camt(Line(10_000, right))))
    client.post(upload_of(client), fields(client))
    wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
    client.get(upload(client, camt(Line(10_000, wrong), number="213")))
    assert "for which nothing is to be paid any more" in text(client)
    assert client.page is not None
    offered = [one.get("value", "") for one in client.page.all("input", type="radio")]
    assert offered == [f"account:{paid.account_id}", "", "aside"]


def test_money_that_was_typed_the_day_before_is_not_chosen_and_the_page_says_why(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    invoice = opened(client, parts)
    here = f"/desk/accounts/{invoice.account_id}/invoices/{invoice.number}/payment"
    at_desk(client, HUGO).get(here)
    book(client, here, "50.00", "preview", received_on="2026-10-27")
    book(client, here, "50.00", "book", 303, received_on="2026-10-27")
    assert now_of(books, invoice) == ("open", 5_000)
    where = upload(client, camt(Line(5_000, invoice.payment_reference)))
    why = (
        "A transfer of the same amount that arrived on 27 October 2026 was booked by hand for "
        f"invoice {invoice.number}. If this is the same transfer, set the entry aside."
    )
    entry = books.scalars(select(BankEntry.id)).one()
    for page in (where, "/desk/statements/waiting", f"/desk/statements/entries/{entry}"):
        client.get(page)
        assert why in text(client), page
        assert "Uncertain" in text(client)
        assert "Paid in full" in text(client), "it can still be chosen"
    client.get(where)
    assert not fields(client).get(f"entry_{entry}"), "nothing is chosen beforehand"
    client.follow(client.post(f"{where}/book", fields(client)))
    assert "Nothing was chosen" in text(client)
    assert now_of(books, invoice) == ("open", 5_000)
    agree(client, parts)


def test_all_of_an_invoice_typed_by_hand_is_said_beside_that_it_is_paid(
    client: PortalClient, parts: Parts
) -> None:
    invoice = opened(client, parts)
    here = f"/desk/accounts/{invoice.account_id}/invoices/{invoice.number}/payment"
    at_desk(client, HUGO).get(here)
    book(client, here, "100.00", "preview")
    book(client, here, "100.00", "book", 303)
    client.get(upload(client, camt(Line(10_000, invoice.payment_reference))))
    assert f"Invoice {invoice.number} is paid already. A transfer of the same amount" in text(
        client
    )


@pytest.mark.parametrize("between", ["", " and "])
def test_references_of_several_invoices_choose_none_and_offer_both(
    client: PortalClient, parts: Parts, between: str
) -> None:
    one, other = opened(client, parts), opened(client, parts, 7_000)
    words = f"{one.payment_reference}{between}{other.payment_reference}"
    client.get(upload(at_desk(client, HUGO), camt(Line(10_000, text=words))))
    assert "Its references name several invoices" in text(client)
    assert client.page is not None
    offered = [each.get("value", "") for each in client.page.all("input", type="radio")]
    assert {value.split(":")[2] for value in offered if value.startswith("invoice:")} == {
        one.number, other.number,
    }  # fmt: skip
    assert not [value for value in fields(client).values() if value.startswith("invoice:")]


def upload_of(client: PortalClient) -> str:
    """Where the review on screen is sent."""
    assert client.page is not None
    return next(form.get("action", "") for form in client.page.all("form", class_="card"))


def test_paid_on_is_the_day_from_which_the_bank_counts_the_money(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    invoice = opened(client, parts)
    line = Line(10_000, invoice.payment_reference, on=date(2026, 10, 28), valued=date(2026, 10, 26))
    client.get(upload(at_desk(client, HUGO), camt(line)))
    client.post(upload_of(client), fields(client))
    assert now_of(books, invoice) == ("paid", 10_000)
    client.get(f"/desk/accounts/{invoice.account_id}/invoices/{invoice.number}")
    assert "Paid on 26 October 2026" in text(client)
