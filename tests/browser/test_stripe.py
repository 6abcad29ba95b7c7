"""Buying with Stripe as a customer does it: hosted Checkout, 3-D Secure, webhooks, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watch
from tests.browser.server import DemoServer
from tests.browser.steps import (
    NEEDS_APPROVAL,
    PREPAID,
    WORKS,
    add_licences,
    open_add,
    place_order,
    present_total,
    save_payment_step,
    see_it_done,
    sign_in_as,
)
from tests.fake_stripe.driver import API_KEY, WEBHOOK_SECRET, FakeStripe

pytestmark = pytest.mark.browser

LOTTE = "lotte.verbeke@atelier-noordzee.example"


@pytest.fixture(scope="module")
def stripe() -> Iterator[FakeStripe]:
    with FakeStripe() as running:
        yield running


def _hook(portal: DemoServer) -> dict[str, Any]:
    """Where Stripe's webhooks come, late and twice."""
    return {
        "url": f"{portal.url}/webhooks/stripe", "secret": WEBHOOK_SECRET, "copies": 2, "delay": 0.5,
    }  # fmt: skip


@pytest.fixture(scope="module")
def portal(stripe: FakeStripe) -> Iterator[DemoServer]:
    """The demo, collecting with Stripe; Stripe's webhooks come late and twice."""
    secrets = {"STRIPE_SECRET_KEY": API_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
    with DemoServer(STRIPE_API_BASE=stripe.url, **secrets) as running:
        stripe.act("webhooks", **_hook(running))
        yield running
        stripe.drain()
        assert not (differences := running.ledger_differences()), differences


@pytest.fixture
def watch(portal: DemoServer, stripe: FakeStripe, browser: Browser) -> Iterator[Watch]:
    watching = Watch(browser, portal.url, stripe.url)
    yield watching
    watching.close()
    stripe.drain()
    stripe.check()
    assert not watching.problems, "\n".join(dict.fromkeys(watching.problems))
    assert not portal.failures(), "\n".join(portal.failures())


def _save_card(page: Page, stripe: FakeStripe, number: str) -> None:
    """At the payment step: to Stripe's page, save a card, and back to the step."""
    page.locator("button[name=action][value=method]").click()
    page.wait_for_url(f"{stripe.url}/checkout/**")
    page.locator("#card input[name=number]").fill(number)
    page.locator("#card input[name=expiry]").fill("12/34")
    page.locator("#card button").click()
    page.wait_for_url(re.compile(r"/checkout/\d+/payment$"))


def _bought(page: Page) -> int:
    open_add(page)
    return present_total(page)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_licences_are_bought_with_stripe(
    watch: Watch, stripe: FakeStripe, javascript: bool
) -> None:
    page = watch.page(javascript=javascript)
    sign_in_as(page, LOTTE)
    before = _bought(page)
    quote = add_licences(page, 2)
    page.goto(quote.replace("/quotes/", "/checkout/") + "/payment")
    _save_card(page, stripe, PREPAID)  # M3: refused as it comes back
    expect(page.locator("#notices .banner.bad")).to_be_visible()
    _save_card(page, stripe, WORKS)
    save_payment_step(page)
    expect(page.locator(".answers")).to_contain_text("4242")
    place_order(page)
    see_it_done(page)
    assert _bought(page) == before + 2


def test_3d_secure_leads_to_the_bank_and_back(watch: Watch, stripe: FakeStripe) -> None:
    page = watch.page()
    sign_in_as(page, LOTTE)
    before = _bought(page)
    charged = len(stripe.things("charge"))
    quote = add_licences(page, 1)
    for answer in ("fail", "approve"):
        page.goto(quote.replace("/quotes/", "/checkout/") + "/payment")
        _save_card(page, stripe, NEEDS_APPROVAL)
        save_payment_step(page)
        place_order(page)
        assert _bought(page) == before, "Q3: nothing is granted before money is certain"
        page.go_back()
        page.go_back()
        page.locator(".banner.warn a.button.main").click()
        page.wait_for_url(f"{stripe.url}/3ds/**")
        page.locator(f"button[value={answer}]").click()
        page.wait_for_url(re.compile(r"/orders/\d+$"))
    see_it_done(page)
    page.reload()
    assert _bought(page) == before + 1
    stripe.drain()
    taken = [t for t in stripe.things("charge")[charged:] if t["status"] == "succeeded"]
    assert len(taken) == 1, "one order, one charge"


_COUNT_CHANGES = """() => {
  window.changes = 0;
  const order = document.getElementById("order");
  new MutationObserver((seen) => { window.changes += seen.length; })
    .observe(order, { childList: true, subtree: true, characterData: true });
}"""


def _asked_again(page: Page) -> None:
    """The page has asked once more by itself, and is done with the answer."""
    with page.expect_response(lambda answer: "hx-request" in answer.request.headers) as found:
        pass
    found.value.finished()
    page.wait_for_timeout(100)  # what would be swapped is swapped by then


def test_a_payment_that_is_checked_disturbs_nobody_until_there_is_news(
    watch: Watch, portal: DemoServer, stripe: FakeStripe
) -> None:
    page = watch.page()
    sign_in_as(page, LOTTE)
    before = _bought(page)
    quote = add_licences(page, 1)
    page.goto(quote.replace("/quotes/", "/checkout/") + "/payment")
    _save_card(page, stripe, WORKS)
    save_payment_step(page)
    stripe.drain()
    stripe.act("webhooks")  # none comes
    stripe.fail("reset_after", "payment_intents.create", times=3)  # the package's own tries as well
    with portal.without_worker():
        place_order(page)
        asking = page.locator("#order [hx-trigger]")
        expect(asking).to_have_count(1)
        link = page.locator("#order a[href^='/quotes/']")
        link.evaluate("link => { link.dataset.kept = 'yes'; link.focus(); }")
        page.evaluate(_COUNT_CHANGES)
        _asked_again(page)
        _asked_again(page)
        expect(page.locator("[data-kept]")).to_be_focused()
        assert page.evaluate("() => changes") == 0, "nothing new is there to be read out"
    stripe.act("webhooks", **_hook(portal))
    expect(asking).to_have_count(0, timeout=60_000)  # the worker is back, and looks it up
    see_it_done(page)
    expect(page.locator("main")).to_be_focused()  # where one stood is gone: the content's top
    assert _bought(page) == before + 1
