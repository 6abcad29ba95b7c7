"""Typing: the language switch keeps it, and mistakes are shown at once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Watch
from tests.browser.steps import (
    add_licences,
    choose_language,
    open_add,
    present_total,
    sign_in_as,
    total_field,
)

pytestmark = pytest.mark.browser

LOTTE = "lotte.verbeke@atelier-noordzee.example"
AMELIA = "amelia.hart@brightwater.example"


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_the_language_switch_keeps_page_and_input(watch: Watch, javascript: bool) -> None:
    page = watch.page(javascript=javascript)
    page.goto("/sign-in")
    page.locator("input[name=email]").fill("someone@company.example")
    choose_language(page, "fr")
    expect(page.locator("input[name=email]")).to_have_value("someone@company.example")

    sign_in_as(page, LOTTE)
    choose_language(page, "en")
    open_add(page)
    address, total = page.url, present_total(page) + 5
    total_field(page).fill(str(total))
    total_field(page, 1).fill("seven")  # nothing that could be saved, and still kept
    for locale in ("it", "nl", "de"):
        choose_language(page, locale)
        assert page.url == address
        assert present_total(page) == total
        expect(total_field(page, 1)).to_have_value("seven")

    quote = add_licences(page, 2)
    page.goto(quote.replace("/quotes/", "/checkout/") + "/payment")
    page.locator("input[name=contact][value=new]").check()
    page.locator("input[name=contact_name]").fill("Zoë d’Àvila")
    page.locator("input[name=city]").fill("Brugge <&>")
    page.locator("select[name=country]").select_option("NL")
    choose_language(page, "en")
    expect(page.locator("input[name=contact][value=new]")).to_be_checked()
    expect(page.locator("input[name=contact_name]")).to_have_value("Zoë d’Àvila")
    expect(page.locator("input[name=city]")).to_have_value("Brugge <&>")
    expect(page.locator("select[name=country]")).to_have_value("NL")
    # Remembered for the person: another browser speaks it from the first page on.
    other = watch.page(locale="fr-FR")
    sign_in_as(other, LOTTE)
    expect(other.locator("html")).to_have_attribute("lang", "en")


def test_what_is_being_worked_out_says_that_it_is_busy(watch: Watch) -> None:
    page = watch.page()
    sign_in_as(page, LOTTE)
    open_add(page)
    asked: list[Route] = []
    page.route("**/add", lambda route: asked.append(route))
    price = page.locator("#price")
    total_field(page).fill(str(present_total(page) + 2))
    expect(price).to_have_attribute("aria-busy", "true")
    asked.pop().continue_()
    expect(price.locator(".figure")).to_be_visible()
    expect(price).not_to_have_attribute("aria-busy", re.compile(".*"))


def test_the_amount_follows_the_typing_and_mistakes_do_not_lose_it(watch: Watch) -> None:
    page = watch.page()
    sign_in_as(page, LOTTE)
    open_add(page)
    present = present_total(page)
    figure = page.locator("#price .figure")
    total_field(page).fill(str(present + 1))
    expect(figure).to_be_visible()
    one = figure.inner_text()
    total_field(page).fill(str(present + 10))
    expect(figure).not_to_have_text(one)
    expect(page.locator("#live")).not_to_be_empty()  # read out, too
    for wrong in ("", "-1", "1.5", "99999999999", str(max(present - 1, 0)), "十二", "1e3"):
        total_field(page).fill(wrong)
        expect(figure).to_have_count(0)
        expect(total_field(page)).to_have_value(wrong)
    assert page.url.endswith("/add")


def test_a_portal_that_does_not_answer_is_told(watch: Watch) -> None:
    page = watch.page()
    sign_in_as(page, LOTTE)
    open_add(page)
    page.route("**/add", lambda route: route.abort())
    total_field(page).fill("50")
    expect(page.locator("#notices .banner.bad")).to_be_visible()
    expect(total_field(page)).to_have_value("50")
    watch.problems.clear()  # the browser reports the request that was made to fail


def test_back_shows_the_price_of_what_was_chosen(watch: Watch) -> None:
    page = watch.page()
    sign_in_as(page, AMELIA)
    page.goto("/wallet/buy")
    page.locator("input[name=pack][value=large]").check()
    figure = page.locator("#price .figure")
    expect(figure).to_have_text("£690.00")
    page.goto("/wallet")
    page.go_back()
    expect(page.locator("input[name=pack][value=large]")).to_be_checked()
    expect(figure).to_have_text("£690.00")
