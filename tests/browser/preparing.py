"""What the screens show, brought about once: orders, quotes, visits to the payment page, mails."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page

from tests.browser.screen import (
    AMELIA,
    CAMILLE,
    GIULIA,
    HUGO,
    KATRIN,
    LOTTE,
    PIETER,
    Places,
)
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
    save_card,
    save_payment_step,
    sign_in_as,
    total_field,
)

__all__ = ["prepare"]


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
    _at_the_desk(page, places)
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
    page.locator("details.fold:not(.how) summary").click()
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


def _at_the_desk(page: Page, places: Places) -> None:
    """One quote that Camille accepted, one that she has not answered, and a draft with discounts."""
    sign_in_as(page, HUGO)
    page.goto("/desk/accounts?q=lumiere")
    customer = _href(page, "#customers table a")
    places.desk_draft = f"{customer}/quotes/new"
    _offer_words(page, places.desk_draft, "Atelier d’une journée à Lyon", "1200")
    accepted = _send_quote(page)
    _offer_words(page, places.desk_draft, "Reprise de vos données", "450")
    _offer_licences(page, places.desk_draft, 3)
    page.locator("#send textarea").fill(
        "Comme convenu au téléphone, avec la reprise de vos données."
    )
    places.desk_quote = _send_quote(page)
    places.transfer_quote = "/quotes/" + places.desk_quote.rpartition("/")[2]
    _offer_licences(page, places.desk_draft, 2)
    _offer_words(page, places.desk_draft, "Formation des administrateurs", "600")
    page.locator("#lines input[name^=discount_]").first.fill("10 %")
    page.locator("#lines button:not([name])").click()
    sign_in_as(page, CAMILLE)
    page.goto("/quotes/" + accepted.rpartition("/")[2])
    page.locator("#accept button").click()
    page.wait_for_url(re.compile(r"/orders/\d+$"))
    places.transfer_order = path_of(page)
    places.desk_order = f"{customer}{places.transfer_order}"


def _offer_licences(page: Page, draft: str, more: int) -> None:
    page.goto(draft)
    page.locator("#line #quantity").fill(str(more))
    page.locator("#line button").click()


def _offer_words(page: Page, draft: str, words: str, price: str) -> None:
    page.goto(draft)
    page.locator("#free #text").fill(words)
    page.locator("#free #unit_price").fill(price)
    page.locator("#free button").click()


def _send_quote(page: Page) -> str:
    page.locator("#send button[value=send]").click()
    page.wait_for_url(re.compile(r"/quotes/\d+$"))
    return path_of(page)


def _to_payment(page: Page) -> None:
    add_licences(page, 3)
    page.locator("a.button.main[href$='/payment']").click()
    page.wait_for_url(re.compile(r"/checkout/\d+/payment$"))


def _href(page: Page, selector: str) -> str:
    return page.locator(selector).first.get_attribute("href") or ""
