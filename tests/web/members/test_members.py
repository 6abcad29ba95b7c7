"""The members page: who sees and does what; invite, roles, deactivate, licences (S7, S8, S9)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Consent, Member
from portal.parts import Parts
from tests.conftest import NOW
from tests.support.bulk import Customers
from tests.support.buying import (
    AN,
    ATELIER,
    GIULIA,
    JONAS,
    KAREL,
    LOTTE,
    OFFICINE,
    PIETER,
    plan_item,
    row_counts,
    speak,
)
from tests.support.client import PortalClient
from tests.support.html import check_page
from tests.support.members import fill_up, free_seats, held_items, mails, member_id

MILAN = "milan.dhaenens@atelier-noordzee.example"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(client: PortalClient) -> PortalClient:
    client.sign_in(LOTTE)
    client.get("/members")
    return client


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def people(client: PortalClient) -> list[str]:
    """Name and address of everyone on the page, in order."""
    assert client.page is not None
    return [
        client.page.text(cell)
        for cell in client.page.all("td")
        if cell.find("{http://www.w3.org/1999/xhtml}div") is not None
    ]


def page_of(session: Session, email: str, account: str = ATELIER) -> str:
    return f"/members/{member_id(session, email, account)}"


# --- the list ------------------------------------------------------------------------------------


def test_the_list_says_who_is_there_and_who_has_what(admin: PortalClient) -> None:
    for words in ("12 people", "10 active", "1 invited", "1 deactivated", "Jonas Wittevrongel",
                  "Kanto CRM Pro", "Billing admin", "Invite a person"):  # fmt: skip
        assert words in text(admin)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=jonas", ["Jonas Wittevrongel"]),
        ("?q=WITTEVRONGEL", ["Jonas Wittevrongel"]),
        ("?q=an.declercq", ["An Declercq"]),
        ("?q=%25", []),
        ("?q=_", []),
        ("?q=%5C", []),
        ("?q=%27%3B--", []),
        ("?status=invited", ["Milan Dhaenens"]),
        ("?status=deactivated", ["Karel Ostyn"]),
        ("?status=deactivated&q=lotte", []),
        ("?product=crm&q=sofie", []),
    ],
)
def test_the_list_is_narrowed(admin: PortalClient, query: str, found: list[str]) -> None:
    admin.get(f"/members{query}")
    shown = people(admin)
    assert len(shown) == len(found)
    assert all(name in row for name, row in zip(found, shown, strict=True))
    if not found:
        assert "Nobody found" in text(admin)


def test_letters_beyond_ascii_are_found_in_either_case(client: PortalClient) -> None:
    client.sign_in("camille.roussel@lumiere-conseil.example")
    for typed in ("élodie", "ÉLODIE", "Élodie", "chloé"):
        client.get("/members", query_string={"q": typed})
        assert len(people(client)) == 1, typed


@pytest.mark.parametrize(
    "query", ["?page=0", "?page=2", "?page=99999999999", "?status=gone", "?product=desk"]
)
def test_an_address_that_makes_no_sense_is_not_found(admin: PortalClient, query: str) -> None:
    admin.get(f"/members{query}", 404)


def test_htmx_gets_the_list_alone(admin: PortalClient) -> None:
    answer = admin.get("/members?q=jonas", headers=HTMX)
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    assert "Jonas Wittevrongel" in check_page(source, whole=False).text()
    assert "HX-Request" in answer.headers["Vary"]


def test_a_long_list_has_pages(client: PortalClient) -> None:
    speak(client, GIULIA, "en")
    client.sign_in(GIULIA)
    client.get("/members")
    first = people(client)
    assert len(first) == 50
    client.get("/members?page=2")
    assert len(people(client)) == 16
    assert not set(first) & set(people(client))


def test_ten_thousand_members_are_listed_and_searched_in_time(app: Flask, parts: Parts) -> None:
    with app.app_context(), transaction() as session:
        customers = Customers(session.connection(), parts.catalogue, clock.now(), locale="en")
        large = customers.add((10_050, 2), members=12)
        customers.add_members(large, 10_000)
        customers.sign_in(large, "large")
        customers.write()
    client = PortalClient(app)
    with client.browser.session_transaction() as cookie:
        cookie["_user_id"] = "large"
    client.get("/members?page=101")
    assert "10,012 people" in text(client)
    client.get(f"/members?q=p9999.{large.account_id}@&product=crm")
    assert len(people(client)) == 1


# --- who may -------------------------------------------------------------------------------------


def test_a_billing_admin_sees_people_and_gives_licences_and_no_more(
    client: PortalClient, session: Session
) -> None:
    speak(client, AN, "en")
    client.sign_in(AN)
    client.get("/members")
    assert "Invite a person" not in text(client)
    jonas = page_of(session, JONAS)
    client.get(jonas)
    assert "Deactivate" not in text(client)
    item = plan_item(session, ATELIER).id
    client.post(f"{jonas}/licences/free", {"item": item})
    client.post(f"{jonas}/licences/give", {"item": item})
    for path in ("role", "deactivate", "reactivate"):
        client.get(f"{jonas}/{path}", 403)
    client.get("/members/invite", 403)
    client.get("/members/import", 403)
    for path in ("role", "deactivate", "reactivate", "invitation/resend", "invitation/withdraw",
                 "consent/ask", "consent/withdraw"):  # fmt: skip
        client.post(f"{jonas}/{path}", {"role": "admin"}, status=403)


def test_a_member_sees_nothing_of_it(client: PortalClient, session: Session) -> None:
    client.sign_in(JONAS)
    for path in ("/members", page_of(session, JONAS), "/members/export.csv"):
        client.get(path, 403)


# --- inviting ------------------------------------------------------------------------------------


def test_inviting_from_the_form_to_the_persons_page(admin: PortalClient, session: Session) -> None:
    admin.get("/members/invite")
    assert admin.page is not None
    fields = admin.page.fields("invite")
    assert fields["role"] == "member"
    item = plan_item(session, ATELIER).id
    answer = admin.post("/members/invite", {**fields, "email": "New@x.example", "name": " Ne w ",
                                            "locale": "it", "licences": [str(item)]})  # fmt: skip
    admin.follow(answer)
    assert "The invitation is on its way to New@x.example." in text(admin)
    session.rollback()
    member = member_id(session, "new@x.example")
    assert held_items(session, member) == [item]
    assert mails(session, "invitation")[-1].locale == "it"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"email": "nobody"}, "Enter an e-mail address like name@example.com."),
        ({"email": ""}, "Enter the e-mail address."),
        ({"name": "  "}, "Enter a name."),
        ({"name": "a\0b"}, "characters that cannot be read"),
        ({"role": "owner"}, "Choose a role."),
        ({"role": ""}, "Choose a role."),
        ({"email": JONAS}, "belongs to your account already"),
        ({"email": MILAN}, "invited already"),
        ({"email": KAREL}, "is deactivated. Reactivate them instead"),
        ({"licences": ["99999"]}, "Choose a licence that your account has."),
        ({"licences": ["x"]}, "Choose a licence that your account has."),
        ({"locale": "xx"}, ""),
    ],
)
def test_mistakes_are_said_and_what_was_typed_is_kept(
    admin: PortalClient, books: Session, wrong: dict[str, object], words: str
) -> None:
    before = row_counts(books)
    sent = {"email": "new@x.example", "name": "New", "role": "billing_admin", "locale": "nl"}
    admin.post("/members/invite", {**sent, **wrong}, status=422)
    assert words in text(admin)
    assert "There is a problem" in text(admin)
    assert admin.page is not None
    if "name" not in wrong:
        assert admin.page.fields("invite")["name"] == "New"
    assert row_counts(books) == before


def test_an_invitation_is_sent_again_and_withdrawn(admin: PortalClient, session: Session) -> None:
    milan = page_of(session, MILAN)
    admin.follow(admin.post(f"{milan}/invitation/resend"))
    assert "on its way to milan.dhaenens@atelier-noordzee.example again" in text(admin)
    admin.follow(admin.post(f"{milan}/invitation/resend"))
    assert "less than a minute ago" in text(admin)
    admin.follow(admin.post(f"{milan}/invitation/withdraw"))
    assert "The invitation of Milan Dhaenens is withdrawn." in text(admin)
    admin.get(milan, 404)


# --- one person ----------------------------------------------------------------------------------


def test_S8_freeing_and_giving_a_licence_says_that_nothing_is_paid(
    admin: PortalClient, session: Session
) -> None:
    jonas, item = page_of(session, JONAS), plan_item(session, ATELIER).id
    admin.get(jonas)
    assert "Giving and freeing licences changes nothing of what you pay." in text(admin)
    admin.follow(admin.post(f"{jonas}/licences/free", {"item": item}))
    assert "The licence of Jonas Wittevrongel for Kanto CRM Pro is free." in text(admin)
    admin.follow(admin.post(f"{jonas}/licences/give", {"item": item}))
    assert "Jonas Wittevrongel has a licence for Kanto CRM Pro." in text(admin)


@pytest.mark.parametrize("item", ["", "x", "0", "999999", "9" * 40, "\0"])
def test_a_licence_that_is_none_is_refused(
    admin: PortalClient, session: Session, item: str
) -> None:
    admin.follow(admin.post(f"{page_of(session, JONAS)}/licences/give", {"item": item}))
    assert "Choose a licence that your account has." in text(admin)


def test_S9_where_none_is_free_the_page_offers_to_add_one(
    app: Flask, admin: PortalClient, session: Session
) -> None:
    with app.app_context(), transaction() as writing:
        item = fill_up(writing)
        item_id, subscription = item.id, item.subscription_id
    page = page_of(session, "sofie.maes@boekhoud-maes.example")
    admin.get(page)
    assert admin.page is not None
    assert f"/licences/{subscription}/add" in admin.page.links()
    admin.follow(admin.post(f"{page}/licences/give", {"item": item_id}))
    assert "No licence is free any more." in text(admin)


def test_S8_deactivating_says_what_happens_before_and_after(
    admin: PortalClient, session: Session
) -> None:
    jonas = page_of(session, JONAS)
    free = free_seats(session)
    admin.get(f"{jonas}/deactivate")
    for words in ("can sign in only to read", "becomes free for somebody else: Kanto CRM Pro",
                  "The number of licences you pay for stays the same."):  # fmt: skip
        assert words in text(admin)
    assert admin.page is not None
    subscription = plan_item(session, ATELIER).subscription_id
    if any(rule.rule.endswith("/remove") for rule in admin.app.url_map.iter_rules()):
        assert f"/licences/{subscription}/remove" in admin.page.links()
    admin.follow(admin.post(f"{jonas}/deactivate"))
    assert "is free now; you pay for as many as before" in text(admin)
    session.rollback()
    assert free_seats(session) == free + 1
    admin.get(f"{jonas}/deactivate", 303)  # there is nothing to deactivate any more
    admin.follow(admin.post(f"{jonas}/deactivate"))
    assert "This person is not active." in text(admin)


def test_reactivating_chooses_the_licence(admin: PortalClient, session: Session) -> None:
    karel, item = page_of(session, KAREL), plan_item(session, ATELIER).id
    admin.get(f"{karel}/reactivate")
    admin.follow(admin.post(f"{karel}/reactivate", {}))
    assert "Choose at least one licence" in text(admin)
    admin.follow(admin.post(f"{karel}/reactivate", {"licences": [str(item)]}))
    assert "Karel Ostyn is active again." in text(admin)
    admin.get(f"{karel}/reactivate", 303)
    admin.follow(admin.post(f"{karel}/reactivate", {"licences": [str(item)]}))
    assert "This person is not deactivated." in text(admin)


def test_reactivating_without_a_free_licence_offers_to_add_one(
    app: Flask, admin: PortalClient, session: Session
) -> None:
    with app.app_context(), transaction() as writing:
        subscription = fill_up(writing).subscription_id
    admin.get(f"{page_of(session, KAREL)}/reactivate")
    assert "None free at the moment" in text(admin)
    assert admin.page is not None
    assert f"/licences/{subscription}/add" in admin.page.links()


def test_a_role_changes_at_once_where_no_rights_are_lost(
    admin: PortalClient, session: Session
) -> None:
    jonas = page_of(session, JONAS)
    admin.get(f"{jonas}/role")
    admin.post(f"{jonas}/role", {"role": "boss"}, status=422)
    assert "Choose a role." in text(admin)
    admin.follow(admin.post(f"{jonas}/role", {"role": "admin"}))
    assert "The role of Jonas Wittevrongel is changed." in text(admin)
    admin.follow(admin.post(f"{jonas}/role", {"role": "admin"}))  # asked of an admin: the same role
    assert "That is the role Jonas Wittevrongel has." in text(admin)


@pytest.mark.parametrize(
    ("path", "form"),
    [("deactivate", {}), ("role", {"role": "member"}), ("consent/ask", {})],
)
def test_S7_an_admin_is_asked_and_the_page_says_so(
    admin: PortalClient, session: Session, path: str, form: dict[str, str]
) -> None:
    pieter = page_of(session, PIETER)
    admin.follow(admin.post(f"{pieter}/{path}", form))
    assert "Pieter Claes was asked to agree" in text(admin)
    assert "Nothing changes until Pieter Claes agrees." in text(admin)
    session.rollback()
    member = session.scalars(select(Member).where(Member.id == member_id(session, PIETER))).one()
    assert (member.role, member.status) == ("admin", "active")
    request = session.scalars(select(Consent).where(Consent.member_id == member.id)).one()
    assert request.asked_at == NOW
    admin.follow(admin.post(f"{pieter}/consent/withdraw", {"consent": request.id}))
    assert "The request to Pieter Claes is withdrawn." in text(admin)
    assert "withdrawn on 29 Oct 2026" in text(admin)
    admin.follow(admin.post(f"{pieter}/consent/withdraw", {"consent": request.id}))
    assert "does not wait any more" in text(admin)


def test_S7_the_last_admin_is_told_why_it_cannot_be(client: PortalClient, session: Session) -> None:
    speak(client, "katrin.mueller@mueller-soehne.example", "en")
    client.sign_in("katrin.mueller@mueller-soehne.example")
    own = page_of(
        session, "katrin.mueller@mueller-soehne.example", "Müller & Söhne Werkzeugbau GmbH"
    )
    client.get(f"{own}/deactivate")
    assert "is the last active admin and cannot go" in text(client)
    client.get(f"{own}/role")
    assert "is the last active admin" in text(client)
    for path, form in (("deactivate", {}), ("role", {"role": "member"})):
        client.follow(client.post(f"{own}/{path}", form))
        assert "This is the last active admin of the account." in text(client)


def test_another_accounts_people_are_absent(admin: PortalClient, session: Session) -> None:
    theirs = page_of(session, GIULIA, OFFICINE)
    for path in ("", "/role", "/deactivate", "/reactivate"):
        admin.get(theirs + path, 404)
    for path in ("role", "deactivate", "reactivate", "licences/give", "licences/free",
                 "invitation/resend", "invitation/withdraw", "consent/ask", "consent/withdraw"):  # fmt: skip
        admin.post(f"{theirs}/{path}", {"role": "member", "item": "1"}, status=404)
