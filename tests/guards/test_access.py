"""Who may open what: generated from the URL map (rule 7 of the road)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from portal.app import create_app
from portal.config import DEMO_CATALOG, Mode, Settings
from portal.domain.permissions import Permission, StaffPermission
from portal.parts import Parts
from tests.guards.site import (
    ABSENT,
    OPERATOR,
    OWNED,
    Owner,
    addresses,
    contents,
    routes,
    with_rest,
)
from tests.support.client import PortalClient

# Everybody may open these, signed in or not. Add a line only for what may be seen by the world.
PUBLIC = {
    "assets.asset_file": "style sheet, scripts, images",
    "assets.favicon": "for browsers that ask without reading the page",
    "auth.link": "the mailed link: the token is the proof",
    "auth.send_link": "asking for a link",
    "auth.sent": "look into your mailbox",
    "auth.sign_in": "the form",
    "auth.use_link": "the mailed link, pressed",
    "consents.answer": "the mailed link, answered",
    "consents.show": "the mailed link: the token is the proof",
    "languages.listing": "choose a language",
    "languages.switch": "choose a language",
    "operation.healthz": "the process answers",
    "operation.metrics": "has a token of its own",
    "operation.readyz": "the database answers",
    "root.home": "to where one belongs",
    "webhooks.demo": "the signature is the proof",
    "webhooks.stripe": "the signature is the proof",
}
PUBLIC_IN_THE_DEMO = {
    "demo.attachment", "demo.clock", "demo.mail", "demo.mail_html", "demo.mailbox", "demo.people",
    "demo.sign_in", "demo_payment.answer_challenge", "demo_payment.charge_page",
    "demo_payment.save_method", "demo_payment.setup_page",
}  # fmt: skip


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The app as customers get it."""
    folder: Path = tmp_path_factory.mktemp("production")
    return create_app(
        Settings(
            mode=Mode.PRODUCTION,
            database_url=f"sqlite:///{folder / 'portal.db'}",
            secret_key="a-production-like-secret-0123456789abcdef",
            catalog_file=DEMO_CATALOG,
            public_url="https://portal.example",
            instance=folder,
            entitlement_secret="another-production-like-secret-0123456789",
        )
    )


def test_every_route_declares_who_may_use_it(portal_app: Flask) -> None:
    known = {each.value for each in (*Permission, *StaffPermission)} | {"public", "signed_in"}
    for route in routes(portal_app, "GET", "POST"):
        assert route.access in known, route


def test_public_routes_are_written_down(portal_app: Flask, production: Flask) -> None:
    def public(app: Flask) -> set[str]:
        return {route.endpoint for route in routes(app, "GET", "POST") if route.access == "public"}

    assert public(production) == set(PUBLIC)
    assert public(portal_app) == set(PUBLIC) | PUBLIC_IN_THE_DEMO


def test_routes_change_something_by_POST_alone(portal_app: Flask) -> None:
    for rule in portal_app.url_map.iter_rules():
        extra = set(rule.methods or ()) - {"GET", "HEAD", "OPTIONS", "POST"}
        assert not extra, f"{rule.rule} answers {extra}: forms know GET and POST"


def test_production_has_no_demo(production: Flask) -> None:
    demo = [route.rule for route in routes(production, "GET", "POST")
            if route.rule.startswith("/demo") or route.endpoint.startswith("demo")]  # fmt: skip
    assert demo == []
    browser = production.test_client()
    assert browser.post("/webhooks/demo", data=b"{}").status_code == 404
    page = browser.get("/sign-in", base_url="https://portal.example").get_data(as_text=True)
    assert "demo" not in page.lower()


def _plain(answer: TestResponse, path: str) -> str:
    """The body without what must differ: its own address, its tokens."""
    text = answer.get_data(as_text=True)
    for own in (path, path.replace("/", "%2F")):
        text = text.replace(own, "(here)")
    text = re.sub(r'(name="csrf_token" value=|"X-CSRFToken": )"[^"]+"', r"\1", text)
    return re.sub(r"\b[0-9a-f]{16}\b", "(id)", text)


def _ask(client: PortalClient, method: str, path: str, data: Any = None) -> TestResponse:
    if method == "GET":
        return client.browser.get(path)
    fields = {"csrf_token": client.csrf_token(), **(data or {})}
    return client.browser.post(path, data=fields)


def test_another_customers_ids_answer_as_absent_ones(
    app: Flask, admin: PortalClient, owners: tuple[Owner, Owner], rest: dict[str, Any]
) -> None:
    _own, foreign = owners
    admin.csrf_token()
    before = contents(app)
    seen = 0
    for route in routes(app, "GET", "POST"):
        if not route.is_owned or route.is_of_staff:
            continue
        seen += 1
        told = {}
        for whose, values in (("foreign", foreign.values), ("absent", ABSENT)):
            path = with_rest(route, values, rest)
            answer = _ask(admin, route.method, path, {"action": "save", "replaces": "1"})
            assert answer.status_code == 404, f"{whose}: {route.method} {path}"
            told[whose] = (_plain(answer, path), sorted(answer.headers.keys()))
        assert told["foreign"] == told["absent"], route
    assert seen > 15
    assert contents(app) == before


