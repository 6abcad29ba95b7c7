"""A renewal that Stripe could not collect, as the customer meets it: declined, suspended, recovered."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watch
from tests.browser.server import DemoServer
from tests.browser.steps import (
    DEBIT_FAILS_LATER,
    NEEDS_APPROVAL,
    NO_MONEY,
    WORKS,
    move_clock,
    open_mail,
    path_of,
    pay_owed,
    sign_in_as,
    while_checked,
)
from tests.fake_stripe.driver import API_KEY, WEBHOOK_SECRET, FakeStripe

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LOTTE = "lotte.verbeke@atelier-noordzee.example"
KATRIN = "katrin.mueller@mueller-soehne.example"
_DAY = 86_400


class Calendar:
    """The days of the portal and of Stripe, which go by together."""

    def __init__(self, stripe: FakeStripe) -> None:
        self._stripe = stripe
        self._days = 0

    def pass_days(self, page: Page, *steps: int) -> None:
        """So many days later, step by step; the worker runs after each."""
        for days in steps:
            self._days += days
            self._stripe.act("clock", now=int(time.time()) + self._days * _DAY)
            move_clock(page, days)
            self._stripe.drain()


@pytest.fixture(scope="module")
def stripe() -> Iterator[FakeStripe]:
    with FakeStripe() as running:
        yield running


@pytest.fixture(scope="module")
def portal(stripe: FakeStripe) -> Iterator[DemoServer]:
    """The demo, collecting with Stripe, whose webhooks come twice."""
    secrets = {"STRIPE_SECRET_KEY": API_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
    with DemoServer(STRIPE_API_BASE=stripe.url, **secrets) as running:
        stripe.act(
            "webhooks", url=f"{running.url}/webhooks/stripe", secret=WEBHOOK_SECRET, copies=2
        )
        yield running
        stripe.drain()
        assert not (differences := running.ledger_differences()), differences


@pytest.fixture(scope="module")
def calendar(portal: DemoServer, stripe: FakeStripe) -> Calendar:
    return Calendar(stripe)


@pytest.fixture
def watch(portal: DemoServer, stripe: FakeStripe, browser: Browser) -> Iterator[Watch]:
    watching = Watch(browser, portal.url, stripe.url)
    yield watching
    watching.close()
    stripe.drain()
    stripe.check()
    assert not watching.problems, "\n".join(dict.fromkeys(watching.problems))
    assert not portal.failures(), "\n".join(portal.failures())


def _save(page: Page, stripe: FakeStripe, number: str) -> None:
    """On Stripe's page: save a card or an IBAN, and come back to where one came from."""
    page.wait_for_url(f"{stripe.url}/checkout/**")
    form = page.locator("#card" if number.isdigit() else "#debit")
    form.locator("input[name=number]").fill(number)
    if number.isdigit():
        form.locator("input[name=expiry]").fill("12/34")
    form.locator("button").click()
    page.wait_for_url(re.compile(r"/billing/(owed|payment-method)$"))


def _replace_on_the_page_of_what_is_owed(page: Page) -> None:
    page.goto("/billing/owed")
    page.locator("form[action$='/billing/owed/method'] button").click()


def _taken(stripe: FakeStripe, amount: int) -> int:
    """How often Stripe took an amount."""
    charges = stripe.things("charge")
    return sum(t["status"] == "succeeded" and t["amount"] == amount for t in charges)


