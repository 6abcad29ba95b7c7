"""Every main flow by the keyboard alone, with JavaScript and without: no mouse, and at each stop
one sees where one is (WCAG 2.1.1, 2.4.3, 2.4.7, 2.4.11, 3.3.1, 4.1.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.measuring import unseen_stop
from tests.browser.screen import GIULIA, LOTTE
from tests.browser.server import DemoServer
from tests.browser.steps import WORKS, link_in, newest_mail, open_mail, present_total, see_it_done

pytestmark = pytest.mark.browser

_FURTHEST = 90  # presses of Tab: more than that nobody wants to make
_LANGUAGES = "details.menu:has(button[formaction]) > summary"


class Keys:
    """A person at the keyboard. Each stop on the way is looked at."""

    def __init__(self, page: Page, javascript: bool) -> None:
        self.page = page
        self.javascript = javascript

    def press(self, *names: str) -> None:
        for name in names:
            self.page.keyboard.press(name)

    def type(self, text: str) -> None:
        """In the field that has the focus, instead of what stands there."""
        self.press("ControlOrMeta+A", "Delete")
        self.page.keyboard.type(text)

    def change(self, text: str) -> None:
        """Type it and leave the field."""
        self.type(text)
        self.press("Tab")

    def is_on(self, selector: str) -> bool:
        found: bool = self.page.evaluate("s => document.activeElement.matches(s)", selector)
        return found

    def land_on(self, selector: str, why: str) -> None:
        """The focus comes here by itself: with htmx once it has settled, so wait for it."""
        expect(self.page.locator(f":focus:is({selector})"), why).to_have_count(1)

    def reach(self, selector: str, key: str = "Tab") -> None:
        """Press Tab until what `selector` finds has the focus."""
        for _press in range(_FURTHEST):
            self.press(key)
            hidden = unseen_stop(self.page)
            assert not hidden, f"{self.page.url}: {hidden}"
            if self.is_on(selector):
                return
        raise AssertionError(f"{self.page.url}: the keyboard does not reach {selector}")

    def to_content(self) -> None:
        """Past header and navigation, by the first stop of every page."""
        self.reach("a.skip")
        self.press("Enter")
        self.land_on("main", "the first stop skips to the content")

    def follow(self, selector: str, onwards: str) -> None:
        """Reach a link or button, press it, and be on the page that it leads to."""
        self.reach(selector)
        self.press("Enter")
        self.page.wait_for_url(re.compile(onwards))

    def begin(self, email: str) -> None:
        """Sign in as the demo's person with this address, and read English."""
        self.page.goto("/demo")
        self.follow(f"form:has(input[name=email][value='{email}']) button", "/(licences|accounts)$")
        self.page.goto("/languages")
        self.reach("main button[lang=en]")
        self.press("Enter")
        expect(self.page.locator("html")).to_have_attribute("lang", "en")


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    """A demo of its own: what is bought and removed here would change the screens of the others."""
    with DemoServer() as running:
        yield running


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript-320"])
def keys(watch: Watch, request: pytest.FixtureRequest) -> Keys:
    """At a wide window with JavaScript, at one of 320 px (1280 px at 400 %) without."""
    script: bool = request.param
    return Keys(watch.page(javascript=script, width=1280 if script else 320), script)


def _amount(text: str) -> str:
    found = re.search(r"\d[\d,]*\.\d\d", text)
    assert found, text
    return found[0]


def _see_it_done(keys: Keys) -> None:
    """The order's page goes on by itself; without JavaScript one loads it again."""
    for _try in range(0 if keys.javascript else 40):
        if not keys.page.locator(".progress > li:not(.done)").count():
            break
        keys.page.wait_for_timeout(250)
        keys.page.reload()
    see_it_done(keys.page)


def test_signing_in(keys: Keys) -> None:
    page = keys.page
    before = newest_mail(page, LOTTE)
    page.goto("/sign-in")
    keys.to_content()
    keys.reach("input[name=email]")
    keys.type(LOTTE)
    keys.press("Enter")
    page.wait_for_url("**/sign-in/sent")
    page.goto(link_in(open_mail(page, LOTTE, after=before)))
    keys.to_content()
    keys.follow("main form button", "/licences$")


