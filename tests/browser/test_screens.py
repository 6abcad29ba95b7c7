"""Every screen: accessible (axe, 0 violations), no error in the console, nothing too wide."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Watch
from tests.browser.owed_screens import MOMENTS
from tests.browser.screen import Places, Screen
from tests.browser.screens import SCREENS, visit
from tests.browser.server import DemoServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NARROW, WIDE = 320, 1280
LOOKS = (("en", "light", WIDE), ("de", "dark", NARROW))
_ONLY = {"resultTypes": ["violations"]}  # axe need not describe all that is right


def _too_wide(page: Page) -> list[str]:
    """What sticks out of the window; a box that scrolls by itself may hold something wider."""
    if not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        return []
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1
                     && !e.closest('.flush, .side, .visually-hidden'))
        .map(e => e.outerHTML.slice(0, 120)).slice(0, 3)"""
    )
    return found or ["the page"]


def _problems(
    watch: Watch, places: Places, screens: Sequence[Screen], locale: str, scheme: str, width: int
) -> list[str]:
    axe = Axe()
    wrong: list[str] = []
    seen = 0
    contexts = lambda: watch.context(width=width, color_scheme=scheme)  # noqa: E731
    for screen, page in visit(contexts, places, locale, screens=screens):
        seen += 1
        assert page.locator("html").get_attribute("lang") == locale, screen.name
        for violation in axe.run(page, options=_ONLY).response["violations"]:
            nodes = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
            wrong.append(f"{screen.name}: {violation['id']}: {violation['help']}: {nodes}")
        wrong += [f"{screen.name} is wider than {width} px: {what}" for what in _too_wide(page)]
        if "mistake" in screen.name:
            focused = page.evaluate("document.activeElement.hasAttribute('data-focus')")
            wrong += [] if focused else [f"{screen.name}: the error summary has no focus"]
    assert seen == len(screens)
    return wrong


@pytest.mark.parametrize(("locale", "scheme", "width"), LOOKS)
def test_every_screen_is_accessible_and_fits(
    watch: Watch, places: Places, locale: str, scheme: str, width: int
) -> None:
    wrong = _problems(watch, places, SCREENS, locale, scheme, width)
    assert not wrong, "\n".join(wrong)


def test_every_screen_of_what_is_owed_is_accessible_and_fits(browser: Browser) -> None:
    """M5: from the first decline to the suspension and the recovery, day after day."""
    wrong: list[str] = []
    with DemoServer() as running:
        watching, places = Watch(browser, running.url), Places()
        page = watching.page()
        for moment in MOMENTS:
            moment.begin(page, places)
            for locale, scheme, width in LOOKS:
                wrong += _problems(watching, places, moment.screens, locale, scheme, width)
        watching.close()
        wrong += [*watching.problems, *running.failures()]
    assert not wrong, "\n".join(dict.fromkeys(wrong))
