"""A customer who pays by bank transfer and the account executive: each with an own browser and language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watch
from tests.browser.screen import CAMILLE, HUGO, SOFIE
from tests.browser.server import DemoServer
from tests.browser.steps import choose_language, newest_mail, open_mail, path_of, sign_in_as
from tests.support.transfers import Line, camt

pytestmark = [pytest.mark.browser, pytest.mark.timeout(480)]

BOOKS = "compta@lumiere-conseil.example"  # where the customer's invoices go, in French
STATEMENT = re.compile(r"/desk/statements/\d+$")


@pytest.fixture(scope="module")
def portal() -> Iterator[DemoServer]:
    """A demo of its own: what is paid and booked here would change the screens of the others."""
    with DemoServer() as running:
        yield running
        assert not (differences := running.ledger_differences()), differences


@pytest.fixture
def watch(portal: DemoServer, browser: Browser) -> Iterator[Watch]:
    watching = Watch(browser, portal.url)
    yield watching
    watching.close()
    assert not watching.problems, "\n".join(dict.fromkeys(watching.problems))
    assert not portal.failures(), "\n".join(portal.failures())


def _speaks(page: Page, locale: str) -> None:
    """The page is in the language of who looks at it, and as wide as their screen."""
    expect(page.locator("html")).to_have_attribute("lang", locale)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


def _bought(page: Page) -> int:
    """The licences of the first product, as the customer's page tells: "7 von 9"."""
    page.goto("/licences")
    told = page.locator("section.card dl.facts dd").first.inner_text()
    return int(re.findall(r"\d+", told)[-1])


def _mailed(
    post: Page, act: Callable[[], None], readers: dict[str, str], *, words: str = ""
) -> dict[str, str]:
    """Do something that is mailed to `readers` (address → language): what each of them reads."""
    before = {reader: newest_mail(post, reader, words) for reader in readers}
    act()
    texts = {}
    for reader, locale in readers.items():
        texts[reader] = open_mail(post, reader, words, after=before[reader])
        expect(post.locator("section.card div.stack[lang]")).to_have_attribute("lang", locale)
    return texts


def _ask(page: Page, kind: str, number: int, *, script: bool) -> str:
    """Send a request of `kind` for `number` licences; its address."""
    page.goto("/licences")
    page.locator(".banner a.main[href='/requests/new']").click()
    page.locator(f"a.pack[href$='kind={kind}']").click()
    page.locator("#quantity").fill(str(number))
    if not script:
        page.locator("#ask button[value=preview]").click()
    expect(page.locator("#estimate .figure")).to_be_visible()
    page.locator("textarea[name=details]").fill("Für das Büro in Zürich & Straßburg")
    page.locator("input[name=purchase_order]").fill("BC-9 / ÄÖ")
    page.locator("#ask button[value=send]").click()
    page.wait_for_url(re.compile(r"/requests/\d+$"))
    return path_of(page)


def _take(page: Page, request: str) -> None:
    """At the desk: from the queue to the request, and see to it."""
    page.goto("/desk/requests?state=sent")
    page.locator(f"a[href^='/desk/accounts/'][href$='{request}']").click()
    page.locator("form[action$='/take'] button").click()
    page.locator("#notices .banner.good").wait_for()


def _import(page: Page, content: bytes) -> None:
    page.goto("/desk/statements/new")
    page.locator("#file").set_input_files(
        {"name": "auszug.xml", "mimeType": "text/xml", "buffer": content}
    )
    page.locator("main form button.main").click()
    page.wait_for_url(re.compile(r"/desk/statements(/\d+)?$"))


