"""Templates: nothing inline, every word translated (rules 8 and 9 of the road)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from portal.config import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
TEXTS = sorted((ROOT / "templates").rglob("*.txt"))
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_TAG = re.compile(
    r"<!--.*?-->|<!doctype[^>]*>|</?[a-zA-Z](?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL | re.I
)
_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_READ_OUT = re.compile(r"\b(?:aria-label|alt|title|placeholder|aria-description)=\"([^\"]*)\"")
_INLINE = {
    "an inline style": re.compile(r"\sstyle=", re.I),
    "an inline handler": re.compile(r"\s(?:on[a-z]{3,}|hx-on[:a-z-]*)=", re.I),
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)", re.I),
    "a style element": re.compile(r"<style", re.I),
    "a javascript: address": re.compile(r"javascript:", re.I),
    "an address of another site": re.compile(r"(?:src|href|action)=\"(?:https?:)?//", re.I),
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "templates"))


def words_of(source: str) -> list[str]:
    """Words that stand in the template itself, outside of every expression."""
    plain = _JINJA.sub(lambda found: "\n" * found[0].count("\n"), source)
    read_out = [text for text in _READ_OUT.findall(plain) if _LETTERS.search(text)]
    text = _TAG.sub(" ", _STYLE.sub(" ", plain))
    text = re.sub(r"&[a-z]+;|\baria-[a-z]+=\"[^\"]*\"", " ", text)
    return read_out + [line.strip() for line in text.splitlines() if _LETTERS.search(line)]


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_nothing_is_inline(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    is_mail = path.parent.name == "mail"  # mail programs know no style sheet
    for what, pattern in _INLINE.items():
        if is_mail and what in {"an inline style", "a style element"}:
            continue
        found = pattern.search(_JINJA.sub("", source) if "address" in what else source)
        assert not found, f"{what}: {source[found.start() : found.start() + 60]!r}" if found else ""


@pytest.mark.parametrize("path", TEMPLATES + TEXTS, ids=name_of)
def test_every_word_goes_through_the_translation(path: Path) -> None:
    found = words_of(path.read_text(encoding="utf-8"))
    assert not found, f"not translated: {found}"


def test_the_lint_sees_untranslated_words() -> None:
    assert words_of("<p>Hello</p>") == ["Hello"]
    assert words_of('<a aria-label="Close it" href="/x">{{ _(\'Close\') }}</a>') == ["Close it"]
    assert words_of("<p title=\"{{ _('a') }}\">{{ _('Hello') }}{# note #} · 12 × &nbsp;</p>") == []
    assert words_of('<input value="a>b" class="x">') == []


def test_classes_of_the_templates_have_a_rule() -> None:
    """A class without a rule is a mistyped one, or a screen that nobody has looked at."""
    style = (ROOT / "static" / "portal.css").read_text(encoding="utf-8")
    known = set(re.findall(r"\.([a-z][a-z0-9-]*)", style))
    script = (ROOT / "static" / "portal.js").read_text(encoding="utf-8")
    unknown = {}
    for path in TEMPLATES:
        if path.parent.name == "mail":
            continue
        source = re.sub(r"\{%.*?%\}", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for value in re.findall(r'class="([^"]*)"', source):
            for each in re.sub(r"\{\{.*?\}\}", " ", value).split():
                if each not in known and each not in script:
                    unknown.setdefault(each, name_of(path))
    assert not unknown, unknown
