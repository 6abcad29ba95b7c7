"""Screens of money by transfer: at the desk and, for who pays so, on the invoice."""

from __future__ import annotations

import re

from playwright.sync_api import Page

from tests.browser.screen import CAMILLE, GRETA, HUGO, Open, Places, Screen, at
from tests.support.transfers import Line, camt

__all__ = ["TRANSFERS"]


def _customer(name: str, tab: str) -> Open:
    """A page of the customer that is found by `name`."""

    def go(page: Page, _places: Places) -> None:
        page.goto(f"/desk/accounts?q={name}")
        found = page.locator("#customers table a").first.get_attribute("href")
        page.goto(f"{found}{tab}")

    return go


def _of_invoice(tab: str, name: str = "lumiere") -> Open:
    """A page of the customer's latest invoice."""

    def go(page: Page, places: Places) -> None:
        _customer(name, "/invoices")(page, places)
        page.goto(f"{page.locator('#main table th a').first.get_attribute('href')}/{tab}")

    return go


def _booking_shown(page: Page, places: Places) -> None:
    _of_invoice("payment")(page, places)
    if page.locator("#amount").count():
        page.locator("#amount").fill("1250")
        page.locator("button[name=action][value=preview]").click()
        page.locator("#effect").wait_for()


def _deposit_with_mistakes(page: Page, places: Places) -> None:
    _customer("lumiere", "/payments/deposit")(page, places)
    page.locator("#amount").fill("1.000,000")
    page.locator("#deposit button.main").click()
    page.locator("[data-focus]").wait_for()


def _credit_shown(page: Page, places: Places) -> None:
    _of_invoice("credit")(page, places)
    page.locator("#reason").fill("One hour fewer than agreed")
    page.locator("#line_1").fill("10")
    page.locator("button[name=action][value=preview]").click()
    page.locator("#note").wait_for()


def _credits_asked(page: Page, places: Places) -> None:
    _customer("atelier", "/credits/new")(page, places)
    page.locator("#credits").fill("5000")
    page.locator("#reason").fill("A campaign that failed because of us")
    page.locator("#grant button.main").click()
    page.locator("#given").wait_for()


def _to_be_paid(page: Page, _places: Places) -> None:
    """The customer's latest invoice: a transfer is awaited for it."""
    page.goto("/invoices")
    page.goto(page.locator("tbody th a").first.get_attribute("href") or "")


def _imported(page: Page, places: Places) -> None:
    """A statement with something of every kind, imported the first time somebody looks."""
    _of_invoice("payment")(page, places)
    number = page.locator("#main dd a").first.inner_text()
    page.goto(f"{page.url.rpartition('/')[0]}")
    found = re.search(r"RF\d{2}[\d ]{10,13}", page.locator("#main").inner_text())
    reference = found.group().replace(" ", "") if found else ""
    lines = (
        Line(120_000, reference, bank_ref="S0"),
        Line(40_000, text=f"Acompte {number}, merci", bank_ref="S1"),
        Line(4_711, payer="Somebody Else", bank_ref="S2"),
        Line(99_900, text="Invoice", currency="USD", payer="Lumière Conseil SAS", bank_ref="S3"),
        Line(-8_000, payer="Landlord", text="Rent", bank_ref="S4"),
        Line(120_000, _mistyped(reference), bank_ref="S5"),
    )
    page.goto("/desk/statements/new")
    content = camt(*lines)
    page.locator("#file").set_input_files(
        {"name": "bank.xml", "mimeType": "text/xml", "buffer": content}
    )
    page.locator("main form button.main").click()
    page.wait_for_url(re.compile(r"/desk/statements(/\d+)?$"))  # known entries lead to the list
    page.goto("/desk/statements")
    page.goto(page.locator("#main td a").first.get_attribute("href") or "")


def _mistyped(reference: str) -> str:
    """The reference with two digits swapped, as people retype it."""
    at = next(n for n in range(5, len(reference)) if reference[n] != reference[n - 1])
    return f"{reference[: at - 1]}{reference[at]}{reference[at - 1]}{reference[at + 1 :]}"


def _entry(page: Page, places: Places) -> None:
    _imported(page, places)
    page.goto(page.locator("a[href*='/entries/']").first.get_attribute("href") or "")


def _no_statement(page: Page, _places: Places) -> None:
    page.goto("/desk/statements/new")
    page.locator("main form button.main").click()
    page.locator("[data-focus]").wait_for()


TRANSFERS = (
    Screen("transfer-invoice", CAMILLE, _to_be_paid),
    Screen("transfer-payments", GRETA, _customer("lumiere", "/payments")),
    Screen("transfer-book", HUGO, _of_invoice("payment")),
    Screen("transfer-book-shown", HUGO, _booking_shown),
    Screen("transfer-deposit-mistake", HUGO, _deposit_with_mistakes),
    Screen("transfer-pay-back", GRETA, _customer("lumiere", "/payments/pay-back")),
    Screen("transfer-credit-shown", GRETA, _credit_shown),
    Screen("transfer-credits", GRETA, _credits_asked),
    Screen("transfer-credits-to-approve", GRETA, at("/desk/credit-grants")),
    Screen("transfer-statement-mistake", HUGO, _no_statement),
    Screen("transfer-statement", HUGO, _imported),
    Screen("transfer-entry", HUGO, _entry),
    Screen("transfer-statements", HUGO, at("/desk/statements")),
    Screen("transfer-waiting", HUGO, at("/desk/statements/waiting")),
)