def test_a_customer_that_an_account_executive_does_not_serve_answers_as_an_absent_one(
    app: Flask, executive: PortalClient, owners: tuple[Owner, Owner], rest: dict[str, Any]
) -> None:
    own, foreign = owners
    executive.csrf_token()
    before = contents(app)
    seen = 0
    for route in routes(app, "GET", "POST"):
        if not route.is_owned or route.access != StaffPermission.SERVE.value:
            continue
        seen += 1
        # What is another customer's is absent under the address of one's own, too.
        mixed = foreign.values | {"account_id": own.values["account_id"]}
        named = {"foreign": foreign.values, "absent": ABSENT}
        if route.arguments & OWNED > {"account_id"}:
            named["mixed"] = mixed
        told = {}
        for whose, values in named.items():
            path = with_rest(route, values, rest)
            answer = _ask(executive, route.method, path)
            assert answer.status_code == 404, f"{whose}: {route.method} {path}"
            told[whose] = (_plain(answer, path), sorted(answer.headers.keys()))
        assert len({str(each) for each in told.values()}) == 1, route
    assert seen > 15
    assert contents(app) == before


def test_the_desk_is_for_staff_and_its_rights_are_kept_apart(
    app: Flask, admin: PortalClient, executive: PortalClient, owners: tuple[Owner, Owner],
    rest: dict[str, Any],
) -> None:  # fmt: skip
    """A customer's admin opens nothing of it; an account executive nothing of the operators'."""
    admin.csrf_token()
    executive.csrf_token()
    before = contents(app)
    seen = set()
    for route, path in addresses(app, owners[0].values, rest, "GET", "POST"):
        if route.is_of_staff:
            seen.add(route.access)
            assert _ask(admin, route.method, path).status_code == 403, f"{route.method} {path}"
            if route.access != StaffPermission.SERVE.value:
                status = _ask(executive, route.method, path).status_code
                assert status == 403, f"{route.method} {path}"
        else:
            assert not path.startswith("/desk"), f"{path} is not declared to be the staff's"
    assert {StaffPermission.SERVE.value, StaffPermission.OPERATE.value} <= seen
    assert contents(app) == before


def test_ones_own_ids_are_found(
    app: Flask, admin: PortalClient, operator: PortalClient, owners: tuple[Owner, Owner],
    rest: dict[str, Any],
) -> None:  # fmt: skip
    """The guards above would hold nothing if these were not found either."""
    own, _foreign = owners
    for route in routes(app, "GET"):
        if route.is_owned:
            path = with_rest(route, own.values, rest)
            client = operator if route.is_of_staff else admin
            status = client.browser.get(path).status_code
            assert status in {200, 303}, f"{path}: {status}"
    for route in routes(app, "POST"):
        if route.is_owned:
            client = PortalClient(app)  # two of them end the session that they are sent in
            client.sign_in(OPERATOR if route.is_of_staff else own.email)
            path = with_rest(route, own.values, rest)
            status = _ask(client, "POST", path).status_code
            assert status in {303, 422}, f"{path}: {status}"


def test_numbers_without_end_and_NULs_are_not_found(
    app: Flask, admin: PortalClient, operator: PortalClient, rest: dict[str, Any]
) -> None:
    for bad in ("0", "9" * 18, "9" * 40, "1%00", "%00", "1e3", "-1", "%F0%28%8C%28", "٣"):
        for route in routes(app, "GET"):
            if route.is_owned:
                path = with_rest(route, dict.fromkeys(ABSENT, bad), rest)
                client = operator if route.is_of_staff else admin
                status = client.browser.get(path).status_code
                assert status == 404, f"{path}: {status}"


def test_every_POST_wants_the_csrf_token(
    app: Flask, admin: PortalClient, owners: tuple[Owner, Owner], rest: dict[str, Any]
) -> None:
    admin.csrf_token()
    before = contents(app)
    for route, path in addresses(app, owners[0].values, rest, "POST"):
        if route.endpoint.startswith("webhooks."):
            continue  # signed instead
        for sent in ({}, {"csrf_token": "made-up"}):
            answer = admin.browser.post(path, data=sent)
            assert answer.status_code == 403, f"{path} {sent}: {answer.status_code}"
        stolen = PortalClient(app).csrf_token()
        assert admin.browser.post(path, data={"csrf_token": stolen}).status_code == 403, path
    assert contents(app) == before


def test_webhooks_want_a_signature(app: Flask, parts: Parts) -> None:
    """That of the provider in use; there is no address for any other."""
    before = contents(app)
    for route in routes(app, "POST"):
        if route.endpoint.startswith("webhooks."):
            ours = route.endpoint == f"webhooks.{parts.gateway.name}"
            answer = app.test_client().post(route.rule, data=b'{"id": "evt_1"}')
            assert answer.status_code == (400 if ours else 404), route.rule
    assert contents(app) == before


def test_signed_out_nothing_but_the_public_answers(
    app: Flask, owners: tuple[Owner, Owner], rest: dict[str, Any]
) -> None:
    client = PortalClient(app)
    client.csrf_token()
    for route, path in addresses(app, owners[0].values, rest, "GET", "POST"):
        if route.access == "public":
            continue
        answer = _ask(client, route.method, path)
        assert answer.status_code == 303, f"{route.method} {path}: {answer.status_code}"
        assert answer.headers["Location"].startswith("/sign-in"), path


def test_a_member_opens_licences_and_wallet_and_is_told_whom_to_ask_elsewhere(
    app: Flask, owners: tuple[Owner, Owner], rest: dict[str, Any]
) -> None:
    client = PortalClient(app)
    client.sign_in("jonas.wittevrongel@atelier-noordzee.example")
    client.csrf_token()
    for route, path in addresses(app, owners[0].values, rest, "GET", "POST"):
        if route.access in {"public", "signed_in"}:
            continue
        answer = _ask(client, route.method, path)
        if route.access in {Permission.SEE_LICENCES.value, Permission.SEE_WALLET.value}:
            assert answer.status_code == 200, path
        else:
            assert answer.status_code == 403, f"{route.method} {path}: {answer.status_code}"
            assert "lotte.verbeke@atelier-noordzee.example" in answer.get_data(as_text=True), path
