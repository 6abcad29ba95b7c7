"""What pages weigh: the licences page on the first and second visit, and every htmx fragment.

The same with a real browser, its requests counted: tests/browser/test_weight.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from xml.etree.ElementTree import Element

from flask import Flask

from portal.clock import clock
from portal.config import LOCALES
from portal.db import transaction
from portal.parts import Parts
from tests.guards.site import EXECUTIVE, OPERATOR
from tests.support.bulk import Customers
from tests.support.client import PortalClient
from tests.support.html import Page, check_page
from tests.support.weight import GZIP, weight

FIRST_VISIT, SECOND_VISIT, FRAGMENT = 40_000, 12_000, 5_000  # bytes
MANY = 300
GIULIA = "giulia.ferrante@officine-valdarno.example"  # five products, the most of the demo
LOTTE = "lotte.verbeke@atelier-noordzee.example"
PEOPLE = (
    GIULIA, EXECUTIVE, OPERATOR,
    "katrin.mueller@mueller-soehne.example",  # a cart that waits
    "camille.roussel@lumiere-conseil.example",  # pays by bank transfer
    "amelia.hart@brightwater.example",  # a trial
)  # fmt: skip
_LINK = re.compile(r'<a [^>]*href="(/(?!demo)[^"]*)"')
_FILE = re.compile(r"\.(csv|pdf|zip)$")
# What can be done once comes last, in this order: it changes what the other pages show.
ONCE = ("/payment", "/service-order", "/accept", "/decline")


def test_the_licences_page_is_light(app: Flask, client: PortalClient) -> None:
    """At most 40 KB and 4 files with the page on the first visit, a logo's and the icon's included;
    12 KB on the second, when the style sheet and the script are there already."""
    client.sign_in(GIULIA)
    for locale in LOCALES:
        client.get("/licences")
        client.follow(client.post(f"/languages/{locale}?next=/licences"))
        page = client.browser.get("/licences", headers=GZIP)
        again = weight(page)
        assert again <= SECOND_VISIT, f"{locale}: {again}"
        assert client.page is not None
        files = set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', client.page.source))
        assert len(files) == 3, "style sheet, script, icon; and the logo, where there is one"
        first = again + sum(weight(client.browser.get(file, headers=GZIP)) for file in files)
        assert first <= FIRST_VISIT, f"{locale}: {first}"


def _reachable(client: PortalClient, start: str) -> Iterator[Page]:
    """What htmx is used on of the pages that links lead to; one of each kind is enough."""
    waiting, known = [start], set[str]()
    while waiting:
        answer = client.browser.get(waiting.pop(0), follow_redirects=True)
        source = answer.get_data(as_text=True) if answer.mimetype == "text/html" else ""
        if "hx-get=" in source or "hx-post=" in source:
            yield check_page(source, whole=True)
        for link in map(unescape, _LINK.findall(source)):
            kind = re.sub(r"[\w.-]*\d[\w.-]*", "0", link)
            if kind not in known and not _FILE.search(link):
                known.add(kind)
                waiting.append(link)


def _requests(page: Page) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every request that htmx can send from the page: method, address, fields."""
    inside: dict[int, Element] = {
        id(element): form for form in page.all("form") for element in form.iter()
    }
    for element in page.root.iter():
        for method in ("get", "post"):
            address = element.get(f"hx-{method}")
            if address is not None:
                form = inside.get(id(element))
                fields = Page(form, "").fields() if form is not None else {}
                yield method, address, fields | json.loads(element.get("hx-vals") or "{}")


def _as_typed(name: str, value: str) -> str:
    """More of what is a number, something where nothing is yet."""
    if name in {"csrf_token", "action"}:
        return value
    return str(int(value) + 3) if value.isdecimal() else value or "2"


def _turn(address: str) -> int:
    return next((n for n, end in enumerate(ONCE, 1) if address.endswith(end)), 0)


def _weigh(client: PortalClient, start: str, seen: dict[str, int]) -> None:
    """Send what the reachable pages can send: empty, with something typed, and as it stands."""
    wanted = {
        (method, address): fields
        for page in _reachable(client, start)
        for method, address, fields in _requests(page)
    }
    for (method, address), fields in sorted(wanted.items(), key=lambda one: _turn(one[0][1])):
        typed = {name: _as_typed(name, value) for name, value in fields.items()}
        empty = {name: fields[name] for name in ("csrf_token", "action") if name in fields}
        for sent in (empty, fields) if method == "get" else (empty, typed, fields):
            how: Any = {"query_string": sent} if method == "get" else {"data": sent}
            headers = {**GZIP, "HX-Request": "true"}
            answer = client.browser.open(address, method=method.upper(), headers=headers, **how)
            assert answer.status_code in {200, 422}, f"{address}: {answer.status_code}"
            if "HX-Redirect" not in answer.headers:
                kind = re.sub(r"\d+", "0", address)
                seen[kind] = max(seen.get(kind, 0), weight(answer))


def _review(client: PortalClient) -> str:
    """One licence more, saved as a quote: where it is reviewed."""
    client.get("/licences")
    assert client.page is not None
    add = next(link for link in client.page.links() if link.endswith("/add"))
    client.get(add)
    fields = client.page.fields("seats")
    typed = {n: _as_typed(n, value) for n, value in fields.items() if n.startswith("item_")}
    return client.post(add, {**fields, **typed, "action": "save"}).headers["Location"]


def test_every_fragment_is_light(app: Flask, parts: Parts) -> None:
    """What htmx asks for while somebody types, waits or leafs: at most 5 KB."""
    with app.app_context(), transaction() as session:
        customers = Customers(session.connection(), parts.catalogue, clock.now(), locale="de")
        large = customers.add((MANY, 2, 2), members=12)
        customers.add_members(large, MANY)
        customers.add_uses(large, MANY)
        for _ in range(MANY // 5):
            customers.add((2,), members=1, invoices=1)
        customers.sign_in(large, "large")
        customers.write()
    crowded, buying = PortalClient(app), PortalClient(app)
    with crowded.browser.session_transaction() as cookie:
        cookie["_user_id"] = "large"
    buying.sign_in(LOTTE)
    buying.post("/languages/fr")  # its words are the longest
    starts = [(crowded, "/"), (buying, _review(buying))]
    for email in PEOPLE:
        client = PortalClient(app)
        client.sign_in(email)
        starts.append((client, "/"))
    seen: dict[str, int] = {}
    for client, start in starts:
        _weigh(client, start, seen)
    assert len(seen) >= 15, sorted(seen)
    assert "/checkout/0/payment" in seen
    heavy = [f"{address}: {size} bytes" for address, size in seen.items() if size > FRAGMENT]
    assert not heavy, "\n".join(heavy)
