"""Reading and checking HTML as a strict browser would."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

import html5lib

_NS = "{http://www.w3.org/1999/xhtml}"


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed page: its tree and what tests ask of it most."""

    root: Element
    source: str

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Every element of `tag` that has all `attributes` (class matches one of the classes)."""
        found = []
        for element in self.root.iter(f"{_NS}{tag}"):
            for name, value in attributes.items():
                name = name.rstrip("_").replace("_", "-")
                have = element.get(name)
                if have is None or (
                    value not in have.split() if name == "class" else have != value
                ):
                    break
            else:
                found.append(element)
        return found

    def text(self, element: Element | None = None) -> str:
        """The text of the page or an element, white space folded, no-break spaces made plain."""
        whole = "".join((element if element is not None else self.body).itertext())
        return re.sub(r"\s+", " ", whole.replace("\xa0", " ").replace("\u202f", " ")).strip()

    @property
    def body(self) -> Element:
        return next(self.root.iter(f"{_NS}body"))

    @property
    def title(self) -> str:
        titles = self.all("title")
        return self.text(titles[0]) if titles else ""

    @property
    def csrf_token(self) -> str | None:
        fields = self.all("input", name="csrf_token")
        return fields[0].get("value") if fields else None

    def links(self) -> list[str]:
        """The addresses of all links."""
        return [a.get("href", "") for a in self.all("a") if a.get("href")]

    def fields(self, form_id: str | None = None) -> dict[str, Any]:
        """What a browser would send for the form of `form_id` (or all forms) left as it is."""
        scope = self.all("form", id=form_id)[0] if form_id else self.root
        sent: dict[str, Any] = {}
        for element in scope.iter():
            name = element.get("name")
            if not name or element.get("disabled") is not None:
                continue
            tag = element.tag.removeprefix(_NS)
            kind = element.get("type", "text")
            if tag == "input":
                if kind in {"checkbox", "radio"}:
                    if element.get("checked") is not None:
                        sent[name] = element.get("value", "on")
                elif kind not in {"submit", "button", "image", "file"}:
                    sent[name] = element.get("value", "")
            elif tag == "textarea":
                sent[name] = (element.text or "").removeprefix("\n")
            elif tag == "select":
                options = list(element.iter(f"{_NS}option"))
                chosen = [o for o in options if o.get("selected") is not None] or options[:1]
                if chosen:
                    sent[name] = chosen[0].get("value", chosen[0].text or "")
        return sent


def check_page(source: str, *, whole: bool) -> Page:
    """Parse strictly and hold what every page must be; raises AssertionError with the reason."""
    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=True)
    if whole:
        root = parser.parse(source)
    else:
        root = parser.parse(
            f"<!doctype html><html><head><title>t</title></head><body>{source}</body>"
        )
    assert not parser.errors, f"not valid HTML5: {parser.errors[:3]}"
    page = Page(root, source)
    ids = Counter(e.get("id") for e in root.iter() if isinstance(e.tag, str) and e.get("id"))
    twice = [name for name, count in ids.items() if count > 1]
    assert not twice, f"duplicate ids: {twice}"
    if whole:
        assert page.title, "no title"
        assert len(page.all("h1")) == 1, f"{len(page.all('h1'))} h1"
        html = next(root.iter(f"{_NS}html")) if root.tag != f"{_NS}html" else root
        assert html.get("lang"), "no lang"
    assert " style=" not in source, "an inline style would break the content security policy"
    return page
