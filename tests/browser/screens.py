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
    newest_mail,
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
PIETER = "pieter.claes@atelier-noordzee.example"  # admin, Dutch
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
    cancelled: str = ""
    too_late: str = ""
    invoice_by_transfer: str = ""
    setup_cancelled: str = ""
    mail: str = ""
    link: str = ""
    consent: str = ""


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


def _of(add: str, page: str) -> str:
    """Another page of the subscription whose seats are added at `add`."""
    return f"{add.removesuffix('/add')}/{page}"


def _fewer_seats(page: Page, places: Places) -> None:
    page.goto(_of(places.add, "remove"))
    page.locator("#remove").press_sequentially("7")
    page.locator("#outcome .figure").first.wait_for()


def _too_many_fewer(page: Page, places: Places) -> None:
    page.goto(_of(places.add, "remove"))
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


def _cancel_with_a_mistake(page: Page, places: Places) -> None:
    page.goto(places.add.replace("/add", "/cancel"))
    page.locator("textarea[name=comment]").fill("Too long. " * 250)
    page.locator("#cancel button[type=submit]").click()
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


def _person(name: str, then: str = "") -> Open:
    def go(page: Page, _places: Places) -> None:
        page.goto(f"/members?q={name}")
        page.goto((page.locator("#members td a").first.get_attribute("href") or "") + then)

    return go


def _invite_with_mistakes(page: Page, _places: Places) -> None:
    page.goto("/members/invite")
    page.locator("input[name=email]").fill("nobody")
    page.locator("#invite button.main").click()
    page.locator("[data-focus]").wait_for()