def test_M5_without_javascript_a_card_pays_what_a_debit_that_failed_did_not(
    watch: Watch, stripe: FakeStripe, calendar: Calendar
) -> None:
    page = watch.page(javascript=False)
    sign_in_as(page, KATRIN)
    page.goto("/billing/payment-method")
    page.locator("form[action$='/setups'] button").click()
    _save(page, stripe, DEBIT_FAILS_LATER)
    expect(page.locator("main")).to_contain_text("3202")
    calendar.pass_days(page, 10)
    page.goto("/billing")
    expect(page.locator("a[href='/billing/owed']")).to_have_count(0)  # M4: on its way, no dunning
    calendar.pass_days(page, 4)
    page.goto("/billing")
    page.locator(".banner.warn a[href='/billing/owed']").click()
    shown = page.locator("input[name=shown]").first.get_attribute("value") or ""
    _replace_on_the_page_of_what_is_owed(page)
    _save(page, stripe, WORKS)
    for _ in range(60):  # the worker charges it within a second or two
        if not page.locator("section.card dd.figure").count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(page.locator(".empty")).to_be_visible()
    stripe.drain()
    assert _taken(stripe, int(shown)) == 1
    page.goto("/billing")
    expect(page.locator("a[href='/billing/owed']")).to_have_count(0)


def test_M5_what_is_suspended_is_paid_on_screen_with_3d_secure_and_works_again(
    watch: Watch, stripe: FakeStripe, calendar: Calendar
) -> None:
    context = watch.context()
    page, other = context.new_page(), context.new_page()
    sign_in_as(page, LOTTE)
    page.goto("/billing/payment-method")
    page.locator("form[action$='/setups'] button").click()
    _save(page, stripe, NO_MONEY)
    calendar.pass_days(page, 33)
    page.goto("/licences")
    owed = page.locator(".banner.warn a[href='/billing/owed']")
    for _ in range(60):  # the worker charges the renewal within a second or two
        if owed.count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(owed).to_be_visible()
    expect(page.locator("a.button.main[href$='/add']").first).to_be_visible()
    calendar.pass_days(page, 2, 5, 7, 7, 1)
    page.goto("/licences")
    expect(page.locator("a.button.main[href$='/add']")).to_have_count(0)
    page.locator(".banner.bad a[href='/billing/owed']").click()
    shown = int(page.locator("input[name=shown]").get_attribute("value") or "")

    # The way to Stripe's page, back without having saved anything, and there once more.
    _replace_on_the_page_of_what_is_owed(page)
    page.wait_for_url(f"{stripe.url}/checkout/**")
    page.locator("#cancel").click()
    page.wait_for_url(re.compile(r"/billing/owed$"))
    _replace_on_the_page_of_what_is_owed(page)
    _save(page, stripe, NEEDS_APPROVAL)
    while_checked(page)  # it was tried at once, and the bank wants the customer
    expect(page.locator(".banner.bad")).to_be_visible()

    other.goto("/billing/owed")
    pay_owed(page)
    payment = path_of(page)
    other.locator("form[action$='/pay'] button").click()  # Q4: a second tab charges nothing more
    other.wait_for_load_state()
    page.locator(".banner.warn a.main").click()
    page.wait_for_url(f"{stripe.url}/3ds/**")
    page.locator("button[value=fail]").click()
    page.wait_for_url(f"**{payment}")
    page.locator(".banner.bad a.main").click()
    assert _taken(stripe, shown) == 0
    pay_owed(page)
    page.locator(".banner.warn a.main").click()
    page.wait_for_url(f"{stripe.url}/3ds/**")
    page.locator("button[value=approve]").click()
    page.wait_for_url(f"**{payment}")
    expect(page.locator(".banner.good")).to_be_visible()
    page.go_back()
    page.go_back()
    page.goto(payment)
    page.reload()
    expect(page.locator(".banner.good")).to_be_visible()
    other.goto("/billing/owed")
    expect(other.locator(".empty")).to_be_visible()

    page.goto("/licences")
    expect(page.locator(".banner.bad, .banner.warn")).to_have_count(0)
    expect(page.locator("a.button.main[href$='/add']").first).to_be_visible()
    stripe.drain()
    assert _taken(stripe, shown) == 1, "one invoice, one charge"
    number = payment.split("/")[2]
    assert "/licences" in open_mail(page, LOTTE, number), "the mail says that it works again"
