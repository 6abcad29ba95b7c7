"""The next invoice: what the page shows is what the renewal issues, to the cent (C2, I1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import (
    plan_add_on_removal,
    plan_cancellation,
    plan_period_change,
    plan_reduction,
)
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.formats import format_day, format_money
from portal.jobs.renewals import run_renewals
from portal.models import Account, Invoice, InvoiceLine, Subscription
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.services.scheduling import Opened, open_subscription, schedule_change
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    ATELIER,
    CAMILLE,
    GIULIA,
    KATRIN,
    LOTTE,
    LUMIERE,
    MUELLER,
    OFFICINE,
    account_named,
    actor_of,
    plan_item,
    row_counts,
    speak,
)
from tests.support.client import PortalClient

URL = "/billing/next-invoice"
Plan = Callable[[Session, Opened, int], object]


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def opened(client: PortalClient, email: str) -> str:
    speak(client, email, "en")
    client.sign_in(email)
    client.get(URL)
    return text(client)


def fewer(remove: int) -> Plan:
    return lambda _s, at, days: plan_reduction(
        at.state, at.state.plan_item.item_id, remove, at.today, days
    )


def period(interval: Interval) -> Plan:
    return lambda s, at, days: plan_period_change(
        at.state, interval, get_price_book(s.connection(), at.account.currency), at.today, days
    )


def no_add_on(_s: Session, at: Opened, days: int) -> object:
    add_on = next(item for item in at.state.items if item.kind == "add_on")
    return plan_add_on_removal(at.state, add_on.item_id, at.today, days)


def cancelled(_s: Session, at: Opened, days: int) -> object:
    return plan_cancellation(at.state, "", at.today, days)


def ask(parts: Parts, account: str, email: str, product: str, *plans: Plan) -> None:
    """Let changes wait, as the pages ask for them."""
    for plan in plans:
        with transaction() as session:
            subscription_id = plan_item(session, account, product).subscription_id
            at = open_subscription(session, account_named(session, account).id, subscription_id,
                                   catalogue=parts.catalogue, now=clock.now())  # fmt: skip
            planned = plan(session, at, parts.catalogue.policy.change_notice_days)
            schedule_change(session, at, planned, actor=actor_of(session, email),  # type: ignore[arg-type]
                            now=clock.now())  # fmt: skip


@pytest.mark.parametrize(
    ("account", "email", "product", "plans", "renews_in"),
    [
        (ATELIER, LOTTE, "crm", (), 32),
        (ATELIER, LOTTE, "crm", (fewer(3),), 32),
        (ATELIER, LOTTE, "crm", (fewer(2), period(Interval.YEAR), no_add_on), 32),
        (MUELLER, KATRIN, "crm", (fewer(1),), 9),  # too late for it: not in it
        (OFFICINE, GIULIA, "desk", (fewer(4), period(Interval.YEAR)), 20),
        (OFFICINE, GIULIA, "desk", (cancelled,), 20),
        (LUMIERE, CAMILLE, "crm", (fewer(1), fewer(1)), 96),
    ],
)
def test_I1_the_page_shows_the_invoices_that_the_renewal_issues(
    app: Flask, parts: Parts, client: PortalClient, books: Session, account: str, email: str,
    product: str, plans: tuple[Plan, ...], renews_in: int,
) -> None:  # fmt: skip
    with app.app_context():
        ask(parts, account, email, product, *plans)
    before = row_counts(books)
    shown = opened(client, email)
    after = row_counts(books)
    assert {k: v for k, v in after.items() if k != "sign_in_session"} == {
        k: v for k, v in before.items() if k != "sign_in_session"
    }
    account_id = account_named(books, account).id
    known = set(books.scalars(select(Invoice.id).where(Invoice.account_id == account_id)))
    on = (NOW + timedelta(days=renews_in)).date()
    now = datetime.combine(on, time(12), tzinfo=UTC)
    clock.fix(now)
    with app.app_context():
        run_renewals(parts, {}, now)
    books.expire_all()
    issued = [
        invoice
        for invoice in books.scalars(
            select(Invoice).where(Invoice.account_id == account_id, Invoice.kind == "renewal")
        )
        if invoice.id not in known
        and {line.period_starts_on for line in lines_of(books, invoice)} == {on}
    ]
    assert issued
    for invoice in issued:
        for minor in (invoice.net_minor, invoice.tax_minor, invoice.gross_minor):
            assert money(minor, invoice.currency) in shown
        for line in lines_of(books, invoice):
            unit, net = (money(x, invoice.currency) for x in (line.unit_minor, line.net_minor))
            formula = f"{line.quantity}×{unit}" if line.kind == "seats" else "foreveryone"
            assert f"{formula}{net}" in shown.replace(" ", "")
    total = sum(invoice.gross_minor for invoice in issued)
    assert f"{format_day(on, 'en')}{money(total, 'EUR')}" in shown


def lines_of(books: Session, invoice: Invoice) -> list[InvoiceLine]:
    query = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)
    return list(books.scalars(query.order_by(InvoiceLine.position)))


def money(minor: int, currency: str) -> str:
    return format_money(Money(minor, currency), "en")


def test_it_says_to_whom_how_and_with_which_vat(client: PortalClient) -> None:
    words = opened(client, LOTTE)
    for expected in ("Addressed to Atelier Noordzee BV", "Collected on 30 November 2026",
                     "VAT of 21% is added (Belgium).", "Sent to "):  # fmt: skip
        assert expected in words


def test_C2_what_changes_is_listed_and_undone_here(
    app: Flask, parts: Parts, client: PortalClient
) -> None:
    with app.app_context():
        ask(parts, ATELIER, LOTTE, "crm", fewer(2), period(Interval.YEAR))
    words = opened(client, LOTTE)
    assert "What changes compared with now" in words
    assert "From 30 November 2026: 10 licences" in words
    assert "From 30 November 2026: billed yearly" in words
    assert client.page is not None
    undo = [form.get("action") for form in client.page.all("form", method="post")]
    mine = [action for action in undo if action and action.startswith("/changes/")]
    assert len(mine) == 2
    for action in mine:
        client.post(action, {"next": URL})
    client.get(URL)
    assert "What changes compared with now" not in text(client)
    assert "€1,343.10" in text(client)


def test_what_waits_for_a_later_renewal_stands_apart(
    app: Flask, parts: Parts, client: PortalClient
) -> None:
    with app.app_context():
        ask(parts, MUELLER, KATRIN, "crm", fewer(2))
    words = opened(client, KATRIN)
    assert "Waits for a later renewal" in words
    assert "From 7 December 2026: 10 licences" in words
    assert "12 × €27.00" in words


def test_C3_what_ends_that_day_is_named(app: Flask, parts: Parts, client: PortalClient) -> None:
    with app.app_context():
        ask(parts, OFFICINE, GIULIA, "desk", cancelled)
    words = opened(client, GIULIA)
    assert "Kanto Desk ends and is not billed any more." in words
    assert "18 × " not in words
    with app.app_context():
        ask(parts, ATELIER, LOTTE, "crm", cancelled)
    assert "No invoice is coming" in opened(client, LOTTE)


def test_a_trial_has_no_next_invoice(client: PortalClient) -> None:
    assert "No invoice is coming" in opened(client, AMELIA)


def test_I3_a_renewal_that_was_invoiced_ahead_is_not_announced_again(
    app: Flask, parts: Parts, client: PortalClient, books: Session
) -> None:
    words = opened(client, CAMILLE)
    assert "Issued on 18 January 2027, to be transferred by 17 February 2027." in words
    now = NOW + timedelta(days=82)  # within the notice window
    clock.fix(now)
    with app.app_context():
        run_renewals(parts, {}, now)
    words = opened(client, CAMILLE)
    numbers = books.scalars(
        select(Invoice.number)
        .where(Invoice.account_id == account_named(books, LUMIERE).id)
        .order_by(Invoice.id.desc())
        .limit(2)
    ).all()
    for number in numbers:
        assert f"Invoice {number} for the renewal on 2 February 2027 was issued" in words
    assert "2 February 2028" in words


def test_the_helpers_refuse_what_the_pages_refuse(app: Flask, parts: Parts) -> None:
    with app.app_context(), pytest.raises(DomainError, match="interval_unchanged"):
        ask(parts, ATELIER, LOTTE, "crm", period(Interval.QUARTER))


def test_every_subscription_is_named(client: PortalClient, books: Session) -> None:
    words = opened(client, GIULIA)
    account = books.scalars(select(Account).where(Account.name == OFFICINE)).one()
    assert len(books.scalars(
        select(Subscription).where(Subscription.account_id == account.id)
    ).all()) == 5  # fmt: skip
    assert "2 invoices" in words
    assert "Each subscription has an invoice of its own." in words
    for product in ("Kanto Desk", "Kanto Sign"):
        assert product in words
