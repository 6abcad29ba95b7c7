"""Screens of the payment method; the last ones leave a card that does not last."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from playwright.sync_api import Page

from tests.browser.screen import AMELIA, CAMILLE, GIULIA, LOTTE, Places, Screen, at
from tests.browser.steps import WORKS, save_card

__all__ = ["PAYMENT_METHODS"]


def _no_method(page: Page, _places: Places) -> None:
    """The one that the removal's screen has saved in another language goes first."""
    page.goto("/billing/payment-method/remove")
    if page.locator("input[name=method]").count():
        page.locator("form.actions button").click()
        page.wait_for_url(re.compile("/billing/payment-method$"))
    page.goto("/billing/payment-method")


def _removable_method(page: Page, _places: Places) -> None:
    """A trial is not charged, so its card may go."""
    page.goto("/billing/payment-method")
    page.locator("main form button").click()
    page.wait_for_url(re.compile("/demo/pay/setups/"))
    save_card(page, WORKS)
    page.goto("/billing/payment-method/remove")


def _card_that_expires(page: Page, _places: Places) -> None:
    """A card that is good through this month alone."""
    page.goto("/billing/payment-method")
    page.locator("main form button").click()
    page.wait_for_url(re.compile("/demo/pay/setups/"))
    save_card(page, WORKS, datetime.now(tz=UTC).strftime("%m/%y"))
    page.goto("/billing/payment-method")


PAYMENT_METHODS = (
    Screen("payment-method", LOTTE, at("/billing/payment-method")),
    Screen("payment-method-none", AMELIA, _no_method),
    Screen("payment-method-remove", AMELIA, _removable_method),
    Screen("payment-method-needed", LOTTE, at("/billing/payment-method/remove")),
    Screen("owed-nothing", LOTTE, at("/billing/owed")),
    Screen("payment-method-transfer", CAMILLE, at("/billing/payment-method")),
    Screen("payment-method-cancelled", LOTTE, at(lambda p: p.setup_cancelled)),
    # From here on Giulia's card does not reach her renewals.
    Screen("payment-method-expires", GIULIA, _card_that_expires),
    Screen("billing-card-expires", GIULIA, at("/billing")),
    Screen("licences-card-expires", GIULIA, at("/licences")),
)