def test_buying_licences(keys: Keys) -> None:
    page = keys.page
    keys.begin(LOTTE)
    page.goto("/licences")
    keys.to_content()
    keys.follow("a.button.main[href$='/add']", "/add$")
    keys.to_content()
    keys.reach("#seats input[name^=item_]")
    keys.type(str(present_total(page) + 2))
    if not keys.javascript:
        keys.reach("#seats button[value=preview]")
        keys.press("Enter")
    expect(page.locator("#price .figure")).to_be_visible()
    keys.follow("#seats button[value=save]", r"/quotes/\d+$")
    shown = _amount(page.locator("dd.sum").inner_text())
    keys.to_content()
    keys.follow("a.button.main[href$='/payment']", "/payment$")
    keys.to_content()
    keys.reach("#payment button[value=method]")
    keys.press("Space")
    page.wait_for_url(re.compile("/demo/pay/setups/"))
    for name, value in (("number", WORKS), ("expiry", "12/34"), ("cvc", "123")):
        keys.reach(f"input[name={name}]")
        keys.type(value)
    keys.press("Enter")
    page.wait_for_url(re.compile("/payment$"))
    keys.to_content()
    keys.follow("#payment button[value=save]", "/service-order$")
    keys.to_content()
    keys.reach("form[action$='/service-order'] button")
    assert _amount(page.locator(":focus").inner_text()) == shown, "the button says the amount"
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/orders/\d+$"))
    _see_it_done(keys)


def test_removing_licences_and_undoing_it(keys: Keys) -> None:
    page = keys.page
    keys.begin(GIULIA)
    page.goto("/licences")
    keys.to_content()
    keys.reach("section.card .menu > summary")
    keys.press("Space")
    keys.follow("section.card .menu a[href$='/remove']", "/remove$")
    keys.to_content()
    keys.reach("#remove")
    keys.type("1")
    keys.reach("#removal button[value=review]")
    keys.press("Enter")
    page.locator("button[value=confirm]").wait_for()
    keys.to_content()
    keys.follow("button[value=confirm]", "/licences$")
    undo = page.locator("form[action$='/undo']")
    waiting = undo.count()
    assert waiting
    keys.to_content()
    keys.reach("form[action$='/undo'] button")
    keys.press("Space")
    expect(undo).not_to_have_count(waiting)
    assert undo.count() < waiting


def test_buying_credits(keys: Keys) -> None:
    page = keys.page
    keys.begin(LOTTE)
    page.goto("/wallet/buy?pack=small")
    figure = page.locator("#price .figure")
    before = figure.inner_text()
    keys.to_content()
    keys.reach("input[name=pack]")
    assert keys.is_on(":checked"), "a group of radios is one stop, at what is chosen"
    keys.press("ArrowDown")
    assert keys.is_on(":checked")
    if not keys.javascript:
        keys.reach("#buy button[value=preview]")
        keys.press("Enter")
    expect(figure).not_to_have_text(before)
    keys.reach("button[value=pay]")
    assert _amount(page.locator(":focus").inner_text()) == _amount(figure.inner_text())
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/orders/\d+$"))
    _see_it_done(keys)


def test_inviting_a_person(keys: Keys) -> None:
    page = keys.page
    email = f"keys-{keys.javascript}@atelier-noordzee.example".lower()
    keys.begin(LOTTE)
    page.goto("/members")
    keys.to_content()
    keys.follow("a.button.main[href$='/invite']", "/invite$")
    keys.to_content()
    keys.reach("input[name=email]")
    keys.type(email)
    keys.reach("input[name=name]")
    keys.type("Kim Keys")
    keys.reach("input[name=role]")
    keys.press("ArrowDown")
    chosen = page.locator("input[name=role]:checked").get_attribute("value")
    assert keys.is_on(f"[value={chosen}]"), "the arrows choose among the roles"
    keys.reach("#invite button.main")
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/members(/\d+)?$"))
    page.goto("/members?q=Kim+Keys")
    expect(page.locator("#members")).to_contain_text(email)


def test_a_mistake_is_found_and_mended(keys: Keys) -> None:
    page = keys.page
    keys.begin(LOTTE)
    page.goto("/billing/details")
    title = page.title()
    company = page.locator("#company_name").input_value()
    keys.to_content()
    keys.reach("#company_name")
    keys.type("")
    keys.reach("#purchase_order")
    keys.type("PO 4711 ÄÖÜ")
    keys.press("Enter")
    page.locator(".summary").wait_for()
    assert page.title() == f"Error: {title}"
    keys.land_on(".summary", "the error summary has the focus")
    expect(page.locator("#purchase_order")).to_have_value("PO 4711 ÄÖÜ")
    keys.reach(".summary a")
    keys.press("Enter")
    keys.land_on("#company_name[aria-invalid=true]", "the summary leads to the field")
    described = page.locator("#company_name").get_attribute("aria-describedby") or ""
    assert page.locator(f"#{described}").inner_text() == page.locator(".summary a").inner_text()
    keys.type(company)
    keys.follow("#details button[value=save]", "/billing$")
    expect(page.locator("#notices .banner.good")).to_be_visible()


