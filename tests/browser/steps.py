"""What a person does in the portal, for tests, accessibility walk and screenshots.

Steps find their way by the form of the page (addresses, names of fields), not by its words, so the
same steps work in every language, with and without JavaScript.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

__all__ = [
    "DEBIT_FAILS_LATER",
    "FAILS_WHEN_CHARGED",
    "HARD_DECLINE",
    "NEEDS_APPROVAL",
    "NO_MONEY",
    "PREPAID",
    "WORKS",
    "add_licences",
    "ask_for_link",
    "choose_language",
    "link_in",
    "move_clock",
    "open_add",
    "open_mail",
    "path_of",
    "pay_owed",
    "pay_with_new_card",
    "place_order",
    "present_total",
    "save_card",
    "save_method",
    "save_payment_step",
    "see_it_done",
    "sign_in_as",
    "total_field",
    "while_checked",
]  # fmt: skip

WORKS = "4242424242424242"
FAILS_WHEN_CHARGED = "4000000000000341"
NEEDS_APPROVAL = "4000002760003184"
PREPAID = "5105105105105100"
NO_MONEY = "4000000000009995"
HARD_DECLINE = "4000000000009987"
DEBIT_FAILS_LATER = "AT861904300235473202"


def path_of(page: Page) -> str:
    """The path of the page on screen."""
    return urlsplit(page.url).path


def sign_in_as(page: Page, email: str) -> None:
    """Be the demo's person with this address."""
    page.goto("/demo")
    form = page.locator("form", has=page.locator(f"input[name=email][value='{email}']"))
    form.locator("button").click()
    page.wait_for_url(re.compile(r"/(licences|accounts|staff|desk)$"))


def choose_language(page: Page, locale: str) -> None:
    """Open the language menu of the page and choose; the page is the same afterwards."""
    page.locator("details.menu:has(button[formaction])").locator("summary").click()
    page.locator(f"button[formaction^='/languages/{locale}']").click()
    expect(page.locator("html")).to_have_attribute("lang", locale)


def total_field(page: Page, place: int = 0):  # type: ignore[no-untyped-def]
    """The field of a new total on the page where licences are added."""
    return page.locator("#seats input[name^=item_]").nth(place)


def present_total(page: Page, place: int = 0) -> int:
    """What stands in that field."""
    return int(total_field(page, place).input_value())


def open_add(page: Page) -> None:
    """From the licences page to the form of new totals of the first product, ready to be used."""
    page.goto("/licences")
    page.locator("a.button.main[href$='/add']").first.click()
    page.wait_for_url(re.compile(r"/add$"))  # and until it is loaded: htmx listens then


def add_licences(page: Page, more: int = 3) -> str:
    """From the licences page to the review of a quote for `more` licences of the first product."""
    open_add(page)
    total_field(page).fill(str(present_total(page) + more))
    page.locator("#seats button[value=save]").click()
    page.wait_for_url(re.compile(r"/quotes/\d+$"))
    return path_of(page)


def save_card(page: Page, number: str, expiry: str = "12/34") -> None:
    """On the demo provider's page: save the card `number` and return to where one came from."""
    page.wait_for_url(re.compile(r"/demo/pay/setups/"))
    page.locator("input[name=number]").fill(number)
    page.locator("input[name=expiry]").fill(expiry)
    page.locator("input[name=cvc]").fill("123")
    page.locator("#payment-form button[type=submit]").click()
    page.wait_for_url(re.compile(r"/(checkout|billing)/[^?]*$"))


def save_method(page: Page, number: str) -> None:
    """From the page of the payment method: save a card or an IBAN, and come back to it."""
    page.goto("/billing/payment-method")
    page.locator("main form button").first.click()
    page.wait_for_url(re.compile(r"/demo/pay/setups/"))
    if number.isdigit():
        save_card(page, number)
        return
    page.locator("a[href$='kind=sepa_debit']").click()
    page.locator("input[name=number]").fill(number)
    page.locator("#payment-form button[type=submit]").click()
    page.wait_for_url(re.compile(r"/billing/payment-method$"))


def move_clock(page: Page, days: int) -> None:
    """So many days later, and the jobs that are due by then are done."""
    page.goto("/demo/clock")
    page.locator("#days").fill(str(days))
    page.locator("form:has(#days) button").click()
    page.locator("#notices .banner.good").wait_for()


def while_checked(page: Page) -> None:
    """On the page of what is owed: until the worker has charged what it charges."""
    expect(page.locator("#owed [hx-trigger]")).to_have_count(0)


def pay_owed(page: Page) -> None:
    """Pay the first invoice on the page of what is owed; on to how it went."""
    page.goto("/billing/owed")
    while_checked(page)
    page.locator("form[action$='/pay'] button").first.click()
    page.wait_for_url(re.compile(r"/invoices/[^/]+/payment$"))


def pay_with_new_card(page: Page, number: str) -> None:
    """At the payment step: go and save another card, come back to the step."""
    page.locator("button[name=action][value=method]").click()
    save_card(page, number)
    page.wait_for_url(re.compile(r"/checkout/\d+/payment$"))


def save_payment_step(page: Page) -> None:
    """From the payment step to the service order."""
    page.locator("button[name=action][value=save]").click()
    page.wait_for_url(re.compile(r"/checkout/\d+/service-order$"))


def place_order(page: Page) -> str:
    """Press the button that says the amount; the address of the order's page."""
    page.locator("form[action$='/service-order'] button[type=submit]").click()
    page.wait_for_url(re.compile(r"/orders/\d+$"))
    return path_of(page)


def see_it_done(page: Page) -> None:
    """The order on screen is done, with every step of its progress."""
    expect(page.locator(".progress > li").first).to_be_visible()
    expect(page.locator(".progress > li:not(.done)")).to_have_count(0)


def newest_mail(page: Page, recipient: str, words: str = "") -> str:
    """The address of the newest mail to `recipient` with `words` in its subject, or nothing."""
    page.goto("/demo/mailbox")
    row = page.locator("tbody tr", has_text=recipient).filter(has_text=words)
    return (row.first.locator("a").get_attribute("href") or "") if row.count() else ""


def open_mail(page: Page, recipient: str, words: str = "", after: str = "") -> str:
    """Open the newest such mail, once there is one newer than `after`: its plain text."""
    newest = newest_mail(page, recipient, words)
    for _try in range(60):  # the worker delivers within a second or two
        if newest not in {"", after}:
            break
        page.wait_for_timeout(250)
        newest = newest_mail(page, recipient, words)
    page.goto(newest)
    return page.locator("section.card div.stack[lang]").inner_text()


def ask_for_link(page: Page, email: str, locale: str | None = None) -> str:
    """Ask for a sign-in link, in a language; the path of the link in the mail that comes."""
    before = newest_mail(page, email)
    page.goto("/sign-in")
    page.locator("input[name=email]").fill(email)
    if locale is not None:
        choose_language(page, locale)
        expect(page.locator("input[name=email]")).to_have_value(email)  # typed before the switch
    page.locator("#sign-in button.main").click()
    page.wait_for_url("**/sign-in/sent")
    return link_in(open_mail(page, email, after=before))


def link_in(text: str) -> str:
    """The path of the sign-in link in a mail."""
    found = re.search(r"/sign-in/[\w-]{20,}", text)
    assert found, text
    return found[0]
