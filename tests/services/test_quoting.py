"""Quotes: one open per subject, pinned, good through a local day, ended as they should (Q1, Q2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.models import (
    Account,
    AuditEvent,
    BillingPeriod,
    Cart,
    CartLine,
    NumberSeries,
    Order,
    Price,
    Quote,
    QuoteLine,
    QuoteSubject,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.queries.quotes import list_holdings
from portal.services.audit import SYSTEM
from portal.services.carts import empty_cart, save_seat_cart
from portal.services.quoting import decline_quote, expire_quotes
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    GIULIA,
    LOTTE,
    OFFICINE,
    PIETER,
    THREE_D_SECURE,
    account_named,
    actor_of,
    collected,
    order_ready_to_pay,
    placed,
    plan_item,
    quoted,
    ready,
    row_counts,
    use_method,
)
from tests.support.offers import offered

pytestmark = pytest.mark.usefixtures("app_context")


def open_quotes(books: Session, account: str) -> list[Quote]:
    books.expire_all()
    query = (
        select(Quote)
        .where(Quote.account_id == account_named(books, account).id, Quote.status == "open")
        .order_by(Quote.id)
    )
    return list(books.scalars(query))


def last_number(books: Session) -> int:
    """The last number that was taken for a quote of this year."""
    query = select(NumberSeries.last).where(
        NumberSeries.series == "quote", NumberSeries.year == NOW.year
    )
    return books.scalar(query) or 0


def test_a_cart_becomes_a_quote_with_pinned_lines(books: Session, parts: Parts) -> None:
    number = f"Q-2026-{last_number(books) + 1:04d}"
    quote = books.get_one(Quote, quoted(parts))
    item = plan_item(books, ATELIER)
    (line,) = books.scalars(select(QuoteLine).where(QuoteLine.quote_id == quote.id))
    assert (quote.status, quote.source, quote.number) == ("open", "cart", number)
    assert quote.created_on == date(2026, 10, 29)
    assert quote.valid_until == date(2026, 11, 28)
    assert (line.kind, line.item_id, line.quantity) == ("seats", item.id, 3)
    assert (line.price_id, line.unit_minor) == (item.price_id, 7500)
    event = books.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.action, event.subject, event.new) == ("quote_created", quote.number, {"seats": 3})


def test_Q2_a_new_price_leaves_a_quote_as_it_is(books: Session, parts: Parts) -> None:
    quote_id = quoted(parts)
    with transaction() as own:
        item = plan_item(own, ATELIER)
        old = own.get_one(Price, item.price_id)
        old.retired_at = NOW
    line = books.scalars(select(QuoteLine).where(QuoteLine.quote_id == quote_id)).one()
    assert line.unit_minor == 7500


def test_S1_a_total_below_the_present_number_makes_no_quote(books: Session, parts: Parts) -> None:
    item = plan_item(books, ATELIER)
    before = row_counts(books)
    with pytest.raises(Rejected) as rejected:
        quoted(parts, totals={item.id: item.quantity - 1})
    assert [p.code for p in rejected.value.problems] == ["seats_below_present"]
    assert row_counts(books) == before


def test_another_accounts_item_is_unknown(books: Session, parts: Parts) -> None:
    foreign = plan_item(books, OFFICINE)
    before = row_counts(books)
    with pytest.raises(Rejected) as rejected:
        quoted(parts, totals={foreign.id: foreign.quantity + 1})
    assert [p.code for p in rejected.value.problems] == ["item_unknown"]
    assert row_counts(books) == before


def test_a_product_that_needs_help_cannot_be_quoted_by_the_customer(
    books: Session, parts: Parts
) -> None:
    item = plan_item(books, OFFICINE, "insights")
    with pytest.raises(DomainError, match="not_self_service"):
        quoted(parts, account=OFFICINE, email=GIULIA, totals={item.id: item.quantity + 1})


# --- Q1: one open quote per subject ------------------------------------------------------------


def test_Q1_a_new_quote_supersedes_the_one_the_customer_was_warned_of(
    books: Session, parts: Parts
) -> None:
    first = quoted(parts, added=3)
    second = quoted(parts, added=4, replaces=[first])
    old, new = books.get_one(Quote, first), books.get_one(Quote, second)
    assert (old.status, old.superseded_by_id, old.closed_at) == ("superseded", second, NOW)
    assert new.status == "open"
    held = list_holdings(books.connection(), old.account_id)
    assert [h.quote_id for h in held] == [second]


def test_Q1_a_quote_that_nobody_was_warned_of_is_not_replaced(books: Session, parts: Parts) -> None:
    first = quoted(parts, added=3)
    before = row_counts(books)
    for replaces in ([], [first + 1]):
        with pytest.raises(DomainError) as refused:
            quoted(parts, email=PIETER, added=4, replaces=replaces)
        assert refused.value.code == "quote_would_replace"
        assert list(refused.value.data["quotes"]) == [first]  # type: ignore[call-overload]
    assert [q.id for q in open_quotes(books, ATELIER)] == [first]
    assert row_counts(books) == before  # the cart went with it, and the number


def test_Q1_a_quote_is_replaced_by_one_that_shares_a_single_subject(
    books: Session, parts: Parts
) -> None:
    (offer,) = open_quotes(books, OFFICINE)  # CRM and Desk, by the account executive
    desk = plan_item(books, OFFICINE, "desk")
    new = quoted(
        parts, account=OFFICINE, email=GIULIA, totals={desk.id: desk.quantity + 1},
        replaces=[offer.id],
    )  # fmt: skip
    books.expire_all()
    assert books.get_one(Quote, offer.id).superseded_by_id == new
    subjects = [h.subject for h in list_holdings(books.connection(), offer.account_id)]
    assert subjects == [f"subscription:{desk.subscription_id}"]


def test_Q1_quotes_of_different_subjects_are_open_side_by_side(
    books: Session, parts: Parts
) -> None:
    (offer,) = open_quotes(books, OFFICINE)
    sign = plan_item(books, OFFICINE, "sign")
    new = quoted(parts, account=OFFICINE, email=GIULIA, totals={sign.id: sign.quantity + 2})
    assert [q.id for q in open_quotes(books, OFFICINE)] == [offer.id, new]


def test_Q1_the_database_itself_holds_one_open_quote_per_subject(
    books: Session, parts: Parts
) -> None:
    quote_id = quoted(parts)
    subject = books.scalars(
        select(QuoteSubject.subject).where(QuoteSubject.quote_id == quote_id)
    ).one()
    other = books.scalar(select(Quote.id).where(Quote.status == "declined").limit(1))
    books.add(QuoteSubject(quote_id=other, subject=subject, holds=True))
    with pytest.raises(IntegrityError):
        books.flush()


def test_Q1_an_unresolved_payment_blocks_new_orders_on_its_subjects(
    books: Session, parts: Parts
) -> None:
    with transaction() as own:
        use_method(own, ATELIER, THREE_D_SECURE)
    order = order_ready_to_pay(parts)
    for state in ("placed", "requires_action"):
        assert books.get_one(Order, order.order_id).status == state
        with pytest.raises(DomainError) as refused:
            quoted(parts, added=1, replaces=[order.order_id])
        assert refused.value.code == "payment_unresolved"
        assert refused.value.data["order_id"] == order.order_id
        collected(parts, order.attempt_id)
        books.expire_all()


def test_Q4_the_same_cart_saved_twice_has_one_quote(books: Session, parts: Parts) -> None:
    first = quoted(parts, added=3)
    assert quoted(parts, added=3) == first
    assert quoted(parts, added=3, replaces=[first]) == first
    assert [q.id for q in open_quotes(books, ATELIER)] == [first]
    clock.fix(NOW + timedelta(days=1))  # another day has another price: a new quote, as warned
    with pytest.raises(DomainError, match="quote_would_replace"):
        quoted(parts, added=3)


def test_numbers_follow_one_another_and_a_refused_quote_takes_none(
    books: Session, parts: Parts
) -> None:
    taken = last_number(books)
    first = books.get_one(Quote, quoted(parts, added=1))
    with pytest.raises(DomainError):
        quoted(parts, added=2)
    second = books.get_one(Quote, quoted(parts, added=2, replaces=[first.id]))
    assert (first.number, second.number) == (f"Q-2026-{taken + 1:04d}", f"Q-2026-{taken + 2:04d}")


def test_P3_the_number_series_is_of_the_vendors_year(books: Session, parts: Parts) -> None:
    with transaction() as own:
        account_named(own, ATELIER).time_zone = "Pacific/Kiritimati"  # UTC+14
    clock.fix(datetime(2026, 12, 31, 12, 0, tzinfo=UTC))  # 1 January there, 31 December here
    quote = books.get_one(Quote, quoted(parts))
    assert (quote.number[:7], quote.created_on) == ("Q-2026-", date(2027, 1, 1))
    series = books.execute(
        select(NumberSeries.year).where(NumberSeries.series == "quote")
    ).scalars()
    assert max(series) == 2026


def test_P3_a_period_that_has_ended_is_renewed_before_it_is_quoted(
    books: Session, parts: Parts
) -> None:
    now = NOW + timedelta(days=33)
    clock.fix(now)
    quote_id = quoted(parts)
    item = plan_item(books, ATELIER)
    current = books.scalars(
        select(BillingPeriod).where(
            BillingPeriod.subscription_id == item.subscription_id, BillingPeriod.is_current
        )
    ).one()
    assert current.starts_on == date(2026, 11, 30)
    assert books.get_one(Quote, quote_id).created_on == now.date()


# --- the cart ----------------------------------------------------------------------------------


def test_a_person_has_one_open_cart_and_saving_replaces_what_was_in_it(
    books: Session, parts: Parts
) -> None:
    item = plan_item(books, ATELIER)
    first = quoted(parts, added=3)
    quoted(parts, added=5, replaces=[first])
    (cart,) = books.scalars(select(Cart).where(Cart.status == "open"))
    lines = books.scalars(select(CartLine).where(CartLine.cart_id == cart.id)).all()
    assert [(line.item_id, line.quantity) for line in lines] == [(item.id, item.quantity + 5)]


def test_emptying_a_cart_that_is_not_there_does_nothing(books: Session) -> None:
    before = row_counts(books)
    with transaction() as own:
        account = account_named(own, ATELIER)
        empty_cart(own, account.id, actor_of(own, LOTTE).person_id or 0, NOW)
    assert row_counts(books) == before


def test_a_cart_is_a_persons_own(books: Session) -> None:
    with transaction() as own:
        account, item = account_named(own, ATELIER), plan_item(own, ATELIER)
        for email, total in ((LOTTE, 14), (PIETER, 20)):
            save_seat_cart(
                own, account.id, actor_of(own, email).person_id or 0, {item.id: total}, NOW
            )
    assert books.scalar(select(func.count(Cart.id)).where(Cart.status == "open")) == 2


# --- how a quote ends --------------------------------------------------------------------------


def test_Q1_a_declined_quote_lets_its_subject_go_and_keeps_the_reason(
    books: Session, parts: Parts
) -> None:
    quote_id = quoted(parts)
    with transaction() as own:
        account = account_named(own, ATELIER)
        decline_quote(
            own, account.id, quote_id, reason="Too many", actor=actor_of(own, LOTTE), now=NOW
        )
    quote = books.get_one(Quote, quote_id)
    assert (quote.status, quote.decline_reason, quote.closed_at) == ("declined", "Too many", NOW)
    assert list_holdings(books.connection(), quote.account_id) == ()
    last = select(Cart.status).order_by(Cart.id.desc()).limit(1)
    assert books.scalars(last).one() == "emptied"
    assert quoted(parts) != quote_id


def _decline(quote_id: int, account: str = ATELIER) -> None:
    with transaction() as own:
        row = account_named(own, account)
        decline_quote(own, row.id, quote_id, reason="", actor=SYSTEM, now=clock.now())


def test_Q1_what_is_closed_cannot_be_declined(parts: Parts) -> None:
    first = quoted(parts)
    second = quoted(parts, added=4, replaces=[first])
    with pytest.raises(DomainError, match="quote_superseded"):
        _decline(first)
    _decline(second)
    with pytest.raises(DomainError, match="quote_declined"):
        _decline(second)
    third = quoted(parts)
    ready(parts, third)
    placed(parts, third)
    with pytest.raises(DomainError, match="quote_accepted"):
        _decline(third)
    clock.fix(NOW + timedelta(days=60))
    with transaction() as own:
        offer = open_quotes(own, OFFICINE)[0].id
    with pytest.raises(DomainError, match="quote_expired"):
        _decline(offer, OFFICINE)


def test_another_accounts_quote_is_unknown(parts: Parts) -> None:
    with pytest.raises(DomainError, match="quote_unknown"):
        _decline(quoted(parts), OFFICINE)


@pytest.fixture
def in_zone(parts: Parts) -> Callable[[str], int]:
    """Make a quote that is valid until 28 November 2026 for an account of some time zone."""

    def make(time_zone: str) -> int:
        with transaction() as own:
            own.get_one(Account, account_named(own, ATELIER).id).time_zone = time_zone
        quote_id = quoted(parts)
        with transaction() as own:
            own.get_one(Quote, quote_id).valid_until = date(2026, 11, 28)
        return quote_id

    return make


@pytest.mark.parametrize(
    ("time_zone", "ends_at"),
    [
        ("Pacific/Kiritimati", datetime(2026, 11, 28, 10, 0, tzinfo=UTC)),  # UTC+14
        ("Europe/Brussels", datetime(2026, 11, 28, 23, 0, tzinfo=UTC)),
        ("UTC", datetime(2026, 11, 29, 0, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 29, 5, 0, tzinfo=UTC)),
        ("Pacific/Pago_Pago", datetime(2026, 11, 29, 11, 0, tzinfo=UTC)),  # UTC−11
    ],
)
def test_Q1_P3_a_quote_ends_with_the_accounts_own_day(
    books: Session, parts: Parts, in_zone: Callable[[str], int], time_zone: str, ends_at: datetime
) -> None:
    quote_id = in_zone(time_zone)
    ready(parts, quote_id)
    before, after = ends_at - timedelta(seconds=1), ends_at

    with transaction() as own:
        expire_quotes(own, now=before)
    assert books.get_one(Quote, quote_id).status == "open"

    clock.fix(after)  # expired on the stroke of midnight, whether or not a job has said so yet
    with pytest.raises(DomainError, match="quote_expired"):
        placed(parts, quote_id, shown="")
    clock.fix(before)
    with pytest.raises(DomainError, match="terms_changed"):  # a second before it could be ordered
        placed(parts, quote_id, shown="")

    with transaction() as own:
        assert expire_quotes(own, now=after) >= 1
    books.expire_all()
    quote = books.get_one(Quote, quote_id)
    assert (quote.status, quote.closed_at) == ("expired", after)
    held = [h.quote_id for h in list_holdings(books.connection(), quote.account_id)]
    assert quote_id not in held


def test_rule10_one_account_in_no_time_zone_keeps_no_other_from_expiring(
    books: Session, parts: Parts, in_zone: Callable[[str], int]
) -> None:
    stuck, other = in_zone("Europe/Brussels"), offered(parts)
    with transaction() as own:
        account_named(own, ATELIER).time_zone = "Europe/Nowhere"
    with transaction() as own:
        expire_quotes(own, now=datetime(2027, 1, 1, tzinfo=UTC))
    books.expire_all()
    assert [books.get_one(Quote, one).status for one in (stuck, other)] == ["open", "expired"]


def test_an_expired_quote_may_be_replaced_and_its_items_are_as_they_were(
    books: Session, parts: Parts
) -> None:
    old = quoted(parts)
    clock.fix(NOW + timedelta(days=31))
    with transaction() as own:
        expire_quotes(own, now=clock.now())
    new = quoted(parts)
    assert books.get_one(Quote, old).status == "expired"
    assert books.get_one(Quote, new).status == "open"
    quantities = books.scalars(
        select(SubscriptionItem.quantity).where(SubscriptionItem.id == plan_item(books, ATELIER).id)
    )
    assert list(quantities) == [12]
