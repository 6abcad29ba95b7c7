"""The portal with a few thousand generated customers on one database, and its measured requests."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event
from werkzeug.test import Client

from portal.app import create_app
from portal.config import DEMO_CATALOG, load_settings
from portal.db import transaction
from portal.extensions import db
from portal.services.catalogue_sync import sync_catalogue
from tests.benchmarks import floor
from tests.support.bulk import Customer, Customers
from tests.support.html import check_page

SECRET = "a-secret-of-the-benchmark-0123456789abcdef"
TOKEN = "token-of-the-measured-person-0123456789abc"
HOST = "127.0.0.1"
SEATS = (5, 4, 3)  # three subscriptions, twelve licences


@dataclass(frozen=True, slots=True)
class Page:
    """One measured request: its bytes as they are sent, its SQL statements."""

    name: str
    request: bytes
    statements: int


class Site:
    """Fills a database and knows how its portal and the floor are started and asked."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.folder = folder
        self.environment = {
            "DATABASE_URL": database_url,
            "SECRET_KEY": SECRET,
            "PUBLIC_URL": f"http://{HOST}",
            "CATALOG_FILE": str(DEMO_CATALOG),
            "SMTP_HOST": HOST,
            "MAIL_FROM": "portal@bench.example",
            "INSTANCE_PATH": str(folder),
            "ENTITLEMENT_SECRET": SECRET[::-1],
        }
        translations = folder / "floor-translations"
        self.floor_environment = {
            "DATABASE_URL": database_url,
            "SECRET_KEY": SECRET,
            "FLOOR_TRANSLATIONS": str(translations),
        }
        floor.write_translations(translations)
        self.customer: Customer
        self.app: Flask

    def fill(self, accounts: int) -> None:
        """Migrate, sync the catalogue, insert the customers."""
        self.app = create_app(load_settings({**os.environ, **self.environment}))
        now = datetime.now(UTC)
        with self.app.app_context():
            upgrade()
            catalogue = self.app.extensions["portal"].catalogue
            with transaction() as session:
                sync_catalogue(session, catalogue, now)
            with transaction() as session:
                customers = Customers(session.connection(), catalogue, now, locale=floor.LOCALE)
                for number in range(accounts):
                    found = customers.add(SEATS)
                    if number == accounts // 2:
                        self.customer = found
                customers.sign_in(self.customer, TOKEN)
                customers.write()

    def pages(self) -> list[Page]:
        """The measured requests; asking for each once here also counts its statements."""
        browser = Client(self.app)
        browser.set_cookie("portal", self.signed({"_user_id": TOKEN, "_fresh": True}), domain=HOST)
        customer = self.customer
        first = customer.subscription_ids[0]
        answer = browser.get("/licences", base_url=f"http://{HOST}")
        csrf = check_page(answer.get_data(as_text=True), whole=True).csrf_token or ""
        found = browser.get_cookie("portal", domain=HOST)
        assert found is not None
        cookie = f"portal={found.value}"
        form = {"csrf_token": csrf, "action": "preview", f"item_{customer.item_ids[0]}": "9"}
        form |= {f"item_{i}": str(n) for i, n in zip(customer.item_ids[1:], SEATS[1:], strict=True)}
        return [
            self._page("licences", "GET", "/licences", cookie),
            self._page("quote review", "GET", f"/quotes/{customer.open_quote_id}", cookie),
            self._page("invoices", "GET", "/invoices", cookie),
            self._page("sign-in", "GET", "/sign-in", self._anonymous()),
            self._page("price preview (htmx)", "POST", f"/licences/{first}/add", cookie, form),
        ]

    def floor_page(self) -> bytes:
        """The floor's one request."""
        app = floor.create_floor(
            self.database_url, SECRET, self.floor_environment["FLOOR_TRANSLATIONS"]
        )
        data = {
            "person_id": self.customer.person_id,
            "account_id": self.customer.account_id,
            "locale": floor.LOCALE,
        }
        cookie = app.session_interface.get_signing_serializer(app).dumps(data)  # type: ignore[attr-defined]
        return _request("GET", "/", f"floor={cookie}")

    def signed(self, data: dict[str, object]) -> str:
        """The session cookie of the portal with `data` in it."""
        serializer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
        return str(serializer.dumps(data))

    def _anonymous(self) -> str:
        """Somebody who is not signed in, and speaks the same language."""
        answer = Client(self.app).get(
            "/sign-in", base_url=f"http://{HOST}", headers={"Accept-Language": floor.LOCALE}
        )
        cookie = SimpleCookie(answer.headers["Set-Cookie"])["portal"].value
        return f"portal={cookie}"

    def _page(
        self, name: str, method: str, path: str, cookie: str, form: dict[str, str] | None = None
    ) -> Page:
        request = _request(method, path, cookie, form)
        counted: Counter[str] = Counter()

        def count(_connection, _cursor, statement, *_more):  # type: ignore[no-untyped-def]
            counted[statement] += 1

        with self.app.app_context():
            engine = db.engine
        event.listen(engine, "before_cursor_execute", count)
        try:
            answer = Client(self.app, use_cookies=False).open(
                path, method=method, data=form, base_url=f"http://{HOST}",
                headers=_headers(cookie, fragment=form is not None),
            )  # fmt: skip
        finally:
            event.remove(engine, "before_cursor_execute", count)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        return Page(name, request, counted.total())


def _headers(cookie: str, *, fragment: bool) -> dict[str, str]:
    headers = {
        "Accept": "text/html,application/xhtml+xml",
        "Accept-Language": floor.LOCALE,
        "Cookie": cookie,
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    }
    return {**headers, "HX-Request": "true", "HX-Target": "price"} if fragment else headers


def _request(method: str, path: str, cookie: str, form: dict[str, str] | None = None) -> bytes:
    body = urlencode(form or {}).encode("ascii")
    headers = {"Host": HOST, **_headers(cookie, fragment=form is not None)}
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
