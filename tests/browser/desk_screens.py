"""Screens of the desk: what is to do, customers, tasks, operation."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screen import GRETA, HUGO, Open, Places, Screen, at

__all__ = ["DESK"]


def _customer(name: str, tab: str = "") -> Open:
    """A page of the customer that is found by `name`."""

    def go(page: Page, _places: Places) -> None:
        page.goto(f"/desk/accounts?q={name}")
        found = page.locator("#customers table a").first.get_attribute("href")
        page.goto(f"{found}{tab}")

    return go


def _customer_page(name: str, tab: str, link: str) -> Open:
    """What the first `link` (a selector) of a customer's page leads to."""

    def go(page: Page, places: Places) -> None:
        _customer(name, tab)(page, places)
        page.goto(page.locator(link).first.get_attribute("href") or "")

    return go


_MESSAGE = "[aria-labelledby='messages'] table a"
_PACKAGE = "[aria-labelledby='packages'] table a"


def _empty_note(page: Page, places: Places) -> None:
    _customer("lumiere", "/notes")(page, places)
    page.locator("#note button.main").click()
    page.locator("[data-focus]").wait_for()


DESK = (
    Screen("desk", HUGO, at("/desk")),
    Screen("desk-operator", GRETA, at("/desk")),
    Screen("desk-overdue", HUGO, at("/desk/overdue")),
    Screen("desk-customers", GRETA, at("/desk/accounts")),
    Screen("desk-customers-found", GRETA, at("/desk/accounts?q=mull")),
    Screen("desk-customers-nobody", HUGO, at("/desk/accounts?q=nobody")),
    Screen("desk-customer", HUGO, _customer("lumiere")),
    Screen("desk-customer-products", GRETA, _customer("officine")),
    Screen("desk-customer-trial", GRETA, _customer("brightwater")),
    Screen("desk-trial", GRETA, _customer_page("brightwater", "", "a[href*='/trials/']")),
    Screen("desk-executive", HUGO, _customer("lumiere", "/executive")),
    Screen("desk-invoices", GRETA, _customer("officine", "/invoices")),
    Screen("desk-invoice", HUGO, _customer_page("lumiere", "/invoices", "#main table th a")),
    Screen("desk-quotes", GRETA, _customer("officine", "/quotes")),
    Screen("desk-members", GRETA, _customer("officine", "/members")),
    Screen("desk-wallet", GRETA, _customer("atelier", "/wallet")),
    Screen("desk-notes-mistake", HUGO, _empty_note),
    Screen("desk-activity", HUGO, _customer("lumiere", "/activity")),
    Screen("desk-customer-tasks", GRETA, _customer("atelier", "/tasks")),
    Screen("desk-support", HUGO, at("/desk/support")),
    Screen("desk-support-answered", GRETA, at("/desk/support?state=answered")),
    Screen("desk-support-packages", HUGO, at("/desk/support/packages")),
    Screen("desk-support-customer", GRETA, _customer("atelier", "/support")),
    Screen("desk-support-message", GRETA, _customer_page("atelier", "/support", _MESSAGE)),
    Screen("desk-support-package", GRETA, _customer_page("officine", "/support", _PACKAGE)),
    Screen("desk-tasks", GRETA, at("/desk/tasks")),
    Screen("desk-operation", GRETA, at("/desk/operation")),
    Screen("desk-forbidden", HUGO, at("/desk/operation")),
)
