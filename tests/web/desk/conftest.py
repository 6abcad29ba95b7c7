"""The vendor's people at the desk, in English."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.buying import speak
from tests.support.client import PortalClient
from tests.support.desk import GRETA, HUGO


@pytest.fixture
def hugo(app: Flask) -> PortalClient:
    """The account executive of Lumière and Officine, signed in."""
    return _signed_in(app, HUGO)


@pytest.fixture
def greta(app: Flask) -> PortalClient:
    """The operator, signed in."""
    return _signed_in(app, GRETA)


def _signed_in(app: Flask, email: str) -> PortalClient:
    client = PortalClient(app)
    speak(client, email, "en")
    client.sign_in(email)
    return client
