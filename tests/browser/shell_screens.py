"""Screens around everything: signing in, one's own settings, errors, the demo."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screen import (
    GIULIA,
    JONAS,
    LOTTE,
    SOFIE,
    Places,
    Screen,
    at,
)

__all__ = ["SHELL"]


def _wrong_card(page: Page, places: Places) -> None:
    page.goto(places.setup)
    page.locator("input[name=number]").fill("4242 4242 4242 4241")
    page.locator("#payment-form button[type=submit]").click()
    page.locator("[data-focus]").wait_for()


def _wrong_email(page: Page, _places: Places) -> None:
    page.goto("/sign-in")
    page.locator("input[name=email]").fill("nobody")
    page.locator("#sign-in button.main").click()
    page.locator("[data-focus]").wait_for()


def _wrong_days(page: Page, _places: Places) -> None:
    page.goto("/demo/clock")
    page.locator("input[name=days]:not([type=hidden])").fill("0")
    page.locator("form.stack button").click()
    page.locator("[data-focus]").wait_for()


def _no_token(page: Page, _places: Places) -> None:
    page.goto("/sessions")
    page.evaluate("document.querySelectorAll('[name=csrf_token]').forEach(f => f.value = 'old')")
    page.locator("main form button").first.click()
    page.wait_for_load_state()


SHELL = (
    Screen("sign-in", None, at("/sign-in")),
    Screen("sign-in-mistake", None, _wrong_email),
    Screen("sign-in-sent", None, at("/sign-in/sent")),
    Screen("sign-in-link", None, at(lambda p: p.link)),
    Screen("sign-in-link-invalid", None, at("/sign-in/used-or-too-old")),
    Screen("languages", None, at("/languages")),
    Screen("not-found-signed-out", None, at("/nowhere")),
    Screen("activity", LOTTE, at("/activity")),
    Screen("accounts", SOFIE, at("/accounts")),
    Screen("sessions", LOTTE, at("/sessions")),
    Screen("forbidden", JONAS, at("/invoices")),
    Screen("not-found", LOTTE, at("/orders/999999")),
    Screen("method-not-allowed", LOTTE, at("/cart/empty")),
    Screen("form-no-longer-valid", LOTTE, _no_token),
    Screen("demo-people", None, at("/demo")),
    Screen("demo-mailbox", None, at("/demo/mailbox")),
    Screen("demo-mail", None, at(lambda p: p.mail)),
    Screen("demo-clock", None, at("/demo/clock")),
    Screen("demo-clock-mistake", None, _wrong_days),
    Screen("demo-payment-page", LOTTE, at(lambda p: p.setup)),
    Screen("demo-payment-debit", LOTTE, at(lambda p: f"{p.setup}?kind=sepa_debit")),
    Screen("demo-payment-mistakes", LOTTE, _wrong_card),
    Screen("demo-payment-over", LOTTE, at(lambda p: p.setup_over)),
    Screen("demo-challenge", GIULIA, at(lambda p: p.challenge)),
)
