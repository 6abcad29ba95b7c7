"""The same history ends in the same state, in whatever order its webhooks come (M2, M3, M4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from portal.clock import clock
from portal.db import transaction
from portal.models import DemoObject
from portal.parts import Parts
from portal.payments.demo_books import change_object
from portal.payments.stripe_gateway import LineTimes
from tests.conftest import Database
from tests.fake_stripe.driver import FakeStripe
from tests.payments.harness import DemoHarness, Harness, StripeHarness
from tests.support.ledger import the_books_agree
from tests.support.soak import count_of
from tests.support.webhook_history import History, Outcome

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(0),
    pytest.mark.usefixtures("app_context"),
]

START = datetime(2026, 10, 29, 9, 0, tzinfo=UTC)
_TOGETHER = 20


def check_end(outcome: Outcome) -> None:
    """The end that the history has, whoever the provider is."""
    orders = {name: seen["orders"][0][0] for name, seen in outcome.items() if seen["orders"]}
    assert orders == {"secure": "done", "debit": "done", "declined": "failed"}
    assert outcome["secure"]["invoices"][0][1] == "paid"
    assert outcome["debit"]["invoices"][0][1] == "open"  # the money was taken back (M4)
    assert not outcome["declined"]["invoices"]
    assert not outcome["methods"]["method"]  # the last one was lost
    assert [outcome[name]["seats"][0][0] for name in ("secure", "debit", "declined")] == [8, 8, 6]


class Ground:
    """What histories are played on: one after the other, put back to the start now and then.

    Both sides keep what they were told, and would be slower with each history for ever.
    """

    def __init__(self, parts: Parts, database: Database, begin: Callable[[], Harness],
                 renew_card: Callable[[str, int], None]) -> None:  # fmt: skip
        self.parts, self.database, self.begin, self.renew_card = parts, database, begin, renew_card

    def check(self, seeds: list[str]) -> None:
        """Every history ends as the first does, and the books agree."""
        expected = None
        provider = self.begin()
        for number, seed in enumerate(seeds):
            if number and number % _TOGETHER == 0:
                self.database.reset()
                provider = self.begin()
            history = History(self.parts, provider, self.renew_card, seed, START)
            outcome = history.run()
            if expected is None:
                expected = outcome
                check_end(outcome)
            assert outcome == expected, f"news delivered by seed {seed} ended otherwise"
            assert history.outcomes.count("duplicate") == len(history.news) * 4
            the_books_agree(history.parts, since=START)


def test_M2_any_order_of_the_same_news_ends_in_the_same_state(
    parts: Parts, database: Database
) -> None:
    def renew(ref: str, year: int) -> None:
        with transaction() as session:
            row = session.scalars(select(DemoObject).where(DemoObject.ref == ref)).one()
            change_object(row, expires_year=year)

    seeds = [f"s{number}" for number in range(count_of(6, 1_000))]
    Ground(parts, database, DemoHarness, renew).check(seeds)


def test_M2_so_it_does_with_stripe(
    parts: Parts, database: Database, fake_stripe: FakeStripe
) -> None:
    def begin() -> Harness:
        fake_stripe.check()
        clock.fix(START)
        harness = StripeHarness(fake_stripe)
        # The order of the news is what is proved here: a busy machine may answer late.
        harness.gateway = harness.other(LineTimes(on_screen=(10, 60)))
        return harness

    def renew(ref: str, year: int) -> None:
        fake_stripe.act("new_card", method=ref, card={"exp_year": year})

    seeds = [f"t{number}" for number in range(count_of(3, 1_000))]
    Ground(parts, database, begin, renew).check(seeds)
    fake_stripe.check()
