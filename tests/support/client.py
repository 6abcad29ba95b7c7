"""A test client that signs people in and checks every HTML page it fetches.

The check: strict HTML5, one h1, a title, a language, no duplicate ids, labelled links; so any web
test is also a test of the page's form (guards walk the rest).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.clock import clock
from portal.db import transaction
from portal.models import Account, Member, Person, SignInSession
from portal.web.signed_in import token_hash
from tests.support.html import Page, check_page


class PortalClient:
    """Fetches pages as one person would; `page` is the last HTML page, parsed."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.browser: FlaskClient = app.test_client()
        self.page: Page | None = None

    def sign_in(self, email: str, account: str | None = None) -> None:
        """Sign in as the person of `email`, in the account named `account` or the first one."""
        token = secrets.token_urlsafe(32)
        now = clock.now()
        with self.app.app_context(), transaction() as session:
            person = session.query(Person).filter_by(email=email).one()
            query = (
                session.query(Member)
                .join(Account, Account.id == Member.account_id)
                .filter(Member.person_id == person.id)
            )
            if account is not None:
                query = query.filter(Account.name == account)
            member = query.order_by(Member.id).first()
            session.add(
                SignInSession(
                    person_id=person.id,
                    account_id=member.account_id if member else None,
                    token_hash=token_hash(token),
                    created_at=now,
                    rotated_at=now,
                    expires_at=now + timedelta(hours=12),
                )
            )
        with self.browser.session_transaction() as cookie:
            cookie["_user_id"] = token
            cookie["_fresh"] = True

    def get(self, path: str, status: int = 200, **more: Any) -> TestResponse:
        """GET, follow nothing, hold the status, check the page."""
        return self._checked(self.browser.get(path, **more), status)

    def post(
        self, path: str, data: Any = None, status: int = 303, csrf: bool = True, **more: Any
    ) -> TestResponse:
        """POST a form with its CSRF token (taken from the last page), hold the status."""
        fields = dict(data or {})
        if csrf and "csrf_token" not in fields:
            fields["csrf_token"] = self.csrf_token()
        return self._checked(self.browser.post(path, data=fields, **more), status)

    def csrf_token(self) -> str:
        """The token of the last page that had one, else of the sign-in page."""
        token = self.page.csrf_token if self.page else None
        if token is None:
            self.get("/languages")
            token = self.page.csrf_token if self.page else None
        assert token, "no page with a CSRF token was fetched"
        return token

    def follow(self, response: TestResponse, status: int = 200) -> TestResponse:
        """Go where a redirect points."""
        return self.get(response.headers["Location"], status)

    def _checked(self, response: TestResponse, status: int) -> TestResponse:
        assert response.status_code == status, (
            f"{response.request.method} {response.request.path} answered {response.status_code}, "
            f"not {status}: {response.get_data(as_text=True)[:2000]}"
        )
        if response.mimetype == "text/html" and response.get_data():
            whole = "HX-Request" not in response.request.headers
            page = check_page(response.get_data(as_text=True), whole=whole)
            if whole:
                self.page = page
        return response
