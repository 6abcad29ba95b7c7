"""Screens of the wallet; the last one leaves Katrin's company a card that cannot be charged."""

from __future__ import annotations

import re

from playwright.sync_api import Page

from tests.browser.screen import (
    AMELIA,
    CAMILLE,
    GIULIA,
    JONAS,
    KATRIN,
    LOTTE,
    Places,
    Screen,
    at,
)
from tests.browser.steps import FAILS_WHEN_CHARGED, save_card

__all__ = ["WALLET"]


def _use_as_a_table(page: Page, _places: Places) -> None:
    page.goto("/wallet")
    page.locator("details.fold:not(.how) summary").click()


def _another_pack(page: Page, _places: Places) -> None:
    page.goto("/wallet/buy")
    with page.expect_response("**/wallet/buy"):
        page.locator("input[name=pack][value=large]").check()
    page.get_by_role("button", name=re.compile("968")).wait_for()


def _top_up_with_mistakes(page: Page, _places: Places) -> None:
    page.goto("/wallet/auto-top-up")
    page.locator("#threshold").fill("many")
    page.locator("#cap").fill("1.000,00")
    page.locator("#top-up button.main").click()
    page.locator("[data-focus]").wait_for()


def _bought(page: Page, _places: Places) -> None:
    page.goto("/wallet/buy?pack=small")
    page.locator("button[name=action][value=pay]").click()
    page.wait_for_url(re.compile(r"/orders/\d+$"))


def _declined_top_up(page: Page, _places: Places) -> None:
    page.goto("/billing/payment-method")
    page.locator("main form button").click()
    page.wait_for_url(re.compile("/demo/pay/setups/"))
    save_card(page, FAILS_WHEN_CHARGED)
    page.goto("/wallet/auto-top-up")
    page.locator("#top-up button.main").click()
    page.wait_for_url("**/wallet")
    for _try in range(60):  # the worker charges it within a second or two
        if page.locator("section.card header .tag.warn").count():
            break
        page.wait_for_timeout(250)
        page.goto("/wallet")
    page.locator("section.card header .tag.warn").wait_for()


WALLET = (
    Screen("wallet", LOTTE, at("/wallet")),
    Screen("wallet-table", LOTTE, _use_as_a_table),
    Screen("wallet-topped-up", GIULIA, at("/wallet")),
    Screen("wallet-bank-transfer", CAMILLE, at("/wallet")),
    Screen("wallet-member", JONAS, at("/wallet")),
    Screen("wallet-trial", AMELIA, at("/wallet")),
    Screen("wallet-history", LOTTE, at("/wallet/history")),
    Screen("wallet-history-month", GIULIA, at("/wallet/history?kind=added")),
    Screen("wallet-history-empty", AMELIA, at("/wallet/history")),
    Screen("buy-credits", LOTTE, at("/wallet/buy")),
    Screen("buy-credits-other-pack", LOTTE, _another_pack),
    Screen("buy-credits-by-cart", AMELIA, at("/wallet/buy")),
    Screen("buy-credits-bank-transfer", CAMILLE, at("/wallet/buy")),
    Screen("buy-credits-done", LOTTE, _bought),
    Screen("auto-top-up", LOTTE, at("/wallet/auto-top-up")),
    Screen("auto-top-up-on", GIULIA, at("/wallet/auto-top-up")),
    Screen("auto-top-up-no-method", AMELIA, at("/wallet/auto-top-up")),
    Screen("auto-top-up-mistakes", LOTTE, _top_up_with_mistakes),
    Screen("wallet-declined", KATRIN, _declined_top_up),
)