def _import(*lines: str) -> Open:
    def go(page: Page, _places: Places) -> None:
        page.goto("/members/import")
        content = "\n".join(("email,name,role,status,licence:crm", *lines)).encode()
        page.set_input_files("#file", {"name": "a.csv", "mimeType": "text/csv", "buffer": content})
        page.locator("main form button.main").click()
        page.locator("#file").wait_for(state="detached")

    return go


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
    Screen("remove", LOTTE, _at(lambda p: _of(p.add, "remove"))),
    Screen("remove-preview", LOTTE, _fewer_seats),
    Screen("remove-mistake", LOTTE, _too_many_fewer),
    Screen("remove-check", LOTTE, _check_fewer_seats),
    Screen("remove-too-late", KATRIN, _at(lambda p: p.too_late.replace("/cancel", "/remove"))),
    Screen("remove-bank-transfer", CAMILLE, _at(lambda p: _of(p.transfer_add, "remove"))),
    Screen("remove-trial", AMELIA, _at(lambda p: _of(p.trial_add, "remove"))),
    Screen("change-people", GIULIA, _who_loses),
    Screen("cancel", LOTTE, _at(lambda p: p.add.replace("/add", "/cancel"))),
    Screen("cancel-too-late", KATRIN, _at(lambda p: p.too_late)),
    Screen("cancel-mistake", LOTTE, _cancel_with_a_mistake),
    Screen(
        "cancel-bank-transfer", CAMILLE, _at(lambda p: p.transfer_add.replace("/add", "/cancel"))
    ),
    Screen("cancel-trial", AMELIA, _at(lambda p: p.trial_add.replace("/add", "/cancel"))),
    Screen("cancelled", CAMILLE, _at(lambda p: p.cancelled)),
    Screen("data-export", LOTTE, _at("/data-export")),
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
    Screen("members", LOTTE, _at("/members")),
    Screen("members-file-menu", LOTTE, _menu_open(".pagehead .menu summary", "/members")),
    Screen("members-nobody-found", LOTTE, _at("/members?q=nobody+like+this")),
    Screen("members-many", GIULIA, _at("/members?product=desk")),
    Screen("member", LOTTE, _person("jonas")),
    Screen("member-asked", LOTTE, _person("pieter")),
    Screen("member-invited", LOTTE, _person("milan")),
    Screen("member-deactivated", LOTTE, _person("karel")),
    Screen("member-role", LOTTE, _person("jonas", "/role")),
    Screen("member-role-admin", LOTTE, _person("pieter", "/role")),
    Screen("member-role-last-admin", KATRIN, _person("katrin", "/role")),
    Screen("member-deactivate", LOTTE, _person("jonas", "/deactivate")),
    Screen("member-deactivate-admin", LOTTE, _person("pieter", "/deactivate")),
    Screen("member-deactivate-last-admin", KATRIN, _person("katrin", "/deactivate")),
    Screen("member-reactivate", LOTTE, _person("karel", "/reactivate")),
    Screen("member-none-free", GIULIA, _person("bianchini")),
    Screen("members-invite", LOTTE, _at("/members/invite")),
    Screen("members-invite-mistakes", LOTTE, _invite_with_mistakes),
    Screen("members-import", LOTTE, _at("/members/import")),
    Screen(
        "members-import-preview",
        LOTTE,
        _import(
            "new.person@x.example,New Person,,,yes",
            "an.declercq@atelier-noordzee.example,,member,,no",
            "jonas.wittevrongel@atelier-noordzee.example,,,deactivated,",
        ),
    ),
    Screen(
        "members-import-problems",
        LOTTE,
        _import(
            "pieter.claes@atelier-noordzee.example,,member,,",
            "nobody,,,,maybe",
        ),
    ),
    Screen("members-import-nothing", LOTTE, _import("lotte.verbeke@atelier-noordzee.example,,,,")),
    Screen("consent", None, _at(lambda p: p.consent)),
    Screen("consent-over", None, _at("/consents/unknown")),
    Screen("billing", LOTTE, _at("/billing")),
    Screen("billing-bank-transfer", CAMILLE, _at("/billing")),
    Screen("billing-five-products", GIULIA, _at("/billing")),
    Screen("billing-trial", AMELIA, _at("/billing")),
    Screen("billing-period", LOTTE, _at("/billing/period")),
    Screen("billing-period-confirm", LOTTE, _other_period),
    Screen("billing-period-late", KATRIN, _other_period),
    Screen("billing-period-bank-transfer", CAMILLE, _at("/billing/period")),
    Screen("billing-period-five-products", GIULIA, _at("/billing/period")),
    Screen("billing-period-trial", AMELIA, _at("/billing/period")),
    Screen("billing-details", LOTTE, _at("/billing/details")),
    Screen("billing-details-other-number", KATRIN, _another_vat_number),
    Screen("billing-details-mistakes", KATRIN, _billing_details_with_mistakes),
    Screen("next-invoice", LOTTE, _at("/billing/next-invoice")),
    Screen("next-invoice-bank-transfer", CAMILLE, _at("/billing/next-invoice")),
    Screen("next-invoice-five-products", GIULIA, _at("/billing/next-invoice")),
    Screen("next-invoice-trial", AMELIA, _at("/billing/next-invoice")),
    Screen("plans", LOTTE, _at(lambda p: _of(p.add, "plan"))),
    Screen("plans-bank-transfer", CAMILLE, _at(lambda p: _of(p.transfer_add, "plan"))),
    Screen("plans-trial", AMELIA, _at(lambda p: _of(p.trial_add, "plan"))),
    Screen("plan-upgrade", LOTTE, _at(lambda p: _of(p.add, "plan/enterprise"))),
    Screen("plan-at-renewal", LOTTE, _at(lambda p: _of(p.add, "plan/start"))),
    Screen("plan-with-help", CAMILLE, _at(lambda p: _of(p.transfer_add, "plan/pro"))),
    Screen("add-ons", LOTTE, _at(lambda p: _of(p.add, "add-ons"))),
    Screen("add-ons-bank-transfer", CAMILLE, _at(lambda p: _of(p.transfer_add, "add-ons"))),
    Screen("add-on-package", LOTTE, _at(lambda p: _of(p.add, "add-ons/appointments/basic"))),
    Screen("add-on-end", LOTTE, _at(lambda p: _of(p.add, "add-ons/appointments/remove"))),
    Screen("subscribe", LOTTE, _at("/subscribe")),
    Screen("subscribe-product", LOTTE, _at("/subscribe/desk")),
    Screen("subscribe-with-help", CAMILLE, _at("/subscribe/desk")),
    Screen("subscribe-mistakes", LOTTE, _wrong_start),
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
    places.consent = _ask_for_consent(page)
    _as_giulia(page, places)
    sign_in_as(page, KATRIN)
    places.too_late = _href(page, "a.button.main[href$='/add']").replace("/add", "/cancel")
    add_licences(page, 4)
    for who, name in ((CAMILLE, "transfer_add"), (AMELIA, "trial_add")):
        sign_in_as(page, who)
        card = page.locator("section.card h2[id^=s]").first.get_attribute("id") or ""
        setattr(places, name, f"/licences/{card[1:]}/add")
        if who == CAMILLE:
            page.goto("/invoices")
            places.invoice_by_transfer = _href(page, "tbody th a")
            places.cancelled = _cancel_last_product(page)
    context.clear_cookies()
    places.link = ask_for_link(page, LOTTE)
    open_mail(page, "boekhouding@atelier-noordzee.example")
    places.mail = path_of(page)
    context.close()
    return places


def _cancel_last_product(page: Page) -> str:
    """Cancel the last product on the licences page; where that is confirmed."""
    page.goto("/licences")
    card = page.locator("section.card h2[id^=s]").last.get_attribute("id") or ""
    page.goto(f"/licences/{card[1:]}/cancel")
    page.locator("#cancel button[type=submit]").click()
    page.locator("form[action$='/undo']").wait_for()
    return path_of(page)


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


def _ask_for_consent(page: Page) -> str:
    """Lotte asks Pieter to agree to being deactivated; where the link of the mail leads."""
    before = newest_mail(page, PIETER)
    page.goto("/members?q=pieter")
    page.goto(f"{_href(page, '#members td a')}/deactivate")
    page.locator("main form button.main").click()
    page.wait_for_url(re.compile(r"/members/\d+$"))
    text = open_mail(page, PIETER, after=before)
    return "/consents/" + text.partition("/consents/")[2].split()[0]


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
