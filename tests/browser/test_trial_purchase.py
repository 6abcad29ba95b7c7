"""A trial is bought as a customer does it: with JavaScript, and without, also once it is over (C5)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.screen import AMELIA
from tests.browser.steps import (
    WORKS,
    pay_with_new_card,
    place_order,
    save_payment_step,
    see_it_done,
    sign_in_as,
)

pytestmark = pytest.mark.browser

SANNE = "sanne.dijkstra@de-ketting.example"  # whose trial is over
BUY = "form[action$='/service-order'] button[type=submit]"
FIGURE = "#price .figure"


def _fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


def _amount(text: str) -> str:
    found = re.search(r"\d[\d.,]*[.,]\d\d", text)
    assert found, text
    return found[0]


@pytest.mark.parametrize(
    ("javascript", "width", "email"), [(True, 1280, AMELIA), (False, 320, SANNE)],
    ids=["javascript-1280", "no-javascript-320-over"],
)  # fmt: skip
def test_C5_a_trial_is_bought(watch: Watch, javascript: bool, width: int, email: str) -> None:
    page = watch.page(javascript=javascript, width=width)
    sign_in_as(page, email)
    page.goto("/subscribe")
    page.locator("a[href='/subscribe/crm']").first.click()
    page.wait_for_url("**/subscribe/crm")
    _fits(page)
    first = page.locator(FIGURE).inner_text()

    page.locator("#plan").select_option("enterprise")
    if not javascript:
        page.locator("#buy button[value=preview]").click()
    expect(page.locator(FIGURE)).not_to_have_text(first)
    second = page.locator(FIGURE).inner_text()
    page.locator("#interval").select_option("year")
    if not javascript:
        page.locator("#buy button[value=preview]").click()
    expect(page.locator(FIGURE)).not_to_have_text(second)
    shown = _amount(page.locator(FIGURE).inner_text())
    expect(page.locator("#plan")).to_have_value("enterprise")
    _fits(page)

    page.locator("#buy button[value=save]").click()
    page.wait_for_url(re.compile(r"/quotes/\d+$"))
    expect(page.locator("dd.sum")).to_contain_text(shown)
    page.locator("a.button.main[href$='/payment']").click()
    pay_with_new_card(page, WORKS)
    save_payment_step(page)
    assert _amount(page.locator(BUY).inner_text()) == shown, "the button says the amount"
    _fits(page)
    place_order(page)
    see_it_done(page)
    page.goto("/licences")
    expect(page.locator("section.card .tag", has_text="Enterprise").first).to_be_visible()
    _fits(page)