@pytest.mark.parametrize(
    ("place", "field"), [("/billing/details", "#city"), ("/members/invite", "#name")]
)
def test_the_language_is_switched_and_what_was_typed_stays(
    keys: Keys, place: str, field: str
) -> None:
    page = keys.page
    keys.begin(LOTTE)
    page.goto(place)
    keys.to_content()
    keys.reach(field)
    keys.type("Brügge <&>")
    keys.reach(_LANGUAGES, key="Shift+Tab")
    keys.press("Enter")
    keys.reach("button[lang=fr]")
    keys.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.locator(field)).to_have_value("Brügge <&>")
    assert page.url.endswith(place)


def test_menus_close_and_give_the_focus_back(watch: Watch) -> None:
    keys = Keys(watch.page(), True)
    page = keys.page
    keys.begin(GIULIA)
    page.goto("/licences")
    for menu in (".tools .menu", ".tools .menu:last-child", "section.card .menu"):
        opened = page.locator(f"{menu}[open]")
        for leave in ("Escape", "Shift+Tab"):
            keys.reach(f"{menu} > summary")
            keys.press("Enter")
            expect(opened).to_have_count(1)
            if leave == "Escape":
                keys.reach(f"{menu} li :is(a, button)")
                keys.press("Escape")
                keys.land_on(f"{menu} > summary", "the focus goes back to what opened it")
            keys.press("Shift+Tab")
            expect(opened).to_have_count(0)


_LISTEN = """() => {
  const told = window.told = [];
  const regions = "[aria-live], [role=status], [role=alert], [role=log]";
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      const region = (target.closest ? target : target.parentElement)?.closest(regions);
      if (region) told.push(region.id || region.outerHTML.slice(0, 80));
      for (const each of addedNodes)
        if (each.matches?.(regions) || each.querySelector?.(regions)) told.push("a new region");
    }
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


@dataclass(frozen=True)
class Typing:
    """What is done on a page whose result comes with htmx."""

    where: str
    field: str
    do: Callable[[Keys], None]


_TYPINGS = (
    Typing("a.button.main[href$='/add']", "#seats input[name^=item_]", lambda keys: keys.type("940")),
    Typing("section.card .menu a[href$='/remove']", "#remove", lambda keys: keys.type("2")),
    Typing("/wallet/buy", "input[name=pack]", lambda keys: keys.press("ArrowDown")),
    Typing("/members", "#q", lambda keys: keys.type("giulia")),
    Typing("/billing/details", "#vat_number", lambda keys: keys.change("IT00743110157")),
)  # fmt: skip


def test_one_polite_region_speaks_and_the_focus_stays(watch: Watch) -> None:
    keys = Keys(watch.page(), True)
    page = keys.page
    keys.begin(GIULIA)
    for typing in _TYPINGS:
        page.goto("/licences")
        link = None if typing.where.startswith("/") else page.locator(typing.where).first
        page.goto(typing.where if link is None else link.get_attribute("href") or "")
        page.evaluate(_LISTEN)
        keys.to_content()
        keys.reach(typing.field)
        typing.do(keys)
        expect(page.locator("#live"), typing.where).not_to_be_empty()
        page.wait_for_timeout(100)  # whatever would speak as well has spoken by then
        assert set(page.evaluate("told")) == {"live"}, typing.where
        assert page.locator("#live").get_attribute("aria-live") == "polite"
        assert not unseen_stop(page), typing.where
        assert page.evaluate("document.activeElement !== document.body"), typing.where


def test_a_mistake_that_htmx_answers_has_title_and_focus(watch: Watch) -> None:
    keys = Keys(watch.page(), True)
    page = keys.page
    keys.begin(LOTTE)
    page.goto("/licences")
    keys.to_content()
    keys.follow("a.button.main[href$='/add']", "/add$")
    keys.reach("#seats input[name^=item_]")
    keys.type(str(present_total(page) + 1))
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/quotes/\d+$"))
    keys.to_content()
    keys.follow("a.button.main[href$='/payment']", "/payment$")
    title = page.title()
    keys.to_content()
    keys.reach("#company_name")
    keys.type("")
    keys.press("Enter")
    page.locator(".summary").wait_for()
    expect(page).to_have_title(f"Error: {title}")
    keys.land_on(".summary", "the error summary has the focus")
    keys.reach(".summary a")
    keys.press("Enter")
    keys.land_on("#company_name", "the summary leads to the field")
