"""Crediting: never more than the invoice, its VAT to the cent, what was paid comes back (I2, M6)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.crediting import (
    Credited,
    CreditPlan,
    InvoicedLine,
    PackLine,
    TakeBack,
    plan_credit,
    plan_take_back,
)
from portal.domain.errors import DomainError
from portal.domain.money import Money, total
from portal.domain.tax import totals

HIGH, LOW = Decimal(21), Decimal("5.5")


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def invoice(*lines: tuple[int, Decimal]) -> tuple[list[InvoicedLine], dict[Decimal, Money], Money]:
    """Lines (net, rate) as an invoice: its lines, its VAT by rate, its gross."""
    rows = [InvoicedLine(place, eur(net), rate) for place, (net, rate) in enumerate(lines, 1)]
    sums = totals(((row.net, row.rate) for row in rows), "EUR")
    return rows, {group.rate: group.tax for group in sums.groups}, sums.gross


def as_note(plan: CreditPlan) -> Credited:
    return Credited(plan.nets, {group.rate: group.tax for group in plan.totals.groups})


def test_I2_all_of_an_invoice_is_credited_to_the_cent() -> None:
    lines, taxes, gross = invoice((7912, HIGH), (13_500, HIGH), (333, LOW))
    plan = plan_credit(lines, taxes, [], eur(0))
    assert plan.totals.gross == gross
    assert plan.nets == {1: eur(7912), 2: eur(13_500), 3: eur(333)}
    assert [group.rate for group in plan.totals.groups] == [HIGH, LOW]
    assert (plan.completes, plan.settles, plan.owed) == (True, True, eur(0))


def test_I2_the_rest_follows_what_was_credited_before() -> None:
    lines, taxes, gross = invoice((1, HIGH), (1, HIGH), (1, HIGH))  # VAT 0.63 of a cent: one cent
    first = plan_credit(lines, taxes, [], eur(0), {1: eur(1)})
    assert first.totals.tax == eur(0)
    rest = plan_credit(lines, taxes, [as_note(first)], eur(0))
    assert first.totals.gross + rest.totals.gross == gross
    assert rest.completes


def test_I2_more_than_the_invoice_is_refused() -> None:
    lines, taxes, _gross = invoice((1000, HIGH), (-400, HIGH))
    for wanted in ({1: eur(1001)}, {1: eur(-1)}, {2: eur(-401)}, {2: eur(1)}):
        with pytest.raises(DomainError, match="credit_exceeds_invoice"):
            plan_credit(lines, taxes, [], eur(0), wanted)
    # The dear line alone is worth more than the whole invoice.
    with pytest.raises(DomainError, match="credit_exceeds_invoice") as error:
        plan_credit(lines, taxes, [], eur(0), {1: eur(1000)})
    assert error.value.data["maximum"] == eur(726)
    with pytest.raises(DomainError, match="line_unknown"):
        plan_credit(lines, taxes, [], eur(0), {3: eur(1)})


def test_I2_nothing_left_is_nothing_to_credit() -> None:
    lines, taxes, _gross = invoice((1000, HIGH))
    whole = plan_credit(lines, taxes, [], eur(0))
    for wanted in (None, {1: eur(0)}, {}):
        with pytest.raises(DomainError, match="nothing_to_credit"):
            plan_credit(lines, taxes, [as_note(whole)], eur(0), wanted)


def test_M6_what_was_paid_beyond_the_rest_is_owed() -> None:
    lines, taxes, gross = invoice((1000, HIGH))
    part = plan_credit(lines, taxes, [], eur(500), {1: eur(300)})
    assert (part.owed, part.settles) == (eur(0), False)
    more = plan_credit(lines, taxes, [as_note(part)], eur(500), {1: eur(400)})
    assert more.owed == eur(500) + part.totals.gross + more.totals.gross - gross
    assert (more.settles, more.completes) == (True, False)
    rest = plan_credit(lines, taxes, [as_note(part), as_note(more)], eur(500))
    assert more.owed + rest.owed == eur(500)


LINES = st.lists(
    st.tuples(st.integers(1, 500_000), st.sampled_from([HIGH, LOW, Decimal(0)])),
    min_size=1, max_size=5,
)  # fmt: skip


@given(LINES, st.data())
def test_I2_in_however_many_notes_it_is_the_invoice_in_the_end(
    drawn: list[tuple[int, Decimal]], data: st.DataObject
) -> None:
    lines, taxes, gross = invoice(*drawn)
    paid = eur(data.draw(st.integers(0, gross.minor), label="paid"))
    notes: list[Credited] = []
    plans: list[CreditPlan] = []
    for _ in range(data.draw(st.integers(0, 4), label="partial notes")):
        line = data.draw(st.sampled_from(lines), label="line")
        done = total((n.nets[line.position] for n in notes if line.position in n.nets), "EUR")
        left = line.net - done
        if left.is_zero:
            continue
        amount = eur(data.draw(st.integers(1, left.minor), label="amount"))
        plans.append(plan_credit(lines, taxes, notes, paid, {line.position: amount}))
        notes.append(as_note(plans[-1]))
    if any(
        total((n.nets[x.position] for n in notes if x.position in n.nets), "EUR") != x.net
        for x in lines
    ):
        plans.append(plan_credit(lines, taxes, notes, paid))
    assert total((plan.totals.gross for plan in plans), "EUR") == gross
    assert total((plan.owed for plan in plans), "EUR") == paid
    assert all(plan.totals.tax.minor >= 0 for plan in plans)
    assert plans[-1].completes


@pytest.mark.parametrize(
    ("net", "before", "now", "balance", "stand_for", "left"),
    [
        (18_000, 0, 18_000, 5_000, 2_000, 2_000),
        (18_000, 0, 18_000, 700, 2_000, 700),
        (18_000, 0, 18_000, 0, 2_000, 0),
        (18_000, 0, 9_000, 5_000, 1_000, 1_000),
        (18_000, 9_000, 9_000, 5_000, 1_000, 1_000),
        (18_000, 0, 1, 5_000, 0, 0),
        (18_000, 0, 0, 5_000, 0, 0),
        (0, 0, 0, 5_000, 0, 0),
    ],
)
def test_W2_the_credits_that_a_note_stands_for(
    net: int, before: int, now: int, balance: int, stand_for: int, left: int
) -> None:
    pack = PackLine(2_000, *(Money(minor, "EUR") for minor in (net, before, now)))
    assert plan_take_back([pack], balance) == TakeBack(stand_for, left)


def test_W2_the_shares_of_all_notes_are_the_pack() -> None:
    net, before, taken = Money(18_001, "EUR"), Money.zero("EUR"), 0
    for part in (1, 7_000, 3, 10_997):
        plan = plan_take_back([PackLine(1_999, net, before, Money(part, "EUR"))], 10**6)
        taken, before = taken + plan.left, before + Money(part, "EUR")
    assert (taken, before) == (1_999, net)
