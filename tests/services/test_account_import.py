"""Bringing customers in: all or nothing, idempotent, every mistake with its place."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.demo import demo_catalogue_text
from portal.domain.account_file import AccountFileMistakes, AccountRow, read_account_file
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffRole
from portal.models import (
    Account,
    Assignment,
    BillingPeriod,
    Member,
    Person,
    Price,
    SeatEntry,
    StaffMember,
    Subscription,
    SubscriptionItem,
)
from portal.queries.subscriptions import list_subscription_rows
from portal.services.account_import import import_accounts
from portal.services.staff import create_staff_member

CATALOGUE = parse_catalogue(demo_catalogue_text())
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DOCS = Path(__file__).parents[2] / "docs" / "import.md"
_EXAMPLE = re.search(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
assert _EXAMPLE is not None
EXAMPLE = _EXAMPLE[1]
EXECUTIVES = ("jan@vendor.example",)


def read(text: str) -> tuple[AccountRow, ...]:
    return read_account_file(text, CATALOGUE, EXECUTIVES, NOW)


def mistakes(text: str) -> list[str]:
    with pytest.raises(AccountFileMistakes) as found:
        read(text)
    return [str(mistake) for mistake in found.value.mistakes]


@pytest.fixture
def vendor(session: Session) -> Session:
    create_staff_member(session, "Jan@Vendor.example", "Jan", role=StaffRole.ACCOUNT_EXECUTIVE,
                        now=NOW)  # fmt: skip
    return session


def test_an_address_is_the_same_person_however_the_file_writes_it() -> None:
    address = re.search(r'^email = "([^"]+)"\nrole = "admin"', EXAMPLE, re.MULTILINE)
    assert address is not None
    local = address[1].partition("@")[0]
    (row, *_more) = read(EXAMPLE.replace(address[1], f"{local.upper()}@xn--mller-kva.example"))
    assert f"{local}@müller.example" in {member.email for member in row.members}


def test_the_example_of_the_documentation_is_imported(vendor: Session) -> None:
    session = vendor
    steps = import_accounts(session, read(EXAMPLE), CATALOGUE, NOW)
    assert [(s.what, s.added) for s in steps] == [
        ("account", True), ("member", True), ("member", True), ("subscription", True),
        ("trial", True),
    ]  # fmt: skip
    account = session.scalars(select(Account).where(Account.external_ref == "atelier-zuid")).one()
    assert (account.vat_status, account.account_executive_id is not None) == ("valid", True)
    crm, sign = list_subscription_rows(session.connection(), account.id)
    assert crm.state.period is not None
    assert (crm.state.period.start, crm.state.period.end) == (date(2026, 10, 31), date(2027, 1, 31))
    plan, beyond = crm.state.items
    assert plan.unit_price is not None
    assert (plan.quantity, plan.assigned, plan.unit_price.minor) == (5, 2, 7000)
    assert beyond.unit_price is not None
    assert (beyond.quantity, beyond.assigned, beyond.unit_price.minor) == (2, 1, 2500)
    own = session.get_one(Price, plan.price_id)
    assert own.retired_at is not None, "a customer's own price is offered to nobody"
    assert (sign.state.status, sign.trial_ends_on) == ("trial", date(2026, 12, 24))
    assert sign.state.items[0].unit_price is None
    entries = session.scalars(
        select(SeatEntry)
        .join(SubscriptionItem, SubscriptionItem.id == SeatEntry.item_id)
        .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
        .where(Subscription.account_id == account.id)
    ).all()
    assert {(e.reason, e.change == e.quantity_after) for e in entries} == {("import", True)}


def test_importing_again_adds_nothing(vendor: Session) -> None:
    rows = read(EXAMPLE)
    import_accounts(vendor, rows, CATALOGUE, NOW)
    counts = [vendor.scalar(select(func.count()).select_from(table)) for table in
              (Account, Member, Person, Subscription, Assignment, Price, BillingPeriod)]  # fmt: skip
    assert not any(step.added for step in import_accounts(vendor, rows, CATALOGUE, NOW))
    assert counts == [vendor.scalar(select(func.count()).select_from(table)) for table in
                      (Account, Member, Person, Subscription, Assignment, Price, BillingPeriod)]  # fmt: skip


def test_only_what_is_missing_is_added_and_an_ended_subscription_stays_ended(
    vendor: Session,
) -> None:
    session = vendor
    import_accounts(session, read(EXAMPLE), CATALOGUE, NOW)
    account = session.scalars(select(Account).where(Account.external_ref == "atelier-zuid")).one()
    for row in session.scalars(select(Subscription).where(Subscription.account_id == account.id)):
        row.status, row.ended_on = "ended", NOW.date()
    session.flush()
    more = EXAMPLE.replace(
        "[[accounts.atelier-zuid.subscriptions]]\nproduct = \"crm\"",
        '[[accounts.atelier-zuid.members]]\nname = "Ann"\nemail = "ann@atelier-zuid.example"\n\n'
        '[[accounts.atelier-zuid.subscriptions]]\nproduct = "crm"',
    )  # fmt: skip
    steps = import_accounts(session, read(more), CATALOGUE, NOW)
    assert [(s.what, s.name) for s in steps if s.added] == [("member", "ann@atelier-zuid.example")]


def test_another_currency_is_refused(vendor: Session) -> None:
    import_accounts(vendor, read(EXAMPLE), CATALOGUE, NOW)
    with pytest.raises(DomainError, match="import_currency"):
        import_accounts(vendor, read(EXAMPLE.replace('"EUR"', '"CHF"')), CATALOGUE, NOW)


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        ('name = "Atelier Zuid BV"\nlocale', "locale", "accounts.atelier-zuid.name", "missing"),
        ('"Europe/Brussels"', '"Europe/Brusels"', ".time_zone", "time zone"),
        ('locale = "nl"', 'locale = "es"', ".locale", "must be"),
        ('"jan@vendor.example"', '"eva@vendor.example"', ".account_executive", "no account executive"),
        ('country = "BE"', 'country = "XX"', ".billing.country", "country"),
        ('"BE0940180319"', '"BE0940180318"', ".billing.vat_number", "VAT number"),
        ('"BE0940180319"', '"NL862140171B01"', ".billing.vat_number", "another country"),
        ('email = "lies@', 'email = "lies @', ".members.0.email", "e-mail"),
        ('role = "admin"', 'role = "member"', ".members", "admin"),
        ('role = "admin"', 'role = "boss"', ".members.0.role", "must be"),
        ('email = "bart@', 'email = "LIES@', ".members.1.email", "above"),
        ('product = "crm"', 'product = "crn"', ".subscriptions.0.product", "no such product"),
        ('product = "sign"', 'product = "crm"', ".subscriptions.1", ""),
        ('plan = "pro"', 'plan = "gold"', ".subscriptions.0.plan", "no such plan"),
        ('interval = "quarter"', 'interval = "week"', ".subscriptions.0.interval", "must be"),
        ("period_start = 2026-10-31", "period_start = 2026-07-31", ".period_start", "present"),
        ("period_start = 2026-10-31", 'period_start = "2026-10-31"', ".period_start", "date"),
        ("period_start = 2026-10-31", "period_start = 2026-10-30", ".anchor_day", "anchor"),
        ("seats = 5", "seats = 0", ".subscriptions.0.seats", "from 1"),
        ("seats = 5", "seats = 1", ".subscriptions.0.assigned", "More people"),
        ("seats = 5", 'seats = "5"', ".subscriptions.0.seats", "whole number"),
        ('price = "70.00"', "price = 70.00", ".subscriptions.0.price", "quotes"),
        ('assigned = ["bart@', 'assigned = ["bert@', ".add_ons.0.assigned.0", "Nobody"),
        ('package = "beyond"', 'package = "beyondd"', ".add_ons.0.add_on", "no such add-on"),
        ("trial_ends_on = 2026-12-24", "trial_ends_on = 2026-11-22", ".trial_ends_on", "over"),
        ("purchase_order =", "purchase_orders =", ".billing.purchase_orders", "means nothing"),
        ("[accounts.atelier-zuid]", "[accounts.Zuid]", "accounts.Zuid", "small letters"),
        ("seats = 5", "seats = ", "", "TOML"),
    ],
)  # fmt: skip
def test_every_mistake_is_named_with_its_place(old: str, new: str, where: str, words: str) -> None:
    text = EXAMPLE.replace(old, new, 1)
    assert text != EXAMPLE
    found = mistakes(text)
    assert any(where in line and words in line and line.startswith("line ") for line in found), (
        found
    )


def test_all_mistakes_are_found_at_once() -> None:
    text = (
        EXAMPLE.replace('"pro"', '"gold"')
        .replace('"BE"', '"XX"')
        .replace("seats = 5", "seats = -1")
    )
    lines = [int(line.split(":")[0].removeprefix("line ")) for line in mistakes(text)]
    assert len(lines) >= 3
    assert lines == sorted(lines)


def test_a_price_is_needed_where_the_catalogue_has_none() -> None:
    chf = EXAMPLE.replace('currency = "EUR"', 'currency = "NOK"').replace('price = "70.00"', "")
    assert any("no price for a quarter in NOK" in line for line in mistakes(chf))


def test_an_empty_file_is_a_mistake() -> None:
    assert mistakes("") == ["accounts: There is no account in this file."]


# --- staff -----------------------------------------------------------------------------------------


def test_an_operator_is_created_once(session: Session) -> None:
    row = create_staff_member(session, " New.Operator@vendor.example", "Nora  Op",
                              role=StaffRole.OPERATOR, now=NOW)  # fmt: skip
    person = session.get_one(Person, row.person_id)
    assert (person.email, person.name) == ("new.operator@vendor.example", "Nora Op")
    with pytest.raises(DomainError, match="staff_exists"):
        create_staff_member(session, "new.operator@vendor.example", "Nora", role=StaffRole.OPERATOR,
                            now=NOW)  # fmt: skip
    row.active = False
    session.flush()
    back = create_staff_member(session, "new.operator@vendor.example", "Nora",
                               role=StaffRole.ACCOUNT_EXECUTIVE, now=NOW)  # fmt: skip
    assert (back.id, back.active, back.role) == (row.id, True, "account_executive")
    assert session.scalar(
        select(func.count()).where(StaffMember.person_id == row.person_id)
    ) == 1  # fmt: skip


@pytest.mark.parametrize(
    ("email", "name", "code"),
    [("nobody", "Nora", "email_malformed"), ("a@b.example", "  ", "name_missing"),
     ("a@b.example", "x" * 201, "name_missing"), ("a@b.example", "a\0b", "name_missing")],
)  # fmt: skip
def test_a_wrong_address_or_name_is_refused(
    session: Session, email: str, name: str, code: str
) -> None:
    with pytest.raises(DomainError, match=code):
        create_staff_member(session, email, name, role=StaffRole.OPERATOR, now=NOW)
