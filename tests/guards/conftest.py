"""Two customers with everything that an address can name."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from portal.parts import Parts
from tests.guards.site import EXECUTIVE, OPERATOR, Owner, furnish, rest_values
from tests.support.client import PortalClient


@pytest.fixture
def owners(app: Flask, parts: Parts) -> tuple[Owner, Owner]:
    """The one who is signed in, and another customer's admin."""
    return furnish(app, parts)


@pytest.fixture
def rest(app: Flask, owners: tuple[Owner, Owner]) -> dict[str, Any]:
    """Values of the arguments that belong to nobody."""
    return rest_values(app)


@pytest.fixture
def admin(app: Flask, owners: tuple[Owner, Owner]) -> PortalClient:
    """The first customer's admin, signed in."""
    client = PortalClient(app)
    client.sign_in(owners[0].email)
    return client


@pytest.fixture
def executive(app: Flask, owners: tuple[Owner, Owner]) -> PortalClient:
    """The account executive who serves the first customer, signed in."""
    client = PortalClient(app)
    client.sign_in(EXECUTIVE)
    return client


@pytest.fixture
def operator(app: Flask, owners: tuple[Owner, Owner]) -> PortalClient:
    """The operator, who serves everyone, signed in."""
    client = PortalClient(app)
    client.sign_in(OPERATOR)
    return client
