"""Web tests read the database beside the requests they send.

The session here holds no app context (a request inside one would share its `g`, and with it the
person and the token of the request before) and no lock on SQLite; `rollback()` before looking
again at what a request has changed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.extensions import db


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session of a test's own; it is never committed for you."""
    with app.app_context():
        engine = db.engine.execution_options(portal_reads=True)
    own = Session(engine, autoflush=False, expire_on_commit=False)
    yield own
    own.rollback()
    own.close()
