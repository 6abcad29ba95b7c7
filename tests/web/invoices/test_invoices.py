"""The invoices pages: the account's own, whole, in few statements."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from zipfile import ZipFile

import pytest
from pypdf import PdfReader
from sqlalchemy import event, insert, select

from portal.db import transaction
from portal.extensions import db
from portal.models import Account, Invoice, InvoiceLine
from tests.support.client import PortalClient

LOTTE, GIULIA = (
    "lotte.verbeke@atelier-noordzee.example",
    "giulia.ferrante@officine-valdarno.example",
)
MEMBER = "jonas.wittevrongel@atelier-noordzee.example"


def numbers(client: PortalClient, account: str) -> list[str]:
    with client.app.app_context(), transaction() as session:
        return list(
            session.scalars(
                select(Invoice.number)
                .join(Account, Account.id == Invoice.account_id)
                .where(Account.name == account)
                .order_by(Invoice.issued_on.desc(), Invoice.id.desc())
            )
        )


@contextmanager
def counting(client: PortalClient) -> Iterator[list[str]]:
    with client.app.app_context():
        engine = db.engine
    seen: list[str] = []

    def note(_c: object, _cur: object, statement: str, *_: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def add_invoices(client: PortalClient, count: int) -> None:
    """Copies of the account's first invoice, with its lines."""
    with client.app.app_context(), transaction() as session:
        first = session.scalars(
            select(Invoice).join(Account, Account.id == Invoice.account_id)
            .where(Account.name == "Atelier Noordzee BV").order_by(Invoice.id)
        ).first()  # fmt: skip
        assert first is not None
        columns = {c.name: getattr(first, c.name) for c in Invoice.__table__.columns}
        for each in range(count):
            copy = {
                **columns,
                "sequence": 50_000 + each,
                "number": f"X-{each:05d}",
                "order_id": None,
            }
            del copy["id"]
            invoice_id = session.execute(
                insert(Invoice).values(copy).returning(Invoice.id)
            ).scalar_one()
            lines = session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == first.id))
            for line in lines.all():
                values = {c.name: getattr(line, c.name) for c in InvoiceLine.__table__.columns}
                del values["id"]
                session.execute(insert(InvoiceLine).values({**values, "invoice_id": invoice_id}))


def test_the_list_shows_the_accounts_invoices_and_no_others(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    client.get("/invoices")
    assert client.page is not None
    text = client.page.text()
    for number in numbers(client, "Atelier Noordzee BV")[:10]:
        assert number in text
    for number in numbers(client, "Officine Valdarno S.p.A.")[:10]:
        assert number not in text


def test_an_invoice_page_shows_lines_totals_parties_and_state(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    number = numbers(client, "Atelier Noordzee BV")[0]
    client.get(f"/invoices/{number}")
    assert client.page is not None
    text = client.page.text()
    for expected in (number, "Kanto Software NV", "Atelier Noordzee BV", "Kanto CRM"):
        assert expected in text
    assert f"/invoices/{number}.pdf" in client.page.links()


def test_the_pdf_says_the_same_as_the_row(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    number = numbers(client, "Atelier Noordzee BV")[0]
    answer = client.get(f"/invoices/{number}.pdf")
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={number}.pdf"
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(answer.data)).pages)
    assert number in text


@pytest.mark.parametrize("path", ["/invoices/{}", "/invoices/{}.pdf"])
def test_another_accounts_number_is_as_good_as_none(path: str, client: PortalClient) -> None:
    client.sign_in(LOTTE)
    foreign = numbers(client, "Officine Valdarno S.p.A.")[0]
    there = client.get(path.format(foreign), 404).get_data()
    absent = client.get(path.format("KAN-2026-99999"), 404).get_data()
    assert len(there) == len(absent)


@pytest.mark.parametrize(
    "path",
    ["/invoices?page=0", "/invoices?page=x", "/invoices?page=999", "/invoices?page=-1",
     "/invoices?year=99999999999", "/invoices?year=two", "/invoices?page=٣",
     "/invoices/year/1999.zip", "/invoices/year/99999999999999999999.zip"],
)  # fmt: skip
def test_an_address_that_makes_no_sense_is_not_found(path: str, client: PortalClient) -> None:
    client.sign_in(LOTTE)
    client.get(path, 404)


def test_a_year_without_invoices_says_so(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    client.get("/invoices?year=1999")
    assert client.page is not None
    assert "1999" in client.page.text()


@pytest.mark.parametrize("path", ["/invoices", "/invoices/X", "/invoices/X.pdf",
                                  "/invoices/year/2026.zip"])  # fmt: skip
def test_a_member_does_not_see_money(path: str, client: PortalClient) -> None:
    client.sign_in(MEMBER)
    client.get(path, 403)


def test_a_year_is_one_archive_with_every_pdf_and_a_list(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    answer = client.get("/invoices/year/2026.zip")
    assert answer.mimetype == "application/zip"
    with client.app.app_context(), transaction() as session:
        expected = set(
            session.scalars(
                select(Invoice.number).join(Account, Account.id == Invoice.account_id)
                .where(Account.name == "Atelier Noordzee BV", Invoice.year == 2026)
            )
        )  # fmt: skip
    archive = ZipFile(BytesIO(answer.data))
    assert archive.testzip() is None
    assert set(archive.namelist()) == {f"{number}.pdf" for number in expected} | {"index.csv"}
    rows = list(csv.reader(StringIO(archive.read("index.csv").decode("utf-8-sig"))))
    assert {row[0] for row in rows[1:]} == expected
    assert all(archive.read(f"{number}.pdf").startswith(b"%PDF") for number in expected)


def test_the_statements_are_few_and_do_not_grow(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    number = numbers(client, "Atelier Noordzee BV")[0]
    paths = ["/invoices", "/invoices?year=2026", f"/invoices/{number}", f"/invoices/{number}.pdf",
             "/invoices/year/2026.zip"]  # fmt: skip
    before = {}
    for path in paths:
        with counting(client) as seen:
            client.get(path)
        before[path] = len(seen)
    add_invoices(client, 60)
    for path in paths:
        with counting(client) as seen:
            client.get(path)
        assert len(seen) == before[path] <= 6, path
        assert not any(s.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")) for s in seen)


def test_pages_of_the_list_go_on_and_end(client: PortalClient) -> None:
    add_invoices(client, 60)
    client.sign_in(LOTTE)
    seen: set[str] = set()
    path = "/invoices"
    for _page in range(10):
        client.get(path)
        assert client.page is not None
        seen |= {link.rsplit("/", 1)[1] for link in client.page.links()
                 if link.startswith("/invoices/") and not link.endswith((".pdf", ".zip"))}  # fmt: skip
        following = [a.get("href") for a in client.page.all("a", rel="next")]
        if not following:
            break
        path = str(following[0])
    assert seen == set(numbers(client, "Atelier Noordzee BV"))
