"""What a screen is, who looks at it, and the simple ways to bring one up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

__all__ = [
    "AMELIA", "CAMILLE", "GIULIA", "GRETA", "HUGO", "JONAS", "KATRIN", "LOTTE", "PIETER", "SOFIE",
    "Open", "Places", "Screen", "at", "menu_open", "of",
]  # fmt: skip

LOTTE = "lotte.verbeke@atelier-noordzee.example"  # admin, pays by card
PIETER = "pieter.claes@atelier-noordzee.example"  # admin, Dutch
JONAS = "jonas.wittevrongel@atelier-noordzee.example"  # a member
SOFIE = "sofie.maes@boekhoud-maes.example"  # two companies
KATRIN = "katrin.mueller@mueller-soehne.example"  # a cart that waits
CAMILLE = "camille.roussel@lumiere-conseil.example"  # pays by bank transfer
GIULIA = "giulia.ferrante@officine-valdarno.example"  # five products, an open quote
AMELIA = "amelia.hart@brightwater.example"  # a trial
HUGO = "hugo.peeters@kanto.example"  # the vendor's account executive
GRETA = "greta.wouters@kanto.example"  # the vendor's operator


@dataclass
class Places:
    """Addresses that `prepare` found out."""

    add: str = ""
    quote: str = ""
    replaced: str = ""
    declined: str = ""
    checkout: str = ""
    order_done: str = ""
    order_failed: str = ""
    order_waiting: str = ""
    challenge: str = ""
    setup: str = ""
    setup_over: str = ""
    invoice: str = ""
    open_quote: str = ""
    paged: str = ""
    support_add: str = ""
    transfer_add: str = ""
    trial_add: str = ""
    cancelled: str = ""
    too_late: str = ""
    invoice_by_transfer: str = ""
    setup_cancelled: str = ""
    mail: str = ""
    link: str = ""
    consent: str = ""
    payment: str = ""
    transfer_quote: str = ""
    transfer_order: str = ""
    desk_quote: str = ""
    desk_order: str = ""
    desk_draft: str = ""


Open = Callable[[Page, Places], None]


@dataclass(frozen=True)
class Screen:
    """A screen: who sees it, and how it comes on screen."""

    name: str
    who: str | None
    open: Open


def at(place: str | Callable[[Places], str]) -> Open:
    """The page at an address, or at one that `prepare` found out."""

    def go(page: Page, places: Places) -> None:
        page.goto(place if isinstance(place, str) else place(places))

    return go


def of(add: str, page: str) -> str:
    """Another page of the subscription whose seats are added at `add`."""
    return f"{add.removesuffix('/add')}/{page}"


def menu_open(selector: str, path: str) -> Open:
    """The page at `path` with the menu open that `selector` finds."""

    def go(page: Page, _places: Places) -> None:
        page.goto(path)
        page.locator(selector).first.click()

    return go
