"""Every page: strict HTML5, one h1, a title, its language, no double ids, labelled fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from portal.config import LOCALES
from portal.db import transaction
from portal.models import Person
from tests.guards.site import Owner, addresses, routes, with_rest
from tests.support.client import PortalClient
from tests.support.html import Page, check_page

MEMBER = "jonas.wittevrongel@atelier-noordzee.example"
STAFF = "hugo.peeters@kanto.example"
TRANSFER = "camille.roussel@lumiere-conseil.example"

# What is wrong with each form that can be sent; its answer is the form again, with status 422.
MISTAKES: dict[str, dict[str, str]] = {
    "auth.send_link": {"email": "nobody"},
    "billing.details": {"country": "XX", "billing_email": "x", "action": "save"},
    "billing.period": {"to": "decade"},
    "cancellation.cancel": {"reason": "because"},
    "checkout.payment": {"contact": "new", "country": "XX", "billing_email": "x", "action": "save"},
    "licences.add": {"action": "save"},
    "seat_removal.remove": {"action": "review", "remove": "x"},
    "changes.people": {"free": "987654321"},
    "members.invite": {"email": "nobody", "role": "member"},
    "members.upload": {},
    "demo.clock": {"days": "0"},
    "demo_payment.save_method": {"kind": "card", "number": "1"},
    "support.reply": {"text": ""},
    "support.send": {"about": "", "text": ""},
    "quotes.decline": {"reason": "\0"},
}
_NO_LABEL = {"hidden", "submit", "button", "image"}
_XHTML = "{http://www.w3.org/1999/xhtml}"


def unlabelled(page: Page) -> list[str]:
    """Fields that no label names, and buttons and links without words."""
    labels = {label.get("for") for label in page.all("label")}
    inside = {id(field) for label in page.all("label") for field in label.iter()}
    wrong = []
    for tag in ("input", "select", "textarea"):
        for field in page.all(tag):
            named = field.get("id") in labels or id(field) in inside or field.get("aria-label")
            if not named and field.get("type", "text") not in _NO_LABEL:
                wrong.append(f"{tag} {field.get('name')} has no label")
    for tag in ("button", "a", "summary"):
        for element in page.all(tag):
            words = page.text(element) or element.get("aria-label")
            if not words and element.get("hidden") is None:
                wrong.append(f"{tag} {element.attrib} has no words")
    return wrong


def linked_errors(page: Page) -> list[str]:
    """Links of the error summary, and descriptions of fields, that lead nowhere."""
    ids = {element.get("id") for element in page.root.iter()}
    wrong = [
        f"{reference} is not on the page"
        for element in page.root.iter()
        for attribute in ("aria-describedby", "aria-labelledby", "aria-controls", "for", "form")
        for reference in (element.get(attribute) or "").split()
        if reference not in ids
    ]
    for link in page.links():
        if link.startswith("#") and link[1:] not in ids:
            wrong.append(f"{link} leads nowhere")
    return wrong


def hold(source: str, where: str, locale: str) -> Page:
    """All that every page has to be."""
    page = check_page(source, whole=True)
    html = next(iter(page.root.iter(f"{_XHTML}html")))
    assert html.get("lang") == locale, f"{where} speaks {html.get('lang')}"
    assert len(page.all("main")) == 1, where
    assert not unlabelled(page), f"{where}: {unlabelled(page)}"
    assert not linked_errors(page), f"{where}: {linked_errors(page)}"
    return page


def _speak(app: Flask, client: PortalClient, locale: str, email: str | None) -> None:
    if email is not None:
        with app.app_context(), transaction() as session:
            session.execute(update(Person).where(Person.email == email).values(locale=locale))
        client.sign_in(email)
    else:
        with client.browser.session_transaction() as cookie:
            cookie["locale"] = locale


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("who", ["admin", "member", "staff", "bank transfer", "signed out"])
def test_every_page_is_well_formed(
    app: Flask, owners: tuple[Owner, Owner], rest: dict[str, Any], who: str, locale: str
) -> None:
    emails = {"admin": owners[0].email, "member": MEMBER, "staff": STAFF, "bank transfer": TRANSFER}
    client = PortalClient(app)
    _speak(app, client, locale, emails.get(who))
    pages = 0
    for route, path in addresses(app, owners[0].values, rest, "GET"):
        if route.endpoint.startswith("operation."):
            continue  # for machines
        answer = client.browser.get(path)
        assert answer.status_code < 500, path
        if path.endswith("/html"):
            continue  # a mail, not a page
        if answer.mimetype == "text/html" and answer.status_code not in {303, 308}:
            pages += 1
            hold(answer.get_data(as_text=True), path, locale)
    assert pages >= 10


def _nonsense(page: Page) -> Iterator[dict[str, str]]:
    """Everything on the page answered with nonsense; then only what is chosen, or only what is not."""
    texts, choices = set(), set()
    for tag in ("input", "select", "textarea"):
        for field in page.all(tag):
            chosen = tag == "select" or field.get("type") in {"radio", "checkbox"}
            (choices if chosen else texts).add(field.get("name") or "")
    texts -= {"csrf_token", ""}
    for typed in ("x", "", "9" * 20):
        if texts or choices:
            yield dict.fromkeys(texts | choices, typed)
        for some in (texts, choices) if texts and choices else ():
            yield dict.fromkeys(some, typed)


@pytest.mark.parametrize("who", ["admin", "staff", "bank transfer"])
def test_every_page_takes_back_whatever_was_typed_before_the_language_was_switched(
    app: Flask, owners: tuple[Owner, Owner], rest: dict[str, Any], who: str
) -> None:
    """It comes on a GET, before anything has checked it."""
    emails = {"admin": owners[0].email, "staff": STAFF, "bank transfer": TRANSFER}
    client = PortalClient(app)
    client.sign_in(emails[who])
    token, forms = client.csrf_token(), 0
    for route, path in addresses(app, owners[0].values, rest, "GET"):
        answer = client.browser.get(path)
        if answer.mimetype != "text/html" or answer.status_code != 200 or path.endswith("/html"):
            continue
        page = check_page(answer.get_data(as_text=True), whole=True)
        for fields in _nonsense(page):
            forms += 1
            switched = client.browser.post(f"/languages/nl?next={path}", data={
                **fields, "csrf_token": token})  # fmt: skip
            assert switched.status_code == 303, path
            assert client.browser.get(path).status_code == 200, f"{route.endpoint}: {fields}"
    assert forms >= 10


@pytest.mark.parametrize("locale", ["en", "de"])
def test_forms_with_mistakes_come_back_well_formed(
    app: Flask, admin: PortalClient, owners: tuple[Owner, Owner], rest: dict[str, Any], locale: str
) -> None:
    open_quote = _open_quote(app, admin)
    _speak(app, admin, locale, owners[0].email)
    told = set()
    for route in routes(app, "POST"):
        if route.endpoint not in MISTAKES:
            continue
        values = owners[0].values | {"quote_id": open_quote}
        client = admin
        if route.endpoint == "auth.send_link":
            client = PortalClient(app)
            _speak(app, client, locale, None)
        client.get("/languages")
        path = with_rest(route, values, rest)
        fields = {"csrf_token": client.csrf_token(), **MISTAKES[route.endpoint]}
        if route.endpoint == "licences.add":
            client.get(path)
            assert client.page is not None
            fields |= {name: "x" for name in client.page.fields("seats") if "item_" in name}
        answer = client.browser.post(path, data=fields)
        assert answer.status_code == 422, f"{path}: {answer.status_code}"
        page = hold(answer.get_data(as_text=True), path, locale)
        assert page.all("div", class_="summary"), f"{path}: no error summary"
        assert page.all("div", class_="summary")[0].get("role") == "alert"
        told.add(route.endpoint)
    assert told == set(MISTAKES)


def _open_quote(app: Flask, admin: PortalClient) -> int:
    """An open quote of the admin's account, once the order that waits for the bank is given up."""
    admin.get("/licences")
    assert admin.page is not None
    waiting = next(link for link in admin.page.links() if link.startswith("/orders/"))
    admin.post(f"{waiting}/abandon", {})
    admin.get("/licences")
    add = next(link for link in admin.page.links() if link.endswith("/add"))
    admin.get(add)
    fields = admin.page.fields("seats")
    first = next(name for name in fields if name.startswith("item_"))
    fields[first] = str(int(fields[first]) + 1)
    answer = admin.post(add, {**fields, "action": "save"})
    return int(answer.headers["Location"].rpartition("/")[2])
