"""The invoice of a renewal, planned: preview and renewal use the same lines (C2, P1 to P3, I3)."""

from __future__ import annotations

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
    plan_next_invoice,
    plan_renewal,
    plan_renewal_lines,
)
from portal.domain.tax import TaxDecision, TaxTreatment
from tests.unit.domain.buying import QUARTER, YEAR, add_on, eur, plan, subscription

untimed = settings(deadline=None)
BELGIAN = TaxDecision(TaxTreatment.DOMESTIC, Decimal(21), "BE")
TERM = Term(Interval.QUARTER, 2026, 5, 31)  # 31 May, 31 August, 30 November, 28 February …


def test_the_renewal_bills_every_item_at_its_full_price() -> None:
    state = subscription(
        plan(1), add_on(2, quantity=3), add_on(3, unit=eur(13_500), per_seat=False)
    )
    lines = plan_renewal_lines(state)
    assert [(x.position, x.kind, x.quantity, x.net.minor, x.days) for x in lines] == [
        (1, "seats", 12, 90_000, None),
        (2, "seats", 3, 7_500, None),
        (3, "add_on", 1, 13_500, None),
    ]


def test_S3_a_reduction_that_waits_is_in_the_renewal_and_nothing_bills_no_line() -> None:
    state = subscription(plan(1, waiting=-2), plan(2, quantity=3, waiting=-3), plan(3, unit=None))
    assert [(x.item_id, x.quantity) for x in plan_renewal_lines(state)] == [(1, 10)]


def test_C2_the_next_invoice_is_the_earliest_renewal_with_everything_due_that_day() -> None:
    states = [
        subscription(plan(1), number=1),
        subscription(plan(2), number=2, interval=Interval.YEAR, period=YEAR),
        subscription(plan(3, quantity=1), number=3),
    ]
    found = plan_next_invoice(states, BELGIAN, "EUR")
    assert found is not None
    assert (found.on, found.subscriptions) == (QUARTER.end, 2)
    assert [(state.subscription_id, x.net.minor) for state, x in found.lines] == [
        (1, 90_000), (3, 7_500),
    ]  # fmt: skip
    assert (found.net, found.tax, found.gross) == (eur(97_500), eur(20_475), eur(117_975))


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
    following = plan_renewal(subscription(plan()), TERM, 2)
    assert (following.number, following.period) == (
        3,
        Period(date(2026, 11, 30), date(2027, 2, 28)),
    )


def test_P2_a_period_that_the_term_does_not_know_is_refused() -> None:
    with pytest.raises(DomainError, match="period_off_term"):
        plan_renewal(subscription(plan()), TERM, 1)
    with pytest.raises(DomainError, match="period_off_term"):
        plan_renewal(subscription(plan(), period=None), TERM, 2)


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
    assert carry_forward(state, TERM, QUARTER.end - timedelta(days=1)) is state


def test_P3_after_its_end_the_state_is_what_the_due_renewals_lead_to() -> None:
    state = carry_forward(subscription(plan(waiting=-2)), TERM, QUARTER.end)
    assert state.period == Period(date(2026, 11, 30), date(2027, 2, 28))
    assert (state.items[0].quantity, state.items[0].waiting_delta) == (10, 0)


@untimed
@given(late=st.integers(0, 2000), interval=st.sampled_from(Interval), day=st.integers(1, 31))
def test_P3_however_late_the_present_day_is_in_the_period_shown(
    late: int, interval: Interval, day: int
) -> None:
    term = Term(interval, 2026, 1, day)
    state = subscription(plan(), interval=interval, period=term.period(0))
    on = term.period(0).end + timedelta(days=late)
    shown = carry_forward(state, term, on).period
    assert shown is not None
    assert shown.contains(on)
    assert shown == term.period(term.index_of(on))


@pytest.mark.parametrize("status", ["trial", "suspended", "ended"])
def test_what_does_not_renew_is_shown_as_it_stands(status: str) -> None:
    state = subscription(plan(), status=status)
    assert carry_forward(state, TERM, QUARTER.end + timedelta(days=400)) is state
    assert carry_forward(subscription(plan()), None, QUARTER.end) is not None
