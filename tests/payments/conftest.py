"""The adapters that the contract suite runs on."""

from __future__ import annotations

import pytest

from tests.payments.harness import DemoHarness, Harness

ADAPTERS = {"demo": DemoHarness}


@pytest.fixture(params=sorted(ADAPTERS))
def provider(request: pytest.FixtureRequest, app_context: None) -> Harness:
    """One adapter of the gateway port with its provider's counter, on either database."""
    harness: Harness = ADAPTERS[request.param]()
    return harness
