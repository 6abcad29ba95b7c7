"""A pack's invoice is credited: its credits stay, or what is left of them is taken back (W1, W2)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.wishes import Credits
from portal.models import AuditEvent, CreditEntry, CreditNote, Invoice, Wallet
from portal.parts import Parts
from portal.services.desk_crediting import (
    credit_key,
    issue_credit,
    plan_desk_credit,
    plan_desk_take_back,
)
from portal.services.wallet_debits import debit_wallet
from tests.support.buying import ATELIER, CARD, account_named, use_method
from tests.support.desk import GRETA, person_named
from tests.support.ledger import the_books_agree
from tests.support.purchases import bought_wishes

pytestmark = pytest.mark.usefixtures("app_context")
PACK = 2_000  # credits of the medium pack


@pytest.fixture
def invoice(parts: Parts, books: Session) -> Invoice:
    with transaction() as session:
        use_method(session, ATELIER, CARD)
    order_id = bought_wishes(parts, Credits("medium"))
    return books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()


def balance(books: Session, invoice: Invoice) -> int:
    books.expire_all()
    return (
        books.scalars(select(Wallet).where(Wallet.account_id == invoice.account_id)).one().balance
    )


def use_all_but(parts: Parts, books: Session, invoice: Invoice, left: int) -> None:
    with transaction() as session:
        price = parts.catalogue.usage_prices[0]
        answer = debit_wallet(
            session, invoice.account_id, price.key,
            quantity=(balance(books, invoice) - left) // price.credits, key="used",
            catalogue=parts.catalogue, now=clock.now(),
        )  # fmt: skip
        assert answer.is_accepted


def credited(parts: Parts, invoice: Invoice, *, back: int, minor: int | None = None) -> None:
    amounts = {1: minor} if minor is not None else None
    with transaction() as session:
        plan = plan_desk_credit(session, invoice.account_id, invoice.number, amounts)
        issue_credit(
            session, invoice.account_id, invoice.number, amounts, shown=credit_key(plan),
            reason="Bought by mistake", catalogue=parts.catalogue,
            actor=person_named(session, GRETA), now=clock.now(), credits_back=back,
        )  # fmt: skip


def shown(parts: Parts, invoice: Invoice, minor: int | None = None) -> tuple[int, int]:
    with transaction() as session:
        amounts = {1: minor} if minor is not None else None
        plan = plan_desk_credit(session, invoice.account_id, invoice.number, amounts)
        pack = plan_desk_take_back(session, invoice.account_id, invoice.number, plan)
        return pack.credits, pack.left


def test_W2_the_credits_stay_unless_they_are_taken_back(
    parts: Parts, books: Session, invoice: Invoice
) -> None:
    before = balance(books, invoice)
    assert shown(parts, invoice) == (PACK, PACK)
    credited(parts, invoice, back=0)
    assert balance(books, invoice) == before
    the_books_agree(parts)


def test_W2_what_is_left_is_taken_back_as_an_entry_of_the_wallet(
    parts: Parts, books: Session, invoice: Invoice
) -> None:
    before = balance(books, invoice)
    credited(parts, invoice, back=PACK)
    assert balance(books, invoice) == before - PACK
    entry = books.scalars(select(CreditEntry).order_by(CreditEntry.id.desc()).limit(1)).one()
    assert (entry.change, entry.reason, entry.note, entry.balance_after) == (
        -PACK, "correction", invoice.number, before - PACK,
    )  # fmt: skip
    event = books.scalars(select(AuditEvent).where(AuditEvent.action == "credits_taken_back")).one()
    assert (event.account_id, event.subject) == (invoice.account_id, invoice.number)
    the_books_agree(parts)


def test_W1_no_more_is_taken_back_than_is_left(
    parts: Parts, books: Session, invoice: Invoice
) -> None:
    use_all_but(parts, books, invoice, 300)
    left = balance(books, invoice)
    assert 0 < left < PACK
    assert shown(parts, invoice) == (PACK, left)
    for wrong in (PACK, left + 1, left - 1, -1):
        with pytest.raises(DomainError, match="credit_changed"):
            credited(parts, invoice, back=wrong)
    assert books.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice.id)).all() == []
    credited(parts, invoice, back=left)
    assert balance(books, invoice) == 0


def test_W2_a_part_of_the_invoice_stands_for_a_part_of_the_credits(
    parts: Parts, books: Session, invoice: Invoice
) -> None:
    before = balance(books, invoice)
    half = invoice.net_minor // 2
    assert shown(parts, invoice, half) == (PACK // 2, PACK // 2)
    credited(parts, invoice, back=PACK // 2, minor=half)
    credited(parts, invoice, back=PACK // 2)
    assert balance(books, invoice) == before - PACK


def test_what_sold_no_credits_takes_none_back(parts: Parts, books: Session) -> None:
    account_id = account_named(books, ATELIER).id
    renewal = books.scalars(
        select(Invoice).where(Invoice.account_id == account_id, Invoice.kind == "renewal").limit(1)
    ).one()
    assert shown(parts, renewal) == (0, 0)
    with pytest.raises(DomainError, match="credit_changed"):
        credited(parts, renewal, back=1)
