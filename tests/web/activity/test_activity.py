"""The activity page: every action in words, values before and after, the account's own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from sqlalchemy import select

from portal.clock import clock
from portal.config import ROOT
from portal.db import transaction
from portal.models import Account, AuditEvent, Member
from portal.services.audit import SYSTEM, Actor, record
from portal.web.activity.routes import unbroken_numbers
from portal.web.activity.sentences import GROUPS, SENTENCES
from tests.support.client import PortalClient
from tests.web.invoices.test_invoices import LOTTE, MEMBER, counting


def recorded_codes() -> dict[str, str]:
    """Every action code that stands as a literal in a call of `record`, and where."""
    found: dict[str, str] = {}
    for folder in ("services", "demo", "web", "jobs", "api"):
        for file in sorted(Path(ROOT, "portal", folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and _name(node.func) == "record"):
                    continue
                for argument in node.args[1:2]:
                    for part in ast.walk(argument):
                        if isinstance(part, ast.Constant) and isinstance(part.value, str):
                            found[part.value] = file.name
    return found


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def test_every_recorded_action_has_a_sentence() -> None:
    codes = recorded_codes()
    assert "seats_added" in codes
    missing = {code: where for code, where in codes.items() if code not in SENTENCES}
    assert not missing


def test_every_sentence_belongs_to_a_group_and_fills_in() -> None:
    values = {"actor": "A", "subject": "S", "item": "I", "member": "M"}
    for group, sentence in SENTENCES.values():
        assert group in GROUPS
        assert "%(" not in str(sentence) % values


def test_numbers_of_documents_are_not_broken_at_the_end_of_a_line() -> None:
    said = unbroken_numbers("<b>A-B</b> & Anna-Lena paid order O-2026-00006, KAN-CN-2026-00001.")
    assert str(said) == (
        "&lt;b&gt;A-B&lt;/b&gt; &amp; Anna-Lena paid order "
        '<span class="nowrap">O-2026-00006</span>, <span class="nowrap">KAN-CN-2026-00001</span>.'
    )


def account_id(client: PortalClient, name: str) -> int:
    with client.app.app_context(), transaction() as session:
        return session.scalars(select(Account.id).where(Account.name == name)).one()


def write(client: PortalClient, action: str, account: int, **more: object) -> None:
    with client.app.app_context(), transaction() as session:
        record(session, action, actor=more.pop("actor", Actor("person", "Lotte Verbeke")),  # type: ignore[arg-type]
               now=clock.now(), account_id=account, **more)  # type: ignore[arg-type]  # fmt: skip


def test_old_and_new_values_are_shown_in_the_fields_own_words(client: PortalClient) -> None:
    own = account_id(client, "Atelier Noordzee BV")
    with client.app.app_context(), transaction() as session:
        member_id = session.scalars(
            select(Member.id).where(Member.account_id == own).order_by(Member.id)
        ).first()
    write(client, "billing_details_changed", own, old={"city": "Gent", "vat_number": None},
          new={"city": "Oostende <b>", "vat_number": "BE0123456749"})  # fmt: skip
    write(client, "order_paid", own, actor=SYSTEM, subject="O-9",
          new={"gross_minor": 9574, "currency": "EUR", "invoice": "KAN-2026-00012"})  # fmt: skip
    write(client, "member_changed", own, old={"member_id": member_id, "role": "member"},
          new={"member_id": member_id, "role": "admin"})  # fmt: skip
    client.sign_in(LOTTE)
    client.get("/activity")
    assert client.page is not None
    text = client.page.text()
    assert "Lotte Verbeke changed the billing details." in text
    assert "Town or city: Gent → Oostende <b>" in text
    assert "VAT number: nothing → BE0123456749" in text
    assert "Order O-9 was paid." in text
    assert "€95.74" in text
    assert "Role: Member → Admin" in text


def test_plans_are_called_by_their_names(client: PortalClient) -> None:
    own = account_id(client, "Atelier Noordzee BV")
    write(client, "plan_changed", own, subject="crm", old={"plan": "enterprise"},
          new={"plan": "pro"})  # fmt: skip
    client.sign_in(LOTTE)
    client.get("/activity")
    assert client.page is not None
    assert "Enterprise → Pro" in client.page.text()


def test_another_accounts_events_are_not_shown(client: PortalClient) -> None:
    write(
        client, "order_placed", account_id(client, "Officine Valdarno S.p.A."), subject="O-FOREIGN"
    )
    client.sign_in(LOTTE)
    client.get("/activity")
    assert client.page is not None
    assert "O-FOREIGN" not in client.page.text()


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_each_group_shows_its_own_actions(group: str, client: PortalClient) -> None:
    own = account_id(client, "Atelier Noordzee BV")
    write(client, "quote_created", own, subject="Q-MINE")
    client.sign_in(LOTTE)
    client.get(f"/activity?about={group}")
    assert client.page is not None
    assert ("Q-MINE" in client.page.text()) == (group == "buying")


@pytest.mark.parametrize("path", ["/activity?about=nothing", "/activity?page=0", "/activity?page=x",
                                  "/activity?page=500", "/activity?page=99999999999"])  # fmt: skip
def test_an_address_that_makes_no_sense_is_not_found(path: str, client: PortalClient) -> None:
    client.sign_in(LOTTE)
    client.get(path, 404)


def test_a_member_does_not_see_it(client: PortalClient) -> None:
    client.sign_in(MEMBER)
    client.get("/activity", 403)


def test_the_statements_are_few_and_do_not_grow(client: PortalClient) -> None:
    own = account_id(client, "Atelier Noordzee BV")
    client.sign_in(LOTTE)
    with counting(client) as few:
        client.get("/activity")
    with client.app.app_context(), transaction() as session:
        for number in range(200):
            session.add(AuditEvent(account_id=own, at=clock.now(), actor_kind="system",
                                   actor_name="", action="seats_added", subject=str(number),
                                   old={"item_id": number, "seats": 1},
                                   new={"item_id": number, "seats": 2}))  # fmt: skip
    with counting(client) as many:
        client.get("/activity")
    assert len(few) == len(many) <= 6
