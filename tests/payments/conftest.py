"""The adapters that the contract suite runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.payments.harness import DemoHarness, Harness, StripeHarness


@pytest.fixture(params=["demo", "stripe"])
def provider(request: pytest.FixtureRequest, app_context: None) -> Iterator[Harness]:
    """One adapter of the gateway port with its provider's counter, on either database."""
    if request.param == "demo":
        yield DemoHarness()
        return
    stripe = request.getfixturevalue("fake_stripe")
    yield StripeHarness(stripe)
    stripe.check()
