"""Steps at the desk for tests: a draft, a quote of it, an invoice without one, its money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.offers import Discount, Offered
from portal.domain.quotes import PricedQuote, terms_key
from portal.domain.wishes import Seats
from portal.models import Invoice, Person, Quote
from portal.parts import Parts
from portal.queries.invoiced_ahead import list_invoiced_ahead
from portal.queries.quote_drafts import list_draft
from portal.queries.quotes import get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor
from portal.services.quote_drafts import add_to_draft, discount_draft
from portal.services.quoting import preview_quote
from portal.services.staff_quoting import prepare_quote
from portal.services.transfer_booking import (
    Transfer,
    book_deposit,
    book_transfer,
    preview_transfer,
)
from portal.services.transfer_orders import accept_quote
from tests.support.buying import CAMILLE, LUMIERE, account_named, actor_of, plan_item

__all__ = ["HUGO", "accepted", "draft", "executive", "more_seats", "offered", "pay_transfer",
           "priced"]  # fmt: skip

HUGO = "hugo.peeters@kanto.example"  # the account executive of the bank-transfer customer


def executive(session: Session) -> Actor:
    """The account executive as the one who acts."""
    person = session.scalars(select(Person).where(Person.email == HUGO)).one()
    return Actor("staff", person.name, person.id)


def more_seats(session: Session, added: int = 3, account: str = LUMIERE) -> Seats:
    """So many licences more for the CRM."""
    item = plan_item(session, account)
    return Seats(item.id, item.quantity + added)


def draft(lines: Sequence[Offered], account: str = LUMIERE) -> None:
    """Put the lines into the account executive's draft."""
    with transaction() as session:
        account_id, person_id = account_named(session, account).id, executive(session).person_id
        assert person_id is not None
        for line in lines:
            add_to_draft(session, account_id, person_id, line.wish, clock.now())
        wanted = {x.wish: x.discount for x in lines}
        kept = list_draft(session.connection(), account_id, person_id)
        discount_draft(
            session, account_id, person_id, {x.id: wanted[x.offered.wish] for x in kept},
            clock.now(),
        )  # fmt: skip


def offered(
    parts: Parts,
    lines: Sequence[Offered] = (),
    *,
    account: str = LUMIERE,
    added: int = 3,
    discount: Discount = Discount(),  # noqa: B008 - frozen
    valid_until: date = date(2026, 11, 20),
    replaces: Sequence[int] = (),
    request_id: int | None = None,
) -> int:
    """The account executive sent a quote; its id. Without `lines`: `added` licences for the CRM."""
    if not lines:
        with transaction() as session:
            lines = [Offered(more_seats(session, added, account), discount)]
    draft(lines, account)
    with transaction() as session:
        quote = prepare_quote(
            session, account_named(session, account).id, valid_until=valid_until,
            message="As discussed.", replaces=list(replaces), catalogue=parts.catalogue,
            actor=executive(session), now=clock.now(), request_id=request_id,
        )  # fmt: skip
        return int(quote.id)


def priced(session: Session, parts: Parts, quote_id: int) -> PricedQuote:
    """The quote as its page shows it today."""
    connection, quote = session.connection(), session.get_one(Quote, quote_id)
    row = get_quote(connection, quote.account_id, quote_id)
    assert row is not None
    buying = get_account_buying(connection, quote.account_id)
    today = clock.today(buying.time_zone)
    states = list_subscription_states(connection, quote.account_id, today)
    ahead = list_invoiced_ahead(connection, quote.account_id)
    return preview_quote(row.lines, states, buying, parts.catalogue, today, ahead)


def accepted(
    parts: Parts, quote_id: int, *, email: str = CAMILLE, shown: str | None = None,
    purchase_order: str = "PO-1",
) -> int:  # fmt: skip
    """The customer said yes to what is shown; the order's id."""
    with transaction() as session:
        quote = session.get_one(Quote, quote_id)
        key = shown if shown is not None else terms_key(priced(session, parts, quote_id))
        order = accept_quote(
            session, quote.account_id, quote_id, shown=key, purchase_order=purchase_order,
            catalogue=parts.catalogue, actor=actor_of(session, email), now=clock.now(),
        )  # fmt: skip
        return int(order.id)


def pay_transfer(parts: Parts, order_id: int, amount_minor: int | None = None) -> bool:
    """A transfer for the order's invoice was booked; whether that granted the order.

    What comes for an invoice that asks for nothing any more is booked on the balance.
    """
    now = clock.now()
    with transaction() as session:
        invoice = session.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
        minor = invoice.gross_minor if amount_minor is None else amount_minor
        transfer = Transfer(Money(minor, invoice.currency), now.date())
        actor, account_id = executive(session), invoice.account_id
        try:
            plan = preview_transfer(
                session, account_id, invoice.number, transfer, today=now.date()
            )  # fmt: skip
        except DomainError:
            book_deposit(session, account_id, transfer, catalogue=parts.catalogue, actor=actor,
                         now=now)  # fmt: skip
            return False
        return book_transfer(
            session, account_id, invoice.number, transfer, shown=plan.key,
            catalogue=parts.catalogue, actor=actor, now=now,
        ).granted  # fmt: skip
