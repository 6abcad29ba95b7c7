"""The invoices of a renewal date, whole: each with its own VAT, their sum the next invoice (I1)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from portal.domain.periods import Interval, Period
from portal.domain.renewal_invoices import plan_coming_invoices, plan_renewal_invoice
from portal.domain.renewals import plan_next_invoice, plan_next_period
from portal.domain.subscriptions import ChangeKind
from portal.domain.tax import TaxDecision, TaxTreatment
from tests.unit.domain.buying import QUARTER, add_on, eur, plan, subscription, waiting

DOMESTIC = TaxDecision(TaxTreatment.DOMESTIC, Decimal(21), "BE")
MONTH = Period(date(2026, 10, 30), date(2026, 11, 30))


def test_I1_a_renewal_is_one_invoice_with_vat_on_its_sum() -> None:
    state = subscription(plan(unit=eur(333), quantity=3), add_on(2, unit=eur(111), quantity=1))
    invoice = plan_renewal_invoice(plan_next_period(state), DOMESTIC, "EUR")
    assert [(item.item_id, line.net) for item, line in invoice.lines] == [
        (1, eur(999)), (2, eur(111)),
    ]  # fmt: skip
    assert (invoice.totals.net, invoice.totals.tax, invoice.totals.gross) == (
        eur(1110), eur(233), eur(1343),
    )  # fmt: skip


def test_C2_several_subscriptions_on_one_day_are_several_invoices_and_the_sum_is_theirs() -> None:
    first = subscription(plan(unit=eur(33), quantity=1))
    second = subscription(plan(2, unit=eur(33), quantity=1), number=2, product="desk",
                          interval=Interval.MONTH, period=MONTH)  # fmt: skip
    coming = plan_coming_invoices([first, second], DOMESTIC, "EUR")
    assert coming is not None
    assert [i.totals.gross for i in coming.invoices] == [eur(40), eur(40)]  # 0.33 + 0.07 each
    assert coming.totals.gross == eur(80)  # and not 0.66 + 0.14 of the sum
    known = plan_next_invoice([first, second], DOMESTIC, "EUR")
    assert known is not None
    assert (known.on, known.gross) == (coming.on, coming.totals.gross)


def test_C3_what_ends_that_day_is_named_and_not_invoiced() -> None:
    ends = waiting(7, ChangeKind.CANCEL, on=QUARTER.end, target={"reason": ""})
    going, ending = subscription(plan()), subscription(plan(2), number=2, changes=[ends])
    coming = plan_coming_invoices([going, ending], DOMESTIC, "EUR")
    assert coming is not None
    assert [i.state.subscription_id for i in coming.invoices] == [1]
    assert [state.subscription_id for state in coming.ending] == [2]
    assert plan_coming_invoices([ending], DOMESTIC, "EUR") is None
    assert plan_coming_invoices([], DOMESTIC, "EUR") is None


def test_C4_one_that_cannot_be_renewed_leaves_the_others_invoices_as_they_are() -> None:
    broken = waiting(1, ChangeKind.PERIOD, on=QUARTER.end, target={"interval": "year"})
    parked = subscription(plan(2, quantity=3), number=2, changes=[broken])
    going = subscription(plan(quantity=12))
    coming = plan_coming_invoices([parked, going], DOMESTIC, "EUR")
    assert coming is not None
    assert coming == plan_coming_invoices([going], DOMESTIC, "EUR")
    assert plan_coming_invoices([parked], DOMESTIC, "EUR") is None
