"""The renewal, planned: preview and renewal use the same plan (C1, C2, C3, S3, P1 to P3, I1, I3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.periods import Interval, Period, Term
from portal.domain.renewals import (
    carry_forward,
    is_invoiced_by,
    period_beginning,
    plan_next_invoice,
    plan_next_period,
)
from portal.domain.subscriptions import ChangeKind
from portal.domain.tax import TaxDecision, TaxTreatment
from tests.unit.domain.buying import QUARTER, YEAR, add_on, eur, plan, subscription, waiting

untimed = settings(deadline=None)
BELGIAN = TaxDecision(TaxTreatment.DOMESTIC, Decimal(21), "BE")
NEXT = Period(date(2026, 11, 30), date(2027, 2, 28))
YEARLY = {
    "interval": "year",
    "prices": {"plan:pro": [501, 28_500], "add_on:appointments:beyond": [502, 9_600]},
}
START = {"plan": "start", "prices": {"quarter": [601, 3_300], "year": [602, 12_600]}}


def test_the_renewal_bills_every_item_at_its_full_price() -> None:
    state = subscription(
        plan(1), add_on(2, quantity=3), add_on(3, unit=eur(13_500), per_seat=False)
    )
    lines = plan_next_period(state).lines
    assert [(x.position, x.kind, x.quantity, x.net.minor, x.days) for x in lines] == [
        (1, "seats", 12, 90_000, None),
        (2, "seats", 3, 7_500, None),
        (3, "add_on", 1, 13_500, None),
    ]


def test_S3_a_reduction_that_waits_is_in_the_renewal_and_nothing_bills_no_line() -> None:
    state = subscription(plan(1, waiting=-2), plan(2, quantity=3, waiting=-3), plan(3, unit=None))
    found = plan_next_period(state)
    assert [(x.item_id, x.quantity) for x in found.lines] == [(1, 10)]
    assert [item.quantity for item in found.after.items] == [10, 0, 12]
    assert found.after.changes == ()


def test_S3_a_reduction_for_a_later_renewal_goes_on_waiting() -> None:
    later = waiting(7, ChangeKind.SEATS, item_id=1, delta=-4, on=NEXT.end)
    state = subscription(plan(1, waiting=-2), changes=[later])
    first = plan_next_period(state)
    assert (first.lines[0].quantity, first.after.changes) == (10, (later,))
    assert first.after.items[0].waiting_delta == -4  # it is the coming renewal's by then
    assert period_beginning(state, NEXT.end).lines[0].quantity == 6


def test_C1_a_downgrade_that_waits_has_the_price_that_was_shown() -> None:
    down = waiting(7, ChangeKind.PLAN, item_id=1, on=QUARTER.end, target=START)
    found = plan_next_period(subscription(plan(1), changes=[down]))
    item = found.after.item(1)
    assert item is not None
    assert (item.plan_key, item.price_id, item.unit_price) == ("start", 601, eur(3_300))
    assert [(x.quantity, x.net) for x in found.lines] == [(12, eur(39_600))]
    assert found.applied == (down,)


def test_P1_a_period_change_opens_a_term_on_the_anchor_day() -> None:
    turn = waiting(7, ChangeKind.PERIOD, on=QUARTER.end, target=YEARLY)
    found = plan_next_period(subscription(plan(1), add_on(2, quantity=3), changes=[turn]))
    assert (found.new_term, found.after.number, found.after.interval) == (True, 1, Interval.YEAR)
    assert found.after.term == Term(Interval.YEAR, 2026, 11, 31)
    assert found.after.period == Period(date(2026, 11, 30), date(2027, 11, 30))
    assert [x.unit_price for x in found.lines] == [eur(28_500), eur(9_600)]


def test_P1_monthly_on_the_31st_yearly_and_monthly_again_lands_on_the_31st() -> None:
    january = Term(Interval.MONTH, 2026, 1, 31)
    yearly = waiting(1, ChangeKind.PERIOD, on=date(2026, 2, 28),
                     target={"interval": "year", "prices": {"plan:pro": [1, 100]}})  # fmt: skip
    monthly = waiting(2, ChangeKind.PERIOD, on=date(2027, 2, 28),
                      target={"interval": "month", "prices": {"plan:pro": [2, 10]}})  # fmt: skip
    state = replace(
        subscription(
            plan(1), interval=Interval.MONTH, period=january.period(0), changes=[yearly, monthly]
        ),
        term=january,
    )
    first = plan_next_period(state)
    second = plan_next_period(first.after)
    third = plan_next_period(second.after)
    assert first.after.period == Period(date(2026, 2, 28), date(2027, 2, 28))
    assert second.after.period == Period(date(2027, 2, 28), date(2027, 3, 31))
    assert third.after.period == Period(date(2027, 3, 31), date(2027, 4, 30))


def test_C2_a_period_change_a_reduction_and_a_downgrade_wait_together() -> None:
    changes = [
        waiting(1, ChangeKind.SEATS, item_id=1, delta=-2, on=QUARTER.end),
        waiting(2, ChangeKind.PLAN, item_id=1, on=QUARTER.end, target=START),
        waiting(3, ChangeKind.PERIOD, on=QUARTER.end, target=YEARLY),
    ]
    found = plan_next_period(subscription(plan(1), add_on(2, quantity=3), changes=changes))
    assert [(x.quantity, x.net) for x in found.lines] == [
        (10, eur(126_000)),  # the smaller plan's yearly price, not the present plan's
        (3, eur(28_800)),
    ]


def test_C2_an_add_on_changes_its_package_or_goes() -> None:
    basic = {"package": "basic", "prices": {"quarter": [701, 1_100]}}
    changes = [
        waiting(1, ChangeKind.ADD_ON, item_id=2, on=QUARTER.end, target=basic),
        waiting(2, ChangeKind.ADD_ON, item_id=3, on=QUARTER.end, target={"remove": True}),
        waiting(3, ChangeKind.SEATS, item_id=3, delta=-1, on=NEXT.end),
    ]
    state = subscription(plan(1), add_on(2, quantity=3), add_on(3, quantity=9), changes=changes)
    found = plan_next_period(state)
    assert [(x.item_id, x.net) for x in found.lines] == [(1, eur(90_000)), (2, eur(3_300))]
    assert found.removed == (3,)
    assert [change.id for change in found.void] == [3]  # nothing is left that it could reduce
    assert found.after.changes == ()


def test_C3_a_cancellation_ends_it_and_what_waits_for_later_is_void() -> None:
    end = waiting(1, ChangeKind.CANCEL, on=QUARTER.end)
    later = waiting(2, ChangeKind.SEATS, item_id=1, delta=-2, on=NEXT.end)
    state = subscription(plan(1), changes=[end, later])
    assert state.ends_on == QUARTER.end
    found = plan_next_period(state)
    assert (found.ends, found.lines, found.after.status) == (True, (), "ended")
    assert (found.applied, found.void) == ((end,), (later,))
    assert plan_next_invoice([state], BELGIAN, "EUR") is None


def test_C4_without_the_price_that_was_shown_nothing_is_billed() -> None:
    turn = waiting(7, ChangeKind.PERIOD, on=QUARTER.end, target={"interval": "year", "prices": {}})
    with pytest.raises(DomainError, match="price_missing"):
        plan_next_period(subscription(plan(1), changes=[turn]))


def test_C2_the_next_invoice_is_the_earliest_renewal_with_everything_due_that_day() -> None:
    states = [
        subscription(plan(1), number=1),
        subscription(plan(2), number=2, interval=Interval.YEAR, period=YEAR),
        subscription(plan(3, quantity=1), number=3),
        subscription(plan(4), number=4, changes=[waiting(1, ChangeKind.CANCEL, on=QUARTER.end)]),
    ]
    found = plan_next_invoice(states, BELGIAN, "EUR")
    assert found is not None
    assert (found.on, found.subscriptions) == (QUARTER.end, 2)
    assert [(state.subscription_id, x.net.minor) for state, x in found.lines] == [
        (1, 90_000), (3, 7_500),
    ]  # fmt: skip
    assert (found.net, found.tax, found.gross) == (eur(97_500), eur(20_475), eur(117_975))
    assert [state.subscription_id for state in found.ending] == [4]


def test_I1_the_next_invoices_are_summed_each_with_its_own_vat() -> None:
    states = [subscription(plan(n, quantity=1, unit=eur(2)), number=n) for n in (1, 2)]
    found = plan_next_invoice(states, BELGIAN, "EUR")
    assert found is not None
    assert found.tax == eur(0)  # two invoices of 0.42 cents; one of 4 cents would carry 1


def test_C5_a_trial_or_a_suspended_subscription_has_no_next_invoice() -> None:
    trial = subscription(plan(), status="trial", interval=None, period=None)
    assert plan_next_invoice([trial], BELGIAN, "EUR") is None
    assert plan_next_invoice([subscription(plan(), status="suspended")], BELGIAN, "EUR") is None
    assert plan_next_invoice([], BELGIAN, "EUR") is None


def test_P1_the_period_after_is_computed_from_the_term() -> None:
    found = plan_next_period(subscription(plan())).after
    assert (found.number, found.period) == (2, NEXT)


def test_P2_a_period_that_the_term_does_not_know_is_refused() -> None:
    with pytest.raises(DomainError, match="period_off_term"):
        plan_next_period(replace(subscription(plan()), number=2))
    with pytest.raises(DomainError, match="period_off_term"):
        plan_next_period(subscription(plan(), period=None))


def test_P2_a_day_on_which_nothing_renews_is_refused() -> None:
    with pytest.raises(DomainError, match="no_such_renewal"):
        period_beginning(subscription(plan()), QUARTER.end + timedelta(days=1))
    ends = subscription(plan(), changes=[waiting(1, ChangeKind.CANCEL, on=QUARTER.end)])
    with pytest.raises(DomainError, match="no_such_renewal"):
        period_beginning(ends, NEXT.end)


@pytest.mark.parametrize(
    ("terms", "days_ahead", "invoiced"),
    [
        ("automatic", 1, False), ("automatic", 0, True), ("automatic", -3, True),
        ("bank_transfer", 16, False), ("bank_transfer", 15, True), ("bank_transfer", 0, True),
    ],
)  # fmt: skip
def test_I3_when_a_renewal_is_invoiced(terms: str, days_ahead: int, invoiced: bool) -> None:
    renewal = QUARTER.end
    assert is_invoiced_by(renewal, renewal - timedelta(days=days_ahead), 15, terms) is invoiced


# --- what a page shows while the worker is late (P3) -------------------------------------------


def test_P3_before_its_end_a_period_is_the_present_one() -> None:
    state = subscription(plan())
    assert carry_forward(state, QUARTER.end - timedelta(days=1)) is state


def test_P3_after_its_end_the_state_is_what_the_due_renewals_lead_to() -> None:
    state = carry_forward(subscription(plan(waiting=-2)), QUARTER.end)
    assert state.period == NEXT
    assert (state.items[0].quantity, state.items[0].waiting_delta) == (10, 0)


def test_P3_a_cancellation_whose_day_has_come_is_shown_as_ended() -> None:
    ends = subscription(plan(), changes=[waiting(1, ChangeKind.CANCEL, on=QUARTER.end)])
    assert carry_forward(ends, QUARTER.end).status == "ended"


def test_P3_one_that_cannot_be_renewed_is_shown_as_it_stands() -> None:
    turn = waiting(7, ChangeKind.PERIOD, on=QUARTER.end, target={"interval": "year"})
    state = subscription(plan(), changes=[turn])
    assert carry_forward(state, QUARTER.end) is state


@untimed
@given(late=st.integers(0, 2000), interval=st.sampled_from(Interval), day=st.integers(1, 31))
def test_P3_however_late_the_present_day_is_in_the_period_shown(
    late: int, interval: Interval, day: int
) -> None:
    term = Term(interval, 2026, 1, day)
    state = replace(subscription(plan(), interval=interval, period=term.period(0)), term=term)
    on = term.period(0).end + timedelta(days=late)
    shown = carry_forward(state, on).period
    assert shown is not None
    assert shown.contains(on)
    assert shown == term.period(term.index_of(on))


@pytest.mark.parametrize("status", ["trial", "suspended", "ended"])
def test_what_does_not_renew_is_shown_as_it_stands(status: str) -> None:
    state = subscription(plan(), status=status)
    assert carry_forward(state, QUARTER.end + timedelta(days=400)) is state
