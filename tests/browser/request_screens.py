"""Screens of change requests: the customer's, and the desk's."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screen import CAMILLE, HUGO, Places, Screen, at

__all__ = ["REQUESTS"]


def _first_of(page: Page, start: str, pattern: str) -> None:
    page.goto(start)
    page.goto(page.locator(f"a[href*='{pattern}']").first.get_attribute("href") or "")


def _open_request(page: Page, _places: Places) -> None:
    _first_of(page, "/requests", "/requests/2")


def _estimate(page: Page, _places: Places) -> None:
    page.goto("/requests/new?kind=fewer_seats")
    page.locator("#quantity").fill("4")
    page.locator("#estimate .figure").wait_for()


def _mistakes(page: Page, _places: Places) -> None:
    page.goto("/requests/new?kind=more_seats")
    page.locator("#ask button.main").click()
    page.locator("[data-focus]").wait_for()


def _at_desk(page: Page, _places: Places) -> None:
    _first_of(page, "/desk/requests", "/requests/2")


def _decline_mistakes(page: Page, places: Places) -> None:
    _at_desk(page, places)
    page.locator("#decline button").click()
    page.locator("[data-focus]").wait_for()


def _of_account(page: Page, places: Places) -> None:
    _at_desk(page, places)
    page.locator("main nav a[href$='/requests']").click()


REQUESTS = (
    Screen("requests", CAMILLE, at("/requests")),
    Screen("requests-new", CAMILLE, at("/requests/new")),
    Screen("requests-more", CAMILLE, at("/requests/new?kind=more_seats")),
    Screen("requests-fewer", CAMILLE, _estimate),
    Screen("requests-plan", CAMILLE, at("/requests/new?kind=plan")),
    Screen("requests-words", CAMILLE, at("/requests/new?kind=other")),
    Screen("requests-mistakes", CAMILLE, _mistakes),
    Screen("requests-one", CAMILLE, _open_request),
    Screen("desk-requests", HUGO, at("/desk/requests")),
    Screen("desk-request", HUGO, _at_desk),
    Screen("desk-request-mistakes", HUGO, _decline_mistakes),
    Screen("desk-requests-of-account", HUGO, _of_account),
)
