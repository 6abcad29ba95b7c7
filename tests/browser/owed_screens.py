"""Screens of what is owed, as the days go by; a demo of their own, since its clock moves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from tests.browser.screen import GIULIA, KATRIN, LOTTE, Places, Screen, at
from tests.browser.steps import (
    DEBIT_FAILS_LATER,
    HARD_DECLINE,
    NEEDS_APPROVAL,
    NO_MONEY,
    move_clock,
    open_mail,
    path_of,
    pay_owed,
    save_method,
    sign_in_as,
    while_checked,
)

__all__ = ["MOMENTS", "Moment"]


@dataclass(frozen=True)
class Moment:
    """So many days on, in steps between which the worker runs; what is done then, and the screens."""

    days: tuple[int, ...]
    screens: tuple[Screen, ...]
    arrange: Callable[[Page, Places], None] = lambda _page, _places: None

    def begin(self, page: Page, places: Places) -> None:
        """Move the clock there and arrange what the screens show."""
        for days in self.days:
            move_clock(page, days)
        self.arrange(page, places)


def _methods_that_fail(page: Page, _places: Places) -> None:
    for who, number in (
        (KATRIN, DEBIT_FAILS_LATER),
        (GIULIA, NO_MONEY),
        (LOTTE, NEEDS_APPROVAL),
    ):
        sign_in_as(page, who)
        save_method(page, number)


def _mail_of_a_decline(page: Page, places: Places) -> None:
    open_mail(page, GIULIA)
    places.mail = path_of(page)


def _hard_decline(page: Page, _places: Places) -> None:
    sign_in_as(page, GIULIA)
    save_method(page, HARD_DECLINE)  # which is charged with what is owed at once
    page.goto("/billing/owed")
    while_checked(page)


def _confirm(page: Page, _places: Places) -> None:
    pay_owed(page)
    expect(page.locator(".banner.warn a.main")).to_be_visible()


def _cancelled(page: Page, _places: Places) -> None:
    page.locator("form[action$='/payment/cancel'] button").first.click()
    page.wait_for_url(re.compile(r"/payment$"))
    page.locator(".banner a.main[href='/billing/owed']").wait_for()


def _refused(page: Page, places: Places) -> None:
    _confirm(page, places)
    page.locator(".banner.warn a.main").click()
    page.locator("button[value=fail]").click()
    page.locator(".banner.bad").wait_for()


def _paid(page: Page, places: Places) -> None:
    sign_in_as(page, LOTTE)
    pay_owed(page)
    page.locator(".banner.warn a.main").click()
    page.locator("button[value=approve]").click()
    page.locator(".banner.good").wait_for()
    places.payment = path_of(page)


MOMENTS = (
    Moment(
        (),
        (
            Screen("method-debit", KATRIN, at("/billing/payment-method")),
            Screen("billing-debit", KATRIN, at("/billing")),
        ),
        _methods_that_fail,
    ),
    # Katrin's debit failed and is tried again; Giulia's card had no money for two renewals.
    Moment(
        (10, 4, 7),
        (
            Screen("owed-debit-on-its-way", KATRIN, at("/billing/owed")),
            Screen("owed-several", GIULIA, at("/billing/owed")),
            Screen("owed-banner", GIULIA, at("/billing")),
            Screen("owed-mail", None, at(lambda p: p.mail)),
        ),
        _mail_of_a_decline,
    ),
    # Lotte's bank wants to be asked; Giulia's next card is lost.
    Moment(
        (12,),
        (
            Screen("owed-hard-decline", GIULIA, at("/billing/owed")),
            Screen("owed-authentication", LOTTE, at("/billing/owed")),
            Screen("owed-payment-confirm", LOTTE, _confirm),
            Screen("owed-to-confirm", LOTTE, at("/billing/owed")),
            Screen("owed-payment-cancelled", LOTTE, _cancelled),
            Screen("owed-payment-refused", LOTTE, _refused),
        ),
        _hard_decline,
    ),
    Moment(
        (2, 12),
        (
            Screen("owed-suspended", GIULIA, at("/billing/owed")),
            Screen("owed-suspended-licences", GIULIA, at("/licences")),
            Screen("owed-ended", KATRIN, at("/billing/owed")),
            Screen("owed-payment-paid", LOTTE, at(lambda p: p.payment)),
        ),
        _paid,
    ),
)
