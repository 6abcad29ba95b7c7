"""Every screen in the pseudo-locale at 320 px: no word without brackets, nothing cut off."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from portal.demo import demo_catalogue_text
from portal.documents.reverse_charge import MENTIONS
from portal.domain.catalogue_file import parse_catalogue
from portal.formats import babel_locale
from tests.browser.conftest import Watch
from tests.browser.measuring import CUT_OFF
from tests.browser.owed_screens import MOMENTS
from tests.browser.preparing import prepare
from tests.browser.screen import Places, Screen
from tests.browser.screens import SCREENS, visit
from tests.browser.server import DemoServer
from tests.support.pseudo import PSEUDO_START, unexplained

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

NARROW = 320
LOCALE = "de"  # whose dates, numbers and countries are long; its words are the pseudo-locale's

# Names and what people wrote: the only letters that may stand without brackets.
_DATA = {
    "account": ("name", "external_ref", "company_name", "address_line1", "address_line2", "postal_code", "city",
                "billing_contact"),
    "account_note": ("text",),
    "audit_event": ("actor_name",),
    "bank_entry": ("payer_name", "payer_reference", "payer_text"),
    "checkout": ("contact_name",),
    "credit_entry": ("note",),
    "credit_grant": ("reason", "answer"),
    "person": ("name",),
    "quote": ("message", "decline_reason"),
    "request_message": ("text",),
    "service_request": ("wishes", "answer"),
    "staff_member": ("working_hours",),
    "quote_line": ("details",),
    "cart_line": ("details",),
    "change_request": ("details", "decline_reason"),
    "support_message": ("about", "text"),
    "support_reply": ("text",),
}  # fmt: skip
_TYPED = ("New Person",)  # by the screens themselves
_JSON = {("cart_line", "details"), ("quote_line", "details"), ("staff_member", "working_hours")}

# The texts of a page in reading order, then each text that is only read out, and what is cut off.
# Code, and what was typed into a field, are no words of ours; initials are those of a name.
_READ = (
    """() => {"""
    + CUT_OFF
    + """
  const nodes = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  const text = (html) => new DOMParser().parseFromString(html, "text/html").body.textContent;
  let shown = "";
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    if (node.parentElement.closest("script, style, title, textarea, code, .avatar")) continue;
    if (node.parentElement.closest("noscript")) { shown += " " + text(node.data); continue; }
    shown += (node.previousSibling?.nodeName === "WBR" ? "" : " ") + node.data;
  }
  const read = [shown, document.title];
  for (const each of document.querySelectorAll("template")) read.push(each.content.textContent);
  for (const name of ["aria-label", "title", "alt", "placeholder", "aria-description"])
    for (const each of document.querySelectorAll(`[${name}]`)) read.push(each.getAttribute(name));
  for (const each of document.querySelectorAll("meta[name=description]")) read.push(each.content);
  for (const each of document.querySelectorAll("input:is([type=submit], [type=button])"))
    read.push(each.value);
  const cut = cutOff();
  return { read, cut, wide: document.documentElement.scrollWidth > window.innerWidth };
}"""
)


class PseudoServer(DemoServer):
    """The demo in the pseudo-locale."""

    def __init__(self) -> None:
        super().__init__(PYTHONPATH=str(PSEUDO_START))

    def data(self) -> set[str]:
        """The names and texts that people gave it."""
        vendor = parse_catalogue(demo_catalogue_text()).vendor
        found = {
            *MENTIONS.values(),
            vendor.legal_name,
            vendor.bank.name,
            vendor.bank.bic,
            vendor.address.street,
            vendor.address.city,
        }
        found |= set(babel_locale(LOCALE).territories.values()) | {LOCALE.upper(), *_TYPED}
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as books:
            for table, columns in _DATA.items():
                for column in columns:
                    rows = books.execute(f"SELECT DISTINCT {column} FROM {table}")
                    for (value,) in rows:
                        found |= _texts(
                            json.loads(value or "null") if (table, column) in _JSON else value
                        )
        return found


def _texts(value: Any) -> set[str]:
    """Every text in a value of a column: the text itself, or all of a JSON object's."""
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    return {line.strip() for line in str(value).splitlines()} - {""} if value else set()


@pytest.fixture(scope="module")
def server() -> Iterator[PseudoServer]:
    with PseudoServer() as running:
        yield running


def _problems(
    watch: Watch, server: PseudoServer, places: Places, screens: Sequence[Screen]
) -> list[str]:
    wrong: list[str] = []
    seen = 0
    for screen, page in visit(lambda: watch.context(width=NARROW), places, LOCALE, screens=screens):
        seen += 1
        wrong += [f"{screen.name}: {problem}" for problem in _on(page, server.data())]
    assert seen == len(screens)
    return wrong


def _on(page: Page, data: set[str]) -> list[str]:
    # A button pressed at the end of a screen's steps may still be on its way to the next page.
    page.wait_for_load_state("load")
    page.locator("main").first.wait_for()
    found = page.evaluate(_READ)
    wrong = []
    for text in found["read"]:
        try:
            wrong += [f"not translated: {piece!r}" for piece in unexplained(text, data)]
        except ValueError as error:
            wrong.append(str(error))
    wrong += [f"cut off: {what}" for what in found["cut"]]
    return wrong + (["wider than the window"] if found["wide"] else [])


def test_every_screen_is_translated_and_fits(browser: Browser, server: PseudoServer) -> None:
    watching = Watch(browser, server.url)
    wrong = _problems(watching, server, prepare(browser, server.url), SCREENS)
    watching.close()
    assert not wrong, "\n".join(dict.fromkeys(wrong))


def test_every_screen_of_what_is_owed_is_translated_and_fits(browser: Browser) -> None:
    """M5: from the first decline to the suspension and the recovery, day after day."""
    wrong: list[str] = []
    with PseudoServer() as running:
        watching, places = Watch(browser, running.url), Places()
        page = watching.page()
        for moment in MOMENTS:
            moment.begin(page, places)
            wrong += _problems(watching, running, places, moment.screens)
        watching.close()
    assert not wrong, "\n".join(dict.fromkeys(wrong))
