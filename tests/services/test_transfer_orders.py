"""Orders that are paid by transfer: invoiced first, granted by the money, lapsing without (Q3, I3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import snapshot, transaction
from portal.domain.errors import DomainError
from portal.domain.offers import Discount, Offered
from portal.domain.periods import Interval
from portal.domain.quotes import terms_key
from portal.domain.wishes import Credits, Free, Start
from portal.jobs.renewals import run_renewals
from portal.models import (
    AccountBalance,
    AuditEvent,
    BillingPeriod,
    CreditNote,
    DeskTask,
    DunningCase,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    OutboxMessage,
    Quote,
    QuoteSubject,
    Subscription,
)
from portal.parts import Parts
from portal.services.dunning import attend_invoice
from portal.services.ledger_check import check_books
from portal.services.staff_quoting import prepare_quote, withdraw_quote
from portal.services.transfer_lapsing import withdraw_order
from portal.services.transfer_orders import grant_early
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    LOTTE,
    LUMIERE,
    account_named,
    plan_item,
)
from tests.support.offers import (
    HUGO,
    accepted,
    executive,
    more_seats,
    offered,
    pay_transfer,
    priced,
)

pytestmark = pytest.mark.usefixtures("app_context")

RENEWAL = date(2027, 2, 2)  # of the bank-transfer customer's subscriptions
INVOICED_AHEAD = datetime(2027, 1, 20, 9, tzinfo=UTC)  # the notice window has closed
RENEWAL_DAY = datetime(2027, 2, 2, 9, tzinfo=UTC)


def invoice_of(books: Session, order_id: int) -> Invoice:
    books.expire_all()
    return books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()


def order_of(books: Session, order_id: int) -> Order:
    books.expire_all()
    return books.get_one(Order, order_id)


def seats(books: Session, account: str = LUMIERE) -> int:
    books.expire_all()
    return plan_item(books, account).quantity


def topics(books: Session) -> list[tuple[str, str]]:
    """The mails that were written since the template."""
    rows = books.execute(
        select(OutboxMessage.topic, OutboxMessage.recipient)
        .where(OutboxMessage.status == "waiting", OutboxMessage.kind == "mail")
        .order_by(OutboxMessage.id)
    )
    return [(topic, recipient) for topic, recipient in rows]


def actions(books: Session) -> list[str]:
    return list(books.scalars(select(AuditEvent.action).order_by(AuditEvent.id.desc()).limit(12)))


def renew(parts: Parts, at: datetime) -> None:
    clock.fix(at)
    run_renewals(parts, {}, at)


def test_Q3_an_accepted_quote_is_invoiced_and_grants_nothing(books: Session, parts: Parts) -> None:
    before = seats(books)
    quote_id = offered(parts)
    order_id = accepted(parts, quote_id)
    order, invoice = order_of(books, order_id), invoice_of(books, order_id)
    assert (order.status, invoice.status) == ("invoiced", "open")
    assert invoice.due_on == date(2026, 11, 28)  # 30 days
    assert invoice.gross_minor == order.gross_minor > 0
    assert invoice.buyer["purchase_order"] == "PO-1"
    assert seats(books) == before
    assert books.get_one(Quote, quote_id).status == "accepted"
    assert ("order_invoice", "compta@lumiere-conseil.example") in topics(books)
    assert ("quote_answered", HUGO) in topics(books)


def test_Q3_the_booked_transfer_grants_once(books: Session, parts: Parts) -> None:
    before = seats(books)
    order_id = accepted(parts, offered(parts))
    assert pay_transfer(parts, order_id)
    assert not pay_transfer(parts, order_id, 1)  # more money grants nothing more
    assert seats(books) == before + 3
    assert order_of(books, order_id).status == "done"
    assert ("licences_granted", CAMILLE) in topics(books)


def test_Q3_a_part_of_the_money_grants_nothing(books: Session, parts: Parts) -> None:
    before = seats(books)
    order_id = accepted(parts, offered(parts))
    gross = invoice_of(books, order_id).gross_minor
    assert not pay_transfer(parts, order_id, gross - 1)
    assert seats(books) == before
    assert pay_transfer(parts, order_id, 1)
    assert seats(books) == before + 3


def test_Q3_granting_early_is_a_recorded_choice(books: Session, parts: Parts) -> None:
    before = seats(books)
    order_id = accepted(parts, offered(parts))
    with transaction() as session:
        grant_early(
            session, account_named(session, LUMIERE).id, order_id, reason="They always pay.",
            catalogue=parts.catalogue, actor=executive(session), now=clock.now(),
        )  # fmt: skip
    assert seats(books) == before + 3
    assert invoice_of(books, order_id).status == "open"
    event = books.scalars(
        select(AuditEvent).where(AuditEvent.action == "order_granted_early")
    ).one()
    assert event.new is not None
    assert event.new["reason"] == "They always pay."
    assert not pay_transfer(parts, order_id)  # the money comes, and nothing is granted twice
    assert seats(books) == before + 3
    assert invoice_of(books, order_id).status == "paid"
    with transaction() as session, pytest.raises(DomainError, match="order_not_awaited"):
        grant_early(
            session, account_named(session, LUMIERE).id, order_id, reason="Again",
            catalogue=parts.catalogue, actor=executive(session), now=clock.now(),
        )  # fmt: skip


def test_Q2_another_amount_is_shown_again(books: Session, parts: Parts) -> None:
    quote_id = offered(parts)
    with transaction() as session:
        shown = terms_key(priced(session, parts, quote_id))
    clock.fix(datetime(2026, 11, 10, 9, tzinfo=UTC))
    with pytest.raises(DomainError, match="terms_changed"):
        accepted(parts, quote_id, shown=shown)
    assert books.get_one(Quote, quote_id).status == "open"


def test_Q4_two_clicks_make_one_order(books: Session, parts: Parts) -> None:
    quote_id = offered(parts)
    with transaction() as session:
        shown = terms_key(priced(session, parts, quote_id))
    assert accepted(parts, quote_id, shown=shown) == accepted(parts, quote_id, shown=shown)
    assert len(books.scalars(select(Order).where(Order.quote_id == quote_id)).all()) == 1


def test_Q1_seats_that_are_invoiced_keep_no_other_quote_waiting(
    books: Session, parts: Parts
) -> None:
    first = accepted(parts, offered(parts))
    second = accepted(parts, offered(parts, added=2))
    before = seats(books)
    assert pay_transfer(parts, second)
    assert pay_transfer(parts, first)
    assert seats(books) == before + 5


def test_Q1_a_new_quote_takes_the_place_of_an_open_one_that_was_named(
    books: Session, parts: Parts
) -> None:
    first = offered(parts)
    with pytest.raises(DomainError, match="quote_would_replace"):
        offered(parts, added=2)
    second = offered(parts, added=2, replaces=[first])
    books.expire_all()
    assert books.get_one(Quote, first).status == "superseded"
    assert books.get_one(Quote, first).superseded_by_id == second


def test_a_start_is_held_until_its_money_has_come(books: Session, parts: Parts) -> None:
    """Two subscriptions to one product would be one too many (Q1)."""
    start = Offered(Start("forms", "standard", Interval.YEAR, 5))
    order_id = accepted(parts, offered(parts, [start]))
    line = books.scalars(
        select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_of(books, order_id).id)
    ).one()
    assert (line.period_starts_on, line.period_ends_on) == (None, None)  # begins with the money
    with pytest.raises(DomainError, match="payment_unresolved"):
        offered(parts, [start])
    clock.fix(datetime(2026, 11, 12, 9, tzinfo=UTC))
    assert pay_transfer(parts, order_id)
    period = books.scalars(
        select(BillingPeriod)
        .join(Subscription, Subscription.id == BillingPeriod.subscription_id)
        .order_by(BillingPeriod.id.desc())
    ).first()
    assert period is not None
    assert period.starts_on == date(2026, 11, 12)
    held = books.scalars(
        select(QuoteSubject.holds).where(
            QuoteSubject.quote_id == order_of(books, order_id).quote_id
        )
    )
    assert not any(held)


def test_a_line_of_free_words_and_discounts_are_billed_as_shown(
    books: Session, parts: Parts
) -> None:
    with transaction() as session:
        lines = [
            Offered(more_seats(session), Discount(basis_points=1000)),
            Offered(Free("Workshop in Lyon", 45_000, 2), Discount(minor=10_000)),
        ]
    quote_id = offered(parts, lines)
    with transaction() as session:
        shown = priced(session, parts, quote_id)
    assert shown.lines[1].net.minor == 80_000
    order_id = accepted(parts, quote_id)
    billed = books.scalars(
        select(InvoiceLine)
        .where(InvoiceLine.invoice_id == invoice_of(books, order_id).id)
        .order_by(InvoiceLine.position)
    ).all()
    assert [line.net_minor for line in billed] == [line.net.minor for line in shown.lines]
    assert (billed[1].description, billed[1].quantity, billed[1].discount_minor) == (
        "Workshop in Lyon", 2, 10_000,
    )  # fmt: skip
    assert pay_transfer(parts, order_id)
    assert order_of(books, order_id).status == "done"


def test_W2_discounts_of_one_day_give_no_more_than_one_person_may(
    books: Session, parts: Parts
) -> None:
    """The medium pack holds 2000 credits: two quotes at 30 per cent off would give 1200."""
    cheaper = Offered(Credits("medium"), Discount(basis_points=3_000))
    pay_transfer(parts, accepted(parts, offered(parts, [cheaper])))
    with pytest.raises(DomainError, match="discount_gives_credits") as refused:
        offered(parts, [cheaper])
    assert refused.value.data["credits"] == 1_200
    clock.fix(clock.now() + timedelta(days=2))
    offered(parts, [cheaper])


def test_W2_open_quotes_side_by_side_give_no_more_than_one_person_may(
    books: Session, parts: Parts
) -> None:
    """One of seats and credits holds the subscription, one of credits the wallet: both stay open."""
    cheaper = Offered(Credits("medium"), Discount(basis_points=3_000))
    with transaction() as session:
        seats_too = [Offered(more_seats(session)), cheaper]
    first = offered(parts, seats_too)
    with pytest.raises(DomainError, match="discount_gives_credits") as refused:
        offered(parts, [cheaper])
    assert refused.value.data["credits"] == 1_200
    again = offered(parts, seats_too, replaces=[first])  # what is replaced gives nothing any more
    assert books.get_one(Quote, first).superseded_by_id == again


def test_what_costs_nothing_is_granted_at_once(books: Session, parts: Parts) -> None:
    before = seats(books)
    order_id = accepted(parts, offered(parts, discount=Discount(basis_points=10_000)))
    assert (order_of(books, order_id).status, invoice_of(books, order_id).status) == (
        "done", "paid",
    )  # fmt: skip
    assert seats(books) == before + 3


def test_Q3_unpaid_seats_lapse_at_the_renewal(books: Session, parts: Parts) -> None:
    before = seats(books)
    order_id = accepted(parts, offered(parts))
    pay_transfer(parts, order_id, 100)  # a part came
    renew(parts, INVOICED_AHEAD)
    assert order_of(books, order_id).status == "invoiced"
    renew(parts, RENEWAL_DAY)
    order, invoice = order_of(books, order_id), invoice_of(books, order_id)
    assert (order.status, order.failure) == ("abandoned", {"code": "order_lapsed"})
    assert invoice.credited_minor == invoice.gross_minor
    note = books.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice.id)).one()
    assert note.reason == "order_lapsed"
    kept = books.scalars(
        select(AccountBalance.amount_minor).where(AccountBalance.credit_note_id == note.id)
    ).one()
    assert kept == 100
    assert seats(books) == before
    assert ("order_lapsed", "compta@lumiere-conseil.example") in topics(books)
    assert not pay_transfer(parts, order_id)  # what comes later is the customer's
    assert seats(books) == before


def test_Q3_what_is_paid_does_not_lapse(books: Session, parts: Parts) -> None:
    before = seats(books)
    order_id = accepted(parts, offered(parts))
    assert pay_transfer(parts, order_id)
    renew(parts, RENEWAL_DAY)
    assert order_of(books, order_id).status == "done"
    assert seats(books) == before + 3


def test_I3_an_order_after_the_invoice_ahead_bills_the_coming_period_too(
    books: Session, parts: Parts
) -> None:
    renew(parts, INVOICED_AHEAD)
    quote_id = offered(parts, valid_until=date(2027, 1, 30))
    with transaction() as session:
        shown = priced(session, parts, quote_id)
    now, coming = shown.lines
    assert (coming.kind, coming.quantity, coming.days_left) == ("coming", 3, None)
    assert coming.period is not None
    assert coming.period.start == RENEWAL
    assert coming.net == coming.unit_price * 3
    assert shown.outlook[0].on == date(2028, 2, 2)  # the next invoice has it all
    order_id = accepted(parts, quote_id)
    assert pay_transfer(parts, order_id)
    tasks = len(books.scalars(select(DeskTask.id)).all())
    renew(parts, RENEWAL_DAY)
    assert len(books.scalars(select(DeskTask.id)).all()) == tasks  # nothing differs
    lines = books.scalars(
        select(OrderLine).where(OrderLine.order_id == order_id).order_by(OrderLine.position)
    ).all()
    assert [line.kind for line in lines] == ["seats", "coming"]
    assert invoice_of(books, order_id).net_minor == (now.net + coming.net).minor


def test_I3_an_order_granted_after_the_invoice_ahead_has_that_issued_anew(
    books: Session, parts: Parts
) -> None:
    order_id = accepted(parts, offered(parts))
    renew(parts, INVOICED_AHEAD)
    ahead = books.scalars(
        select(Invoice).where(Invoice.kind == "renewal").order_by(Invoice.id.desc())
    ).first()
    assert pay_transfer(parts, order_id)
    item = plan_item(books, LUMIERE)
    period = books.scalars(
        select(BillingPeriod).where(
            BillingPeriod.subscription_id == item.subscription_id, ~BillingPeriod.is_current,
            BillingPeriod.closed_at.is_(None),
        )
    ).one()  # fmt: skip
    line = books.scalars(
        select(InvoiceLine).where(
            InvoiceLine.invoice_id == period.renewal_invoice_id, InvoiceLine.item_id == item.id
        )
    ).one()
    assert ahead is not None
    assert line.quantity == item.quantity


def test_M5_what_was_never_granted_suspends_nothing(books: Session, parts: Parts) -> None:
    order_id = accepted(parts, offered(parts))
    clock.fix(datetime(2026, 12, 30, 9, tzinfo=UTC))
    with transaction() as session:
        invoice = session.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
        attend_invoice(session, account_named(session, LUMIERE), invoice,
                       catalogue=parts.catalogue, now=clock.now())  # fmt: skip
    assert not books.scalars(select(DunningCase).where(DunningCase.invoice_id == invoice.id)).all()
    assert books.scalars(select(DeskTask).where(DeskTask.kind == "transfer_overdue")).one()


def test_the_desk_withdraws_an_order_that_waits(books: Session, parts: Parts) -> None:
    order_id = accepted(parts, offered(parts))
    with transaction() as session:
        withdraw_order(
            session, account_named(session, LUMIERE).id, order_id, catalogue=parts.catalogue,
            actor=executive(session), now=clock.now(),
        )  # fmt: skip
    assert order_of(books, order_id).status == "abandoned"
    assert invoice_of(books, order_id).status == "credited"
    assert not pay_transfer(parts, order_id)


def test_the_desk_withdraws_an_open_quote(books: Session, parts: Parts) -> None:
    quote_id = offered(parts)
    with transaction() as session:
        account_id = account_named(session, LUMIERE).id
        withdraw_quote(session, account_id, quote_id, actor=executive(session), now=clock.now())
    with pytest.raises(DomainError, match="quote_withdrawn"):
        accepted(parts, quote_id)
    offered(parts)  # its subject is free again


def test_an_account_that_pays_automatically_accepts_by_paying(books: Session, parts: Parts) -> None:
    quote_id = offered(parts, account=ATELIER)
    with pytest.raises(DomainError, match="pays_automatically"):
        accepted(parts, quote_id, email=LOTTE)
    assert books.get_one(Quote, quote_id).status == "open"


def test_a_quote_ends_with_the_local_day_that_was_chosen(books: Session, parts: Parts) -> None:
    quote_id = offered(parts, valid_until=date(2026, 11, 2))
    clock.fix(datetime(2026, 11, 2, 22, 59, tzinfo=UTC))  # 23:59 in Paris
    accepted(parts, quote_id)
    other = offered(parts, valid_until=date(2026, 11, 2), added=1)
    clock.fix(datetime(2026, 11, 2, 23, 1, tzinfo=UTC))
    with pytest.raises(DomainError, match="quote_expired"):
        accepted(parts, other)


def test_a_quote_of_nothing_or_of_the_past_is_refused(books: Session, parts: Parts) -> None:
    with pytest.raises(DomainError, match="validity_past"):
        offered(parts, valid_until=date(2026, 10, 28))
    with transaction() as session:
        account_id = account_named(session, ATELIER).id
        with pytest.raises(DomainError, match="offer_empty"):
            prepare_quote(
                session, account_id, valid_until=date(2026, 11, 28), message="", replaces=[],
                catalogue=parts.catalogue, actor=executive(session), now=clock.now(),
            )  # fmt: skip


def test_everybody_who_may_buy_hears_of_a_quote_in_the_own_language(
    books: Session, parts: Parts
) -> None:
    quote_id = offered(parts)
    rows = books.execute(
        select(OutboxMessage.recipient, OutboxMessage.locale, OutboxMessage.payload).where(
            OutboxMessage.topic == "quote_prepared"
        )
    ).all()
    assert {(r.recipient, r.locale) for r in rows} >= {(CAMILLE, "fr")}
    assert {r.locale for r in rows} == {"fr", "nl"}
    with transaction() as session:
        gross = priced(session, parts, quote_id).totals.gross.minor
    assert all(r.payload["gross_minor"] == gross for r in rows)


def test_M7_the_books_agree_at_every_step(books: Session, parts: Parts) -> None:
    """Invoiced, partly paid, granted early, paid, lapsed, withdrawn, billed ahead."""

    def check() -> None:
        with snapshot() as connection:
            assert list(check_books(connection)) == []

    early, paid = accepted(parts, offered(parts)), accepted(parts, offered(parts, added=1))
    lapsing, withdrawn = accepted(parts, offered(parts)), accepted(parts, offered(parts))
    pay_transfer(parts, lapsing, 100)
    check()
    with transaction() as session:
        account_id = account_named(session, LUMIERE).id
        grant_early(session, account_id, early, reason="Trust", catalogue=parts.catalogue,
                    actor=executive(session), now=clock.now())  # fmt: skip
        withdraw_order(session, account_id, withdrawn, catalogue=parts.catalogue,
                       actor=executive(session), now=clock.now())  # fmt: skip
    assert pay_transfer(parts, paid)
    check()
    renew(parts, INVOICED_AHEAD)
    late = accepted(parts, offered(parts, valid_until=date(2027, 1, 30)))
    assert pay_transfer(parts, late)
    pay_transfer(parts, early)
    check()
    renew(parts, RENEWAL_DAY)
    assert order_of(books, lapsing).status == "abandoned"
    check()
