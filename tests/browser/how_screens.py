"""Help in place, opened: what closed details hide is looked at as well."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.screen import CAMILLE, GIULIA, HUGO, LOTTE, Open, Places, Screen, at, of

__all__ = ["HOW"]


def _opened(place: str | Callable[[Places], str]) -> Open:
    """The page with its "How this works" open."""

    def go(page: Page, places: Places) -> None:
        at(place)(page, places)
        page.locator("details.how > summary").click()
        page.evaluate("scrollTo(0, 0)")  # a picture of the whole page has its header on top

    return go


HOW = (
    Screen("how-licences", LOTTE, _opened("/licences")),
    Screen("how-licences-five-products", GIULIA, _opened("/licences")),
    Screen("how-licences-bank-transfer", CAMILLE, _opened("/licences")),
    Screen("how-add", LOTTE, _opened(lambda p: p.add)),
    Screen("how-plans", LOTTE, _opened(lambda p: of(p.add, "plan"))),
    Screen("how-billing", LOTTE, _opened("/billing")),
    Screen("how-quotes", LOTTE, _opened("/quotes")),
    Screen("how-requests", CAMILLE, _opened("/requests")),
    Screen("how-wallet", LOTTE, _opened("/wallet")),
    Screen("how-desk", HUGO, _opened("/desk")),
)
