"""Screens of what the company has: licences, plans, add-ons, cancelling, subscribing."""

from __future__ import annotations

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
    menu_open,
    of,
)
from tests.browser.steps import present_total, total_field

__all__ = ["LICENCES"]


def _more_seats(page: Page, places: Places) -> None:
    page.goto(places.add)
    for place in (0, 1):
        total_field(page, place).fill(str(present_total(page, place) + 3))
    page.locator("#price .figure").wait_for()


def _wrong_seats(page: Page, places: Places) -> None:
    page.goto(places.add)
    total_field(page, 0).fill("many")
    total_field(page, 1).fill("-3")
    page.locator("#seats button[value=save]").click()
    page.locator("[data-focus]").wait_for()


def _fewer_seats(page: Page, places: Places) -> None:
    page.goto(of(places.add, "remove"))
    page.locator("#remove").press_sequentially("7")
    page.locator("#outcome .figure").first.wait_for()


def _too_many_fewer(page: Page, places: Places) -> None:
    page.goto(of(places.add, "remove"))
    page.locator("#remove").fill("5000")
    page.locator("#removal button[value=review]").click()
    page.locator("[data-focus]").wait_for()


def _check_fewer_seats(page: Page, places: Places) -> None:
    _fewer_seats(page, places)
    page.locator("#removal button[value=review]").click()
    page.locator("button[value=confirm]").wait_for()


def _who_loses(page: Page, _places: Places) -> None:
    page.goto("/licences")
    page.locator("a[href$='/people']").first.click()
    page.locator("#people").wait_for()


def _wrong_start(page: Page, _places: Places) -> None:
    page.goto("/subscribe/desk")
    page.locator("#quantity").fill("many")
    page.locator("#buy button[value=save]").click()
    page.locator("[data-focus]").wait_for()


def _trial_choice(page: Page, _places: Places) -> None:
    page.goto("/subscribe/crm")
    page.locator("#plan").select_option("enterprise")
    page.locator("#interval").select_option("year")
    page.locator("#add_on_appointments").select_option("beyond")
    page.locator("#price").get_by_text("447").first.wait_for()


def _trial_with_too_few(page: Page, _places: Places) -> None:
    page.goto("/subscribe/crm")
    page.locator("#quantity").fill("3")
    page.locator("#buy button[value=save]").click()
    page.locator("[data-focus]").wait_for()


def _trial_quote(page: Page, _places: Places) -> None:
    page.goto("/subscribe/crm")
    page.locator("#buy button[value=save]").click()
    page.wait_for_url("**/quotes/*")


def _cancel_with_a_mistake(page: Page, places: Places) -> None:
    page.goto(places.add.replace("/add", "/cancel"))
    page.locator("textarea[name=comment]").fill("Too long. " * 250)
    page.locator("#cancel button[type=submit]").click()
    page.locator("[data-focus]").wait_for()


LICENCES = (
    Screen("licences", LOTTE, at("/licences")),
    Screen("licences-options", LOTTE, menu_open("section.card .menu summary", "/licences")),
    Screen(
        "licences-account-menu", LOTTE, menu_open(".tools .menu:last-child summary", "/licences")
    ),
    Screen("licences-language-menu", LOTTE, menu_open(".tools .menu summary", "/licences")),
    Screen("licences-member", JONAS, at("/licences")),
    Screen("licences-bank-transfer", CAMILLE, at("/licences")),
    Screen("licences-five-products", GIULIA, at("/licences")),
    Screen("licences-trial", AMELIA, at("/licences")),
    Screen("people", GIULIA, at(lambda p: p.paged)),
    Screen("add", LOTTE, at(lambda p: p.add)),
    Screen("add-preview", LOTTE, _more_seats),
    Screen("add-mistakes", LOTTE, _wrong_seats),
    Screen("add-bank-transfer", CAMILLE, at(lambda p: p.transfer_add)),
    Screen("add-with-support", GIULIA, at(lambda p: p.support_add)),
    Screen("add-trial", AMELIA, at(lambda p: p.trial_add)),
    Screen("remove", LOTTE, at(lambda p: of(p.add, "remove"))),
    Screen("remove-preview", LOTTE, _fewer_seats),
    Screen("remove-mistake", LOTTE, _too_many_fewer),
    Screen("remove-check", LOTTE, _check_fewer_seats),
    Screen("remove-too-late", KATRIN, at(lambda p: p.too_late.replace("/cancel", "/remove"))),
    Screen("remove-bank-transfer", CAMILLE, at(lambda p: of(p.transfer_add, "remove"))),
    Screen("remove-trial", AMELIA, at(lambda p: of(p.trial_add, "remove"))),
    Screen("change-people", GIULIA, _who_loses),
    Screen("cancel", LOTTE, at(lambda p: p.add.replace("/add", "/cancel"))),
    Screen("cancel-too-late", KATRIN, at(lambda p: p.too_late)),
    Screen("cancel-mistake", LOTTE, _cancel_with_a_mistake),
    Screen(
        "cancel-bank-transfer", CAMILLE, at(lambda p: p.transfer_add.replace("/add", "/cancel"))
    ),
    Screen("cancel-trial", AMELIA, at(lambda p: p.trial_add.replace("/add", "/cancel"))),
    Screen("cancelled", CAMILLE, at(lambda p: p.cancelled)),
    Screen("data-export", LOTTE, at("/data-export")),
    Screen("licences-order-waiting", GIULIA, at("/licences")),
    Screen("plans", LOTTE, at(lambda p: of(p.add, "plan"))),
    Screen("plans-bank-transfer", CAMILLE, at(lambda p: of(p.transfer_add, "plan"))),
    Screen("plans-trial", AMELIA, at(lambda p: of(p.trial_add, "plan"))),
    Screen("plan-upgrade", LOTTE, at(lambda p: of(p.add, "plan/enterprise"))),
    Screen("plan-at-renewal", LOTTE, at(lambda p: of(p.add, "plan/start"))),
    Screen("plan-with-help", CAMILLE, at(lambda p: of(p.transfer_add, "plan/pro"))),
    Screen("add-ons", LOTTE, at(lambda p: of(p.add, "add-ons"))),
    Screen("add-ons-bank-transfer", CAMILLE, at(lambda p: of(p.transfer_add, "add-ons"))),
    Screen("add-on-package", LOTTE, at(lambda p: of(p.add, "add-ons/appointments/basic"))),
    Screen("add-on-end", LOTTE, at(lambda p: of(p.add, "add-ons/appointments/remove"))),
    Screen("subscribe", LOTTE, at("/subscribe")),
    Screen("subscribe-product", LOTTE, at("/subscribe/desk")),
    Screen("subscribe-with-help", CAMILLE, at("/subscribe/desk")),
    Screen("subscribe-mistakes", LOTTE, _wrong_start),
    Screen("subscribe-to-a-trial", AMELIA, at("/subscribe")),
    Screen("buy-trial", AMELIA, at("/subscribe/crm")),
    Screen("buy-trial-choice", AMELIA, _trial_choice),
    Screen("buy-trial-mistake", AMELIA, _trial_with_too_few),
    Screen("buy-trial-quote", AMELIA, _trial_quote),
)
