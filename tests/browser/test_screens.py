"""Every screen: accessible (axe, 0 violations), no error in the console, nothing too wide.

Every screen is looked at in English and German, and in one of the other languages; `make soak`
looks at all of them in every language, theme and width. Beside axe the boxes are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from portal.domain.catalogue import LOCALES
from tests.browser.conftest import Watch
from tests.browser.measuring import (
    cut_off_when_spaced,
    lost_in_forced_colours,
    moving,
    small_targets,
    unseen_focus,
)
from tests.browser.owed_screens import MOMENTS
from tests.browser.screen import Places, Screen
from tests.browser.screens import SCREENS, visit
from tests.browser.server import DemoServer
from tests.support.soak import IS_SOAK

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

NARROW, MIDDLE, WIDE = 320, 768, 1280
_ONLY = {  # axe need not describe all that is right, and is asked for what it leaves out (2.5.8)
    "resultTypes": ["violations"],
    "rules": {"target-size": {"enabled": True}},
}
_MEASURES = {
    "too small to be pressed": small_targets,
    "focus is not seen": unseen_focus,
    "lost when the text is spaced out": cut_off_when_spaced,
    "moves": moving,
    "lost in forced colours": lost_in_forced_colours,
}


@dataclass(frozen=True)
class Look:
    """A language in a theme and a width; at every third screen only, from the first, second, …"""

    locale: str
    scheme: str
    width: int
    third: int | None = None

    def __str__(self) -> str:
        return f"{self.locale}-{self.scheme}-{self.width}"

    def of(self, screens: Sequence[Screen]) -> Sequence[Screen]:
        """Those of the screens that are looked at like this."""
        return screens if self.third is None else screens[self.third :: 3]


EVERY = tuple(Look(*each) for each in product(LOCALES, ("light", "dark"), (NARROW, WIDE)))
LOOKS = EVERY if IS_SOAK else (
    Look("en", "light", WIDE),
    Look("de", "dark", NARROW),
    Look("fr", "light", NARROW, 0),
    Look("it", "dark", WIDE, 1),
    Look("nl", "light", MIDDLE, 2),
)  # fmt: skip


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


def _problems(watch: Watch, places: Places, screens: Sequence[Screen], look: Look) -> list[str]:
    axe, shown = Axe(), look.of(screens)
    wrong: list[str] = []
    seen = 0
    contexts = lambda: watch.context(width=look.width, color_scheme=look.scheme)  # noqa: E731
    for screen, page in visit(contexts, places, look.locale, screens=shown):
        seen += 1
        assert page.locator("html").get_attribute("lang") == look.locale, screen.name
        # An open menu lies over what is beside it, and closes before that is pressed.
        options = _ONLY | ({"rules": {}} if screen.name.endswith("-menu") else {})
        for violation in axe.run(page, options=options).response["violations"]:
            nodes = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
            wrong.append(f"{screen.name}: {violation['id']}: {violation['help']}: {nodes}")
        wrong += [f"{screen.name} is wider than {look}: {what}" for what in _too_wide(page)]
        if "mistake" in screen.name:
            focused = page.evaluate("document.activeElement.hasAttribute('data-focus')")
            wrong += [] if focused else [f"{screen.name}: the error summary has no focus"]
        for words, measure in _MEASURES.items():
            wrong += [f"{screen.name} ({look}): {words}: {what}" for what in measure(page)]
    assert seen == len(shown)
    return wrong


@pytest.mark.soak
@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_every_screen_is_accessible_and_fits(watch: Watch, places: Places, look: Look) -> None:
    wrong = _problems(watch, places, SCREENS, look)
    assert not wrong, "\n".join(wrong)


@pytest.mark.soak
def test_every_screen_of_what_is_owed_is_accessible_and_fits(browser: Browser) -> None:
    """M5: from the first decline to the suspension and the recovery, day after day."""
    wrong: list[str] = []
    with DemoServer() as running:
        watching, places = Watch(browser, running.url), Places()
        page = watching.page()
        for moment in MOMENTS:
            moment.begin(page, places)
            for look in LOOKS:
                if look.third is None:  # what is shown follows from what was done before it
                    wrong += _problems(watching, places, moment.screens, look)
        watching.close()
        wrong += [*watching.problems, *running.failures()]
    assert not wrong, "\n".join(dict.fromkeys(wrong))