@pytest.mark.parametrize(
    ("email", "locale", "script", "width"),
    [(CAMILLE, "de", True, 1280), (SOFIE, "nl", False, 320)],
    ids=["german-javascript-1280", "dutch-no-javascript-320"],
)
def test_a_request_is_invoiced_paid_by_statement_and_works_and_a_reduction_is_confirmed(
    watch: Watch, email: str, locale: str, script: bool, width: int
) -> None:
    customer, desk = watch.page(javascript=script, width=width), watch.page()
    post = watch.page()
    sign_in_as(customer, email)
    if email == SOFIE:  # who belongs to two companies
        customer.goto("/accounts")
        customer.locator("form", has_text="Lumière").locator("button").click()
        customer.wait_for_url("**/licences")
    choose_language(customer, locale)
    sign_in_as(desk, HUGO)
    choose_language(desk, "en")
    both = {email: locale, HUGO: "en"}
    before = _bought(customer)
    expect(customer.locator("a[href$='/add']")).to_have_count(0)
    expect(customer.locator(".banner").first).to_contain_text("Hugo Peeters")
    _speaks(customer, locale)

    # More licences are asked for; both have it in writing.
    asked: list[str] = []
    texts = _mailed(
        post, lambda: asked.append(_ask(customer, "more_seats", 3, script=script)), both
    )
    request = asked[0]
    assert all(request.rpartition("/")[2] in text for text in texts.values())
    assert "BC-9 / ÄÖ" in texts[HUGO]
    assert "Straßburg" in texts[HUGO]
    expect(customer.locator(".progress li")).to_have_count(5)
    expect(customer.locator(".progress [aria-current=step]")).to_have_count(1)
    _speaks(customer, locale)
    _mailed(post, lambda: _take(desk, request), {email: locale})
    _speaks(desk, "en")

    # What each writes reaches the other as it was written.
    def reply() -> None:
        desk.locator("#reply textarea").fill("I’ll send the invoice today.")
        desk.locator("#reply button").click()
        expect(desk.locator("article .message")).to_have_count(1)

    def answer() -> None:
        customer.goto(request)
        customer.locator("#say textarea").fill("Vielen Dank!")
        customer.locator("#say button").click()
        expect(customer.locator("article .message")).to_have_count(2)

    assert "I’ll send the invoice today." in _mailed(post, reply, {email: locale})[email]
    assert "Vielen Dank!" in _mailed(post, answer, {HUGO: "en"})[HUGO]

    # Two clicks make the invoice, with what it comes to on the second.
    amount = ""

    def invoice() -> None:
        nonlocal amount
        desk.locator("a.main[href$='/invoice']").click()
        button = desk.locator("#send button.main")
        found = re.search(r"€\s?([\d,]+\.\d\d)", button.inner_text())
        assert found, "the button says the amount"
        amount = found[1].replace(",", "")
        _speaks(desk, "en")
        button.click()
        desk.locator("#notices .banner.good").wait_for()

    _mailed(post, invoice, {BOOKS: "fr", email: locale})
    customer.goto(request)
    expect(customer.locator(".progress .done")).to_have_count(2)
    _speaks(customer, locale)
    customer.locator(".banner a[href^='/invoices/']").click()
    customer.wait_for_url(re.compile(r"/invoices/[^/]+$"))
    number = path_of(customer).rpartition("/")[2]
    paying = customer.locator("section[aria-labelledby=transfer]")
    expect(paying.locator("svg")).to_be_visible()  # the code for a banking app
    reference = re.search(r"RF\d\d[\d ]+", paying.inner_text())
    assert reference, paying.inner_text()
    _speaks(customer, locale)
    assert _bought(customer) == before, "Q3: nothing works before the money has come"

    # The statement: the transfer, and another one with a digit that is wrong.
    right = reference.group().replace(" ", "")
    wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
    minor = int(amount.replace(".", ""))
    today = datetime.now(UTC).date()
    statement = camt(
        Line(minor, wrong, bank_ref=f"{number}-1", on=today),
        Line(minor, right, bank_ref=f"{number}-2", on=today),
        number=number,
    )
    _import(desk, statement)
    assert STATEMENT.search(desk.url)
    review = path_of(desk)
    choices = desk.locator("fieldset:has([name^=entry_])")
    expect(choices).to_have_count(2)
    chosen = choices.locator("input:checked")
    expect(chosen.first).to_have_value("")  # suggested, never booked by itself
    assert choices.first.locator(f"input[value*='{number}']").count() == 1
    expect(chosen.last).to_have_value(re.compile(re.escape(number)))
    _speaks(desk, "en")
    assert _bought(customer) == before, "nothing is booked before the review"

    def book() -> None:
        desk.locator("main form button.main").click()
        desk.locator("#notices .banner.good").wait_for()

    texts = _mailed(post, book, {BOOKS: "fr", **both})
    assert number in texts[BOOKS]
    assert str(before + 3) in texts[email], "who asked reads how many there are now"
    expect(desk.locator("fieldset:has([name^=entry_])")).to_have_count(1)
    _import(desk, statement)  # the same file again has no effect
    assert path_of(desk) == "/desk/statements"
    desk.goto(review)
    expect(desk.locator("fieldset:has([name^=entry_])")).to_have_count(1)

    # The licences work, and the request says so to both.
    assert _bought(customer) == before + 3
    customer.goto(request)
    expect(customer.locator(".progress .done")).to_have_count(5)
    _speaks(customer, locale)
    desk.goto("/desk/requests?state=closed")
    desk.locator(f"a[href$='{request}']").click()
    expect(desk.locator(".progress .done")).to_have_count(5)
    customer.goto(f"/invoices/{number}")
    expect(customer.locator("section[aria-labelledby=transfer]")).to_have_count(0)

    # Fewer licences: confirmed with the day on which they end.
    _mailed(post, lambda: asked.append(_ask(customer, "fewer_seats", 2, script=script)), both)
    fewer = asked[1]
    _mailed(post, lambda: _take(desk, fewer), {email: locale})

    def confirm() -> None:
        desk.locator("#confirm button.main").click()
        desk.locator("#notices .banner.good").wait_for()

    desk.locator("#confirm button.main").wait_for()
    _speaks(desk, "en")
    texts = _mailed(post, confirm, {email: locale})
    customer.goto(fewer)
    expect(customer.locator(".progress .done")).to_have_count(3)
    found = re.search(r"\d{1,2}\.? \w+ \d{4}", customer.locator(".banner.good").inner_text())
    assert found, "the request says from which day on"
    day = found[0]
    assert day in texts[email]
    assert _bought(customer) == before + 3, "S1: they work until then"
    expect(customer.locator(".pending").first).to_contain_text(day)
    expect(customer.locator(".pending form button").first).to_be_visible()  # Undo stays theirs
    _speaks(customer, locale)
    customer.goto("/activity")
    expect(customer.locator("main")).to_contain_text("Hugo Peeters")
    _speaks(customer, locale)
