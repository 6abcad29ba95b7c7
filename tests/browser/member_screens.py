"""Screens of people: members, their file, consents."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.screen import (
    GIULIA,
    KATRIN,
    LOTTE,
    Open,
    Places,
    Screen,
    at,
    menu_open,
)

__all__ = ["MEMBERS"]


def _person(name: str, then: str = "") -> Open:
    def go(page: Page, _places: Places) -> None:
        page.goto(f"/members?q={name}")
        page.goto((page.locator("#members td a").first.get_attribute("href") or "") + then)

    return go


def _invite_with_mistakes(page: Page, _places: Places) -> None:
    page.goto("/members/invite")
    page.locator("input[name=email]").fill("nobody")
    page.locator("#invite button.main").click()
    page.locator("[data-focus]").wait_for()


def _import(*lines: str) -> Open:
    def go(page: Page, _places: Places) -> None:
        page.goto("/members/import")
        content = "\n".join(("email,name,role,status,licence:crm", *lines)).encode()
        page.set_input_files("#file", {"name": "a.csv", "mimeType": "text/csv", "buffer": content})
        with page.expect_navigation():
            page.locator("main form button.main").click()

    return go


MEMBERS = (
    Screen("members", LOTTE, at("/members")),
    Screen("members-file-menu", LOTTE, menu_open(".pagehead .menu summary", "/members")),
    Screen("members-nobody-found", LOTTE, at("/members?q=nobody+like+this")),
    Screen("members-many", GIULIA, at("/members?product=desk")),
    Screen("member", LOTTE, _person("jonas")),
    Screen("member-asked", LOTTE, _person("pieter")),
    Screen("member-invited", LOTTE, _person("milan")),
    Screen("member-deactivated", LOTTE, _person("karel")),
    Screen("member-role", LOTTE, _person("jonas", "/role")),
    Screen("member-role-admin", LOTTE, _person("pieter", "/role")),
    Screen("member-role-last-admin", KATRIN, _person("katrin", "/role")),
    Screen("member-deactivate", LOTTE, _person("jonas", "/deactivate")),
    Screen("member-deactivate-admin", LOTTE, _person("pieter", "/deactivate")),
    Screen("member-deactivate-last-admin", KATRIN, _person("katrin", "/deactivate")),
    Screen("member-reactivate", LOTTE, _person("karel", "/reactivate")),
    Screen("member-none-free", GIULIA, _person("bianchini")),
    Screen("members-invite", LOTTE, at("/members/invite")),
    Screen("members-invite-mistakes", LOTTE, _invite_with_mistakes),
    Screen("members-import", LOTTE, at("/members/import")),
    Screen(
        "members-import-preview",
        LOTTE,
        _import(
            "new.person@x.example,New Person,,,yes",
            "an.declercq@atelier-noordzee.example,,member,,no",
            "jonas.wittevrongel@atelier-noordzee.example,,,deactivated,",
        ),
    ),
    Screen(
        "members-import-problems",
        LOTTE,
        _import(
            "pieter.claes@atelier-noordzee.example,,member,,",
            "nobody,,,,maybe",
        ),
    ),
    Screen("members-import-nothing", LOTTE, _import("lotte.verbeke@atelier-noordzee.example,,,,")),
    Screen("consent", None, at(lambda p: p.consent)),
    Screen("consent-over", None, at("/consents/unknown")),
)
