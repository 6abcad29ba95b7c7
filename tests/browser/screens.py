"""Every screen of the portal, brought about as a person would, for the walk and the screenshots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from playwright.sync_api import BrowserContext, Page

from tests.browser.desk_screens import DESK
from tests.browser.how_screens import HOW
from tests.browser.licence_screens import LICENCES
from tests.browser.member_screens import MEMBERS
from tests.browser.money_screens import MONEY
from tests.browser.offer_screens import OFFERS
from tests.browser.payment_screens import PAYMENT_METHODS
from tests.browser.request_screens import REQUESTS
from tests.browser.screen import Places, Screen
from tests.browser.shell_screens import SHELL
from tests.browser.steps import sign_in_as
from tests.browser.support_screens import SUPPORT
from tests.browser.transfer_screens import TRANSFERS
from tests.browser.trial_screens import TRIALS
from tests.browser.wallet_screens import WALLET

__all__ = ["SCREENS", "visit"]

SCREENS = (
    *SHELL,
    *DESK,
    *LICENCES,
    *MONEY,
    *MEMBERS,
    *PAYMENT_METHODS,
    *SUPPORT,
    *REQUESTS,
    *OFFERS,
    *TRANSFERS,
    *TRIALS,
    *WALLET,
    *HOW,
)


def visit(
    new_context: Callable[[], BrowserContext],
    places: Places,
    locale: str,
    wanted: Callable[[Screen], bool] = lambda screen: True,
    screens: Iterable[Screen] = SCREENS,
) -> Iterator[tuple[Screen, Page]]:
    """Bring each wanted screen up in turn, in the language; one browser context a person."""
    shown = [screen for screen in screens if wanted(screen)]
    everyone = list(dict.fromkeys(screen.who for screen in shown))
    for who in everyone:
        context = new_context()
        page = context.new_page()
        if who is not None:
            sign_in_as(page, who)
        page.goto("/languages")
        page.locator(f"main button[lang={locale}]").click()
        for screen in shown:
            if screen.who == who:
                screen.open(page, places)
                yield screen, page
        context.close()
