"""Members as CSV: export, template, preview, import (S7, S9)."""

from __future__ import annotations

import csv
from io import BytesIO, StringIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.models import Person
from portal.services.licence_assigning import free_licence
from tests.conftest import NOW
from tests.support.buying import (
    AN,
    ATELIER,
    JONAS,
    LOTTE,
    PIETER,
    account_named,
    actor_of,
    plan_item,
    row_counts,
)
from tests.support.client import PortalClient
from tests.support.members import member_id


@pytest.fixture
def admin(client: PortalClient) -> PortalClient:
    client.sign_in(LOTTE)
    client.get("/members/import")
    return client


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def export(client: PortalClient) -> list[dict[str, str]]:
    """The exported rows."""
    source = client.browser.get("/members/export.csv").get_data().decode("utf-8-sig")
    return list(csv.DictReader(StringIO(source)))


def preview(client: PortalClient, content: str | bytes, status: int = 200) -> dict[str, Any]:
    """Send a file; the fields of the confirmation, if there is one."""
    data = content if isinstance(content, bytes) else content.encode()
    client.post("/members/import", {"file": (BytesIO(data), "members.csv")}, status=status,
                content_type="multipart/form-data")  # fmt: skip
    assert client.page is not None
    return client.page.fields()


def test_an_export_comes_back_as_the_same_people_however_they_were_invited(
    admin: PortalClient,
) -> None:
    admin.get("/members/invite")
    invited = {"name": "Jan", "role": "member", "locale": "nl"}
    admin.post("/members/invite", invited | {"email": "Jan@xn--mller-kva.example"})
    admin.get("/members/invite")
    admin.post("/members/invite", invited | {"email": "jan@müller.example"}, 422)
    assert "invited already" in text(admin)
    rows = export(admin)
    assert [row["email"] for row in rows if row["name"] == "Jan"] == ["jan@müller.example"]
    admin.get("/members/import")
    file = StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    preview(admin, file.getvalue())
    assert "There is nothing to import." in text(admin)


def test_the_export_has_everyone_and_the_columns_of_the_import(admin: PortalClient) -> None:
    answer = admin.browser.get("/members/export.csv")
    assert answer.mimetype == "text/csv"
    assert "members.csv" in answer.headers["Content-Disposition"]
    assert answer.get_data().startswith("\ufeffemail,name,role,status,language,since".encode())
    rows = export(admin)
    assert len(rows) == 12
    assert rows[0] | {"since": ""} == {
        "email": LOTTE, "name": "Lotte Verbeke", "role": "admin", "status": "active",
        "language": "en", "since": "", "licence:crm": "yes", "licence:crm.appointments": "yes",
    }  # fmt: skip


def test_an_export_can_be_imported_and_changes_nothing(admin: PortalClient, books: Session) -> None:
    before = row_counts(books)
    fields = preview(admin, admin.browser.get("/members/export.csv").get_data())
    assert "There is nothing to import." in text(admin)
    assert "content" not in fields
    assert row_counts(books) == before


def test_a_cell_is_never_a_formula(app: Flask, admin: PortalClient) -> None:
    evil = '=HYPERLINK("http://x","y")'
    with app.app_context(), transaction() as session:
        session.execute(update(Person).where(Person.email == JONAS).values(name=evil))
    assert f"'{evil}" in [row["name"] for row in export(admin)]
    preview(admin, admin.browser.get("/members/export.csv").get_data())
    assert "There is nothing to import." in text(admin)


def test_the_template_has_the_columns_and_nobody(admin: PortalClient) -> None:
    source = admin.browser.get("/members/import/template.csv").get_data().decode("utf-8-sig")
    assert source == (
        "email,name,role,status,language,since,licence:crm,licence:crm.appointments\r\n"
    )


def test_a_preview_shows_every_change_and_writes_nothing(
    admin: PortalClient, books: Session
) -> None:
    before = row_counts(books)
    fields = preview(admin, f"email;name;role;status;licence:crm\nneu@x.example;Neu;;;yes\n"
                            f"{AN};;member;;\n{JONAS};;;deactivated;\n{LOTTE};;;;\n")  # fmt: skip
    for words in ("Invited1", "Role changed1", "Deactivated1", "Licences given1",
                  "Licences freed1", "Lines that change nothing1", "Change 3 people",
                  "Nothing has been changed yet."):  # fmt: skip
        assert words in text(admin)
    assert row_counts(books) == before
    admin.follow(admin.post("/members/import/confirm", fields))
    assert "The file is imported: 3 people were changed." in text(admin)
    assert {row["email"]: row["status"] for row in export(admin)}[JONAS] == "deactivated"


