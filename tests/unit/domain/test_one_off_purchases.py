"""Credits and services as lines: pinned, priced in full, stored with what they were (Q1, Q2, W2)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from portal.config import DEMO_CATALOG
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.errors import DomainError
from portal.domain.order_lines import Sold, SoldOnce
from portal.domain.price_book import PriceBook, PriceOf
from portal.domain.purchases import Purchase, plan_purchase
from portal.domain.quotes import price_quote, terms_key
from portal.domain.tax import TaxDecision, TaxTreatment
from portal.domain.wishes import Credits, Seats, Service, Wish, wish_from_row, wish_to_row
from tests.unit.domain.buying import eur, plan, subscription

ON = date(2026, 10, 29)
BELGIAN = TaxDecision(TaxTreatment.DOMESTIC, Decimal(21), "BE")
CATALOGUE = parse_catalogue(DEMO_CATALOG.read_text())
CRM = subscription(plan(1))
BOOK = PriceBook(
    "EUR", {}, {},
    packs={"medium": PriceOf(71, eur(18000))},
    services={"together": PriceOf(81, eur(49000)), "do-it-yourself": PriceOf(82, eur(0))},
)  # fmt: skip


def planned(*wishes: Wish, terms: str = "automatic", book: PriceBook = BOOK) -> Purchase:
    return plan_purchase(wishes, (CRM,), book, CATALOGUE, terms, ON)


def refused(*wishes: Wish, **more: object) -> str:
    with pytest.raises(DomainError) as error:
        planned(*wishes, **more)  # type: ignore[arg-type]
    return error.value.code


def test_W2_a_pack_is_one_line_at_its_price_with_the_credits_it_had() -> None:
    purchase = planned(Credits("medium"))
    (line,) = purchase.lines
    assert (line.kind, line.quantity, line.unit_price, line.price_id) == (
        "credits", 1, eur(18000), 71,
    )  # fmt: skip
    assert line.once == SoldOnce(pack="medium", credits=2000)
    assert (purchase.wallet, purchase.subscriptions, purchase.products) == (True, (), ())


def test_Q1_a_service_is_named_among_what_the_purchase_touches() -> None:
    purchase = planned(Service("together"), Credits("medium"))
    assert (purchase.services, purchase.wallet) == (("together",), True)
    assert [line.position for line in purchase.lines] == [1, 2]


def test_what_is_paid_once_adds_no_licences_and_has_no_renewal() -> None:
    purchase = planned(Credits("medium"), Service("together"))
    assert purchase.seats == 0
    priced = price_quote(purchase.lines, (CRM,), BELGIAN, "EUR", ON)
    assert priced.outlook == ()
    assert [(line.net, line.days, line.covers) for line in priced.lines] == [
        (eur(18000), None, None), (eur(49000), None, None),
    ]  # fmt: skip
    assert not any(line.per_seat for line in priced.lines)
    assert priced.totals.gross == eur(81070)


def test_Q2_its_price_does_not_depend_on_the_day() -> None:
    lines = planned(Credits("medium")).lines
    today = price_quote(lines, (CRM,), BELGIAN, "EUR", ON)
    later = price_quote(lines, (CRM,), BELGIAN, "EUR", date(2027, 3, 1))
    assert terms_key(today) == terms_key(later)


def test_beside_licences_each_line_keeps_its_own_price() -> None:
    purchase = planned(Seats(1, 13), Credits("medium"))
    priced = price_quote(purchase.lines, (CRM,), BELGIAN, "EUR", ON)
    assert [line.days for line in priced.lines] == [91, None]
    assert (purchase.subscriptions, purchase.wallet, purchase.seats) == ((1,), True, 1)


@pytest.mark.parametrize("wish", [Credits("gone"), Service("gone"), Service("do-it-yourself")])
def test_C4_what_the_catalogue_does_not_sell_is_refused(wish: Wish) -> None:
    assert refused(wish) == "not_offered"


@pytest.mark.parametrize("wish", [Credits("medium"), Service("together")])
def test_C4_without_a_price_in_the_currency_nothing_is_sold(wish: Wish) -> None:
    assert refused(wish, book=PriceBook("CHF", {}, {})) == "price_missing"


@pytest.mark.parametrize("wish", [Credits("medium"), Service("together")])
def test_a_bank_transfer_customer_asks_the_account_executive(wish: Wish) -> None:
    assert refused(wish, terms="bank_transfer") == "not_self_service"


@pytest.mark.parametrize("wish", [Credits("medium"), Service("together")])
def test_a_wish_is_in_the_cart_as_it_was_put(wish: Wish) -> None:
    row = {"item_id": None, "subject_key": "", "details": None, **wish_to_row(wish)}
    assert wish_from_row(**row) == wish


@pytest.mark.parametrize(
    "once", [SoldOnce(pack="medium", credits=2000), SoldOnce(service="together")]
)
def test_what_was_sold_is_read_as_it_was_written(once: SoldOnce) -> None:
    assert SoldOnce.read(once.details()) == once
    assert Sold.read(once.details()) is None


def test_the_line_of_a_subscription_is_none_of_these() -> None:
    details = planned(Seats(1, 13)).lines[0].details
    assert SoldOnce.read(details) is None
    assert Sold.read(details) is not None
    assert SoldOnce.read(None) is None
