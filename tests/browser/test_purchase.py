"""The whole purchase as a customer makes it, with JavaScript and without."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.steps import (
    FAILS_WHEN_CHARGED,
    NEEDS_APPROVAL,
    PREPAID,
    WORKS,
    add_licences,
    ask_for_link,
    choose_language,
    open_add,
    open_mail,
    path_of,
    pay_with_new_card,
    place_order,
    present_total,
    save_payment_step,
    see_it_done,
    sign_in_as,
    total_field,
)

pytestmark = pytest.mark.browser

LOTTE = "lotte.verbeke@atelier-noordzee.example"
KATRIN = "katrin.mueller@mueller-soehne.example"
BUY = "form[action$='/service-order'] button[type=submit]"


def _amount(text: str) -> str:
    """The amount in a text, in the German or English form, without its spaces."""
    found = re.search(r"\d[\d.,]*[.,]\d\d", text.replace("\xa0", " "))
    assert found, text
    return found[0]


def _bought(page: Page) -> int:
    """The licences of the first product, as its page tells."""
    open_add(page)
    hint = page.locator("#seats .hint").first.inner_text()
    found = re.search(r"\d+", hint)
    assert found, hint
    return int(found[0])


def _fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


def _sign_in_by_mail(page: Page, email: str, locale: str) -> None:
    link = ask_for_link(page, email, locale)
    page.goto(link)
    page.goto(link)  # a GET does not consume it
    page.locator("main form button").click()
    page.wait_for_url("**/licences")


@pytest.mark.parametrize(
    ("javascript", "width", "email"), [(True, 1280, KATRIN), (False, 320, LOTTE)],
    ids=["javascript-1280", "no-javascript-320"],
)  # fmt: skip
def test_three_licences_are_bought_in_german(
    watch: Watch, javascript: bool, width: int, email: str
) -> None:
    page = watch.page(javascript=javascript, width=width, locale="de-DE")
    _sign_in_by_mail(page, email, "de")
    if email != KATRIN:  # whose own language it is
        choose_language(page, "de")
    _fits(page)
    before = _bought(page)

    field = total_field(page)
    if javascript:  # the amount appears while typing
        field.press("Control+A")
        field.press_sequentially(str(before + 3), delay=20)
    else:
        field.fill(str(before + 3))
        page.locator("#seats button[value=preview]").click()
    expect(page.locator("#price .figure")).to_contain_text("€")
    shown = _amount(page.locator("#price .figure").inner_text())
    assert "," in shown, "German writes 95,74"
    assert present_total(page) == before + 3
    _fits(page)
    page.locator("#seats button[value=save]").click()
    page.wait_for_url(re.compile(r"/quotes/\d+$"))
    expect(page.locator("dd.sum")).to_contain_text(shown)
    _fits(page)
    page.locator("a.button.main[href$='/payment']").click()

    # What is typed is kept on the way to the payment page and back.
    page.locator("input[name=purchase_order]").fill("PO 4711 ÄÖÜ")
    pay_with_new_card(page, WORKS)
    expect(page.locator("input[name=purchase_order]")).to_have_value("PO 4711 ÄÖÜ")
    _fits(page)
    save_payment_step(page)
    expect(page.locator(".answers")).to_contain_text("4242")
    assert _amount(page.locator(BUY).inner_text()) == shown, "the button says the amount"
    _fits(page)
    place_order(page)

    see_it_done(page)
    expect(page.locator("main")).to_contain_text(shown)
    _fits(page)
    invoice = page.locator("main a[href^='/invoices/']").first.get_attribute("href") or ""
    number = invoice.rsplit("/", 1)[1]
    assert _bought(page) == before + 3

    page.goto(invoice)
    expect(page.locator("main")).to_contain_text(shown)
    with page.expect_download() as download:
        page.locator("a[href$='.pdf']").first.click()
    assert number in download.value.suggested_filename
    assert download.value.path().read_bytes().startswith(b"%PDF")
    page.goto("/invoices")
    with page.expect_download() as archive:
        page.locator("a[href$='.zip']").first.click()
    names = zipfile.ZipFile(io.BytesIO(archive.value.path().read_bytes())).namelist()
    assert any(number in name for name in names)

    text = open_mail(page, "@", shown)  # the receipt says the amount in its subject
    assert number in text
    assert shown in text.replace("\xa0", " ")
    with page.expect_download() as attachment:
        page.locator("a[href*='/attachments/']").first.click()
    assert attachment.value.path().read_bytes().startswith(b"%PDF")


def test_a_declined_card_charges_nothing_and_another_one_pays(watch: Watch) -> None:
    page = watch.page()
    sign_in_as(page, LOTTE)
    before = _bought(page)
    quote = add_licences(page, 2)
    page.goto(quote.replace("/quotes/", "/checkout/") + "/payment")
    pay_with_new_card(page, PREPAID)  # M3: refused as it comes back
    expect(page.locator("#notices .banner.bad")).to_be_visible()
    pay_with_new_card(page, FAILS_WHEN_CHARGED)
    save_payment_step(page)
    failed = place_order(page)
    expect(page.locator(".banner.bad")).to_be_visible()
    assert _bought(page) == before, "Q3: nothing is granted before money is certain"
    page.goto(failed)
    page.locator(".banner.bad a.button.main").click()
    pay_with_new_card(page, WORKS)
    save_payment_step(page)
    place_order(page)
    see_it_done(page)
    assert _bought(page) == before + 2


def test_3d_secure_is_refused_and_then_approved(watch: Watch) -> None:
    page = watch.page()
    sign_in_as(page, LOTTE)
    before = _bought(page)
    quote = add_licences(page, 1)
    for answer in ("fail", "approve"):
        page.goto(quote.replace("/quotes/", "/checkout/") + "/payment")
        pay_with_new_card(page, NEEDS_APPROVAL)
        save_payment_step(page)
        place_order(page)
        assert _bought(page) == before
        page.go_back()
        page.go_back()
        page.locator(".banner.warn a.button.main").click()
        page.wait_for_url(re.compile("/demo/pay/charges/"))
        page.locator(f"button[value={answer}]").click()
        page.wait_for_url(re.compile(r"/orders/\d+$"))
    see_it_done(page)
    assert _bought(page) == before + 1


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_Q4_double_click_and_two_tabs_make_one_order(watch: Watch, javascript: bool) -> None:
    context = watch.context(javascript=javascript)
    first, second = context.new_page(), context.new_page()
    sign_in_as(first, LOTTE)
    before = _bought(first)
    quote = add_licences(first, 1)
    first.goto(quote.replace("/quotes/", "/checkout/") + "/payment")
    pay_with_new_card(first, WORKS)
    save_payment_step(first)
    second.goto(path_of(first))
    first.goto("/invoices")
    invoices = first.locator("tbody tr").count()
    first.goto(path_of(second))
    first.locator(BUY).dblclick(no_wait_after=True)
    second.locator(BUY).click()
    for page in (first, second):
        page.wait_for_url(re.compile(r"/orders/\d+$"))
    assert path_of(first) == path_of(second)
    assert _bought(first) == before + 1
    first.goto("/invoices")
    assert first.locator("tbody tr").count() == invoices + 1


def test_the_button_back_after_the_order_leads_to_the_order(watch: Watch) -> None:
    page = watch.page()
    sign_in_as(page, LOTTE)
    quote = add_licences(page, 1)
    page.goto(quote.replace("/quotes/", "/checkout/") + "/payment")
    pay_with_new_card(page, WORKS)
    save_payment_step(page)
    order = place_order(page)
    page.go_back()
    if "/service-order" in page.url:  # from the browser's memory: it still places nothing new
        page.reload()
    page.wait_for_url(f"**{order}")
