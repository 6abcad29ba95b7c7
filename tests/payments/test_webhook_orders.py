"""The same history ends in the same state, in whatever order its webhooks come (M2, M3, M4)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from portal.clock import clock
from portal.db import transaction
from portal.models import DemoObject
from portal.parts import Parts
from portal.payments.demo_books import change_object
from tests.fake_stripe.driver import FakeStripe
from tests.payments.harness import DemoHarness, StripeHarness
from tests.support.soak import count_of
from tests.support.webhook_history import History, Outcome

pytestmark = [pytest.mark.usefixtures("app_context"), pytest.mark.timeout(0)]

START = datetime(2026, 10, 29, 9, 0, tzinfo=UTC)


def check_end(outcome: Outcome) -> None:
    """The end that the history has, whoever the provider is."""
    orders = {name: seen["orders"][0][0] for name, seen in outcome.items() if seen["orders"]}
    assert orders == {"secure": "done", "debit": "done", "declined": "failed"}
    assert outcome["secure"]["invoices"][0][1] == "paid"
    assert outcome["debit"]["invoices"][0][1] == "open"  # the money was taken back (M4)
    assert not outcome["declined"]["invoices"]
    assert not outcome["methods"]["method"]  # the last one was lost
    assert [outcome[name]["seats"][0][0] for name in ("secure", "debit", "declined")] == [8, 8, 6]


def check_all(histories: list[History]) -> None:
    """Every one ends as the first does."""
    expected = None
    for history in histories:
        outcome = history.run()
        if expected is None:
            expected = outcome
            check_end(outcome)
        assert outcome == expected, f"news delivered by seed {history.seed} ended otherwise"
        assert history.outcomes.count("duplicate") == len(history.news) * 4


def test_M2_any_order_of_the_same_news_ends_in_the_same_state(parts: Parts) -> None:
    def renew(ref: str, year: int) -> None:
        with transaction() as session:
            row = session.scalars(select(DemoObject).where(DemoObject.ref == ref)).one()
            change_object(row, expires_year=year)

    provider = DemoHarness()
    check_all([
        History(parts, provider, renew, f"s{number}", START)
        for number in range(count_of(6, 1_000))
    ])  # fmt: skip


def test_M2_so_it_does_with_stripe(parts: Parts, fake_stripe: FakeStripe) -> None:
    clock.fix(START)
    provider = StripeHarness(fake_stripe)

    def renew(ref: str, year: int) -> None:
        fake_stripe.act("new_card", method=ref, card={"exp_year": year})

    check_all([
        History(parts, provider, renew, f"t{number}", START)
        for number in range(count_of(3, 1_000))
    ])  # fmt: skip
    fake_stripe.check()
