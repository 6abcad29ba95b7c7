"""What can be bought, what it costs, and what it makes of a subscription (C1, C4, S2, P1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.config import DEMO_CATALOG
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.comparison import differences
from portal.domain.errors import DomainError, Rejected
from portal.domain.order_lines import PinnedLine, Sold, with_lines
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook, PriceOf
from portal.domain.purchases import Purchase, plan_purchase
from portal.domain.quotes import PricedQuote, price_quote
from portal.domain.renewals import plan_next_period
from portal.domain.subscriptions import ChangeKind, SubscriptionState
from portal.domain.tax import TaxDecision, TaxTreatment
from portal.domain.wishes import (
    AddOnChoice,
    NewAddOn,
    Seats,
    Start,
    Switch,
    Wish,
    wish_from_row,
    wish_to_row,
)
from tests.unit.domain.buying import QUARTER, add_on, eur, plan, subscription, waiting

untimed = settings(deadline=None)
ON = date(2026, 10, 29)  # 32 of 91 days are left
BELGIAN = TaxDecision(TaxTreatment.DOMESTIC, Decimal(21), "BE")
CATALOGUE = parse_catalogue(DEMO_CATALOG.read_text())


def book(pro: int = 2500) -> PriceBook:
    """Start 11.00, Pro 25.00, Enterprise 45.00 a month, three and eleven times that otherwise."""
    spans = (("month", 1), ("quarter", 3), ("year", 11))
    plans = {
        ("crm", name, interval): PriceOf(base + months, eur(unit * months))
        for name, base, unit in (("start", 100, 1100), ("pro", 200, pro), ("enterprise", 300, 4500))
        for interval, months in spans
    }
    add_ons = {
        ("crm", name, package, interval): PriceOf(base + months, eur(unit * months))
        for name, package, base, unit in (
            ("appointments", "basic", 400, 400),
            ("appointments", "beyond", 500, 900),
            ("data-vault", "standard", 600, 4500),
        )
        for interval, months in spans
    }
    return PriceBook("EUR", plans, add_ons)


def bought(
    *wishes: Wish,
    states: tuple[SubscriptionState, ...],
    on: date = ON,
    prices: PriceBook | None = None,
    terms: str = "automatic",
) -> tuple[Purchase, PricedQuote]:
    purchase = plan_purchase(wishes, states, prices or book(), CATALOGUE, terms, on)
    return purchase, price_quote(purchase.lines, states, BELGIAN, "EUR", on)


def refused(*wishes: Wish, states: tuple[SubscriptionState, ...], **more: object) -> DomainError:
    with pytest.raises(DomainError) as error:
        bought(*wishes, states=states, **more)  # type: ignore[arg-type]
    return error.value


CRM = subscription(plan(1))

# --- a switch of plan, now (C1) ----------------------------------------------------------------


def test_C1_an_upgrade_is_a_credit_and_a_charge_each_rounded_once() -> None:
    purchase, priced = bought(Switch(1, "enterprise"), states=(CRM,))
    credit, charge = priced.lines
    assert [line.kind for line in priced.lines] == ["plan_credit", "plan_charge"]
    assert (credit.unit_price, credit.quantity, credit.net) == (eur(-7500), 12, eur(-31648))
    assert (charge.unit_price, charge.quantity, charge.net) == (eur(13500), 12, eur(56967))
    assert (credit.days_left, credit.days) == (charge.days_left, charge.days) == (32, 91)
    assert priced.totals.net == eur(25319)
    assert purchase.subscriptions == (1,)
    assert purchase.seats == 0


def test_C4_the_credit_is_of_the_pinned_price_and_the_charge_of_todays() -> None:
    pinned = subscription(plan(1, unit=eur(6000)))
    _, priced = bought(Switch(1, "enterprise"), states=(pinned,), prices=book(pro=9999))
    assert [line.unit_price for line in priced.lines] == [eur(-6000), eur(13500)]


def test_C1_from_the_next_period_the_new_price_applies() -> None:
    _, priced = bought(Switch(1, "enterprise"), states=(CRM,))
    (outlook,) = priced.outlook
    assert (outlook.on, outlook.net_before, outlook.net_after) == (
        QUARTER.end, eur(12 * 7500), eur(12 * 13500),
    )  # fmt: skip


@pytest.mark.parametrize("key", ["start", "pro"])
def test_C1_a_smaller_plan_or_the_same_one_is_no_upgrade(key: str) -> None:
    assert refused(Switch(1, key), states=(CRM,)).code == "not_an_upgrade"


def test_C1_a_higher_plan_that_costs_less_waits_for_the_renewal() -> None:
    dear = subscription(plan(1, unit=eur(20_000)))
    assert refused(Switch(1, "enterprise"), states=(dear,)).code == "not_an_upgrade"


def test_C1_a_discount_that_would_pay_money_back_is_no_upgrade() -> None:
    purchase, _ = bought(Switch(1, "enterprise"), states=(CRM,))
    credit, charge = purchase.lines
    with pytest.raises(DomainError, match="not_an_upgrade"):
        price_quote(
            [credit, replace(charge, discount_basis_points=9000)], [CRM], BELGIAN, "EUR", ON
        )


def test_C1_an_upgrade_takes_the_place_of_a_plan_change_that_waits() -> None:
    change = waiting(7, ChangeKind.PLAN, on=QUARTER.end, item_id=1,
                     target={"plan": "start", "prices": {"quarter": [103, 3300]}})  # fmt: skip
    state = subscription(plan(1), changes=[change])
    purchase, priced = bought(Switch(1, "enterprise"), states=(state,))
    (after,) = with_lines([state], purchase.lines, ON)
    assert after.changes == ()
    assert priced.outlook[0].net_before == eur(12 * 3300)
    assert priced.outlook[0].net_after == eur(12 * 13500)


def test_C2_an_upgrade_keeps_a_reduction_and_extends_a_period_change_that_waits() -> None:
    turn = waiting(8, ChangeKind.PERIOD, on=QUARTER.end,
                   target={"interval": "year", "prices": {"plan:pro": [211, 27500]}})  # fmt: skip
    state = subscription(plan(1, waiting=-2), changes=[turn])
    purchase, priced = bought(Switch(1, "enterprise"), states=(state,))
    (after,) = with_lines([state], purchase.lines, ON)
    assert after.item(1).waiting_delta == -2  # type: ignore[union-attr]
    assert after.change(8).target["prices"]["plan:enterprise"] == [311, 49500]  # type: ignore[union-attr]
    assert priced.outlook[0].interval is Interval.YEAR
    assert priced.outlook[0].net_after == eur(10 * 49500)


def test_C4_what_is_not_sold_in_the_coming_billing_period_is_refused_with_its_day() -> None:
    turn = waiting(8, ChangeKind.PERIOD, on=QUARTER.end,
                   target={"interval": "year", "prices": {"plan:pro": [211, 27500]}})  # fmt: skip
    state = subscription(plan(1), changes=[turn])
    full = book()
    without = PriceBook(
        "EUR",
        {key: price for key, price in full.plans.items() if key[1:] != ("enterprise", "year")},
        {key: price for key, price in full.add_ons.items() if key[3] != "year"},
    )
    for wish in (Switch(1, "enterprise"), NewAddOn(1, AddOnChoice("appointments", "basic", 2))):
        error = refused(wish, states=(state,), prices=without)
        assert (error.code, error.data["on"]) == ("not_sold_in_coming_period", QUARTER.end)


def test_Q2_a_quote_does_not_fit_a_subscription_that_has_changed_since() -> None:
    purchase, _ = bought(Switch(1, "enterprise"), states=(CRM,))
    yearly = replace(CRM, interval=Interval.YEAR)
    other = subscription(plan(1, key="start"))
    for changed in (yearly, other):
        with pytest.raises(DomainError, match="item_changed"):
            price_quote(purchase.lines, [changed], BELGIAN, "EUR", ON)
    with pytest.raises(DomainError, match="item_gone"):
        price_quote(purchase.lines, [], BELGIAN, "EUR", ON)


@untimed
@given(
    seats=st.integers(1, 5000),
    old=st.integers(0, 500_000),
    new=st.integers(0, 500_000),
    day=st.integers(0, 90),
)
def test_C1_credit_and_charge_net_or_the_switch_waits(
    seats: int, old: int, new: int, day: int
) -> None:
    state = subscription(plan(1, quantity=seats, unit=eur(old)))
    prices = book()
    key = ("crm", "enterprise", "quarter")
    prices = replace(prices, plans={**prices.plans, key: PriceOf(999, eur(new))})
    on = QUARTER.start + timedelta(days=day)
    left = 91 - day
    parts = [price * seats * left * 2 + 91 for price in (old, new)]  # in 1/182 cents, to round
    if parts[1] // 182 <= parts[0] // 182:
        error = refused(Switch(1, "enterprise"), states=(state,), on=on, prices=prices)
        assert error.code == "not_an_upgrade"
        return
    _, priced = bought(Switch(1, "enterprise"), states=(state,), on=on, prices=prices)
    credit, charge = priced.lines
    exact = Decimal((new - old) * seats * left) / 91
    assert priced.totals.net == credit.net + charge.net
    assert priced.totals.net.minor > 0
    assert abs(priced.totals.net.minor - exact) <= 1  # each line rounded once, to half a cent
    (outlook,) = priced.outlook
    assert (outlook.net_before, outlook.net_after) == (eur(old * seats), eur(new * seats))


# --- add-ons -----------------------------------------------------------------------------------


def test_C1_an_add_ons_package_is_switched_like_a_plan() -> None:
    state = subscription(
        plan(1), replace(add_on(2, quantity=3, unit=eur(1200)), package_key="basic")
    )
    _, priced = bought(Switch(2, "beyond"), states=(state,))
    assert [line.kind for line in priced.lines] == ["plan_credit", "plan_charge"]
    assert [line.unit_price for line in priced.lines] == [eur(-1200), eur(2700)]
    assert refused(Switch(2, "basic"), states=(state,)).code == "not_an_upgrade"
    assert refused(Switch(2, "gone"), states=(state,)).code == "not_offered"


def test_C1_a_package_switch_takes_the_place_of_an_end_that_waits() -> None:
    item = replace(add_on(2, quantity=3, unit=eur(1200)), package_key="basic")
    end = waiting(9, ChangeKind.ADD_ON, on=QUARTER.end, item_id=2, target={"remove": True})
    state = subscription(plan(1), item, changes=[end])
    purchase, _ = bought(Switch(2, "beyond"), states=(state,))
    (after,) = with_lines([state], purchase.lines, ON)
    assert (after.changes, after.items[1].package_key) == ((), "beyond")


@pytest.mark.parametrize(
    ("choice", "quantity", "net", "per_seat"),
    [
        (AddOnChoice("appointments", "beyond", 4), 4, 3798, True),  # 4 × 27.00 × 32 ÷ 91
        (AddOnChoice("data-vault", "standard", 9), 1, 4747, False),  # 135.00 × 32 ÷ 91, flat
    ],
)
def test_S2_a_new_add_on_pays_the_days_left_per_licence_or_once(
    choice: AddOnChoice, quantity: int, net: int, per_seat: bool
) -> None:
    purchase, priced = bought(NewAddOn(1, choice), states=(CRM,))
    (line,) = priced.lines
    assert (line.kind, line.quantity, line.net, line.per_seat) == (
        "add_on", quantity, eur(net), per_seat,
    )  # fmt: skip
    (after,) = with_lines([CRM], purchase.lines, ON)
    item = after.items[-1]
    assert (item.add_on_key, item.package_key, item.quantity, item.per_seat) == (
        choice.add_on, choice.package, quantity, per_seat,
    )  # fmt: skip
    assert priced.outlook[0].net_after == priced.outlook[0].net_before + (
        line.unit_price * line.quantity
    )


def test_C4_a_new_add_on_learns_its_price_in_the_billing_period_that_waits() -> None:
    turn = waiting(8, ChangeKind.PERIOD, on=QUARTER.end,
                   target={"interval": "year", "prices": {"plan:pro": [211, 27500]}})  # fmt: skip
    state = subscription(plan(1), changes=[turn])
    purchase, priced = bought(NewAddOn(1, AddOnChoice("appointments", "basic", 2)), states=(state,))
    (after,) = with_lines([state], purchase.lines, ON)
    assert after.changes[0].target["prices"] == {
        "plan:pro": [211, 27500],
        "add_on:appointments:basic": [411, 4400],
    }
    assert priced.outlook[0].net_after == eur(12 * 27500 + 2 * 4400)


def test_an_add_on_is_bought_once() -> None:
    state = subscription(plan(1), add_on(2))
    wish = NewAddOn(1, AddOnChoice("appointments", "basic"))
    assert refused(wish, states=(state,)).code == "add_on_present"
    purchase, _ = bought(wish, states=(CRM,))
    with pytest.raises(DomainError, match="item_changed"):  # somebody else bought it meanwhile
        price_quote(purchase.lines, [state], BELGIAN, "EUR", ON)


# --- seats beside other wishes -----------------------------------------------------------------


def test_seats_and_a_switch_in_one_cart_cost_what_they_cost_in_either_order() -> None:
    both, priced = bought(Seats(1, 15), Switch(1, "enterprise"), states=(CRM,))
    assert [(line.kind, line.quantity) for line in both.lines] == [
        ("seats", 3), ("plan_credit", 15), ("plan_charge", 15),
    ]  # fmt: skip
    (after,) = with_lines([CRM], both.lines, ON)
    assert (after.items[0].plan_key, after.items[0].quantity) == ("enterprise", 15)
    upgraded = with_lines([CRM], bought(Switch(1, "enterprise"), states=(CRM,))[0].lines, ON)
    _, more = bought(Seats(1, 15), states=upgraded)
    first = bought(Switch(1, "enterprise"), states=(CRM,))[1].totals.net
    assert abs((first + more.totals.net - priced.totals.net).minor) <= 2


def test_nothing_wished_is_nothing_added() -> None:
    with pytest.raises(Rejected):
        bought(states=(CRM,))


# --- who may -----------------------------------------------------------------------------------


@pytest.mark.parametrize("terms", ["bank_transfer"])
def test_who_pays_by_bank_transfer_does_not_buy_alone(terms: str) -> None:
    start = Start("sign", "essential", Interval.MONTH, 1)
    for wish in (Switch(1, "enterprise"), NewAddOn(1, AddOnChoice("appointments", "basic")), start):
        error = refused(wish, states=(CRM,), terms=terms)
        assert (error.code, error.data["reason"]) == ("not_self_service", "bank_transfer")


def test_a_trial_and_a_suspended_subscription_are_not_changed_alone() -> None:
    trial = subscription(plan(1, unit=None), status="trial", interval=None, period=None)
    suspended = replace(CRM, status="suspended")
    for state in (trial, suspended):
        error = refused(Switch(1, "enterprise"), states=(state,))
        assert error.data["reason"] == state.status


def test_what_the_catalogue_does_not_sell_is_refused() -> None:
    assert refused(Switch(1, "gone"), states=(CRM,)).code == "not_offered"
    assert refused(Switch(99, "pro"), states=(CRM,)).code == "item_unknown"
    assert refused(NewAddOn(1, AddOnChoice("gone", "x")), states=(CRM,)).code == "not_offered"
    assert refused(NewAddOn(9, AddOnChoice("appointments", "basic")), states=(CRM,)).code == (
        "item_unknown"
    )
    assert refused(Start("gone", "x", Interval.MONTH, 1), states=()).code == "not_offered"
    assert refused(Switch(1, "enterprise"), states=(CRM,),
                   prices=PriceBook("EUR", {}, {})).code == "price_missing"  # fmt: skip


# --- a start -----------------------------------------------------------------------------------

START = Start("crm", "pro", Interval.MONTH, 5,
              (AddOnChoice("appointments", "basic", 2), AddOnChoice("data-vault", "standard")))  # fmt: skip


def test_P1_a_start_pays_a_whole_first_period_and_the_day_is_its_anchor() -> None:
    purchase, priced = bought(START, states=(), on=date(2026, 1, 31))
    assert [(line.kind, line.quantity, line.net) for line in priced.lines] == [
        ("start", 5, eur(12_500)), ("start", 2, eur(800)), ("start", 1, eur(4500)),
    ]  # fmt: skip
    assert all(line.days is None for line in priced.lines)
    assert (purchase.subscriptions, purchase.products) == ((), ("crm",))
    (state,) = with_lines([], purchase.lines, date(2026, 1, 31))
    assert state.term is not None
    assert state.term.anchor_day == 31
    assert [state.term.start_of(k) for k in range(3)] == [
        date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31),
    ]  # fmt: skip
    (outlook,) = priced.outlook
    assert outlook.is_new
    assert (outlook.on, outlook.net_before, outlook.net_after) == (
        date(2026, 2, 28), eur(0), eur(17_800),
    )  # fmt: skip


def test_P1_a_yearly_start_on_29_february_returns_to_it() -> None:
    on = date(2028, 2, 29)
    purchase, _ = bought(replace(START, interval=Interval.YEAR), states=(), on=on)
    (state,) = with_lines([], purchase.lines, on)
    assert state.period is not None
    assert (state.period.start, state.period.end) == (on, date(2029, 2, 28))
    for _year in range(3):
        state = plan_next_period(state).after
    assert plan_next_period(state).on == date(2032, 2, 29)


def test_a_product_is_subscribed_to_once() -> None:
    assert refused(START, states=(CRM,)).code == "already_subscribed"
    purchase, _ = bought(START, states=())
    with pytest.raises(DomainError, match="already_subscribed"):
        price_quote(purchase.lines, [CRM], BELGIAN, "EUR", ON)


@pytest.mark.parametrize("quantity", [0, 100_001])
def test_a_start_has_a_sensible_number(quantity: int) -> None:
    code = refused(replace(START, quantity=quantity), states=()).code
    assert code == ("quantity_too_small" if quantity == 0 else "quantity_too_large")


@untimed
@given(on=st.dates(date(2024, 1, 1), date(2040, 12, 31)), interval=st.sampled_from(Interval))
def test_P1_P2_a_start_on_any_day_has_consecutive_periods_on_its_anchor(
    on: date, interval: Interval
) -> None:
    purchase, priced = bought(replace(START, interval=interval), states=(), on=on)
    (state,) = with_lines([], purchase.lines, on)
    assert state.period is not None
    assert state.period.start == on
    following = plan_next_period(state)
    assert following.after.period is not None
    assert following.after.period.start == state.period.end
    assert following.net("EUR") == priced.totals.net  # the same again, whole, every time


# --- what is kept ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wish", [Seats(1, 15), Switch(1, "enterprise"), NewAddOn(1, AddOnChoice("a", "b", 3)), START]
)
def test_a_wish_survives_the_cart(wish: Wish) -> None:
    row = {"item_id": None, "subject_key": "", "details": None, **wish_to_row(wish)}
    assert wish_from_row(**row) == wish


def test_a_line_keeps_what_it_sold() -> None:
    purchase, _ = bought(START, states=())
    for line in purchase.lines:
        assert line.sold is not None
        assert Sold.read(line.sold.details()) == line.sold
    assert Sold.read(None) is None
    assert PinnedLine(1, "seats", 1, 11, 3, eur(7500)).per_seat


def test_C1_a_downgrade_names_what_is_lost_first() -> None:
    found = differences(CATALOGUE.product("crm"), "pro", "start")
    assert [(each.feature.key, each.is_lost) for each in found[:3]] == [
        ("automation", True), ("forecasts", True), ("contacts", False),
    ]  # fmt: skip
    assert "mail-sync" not in {each.feature.key for each in found}