def test_confirming_twice_imports_once(admin: PortalClient, books: Session) -> None:
    fields = preview(admin, "email,name\nneu@x.example,Neu\n")
    admin.post("/members/import/confirm", fields)
    before = row_counts(books)
    admin.post("/members/import/confirm", fields, status=422)
    assert "Something has changed since you saw this preview." in text(admin)
    assert row_counts(books) == before


def test_S9_what_changed_meanwhile_is_shown_anew(
    app: Flask, admin: PortalClient, books: Session
) -> None:
    fields = preview(admin, f"email,licence:crm\n{JONAS},no\n{AN},no\n")
    assert "Change 2 people" in text(admin)
    with app.app_context(), transaction() as session:
        free_licence(session, account_named(session, ATELIER).id, member_id(session, AN),
                     plan_item(session, ATELIER).id,
                     catalogue=app.extensions["portal"].catalogue,
                     actor=actor_of(session, LOTTE), now=NOW)  # fmt: skip
    admin.post("/members/import/confirm", fields, status=422)
    assert "Something has changed since you saw this preview." in text(admin)
    assert "Change 1 person" in text(admin)
    assert admin.page is not None
    admin.follow(admin.post("/members/import/confirm", admin.page.fields()))
    assert "1 person was changed" in text(admin)


def test_S7_problems_name_their_lines_and_nothing_can_be_confirmed(
    admin: PortalClient, books: Session
) -> None:
    before = row_counts(books)
    fields = preview(admin, f"email,name,role,status\n{PIETER},,member,\nnobody,,boss,\n", 422)
    for words in ("2 lines cannot be imported. Nothing was changed.",
                  "Pieter Claes is an admin and has to agree in writing first.",
                  "Enter an e-mail address like name@example.com."):  # fmt: skip
        assert words in text(admin)
    assert "content" not in fields
    assert row_counts(books) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "There is nothing in this file."),
        ("email\nè@x.example\n".encode("latin-1"), "CSV UTF-8"),
        (b"\x00\x01\x02", "CSV UTF-8"),
        (b"name\nA\n", "has no column “email”"),
        (b"email,phone\na@x.example,1\n", "The column “phone” is not known."),
        (b"email,<script>\na@x.example,1\n", "The column “<script>” is not known."),
        (b'email,name\na@x.example,"A\n', "The quotation marks in line 2"),
        (b"email\n", "There is nobody in this file"),
        (b"a" * 900_001, "use at most 900 kB"),
        (b"email\n" + b"".join(b"p%d@x.example\n" % n for n in range(5_001)), "at most 5,000"),
    ],
)
def test_a_file_that_cannot_be_read_is_answered_clearly(
    admin: PortalClient, books: Session, content: bytes, words: str
) -> None:
    before = row_counts(books)
    preview(admin, content, 422)
    assert words in text(admin)
    assert "There is a problem" in text(admin)
    assert row_counts(books) == before


def test_no_file_and_too_large_a_request(admin: PortalClient) -> None:
    admin.post("/members/import", {}, status=422)
    assert "Choose a file." in text(admin)
    preview(admin, b"a" * 1_100_000, 413)


@pytest.mark.parametrize("content", ["", "x", "!!!", "eJw=", "ä", "A" * 1_000, "\0"])
def test_a_confirmation_that_nobody_previewed_is_refused(
    admin: PortalClient, books: Session, content: str
) -> None:
    before = row_counts(books)
    answer = admin.post("/members/import/confirm", {"content": content, "plan": "0" * 64})
    admin.follow(answer)
    assert "Choose a file." in text(admin)
    assert row_counts(books) == before


def test_a_packed_file_that_unpacks_without_end_is_refused(admin: PortalClient) -> None:
    from base64 import urlsafe_b64encode
    from zlib import compress

    bomb = urlsafe_b64encode(compress(b"\n" * 200_000_000)).decode("ascii")
    admin.follow(admin.post("/members/import/confirm", {"content": bomb, "plan": ""}))
    assert "Choose a file." in text(admin)


def test_five_thousand_people_are_previewed_and_imported(admin: PortalClient) -> None:
    lines = "".join(f"person.number{n}@many.example,Person number {n}\n" for n in range(5_000))
    fields = preview(admin, f"email,name\n{lines}")
    assert "Change 5,000 people" in text(admin)
    assert "4,800 more are not shown here." in text(admin)
    admin.follow(admin.post("/members/import/confirm", fields))
    assert len(export(admin)) == 5_012
