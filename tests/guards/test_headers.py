"""Every answer carries the content security policy, without unsafe-inline, and the usual headers."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.guards.site import Owner, addresses
from tests.support.client import PortalClient

USUAL = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def hold(answer: TestResponse, where: str) -> None:
    """The headers of one answer."""
    policy = dict(
        part.strip().split(" ", 1)
        for part in answer.headers["Content-Security-Policy"].split(";") if " " in part.strip()
    )  # fmt: skip
    assert policy["default-src"] in {"'self'", "'none'"}, where
    for name, sources in policy.items():
        for bad in ("unsafe", "*", "http:", "https:"):
            assert bad not in sources, f"{where}: {name} {sources}"
        assert "data:" not in sources or name == "img-src", f"{where}: {name} {sources}"
    assert policy.get("script-src", policy["default-src"]) in {"'self'", "'none'"}, where
    assert policy["base-uri"] == "'none'", where
    assert "frame-ancestors" in policy, where
    assert "form-action" in policy, where
    is_mail = "sandbox" in answer.headers["Content-Security-Policy"]
    for name, value in USUAL.items():
        if is_mail and name == "X-Frame-Options":  # shown in a frame of its own page
            assert answer.headers[name] == "SAMEORIGIN", where
        else:
            assert answer.headers.get(name) == value, f"{where}: {name}"
    assert answer.headers["Referrer-Policy"] in {"strict-origin-when-cross-origin", "no-referrer"}
    assert answer.headers["Permissions-Policy"], where
    assert answer.headers["Cache-Control"], where
    assert answer.headers["X-Request-Id"], where
    assert "Server" not in answer.headers or "Werkzeug" not in answer.headers["Server"]


def test_every_route_answers_with_the_headers(
    app: Flask, admin: PortalClient, owners: tuple[Owner, Owner], rest: dict[str, Any]
) -> None:
    signed_out = PortalClient(app).browser
    for route, path in addresses(app, owners[0].values, rest, "GET", "POST"):
        for whose, browser in (("admin", admin.browser), ("signed out", signed_out)):
            where = f"{whose}: {route.method} {path}"
            hold(browser.open(path, method=route.method), where)
        hold(signed_out.options(path), f"OPTIONS {path}")


@pytest.mark.parametrize("htmx", [False, True])
def test_every_error_answers_with_the_headers(
    app: Flask, admin: PortalClient, owners: tuple[Owner, Owner], monkeypatch: pytest.MonkeyPatch,
    htmx: bool,
) -> None:  # fmt: skip
    headers = {"HX-Request": "true"} if htmx else {}
    browser = admin.browser

    def broken() -> None:
        raise RuntimeError("a secret of the inside")

    broken.portal_access = "public"  # type: ignore[attr-defined]
    monkeypatch.setitem(app.view_functions, "quotes.index", broken)
    member = PortalClient(app)
    member.sign_in("jonas.wittevrongel@atelier-noordzee.example")
    asked = {
        403: member.browser.get("/invoices", headers=headers),
        404: browser.get("/nowhere", headers=headers),
        405: browser.get("/cart/empty", headers=headers),
        410: browser.get("/sign-in/no-such-link", headers=headers),
        413: browser.post("/sign-in", data={"email": "x" * 10_000_000}, headers=headers),
        500: browser.get("/quotes", headers=headers),
    }
    for status, answer in asked.items():
        assert answer.status_code == status
        hold(answer, str(status))
    text = asked[500].get_data(as_text=True)
    assert "secret of the inside" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize("path", ["/webhooks/demo", "/webhooks/other", "/healthz", "/readyz",
                                  "/metrics", "/favicon.ico", "/assets/0/portal.css"])  # fmt: skip
def test_machines_get_the_headers_too(app: Flask, path: str) -> None:
    for method in ("GET", "POST", "HEAD", "PUT", "DELETE", "TRACE"):
        hold(app.test_client().open(path, method=method), f"{method} {path}")


def test_pages_and_files_are_kept_by_no_cache_and_assets_for_ever(
    app: Flask, admin: PortalClient, owners: tuple[Owner, Owner], rest: dict[str, Any]
) -> None:
    downloads = set()
    for route, path in addresses(app, owners[0].values, rest, "GET"):
        answer = admin.browser.get(path)
        if route.endpoint == "assets.asset_file":
            assert "immutable" in answer.headers["Cache-Control"], path
        elif not route.endpoint.startswith("assets."):
            assert answer.headers["Cache-Control"] == "no-store", path
        if answer.status_code == 200 and "attachment" in answer.headers.get(
            "Content-Disposition", ""
        ):
            downloads.add(path)
    # A zip or a list of entries is as private as the page that leads to it.
    assert downloads >= {"/data-export.zip", "/invoices/year/2026.zip", "/wallet/history.csv"}
