"""Every reason the domain gives has a sentence (rule 9 of the road)."""

from __future__ import annotations

import ast
from datetime import date
from pathlib import Path

import pytest
from flask import Flask

from portal.config import ROOT
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.quotes import QuoteStatus
from portal.web.locale import bind
from portal.web.messages import SENTENCES, UNSEEN, error_sentence, problem_sentence


def _codes(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        place = {"DomainError": 0, "Problem": 1}.get(name)
        if place is not None and len(node.args) > place:
            argument = node.args[place]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.add(argument.value)
    return found


def test_rule9_every_code_has_a_sentence() -> None:
    codes = set().union(
        *(
            _codes(f)
            for area in ("domain", "services")
            for f in (ROOT / "portal" / area).glob("*.py")
        )
    )
    assert len(codes) > 20, "the search for codes found too few"
    assert not codes - set(SENTENCES) - UNSEEN, "codes without a sentence in web/messages.py"


def test_rule9_every_state_of_a_quote_has_a_sentence() -> None:
    assert not {f"quote_{status}" for status in QuoteStatus if status != "open"} - set(SENTENCES)


@pytest.mark.parametrize("locale", ["en", "de"])
def test_values_are_spoken_in_the_language(app: Flask, locale: str) -> None:
    with app.test_request_context("/"):
        bind(locale, "Europe/Brussels")
        assert "1" in problem_sentence("quantity_too_large", {"maximum": 1000})
        from portal.web import messages

        assert (
            messages._spoken(Money(123450, "EUR"))
            == {"en": "€1,234.50", "de": "1.234,50\xa0€"}[locale]
        )
        assert (
            messages._spoken(date(2026, 12, 1))
            == {"en": "1 December 2026", "de": "1. Dezember 2026"}[locale]
        )


def test_an_unknown_code_and_missing_data_get_the_generic_sentence(app: Flask) -> None:
    with app.test_request_context("/"):
        generic = error_sentence(DomainError("never_heard_of"))
        assert generic
        assert problem_sentence("quantity_too_small", {}) == generic
