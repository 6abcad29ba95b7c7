"""Pictures of every screen: `python -m tests.browser.screenshots [FOLDER] [--only WORD]`.

At 320, 768 and 1280 px, light and dark, in English and German. The pictures of the README are
made with them: docs/screenshot*.png.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.support.browser import launch_args, use_working_node

use_working_node()

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402 - node is chosen first

from tests.browser.owed_screens import MOMENTS  # noqa: E402
from tests.browser.preparing import prepare  # noqa: E402
from tests.browser.screen import Places, Screen  # noqa: E402
from tests.browser.screens import SCREENS, visit  # noqa: E402
from tests.browser.server import DemoServer  # noqa: E402

DOCS = Path(__file__).resolve().parents[2] / "docs"
WIDTHS = (320, 768, 1280)
SCHEMES = ("light", "dark")
LOCALES = ("en", "de")
# Screen, width and theme of each picture of the README.
README = {
    "screenshot.png": ("licences", 1280, "light"),
    "screenshot-dark.png": ("licences", 1280, "dark"),
    "screenshot-checkout.png": ("service-order", 1280, "light"),
}


def take(folder: Path, word: str, locales: tuple[str, ...] = LOCALES) -> int:
    """Take the screens whose name contains `word`; how many pictures were made."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with DemoServer() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_args())
        places = prepare(browser, server.url)
        count += _take(folder, word, locales, browser, server.url, places, SCREENS)
        browser.close()
    with DemoServer() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_args())
        page, places = browser.new_page(base_url=server.url), Places()
        for moment in MOMENTS:
            moment.begin(page, places)
            count += _take(folder, word, locales, browser, server.url, places, moment.screens)
        browser.close()
    return count


def _take(
    folder: Path, word: str, locales: tuple[str, ...], browser: Browser, url: str, places: Places,
    screens: Iterable[Screen],
) -> int:  # fmt: skip
    count = 0
    for locale in locales:
        visits = visit(
            lambda: browser.new_context(base_url=url),
            places, locale, lambda screen: word in screen.name, screens,
        )  # fmt: skip
        for screen, page in visits:
            for width in WIDTHS:
                for scheme in SCHEMES:
                    _shoot(page, width, scheme)
                    name = f"{screen.name}-{width}-{scheme}-{locale}.png"
                    page.screenshot(path=folder / name, full_page=True)
                    count += 1
            for file, (name, width, scheme) in README.items():
                if screen.name == name and locale == LOCALES[0]:
                    _shoot(page, width, scheme)
                    page.screenshot(path=DOCS / file)
    return count


def _shoot(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    page.set_viewport_size({"width": width, "height": 800})


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="screenshots", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS / "screenshots" / "gallery")
    parser.add_argument("--only", default="", help="only screens with this word in their name")
    parser.add_argument("--locale", choices=LOCALES, help="one language only")
    chosen = parser.parse_args(arguments)
    locales = (chosen.locale,) if chosen.locale else LOCALES
    count = take(chosen.folder, chosen.only, locales)
    screens = len(SCREENS) + sum(len(moment.screens) for moment in MOMENTS)
    print(f"{count} pictures of {screens} screens: {chosen.folder}")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
