"""Screens of help: whom to turn to, messages, packages."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screen import CAMILLE, GIULIA, JONAS, LOTTE, Open, Places, Screen, at

__all__ = ["SUPPORT"]


def _first_message(page: Page, _places: Places) -> None:
    page.goto("/support")
    page.goto(page.locator("a[href^='/support/messages/']").first.get_attribute("href") or "")


def _sent_empty(path: str, form: str) -> Open:
    def go(page: Page, places: Places) -> None:
        if path:
            page.goto(path)
        else:
            _first_message(page, places)
        page.locator(f"#{form} button.main").click()
        page.locator("[data-focus]").wait_for()

    return go


SUPPORT = (
    Screen("support", LOTTE, at("/support")),
    Screen("support-mistakes", LOTTE, _sent_empty("/support", "write")),
    Screen("support-member", JONAS, at("/support")),
    Screen("support-executive", GIULIA, at("/support")),
    Screen("support-by-transfer", CAMILLE, at("/support")),
    Screen("support-messages", LOTTE, at("/support/messages")),
    Screen("support-message", LOTTE, _first_message),
    Screen("support-message-mistakes", LOTTE, _sent_empty("", "reply")),
    Screen("support-package-buy", LOTTE, at("/support/packages/together")),
    Screen("support-package-arranged", GIULIA, at("/support/packages/done-for-you")),
    Screen("support-package-ask", LOTTE, at("/support/packages/done-for-you")),
    Screen("support-package-included", LOTTE, at("/support/packages/do-it-yourself")),
)
