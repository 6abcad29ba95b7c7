"""What a browser really loads: bytes on the wire, requests, and what holds up the first paint."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Watch
from tests.browser.screen import GIULIA, LOTTE, Places
from tests.browser.steps import sign_in_as

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

FIRST_VISIT, SECOND_VISIT = 40_000, 12_000  # bytes
REQUESTS = 5  # page, style sheet, script; the icon, which only some windows want; the vendor's logo
_ICON_AND_LOGO = 2
_LOADED = """() => performance.getEntries()
    .filter(entry => entry.entryType === "navigation" || entry.entryType === "resource")
    .filter(entry => !entry.name.endsWith("/favicon.svg"))
    .map(entry => ({
        address: entry.name, sent: entry.transferSize && entry.encodedBodySize,
        whole: entry.decodedBodySize, blocks: entry.renderBlockingStatus === "blocking",
    }))"""


def _load(page: Page, path: str) -> list[dict[str, Any]]:
    page.goto(path, wait_until="load")
    return list(page.evaluate(_LOADED))


def _forget_files(page: Page) -> None:
    """As if this browser had never been here; it stays signed in."""
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")


@pytest.mark.parametrize("who", [LOTTE, GIULIA])
def test_the_licences_page_loads_little(watch: Watch, who: str) -> None:
    page = watch.page()
    sign_in_as(page, who)
    _forget_files(page)
    first = _load(page, "/licences")
    assert len(first) <= REQUESTS - _ICON_AND_LOGO, first
    assert sum(one["sent"] for one in first) <= FIRST_VISIT, first
    assert all(0 < one["sent"] < one["whole"] for one in first), "each is sent, and compressed"
    second = _load(page, "/licences")
    assert sum(one["sent"] for one in second) <= SECOND_VISIT, second
    assert [one["sent"] > 0 for one in second] == [True, False, False], "only the page again"


def test_nothing_but_the_style_sheet_holds_up_the_first_paint(watch: Watch, places: Places) -> None:
    page = watch.page()
    sign_in_as(page, LOTTE)
    for path in ("/licences", places.quote, f"{places.checkout}/payment", "/wallet", "/sign-in"):
        if path == "/sign-in":
            page.context.clear_cookies()
        _forget_files(page)
        blocking = [one["address"] for one in _load(page, path) if one["blocks"]]
        assert len(blocking) == 1, path
        assert blocking[0].endswith("/portal.css"), path
