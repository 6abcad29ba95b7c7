"""Screens of offers: the desk's draft, quote and order; the quote that is paid by transfer."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screen import CAMILLE, HUGO, Places, Screen, at

__all__ = ["OFFERS"]


def _draft_mistakes(page: Page, places: Places) -> None:
    page.goto(places.desk_draft)
    page.locator("#free button").click()
    page.locator("[data-focus]").wait_for()


def _replacing(page: Page, places: Places) -> None:
    """The draft's licences are in an open quote already: that is said first."""
    page.goto(places.desk_draft)
    page.locator("#send button[value=send]").click()
    page.locator(".banner.warn").wait_for()


def _invoice_of_request(page: Page, _places: Places) -> None:
    page.goto("/desk/requests")
    for link in page.locator("a[href*='/requests/']").all():
        page.goto(link.get_attribute("href") or "")
        invoice = page.locator("a[href$='/invoice']")
        if invoice.count():
            page.goto(invoice.first.get_attribute("href") or "")
            return
        page.goto("/desk/requests")


OFFERS = (
    Screen("desk-offer-draft", HUGO, at(lambda places: places.desk_draft)),
    Screen("desk-offer-mistakes", HUGO, _draft_mistakes),
    Screen("desk-offer-replaces", HUGO, _replacing),
    Screen("desk-offer-quote", HUGO, at(lambda places: places.desk_quote)),
    Screen("desk-offer-order", HUGO, at(lambda places: places.desk_order)),
    Screen("desk-offer-invoice", HUGO, _invoice_of_request),
    Screen("offer-quote-by-transfer", CAMILLE, at(lambda places: places.transfer_quote)),
    Screen("offer-order-by-transfer", CAMILLE, at(lambda places: places.transfer_order)),
)
