"""The data export: complete, the account's own alone, safe to open, in bounded memory (C3)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tracemalloc
from typing import Any
from zipfile import ZipFile

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal import __version__
from portal.bank.camt053 import read_statements
from portal.clock import clock
from portal.config import ROOT
from portal.db import snapshot, transaction
from portal.extensions import db
from portal.models import (
    Account,
    Assignment,
    AuditEvent,
    BankEntry,
    CreditEntry,
    Invoice,
    InvoiceLine,
    Member,
    Order,
    Payment,
    Person,
    Quote,
    Subscription,
    TopUp,
    Wallet,
)
from portal.parts import Parts
from portal.queries.export_files import DATASETS
from portal.queries.exports import CHUNK
from portal.queries.quotes import get_account_buying
from portal.services.statement_import import import_statements
from portal.services.transfer_booking import Transfer, book_deposit
from portal.web.data_export.archive import pack_data
from portal.web.data_export.words import CONTENTS
from tests.conftest import NOW
from tests.support.bulk import Customers
from tests.support.buying import (
    AN,
    ATELIER,
    CAMILLE,
    GIULIA,
    JONAS,
    KATRIN,
    LOTTE,
    LUMIERE,
    MUELLER,
    OFFICINE,
    PIETER,
    account_named,
    speak,
)
from tests.support.client import PortalClient
from tests.support.crediting import credited
from tests.support.transfers import OPERATOR, Line, camt, eur, staff

MANY = 10_000


def download(client: PortalClient) -> ZipFile:
    answer = client.browser.get("/data-export.zip")
    assert answer.status_code == 200
    assert answer.mimetype == "application/zip"
    assert "attachment" in answer.headers["Content-Disposition"]
    return ZipFile(io.BytesIO(answer.get_data()))


def rows_of(archive: ZipFile, name: str) -> list[dict[str, Any]]:
    rows = json.loads(archive.read(f"{name}.json"))
    assert isinstance(rows, list)
    return rows


def cells_of(archive: ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode("utf-8-sig"))))


@pytest.fixture
def lotte(client: PortalClient) -> PortalClient:
    client.sign_in(LOTTE)
    return client


# --- the page ------------------------------------------------------------------------------------


def test_the_page_says_what_is_in_it(lotte: PortalClient) -> None:
    lotte.get("/data-export")
    assert lotte.page is not None
    assert "/data-export.zip" in lotte.page.links()
    assert "/invoices/year/2026.zip" in lotte.page.links()
    assert "https://crm.kanto.example/settings/export" in lotte.page.links()
    for name in (dataset.name for dataset in DATASETS):
        assert f"{name}.csv" in lotte.page.text()


def test_every_file_is_explained() -> None:
    assert list(CONTENTS) == [dataset.name for dataset in DATASETS]


def test_whoever_looks_after_the_account_may_have_it(client: PortalClient) -> None:
    client.sign_in(AN)
    assert download(client).namelist()
    client.sign_in(JONAS)
    for path in ("/data-export", "/data-export.zip"):
        assert client.browser.get(path).status_code == 403


# --- what is in it -------------------------------------------------------------------------------


def test_C3_everything_is_there_as_csv_and_json_with_a_manifest(
    app: Flask, parts: Parts, lotte: PortalClient, books: Session
) -> None:
    with app.app_context():
        credited(parts, amounts={1: 100})
    archive = download(lotte)
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["portal_version"] == __version__
    assert manifest["made_at"] == "2026-10-29T09:00:00Z"
    assert manifest["account"]["company_name"] == ATELIER
    assert {file["name"] for file in manifest["files"]} | {"README.txt", "manifest.json"} == set(
        archive.namelist()
    )
    for file in manifest["files"]:
        data = archive.read(file["name"])
        assert hashlib.sha256(data).hexdigest() == file["sha256"], file["name"]
        assert all(column["meaning"] for column in file["columns"])
    for dataset in DATASETS:
        rows, cells = rows_of(archive, dataset.name), cells_of(archive, dataset.name)
        columns = [column.name for column in dataset.file_columns]
        assert len(rows) == len(cells)
        assert all(list(row) == columns for row in rows)
        assert [list(row) for row in cells[:1]] == [columns] * len(cells[:1])
        declared = [f["rows"] for f in manifest["files"] if f["name"] == f"{dataset.name}.json"]
        assert declared == [len(rows)]
    [note] = rows_of(archive, "credit_notes")
    assert (note["gross_minor"], note["gross"], note["lines"][0]["net_minor"]) == (121, "1.21", 100)


def counts(session: Session, account: str) -> dict[str, int]:
    """What the tables hold of an account."""
    account_id = account_named(session, account).id

    def count(table: Any, *joins: Any) -> int:
        query = select(func.count()).select_from(table)
        owner: Any = table
        for model, condition in joins:
            query, owner = query.join(model, condition), model
        return int(session.scalar(query.where(owner.account_id == account_id)) or 0)

    return {
        "members": count(Member),
        "licences": count(Assignment, (Member, Member.id == Assignment.member_id)),
        "quotes": count(Quote),
        "orders": count(Order),
        "invoices": count(Invoice),
        "invoice_lines": count(InvoiceLine, (Invoice, Invoice.id == InvoiceLine.invoice_id)),
        "payments": count(Payment),
        "wallet_entries": count(CreditEntry, (Wallet, Wallet.id == CreditEntry.wallet_id)),
        "top_ups": count(TopUp, (Wallet, Wallet.id == TopUp.wallet_id)),
        "wallet": count(Wallet),
        "activity": count(AuditEvent),
    }


@pytest.mark.parametrize(
    ("account", "email", "other"),
    [(ATELIER, LOTTE, "mueller-soehne"), (MUELLER, KATRIN, "atelier-noordzee"),
     (OFFICINE, GIULIA, "atelier-noordzee")],
)  # fmt: skip
def test_C3_all_of_the_account_and_nothing_of_another(
    client: PortalClient, books: Session, account: str, email: str, other: str
) -> None:
    client.sign_in(email)
    archive = download(client)
    expected = counts(books, account)
    assert {name: len(rows_of(archive, name)) for name in expected} == expected
    assert expected["invoices"] > 0
    for name in archive.namelist():
        assert other.encode() not in archive.read(name), name
    own = set(
        books.scalars(
            select(Invoice.number).where(Invoice.account_id == account_named(books, account).id)
        )
    )
    assert {row["number"] for row in rows_of(archive, "invoices")} == own


def test_C3_the_bank_entries_of_its_own_payments_and_no_others(
    app: Flask, parts: Parts, client: PortalClient, books: Session
) -> None:
    own, foreign = account_named(books, LUMIERE).id, account_named(books, OFFICINE).id
    with app.app_context():
        actor = staff(OPERATOR)
        with transaction() as session:
            lines = (Line(100, text="ours", payer="=Lumière"), Line(200, text="theirs"),
                     Line(300, text="waits"))  # fmt: skip
            import_statements(session, read_statements(camt(*lines)), file_name="a.xml",
                              catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
        first, second, _third = books.scalars(select(BankEntry).order_by(BankEntry.id)).all()
        for account_id, entry in ((own, first), (foreign, second)):
            transfer = Transfer(eur(entry.amount_minor), entry.booked_on, "x", entry.id)
            with transaction() as session:
                book_deposit(session, account_id, transfer, catalogue=parts.catalogue, actor=actor,
                             now=NOW)  # fmt: skip
    client.sign_in(CAMILLE)
    archive = download(client)
    (row,) = rows_of(archive, "bank_entries")
    assert (row["payer_text"], row["payer_name"], row["amount"]) == ("ours", "=Lumière", "1.00")
    assert row["payment_id"] in [paid["payment_id"] for paid in rows_of(archive, "payments")]
    (cells,) = cells_of(archive, "bank_entries")
    assert cells["payer_name"] == "'=Lumière"


def test_C3_amounts_are_exact_and_instants_are_utc(lotte: PortalClient, books: Session) -> None:
    archive = download(lotte)
    invoice = max(rows_of(archive, "invoices"), key=lambda row: row["number"])
    row = books.scalars(select(Invoice).where(Invoice.number == invoice["number"])).one()
    assert invoice["gross_minor"] == row.gross_minor
    assert invoice["gross"] == f"{row.gross_minor // 100}.{row.gross_minor % 100:02d}"
    assert invoice["issued_at"] == f"{row.issued_at:%Y-%m-%dT%H:%M:%S}Z" or invoice[
        "issued_at"
    ].endswith("Z")
    assert invoice["issued_on"] == row.issued_on.isoformat()
    assert invoice["buyer"]["company_name"] == ATELIER


def test_C3_a_spreadsheet_runs_nothing_of_it(
    app: Flask, lotte: PortalClient, books: Session
) -> None:
    evil = '=HYPERLINK("https://evil.example","Lotte")'
    with app.app_context(), transaction() as session:
        session.execute(update(Person).where(Person.email == LOTTE).values(name=evil))
    archive = download(lotte)
    cells = {row["email"]: row["name"] for row in cells_of(archive, "members")}
    assert cells[LOTTE] == f"'{evil}"
    assert {row["email"]: row["name"] for row in rows_of(archive, "members")}[LOTTE] == evil


def test_C3_the_readme_speaks_the_persons_language(client: PortalClient) -> None:
    speak(client, PIETER, "en")
    client.sign_in(PIETER)
    text = download(client).read("README.txt").decode()
    assert f"The data of {ATELIER} in Kanto" in text
    assert "Members of your company with role and status" in text
    assert "2026-10-29 09:00" in text


def test_C3_a_former_customers_admin_has_it_too(
    app: Flask, lotte: PortalClient, books: Session
) -> None:
    with app.app_context(), transaction() as session:
        session.execute(
            update(Subscription)
            .where(Subscription.account_id == account_named(session, ATELIER).id)
            .values(status="ended", ended_on=NOW.date())
        )
    archive = download(lotte)
    assert {row["status"] for row in rows_of(archive, "subscriptions")} == {"ended"}
    lotte.get("/data-export")
    assert lotte.page is not None
    assert "https://crm.kanto.example/settings/export" in lotte.page.links()


def test_the_version_is_the_projects() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


# --- how much there may be -----------------------------------------------------------------------


def test_C3_ten_thousand_members_and_invoices_in_bounded_memory(
    app: Flask, parts: Parts, database: Any
) -> None:
    with app.app_context(), transaction() as session:
        customers = Customers(session.connection(), parts.catalogue, clock.now(), locale="en")
        large = customers.add((MANY + 50, 2, 2), members=12, invoices=1)
        customers.add_members(large, MANY)
        customers.add_invoices(large, MANY)
        customers.add_events(large, MANY)
        customers.write()
        name = session.get_one(Account, large.account_id).name
    measured, peak = database.name == "sqlite", 0  # it takes its time: once is enough
    with app.test_request_context("/data-export.zip"):
        if measured:
            tracemalloc.start()
        try:
            with snapshot() as connection:
                buying = get_account_buying(connection, large.account_id)
                file = pack_data(connection, buying, name, "Kanto", clock.now())
            if measured:
                _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    # A chunk of a thousand invoices with seller, buyer and tax is some 10 MB as rows.
    assert peak < 32_000_000, f"{peak / 1e6:.0f} MB"
    with ZipFile(file) as archive:
        found = {
            entry["name"]: entry["rows"]
            for entry in json.loads(archive.read("manifest.json"))["files"]
        }
        numbers = [row["number"] for row in rows_of(archive, "invoices")]
    assert found["members.csv"] == MANY + 12
    assert found["invoices.json"] == found["invoice_lines.csv"] == MANY + 1
    assert found["activity.json"] == MANY + 10
    assert len(set(numbers)) == MANY + 1
    assert MANY > CHUNK


def test_C3_each_file_is_read_by_an_index_of_the_account(app: Flask, database: Any) -> None:
    """Not through all customers' rows: by the account, or by what hangs on its rows."""
    if database.name != "sqlite":
        pytest.skip("SQLite says how it answers whatever the tables hold; PostgreSQL does not")
    wrong = []
    with app.app_context(), db.engine.connect() as connection:
        for dataset in DATASETS:
            compiled = dataset.statement.compile(
                dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
            )
            values = {**compiled.params, "account_id": 1, "after_0": 0, "after_1": 0}
            ordered = tuple(values[key] for key in compiled.positiontup or ())
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", ordered)
            wrong += [
                f"{dataset.name}: {row[3]}"
                for row in plan
                if row[3].startswith("SCAN") or "PRIMARY KEY (rowid>" in row[3]
            ]
    assert not wrong, "\n".join(wrong)
