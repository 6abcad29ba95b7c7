"""Every screen of the portal, brought about as a person would, for the walk and the screenshots."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.steps import (
    FAILS_WHEN_CHARGED,
    NEEDS_APPROVAL,
    PREPAID,
    WORKS,
    add_licences,
    ask_for_link,
    open_mail,
    path_of,
    pay_with_new_card,
    place_order,
    present_total,
    save_card,
    save_payment_step,
    sign_in_as,
    total_field,
)

__all__ = ["SCREENS", "Places", "Screen", "prepare", "visit"]

LOTTE = "lotte.verbeke@atelier-noordzee.example"  # admin, pays by card
JONAS = "jonas.wittevrongel@atelier-noordzee.example"  # a member
SOFIE = "sofie.maes@boekhoud-maes.example"  # two companies
KATRIN = "katrin.mueller@mueller-soehne.example"  # a cart that waits
CAMILLE = "camille.roussel@lumiere-conseil.example"  # pays by bank transfer
GIULIA = "giulia.ferrante@officine-valdarno.example"  # five products, an open quote
AMELIA = "amelia.hart@brightwater.example"  # a trial
HUGO = "hugo.peeters@kanto.example"  # the vendor's account executive


@dataclass
class Places:
    """Addresses that `prepare` found out."""

    add: str = ""
    quote: str = ""
    replaced: str = ""
    declined: str = ""
    checkout: str = ""
    order_done: str = ""
    order_failed: str = ""
    order_waiting: str = ""
    challenge: str = ""
    setup: str = ""
    setup_over: str = ""
    invoice: str = ""
    open_quote: str = ""
    paged: str = ""
    support_add: str = ""
    transfer_add: str = ""
    trial_add: str = ""
    invoice_by_transfer: str = ""
    setup_cancelled: str = ""
    mail: str = ""
    link: str = ""


Open = Callable[[Page, Places], None]


@dataclass(frozen=True)
class Screen:
    """A screen: who sees it, and how it comes on screen."""

    name: str
    who: str | None
    open: Open


def _at(place: str | Callable[[Places], str]) -> Open:
    def go(page: Page, places: Places) -> None:
        page.goto(place if isinstance(place, str) else place(places))

    return go


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


def _wrong_card(page: Page, places: Places) -> None:
    page.goto(places.setup)
    page.locator("input[name=number]").fill("4242 4242 4242 4241")
    page.locator("#payment-form button[type=submit]").click()
    page.locator("[data-focus]").wait_for()


def _wrong_email(page: Page, _places: Places) -> None:
    page.goto("/sign-in")
    page.locator("input[name=email]").fill("nobody")
    page.locator("#sign-in button.main").click()
    page.locator("[data-focus]").wait_for()


def _wrong_days(page: Page, _places: Places) -> None:
    page.goto("/demo/clock")
    page.locator("input[name=days]:not([type=hidden])").fill("0")
    page.locator("form.stack button").click()
    page.locator("[data-focus]").wait_for()


def _menu_open(selector: str, path: str) -> Open:
    def go(page: Page, _places: Places) -> None:
        page.goto(path)
        page.locator(selector).first.click()

    return go


def _decline_open(page: Page, places: Places) -> None:
    page.goto(places.quote)
    page.locator("details.fold summary").click()


def _no_token(page: Page, _places: Places) -> None:
    page.goto("/sessions")
    page.evaluate("document.querySelectorAll('[name=csrf_token]').forEach(f => f.value = 'old')")
    page.locator("main form button").first.click()
    page.wait_for_load_state()


SCREENS = (
    Screen("sign-in", None, _at("/sign-in")),
    Screen("sign-in-mistake", None, _wrong_email),
    Screen("sign-in-sent", None, _at("/sign-in/sent")),
    Screen("sign-in-link", None, _at(lambda p: p.link)),
    Screen("sign-in-link-invalid", None, _at("/sign-in/used-or-too-old")),
    Screen("languages", None, _at("/languages")),
    Screen("not-found-signed-out", None, _at("/nowhere")),
    Screen("licences", LOTTE, _at("/licences")),
    Screen("licences-options", LOTTE, _menu_open("section.card .menu summary", "/licences")),
    Screen(
        "licences-account-menu", LOTTE, _menu_open(".tools .menu:last-child summary", "/licences")
    ),
    Screen("licences-language-menu", LOTTE, _menu_open(".tools .menu summary", "/licences")),
    Screen("licences-member", JONAS, _at("/licences")),
    Screen("licences-bank-transfer", CAMILLE, _at("/licences")),
    Screen("licences-five-products", GIULIA, _at("/licences")),
    Screen("licences-trial", AMELIA, _at("/licences")),
    Screen("people", GIULIA, _at(lambda p: p.paged)),
    Screen("add", LOTTE, _at(lambda p: p.add)),
    Screen("add-preview", LOTTE, _more_seats),
    Screen("add-mistakes", LOTTE, _wrong_seats),
    Screen("add-bank-transfer", CAMILLE, _at(lambda p: p.transfer_add)),
    Screen("add-with-support", GIULIA, _at(lambda p: p.support_add)),
    Screen("add-trial", AMELIA, _at(lambda p: p.trial_add)),
    Screen("cart", KATRIN, _at("/cart")),
    Screen("cart-empty", SOFIE, _at("/cart")),
    Screen("quotes", LOTTE, _at("/quotes")),
    Screen("quotes-empty", AMELIA, _at("/quotes")),
    Screen("quote", LOTTE, _at(lambda p: p.quote)),
    Screen("quote-decline", LOTTE, _decline_open),
    Screen("quote-replaced", LOTTE, _at(lambda p: p.replaced)),
    Screen("quote-declined", LOTTE, _at(lambda p: p.declined)),
    Screen("quote-from-executive", GIULIA, _at(lambda p: p.open_quote)),
    Screen("payment", LOTTE, _at(lambda p: f"{p.checkout}/payment")),
    Screen("payment-new-contact", LOTTE, _new_contact),
    Screen("payment-mistakes", LOTTE, _payment_with_mistakes),
    Screen("service-order", LOTTE, _at(lambda p: f"{p.checkout}/service-order")),
    Screen("order-done", LOTTE, _at(lambda p: p.order_done)),
    Screen("order-failed", LOTTE, _at(lambda p: p.order_failed)),
    Screen("order-waiting", GIULIA, _at(lambda p: p.order_waiting)),
    Screen("licences-order-waiting", GIULIA, _at("/licences")),
    Screen("invoices", LOTTE, _at("/invoices")),
    Screen("invoices-other-year", LOTTE, _at("/invoices?year=1999")),
    Screen("invoices-empty", AMELIA, _at("/invoices")),
    Screen("invoices-bank-transfer", CAMILLE, _at("/invoices")),
    Screen("invoice", LOTTE, _at(lambda p: p.invoice)),
    Screen("invoice-bank-transfer", CAMILLE, _at(lambda p: p.invoice_by_transfer)),
    Screen("activity", LOTTE, _at("/activity")),
    Screen("payment-method", LOTTE, _at("/billing/payment-method")),
    Screen("payment-method-none", AMELIA, _at("/billing/payment-method")),
    Screen("payment-method-transfer", CAMILLE, _at("/billing/payment-method")),
    Screen("payment-method-cancelled", LOTTE, _at(lambda p: p.setup_cancelled)),
    Screen("accounts", SOFIE, _at("/accounts")),
    Screen("sessions", LOTTE, _at("/sessions")),
    Screen("forbidden", JONAS, _at("/invoices")),
    Screen("not-found", LOTTE, _at("/orders/999999")),
    Screen("method-not-allowed", LOTTE, _at("/cart/empty")),
    Screen("form-no-longer-valid", LOTTE, _no_token),
    Screen("staff", HUGO, _at("/staff")),
    Screen("demo-people", None, _at("/demo")),
    Screen("demo-mailbox", None, _at("/demo/mailbox")),
    Screen("demo-mail", None, _at(lambda p: p.mail)),
    Screen("demo-clock", None, _at("/demo/clock")),
    Screen("demo-clock-mistake", None, _wrong_days),
    Screen("demo-payment-page", LOTTE, _at(lambda p: p.setup)),
    Screen("demo-payment-debit", LOTTE, _at(lambda p: f"{p.setup}?kind=sepa_debit")),
    Screen("demo-payment-mistakes", LOTTE, _wrong_card),
    Screen("demo-payment-over", LOTTE, _at(lambda p: p.setup_over)),
    Screen("demo-challenge", GIULIA, _at(lambda p: p.challenge)),
)


def prepare(browser: Browser, url: str) -> Places:
    """Do once what the screens show: orders, quotes, visits to the payment page, mails."""
    places = Places()
    context = browser.new_context(base_url=url, java_script_enabled=False)
    page = context.new_page()
    _as_lotte(page, places)
    _as_giulia(page, places)
    sign_in_as(page, KATRIN)
    add_licences(page, 4)
    for who, name in ((CAMILLE, "transfer_add"), (AMELIA, "trial_add")):
        sign_in_as(page, who)
        card = page.locator("section.card h2[id^=s]").first.get_attribute("id") or ""
        setattr(places, name, f"/licences/{card[1:]}/add")
        if who == CAMILLE:
            page.goto("/invoices")
            places.invoice_by_transfer = _href(page, "tbody th a")
    context.clear_cookies()
    places.link = ask_for_link(page, LOTTE)
    open_mail(page, "boekhouding@atelier-noordzee.example")
    places.mail = path_of(page)
    context.close()
    return places


def _as_lotte(page: Page, places: Places) -> None:
    sign_in_as(page, LOTTE)
    places.add = _href(page, "a.button.main[href$='/add']")
    # An order that goes through, with a new card.
    _to_payment(page)
    pay_with_new_card(page, WORKS)
    save_payment_step(page)
    places.order_done = place_order(page)
    page.goto("/invoices")
    places.invoice = _href(page, "tbody th a")
    # One quote that is replaced by another, which is declined.
    places.replaced = add_licences(page, 1)
    places.declined = add_licences(page, 2)
    page.locator("details.fold summary").click()
    page.locator("textarea[name=reason]").fill("We wait for the new year.")
    page.locator("#decline button.button").click()
    page.wait_for_url(re.compile(r"/quotes/\d+$"))
    # A payment that is declined; its quote stays open, ready for the service order.
    places.quote = add_licences(page, 3)
    places.checkout = places.quote.replace("/quotes/", "/checkout/")
    page.goto(f"{places.checkout}/payment")
    pay_with_new_card(page, FAILS_WHEN_CHARGED)
    save_payment_step(page)
    places.order_failed = place_order(page)
    page.goto(f"{places.checkout}/payment")
    pay_with_new_card(page, WORKS)
    save_payment_step(page)
    # A visit to the payment page that was cancelled, and one that is still open.
    page.goto("/billing/payment-method")
    page.locator("main form button").click()
    page.wait_for_url(re.compile("/demo/pay/setups/"))
    places.setup_over = path_of(page)
    save_card(page, PREPAID)
    page.locator("main form button").click()
    page.wait_for_url(re.compile("/demo/pay/setups/"))
    places.setup = path_of(page)
    places.setup_cancelled = _href(page, "#payment-form a.quiet")


def _as_giulia(page: Page, places: Places) -> None:
    sign_in_as(page, GIULIA)
    with_people = page.locator("a[href^='/licences/']:not([href$='/add']):not([href*='?'])")
    places.paged = with_people.first.get_attribute("href") or ""
    for card in page.locator("section.card h2[id^=s]").all():
        number = (card.get_attribute("id") or "")[1:]
        if not page.locator(f"a.main[href='/licences/{number}/add']").count():
            places.support_add = f"/licences/{number}/add"
    places.open_quote = _href(page, ".banner a[href^='/quotes/']")
    # Another product, so that the open quote stays; its payment waits for the bank.
    page.locator("a.button.main[href$='/add']").last.click()
    total_field(page).fill(str(int(total_field(page).input_value()) + 2))
    page.locator("#seats button[value=save]").click()
    page.wait_for_url(re.compile(r"/quotes/\d+$"))
    page.goto(path_of(page).replace("/quotes/", "/checkout/") + "/payment")
    pay_with_new_card(page, NEEDS_APPROVAL)
    save_payment_step(page)
    places.order_waiting = place_order(page)
    places.challenge = _href(page, ".banner a.button.main")


def _to_payment(page: Page) -> None:
    add_licences(page, 3)
    page.locator("a.button.main[href$='/payment']").click()
    page.wait_for_url(re.compile(r"/checkout/\d+/payment$"))


def _href(page: Page, selector: str) -> str:
    return page.locator(selector).first.get_attribute("href") or ""


def visit(
    new_context: Callable[[], BrowserContext],
    places: Places,
    locale: str,
    wanted: Callable[[Screen], bool] = lambda screen: True,
) -> Iterator[tuple[Screen, Page]]:
    """Bring each wanted screen up in turn, in the language; one browser context a person."""
    everyone = list(dict.fromkeys(screen.who for screen in SCREENS if wanted(screen)))
    for who in everyone:
        context = new_context()
        page = context.new_page()
        if who is not None:
            sign_in_as(page, who)
        page.goto("/languages")
        page.locator(f"main button[lang={locale}]").click()
        for screen in SCREENS:
            if screen.who == who and wanted(screen):
                screen.open(page, places)
                yield screen, page
        context.close()
