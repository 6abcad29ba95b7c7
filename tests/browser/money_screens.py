"""Screens of money: quotes, orders, invoices, billing."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screen import (
    AMELIA,
    CAMILLE,
    GIULIA,
    KATRIN,
    LOTTE,
    SOFIE,
    Places,
    Screen,
    at,
)

__all__ = ["MONEY"]


def _payment_with_mistakes(page: Page, places: Places) -> None:
    page.goto(f"{places.checkout}/payment")
    page.locator("input[name=contact][value=new]").check()
    for name in ("company_name", "postal_code", "billing_email"):
        page.locator(f"input[name={name}]").fill("")
    page.locator("button[name=action][value=save]").click()
    page.locator("[data-focus]").wait_for()


def _new_contact(page: Page, places: Places) -> None:
    page.goto(f"{places.checkout}/payment")
    page.locator("input[name=contact][value=new]").check()


def _decline_open(page: Page, places: Places) -> None:
    page.goto(places.quote)
    page.locator("details.fold:not(.how) summary").click()


def _other_period(page: Page, _places: Places) -> None:
    page.goto("/billing/period")
    page.locator("a[href*='?to=']").first.click()
    page.locator("#after-title").wait_for()


def _another_vat_number(page: Page, _places: Places) -> None:
    page.goto("/billing/details")
    with page.expect_response("**/billing/details"):
        page.locator("#vat_number").fill("DE136695976")
        page.locator("#vat_number").blur()
    page.locator("#vat .figure").wait_for()


def _billing_details_with_mistakes(page: Page, _places: Places) -> None:
    page.goto("/billing/details")
    page.locator("#company_name").fill("")
    page.locator("#vat_number").fill("DE12")
    page.locator("#invoice_recipients").fill("nobody")
    page.locator("#details button.main").click()
    page.locator("[data-focus]").wait_for()


MONEY = (
    Screen("cart", KATRIN, at("/cart")),
    Screen("cart-empty", SOFIE, at("/cart")),
    Screen("quotes", LOTTE, at("/quotes")),
    Screen("quotes-empty", AMELIA, at("/quotes")),
    Screen("quote", LOTTE, at(lambda p: p.quote)),
    Screen("quote-decline", LOTTE, _decline_open),
    Screen("quote-replaced", LOTTE, at(lambda p: p.replaced)),
    Screen("quote-declined", LOTTE, at(lambda p: p.declined)),
    Screen("quote-from-executive", GIULIA, at(lambda p: p.open_quote)),
    Screen("payment", LOTTE, at(lambda p: f"{p.checkout}/payment")),
    Screen("payment-new-contact", LOTTE, _new_contact),
    Screen("payment-mistakes", LOTTE, _payment_with_mistakes),
    Screen("service-order", LOTTE, at(lambda p: f"{p.checkout}/service-order")),
    Screen("order-done", LOTTE, at(lambda p: p.order_done)),
    Screen("order-failed", LOTTE, at(lambda p: p.order_failed)),
    Screen("order-waiting", GIULIA, at(lambda p: p.order_waiting)),
    Screen("invoices", LOTTE, at("/invoices")),
    Screen("invoices-other-year", LOTTE, at("/invoices?year=1999")),
    Screen("invoices-empty", AMELIA, at("/invoices")),
    Screen("invoices-bank-transfer", CAMILLE, at("/invoices")),
    Screen("invoice", LOTTE, at(lambda p: p.invoice)),
    Screen("invoice-bank-transfer", CAMILLE, at(lambda p: p.invoice_by_transfer)),
    Screen("billing", LOTTE, at("/billing")),
    Screen("billing-bank-transfer", CAMILLE, at("/billing")),
    Screen("billing-five-products", GIULIA, at("/billing")),
    Screen("billing-trial", AMELIA, at("/billing")),
    Screen("billing-period", LOTTE, at("/billing/period")),
    Screen("billing-period-confirm", LOTTE, _other_period),
    Screen("billing-period-late", KATRIN, _other_period),
    Screen("billing-period-bank-transfer", CAMILLE, at("/billing/period")),
    Screen("billing-period-five-products", GIULIA, at("/billing/period")),
    Screen("billing-period-trial", AMELIA, at("/billing/period")),
    Screen("billing-details", LOTTE, at("/billing/details")),
    Screen("billing-details-other-number", KATRIN, _another_vat_number),
    Screen("billing-details-mistakes", KATRIN, _billing_details_with_mistakes),
    Screen("next-invoice", LOTTE, at("/billing/next-invoice")),
    Screen("next-invoice-bank-transfer", CAMILLE, at("/billing/next-invoice")),
    Screen("next-invoice-five-products", GIULIA, at("/billing/next-invoice")),
    Screen("next-invoice-trial", AMELIA, at("/billing/next-invoice")),
)
