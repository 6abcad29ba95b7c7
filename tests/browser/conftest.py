"""A demo server and a Chromium for the browser tests; every page is watched for errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.browser import launch_args, use_working_node

use_working_node()  # before playwright looks for its own

from playwright.sync_api import Browser, BrowserContext, Page  # noqa: E402

from tests.browser.preparing import prepare  # noqa: E402
from tests.browser.screen import Places  # noqa: E402
from tests.browser.server import DemoServer  # noqa: E402

# Chromium reports our own 4xx answers as errors of loading; they are what the tests ask for.
_EXPECTED = "Failed to load resource: the server responded with a status of 4"
# A request that is given up because the next key was pressed is no error, though htmx says so.
_GIVEN_UP = ("htmx:sendAbort", "htmx:afterRequest")
_SECONDS = 15


class Watch:
    """Opens browser contexts and holds that nothing goes wrong in them."""

    def __init__(self, browser: Browser, url: str, *others: str) -> None:
        self.browser = browser
        self.url = url
        self._known = (url, *others, "data:", "about:", "blob:")
        self.problems: list[str] = []
        self._contexts: list[BrowserContext] = []

    def context(self, *, javascript: bool = True, width: int = 1280, **more: Any) -> BrowserContext:
        """A browser of a person's own: no cookies yet, the portal as its base."""
        opened = self.browser.new_context(
            base_url=self.url,
            java_script_enabled=javascript,
            viewport={"width": width, "height": 800},
            reduced_motion="reduce",
            **more,
        )
        opened.set_default_timeout(_SECONDS * 1000)
        opened.on("page", self._watch)
        self._contexts.append(opened)
        return opened

    def page(self, **how: Any) -> Page:
        """One page in a context of its own."""
        return self.context(**how).new_page()

    def close(self) -> None:
        """Close every context."""
        for each in self._contexts:
            each.close()

    def _watch(self, page: Page) -> None:
        def message(said: Any) -> None:
            policy = (
                "Content Security Policy" in said.text or "Content-Security-Policy" in said.text
            )
            if policy or (
                said.type == "error" and not said.text.startswith((_EXPECTED, *_GIVEN_UP))
            ):
                self.problems.append(f"{page.url}: {said.text}")

        def answered(response: Any) -> None:
            if response.status >= 500:
                self.problems.append(f"{response.status} {response.url}")

        def asked(request: Any) -> None:
            if not request.url.startswith(self._known):
                self.problems.append(f"{page.url} asks {urlsplit(request.url).netloc}")

        page.on("console", message)
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("response", answered)
        page.on("request", asked)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return launch_args()


@pytest.fixture(scope="session")
def server() -> Iterator[DemoServer]:
    """The demo, seeded afresh; one for the whole run."""
    with DemoServer() as running:
        yield running


@pytest.fixture(scope="session")
def places(server: DemoServer, browser: Browser) -> Places:
    """Orders, quotes and mails for the screens; made once."""
    return prepare(browser, server.url)


@pytest.fixture
def watch(server: DemoServer, browser: Browser) -> Iterator[Watch]:
    """Pages without errors: console, policy, foreign requests and 5xx fail the test at its end."""
    watching = Watch(browser, server.url)
    yield watching
    watching.close()
    assert not watching.problems, "\n".join(dict.fromkeys(watching.problems))
    assert not server.failures(), "\n".join(server.failures())
