"""Help in place: each page of a customer says in a few sentences how it works."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.guards.site import Owner, Route, addresses
from tests.support.client import PortalClient
from tests.support.html import check_page

MEMBER = "jonas.wittevrongel@atelier-noordzee.example"
TRANSFER = "camille.roussel@lumiere-conseil.example"

NOT_OF_AN_ACCOUNT = ("auth.", "consents.", "demo.", "demo_payment.", "languages.", "operation.", "root.", "static_files.")  # fmt: skip
"""Signing in, choosing an account or a language, the demo's own pages: nothing of a customer."""

DESK_AREAS = {"/desk", "/desk/requests", "/desk/accounts", "/desk/tasks", "/desk/statements", "/desk/support", "/desk/credit-grants", "/desk/operation"}  # fmt: skip


def is_of_a_customer(route: Route) -> bool:
    return not route.is_of_staff and not route.endpoint.startswith(NOT_OF_AN_ACCOUNT)


@pytest.mark.parametrize("who", ["admin", "member", "bank transfer"])
def test_every_page_of_a_customer_says_how_it_works(
    app: Flask, owners: tuple[Owner, Owner], rest: dict[str, Any], who: str
) -> None:
    emails = {"admin": owners[0].email, "member": MEMBER, "bank transfer": TRANSFER}
    client = PortalClient(app)
    client.sign_in(emails[who])
    without, pages = [], 0
    for route, path in addresses(app, owners[0].values, rest, "GET"):
        if not is_of_a_customer(route):
            continue
        answer = client.browser.get(path)
        if answer.status_code != 200 or answer.mimetype != "text/html":
            continue
        pages += 1
        page = check_page(answer.get_data(as_text=True), whole=True)
        found = page.all("details", class_="how")
        entries = [
            page.text(entry) for each in found for entry in each.iter() if entry.tag.endswith("}li")
        ]
        if len(found) != 1 or not 2 <= len([text for text in entries if text]) <= 9:
            without.append(f"{path}: {len(found)} with {len(entries)} entries")
    assert not without, "\n".join(without)
    assert pages >= {"admin": 45, "member": 4, "bank transfer": 10}[who]


def test_every_area_of_the_desk_says_how_it_works(operator: PortalClient) -> None:
    operator.get("/desk")
    assert operator.page is not None
    areas = [link for link in operator.page.links() if link in DESK_AREAS]
    assert set(areas) == DESK_AREAS, "tell this guard of the new area"
    for path in sorted(DESK_AREAS):
        operator.get(path)
        assert len(operator.page.all("details", class_="how")) == 1, path
