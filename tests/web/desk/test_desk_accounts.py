"""Customers on the desk: who finds whom, by what, and what there is to see."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.models import Account, Invoice, Person
from portal.web.desk.paging import LIST_PAGE
from tests.support.buying import (
    ATELIER,
    BRIGHTWATER,
    LOTTE,
    LUMIERE,
    MUELLER,
    OFFICINE,
    account_named,
)
from tests.support.client import PortalClient
from tests.support.desk import HUGO, account_id, staff_id

HIS = {LUMIERE, OFFICINE}
KETTING = "Rijwielhandel De Ketting V.O.F."
EVERYBODY = {ATELIER, MUELLER, BRIGHTWATER, KETTING, *HIS}


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def listed(client: PortalClient) -> list[str]:
    """The customers in the table of the page, in their order."""
    assert client.page is not None
    names = []
    for table in client.page.all("table"):
        names += [client.page.text(a) for a in table.iter() if a.tag.endswith("}a")]
    return names


def search(client: PortalClient, typed: str) -> list[str]:
    client.get("/desk/accounts", query_string={"q": typed})
    return listed(client)


def test_an_account_executive_lists_the_customers_assigned_to_them_an_operator_all(
    hugo: PortalClient, greta: PortalClient
) -> None:
    assert search(hugo, "") == sorted(HIS)
    assert search(greta, "") == sorted(EVERYBODY)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("noord", [ATELIER]),
        ("NOORDZEE atelier", [ATELIER]),
        ("muller", [MUELLER]),
        ("Müller Söhne", [MUELLER]),
        ("söh", [MUELLER]),
        ("lumiere", [LUMIERE]),
        ("@lumiere-conseil.example", [LUMIERE]),
        ("boekhouding@atelier", [ATELIER]),
        ("BE0940180319", [ATELIER]),
        ("atelier conseil", []),
        ("%", []),
        ("' OR 1=1 --", []),
        ("nobody", []),
    ],
)
def test_customers_are_found_by_the_beginnings_of_their_words(
    greta: PortalClient, typed: str, found: list[str]
) -> None:
    assert search(greta, typed) == found
    if not found:
        assert "Nobody found" in text(greta)


def test_a_person_is_found_by_their_address_however_it_is_written(
    app: Flask, greta: PortalClient
) -> None:
    with app.app_context(), transaction() as session:
        lotte = session.scalars(select(Person).where(Person.email == LOTTE)).one()
        lotte.email = "lotte@müller.example"
    for typed in ("Lotte@xn--mller-kva.example", "lotte@MÜLLER.example"):
        search(greta, typed)
        assert ATELIER in text(greta), typed


def test_a_search_finds_none_of_anybody_elses_customers(hugo: PortalClient, books: Session) -> None:
    number = books.scalar(
        select(Invoice.number).where(Invoice.account_id == account_id(books, ATELIER)).limit(1)
    )
    for typed in ("noord", "atelier", LOTTE, str(account_id(books, ATELIER)), str(number)):
        assert search(hugo, typed) == []
        assert ATELIER not in text(hugo)


def test_exact_numbers_and_addresses_lead_to_what_they_are_of(
    hugo: PortalClient, greta: PortalClient, books: Session
) -> None:
    customer = account_id(books, LUMIERE)
    invoice = books.scalars(
        select(Invoice).where(Invoice.account_id == customer, Invoice.payment_reference != "")
    ).first()
    assert invoice is not None, "who pays by transfer has references"
    page = f"/desk/accounts/{customer}/invoices/{invoice.number}"
    spaced = " ".join(
        invoice.payment_reference[at : at + 4] for at in range(0, len(invoice.payment_reference), 4)
    )
    for typed in (invoice.number.lower(), invoice.payment_reference, spaced):
        hugo.get("/desk/accounts", query_string={"q": typed})
        assert hugo.page is not None
        assert page in hugo.page.links(), typed
    hugo.get(page)
    assert invoice.number in text(hugo)

    greta.get("/desk/accounts", query_string={"q": str(customer)})
    assert greta.page is not None
    assert f"/desk/accounts/{customer}" in greta.page.links()
    greta.get("/desk/accounts", query_string={"q": LOTTE.upper()})
    assert ATELIER in text(greta)
    [members] = [link for link in greta.page.links() if "/members" in link]
    greta.get(members)
    assert "1 person" in text(greta)


def test_a_customer_is_found_by_a_name_that_it_got_just_now(
    app: Flask, greta: PortalClient
) -> None:
    with app.app_context(), transaction() as session:
        account_named(session, ATELIER).company_name = "Zeilmakerij Duinkerke BV"
    assert search(greta, "duinkerke") == [ATELIER]
    with app.app_context(), transaction() as session:
        account = session.scalars(select(Account).where(Account.name == ATELIER)).one()
        account.company_name = "Atelier"
    assert search(greta, "duinkerke") == []
    assert search(greta, "atelier") == [ATELIER]


@pytest.fixture
def crowd(app: Flask) -> list[str]:
    """Twice a page and five customers more of Hugo, many of one name."""
    names = [f"Zz Crowd {number // 3:03}" for number in range(2 * LIST_PAGE + 5)]
    with app.app_context(), transaction() as session:
        model = account_named(session, LUMIERE)
        for number, name in enumerate(names):
            values: dict[str, Any] = {
                column.name: getattr(model, column.name)
                for column in Account.__table__.columns
                if column.name not in ("id", "external_ref")
            }
            session.add(Account(**values | {"name": name, "company_name": f"Zzz {number}",
                                            "account_executive_id": staff_id(session, HUGO)}))  # fmt: skip
    return names


@pytest.mark.parametrize("typed", ["", "zz", "crowd zz"])
def test_pages_follow_each_other_without_a_gap_or_a_repetition(
    hugo: PortalClient, crowd: list[str], typed: str
) -> None:
    path = f"/desk/accounts?q={typed}"
    seen: list[str] = []
    pages = 0
    while path:
        hugo.get(path)
        seen += listed(hugo)
        pages += 1
        assert hugo.page is not None
        following = hugo.page.all("a", rel="next")
        path = following[0].get("href", "") if following else ""
    assert pages == 3
    assert sorted(name for name in seen if name.startswith("Zz")) == sorted(crowd)
    assert len(seen) == len(crowd) + (len(HIS) if not typed else 0)


@pytest.mark.parametrize("after", ["x", "x~", "~x", "a~1e3", "a~" + "9" * 30, "x" * 300 + "~1"])
def test_a_place_that_no_page_named_is_an_absent_page(hugo: PortalClient, after: str) -> None:
    hugo.get("/desk/accounts", 404, query_string={"after": after})


def test_the_account_page_shows_what_the_customer_has_pays_and_who_serves_it(
    hugo: PortalClient, books: Session
) -> None:
    hugo.get(f"/desk/accounts/{account_id(books, LUMIERE)}")
    page = text(hugo)
    for words in (
        LUMIERE, "Kanto CRM Enterprise", "7 of 9", "Renews on", "Bank transfer",
        "Next invoice", "without VAT", "Hugo Peeters", "BC-2231", "FR03911402006", "Account balance", "€0.00",
    ):  # fmt: skip
        assert words in page, words


def test_a_customer_without_subscriptions_or_executive_has_a_page(
    app: Flask, greta: PortalClient
) -> None:
    with app.app_context(), transaction() as session:
        model = account_named(session, ATELIER)
        columns = [c for c in Account.__table__.columns if c.name not in ("id", "external_ref")]
        values = {column.name: getattr(model, column.name) for column in columns}
        key = session.execute(
            insert(Account).values(**values | {"name": "Bare", "gateway_customer": None})
        ).inserted_primary_key[0]
    for tab in ("", "/invoices", "/quotes", "/members", "/wallet", "/activity", "/notes", "/tasks"):
        greta.get(f"/desk/accounts/{key}{tab}")
    greta.get(f"/desk/accounts/{key}")
    assert "This customer has no running subscription." in text(greta)
    assert "Nobody serves this customer yet." in text(greta)


def test_papers_of_another_customer_are_absent_under_ones_own(
    hugo: PortalClient, books: Session
) -> None:
    own = account_id(books, LUMIERE)
    foreign = books.scalar(
        select(Invoice.number).where(Invoice.account_id == account_id(books, ATELIER)).limit(1)
    )
    hugo.get(f"/desk/accounts/{own}/invoices/{foreign}", 404)
    hugo.get(f"/desk/accounts/{own}/invoices/{foreign}.pdf", 404)
    hugo.get(f"/desk/accounts/{own}/invoices/credit-notes/{foreign}", 404)
